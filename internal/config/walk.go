package config

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"sekisho/internal/finding"
)

// walker reads a syntax tree against the schema and gathers what is wrong with it.
type walker struct {
	file string
	dir  string // folder that paths in the file are relative to
	top  []*entry
	// wrote holds the keys of each mapping read, and where they stand, by the place of the mapping: a rule must tell
	// "not written" from "written and refused".
	wrote map[finding.Pos]map[string]finding.Pos
	gathered
}

// gathered is the findings so far.
type gathered struct{ findings finding.List }

func (l *gathered) add(f finding.Finding) { l.findings = append(l.findings, f) }

// report adds what a scalar's parser said, at pos.
func (w *walker) report(f finding.Finding, pos finding.Pos) {
	f.Pos = pos
	w.add(f)
}

// pos is where n begins.
func (w *walker) pos(n ast.Node) finding.Pos {
	switch v := n.(type) {
	case *ast.MappingNode:
		if !v.IsFlowStyle && len(v.Values) > 0 {
			return w.pos(v.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return w.pos(v.Key)
	case *ast.LiteralNode:
		return w.at(v.Start)
	}
	return w.at(n.GetToken())
}

func (w *walker) at(t *token.Token) finding.Pos {
	if t == nil || t.Position == nil {
		return finding.Pos{File: w.file}
	}
	return finding.Pos{File: w.file, Line: t.Position.Line, Column: t.Position.Column}
}

// bare takes anchors, tags and the like off n, each with a finding, and returns what they stand on; nil when nothing
// can be read behind them.
func (w *walker) bare(n ast.Node) ast.Node {
	for {
		switch v := n.(type) {
		case *ast.AnchorNode:
			w.add(finding.New("config.anchor", finding.Error, w.pos(v)))
			n = v.Value
		case *ast.TagNode:
			w.add(finding.New("config.tag", finding.Error, w.pos(v), "value", v.Start.Value))
			n = v.Value
		case *ast.AliasNode:
			// An asterisk begins an alias in YAML: the usual cause is a host pattern without quotes.
			word := "*"
			if v.Value != nil {
				word += v.Value.GetToken().Value
			}
			w.add(finding.New("config.alias", finding.Error, w.pos(v), "value", word))
			return nil
		default:
			return n
		}
		if n == nil {
			return nil
		}
	}
}

// pairs returns the keys and values of a mapping, whichever of its two forms it has.
func pairs(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// readMapping fills into from n by fields.
func readMapping[T any](w *walker, n ast.Node, path string, fields []field[T], into *T) {
	n = w.bare(n)
	if n == nil {
		return
	}
	values, ok := pairs(n)
	if !ok {
		w.mistyped(n, path, section, nil)
		return
	}
	known := entries(fields)
	unreadable := false // a key that cannot be read may be the one that would be missing
	first := map[string]finding.Pos{}
	w.wrote[w.pos(n)] = first
	for _, kv := range values {
		key, pos, ok := w.key(kv)
		if !ok {
			unreadable = true
			continue
		}
		if p, twice := first[key]; twice {
			w.add(finding.New("config.repeated-key", finding.Error, pos, "key", key, "first", strconv.Itoa(p.Line)))
			continue
		}
		first[key] = pos
		i := slices.IndexFunc(known, func(e *entry) bool { return e.key == key })
		if i < 0 {
			w.unknown(key, pos, path, known)
			continue
		}
		if isNull(kv.Value) {
			w.add(finding.New("config.empty-value", finding.Error, pos, "key", key))
			continue
		}
		fields[i].fill(w, kv.Value, join(path, key), into)
	}
	for _, e := range known {
		if _, ok := first[e.key]; e.required && !ok && !unreadable {
			w.missing(n, path, e)
		}
	}
}

// missing reports that e is not in the mapping n.
func (w *walker) missing(n ast.Node, path string, e *entry) {
	pos := w.pos(n)
	if path == "" {
		pos = finding.Pos{File: w.file}
	}
	w.add(finding.New("config.missing-key", finding.Error, pos, "key", join(path, e.key), "example", exampleLine(e)))
}

// key returns the text of a key.
func (w *walker) key(kv *ast.MappingValueNode) (string, finding.Pos, bool) {
	switch k := kv.Key.(type) {
	case *ast.StringNode:
		return k.Value, w.pos(k), true
	case *ast.MergeKeyNode:
		w.add(finding.New("config.merge-key", finding.Error, w.pos(k)))
	case *ast.AnchorNode, *ast.TagNode:
		n := w.bare(k)
		if s, ok := n.(*ast.StringNode); ok {
			return s.Value, w.pos(s), true
		}
	case *ast.AliasNode:
		w.bare(k)
	case *ast.MappingKeyNode:
		w.add(finding.New("config.complex-key", finding.Error, w.pos(k)))
	default:
		w.add(finding.New("config.key-not-text", finding.Error, w.pos(kv.Key), "value", tokenText(kv.Key)))
	}
	return "", finding.Pos{}, false
}

// unknown reports a key that the mapping at path does not have.
func (w *walker) unknown(key string, pos finding.Pos, path string, known []*entry) {
	names := make([]string, len(known))
	for i, e := range known {
		names[i] = e.key
	}
	if want := finding.Nearest(key, names); want != "" {
		w.add(finding.New("config.unknown-key", finding.Error, pos, "key", key, "want", want, "known", strings.Join(names, ", ")))
		return
	}
	var elsewhere []string
	each(w.top, func(e *entry) {
		if e.key == key {
			elsewhere = append(elsewhere, e.path)
		}
	})
	if len(elsewhere) == 1 {
		w.add(finding.New("config.misplaced-key", finding.Error, pos, "key", key, "want", elsewhere[0]))
		return
	}
	w.add(finding.New("config.unknown-key", finding.Error, pos, "key", key, "want", "", "known", strings.Join(names, ", ")))
}

// list calls one for each item of n.
func (w *walker) list(n ast.Node, e *entry, path string, one func(n ast.Node, path string)) {
	if n = w.bare(n); n == nil {
		return
	}
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		w.mistyped(n, path, e.shape, e.scalar)
		return
	}
	if len(seq.Values) < e.minItems {
		w.add(finding.New("config.empty-list", finding.Error, w.pos(seq), "key", path))
	}
	for i, item := range seq.Values {
		path := path + "[" + strconv.Itoa(i) + "]"
		if item == nil || isNull(item) {
			pos := w.pos(seq)
			if i < len(seq.Entries) && seq.Entries[i] != nil {
				pos = w.at(seq.Entries[i].Start)
			} else if item != nil {
				pos = w.pos(item)
			}
			w.add(finding.New("config.empty-item", finding.Error, pos, "key", path))
			continue
		}
		one(item, path)
	}
}

// mistyped reports that n is not of the shape that is due at path.
func (w *walker) mistyped(n ast.Node, path string, due shape, s *scalarType) {
	pos := w.pos(n)
	_, isMap := pairs(n)
	_, isList := n.(*ast.SequenceNode)
	switch {
	case due == section && isList:
		w.add(finding.New("config.list-for-mapping", finding.Error, pos, "key", path))
	case due == section:
		w.add(finding.New("config.value-for-mapping", finding.Error, pos, "key", path, "value", tokenText(n)))
	case due == sections || due == several && isMap:
		w.add(finding.New("config.not-a-list", finding.Error, pos, "key", path))
	case due == several:
		w.add(finding.New("config.value-for-list", finding.Error, pos, "key", path, "want", "["+scalarText(n, s)+"]"))
	case isMap:
		w.add(finding.New("config.mapping-for-value", finding.Error, pos, "key", path))
	default:
		w.add(finding.New("config.list-for-value", finding.Error, pos, "key", path))
	}
}

var (
	decimal = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)
	// Words that YAML 1.1 reads as true or false, and 1.2 as text (https://yaml.org/type/bool.html): whoever writes
	// one without quotes has not said what was meant.
	ambiguous = regexp.MustCompile(`^(?i:y|n|yes|no|on|off)$`)
)

// readScalar reads one value. ok is false when a finding says why there is none.
func readScalar[V any](w *walker, n ast.Node, path string, s scalar[V]) (v V, pos finding.Pos, ok bool) {
	if n = w.bare(n); n == nil {
		return v, finding.Pos{File: w.file}, false
	}
	pos = w.pos(n)
	written, ok := w.scalarWritten(n, pos, path, s.scalarType)
	if !ok {
		return v, pos, false
	}
	v, problem := s.parse(written)
	if problem != nil {
		w.report(*problem, pos)
		var zero V
		return zero, pos, false
	}
	if s.finish != nil {
		v = s.finish(w.dir, v)
	}
	return v, pos, true
}

// scalarWritten returns the text of a scalar whose YAML type is the one that is due.
func (w *walker) scalarWritten(n ast.Node, pos finding.Pos, path string, s *scalarType) (string, bool) {
	word := tokenText(n)
	wrong := func(f finding.Finding) (string, bool) {
		w.add(f)
		return "", false
	}
	if _, isMap := pairs(n); isMap {
		w.mistyped(n, path, single, s)
		return "", false
	}
	if _, isList := n.(*ast.SequenceNode); isList {
		w.mistyped(n, path, single, s)
		return "", false
	}
	switch s.json {
	case "integer":
		if _, ok := n.(*ast.IntegerNode); ok && decimal.MatchString(word) {
			return word, true
		}
		return wrong(finding.New("config.number-due", finding.Error, pos, "key", path, "value", word))
	case "boolean":
		if _, ok := n.(*ast.BoolNode); ok && (word == "true" || word == "false") {
			return word, true
		}
		return wrong(finding.New("config.boolean-due", finding.Error, pos, "key", path, "value", word))
	}
	switch v := n.(type) {
	case *ast.StringNode:
		if plain(v) && ambiguous.MatchString(v.Value) && !slices.Contains(s.enum, v.Value) {
			return wrong(finding.New("config.boolean-for-text", finding.Error, pos, "key", path, "value", word, "want", scalarText(n, s)))
		}
		return v.Value, true
	case *ast.LiteralNode:
		if v.Value != nil {
			return v.Value.Value, true
		}
	case *ast.BoolNode:
		return wrong(finding.New("config.boolean-for-text", finding.Error, pos, "key", path, "value", word, "want", scalarText(n, s)))
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return wrong(finding.New("config.number-for-text", finding.Error, pos, "key", path, "value", word, "want", scalarText(n, s)))
	}
	return wrong(finding.New("config.empty-value", finding.Error, pos, "key", path))
}

// plain reports whether s was written without quotes.
func plain(s *ast.StringNode) bool {
	return s.Token != nil && s.Token.Type != token.DoubleQuoteType && s.Token.Type != token.SingleQuoteType
}

func isNull(n ast.Node) bool {
	if n == nil {
		return true
	}
	_, ok := n.(*ast.NullNode)
	return ok
}

// tokenText is how n was written, for messages.
func tokenText(n ast.Node) string {
	if n == nil {
		return ""
	}
	if s, ok := n.(*ast.StringNode); ok {
		return s.Value
	}
	if t := n.GetToken(); t != nil {
		return t.Value
	}
	return ""
}

// scalarText is how n is to be written so that it is the text that is due.
func scalarText(n ast.Node, s *scalarType) string {
	word := tokenText(n)
	if s != nil && s.fromNumber != nil && decimal.MatchString(word) {
		return s.fromNumber(word)
	}
	if st, ok := n.(*ast.StringNode); ok && !ambiguous.MatchString(st.Value) {
		return quoteIfDue(word)
	}
	return quote(word)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
