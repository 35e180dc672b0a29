package endpoint

import (
	"bytes"
	"strings"
)

// Index finds the values of every pattern that covers a host. Build it with Add; then it is read-only and safe for
// concurrent use. The zero value is empty and usable. It must not be copied once it has been used.
//
// It is a radix tree over the fixed text right of the star (for exact patterns, over the whole name), read from the
// right end of the host. A lookup walks the host once, so it costs the length of the name and not the number of
// patterns. Patterns with their star inside hang, by the text left of it, in a second tree read from the left.
type Index[T any] struct {
	root branch[T]
	n    int
}

// leaf holds the values of one pattern.
type leaf[T any] struct {
	pattern Pattern
	rank    int
	values  []T
}

// branch is a node of either tree. text is what stands between its parent and itself.
type branch[T any] struct {
	text  string
	first []byte // of each kid, the byte of its text that is read first
	kids  []*branch[T]

	exact  *leaf[T]   // the host ends here (tree of endings)
	wild   *leaf[T]   // Suffix, Glued: at least one byte more (tree of endings)
	inside *branch[T] // Inside: the tree of beginnings for this ending
	begins *leaf[T]   // Inside: the beginning ends here (tree of beginnings)
}

// Add adds v to the values of p. The zero pattern matches nothing, so adding to it does nothing.
func (x *Index[T]) Add(p Pattern, v T) {
	if p.IsZero() {
		return
	}
	x.n++
	var slot **leaf[T]
	switch star := strings.IndexByte(p.text, '*'); {
	case star < 0:
		slot = &x.root.grow(p.text, fromRight).exact
	case star == 0:
		slot = &x.root.grow(p.text[1:], fromRight).wild
	default:
		end := x.root.grow(p.text[star+1:], fromRight)
		if end.inside == nil {
			end.inside = new(branch[T])
		}
		slot = &end.inside.grow(p.text[:star], fromLeft).begins
	}
	if *slot == nil {
		*slot = &leaf[T]{pattern: p, rank: p.rank()}
	}
	(*slot).values = append((*slot).values, v)
}

// Len is the number of values added.
func (x *Index[T]) Len() int { return x.n }

// Append appends the values whose patterns match h, most specific first: in the order of Pattern.Compare, and for one
// pattern in the order added. It does not allocate when dst has room.
func (x *Index[T]) Append(dst []T, h Host) []T {
	// Seldom do more than a handful of patterns cover one host; clearing the large array would cost more than the walk.
	var few [12]*leaf[T]
	if found, ok := x.collect(few[:0], string(h)); ok {
		return appendValues(dst, found)
	}
	return x.appendMany(dst, h)
}

// appendMany is Append for a host that more than a dozen patterns cover. With more than 320 of them (a name of 253
// bytes has at most 253 endings) it allocates.
func (x *Index[T]) appendMany(dst []T, h Host) []T {
	var many [320]*leaf[T]
	found, ok := x.collect(many[:0], string(h))
	for size := 4 * len(many); !ok; size *= 4 {
		found, ok = x.collect(make([]*leaf[T], 0, size), string(h))
	}
	return appendValues(dst, found)
}

func appendValues[T any](dst []T, found []*leaf[T]) []T {
	for _, l := range found {
		dst = append(dst, l.values...)
	}
	return dst
}

// Best returns the first value that Append would give.
func (x *Index[T]) Best(h Host) (T, bool) {
	var few [12]*leaf[T]
	found, ok := x.collect(few[:0], string(h))
	if !ok {
		return x.bestOfMany(h)
	}
	if len(found) == 0 {
		var none T
		return none, false
	}
	return found[0].values[0], true
}

func (x *Index[T]) bestOfMany(h Host) (T, bool) {
	var many [320]*leaf[T]
	found, ok := x.collect(many[:0], string(h))
	for size := 4 * len(many); !ok; size *= 4 {
		found, ok = x.collect(make([]*leaf[T], 0, size), string(h))
	}
	return found[0].values[0], true
}

// collect appends to found, which is empty, the leaves that cover h, in order. complete is false when found has too
// little room for all of them.
func (x *Index[T]) collect(found []*leaf[T], h string) (_ []*leaf[T], complete bool) {
	if h == "" {
		return found, true
	}
	b, left := &x.root, len(h)
	for {
		k := bytes.IndexByte(b.first, h[left-1])
		if k < 0 {
			return found, true
		}
		b = b.kids[k]
		if len(b.text) > left || h[left-len(b.text):left] != b.text {
			return found, true
		}
		left -= len(b.text)
		if left == 0 {
			if b.exact != nil {
				return place(found, b.exact)
			}
			return found, true
		}
		if b.wild != nil {
			if found, complete = place(found, b.wild); !complete {
				return found, false
			}
		}
		if b.inside != nil {
			if found, complete = b.inside.collectInside(found, h[:left]); !complete {
				return found, false
			}
		}
	}
}

// collectInside appends the Inside leaves whose beginning h has. h is the host without the leaf's ending; at least one
// byte and no dot must remain between the two.
func (b *branch[T]) collectInside(found []*leaf[T], h string) (_ []*leaf[T], complete bool) {
	label := strings.LastIndexByte(h, '.') + 1
	for at := 0; at < len(h); {
		k := bytes.IndexByte(b.first, h[at])
		if k < 0 {
			break
		}
		b = b.kids[k]
		if !strings.HasPrefix(h[at:], b.text) {
			break
		}
		at += len(b.text)
		if b.begins != nil && at >= label && at < len(h) {
			if found, complete = place(found, b.begins); !complete {
				return found, false
			}
		}
	}
	return found, true
}

// place inserts l into found by specificity; false when found is full.
func place[T any](found []*leaf[T], l *leaf[T]) ([]*leaf[T], bool) {
	if len(found) == cap(found) {
		return found, false
	}
	found = append(found, l)
	i := len(found) - 1
	for ; i > 0 && moreSpecific(l, found[i-1]); i-- {
		found[i] = found[i-1]
	}
	found[i] = l
	return found, true
}

func moreSpecific[T any](a, b *leaf[T]) bool {
	if a.rank != b.rank {
		return a.rank > b.rank
	}
	return a.pattern.text < b.pattern.text
}

// side says from which end the texts of a tree are read.
type side bool

const (
	fromLeft  side = false
	fromRight side = true
)

// grow returns the branch at text below b, which it makes if need be.
func (b *branch[T]) grow(text string, from side) *branch[T] {
	for text != "" {
		k := bytes.IndexByte(b.first, from.head(text))
		if k < 0 {
			kid := &branch[T]{text: text}
			b.first = append(b.first, from.head(text))
			b.kids = append(b.kids, kid)
			return kid
		}
		kid := b.kids[k]
		n := from.common(text, kid.text)
		if n < len(kid.text) {
			fork := &branch[T]{text: from.take(kid.text, n)}
			kid.text = from.drop(kid.text, n)
			fork.first, fork.kids = []byte{from.head(kid.text)}, []*branch[T]{kid}
			b.kids[k], kid = fork, fork
		}
		b, text = kid, from.drop(text, n)
	}
	return b
}

func (from side) head(s string) byte {
	if from == fromRight {
		return s[len(s)-1]
	}
	return s[0]
}

func (from side) take(s string, n int) string {
	if from == fromRight {
		return s[len(s)-n:]
	}
	return s[:n]
}

func (from side) drop(s string, n int) string {
	if from == fromRight {
		return s[:len(s)-n]
	}
	return s[n:]
}

func (from side) common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && from.head(from.drop(a, n)) == from.head(from.drop(b, n)) {
		n++
	}
	return n
}
