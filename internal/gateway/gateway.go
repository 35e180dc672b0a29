// Package gateway is the checkpoint on the road: a forward proxy that judges every connection by name, address and
// server name, tunnels what must not be read, reads the sign-in hosts, and puts the tenant restriction headers on
// every request there.
//
//	g := gateway.New(gateway.Options{Recorder: spool, Logger: logger, Metrics: metrics})
//	g.Load(edition)
//	go g.Serve(listener)
//	…
//	g.Shutdown(ctx)
//
// serve.go is one connection's life from top to bottom. What is judged stands in package policy; nothing here decides
// who may pass. The gateway refuses to send a request whose restriction headers it could not set, to dial an address
// that was not judged, to relay bytes after CONNECT that are not TLS for the name asked for, and to go on after a fault
// of its own: each of these ends in a refusal with its own reason, and in a record.
//
// The rules of HTTP are those of RFC 9110, 9112 and 9113, those of TLS RFC 8446.
package gateway

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"sekisho/internal/gateway/refusal"
	"sekisho/internal/gateway/relay"
	"sekisho/internal/gateway/upstream"
)

// Options are what a Gateway is made of. The zero value works: it records, logs and counts nothing.
type Options struct {
	Limits   Limits
	Recorder Recorder         // nil: nothing is recorded
	Logger   *slog.Logger     // nil: nothing is logged
	Metrics  Metrics          // nil: nothing is counted
	Now      func() time.Time // nil: time.Now; for records and logs, not for limits
	NewID    func() string    // makes request and connection ids; nil: the time and chance, 20 hexadecimal digits
	// Steps may replace steps of a request before the gateway starts; nil changes nothing. It is for tests that break one
	// and look at what leaves the machine.
	Steps func(*Steps)
}

// Gateway is the forward proxy. Obtain it from New. Its methods are safe for concurrent use.
type Gateway struct {
	lim     Limits
	rec     Recorder
	log     *slog.Logger
	metrics Metrics
	now     func() time.Time
	newID   func() string

	edition   atomic.Pointer[Edition]
	steps     Steps
	pool      *upstream.Pool
	watch     *relay.Watch // of what is silent
	crew      *crew        // for connections, and for streams of HTTP/2
	pages     *refusal.Pages
	pseudonym string      // of this gateway in Via
	serverLog *log.Logger // of the HTTP/2 server: thrown away, because it quotes what clients send
	tickets   *tls.Config // holds the keys of session tickets; see tickets.go

	configsMu sync.Mutex
	configs   map[shown]*tls.Config // see tickets.go

	mu        sync.Mutex
	listeners map[net.Listener]bool
	own       map[netip.AddrPort]bool // where this gateway itself listens
	conns     map[*conn]bool
	perClient map[netip.Addr]*account
	pacer     *pacer
	streams   atomic.Int64  // of all clients
	held      atomic.Int64  // bytes of all clients
	strangers account       // of clients that hold no connection
	late      chan struct{} // one for each record that waits, see would.go
	draining  atomic.Bool
	work      sync.WaitGroup // connections
}

// New returns a gateway that refuses everything until Load.
func New(o Options) *Gateway {
	g := &Gateway{
		lim: o.Limits.withDefaults(), rec: o.Recorder, log: o.Logger, metrics: o.Metrics, now: o.Now, newID: o.NewID,
		steps:     defaultSteps(),
		watch:     relay.NewWatch(),
		crew:      newCrew(),
		pages:     refusal.New(),
		tickets:   &tls.Config{MinVersion: tls.VersionTLS12},
		listeners: map[net.Listener]bool{},
		own:       map[netip.AddrPort]bool{},
		conns:     map[*conn]bool{},
		perClient: map[netip.Addr]*account{},
		late:      make(chan struct{}, mostLate),
	}
	g.pool = upstream.NewPool(upstream.PoolLimits{Total: g.lim.IdleOrigins})
	g.pacer = newPacer(&g.lim)
	if o.Steps != nil {
		o.Steps(&g.steps)
	}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	g.serverLog = log.New(io.Discard, "", 0)
	if g.metrics == nil {
		g.metrics = noMetrics{}
	}
	if g.now == nil {
		g.now = time.Now
	}
	if g.newID == nil {
		g.newID = func() string { return timedID(g.now()) }
	}
	g.pseudonym = "sekisho-" + randomID()
	return g
}

// randomID is 64 random bits.
func randomID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// timedID is the second of now in 32 bits and 48 random ones: enough that two requests of one node share none, short
// enough to be read out on the telephone. It begins with the time so that what is stored next lies next in an index by id,
// as RFC 9562, section 6.11, says of UUIDv7; an id at random changes another page of it for each record.
func timedID(now time.Time) string {
	var b [10]byte
	binary.BigEndian.PutUint32(b[:], uint32(now.Unix()))
	_, _ = rand.Read(b[4:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// Load makes e the edition by which every request from now on is judged, then ends what e no longer allows: tunnels
// whose verdict changed are cut; a connection that is read is judged anew at its next request and ends after that
// response when its verdict or its headers changed. A request that has begun keeps the edition it began with. A nil e
// refuses everything.
func (g *Gateway) Load(e *Edition) {
	g.edition.Store(e)
	if e == nil {
		e = &Edition{}
	}
	g.pool.Flush(func(k upstream.Key) bool { return k.Roots == e.Network.Roots && k.Road == e.Network.road(k.Host) })
	g.mu.Lock()
	var open []*conn
	for c := range g.conns {
		open = append(open, c)
	}
	g.mu.Unlock()
	for _, c := range open {
		c.cutIfForbidden(e)
	}
}

// ErrClosed is returned by Serve after Shutdown.
var ErrClosed = errors.New("gateway: closed")

// Serve accepts connections from l until Shutdown, which closes l; it then returns ErrClosed. It returns the error of
// a listener that cannot accept any more. Lack of descriptors or memory is waited out.
func (g *Gateway) Serve(l net.Listener) error {
	g.mu.Lock()
	if g.draining.Load() {
		g.mu.Unlock()
		l.Close()
		return ErrClosed
	}
	g.listeners[l] = true
	for _, a := range ownAddresses(l.Addr()) {
		g.own[a] = true
	}
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		delete(g.listeners, l)
		g.mu.Unlock()
		l.Close()
	}()
	var pause time.Duration
	for {
		c, err := l.Accept()
		if err == nil {
			pause = 0
			g.admit(c)
			continue
		}
		if g.draining.Load() {
			return ErrClosed
		}
		// net.Error.Temporary is the only sign of EMFILE, ENFILE, ENOBUFS and ECONNABORTED that Accept gives.
		var temporary interface{ Temporary() bool }
		if !errors.As(err, &temporary) || !temporary.Temporary() {
			return err
		}
		g.metrics.Count(EventAccept)
		if pause == 0 {
			g.log.Warn("accept", "error", err.Error())
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		time.Sleep(pause)
	}
}

// ownAddresses lists where a listener at a can be reached, so that a request to it is seen as a loop.
func ownAddresses(a net.Addr) []netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return nil
	}
	at := tcp.AddrPort()
	if !at.Addr().IsUnspecified() {
		return []netip.AddrPort{netip.AddrPortFrom(at.Addr().Unmap(), at.Port())}
	}
	var out []netip.AddrPort
	all, _ := net.InterfaceAddrs()
	for _, one := range all {
		if n, ok := one.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				out = append(out, netip.AddrPortFrom(ip.Unmap(), at.Port()))
			}
		}
	}
	return out
}

// isOwn reports whether to is a listener of this gateway.
func (g *Gateway) isOwn(to netip.AddrPort) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.own[to]
}

// admit starts a connection's life, or refuses it when there are too many.
func (g *Gateway) admit(tcp net.Conn) {
	client := addrOf(tcp)
	c := g.newConn(tcp, client)
	g.mu.Lock()
	a := g.perClient[client]
	full := len(g.conns) >= g.lim.Connections || a != nil && a.connections >= g.lim.PerClient
	if full || g.draining.Load() {
		if a == nil {
			a = &g.strangers
		}
		tell := !g.draining.Load() && a.tell()
		if tell {
			g.work.Add(1)
		}
		g.mu.Unlock()
		g.metrics.Count(EventTooMany)
		if tell {
			go func() { // its record may wait for room; those who come next do not
				defer g.work.Done()
				c.turnAway(true)
			}()
		} else {
			c.turnAway(false)
		}
		return
	}
	if a == nil {
		a = &account{all: &g.held}
		g.perClient[client] = a
	}
	a.connections++
	c.account = a
	g.conns[c] = true
	g.work.Add(1)
	g.mu.Unlock()
	g.metrics.Add(GaugeConnections, 1)
	g.crew.start(c.live) // work is done when the connection leaves
}

// dismiss ends the book-keeping of c.
func (g *Gateway) dismiss(c *conn) {
	g.mu.Lock()
	delete(g.conns, c)
	if c.account.connections--; c.account.connections == 0 {
		delete(g.perClient, c.client)
	}
	g.mu.Unlock()
	g.metrics.Add(GaugeConnections, -1)
}

// addrOf is the client's address, without zone and without the v4-in-v6 form, so that prefixes match it.
func addrOf(c net.Conn) netip.Addr {
	if tcp, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// Shutdown closes the listeners, ends idle connections, lets requests that have begun finish, and returns when all are
// gone. Tunnels are let run as long as ctx does. When ctx ends, everything that is left is closed and ctx.Err() is
// returned.
func (g *Gateway) Shutdown(ctx context.Context) error {
	g.mu.Lock()
	g.draining.Store(true)
	g.pacer.hurry()
	for l := range g.listeners {
		l.Close()
	}
	for c := range g.conns {
		c.drain()
	}
	g.mu.Unlock()
	done := make(chan struct{})
	go func() {
		g.work.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
		g.mu.Lock()
		for c := range g.conns {
			c.cut()
		}
		g.mu.Unlock()
		<-done
	}
	if g.rec != nil {
		g.pacer.end(g.rec.Record)
	}
	g.pool.Close()
	g.watch.Close()
	g.crew.end()
	return err
}
