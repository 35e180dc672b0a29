package directory

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"sekisho/internal/finding"
)

const (
	// maxBytes bounds a lab.yaml; chosen, thousands of people fit.
	maxBytes = 1 << 20
	// maxDepth is how deep values may be nested (chosen: the file needs 9; the parser is recursive).
	maxDepth = 32
	// maxProblems is how many problems are told at most; chosen, what a person reads.
	maxProblems = 50
)

// reader reads the syntax tree of a file into structs with yaml tags, strictly: no unknown or repeated key, no value of
// another kind, no anchors, aliases and tags. It notes where each value stands.
type reader struct {
	file   string
	found  finding.List
	places map[string]finding.Pos // of values, by their path
}

func (r *reader) add(pos finding.Pos, code string, args ...string) {
	if len(r.found) < maxProblems {
		r.found = append(r.found, finding.New(code, finding.Error, pos, args...))
	}
}

// read fills into, a pointer to a struct, from data.
func (r *reader) read(data []byte, into any) {
	top := finding.Pos{File: r.file}
	if len(data) > maxBytes {
		r.add(top, "lab.file-too-large", "limit", strconv.Itoa(maxBytes>>20))
		return
	}
	root := r.parse(data)
	if len(r.found) > 0 {
		return
	}
	if root == nil {
		r.add(top, "lab.file-no-content")
		return
	}
	r.value(root, reflect.ValueOf(into).Elem(), "")
}

// parse returns the root of the file's only document; nil when there is none. A panic of the parser, which is somebody
// else's, becomes a finding.
func (r *reader) parse(data []byte) (root ast.Node) {
	defer func() {
		if said := recover(); said != nil {
			root = nil
			r.add(finding.Pos{File: r.file}, "lab.file-syntax", "said", fmt.Sprint(said))
		}
	}()
	tokens := lexer.Tokenize(string(data))
	if !r.shallow(tokens) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		pos := finding.Pos{File: r.file}
		said := err.Error()
		var at interface {
			GetToken() *token.Token
			GetMessage() string
		}
		if errors.As(err, &at) {
			pos, said = r.at(at.GetToken()), at.GetMessage()
		}
		r.add(pos, "lab.file-syntax", "said", said)
		return nil
	}
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil:
		case root != nil:
			r.add(r.at(doc.Body.GetToken()), "lab.file-second-document")
			return nil
		default:
			root = doc.Body
		}
	}
	return root
}

// shallow reports whether the parser may see tokens: nested no deeper than maxDepth, and without the marks that wrap what
// follows them.
func (r *reader) shallow(tokens token.Tokens) bool {
	var indents []int
	flow, row, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position == nil {
			continue
		}
		if t.Position.Line != line {
			line, row = t.Position.Line, 0
			if flow == 0 {
				for len(indents) > 0 && indents[len(indents)-1] >= t.Position.Column {
					indents = indents[:len(indents)-1]
				}
				indents = append(indents, t.Position.Column)
			}
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow = max(0, flow-1)
		case token.SequenceEntryType, token.MappingValueType:
			row++
		case token.CollectEntryType:
			row = 0
		case token.AnchorType, token.TagType, token.AliasType, token.MappingKeyType, token.MergeKeyType, token.DirectiveType:
			r.add(r.at(t), "lab.file-plain", "value", t.Value)
			return false
		}
		if flow+len(indents)+row > maxDepth {
			r.add(r.at(t), "lab.file-too-deep", "limit", strconv.Itoa(maxDepth))
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
	}
	return r.at(n.GetToken())
}

// scalar is implemented by structs that may be written as one text.
type scalar interface{ setText(text string) }

// value fills v from n.
func (r *reader) value(n ast.Node, v reflect.Value, path string) {
	at := r.pos(n)
	r.places[path] = at
	if _, ok := n.(*ast.NullNode); ok {
		r.add(at, "lab.file-empty", "path", path)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		r.value(n, v.Elem(), path)
	case reflect.Struct:
		if short, ok := v.Addr().Interface().(scalar); ok {
			if text, ok := text(n); ok {
				short.setText(text)
				return
			}
		}
		r.mapping(n, v, path)
	case reflect.Slice:
		list, ok := n.(*ast.SequenceNode)
		if !ok {
			r.add(at, "lab.file-not-a-list", "path", path)
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 0, len(list.Values)))
		for i, item := range list.Values {
			e := reflect.New(v.Type().Elem()).Elem()
			r.value(item, e, path+"["+strconv.Itoa(i)+"]")
			v.Set(reflect.Append(v, e))
		}
	case reflect.Bool:
		b, ok := n.(*ast.BoolNode)
		if !ok {
			r.add(at, "lab.file-not-true-or-false", "path", path)
			return
		}
		v.SetBool(b.Value)
	case reflect.Int:
		i, err := strconv.Atoi(n.GetToken().Value)
		if _, ok := n.(*ast.IntegerNode); !ok || err != nil {
			r.add(at, "lab.file-not-a-number", "path", path)
			return
		}
		v.SetInt(int64(i))
	case reflect.String:
		text, ok := text(n)
		if !ok {
			r.add(at, "lab.file-not-a-text", "path", path)
			return
		}
		v.SetString(text)
	}
}

func text(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	}
	return "", false
}

// mapping fills the struct v by the yaml tags of its fields; "-" and none are not to be written.
func (r *reader) mapping(n ast.Node, v reflect.Value, path string) {
	var pairs []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		r.add(r.pos(n), "lab.file-not-a-mapping", "path", path)
		return
	}
	fields := map[string]int{}
	var known []string
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("yaml"); name != "" && name != "-" {
			fields[name] = i
			known = append(known, name)
		}
	}
	first := map[string]int{}
	for _, pair := range pairs {
		at := r.pos(pair.Key)
		key, ok := text(pair.Key)
		field, is := fields[key]
		if !ok || !is {
			key = pair.Key.GetToken().Value
			r.add(at, "lab.file-unknown-key", "key", key, "want", finding.Nearest(key, known), "known", strings.Join(slices.Sorted(slices.Values(known)), ", "))
			continue
		}
		if line, twice := first[key]; twice {
			r.add(at, "lab.file-repeated-key", "key", key, "first", strconv.Itoa(line))
			continue
		}
		first[key] = at.Line
		below := key
		if path != "" {
			below = path + "." + key
		}
		r.value(pair.Value, v.Field(field), below)
	}
}

// place is where the value of path stands, or else the nearest value around it.
func (r *reader) place(path string) finding.Pos {
	for path != "" {
		if pos, ok := r.places[path]; ok {
			return pos
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	if pos, ok := r.places[""]; ok {
		return pos
	}
	return finding.Pos{File: r.file}
}
