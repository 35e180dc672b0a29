package policy

import (
	"net/netip"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/restrict"
)

// CONTRACT

// At is a configured text with its place.
type At = restrict.At

// Mode of a ring.
type Mode uint8

const (
	Enforce Mode = iota // zero value: the strict one
	Report
	Off
)

// RingSpec selects people. All selectors given must hold (AND between kinds, OR inside one); none given = everybody.
type RingSpec struct {
	Name    string
	Pos     finding.Pos
	Mode    Mode
	Profile At // required for Enforce and Report
	Clients []netip.Prefix
	Users   []string
	Groups  []string
	Percent int // 0 = not used; 1..100: stable share of users (of client addresses where there is no user)
}

// HostSpec is one of the organisation's own rows.
type HostSpec struct {
	Pattern At
	Ports   endpoint.Ports // nil = tcp/443
	Inspect bool           // false: tunnel
	Plain   bool           // plain HTTP (port 80) allowed
	Reason  string
}

// AliasSpec lets client networks reach alias or other-cloud sign-in hosts (tunnelled, audited).
type AliasSpec struct {
	Pattern At
	Clients []netip.Prefix
}

// Spec is the whole policy as written. Zero: no feature, nothing allowed.
type Spec struct {
	Features         []At
	Hosts            []HostSpec
	Aliases          []AliasSpec
	Rings            []RingSpec
	Profiles         []restrict.Spec
	PACDirect        []At           // hosts that the PAC sends DIRECT
	DialAllowed      []netip.Prefix // private or special ranges that may be dialled
	TunnelWithoutSNI []At
}

// Compile checks spec against the catalog. On an Error finding the Program is nil.
func Compile(spec Spec, snap *catalog.Snapshot) (*Program, finding.List) { panic("unwritten") }

// Program decides. Immutable, pure: no I/O, no clock. Safe for concurrent use.
type Program struct{}

// Hash identifies the program's content (hex SHA-256, 16 digits shown). Same spec and catalog: same hash.
func (p *Program) Hash() string                  { panic("unwritten") }
func (p *Program) CatalogVersion() string        { panic("unwritten") }
func (p *Program) Rings() []Ring                 { panic("unwritten") }
func (p *Program) Profiles() []*restrict.Profile { panic("unwritten") }
func (p *Program) Features() []catalog.FeatureID { panic("unwritten") } // with those that come along
func (p *Program) AllowedPatterns() []Rule       { panic("unwritten") } // for PAC, renderers
func (p *Program) PACDirect() []endpoint.Pattern { panic("unwritten") }

// Residual lists what no proxy can see, and prerequisites, as Info findings.
func (p *Program) Residual() finding.List { panic("unwritten") }

// Ring as compiled.
type Ring struct {
	Name          string
	Mode          Mode
	Profile       string
	Pos           finding.Pos
	Clients       []netip.Prefix
	Users, Groups []string
	Percent       int
}

// Verdict: the zero value denies.
type Verdict uint8

const (
	Deny Verdict = iota
	Permit
)

// Action: the zero value refuses.
type Action uint8

const (
	Refuse Action = iota
	Tunnel
	Intercept
	Forward // plain HTTP, each request read and rewritten
)

// Reason is a stable code, e.g. "feature", "own-host", "sign-in", "not-allowed", "port-not-allowed", "alias-host",
// "other-cloud", "address-literal", "private-address", "sni-mismatch", "no-sni", "not-tls", "no-ring", ...
// All codes stand in reason.go with their text key "reason.<code>" in package message.
type Reason string

// Subject is who asks.
type Subject struct {
	Client netip.Addr
	User   string // "" = not identified
	Groups []string
}

// Ask is one question by name (CONNECT authority, or the authority of a plain HTTP request).
type Ask struct {
	Subject
	Authority endpoint.Authority
	Plain     bool // plain HTTP request, not CONNECT
}

// Rule is why: where it was written, or the claim that allows.
type Rule struct {
	Text    string      // "feature entra.sign-in", "hosts[2]"
	Pos     finding.Pos // zero for built-in classes
	Pattern endpoint.Pattern
	Claim   catalog.ClaimID
	Ports   endpoint.Ports
}

// Decision is data. Its zero value denies with an empty reason, which readers print as "internal".
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
	Ring    string
	Mode    Mode
	Profile string
	Plan    restrict.Plan // for Intercept and Forward
	// Would is what enforcement would restrict in a report ring: "" or a Reason.
	Would     Reason
	WebSocket bool // handling: upgrade allowed through interception (never on sign-in hosts)
}

func (p *Program) Decide(a Ask) Decision { panic("unwritten") }

// DecideAddr judges the resolved address (private, special, metadata, loopback are refused unless allowed).
func (p *Program) DecideAddr(d Decision, a netip.Addr) Decision { panic("unwritten") }

// Hello is what the ClientHello said.
type Hello struct {
	SNI    endpoint.Host // normal form; "" when absent
	RawSNI string        // as sent, bounded
	HasSNI bool
	TLS    bool // false: the first bytes were no ClientHello
}

// DecideTLS judges the server name: it must be the CONNECT name. A sign-in host without SNI is intercepted under its
// CONNECT name; a tunnel without SNI is refused unless a rule permits it.
func (p *Program) DecideTLS(d Decision, h Hello) Decision { panic("unwritten") }

// DecideRequest judges the authority of one request inside an intercepted connection: it must be the name (421).
func (p *Program) DecideRequest(d Decision, authority string) Decision { panic("unwritten") }
