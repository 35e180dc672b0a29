package odata

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// truth is one of three values: a comparison by order with null is neither true nor false, and neither is its negation
// (OData 4.01, Part 2, section 5.1.1.1).
type truth int8

const (
	no truth = iota
	yes
	unknown
)

// node is a compiled expression.
type node[T any] func(T) truth

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// filterParser reads
//
//	or      = and { "or" and }
//	and     = unary { "and" unary }
//	unary   = "not" unary | "(" or ")" | startswith "(" field "," string ")" | field "in" "(" literals ")" | field op literal
type filterParser[T any] struct {
	schema  *Schema[T]
	text    string
	at      int
	depth   int
	terms   int
	negated bool
	used    []string
	whole   node[T]
}

func (s *Schema[T]) parseFilter(text string) (*filterParser[T], error) {
	if len(text) > maxFilter {
		return nil, bad("$filter", "Invalid filter clause: %d characters, at most %d are read.", len(text), maxFilter)
	}
	if !utf8.ValidString(text) {
		return nil, bad("$filter", "Invalid filter clause: not UTF-8.")
	}
	p := &filterParser[T]{schema: s, text: text}
	n, err := p.or()
	if err != nil {
		return nil, err
	}
	p.whole = n
	if p.space(); p.at < len(p.text) {
		return nil, p.fail("the end, 'and' or 'or' is expected")
	}
	return p, nil
}

func (p *filterParser[T]) fail(what string) *Error {
	return bad("$filter", "Invalid filter clause: %s at position %d in '%s'.", what, p.at+1, clip(p.text))
}

func (p *filterParser[T]) space() {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\t') {
		p.at++
	}
}

// word reads a name, a keyword, a number or a date; "" when there is none.
func (p *filterParser[T]) word() string {
	p.space()
	from := p.at
	for p.at < len(p.text) && strings.IndexByte(" \t(),'", p.text[p.at]) < 0 {
		p.at++
	}
	return p.text[from:p.at]
}

// peek returns the next word without taking it.
func (p *filterParser[T]) peek() string {
	at := p.at
	w := p.word()
	p.at = at
	return w
}

func (p *filterParser[T]) take(c byte) bool {
	p.space()
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *filterParser[T]) or() (node[T], error) {
	left, err := p.and()
	if err != nil {
		return nil, err
	}
	for p.peek() == "or" {
		p.word()
		right, err := p.and()
		if err != nil {
			return nil, err
		}
		a, b := left, right
		left = func(r T) truth {
			x := a(r)
			if x == yes {
				return yes
			}
			switch y := b(r); {
			case y == yes:
				return yes
			case x == unknown || y == unknown:
				return unknown
			}
			return no
		}
	}
	return left, nil
}

func (p *filterParser[T]) and() (node[T], error) {
	left, err := p.unary()
	if err != nil {
		return nil, err
	}
	for p.peek() == "and" {
		p.word()
		right, err := p.unary()
		if err != nil {
			return nil, err
		}
		a, b := left, right
		left = func(r T) truth {
			x := a(r)
			if x == no {
				return no
			}
			switch y := b(r); {
			case y == no:
				return no
			case x == unknown || y == unknown:
				return unknown
			}
			return yes
		}
	}
	return left, nil
}

func (p *filterParser[T]) unary() (node[T], error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail("more than " + strconv.Itoa(maxDepth) + " levels")
	}
	defer func() { p.depth-- }()
	if p.take('(') {
		n, err := p.or()
		if err != nil {
			return nil, err
		}
		if !p.take(')') {
			return nil, p.fail("')' is expected")
		}
		return n, nil
	}
	if p.peek() == "not" {
		p.word()
		p.negated = true
		n, err := p.unary()
		if err != nil {
			return nil, err
		}
		return func(r T) truth {
			switch n(r) {
			case yes:
				return no
			case no:
				return yes
			}
			return unknown
		}, nil
	}
	return p.comparison()
}

func (p *filterParser[T]) comparison() (node[T], error) {
	if p.terms++; p.terms > maxTerms {
		return nil, p.fail("more than " + strconv.Itoa(maxTerms) + " comparisons")
	}
	name := p.word()
	if name == "" {
		return nil, p.fail("a property is expected")
	}
	if p.take('(') {
		return p.function(name)
	}
	if path, ok := strings.CutSuffix(name, "/any"); ok {
		return nil, p.fail("'(' is expected behind '" + clip(path) + "/any'")
	}
	f, ok := p.schema.field(name)
	if !ok {
		return nil, p.schema.unknown("$filter", name)
	}
	if f.Kind == Strings {
		return nil, unsupported("$filter", "The collection '%s' is asked with any(x:x eq 'value').", f.Path)
	}
	p.used = append(p.used, f.Path)
	at := p.at
	op := p.word()
	if op == "in" {
		return p.in(f)
	}
	var bit Operators
	var holds func(int) bool
	switch op {
	case "eq":
		bit, holds = Equal, func(c int) bool { return c == 0 }
	case "ne":
		bit, holds = NotEqual, func(c int) bool { return c != 0 }
		p.negated = true
	case "gt":
		bit, holds = Greater, func(c int) bool { return c > 0 }
	case "ge":
		bit, holds = GreaterEqual, func(c int) bool { return c >= 0 }
	case "lt":
		bit, holds = Less, func(c int) bool { return c < 0 }
	case "le":
		bit, holds = LessEqual, func(c int) bool { return c <= 0 }
	default:
		p.at = at
		return nil, p.fail("an operator (eq, ne, gt, ge, lt, le, in) is expected")
	}
	if f.Filter&bit == 0 {
		return nil, p.refused(f, op)
	}
	want, err := p.literal(f, bit&Ordered == 0)
	if err != nil {
		return nil, err
	}
	return func(r T) truth {
		have := f.Value(r)
		if bit&Ordered != 0 && have == nil {
			return unknown
		}
		return truthOf(holds(compareValues(have, want)))
	}, nil
}

// refused is Graph's sentence for a property that cannot be filtered so.
func (p *filterParser[T]) refused(f Field[T], op string) *Error {
	return unsupported("$filter", "Unsupported or invalid query filter clause specified for property '%s' of resource '%s': '%s' is not supported.",
		f.Path, p.schema.Resource, op)
}

func (p *filterParser[T]) function(name string) (node[T], error) {
	if path, ok := strings.CutSuffix(name, "/any"); ok {
		return p.any(path)
	}
	if !strings.EqualFold(name, "startswith") {
		return nil, unsupported("$filter", "The function '%s' is not supported in $filter.", clip(name))
	}
	path := p.word()
	f, ok := p.schema.field(path)
	if !ok {
		return nil, p.schema.unknown("$filter", path)
	}
	if f.Filter&StartsWith == 0 {
		return nil, p.refused(f, "startsWith")
	}
	p.used = append(p.used, f.Path)
	if !p.take(',') {
		return nil, p.fail("',' is expected")
	}
	want, err := p.literal(f, false)
	if err != nil {
		return nil, err
	}
	if !p.take(')') {
		return nil, p.fail("')' is expected")
	}
	prefix := strings.ToLower(want.(string)) // StartsWith is declared for strings alone
	n := func(r T) truth {
		text, ok := f.Value(r).(string)
		return truthOf(ok && strings.HasPrefix(strings.ToLower(text), prefix))
	}
	if p.peek() != "eq" { // "startsWith(a,'b') eq true" is the longer form of the same
		return n, nil
	}
	p.word()
	switch p.word() {
	case "true":
		return n, nil
	case "false":
		p.negated = true
		return func(r T) truth { return truthOf(n(r) != yes) }, nil
	}
	return nil, p.fail("true or false is expected")
}

// any reads what stands behind "path/any(": x:x eq 'text' { or x eq 'text' } ")" (OData 4.01, Part 2, section 5.1.1.13.1).
func (p *filterParser[T]) any(path string) (node[T], error) {
	f, ok := p.schema.field(path)
	switch {
	case !ok:
		return nil, p.schema.unknown("$filter", path)
	case f.Filter&Any == 0:
		return nil, p.refused(f, "any")
	}
	p.used = append(p.used, f.Path)
	name, first, ok := strings.Cut(p.word(), ":")
	if !ok || name == "" {
		return nil, p.fail("a variable and ':' are expected")
	}
	if first == "" {
		first = p.word()
	}
	wanted := map[string]bool{}
	for {
		if first != name {
			return nil, p.fail("'" + clip(name) + "' is expected")
		}
		if p.word() != "eq" {
			return nil, p.fail("'eq' is expected")
		}
		v, err := p.literal(Field[T]{Path: f.Path}, false)
		if err != nil {
			return nil, err
		}
		if p.terms++; p.terms > maxTerms {
			return nil, p.fail("more than " + strconv.Itoa(maxTerms) + " comparisons")
		}
		text, _ := v.(string) // a literal of the kind String
		wanted[strings.ToLower(text)] = true
		if p.take(')') {
			break
		}
		if p.word() != "or" {
			return nil, p.fail("')' or 'or' is expected")
		}
		first = p.word()
	}
	return func(r T) truth {
		have, _ := f.Value(r).([]string)
		for _, text := range have {
			if wanted[strings.ToLower(text)] {
				return yes
			}
		}
		return no
	}, nil
}

func (p *filterParser[T]) in(f Field[T]) (node[T], error) {
	if f.Filter&In == 0 {
		return nil, p.refused(f, "in")
	}
	if !p.take('(') {
		return nil, p.fail("'(' is expected")
	}
	var want []any
	for {
		v, err := p.literal(f, false)
		if err != nil {
			return nil, err
		}
		if want = append(want, v); len(want) > maxIn {
			return nil, unsupported("$filter", "Too many values for 'in'. Max allowed: %d.", maxIn)
		}
		if p.take(',') {
			continue
		}
		if p.take(')') {
			break
		}
		return nil, p.fail("',' or ')' is expected")
	}
	return func(r T) truth {
		have := f.Value(r)
		for _, v := range want {
			if have != nil && compareValues(have, v) == 0 {
				return yes
			}
		}
		return no
	}, nil
}

// literal reads a value of f's kind.
func (p *filterParser[T]) literal(f Field[T], null bool) (any, error) {
	p.space()
	from := p.at
	if p.at < len(p.text) && p.text[p.at] == '\'' {
		text, ok := p.quoted()
		if !ok {
			p.at = from
			return nil, p.fail("the text in quotes has no end")
		}
		if f.Kind != String {
			p.at = from
			return nil, p.fail("'" + f.Path + "' takes no text in quotes")
		}
		return text, nil
	}
	word := p.word()
	if word == "null" && null {
		return nil, nil
	}
	switch f.Kind {
	case Bool:
		switch word {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
	case Int:
		if n, err := strconv.ParseInt(word, 10, 32); err == nil && !strings.HasPrefix(word, "+") {
			return int(n), nil
		}
	case Time:
		for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
			if t, err := time.Parse(layout, word); err == nil && t.Year() > 0 {
				return t.UTC(), nil
			}
		}
	}
	p.at = from
	return nil, p.fail("a value for '" + f.Path + "' is expected, " + map[Kind]string{
		String: "a text in single quotes", Bool: "true or false", Int: "a whole number", Time: "a time such as 2026-11-23T09:30:00Z without quotes",
	}[f.Kind] + ",")
}

// quoted reads 'text'; two quotes stand for one.
func (p *filterParser[T]) quoted() (string, bool) {
	var b strings.Builder
	for p.at++; p.at < len(p.text); p.at++ {
		if p.text[p.at] != '\'' {
			b.WriteByte(p.text[p.at])
			continue
		}
		if p.at+1 < len(p.text) && p.text[p.at+1] == '\'' {
			b.WriteByte('\'')
			p.at++
			continue
		}
		p.at++
		return b.String(), true
	}
	return "", false
}
