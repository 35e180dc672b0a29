package assertion

import (
	"crypto/rand"
	"crypto/rsa"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"sekisho/internal/lab/directory"
)

// FuzzVerify: nothing panics, nothing but what the certificate signed is taken, and one answer of the listed ones comes.
func FuzzVerify(f *testing.F) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		f.Fatal(err)
	}
	now := time.Unix(1_800_000_000, 0)
	c := &directory.Certificate{Key: &private.PublicKey, Start: now.Add(-time.Hour), End: now.Add(time.Hour)}
	find := func(sha256, sha1 string) (*directory.Certificate, bool) {
		return c, sha256 == "a" || sha256 == "" && sha1 == "b"
	}
	sign := func(alg jose.SignatureAlgorithm, key any, header, value string, claims map[string]any) string {
		s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithHeader(jose.HeaderKey(header), value))
		if err != nil {
			f.Fatal(err)
		}
		text, err := jwt.Signed(s).Claims(claims).Serialize()
		if err != nil {
			f.Fatal(err)
		}
		return text
	}
	good := sign(jose.PS256, private, "x5t#S256", "a", map[string]any{"iss": "i", "sub": "i", "aud": []string{"x"}, "exp": now.Add(time.Minute).Unix(), "jti": "1"})
	if got, err := Verify(good, find, now); err != nil || got.Issuer != "i" || len(got.Audience) != 1 {
		f.Fatalf("%+v, %v", got, err)
	}
	f.Add(good)
	f.Add(sign(jose.RS256, private, "kid", "b", map[string]any{"aud": "x", "exp": 1}))
	f.Add(sign(jose.HS256, []byte("0123456789abcdef0123456789abcdef"), "x5t", "b", map[string]any{"exp": 1e300}))
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("..")
	f.Fuzz(func(t *testing.T, text string) {
		Issuer(text)
		switch got, err := Verify(text, find, now); err {
		case nil:
			if got.Issuer != "i" || got.ID != "1" {
				t.Errorf("taken: %q %+v", text, got)
			}
		case ErrMalformed, ErrCertificate, ErrSignature, ErrTime:
		default:
			t.Errorf("%v", err)
		}
	})
}
