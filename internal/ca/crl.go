package ca

import (
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"os"
	"time"

	"sekisho/internal/finding"
)

// Names of the revocation lists, as they stand at the end of the distribution points' URLs.
const (
	CRLRoot    = "root.crl"    // signed by the root: about the issuing CA
	CRLIssuing = "issuing.crl" // signed by the issuing CA: about the leaves
)

const (
	// crlLifetime is what stands between thisUpdate and nextUpdate: chosen, so that a checkpoint that is down over a
	// long weekend stops no client that still has the list.
	crlLifetime = 7 * 24 * time.Hour
	// crlRenewAfter is the age at which a list is signed anew: chosen, a client always gets one with six days left.
	crlRenewAfter = 24 * time.Hour
	crlBackdate   = time.Hour // clients' clocks differ
)

// revocationList is a signed list in memory.
type revocationList struct {
	der  []byte
	list *x509.RevocationList
}

// fresh reports whether the list need not be signed anew.
func (l *revocationList) fresh(now time.Time) bool {
	age := now.Sub(l.list.ThisUpdate)
	return age >= 0 && age < crlRenewAfter+crlBackdate && now.Before(l.list.NextUpdate)
}

// CRL returns the revocation list of that name (CRLRoot or CRLIssuing) in DER, signed anew when it is a day old; it is
// valid for six days more at least. Lists are empty: a leaf lives only in memory and for at most 90 days, and whoever
// loses the issuing key makes a new root. They are numbered (RFC 5280, section 5.2.3), each higher than the one before,
// also across processes and after the loss of the file, because a number is never below the time in seconds.
//
// It returns false for any other name, for the root's list of an imported issuing CA (its own root publishes that), and
// when signing fails and no earlier list is still valid.
func (a *Authority) CRL(name string) ([]byte, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var by pair
	var file string
	switch name {
	case CRLRoot:
		by, file = a.root, "crl-root.der"
	case CRLIssuing:
		by, file = a.issuing.pair, "crl-issuing.der"
	}
	if by.key == nil {
		return nil, false
	}
	now := a.o.Now()
	l := a.crls[name]
	if l == nil {
		l = readCRL(a.path(file), by.cert)
	}
	if l == nil || !l.fresh(now) {
		next, err := signCRL(by, l, now)
		switch {
		case err == nil:
			l = next
			if err := a.save(file, l.der); err != nil {
				a.o.Log.Warn("revocation list not saved", "file", a.path(file), "error", err)
			}
		case l != nil && now.Before(l.list.NextUpdate):
			a.o.Log.Error("revocation list not signed, the last one is still valid", "list", name, "error", err)
		default:
			a.o.Log.Error("revocation list not signed", "list", name, "error", err)
			return nil, false
		}
	}
	a.crls[name] = l
	return l.der, true
}

// readCRL reads a list signed by c. A list that is absent, damaged or another's is none: it holds nothing that cannot be
// made again.
func readCRL(file string, c *x509.Certificate) *revocationList {
	der, err := os.ReadFile(file)
	if err != nil || len(der) > maxFile {
		return nil
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil || list.CheckSignatureFrom(c) != nil || list.Number == nil {
		return nil
	}
	return &revocationList{der: der, list: list}
}

func signCRL(by pair, last *revocationList, now time.Time) (*revocationList, error) {
	number := big.NewInt(max(now.Unix(), 1))
	if last != nil && last.list.Number.Cmp(number) >= 0 {
		number.Add(last.list.Number, big.NewInt(1))
	}
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number:     number,
		ThisUpdate: now.Add(-crlBackdate),
		NextUpdate: now.Add(crlLifetime),
	}, by.cert, by.key)
	if err != nil {
		return nil, finding.Fail("ca.crl", err)
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, finding.Fail("ca.crl", err)
	}
	return &revocationList{der: der, list: list}, nil
}
