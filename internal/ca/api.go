package ca

import (
	"context"
	"crypto/tls"
	"time"

	"sekisho/internal/endpoint"
)

// CONTRACT
//
// Files in dir: root.pem, root.key (0600), issuing.pem, issuing.key (0600), crl-root.der, crl-issuing.der. The root
// (ECDSA P-256, 10 years) signs an issuing CA (1 year, pathlen 0) that carries the name constraints (permitted DNS
// names that may be intercepted), so that the distributed root never changes when hosts are added.

// Authority is the signing authority kept in one folder.
type Authority struct{}

type Options struct {
	Organisation string
	Permitted    []string // DNS names (dNSName constraints) of the issuing CA
	CRLURL       string   // base URL: leafs point to CRLURL+"/issuing.crl", the issuing CA to CRLURL+"/root.crl"
	Now          func() time.Time
}

// Open reads dir; it makes what is missing (created lists it) and signs the issuing CA anew when its constraints, CRL
// URL or time left no longer fit. Never overwrites a key that it cannot read: that is an error with the remedy.
func Open(dir string, o Options) (a *Authority, created []string, err error) { panic("unwritten") }

// Import installs an organisation's own issuing CA (PEM chain and key); checks CA bit, key use, dates, key match,
// name constraints against permitted.
func Import(dir, certFile, keyFile string, o Options) error { panic("unwritten") }

func (a *Authority) RootPEM() []byte                { panic("unwritten") }
func (a *Authority) CRL(name string) ([]byte, bool) { panic("unwritten") } // "root.crl", "issuing.crl" (DER, fresh)
func (a *Authority) Issuer() *Issuer                { panic("unwritten") }

// Issuer mints leaf certificates for exactly one name each; bounded cache (1024), one mint per name under concurrency
// (singleflight), never for a name outside the constraints. Safe for concurrent use.
type Issuer struct{}

func (i *Issuer) Certificate(ctx context.Context, h endpoint.Host) (*tls.Certificate, error) {
	panic("unwritten")
}
