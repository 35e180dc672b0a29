package servicetags

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/gaissmai/bart"
)

// Hit is a tag that covers an address or a prefix, or lies within one, with the prefix that does.
type Hit struct {
	Tag    *Tag
	Prefix netip.Prefix
}

// Index finds the tags of addresses. Obtain it from NewIndex; the zero value and nil are empty. It is read-only and safe
// for concurrent use.
type Index struct {
	table bart.Table[*span]
	spans []span // in the order of comparePrefix
	hits  []Hit
	files []*File
}

// span is one prefix with its hits and the next wider one, so that a lookup is one longest match and a walk outwards.
type span struct {
	prefix netip.Prefix
	wider  *span
	hits   []Hit
}

// NewIndex indexes files, which are files of different clouds.
func NewIndex(files ...*File) *Index {
	x := &Index{files: slices.Clone(files)}
	n := 0
	for _, f := range files {
		n += f.Prefixes
	}
	x.hits = make([]Hit, 0, n)
	for _, f := range files {
		for _, t := range f.Tags {
			for _, p := range t.Prefixes {
				x.hits = append(x.hits, Hit{Tag: t, Prefix: p})
			}
		}
	}
	slices.SortFunc(x.hits, func(a, b Hit) int {
		if c := comparePrefix(a.Prefix, b.Prefix); c != 0 {
			return c
		}
		return compareTag(a.Tag, b.Tag)
	})
	x.gather()
	return x
}

// gather makes a span of the hits of each prefix. A wider prefix sorts before those that it contains, so the prefixes
// that are still open form a stack.
func (x *Index) gather() {
	n := 0
	for i := range x.hits {
		if i == 0 || x.hits[i].Prefix != x.hits[i-1].Prefix {
			n++
		}
	}
	x.spans = make([]span, 0, n) // never grown: spans point at one another
	var open *span
	for begin := 0; begin < len(x.hits); {
		p := x.hits[begin].Prefix
		end := begin + 1
		for end < len(x.hits) && x.hits[end].Prefix == p {
			end++
		}
		for open != nil && !open.prefix.Overlaps(p) {
			open = open.wider
		}
		x.spans = append(x.spans, span{prefix: p, wider: open, hits: x.hits[begin:end:end]})
		open = &x.spans[len(x.spans)-1]
		x.table.Insert(p, open)
		begin = end
	}
}

// comparePrefix orders prefixes so that a wider one comes before everything that it contains.
func comparePrefix(a, b netip.Prefix) int {
	if c := a.Addr().Compare(b.Addr()); c != 0 {
		return c
	}
	return cmp.Compare(a.Bits(), b.Bits())
}

// compareTag orders the tags of one prefix: those of a service before AzureCloud, which has everything; those of one
// region before those of all; then by name.
func compareTag(a, b *Tag) int {
	return cmp.Or(cmp.Compare(breadth(a), breadth(b)), strings.Compare(a.Name, b.Name), cmp.Compare(a.Cloud, b.Cloud))
}

func breadth(t *Tag) int {
	cloud := t.Name == "AzureCloud" || strings.HasPrefix(t.Name, "AzureCloud.")
	switch {
	case !cloud && t.Region != "":
		return 0
	case !cloud:
		return 1
	case t.Region != "":
		return 2
	}
	return 3
}

// Len is the number of tag and prefix pairs.
func (x *Index) Len() int {
	if x == nil {
		return 0
	}
	return len(x.hits)
}

// Files returns the files that were indexed. The slice is the caller's, the files are shared.
func (x *Index) Files() []*File {
	if x == nil {
		return nil
	}
	return slices.Clone(x.files)
}

// AppendAddr appends a hit for every prefix that contains a, longest prefix first; for one prefix the tags of services
// before AzureCloud, and regional ones before those of all regions. An IPv4 address in IPv6 form counts as the IPv4
// address, and a zone is ignored. It does not allocate when dst has room.
func (x *Index) AppendAddr(dst []Hit, a netip.Addr) []Hit {
	if x == nil || !a.IsValid() {
		return dst
	}
	if a.Is4In6() || a.Zone() != "" {
		a = a.Unmap().WithZone("")
	}
	s, _ := x.table.Lookup(a)
	return s.appendTo(dst)
}

// AppendPrefix appends a hit for every prefix that contains p whole, p itself included, ordered as by AppendAddr. It
// does not allocate when dst has room.
func (x *Index) AppendPrefix(dst []Hit, p netip.Prefix) []Hit {
	if x == nil || !p.IsValid() {
		return dst
	}
	s, _ := x.table.LookupPrefix(p)
	return s.appendTo(dst)
}

func (s *span) appendTo(dst []Hit) []Hit {
	for ; s != nil; s = s.wider {
		dst = append(dst, s.hits...)
	}
	return dst
}

// AppendInside appends a hit for every prefix that lies within p and is not p itself, in the order of addresses, at
// most most of them; whole is false when there are more. It does not allocate when dst has room.
func (x *Index) AppendInside(dst []Hit, p netip.Prefix, most int) (_ []Hit, whole bool) {
	if x == nil || !p.IsValid() {
		return dst, true
	}
	p = p.Masked()
	begin, _ := slices.BinarySearchFunc(x.spans, p, func(s span, p netip.Prefix) int { return comparePrefix(s.prefix, p) })
	left := most
	for i := begin; i < len(x.spans); i++ {
		s := &x.spans[i]
		if !p.Contains(s.prefix.Addr()) {
			break
		}
		if s.prefix == p {
			continue
		}
		if len(s.hits) > left {
			return append(dst, s.hits[:left]...), false
		}
		left -= len(s.hits)
		dst = append(dst, s.hits...)
	}
	return dst, true
}
