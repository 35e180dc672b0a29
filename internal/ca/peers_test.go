package ca_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sekisho/internal/ca"
)

// peerFiles writes an authority's certificates and lists where a command can read them.
func peerFiles(t *testing.T, a *ca.Authority, host string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	c := mint(t, a, host)
	put := func(name, kind string, ders ...[]byte) {
		var data []byte
		for _, der := range ders {
			data = append(data, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
		}
		write(t, dir, name, data)
	}
	put("leaf.pem", "CERTIFICATE", c.Certificate[0])
	put("issuing.pem", "CERTIFICATE", c.Certificate[1])
	write(t, dir, "root.pem", a.RootPEM())
	var lists [][]byte
	for _, name := range []string{ca.CRLRoot, ca.CRLIssuing} {
		if der, ok := a.CRL(name); ok {
			lists = append(lists, der)
		}
	}
	put("crl.pem", "X509 CRL", lists...)
	return dir
}

// stolen signs a leaf with the issuing key that lies in caDir, without asking the Issuer: what a thief of the key would do.
func stolen(t *testing.T, caDir string, change func(*x509.Certificate)) []byte {
	t.Helper()
	key := parseKey(t, read(t, caDir, "issuing.key"))
	issuing := parseOne(t, read(t, caDir, "issuing.pem"))
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(42), Subject: pkix.Name{CommonName: "stolen"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	change(tmpl)
	der, err := x509.CreateCertificate(rand.Reader, tmpl, issuing, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func parseKey(t *testing.T, data []byte) *ecdsa.PrivateKey {
	t.Helper()
	b, _ := pem.Decode(data)
	k, err := x509.ParsePKCS8PrivateKey(b.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return k.(*ecdsa.PrivateKey)
}

// forgeries are leaves that a thief of the issuing key could sign, each outside the constraints.
var forgeries = map[string]func(*x509.Certificate){
	"another-host":  func(c *x509.Certificate) { c.DNSNames = []string{"www.google.com"} },
	"parent-domain": func(c *x509.Certificate) { c.DNSNames = []string{"live.com"} },
	"glued-prefix":  func(c *x509.Certificate) { c.DNSNames = []string{"xlogin.live.com"} },
	"one-of-two":    func(c *x509.Certificate) { c.DNSNames = []string{liveHost, "www.google.com"} },
	"address":       func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(10, 0, 0, 1)} },
	"v6-address":    func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP("2001:db8::1")} },
	"mailbox": func(c *x509.Certificate) {
		c.DNSNames = []string{liveHost}
		c.EmailAddresses = []string{"ceo@contoso.com"}
	},
	"code-signing": func(c *x509.Certificate) {
		c.DNSNames = []string{liveHost}
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
	},
	"wildcard-above": func(c *x509.Certificate) { c.DNSNames = []string{"*.live.com"} },
}

func TestGoRejectsForgedLeaves(t *testing.T) {
	dir := folderOf(t)
	a := open(t, dir, options(newClock()))
	between := pool(t, read(t, dir, "issuing.pem"))
	verify := func(der []byte) error {
		_, err := parse(t, der).Verify(x509.VerifyOptions{Roots: pool(t, a.RootPEM()), Intermediates: between})
		return err
	}
	if err := verify(stolen(t, dir, func(c *x509.Certificate) { c.DNSNames = []string{liveHost} })); err != nil {
		t.Fatalf("a leaf inside the constraints: %v", err)
	}
	for rule, change := range forgeries {
		if verify(stolen(t, dir, change)) == nil {
			t.Errorf("%s: accepted", rule)
		}
	}
}

func TestOpenSSLVerifiesWithRevocation(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("needs openssl (Debian package openssl)")
	}
	caDir := folderOf(t)
	a := open(t, caDir, options(newClock()))
	dir := peerFiles(t, a, liveHost)
	verify := func(leaf string) (string, error) {
		cmd := exec.Command("openssl", "verify", "-x509_strict", "-crl_check_all", "-purpose", "sslserver",
			"-CAfile", "root.pem", "-CRLfile", "crl.pem", "-untrusted", "issuing.pem", leaf)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := verify("leaf.pem"); err != nil || !strings.Contains(out, "OK") {
		t.Errorf("%v: %s", err, out)
	}
	for rule, change := range forgeries {
		der := stolen(t, caDir, change)
		write(t, dir, "forged.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
		if out, err := verify("forged.pem"); err == nil {
			t.Errorf("%s: accepted: %s", rule, out)
		}
	}
}

// NSS is what Firefox and Chromium's certificate tools on Linux use.
func TestNSSKeepsTheConstraints(t *testing.T) {
	if _, err := exec.LookPath("certutil"); err != nil {
		t.Skip("needs certutil (Debian package libnss3-tools)")
	}
	caDir := folderOf(t)
	a := open(t, caDir, options(newClock()))
	dir := peerFiles(t, a, liveHost)
	db := "sql:" + t.TempDir()
	certutil := func(args ...string) (string, error) {
		out, err := exec.Command("certutil", append(args, "-d", db)...).CombinedOutput()
		return string(out), err
	}
	must := func(args ...string) {
		t.Helper()
		if out, err := certutil(args...); err != nil {
			t.Fatalf("certutil %v: %v: %s", args, err, out)
		}
	}
	must("-N", "--empty-password")
	must("-A", "-n", "root", "-t", "C,,", "-i", filepath.Join(dir, "root.pem"))
	must("-A", "-n", "issuing", "-t", ",,", "-i", filepath.Join(dir, "issuing.pem"))
	must("-A", "-n", "leaf", "-t", ",,", "-i", filepath.Join(dir, "leaf.pem"))
	if out, err := certutil("-V", "-n", "leaf", "-u", "V", "-e"); err != nil || !strings.Contains(out, "certificate is valid") {
		t.Errorf("leaf: %v: %s", err, out)
	}
	for rule, change := range forgeries {
		der := stolen(t, caDir, change)
		file := filepath.Join(dir, "forged.pem")
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		must("-A", "-n", "forged", "-t", ",,", "-i", file)
		if out, err := certutil("-V", "-n", "forged", "-u", "V", "-e"); err == nil && strings.Contains(out, "certificate is valid") {
			t.Errorf("%s: accepted: %s", rule, out)
		}
		must("-D", "-n", "forged")
	}
}
