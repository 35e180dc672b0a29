package catalog

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"sekisho/internal/finding"
)

const (
	maxBytes = 1 << 20 // of one file (chosen: the largest of ours has 20 KiB)
	maxDepth = 32      // of nesting (chosen: ours need 6; the parser is recursive)
)

// reader walks the syntax tree of one file and gathers every problem. YAML's conveniences that change what a file means
// (anchors, aliases, tags, merge keys, a second document, coerced types) are refused.
type reader struct {
	file  string
	found finding.List
}

func (r *reader) fail(pos finding.Pos, code string, args ...string) {
	r.found = append(r.found, finding.New("catalog."+code, finding.Error, pos, args...))
}

// tree returns the root of the file's only document, nil after a problem.
func (r *reader) tree(data []byte) (root ast.Node) {
	whole := finding.Pos{File: r.file}
	if len(data) > maxBytes {
		r.fail(whole, "too-large", "max_mib", strconv.Itoa(maxBytes>>20))
		return nil
	}
	if !utf8.Valid(data) {
		r.fail(whole, "not-utf8")
		return nil
	}
	// The library is known to panic on some malformed input; that is a problem of the file like any other.
	defer func() {
		if recover() != nil {
			r.fail(whole, "syntax", "said", "not readable as YAML")
			root = nil
		}
	}()
	tokens := lexer.Tokenize(string(data))
	if !r.shallow(tokens) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		said, pos := err.Error(), whole
		if at, ok := err.(interface {
			GetToken() *token.Token
			GetMessage() string
		}); ok {
			said, pos = at.GetMessage(), r.at(at.GetToken())
		}
		r.fail(pos, "syntax", "said", said)
		return nil
	}
	switch {
	case len(file.Docs) > 1:
		r.fail(whole, "documents", "count", strconv.Itoa(len(file.Docs)))
		return nil
	case len(file.Docs) == 0 || file.Docs[0].Body == nil:
		r.fail(whole, "empty-file")
		return nil
	}
	return file.Docs[0].Body
}

// shallow refuses nesting that the recursive parser should not see: brackets, steps of indentation, and marks in a row
// that each wrap what follows ("- - -").
func (r *reader) shallow(tokens token.Tokens) bool {
	var indents []int
	flow, row, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, row = t.Position.Line, 0
			for flow == 0 && len(indents) > 0 && indents[len(indents)-1] >= t.Position.Column {
				indents = indents[:len(indents)-1]
			}
			if flow == 0 {
				indents = append(indents, t.Position.Column)
			}
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow = max(0, flow-1)
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType, token.AliasType:
			row++
		case token.CollectEntryType:
			row = 0
		}
		if flow+len(indents)+row > maxDepth {
			r.fail(r.at(t), "too-deep", "max", strconv.Itoa(maxDepth))
			return false
		}
	}
	return true
}

func (r *reader) at(t *token.Token) finding.Pos {
	if t == nil || t.Position == nil {
		return finding.Pos{File: r.file}
	}
	return finding.Pos{File: r.file, Line: t.Position.Line, Column: t.Position.Column}
}

// pos is where n begins.
func (r *reader) pos(n ast.Node) finding.Pos {
	switch v := n.(type) {
	case *ast.MappingNode:
		if !v.IsFlowStyle && len(v.Values) > 0 {
			return r.pos(v.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return r.pos(v.Key)
	case *ast.LiteralNode:
		return r.at(v.Start)
	case nil:
		return finding.Pos{File: r.file}
	}
	return r.at(n.GetToken())
}

// fields are the keys of a mapping and what reads each. A name that ends in "!" is obligatory.
type fields map[string]func(ast.Node)

// mapping reads n by want and reports keys that are unknown, repeated or missing. It returns where n begins.
func (r *reader) mapping(n ast.Node, want fields) finding.Pos {
	pos := r.pos(n)
	var pairs []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		r.mistyped(n, "mapping")
		return pos
	}
	read := map[string]func(ast.Node){}
	var known, missing []string
	for name, f := range want {
		bare, obligatory := strings.CutSuffix(name, "!")
		read[bare] = f
		known = append(known, bare)
		if obligatory {
			missing = append(missing, bare)
		}
	}
	slices.Sort(known)
	slices.Sort(missing)
	seen := map[string]finding.Pos{}
	for _, kv := range pairs {
		at := r.pos(kv.Key)
		key, ok := kv.Key.(*ast.StringNode)
		if !ok {
			r.mistyped(kv.Key, "key")
			continue
		}
		if first, twice := seen[key.Value]; twice {
			r.fail(at, "repeated-key", "key", key.Value, "first", first.String())
			continue
		}
		seen[key.Value] = at
		f, ok := read[key.Value]
		if !ok {
			r.fail(at, "unknown-key", "key", key.Value, "known", strings.Join(known, ", "))
			continue
		}
		f(kv.Value)
	}
	for _, name := range missing {
		if _, ok := seen[name]; !ok {
			r.fail(pos, "missing-key", "key", name)
		}
	}
	return pos
}

// each calls f for every element of the sequence n, which may not be empty.
func (r *reader) each(n ast.Node, f func(ast.Node)) {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		r.mistyped(n, "list")
		return
	}
	if len(s.Values) == 0 {
		r.fail(r.pos(n), "empty")
	}
	for _, v := range s.Values {
		f(v)
	}
}

// text reads a text that is not empty; ok is false after a problem.
func (r *reader) text(n ast.Node) (s string, ok bool) {
	switch v := n.(type) {
	case *ast.StringNode:
		s = v.Value
	case *ast.LiteralNode:
		s = v.Value.Value
	default:
		r.mistyped(n, "text")
		return "", false
	}
	if strings.TrimSpace(s) == "" {
		r.fail(r.pos(n), "empty")
		return "", false
	}
	return s, true
}

// identifier reads the name of something in the catalog.
func (r *reader) identifier(n ast.Node) string {
	s, ok := r.text(n)
	if ok && !isIdentifier(s) {
		r.fail(r.pos(n), "identifier", "value", s)
	}
	return s
}

// both reads a text in both languages.
func (r *reader) both(n ast.Node) (t Text) {
	r.mapping(n, fields{
		"ja!": func(n ast.Node) { t.JA, _ = r.text(n) },
		"en!": func(n ast.Node) { t.EN, _ = r.text(n) },
	})
	return t
}

func (r *reader) boolean(n ast.Node) bool {
	b, ok := n.(*ast.BoolNode)
	if !ok {
		r.mistyped(n, "boolean")
		return false
	}
	return b.Value
}

// word reads one of words and returns its place in them; words[0] may be empty (the value of an absent key).
func (r *reader) word(n ast.Node, words []string) int {
	s, ok := r.text(n)
	if !ok {
		return 0
	}
	i := slices.Index(words, s)
	if i < 0 {
		r.fail(r.pos(n), "value", "value", s, "known", strings.Join(slices.DeleteFunc(slices.Clone(words),
			func(w string) bool { return w == "" }), ", "))
		return 0
	}
	return i
}

// day reads YYYY-MM-DD.
func (r *reader) day(n ast.Node) time.Time {
	s, ok := r.text(n)
	if !ok {
		return time.Time{}
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		r.fail(r.pos(n), "date", "value", s)
	}
	return t
}

// mistyped says that something else than want stands at n.
func (r *reader) mistyped(n ast.Node, want string) {
	if _, ok := n.(*ast.AliasNode); ok {
		r.fail(r.pos(n), "alias")
		return
	}
	r.fail(r.pos(n), "type", "want", want)
}
