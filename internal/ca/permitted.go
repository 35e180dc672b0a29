package ca

import (
	"crypto/x509"
	"net/url"
	"slices"
	"strings"

	"sekisho/internal/finding"
)

// nobody is what an issuing CA permits where it should permit nothing of a kind: a top-level domain that never exists
// (RFC 6761, section 6.4). An absent list would permit everything, and an empty excluded mailbox means nothing to
// OpenSSL, while a permitted one that no one can own shuts out all others for every verifier.
const nobody = "invalid"

// permitted is the set of names that may be signed.
type permitted struct {
	exact    map[string]bool
	suffixes []string // ".example.com" for "*.example.com"
	dns      []string // as dNSName constraints: sorted, without repetition, never empty
}

func newPermitted(names []string) (permitted, error) {
	p := permitted{exact: map[string]bool{}}
	for _, n := range names {
		base, wild := strings.CutPrefix(n, "*.")
		if !validName(base) {
			return p, finding.Fail("ca.permitted", nil, "value", n)
		}
		if wild {
			p.suffixes = append(p.suffixes, "."+base)
		} else {
			p.exact[base] = true
		}
		p.dns = append(p.dns, base)
	}
	if len(p.dns) == 0 {
		p.dns = []string{nobody}
	}
	slices.Sort(p.dns)
	p.dns = slices.Compact(p.dns)
	return p, nil
}

// allows reports whether host may be signed. A constraint "example.com" also lets a verifier accept hosts below it
// (RFC 5280, section 4.2.1.10); this list does not.
func (p permitted) allows(host string) bool {
	return p.exact[host] || slices.ContainsFunc(p.suffixes, func(s string) bool {
		return len(host) > len(s) && strings.HasSuffix(host, s)
	})
}

// validName accepts host names in the normal form of package endpoint: what stands in a certificate is compared byte by
// byte by some clients.
func validName(s string) bool {
	if len(s) == 0 || len(s) > 253 {
		return false
	}
	letters := false
	for label := range strings.SplitSeq(s, ".") {
		if len(label) == 0 || len(label) > 63 {
			return false
		}
		for _, c := range []byte(label) {
			switch {
			case c >= 'a' && c <= 'z' || c == '-' || c == '_':
				letters = true
			case c >= '0' && c <= '9':
			default:
				return false
			}
		}
	}
	return letters // all digits and dots is an address
}

// covered reports whether c's own name constraints let it sign a leaf for the constraint name (a dNSName base).
func covered(c *x509.Certificate, name string) bool {
	within := func(base string) bool {
		base = strings.ToLower(base)
		if base == "" {
			return true
		}
		if strings.HasPrefix(base, ".") {
			return len(name) > len(base) && strings.HasSuffix(name, base)
		}
		return name == base || strings.HasSuffix(name, "."+base)
	}
	if slices.ContainsFunc(c.ExcludedDNSDomains, within) {
		return false
	}
	return len(c.PermittedDNSDomains) == 0 || slices.ContainsFunc(c.PermittedDNSDomains, within)
}

// cleanCRLURL returns the base URL without a final slash. Only http is taken: a client that must fetch a revocation list
// to verify a TLS connection cannot fetch it over TLS (RFC 5280, section 8, last paragraphs).
func cleanCRLURL(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", finding.Fail("ca.crl-url", nil, "value", s)
	}
	return strings.TrimRight(s, "/"), nil
}
