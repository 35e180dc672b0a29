package servicetags

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"sekisho/internal/finding"
)

const (
	// maxDepth bounds how deep values that we do not read may be nested (chosen: the file itself has four levels).
	maxDepth = 32
	// maxFindings bounds what is reported of one file (chosen: more than anybody reads).
	maxFindings = 100
	// maxText bounds a name (chosen: the longest of change number 376 has 47 bytes).
	maxText = 256
)

// scanner reads JSON (RFC 8259) from a text in memory, strictly, and says where it stumbled. encoding/json reads the
// real file in ten times the time, keeps the last of repeated keys and forgets where a value stood.
//
// After a mistake in the syntax broken is set and nothing more is read.
type scanner struct {
	file   string
	s      string
	at     int
	tag    string // which is being read, for the place
	found  finding.List
	left   int  // findings beyond maxFindings
	failed bool // an error was found, reported or only counted
	broken bool

	// The place of the last finding, from which the next is counted on: findings come in the order of the text.
	seenAt, line, column int
}

// report records a finding at the byte offset at.
func (r *scanner) report(at int, severity finding.Severity, code string, args ...string) {
	if len(r.found) >= maxFindings {
		r.left++
		return
	}
	if at < r.seenAt || r.line == 0 {
		r.seenAt, r.line, r.column = 0, 1, 1
	}
	for passed := r.s[r.seenAt:at]; ; {
		i := strings.IndexByte(passed, '\n')
		if i < 0 {
			r.column += utf8.RuneCountInString(passed)
			break
		}
		passed, r.line, r.column = passed[i+1:], r.line+1, 1
	}
	r.seenAt = at
	args = append(args, "byte", strconv.Itoa(at), "tag", r.tag)
	r.found = append(r.found, finding.New("servicetags."+code, severity, finding.Pos{File: r.file, Line: r.line, Column: r.column}, args...))
}

// fail reports a mistake that makes the file unusable, and goes on reading.
func (r *scanner) fail(at int, code string, args ...string) {
	r.failed = true
	r.report(at, finding.Error, code, args...)
}

// stop reports a mistake after which nothing can be read; false for the caller to return.
func (r *scanner) stop(at int, code string, args ...string) bool {
	if !r.broken {
		if at >= len(r.s) && code == "syntax" {
			code, args = "truncated", nil
		}
		r.fail(min(at, len(r.s)), code, args...)
		r.broken = true
	}
	return false
}

// peek skips white space and returns the byte that follows, 0 at the end.
func (r *scanner) peek() byte {
	for r.at < len(r.s) {
		switch c := r.s[r.at]; c {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return c
		}
	}
	return 0
}

// take reads the byte c.
func (r *scanner) take(c byte) bool {
	if r.peek() != c {
		return r.stop(r.at, "syntax", "want", string(c))
	}
	r.at++
	return true
}

// object reads an object and calls field for every key; field reads the value. at is where the key stands.
func (r *scanner) object(field func(key string, at int) bool) bool {
	return r.list('{', '}', func() bool {
		r.peek()
		at := r.at
		key, ok := r.text()
		return ok && r.take(':') && field(key, at)
	})
}

// array reads an array and calls element for every value; element reads it.
func (r *scanner) array(element func() bool) bool { return r.list('[', ']', element) }

func (r *scanner) list(open, end byte, element func() bool) bool {
	if !r.take(open) {
		return false
	}
	if r.peek() == end {
		r.at++
		return true
	}
	for {
		if !element() {
			return false
		}
		switch r.peek() {
		case ',':
			r.at++
		case end:
			r.at++
			return true
		default:
			return r.stop(r.at, "syntax", "want", ", "+string(end))
		}
	}
}

// text reads a string. The result may share memory with the whole text; keep clones.
func (r *scanner) text() (string, bool) {
	if !r.take('"') {
		return "", false
	}
	begin := r.at
	plain := true
	for i := begin; i < len(r.s); i++ {
		switch c := r.s[i]; {
		case c == '"':
			r.at = i + 1
			s := r.s[begin:i]
			if plain {
				return s, true
			}
			return r.unescape(s, begin)
		case c == '\\':
			plain = false
			i++ // whatever is escaped does not end the string
		case c < 0x20:
			return "", r.stop(i, "control")
		case c >= utf8.RuneSelf:
			plain = false
		}
	}
	return "", r.stop(len(r.s), "truncated")
}

// unescape reads the inside of a string that has escapes or bytes beyond ASCII; it stands at at.
func (r *scanner) unescape(s string, at int) (string, bool) {
	if !utf8.ValidString(s) {
		return "", r.stop(at, "encoding")
	}
	if len(s) > 6*maxText {
		return s, true // longer than anything that is kept; who keeps it refuses it
	}
	var out string
	if err := json.Unmarshal([]byte(`"`+s+`"`), &out); err != nil {
		return "", r.stop(at, "syntax", "want", `\" \\ \/ \b \f \n \r \t \u0000`)
	}
	return out, true
}

// number reads a number that is written without sign, fraction and exponent; anything else is reported under key and
// skipped. An absent number is 0.
func (r *scanner) number(key string) (int64, bool) {
	c := r.peek()
	at := r.at
	text := ""
	switch {
	case c == '"': // the service tag API prints numbers in quotation marks
		var ok bool
		if text, ok = r.text(); !ok {
			return 0, false
		}
	case c >= '0' && c <= '9':
		for r.at < len(r.s) && r.s[r.at] >= '0' && r.s[r.at] <= '9' {
			r.at++
		}
		text = r.s[at:r.at]
		if r.at < len(r.s) && strings.IndexByte(".eE+-", r.s[r.at]) >= 0 {
			r.at = at
			text = ""
			if !r.skip(0) {
				return 0, false
			}
		}
	default:
		if !r.skip(0) {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || len(text) > 1 && text[0] == '0' {
		r.fail(at, "number", "key", key)
		return 0, true
	}
	return int64(n), true
}

// word reads a name; another type is reported under key and skipped. null is the empty text.
func (r *scanner) word(key string) (string, bool) {
	switch r.peek() {
	case '"':
		at := r.at
		s, ok := r.text()
		if ok && len(s) > maxText {
			r.fail(at, "long", "key", key, "max", strconv.Itoa(maxText))
			s = ""
		}
		return strings.Clone(s), ok
	case 'n':
		return "", r.skip(0)
	}
	at := r.at
	r.typeIs(at, key, "text")
	return "", r.skip(0)
}

// typeIs reports that key has a value of another type than want.
func (r *scanner) typeIs(at int, key, want string) {
	if at < len(r.s) { // else the file ends here, which skip says
		r.fail(at, "type", "key", key, "want", want)
	}
}

// skip reads any value.
func (r *scanner) skip(depth int) bool {
	if depth > maxDepth {
		return r.stop(r.at, "deep", "max", strconv.Itoa(maxDepth))
	}
	switch c := r.peek(); {
	case c == '{':
		return r.object(func(string, int) bool { return r.skip(depth + 1) })
	case c == '[':
		return r.array(func() bool { return r.skip(depth + 1) })
	case c == '"':
		_, ok := r.text()
		return ok
	}
	at := r.at
	for r.at < len(r.s) && strings.IndexByte(" \t\r\n,]}", r.s[r.at]) < 0 {
		r.at++
		if r.at-at > maxText {
			return r.stop(at, "syntax", "want", "null true false 0")
		}
	}
	if !json.Valid([]byte(r.s[at:r.at])) {
		if r.at == len(r.s) {
			at = r.at
		}
		return r.stop(at, "syntax", "want", "null true false 0")
	}
	return true
}
