package route

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/bgp"
	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

const (
	// mostParts bounds the parts that an answer lists (chosen: the largest row of the catalog has a hundred prefixes).
	mostParts = 200
	// mostInside bounds the tags within a range that are looked at (chosen: 0.0.0.0/0 would be the whole file).
	mostInside = 2000
	// staleTags is the age past which service tags are told to be old: they are published weekly, and a new address is
	// unused for a week ("Azure service tags overview").
	staleTags = 14 * 24 * time.Hour
)

// partOf judges f.
func (b *Book) partOf(f *facts, from, site string) Part {
	p := Part{From: from, Site: site, Owner: f.owner, Tags: []Tag{}, Communities: b.communities(f), Listed: listedOf(f.sets), Verdicts: b.judge(f)}
	switch {
	case !f.prefix.IsValid():
		p.Target = f.named
	case f.prefix.IsSingleIP():
		p.Target = f.prefix.Addr().String()
	default:
		p.Target = f.prefix.String()
	}
	for _, h := range f.hits {
		p.Tags = append(p.Tags, Tag{Name: h.Tag.Name, Prefix: h.Prefix.String()})
	}
	if f.region != nil {
		p.Region = f.region.Name
	}
	noteDifference(p.Listed, p.Verdicts)
	return p
}

// noteDifference marks a verdict of Microsoft peering that the endpoint list contradicts.
func noteDifference(l Listed, verdicts []Verdict) {
	for i := range verdicts {
		v := &verdicts[i]
		if v.Pattern != MicrosoftPeering || v.State == Unknown {
			continue
		}
		carries := v.State != No
		if l.ExpressRoute == catalog.Yes.String() && !carries || l.ExpressRoute == catalog.No.String() && carries {
			v.Notes = append(v.Notes, Remark{NoteListDiffers, l.ExpressRoute})
		}
	}
}

// communities are those under which the target is announced, as far as is known, by the strongest evidence.
func (b *Book) communities(f *facts) []bgp.Community {
	list := []bgp.Community{}
	if f.private || f.special {
		return list
	}
	for i := range b.spec.Circuits {
		if r, _, ok := b.spec.Circuits[i].received(f.prefix); ok && f.prefix.IsValid() && r.Prefix.Bits() > 0 && r.OverExpressRoute() {
			for _, c := range r.Communities {
				if c.Microsoft() && !slices.Contains(list, c) {
					list = append(list, c)
				}
			}
		}
	}
	if len(list) == 0 && f.prefix.IsValid() {
		for _, s := range b.spec.Services.AppendCovering(nil, f.prefix) {
			list = append(list, s.Community)
		}
	}
	if len(list) == 0 && (f.frontDoor == "" || f.firstParty && f.isM365()) {
		list = append(list, f.expected()...)
		if f.rule.community != 0 && len(list) == 0 {
			list = append(list, serviceCommunity(f.rule.community))
		}
	}
	slices.SortFunc(list, bgp.Community.Compare)
	return slices.Compact(list)
}

// Address answers about a.
func (b *Book) Address(a netip.Addr) Answer {
	a = a.Unmap().WithZone("")
	f := b.factsOf(netip.PrefixFrom(a, a.BitLen()))
	return b.single(f, a.String(), "address")
}

func (b *Book) single(f *facts, target, kind string) Answer {
	p := b.partOf(f, "target", "")
	answer := Answer{
		Given: target, Target: target, Kind: kind, Owner: p.Owner, Tags: p.Tags, Region: p.Region, Communities: p.Communities,
		Listed: p.Listed, Verdicts: p.Verdicts, Resolved: []Resolution{}, Parts: []Part{}, Hints: finding.List{},
	}
	b.finish(&answer)
	return answer
}

// Prefix answers about every address of p: where tags lie within p, p is judged piece by piece.
func (b *Book) Prefix(p netip.Prefix) Answer {
	p = p.Masked()
	f := b.factsOf(p)
	inside, whole := b.spec.Tags.AppendInside(nil, p, mostInside)
	if f.private || f.special || f.region != nil || f.frontDoor != "" || len(inside) == 0 {
		return b.single(f, p.String(), "prefix")
	}
	parts := []Part{b.partOf(f, "target", "")}
	seen := map[netip.Prefix]bool{}
	for _, h := range inside {
		if !seen[h.Prefix] {
			seen[h.Prefix] = true
			parts = append(parts, b.partOf(b.factsOf(h.Prefix), "tag", ""))
		}
	}
	answer := b.merged(p.String(), "prefix", parts, listedOf(f.sets))
	if !whole {
		answer.Hints = append(answer.Hints, finding.New("route.range-cut", finding.Warning, finding.Pos{}, "max", strconv.Itoa(mostInside)))
	}
	return answer
}

// Host answers about h. resolved are what resolvers said of it, at any number of sites; nil: nobody was asked.
func (b *Book) Host(h endpoint.Host, resolved []Resolution) Answer {
	hits := b.spec.Catalog.AppendHits(nil, h)
	answer := b.merged(h.String(), "host", b.hostParts(h, hits, resolved), listedFor(hits))
	b.resolutions(&answer, resolved, func(name endpoint.Host) bool { return name == h })
	return answer
}

// Wildcard answers about p, which is no single host: it inherits the worst of the hosts that are known to be under it.
func (b *Book) Wildcard(p endpoint.Pattern, resolved []Resolution) Answer {
	parts, listed := b.wildcardParts(p, resolved)
	answer := b.merged(p.String(), "wildcard", parts, listed)
	b.resolutions(&answer, resolved, p.Match)
	return answer
}

// Pattern answers about a host or a wildcard.
func (b *Book) Pattern(p endpoint.Pattern, resolved []Resolution) Answer {
	if h, ok := p.Host(); ok {
		return b.Host(h, resolved)
	}
	return b.Wildcard(p, resolved)
}

// resolutions adds what resolvers said of the names that fit.
func (b *Book) resolutions(answer *Answer, resolved []Resolution, fits func(endpoint.Host) bool) {
	for _, r := range resolved {
		if !fits(r.Name) {
			continue
		}
		answer.Resolved = append(answer.Resolved, r)
		// A public name with a private address: Private Link, a split horizon, or a resolver that lies.
		for _, a := range r.Addrs {
			if p := netip.PrefixFrom(a, a.BitLen()); (within(private, p) || within(special, p)) && !strings.Contains(answer.Target, ".privatelink.") {
				answer.Hints = append(answer.Hints, finding.New("route.private-answer", finding.Warning, finding.Pos{},
					"name", r.Name.String(), "address", a.String(), "resolver", cmp.Or(r.Resolver, r.Site)))
				break
			}
		}
	}
}

// listedFor says what the rows of the most specific pattern say of ExpressRoute, else what wider ones do.
func listedFor(hits []catalog.Hit) Listed {
	for len(hits) > 0 {
		same := narrowest(hits)
		if l := listedOf(same); len(l.Says) > 0 {
			return l
		}
		hits = hits[len(same):]
	}
	return listedOf(nil)
}

// narrowest keeps the hits of the most specific pattern.
func narrowest(hits []catalog.Hit) []catalog.Hit {
	if len(hits) == 0 {
		return nil
	}
	end := slices.IndexFunc(hits, func(h catalog.Hit) bool { return h.Pattern != hits[0].Pattern })
	if end < 0 {
		end = len(hits)
	}
	return hits[:end]
}

// hostParts judges a host by the addresses that resolvers gave, else by the ranges that a list publishes for exactly this
// host, else by its name, else by the ranges of the wildcard that covers it.
func (b *Book) hostParts(h endpoint.Host, hits []catalog.Hit, resolved []Resolution) []Part {
	rule, ruled := byName(h)
	var parts []Part
	for _, r := range resolved {
		if r.Name != h {
			continue
		}
		end, endRuled, named := rule, ruled, h
		for _, alias := range r.Chain {
			if x, ok := byName(alias); ok {
				end, endRuled, named = x, true, alias
			}
		}
		for _, a := range r.Addrs {
			a = a.Unmap().WithZone("")
			f := b.factsOf(netip.PrefixFrom(a, a.BitLen()))
			f.falsely = f.special
			if endRuled && !f.private && !f.special {
				f.rule, f.named = end, named.String()
				f.owner = b.ownerOf(f)
			}
			parts = append(parts, b.partOf(f, "resolved", r.Site))
		}
	}
	if len(parts) > 0 {
		return parts
	}
	exact := len(hits) > 0 && hits[0].Pattern.Kind() == endpoint.Exact
	if !ruled || exact {
		if parts = b.published(hits); len(parts) > 0 {
			return parts
		}
	}
	return []Part{b.named(h.String(), rule)}
}

// named judges a name of which no address is known.
func (b *Book) named(name string, rule nameRule) Part {
	f := &facts{rule: rule, named: name}
	f.owner = b.ownerOf(f)
	return b.partOf(f, "name", "")
}

// published judges the ranges of the rows that name a pattern: the most specific pattern that has any.
func (b *Book) published(hits []catalog.Hit) []Part {
	for len(hits) > 0 {
		same := narrowest(hits)
		if parts := b.rangesOf(same); len(parts) > 0 {
			return parts
		}
		hits = hits[len(same):]
	}
	return nil
}

// rangesOf judges the prefixes of rows, each once. Rows of other clouds count only where no row is of the organisation's.
func (b *Book) rangesOf(hits []catalog.Hit) []Part {
	var parts []Part
	for _, applies := range []bool{true, false} {
		seen := map[netip.Prefix]bool{}
		for _, h := range hits {
			if (h.Set.Applies != catalog.No) != applies {
				continue
			}
			for _, p := range h.Set.Prefixes {
				if !seen[p] {
					seen[p] = true
					parts = append(parts, b.partOf(b.factsOf(p), "list", ""))
				}
			}
		}
		if len(parts) > 0 {
			return parts
		}
	}
	return nil
}

// wildcardParts judges a wildcard by the ranges that rows publish for it, and by every host under it that is known.
func (b *Book) wildcardParts(p endpoint.Pattern, resolved []Resolution) ([]Part, Listed) {
	var own []catalog.Hit
	var known []endpoint.Host
	add := func(h endpoint.Host) {
		if p.Match(h) && !slices.Contains(known, h) {
			known = append(known, h)
		}
	}
	for _, set := range b.spec.Catalog.Sets() {
		if !set.Withdrawn.IsZero() {
			continue
		}
		for _, q := range set.Patterns {
			if q == p {
				own = append(own, catalog.Hit{Set: set, Pattern: q})
			}
		}
		if set.Applies == catalog.No {
			continue // its hosts are other people's
		}
		for _, q := range set.Patterns {
			if h, ok := q.Host(); ok && q != p {
				add(h)
			}
		}
		for _, u := range set.URLs {
			if h, ok := u.Host.Host(); ok {
				add(h)
			}
		}
	}
	for _, h := range knownHosts {
		add(h)
	}
	for _, r := range resolved {
		add(r.Name)
	}
	slices.Sort(known)
	parts := b.rangesOf(own)
	for _, h := range known {
		parts = append(parts, b.asOne(h, resolved))
	}
	if len(parts) == 0 {
		rule, _ := byName(sampleOf(p))
		if hits := b.spec.Catalog.AppendHits(nil, sampleOf(p)); len(own) == 0 && rule.owner == "" {
			own = narrowest(hits)
			parts = b.published(hits)
		}
		if len(parts) == 0 {
			parts = append(parts, b.named(p.String(), rule))
		}
	}
	return parts, listedOf(own)
}

// sampleOf is a host that p covers.
func sampleOf(p endpoint.Pattern) endpoint.Host {
	return endpoint.Host(strings.Replace(p.String(), "*", "sekisho-sample", 1))
}

// asOne is a host under a wildcard, its own parts put together.
func (b *Book) asOne(h endpoint.Host, resolved []Resolution) Part {
	hits := b.spec.Catalog.AppendHits(nil, h)
	parts := b.hostParts(h, hits, resolved)
	one := merge(parts)
	one.Target, one.From, one.Listed = h.String(), "known-host", listedFor(hits)
	return one
}

// merged puts parts together to an answer.
func (b *Book) merged(target, kind string, parts []Part, listed Listed) Answer {
	one := merge(parts)
	if len(listed.Says) == 0 {
		listed = one.Listed
	}
	answer := Answer{
		Given: target, Target: target, Kind: kind, Owner: one.Owner, Tags: one.Tags, Region: one.Region, Communities: one.Communities,
		Listed: listed, Mixed: differ(parts), Verdicts: one.Verdicts, Resolved: []Resolution{}, Parts: parts, Hints: finding.List{},
	}
	noteDifference(listed, answer.Verdicts)
	for i := range answer.Verdicts {
		answer.Verdicts[i].Notes = distinct(answer.Verdicts[i].Notes)
	}
	if len(parts) == 1 && parts[0].From == "name" {
		answer.Parts = []Part{} // the name itself, and nothing more
	}
	if len(parts) > mostParts {
		answer.Parts, answer.PartsCut = parts[:mostParts], len(parts)-mostParts
	}
	b.finish(&answer)
	return answer
}

func distinct(list []Remark) []Remark {
	out := []Remark{}
	for _, r := range list {
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}

// differ reports whether parts are not all alike: in owner, region, or the state of a pattern.
func differ(parts []Part) bool {
	for _, p := range parts[1:] {
		if p.Owner.Code != parts[0].Owner.Code || p.Region != parts[0].Region {
			return true
		}
		for i, v := range p.Verdicts {
			if v.State != parts[0].Verdicts[i].State {
				return true
			}
		}
	}
	return false
}

// merge takes of each pattern the worst verdict, and of everything else what the parts have in common or together.
func merge(parts []Part) Part {
	one := parts[0]
	if len(parts) == 1 {
		return one
	}
	one.Verdicts = slices.Clone(one.Verdicts)
	one.Tags, one.Communities = []Tag{}, []bgp.Community{}
	says := Listed{ExpressRoute: catalog.NotStated.String(), Says: []ListedSays{}}
	for _, p := range parts {
		if p.Owner.Code != one.Owner.Code {
			one.Owner = Owner{Code: OwnerMixed}
		} else if p.Owner != one.Owner {
			one.Owner.Name, one.Owner.AS, one.Owner.Level = "", 0, min(one.Owner.Level, p.Owner.Level)
		}
		if p.Region != one.Region {
			one.Region = ""
		}
		for _, t := range p.Tags {
			if !slices.ContainsFunc(one.Tags, func(o Tag) bool { return o.Name == t.Name }) {
				one.Tags = append(one.Tags, t)
			}
		}
		for _, c := range p.Communities {
			if !slices.Contains(one.Communities, c) {
				one.Communities = append(one.Communities, c)
			}
		}
		for _, s := range p.Listed.Says {
			if !slices.ContainsFunc(says.Says, func(o ListedSays) bool { return o.Claim == s.Claim }) {
				says.Says = append(says.Says, s)
				if len(says.Says) == 1 {
					says.ExpressRoute = s.ExpressRoute
				} else if says.ExpressRoute != s.ExpressRoute {
					says.ExpressRoute = "differs"
				}
			}
		}
		for i, v := range p.Verdicts {
			have := &one.Verdicts[i]
			mixed := have.Mixed || v.Mixed || v.State != have.State
			if v.State.Worse(have.State) {
				*have = v
			}
			have.Mixed = mixed
		}
	}
	slices.SortFunc(one.Communities, bgp.Community.Compare)
	one.Listed = says
	// What is needed is needed for every part that is not out of the question.
	for i := range one.Verdicts {
		v := &one.Verdicts[i]
		if v.State != Possible && v.State != Approval {
			continue
		}
		needs := []Remark{}
		for _, p := range parts {
			needs = append(needs, p.Verdicts[i].Needs...)
		}
		v.Needs = distinct(needs)
	}
	return one
}

// finish says whom to ask, and what data would make the answer better.
func (b *Book) finish(a *Answer) {
	v := a.Verdict(MicrosoftPeering)
	if v.Reason == ReasonFalseAnswer {
		a.Ask = &Ask{Whom: "network-team", Product: catalog.Text{JA: a.Target, EN: a.Target}, Question: catalog.Text{
			JA: "リゾルバーが " + a.Target + " に特殊な用途のアドレスを返すのはなぜですか (ブロック リスト、hosts ファイル、誤った応答など)。正しい応答が得られるリゾルバーはどれですか。",
			EN: "Why does the resolver answer an address with a special use for " + a.Target + " (a block list, a hosts file, a wrong answer), and which resolver answers rightly?",
		}}
	} else if v.State == Unknown {
		product := catalog.Text{JA: a.Target, EN: a.Target}
		if len(a.Listed.Says) > 0 {
			if id, err := catalog.ParseClaimID(a.Listed.Says[0].Claim); err == nil {
				if set, ok := b.spec.Catalog.Set(id); ok {
					product = set.Title
				}
			}
		}
		a.Ask = &Ask{Whom: "product-support", Product: product, Question: catalog.Text{
			JA: product.JA + " は ExpressRoute (Microsoft ピアリング) 経由で利用できますか。" + a.Target + " との通信はどのような用途で、どの IP アドレス範囲 (BGP コミュニティ) を使用しますか。",
			EN: "Can " + product.EN + " be used over ExpressRoute (Microsoft peering)? What is the communication with " + a.Target + " for, and which address ranges (BGP communities) does it use?",
		}}
	} else if a.Verdict(PrivatePeering).State == Unknown {
		a.Ask = &Ask{Whom: "network-team", Product: catalog.Text{JA: a.Target, EN: a.Target}, Question: catalog.Text{
			JA: a.Target + " はどの仮想ネットワーク (または拠点) のアドレスですか。そのアドレス範囲は circuits の virtual-networks に書かれていますか。",
			EN: "Which virtual network (or site) does " + a.Target + " belong to, and does its range stand under virtual-networks of a circuit?",
		}}
	}
	if a.Owner.Code == OwnerPrivate || a.Owner.Code == OwnerSpecial {
		return
	}
	a.Hints = append(a.Hints, b.Advice()...)
}

// Advice says what data would make the answers better: service tags that are missing or old, circuits.
func (b *Book) Advice() finding.List {
	list := finding.List{}
	if b.spec.Tags.Len() == 0 {
		list = append(list, finding.New("route.no-service-tags", finding.Info, finding.Pos{}))
	}
	for _, m := range b.spec.TagFiles {
		since := m.Imported
		if !m.Date.IsZero() {
			since = m.Date
		}
		if b.spec.Now.Sub(since) > staleTags {
			list = append(list, finding.New("route.tags-stale", finding.Warning, finding.Pos{}, "version", m.Version(), "days", strconv.Itoa(m.AgeDays(b.spec.Now))))
		}
	}
	if len(b.spec.Circuits) == 0 {
		list = append(list, finding.New("route.no-circuits", finding.Info, finding.Pos{}))
	}
	return list
}
