package catalog

import (
	"net/netip"
	"time"

	"sekisho/internal/endpoint"
)

// CONTRACT: types to keep; split into claim.go, set.go, feature.go, handling.go, class.go, snapshot.go, builtin.go, load.go …

// Text is one text in the two languages of the product.
type Text struct {
	JA string `json:"ja"`
	EN string `json:"en"`
}

// In returns the text in lang ("ja" or "en").
func (t Text) In(lang string) string {
	if lang == "ja" {
		return t.JA
	}
	return t.EN
}

// Source is one page or list that claims something.
type Source struct {
	ID    string    `json:"id"` // "intune-page", "m365-list", "entra-page", ...
	Title Text      `json:"title"`
	URL   string    `json:"url"`
	Date  time.Time `json:"date"` // of the page or list
	Read  time.Time `json:"read"` // when we read it
}

// ClaimID is the identity of what one source says: source + cloud + id. "intune-page/worldwide/163". When one source
// uses an id twice with different rows, ID carries a suffix: "172", "172#2".
type ClaimID struct{ Source, Cloud, ID string }

func (c ClaimID) String() string { return c.Source + "/" + c.Cloud + "/" + c.ID }

// MarshalText prints the three parts with slashes.
func (c ClaimID) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Category is Microsoft's endpoint category. The zero value means that the source states none.
type Category uint8

const (
	NoCategory Category = iota
	Optimize
	Allow
	Default
)

// Direction of a connection seen from the organisation.
type Direction uint8

const (
	Outbound Direction = iota
	Inbound
)

// Tri is yes, no, or not stated (zero).
type Tri uint8

const (
	NotStated Tri = iota
	Yes
	No
)

// Set is one claim: the endpoints of one row of one source.
type Set struct {
	ID           ClaimID
	Area         string // MEM, Common, Entra, Exchange, ...
	Title        Text
	Category     Category
	Required     bool
	LostWithout  Text // what is lost without it when it is not required
	Patterns     []endpoint.Pattern
	URLs         []endpoint.URL
	Prefixes     []netip.Prefix
	Ports        endpoint.Ports
	Direction    Direction
	ExpressRoute Tri
	Condition    Text
	Note         Text
	Handling     Handling // what the row itself says, for all its hosts
	Source       *Source
	Seen         time.Time
	Withdrawn    time.Time // zero: still claimed
}

// Inspection is what the sources say of TLS inspection. The zero value is "not stated".
type Inspection uint8

const (
	InspectionNotStated Inspection = iota
	InspectionAllowed
	InspectionDiscouraged
	InspectionRequired
	InspectionForbidden
)

// Handling says how traffic to a host must be treated. Each statement has its reason and source in Because.
type Handling struct {
	Inspection        Inspection
	ProxyAuthExempt   bool
	ByteRanges        bool
	ClientCertificate bool
	WebSocket         bool
	IdleTimeout       time.Duration // how long an idle connection must survive; 0 = not stated
	Because           []Statement
}

// Statement is one sourced sentence of a Handling.
type Statement struct {
	Aspect  string // inspection, proxy-auth, byte-ranges, client-certificate, websocket, idle-timeout
	Pattern endpoint.Pattern
	Text    Text
	Source  *Source
}

// Class is the role of a host in sign-in. It beats every feature wildcard. The zero value is an ordinary host.
type Class uint8

const (
	Ordinary       Class = iota
	SignIn               // login.microsoftonline.com, login.microsoft.com, login.windows.net: exact names, restriction v1 and v2
	SignInConsumer       // login.live.com
	SignInAlias          // sts.windows.net, <region>.login.microsoft.com, ... : refused unless allowed for a network
	OtherCloud           // sign-in hosts of other clouds: refused unless allowed
	Retired              // accounts.accesscontrol.windows.net (ACS)
)

// Classification is what Classify answers.
type Classification struct {
	Class   Class
	Pattern endpoint.Pattern
	Source  *Source
	Why     Text
}

// FeatureID names what an administrator chooses: "entra.sign-in", "intune.core".
type FeatureID string

// Feature is a choice of the administrator and the claims that it needs.
type Feature struct {
	ID       FeatureID
	Title    Text
	About    Text
	Requires []FeatureID // features that come with it
	Claims   []ClaimID
}

// Hit is one set that covers a target, with the pattern or prefix that did.
type Hit struct {
	Set     *Set
	Pattern endpoint.Pattern
	Prefix  netip.Prefix
}

// Snapshot is one immutable version of the catalog. Safe for concurrent use.
type Snapshot struct{}

// Builtin returns the catalog compiled into the binary. It is parsed once; a mistake in it is a panic.
func Builtin() *Snapshot { panic("unwritten") }

func (s *Snapshot) Version() string                       { panic("unwritten") } // "builtin-2026-11-23"
func (s *Snapshot) Date() time.Time                       { panic("unwritten") } // newest source's reading
func (s *Snapshot) Sources() []*Source                    { panic("unwritten") }
func (s *Snapshot) Sets() []*Set                          { panic("unwritten") } // stable order
func (s *Snapshot) Set(id ClaimID) (*Set, bool)           { panic("unwritten") }
func (s *Snapshot) Features() []*Feature                  { panic("unwritten") }
func (s *Snapshot) Feature(id FeatureID) (*Feature, bool) { panic("unwritten") }

// Expand returns ids with everything that they require, in a stable order; unknown ids are returned apart.
func (s *Snapshot) Expand(ids []FeatureID) (known []FeatureID, unknown []FeatureID) {
	panic("unwritten")
}

// FeaturesOf returns the features that name claim id.
func (s *Snapshot) FeaturesOf(id ClaimID) []FeatureID { panic("unwritten") }

// AppendHits appends every set that covers h, most specific first. No allocation when dst has room.
func (s *Snapshot) AppendHits(dst []Hit, h endpoint.Host) []Hit  { panic("unwritten") }
func (s *Snapshot) AppendAddrHits(dst []Hit, a netip.Addr) []Hit { panic("unwritten") }

// Handling merges what rows and handling rules say of h: the most specific pattern that speaks to an aspect wins;
// between equally specific ones the stricter (forbidden > required > discouraged > allowed).
func (s *Snapshot) Handling(h endpoint.Host) Handling       { panic("unwritten") }
func (s *Snapshot) Classify(h endpoint.Host) Classification { panic("unwritten") }

// Classes lists every classified pattern (for renderers and the PAC).
func (s *Snapshot) Classes() []Classification { panic("unwritten") }

// SignInPrefixes are the address ranges that the catalog publishes for the sign-in hosts (set 56).
func (s *Snapshot) SignInPrefixes() []netip.Prefix { panic("unwritten") }
