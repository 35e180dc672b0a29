package ca_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sekisho/internal/ca"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a clock that the test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Now().Truncate(time.Second)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

const (
	liveHost = "login.live.com"
	msHost   = "login.microsoftonline.com"
	crlURL   = "http://proxy.example.com:3180/crl"
)

func options(c *clock) ca.Options {
	return ca.Options{Organisation: "Contoso", Permitted: []string{msHost, liveHost}, CRLURL: crlURL, Now: c.Now}
}

func folderOf(t testing.TB) string { return filepath.Join(t.TempDir(), "ca") }

func open(t testing.TB, dir string, o ca.Options) *ca.Authority {
	t.Helper()
	a, _, err := ca.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func mint(t testing.TB, a *ca.Authority, host string) *tls.Certificate {
	t.Helper()
	c, err := a.Issuer().Certificate(context.Background(), endpoint.Host(host))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func parse(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func pool(t testing.TB, pemData []byte) *x509.CertPool {
	t.Helper()
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(pemData) {
		t.Fatalf("no certificate in %q", pemData)
	}
	return p
}

// code returns the code of a *finding.Problem, and checks that both languages have a text and a remedy for it.
func code(t testing.TB, err error) string {
	t.Helper()
	var p *finding.Problem
	if !errors.As(err, &p) {
		t.Fatalf("error %v is no *finding.Problem", err)
	}
	for _, lang := range message.Languages() {
		pr := message.New(lang)
		for _, id := range []string{p.Findings[0].Code, p.Findings[0].Code + ".hint"} {
			if !pr.Has(id) {
				t.Errorf("no text %q in %s", id, lang)
			}
		}
		if text := pr.Finding(p.Findings[0]); bytes.Contains([]byte(text), []byte("<no value>")) {
			t.Errorf("text of %s lacks an argument: %s", p.Findings[0].Code, text)
		}
	}
	return p.Findings[0].Code
}

func TestOpenMakesWhatIsMissingAndSaysSo(t *testing.T) {
	dir := folderOf(t)
	_, created, err := ca.Open(dir, options(newClock()))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"root.key", "root.pem", "issuing.key", "issuing.pem"}; !slices.Equal(created, want) {
		t.Errorf("created %v, want %v", created, want)
	}
	if runtime.GOOS != "windows" {
		for name, want := range map[string]os.FileMode{".": 0o700, "root.key": 0o600, "issuing.key": 0o600} {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil || info.Mode().Perm() != want {
				t.Errorf("mode of %s is %v, %v; want %v", name, info.Mode().Perm(), err, want)
			}
		}
	}
	if _, created, err = ca.Open(dir, options(newClock())); err != nil || len(created) > 0 {
		t.Errorf("second start created %v, %v", created, err)
	}
}

func TestLeafIsForExactlyTheName(t *testing.T) {
	ck := newClock()
	a := open(t, folderOf(t), options(ck))
	c := mint(t, a, liveHost)
	if len(c.Certificate) != 2 {
		t.Fatalf("chain has %d certificates, want leaf and issuing CA", len(c.Certificate))
	}
	leaf, issuing := parse(t, c.Certificate[0]), parse(t, c.Certificate[1])
	if !slices.Equal(leaf.DNSNames, []string{liveHost}) || len(leaf.IPAddresses)+len(leaf.EmailAddresses)+len(leaf.URIs) > 0 {
		t.Errorf("SAN is %v %v %v %v", leaf.DNSNames, leaf.IPAddresses, leaf.EmailAddresses, leaf.URIs)
	}
	if leaf.IsCA || leaf.KeyUsage != x509.KeyUsageDigitalSignature ||
		!slices.Equal(leaf.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) {
		t.Errorf("leaf is CA %v, usage %v %v", leaf.IsCA, leaf.KeyUsage, leaf.ExtKeyUsage)
	}
	if got := leaf.NotAfter.Sub(leaf.NotBefore); got > 90*24*time.Hour {
		t.Errorf("leaf is valid for %v, more than 90 days", got)
	}
	if want := ck.Now().Add(-time.Hour); !leaf.NotBefore.Equal(want) {
		t.Errorf("leaf begins %v, want an hour ago %v", leaf.NotBefore, want)
	}
	if leaf.NotAfter.After(issuing.NotAfter) || leaf.NotBefore.Before(issuing.NotBefore) {
		t.Errorf("leaf outlives its issuer")
	}
	if !slices.Equal(leaf.CRLDistributionPoints, []string{crlURL + "/issuing.crl"}) ||
		!slices.Equal(issuing.CRLDistributionPoints, []string{crlURL + "/root.crl"}) {
		t.Errorf("distribution points %v and %v", leaf.CRLDistributionPoints, issuing.CRLDistributionPoints)
	}
	if !slices.Equal(issuing.PermittedDNSDomains, []string{liveHost, msHost}) || !issuing.PermittedDNSDomainsCritical ||
		len(issuing.ExcludedIPRanges) != 2 || len(issuing.PermittedEmailAddresses) != 1 || !issuing.MaxPathLenZero {
		t.Errorf("issuing CA is constrained to %v, critical %v, excluded %v", issuing.PermittedDNSDomains,
			issuing.PermittedDNSDomainsCritical, issuing.ExcludedIPRanges)
	}
	if leaf.SerialNumber.BitLen() < 64 || leaf.SerialNumber.BitLen() > 159 {
		t.Errorf("serial number has %d bits", leaf.SerialNumber.BitLen())
	}
}

func TestClientVerifiesTheChainFromTheRootAlone(t *testing.T) {
	ck := newClock()
	a := open(t, folderOf(t), options(ck))
	for _, host := range []string{liveHost, msHost} {
		client, server := net.Pipe()
		done := make(chan error, 1)
		go func() {
			done <- tls.Server(server, &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
				return a.Issuer().Certificate(h.Context(), endpoint.Host(h.ServerName))
			}}).Handshake()
		}()
		c := tls.Client(client, &tls.Config{RootCAs: pool(t, a.RootPEM()), ServerName: host, Time: ck.Now})
		if err := c.Handshake(); err != nil {
			t.Errorf("%s: %v", host, err)
		}
		if err := <-done; err != nil {
			t.Errorf("%s, server: %v", host, err)
		}
		client.Close()
		server.Close()
	}
}

func TestNamesOutsideAreNotSigned(t *testing.T) {
	o := options(newClock())
	o.Permitted = append(o.Permitted, "*.example.com")
	a := open(t, folderOf(t), o)
	for _, host := range []string{"", "example.com", "sub.login.live.com", "xlogin.live.com", "live.com", "www.google.com",
		"LOGIN.LIVE.COM", "login.live.com.", "127.0.0.1", "*.example.com.evil.test", "invalid"} {
		_, err := a.Issuer().Certificate(context.Background(), endpoint.Host(host))
		if err == nil {
			t.Errorf("%q was signed", host)
		} else if got := code(t, err); got != "ca.not-permitted" {
			t.Errorf("%q: %s", host, got)
		}
	}
	mint(t, a, "www.example.com")
}

func TestNothingPermittedMeansNothing(t *testing.T) {
	o := options(newClock())
	o.Permitted = nil
	a := open(t, folderOf(t), o)
	if got := a.Info().Permitted; !slices.Equal(got, []string{"invalid"}) {
		t.Errorf("constraints %v let verifiers accept any name", got)
	}
	if _, err := a.Issuer().Certificate(context.Background(), liveHost); err == nil {
		t.Error("a name was signed")
	}
}

func TestIssuingIsSignedAnewAndTheRootStays(t *testing.T) {
	day := 24 * time.Hour
	for _, c := range []struct {
		rule   string
		change func(*ca.Options, *clock)
		anew   bool
	}{
		{"nothing-changed", func(*ca.Options, *clock) {}, false},
		{"order-and-repetition-do-not-matter", func(o *ca.Options, _ *clock) { o.Permitted = []string{liveHost, msHost, liveHost} }, false},
		{"a-name-was-added", func(o *ca.Options, _ *clock) { o.Permitted = append(o.Permitted, "login.windows.net") }, true},
		{"a-name-was-removed", func(o *ca.Options, _ *clock) { o.Permitted = o.Permitted[:1] }, true},
		{"the-crl-url-changed", func(o *ca.Options, _ *clock) { o.CRLURL = "http://other.example.com/crl" }, true},
		{"the-crl-url-was-removed", func(o *ca.Options, _ *clock) { o.CRLURL = "" }, true},
		{"a-final-slash-does-not-matter", func(o *ca.Options, _ *clock) { o.CRLURL += "/" }, false},
		{"two-thirds-are-not-over", func(_ *ca.Options, ck *clock) { ck.add(200 * day) }, false},
		{"two-thirds-are-over", func(_ *ca.Options, ck *clock) { ck.add(260 * day) }, true},
		{"it-has-ended", func(_ *ca.Options, ck *clock) { ck.add(400 * day) }, true},
		{"the-clock-was-set-back", func(_ *ca.Options, ck *clock) { ck.add(-3 * day) }, true},
	} {
		t.Run(c.rule, func(t *testing.T) {
			dir, ck := folderOf(t), newClock()
			o := options(ck)
			before := open(t, dir, o)
			issuing, key := read(t, dir, "issuing.pem"), read(t, dir, "issuing.key")
			c.change(&o, ck)
			after := open(t, dir, o)
			if got := !bytes.Equal(issuing, read(t, dir, "issuing.pem")); got != c.anew {
				t.Errorf("signed anew: %v, want %v", got, c.anew)
			}
			if !bytes.Equal(before.RootPEM(), after.RootPEM()) || !bytes.Equal(key, read(t, dir, "issuing.key")) {
				t.Error("the root or the issuing key changed")
			}
		})
	}
}

func TestIssuingIsRenewedWhileRunning(t *testing.T) {
	dir, ck := folderOf(t), newClock()
	a := open(t, dir, options(ck))
	first := mint(t, a, liveHost)
	if again := mint(t, a, liveHost); again != first {
		t.Error("a cached leaf was not used")
	}
	ck.add(300 * 24 * time.Hour)
	second := mint(t, a, liveHost)
	if bytes.Equal(first.Certificate[1], second.Certificate[1]) {
		t.Error("the issuing CA was not signed anew")
	}
	if left := second.Leaf.NotAfter.Sub(ck.Now()); left < 89*24*time.Hour-time.Hour {
		t.Errorf("the new leaf has only %v", left)
	}
	if b, _ := pem.Decode(read(t, dir, "issuing.pem")); !bytes.Equal(b.Bytes, second.Certificate[1]) {
		t.Error("the new issuing CA was not saved")
	}
}

func TestLeafIsReplacedWhenAThirdIsLeft(t *testing.T) {
	ck := newClock()
	a := open(t, folderOf(t), options(ck))
	first := mint(t, a, liveHost)
	ck.add(55 * 24 * time.Hour)
	if mint(t, a, liveHost) != first {
		t.Error("replaced too early")
	}
	ck.add(10 * 24 * time.Hour)
	if mint(t, a, liveHost) == first {
		t.Error("not replaced")
	}
}

func TestRevocationListsAreSignedNumberedAndRenewed(t *testing.T) {
	dir, ck := folderOf(t), newClock()
	a := open(t, dir, options(ck))
	root, issuing := parseOne(t, a.RootPEM()), parse(t, mint(t, a, liveHost).Certificate[1])
	for name, by := range map[string]*x509.Certificate{"root.crl": root, "issuing.crl": issuing} {
		var last *x509.RevocationList
		for i, step := range []time.Duration{0, time.Hour, 23 * time.Hour, 40 * 24 * time.Hour, -time.Hour * 24 * 60} {
			ck.add(step)
			der, ok := a.CRL(name)
			if !ok {
				t.Fatalf("%s: none", name)
			}
			l, err := x509.ParseRevocationList(der)
			if err != nil || l.CheckSignatureFrom(by) != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if now := ck.Now(); l.ThisUpdate.After(now) || l.NextUpdate.Sub(now) < 6*24*time.Hour {
				t.Errorf("%s: step %d: from %v to %v at %v", name, i, l.ThisUpdate, l.NextUpdate, now)
			}
			if i == 1 && l.Number.Cmp(last.Number) != 0 {
				t.Errorf("%s: signed anew after an hour", name)
			}
			if i > 1 && l.Number.Cmp(last.Number) <= 0 {
				t.Errorf("%s: number %v does not follow %v", name, l.Number, last.Number)
			}
			last = l
		}
		// Another process, later: it goes on counting.
		der, _ := open(t, dir, options(ck)).CRL(name)
		if l, err := x509.ParseRevocationList(der); err != nil || l.Number.Cmp(last.Number) < 0 {
			t.Errorf("%s: after a restart: %v, %v", name, l.Number, err)
		}
		ck.add(20 * 24 * time.Hour)
	}
	if _, ok := a.CRL("other.crl"); ok {
		t.Error("a list of an unknown name")
	}
}

func TestDamagedRevocationListIsMadeAgain(t *testing.T) {
	dir, ck := folderOf(t), newClock()
	a := open(t, dir, options(ck))
	a.CRL("issuing.crl")
	write(t, dir, "crl-issuing.der", []byte("damaged"))
	der, ok := open(t, dir, options(ck)).CRL("issuing.crl")
	l, err := x509.ParseRevocationList(der)
	if !ok || err != nil || l.Number.Cmp(big.NewInt(1)) < 0 {
		t.Errorf("%v %v", ok, err)
	}
}

func parseOne(t testing.TB, data []byte) *x509.Certificate {
	t.Helper()
	b, _ := pem.Decode(data)
	return parse(t, b.Bytes)
}

func read(t testing.TB, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t testing.TB, dir, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t testing.TB, dir string, names ...string) {
	t.Helper()
	for _, n := range names {
		if err := os.Remove(filepath.Join(dir, n)); err != nil {
			t.Fatal(err)
		}
	}
}

// snapshot is the names and contents of a folder's files, the lock apart.
func snapshot(t testing.TB, dir string) []byte {
	t.Helper()
	entries, _ := os.ReadDir(dir)
	var b bytes.Buffer
	for _, e := range entries {
		if e.Name() != ".lock" {
			fmt.Fprintf(&b, "%s: %x\n", e.Name(), read(t, dir, e.Name()))
		}
	}
	return b.Bytes()
}
