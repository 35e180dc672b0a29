package config

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"sekisho/internal/finding"
)

const (
	// maxBytes is the size of a file that is read at most (chosen: a thousand times the shipped example).
	maxBytes = 1 << 20
	// maxDepth is how deep values may be nested (chosen: the schema needs 4; the parser is recursive).
	maxDepth = 32
	// maxEmpty is how many values may be left empty before the parser is not asked at all. Each is an error anyway, and
	// goccy/go-yaml v1.19 puts a token into the middle of its list for each: a file of nothing else took minutes.
	maxEmpty = 1000
)

// tree parses data into the root of its only document; nil when there is none, which is always a finding.
func (w *walker) tree(data []byte) ast.Node {
	root := w.document(data)
	if root == nil && !w.findings.HasErrors() {
		w.add(finding.New("config.empty-file", finding.Error, finding.Pos{File: w.file}))
	}
	return root
}

func (w *walker) document(data []byte) ast.Node {
	data, ok := w.clean(data)
	if !ok {
		return nil
	}
	tokens, ok := w.tokens(data)
	if !ok {
		return nil
	}
	file := w.parse(tokens)
	if file == nil {
		return nil
	}
	var root ast.Node
	for i, doc := range file.Docs {
		if d, ok := doc.Body.(*ast.DirectiveNode); ok {
			w.add(finding.New("config.directive", finding.Error, w.pos(d)))
			continue
		}
		if root != nil || i > 0 && doc.Body == nil && doc.Start != nil {
			pos := w.at(doc.Start)
			if doc.Start == nil && doc.Body != nil {
				pos = w.pos(doc.Body)
			}
			w.add(finding.New("config.second-document", finding.Error, pos))
			continue
		}
		root = doc.Body
	}
	if root == nil || isNull(root) {
		return nil
	}
	return root
}

// clean removes what editors add (a byte order mark, carriage returns) and refuses what no text file holds.
func (w *walker) clean(data []byte) (clean []byte, ok bool) {
	if len(data) > maxBytes {
		w.add(finding.New("config.too-large", finding.Error, finding.Pos{File: w.file}, "max_mib", strconv.Itoa(maxBytes>>20)))
		return nil, false
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	line, column := 1, 1
	before := len(w.findings)
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		pos := finding.Pos{File: w.file, Line: line, Column: column}
		switch {
		case r == utf8.RuneError && size == 1:
			w.add(finding.New("config.not-utf8", finding.Error, pos))
			return nil, false // whatever follows is a consequence
		case r == '\n':
			line, column = line+1, 0
		case r == '\t', r == '\r' && i+1 < len(data) && data[i+1] == '\n':
		case unicode.IsControl(r), r == '\u2028', r == '\u2029', unicode.Is(unicode.Bidi_Control, r), r == '\ufeff':
			w.add(finding.New("config.control-character", finding.Error, pos, "character", strings.ToUpper("u+"+pad(r))))
			if len(w.findings)-before == 10 { // a binary file; ten are enough
				return nil, false
			}
		}
		column++
		i += size
	}
	return bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")), len(w.findings) == before
}

func pad(r rune) string {
	s := strconv.FormatInt(int64(r), 16)
	return strings.Repeat("0", max(0, 4-len(s))) + s
}

// tokens splits data, and refuses what is nested too deeply before the recursive parser sees it.
func (w *walker) tokens(data []byte) (out token.Tokens, ok bool) {
	defer w.rescue(func() { ok = false })
	all := lexer.Tokenize(string(data))
	// Depth as the parser meets it: open brackets, steps of indentation, and the marks in a row that each wrap what
	// follows ("- - -", "? ? ?", "&a &b", "!x !y").
	var indents []int
	flow, row, lastLine := 0, 0, 0
	var marks finding.List // what is refused wherever it stands and could wrap without a new level
	empty := 0
	var braces []bool // for each open bracket: is it a brace?
	for i, t := range all {
		if t.Position == nil {
			continue
		}
		if leavesEmpty(all, i, len(braces) > 0 && braces[len(braces)-1]) {
			if empty++; empty > maxEmpty {
				w.add(finding.New("config.too-many-empty", finding.Error, w.at(t), "max", strconv.Itoa(maxEmpty)))
				return nil, false
			}
		}
		if t.Position.Line != lastLine {
			lastLine, row = t.Position.Line, 0
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
			braces = append(braces, t.Type == token.MappingStartType)
		case token.MappingEndType, token.SequenceEndType:
			if flow > 0 {
				flow--
				braces = braces[:flow]
			}
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType, token.MappingValueType, token.AliasType:
			if flow == 0 {
				row++
			} else if t.Type != token.MappingValueType {
				row++
			}
		case token.CollectEntryType:
			row = 0
		}
		switch t.Type {
		case token.AnchorType:
			marks = append(marks, finding.New("config.anchor", finding.Error, w.at(t)))
		case token.TagType:
			marks = append(marks, finding.New("config.tag", finding.Error, w.at(t), "value", t.Value))
		case token.MappingKeyType:
			marks = append(marks, finding.New("config.complex-key", finding.Error, w.at(t)))
		}
		if len(marks) > maxDepth {
			w.findings = append(w.findings, marks...)
			return nil, false
		}
		if flow+len(indents)+row > maxDepth {
			w.add(finding.New("config.too-deep", finding.Error, w.at(t), "max", strconv.Itoa(maxDepth)))
			return nil, false
		}
	}
	return all, true
}

// leavesEmpty reports whether the value that token i announces is not there; inBraces, whether i stands in {}. It may
// err for odd layouts.
func leavesEmpty(all token.Tokens, i int, inBraces bool) bool {
	t := all[i]
	if i+1 == len(all) {
		return false
	}
	next := all[i+1]
	if next.Position == nil {
		return false
	}
	switch next.Type {
	case token.CollectEntryType, token.MappingEndType, token.SequenceEndType:
		switch t.Type {
		case token.MappingValueType, token.CollectEntryType:
			return true
		case token.SequenceStartType, token.MappingStartType, token.SequenceEndType, token.MappingEndType:
			return next.Type == token.CollectEntryType && t.Type != token.SequenceEndType && t.Type != token.MappingEndType
		}
		return inBraces && i > 0 && all[i-1].Type != token.MappingValueType // {a, b}: keys alone
	}
	if next.Position.Line == t.Position.Line {
		return false
	}
	switch t.Type {
	case token.MappingValueType:
		if i == 0 || all[i-1].Position == nil {
			return true
		}
		column := all[i-1].Position.Column
		return next.Position.Column < column || next.Position.Column == column && next.Type != token.SequenceEntryType
	case token.SequenceEntryType, token.MappingKeyType:
		return next.Position.Column <= t.Position.Column
	}
	return false
}

// parse runs the third-party parser, whose panics become a finding.
func (w *walker) parse(tokens token.Tokens) (file *ast.File) {
	defer w.rescue(func() { file = nil })
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err == nil {
		return file
	}
	var said string
	pos := finding.Pos{File: w.file}
	star := false
	if at, ok := err.(interface {
		GetToken() *token.Token
		GetMessage() string
	}); ok {
		said, pos = at.GetMessage(), w.at(at.GetToken())
		star = at.GetToken() != nil && at.GetToken().Type == token.AliasType
	}
	if star {
		w.add(finding.New("config.alias", finding.Error, pos, "value", "*"))
		return nil
	}
	w.add(syntaxFinding(said, pos))
	return nil
}

func (w *walker) rescue(after func()) {
	if r := recover(); r != nil {
		w.add(finding.New("config.unreadable-yaml", finding.Error, finding.Pos{File: w.file}))
		after()
	}
}

// syntaxFinding words what the parser said. Its texts are those of goccy/go-yaml v1.19; one that is not known is quoted.
func syntaxFinding(said string, pos finding.Pos) finding.Finding {
	has := func(part string) bool { return strings.Contains(said, part) }
	switch {
	case has(`found character '	'`), has("tab character"), has("found a tab"):
		return finding.New("config.syntax-tab", finding.Error, pos)
	case has("quoted text"):
		return finding.New("config.syntax-quote", finding.Error, pos)
	case has("end token"), has("could not find flow"), has("must be specified"):
		return finding.New("config.syntax-bracket", finding.Error, pos)
	case has("mapping value is not allowed"), has("value is not allowed in this context"), has("map key-value is pre-defined"):
		return finding.New("config.syntax-place", finding.Error, pos)
	case has("reserved character"), has("directive value"):
		return finding.New("config.syntax-reserved", finding.Error, pos)
	}
	return finding.New("config.syntax", finding.Error, pos, "said", said)
}
