package ca_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sekisho/internal/ca"
)

// own is an organisation's CA: root, policy CA, issuing CA.
type own struct {
	certs []*x509.Certificate // issuing first, root last
	key   crypto.Signer       // the issuing CA's
}

// organisation builds a chain; change may bend the template of level 0 (issuing), 1 (policy) or 2 (root).
func organisation(t *testing.T, key crypto.Signer, change func(level int, c *x509.Certificate)) own {
	t.Helper()
	if key == nil {
		key, _ = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	}
	var o own
	o.key = key
	var parent *x509.Certificate
	var parentKey crypto.Signer
	for level := 2; level >= 0; level-- {
		c := &x509.Certificate{SerialNumber: big.NewInt(int64(level + 1)),
			Subject:   pkix.Name{Organization: []string{"Northwind"}, CommonName: []string{"Issuing CA", "Policy CA", "Root"}[level]},
			NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(1000 * 24 * time.Hour),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
		if change != nil {
			change(level, c)
		}
		k := key
		if level > 0 {
			k, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		}
		if parent == nil {
			parent, parentKey = c, k
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, k.Public(), parentKey)
		if err != nil {
			t.Fatal(err)
		}
		parent, parentKey = parse(t, der), k
		o.certs = append([]*x509.Certificate{parent}, o.certs...)
	}
	return o
}

// files writes the chain (of certs) and key, and returns their names.
func (o own) files(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	dir := t.TempDir()
	var data []byte
	for _, c := range o.certs {
		data = append(data, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	write(t, dir, "chain.pem", data)
	der, err := x509.MarshalPKCS8PrivateKey(o.key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return filepath.Join(dir, "chain.pem"), filepath.Join(dir, "key.pem")
}

func TestImportedAuthoritySignsUnderTheOrganisationsRoot(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"ecdsa": nil, "rsa": rsaKey} {
		t.Run(name, func(t *testing.T) {
			dir, o := folderOf(t), options(newClock())
			org := organisation(t, key, nil)
			certFile, keyFile := org.files(t)
			if err := ca.Import(dir, certFile, keyFile, o); err != nil {
				t.Fatal(err)
			}
			a, created, err := ca.Open(dir, o)
			if err != nil || len(created) > 0 || !a.Imported() {
				t.Fatalf("created %v, %v", created, err)
			}
			if root := parseOne(t, a.RootPEM()); !root.Equal(org.certs[2]) {
				t.Errorf("root is %v", root.Subject)
			}
			c := mint(t, a, liveHost)
			if len(c.Certificate) != 3 {
				t.Errorf("chain of %d, want leaf, issuing and policy CA", len(c.Certificate))
			}
			between := x509.NewCertPool()
			for _, der := range c.Certificate[1:] {
				between.AddCert(parse(t, der))
			}
			if _, err := c.Leaf.Verify(x509.VerifyOptions{Roots: pool(t, a.RootPEM()), Intermediates: between, DNSName: liveHost}); err != nil {
				t.Error(err)
			}
			if _, ok := a.CRL("root.crl"); ok {
				t.Error("served a list of a root that is not ours")
			}
			der, ok := a.CRL("issuing.crl")
			l, err := x509.ParseRevocationList(der)
			if !ok || err != nil || l.CheckSignatureFrom(org.certs[0]) != nil {
				t.Errorf("issuing.crl: %v %v", ok, err)
			}
			// Importing its successor replaces it.
			next := organisation(t, nil, nil)
			certFile, keyFile = next.files(t)
			if err := ca.Import(dir, certFile, keyFile, o); err != nil {
				t.Fatal(err)
			}
			if root := parseOne(t, open(t, dir, o).RootPEM()); !root.Equal(next.certs[2]) {
				t.Error("the successor was not taken")
			}
		})
	}
}

func TestImportRefuses(t *testing.T) {
	for _, c := range []struct {
		rule, want string
		bend       func(level int, c *x509.Certificate)
		after      func(o *own)
	}{
		{rule: "no-ca", want: "ca.import-not-a-ca", bend: func(l int, c *x509.Certificate) { c.IsCA = c.IsCA && l > 0 }},
		{rule: "no-cert-sign", want: "ca.import-key-usage", bend: func(l int, c *x509.Certificate) {
			if l == 0 {
				c.KeyUsage = x509.KeyUsageCRLSign
			}
		}},
		{rule: "no-crl-sign", want: "ca.import-key-usage", bend: func(l int, c *x509.Certificate) {
			if l == 0 {
				c.KeyUsage = x509.KeyUsageCertSign
			}
		}},
		{rule: "ended", want: "ca.import-dates", bend: func(l int, c *x509.Certificate) {
			if l == 0 {
				c.NotAfter = time.Now().Add(-time.Hour)
			}
		}},
		{rule: "ends-today", want: "ca.import-dates", bend: func(l int, c *x509.Certificate) {
			if l == 1 {
				c.NotAfter = time.Now().Add(time.Hour)
			}
		}},
		{rule: "not-yet", want: "ca.import-dates", bend: func(l int, c *x509.Certificate) {
			if l == 0 {
				c.NotBefore = time.Now().Add(time.Hour)
			}
		}},
		{rule: "root-left-out", want: "ca.import-no-root", after: func(o *own) { o.certs = o.certs[:2] }},
		{rule: "issuing-alone", want: "ca.import-no-root", after: func(o *own) { o.certs = o.certs[:1] }},
		{rule: "policy-ca-left-out", want: "ca.import-chain", after: func(o *own) { o.certs = []*x509.Certificate{o.certs[0], o.certs[2]} }},
		{rule: "wrong-order", want: "ca.import-key", after: func(o *own) { o.certs[0], o.certs[1] = o.certs[1], o.certs[0] }},
		{rule: "key-of-another", want: "ca.import-key", after: func(o *own) { o.key, _ = ecdsa.GenerateKey(elliptic.P384(), rand.Reader) }},
		{rule: "path-length", want: "ca.import-chain", bend: func(l int, c *x509.Certificate) { c.MaxPathLenZero = l == 1 }},
		{rule: "path-length-of-the-root", want: "ca.import-chain", bend: func(l int, c *x509.Certificate) {
			if l == 2 {
				c.MaxPathLen = 1
			}
		}},
		{rule: "name-not-permitted", want: "ca.import-names", bend: func(l int, c *x509.Certificate) {
			if l == 0 {
				c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{liveHost}
			}
		}},
		{rule: "name-excluded-above", want: "ca.import-names", bend: func(l int, c *x509.Certificate) {
			if l == 1 {
				c.ExcludedDNSDomains = []string{"live.com"}
			}
		}},
		{rule: "only-client-certificates", want: "ca.import-chain", bend: func(l int, c *x509.Certificate) {
			if l == 1 {
				c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
			}
		}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			org := organisation(t, nil, c.bend)
			if c.after != nil {
				c.after(&org)
			}
			certFile, keyFile := org.files(t)
			dir := folderOf(t)
			err := ca.Import(dir, certFile, keyFile, options(newClock()))
			if err == nil {
				t.Fatal("imported")
			}
			if got := code(t, err); got != c.want {
				t.Errorf("%v: %s, want %s", err, got, c.want)
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("something was written")
			}
		})
	}
}

func TestImportLeavesAnAuthorityMadeHereAlone(t *testing.T) {
	dir, o := folderOf(t), options(newClock())
	open(t, dir, o)
	before := snapshot(t, dir)
	certFile, keyFile := organisation(t, nil, nil).files(t)
	err := ca.Import(dir, certFile, keyFile, o)
	if err == nil || code(t, err) != "ca.import-exists" {
		t.Errorf("error %v", err)
	}
	if !bytes.Equal(before, snapshot(t, dir)) {
		t.Error("files changed")
	}
}

func TestImportRefusesFilesItCannotRead(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := organisation(t, nil, nil).files(t)
	write(t, dir, "encrypted.pem", []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"))
	write(t, dir, "text.pem", []byte("hello"))
	for _, c := range []struct{ cert, key, want string }{
		{filepath.Join(dir, "absent.pem"), keyFile, "ca.unreadable"},
		{certFile, filepath.Join(dir, "absent.pem"), "ca.unreadable"},
		{filepath.Join(dir, "text.pem"), keyFile, "ca.damaged"},
		{certFile, filepath.Join(dir, "encrypted.pem"), "ca.key-encrypted"},
		{certFile, certFile, "ca.import-no-key"},
		{keyFile, keyFile, "ca.import-no-certificate"},
	} {
		err := ca.Import(folderOf(t), c.cert, c.key, options(newClock()))
		if err == nil {
			t.Errorf("%+v: imported", c)
		} else if got := code(t, err); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestImportedConstraintsAreCheckedAtEachStart(t *testing.T) {
	dir, ck := folderOf(t), newClock()
	o := options(ck)
	certFile, keyFile := organisation(t, nil, func(l int, c *x509.Certificate) {
		if l == 0 {
			c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{liveHost, "microsoftonline.com"}
		}
	}).files(t)
	if err := ca.Import(dir, certFile, keyFile, o); err != nil {
		t.Fatal(err)
	}
	o.Permitted = append(o.Permitted, "login.windows.net")
	if _, _, err := ca.Open(dir, o); err == nil || code(t, err) != "ca.import-names" {
		t.Errorf("error %v", err)
	}
	o.Permitted = o.Permitted[:2]
	a := open(t, dir, o)
	ck.add(1001 * 24 * time.Hour)
	if _, err := a.Issuer().Certificate(t.Context(), liveHost); err == nil || code(t, err) != "ca.issuing-expired" {
		t.Errorf("error %v", err)
	}
	if _, _, err := ca.Open(dir, o); err == nil {
		t.Error("opened with certificates that have ended")
	}
}

// FuzzParseKeyFile reads any bytes as a key file: an error or an authority, no panic, no file changed.
func FuzzParseKeyFile(f *testing.F) {
	seed := folderOf(f)
	open(f, seed, ca.Options{})
	f.Add(read(f, seed, "root.key"))
	f.Add(read(f, seed, "issuing.key"))
	f.Add(read(f, seed, "root.pem"))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := folderOf(t)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, dir, "root.key", data)
		if _, _, err := ca.Show(dir); err == nil {
			t.Error("an authority without an issuing CA was shown")
		}
		if !bytes.Equal(data, read(t, dir, "root.key")) {
			t.Error("the file changed")
		}
	})
}
