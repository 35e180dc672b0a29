// Package odata is the declared part of OData 4.01 that the lab's Graph collections answer: $filter, $orderby, $top,
// $skiptoken, $select and $count, over a table of fields. Anything else is an Error that names the option.
//
//	schema := odata.Schema[User]{Resource: "microsoft.graph.user", Key: key, ID: userID, Fields: fields, Properties: names,
//		Page: 100, MaxPage: 999}
//	q, err := schema.Parse(r.URL.RawQuery)
//	page := q.Apply(users)
//
// It knows nothing of HTTP, of JSON and of what the rows are. Grammar: OASIS, "OData Version 4.01. Part 2: URL
// Conventions", sections 5.1.1 and 5.1.3 to 5.1.7; which of it Graph has: Microsoft, "Use query parameters to customize
// responses" and "Use the $filter query parameter", https://learn.microsoft.com/graph/filter-query-parameter.
package odata

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of a query. 15 values of "in" is Graph's own ("Use the $filter query parameter"); the others are chosen: far
// above what a person writes, and far below what would cost.
const (
	maxQuery  = 24 << 10 // bytes of the whole query string: every option at its longest, escaped, fits
	maxFilter = 4 << 10  // bytes of $filter
	maxClause = 512      // bytes of $orderby and of any other option
	maxDepth  = 16       // parentheses and "not" within each other
	maxTerms  = 64       // comparisons of one $filter
	maxIn     = 15
	maxOrder  = 3   // fields of $orderby
	maxKey    = 128 // bytes of a text by which rows are ordered; what follows does not count
)

// Kind is what a field holds.
type Kind uint8

const (
	String  Kind = iota // a Go string; compared without letter case, as Graph's directory does
	Bool                // a Go bool
	Int                 // a Go int
	Time                // a time.Time; written as 2026-11-23 or 2026-11-23T09:30:00Z, without quotes
	Strings             // a []string; asked with any(x:x eq 'text' or …) alone
)

// Operators is a set of what $filter may do with a field.
type Operators uint16

const (
	Equal Operators = 1 << iota
	NotEqual
	Greater
	GreaterEqual
	Less
	LessEqual
	In
	StartsWith
	Any // of a collection: any(x:x eq 'text' or …)

	// Ordered is every comparison by order.
	Ordered = Greater | GreaterEqual | Less | LessEqual
)

// Field is one declared field of a row.
type Field[T any] struct {
	// Path is the name, with slashes for a nested one: "status/errorCode".
	Path string
	Kind Kind
	// Filter is what $filter may do with it; zero: nothing.
	Filter Operators
	// Order permits $orderby.
	Order bool
	// Value reads the field; nil stands for null. Otherwise it is of the type that Kind names.
	Value func(T) any
}

// Schema declares a collection. It must not change once in use; then it is safe for concurrent use.
type Schema[T any] struct {
	// Resource is the type's name in errors: "microsoft.graph.user".
	Resource string
	Fields   []Field[T]
	// Properties are the names that $select may give.
	Properties []string
	// ID is unique among the rows and breaks ties of the order.
	ID func(T) string
	// Default is the order without $orderby, written as $orderby is: "createdDateTime desc". "" orders by ID.
	Default string
	// Page is how many rows an answer has without $top, MaxPage how many it may have.
	Page, MaxPage int
	// Key seals $skiptoken; tokens of another key are refused.
	Key []byte
}

// Error tells which option of the query cannot be answered, and why. Text is a whole English sentence.
type Error struct {
	Option string // "$filter"; "query" for the query string itself
	Text   string
	// Unsupported tells a query that is well-formed from one that is not.
	Unsupported bool
	// Expired tells that the option is a $skiptoken that is not, or no longer, good.
	Expired bool
}

// Error returns the option and the sentence.
func (e *Error) Error() string { return e.Option + ": " + e.Text }

func bad(option, format string, args ...any) *Error {
	return &Error{Option: option, Text: fmt.Sprintf(format, args...)}
}

func unsupported(option, format string, args ...any) *Error {
	return &Error{Option: option, Text: fmt.Sprintf(format, args...), Unsupported: true}
}

// Query is a parsed query over rows of T.
type Query[T any] struct {
	// Select are the properties asked for, in their declared spelling; empty: all.
	Select []string
	// Count tells that the number of all matching rows was asked for.
	Count bool
	// Negated tells that $filter uses "ne" or "not".
	Negated bool
	// used are the fields that $filter speaks of.
	used []string
	// Filtered and Ordered tell that $filter and $orderby were given.
	Filtered, Ordered bool

	schema *Schema[T]
	filter node[T] // nil: everything
	order  []key[T]
	top    int
	after  *mark // nil: from the beginning
	print  string
	rest   []option // what a next link repeats
}

type option struct{ name, value string }

type key[T any] struct {
	field Field[T]
	desc  bool
}

// Uses reports whether $filter speaks of the field at path.
func (q *Query[T]) Uses(path string) bool { return slices.Contains(q.used, path) }

// Page is one page of rows.
type Page[T any] struct {
	Rows []T
	// Next is the query string of the next page; "" on the last one.
	Next string
	// Count is how many rows match in all.
	Count int
}

// Parse reads the query string of a request (RFC 3986, section 3.4; without the question mark). The names of options may
// lack the dollar sign, which Graph permits, and letter case does not count in them.
func (s *Schema[T]) Parse(raw string) (*Query[T], error) {
	options, err := split(raw)
	if err != nil {
		return nil, err
	}
	q := &Query[T]{schema: s, top: s.Page}
	token := ""
	for _, o := range options {
		switch o.name {
		case "$filter":
			p, err := s.parseFilter(o.value)
			if err != nil {
				return nil, err
			}
			q.filter, q.Negated, q.used = p.whole, p.negated, p.used
			q.Filtered = true
		case "$orderby":
			if q.order, err = s.parseOrder(o.value); err != nil {
				return nil, err
			}
			q.Ordered = true
		case "$top":
			n, failed := strconv.Atoi(o.value)
			if failed != nil || n < 1 || n > s.MaxPage {
				return nil, bad("$top", "Invalid page size specified: '%s'. Must be between 1 and %d inclusive.", clip(o.value), s.MaxPage)
			}
			q.top = n
		case "$select":
			if q.Select, err = s.parseSelect(o.value); err != nil {
				return nil, err
			}
			o.value = strings.Join(q.Select, ",")
		case "$count":
			if o.value != "true" && o.value != "false" {
				return nil, bad("$count", "Invalid value '%s' for $count. Write true or false.", clip(o.value))
			}
			q.Count = o.value == "true"
		case "$skiptoken":
			token = o.value
			if token == "" {
				return nil, expired()
			}
			continue
		default:
			return nil, unsupported(o.name, "The query option '%s' is not supported by the lab.", clip(o.name))
		}
		q.rest = append(q.rest, o)
	}
	if q.order == nil && s.Default != "" {
		if q.order, err = s.parseOrder(s.Default); err != nil {
			return nil, err
		}
	}
	q.print = fingerprint(s.Resource, q.rest)
	if token != "" {
		if q.after, err = s.open(token, q); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// split divides the query string into options, each once.
func split(raw string) ([]option, error) {
	if len(raw) > maxQuery {
		return nil, bad("query", "The query string has %d characters; at most %d are read.", len(raw), maxQuery)
	}
	var out []option
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, errName := url.QueryUnescape(name)
		value, errValue := url.QueryUnescape(value)
		if errName != nil || errValue != nil || name == "" || strings.Contains(part, ";") {
			return nil, bad("query", "The query string is not well-formed.")
		}
		folded := strings.ToLower(name)
		if slices.Contains([]string{"filter", "orderby", "top", "select", "count", "skiptoken"}, folded) {
			folded = "$" + folded
		}
		if strings.HasPrefix(folded, "$") {
			name = folded
		}
		if slices.ContainsFunc(out, func(o option) bool { return o.name == name }) {
			return nil, bad(clip(name), "The query option '%s' stands more than once.", clip(name))
		}
		out = append(out, option{name, value})
	}
	return out, nil
}

func (s *Schema[T]) parseOrder(text string) ([]key[T], error) {
	var out []key[T]
	if len(text) > maxClause {
		return nil, bad("$orderby", "Invalid orderby clause: %d characters, at most %d are read.", len(text), maxClause)
	}
	for part := range strings.SplitSeq(text, ",") {
		words := strings.Fields(part)
		if len(words) == 0 || len(words) > 2 || len(words) == 2 && words[1] != "asc" && words[1] != "desc" {
			return nil, bad("$orderby", "Invalid orderby clause '%s'. Write a property, then asc or desc.", clip(part))
		}
		f, ok := s.field(words[0])
		if !ok {
			return nil, s.unknown("$orderby", words[0])
		}
		if !f.Order {
			return nil, unsupported("$orderby", "Sorting by the property '%s' of type '%s' is not supported.", f.Path, s.Resource)
		}
		if slices.ContainsFunc(out, func(k key[T]) bool { return k.field.Path == f.Path }) || len(out) == maxOrder {
			return nil, bad("$orderby", "Invalid orderby clause: each property once, at most %d of them.", maxOrder)
		}
		out = append(out, key[T]{f, len(words) == 2 && words[1] == "desc"})
	}
	return out, nil
}

func (s *Schema[T]) parseSelect(text string) ([]string, error) {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		name := strings.TrimSpace(part)
		i := slices.IndexFunc(s.Properties, func(p string) bool { return strings.EqualFold(p, name) })
		if i < 0 {
			return nil, s.unknown("$select", name)
		}
		if !slices.Contains(out, s.Properties[i]) {
			out = append(out, s.Properties[i])
		}
	}
	return out, nil
}

func (s *Schema[T]) field(path string) (Field[T], bool) {
	i := slices.IndexFunc(s.Fields, func(f Field[T]) bool { return strings.EqualFold(f.Path, path) })
	if i < 0 {
		return Field[T]{}, false
	}
	return s.Fields[i], true
}

func (s *Schema[T]) unknown(option, name string) *Error {
	if slices.ContainsFunc(s.Properties, func(p string) bool { return strings.EqualFold(p, name) }) {
		return unsupported(option, "The property '%s' of type '%s' cannot be used in %s.", clip(name), s.Resource, option)
	}
	return bad(option, "Could not find a property named '%s' on type '%s'.", clip(name), s.Resource)
}

// Apply filters, orders and cuts rows, which it does not change.
func (q *Query[T]) Apply(rows []T) Page[T] {
	var kept []T
	for _, r := range rows {
		if q.filter == nil || q.filter(r) == yes {
			kept = append(kept, r)
		}
	}
	slices.SortStableFunc(kept, q.compare)
	p := Page[T]{Count: len(kept)}
	from := 0
	if q.after != nil {
		from = len(kept)
		for i, r := range kept {
			if q.afterMark(r) {
				from = i
				break
			}
		}
	}
	to := min(from+q.top, len(kept))
	p.Rows = kept[from:to]
	if to < len(kept) {
		values := make([]string, 0, len(q.rest)+1)
		for _, o := range q.rest {
			values = append(values, o.name+"="+url.QueryEscape(o.value))
		}
		p.Next = strings.Join(append(values, "$skiptoken="+q.seal(kept[to-1])), "&")
	}
	return p
}

// compare is the total order: the keys, then the id.
func (q *Query[T]) compare(a, b T) int {
	for _, k := range q.order {
		if c := compareValues(sortable(k.field.Value(a)), sortable(k.field.Value(b))); c != 0 {
			if k.desc {
				return -c
			}
			return c
		}
	}
	return cmp.Compare(q.schema.ID(a), q.schema.ID(b))
}

// afterMark reports whether r comes after the mark in the total order.
func (q *Query[T]) afterMark(r T) bool {
	for i, k := range q.order {
		if c := compareValues(sortable(k.field.Value(r)), q.after.values[i]); c != 0 {
			return c > 0 != k.desc
		}
	}
	return q.schema.ID(r) > q.after.id
}

// sortable is what counts of a value in the order: of a text its beginning, in lower case.
func sortable(v any) any {
	text, ok := v.(string)
	if !ok {
		return v
	}
	text = strings.ToLower(strings.ToValidUTF8(text, "?"))
	if len(text) > maxKey {
		text = strings.ToValidUTF8(text[:maxKey], "")
	}
	return text
}

// compareValues orders two values of one kind; null comes first (OData 4.01, Part 2, section 5.1.4).
func compareValues(a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	switch a := a.(type) {
	case string:
		b, _ := b.(string)
		return cmp.Compare(strings.ToLower(a), strings.ToLower(b))
	case int:
		b, _ := b.(int)
		return cmp.Compare(a, b)
	case time.Time:
		b, _ := b.(time.Time)
		return a.Compare(b)
	case bool:
		b, _ := b.(bool)
		switch {
		case a == b:
			return 0
		case b:
			return -1
		}
		return 1
	}
	return 0
}

// clip keeps what is echoed short and printable.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		s = s[:most]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}
