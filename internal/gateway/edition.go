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

// Network is how the gateway reaches origins. Only package node builds one.
type Network struct {
	// Resolve returns the addresses of h. An empty answer without error means that there are none.
	Resolve func(ctx context.Context, h endpoint.Host) ([]netip.Addr, error)
	// Dial opens a TCP connection to exactly the address given.
	Dial func(ctx context.Context, to netip.AddrPort) (net.Conn, error)
	// Parent is the proxy through which origins are reached; nil: they are reached directly.
	Parent *Parent
	// Roots verify the certificates of origins; nil: the system's.
	Roots *x509.CertPool
}

// Issuer mints the certificate shown to clients (ca.Issuer).
type Issuer interface {
	Certificate(ctx context.Context, h endpoint.Host) (*tls.Certificate, error)
}

// Identifier knows who asks (caller.Book).
type Identifier interface {
	// Identify checks the value of Proxy-Authorization ("" when absent). ok is false when it does not identify anybody.
	Identify(addr netip.Addr, proxyAuthorization string) (c caller.Caller, ok bool)
}

// Tenants knows which directory a tenant is (tenant.Book), for rings that report.
type Tenants interface {
	policy.Directories
	// Want has names asked for in the background; it does not wait.
	Want(names ...string)
	// Await waits until each of names is known or cannot be, or ctx ends.
	Await(ctx context.Context, names ...string)
}

// Recorder takes audit records (audit.Spool). Record and Finish may wait a moment for room, the others do not wait.
type Recorder interface {
	Record(r audit.Record)
	// Open takes a record at its decision; Finish takes the whole of it, or of one that was never opened.
	Open(r audit.Record) audit.Opened
	Finish(o audit.Opened, r audit.Record)
	// Full reports that nothing more can be kept.
	Full() bool
	// Filled is how full it is, in sixteenths: 16 when it takes nothing.
	Filled() int
}

// Values of Edition.WhenFull.
const (
	RefuseSignIn = "refuse-sign-in" // sign-in hosts are refused, everything else goes on; the default
	RefuseAll    = "refuse-all"     // everything is refused
	Continue     = "continue"       // everything goes on, unrecorded
)

// Edition is everything that judges or shapes a request. It is loaded once for each request and never changes.
type Edition struct {
	Number   uint64
	Program  *policy.Program   // nil: everything is refused as an internal fault
	Catalog  *catalog.Snapshot // nil: no host has handling of its own
	Issuer   Issuer            // nil: nothing can be intercepted
	Identify Identifier        // nil: nobody is asked
	Network  Network
	Tenants  Tenants // nil: tenants are compared as they are spelled
	// Own returns a document that the checkpoint answers itself, to whoever asks for it in the clear; nil: there is none.
	Own      func(at endpoint.Authority, path string) (Document, bool)
	Contact  string // whom to ask, on refusal pages
	Language string // default language of pages: "ja", "en"
	WhenFull string // "" means RefuseSignIn
}
