// Package token is the lab's signing keys: they sign tokens with RS256, are published with their certificates, follow one
// another, and verify what they signed. The claims are their callers' business.
//
//	keys, err := token.Open(filepath.Join(dir, token.File), time.Now) // "" keeps them in memory
//	text, err := keys.Sign(token.Claims{"aud": ...})
//	claims, err := keys.Verify(text, now)
//
// A token is taken for the lab's own by its key id and its signature alone: nothing that a header brings along (jwk, jku,
// x5u, x5c) is looked at, and no algorithm but RS256 counts (RFC 8725, sections 2.1, 3.1 and 3.5).
package token

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Life is how long an access token and an ID token are valid. Microsoft's are between 60 and 90 minutes ("Access tokens in
// the Microsoft identity platform").
const Life = 3599 * time.Second

// MaxBytes bounds a token that is verified; chosen, the lab's own are below 4 KiB.
const MaxBytes = 16 << 10

// Claims are the claims of one token.
type Claims map[string]any

// String returns claim name when it is a string, else "".
func (c Claims) String(name string) string {
	s, _ := c[name].(string)
	return s
}

// Time returns claim name when it is a number of seconds, else the zero time.
func (c Claims) Time(name string) time.Time {
	n, ok := c[name].(float64)
	if !ok || n < 0 || n > 1<<40 {
		return time.Time{}
	}
	return time.Unix(int64(n), 0).UTC()
}

// Sign returns the compact form of c, signed by the current key.
func (r *Ring) Sign(c Claims) (string, error) {
	payload, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	signed, err := r.current().signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return signed.CompactSerialize()
}

// ErrInvalid is what Verify returns for anything that is not one of these keys' tokens, ErrExpired for one of theirs
// outside its time; errors.Is(ErrExpired, ErrInvalid) holds.
var (
	ErrInvalid = errors.New("token is not valid here")
	ErrExpired = fmt.Errorf("%w: outside its time", ErrInvalid)
)

// Verify checks key, signature and time, and returns the claims. With ErrExpired it returns them, too: whoever may take an
// old token (a hint at sign-out) knows then that it was one of these keys'.
func (r *Ring) Verify(text string, now time.Time) (Claims, error) {
	id, ok := keyID(text)
	if !ok || !canonical(text) {
		return nil, ErrInvalid
	}
	k, ok := r.find(id)
	if !ok {
		return nil, ErrInvalid
	}
	signed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, ErrInvalid
	}
	payload, err := signed.Verify(&k.private.PublicKey)
	if err != nil {
		return nil, ErrInvalid
	}
	var c Claims
	if json.Unmarshal(payload, &c) != nil {
		return nil, ErrInvalid
	}
	notBefore, expires := c.Time("nbf"), c.Time("exp")
	if notBefore.IsZero() || expires.IsZero() {
		return nil, ErrInvalid
	}
	if now.Before(notBefore) || !now.Before(expires) {
		return c, ErrExpired
	}
	return c, nil
}

// canonical tells whether the parts of a token are spelt as an encoder spells them. A decoder skips line breaks, and the
// last letter of a signature of 2048 bits has four bits that count for nothing (RFC 4648, section 3.5): without this, one
// token has sixteen spellings, and one that was tampered with in its last letter may still pass.
func canonical(text string) bool {
	for part := range strings.SplitSeq(text, ".") {
		data, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil || base64.RawURLEncoding.EncodedLen(len(data)) != len(part) {
			return false
		}
	}
	return true
}

// keyID reads the header of a token, which must be exactly of the kind that Sign writes.
func keyID(text string) (id string, ok bool) {
	if len(text) > MaxBytes {
		return "", false
	}
	part, _, _ := strings.Cut(text, ".")
	data, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return "", false
	}
	var header map[string]string
	if json.Unmarshal(data, &header) != nil || header["alg"] != "RS256" || header["typ"] != "JWT" {
		return "", false
	}
	for name := range header {
		switch name {
		case "alg", "typ", "kid", "x5t":
		default:
			return "", false
		}
	}
	return header["kid"], header["kid"] != ""
}

// Opaque returns n random bytes in base64url: codes, refresh tokens, session ids.
func Opaque(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails, see crypto/rand
	return base64.RawURLEncoding.EncodeToString(b)
}

// GUID returns a random GUID (RFC 9562, version 4).
func GUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Pairwise derives a stable identifier from parts: the same parts give the same text, and it tells nothing of them
// (OpenID Connect Core 1.0, section 8.1).
func Pairwise(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// Half is the left half of text's SHA-256 in base64url: at_hash and c_hash (OpenID Connect Core 1.0, sections 3.1.3.6 and
// 3.3.2.11).
func Half(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}
