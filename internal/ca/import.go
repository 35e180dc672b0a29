package ca

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sekisho/internal/finding"
)

// Import installs an organisation's own issuing CA in dir, in place of one that Sekisho makes. certFile holds, in PEM,
// the issuing CA, then each CA above it up to and including the root that clients trust; keyFile the issuing CA's private
// key (ECDSA, or RSA of at least 2048 bits; PKCS #8, SEC 1 or PKCS #1; not encrypted). The files are copied; the
// originals may go.
//
// It refuses, as a *finding.Problem whose code begins with "ca.import-": a certificate that is no CA or may not sign
// certificates and revocation lists, one outside its time or with less than a day left, a key that is not its key, a
// chain that does not verify up to a root, and name constraints anywhere in the chain that exclude one of o.Permitted. A
// folder that already holds an authority made by Sekisho is left as it is ("ca.import-exists"); an earlier import is
// replaced.
//
// An issuing CA without name constraints is taken: then only the Issuer's own list keeps it to the permitted names.
func Import(dir, certFile, keyFile string, o Options) error {
	o, names, err := o.complete()
	if err != nil {
		return err
	}
	certs, _, err := readNamed(certFile)
	if err == nil && len(certs) == 0 {
		err = finding.Fail("ca.import-no-certificate", nil, "file", certFile)
	}
	if err != nil {
		return err
	}
	_, key, err := readNamed(keyFile)
	if err == nil && key == nil {
		err = finding.Fail("ca.import-no-key", nil, "file", keyFile)
	}
	if err != nil {
		return err
	}
	if !sameKey(certs[0], key) {
		return finding.Fail("ca.import-key", nil, "file", keyFile, "certificate", certFile)
	}
	if err := checkImport(certs, certFile, names, o.Now()); err != nil {
		return err
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return err
	}
	unlock, err := lockFolder(dir, lockWait)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(filepath.Join(dir, fileImported)); err != nil {
		for _, name := range []string{fileRootKey, fileRoot, fileIssuing, fileIssuingKey} {
			if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
				return finding.Fail("ca.import-exists", nil, "folder", dir, "file", name)
			}
		}
	}
	last := len(certs) - 1
	for _, f := range []struct {
		name string
		data []byte
		mode fs.FileMode
	}{
		// The mark comes first: if the machine stops half-way, Open says that the import is incomplete, and importing
		// again is allowed.
		{fileImported, []byte("issuing CA imported; sha256 " + hexDigest(certs[0].Raw) + "\n"), 0o644},
		{fileRoot, encodeCertificates(certs[last]), 0o644},
		{fileIssuingKey, keyPEM, 0o600},
		{fileIssuing, encodeCertificates(certs[:last]...), 0o644},
	} {
		if err := writeWhole(filepath.Join(dir, f.name), f.data, f.mode); err != nil {
			return err
		}
	}
	return nil
}

// readNamed is readPEM for a file that somebody named: it has to be there.
func readNamed(name string) ([]*x509.Certificate, crypto.Signer, error) {
	if _, err := os.Stat(name); err != nil {
		return nil, nil, unreadable(name, err)
	}
	return readPEM(name)
}

// checkImport judges a chain: issuing CA first, root last.
func checkImport(certs []*x509.Certificate, file string, names permitted, now time.Time) error {
	c, last := certs[0], len(certs)-1
	subject := c.Subject.String()
	if !c.BasicConstraintsValid || !c.IsCA {
		return finding.Fail("ca.import-not-a-ca", nil, "file", file, "subject", subject)
	}
	if c.KeyUsage&x509.KeyUsageCertSign == 0 || c.KeyUsage&x509.KeyUsageCRLSign == 0 {
		return finding.Fail("ca.import-key-usage", nil, "file", file, "subject", subject)
	}
	for _, c := range certs {
		if now.Before(c.NotBefore) || now.Add(24*time.Hour).After(c.NotAfter) {
			return finding.Fail("ca.import-dates", nil, "file", file, "subject", c.Subject.String(),
				"from", date(c.NotBefore), "to", date(c.NotAfter))
		}
	}
	root := certs[last]
	if last == 0 || root.CheckSignatureFrom(root) != nil {
		return finding.Fail("ca.import-no-root", nil, "file", file, "subject", root.Subject.String())
	}
	if err := linked(certs[:last], root); err != nil {
		return finding.Fail("ca.import-chain", err, "file", file)
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(root)
	for _, c := range certs[1:last] {
		between.AddCert(c)
	}
	if _, err := c.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err != nil {
		return finding.Fail("ca.import-chain", err, "file", file)
	}
	// Verify took the issuing CA for an end entity; as a CA it counts against the path lengths above it (RFC 5280,
	// section 4.2.1.9).
	for below, c := range certs {
		if c.MaxPathLen < below && (c.MaxPathLen > 0 || c.MaxPathLenZero) {
			return finding.Fail("ca.import-chain", fmt.Errorf("%q permits fewer CAs below it", c.Subject), "file", file)
		}
	}
	return checkNames(certs, file, names)
}

// checkNames refuses a chain whose name constraints forbid a permitted name.
func checkNames(certs []*x509.Certificate, file string, names permitted) error {
	var outside []string
	for _, n := range names.dns {
		for _, c := range certs {
			if n != nobody && !covered(c, n) {
				outside = append(outside, n)
				break
			}
		}
	}
	if len(outside) > 0 {
		return finding.Fail("ca.import-names", nil, "file", file, "names", strings.Join(outside, ", "))
	}
	return nil
}
