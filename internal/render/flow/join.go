package flow

import (
	"cmp"
	"net/netip"
	"slices"

	"go4.org/netipx"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
)

// flows makes flows of equal ports.
func (b *builder) flows() {
	type key struct {
		tier      int
		direction catalog.Direction
		ports     string
	}
	at := map[key]*Flow{}
	get := func(k key, ports endpoint.Ports) *Flow {
		f, ok := at[k]
		if !ok {
			f = &Flow{Tier: k.tier, Direction: k.direction, Ports: ports}
			at[k] = f
		}
		return f
	}
	for k, ports := range b.withoutChildren() {
		f := get(key{tier: k.tier, ports: ports.String()}, ports)
		f.Names = append(f.Names, k.pattern)
	}
	for k, ports := range b.nets {
		f := get(key{tier: lastTier, direction: k.direction, ports: ports.String()}, ports)
		f.V4 = append(f.V4, k.prefix) // both families until they are joined
	}
	for k, ports := range b.tags {
		f := get(key{tier: lastTier, direction: k.direction, ports: ports.String()}, ports)
		f.Tags = append(f.Tags, k.name)
	}
	for _, r := range b.refused {
		if slices.ContainsFunc(b.refused, func(o refusal) bool { return o.tier == r.tier && o.pattern != r.pattern && o.pattern.Covers(r.pattern) }) {
			continue
		}
		f := get(key{tier: r.tier}, nil)
		f.Refuse = true
		f.Names = append(f.Names, r.pattern)
	}
	for _, f := range at {
		slices.SortFunc(f.Names, byText)
		slices.Sort(f.Tags)
		f.V4, f.V6 = Aggregate(f.V4)
	}
	for _, f := range at {
		for _, g := range at {
			if f != g && f.Direction == g.Direction && len(without(f.Ports, g.Ports)) == 0 && !g.Refuse && !f.Refuse {
				f.V4, f.V6 = uncovered(f.V4, g.V4), uncovered(f.V6, g.V6)
			}
		}
	}
	for _, f := range at {
		if len(f.Names)+len(f.V4)+len(f.V6)+len(f.Tags) > 0 {
			b.plan.Flows = append(b.plan.Flows, *f)
		}
	}
	slices.SortFunc(b.plan.Flows, func(x, y Flow) int {
		return cmp.Or(cmp.Compare(x.Tier, y.Tier), cmp.Compare(x.Direction, y.Direction),
			slices.CompareFunc(x.Ports, y.Ports, func(p, q endpoint.PortRange) int {
				return cmp.Or(cmp.Compare(p.Proto, q.Proto), cmp.Compare(p.First, q.First), cmp.Compare(p.Last, q.Last))
			}))
	})
}

// withoutChildren takes from each name the ports on which a wildcard of the same tier opens it anyway.
func (b *builder) withoutChildren() map[nameKey]endpoint.Ports {
	out := make(map[nameKey]endpoint.Ports, len(b.names))
	var wild []nameKey
	for k := range b.names {
		if k.pattern.Kind() != endpoint.Exact {
			wild = append(wild, k)
		}
	}
	for k, ports := range b.names {
		for _, w := range wild {
			if w.tier == k.tier && w.pattern != k.pattern && w.pattern.Covers(k.pattern) {
				ports = without(ports, b.names[w])
			}
		}
		if len(ports) > 0 {
			out[k] = ports
		}
	}
	return out
}

// Aggregate returns the fewest prefixes that cover exactly the addresses of list, by family, sorted.
func Aggregate(list []netip.Prefix) (v4, v6 []netip.Prefix) {
	var b netipx.IPSetBuilder
	for _, p := range list {
		b.AddPrefix(p)
	}
	set, err := b.IPSet()
	if err != nil {
		return nil, nil // AddPrefix of valid prefixes does not fail; an empty flow is dropped
	}
	for _, p := range set.Prefixes() {
		if p.Addr().Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	slices.SortFunc(v4, netip.Prefix.Compare)
	slices.SortFunc(v6, netip.Prefix.Compare)
	return v4, v6
}

// uncovered returns those of list that no single prefix of wider holds. Both are sorted and without overlap.
func uncovered(list, wider []netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	i := 0
	for _, p := range list {
		for i < len(wider) && wider[i].Addr().Compare(p.Addr()) <= 0 {
			i++
		}
		if i > 0 && wider[i-1].Bits() <= p.Bits() && wider[i-1].Contains(p.Addr()) {
			continue
		}
		out = append(out, p)
	}
	return out
}

// without returns the ports of p that are not in q.
func without(p, q endpoint.Ports) endpoint.Ports {
	out := slices.Clone(p)
	for _, cut := range q {
		var rest []endpoint.PortRange
		for _, r := range out {
			if r.Proto != cut.Proto || r.Last < cut.First || r.First > cut.Last {
				rest = append(rest, r)
				continue
			}
			if r.First < cut.First {
				rest = append(rest, endpoint.PortRange{Proto: r.Proto, First: r.First, Last: cut.First - 1})
			}
			if r.Last > cut.Last {
				rest = append(rest, endpoint.PortRange{Proto: r.Proto, First: cut.Last + 1, Last: r.Last})
			}
		}
		out = rest
	}
	return endpoint.NewPorts(out...)
}

// both returns the ports that are in p and in q.
func both(p, q endpoint.Ports) endpoint.Ports { return without(p, without(p, q)) }
