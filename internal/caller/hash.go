package caller

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// What HashPassword makes: the smallest setting that OWASP recommends for argon2id (Password Storage Cheat Sheet, 19 MiB,
// two passes, one lane), because a gateway checks passwords beside its traffic.
const (
	argonKiB    = 19 << 10
	argonPasses = 2
	argonLanes  = 1
	argonSalt   = 16 // bytes, RFC 9106, section 3.1
	argonKey    = 32
)

// What is accepted from a file. More would let one sign-in stop the gateway (chosen: about a second on one core).
const (
	mostBcryptCost  = 14
	mostArgonKiB    = 256 << 10
	mostArgonPasses = 16
	mostArgonLanes  = 16
	mostArgonWork   = 1 << 20 // KiB times passes
	bcryptBytes     = 72      // what bcrypt looks at of a password
)

// hash is one stored password. The parsed form is all that is kept of the file's text.
type hash struct {
	bcrypt []byte // the whole string; nil for argon2id

	kib, passes uint32
	lanes       uint8
	salt, key   []byte
}

// Why a hash is refused; the texts are the codes of findings without "caller.".
var (
	errUnsupported = errors.New("hash-unsupported")
	errBroken      = errors.New("hash-broken")
	errCostly      = errors.New("hash-costly")
)

// parseHash reads a bcrypt string ($2a$, $2b$, $2y$) or an argon2id string in PHC form. kind names what else it is when
// it is not supported. It never returns a part of text, which may be a password.
func parseHash(text string) (h hash, kind string, err error) {
	switch {
	case strings.HasPrefix(text, "$2a$"), strings.HasPrefix(text, "$2b$"), strings.HasPrefix(text, "$2y$"):
		h, err = parseBcrypt(text)
		return h, "bcrypt", err
	case strings.HasPrefix(text, "$argon2id$"):
		h, err = parseArgon(text)
		return h, "argon2id", err
	}
	return hash{}, hashKind(text), errUnsupported
}

// hashKind names the scheme of a hash that is not supported.
func hashKind(text string) string {
	for _, known := range []struct{ prefix, name string }{
		{"{SHA}", "SHA-1"}, {"{SSHA}", "SHA-1"}, {"$apr1$", "MD5"}, {"$1$", "MD5"}, {"$5$", "SHA-256 crypt"}, {"$6$", "SHA-512 crypt"},
		{"$2x$", "bcrypt 2x"}, {"$2$", "bcrypt 2"}, {"$argon2i$", "argon2i"}, {"$argon2d$", "argon2d"}, {"$scrypt$", "scrypt"}, {"$y$", "yescrypt"},
		{"$7$", "scrypt"}, {"$pbkdf2", "PBKDF2"},
	} {
		if strings.HasPrefix(text, known.prefix) {
			return known.name
		}
	}
	const crypt = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	if len(text) == 13 && strings.Trim(text, crypt) == "" {
		return "crypt"
	}
	return "plain"
}

func parseBcrypt(text string) (hash, error) {
	const alphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	if len(text) != 60 || text[6] != '$' || strings.Trim(text[7:], alphabet) != "" {
		return hash{}, errBroken
	}
	cost, err := strconv.Atoi(text[4:6])
	if err != nil || cost < bcrypt.MinCost {
		return hash{}, errBroken
	}
	if cost > mostBcryptCost {
		return hash{}, errCostly
	}
	if got, err := bcrypt.Cost([]byte(text)); err != nil || got != cost {
		return hash{}, errBroken
	}
	return hash{bcrypt: []byte(text)}, nil
}

func parseArgon(text string) (hash, error) {
	parts := strings.Split(text, "$") // "", argon2id, v=19, m=..,t=..,p=.., salt, key
	if len(parts) != 6 || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return hash{}, errBroken
	}
	var h hash
	var numbers [3]uint64
	settings := strings.Split(parts[3], ",")
	if len(settings) != 3 {
		return hash{}, errBroken
	}
	for i, name := range []string{"m=", "t=", "p="} {
		digits, ok := strings.CutPrefix(settings[i], name)
		n, err := strconv.ParseUint(digits, 10, 32)
		if !ok || err != nil || n == 0 || strconv.FormatUint(n, 10) != digits {
			return hash{}, errBroken
		}
		numbers[i] = n
	}
	kib, passes, lanes := numbers[0], numbers[1], numbers[2]
	if kib > mostArgonKiB || passes > mostArgonPasses || lanes > mostArgonLanes || kib*passes > mostArgonWork {
		return hash{}, errCostly
	}
	if kib < 8*lanes { // RFC 9106, section 3.1
		return hash{}, errBroken
	}
	h.kib, h.passes, h.lanes = uint32(kib), uint32(passes), uint8(lanes)
	var err error
	if h.salt, err = base64.RawStdEncoding.Strict().DecodeString(parts[4]); err != nil || len(h.salt) < 8 || len(h.salt) > 64 {
		return hash{}, errBroken
	}
	if h.key, err = base64.RawStdEncoding.Strict().DecodeString(parts[5]); err != nil || len(h.key) < 16 || len(h.key) > 64 {
		return hash{}, errBroken
	}
	return h, nil
}

// verify reports whether password is the one. It takes the time that the hash costs, whatever the answer.
func (h hash) verify(password string) bool {
	if h.bcrypt != nil {
		// Beyond 72 bytes bcrypt looks at nothing, so a longer password would be as good as its beginning.
		whole := len(password) <= bcryptBytes
		err := bcrypt.CompareHashAndPassword(h.bcrypt, []byte(password[:min(len(password), bcryptBytes)]))
		return err == nil && whole
	}
	key := argon2.IDKey([]byte(password), h.salt, h.passes, h.kib, h.lanes, uint32(len(h.key)))
	return subtle.ConstantTimeCompare(key, h.key) == 1
}

// ErrPassword is returned for a password that cannot be one: empty, longer than 1024 bytes, not UTF-8, or with control
// characters.
var ErrPassword = errors.New("a password has 1 to 1024 bytes of UTF-8 without control characters")

// ErrUser is returned for a user name that cannot be one: empty, longer than 255 bytes, not UTF-8, with a colon, invisible
// characters or white space at its ends.
var ErrUser = errors.New("a user name has 1 to 255 bytes of UTF-8 without colon, invisible characters or white space at its ends")

// HashPassword returns the argon2id hash of password, salted at random, in PHC form: what stands after the colon in a
// password file. The password is brought into form C first. It returns ErrPassword.
func HashPassword(password string) (string, error) {
	normal, ok := normalPassword(password)
	if !ok {
		return "", ErrPassword
	}
	salt := make([]byte, argonSalt)
	rand.Read(salt) // never fails, see crypto/rand
	key := argon2.IDKey([]byte(normal), salt, argonPasses, argonKiB, argonLanes, argonKey)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonKiB, argonPasses, argonLanes,
		b64.EncodeToString(salt), b64.EncodeToString(key)), nil
}

// PasswordLine returns the line of a password file for user, without line end. It returns ErrUser or ErrPassword.
func PasswordLine(user, password string) (string, error) {
	name, ok := normalUser(user)
	if !ok || strings.HasPrefix(name, "#") {
		return "", ErrUser
	}
	h, err := HashPassword(password)
	if err != nil {
		return "", err
	}
	return name + ":" + h, nil
}
