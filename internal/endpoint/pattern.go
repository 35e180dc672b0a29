package endpoint

import (
	"cmp"
	"strings"
)

// Kind says which hosts a pattern covers.
type Kind uint8

const (
	// Exact covers the one host that is written: login.live.com.
	Exact Kind = iota
	// Suffix covers every name below a domain, at any depth, and not the domain itself: *.manage.microsoft.com.
	Suffix
	// Glued has a star at its very left that is glued to fixed text: *cdn.onenote.net, *-files.sharepoint.com. The star
	// stands for one or more characters of any kind, dots included, so that *cdn.onenote.net covers
	// site-cdn.onenote.net and a.cdn.onenote.net but not cdn.onenote.net.
	Glued
	// Inside has its star further right: autodiscover.*.onmicrosoft.com, azgn*.servicebus.windows.net. The star stands
	// for one or more characters of one label, never for a dot.
	Inside
)

// String is the stable code: exact, suffix, glued or inside.
func (k Kind) String() string {
	switch k {
	case Exact:
		return "exact"
	case Suffix:
		return "suffix"
	case Glued:
		return "glued"
	default:
		return "inside"
	}
}

// MarshalText prints the code.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Pattern is a host pattern in normal form with at most one star, see Kind. It is comparable: two patterns are equal
// when they are written equally. The zero value matches nothing.
type Pattern struct{ text string }

// ParsePattern brings s into normal form: as ParseHost does for everything but the star. It returns *ParseError for
// what ParseHost refuses, for more than one star, for a star alone, in the last label or in a label that is not ASCII.
func ParsePattern(s string) (Pattern, error) { return parsePattern("pattern", s) }

func parsePattern(what, s string) (Pattern, error) {
	star := strings.IndexByte(s, '*')
	if star < 0 {
		h, err := parseHost(what, s)
		return Pattern{string(h)}, err
	}
	if second := strings.IndexByte(s[star+1:], '*'); second >= 0 {
		return Pattern{}, fail(what, s, star+1+second, "two-stars", "")
	}
	if s == "*" || s == "*." {
		return Pattern{}, fail(what, s, 0, "star-alone", "")
	}
	if rest, ok := strings.CutPrefix(s, "*."); ok {
		h, err := parseHost(what, rest)
		if err != nil {
			return Pattern{}, within(err, what, s, len("*."))
		}
		if len(h)+len("a.") > MaxHostBytes {
			return Pattern{}, fail(what, s, MaxHostBytes, "host-too-long", "")
		}
		return Pattern{"*." + string(h)}, nil
	}
	begin := strings.LastIndexByte(s[:star], '.') + 1
	end := strings.IndexByte(s[star:], '.')
	if end < 0 || star+end == len(s)-1 {
		return Pattern{}, fail(what, s, star, "star-top", "")
	}
	label := s[begin : star+end]
	if !isASCII(label) || len(label) >= 4 && strings.EqualFold(label[:4], "xn--") {
		return Pattern{}, fail(what, s, begin, "star-idn", "")
	}
	// With a letter in the star's place the rest is judged as a host name; a name that fits has at least that one.
	const stand = "a"
	h, err := parseHost(what, s[:star]+stand+s[star+1:])
	if err != nil {
		e := within(err, what, s, 0)
		return Pattern{}, e
	}
	// Labels before this one may have changed their length, but not their number; the label itself is ASCII.
	name, at := string(h), 0
	for range strings.Count(s[:begin], ".") {
		at += strings.IndexByte(name[at:], '.') + 1
	}
	at += star - begin
	return Pattern{name[:at] + "*" + name[at+len(stand):]}, nil
}

// MustPattern is ParsePattern for patterns written in the program; it panics on a mistake.
func MustPattern(s string) Pattern {
	p, err := ParsePattern(s)
	if err != nil {
		panic(err)
	}
	return p
}

// ExactPattern returns the pattern that covers h alone. h must come from ParseHost; for "" it is the zero pattern.
func ExactPattern(h Host) Pattern { return Pattern{string(h)} }

// String returns the normal form; ParsePattern reads it back to an equal pattern.
func (p Pattern) String() string { return p.text }

// IsZero reports whether p is the pattern that matches nothing.
func (p Pattern) IsZero() bool { return p.text == "" }

// MarshalText prints the normal form.
func (p Pattern) MarshalText() ([]byte, error) { return []byte(p.text), nil }

// UnmarshalText reads a pattern by ParsePattern; an empty text is the zero pattern.
func (p *Pattern) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*p = Pattern{}
		return nil
	}
	*p, err = ParsePattern(string(text))
	return err
}

// Kind says which hosts p covers. The zero pattern is Exact: it names no host.
func (p Pattern) Kind() Kind {
	switch star := strings.IndexByte(p.text, '*'); {
	case star < 0:
		return Exact
	case star > 0:
		return Inside
	case p.text[1] == '.':
		return Suffix
	}
	return Glued
}

// Host returns the one host that an Exact pattern covers; ok is false for every other pattern and for the zero value.
func (p Pattern) Host() (h Host, ok bool) {
	if p.IsZero() || p.Kind() != Exact {
		return "", false
	}
	return Host(p.text), true
}

// Match reports whether p covers h. It does not allocate. Many patterns against one host: use Index.
func (p Pattern) Match(h Host) bool {
	if p.text == "" || h == "" {
		return false
	}
	star := strings.IndexByte(p.text, '*')
	if star < 0 {
		return p.text == string(h)
	}
	before, after := p.text[:star], p.text[star+1:]
	if len(h) < len(p.text) || !strings.HasPrefix(string(h), before) || !strings.HasSuffix(string(h), after) {
		return false
	}
	return star == 0 || strings.IndexByte(string(h[star:len(h)-len(after)]), '.') < 0
}

// Covers reports whether every host that q matches is matched by p. It is exact: when it says no, there is a host that
// q matches and p does not. The zero pattern covers nothing and is covered by nothing.
func (p Pattern) Covers(q Pattern) bool {
	if p.IsZero() || q.IsZero() {
		return false
	}
	if p == q {
		return true
	}
	qStar := strings.IndexByte(q.text, '*')
	if qStar < 0 {
		return p.Match(Host(q.text))
	}
	pStar := strings.IndexByte(p.text, '*')
	if pStar < 0 {
		return false
	}
	// What q's star stands for begins and ends with whatever letter one likes, so p's fixed text must be found in q's.
	if !strings.HasPrefix(q.text[:qStar], p.text[:pStar]) || !strings.HasSuffix(q.text[qStar+1:], p.text[pStar+1:]) {
		return false
	}
	if pStar == 0 {
		return true
	}
	// p's star stays within one label; q's, standing inside of it, must do so too.
	return qStar > 0 && strings.IndexByte(q.text[pStar:len(q.text)-len(p.text[pStar+1:])], '.') < 0
}

// Compare orders patterns from the most specific to the least: exact ones first, then more fixed text before less,
// then, between equally long ones, Inside before Suffix and Glued, then by text. It is zero for equal patterns only.
func (p Pattern) Compare(q Pattern) int {
	return cmp.Or(cmp.Compare(q.rank(), p.rank()), cmp.Compare(p.text, q.text))
}

// rank is larger for more specific patterns: fixed bytes, then whether the star is confined to one label.
func (p Pattern) rank() int {
	switch star := strings.IndexByte(p.text, '*'); {
	case p.text == "":
		return -1
	case star < 0:
		return 4 * (MaxHostBytes + 1)
	case star > 0:
		return 2*(len(p.text)-1) + 1
	}
	return 2 * (len(p.text) - 1)
}
