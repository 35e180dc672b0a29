package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/gateway/refusal"
	"sekisho/internal/gateway/upstream"
	"sekisho/internal/policy"
	"sekisho/internal/wire"
)

// client is the side that asked: HTTP/1 (side) or one stream of HTTP/2 (stream).
type client interface {
	// until ends with the client's interest, where that is noticed by itself; it bounds the way to the origin.
	until() context.Context
	// watch returns a function that reports whether the client still waits. It is called from time to time.
	watch() func() bool
	// watchBody returns a function that makes a read of the request body, by another goroutine, end soon.
	watchBody() (stop func())
	// interim sends a 1xx.
	interim(h *wire.ResponseHead) error
	// answer sends the final response; errors are *wire.CopyError, or of the head that cannot be sent.
	answer(h *wire.ResponseHead, f wire.Framing, body io.Reader, trailers func() []wire.Field) (int64, error)
	// switched sends a 101 and hands out the connection.
	switched(h *wire.ResponseHead) (io.Reader, net.Conn, error)
	// hasBegun reports whether the final response has begun.
	hasBegun() bool
	// add puts fields of our own on the final response that the serialiser would take for another hop's.
	add(fields []wire.Field)
	// willClose makes the response that follows the last of the connection.
	willClose()
}

// holder keeps a connection that an origin has tied to one client connection.
type holder struct{ bound *upstream.Conn }

func (h *holder) close() {
	if h != nil && h.bound != nil {
		h.bound.Close()
		h.bound = nil
	}
}

// exchange is one judged request on its way to the origin, and the answer on its way back.
type exchange struct {
	r      *request
	client client
	out    wire.Outgoing
	body   io.Reader           // nil: none
	trail  func() []wire.Field // of the request, after its body
	spare  *upstream.Conn      // dialled for this request, or nil
	own    *holder             // nil: a connection that becomes bound is closed

	reading *reading // the connection that is read, or nil: it may hold a spare connection, and keeps where the origin was found

	head  []byte // serialised
	small []byte // the body, when it was read whole; on the client's account while the exchange runs
	up    *upstream.Conn

	answer wire.ResponseHead // reused
	back   tap               // reused
}

// exchanges are kept for the next request: what an exchange is made of outlives none.
var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// keptHead is the largest serialised head whose memory is kept (chosen: nearly every head fits).
const keptHead = 8 << 10

// keptCopy is the same of the copy of an answer (chosen: what is not a page fits).
const keptCopy = 4 << 10

// newExchange returns an exchange of r. It is given back by release when nobody uses it any more.
func newExchange(r *request, to client) *exchange {
	x := exchanges.Get().(*exchange)
	x.r, x.client = r, to
	return x
}

// release gives x back. An exchange that ended in a panic is left to the collector: a goroutine may still hold it.
func (x *exchange) release() {
	head, fields, copied := x.head[:0], x.answer.Fields[:0], x.back.copied
	if cap(head) > keptHead {
		head = nil
	}
	clear(copied) // pages and tokens of somebody
	if cap(copied) > keptCopy {
		copied = nil
	}
	clear(fields[:cap(fields)])
	*x = exchange{head: head, answer: wire.ResponseHead{Fields: fields}, back: tap{copied: copied[:0]}}
	exchanges.Put(x)
}

// run carries the exchange out. What went wrong before the response began is returned as a fault, to be told to the
// client; what went wrong later has ended the response, and is returned as a fault whose client has been told.
//
// Everything that may fail on our side comes before the first byte is sent: the plan, the serialiser, the address.
func (x *exchange) run() *fault {
	r, g := x.r, x.r.c.g
	if f := x.serialise(); f != nil {
		return f
	}
	f := x.readSmall()
	defer func() { x.r.c.account.give(len(x.small)) }()
	if f != nil {
		return f
	}
	for attempt := 0; ; attempt++ {
		if f := x.connect(attempt > 0); f != nil {
			if f.h2 && attempt == 0 { // nothing was sent
				x.up = nil
				continue
			}
			return f
		}
		f := x.once()
		if f == nil {
			x.settle()
			return nil
		}
		if f.h2 && attempt == 0 && x.body == nil { // nothing of it was taken: it is sent for the first time
			x.spent()
			continue
		}
		reused := x.up != nil && x.up.Uses > 1
		if x.up != nil {
			x.spent()
		}
		// A kept connection may have been closed by the origin in the meantime. Only what may be sent twice is sent again
		// (RFC 9110, section 9.2.2), only when nothing was answered, and only once.
		if !f.stale || !reused || attempt > 0 || !idempotent(x.out.Method) || x.body != nil {
			return f
		}
		g.metrics.Count(EventReplay)
		r.replayed = true
	}
}

func idempotent(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "PUT", "DELETE":
		return true
	}
	return false
}

// serialise makes the head that will be sent. Whatever goes wrong here ends the request unsent.
func (x *exchange) serialise() *fault {
	g := x.r.c.g
	plan := g.steps.Plan(x.r.decision)
	if !g.steps.Planned(x.r.decision, plan) {
		return &fault{reason: refusal.HeadersNotSet, detail: wire.CodeNoPlan, deny: true}
	}
	if x.head == nil {
		x.head = make([]byte, 0, 2<<10)
	}
	head, err := g.steps.AppendRequest(x.head[:0], &x.out, plan)
	if err == nil && !g.steps.Sealed(head, x.r.decision, x.out.Authority) {
		return &fault{reason: refusal.HeadersNotSet, detail: "head-not-sealed", deny: true}
	}
	if err == nil {
		x.head = head
		return nil
	}
	var bad *wire.Error
	if errors.As(err, &bad) && bad.Status() < 500 {
		return &fault{reason: refusal.BadRequest, status: bad.Status(), detail: bad.Code, err: err, deny: true}
	}
	return &fault{reason: refusal.HeadersNotSet, err: err, deny: true}
}

// readSmall reads a short body whole, so that the request leaves in one piece and no slow client holds a connection to
// an origin. A client that expects 100 is not read before the origin has been asked.
func (x *exchange) readSmall() *fault {
	if x.body == nil || x.out.Framing.Kind != wire.Length || x.out.Framing.Length > x.r.c.g.lim.SmallBody || x.out.Expect {
		return nil
	}
	for length, read := int(x.out.Framing.Length), 0; read < length; {
		// What is announced costs nothing; memory follows what has come.
		more := min(max(read, firstSmall), length-read)
		if !x.r.c.account.take(more, &x.r.c.g.lim) {
			return crowded("bodies")
		}
		x.small = append(x.small, make([]byte, more)...)
		if _, err := io.ReadFull(x.body, x.small[read:]); err != nil {
			return clientFault(err)
		}
		read += more
	}
	x.body = nil
	x.r.up += int64(len(x.small))
	x.r.noticeBody(x.small)
	return nil
}

// firstSmall is what a short body takes before a byte of it has come; it doubles as they come (chosen: a token request
// fits).
const firstSmall = 4 << 10

// once sends the request on x.up and brings the response back.
func (x *exchange) once() *fault {
	lim := &x.r.c.g.lim
	stall := lim.OriginStall
	if isSignIn(x.r.decision.Class) {
		stall = lim.SignInStall
	}
	x.up.Timed.ReadStall, x.up.Timed.Alive = stall, x.client.watch()
	message := x.head
	if len(x.small) > 0 {
		message = append(x.head[:len(x.head):len(x.head)], x.small...)
	}
	if _, err := x.up.Write(message); err != nil {
		return x.readFault(err)
	}
	var load *upload
	if x.body != nil {
		load = x.startUpload(stall)
		defer load.stop(x)
	}
	h, f := x.readHead()
	if f != nil {
		if load != nil && load.clientErr.Load() != nil {
			return clientFault(*load.clientErr.Load())
		}
		f.stale = f.stale && load == nil
		return f
	}
	if load != nil && !load.finishedWithin(10*time.Millisecond) {
		x.client.willClose() // what is left of the body cannot be told from a next request
		x.up.Bound = true
	}
	if h.Status == 101 {
		return x.change(h)
	}
	return x.relay(h)
}

// readHead reads response heads until the final one, passing interim ones on.
func (x *exchange) readHead() (*wire.ResponseHead, *fault) {
	lim := &x.r.c.g.lim
	if _, err := x.up.Reader.Peek(1); err != nil {
		f := x.readFault(err)
		f.stale = !errors.Is(err, upstream.ErrGone) && f.reason != refusal.UpstreamTimeout
		return nil, f
	}
	if x.up.SpokeH2() {
		x.r.c.g.pool.LearnH2(x.up.Key)
		return nil, &fault{reason: refusal.UpstreamBroken, detail: "http2-only", h2: true}
	}
	h := &x.answer
	for interims := 0; ; interims++ {
		if interims > 0 {
			if _, err := x.up.Reader.Peek(1); err != nil {
				return nil, x.readFault(err)
			}
		}
		x.up.Timed.Phase = time.Now().Add(lim.Head)
		err := wire.ReadResponseInto(x.up.Reader, lim.Wire, h)
		x.up.Timed.Phase = time.Time{}
		if err != nil {
			return nil, x.readFault(err)
		}
		x.noticeBinding(h)
		switch {
		case h.Status >= 200 || h.Status == 101:
			return h, nil
		case interims >= 16: // chosen: nobody needs so many
			return nil, &fault{reason: refusal.UpstreamBroken, detail: "interim-flood"}
		}
		if err := x.client.interim(h); err != nil {
			return nil, clientFault(err)
		}
	}
}

// noticeBinding marks a connection that the origin ties to whoever authenticates on it.
func (x *exchange) noticeBinding(h *wire.ResponseHead) {
	for _, f := range h.Fields {
		if len(f.Name) == len("WWW-Authenticate") && equalFold(f.Name, "WWW-Authenticate") && bindsConnection(f.Value) {
			x.up.Bound = true
		}
	}
	for _, f := range x.out.Fields {
		if len(f.Name) == len("Authorization") && equalFold(f.Name, "Authorization") && bindsConnection(f.Value) {
			x.up.Bound = true
		}
	}
}

// relay passes the final response on, body and all.
func (x *exchange) relay(h *wire.ResponseHead) *fault {
	framing, err := wire.ResponseFraming(h, x.out.Method)
	if err != nil {
		return x.readFault(err)
	}
	body := &x.back
	body.body.Reset(x.up.Reader, framing, x.r.c.g.lim.Wire)
	if x.r.signIn != nil {
		x.r.signIn.noticeHead(h)
		body.copy = x.r.signIn.wantsBody(h, framing)
		body.held = holding{account: x.r.c.account, lim: &x.r.c.g.lim}
		defer body.held.end()
	}
	if x.parentRefused(h) {
		return &fault{reason: refusal.UpstreamProxy, detail: "proxy-407"}
	}
	x.r.status = h.Status
	n, err := x.client.answer(h, framing, body, body.body.Trailers)
	x.r.down += n
	if x.r.signIn != nil {
		x.r.signIn.unread = x.r.signIn.unread || body.crowded
		x.r.signIn.noticeBody(h, body.copied)
	}
	if err != nil {
		switch {
		case body.err != nil:
			f := x.readFault(body.err)
			f.told = x.client.hasBegun()
			return f
		case x.client.hasBegun():
			f := clientFault(err)
			f.told = true
			return f
		default: // a head that may not be passed on
			return &fault{reason: refusal.UpstreamBroken, detail: codeOf(err), err: err}
		}
	}
	if !body.body.Done() || !h.KeepAlive() || framing.Kind == wire.UntilClose || x.up.Reader.Buffered() > 0 {
		x.up.Bound = true // used up
		x.spent()
	}
	return nil
}

// spent closes a connection that cannot carry another exchange.
func (x *exchange) spent() {
	x.up.Close()
	x.up = nil
}

// change is a 101: the one that was asked for, or an error (RFC 9110, section 15.2.2).
func (x *exchange) change(h *wire.ResponseHead) *fault {
	if x.out.Upgrade == "" || !equalFold(h.Upgrade(), x.out.Upgrade) {
		return &fault{reason: refusal.UpstreamSwitch}
	}
	from, to, err := x.client.switched(h)
	if err != nil {
		return clientFault(err)
	}
	x.r.status = 101
	x.r.joinStreams(from, to, x.up)
	x.up = nil
	return nil
}

// settle puts the connection where the next exchange finds it.
func (x *exchange) settle() {
	switch {
	case x.up == nil:
	case !x.up.Bound:
		x.r.c.g.pool.Give(x.up)
	case x.own != nil:
		x.up.Timed.Alive = nil
		x.own.close()
		x.own.bound = x.up
	default:
		x.up.Close()
	}
	x.up = nil
}

// readFault names what went wrong while talking to the origin.
func (x *exchange) readFault(err error) *fault {
	if errors.Is(err, upstream.ErrGone) {
		return clientFault(err)
	}
	var stall *upstream.StallError
	if errors.As(err, &stall) {
		return &fault{reason: refusal.UpstreamTimeout, err: err}
	}
	return &fault{reason: refusal.UpstreamBroken, detail: codeOf(err), err: err}
}

// authority is what the origin is asked as: the judged name, with its port where it is not the scheme's.
func authority(d policy.Decision, schemePort uint16) string {
	host := string(d.Host)
	if host == "" && d.Addr.IsValid() {
		host = d.Addr.String()
		if d.Addr.Is6() {
			host = "[" + host + "]"
		}
	}
	if d.Port == schemePort {
		return host
	}
	return host + ":" + strconv.Itoa(int(d.Port))
}

func isSignIn(c catalog.Class) bool { return c == catalog.SignIn || c == catalog.SignInConsumer }

// bindsConnection reports whether a scheme authenticates the connection and not the request.
func bindsConnection(value string) bool {
	return len(value) >= 4 && (equalFold(value[:4], "NTLM") || len(value) >= 9 && equalFold(value[:9], "Negotiate"))
}

// equalFold compares ASCII without case.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		x, y := a[i], b[i]
		if 'A' <= x && x <= 'Z' {
			x |= 0x20
		}
		if 'A' <= y && y <= 'Z' {
			y |= 0x20
		}
		if x != y {
			return false
		}
	}
	return true
}
