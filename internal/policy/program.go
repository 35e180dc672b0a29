package policy

import (
	"net/netip"
	"slices"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/restrict"
)

// Program decides. It is immutable and pure: no I/O, no clock. Safe for concurrent use. Obtain it from Compile; a nil
// Program denies everything.
type Program struct {
	snap     *catalog.Snapshot
	hash     string
	features []catalog.FeatureID
	rules    []Rule
	openings []Opening
	own      endpoint.Index[*allowance]
	feature  endpoint.Index[*allowance]
	// beneath are the sign-in names with a leading dot; see underSignIn.
	beneath     []string
	aliases     []alias
	rings       []*ring
	profiles    []*restrict.Profile
	pacDirect   []endpoint.Pattern
	noSNI       []endpoint.Pattern
	dialAllowed []netip.Prefix
	signInNets  []netip.Prefix
}

// allowance is one rule made ready: a pattern, its ports, and what to do.
type allowance struct {
	rule    Rule
	inspect bool
	plain   bool // plain HTTP on port 80
	socket  bool // a switch to WebSocket passes where the host is inspected
	exact   bool
	under   string // the sign-in name, with a leading dot, that the pattern is written beneath
}

// alias is an AliasSpec made ready.
type alias struct {
	rule    Rule
	clients []netip.Prefix
}

// Hash identifies the program's content: the first 16 hex digits of SHA-256 over the spec, without the places where it
// was written, and the catalog's version. The same spec and catalog give the same hash. A nil Program has hash "".
func (p *Program) Hash() string {
	if p == nil {
		return ""
	}
	return p.hash
}

// CatalogVersion is the version of the snapshot that the program was compiled against.
func (p *Program) CatalogVersion() string {
	if p == nil {
		return ""
	}
	return p.snap.Version()
}

// Catalog is the snapshot that the program was compiled against, filled with the organisation's values; nil for nil.
func (p *Program) Catalog() *catalog.Snapshot {
	if p == nil {
		return nil
	}
	return p.snap
}

// Rings returns the rings in the order in which they are asked.
func (p *Program) Rings() []Ring {
	if p == nil {
		return nil
	}
	out := make([]Ring, len(p.rings))
	for i, r := range p.rings {
		out[i] = r.Ring
	}
	return out
}

// Profiles returns the compiled profiles in the order written.
func (p *Program) Profiles() []*restrict.Profile {
	if p == nil {
		return nil
	}
	return slices.Clone(p.profiles)
}

// Features returns the features in use, with those that come along, in the catalog's order.
func (p *Program) Features() []catalog.FeatureID {
	if p == nil {
		return nil
	}
	return slices.Clone(p.features)
}

// AllowedPatterns returns every rule that opens something: own hosts, then the claims of the features in use, then
// aliases, each in the order written. Ports are the TCP ports that it opens. A wildcard among them does not open the
// hosts of a class; ask Decide about a single host.
func (p *Program) AllowedPatterns() []Rule {
	if p == nil {
		return nil
	}
	return slices.Clone(p.rules)
}

// PACDirect returns the patterns of the hosts that a PAC file sends DIRECT. None covers a host of a class.
func (p *Program) PACDirect() []endpoint.Pattern {
	if p == nil {
		return nil
	}
	return slices.Clone(p.pacDirect)
}

// Alias is an alias of the sign-in hosts that some networks may reach.
type Alias struct {
	Rule    Rule
	Clients []netip.Prefix // shared and read-only
}

// Aliases returns them in the order written.
func (p *Program) Aliases() []Alias {
	if p == nil {
		return nil
	}
	out := make([]Alias, len(p.aliases))
	for i, a := range p.aliases {
		out[i] = Alias{a.rule, a.clients}
	}
	return out
}
