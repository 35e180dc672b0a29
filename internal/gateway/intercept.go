package gateway

import (
	"context"
	"crypto/tls"
	"io"
	"sync/atomic"
	"time"

	"sekisho/internal/endpoint"
	"sekisho/internal/gateway/hello"
	"sekisho/internal/gateway/refusal"
	"sekisho/internal/gateway/upstream"
	"sekisho/internal/policy"
	"sekisho/internal/restrict"
	"sekisho/internal/wire"
)

// reading is a connection that is read: TLS towards the client under the judged name, and what was decided for it.
type reading struct {
	c       *conn
	connect *request // the CONNECT that opened it
	tls     *tls.Conn
	opened  *judged // what the connection was opened under
	now     atomic.Pointer[judged]
	spare   atomic.Pointer[upstream.Conn] // dialled before the 200, until the first request takes it
	handled atomic.Int64                  // streams of HTTP/2 that reached handle

	// Of HTTP/1:
	side  *side     // nil while parked
	own   holder    // the connection that an origin has tied to this one
	until time.Time // while parked: when it has been idle for too long
}

// judged is the decision about a connection by one edition.
type judged struct {
	edition  *Edition
	decision policy.Decision
}

// intercept reads a connection: a leaf for exactly the judged name, then requests by HTTP/2 or HTTP/1.1, each judged
// anew (serveRequest).
func (c *conn) intercept(r *request, spare *upstream.Conn, raw []byte) (next after) {
	v := &reading{c: c, connect: r, opened: &judged{r.edition, r.decision}}
	v.now.Store(v.opened)
	if spare != nil {
		v.spare.Store(spare)
	}
	read := false
	defer func() {
		if next != lives {
			v.over(read)
		}
	}()
	if f := v.handshake(raw); f != nil {
		r.fail(f)
		return ends
	}
	read = true
	c.g.metrics.Add(GaugeIntercepted, 1)
	if v.tls.ConnectionState().NegotiatedProtocol == "h2" {
		v.serveHTTP2()
		return ends
	}
	c.setDrain(nil)
	return v.serveHTTP1(c.g.lim.KeepAlive)
}

// over gives back what the connection held beside the client's socket.
func (v *reading) over(read bool) {
	if up := v.takeSpare(); up != nil {
		up.Close()
	}
	if read {
		v.c.g.metrics.Add(GaugeIntercepted, -1)
	}
	v.own.close()
	if v.side != nil {
		v.side.release()
	}
}

func (v *reading) takeSpare() *upstream.Conn { return v.spare.Swap(nil) }

// handshake completes TLS with the client.
func (v *reading) handshake(raw []byte) *fault {
	c, r := v.c, v.connect
	ctx, cancel := context.WithTimeout(context.Background(), c.g.lim.Handshake)
	leaf, err := c.g.steps.Leaf(ctx, r.edition, r.decision)
	cancel()
	if err != nil || leaf == nil {
		_, _ = c.timed.Write([]byte{21, 3, 3, 0, 2, 2, 80}) // internal_error (RFC 8446, section 6.2)
		c.side.linger()
		return &fault{reason: refusal.LeafNotMade, err: err, deny: true}
	}
	raw = c.side.takeBuffered(raw) // what came after the hello
	c.side.release()
	v.tls = tls.Server(hello.NewPeeked(c.timed, raw), c.g.serverConfig(leaf, string(r.decision.Host)))
	c.timed.Phase = time.Now().Add(c.g.lim.Handshake)
	err = v.tls.Handshake()
	c.timed.Phase = time.Time{}
	if err != nil {
		return &fault{reason: refusal.ClientHandshake, err: err}
	}
	// Two readers of one hello must have read one name. crypto/tls is the second.
	if name := v.tls.ConnectionState().ServerName; name != "" {
		if h, err := endpoint.ParseHost(name); err != nil || h != r.decision.Host {
			return &fault{reason: policy.ReasonSNI, detail: "two-readings", deny: true}
		}
	}
	c.side = nil // what reads the proxy port has done its work
	return nil
}

// judge returns the decision about the connection by edition e. It is made once for each edition.
func (v *reading) judge(e *Edition) policy.Decision {
	last := v.now.Load()
	if last.edition == e {
		return last.decision
	}
	old := v.opened.decision
	if last.decision.Addr.IsValid() {
		old.Addr = last.decision.Addr // the origin may have moved
	}
	var d policy.Decision
	if e != nil && e.Program != nil {
		d = v.c.g.rejudge(e, v.connect.ask, old, v.connect.hello)
	}
	v.now.Store(&judged{e, d})
	return d
}

// serveHTTP1 serves one request after another; it waits so long for the first. When the client is silent it hands the
// connection to the watch, which calls Ready, and answers that it lives.
func (v *reading) serveHTTP1(wait time.Duration) after {
	c := v.c
	if v.side == nil {
		v.side = newSide(c, c.timed, v.tls)
	}
	s := v.side
	r := new(request) // one after another: a request that has ended is in nobody's hands
	for {
		head, err := s.readHead(wait)
		if err == errSilent {
			if v.park() {
				return lives
			}
			wait = max(time.Until(v.until), time.Millisecond)
			continue
		}
		if err != nil {
			s.refuseHead(err, v.begin(r, nil))
			break
		}
		wait, v.until = c.g.lim.KeepAlive, time.Time{}
		v.begin(r, head)
		v.answer(r, s, head, &v.own)
		if s.closing || c.g.draining.Load() {
			if s.begun && (r.faultCode != "" || s.unread) {
				s.linger()
			}
			break
		}
	}
	v.goodbye()
	return ends
}

// park gives a silent connection to the watch: it keeps TLS and what identifies it, and neither goroutine nor buffer nor
// what reads HTTP.
func (v *reading) park() bool {
	c := v.c
	if v.until.IsZero() {
		v.until = time.Now().Add(c.g.lim.KeepAlive - parkAfter)
	}
	s := v.side
	s.rest()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.g.draining.Load() {
		return false
	}
	v.side = nil // Ready may run at once
	id := c.g.watch.Park(c.tcp, v)
	if id == 0 {
		v.side = s
		return false
	}
	c.parked = id
	return true
}

// Left is how long the client may still be silent.
func (v *reading) Left() time.Duration { return time.Until(v.until) }

// Ready goes on with a connection that was parked.
func (v *reading) Ready() {
	next, whole := ends, false
	defer func() {
		v.c.survive(recover())
		if next != lives {
			v.over(true)
			v.connect.endAnyway(&whole)
			v.c.leave()
		}
	}()
	wait := max(time.Until(v.until), time.Millisecond)
	next = v.serveHTTP1(wait)
	whole = true
}

// answer serves one request and ends it, whatever happens: a fault of ours leaves a record, too.
func (v *reading) answer(r *request, s *side, head *wire.RequestHead, own *holder) {
	whole := false
	defer r.endAnyway(&whole)
	if f := v.serveOne(r, s, head, own); f != nil {
		r.refuse(s, f)
		if f.told || f.gone {
			s.closing = true
		}
	}
	whole = true
}

// goodbye ends TLS properly, so that a response that ends with the connection is known to be whole.
func (v *reading) goodbye() {
	_ = v.tls.CloseWrite()
}

// serveOne reads what an HTTP/1 head means and serves it.
func (v *reading) serveOne(r *request, s *side, head *wire.RequestHead, own *holder) *fault {
	host, _ := head.Get("Host") // at most one: wire refuses more
	r.authority = cut(endpoint.WithoutUserinfo(host), sniKept)
	target, err := head.ParseTarget()
	if err != nil {
		return badMessage(err)
	}
	framing, err := wire.RequestFraming(head)
	if err != nil {
		return badMessage(err)
	}
	in := incoming{method: head.Method, path: target.Path, authority: host, fields: head.Fields, framing: framing,
		upgrade: head.Upgrade(), expect: head.ExpectsContinue()}
	switch target.Form {
	case wire.AbsoluteForm:
		// The target names the host and Host is ignored by its receiver (RFC 9112, section 3.2.2): both must agree.
		if target.Scheme != "https" || !wire.SameAuthority(target.Authority, host, 443) {
			r.authority = cut(endpoint.WithoutUserinfo(target.Authority), sniKept)
			return &fault{reason: policy.ReasonAuthority, detail: wire.CodeHostMismatch, deny: true}
		}
	case wire.AuthorityForm:
		in.path = "/" // refused below: CONNECT
	}
	if framing.Kind != wire.NoBody {
		s.body.Reset(s.br, framing, s.c.g.lim.Wire)
		in.body, in.trailers = &s.body, s.body.Trailers
	}
	f := v.serveRequest(r, in, s, own)
	if in.body != nil && !s.body.Done() {
		s.closing, s.unread = true, true
	}
	return f
}

// incoming is one request as it came, whatever HTTP version brought it. Nothing in it is trusted.
type incoming struct {
	method, path, authority string
	fields                  []wire.Field
	framing                 wire.Framing
	body                    io.Reader
	trailers                func() []wire.Field
	upgrade                 string
	expect                  bool
}

// serveRequest is one request inside a connection that is read: judged by the edition of now, its authority held
// against the name of the connection, then sent with the headers of its plan.
func (v *reading) serveRequest(r *request, in incoming, to client, own *holder) *fault {
	g := v.c.g
	d := v.judge(r.edition)
	r.decision = d
	r.notice(in.method, in.path, in.fields)
	switch {
	case d.Verdict != policy.Permit || d.Action == policy.Refuse:
		return denied(d)
	case d.Action != policy.Intercept:
		return &fault{reason: refusal.EditionChanged, deny: true}
	}
	if !samePlan(d, v.opened.decision) {
		to.willClose()
	}
	before := d
	d = g.steps.DecideRequest(r.edition.Program, d, in.authority)
	if d.Verdict != policy.Permit || d.Action != policy.Intercept {
		r.decision = d
		return denied(d)
	}
	r.decision = d
	if d.Host != before.Host || d.Port != before.Port || d.Addr != before.Addr || d.Class != before.Class || !samePlan(d, before) {
		return &fault{reason: policy.ReasonInternal, detail: "decision-changed", deny: true}
	}
	if f := g.recordable(r.edition, d); f != nil {
		return f
	}
	if f := in.refused(d); f != nil {
		return f
	}
	r.wantTenants()
	x := newExchange(r, to)
	x.body, x.trail, x.reading, x.own = in.body, in.trailers, v, own
	x.out = in.outgoing(d, authority(d, 443))
	f := x.run()
	x.release()
	return f
}

// refused names what is not passed on although its host is: methods and changes of protocol.
func (in *incoming) refused(d policy.Decision) *fault {
	switch in.method {
	case "CONNECT", "TRACE":
		// A nested tunnel would be read by nobody; the answer to a TRACE shows the client the headers that were set (RFC 9110,
		// section 9.3.8).
		return &fault{reason: refusal.MethodRefused, deny: true}
	}
	switch {
	case in.upgrade == "":
	case isSignIn(d.Class), equalFold(in.upgrade, "websocket") && !d.WebSocket:
		return &fault{reason: refusal.UpgradeRefused, deny: true}
	}
	return nil
}

// outgoing is the request as it leaves. An upgrade that is not passed on, such as h2c, is dropped, which RFC 9110,
// section 7.8 allows.
func (in *incoming) outgoing(d policy.Decision, authority string) wire.Outgoing {
	out := wire.Outgoing{Method: in.method, Path: in.path, Authority: authority, Fields: in.fields, Framing: in.framing, Expect: in.expect}
	if d.WebSocket && equalFold(in.upgrade, "websocket") {
		out.Upgrade = "websocket"
	}
	return out
}

// samePlan reports whether two decisions do the same to a request.
func samePlan(a, b policy.Decision) bool {
	return a.Action == b.Action && a.Mode == b.Mode && a.Profile == b.Profile && plansEqual(a.Plan, b.Plan)
}

func plansEqual(a, b restrict.Plan) bool {
	if !a.Ready() || !b.Ready() {
		return a.Ready() == b.Ready()
	}
	return a.Equal(b)
}

// setDrain names how what is served now is told to finish; nil: it sees that the gateway is draining by itself.
func (c *conn) setDrain(f func()) {
	c.mu.Lock()
	c.onDrain = f
	c.mu.Unlock()
	if f != nil && c.g.draining.Load() {
		f()
	}
}

func cut(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}
