// Package assertion verifies the JSON Web Token with which a client proves itself by its certificate.
//
//	claims, err := assertion.Verify(text, application.Certificate, now)
//
// Rules: RFC 7523, section 3, RFC 7521, section 5.2, RFC 8725, and Microsoft, "Microsoft identity platform application
// authentication certificate credentials" (2025-01-04). Only a certificate that is registered counts, which x5t#S256, x5t
// or (as older clients of Microsoft write it) kid names; what a header brings along (jwk, jku, x5u, x5c) is never a key.
// Whom a token was made for, and whether it comes again, is the caller's to judge.
package assertion

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"sekisho/internal/lab/directory"
)

const (
	// MaxBytes bounds an assertion; chosen: one that brings a chain of certificates (x5c) has some 8 KiB.
	MaxBytes = 32 << 10
	// Skew is by how much the clocks may differ; chosen, five minutes are what Microsoft's libraries allow.
	Skew = 5 * time.Minute
)

// What Verify returns; each is one answer of the token endpoint.
var (
	ErrMalformed   = errors.New("client assertion is malformed")
	ErrCertificate = errors.New("client assertion names no certificate that is registered and valid")
	ErrSignature   = errors.New("client assertion has a signature that is not its certificate's")
	ErrTime        = errors.New("client assertion is not within its time")
)

// Claims are what a verified assertion says.
type Claims struct {
	Issuer, Subject, ID string
	Audience            []string
	Expires             time.Time
}

type header struct {
	Algorithm string          `json:"alg"`
	Type      string          `json:"typ"`
	SHA256    string          `json:"x5t#S256"`
	SHA1      string          `json:"x5t"`
	KeyID     string          `json:"kid"`
	Critical  json.RawMessage `json:"crit"`
}

type payload struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	ID       string   `json:"jti"`
	Audience audience `json:"aud"`
	Expires  *float64 `json:"exp"`
	From     *float64 `json:"nbf"`
}

// audience is one text or a list of them (RFC 7519, section 4.1.3).
type audience []string

// UnmarshalJSON reads both forms.
func (a *audience) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*a = audience{one}
		return nil
	}
	var many []string
	err := json.Unmarshal(data, &many)
	*a = many
	return err
}

// Verify checks algorithm (PS256, RS256), certificate, signature and time of text. find is the application's look-up of a
// certificate by x5t#S256 or x5t.
func Verify(text string, find func(x5tS256, x5t string) (*directory.Certificate, bool), now time.Time) (Claims, error) {
	h, _, ok := parts(text)
	if !ok || h.Critical != nil || h.Type != "" && !strings.EqualFold(h.Type, "JWT") {
		return Claims{}, ErrMalformed
	}
	if h.Algorithm != string(jose.PS256) && h.Algorithm != string(jose.RS256) {
		return Claims{}, ErrSignature
	}
	named := h.SHA1
	if named == "" {
		named = h.KeyID
	}
	certificate, ok := find(urlSafe.Replace(h.SHA256), urlSafe.Replace(named))
	if !ok || certificate.Expired(now) {
		return Claims{}, ErrCertificate
	}
	signed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.PS256, jose.RS256})
	if err != nil {
		return Claims{}, ErrMalformed
	}
	data, err := signed.Verify(certificate.Key)
	if err != nil {
		return Claims{}, ErrSignature
	}
	var p payload
	if json.Unmarshal(data, &p) != nil || p.Expires == nil || len(p.ID) > 256 {
		return Claims{}, ErrMalformed
	}
	expires, ok := when(*p.Expires)
	if !ok {
		return Claims{}, ErrMalformed
	}
	if !now.Before(expires.Add(Skew)) {
		return Claims{}, ErrTime
	}
	if p.From != nil {
		from, ok := when(*p.From)
		if !ok {
			return Claims{}, ErrMalformed
		}
		if now.Add(Skew).Before(from) {
			return Claims{}, ErrTime
		}
	}
	return Claims{p.Issuer, p.Subject, p.ID, p.Audience, expires}, nil
}

// urlSafe makes base64 of base64url's letters: MSAL for Go writes thumbprints in the other ones, with padding.
var urlSafe = strings.NewReplacer("+", "-", "/", "_", "=", "")

// Issuer is what an assertion says of its issuer, unverified: it tells whose certificate to look for. "" when it cannot
// be read.
func Issuer(text string) string {
	_, p, ok := parts(text)
	if !ok || len(p.Issuer) > 100 {
		return ""
	}
	return p.Issuer
}

func parts(text string) (h header, p payload, ok bool) {
	if len(text) > MaxBytes || strings.Count(text, ".") != 2 {
		return h, p, false
	}
	part := strings.Split(text, ".")
	for i, into := range []any{&h, &p} {
		data, err := base64.RawURLEncoding.DecodeString(part[i])
		if err != nil || json.Unmarshal(data, into) != nil {
			return h, p, false
		}
	}
	return h, p, true
}

// when is a NumericDate (RFC 7519, section 2).
func when(seconds float64) (time.Time, bool) {
	if seconds < 0 || seconds > 1<<40 {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0).UTC(), true
}
