package gateway

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"sekisho/internal/gateway/hello"
	"sekisho/internal/gateway/refusal"
	"sekisho/internal/gateway/relay"
	"sekisho/internal/gateway/upstream"
	"sekisho/internal/policy"
)

// tunnel is a connection whose bytes are relayed unseen. It holds no buffer and no limits of its own.
type tunnel struct {
	origin   net.Conn
	relay    *relay.Tunnel // nil: the streams of an exchange are joined
	ask      policy.Ask
	hello    policy.Hello
	decision policy.Decision
	cut      bool // by a new edition
}

// end ends the tunnel from another goroutine.
func (t *tunnel) end() {
	if t.relay != nil {
		t.relay.Cut()
		return
	}
	t.origin.Close()
}

// relay hands the ClientHello on over the connection that was dialled before the 200, then everything that follows. The
// tunnel lives on without this goroutine, and tunnelOver ends it.
func (c *conn) relay(r *request, up *upstream.Conn, first *hello.Hello) after {
	up.Timed.Alive = func() bool { return !upstream.Gone(c.tcp) }
	sent, received, f := c.introduce(r, up, first)
	first.Release()
	if f != nil {
		up.Close()
		r.up, r.down = sent, received
		c.closeWithAlert(r, f, f.deny)
		return ends
	}
	origin := up.Raw()
	c.timed.Release()
	c.side.release()
	c.side, c.timed = nil, nil
	r.up, r.down = sent, received
	t := &tunnel{origin: origin, ask: r.ask, hello: r.hello, decision: r.decision}
	limits := relay.Limits{Idle: c.g.lim.TunnelIdle, HalfClosed: c.g.lim.TunnelHalfClosed, KeepAlive: upstream.KeepAlive()}
	if e := r.edition; e.Catalog != nil {
		limits.Idle = max(limits.Idle, e.Catalog.Handling(r.decision.Host).IdleTimeout)
	}
	c.g.metrics.Add(GaugeTunnels, 1)
	edition := r.edition
	t.relay = relay.New(c.g.watch, c.tcp, origin, limits, func(totals relay.Totals) { c.tunnelOver(r, t, totals) })
	c.mu.Lock()
	c.tunnel = t
	c.mu.Unlock()
	c.rejudgeTunnel(edition)
	c.then = func() { t.relay.Run(c.g.crew.start) }
	return lives
}

// tunnelOver ends the CONNECT and its connection when the tunnel is over.
func (c *conn) tunnelOver(r *request, t *tunnel, totals relay.Totals) {
	whole := false
	defer func() {
		c.survive(recover())
		r.endAnyway(&whole)
		c.leave()
	}()
	c.g.metrics.Add(GaugeTunnels, -1)
	c.mu.Lock()
	defer c.mu.Unlock()
	r.up, r.down = r.up+totals.Up, r.down+totals.Down
	c.tunnel = nil
	if t.cut {
		r.faultDetail = "edition-changed"
	} else if totals.End == relay.Idle {
		r.faultDetail = "tunnel-idle"
	}
	whole = true
}

// answers hold the first bytes of an origin until the client has them.
var answers = sync.Pool{New: func() any { return new([4 << 10]byte) }}

// introduce sends the ClientHello and passes the origin's first bytes back. An origin that asks for a second hello (RFC
// 8446, section 4.1.4) may look at the name in that one, so that one is held against the first before it is sent. What
// the client sent behind the first hello waits until the origin's answer tells what it is: a second hello may be there
// already, with another name.
func (c *conn) introduce(r *request, up *upstream.Conn, first *hello.Hello) (sent, received int64, f *fault) {
	opening, held := first.Raw[:first.Size], first.Raw[first.Size:]
	if _, err := up.Write(opening); err != nil {
		return 0, 0, upstreamFault(err)
	}
	sent = int64(len(opening))
	up.Timed.ReadStall, up.Timed.Phase = 0, time.Now().Add(c.g.lim.OriginHandshake)
	defer func() { up.Timed.Phase = time.Time{} }()
	kept := answers.Get().(*[4 << 10]byte)
	defer answers.Put(kept)
	answer := kept[:0]
	retried, known := false, false
	for !known && len(answer) < cap(answer) {
		n, err := up.Timed.Read(answer[len(answer):cap(answer)])
		answer = answer[:len(answer)+n]
		retried, known = hello.Retried(answer)
		if n > 0 {
			continue
		}
		var stall *upstream.StallError
		switch {
		case errors.Is(err, io.EOF): // the relay will find the same end, and hand it on
			known = true
		case errors.As(err, &stall):
			return sent, 0, &fault{reason: refusal.UpstreamTimeout, detail: "origin-hello", err: err}
		case errors.Is(err, upstream.ErrGone):
			return sent, 0, clientFault(err)
		case err != nil:
			return sent, 0, &fault{reason: refusal.UpstreamBroken, detail: "origin-hello", err: err}
		}
	}
	if len(answer) > 0 {
		if _, err := c.timed.Write(answer); err != nil {
			return sent, 0, clientFault(err)
		}
	}
	received = int64(len(answer))
	if retried {
		if held, f = c.secondHello(r, first, held); f != nil {
			return sent, received, f
		}
	}
	rest := c.side.takeBuffered(held)
	if len(rest) > 0 { // the system is asked for nothing, too
		if _, err := up.Write(rest); err != nil {
			return sent, received, upstreamFault(err)
		}
	}
	return sent + int64(len(rest)), received, nil
}

// secondHello reads the hello that answers a HelloRetryRequest, from what was held back and then from the connection,
// and returns what may be sent on: everything that was read of it and held.
func (c *conn) secondHello(r *request, first *hello.Hello, held []byte) ([]byte, *fault) {
	before := bytes.NewReader(held)
	c.timed.ReadStall, c.timed.Phase = 0, time.Now().Add(c.g.lim.Hello)
	second, err := hello.ReadSecond(io.MultiReader(before, c.side.br), first, hello.Limits{})
	c.timed.ReadStall, c.timed.Phase = c.g.lim.BodyStall, time.Time{}
	var bad *hello.Error
	switch {
	case errors.As(err, &bad):
		return nil, &fault{reason: policy.ReasonNotTLS, detail: "second-" + bad.Code, err: err, deny: true}
	case err != nil:
		return nil, clientFault(err)
	case !hello.SameName(first, second):
		r.hello.RawSNI = cut(second.RawSNI, sniKept)
		return nil, &fault{reason: policy.ReasonSNI, detail: "second-hello", deny: true}
	}
	return append(second.Raw, held[len(held)-before.Len():]...), nil
}

// rejudgeTunnel looks at an edition that was loaded while a tunnel was being made under another: Load did not see it.
func (c *conn) rejudgeTunnel(under *Edition) {
	e := c.g.edition.Load()
	if e == under {
		return
	}
	if e == nil {
		e = &Edition{}
	}
	c.cutIfForbidden(e)
}

// cutIfForbidden ends the tunnel of c when e would not permit it as it is.
func (c *conn) cutIfForbidden(e *Edition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tunnel
	if t == nil || t.cut || e.Program != nil && c.g.stillTunnel(e, t) {
		return
	}
	t.cut = true
	c.g.metrics.Count(EventTunnelCut)
	c.tcp.Close()
	t.end()
}

func (g *Gateway) stillTunnel(e *Edition, t *tunnel) bool {
	d := g.rejudge(e, t.ask, t.decision, t.hello)
	return d.Verdict == policy.Permit && d.Action == t.decision.Action
}

// rejudge judges an open connection by another edition: the same question, the same address, the same hello. A
// connection through a parent has no address; where the other edition knows no parent, that is refused.
func (g *Gateway) rejudge(e *Edition, ask policy.Ask, old policy.Decision, h policy.Hello) policy.Decision {
	d := g.steps.Decide(e.Program, ask)
	if d.Verdict == policy.Permit && (old.Addr.IsValid() || e.Network.parentFor(d.Host) == nil) {
		d = g.steps.DecideAddr(e.Program, d, old.Addr)
	}
	if d.Verdict == policy.Permit && !ask.Plain {
		d = g.steps.DecideTLS(e.Program, d, h)
	}
	if d.Verdict == policy.Permit && (d.Addr != old.Addr || d.Host != old.Host || d.Port != old.Port) {
		return policy.Decision{}
	}
	return d
}

// joinStreams relays after a 101 between the client's stream and the origin's, both of which may be TLS, until one of
// them ends.
func (r *request) joinStreams(from io.Reader, to net.Conn, up *upstream.Conn) {
	c := r.c
	t := &tunnel{origin: up.Timed.Conn, ask: r.ask, hello: r.hello, decision: r.decision}
	c.mu.Lock()
	c.tunnel = t
	c.mu.Unlock()
	c.rejudgeTunnel(r.edition)
	idle := c.g.lim.TunnelIdle
	up.Timed.ReadStall, up.Timed.Alive = idle, nil
	c.timed.ReadStall, c.timed.Alive = idle, nil
	done := make(chan struct{})
	go func() { // ends when either side has closed
		defer close(done)
		defer func() {
			if recover() != nil {
				c.g.metrics.Count(EventPanic)
				up.Close()
			}
		}()
		r.up, _ = io.Copy(writerOnly{up}, from)
		up.Close() // these protocols say goodbye in their own frames; half a connection is of no use to them
	}()
	r.down, _ = io.Copy(to, up.Reader)
	up.Close()
	c.tcp.Close()
	<-done
	c.mu.Lock()
	c.tunnel = nil
	c.mu.Unlock()
}

// writerOnly hides every other method, so that io.Copy takes its plain way.
type writerOnly struct{ io.Writer }
