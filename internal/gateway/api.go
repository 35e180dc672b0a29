package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"

	"sekisho/internal/audit"
	"sekisho/internal/caller"
	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/policy"
)

// CONTRACT

// Network is how the gateway reaches origins. Only package node builds one.
type Network struct {
	Resolve func(ctx context.Context, h endpoint.Host) ([]netip.Addr, error)
	Dial    func(ctx context.Context, to netip.AddrPort) (net.Conn, error)
	Roots   *x509.CertPool // nil: the system's
}

// Issuer mints the certificate shown to clients (ca.Issuer).
type Issuer interface {
	Certificate(ctx context.Context, h endpoint.Host) (*tls.Certificate, error)
}

// Identifier knows who asks (caller.Book); nil: nobody is asked.
type Identifier interface {
	Identify(addr netip.Addr, proxyAuthorization string) (caller.Caller, bool)
}

// Recorder takes audit records (audit.Spool). Full reports that nothing more can be kept.
type Recorder interface {
	Record(r audit.Record)
	Full() bool
}

// Edition is everything that judges or shapes a request, loaded once per request. Immutable.
type Edition struct {
	Number   uint64
	Program  *policy.Program
	Catalog  *catalog.Snapshot
	Issuer   Issuer
	Identify Identifier
	Network  Network
	Contact  string // whom to ask, on refusal pages
	Language string // default language of pages: "ja", "en"
	WhenFull string // audit.when-full: "refuse-sign-in" (default), "refuse-all", "continue"
}
