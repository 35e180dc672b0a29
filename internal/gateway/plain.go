package gateway

import (
	"context"
	"strings"

	"sekisho/internal/endpoint"
	"sekisho/internal/gateway/refusal"
	"sekisho/internal/policy"
	"sekisho/internal/wire"
)

// plain is the life of a plain HTTP request, whose target is a whole URL:
//
//	Decide(name) → resolve → Decide(address) → dial → the request, with the headers of its plan
//
// Every request is judged anew; nothing is carried over from the one before. It reports whether the connection takes
// another request.
func (c *conn) plain(r *request, head *wire.RequestHead) (next bool) {
	r.kind = KindPlain
	s := c.side
	f := c.forward(r, head)
	if f != nil {
		r.refuse(s, f)
		if f.told || f.gone {
			return false
		}
	}
	if s.closing && (f != nil || s.unread) {
		s.linger()
	}
	return !s.closing
}

func (c *conn) forward(r *request, head *wire.RequestHead) *fault {
	s := c.side
	target, err := head.ParseTarget()
	if err != nil {
		r.host = askedOf(head.Target)
		return badMessage(err)
	}
	if target.Form != wire.AbsoluteForm {
		r.host, _ = head.Get("Host")
		return &fault{reason: refusal.NotForProxy, detail: "origin-form", deny: true}
	}
	r.host = endpoint.WithoutUserinfo(target.Authority)
	framing, err := wire.RequestFraming(head)
	if err != nil {
		return badMessage(err)
	}
	if framing.Kind != wire.NoBody {
		s.body.Reset(s.br, framing, c.g.lim.Wire)
		defer func() { // what was not read of a body cannot be told from a next request
			if !s.body.Done() {
				s.closing, s.unread = true, true
			}
		}()
	}
	if target.Scheme != "http" { // TLS to the origin on behalf of a client that sent its request in the clear
		return &fault{reason: refusal.NotForProxy, detail: "https-without-connect", deny: true}
	}
	// The receiver of an absolute target ignores Host (RFC 9112, section 3.2.2), so a Host that says something else is
	// meant for somebody who does not.
	if host, count := head.Get("Host"); count > 0 && !wire.SameAuthority(target.Authority, host, 80) {
		r.authority = cut(endpoint.WithoutUserinfo(host), sniKept)
		return &fault{reason: refusal.BadRequest, status: 400, detail: wire.CodeHostMismatch, deny: true}
	}
	name, f := parseAuthority(r, target.Authority, 80)
	if f != nil {
		return f
	}
	if document, ok := r.own(name, target.Path); ok {
		return c.serveOwn(r, name, document)
	}
	if f := c.identify(r, head, name.Host); f != nil {
		return f
	}
	r.ask = policy.Ask{Subject: r.subject, Authority: name, Plain: true}
	if f := r.judge(); f != nil {
		return f
	}
	if r.decision.Action != policy.Forward {
		return &fault{reason: policy.ReasonInternal, detail: "action", deny: true}
	}
	in := incoming{method: head.Method, path: target.Path, authority: target.Authority, fields: head.Fields,
		framing: framing, upgrade: head.Upgrade(), expect: head.ExpectsContinue()}
	if framing.Kind != wire.NoBody {
		in.body, in.trailers = &s.body, s.body.Trailers
	}
	if f := in.refused(r.decision); f != nil {
		return f
	}
	if c.g.cameThrough(head.Fields) {
		return &fault{reason: refusal.Loop, deny: true}
	}
	// Each plain request goes to an address that was judged for it; a kept connection is one to that very address.
	up, d, f := r.reach(context.Background(), r.decision, true)
	r.decision = d
	if f != nil {
		return f
	}
	r.notice(in.method, in.path, in.fields)
	r.wantTenants()
	r.open()
	x := newExchange(r, s)
	x.body, x.trail, x.spare = in.body, in.trailers, up
	x.out = in.outgoing(d, authority(d, 80))
	x.out.Fields = append(x.out.Fields[:len(x.out.Fields):len(x.out.Fields)], wire.Field{Name: "Via", Value: "1.1 " + c.g.pseudonym})
	if p := r.edition.Network.parentFor(d.Host); p != nil {
		p.viaParent(&x.out)
	}
	whole := false
	defer func() {
		x.closeSpare() // the exchange may end before it is needed
		if whole {
			x.release()
		}
	}()
	f = x.run()
	whole = true
	return f
}

// cameThrough reports whether a request has passed this gateway before (RFC 9110, section 7.6.3).
func (g *Gateway) cameThrough(fields []wire.Field) bool {
	for _, f := range fields {
		if equalFold(f.Name, "Via") && strings.Contains(f.Value, g.pseudonym) {
			return true
		}
	}
	return false
}
