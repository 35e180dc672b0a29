package ca

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sekisho/internal/finding"
)

const (
	fileRoot       = "root.pem"
	fileRootKey    = "root.key"
	fileIssuing    = "issuing.pem"
	fileIssuingKey = "issuing.key"
	fileImported   = "imported"

	blockCertificate = "CERTIFICATE"
	blockKey         = "PRIVATE KEY"

	// maxFile bounds what is read of one file: chosen, a chain of ten certificates has less.
	maxFile = 256 << 10
)

// folder is what lies in an authority's folder, each pair already known to belong together. Zero parts are absent.
type folder struct {
	root     pair
	issuing  pair
	above    []*x509.Certificate // between issuing and root; only of an imported CA
	imported bool
	rootPEM  bool // root.pem is there
	dir      string
}

// readFolder reads what is there and refuses what is damaged or does not belong together. A folder that does not exist
// is an empty one.
func readFolder(dir string) (*folder, error) {
	f := &folder{dir: dir}
	if err := checkFolder(dir); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, fileImported)); err == nil {
		f.imported = true
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, unreadable(filepath.Join(dir, fileImported), err)
	}
	if err := f.readRoot(); err != nil {
		return nil, err
	}
	if err := f.readIssuing(); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *folder) path(name string) string    { return filepath.Join(f.dir, name) }
func (a *Authority) path(name string) string { return filepath.Join(a.dir, name) }

// readRoot reads root.key, which holds the key and its certificate, and root.pem, the copy for people. One file for
// both, because one rename is all or nothing: a crash while the root is made leaves no half of it.
func (f *folder) readRoot() error {
	pemCerts, _, err := readPEM(f.path(fileRoot))
	if err != nil {
		return err
	}
	f.rootPEM = len(pemCerts) > 0
	if f.imported {
		if !f.rootPEM {
			return finding.Fail("ca.missing", nil, "file", f.path(fileRoot), "beside", f.path(fileImported))
		}
		f.root.cert = pemCerts[0]
		return nil
	}
	keyCerts, key, err := readKey(f.path(fileRootKey))
	switch {
	case err != nil:
		return err
	case key == nil && f.rootPEM:
		return finding.Fail("ca.missing", nil, "file", f.path(fileRootKey), "beside", f.path(fileRoot))
	case key == nil:
		return nil
	case len(keyCerts) == 0 && !f.rootPEM:
		return finding.Fail("ca.missing", nil, "file", f.path(fileRoot), "beside", f.path(fileRootKey))
	case len(keyCerts) == 0:
		keyCerts = pemCerts
	case f.rootPEM && !pemCerts[0].Equal(keyCerts[0]):
		return finding.Fail("ca.mismatch", nil, "file", f.path(fileRoot), "other", f.path(fileRootKey))
	}
	cert := keyCerts[0]
	if !sameKey(cert, key) || !cert.IsCA || cert.CheckSignatureFrom(cert) != nil {
		return finding.Fail("ca.mismatch", nil, "file", f.path(fileRoot), "other", f.path(fileRootKey))
	}
	f.root = pair{cert, key}
	return nil
}

func (f *folder) readIssuing() error {
	certs, _, err := readPEM(f.path(fileIssuing))
	if err != nil {
		return err
	}
	_, key, err := readKey(f.path(fileIssuingKey))
	if err != nil {
		return err
	}
	f.issuing.key = key
	if f.root.cert == nil && (key != nil || len(certs) > 0) {
		return finding.Fail("ca.missing", nil, "file", f.path(fileRootKey), "beside", f.path(fileIssuing))
	}
	if len(certs) == 0 {
		if f.imported {
			return finding.Fail("ca.missing", nil, "file", f.path(fileIssuing), "beside", f.path(fileImported))
		}
		return nil // signed anew
	}
	if key == nil {
		return finding.Fail("ca.missing", nil, "file", f.path(fileIssuingKey), "beside", f.path(fileIssuing))
	}
	if !sameKey(certs[0], key) {
		return finding.Fail("ca.mismatch", nil, "file", f.path(fileIssuing), "other", f.path(fileIssuingKey))
	}
	if err := linked(certs, f.root.cert); err != nil {
		return finding.Fail("ca.mismatch", err, "file", f.path(fileIssuing), "other", f.path(fileRoot))
	}
	f.issuing.cert, f.above = certs[0], certs[1:]
	return nil
}

// linked reports whether each certificate is signed by the next and the last by root.
func linked(certs []*x509.Certificate, root *x509.Certificate) error {
	for i, c := range certs {
		by := root
		if i+1 < len(certs) {
			by = certs[i+1]
		}
		if err := c.CheckSignatureFrom(by); err != nil {
			return err
		}
	}
	return nil
}

// fits reports whether nothing has to be made.
func (f *folder) fits(o Options, names permitted, now time.Time) bool {
	if f.check(o, names, now) != nil || f.root.cert == nil || f.issuing.cert == nil || !f.rootPEM {
		return false
	}
	return f.imported || issuingFits(f.issuing.cert, f.root.cert, o, names, now)
}

// check refuses what Open cannot mend.
func (f *folder) check(o Options, names permitted, now time.Time) error {
	if f.root.cert != nil && !now.Before(f.root.cert.NotAfter) {
		return finding.Fail("ca.root-expired", nil, "file", f.path(fileRoot), "date", date(f.root.cert.NotAfter))
	}
	if !f.imported {
		return nil
	}
	if !now.Before(f.issuing.cert.NotAfter) {
		return finding.Fail("ca.issuing-expired", nil, "file", f.path(fileIssuing), "date", date(f.issuing.cert.NotAfter))
	}
	return checkNames(append([]*x509.Certificate{f.issuing.cert}, f.above...), f.path(fileIssuing), names)
}

// make writes what is missing, keys before what is signed with them. The caller holds the folder's lock.
func (f *folder) make(dir string, o Options, names permitted, now time.Time) (created []string, err error) {
	write := func(name string, data []byte, mode fs.FileMode) bool {
		if err != nil {
			return false
		}
		if err = writeWhole(f.path(name), data, mode); err == nil {
			created = append(created, name)
		}
		return err == nil
	}
	if f.root.cert == nil {
		key, keyPEM, kerr := freshKey()
		if kerr != nil {
			return nil, kerr
		}
		cert, cerr := signRoot(key, o, now)
		if cerr != nil {
			return nil, cerr
		}
		if !write(fileRootKey, append(keyPEM, encodeCertificates(cert)...), 0o600) {
			return created, err
		}
		f.root = pair{cert, key}
	}
	if !f.rootPEM && !write(fileRoot, encodeCertificates(f.root.cert), 0o644) {
		return created, err
	}
	if f.imported {
		return created, nil
	}
	if f.issuing.key == nil {
		key, keyPEM, kerr := freshKey()
		if kerr != nil {
			return created, kerr
		}
		if !write(fileIssuingKey, keyPEM, 0o600) {
			return created, err
		}
		f.issuing.key = key
	}
	if f.issuing.cert == nil || !issuingFits(f.issuing.cert, f.root.cert, o, names, now) {
		cert, cerr := signIssuing(f.root, f.issuing.key, o, names, now)
		if cerr != nil {
			return created, cerr
		}
		write(fileIssuing, encodeCertificates(cert), 0o644)
		f.issuing.cert, f.above = cert, nil
	}
	return created, err
}

func freshKey() (crypto.Signer, []byte, error) {
	key, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	data, err := encodeKey(key)
	return key, data, err
}

func encodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: blockKey, Bytes: der}), nil
}

func encodeCertificates(certs ...*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, c := range certs {
		pem.Encode(&b, &pem.Block{Type: blockCertificate, Bytes: c.Raw})
	}
	return b.Bytes()
}

func sameKey(c *x509.Certificate, key crypto.Signer) bool {
	pub, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && pub.Equal(c.PublicKey)
}

// readKey reads a private key file and the certificates in it. A file that does not exist gives nil.
func readKey(name string) ([]*x509.Certificate, crypto.Signer, error) {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, unreadable(name, err)
	}
	if mode, open := openToOthers(info); open {
		return nil, nil, finding.Fail("ca.key-open", nil, "file", name, "mode", mode)
	}
	certs, key, err := readPEM(name)
	if err == nil && key == nil {
		err = finding.Fail("ca.damaged", errors.New("no private key in it"), "file", name)
	}
	return certs, key, err
}

// readPEM reads the certificates and the private key of a PEM file. A file that does not exist gives nothing; one that
// exists holds at least one of them, and nothing that cannot be read.
func readPEM(name string) (certs []*x509.Certificate, key crypto.Signer, err error) {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, unreadable(name, err)
	}
	certs, key, err = parsePEM(data)
	if errors.Is(err, errEncrypted) {
		return nil, nil, finding.Fail("ca.key-encrypted", nil, "file", name)
	}
	if err != nil {
		return nil, nil, finding.Fail("ca.damaged", err, "file", name)
	}
	return certs, key, nil
}

var errEncrypted = errors.New("the private key is encrypted")

// parsePEM accepts what openssl writes: keys in PKCS #8, SEC 1 and PKCS #1 form, text between the blocks.
func parsePEM(data []byte) (certs []*x509.Certificate, key crypto.Signer, err error) {
	if len(data) > maxFile {
		return nil, nil, errors.New("the file is too large")
	}
	for {
		var b *pem.Block
		if b, data = pem.Decode(data); b == nil {
			break
		}
		if b.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(b.Headers["Proc-Type"], "ENCRYPTED") {
			return nil, nil, errEncrypted
		}
		var k any
		switch b.Type {
		case blockCertificate:
			c, err := x509.ParseCertificate(b.Bytes)
			if err != nil {
				return nil, nil, err
			}
			certs = append(certs, c)
			continue
		case "EC PARAMETERS":
			continue
		case blockKey:
			k, err = x509.ParsePKCS8PrivateKey(b.Bytes)
		case "EC PRIVATE KEY":
			k, err = x509.ParseECPrivateKey(b.Bytes)
		case "RSA PRIVATE KEY":
			k, err = x509.ParsePKCS1PrivateKey(b.Bytes)
		default:
			return nil, nil, errors.New("a block of type " + b.Type)
		}
		if err != nil {
			return nil, nil, err
		}
		if key != nil {
			return nil, nil, errors.New("more than one private key")
		}
		switch k := k.(type) {
		case *ecdsa.PrivateKey:
			key = k
		case *rsa.PrivateKey:
			if k.N.BitLen() < 2048 {
				return nil, nil, errors.New("an RSA key of less than 2048 bits")
			}
			key = k
		default:
			return nil, nil, errors.New("neither an ECDSA nor an RSA key")
		}
	}
	if len(certs) == 0 && key == nil {
		return nil, nil, errors.New("no PEM block in it")
	}
	if bytes.Contains(data, []byte("-----BEGIN ")) {
		return nil, nil, errors.New("a PEM block is cut off")
	}
	return certs, key, nil
}

func unreadable(name string, err error) error {
	return finding.Fail("ca.unreadable", err, "file", name)
}
