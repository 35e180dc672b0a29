package m365

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"sekisho/internal/finding"
)

// The limits of a body. The largest real ones have 60 KiB, 113 rows and 600 values.
const (
	// MaxBody is the longest body that is read, in bytes.
	MaxBody = 64 << 20
	// maxDepth is the deepest nesting (chosen: /changes needs 4).
	maxDepth = 8
	// maxValues bounds the values of a body and with them the memory of its tree (chosen: some 40 MB).
	maxValues = 400_000
	// maxFindings bounds the report; what is wrong in more places than these is wrong as a whole.
	maxFindings = 200
)

// kinds of a node.
const (
	isNull   = 'n'
	isBool   = 'b'
	isNumber = '0'
	isText   = 's'
	isList   = '['
	isObject = '{'
)

var kindNames = map[byte]string{isNull: "null", isBool: "boolean", isNumber: "number", isText: "string", isList: "array", isObject: "object"}

// node is one JSON value with the byte at which it begins.
type node struct {
	at    int
	kind  byte
	text  string // of a text or number
	yes   bool   // of a boolean
	items []node // of a list or object
	keys  []string
}

// get returns the member called key; nil when there is none. How often it is there is for judging whole rows.
func (n *node) get(key string) (found *node, times int) {
	for i := range n.keys {
		if n.keys[i] == key {
			if times++; found == nil {
				found = &n.items[i]
			}
		}
	}
	return found, times
}

// reader gathers what is wrong with one body.
type reader struct {
	file   string
	data   []byte
	found  finding.List
	values int
	dec    *json.Decoder
	// To turn offsets into lines without counting from the start each time.
	lastAt, lastLine, lastStart int
}

// errStop is returned after a finding that ends the reading.
var errStop = errors.New("unreadable")

// pos turns a byte offset into line and column.
func (r *reader) pos(at int) finding.Pos {
	at = min(max(at, 0), len(r.data))
	if at < r.lastAt || r.lastLine == 0 {
		r.lastAt, r.lastLine, r.lastStart = 0, 1, 0
	}
	for {
		i := bytes.IndexByte(r.data[r.lastAt:at], '\n')
		if i < 0 {
			break
		}
		r.lastAt += i + 1
		r.lastLine, r.lastStart = r.lastLine+1, r.lastAt
	}
	return finding.Pos{File: r.file, Line: r.lastLine, Column: utf8.RuneCount(r.data[r.lastStart:at]) + 1}
}

func (r *reader) room() bool { return len(r.found) < maxFindings }

// refuse notes a problem that makes the whole body unusable.
func (r *reader) refuse(f finding.Finding) error {
	r.found = append(r.found, f)
	return errStop
}

// prepare refuses a body that is too long, empty or not UTF-8, whatever it is written in.
func (r *reader) prepare() error {
	if len(r.data) > MaxBody {
		return r.refuse(finding.New("m365.too-large", finding.Error, finding.Pos{File: r.file}, "max_mib", strconv.Itoa(MaxBody>>20)))
	}
	r.data = bytes.TrimPrefix(r.data, []byte("\ufeff"))
	if len(bytes.TrimSpace(r.data)) == 0 {
		return r.refuse(finding.New("m365.empty", finding.Error, finding.Pos{File: r.file}))
	}
	for at := 0; !utf8.Valid(r.data) && at < len(r.data); {
		c, size := utf8.DecodeRune(r.data[at:])
		if c == utf8.RuneError && size == 1 {
			return r.refuse(finding.New("m365.encoding", finding.Error, r.pos(at), "byte", strconv.Itoa(at)))
		}
		at += size
	}
	return nil
}

// parse reads the body as one JSON value.
func (r *reader) parse() (*node, error) {
	if err := r.prepare(); err != nil {
		return nil, err
	}
	r.dec = json.NewDecoder(bytes.NewReader(r.data))
	r.dec.UseNumber()
	n, err := r.value(0)
	if err != nil {
		return nil, err
	}
	at := r.next()
	if _, err := r.dec.Token(); err != io.EOF {
		return nil, r.refuse(finding.New("m365.trailing", finding.Error, r.pos(at), "byte", strconv.Itoa(at)))
	}
	return &n, nil
}

// next is the byte at which the next token begins.
func (r *reader) next() int {
	at := int(r.dec.InputOffset())
	for at < len(r.data) && bytes.IndexByte([]byte(" \t\r\n,:"), r.data[at]) >= 0 {
		at++
	}
	return at
}

func (r *reader) token() (json.Token, int, error) {
	at := r.next()
	t, err := r.dec.Token()
	if err == nil {
		return t, at, nil
	}
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, at, r.refuse(finding.New("m365.truncated", finding.Error, r.pos(len(r.data)), "byte", strconv.Itoa(len(r.data))))
	case errors.As(err, &syntax):
		at = max(at, min(int(syntax.Offset)-1, len(r.data)))
	}
	return nil, at, r.refuse(finding.New("m365.syntax", finding.Error, r.pos(at), "byte", strconv.Itoa(at), "said", err.Error()))
}

func (r *reader) value(depth int) (node, error) {
	t, at, err := r.token()
	if err != nil {
		return node{}, err
	}
	return r.rest(t, at, depth)
}

// rest reads the value that begins with t.
func (r *reader) rest(t json.Token, at, depth int) (node, error) {
	n := node{at: at}
	if r.values++; r.values > maxValues {
		return n, r.refuse(finding.New("m365.too-many", finding.Error, r.pos(at), "byte", strconv.Itoa(at), "max", strconv.Itoa(maxValues)))
	}
	switch t := t.(type) {
	case nil:
		n.kind = isNull
	case bool:
		n.kind, n.yes = isBool, t
	case json.Number:
		n.kind, n.text = isNumber, t.String()
	case string:
		n.kind, n.text = isText, t
	case json.Delim:
		if depth >= maxDepth {
			return n, r.refuse(finding.New("m365.too-deep", finding.Error, r.pos(at), "byte", strconv.Itoa(at), "max", strconv.Itoa(maxDepth)))
		}
		n.kind = byte(t)
		for {
			t, at, err := r.token()
			if err != nil {
				return n, err
			}
			if end, ok := t.(json.Delim); ok && (end == ']' || end == '}') {
				return n, nil
			}
			if n.kind == isObject {
				key, ok := t.(string)
				if !ok {
					return n, r.refuse(finding.New("m365.syntax", finding.Error, r.pos(at), "byte", strconv.Itoa(at), "said", "a member without a name"))
				}
				v, err := r.value(depth + 1)
				if err != nil {
					return n, err
				}
				n.keys, n.items = append(n.keys, key), append(n.items, v)
				continue
			}
			v, err := r.rest(t, at, depth+1)
			if err != nil {
				return n, err
			}
			n.items = append(n.items, v)
		}
	}
	return n, nil
}

// want refuses a body whose outermost value is not of kind.
func (r *reader) want(n *node, kind byte) error {
	if n.kind == kind {
		return nil
	}
	return r.refuse(finding.New("m365.shape", finding.Error, r.pos(n.at), "byte", strconv.Itoa(n.at), "want", kindNames[kind], "is", kindNames[n.kind]))
}
