// Package conf reads a squid.conf of anybody's as Squid does, and says what it does with a host: which lines hold, whether its
// TLS is read.
//
//	file, found := conf.Read("/etc/squid/squid.conf", conf.System())
//	outcomes := file.Bump("login.microsoftonline.com", "login.microsoftonline.com")
//
// It follows "Squid configuration directives" for version 5 (https://www.squid-cache.org/Doc/config/, read 2026-11-23):
// continuation lines, "include" with wildcards, "if", values from files, acls that add up, lists of which the first line that
// holds decides. What rests on the client, on the time or on a program cannot be told from the file; such answers are Free or
// Blind, and nobody is accused because of a Blind one. Nothing is looked up and no program is run.
package conf

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/finding"
)

// Bounds of what is read. Squid itself nests 16 files and takes lines of 8 KiB.
const (
	MaxDepth      = 16
	MaxFileBytes  = 4 << 20  // of one file (chosen: a bypass list of 100,000 names)
	MaxBytes      = 16 << 20 // of all files together, each time that one is read
	MaxFiles      = 500      // reads of files (chosen)
	MaxLineBytes  = 64 << 10 // of a line with its continuations (chosen)
	MaxDirectives = 100_000  // (chosen)
	maxFindings   = 200      // about the file itself (chosen: nobody reads more)
)

// Files is where files come from. Read returns at most MaxFileBytes+1 bytes.
type Files struct {
	Read func(name string) ([]byte, error)
	Glob func(pattern string) ([]string, error) // sorted
}

// System reads the machine's files; plain files alone, because a device or a pipe may never end.
func System() Files {
	return Files{
		Read: func(name string) ([]byte, error) {
			// Before it is opened, because opening a named pipe waits for whoever writes.
			if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
				return nil, errors.New("not a plain file")
			}
			f, err := os.Open(name)
			if err != nil {
				return nil, err
			}
			defer f.Close()
			if info, err := f.Stat(); err != nil {
				return nil, err
			} else if !info.Mode().IsRegular() {
				return nil, errors.New("not a plain file")
			}
			return io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
		},
		Glob: filepath.Glob,
	}
}

// Word is one part of a line.
type Word struct {
	Text   string
	Quoted bool
}

// Directive is one line with its continuations; Pos is where it begins.
type Directive struct {
	Name  string // as written, which Squid wants in lower case
	Words []Word
	Pos   finding.Pos
	// includesQuoted is configuration_includes_quoted_values where the line stands.
	includesQuoted bool
}

// Texts are the words from the one with index from.
func (d *Directive) Texts(from int) []string {
	var out []string
	for i := from; i < len(d.Words); i++ {
		out = append(out, d.Words[i].Text)
	}
	return out
}

// File is a configuration with all that it includes.
type File struct {
	Name       string
	Directives []*Directive
	acls       map[string]*acl
	lists      map[string][]*Directive
}

// Named returns the directives called name, in their order.
func (f *File) Named(name string) []*Directive { return f.lists[name] }

// reader is Read on its way.
type reader struct {
	files    Files
	file     *File
	found    finding.List
	bytes    int
	opened   int
	quoted   bool
	stopped  bool
	regexes  int
	patterns map[string]*regexp.Regexp
}

// Read reads the file called name with what it includes. The findings are about the files themselves: unreadable, too large,
// nested too deeply, contradicting syntax, names of acls that nobody declared. The File holds what could be read.
func Read(name string, files Files) (*File, finding.List) {
	r := &reader{files: files, patterns: map[string]*regexp.Regexp{}, file: &File{Name: name, acls: map[string]*acl{}, lists: map[string][]*Directive{}}}
	r.include(name, finding.Pos{}, nil)
	for _, d := range r.file.Directives {
		r.file.lists[d.Name] = append(r.file.lists[d.Name], d)
		if d.Name == "acl" {
			r.acl(d)
		}
	}
	r.undeclared()
	return r.file, r.found.Sort()
}

func (r *reader) add(code string, s finding.Severity, at finding.Pos, args ...string) {
	if len(r.found) < maxFindings {
		r.found = append(r.found, finding.New(code, s, at, args...))
	}
}

// load reads one file within the bounds; nil when it cannot.
func (r *reader) load(name string, at finding.Pos) []byte {
	if r.stopped {
		return nil
	}
	if r.opened++; r.opened > MaxFiles {
		r.stopped = true
		r.add("squid.too-many-files", finding.Error, at, "max", strconv.Itoa(MaxFiles))
		return nil
	}
	body, err := r.files.Read(name)
	if err != nil {
		r.add("squid.unreadable", finding.Warning, at, "file", name, "cause", cause(err))
		return nil
	}
	if len(body) > MaxFileBytes {
		r.add("squid.too-large", finding.Error, at, "file", name, "max", strconv.Itoa(MaxFileBytes))
		return nil
	}
	if r.bytes += len(body); r.bytes > MaxBytes {
		r.stopped = true
		r.add("squid.too-large", finding.Error, at, "file", name, "max", strconv.Itoa(MaxBytes))
		return nil
	}
	return body
}

// cause is the reason without the operation and the name, which the text has.
func cause(err error) string {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// include reads a file; above are those that it is included from.
func (r *reader) include(name string, at finding.Pos, above []string) {
	switch {
	case slices.Contains(above, filepath.Clean(name)):
		r.add("squid.loop", finding.Error, at, "file", name)
		return
	case len(above) > MaxDepth:
		r.add("squid.too-deep", finding.Error, at, "file", name, "max", strconv.Itoa(MaxDepth))
		return
	}
	body := r.load(name, at)
	above = append(above[:len(above):len(above)], filepath.Clean(name))
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	var held []byte // a line that goes on
	begin, number := 0, 0
	var ifs []state
	for raw := range bytes.Lines(body) {
		if number++; r.stopped {
			return
		}
		line, _, _ := strings.Cut(strings.TrimRight(string(raw), "\n"), "\r")
		line = strings.TrimLeft(line, blanks)
		if line == "" || line[0] == '#' {
			continue // also within a line that goes on
		}
		if len(held) == 0 {
			begin = number
		}
		if held = append(held, line...); len(held) > MaxLineBytes {
			r.add("squid.long-line", finding.Error, finding.Pos{File: name, Line: begin}, "max", strconv.Itoa(MaxLineBytes))
			held = held[:0]
			continue
		}
		if held[len(held)-1] == '\\' {
			held = held[:len(held)-1]
			continue
		}
		ifs = r.line(string(held), finding.Pos{File: name, Line: begin}, ifs, above)
		held = held[:0]
	}
	if len(held) > 0 {
		ifs = r.line(string(held), finding.Pos{File: name, Line: begin}, ifs, above)
	}
	if len(ifs) > 0 {
		r.add("squid.unbalanced", finding.Error, finding.Pos{File: name, Line: number}, "word", "if")
	}
}

const blanks = " \t\v\f\r"

// state is one "if": whether its part is read. Conditions that rest on the process are read on both sides.
type state struct{ read, both, other bool }

// line takes one line with its continuations.
func (r *reader) line(text string, at finding.Pos, ifs []state, above []string) []state {
	words := split(text)
	if len(words) == 0 {
		return ifs
	}
	on := !slices.ContainsFunc(ifs, func(s state) bool { return !s.read })
	switch name := words[0].Text; {
	case name == "if" && len(ifs) < 64:
		v, known := condition(words[1:])
		return append(ifs, state{read: !known || v, both: !known})
	case name == "else" && len(words) == 1:
		if len(ifs) == 0 || ifs[len(ifs)-1].other {
			r.add("squid.unbalanced", finding.Error, at, "word", name)
			return ifs
		}
		s := &ifs[len(ifs)-1]
		s.other, s.read = true, s.both || !s.read
		return ifs
	case name == "endif" && len(words) == 1:
		if len(ifs) == 0 {
			r.add("squid.unbalanced", finding.Error, at, "word", name)
			return ifs
		}
		return ifs[:len(ifs)-1]
	case !on:
		return ifs
	case name == "include":
		for _, w := range words[1:] {
			r.includes(w, at, above)
		}
		return ifs
	}
	d := &Directive{Name: words[0].Text, Words: words[1:], Pos: at, includesQuoted: r.quoted}
	if d.Name == "configuration_includes_quoted_values" && len(d.Words) > 0 {
		r.quoted = d.Words[0].Text == "on"
	}
	if len(r.file.Directives) >= MaxDirectives {
		r.stopped = true
		r.add("squid.too-many-lines", finding.Error, at, "max", strconv.Itoa(MaxDirectives))
		return ifs
	}
	r.file.Directives = append(r.file.Directives, d)
	return ifs
}

// includes reads what one word of "include" names; a relative name lies beside the file that names it.
func (r *reader) includes(w Word, at finding.Pos, above []string) {
	name := w.Text
	if !filepath.IsAbs(name) && len(above) > 0 {
		name = filepath.Join(filepath.Dir(above[0]), name)
	}
	list := []string{name}
	if strings.ContainsAny(name, "*?[") {
		found, err := r.files.Glob(name)
		if err != nil || len(found) == 0 {
			r.add("squid.unreadable", finding.Warning, at, "file", name, "cause", "no such file")
			return
		}
		list = found
	}
	for _, name := range list {
		r.include(name, at, above)
	}
}

// condition is that of an "if": true, false, or two numbers.
func condition(words []Word) (value, known bool) {
	var text string
	for _, w := range words {
		text += w.Text
	}
	if a, b, ok := strings.Cut(text, "="); ok {
		x, err1 := strconv.Atoi(a)
		y, err2 := strconv.Atoi(b)
		return x == y, err1 == nil && err2 == nil
	}
	return text == "true", text == "true" || text == "false"
}

// split takes a line apart: at blanks, with quotes at the beginning of a word, up to a word that begins with "#".
func split(text string) []Word {
	var out []Word
	for {
		text = strings.TrimLeft(text, blanks)
		if text == "" || text[0] == '#' {
			return out
		}
		if q := text[0]; q == '"' || q == '\'' {
			var b strings.Builder
			i := 1
			for ; i < len(text) && text[i] != q; i++ {
				if text[i] == '\\' && i+1 < len(text) {
					i++
				}
				b.WriteByte(text[i])
			}
			out = append(out, Word{b.String(), true})
			text = text[min(i+1, len(text)):]
			continue
		}
		n := strings.IndexAny(text, blanks)
		if n < 0 {
			n = len(text)
		}
		out = append(out, Word{text[:n], false})
		text = text[n:]
	}
}
