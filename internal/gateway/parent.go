package gateway

import (
	"context"
	"errors"
	"net/netip"

	"sekisho/internal/endpoint"
	"sekisho/internal/gateway/refusal"
	"sekisho/internal/gateway/upstream"
	"sekisho/internal/policy"
	"sekisho/internal/wire"
)

// Parent is the proxy through which a network leads out that has no other way.
//
// The parent is asked by name and resolves it itself. What the rules on addresses protect is therefore held as far as
// it can be: a name is resolved here too, and when one of its addresses may not be dialled the parent is not asked at
// all. That the parent finds the same addresses cannot be known here.
type Parent struct {
	Address       endpoint.Authority // where it listens
	Authorization string             // value of Proxy-Authorization; "" for none
	// Except says which hosts are reached directly all the same; nil: none. The rules on addresses hold for them as ever.
	Except func(h endpoint.Host) bool
	// Blind leaves the names to the parent alone, in a network that cannot resolve them. No rule on addresses is asked.
	Blind bool
}

// parentFor is the proxy through which h is reached; nil is the direct way. h is "" for an address literal.
func (n *Network) parentFor(h endpoint.Host) *Parent {
	p := n.Parent
	if p == nil || h != "" && p.Except != nil && p.Except(h) {
		return nil
	}
	return p
}

// road names the way to h in the keys of connections.
func (n *Network) road(h endpoint.Host) string {
	if p := n.parentFor(h); p != nil {
		return (&upstream.Parent{Address: p.Address}).Road()
	}
	return "direct"
}

// through is reach by way of a parent. For a name the decision returned carries no address: nobody here knows which one
// the parent dials.
func (r *request) through(ctx context.Context, p *Parent, d policy.Decision, pooled bool) (*upstream.Conn, policy.Decision, *fault) {
	g, e := r.c.g, r.edition
	literal := r.ask.Authority.Addr
	if !p.Blind || literal.IsValid() {
		addrs, f := r.addresses(ctx, d)
		if f != nil {
			return nil, d, f
		}
		if len(addrs) == 0 {
			return nil, d, resolveFault(errNoAddress)
		}
		// The parent may take any of them, so that all must be permitted.
		for _, a := range addrs {
			judged := g.steps.DecideAddr(e.Program, d, a.Unmap())
			if judged.Verdict != policy.Permit || judged.Addr != a.Unmap() {
				return nil, judged, denied(judged)
			}
			if g.isOwn(netip.AddrPortFrom(judged.Addr, judged.Port)) {
				return nil, judged, &fault{reason: refusal.Loop, deny: true}
			}
		}
	}
	d.Addr = literal
	key := r.key(d.Addr)
	if pooled && d.Action != policy.Tunnel && g.pool.Has(key) {
		return nil, d, nil
	}
	listeners, f := r.parentAddresses(ctx, p)
	if f != nil {
		return nil, d, f
	}
	way := &upstream.Parent{Address: p.Address, Authorization: p.Authorization, Via: g.pseudonym}
	var last *fault
	for _, to := range listeners[:min(len(listeners), g.lim.Addresses)] {
		if g.isOwn(to) {
			return nil, d, &fault{reason: refusal.Loop, detail: upstream.StepParentDial, deny: true}
		}
		g.metrics.Count(EventUpstreamDial)
		up, err := upstream.Through(ctx, key, way, to, e.Network.Dial, g.upstreamLimits())
		if err == nil {
			return up, d, nil
		}
		last = upstreamFault(err)
		var at *upstream.Error
		if !errors.As(err, &at) || at.Step != upstream.StepParentDial {
			break // it was reached; another address would say the same
		}
	}
	return nil, d, last
}

// parentAddresses is where the parent listens. No rule on addresses is asked: the configuration names it.
func (r *request) parentAddresses(ctx context.Context, p *Parent) ([]netip.AddrPort, *fault) {
	n := &r.edition.Network
	if n.Resolve == nil || n.Dial == nil {
		return nil, &fault{reason: policy.ReasonInternal, detail: "no-network", deny: true}
	}
	if a := p.Address.Addr; a.IsValid() {
		return []netip.AddrPort{netip.AddrPortFrom(a, p.Address.Port)}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.c.g.lim.Resolve)
	defer cancel()
	addrs, err := n.Resolve(ctx, p.Address.Host)
	if err == nil && len(addrs) == 0 {
		err = errNoAddress
	}
	if err != nil {
		f := upstreamFault(&upstream.Error{Step: upstream.StepParentDial, Err: err})
		return nil, f
	}
	var out []netip.AddrPort
	for _, a := range addrs {
		out = append(out, netip.AddrPortFrom(a.Unmap(), p.Address.Port))
	}
	return out, nil
}

var errNoAddress = errors.New("no address")

// viaParent makes a plain request one for the parent, which is told the whole URL and our credentials.
func (p *Parent) viaParent(o *wire.Outgoing) {
	o.Absolute, o.ProxyAuthorization = true, p.Authorization
}

// parentRefused reports whether an answer to a plain request is the parent's demand for credentials. The client could
// do nothing with it: its own credentials are for this gateway.
func (x *exchange) parentRefused(h *wire.ResponseHead) bool { return x.out.Absolute && h.Status == 407 }
