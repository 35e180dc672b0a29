package policy

import (
	"net/netip"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/restrict"
)

// Verdict says whether a request passes. The zero value denies.
type Verdict uint8

const (
	// Deny refuses.
	Deny Verdict = iota
	// Permit lets pass, in the way that Action says.
	Permit
)

// String is the stable code used in records and JSON: permit or deny.
func (v Verdict) String() string {
	if v == Permit {
		return "permit"
	}
	return "deny"
}

// Verdicts are the codes of all verdicts.
func Verdicts() []string { return []string{Permit.String(), Deny.String()} }

// MarshalText makes Verdict print as its code.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// Action is how a request passes. The zero value refuses.
type Action uint8

const (
	// Refuse answers with the reason.
	Refuse Action = iota
	// Tunnel relays bytes and reads nothing after the ClientHello.
	Tunnel
	// Intercept ends TLS at the gateway and applies Decision.Plan to every request.
	Intercept
	// Forward is for plain HTTP: every request is read and Decision.Plan applied to it.
	Forward
)

// String is the stable code used in records and JSON: refuse, tunnel, intercept or forward.
func (a Action) String() string {
	switch a {
	case Tunnel:
		return "tunnel"
	case Intercept:
		return "intercept"
	case Forward:
		return "forward"
	default:
		return "refuse"
	}
}

// MarshalText makes Action print as its code.
func (a Action) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// Subject is who asks. The zero value is a caller of whom nothing is known.
type Subject struct {
	Client netip.Addr
	User   string   // "": not identified
	Groups []string // of the identified user; ignored without User
}

// Ask is one question by name.
type Ask struct {
	Subject
	Authority endpoint.Authority // of CONNECT, or of a plain HTTP request
	Plain     bool               // a plain HTTP request, not CONNECT
}

// Rule is why: where the deciding line was written, or the claim of the catalog that allows.
type Rule struct {
	Text    string           // "feature entra.sign-in", "hosts[2]", "aliases[0]", "class sign-in-alias", "default deny"
	Pos     finding.Pos      // of the feature or row in the configuration; zero for what is built in
	Pattern endpoint.Pattern // that matched; zero where none did
	Claim   catalog.ClaimID  // zero for own rows and what is built in
	Ports   endpoint.Ports
}

// String names the rule in one short text for logs and records: its place and text, or the text alone.
func (r Rule) String() string {
	if r.Pos.Known() {
		return r.Pos.String() + " " + r.Text
	}
	return r.Text
}

// Decision is data. Its zero value denies with an empty reason, which readers print as ReasonInternal.
type Decision struct {
	Verdict Verdict
	Action  Action
	Reason  Reason
	Rule    Rule
	Class   catalog.Class
	Subject Subject
	Host    endpoint.Host
	Port    uint16
	Addr    netip.Addr // set by DecideAddr: the address that was judged is the one that is dialled
	Ring    string     // the caller's ring, "" when none matches; told for ordinary hosts too
	Mode    Mode       // of Ring; meaningless without one
	Profile string     // whose headers the plan sets, or would set; "" for hosts that take none
	// Plan shapes every request of an Intercept or Forward. For the other actions it is the zero Plan, which no
	// serialiser accepts.
	Plan restrict.Plan
	// Would is what enforcing would restrict in a report ring: "", WouldUnknown, or what Program.Would said of a
	// request.
	Would Reason
	// WebSocket allows an upgrade through interception. It is never set on a host with a class.
	WebSocket bool
}

// Allowed reports whether d lets the request pass.
func (d Decision) Allowed() bool { return d.Verdict == Permit && d.Action != Refuse }

// Why is d's reason, ReasonInternal when it has none.
func (d Decision) Why() Reason {
	if d.Reason == "" {
		return ReasonInternal
	}
	return d.Reason
}

// deny turns d into a denial: nothing of what it permitted stays.
func (d Decision) deny(why Reason, rule Rule) Decision {
	d.Verdict, d.Action, d.Reason, d.Rule = Deny, Refuse, why, rule
	d.Plan, d.Would, d.WebSocket = restrict.Plan{}, "", false
	return d
}

// stay returns a decision that does not permit as the denial that it is.
func (d Decision) stay() Decision {
	if d.Verdict == Permit {
		return d.deny(ReasonInternal, d.Rule) // permitted, yet without an action
	}
	return d.deny(d.Why(), d.Rule)
}

// builtin is a rule that stands in no file.
func builtin(text string) Rule { return Rule{Text: text} }
