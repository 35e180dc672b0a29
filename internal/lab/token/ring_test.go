package token

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// hour is the clock of these tests; each moves its own.
type hour struct{ t time.Time }

func (h *hour) now() time.Time { return h.t }

func ring(t testing.TB, path string, h *hour) *Ring {
	t.Helper()
	r, err := Open(path, h.now)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sign(t testing.TB, r *Ring, h *hour) string {
	t.Helper()
	text, err := r.Sign(Claims{"aud": "x", "nbf": h.t.Unix(), "exp": h.t.Add(Life).Unix()})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestKeysFollowOneAnother(t *testing.T) {
	t.Parallel()
	h := &hour{time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)}
	path := filepath.Join(t.TempDir(), File)
	r := ring(t, path, h)
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info.Mode(), err)
	}
	h.t = h.t.Add(KeyLife - time.Minute)
	last := sign(t, r, h)
	h.t = h.t.Add(2 * time.Minute)
	next := sign(t, r, h)
	if id(last) == id(next) || len(r.Keys()) != 2 {
		t.Fatalf("the key did not change: %v", r.Keys())
	}
	for _, text := range []string{last, next} {
		if _, err := r.Verify(text, h.t); err != nil {
			t.Error(err)
		}
	}
	// Another process on the same file has both.
	if other := ring(t, path, h); len(other.Set().Keys) != 2 {
		t.Errorf("%d keys on disk", len(other.Set().Keys))
	}
	h.t = h.t.Add(Overlap)
	if _, err := r.Verify(last, h.t); !errors.Is(err, ErrInvalid) || len(r.Set().Keys) != 1 {
		t.Errorf("the key of before is published still: %v, %v", err, r.Keys())
	}
	if _, err := r.Verify(next, h.t); !errors.Is(err, ErrExpired) {
		t.Errorf("an old token of a key that is published: %v", err)
	}
}

func TestDamagedFileIsNotReplaced(t *testing.T) {
	t.Parallel()
	h := &hour{time.Now()}
	path := filepath.Join(t.TempDir(), File)
	ring(t, path, h)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var form fileForm
	if err := json.Unmarshal(whole, &form); err != nil {
		t.Fatal(err)
	}
	write := func(change func(*fileForm)) string {
		f := form
		f.Keys = append([]keyForm(nil), form.Keys...)
		change(&f)
		data, _ := json.Marshal(f)
		return string(data)
	}
	for name, text := range map[string]string{
		"empty": "", "not-json": "x", "cut-off": string(whole[:len(whole)/2]), "unknown-field": `{"version":1,"x":1}`,
		"version":       write(func(f *fileForm) { f.Version = 2 }),
		"no-keys":       write(func(f *fileForm) { f.Keys = nil }),
		"none-signs":    write(func(f *fileForm) { f.Keys[0].Retired = time.Now() }),
		"two-sign":      write(func(f *fileForm) { f.Keys = append(f.Keys, f.Keys[0]) }),
		"no-time":       write(func(f *fileForm) { f.Keys[0].Made = time.Time{} }),
		"no-key":        write(func(f *fileForm) { f.Keys[0].PrivateKey = "" }),
		"wrong-block":   write(func(f *fileForm) { f.Keys[0].PrivateKey = f.Keys[0].Certificate }),
		"more-than-one": write(func(f *fileForm) { f.Keys[0].Certificate += f.Keys[0].Certificate }),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, h.now); err == nil || !strings.Contains(err.Error(), "remove the file") {
			t.Errorf("%s: %v", name, err)
		}
		if now, _ := os.ReadFile(path); string(now) != text {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

// A ring whose file goes bad goes on with the keys that it has.
func TestFileGoesBadWhileInUse(t *testing.T) {
	t.Parallel()
	h := &hour{time.Now()}
	path := filepath.Join(t.TempDir(), File)
	r := ring(t, path, h)
	text := sign(t, r, h)
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.looked = time.Time{}
	if _, err := r.Verify(text, h.t); err != nil {
		t.Error(err)
	}
	if err := r.Rotate(); err == nil {
		t.Error("a bad file was written over")
	}
	if err := os.RemoveAll(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	h.t = h.t.Add(KeyLife + time.Hour)
	sign(t, r, h)
}

func id(text string) string {
	id, _ := keyID(text)
	return id
}

// Only what a ring signed passes, whatever its header says.
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	h := &hour{time.Now()}
	r, other := ring(t, "", h), ring(t, "", h)
	good := sign(t, r, h)
	parts := strings.Split(good, ".")
	public, err := json.Marshal(r.Set().Keys[0])
	if err != nil {
		t.Fatal(err)
	}
	head := func(v map[string]any) string {
		data, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(data)
	}
	forge := func(alg jose.SignatureAlgorithm, key any, header map[string]any) string {
		o := (&jose.SignerOptions{}).WithType("JWT")
		for k, v := range header {
			o = o.WithHeader(jose.HeaderKey(k), v)
		}
		s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, o)
		if err != nil {
			t.Fatal(err)
		}
		text, err := jwt.Signed(s).Claims(map[string]any{"nbf": 1, "exp": 1 << 39}).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	kid := r.Set().Keys[0].KeyID
	mallory := other.keys[0].private
	for name, text := range map[string]string{
		"none":         head(map[string]any{"alg": "none", "typ": "JWT", "kid": kid}) + "." + parts[1] + ".",
		"None":         head(map[string]any{"alg": "None", "typ": "JWT", "kid": kid}) + "." + parts[1] + "." + parts[2],
		"no-signature": parts[0] + "." + parts[1] + ".",
		"no-kid":       forge(jose.RS256, r.keys[0].private, nil),
		"another-ring": sign(t, other, h),
		"anothers-key": forge(jose.RS256, mallory, map[string]any{"kid": kid}),
		"confusion":    forge(jose.HS256, public, map[string]any{"kid": kid}),
		"ps256":        forge(jose.PS256, r.keys[0].private, map[string]any{"kid": kid}),
		"jwk":          forge(jose.RS256, mallory, map[string]any{"kid": kid, "jwk": jose.JSONWebKey{Key: mallory.Public()}}),
		"jku":          forge(jose.RS256, mallory, map[string]any{"kid": kid, "jku": "https://example.org"}),
		"good-and-jku": forge(jose.RS256, r.keys[0].private, map[string]any{"kid": kid, "jku": "https://example.org"}),
		"kid-path":     forge(jose.RS256, mallory, map[string]any{"kid": "../../../dev/null"}),
		"critical":     forge(jose.RS256, r.keys[0].private, map[string]any{"kid": kid, "crit": []string{"exp"}, "exp": 1}),
		"other-body":   parts[0] + ".e30." + parts[2],
		"four-parts":   good + ".x", "padding": parts[0] + "=." + parts[1] + "." + parts[2],
		"long": strings.Repeat("a", MaxBytes+1), "": "",
		"json-form": `{"payload":"e30","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
	} {
		if c, err := r.Verify(text, h.t); !errors.Is(err, ErrInvalid) || c != nil {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
	// A decoder that is not strict reads these as the good one: the last letter's four lowest bits count for nothing.
	for _, last := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_\n\r" {
		for _, text := range []string{good[:len(good)-1] + string(last), good + string(last)} {
			if c, err := r.Verify(text, h.t); text != good && (!errors.Is(err, ErrInvalid) || c != nil) {
				t.Errorf("with %q at the end: %v, %v", last, c, err)
			}
		}
	}
	if _, err := r.Verify(good, h.t); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

// FuzzVerify: what is not signed by the ring is never taken.
func FuzzVerify(f *testing.F) {
	h := &hour{time.Now()}
	r := ring(f, "", h)
	good := sign(f, r, h)
	f.Add(good)
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("..")
	f.Add(`{"payload":"e30"}`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := r.Verify(text, h.t)
		if err == nil && text != good {
			// base64 has one spelling alone, so that nothing else may pass.
			t.Errorf("taken: %q %v", text, c)
		}
	})
}

// BenchmarkSign is one token: an RSA signature of 2048 bits bounds it.
func BenchmarkSign(b *testing.B) {
	h := &hour{time.Now()}
	r := ring(b, "", h)
	for b.Loop() {
		sign(b, r, h)
	}
}
