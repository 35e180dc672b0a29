// Package ca is the signing authority of a checkpoint: the root that clients are given to trust, the issuing CA below
// it, the leaf certificates shown for intercepted hosts, and the revocation lists of both CAs.
//
//	a, created, err := ca.Open("/var/lib/sekisho/ca", ca.Options{
//		Organisation: "Contoso",
//		Permitted:    []string{"login.live.com", "login.microsoftonline.com"},
//		CRLURL:       "http://proxy.example.com:3180/crl",
//	})
//	cert, err := a.Issuer().Certificate(ctx, "login.live.com")
//
// The root carries no list of names, so it never changes when hosts are added. The issuing CA carries a critical
// name constraints extension (RFC 5280, section 4.2.1.10): the DNS names that may be intercepted, no address, no
// mailbox. A client that trusts the root thus cannot be shown a certificate for any other name, even by whoever steals
// the issuing key; and the Issuer refuses such a name before that.
//
// What it refuses to do: sign a name outside the list, work with a private key that others on the machine can read,
// and replace a key or a certificate that it cannot read. An organisation's own issuing CA takes the place of both with
// Import; then the root is the organisation's, and Sekisho holds no key of it.
//
// Files of the folder (0700): root.key (0600: the key, then its certificate), root.pem (the certificate, for people),
// issuing.key (0600), issuing.pem (the issuing CA, then what leads to the root), crl-root.der, crl-issuing.der, and
// imported, which marks an imported issuing CA. Every file is written whole and then renamed; processes that share the
// folder take turns by the file .lock.
package ca

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"sync"
	"time"

	"sekisho/internal/finding"
)

// Lifetimes. None is a rule from outside except where a source is named.
const (
	// rootLifetime is chosen: a root is handed out by hand or by device management, so rarely.
	rootLifetime = 10 * 365 * 24 * time.Hour
	// issuingLifetime is chosen: short enough that an old, wider list of names ends soon; renewal needs nobody.
	issuingLifetime = 365 * 24 * time.Hour
	// leafLifetime is chosen below every limit that a client sets for certificates (Apple: 398 days, and for roots
	// that a user or administrator added 825 days; "About upcoming limits on trusted certificates",
	// https://support.apple.com/en-us/102028, read 2026-11-01).
	leafLifetime = 90 * 24 * time.Hour
	// Each level begins earlier than the one below it, because clients' clocks differ and some want the periods
	// nested.
	rootBackdate    = 48 * time.Hour
	issuingBackdate = 24 * time.Hour
	leafBackdate    = time.Hour
)

// Options say what an authority is for. The zero value permits no name, gives out no revocation list URL, and is
// usable.
type Options struct {
	// Organisation stands in the subject of the root, the issuing CA and every leaf, at most 64 characters (RFC 5280,
	// appendix A.1, ub-organization-name). "" means "Sekisho".
	Organisation string
	// Label stands in the name of a root made here, so that a person tells it apart in a list: "LAB". "" means none.
	Label string
	// Permitted are the DNS names of the issuing CA's name constraints: host names in normal form, or "*.suffix" for
	// every host below a suffix. Order and repetition do not matter. nil permits none.
	Permitted []string
	// CRLURL is the base of the revocation lists' URLs, with scheme http: leaves point to CRLURL+"/issuing.crl", the
	// issuing CA to CRLURL+"/root.crl". "" leaves the distribution points out; clients on Schannel then refuse the
	// leaves, or warn (CRYPT_E_NO_REVOCATION_CHECK).
	CRLURL string
	// RootLifetime is how long a root made here is valid; 0 means ten years. An existing root keeps its own.
	RootLifetime time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log receives what cannot be returned: a revocation list that could not be saved. nil means nowhere.
	Log *slog.Logger
}

// Authority is the signing authority kept in one folder. Safe for concurrent use. It holds no file open and starts no
// goroutine, so there is nothing to close.
type Authority struct {
	dir    string
	o      Options
	names  permitted
	issuer *Issuer

	mu      sync.Mutex // guards the rest
	root    pair
	issuing signer
	crls    map[string]*revocationList
}

// pair is a CA certificate with its key. key is nil for a root that is not ours.
type pair struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// signer is an issuing CA as leaves need it. A value, replaced whole.
type signer struct {
	pair
	chain [][]byte // what is sent after the leaf: the issuing CA and what leads to the root, without the root
}

// Open returns the authority kept in dir. It makes what is missing (created lists the file names, in the order made)
// and signs the issuing CA anew, with the same key, when its names, its CRL URL or its time left no longer fit.
//
// A file that is damaged, does not belong to its key, or is readable by others is never replaced: it is a
// *finding.Problem whose code begins with "ca." and whose hint is the remedy. Open writes nothing when all is in order,
// so a folder that holds what is needed may be read-only.
func Open(dir string, o Options) (a *Authority, created []string, err error) {
	o, names, err := o.complete()
	if err != nil {
		return nil, nil, err
	}
	now := o.Now()
	f, err := readFolder(dir)
	if err != nil || !f.fits(o, names, now) {
		// Another process may be half-way through making the files: judge what lies there only under the lock.
		var unlock func()
		if unlock, err = lockFolder(dir, lockWait); err != nil {
			return nil, nil, err
		}
		defer unlock()
		if f, err = readFolder(dir); err != nil {
			return nil, nil, err
		}
		if err = f.check(o, names, now); err != nil {
			return nil, nil, err
		}
		if created, err = f.make(dir, o, names, now); err != nil {
			return nil, nil, err
		}
	}
	a = &Authority{dir: dir, o: o, names: names, root: f.root, crls: map[string]*revocationList{}}
	a.issuing = newSigner(f.issuing, f.above)
	a.issuer = newIssuer(a)
	return a, created, nil
}

// complete fills defaults and refuses what no certificate should say.
func (o Options) complete() (Options, permitted, error) {
	if o.Organisation == "" {
		o.Organisation = "Sekisho"
	}
	if n := len([]rune(o.Organisation)); n > 64 {
		return o, permitted{}, finding.Fail("ca.organisation", nil, "value", o.Organisation)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.RootLifetime <= 0 {
		o.RootLifetime = rootLifetime
	}
	var err error
	if o.CRLURL, err = cleanCRLURL(o.CRLURL); err != nil {
		return o, permitted{}, err
	}
	names, err := newPermitted(o.Permitted)
	return o, names, err
}

func newSigner(p pair, above []*x509.Certificate) signer {
	s := signer{pair: p, chain: [][]byte{p.cert.Raw}}
	for _, c := range above {
		s.chain = append(s.chain, c.Raw)
	}
	return s
}

// RootPEM is the certificate that clients must trust, in PEM. After Import it is the organisation's own root.
func (a *Authority) RootPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: blockCertificate, Bytes: a.root.cert.Raw})
}

// Imported reports whether the issuing CA is the organisation's own. Its root's revocation list is not served here.
func (a *Authority) Imported() bool { return a.root.key == nil }

// Issuer returns what mints leaves. It is the same value at each call.
func (a *Authority) Issuer() *Issuer { return a.issuer }

// current returns the issuing CA to sign with now. One that nears its end while the process runs is signed anew; if
// that cannot be saved it is used all the same, and the next start tries again.
func (a *Authority) current(now time.Time) (signer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.root.key != nil && renewable(a.issuing.cert, a.root.cert, now) && now.Before(a.root.cert.NotAfter) {
		cert, err := signIssuing(a.root, a.issuing.key, a.o, a.names, now)
		if err != nil {
			return signer{}, err
		}
		a.issuing = newSigner(pair{cert, a.issuing.key}, nil)
		if err := a.save(fileIssuing, encodeCertificates(cert)); err != nil {
			a.o.Log.Warn("issuing CA not saved", "error", err)
		}
	}
	if !now.Before(a.issuing.cert.NotAfter) {
		if a.root.key != nil { // then the issuing CA ends only with its root
			return signer{}, finding.Fail("ca.root-expired", nil, "file", a.path(fileRoot), "date", date(a.root.cert.NotAfter))
		}
		return signer{}, finding.Fail("ca.issuing-expired", nil, "file", a.path(fileIssuing), "date", date(a.issuing.cert.NotAfter))
	}
	return a.issuing, nil
}

// CertificateInfo holds the facts of one certificate, for people and status pages.
type CertificateInfo struct {
	Subject   string    `json:"subject"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	SHA256    string    `json:"sha256"` // of the DER, lower-case hex
}

// Info describes an authority.
type Info struct {
	Root      CertificateInfo `json:"root"`
	Issuing   CertificateInfo `json:"issuing"`
	Imported  bool            `json:"imported"`
	Permitted []string        `json:"permitted"` // the issuing CA's dNSName constraints; nil: it carries none
	CRL       []string        `json:"crl"`       // where the issuing CA says that its own revocation list is
}

// Info describes the authority as it signs now.
func (a *Authority) Info() Info {
	a.mu.Lock()
	defer a.mu.Unlock()
	return describe(a.root, a.issuing.pair)
}

// Show describes the authority kept in dir and returns its root in PEM. It makes, signs and locks nothing. It returns a
// *finding.Problem with code "ca.absent" when there is none, and otherwise the errors of Open about unreadable files.
func Show(dir string) (Info, []byte, error) {
	f, err := readFolder(dir)
	if err != nil {
		return Info{}, nil, err
	}
	if f.root.cert == nil || f.issuing.cert == nil {
		return Info{}, nil, finding.Fail("ca.absent", nil, "folder", dir)
	}
	return describe(f.root, f.issuing), encodeCertificates(f.root.cert), nil
}

func describe(root, issuing pair) Info {
	of := func(c *x509.Certificate) CertificateInfo {
		return CertificateInfo{Subject: c.Subject.String(), NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(),
			SHA256: hexDigest(c.Raw)}
	}
	return Info{Root: of(root.cert), Issuing: of(issuing.cert), Imported: root.key == nil,
		Permitted: issuing.cert.PermittedDNSDomains, CRL: issuing.cert.CRLDistributionPoints}
}

func hexDigest(der []byte) string {
	sum := sha256.Sum256(der)
	const digits = "0123456789abcdef"
	out := make([]byte, 0, 2*len(sum))
	for _, b := range sum {
		out = append(out, digits[b>>4], digits[b&15])
	}
	return string(out)
}

func date(t time.Time) string { return t.UTC().Format(time.DateOnly) }
