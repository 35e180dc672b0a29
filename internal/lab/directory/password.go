package directory

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// cost is what one password costs: Argon2id's passes, memory and lanes (RFC 9106, section 3.1).
type cost struct {
	passes, kib uint32
	lanes       uint8
}

var (
	// printed is for passwords that the lab's own documents print, far below RFC 9106, section 4, on purpose: there is
	// nothing to protect, and a rehearsal signs many people in on two cores. It takes about a millisecond.
	printed = cost{passes: 1, kib: 1 << 10, lanes: 1}
	// secret is for every other password: the least that OWASP's "Password Storage Cheat Sheet" calls acceptable for
	// Argon2id, because a lab may have many people.
	secret = cost{passes: 2, kib: 19 << 10, lanes: 1}
	// dearest bounds what a hash from a file may ask for; chosen, so that a sign-in stays below a second.
	dearest = cost{passes: 16, kib: 64 << 10, lanes: 4}
)

const (
	hashBytes = 32
	saltBytes = 16
	// maxPassword bounds a password, in bytes: Entra ID's longest has 256 characters (Microsoft, "Password policies and
	// account restrictions in Microsoft Entra ID").
	maxPassword = 1024
)

// turns lets few passwords be hashed at once, whoever asks; chosen, so that a flood of sign-ins takes 128 MiB at worst. The
// nil value lets all.
type turns chan struct{}

func newTurns() turns { return make(turns, 2) }

func (t turns) take() {
	if t != nil {
		t <- struct{}{}
	}
}

func (t turns) leave() {
	if t != nil {
		<-t
	}
}

// hash is a salted password; the zero value matches nothing.
type hash struct {
	cost      cost
	salt, sum []byte
}

func newHash(text string, c cost) hash {
	salt := make([]byte, saltBytes)
	rand.Read(salt) // never fails, see crypto/rand
	return hash{c, salt, argon2.IDKey([]byte(text), salt, c.passes, c.kib, c.lanes, hashBytes)}
}

func (h hash) matches(text string) bool {
	if len(h.sum) == 0 || len(text) > maxPassword {
		return false
	}
	sum := argon2.IDKey([]byte(text), h.salt, h.cost.passes, h.cost.kib, h.cost.lanes, uint32(len(h.sum)))
	return subtle.ConstantTimeCompare(h.sum, sum) == 1
}

var b64 = base64.RawStdEncoding.Strict()

// String is the form in which hashes are kept and written: $argon2id$v=19$m=…,t=…,p=…$salt$sum (the PHC string format,
// https://github.com/P-H-C/phc-string-format).
func (h hash) String() string {
	if len(h.sum) == 0 {
		return ""
	}
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.cost.kib, h.cost.passes, h.cost.lanes,
		b64.EncodeToString(h.salt), b64.EncodeToString(h.sum))
}

// parseHash reads what String writes; "" is the zero value.
func parseHash(text string) (h hash, err error) {
	if text == "" {
		return hash{}, nil
	}
	part := strings.Split(text, "$")
	if len(part) != 6 || part[0] != "" || part[1] != "argon2id" || part[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return hash{}, fmt.Errorf("not of the form $argon2id$v=%d$m=...,t=...,p=...$salt$sum", argon2.Version)
	}
	if _, err := fmt.Sscanf(part[3], "m=%d,t=%d,p=%d", &h.cost.kib, &h.cost.passes, &h.cost.lanes); err != nil {
		return hash{}, fmt.Errorf("%q is not m=KIB,t=PASSES,p=LANES", part[3])
	}
	if c := h.cost; c.kib < 8*uint32(c.lanes) || c.kib > dearest.kib || c.passes < 1 || c.passes > dearest.passes || c.lanes < 1 || c.lanes > dearest.lanes {
		return hash{}, fmt.Errorf("%q asks for more than m=%d,t=%d,p=%d or for nothing", part[3], dearest.kib, dearest.passes, dearest.lanes)
	}
	if h.salt, err = b64.DecodeString(part[4]); err == nil {
		h.sum, err = b64.DecodeString(part[5])
	}
	if err != nil || len(h.salt) < 8 || len(h.salt) > 64 || len(h.sum) < 16 || len(h.sum) > 64 {
		return hash{}, fmt.Errorf("salt or sum is not base64 of a usual length")
	}
	if h.String() != text {
		return hash{}, fmt.Errorf("not written as it would be read: want %q", h.String())
	}
	return h, nil
}
