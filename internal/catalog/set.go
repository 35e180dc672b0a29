package catalog

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"sekisho/internal/endpoint"
)

// ClaimID is the identity of what one source says: source + cloud + id. "intune-page/worldwide/163". When one source
// uses an id twice with different rows, ID carries a suffix: "172", "172#2". Rows without a number of their own have a
// word: "store-api".
type ClaimID struct{ Source, Cloud, ID string }

// String prints the three parts with slashes.
func (c ClaimID) String() string { return c.Source + "/" + c.Cloud + "/" + c.ID }

// MarshalText prints the three parts with slashes.
func (c ClaimID) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// ParseClaimID reads the form that String prints: three parts that are not empty, of lower-case letters, digits, hyphen
// and number sign. The error names what was expected.
func ParseClaimID(s string) (ClaimID, error) {
	parts := strings.Split(s, "/")
	if len(parts) != 3 {
		return ClaimID{}, fmt.Errorf("claim %q: want source/cloud/id, for example intune-page/worldwide/163", s)
	}
	for _, p := range parts {
		if !isIdentifier(p) {
			return ClaimID{}, fmt.Errorf("claim %q: part %q: want lower-case letters, digits, hyphens", s, p)
		}
	}
	return ClaimID{parts[0], parts[1], parts[2]}, nil
}

// isIdentifier reports whether s may be a part of a claim, a source or a feature.
func isIdentifier(s string) bool {
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '#' || r == '.') {
			return false
		}
	}
	return s != "" && len(s) <= 100
}

// Category is Microsoft's endpoint category. The zero value means that the source states none.
type Category uint8

// The categories of the Microsoft 365 endpoint web service (page "Office 365 IP Address and URL web service").
const (
	NoCategory Category = iota
	Optimize
	Allow
	Default
)

var categoryCodes = [...]string{"", "optimize", "allow", "default"}

// String is the stable code: optimize, allow, default, or nothing.
func (c Category) String() string { return code(categoryCodes[:], c) }

// MarshalText prints the code.
func (c Category) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Direction of a connection seen from the organisation.
type Direction uint8

const (
	Outbound Direction = iota // from the organisation to the cloud
	Inbound                   // from the cloud to the organisation
)

var directionCodes = [...]string{"outbound", "inbound"}

// String is the stable code: outbound or inbound.
func (d Direction) String() string { return code(directionCodes[:], d) }

// MarshalText prints the code.
func (d Direction) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Tri is yes, no, or not stated (zero).
type Tri uint8

const (
	NotStated Tri = iota
	Yes
	No
)

var triCodes = [...]string{"not-stated", "yes", "no"}

// String is the stable code: yes, no or not-stated.
func (t Tri) String() string { return code(triCodes[:], t) }

// MarshalText prints the code.
func (t Tri) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// code returns the word for value v, and a visible oddity for a value that no constant has.
func code[T ~uint8](words []string, v T) string {
	if int(v) < len(words) {
		return words[v]
	}
	return fmt.Sprintf("invalid-%d", v)
}

// Set is one claim: the endpoints of one row of one source. It is read-only; the slices are shared.
type Set struct {
	ID       ClaimID  `json:"id"`
	Area     string   `json:"area"` // MEM, Common, Entra, Windows, Exchange, ...
	Title    Text     `json:"title"`
	Category Category `json:"category,omitempty"`
	Required bool     `json:"required"`
	// LostWithout says what is lost when the set is blocked. Empty exactly when Required.
	LostWithout Text               `json:"lost_without,omitzero"`
	Patterns    []endpoint.Pattern `json:"hosts,omitempty"`    // in the source's order
	URLs        []endpoint.URL     `json:"urls,omitempty"`     // in the source's order
	Prefixes    []netip.Prefix     `json:"prefixes,omitempty"` // in the source's order, masked
	// Anywhere marks a set that names ports but no other end (peer-to-peer traffic). Then Patterns, URLs and Prefixes
	// are empty and no target hits the set.
	Anywhere bool           `json:"anywhere,omitempty"`
	Ports    endpoint.Ports `json:"ports"`
	// PortsInferred: the row states no ports; Note says where Ports come from.
	PortsInferred bool      `json:"ports_inferred,omitempty"`
	Direction     Direction `json:"direction"`
	// ExpressRoute says whether the row's addresses are announced over Microsoft peering.
	ExpressRoute Tri  `json:"express_route"`
	Condition    Text `json:"condition,omitzero"` // who needs the row; empty: everyone who uses the feature
	Note         Text `json:"note,omitzero"`
	// Templates are names that depend on the organisation. Snapshot.Fill adds what they become to Patterns.
	Templates []Template `json:"templates,omitempty"`
	// Tags are Azure service tags whose address ranges belong to the row. The ranges themselves are in the service tag
	// list, not here.
	Tags []string `json:"service_tags,omitempty"`
	// Between names the ends of a row about traffic that no host of the catalog is an end of. Such a set, like one that
	// is Anywhere, may have no target; it opens nothing at a gateway and tells a firewall what to open.
	Between Between `json:"between,omitzero"`
	// When says for whom the row is. ScaleUnits are part of it.
	When When `json:"when,omitzero"`
	// Applies says whether When holds for the organisation whose values the snapshot was filled with (an unfilled one:
	// with no values). NotStated: a value that it asks for is missing, see Unfilled.
	Applies Tri `json:"applies"`
	// Unfilled names the values that the row still lacks. What depends on them is not open.
	Unfilled []Hole `json:"unfilled,omitempty"`
	// ScaleUnits are the Azure scale units (tenant locations) whose tenants the row is for: "AMSUA0601". Empty: all.
	ScaleUnits []string `json:"scale_units,omitempty"`
	// StorageNames are names of storage accounts as the row prints them. They are not host names and open nothing.
	StorageNames []string `json:"storage_names,omitempty"`
	// Handling is what the row itself says, for all its hosts. Ask Snapshot.Handling for what holds for one host.
	Handling   Handling  `json:"handling,omitzero"`
	Source     *Source   `json:"source"`
	Seen       time.Time `json:"seen"`               // when we first saw the claim
	Withdrawn  time.Time `json:"withdrawn,omitzero"` // when the source dropped it; zero: still claimed
	Unattached bool      `json:"unattached,omitempty"`
}
