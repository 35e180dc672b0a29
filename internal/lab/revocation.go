package lab

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ocsp"
)

// Where the lab tells of revoked certificates: hosts of the catalog's sets for revocation, plain HTTP as they are.
const (
	crlHost  = "mscrl.microsoft.com"
	crlPath  = "/sekisho-lab/root.crl"
	ocspHost = "oneocsp.microsoft.com"
	ocspPath = "/sekisho-lab/ocsp"

	revocationLife = 24 * time.Hour
	// maxRevoked bounds the list; chosen. The oldest leave it.
	maxRevoked   = 1024
	maxOCSPBytes = 64 << 10
)

// issuer is an authority beside the lab's own, made when first used. Its key lives in memory alone.
type issuer struct {
	subject string
	mu      sync.Mutex
	made    *signer
	root    []byte // PEM; empty below the lab's root
}

// issueBy issues a certificate by i.
func (a *authority) issueBy(o leafOrder, i *issuer) (*tls.Certificate, error) {
	by, err := a.signer(i)
	if err != nil {
		return nil, err
	}
	return a.issue(o, by)
}

// signer makes i when it is not made yet: a root of its own with an issuing authority below it, or, for the intermediate,
// an issuing authority below the lab's root.
func (a *authority) signer(i *issuer) (*signer, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.made != nil {
		return i.made, nil
	}
	above := a.own()
	if i != &a.intermediate {
		root, err := a.subordinate(i.subject+" root", nil, 1)
		if err != nil {
			return nil, err
		}
		i.root = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.certificate.Raw})
		above = root
	}
	below, err := a.subordinate(i.subject+" CA", above, 0)
	if err != nil {
		return nil, err
	}
	below.chain = [][]byte{below.certificate.Raw}
	i.made = below
	return below, nil
}

// subordinate makes an authority below above, or a root.
func (a *authority) subordinate(name string, above *signer, depth int) (*signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the key of %q: %w", name, err)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	now := a.now()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{Organization: []string{"Sekisho LAB"}, CommonName: name},
		NotBefore: now.Add(-backdate), NotAfter: a.root.NotAfter,
		IsCA: true, BasicConstraintsValid: true, MaxPathLen: depth, MaxPathLenZero: depth == 0,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	parent, signs := template, key
	if above != nil {
		parent, signs = above.certificate, above.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signs)
	if err != nil {
		return nil, fmt.Errorf("sign %q: %w", name, err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read %q back: %w", name, err)
	}
	return &signer{certificate: certificate, key: key}, nil
}

// InspectionRootPEM returns the root of the organisation that inspects under the fault tls.inspected, for who rehearses
// with clients that trust it.
func (w *World) InspectionRootPEM() ([]byte, error) {
	if _, err := w.authority.signer(&w.authority.inspector); err != nil {
		return nil, err
	}
	w.authority.inspector.mu.Lock()
	defer w.authority.inspector.mu.Unlock()
	return w.authority.inspector.root, nil
}

// revoked issues a certificate and revokes it: the list and the responder that it names say so, and what is stapled, too.
func (a *authority) revoked(o leafOrder, staple bool) (*tls.Certificate, error) {
	o.crl, o.ocsp = []string{"http://" + crlHost + crlPath}, []string{"http://" + ocspHost + ocspPath}
	c, err := a.issue(o, a.own())
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	if len(a.serials) >= maxRevoked {
		a.serials = slices.Delete(a.serials, 0, 1)
	}
	a.serials = append(a.serials, c.Leaf.SerialNumber)
	a.mu.Unlock()
	c.Certificate = append(c.Certificate, a.root.Raw) // clients that check look for the issuer in what is shown
	if staple {
		c.OCSPStaple, err = a.status(c.Leaf.SerialNumber)
	}
	return c, err
}

// status is the OCSP response for a serial number (RFC 6960).
func (a *authority) status(serial *big.Int) ([]byte, error) {
	a.mu.Lock()
	is := slices.ContainsFunc(a.serials, func(s *big.Int) bool { return s.Cmp(serial) == 0 })
	a.mu.Unlock()
	now := a.now()
	template := ocsp.Response{Status: ocsp.Good, SerialNumber: serial, ThisUpdate: now.Add(-backdate), NextUpdate: now.Add(revocationLife), IssuerHash: crypto.SHA1, Certificate: a.root}
	if is {
		template.Status, template.RevokedAt, template.RevocationReason = ocsp.Revoked, now.Add(-backdate), ocsp.KeyCompromise
	}
	return ocsp.CreateResponse(a.root, a.root, template, a.key)
}

// list is the revocation list (RFC 5280, section 5).
func (a *authority) list() ([]byte, error) {
	now := a.now()
	template := &x509.RevocationList{Number: big.NewInt(now.Unix()), ThisUpdate: now.Add(-backdate), NextUpdate: now.Add(revocationLife)}
	a.mu.Lock()
	for _, s := range a.serials {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: s, RevocationTime: now.Add(-backdate), ReasonCode: ocsp.KeyCompromise})
	}
	a.mu.Unlock()
	return x509.CreateRevocationList(rand.Reader, template, a.root, a.key)
}

// revocation answers for the list and the responder, and reports whether the request was for one of them.
func (a *authority) revocation(w http.ResponseWriter, r *http.Request, host string) bool {
	var body []byte
	var err error
	switch {
	case host == crlHost && r.URL.Path == crlPath:
		w.Header().Set("Content-Type", "application/pkix-crl") // RFC 2585, section 4.2
		body, err = a.list()
	case host == ocspHost && (r.URL.Path == ocspPath || strings.HasPrefix(r.URL.Path, ocspPath+"/")):
		w.Header().Set("Content-Type", "application/ocsp-response") // RFC 6960, appendix C
		body, err = a.respond(r)
	default:
		return false
	}
	if err != nil {
		http.Error(w, "LAB: the answer could not be made", http.StatusInternalServerError)
		return true
	}
	_, _ = w.Write(body)
	return true
}

// respond answers one OCSP request, in the body or in the path (RFC 6960, appendix A.1).
func (a *authority) respond(r *http.Request) ([]byte, error) {
	der, err := io.ReadAll(io.LimitReader(r.Body, maxOCSPBytes))
	if r.Method == http.MethodGet {
		der, err = base64.StdEncoding.DecodeString(strings.TrimPrefix(r.URL.Path, ocspPath+"/"))
	}
	if err != nil {
		return ocsp.MalformedRequestErrorResponse, nil
	}
	request, err := ocsp.ParseRequest(der)
	if err != nil {
		return ocsp.MalformedRequestErrorResponse, nil
	}
	return a.status(request.SerialNumber)
}
