package policy

import (
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/restrict"
)

const (
	portHTTP  = 80
	portHTTPS = 443
)

// room is how many rules of one host Decide looks at without allocating (chosen: no host of the built-in catalog is
// covered by more).
const room = 24

// Decide judges a by name. The result permits only together with an Action other than Refuse; for Intercept and
// Forward its Plan is ready.
func (p *Program) Decide(a Ask) Decision {
	d := Decision{Subject: a.Subject, Host: a.Authority.Host, Port: a.Authority.Port}
	if p == nil {
		return d.deny(ReasonInternal, builtin("no program"))
	}
	d.Subject.Client = normalClient(d.Subject.Client)
	r := p.ringOf(&d.Subject)
	if r != nil {
		d.Ring, d.Mode = r.Name, r.Mode
	}
	if a.Authority.Host == "" {
		return p.decideLiteral(d, a.Authority)
	}
	d.Class = p.snap.Classify(d.Host).Class
	switch d.Class {
	case catalog.Ordinary:
		return p.decideOrdinary(d, a.Plain)
	case catalog.SignIn, catalog.SignInConsumer:
		return p.decideSignIn(d, a.Plain, r)
	default:
		return p.decideAlias(d, a.Plain)
	}
}

// decideLiteral refuses a target without a name, and says which kind of address it was.
func (p *Program) decideLiteral(d Decision, to endpoint.Authority) Decision {
	d.Addr = to.Addr
	switch {
	case !to.Addr.IsValid():
		return d.deny(ReasonBadHost, builtin("host names"))
	case within(p.signInNets, to.Addr.Unmap()):
		return d.deny(ReasonSignInAddress, builtin("addresses"))
	}
	if why := special(to.Addr); why != "" {
		return d.deny(why, builtin("addresses"))
	}
	return d.deny(ReasonLiteral, builtin("addresses"))
}

// decideOrdinary judges a host without a class.
func (p *Program) decideOrdinary(d Decision, plain bool) Decision {
	under := p.underSignIn(d.Host)
	var space [room]*allowance
	own := p.own.Append(space[:0], d.Host)
	a, miss := choose(own, d.Port, plain, under, false)
	if a != nil {
		d.Verdict, d.Reason, d.Rule = Permit, ReasonOwnHost, a.rule
		return p.act(d, a, plain)
	}
	found := p.feature.Append(space[:0], d.Host)
	a, near := choose(found, d.Port, plain, under, false)
	if a != nil {
		d.Verdict, d.Reason, d.Rule = Permit, ReasonFeature, a.rule
		return p.act(d, a, plain)
	}
	if miss == nil {
		miss = near
	}
	switch {
	case miss == nil && under != "":
		return d.deny(ReasonAlias, builtin("beneath "+under[1:]))
	case miss == nil:
		return d.deny(ReasonNotAllowed, builtin("default deny"))
	case plain && d.Port == portHTTP:
		return d.deny(ReasonPlain, miss.rule)
	}
	return d.deny(ReasonPort, miss.rule)
}

// act turns an allowance into an action.
func (p *Program) act(d Decision, a *allowance, plain bool) Decision {
	switch {
	case plain:
		d.Action, d.Plan = Forward, restrict.DeleteOnly()
	case !a.inspect:
		d.Action = Tunnel
	case p.snap.Handling(d.Host).Inspection == catalog.InspectionForbidden:
		// Compile refuses a rule that covers such a host. Should a host slip through, it is not read.
		d.Action = Tunnel
	default:
		d.Action, d.Plan, d.WebSocket = Intercept, restrict.DeleteOnly(), a.socket || p.snap.Handling(d.Host).WebSocket
	}
	return d
}

// decideSignIn judges a sign-in host: a feature in use must name it exactly, and a ring must match.
func (p *Program) decideSignIn(d Decision, plain bool, r *ring) Decision {
	var space [room]*allowance
	a, near := choose(p.feature.Append(space[:0], d.Host), d.Port, plain, "", true)
	switch {
	case a == nil && near == nil:
		return d.deny(ReasonNotAllowed, builtin("default deny"))
	case a == nil && plain && d.Port == portHTTP:
		return d.deny(ReasonPlain, near.rule)
	case a == nil:
		return d.deny(ReasonPort, near.rule)
	case r == nil:
		return d.deny(ReasonNoRing, builtin("rings"))
	}
	d.Verdict, d.Reason, d.Rule, d.Profile = Permit, ReasonSignIn, a.rule, r.Profile
	if r.Mode == Off {
		d.Profile = ""
		d.Action = Tunnel
		if plain {
			d.Action, d.Plan = Forward, restrict.DeleteOnly()
		}
		return d
	}
	d.Action, d.Plan = Intercept, r.plan(d.Class)
	if plain {
		d.Action = Forward
	}
	if !d.Plan.Ready() {
		return d.deny(ReasonNoPlan, Rule{Text: "ring " + r.Name, Pos: r.Pos})
	}
	if r.Mode == Report {
		d.Would = WouldUnknown
		if d.Class == catalog.SignInConsumer {
			d.Would = r.wouldConsumer
		}
	}
	return d
}

// decideAlias judges the hosts that are refused unless a network is named. They are only ever tunnelled.
func (p *Program) decideAlias(d Decision, plain bool) Decision {
	for i := range p.aliases {
		a := &p.aliases[i]
		if !a.rule.Pattern.Match(d.Host) || !within(a.clients, d.Subject.Client) {
			continue
		}
		if plain {
			return d.deny(ReasonPlain, a.rule)
		}
		if !a.rule.Ports.Allows(endpoint.TCP, d.Port) {
			return d.deny(ReasonPort, a.rule)
		}
		d.Verdict, d.Action, d.Reason, d.Rule = Permit, Tunnel, ReasonAliasAllowed, a.rule
		return d
	}
	switch d.Class {
	case catalog.OtherCloud:
		return d.deny(ReasonOtherCloud, builtin("class other-cloud"))
	case catalog.Retired:
		return d.deny(ReasonRetired, builtin("class retired"))
	default:
		return d.deny(ReasonAlias, builtin("class sign-in-alias"))
	}
}

// choose returns the first of found, most specific first, whose ports allow the request. miss is the first that names
// the host but not the port. under, when not empty, leaves only patterns written beneath that sign-in name; exact
// leaves only exact names.
func choose(found []*allowance, port uint16, plain bool, under string, exact bool) (a, miss *allowance) {
	for _, f := range found {
		if under != "" && f.under != under || exact && !f.exact {
			continue
		}
		if f.opens(port, plain) {
			return f, nil
		}
		if miss == nil {
			miss = f
		}
	}
	return nil, miss
}

// opens reports whether a lets this port through: TLS on any of its TCP ports but 80, plain HTTP on 80 alone.
func (a *allowance) opens(port uint16, plain bool) bool {
	if plain {
		return a.plain && port == portHTTP
	}
	return port != portHTTP && a.rule.Ports.Allows(endpoint.TCP, port)
}

// underSignIn returns the sign-in name, with a leading dot, that h lies beneath, or "".
func (p *Program) underSignIn(h endpoint.Host) string {
	for _, s := range p.beneath {
		if strings.HasSuffix(string(h), s) {
			return s
		}
	}
	return ""
}
