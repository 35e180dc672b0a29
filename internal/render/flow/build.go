package flow

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/policy"
	"sekisho/internal/render"
)

// builder gathers a plan. Ports are gathered by what they belong to, and flows made of equal ports at the end.
type builder struct {
	plan   *Plan
	device Device
	snap   *catalog.Snapshot
	inUse  []catalog.FeatureID

	addressed map[string]bool // claims that list addresses, or tags that the device knows
	named     map[string]bool // claims that name hosts
	permitted map[string]bool // those of them with a name that the policy does not refuse
	tagged    []*catalog.Set  // rows with service tags, for a device that knows them
	fallback  map[string]endpoint.Ports
	located   map[endpoint.Pattern]endpoint.Ports // hosts that some row lists addresses for
	names     map[nameKey]endpoint.Ports
	nets      map[netKey]endpoint.Ports
	tags      map[tagKey]endpoint.Ports
	refused   []refusal
}

type nameKey struct {
	pattern endpoint.Pattern
	tier    int
}

type netKey struct {
	direction catalog.Direction
	prefix    netip.Prefix
}

type tagKey struct {
	direction catalog.Direction
	name      string
}

type refusal struct {
	pattern endpoint.Pattern
	tier    int
}

// lastTier is the tier of what no refusal touches.
const lastTier = 4

func (b *builder) unsaid(what string, ports endpoint.Ports, r *render.Row, why Obstacle) {
	b.plan.Unsaid = append(b.plan.Unsaid, Unsaid{What: what, Ports: ports.String(), Rule: origin(r), Why: why})
}

// origin names the claim or own row that r comes from.
func origin(r *render.Row) string {
	if r.Claim == (catalog.ClaimID{}) {
		return r.Rule
	}
	return r.Claim.String()
}

// rows gathers names, then the addresses of rows whose names did not do.
func (b *builder) rows(m *render.Model) {
	b.named, b.permitted = map[string]bool{}, map[string]bool{}
	b.fallback, b.located = map[string]endpoint.Ports{}, map[endpoint.Pattern]endpoint.Ports{}
	for i := range m.Rows {
		switch r := &m.Rows[i]; r.Kind {
		case render.PrefixRow:
			b.addressed[origin(r)] = true
		case render.HostRow, render.URLRow:
			b.named[origin(r)] = true
			if r.Road != render.Refused {
				b.permitted[origin(r)] = true
			}
		}
	}
	if b.device.Tags {
		b.tagged = b.withTags()
		for _, set := range b.tagged {
			b.addressed[set.ID.String()] = true
		}
	}
	for i := range m.Rows {
		r := &m.Rows[i]
		if (r.Kind == render.HostRow || r.Kind == render.URLRow) && r.Direction == catalog.Outbound && b.addressed[origin(r)] {
			b.located[r.Host] = b.located[r.Host].Union(r.Ports)
		}
	}
	for i := range m.Rows {
		r := &m.Rows[i]
		switch {
		case r.Kind == render.OpenRow:
			b.unsaid(ends(r), r.Ports, r, NoEnd)
		case r.Kind != render.PrefixRow && r.Road != render.Refused:
			b.host(r)
		}
	}
	for i := range m.Rows {
		if r := &m.Rows[i]; r.Kind == render.PrefixRow && (r.Tag == "" || !b.device.Tags) {
			b.prefix(r)
		}
	}
	b.serviceTags()
}

// ends says between whom a row without an end is.
func ends(r *render.Row) string {
	if r.Between.IsZero() {
		return "any address"
	}
	return r.Between.From.EN + " to " + r.Between.To.EN
}

func (b *builder) host(r *render.Row) {
	what := r.Value()
	switch {
	case b.plan.Clients && r.GatewayOnly:
		b.unsaid(what, r.Ports, r, GatewayOnly)
		return
	case r.Direction == catalog.Inbound || b.device.Names == nil:
		if !b.addressed[origin(r)] {
			// Another row may list addresses for the same host.
			if left := without(r.Ports, b.located[r.Host]); len(left) > 0 || r.Direction == catalog.Inbound {
				b.unsaid(what, left, r, NoAddress)
			}
		}
		return
	}
	// An alias that is open to some clients alone is open to the gateway, which knows them.
	key := nameKey{pattern: r.Host, tier: lastTier}
	for _, one := range r.Ports {
		ports := endpoint.Ports{one}
		why := b.device.Names(r.Host, one)
		switch {
		case why == None:
			b.names[key] = b.names[key].Union(ports)
		case b.addressed[origin(r)]:
			b.fallback[origin(r)] = b.fallback[origin(r)].Union(ports)
			b.unsaid(what, ports, r, ByAddress)
		default:
			b.unsaid(what, ports, r, why)
		}
	}
}

// byAddress returns the ports on which the addresses of a row are needed.
func (b *builder) byAddress(r *render.Row) endpoint.Ports {
	switch {
	case b.named[origin(r)] && !b.permitted[origin(r)]:
		return nil // the policy refuses every name of the row
	case b.device.Names == nil || r.Direction == catalog.Inbound || !b.named[origin(r)]:
		return r.Ports
	}
	return both(r.Ports, b.fallback[origin(r)])
}

func (b *builder) prefix(r *render.Row) {
	ports := b.byAddress(r)
	switch {
	case len(ports) == 0:
	case r.Direction == catalog.Inbound && len(b.plan.Targets) == 0:
		b.unsaid("from the addresses of the row", ports, r, NoTarget)
	case b.plan.Clients && r.GatewayOnly:
		b.unsaid(r.Prefix.String(), ports, r, GatewayOnly)
	case b.device.NoIPv6 && r.Prefix.Addr().Is6():
		b.unsaid(r.Prefix.String(), ports, r, NoIPv6)
	default:
		key := netKey{r.Direction, r.Prefix.Masked()}
		b.nets[key] = b.nets[key].Union(ports)
	}
}

// withTags returns the rows in use that name service tags. Whether somebody imported their addresses does not matter.
func (b *builder) withTags() []*catalog.Set {
	return slices.DeleteFunc(b.snap.SetsOf(b.inUse...), func(set *catalog.Set) bool { return len(set.Tags) == 0 || set.Applies != catalog.Yes })
}

// serviceTags takes the tags of those rows by name.
func (b *builder) serviceTags() {
	for _, set := range b.tagged {
		r := render.Row{Kind: render.PrefixRow, Claim: set.ID, Ports: set.Ports, Direction: set.Direction}
		ports := b.byAddress(&r)
		for _, tag := range set.Tags {
			switch {
			case len(ports) == 0:
			case set.Direction == catalog.Inbound && len(b.plan.Targets) == 0:
				b.unsaid("from the service tag "+tag, ports, &r, NoTarget)
			case b.plan.Clients && strings.HasPrefix(tag, "AzureActiveDirectory"):
				b.unsaid(tag, ports, &r, GatewayOnly)
			default:
				key := tagKey{set.Direction, tag}
				b.tags[key] = b.tags[key].Union(ports)
			}
		}
	}
}

// refusals finds the hosts that the policy keeps closed although a wildcard of the plan covers them, and puts names that
// stay open among them before the refusals.
func (b *builder) refusals() {
	var wild []nameKey
	for k := range b.names {
		if k.pattern.Kind() != endpoint.Exact {
			wild = append(wild, k)
		}
	}
	var closed, open []endpoint.Pattern
	for _, k := range b.snap.Classes() {
		switch k.Class {
		case catalog.Ordinary:
			open = append(open, k.Pattern)
			continue
		case catalog.SignIn, catalog.SignInConsumer:
			if k.Pattern.Kind() == endpoint.Exact {
				closed = append(closed, endpoint.MustPattern("*."+k.Pattern.String())) // policy: open to patterns beneath it alone
			}
		}
		closed = append(closed, k.Pattern)
	}
	var refused []endpoint.Pattern
	for _, k := range closed {
		// One that is open by its own name is closed on the other ports of a wildcard.
		own := b.names[nameKey{pattern: k, tier: lastTier}]
		touched := slices.ContainsFunc(wild, func(w nameKey) bool {
			return policy.Overlap(w.pattern, k) && !k.Covers(w.pattern) && len(without(b.names[w], own)) > 0
		})
		if touched && !slices.Contains(refused, k) {
			refused = append(refused, k)
		}
	}
	if !b.device.Refuses {
		for _, k := range refused {
			b.plan.Unsaid = append(b.plan.Unsaid, Unsaid{What: k.String(), Why: NotRefused})
		}
		return
	}
	for _, o := range open {
		b.exempt(o, refused, wild)
	}
	for k, ports := range b.names {
		tier := lastTier
		if slices.ContainsFunc(refused, func(d endpoint.Pattern) bool { return d.Covers(k.pattern) }) {
			tier = 2
			if k.pattern.Kind() == endpoint.Exact {
				tier = 0
			}
		}
		if tier != k.tier {
			delete(b.names, k)
			k.tier = tier
			b.names[k] = b.names[k].Union(ports)
		}
	}
	for _, d := range refused {
		tier := 3
		inner := func(k nameKey) bool { return k.tier == 2 && k.pattern.Covers(d) }
		if d.Kind() == endpoint.Exact {
			tier = 1
		} else {
			for k := range b.names {
				if inner(k) {
					tier = 1
				}
			}
		}
		b.refused = append(b.refused, refusal{d, tier})
	}
}

// exempt keeps a name open that the catalog takes out of a refused wildcard, as far as a wildcard of the plan opens it.
func (b *builder) exempt(o endpoint.Pattern, refused []endpoint.Pattern, wild []nameKey) {
	cover := func(d endpoint.Pattern) bool { return d.Covers(o) }
	if !slices.ContainsFunc(refused, cover) {
		return
	}
	for _, k := range b.snap.Classes() {
		signIn := k.Class == catalog.SignIn || k.Class == catalog.SignInConsumer
		if signIn && k.Pattern.Kind() == endpoint.Exact && strings.HasSuffix(o.String(), "."+k.Pattern.String()) {
			return // what lies beneath a sign-in name is open by patterns beneath it alone
		}
	}
	for _, w := range wild {
		if w.pattern.Covers(o) {
			key := nameKey{pattern: o, tier: lastTier}
			b.names[key] = b.names[key].Union(b.names[w])
		}
	}
}

// uninspected lists the names of the plan that must not be inspected, and those that a wildcard of it covers.
func (b *builder) uninspected() {
	var list []endpoint.Pattern
	take := func(p endpoint.Pattern) {
		if b.snap.HandlingOf(p).Inspection == catalog.InspectionForbidden && !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	var wild []endpoint.Pattern
	for k := range b.names {
		take(k.pattern)
		if k.pattern.Kind() != endpoint.Exact {
			wild = append(wild, k.pattern)
		}
	}
	for _, set := range b.snap.Sets() {
		for _, p := range set.Patterns {
			if slices.ContainsFunc(wild, func(w endpoint.Pattern) bool { return w.Covers(p) }) {
				take(p)
			}
		}
	}
	for _, p := range list {
		if !slices.ContainsFunc(list, func(q endpoint.Pattern) bool { return q != p && q.Covers(p) }) {
			b.plan.Uninspected = append(b.plan.Uninspected, p)
		}
	}
	slices.SortFunc(b.plan.Uninspected, byText)
}

func byText(x, y endpoint.Pattern) int { return cmp.Compare(x.String(), y.String()) }

// summary counts what could not be told, by obstacle.
func (b *builder) summary() string {
	count := map[Obstacle]int{}
	for _, u := range b.plan.Unsaid {
		count[u.Why]++
	}
	var words []string
	for _, why := range Obstacles() {
		if n := count[why]; n > 0 {
			words = append(words, string(why)+" "+strconv.Itoa(n))
		}
	}
	return strings.Join(words, ", ")
}
