package hello

import (
	"io"
	"net"
	"sync"
)

// Peeked is a connection whose first bytes were read already: Read gives them again, then goes on with the connection.
// Everything else is the connection's own. Read, WriteTo and Rest belong to one goroutine at a time; Buffered may be
// asked by any.
type Peeked struct {
	net.Conn
	mu  sync.Mutex
	raw []byte
}

// NewPeeked returns conn with raw, as in Hello.Raw, put back in front. It keeps raw until it has been read.
func NewPeeked(conn net.Conn, raw []byte) *Peeked { return &Peeked{Conn: conn, raw: raw} }

// Read reads what was put back, then from the connection.
func (p *Peeked) Read(b []byte) (int, error) {
	p.mu.Lock()
	if len(p.raw) == 0 {
		p.mu.Unlock()
		return p.Conn.Read(b)
	}
	n := copy(b, p.raw)
	if p.raw = p.raw[n:]; len(p.raw) == 0 {
		p.raw = nil // a connection may live for hours
	}
	p.mu.Unlock()
	return n, nil
}

// Rest takes out what was put back and not yet read, and returns it with the connection underneath: whoever relays
// writes the one and then moves the other's bytes in the kernel.
func (p *Peeked) Rest() (raw []byte, conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	raw, p.raw = p.raw, nil
	return raw, p.Conn
}

// Buffered returns how many bytes were put back and not yet read.
func (p *Peeked) Buffered() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.raw)
}

// NetConn returns the connection underneath, as tls.Conn does. Reading from it skips what was put back; see Rest.
func (p *Peeked) NetConn() net.Conn { return p.Conn }

// WriteTo copies to w what was put back and then everything from the connection, so that io.Copy keeps the kernel's
// ways (splice) open that a wrapper would hide.
func (p *Peeked) WriteTo(w io.Writer) (int64, error) {
	raw, conn := p.Rest()
	var done int64
	if len(raw) > 0 {
		n, err := w.Write(raw)
		done = int64(n)
		if err != nil {
			return done, err
		}
	}
	n, err := io.Copy(w, conn)
	return done + n, err
}

// ReadFrom copies r to the connection, by its own ReadFrom where it has one.
func (p *Peeked) ReadFrom(r io.Reader) (int64, error) { return io.Copy(p.Conn, r) }

// CloseWrite shuts the sending side where the connection can (TCP, TLS), and closes it otherwise.
func (p *Peeked) CloseWrite() error {
	if c, ok := p.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return p.Conn.Close()
}
