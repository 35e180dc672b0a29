package config

import (
	"strconv"

	"github.com/goccy/go-yaml/ast"

	"sekisho/internal/finding"
)

// text is a text in the two languages of the product. It lives in the schema because it describes the schema.
type text struct{ JA, EN string }

func (t text) in(lang string) string {
	if lang == "ja" {
		return t.JA
	}
	return t.EN
}

// shape is what stands behind a key.
type shape uint8

const (
	single   shape = iota // one value
	several               // a list of values
	section               // a mapping
	sections              // a list of mappings
)

// entry describes one key of the file, whatever Go type it fills.
type entry struct {
	key       string
	path      string // "rings[].clients"
	shape     shape
	about     text
	byDefault string // as written in YAML; "" when there is none
	example   string // as written in YAML (one item for a list of values)
	required  bool
	minItems  int    // of a list that is given
	flag      string // "gateway-listen"; "" when no flag sets it
	variable  string // "SEKISHO_GATEWAY_LISTEN"; "" when no variable sets it
	scalar    *scalarType
	children  []*entry
}

// field joins an entry to the place that it fills in a T.
type field[T any] struct {
	*entry
	fill  func(w *walker, n ast.Node, path string, into *T) // reads n, which is not null
	reset func(into *T)                                     // applies the default
	rows  func(from *T, path string, out *[]Row)
	// set puts text into the leaf whose path is given and reports whether it is here.
	set func(w *walker, path, text string, pos finding.Pos, origin Origin, into *T) bool
}

func (f field[T]) must() field[T]               { f.required = true; return f }
func (f field[T]) atLeast(n int) field[T]       { f.minItems = n; return f }
func (f field[T]) or(yaml string) field[T]      { f.byDefault = yaml; return f }
func (f field[T]) eg(yaml string) field[T]      { f.example = yaml; return f }
func (f field[T]) by(flag, env string) field[T] { f.flag, f.variable = flag, env; return f }

// value is a key with one value.
func value[T, V any](key string, s scalar[V], at func(*T) *Value[V], about text) field[T] {
	e := &entry{key: key, shape: single, about: about, scalar: s.scalarType}
	f := field[T]{entry: e}
	f.reset = func(into *T) {
		if e.byDefault != "" {
			v, problem := s.parse(e.byDefault)
			if problem != nil {
				panic("config: the default of " + e.path + " is not valid: " + e.byDefault)
			}
			at(into).V = v
		}
	}
	f.fill = func(w *walker, n ast.Node, path string, into *T) {
		v, pos, _ := readScalar(w, n, path, s)
		*at(into) = Value[V]{V: v, Pos: pos, Origin: File}
	}
	f.rows = func(from *T, path string, out *[]Row) {
		v := at(from)
		if v.Given() || e.byDefault != "" {
			*out = append(*out, Row{Setting: path, Value: s.show(v.V), Text: s.print(v.V), Origin: v.Origin, Pos: v.Pos})
		}
	}
	f.set = func(w *walker, path, text string, pos finding.Pos, origin Origin, into *T) bool {
		if path != e.path {
			return false
		}
		v, problem := s.parse(text)
		if problem != nil {
			w.report(*problem, pos)
		}
		*at(into) = Value[V]{V: v, Pos: pos, Origin: origin}
		return true
	}
	return f
}

// values is a key with a list of values.
func values[T, V any](key string, s scalar[V], at func(*T) *[]Value[V], about text) field[T] {
	e := &entry{key: key, shape: several, about: about, scalar: s.scalarType}
	return field[T]{
		entry: e,
		reset: func(*T) {},
		set:   func(*walker, string, string, finding.Pos, Origin, *T) bool { return false }, // no list is set by a flag
		fill: func(w *walker, n ast.Node, path string, into *T) {
			seen := map[string]finding.Pos{}
			w.list(n, e, path, func(n ast.Node, item string) {
				v, pos, ok := readScalar(w, n, item, s)
				if !ok {
					return
				}
				if first, twice := seen[s.print(v)]; twice {
					w.add(finding.New("config.repeated-item", finding.Error, pos,
						"value", s.print(v), "key", path, "first", strconv.Itoa(first.Line)))
					return
				}
				seen[s.print(v)] = pos
				*at(into) = append(*at(into), Value[V]{V: v, Pos: pos, Origin: File})
			})
		},
		rows: func(from *T, path string, out *[]Row) {
			for i, v := range *at(from) {
				*out = append(*out, Row{Setting: path + "[" + strconv.Itoa(i) + "]", Value: s.show(v.V), Text: s.print(v.V), Origin: v.Origin, Pos: v.Pos})
			}
		},
	}
}

// group is a key with a mapping behind it. place, when given, takes the position of the key.
func group[T, S any](key string, at func(*T) *S, place func(*S) *finding.Pos, about text, fields []field[S]) field[T] {
	e := &entry{key: key, shape: section, about: about, children: entries(fields)}
	f := field[T]{entry: e}
	f.reset = func(into *T) {
		for _, f := range fields {
			f.reset(at(into))
		}
	}
	f.fill = func(w *walker, n ast.Node, path string, into *T) {
		if place != nil {
			*place(at(into)) = w.pos(n)
		}
		readMapping(w, n, path, fields, at(into))
	}
	f.rows = func(from *T, path string, out *[]Row) {
		for _, f := range fields {
			f.rows(at(from), path+"."+f.key, out)
		}
	}
	f.set = func(w *walker, path, text string, pos finding.Pos, origin Origin, into *T) bool {
		for _, f := range fields {
			if f.set(w, path, text, pos, origin, at(into)) {
				return true
			}
		}
		return false
	}
	return f
}

// groups is a key with a list of mappings behind it.
func groups[T, S any](key string, at func(*T) *[]S, place func(*S) *finding.Pos, about text, fields []field[S]) field[T] {
	e := &entry{key: key, shape: sections, about: about, children: entries(fields)}
	return field[T]{
		entry: e,
		reset: func(*T) {},
		set:   func(*walker, string, string, finding.Pos, Origin, *T) bool { return false }, // no list is set by a flag
		fill: func(w *walker, n ast.Node, path string, into *T) {
			w.list(n, e, path, func(n ast.Node, path string) {
				var one S
				for _, f := range fields {
					f.reset(&one)
				}
				*place(&one) = w.pos(n)
				readMapping(w, n, path, fields, &one)
				*at(into) = append(*at(into), one)
			})
		},
		rows: func(from *T, path string, out *[]Row) {
			for i := range *at(from) {
				for _, f := range fields {
					f.rows(&(*at(from))[i], path+"["+strconv.Itoa(i)+"]."+f.key, out)
				}
			}
		},
	}
}

func entries[T any](fields []field[T]) []*entry {
	out := make([]*entry, len(fields))
	for i, f := range fields {
		out[i] = f.entry
	}
	return out
}

// name gives every entry below es its path.
func name(es []*entry, prefix string) {
	for _, e := range es {
		e.path = prefix + e.key
		switch e.shape {
		case section:
			name(e.children, e.path+".")
		case sections:
			name(e.children, e.path+"[].")
		}
	}
}

// each calls visit for every entry below es, parents first.
func each(es []*entry, visit func(*entry)) {
	for _, e := range es {
		visit(e)
		each(e.children, visit)
	}
}
