package gateway

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"strings"
	"time"

	"sekisho/internal/endpoint"
	"sekisho/internal/gateway/hello"
	"sekisho/internal/gateway/refusal"
	"sekisho/internal/gateway/upstream"
	"sekisho/internal/policy"
	"sekisho/internal/wire"
)

// connect is the life of a CONNECT:
//
//	Decide(name) → resolve → Decide(address) → dial → 200 → ClientHello → Decide(TLS) → tunnel or intercept
//
// The connection takes another request only after a 407. A tunnel, and a connection that is read, may live on without
// this goroutine.
func (c *conn) connect(r *request, head *wire.RequestHead) after {
	authority, f := c.connectTarget(r, head)
	if f == nil {
		f = c.identify(r, head, authority.Host)
	}
	if f == nil && c.g.cameThrough(head.Fields) {
		f = &fault{reason: refusal.Loop, deny: true}
	}
	if f == nil {
		r.ask = policy.Ask{Subject: r.subject, Authority: authority}
		f = r.judge()
	}
	var up *upstream.Conn
	if f == nil {
		up, r.decision, f = r.reach(context.Background(), r.decision, true)
	}
	if f != nil {
		r.refuse(c.side, f)
		if r.status == 407 && !c.side.closing {
			return goesOn
		}
		c.side.linger()
		return ends
	}
	defer func() {
		if up != nil {
			up.Close()
		}
	}()

	// The origin has answered the dial: what goes wrong from here on is between the two ends.
	if _, err := c.timed.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err != nil {
		r.fail(clientFault(err))
		return ends
	}
	r.status = 200
	r.accept, r.acceptLanguage = "", "" // no page can be shown any more
	first, f := c.readHello(r)
	if f == nil {
		f = r.judgeTLS()
	}
	if f != nil {
		c.closeWithAlert(r, f, first != nil)
		return ends
	}
	switch r.decision.Action {
	case policy.Tunnel:
		r.open()
		taken := up
		up = nil
		return c.relay(r, taken, first)
	case policy.Intercept:
		r.open()
		spare := up
		up = nil
		return c.intercept(r, spare, first.Raw)
	default: // a decision that permits what cannot be done here
		c.closeWithAlert(r, &fault{reason: policy.ReasonInternal, deny: true}, true)
	}
	return ends
}

// connectTarget reads the name out of a CONNECT. Its Host field is not looked at: nothing of the head goes any
// further, and the target alone says what is asked (RFC 9110, section 9.3.6).
func (c *conn) connectTarget(r *request, head *wire.RequestHead) (endpoint.Authority, *fault) {
	r.method, head.Target = "CONNECT", strings.Clone(head.Target) // what lasts must not keep the whole head
	r.host = nameOnly(head.Target)
	target, err := head.ParseTarget()
	if err != nil {
		return endpoint.Authority{}, badMessage(err)
	}
	r.host = endpoint.WithoutUserinfo(target.Authority)
	framing, err := wire.RequestFraming(head)
	if err != nil || framing.Kind == wire.Chunked || framing.Length > 0 {
		return endpoint.Authority{}, &fault{reason: refusal.BadRequest, detail: "connect-with-body", err: err, deny: true}
	}
	return parseAuthority(r, target.Authority, 0)
}

// parseAuthority brings the authority of r into normal form and notes it.
func parseAuthority(r *request, text string, port uint16) (endpoint.Authority, *fault) {
	a, err := endpoint.ParseAuthority(text, port)
	if err != nil {
		f := &fault{reason: policy.ReasonBadHost, err: err, deny: true}
		var parse *endpoint.ParseError
		if errors.As(err, &parse) {
			f.detail = parse.Reason
		}
		return a, f
	}
	r.host, r.port = string(a.Host), a.Port
	if a.Addr.IsValid() {
		r.host = a.Addr.String()
	}
	return a, nil
}

// identify finds out who asks. Hosts that must work without proxy credentials are exempt by the catalog; they are
// judged like all others.
func (c *conn) identify(r *request, head *wire.RequestHead, host endpoint.Host) *fault {
	r.subject = policy.Subject{Client: c.client}
	e := r.edition
	if e == nil || e.Identify == nil {
		return nil
	}
	credentials, count := head.Get("Proxy-Authorization")
	if count > 1 {
		return &fault{reason: refusal.BadRequest, detail: "proxy-authorization-multiple", deny: true}
	}
	who, ok := e.Identify.Identify(c.client, credentials)
	if ok {
		r.subject.User, r.subject.Groups = who.User, who.Groups
		return nil
	}
	if e.Catalog != nil && host != "" && e.Catalog.Handling(host).ProxyAuthExempt {
		return nil
	}
	return &fault{reason: refusal.CredentialsNeeded, deny: true}
}

// judge decides r.ask by name.
func (r *request) judge() *fault {
	e := r.edition
	if e == nil || e.Program == nil {
		return &fault{reason: policy.ReasonInternal, detail: "no-edition", deny: true}
	}
	r.decision = r.c.g.steps.Decide(e.Program, r.ask)
	if r.decision.Verdict != policy.Permit || r.decision.Action == policy.Refuse {
		return denied(r.decision)
	}
	return r.c.g.recordable(e, r.decision)
}

// recordable refuses what could not be recorded.
func (g *Gateway) recordable(e *Edition, d policy.Decision) *fault {
	if g.rec == nil || e.WhenFull == Continue || !g.rec.Full() {
		return nil
	}
	if e.WhenFull == RefuseAll || isSignIn(d.Class) {
		return &fault{reason: refusal.AuditFull, deny: true}
	}
	return nil
}

// reach resolves the name of d, judges the addresses in the order received, and dials the first that is permitted; one
// that does not accept is followed by the next. The decision returned carries the judged address: the one dialled, and
// the one to use when the connection is nil because a kept one waits for this very address.
func (r *request) reach(ctx context.Context, d policy.Decision, pooled bool) (*upstream.Conn, policy.Decision, *fault) {
	g, e := r.c.g, r.edition
	if p := e.Network.parentFor(d.Host); p != nil {
		return r.through(ctx, p, d, pooled)
	}
	addrs, f := r.addresses(ctx, d)
	if f != nil {
		return nil, d, f
	}
	var refused policy.Decision // the first, if any
	var last *fault
	tried, isRefused := 0, false
	for _, a := range addrs {
		judged := g.steps.DecideAddr(e.Program, d, a.Unmap())
		if judged.Verdict != policy.Permit || judged.Addr != a.Unmap() {
			if !isRefused {
				refused, isRefused = judged, true
			}
			continue
		}
		to := netip.AddrPortFrom(judged.Addr, judged.Port)
		if g.isOwn(to) {
			return nil, judged, &fault{reason: refusal.Loop, deny: true}
		}
		key := r.key(judged.Addr)
		if pooled && judged.Action != policy.Tunnel && g.pool.Has(key) {
			return nil, judged, nil
		}
		g.metrics.Count(EventUpstreamDial)
		up, err := upstream.Dial(ctx, key, e.Network.Dial, g.upstreamLimits())
		if err == nil {
			return up, judged, nil
		}
		d.Addr, last = judged.Addr, upstreamFault(err)
		if tried++; tried >= g.lim.Addresses {
			break
		}
	}
	switch {
	case last != nil:
		return nil, d, last
	case isRefused:
		return nil, refused, denied(refused)
	}
	return nil, d, resolveFault(errNoAddress)
}

// addresses resolves the name of d. An address literal that was permitted stands for itself.
func (r *request) addresses(ctx context.Context, d policy.Decision) ([]netip.Addr, *fault) {
	if a := r.ask.Authority.Addr; a.IsValid() {
		return []netip.Addr{a}, nil
	}
	n := &r.edition.Network
	if n.Resolve == nil || n.Dial == nil {
		return nil, &fault{reason: policy.ReasonInternal, detail: "no-network", deny: true}
	}
	ctx, cancel := context.WithTimeout(ctx, r.c.g.lim.Resolve)
	defer cancel()
	addrs, err := n.Resolve(ctx, d.Host)
	if err != nil {
		return nil, resolveFault(err)
	}
	return addrs, nil
}

// key is what a connection to a for r may be shared with.
func (r *request) key(a netip.Addr) upstream.Key {
	d := &r.decision
	return upstream.Key{
		Road: r.edition.Network.road(d.Host), Host: d.Host, To: netip.AddrPortFrom(a, d.Port), TLS: !r.ask.Plain,
		Roots: r.edition.Network.Roots, Profile: d.Profile,
	}
}

func (g *Gateway) upstreamLimits() upstream.Limits {
	return upstream.Limits{Dial: g.lim.Dial, Parent: g.lim.Parent, Handshake: g.lim.OriginHandshake, ReadStall: g.lim.OriginStall, WriteStall: g.lim.WriteStall,
		Wire: g.lim.Wire}
}

// sniKept bounds what a record keeps of a server name (chosen: a DNS name has at most 253 bytes).
const sniKept = 256

// readHello reads the ClientHello and notes what it says. What is no ClientHello is left to the policy, as a Hello
// whose TLS is false; first is nil then.
func (c *conn) readHello(r *request) (first *hello.Hello, f *fault) {
	c.timed.ReadStall, c.timed.Phase = 0, time.Now().Add(c.g.lim.Hello)
	large := &c.side.large // given back with the side
	large.end()
	h, err := c.g.steps.ReadHello(&measured{from: c.side.br, free: largeHead, held: large})
	c.timed.ReadStall, c.timed.Phase = c.g.lim.BodyStall, time.Time{}
	var bad *hello.Error
	switch {
	case err == nil:
		r.hello = policy.Hello{SNI: h.SNI, HasSNI: h.HasSNI, RawSNI: h.RawSNI[:min(len(h.RawSNI), sniKept)], TLS: true}
		return h, nil
	case errors.Is(err, errCrowded):
		return nil, crowded("hellos")
	case errors.As(err, &bad) && !errors.Is(err, io.ErrUnexpectedEOF):
		r.faultDetail = bad.Code
		return nil, nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, &fault{reason: refusal.ClientHandshake, detail: "client-gone", err: err, gone: true}
	}
	return nil, &fault{reason: refusal.ClientHandshake, detail: "hello-timeout", err: err}
}

// errCrowded ends the reading of a hello whose client holds too much.
var errCrowded = errors.New("the client holds too much")

// measured counts what is read beyond free on the account of the client.
type measured struct {
	from io.Reader
	free int
	held *holding
}

// Read reads at most what the account has room for.
func (m *measured) Read(p []byte) (int, error) {
	n, err := m.from.Read(p)
	m.free -= n
	if m.free < 0 {
		if !m.held.take(-m.free) {
			return 0, errCrowded
		}
		m.free = 0
	}
	return n, err
}

// judgeTLS decides by the server name.
func (r *request) judgeTLS() *fault {
	detail := r.faultDetail
	before := r.decision
	r.decision = r.c.g.steps.DecideTLS(r.edition.Program, r.decision, r.hello)
	d := &r.decision
	switch {
	case d.Verdict != policy.Permit || d.Action == policy.Refuse:
		f := denied(*d)
		f.detail = detail
		return f
	case !r.hello.TLS || d.Addr != before.Addr || d.Host != before.Host || d.Port != before.Port:
		// A decision may become stricter here. One that turns to another place, or lets through what is not TLS, is a fault.
		return &fault{reason: policy.ReasonInternal, detail: "decision-changed", deny: true}
	}
	return nil
}

// closeWithAlert ends a connection after the 200. A page cannot be shown there: the client waits for TLS under a name
// for which we may not speak. access_denied says what it is (RFC 8446, section 6.2).
func (c *conn) closeWithAlert(r *request, f *fault, tls bool) {
	r.fail(f)
	r.pace()
	if tls {
		_, _ = c.timed.Write([]byte{21, 3, 3, 0, 2, 2, 49})
	}
	c.side.linger()
}
