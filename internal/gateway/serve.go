package gateway

import (
	"bufio"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"sekisho/internal/gateway/refusal"
	"sekisho/internal/gateway/upstream"
	"sekisho/internal/wire"
)

// conn is one client connection, from accept to close. One goroutine lives its life; others only cut or drain it.
type conn struct {
	g       *Gateway
	id      string
	client  netip.Addr
	account *account        // of client; connections of one address share it
	tcp     net.Conn        // the socket
	timed   *upstream.Timed // the socket under limits
	side    *side           // HTTP/1 on the proxy port

	waiting atomic.Bool // between two requests: nothing is lost when it ends
	mu      sync.Mutex
	tunnel  *tunnel // while bytes are relayed
	parked  uint64  // in the watch, between two requests
	onDrain func()  // how what is served now is told to finish
	then    func()  // what the goroutine of serve does when it has returned; nil: nothing
}

func (g *Gateway) newConn(tcp net.Conn, client netip.Addr) *conn {
	return &conn{g: g, id: g.newID(), client: client, tcp: tcp}
}

// live is serve, and what lives on without its frames.
func (c *conn) live() {
	c.serve()
	if then := c.then; then != nil {
		c.then = nil
		then()
	}
}

// serve is one connection's life:
//
//	accept → read a head → who asks → Decide(name) → CONNECT or a plain request → record → the next head
//
// CONNECT goes on in connect.go (resolve, judge the address, dial, 200, ClientHello, judge the server name), then in
// tunnel.go or intercept.go. A plain request goes on in plain.go. Whatever reads requests meets again in exchange.go,
// where a request gets its headers and leaves. Refusals are written in refuse.go, records in record.go.
func (c *conn) serve() {
	lasts := false
	defer func() {
		if c.survive(recover()); !lasts {
			c.leave()
		}
	}()
	c.timed = upstream.NewTimed(c.tcp, c.g.lim.BodyStall, c.g.lim.WriteStall)
	c.side = newSide(c, c.timed, c.timed)
	wait := c.g.lim.FirstByte
	for {
		head, err := c.side.readHead(wait)
		if err != nil {
			c.refuseHead(err)
			return
		}
		var next after
		if next = c.serveOne(c.begin(head), head); next != goesOn || c.g.draining.Load() {
			lasts = next == lives
			return
		}
		wait = c.g.lim.KeepAlive
	}
}

// after says what comes after a request of the proxy port.
type after uint8

const (
	ends   after = iota // the connection ends
	goesOn              // it takes another request
	lives               // somebody else has it, and ends request and connection when it is over
)

// serveOne serves one request of the proxy port and ends it, unless it lives on.
func (c *conn) serveOne(r *request, head *wire.RequestHead) (next after) {
	whole := false
	defer func() {
		if next != lives {
			r.endAnyway(&whole)
		}
	}()
	if head.Method == "CONNECT" {
		next = c.connect(r, head)
	} else if c.plain(r, head) {
		next = goesOn
	}
	whole = true
	return next
}

// survive notes a panic. It is a fault of Sekisho: it is counted, and it ends this connection only. Nothing was sent
// upstream on its account, because sending is the last step of a request.
func (c *conn) survive(fault any) {
	if fault != nil {
		c.g.metrics.Count(EventPanic)
		c.g.log.Error("panic", "connection_id", c.id, "client", c.client.String(), "fault", panicText(fault), "stack", string(debug.Stack()))
	}
}

// leave ends the connection whatever happened.
func (c *conn) leave() {
	c.tcp.Close()
	if c.side != nil {
		c.side.release()
	}
	c.g.dismiss(c)
	c.g.work.Done()
}

// panicText tells the kind of a panic without its value, which may hold what a client sent.
func panicText(fault any) string {
	if err, ok := fault.(interface{ RuntimeError() }); ok {
		if e, ok := err.(error); ok {
			return e.Error() // of the runtime: an index, a nil pointer; never data
		}
	}
	return "not a runtime error"
}

// turnAway answers 503 to a connection beyond the limits, without reading it. tell leaves a record.
func (c *conn) turnAway(tell bool) {
	if tell {
		r := c.begin(nil)
		r.status, r.paced = 503, true
		r.fail(&fault{reason: refusal.Busy, detail: "connections", deny: true})
		r.end()
	}
	_ = c.tcp.SetDeadline(time.Now().Add(c.g.lim.Linger))
	_, _ = c.tcp.Write([]byte("HTTP/1.1 503 Service Unavailable\r\nProxy-Status: sekisho; error=connection_limit_reached; details=\"busy\"\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
	c.tcp.Close()
}

// drain is told once when the gateway shuts down: a connection that waits for a request ends now, others after the one
// they are at.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.onDrain != nil {
		c.onDrain()
	}
	if c.waiting.Load() {
		c.tcp.Close()
		c.g.watch.Wake(c.parked)
	}
}

// cut ends the connection from another goroutine, with whatever it is at.
func (c *conn) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tcp.Close()
	c.g.watch.Wake(c.parked)
	if c.tunnel != nil {
		c.tunnel.end()
	}
}

// readers are for connections that have begun to speak; an idle tunnel holds none.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}
