package explain

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/servicetags"
)

// mostInside bounds the tags that are listed as lying within a prefix (chosen: 0.0.0.0/0 would list the whole file).
const mostInside = 1000

// Book is one Context, prepared to answer about many targets. Obtain it from NewBook. It keeps what it wrote about a set
// or a tag, so it grows with the catalog and not with what is asked. It is not safe for concurrent use.
type Book struct {
	c    Context
	used []catalog.FeatureID

	// Withdrawn claims, which the snapshot's own lookups leave out.
	goneHosts endpoint.Index[catalog.Hit]
	goneAddrs endpoint.PrefixIndex[catalog.Hit]
	// prefixes holds the prefixes of all sets, withdrawn ones too, for questions about prefixes.
	prefixes func() *endpoint.PrefixIndex[catalog.Hit]
	signs    []netip.Prefix
	// joined are the sets that name a tag, whose address ranges are theirs too.
	joined map[*servicetags.Tag][]*catalog.Set

	setText  map[*catalog.Set][]byte
	setCells map[*catalog.Set]cells
	tagText  map[*servicetags.Tag][]byte
	tagTails map[servicetags.Cloud]string
	tail     []byte // what every line of JSON ends in
	noneTail []byte // what a line of CSV ends in that found nothing

	hits []hit
	raw  []catalog.Hit
	tags []servicetags.Hit
}

// NewBook prepares c.
func NewBook(c Context) *Book {
	if own := c.Program.Catalog(); own != nil && (c.Catalog == nil || c.Catalog.Version() == own.Version()) {
		c.Catalog = own // the same version, filled with the organisation's values
	}
	if c.Catalog == nil {
		c.Catalog = catalog.Builtin()
	}
	if c.Now.IsZero() {
		c.Now = c.Catalog.Date()
	}
	b := &Book{c: c, signs: c.Catalog.SignInPrefixes(), setText: map[*catalog.Set][]byte{},
		setCells: map[*catalog.Set]cells{}, tagText: map[*servicetags.Tag][]byte{},
		tagTails: map[servicetags.Cloud]string{}}
	if c.Program != nil {
		b.used = c.Program.Features()
	}
	for _, set := range c.Catalog.Sets() {
		if set.Withdrawn.IsZero() {
			continue
		}
		for _, p := range set.Patterns {
			b.goneHosts.Add(p, catalog.Hit{Set: set, Pattern: p})
		}
		for _, u := range set.URLs {
			b.goneHosts.Add(u.Host, catalog.Hit{Set: set, Pattern: u.Host})
		}
		for _, p := range set.Prefixes {
			b.goneAddrs.Add(p, catalog.Hit{Set: set, Prefix: p})
		}
	}
	b.join()
	b.prefixes = sync.OnceValue(func() *endpoint.PrefixIndex[catalog.Hit] {
		x := new(endpoint.PrefixIndex[catalog.Hit])
		for _, set := range c.Catalog.Sets() {
			for _, p := range set.Prefixes {
				x.Add(p, catalog.Hit{Set: set, Prefix: p})
			}
		}
		return x
	})
	return b
}

// join finds the imported tags that sets name.
func (b *Book) join() {
	if b.c.Tags == nil {
		return
	}
	b.joined = map[*servicetags.Tag][]*catalog.Set{}
	for _, set := range b.c.Catalog.Sets() {
		if !set.Withdrawn.IsZero() {
			continue
		}
		for _, name := range set.Tags {
			if tag, ok := b.c.Tags.Tag(servicetags.CloudOfClaim(set.ID.Cloud), name); ok {
				b.joined[tag] = append(b.joined[tag], set)
			}
		}
	}
}

// CatalogAge says which catalog answers.
func (b *Book) CatalogAge() CatalogAge {
	return CatalogAge{Version: b.c.Catalog.Version(), AgeDays: days(b.c.Catalog.Date(), b.c.Now),
		Stale: b.c.Now.Sub(b.c.Catalog.Date()) > cmp.Or(b.c.WarnAge, warnCatalog)}
}

// ListsStale warns of the lists that are past their age, whatever is asked. Pages are told with the answers that rest on
// them.
func (b *Book) ListsStale() finding.List {
	ages := catalog.Ages(b.c.Catalog.Sets(), b.c.Now, int(b.c.WarnAge/(24*time.Hour)))
	return catalog.Stale(slices.DeleteFunc(ages, func(a catalog.Age) bool { return !a.List }))
}

// TagFiles say which service tags answer; an empty list when none were imported.
func (b *Book) TagFiles() []TagFile { return TagFiles(b.c.TagFiles, b.c.Now, b.c.WarnAge) }

// TagFiles describes imported service tags files at now; warnAge is as in Context.
func TagFiles(list []servicetags.Manifest, now time.Time, warnAge time.Duration) []TagFile {
	out := make([]TagFile, 0, len(list))
	for _, m := range list {
		f := TagFile{Version: m.Version(), AgeDays: m.AgeDays(now)}
		since := m.Imported
		if !m.Date.IsZero() {
			f.Date, since = m.Date.Format(time.DateOnly), m.Date
		}
		f.Stale = now.Sub(since) > cmp.Or(warnAge, warnTags)
		out = append(out, f)
	}
	return out
}

// signIn reports whether an address, or a part of a prefix, belongs to the published ranges of the sign-in hosts.
func (b *Book) signIn(t endpoint.Target) bool {
	if t.Kind == endpoint.PrefixTarget {
		return slices.ContainsFunc(b.signs, t.Prefix.Overlaps)
	}
	return t.Addr.IsValid() && contains(b.signs, t.Addr)
}

// hit is a set that covers the target, or a part of it.
type hit struct {
	catalog.Hit
	part bool
	tag  string // the service tag that the set names and whose prefix covers the target; "" when its own does
}

// appendJoined appends a hit for each set that names a tag which covers t, or a part of it.
func (b *Book) appendJoined(dst []hit, t endpoint.Target) []hit {
	if len(b.joined) == 0 {
		return dst
	}
	begin := len(dst)
	add := func(part bool) {
		for _, h := range b.tags {
			for _, set := range b.joined[h.Tag] {
				// A tag has many prefixes within a wide one; the first is told.
				if !slices.ContainsFunc(dst[begin:], func(x hit) bool { return x.Set == set }) {
					dst = append(dst, hit{catalog.Hit{Set: set, Prefix: h.Prefix}, part, h.Tag.Name})
				}
			}
		}
	}
	if t.Kind != endpoint.PrefixTarget {
		b.tags = b.c.Tags.AppendAddr(b.tags[:0], t.Addr)
		add(false)
		return dst
	}
	b.tags = b.c.Tags.AppendPrefix(b.tags[:0], t.Prefix)
	add(false)
	b.tags, _ = b.c.Tags.AppendInside(b.tags[:0], t.Prefix, mostInside)
	add(true)
	return dst
}

// appendSets appends a hit for each set that covers t, most specific first: the claims that stand, for prefixes then
// those that cover a part of it, and the withdrawn ones at the end.
func (b *Book) appendSets(dst []hit, t endpoint.Target) []hit {
	begin := len(dst)
	add := func(part bool) {
		for _, h := range b.raw {
			// A set may cover a host by several patterns; the first is the most specific.
			twice := false
			for i := begin; i < len(dst) && !twice; i++ {
				twice = dst[i].Set == h.Set
			}
			if !twice {
				dst = append(dst, hit{Hit: h, part: part})
			}
		}
	}
	switch {
	case t.Kind == endpoint.PrefixTarget:
		b.raw = b.prefixes().AppendCovering(b.raw[:0], t.Prefix)
		add(false)
		b.raw = b.prefixes().AppendInside(b.raw[:0], t.Prefix)
		add(true)
		dst = b.appendJoined(dst, t)
		slices.SortStableFunc(dst[begin:], compareHits)
	case t.Addr.IsValid():
		b.raw = b.c.Catalog.AppendAddrHits(b.raw[:0], t.Addr.Unmap())
		add(false)
		ownFirst(dst[begin:])
		own := len(dst)
		if dst = b.appendJoined(dst, t); len(dst) > own {
			slices.SortStableFunc(dst[begin:], compareHits)
		}
		b.raw = b.goneAddrs.Append(b.raw[:0], t.Addr)
		add(false)
	case t.Host != "":
		b.raw = b.c.Catalog.AppendHits(b.raw[:0], t.Host)
		add(false)
		ownFirst(dst[begin:])
		b.raw = b.goneHosts.Append(b.raw[:0], t.Host)
		add(false)
	}
	return dst
}

// ownFirst moves, among hits of one pattern or prefix, sets that are not for this organisation behind the others.
func ownFirst(hits []hit) {
	for begin := 0; begin < len(hits); {
		end, others := begin, 0
		for ; end < len(hits) && hits[end].Pattern == hits[begin].Pattern && hits[end].Prefix == hits[begin].Prefix; end++ {
			if hits[end].Set.Applies == catalog.No {
				others++
			}
		}
		if others > 0 && others < end-begin {
			slices.SortStableFunc(hits[begin:end], func(x, y hit) int {
				if (x.Set.Applies == catalog.No) == (y.Set.Applies == catalog.No) {
					return 0
				}
				return order(y.Set.Applies == catalog.No)
			})
		}
		begin = end
	}
}

// compareHits orders hits by prefix: what stands before what was withdrawn, what covers the whole before what covers a
// part, longer prefixes before shorter ones.
func compareHits(x, y hit) int {
	switch {
	case x.Set.Withdrawn.IsZero() != y.Set.Withdrawn.IsZero():
		return order(x.Set.Withdrawn.IsZero())
	case x.part != y.part:
		return order(y.part)
	}
	return y.Prefix.Bits() - x.Prefix.Bits()
}

// order is the result of a comparison that the first wins if it is so.
func order(first bool) int {
	if first {
		return -1
	}
	return 1
}

// tagHit is a tag that covers the target, or a part of it.
type tagHit struct {
	servicetags.Hit
	part bool
}

// appendTags appends the tags that cover t, most specific first, and for a prefix those within it; whole is false when
// there are more of these than are listed.
func (b *Book) appendTags(dst []tagHit, t endpoint.Target) (_ []tagHit, whole bool) {
	whole = true
	if t.Kind != endpoint.PrefixTarget {
		b.tags = b.c.Tags.AppendAddr(b.tags[:0], t.Addr)
	} else {
		b.tags = b.c.Tags.AppendPrefix(b.tags[:0], t.Prefix)
	}
	covering := len(b.tags)
	if t.Kind == endpoint.PrefixTarget {
		b.tags, whole = b.c.Tags.AppendInside(b.tags, t.Prefix, mostInside)
	}
	for i, h := range b.tags {
		dst = append(dst, tagHit{Hit: h, part: i >= covering})
	}
	return dst, whole
}

// set describes h.
func (b *Book) set(h hit) Set {
	s := Set{
		Claim: h.Set.ID.String(), Title: h.Set.Title, Area: h.Set.Area, Category: h.Set.Category.String(),
		Required: h.Set.Required, Lost: h.Set.LostWithout, Match: h.Pattern.String(), Part: h.part, ServiceTag: h.tag,
		Ports: h.Set.Ports.String(), Direction: h.Set.Direction.String(), ExpressRoute: h.Set.ExpressRoute.String(),
		Features: []Feature{}, Source: sourceOf(h.Set.Source, &b.c),
		Handling: RowHandling{
			Inspection: h.Set.Handling.Inspection.String(), ProxyAuthExempt: h.Set.Handling.ProxyAuthExempt,
			ByteRanges: h.Set.Handling.ByteRanges, ClientCertificate: h.Set.Handling.ClientCertificate,
			WebSocket: h.Set.Handling.WebSocket, IdleTimeoutSeconds: int64(h.Set.Handling.IdleTimeout / time.Second),
		},
	}
	if h.Prefix.IsValid() {
		s.Match = h.Prefix.String()
	}
	if !h.Set.Withdrawn.IsZero() {
		s.Withdrawn = h.Set.Withdrawn.Format(time.DateOnly)
	}
	applies := h.Set.Applies == catalog.Yes
	if b.c.Program != nil {
		s.NotForTenant, s.Lacks = h.Set.Applies == catalog.No, h.Set.Unfilled
	}
	for _, f := range b.c.Catalog.FeaturesOf(h.Set.ID) {
		s.Features = append(s.Features, Feature{ID: string(f), InUse: applies && slices.Contains(b.used, f)})
	}
	if len(s.Features) > 0 {
		s.Feature = s.Features[0].ID
	}
	return s
}

func tagOf(h tagHit) Tag {
	t := Tag{
		Tag: h.Tag.Name, Region: h.Tag.Region, Service: h.Tag.Service, Match: h.Prefix.String(), Part: h.part,
		Cloud: h.Tag.Cloud.String(), ChangeNumber: h.Tag.ChangeNumber, Features: h.Tag.Features,
	}
	if t.Features == nil {
		t.Features = []string{}
	}
	return t
}
