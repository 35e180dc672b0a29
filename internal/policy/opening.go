package policy

import (
	"net/netip"
	"slices"

	"sekisho/internal/endpoint"
)

// Opening is one rule with what it does beside permitting, for who writes the policy down in another program's words.
type Opening struct {
	Rule
	Own     bool // a row of the organisation; these are asked before the features
	Inspect bool // TLS ends at the gateway
	Plain   bool // plain HTTP on port 80
	// Under is the sign-in name, with a leading dot, that the pattern is written beneath; "" for all others. A host beneath
	// a sign-in name is open by such a pattern alone.
	Under string
}

// Openings returns the rules of own hosts and features, without aliases: own hosts first, then features, each from the most
// specific pattern to the least, which is the order in which Decide asks them.
func (p *Program) Openings() []Opening {
	if p == nil {
		return nil
	}
	var own, features []Opening
	for _, o := range p.openings {
		if o.Own {
			own = append(own, o)
		} else {
			features = append(features, o)
		}
	}
	order := func(a, b Opening) int { return a.Pattern.Compare(b.Pattern) }
	slices.SortStableFunc(own, order)
	slices.SortStableFunc(features, order)
	return append(own, features...)
}

// DialAllowed returns the special ranges that may be dialled, such as the organisation's private servers.
func (p *Program) DialAllowed() []netip.Prefix {
	if p == nil {
		return nil
	}
	return slices.Clone(p.dialAllowed)
}

// WithoutSNI returns the patterns of hosts whose tunnels may come without a server name.
func (p *Program) WithoutSNI() []endpoint.Pattern {
	if p == nil {
		return nil
	}
	return slices.Clone(p.noSNI)
}
