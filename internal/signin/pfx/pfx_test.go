package pfx

import (
	"bytes"
	"encoding/asn1"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"sekisho/internal/message"
	"sekisho/internal/signin/page"
)

// workshop makes certificates with the real openssl.
type workshop struct {
	t   *testing.T
	dir string
}

func newWorkshop(t *testing.T) *workshop {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("needs openssl (Debian package openssl)")
	}
	return &workshop{t, t.TempDir()}
}

// file is the path of a file of the workshop.
func (w *workshop) file(name string) string { return filepath.Join(w.dir, name) }

func (w *workshop) write(name, text string) string {
	w.t.Helper()
	if err := os.WriteFile(w.file(name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return w.file(name)
}

func (w *workshop) openssl(args ...string) {
	w.t.Helper()
	command := exec.Command("openssl", args...)
	command.Dir = w.dir
	if out, err := command.CombinedOutput(); err != nil {
		w.t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// key makes a private key, name.key.
func (w *workshop) key(name string, kind ...string) {
	if len(kind) == 0 {
		kind = []string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"}
	}
	w.openssl(append([]string{"genpkey", "-out", name + ".key"}, kind...)...)
}

// root makes a certificate that signs itself, name.pem.
func (w *workshop) root(name string, extra ...string) {
	w.key(name, "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
	w.openssl(append([]string{"req", "-x509", "-key", name + ".key", "-subj", "/CN=" + name, "-days", "30", "-out", name + ".pem",
		"-addext", "basicConstraints=critical,CA:TRUE"}, extra...)...)
}

// issue makes a certificate for name.key by an authority, name.pem.
func (w *workshop) issue(name, authority, subject, extensions string, extra ...string) {
	w.openssl("req", "-new", "-key", name+".key", "-subj", subject, "-out", name+".csr")
	w.write(name+".ext", extensions)
	if !slices.Contains(extra, "-days") && !slices.Contains(extra, "-not_after") {
		extra = append(extra, "-days", "60")
	}
	w.openssl(append([]string{"x509", "-req", "-in", name + ".csr", "-CA", authority + ".pem", "-CAkey", authority + ".key", "-CAcreateserial",
		"-extfile", name + ".ext", "-out", name + ".pem"}, extra...)...)
}

// join writes the certificates of several names into one file.
func (w *workshop) join(to string, names ...string) string {
	w.t.Helper()
	var all []byte
	for _, name := range names {
		data, err := os.ReadFile(w.file(name))
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, data...)
	}
	return w.write(to, string(all))
}

// export makes a .pfx with the password "関所 pass".
func (w *workshop) export(name, key, cert string, extra ...string) []byte {
	w.t.Helper()
	w.write("password", password)
	args := []string{"pkcs12", "-export", "-in", cert + ".pem", "-out", name + ".pfx", "-passout", "file:" + w.file("password")}
	if key != "" {
		args = append(args, "-inkey", key+".key")
	}
	w.openssl(append(args, extra...)...)
	data, err := os.ReadFile(w.file(name + ".pfx"))
	if err != nil {
		w.t.Fatal(err)
	}
	return data
}

const (
	password = "sekisho-Pass.1"
	server   = "extendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\nsubjectAltName="
	inner    = "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=keyCertSign,cRLSign\n"
	full     = "DNS:fs.contoso.com,DNS:certauth.fs.contoso.com,DNS:enterpriseregistration.contoso.com"
)

func check(t *testing.T, data []byte, password string, names Names, now time.Time) Report {
	t.Helper()
	if names.Service == "" {
		names.Service = "fs.contoso.com"
	}
	r, err := Check(bytes.NewReader(data), password, names, Options{Now: now, Limit: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		for _, value := range f.Args {
			if strings.Contains(value, password) && password != "" {
				t.Errorf("%s tells the password", f.ID)
			}
		}
	}
	return r
}

func verdict(r Report, id string) string {
	for _, f := range r.Findings {
		if f.ID == id {
			return f.Verdict.String()
		}
	}
	return ""
}

// wants checks the verdicts of some findings, "id:verdict"; "id:" wants none.
func wants(t *testing.T, r Report, all ...string) {
	t.Helper()
	for _, want := range all {
		id, v, _ := strings.Cut(want, ":")
		if got := verdict(r, id); got != v {
			t.Errorf("%s: got %q, want %q; findings %+v", id, got, v, r.Findings)
		}
	}
}

// TestFilesOfOpenSSL: what openssl writes in the ways of today and of yesterday.
func TestFilesOfOpenSSL(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.root("root")
	w.key("inner", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
	w.issue("inner", "root", "/CN=inner", inner)
	w.key("fs")
	w.issue("fs", "inner", "/CN=fs.contoso.com", server+full)
	w.join("whole.pem", "inner.pem", "root.pem")
	now := time.Now()
	all := Names{Suffixes: []string{"contoso.com"}}
	whole := []string{"-certfile", "whole.pem"}

	t.Run("every-way-of-encryption", func(t *testing.T) {
		for name, way := range map[string][]string{
			"aes":        {"-keypbe", "AES-256-CBC", "-certpbe", "AES-256-CBC", "-macalg", "sha256"},
			"triple-des": {"-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"},
			"rc2":        {"-legacy", "-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-RC2-40", "-macalg", "sha1"},
			"open-certs": {"-certpbe", "NONE"},
		} {
			r := check(t, w.export(name, "fs", "fs", append(way, whole...)...), password, all, now)
			if !r.Usable() {
				t.Errorf("%s: %+v", name, r.Findings)
			}
			wants(t, r, "opened:passed", "key-matches:passed", "one-certificate:passed", "name:passed", "certauth:passed", "registration:passed", "dates:passed",
				"key:passed", "usage:passed", "chain:passed", "order:passed", "trust:not-tested", "extra:", "disorder:")
			if c := r.Certificate; c == nil || c.Key != "RSA 2048" || !slices.Equal(c.Chain, []string{"CN=inner", "CN=root"}) || len(c.SHA256) != 64 {
				t.Errorf("%s: %+v", name, c)
			}
		}
	})
	good := w.export("good", "fs", "fs", whole...)
	t.Run("password", func(t *testing.T) {
		wants(t, check(t, good, "another", all, now), "password:refused", "opened:")
		wants(t, check(t, good, "", all, now), "password-needed:refused")
		wants(t, check(t, good, "\U0001f600", all, now), "password-characters:refused")
	})
	t.Run("wrong-files", func(t *testing.T) {
		wants(t, check(t, good[:len(good)-100], password, all, now), "truncated:refused")
		wants(t, check(t, good[:1], password, all, now), "not-pfx:refused")
		wants(t, check(t, good[:3], password, all, now), "truncated:refused")
		wants(t, check(t, append(slices.Clone(good), 0), password, all, now), "damaged:refused")
		wants(t, check(t, nil, password, all, now), "empty:refused")
		pem, _ := os.ReadFile(w.file("fs.pem"))
		wants(t, check(t, pem, password, all, now), "pem:refused")
		w.openssl("x509", "-in", "fs.pem", "-outform", "DER", "-out", "fs.cer")
		der, _ := os.ReadFile(w.file("fs.cer"))
		wants(t, check(t, der, password, all, now), "not-pfx:refused")
		wants(t, check(t, []byte("MZ\x90\x00 no certificate"), password, all, now), "not-pfx:refused")
		wants(t, check(t, []byte{0x30, 0x80, 2, 1, 3, 0, 0}, password, all, now), "ber:refused")
		flipped := slices.Clone(good)
		flipped[len(flipped)/2] ^= 0xff
		wants(t, check(t, flipped, password, all, now), "password:refused")
	})
	t.Run("hundred-megabytes-are-not-read", func(t *testing.T) {
		endless := &counter{}
		r, err := Check(endless, password, Names{Service: "fs.contoso.com"}, Options{Now: now})
		if err != nil || verdict(r, "too-large") != "refused" || endless.read > 2*MaxBytes {
			t.Errorf("%v, %+v, read %d", err, r, endless.read)
		}
	})
	t.Run("keys-and-certificates", func(t *testing.T) {
		wants(t, check(t, w.export("no-key", "", "fs", "-nokeys"), password, all, now), "no-key:refused")
		w.join("both.pem", "fs.pem", "fs.key")
		wants(t, check(t, w.export("no-cert", "fs", "fs", "-nocerts"), password, all, now), "no-certificate:refused")
		w.key("other", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
		w.issue("other", "inner", "/CN=other.contoso.com", server+"DNS:other.contoso.com")
		w.join("more.pem", "inner.pem", "root.pem", "other.pem")
		wants(t, check(t, w.export("several", "fs", "fs", "-certfile", "more.pem"), password, all, now), "several-certificates:refused", "key-matches:passed")
		// openssl refuses to write such a file; the library writes what it is given.
		cert := check(t, good, password, all, now)
		if cert.Certificate == nil {
			t.Fatal("no certificate")
		}
		key, _, _, err := pkcs12.DecodeChain(w.export("other", "other", "other"), password)
		if err != nil {
			t.Fatal(err)
		}
		_, leaf, issuers, err := pkcs12.DecodeChain(good, password)
		if err != nil {
			t.Fatal(err)
		}
		foreign, err := pkcs12.Modern.Encode(key, leaf, issuers, password)
		if err != nil {
			t.Fatal(err)
		}
		wants(t, check(t, foreign, password, all, now), "key-mismatch:refused", "key-matches:")
		// Windows may write the certificate behind those of its authorities.
		own, _, _, _ := pkcs12.DecodeChain(good, password)
		turned, err := pkcs12.Modern.Encode(own, issuers[0], append(issuers[1:], leaf), password)
		if err != nil {
			t.Fatal(err)
		}
		wants(t, check(t, turned, password, all, now), "key-matches:passed", "disorder:doubtful", "order:", "name:passed", "chain:passed")
	})
	t.Run("chain", func(t *testing.T) {
		wants(t, check(t, w.export("alone", "fs", "fs"), password, all, now), "no-issuer:refused")
		wants(t, check(t, w.export("open", "fs", "fs", "-certfile", "inner.pem"), password, all, now), "chain-open:not-tested", "no-issuer:")
		w.root("stranger")
		w.join("extra.pem", "inner.pem", "root.pem", "stranger.pem")
		wants(t, check(t, w.export("extra", "fs", "fs", "-certfile", "extra.pem"), password, all, now), "extra:doubtful", "chain:passed", "order:passed")
		// An authority of the same name that did not sign is none of the chain.
		w.key("impostor", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
		w.issue("impostor", "root", "/CN=inner", inner)
		wants(t, check(t, w.export("impostor", "fs", "fs", "-certfile", "impostor.pem"), password, all, now), "no-issuer:refused", "extra:doubtful")
		w.root("self", "-addext", "subjectAltName=DNS:fs.contoso.com", "-addext", "extendedKeyUsage=serverAuth")
		wants(t, check(t, w.export("self", "self", "self"), password, all, now), "self-signed:refused", "key-type:doubtful")
	})
	t.Run("dates", func(t *testing.T) {
		wants(t, check(t, good, password, all, now.AddDate(0, 0, 61)), "expired:refused", "dates:")
		wants(t, check(t, good, password, all, now.AddDate(0, 0, -1)), "not-yet:refused")
		wants(t, check(t, good, password, all, now.AddDate(0, 0, 55)), "ends-soon:doubtful")
		wants(t, check(t, good, password, all, now.AddDate(0, 0, 45)), "issuer-dates:refused") // the root has 30 days
	})
	t.Run("names", func(t *testing.T) {
		for name, wanted := range map[string][]string{
			"DNS:*.contoso.com":                       {"name-by-wildcard:passed", "no-certauth:doubtful", "registration:passed"},
			"DNS:*.fs.contoso.com,DNS:FS.Contoso.com": {"name:passed", "certauth:passed", "no-registration:doubtful"},
			"DNS:*.com":                                    {"name-mismatch:refused"},
			"DNS:f*.contoso.com":                           {"name-mismatch:refused"},
			"DNS:contoso.com,DNS:www.contoso.com":          {"name-mismatch:refused"},
			"email:fs@contoso.com":                         {"name-in-subject:refused"},
			"DNS:fs.contoso.com,IP:192.0.2.1":              {"name:passed"},
			"DNS:fs.fabrikam.com,DNS:*.sub.fs.contoso.com": {"name-mismatch:refused"},
		} {
			w.issue("fs", "inner", "/CN=fs.contoso.com", server+name)
			wants(t, check(t, w.export("names", "fs", "fs", whole...), password, all, now), wanted...)
		}
		wants(t, check(t, good, password, Names{}, now), "registration-not-tested:not-tested")
		wants(t, check(t, good, password, Names{Suffixes: []string{"contoso.com", "fabrikam.com"}}, now), "no-registration:doubtful")
	})
	t.Run("algorithms", func(t *testing.T) {
		w.key("weak", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
		w.issue("weak", "inner", "/CN=fs.contoso.com", server+full)
		wants(t, check(t, w.export("weak", "weak", "weak", whole...), password, all, now), "key-weak:refused")
		w.key("curve", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384")
		w.issue("curve", "inner", "/CN=fs.contoso.com", server+full)
		wants(t, check(t, w.export("curve", "curve", "curve", whole...), password, all, now), "key-type:doubtful", "key-matches:passed")
		w.key("edwards", "-algorithm", "ED25519")
		w.issue("edwards", "inner", "/CN=fs.contoso.com", server+full)
		wants(t, check(t, w.export("edwards", "edwards", "edwards", whole...), password, all, now), "key-weak:refused")
		w.issue("fs", "inner", "/CN=fs.contoso.com", server+full, "-sha1")
		wants(t, check(t, w.export("sha1", "fs", "fs", whole...), password, all, now), "signature-weak:refused", "chain:passed")
		w.issue("fs", "inner", "/CN=fs.contoso.com", strings.Replace(server, "serverAuth", "clientAuth", 1)+full)
		wants(t, check(t, w.export("client", "fs", "fs", whole...), password, all, now), "no-usage:refused")
	})
}

// counter has no end.
type counter struct{ read int }

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 0x30
	}
	c.read += len(p)
	return len(p), nil
}

// rounds changes the number of rounds of the MAC of a file, which its reader believes.
func rounds(t *testing.T, data []byte, n int) []byte {
	t.Helper()
	var file struct {
		Version  int
		AuthSafe asn1.RawValue
		Mac      struct {
			Digest asn1.RawValue
			Salt   []byte
			Rounds int `asn1:"optional,default:1"`
		}
	}
	if _, err := asn1.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	file.Mac.Rounds = n
	out, err := asn1.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestEndlessWork: a file that asks for too many rounds is given up. Ten million, because the reader goes on behind the test.
func TestEndlessWork(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.root("self")
	data := rounds(t, w.export("self", "self", "self"), 10_000_000)
	begun := time.Now()
	r, err := Check(bytes.NewReader(data), password, Names{Service: "fs.contoso.com"}, Options{Now: time.Now(), Limit: 50 * time.Millisecond})
	if err != nil || verdict(r, "slow") != "refused" {
		t.Errorf("%v, %+v", err, r)
	}
	if time.Since(begun) > time.Minute {
		t.Error("nobody gave up")
	}
}

// TestEveryFindingHasWords: every id of the source has a text, and a remedy unless it passes; TestFilesOfOpenSSL sees most.
func TestEveryFindingHasWords(t *testing.T) {
	t.Parallel()
	printer := message.New("ja")
	source := ""
	for _, name := range []string{"pfx.go", "contents.go"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		source += string(data)
	}
	found := 0
	for _, pattern := range []string{`refused("`, `c.say(Refused, `, `c.say(Doubtful, `, `c.say(NotTested, `, `c.say(Passed, `} {
		for _, rest := range strings.Split(source, pattern)[1:] {
			if strings.HasPrefix(pattern, "c.say") {
				_, rest, _ = strings.Cut(rest, ", ")
				if !strings.HasPrefix(rest, `"`) {
					continue // of two ids, by a variable
				}
				rest = rest[1:]
			}
			id, _, _ := strings.Cut(rest, `"`)
			found++
			if !printer.Has("pfx." + id) {
				t.Errorf("%s has no text", id)
			}
			if pattern != `c.say(Passed, ` && id != "trust" && !printer.Has("pfx."+id+".hint") {
				t.Errorf("%s has no remedy", id)
			}
		}
	}
	if found < 40 {
		t.Errorf("found %d ids", found)
	}
	for _, p := range page.All() {
		if !printer.Has(p.ID.TextID()) {
			t.Errorf("the page %s has no title", p.ID)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte{0x30, 0x03, 0x02, 0x01, 0x03}, "")
	f.Add([]byte{0x30, 0x80}, "x")
	f.Add([]byte("-----BEGIN CERTIFICATE-----"), "x")
	for _, name := range []string{"modern.pfx", "legacy.pfx"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, password)
		f.Add(data[:len(data)/2], password)
	}
	f.Fuzz(func(t *testing.T, data []byte, secret string) {
		r, err := Check(bytes.NewReader(data), secret, Names{Service: "fs.contoso.com"}, Options{Now: time.Unix(1_800_000_000, 0), Limit: 100 * time.Millisecond})
		if err != nil || len(r.Findings) == 0 {
			t.Fatalf("%v, %+v", err, r)
		}
		if r.Certificate == nil && r.Usable() {
			t.Error("a file without a certificate is usable")
		}
	})
}
