package route

import (
	"net/netip"
	"slices"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
)

// Row is one endpoint of a choice of features, judged.
type Row struct {
	Endpoint string              `json:"endpoint"` // host, wildcard or address range
	Sets     []catalog.ClaimID   `json:"sets"`
	Features []catalog.FeatureID `json:"features"`
	Required bool                `json:"required"` // by one of Sets
	// M365: one of the sets is of Microsoft 365's own services (Exchange, SharePoint, Teams, the rest of Microsoft 365).
	M365 bool `json:"m365"`
	// Lost says what is lost without it; empty where Required.
	Lost catalog.Text `json:"lost_without"`
	Kind Kind         `json:"kind"`
	Part Part         `json:"route"`
	// parts are what Part was made of, for the communities that each of them needs.
	parts []Part
}

// State is what p does for the row.
func (r *Row) State(p Pattern) State { return verdictOf(r.Part.Verdicts, p).State }

// Closed is the best that a closed network does for the row, and how.
func (r *Row) Closed() Verdict {
	best := verdictOf(r.Part.Verdicts, MicrosoftPeering)
	if v := verdictOf(r.Part.Verdicts, PrivatePeering); best.State.Worse(v.State) {
		best = v
	}
	return best
}

// Rows are the endpoints of features, which come as Snapshot.Expand returns them, each once, in the catalog's order. Rows
// that are for other organisations, that are withdrawn or that only let the cloud in are left out, and so are sets that
// name no other end.
func (b *Book) Rows(features []catalog.FeatureID, resolved []Resolution) []*Row {
	var rows []*Row
	at := map[string]*Row{}
	for _, feature := range features {
		f, ok := b.spec.Catalog.Feature(feature)
		if !ok {
			continue
		}
		for _, id := range f.Claims {
			if set, ok := b.spec.Catalog.Set(id); ok {
				rows = b.addSet(rows, at, set, feature, resolved)
			}
		}
	}
	return rows
}

func (b *Book) addSet(rows []*Row, at map[string]*Row, set *catalog.Set, feature catalog.FeatureID, resolved []Resolution) []*Row {
	if !set.Withdrawn.IsZero() || set.Applies == catalog.No || set.Direction != catalog.Outbound {
		return rows
	}
	add := func(name string, parts func() []Part, h endpoint.Host) {
		r, ok := at[name]
		if !ok {
			r = &Row{Endpoint: name, parts: parts()}
			r.Part = merge(r.parts)
			r.Part.Target = name
			r.Kind = kindOf(h, set, &r.Part)
			at[name] = r
			rows = append(rows, r)
		}
		if !slices.Contains(r.Sets, set.ID) {
			r.Sets = append(r.Sets, set.ID)
		}
		if feature != "" && !slices.Contains(r.Features, feature) {
			r.Features = append(r.Features, feature)
		}
		if set.Required {
			r.Required, r.Lost = true, catalog.Text{}
		} else if !r.Required && r.Lost.IsZero() {
			r.Lost = set.LostWithout
		}
		switch set.Area {
		case "Exchange", "SharePoint", "Skype":
			r.M365 = true
		case "Common":
			r.M365 = r.M365 || set.ExpressRoute == catalog.Yes && !slices.ContainsFunc(set.Prefixes, b.signsIn)
		}
	}
	patterns := slices.Clone(set.Patterns)
	for _, u := range set.URLs {
		if !slices.Contains(patterns, u.Host) {
			patterns = append(patterns, u.Host)
		}
	}
	for _, p := range patterns {
		if h, ok := p.Host(); ok {
			add(p.String(), func() []Part { return b.hostParts(h, b.spec.Catalog.AppendHits(nil, h), resolved) }, h)
			continue
		}
		add(p.String(), func() []Part { parts, _ := b.wildcardParts(p, resolved); return parts }, sampleOf(p))
	}
	if len(patterns) > 0 {
		return rows // the ranges of a row are those of its hosts
	}
	for _, p := range set.Prefixes {
		add(p.String(), func() []Part { return []Part{b.partOf(b.factsOf(p), "list", "")} }, "")
	}
	for _, tag := range set.Tags {
		add(tag, func() []Part { return b.tagParts(tag) }, "")
	}
	return rows
}

// tagParts judges the ranges of a service tag; a name alone where no file has it.
func (b *Book) tagParts(name string) []Part {
	var parts []Part
	seen := map[netip.Prefix]bool{}
	for _, f := range b.spec.Tags.Files() {
		for _, t := range f.Tags {
			if t.Name != name {
				continue
			}
			for _, p := range t.Prefixes {
				if !seen[p] && len(parts) < mostInside {
					seen[p] = true
					parts = append(parts, b.partOf(b.factsOf(p), "tag", ""))
				}
			}
		}
	}
	if len(parts) == 0 {
		return []Part{b.named(name, nameRule{})}
	}
	return parts
}

// kindOf says what an endpoint is, for the list of what is lost without the Internet.
func kindOf(h endpoint.Host, set *catalog.Set, p *Part) Kind {
	if h != "" {
		if rule, ok := byName(h); ok && rule.kind != "" {
			return rule.kind
		}
	}
	switch set.Area {
	case "PKI":
		return KindCertificate
	case "Apple":
		return KindApple
	case "Google":
		return KindGoogle
	}
	switch p.Owner.Code {
	case OwnerFrontDoor:
		return KindFrontDoor
	case OwnerCDN:
		return KindCDN
	case OwnerAzure, OwnerNoRegion, OwnerMicrosoft:
		return KindMicrosoft
	case OwnerOther:
		return KindOther
	case OwnerMixed:
		for _, e := range verdictOf(p.Verdicts, MicrosoftPeering).Evidence {
			if e.Level == ByTag {
				return KindMicrosoft
			}
		}
	}
	return KindUnknown
}

// Set answers about one row of a list.
func (b *Book) Set(set *catalog.Set, resolved []Resolution) Answer {
	rows := b.addSet(nil, map[string]*Row{}, set, "", resolved)
	a := b.ofRows(rows, set.ID.String(), "set")
	a.Listed = Listed{ExpressRoute: set.ExpressRoute.String(), Says: []ListedSays{}}
	if set.ExpressRoute != catalog.NotStated {
		a.Listed.Says = append(a.Listed.Says, ListedSays{Claim: set.ID.String(), ExpressRoute: set.ExpressRoute.String(), Match: set.ID.String()})
	}
	return a
}

// Features answers about everything that features need, what they require included.
func (b *Book) Features(features []catalog.FeatureID, target, kind string, resolved []Resolution) Answer {
	known, _ := b.spec.Catalog.Expand(features)
	return b.ofRows(b.Rows(known, resolved), target, kind)
}

// ofRows puts rows together to an answer, a part for each.
func (b *Book) ofRows(rows []*Row, target, kind string) Answer {
	parts := make([]Part, 0, len(rows))
	for _, r := range rows {
		p := r.Part
		p.From = "target"
		parts = append(parts, p)
	}
	if len(parts) == 0 {
		parts = append(parts, b.named(target, nameRule{}))
	}
	return b.merged(target, kind, parts, Listed{})
}
