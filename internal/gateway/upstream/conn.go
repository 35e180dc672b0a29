// Package upstream is the connection to an origin: dialled, secured, used for one exchange at a time, kept for the
// next one in a Pool.
//
//	key := upstream.Key{Road: "direct", Host: d.Host, To: netip.AddrPortFrom(d.Addr, d.Port), TLS: true, Roots: roots, Profile: d.Profile}
//	c := pool.Take(key)
//	if c == nil {
//		c, err = upstream.Dial(ctx, key, dial, limits)
//	}
//
// It never resolves a name and never chooses an address: the address in the key is the one that was judged. Two
// requests share a connection only when their keys are equal, so nobody's request travels on a connection that was
// opened for another profile, address or set of trusted roots.
package upstream

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/crypto/ocsp"

	"sekisho/internal/endpoint"
	"sekisho/internal/wire"
)

// Key says what a connection is for. Connections are shared between requests with equal keys only.
type Key struct {
	Road    string         // the way out: "direct", or that of a Parent
	Host    endpoint.Host  // the name that the certificate must be for; "" for an address literal without TLS
	To      netip.AddrPort // the judged address; through a parent the port alone, unless the address was asked for
	TLS     bool
	Roots   *x509.CertPool // nil: the system's
	Profile string         // restriction profile; "" where there is none
}

// Limits bound a connection. Every field but Wire must be set; package gateway documents the defaults.
type Limits struct {
	Dial       time.Duration // TCP
	Parent     time.Duration // the answer of a parent to CONNECT
	Handshake  time.Duration // TLS
	ReadStall  time.Duration
	WriteStall time.Duration
	Wire       wire.Limits // of heads by HTTP/2; zero fields take their defaults
}

// Error says which step of reaching an origin went wrong.
type Error struct {
	Step string // "dial", "handshake", "certificate", or one of the steps at a Parent
	Err  error
	// Status is what a parent answered, 0 for the other steps.
	Status int
}

func (e *Error) Error() string { return "upstream " + e.Step + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Timeout reports whether a limit passed.
func (e *Error) Timeout() bool {
	if errors.Is(e.Err, context.DeadlineExceeded) {
		return true
	}
	var n net.Error
	return errors.As(e.Err, &n) && n.Timeout()
}

// KeepAlive is how the system finds out that an origin has gone without a word (chosen: within three minutes). Ready sets
// it, so that a DialFunc need not; a tunnel's relay sets it when the tunnel is silent for the first time.
func KeepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 15 * time.Second, Count: 9}
}

// DialFunc opens a TCP connection to exactly one address.
type DialFunc func(ctx context.Context, to netip.AddrPort) (net.Conn, error)

// Conn is one connection to an origin. It serves one exchange at a time; who holds it owns it.
type Conn struct {
	Key    Key
	Timed  *Timed
	Reader *bufio.Reader // from the origin; after Secure: decrypted

	// Bound marks a connection that the origin has tied to one user (NTLM, Negotiate: RFC 4559, section 6). A bound
	// connection is never given to a pool.
	Bound bool
	// Uses counts the exchanges begun. Above 1 the origin may have closed in the meantime.
	Uses int

	// OfferH2 offers HTTP/2 to the origin beside HTTP/1.1; see Pool.SpeaksH2. It is set before Ready.
	OfferH2 bool

	stream  io.Writer // what is written to: Timed, TLS over it, or HTTP/2 over that
	h2      *h2       // nil: HTTP/1.1
	secured bool
	kept    bool      // the system asks the origin whether it is there
	since   time.Time // idle since
}

// Dial opens the connection of key. It returns *Error.
func Dial(ctx context.Context, key Key, dial DialFunc, lim Limits) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, lim.Dial)
	defer cancel()
	raw, err := dial(ctx, key.To)
	if err != nil {
		return nil, &Error{Step: "dial", Err: err}
	}
	t := NewTimed(raw, lim.ReadStall, lim.WriteStall)
	return &Conn{Key: key, Timed: t, stream: t}, nil
}

// Raw returns the TCP connection for a tunnel, as Release does; c must not be used afterwards.
func (c *Conn) Raw() net.Conn { return c.Timed.Release() }

// Write writes to the origin.
func (c *Conn) Write(p []byte) (int, error) { return c.stream.Write(p) }

// Close closes without waiting.
func (c *Conn) Close() error {
	// crypto/tls would write an alert and wait for it; nobody reads it.
	return c.Timed.Conn.Close()
}

// Gone reports whether the origin has closed.
func (c *Conn) Gone() bool { return Gone(c.Timed.Conn) }

// Ready makes the connection ready for HTTP: for a key with TLS it performs the handshake, once, and verifies the
// origin's certificate for Key.Host against Key.Roots, and against the OCSP answer that it staples. It returns *Error with step "handshake" or "certificate".
func (c *Conn) Ready(sessions tls.ClientSessionCache, lim Limits) error {
	if !c.kept {
		c.kept = true
		if tcp, ok := c.Timed.Conn.(*net.TCPConn); ok {
			_ = tcp.SetKeepAliveConfig(KeepAlive()) // on a connection that has ended in the meantime
		}
	}
	if c.secured || !c.Key.TLS {
		if c.Reader == nil {
			c.Reader = bufio.NewReaderSize(c.Timed, 4<<10)
		}
		return nil
	}
	protocols := []string{"http/1.1"}
	if c.OfferH2 {
		protocols = []string{"h2", "http/1.1"}
	}
	t := tls.Client(c.Timed, &tls.Config{
		ServerName:         string(c.Key.Host),
		RootCAs:            c.Key.Roots,
		MinVersion:         tls.VersionTLS12, // RFC 8996 retires what is older
		NextProtos:         protocols,
		ClientSessionCache: sessions,
	})
	c.Timed.Phase = time.Now().Add(lim.Handshake)
	err := t.Handshake()
	if err == nil {
		err = notRevoked(t.ConnectionState())
	}
	var two *h2
	if err == nil && t.ConnectionState().NegotiatedProtocol == "h2" {
		if !c.OfferH2 { // crypto/tls refuses it; nothing may depend on that
			err = errors.New("the origin chose a protocol that was not offered")
		} else {
			two, err = newH2(t, lim.Wire)
		}
	}
	c.Timed.Phase = time.Time{}
	if err != nil {
		c.Close()
		var invalid *tls.CertificateVerificationError
		if errors.As(err, &invalid) || errors.Is(err, ErrRevoked) {
			return &Error{Step: "certificate", Err: err}
		}
		return &Error{Step: "handshake", Err: err}
	}
	c.stream, c.secured = t, true
	if two != nil {
		c.stream, c.h2 = two, two
		c.Reader = bufio.NewReaderSize(two, 4<<10)
		return nil
	}
	c.Reader = bufio.NewReaderSize(t, 4<<10)
	return nil
}

// ErrRevoked is a certificate that its authority has revoked.
var ErrRevoked = errors.New("the origin's own OCSP answer says that its certificate is revoked")

// notRevoked reads the answer that an origin staples to its handshake (RFC 6066, section 8). One that says "revoked" ends
// the connection, however old it is: certificates do not come back. Lists and responders are not asked, and a staple that
// cannot be read or is missing says nothing.
func notRevoked(state tls.ConnectionState) error {
	if len(state.OCSPResponse) == 0 || len(state.VerifiedChains) == 0 || len(state.VerifiedChains[0]) < 2 {
		return nil
	}
	chain := state.VerifiedChains[0]
	if r, err := ocsp.ParseResponseForCert(state.OCSPResponse, chain[0], chain[1]); err == nil && r.Status == ocsp.Revoked {
		return ErrRevoked
	}
	return nil
}

// H2 reports whether the connection speaks HTTP/2. Our side of it is HTTP/1.1 all the same.
func (c *Conn) H2() bool { return c.h2 != nil }

// WantsH2 reports whether err, of Ready, says that the origin speaks none of the protocols that were offered (RFC 7301,
// section 3.2).
func WantsH2(err error) bool {
	// crypto/tls gives alerts of a TCP connection no type of their own.
	return err != nil && strings.Contains(err.Error(), "no application protocol")
}

// SpokeH2 reports whether the origin answers an HTTP/1.1 request with the settings that begin HTTP/2 (RFC 9113, section
// 3.4): it ignored what was offered, and has taken nothing of the request, which is no preface. Nothing is consumed.
func (c *Conn) SpokeH2() bool {
	b, err := c.Reader.Peek(9)
	return err == nil && c.h2 == nil && b[0] == 0 && b[3] == 4 && b[4] == 0 && b[5]|b[6]|b[7]|b[8] == 0
}

// Usable reports whether an idle connection may carry another exchange: the origin has not closed it, and sent nothing
// that nobody asked for.
func (c *Conn) Usable() bool {
	if c.Reader != nil && c.Reader.Buffered() > 0 {
		return false
	}
	if c.h2 == nil {
		return Quiet(c.Timed.Conn)
	}
	c.Timed.ReadStall, c.Timed.Phase = 0, time.Now().Add(idleFrames)
	defer func() { c.Timed.Phase = time.Time{} }()
	return c.h2.idle(func() bool { return !Quiet(c.Timed.Conn) }) && Quiet(c.Timed.Conn)
}

// idleFrames is how long the frames that came while a connection was idle may take to be read (chosen: they are there).
const idleFrames = 100 * time.Millisecond
