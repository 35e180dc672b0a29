package pfx

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/signin/page"
)

// contents are what an opened file holds.
type contents struct {
	key          any                 // the private key
	certificates []*x509.Certificate // in the order of the file, at least one
	report       Report
}

func (c *contents) say(v Verdict, source page.ID, id string, args ...string) {
	f := Finding{ID: id, Verdict: v, Source: source}
	f.put(args...)
	c.report.Findings = append(c.report.Findings, f)
}

// soon is when the end of a certificate is near enough to be told; chosen: time for an order, a change request and a change on
// every server.
const soon = 30 * 24 * time.Hour

func (c *contents) check(names Names, now time.Time) Report {
	c.say(Passed, page.PersonalFormat, "opened", "count", strconv.Itoa(len(c.certificates)))
	leaf := c.leaf()
	chain, whole := c.chain(leaf)
	fingerprint := sha256.Sum256(leaf.Raw)
	kind, _ := keyKind(leaf.PublicKey)
	facts := &Certificate{
		Subject: leaf.Subject.String(), Issuer: leaf.Issuer.String(), Names: slices.Clone(leaf.DNSNames), NotBefore: leaf.NotBefore.UTC(), NotAfter: leaf.NotAfter.UTC(),
		Key: kind, Signature: leaf.SignatureAlgorithm.String(), SHA256: hex.EncodeToString(fingerprint[:]), Chain: []string{},
	}
	for _, issuer := range chain {
		facts.Chain = append(facts.Chain, issuer.Subject.String())
	}
	if facts.Names == nil {
		facts.Names = []string{}
	}
	c.report.Certificate = facts
	c.names(leaf, names)
	c.dates(leaf, chain, now)
	c.algorithms(leaf, chain)
	c.usage(leaf)
	c.issuers(leaf, chain, whole)
	c.say(NotTested, page.Requirements, "trust")
	return c.report
}

// leaf is the certificate of the key. A file has one certificate that is no authority's (the sign-in page: "one TLS
// certificate").
func (c *contents) leaf() *x509.Certificate {
	leaf := c.certificates[0]
	signer, _ := c.key.(crypto.Signer)
	matches := func(cert *x509.Certificate) bool {
		public, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
		return ok && signer != nil && public.Equal(signer.Public())
	}
	if i := slices.IndexFunc(c.certificates, matches); i >= 0 {
		leaf = c.certificates[i]
		kind, _ := keyKind(leaf.PublicKey)
		c.say(Passed, page.PersonalFormat, "key-matches", "key", kind)
	} else {
		c.say(Refused, page.PersonalFormat, "key-mismatch", "subject", leaf.Subject.String())
	}
	var others []string
	for _, cert := range c.certificates {
		if cert != leaf && !authority(cert) {
			others = append(others, cert.Subject.String())
		}
	}
	if len(others) > 0 {
		c.say(Refused, page.SignIn, "several-certificates", "subjects", strings.Join(others, "; "))
	} else {
		c.say(Passed, page.SignIn, "one-certificate")
	}
	return leaf
}

// authority reports whether a certificate is one of an authority: it says so, or is its own issuer as old roots are.
func authority(cert *x509.Certificate) bool {
	return cert.IsCA || cert.Version < 3 && bytes.Equal(cert.RawIssuer, cert.RawSubject)
}

// chain is the issuers of leaf in the file, the nearest first. whole says that the last one is its own issuer.
func (c *contents) chain(leaf *x509.Certificate) (chain []*x509.Certificate, whole bool) {
	for at := leaf; ; {
		if bytes.Equal(at.RawIssuer, at.RawSubject) {
			return chain, true
		}
		i := slices.IndexFunc(c.certificates, func(candidate *x509.Certificate) bool {
			return candidate != leaf && !slices.Contains(chain, candidate) && issued(candidate, at)
		})
		if i < 0 {
			return chain, false
		}
		at = c.certificates[i]
		chain = append(chain, at)
	}
}

// issued reports whether issuer signed cert. A signature by an algorithm that is not checked any more counts as one: it is told
// by itself.
func issued(issuer, cert *x509.Certificate) bool {
	if !bytes.Equal(cert.RawIssuer, issuer.RawSubject) {
		return false
	}
	err := cert.CheckSignatureFrom(issuer)
	var insecure x509.InsecureAlgorithmError
	return err == nil || errors.As(err, &insecure)
}

// names checks the subject alternative name. A wildcard stands for one label, the leftmost (RFC 9525, section 6.3).
func (c *contents) names(leaf *x509.Certificate, names Names) {
	has := func(name string) bool { return leaf.VerifyHostname(name) == nil }
	all := strings.Join(leaf.DNSNames, ", ")
	switch {
	case has(names.Service):
		id := "name"
		if !slices.ContainsFunc(leaf.DNSNames, func(n string) bool { return strings.EqualFold(strings.TrimSuffix(n, "."), names.Service) }) {
			id = "name-by-wildcard"
		}
		c.say(Passed, page.Requirements, id, "name", names.Service)
	case len(leaf.DNSNames) == 0 && strings.EqualFold(leaf.Subject.CommonName, names.Service):
		// The page of AD FS takes the subject; clients have stopped looking there (RFC 9525, section 2).
		c.say(Refused, page.ServiceNames, "name-in-subject", "name", names.Service)
	default:
		c.say(Refused, page.Requirements, "name-mismatch", "name", names.Service, "names", all)
	}
	if certauth := "certauth." + names.Service; has(certauth) {
		c.say(Passed, page.Requirements, "certauth", "name", certauth)
	} else {
		c.say(Doubtful, page.Requirements, "no-certauth", "name", certauth)
	}
	if names.Suffixes == nil {
		c.say(NotTested, page.Requirements, "registration-not-tested")
		return
	}
	var missing []string
	for _, suffix := range names.Suffixes {
		if name := "enterpriseregistration." + suffix; !has(name) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		c.say(Doubtful, page.Requirements, "no-registration", "names", strings.Join(missing, ", "))
	} else {
		c.say(Passed, page.Requirements, "registration")
	}
}

func (c *contents) dates(leaf *x509.Certificate, chain []*x509.Certificate, now time.Time) {
	from, to := leaf.NotBefore.UTC().Format(time.RFC3339), leaf.NotAfter.UTC().Format(time.RFC3339)
	switch {
	case now.After(leaf.NotAfter):
		c.say(Refused, page.Requirements, "expired", "until", to)
	case now.Before(leaf.NotBefore):
		c.say(Refused, page.Requirements, "not-yet", "from", from)
	case leaf.NotAfter.Sub(now) < soon:
		c.say(Doubtful, page.Requirements, "ends-soon", "until", to, "days", strconv.Itoa(int(leaf.NotAfter.Sub(now)/(24*time.Hour))))
	default:
		c.say(Passed, page.Requirements, "dates", "from", from, "until", to)
	}
	for _, issuer := range chain {
		if now.After(issuer.NotAfter) || now.Before(issuer.NotBefore) {
			c.say(Refused, page.Requirements, "issuer-dates", "subject", issuer.Subject.String(),
				"from", issuer.NotBefore.UTC().Format(time.RFC3339), "until", issuer.NotAfter.UTC().Format(time.RFC3339))
		}
	}
}

// algorithms checks key and signatures by what public authorities may issue (Baseline Requirements, sections 6.1.5 and
// 7.1.3.2). The page of AD FS names no key type.
func (c *contents) algorithms(leaf *x509.Certificate, chain []*x509.Certificate) {
	switch kind, fits := keyKind(leaf.PublicKey); {
	case !fits:
		c.say(Refused, page.Baseline, "key-weak", "key", kind)
	case strings.HasPrefix(kind, "RSA"):
		c.say(Passed, page.Baseline, "key", "key", kind)
	default:
		c.say(Doubtful, page.Requirements, "key-type", "key", kind)
	}
	for _, cert := range append([]*x509.Certificate{leaf}, chain...) {
		own := bytes.Equal(cert.RawIssuer, cert.RawSubject) // nobody checks the signature of a root
		if weak := cert.SignatureAlgorithm; !own && slices.Contains([]x509.SignatureAlgorithm{x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1}, weak) {
			c.say(Refused, page.Baseline, "signature-weak", "subject", cert.Subject.String(), "signature", weak.String())
		}
	}
}

// keyKind is type and size of a key, and whether a public authority may certify it.
func keyKind(public any) (kind string, fits bool) {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return "RSA " + strconv.Itoa(k.N.BitLen()), k.N.BitLen() >= 2048 && k.N.BitLen()%8 == 0
	case *ecdsa.PublicKey:
		name := k.Curve.Params().Name
		return "ECDSA " + name, slices.Contains([]string{"P-256", "P-384", "P-521"}, name)
	case ed25519.PublicKey:
		return "Ed25519", false
	}
	return "?", false
}

func (c *contents) usage(leaf *x509.Certificate) {
	if slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth) {
		c.say(Passed, page.Requirements, "usage")
		return
	}
	c.say(Refused, page.Requirements, "no-usage")
}

// issuers checks what stands in the file beside the certificate.
func (c *contents) issuers(leaf *x509.Certificate, chain []*x509.Certificate, whole bool) {
	switch {
	case whole && len(chain) == 0:
		c.say(Refused, page.Requirements, "self-signed")
		return
	case len(chain) == 0:
		c.say(Refused, page.Requirements, "no-issuer", "issuer", leaf.Issuer.String())
	case whole:
		c.say(Passed, page.Requirements, "chain", "count", strconv.Itoa(len(chain)))
	default:
		// A root that is not in the file is where it belongs: with those who trust it. A missing intermediate looks the same.
		c.say(NotTested, page.Requirements, "chain-open", "count", strconv.Itoa(len(chain)), "issuer", chain[len(chain)-1].Issuer.String())
	}
	var extra []string
	var order []*x509.Certificate
	for _, cert := range c.certificates {
		switch {
		case cert == leaf || slices.Contains(chain, cert):
			order = append(order, cert)
		case authority(cert):
			extra = append(extra, cert.Subject.String())
		}
	}
	if len(extra) > 0 {
		c.say(Doubtful, page.TLSOrder, "extra", "subjects", strings.Join(extra, "; "))
	}
	if len(chain) == 0 {
		return
	}
	if slices.Equal(order, append([]*x509.Certificate{leaf}, chain...)) {
		c.say(Passed, page.TLSOrder, "order")
	} else {
		c.say(Doubtful, page.TLSOrder, "disorder")
	}
}
