package lab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// rootLife is how long the lab's root is valid: long enough for a rehearsal, too short to be forgotten in a store.
const rootLife = 30 * 24 * time.Hour

// maxLeaves bounds the certificates kept; chosen. Above it they are made anew.
const maxLeaves = 1024

// backdate makes certificates valid a little before they are made, for clients whose clock is behind; chosen.
const backdate = time.Hour

// authority signs the lab's certificates.
type authority struct {
	root    *x509.Certificate
	rootPEM []byte
	key     *ecdsa.PrivateKey
	leafKey *ecdsa.PrivateKey // one for all leaves: they live in this process's memory only
	now     func() time.Time

	// Authorities of faults, made when first used.
	stranger, inspector, intermediate issuer

	mu      sync.Mutex
	leaves  map[string]*tls.Certificate
	serials []*big.Int // of certificates that are revoked
}

// openAuthority reads root.pem and root.key in dir, or makes them where they are missing or past their time. An empty dir
// keeps them in memory.
func openAuthority(dir string, now func() time.Time) (*authority, error) {
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the lab's key: %w", err)
	}
	a := &authority{leafKey: leafKey, now: now, leaves: map[string]*tls.Certificate{}}
	a.stranger.subject, a.inspector.subject, a.intermediate.subject = "Sekisho LAB untrusted root", "Sekisho LAB TLS inspection", "Sekisho LAB issuing"
	if dir != "" {
		found, err := a.load(dir)
		if err != nil {
			return nil, err
		}
		if found {
			return a, nil
		}
	}
	if err := a.make(); err != nil {
		return nil, err
	}
	if dir != "" {
		if err := a.save(dir); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// load reports whether dir holds a root that is still good for a day. Files that are there but cannot be read are an
// error: nothing is overwritten by mistake.
func (a *authority) load(dir string) (bool, error) {
	certFile, keyFile := filepath.Join(dir, "root.pem"), filepath.Join(dir, "root.key")
	certPEM, err := os.ReadFile(certFile)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the lab's root: %w", err)
	}
	keyPEM, err := os.ReadFile(keyFile)
	if err != nil {
		return false, fmt.Errorf("read the lab's key: %w; remove %q to have both made anew", err, certFile)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return false, fmt.Errorf("read the lab's root %q: %w; remove it to have it made anew", certFile, err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA {
		return false, fmt.Errorf("read the lab's root %q: not an authority with an ECDSA key; remove it to have it made anew", certFile)
	}
	if now := a.now(); now.Before(pair.Leaf.NotBefore) || now.Add(24*time.Hour).After(pair.Leaf.NotAfter) {
		return false, nil
	}
	a.root, a.rootPEM, a.key = pair.Leaf, certPEM, key
	return true, nil
}

func (a *authority) make() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make the lab's key: %w", err)
	}
	serial, err := newSerial()
	if err != nil {
		return err
	}
	now := a.now()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{Organization: []string{"Sekisho LAB"}, CommonName: "Sekisho LAB root, not Microsoft"},
		NotBefore:    now.Add(-backdate), NotAfter: now.Add(rootLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLen: 1,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("sign the lab's root: %w", err)
	}
	if a.root, err = x509.ParseCertificate(der); err != nil {
		return fmt.Errorf("read the lab's root back: %w", err)
	}
	a.key = key
	a.rootPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return nil
}

func (a *authority) save(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the lab's folder: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return fmt.Errorf("encode the lab's key: %w", err)
	}
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	// The key comes first: without root.pem the pair counts as missing and is made anew.
	if err := replace(filepath.Join(dir, "root.key"), keyPEM, 0o600); err != nil {
		return fmt.Errorf("write the lab's key: %w", err)
	}
	if err := replace(filepath.Join(dir, "root.pem"), a.rootPEM, 0o644); err != nil {
		return fmt.Errorf("write the lab's root: %w", err)
	}
	return nil
}

// replace writes a whole file beside name and renames it.
func replace(name string, data []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already after the rename
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// leaf returns the certificate for exactly name.
func (a *authority) leaf(name string) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if c, ok := a.leaves[name]; ok && now.Before(c.Leaf.NotAfter.Add(-time.Hour)) {
		return c, nil
	}
	until := now.Add(leafLife)
	if until.After(a.root.NotAfter) {
		until = a.root.NotAfter
	}
	c, err := a.issue(leafOrder{name: name, from: now.Add(-backdate), until: until}, a.own())
	if err != nil {
		return nil, err
	}
	if len(a.leaves) >= maxLeaves {
		clear(a.leaves)
	}
	a.leaves[name] = c
	return c, nil
}

// leafLife is how long a leaf is valid; chosen.
const leafLife = 7 * 24 * time.Hour

// leafOrder is a certificate as it is wanted.
type leafOrder struct {
	name        string
	from, until time.Time
	crl, ocsp   []string // where its revocation is told
	serial      *big.Int // nil: a new one
}

// signer signs certificates. chain is what stands behind the leaf, without the root.
type signer struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	chain       [][]byte
}

// own is the lab's own root as a signer.
func (a *authority) own() *signer { return &signer{certificate: a.root, key: a.key} }

// issue makes a certificate; by nil it is signed by itself.
func (a *authority) issue(o leafOrder, by *signer) (*tls.Certificate, error) {
	if o.serial == nil {
		var err error
		if o.serial, err = newSerial(); err != nil {
			return nil, err
		}
	}
	template := &x509.Certificate{
		SerialNumber: o.serial,
		Subject:      pkix.Name{Organization: []string{"Sekisho LAB"}, CommonName: commonName(o.name)},
		DNSNames:     []string{o.name},
		NotBefore:    o.from, NotAfter: o.until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		CRLDistributionPoints: o.crl, OCSPServer: o.ocsp,
	}
	parent, key := template, a.leafKey
	var chain [][]byte
	if by != nil {
		parent, key, chain = by.certificate, by.key, by.chain
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, a.leafKey.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign the lab's certificate for %q: %w", o.name, err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read the lab's certificate for %q back: %w", o.name, err)
	}
	return &tls.Certificate{Certificate: append([][]byte{der}, chain...), PrivateKey: a.leafKey, Leaf: parsed}, nil
}

// commonName is name, or nothing when it is too long for a common name (RFC 5280, ub-common-name); the subject
// alternative name is what counts.
func commonName(name string) string {
	if len(name) > 64 {
		return ""
	}
	return name
}

func newSerial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	return n.Add(n, big.NewInt(1)), nil
}
