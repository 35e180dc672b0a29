// Package plan says what is to be checked for the features in use: which real names at which ports, where each name comes
// from, and what of the catalog cannot be checked and why.
//
//	p := plan.Make(plan.Spec{Catalog: snapshot, Features: features})
//	for _, t := range p.Targets { … } // t.From says how a wildcard became a real name
//
// A wildcard is never stripped or guessed: `*.manage.microsoft.com` becomes the names that the catalog itself lists below
// it, the names that the tenant's own name leads to, and the names that the organisation gives; without any it stays in
// the plan as not tested. The package is pure.
package plan

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
)

const (
	// mostNames bounds the real names of one wildcard (chosen: more tell nothing more of the way).
	mostNames = 3
	// mostPorts bounds the ports of one range (chosen: 5228 to 5230 are three, 49152 to 65535 are not to be tried).
	mostPorts = 4
)

// From says where a name comes from. Codes are stable.
type From string

// The places, in the order in which a wildcard is looked for.
const (
	Listed  From = "listed"  // the row itself names it
	Covered From = "catalog" // another row of the catalog lists it, and the wildcard covers it
	Tenant  From = "tenant"  // it follows from the tenant's name
	Given   From = "given"   // the organisation gave it: seen in its own logs
)

// Spec is what a plan is made from. Catalog and Features are needed.
type Spec struct {
	Catalog  *catalog.Snapshot   // filled with the organisation's values where it has some
	Features []catalog.FeatureID // with what they require
	// Names are real names that the organisation gives, for wildcards.
	Names []Name
	// TenantName is the first label of <name>.onmicrosoft.com; "": not known.
	TenantName string
}

// Name is a real name and where it was given.
type Name struct {
	Host  endpoint.Host
	Place string // file and line
}

// Target is one thing to check, or, with Untested set, one that cannot be.
type Target struct {
	// Name is the host, or the pattern or range of one that is not tested.
	Name string        `json:"name"`
	Host endpoint.Host `json:"host"` // "" where Untested says so
	Port uint16        `json:"port"` // 0 where Untested says so
	// Ports are those that are not tested.
	Ports     string `json:"ports,omitempty"`
	Transport string `json:"transport"` // tcp, udp
	// Pattern is the row's own: Name, or the wildcard that led to it.
	Pattern string `json:"pattern"`
	From    From   `json:"from"`
	// Evidence is where From was found: a claim of the catalog, a file with its line, the tenant's name.
	Evidence string `json:"from_evidence"`
	Required bool   `json:"required"`
	// Asked says that somebody named the host and its port.
	Asked    bool                `json:"asked"`
	Sets     []catalog.ClaimID   `json:"sets"`
	Features []catalog.FeatureID `json:"features"`
	// Untested is the verdict of the stage "plan"; "": it is to be checked.
	Untested string `json:"untested,omitempty"`
}

// Plan is what is to be checked, in the order of features, then names and ports.
type Plan struct {
	Targets []Target
}

// Make makes the plan. Rows that do not apply to the organisation, that were withdrawn, or that are about traffic into the
// organisation or between its own machines are no part of it.
func Make(s Spec) Plan {
	b := &builder{spec: s, at: map[string]int{}}
	for _, set := range s.Catalog.SetsOf(s.Features...) {
		if set.Applies == catalog.No || set.Direction != catalog.Outbound || !set.Withdrawn.IsZero() || !set.Between.IsZero() {
			continue
		}
		b.set(set)
	}
	return Plan{Targets: b.targets}
}

type builder struct {
	spec    Spec
	targets []Target
	at      map[string]int // key: index in targets
	literal []literal      // of the whole catalog, gathered when first needed
}

// literal is a name that the catalog lists.
type literal struct {
	host endpoint.Host
	set  *catalog.Set
}

// set adds what one row names.
func (b *builder) set(set *catalog.Set) {
	if set.Applies == catalog.NotStated && set.Unfilled != nil || len(set.Templates) > 0 && len(set.Unfilled) > 0 {
		for _, t := range set.Templates {
			b.untested(set, t.String(), "plan.unfilled", set.Ports.String())
		}
		if set.Applies == catalog.NotStated {
			return
		}
	}
	patterns := slices.Clone(set.Patterns)
	for _, u := range set.URLs {
		patterns = append(patterns, u.Host)
	}
	for _, p := range patterns {
		if h, ok := p.Host(); ok {
			b.ports(set, p.String(), h, Listed, set.ID.String())
			continue
		}
		names := b.names(p)
		for _, n := range names {
			b.ports(set, p.String(), n.host, n.from, n.evidence)
		}
		if len(names) == 0 {
			b.untested(set, p.String(), "plan.wildcard", set.Ports.String())
		}
	}
	if len(patterns) == 0 && len(set.Templates) == 0 {
		for _, prefix := range set.Prefixes {
			b.untested(set, prefix.String(), "plan.addresses", set.Ports.String())
		}
	}
}

// ports adds the ports of one name.
func (b *builder) ports(set *catalog.Set, pattern string, h endpoint.Host, from From, evidence string) {
	for _, r := range set.Ports {
		switch {
		case r.Proto == endpoint.UDP:
			b.untested(set, h.String(), "plan.udp", endpoint.NewPorts(r).String())
		case int(r.Last)-int(r.First) >= mostPorts:
			b.untested(set, h.String(), "plan.ports", endpoint.NewPorts(r).String())
		default:
			for port := int(r.First); port <= int(r.Last); port++ {
				b.add(set, Target{
					Name: h.String(), Host: h, Port: uint16(port), Transport: "tcp", Pattern: pattern, From: from, Evidence: evidence,
				})
			}
		}
	}
}

func (b *builder) untested(set *catalog.Set, name, why, ports string) {
	transport := "tcp"
	if why == "plan.udp" {
		transport = "udp"
	}
	b.add(set, Target{Name: name, Transport: transport, Ports: ports, Pattern: name, From: Listed, Evidence: set.ID.String(), Untested: why})
}

// add adds t, or what set says of it to the one that is there already.
func (b *builder) add(set *catalog.Set, t Target) {
	key := t.Name + " " + t.Transport + " " + strconv.Itoa(int(t.Port)) + " " + t.Ports + " " + t.Untested
	i, ok := b.at[key]
	if !ok {
		i = len(b.targets)
		b.at[key] = i
		b.targets = append(b.targets, t)
	}
	have := &b.targets[i]
	have.Required = have.Required || set.Required
	if from, order := have.From, []From{Listed, Covered, Tenant, Given}; slices.Index(order, t.From) < slices.Index(order, from) {
		have.From, have.Evidence, have.Pattern = t.From, t.Evidence, t.Pattern
	}
	if !slices.Contains(have.Sets, set.ID) {
		have.Sets = append(have.Sets, set.ID)
	}
	for _, f := range b.spec.Catalog.FeaturesOf(set.ID) {
		if slices.Contains(b.spec.Features, f) && !slices.Contains(have.Features, f) {
			have.Features = append(have.Features, f)
		}
	}
}

// found is a real name for a wildcard.
type found struct {
	host     endpoint.Host
	from     From
	evidence string
}

// names are real names that p covers, the most certain ones first, at most mostNames.
func (b *builder) names(p endpoint.Pattern) []found {
	var out []found
	add := func(f found) {
		if len(out) < mostNames && !slices.ContainsFunc(out, func(o found) bool { return o.host == f.host }) {
			out = append(out, f)
		}
	}
	for _, l := range b.literals() {
		if p.Match(l.host) {
			add(found{l.host, Covered, l.set.ID.String()})
		}
	}
	for _, h := range tenantNames(b.spec.TenantName) {
		if p.Match(h) {
			add(found{h, Tenant, b.spec.TenantName})
		}
	}
	for _, n := range b.spec.Names {
		if p.Match(n.Host) {
			add(found{n.Host, Given, n.Place})
		}
	}
	return out
}

// literals are the exact names of every row that is for this organisation, by name.
func (b *builder) literals() []literal {
	if b.literal != nil {
		return b.literal
	}
	b.literal = []literal{}
	for _, set := range b.spec.Catalog.Sets() {
		if set.Applies == catalog.No || !set.Withdrawn.IsZero() || set.Direction != catalog.Outbound || !set.Between.IsZero() {
			continue
		}
		for _, p := range set.Patterns {
			if h, ok := p.Host(); ok {
				b.literal = append(b.literal, literal{h, set})
			}
		}
		for _, u := range set.URLs {
			if h, ok := u.Host.Host(); ok {
				b.literal = append(b.literal, literal{h, set})
			}
		}
	}
	slices.SortStableFunc(b.literal, func(x, y literal) int { return cmp.Compare(x.host, y.host) })
	return b.literal
}

// tenantNames are the names that every tenant called name has ("Office 365 URLs and IP address ranges", where <tenant> stands
// in the rows of SharePoint and Exchange, https://learn.microsoft.com/microsoft-365/enterprise/urls-and-ip-address-ranges).
func tenantNames(name string) []endpoint.Host {
	if name == "" || strings.ContainsAny(name, ".*") {
		return nil
	}
	var out []endpoint.Host
	for _, text := range []string{name + ".sharepoint.com", name + "-my.sharepoint.com", name + ".mail.protection.outlook.com"} {
		if h, err := endpoint.ParseHost(text); err == nil {
			out = append(out, h)
		}
	}
	return out
}

// One is the target for a host that somebody names, with what the catalog says of it. It is required, because it was asked
// for.
func One(snapshot *catalog.Snapshot, h endpoint.Host, port uint16) Target {
	t := Target{Name: h.String(), Host: h, Port: port, Transport: "tcp", Pattern: h.String(), From: Given, Required: true, Asked: true,
		Sets: []catalog.ClaimID{}, Features: []catalog.FeatureID{}}
	for _, hit := range snapshot.AppendHits(nil, h) {
		if slices.Contains(t.Sets, hit.Set.ID) {
			continue
		}
		if len(t.Sets) == 0 {
			t.Pattern = hit.Pattern.String()
		}
		t.Sets = append(t.Sets, hit.Set.ID)
		for _, f := range snapshot.FeaturesOf(hit.Set.ID) {
			if !slices.Contains(t.Features, f) {
				t.Features = append(t.Features, f)
			}
		}
	}
	return t
}
