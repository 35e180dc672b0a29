package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"slices"
	"time"
)

// newKey makes an ECDSA P-256 key: every TLS client of today verifies it, and a signature costs tens of microseconds.
func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// newSerial is a random positive number of 127 bits: unpredictable, and below the 20 octets of RFC 5280, section 4.1.2.2.
func newSerial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	return n.SetBit(n, 126, 1), nil
}

// caName is the subject of a CA made here. The last word comes from its key, so that two installations never have CAs
// of one name and different keys, which verifiers that look an issuer up by name alone confuse.
func caName(o Options, role string, key crypto.Signer) (pkix.Name, error) {
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return pkix.Name{}, err
	}
	sum := sha256.Sum256(spki)
	cn := fmt.Sprintf("Sekisho %s %X", role, sum[:4])
	if o.Label != "" {
		cn = fmt.Sprintf("Sekisho %s %s %X", o.Label, role, sum[:4])
	}
	return pkix.Name{CommonName: cn, Organization: []string{o.Organisation}}, nil
}

func signRoot(key crypto.Signer, o Options, now time.Time) (*x509.Certificate, error) {
	name, err := caName(o, "Root CA", key)
	if err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	return create(&x509.Certificate{
		SerialNumber:          serial,
		Subject:               name,
		NotBefore:             now.Add(-rootBackdate),
		NotAfter:              now.Add(o.RootLifetime),
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLen:            1,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, nil, key.Public(), key)
}

// signIssuing signs the issuing CA: no CA below it, TLS servers only, and only the permitted names. The constraints name
// every kind that a verifier could otherwise accept in a leaf: DNS names, addresses (all excluded) and mailboxes.
func signIssuing(root pair, key crypto.Signer, o Options, names permitted, now time.Time) (*x509.Certificate, error) {
	name, err := caName(o, "Issuing CA", key)
	if err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber:                serial,
		Subject:                     name,
		NotBefore:                   later(now.Add(-issuingBackdate), root.cert.NotBefore),
		NotAfter:                    earlier(now.Add(issuingLifetime), root.cert.NotAfter),
		BasicConstraintsValid:       true,
		IsCA:                        true,
		MaxPathLenZero:              true,
		KeyUsage:                    x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage:                 []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         names.dns,
		PermittedEmailAddresses:     []string{nobody},
		ExcludedIPRanges: []*net.IPNet{
			{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)},
			{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)},
		},
	}
	if o.CRLURL != "" {
		t.CRLDistributionPoints = []string{o.CRLURL + "/" + CRLRoot}
	}
	return create(t, root.cert, key.Public(), root.key)
}

// signLeaf signs a certificate for exactly host. The subject's common name repeats it where it fits (RFC 5280, appendix
// A.1, ub-common-name: 64 characters), for people who look; verifiers read the SAN.
func signLeaf(by signer, host string, pub crypto.PublicKey, o Options, now time.Time) (*x509.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{Organization: []string{o.Organisation}},
		NotBefore:             later(now.Add(-leafBackdate), by.cert.NotBefore),
		NotAfter:              earlier(now.Add(leafLifetime-leafBackdate), by.cert.NotAfter),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:              []string{host},
	}
	if len(host) <= 64 {
		t.Subject.CommonName = host
	}
	if o.CRLURL != "" {
		t.CRLDistributionPoints = []string{o.CRLURL + "/" + CRLIssuing}
	}
	return create(t, by.cert, pub, by.key)
}

// create signs t and reads it back; parent nil means self-signed.
func create(t, parent *x509.Certificate, pub crypto.PublicKey, by crypto.Signer) (*x509.Certificate, error) {
	if parent == nil {
		parent = t
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, pub, by)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// issuingFits reports whether c, below root, says what o and names ask for and has time left.
func issuingFits(c, root *x509.Certificate, o Options, names permitted, now time.Time) bool {
	var crl []string
	if o.CRLURL != "" {
		crl = []string{o.CRLURL + "/" + CRLRoot}
	}
	got := slices.Sorted(slices.Values(c.PermittedDNSDomains))
	return slices.Equal(got, names.dns) && c.PermittedDNSDomainsCritical && len(c.ExcludedIPRanges) == 2 &&
		slices.Equal(c.PermittedEmailAddresses, []string{nobody}) &&
		slices.Equal(c.CRLDistributionPoints, crl) && c.MaxPathLenZero && !renewable(c, root, now)
}

// nearsEnd reports whether a certificate should be signed anew: a third of its time is left, or the clock was set back
// behind its beginning.
func nearsEnd(c *x509.Certificate, now time.Time) bool {
	return now.Before(c.NotBefore) || c.NotAfter.Sub(now) < c.NotAfter.Sub(c.NotBefore)/3
}

// renewable reports whether signing c anew, below root, would give it time that it lacks. One that ends with its root
// gains nothing.
func renewable(c, root *x509.Certificate, now time.Time) bool {
	return nearsEnd(c, now) && (c.NotAfter.Before(root.NotAfter) || now.Before(c.NotBefore))
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
