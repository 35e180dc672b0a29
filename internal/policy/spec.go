package policy

import (
	"net/netip"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/restrict"
)

// At is a configured text with its place.
type At = restrict.At

// Mode of a ring: what happens to its people at a sign-in host.
type Mode uint8

const (
	// Enforce intercepts and puts the profile's headers on every request. It is the zero value because it is the
	// strict one.
	Enforce Mode = iota
	// Report intercepts, deletes the client's own headers and sets none.
	Report
	// Off tunnels.
	Off
)

// String is the stable code used in records and JSON: enforce, report or off.
func (m Mode) String() string {
	switch m {
	case Report:
		return "report"
	case Off:
		return "off"
	default:
		return "enforce"
	}
}

// MarshalText makes Mode print as its code.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// RingSpec selects people. Every kind of selector that is given must hold, any of its values suffices; none given
// means everybody.
type RingSpec struct {
	Name    string      // not empty, unique
	Pos     finding.Pos // where the ring is written
	Mode    Mode        // zero: Enforce
	Profile At          // name of a profile; required for Enforce and Report, ignored for Off
	Clients []netip.Prefix
	Users   []string // compared without regard to case
	Groups  []string // compared without regard to case
	Percent int      // 0: not used; 1 to 100: stable share of users (of client addresses where there is no user)
}

// HostSpec is one of the organisation's own rows.
type HostSpec struct {
	Pattern At
	Ports   endpoint.Ports // nil: tcp/443. UDP ranges open nothing; port 80 is opened by Plain alone
	Inspect bool           // false: tunnel
	Plain   bool           // plain HTTP on port 80
	// WebSocket lets a switch to WebSocket pass where the host is inspected; a tunnel passes it anyway.
	WebSocket bool
	Reason    string // why the row exists, for people
}

// AliasSpec lets client networks reach an alias of the sign-in hosts, or a sign-in host of another cloud. The
// connection is tunnelled: whether Entra honours restriction headers on these hosts is not documented.
type AliasSpec struct {
	Pattern At
	Clients []netip.Prefix // required
}

// Spec is the whole policy as written. The zero value has no feature and allows nothing. The slices belong to the
// caller and are not kept.
type Spec struct {
	Features         []At // catalog.FeatureID
	Hosts            []HostSpec
	Aliases          []AliasSpec
	Rings            []RingSpec
	Profiles         []restrict.Spec
	PACDirect        []At           // patterns of the hosts that the PAC file sends DIRECT
	DialAllowed      []netip.Prefix // private or special ranges that may be dialled
	DialAllowedPos   []finding.Pos  // where each of DialAllowed is written; may be shorter, or nil
	TunnelWithoutSNI []At           // patterns of the hosts whose tunnels may come without a server name
}
