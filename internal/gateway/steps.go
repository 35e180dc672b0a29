package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/netip"

	"sekisho/internal/gateway/hello"
	"sekisho/internal/policy"
	"sekisho/internal/restrict"
	"sekisho/internal/wire"
)

// Steps are the steps of a request that must not fail open. They are fields so that tests can break each one and look
// at what left the machine; New sets the real ones, and Options.Steps alone changes them.
type Steps struct {
	Decide        func(p *policy.Program, a policy.Ask) policy.Decision
	DecideAddr    func(p *policy.Program, d policy.Decision, a netip.Addr) policy.Decision
	DecideTLS     func(p *policy.Program, d policy.Decision, h policy.Hello) policy.Decision
	DecideRequest func(p *policy.Program, d policy.Decision, authority string) policy.Decision
	// ReadHello reads the first bytes after the 200 to CONNECT.
	ReadHello func(r io.Reader) (*hello.Hello, error)
	// Leaf returns the certificate shown to the client for d.Host.
	Leaf func(ctx context.Context, e *Edition, d policy.Decision) (*tls.Certificate, error)
	// Plan returns what happens to the restriction headers of one request.
	Plan func(d policy.Decision) restrict.Plan
	// Planned reports whether a plan is the one that was decided, and can be.
	Planned func(d policy.Decision, p restrict.Plan) bool
	// AppendRequest is the one serialiser of requests.
	AppendRequest func(dst []byte, o *wire.Outgoing, p restrict.Plan) ([]byte, error)
	// Sealed reports whether a head to be sent is for authority and carries the headers of d, each exactly once.
	Sealed func(head []byte, d policy.Decision, authority string) bool
	// AppendResponse is the one serialiser of response heads towards HTTP/1 clients.
	AppendResponse func(dst []byte, h *wire.ResponseHead, f wire.Framing, clientMinor int, closing bool) ([]byte, error)
}

var errNoIssuer = errors.New("the edition has no issuer")

func defaultSteps() Steps {
	return Steps{
		Decide:        (*policy.Program).Decide,
		DecideAddr:    (*policy.Program).DecideAddr,
		DecideTLS:     (*policy.Program).DecideTLS,
		DecideRequest: (*policy.Program).DecideRequest,
		ReadHello:     func(r io.Reader) (*hello.Hello, error) { return hello.Read(r, hello.Limits{}) },
		Leaf: func(ctx context.Context, e *Edition, d policy.Decision) (*tls.Certificate, error) {
			if e.Issuer == nil {
				return nil, errNoIssuer
			}
			return e.Issuer.Certificate(ctx, d.Host)
		},
		Plan:           func(d policy.Decision) restrict.Plan { return d.Plan },
		Planned:        planned,
		Sealed:         sealed,
		AppendRequest:  wire.AppendRequest,
		AppendResponse: wire.AppendResponse,
	}
}
