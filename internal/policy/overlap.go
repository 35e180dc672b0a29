package policy

import "sekisho/internal/endpoint"

// Overlap reports whether some host may be matched by both p and q. For two wildcards it takes a star for any text, so
// that it may say yes where labels would keep them apart, never no where a host is shared.
func Overlap(p, q endpoint.Pattern) bool {
	switch {
	case p.IsZero() || q.IsZero():
		return false
	case p.Kind() == endpoint.Exact && q.Kind() == endpoint.Exact:
		return p == q
	case p.Kind() == endpoint.Exact:
		return q.Match(endpoint.Host(p.String()))
	case q.Kind() == endpoint.Exact:
		return p.Match(endpoint.Host(q.String()))
	}
	return meet(p.String(), q.String())
}

// meet reports whether two globs, in which a star stands for any text, match a common string. Patterns are at most
// 255 bytes, so the table is small.
func meet(a, b string) bool {
	// can[j] says whether what is left of a from i on and of b from j on can meet.
	can := make([]bool, len(b)+1)
	next := make([]bool, len(b)+1)
	for i := len(a); i >= 0; i-- {
		for j := len(b); j >= 0; j-- {
			switch {
			case i == len(a) && j == len(b):
				next[j] = true
			case i < len(a) && a[i] == '*':
				next[j] = can[j] || j < len(b) && next[j+1]
			case j < len(b) && b[j] == '*':
				next[j] = next[j+1] || i < len(a) && can[j]
			case i < len(a) && j < len(b):
				next[j] = a[i] == b[j] && can[j+1]
			default:
				next[j] = false
			}
		}
		can, next = next, can
	}
	return can[0]
}
