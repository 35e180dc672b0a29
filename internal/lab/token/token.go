// Package token is the lab's signing key: it signs tokens with RS256, publishes the public half and verifies what it
// signed. The claims are its callers' business.
package token

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// keyBits of the signing key; Entra publishes 2048-bit RSA keys (discovery documents as read by public clients).
const keyBits = 2048

// Claims are the claims of one token.
type Claims map[string]any

// String returns claim name when it is a string, else "".
func (c Claims) String(name string) string {
	s, _ := c[name].(string)
	return s
}

// Key signs and verifies. Obtain it from NewKey. Safe for concurrent use.
type Key struct {
	id     string
	public *rsa.PublicKey
	signer jose.Signer
}

// NewKey makes a fresh key. It lives as long as the value: tokens of an earlier run do not verify.
func NewKey() (*Key, error) {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	jwk := jose.JSONWebKey{Key: private.Public()}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("name signing key: %w", err)
	}
	k := &Key{id: base64.RawURLEncoding.EncodeToString(sum), public: &private.PublicKey}
	k.signer, err = jose.NewSigner(
		jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: private, KeyID: k.id}},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("make signer: %w", err)
	}
	return k, nil
}

// Set is the public half as the keys endpoint answers it.
func (k *Key) Set() jose.JSONWebKeySet {
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: k.public, KeyID: k.id, Algorithm: string(jose.RS256), Use: "sig"}}}
}

// Sign returns the compact form of c.
func (k *Key) Sign(c Claims) (string, error) {
	payload, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	signed, err := k.signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return signed.CompactSerialize()
}

// ErrInvalid is what Verify returns for anything that is not one of this key's tokens inside its time.
var ErrInvalid = errors.New("token is not valid here")

// Verify checks signature and time. Only RS256 by this key counts: "none" and HMAC with the public key do not
// (RFC 8725, sections 2.1 and 3.1).
func (k *Key) Verify(text string, now time.Time) (Claims, error) {
	signed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, ErrInvalid
	}
	payload, err := signed.Verify(k.public)
	if err != nil {
		return nil, ErrInvalid
	}
	var c Claims
	if json.Unmarshal(payload, &c) != nil {
		return nil, ErrInvalid
	}
	notBefore, okBefore := c["nbf"].(float64)
	expires, okExpires := c["exp"].(float64)
	if !okBefore || !okExpires || now.Unix() < int64(notBefore) || now.Unix() >= int64(expires) {
		return nil, ErrInvalid
	}
	return c, nil
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
