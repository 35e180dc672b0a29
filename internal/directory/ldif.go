package directory

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"sekisho/internal/finding"
)

// ReadLDIF reads the content records of an LDIF file (RFC 2849), as ldifde, ldapsearch and ldbsearch
// export them: folded lines, base64, comments, "changetype: add", UTF-16 with a byte order mark, and the report behind
// the records that ldapsearch prints without -L. A report that the server cut the result off is an error, because the
// file is not the whole. So are records that change something, and a value that is to be fetched from a URL. name stands
// in the errors, which are *finding.Problem with the line; no Directory is returned with one.
func ReadLDIF(name string, r io.Reader, o Options) (*Directory, error) {
	in := &ldif{name: name, collector: newCollector(o)}
	limited := &io.LimitedReader{R: r, N: MaxFileBytes + 1}
	in.lines = bufio.NewReaderSize(transform.NewReader(limited, unicode.BOMOverride(transform.Nop)), 64<<10)
	for {
		more, err := in.record()
		if err == nil && limited.N <= 0 {
			err = finding.Fail("directory.too-large", nil, "file", name, "max", strconv.Itoa(MaxFileBytes>>30)+" GiB")
		}
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
	}
	if in.objects == 0 && in.referrals == 0 && !in.version {
		return nil, finding.Fail("directory.empty", nil, "file", name)
	}
	if in.objects > 0 && !in.seen[attrClass] {
		return nil, finding.Fail("directory.ldif-no-class", nil, "file", name)
	}
	return in.finish()
}

// ldif reads one file.
type ldif struct {
	*collector
	name      string
	lines     *bufio.Reader
	line      int  // of the line that was read last
	start     int  // where that line began before it was folded
	version   bool // the file says that it is LDIF
	referrals int
	ended     bool
	buffer    []byte // of the line that was read last
	lower     []byte // of its name
}

// words are the names that mean something to LDIF itself, or to what ldapsearch prints beside the records.
var words = map[string]bool{"dn": true, "version": true, "changetype": true, "control": true, "search": true, "result": true, "ref": true}

// ldifLine is an unfolded line. The value of an attribute that nobody wants was read past and is not kept.
type ldifLine struct {
	name  []byte // as it stands; good until the next line is read, like value
	key   string // in lower case, where it means something to LDIF or is wanted
	value []byte
	kind  byte // ':' for text, '6' for base64, '<' for a URL
	wants attribute
	blank bool // the line is empty: a record ends
	end   bool // the file ended before it
}

func (l *ldif) fail(line int, code string, args ...string) error {
	f := finding.New("directory."+code, finding.Error, finding.Pos{File: l.name, Line: line, Column: 1}, args...)
	return &finding.Problem{Findings: finding.List{f}}
}

func (l *ldif) place(line int, f *finding.Finding) error {
	f.Pos = finding.Pos{File: l.name, Line: line, Column: 1}
	return &finding.Problem{Findings: finding.List{*f}}
}

// record reads one record; more is false at the end of the file.
func (l *ldif) record() (more bool, err error) {
	first, err := l.next()
	for err == nil && first.blank {
		first, err = l.next()
	}
	if err != nil || first.end {
		return false, err
	}
	switch first.key {
	case "version":
		if string(first.value) != "1" {
			return false, l.fail(l.start, "ldif-version", "value", shown(string(first.value)))
		}
		l.version = true
		return true, nil
	case "dn":
	case "search", "result", "ref":
		return l.trailer(first)
	default:
		return false, l.fail(l.start, "ldif-no-dn", "name", shown(string(first.name)))
	}
	dn, err := l.value(first)
	if err != nil {
		return false, err
	}
	if len(dn) > MaxValue || !utf8.Valid(dn) {
		return false, l.fail(l.start, "ldif-dn")
	}
	l.begin(string(dn), finding.Pos{File: l.name, Line: l.start, Column: 1})
	began := l.start
	for {
		line, err := l.next()
		if err != nil {
			return false, err
		}
		if line.blank || line.end {
			break
		}
		switch {
		case line.key == "changetype":
			if how := strings.ToLower(string(line.value)); how != "add" {
				return false, l.fail(l.start, "ldif-change", "value", shown(how))
			}
		case line.key == "control":
			return false, l.fail(l.start, "ldif-change", "value", "control")
		case line.key == "dn":
			return false, l.fail(l.start, "ldif-two-records")
		case line.wants == ignored || line.wants == attrDN:
		default:
			value, err := l.value(line)
			if err != nil {
				return false, err
			}
			if f := l.add(line.wants, value); f != nil {
				return false, l.place(l.start, f)
			}
		}
	}
	if f := l.end(); f != nil {
		return false, l.place(began, f)
	}
	return true, nil
}

// trailer reads what ldapsearch prints beside the records: referrals, which are not chased, and the result.
func (l *ldif) trailer(line ldifLine) (more bool, err error) {
	for ; ; line, err = l.next() {
		switch {
		case err != nil:
			return false, err
		case line.blank, line.end:
			return true, nil
		case line.key == "ref":
			l.referrals++
		case line.key == "result":
			if code, _, _ := strings.Cut(string(line.value), " "); code != "0" {
				return false, l.fail(l.start, "ldif-cut-off", "result", shown(string(line.value)))
			}
		}
	}
}

// value is what a line holds.
func (l *ldif) value(line ldifLine) ([]byte, error) {
	switch line.kind {
	case '<':
		return nil, l.fail(l.start, "ldif-url", "name", string(line.name))
	case '6':
		// In place: what is decoded is shorter than what it is decoded from.
		n, err := base64.StdEncoding.Decode(line.value, line.value)
		if err != nil {
			return nil, l.fail(l.start, "ldif-base64", "name", string(line.name))
		}
		return line.value[:n], nil
	}
	return line.value, nil
}

// maxName bounds the description of an attribute; chosen.
const maxName = 512

// next reads a line with those that continue it (RFC 2849, note 2: they begin with one space). Comments are passed over.
func (l *ldif) next() (ldifLine, error) {
	for {
		head, whole, err := l.physical(l.buffer[:0], true)
		if err != nil {
			return ldifLine{}, err
		}
		if l.ended {
			return ldifLine{end: true}, nil
		}
		l.start = l.line
		switch {
		case len(head) == 0:
			return ldifLine{blank: true}, nil
		case head[0] == '#':
			if err := l.skip(whole); err != nil {
				return ldifLine{}, err
			}
			continue
		case head[0] == ' ':
			return ldifLine{}, l.fail(l.line, "ldif-fold")
		}
		return l.split(head, whole)
	}
}

// split makes name and value of a line whose first piece is head; whole says that head is all of its first physical line.
func (l *ldif) split(head []byte, whole bool) (ldifLine, error) {
	i := bytes.IndexByte(head, ':')
	// A name can be folded, too: RFC 2849 folds anywhere.
	for i < 0 && len(head) <= maxName {
		grown, more, err := l.continuation(head, &whole)
		if err != nil {
			return ldifLine{}, err
		}
		if !more {
			break
		}
		head = grown
		i = bytes.IndexByte(head, ':')
	}
	if i <= 0 || i > maxName {
		return ldifLine{}, l.fail(l.start, "ldif-syntax", "line", shown(string(bytes.ToValidUTF8(head, []byte("?")))))
	}
	if bytes.ContainsAny(head[:i], " \t") {
		return ldifLine{}, l.fail(l.start, "ldif-syntax", "line", shown(string(bytes.ToValidUTF8(head[:i+1], []byte("?")))))
	}
	out := ldifLine{name: head[:i], kind: ':'}
	l.lower = appendLower(l.lower[:0], out.name)
	out.wants = l.attributeOf(l.lower)
	if words[string(l.lower)] {
		out.key = string(l.lower)
	} else if out.wants == ignored || out.wants == attrDN {
		return out, l.skip(whole)
	} else if bytes.Contains(l.lower, []byte(";range=")) {
		// The server held values back (MS-ADTS, section 3.1.1.3.1.3.3), and planning with some of them would be half a reading.
		return ldifLine{}, l.fail(l.start, "ldif-range", "name", string(out.name))
	}
	// Twice what is kept, because base64 makes more of it; what is longer is refused without being read to its end.
	for len(head) <= 2*MaxValue+maxName {
		grown, more, err := l.continuation(head, &whole)
		if err != nil {
			return ldifLine{}, err
		}
		if !more {
			break
		}
		head = grown
	}
	if len(head) > 2*MaxValue+maxName {
		return ldifLine{}, l.fail(l.start, "long-value", "attribute", string(head[:i]), "dn", shown(l.entry.DN), "max", strconv.Itoa(MaxValue>>10))
	}
	l.buffer, out.name = head, head[:i] // it may have grown
	rest := head[i+1:]
	if len(rest) > 0 && (rest[0] == ':' || rest[0] == '<') {
		if out.kind = rest[0]; out.kind == ':' {
			out.kind = '6'
		}
		rest = rest[1:]
	}
	out.value = bytes.TrimLeft(rest, " ")
	if out.kind == '6' {
		out.value = bytes.TrimRight(out.value, " ")
	}
	return out, nil
}

// continuation appends the rest of the physical line, or the line that continues it, to head.
func (l *ldif) continuation(head []byte, whole *bool) (grown []byte, more bool, err error) {
	if *whole {
		next, err := l.lines.Peek(1)
		if err != nil || next[0] != ' ' {
			if err != nil && !errors.Is(err, io.EOF) {
				return nil, false, finding.Fail("directory.unreadable", err, "file", l.name)
			}
			return head, false, nil
		}
		if _, err := l.lines.Discard(1); err != nil {
			return nil, false, finding.Fail("directory.unreadable", err, "file", l.name)
		}
	}
	grown, *whole, err = l.physical(head, *whole)
	return grown, true, err
}

// skip reads past what is left of a line, and past the lines that continue it.
func (l *ldif) skip(whole bool) error {
	for {
		if whole {
			next, err := l.lines.Peek(1)
			if errors.Is(err, io.EOF) || err == nil && next[0] != ' ' {
				return nil
			}
			l.line++
		}
		_, err := l.lines.ReadSlice('\n')
		whole = !errors.Is(err, bufio.ErrBufferFull)
		if err != nil && whole && !errors.Is(err, io.EOF) {
			return finding.Fail("directory.unreadable", err, "file", l.name)
		}
	}
}

// physical appends the next piece of a physical line to head, without its end; whole says that the line ends there.
// counts says that the piece begins a line.
func (l *ldif) physical(head []byte, counts bool) (out []byte, whole bool, err error) {
	if counts {
		l.line++
	}
	piece, err := l.lines.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return append(head, piece...), false, nil
	case errors.Is(err, io.EOF):
		l.ended = len(piece) == 0 && len(head) == 0
	case err != nil:
		return nil, false, finding.Fail("directory.unreadable", err, "file", l.name)
	}
	// The two bytes of the line's end can lie in two pieces.
	return bytes.TrimSuffix(bytes.TrimSuffix(append(head, piece...), []byte("\n")), []byte("\r")), true, nil
}
