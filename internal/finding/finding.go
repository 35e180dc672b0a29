// Package finding is the vocabulary of problems: where something stands (Pos) and what is wrong with it (Finding).
//
// A Finding is data. Its text in Japanese and English lives in package message, under its Code; a program that reads
// findings branches on Code and never on text. The package imports nothing of Sekisho.
//
//	finding.New("policy.wildcard-tenant", finding.Error, pos, "value", "*")
package finding

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// Pos is a place in a file. The zero value means "no place"; Line and Column count from 1, Column in Unicode
// characters.
type Pos struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// Known reports whether p names a place.
func (p Pos) Known() bool { return p.File != "" || p.Line > 0 }

// String prints file:line:column, leaving out what is not known.
func (p Pos) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return p.File + ":" + strconv.Itoa(p.Line)
	}
	return p.File + ":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Column)
}

// Compare orders places by file, line and column.
func (p Pos) Compare(q Pos) int {
	return cmp.Or(cmp.Compare(p.File, q.File), cmp.Compare(p.Line, q.Line), cmp.Compare(p.Column, q.Column))
}

// Severity says what a finding means for whoever reads it. The zero value is Error, so that a finding whose severity
// was forgotten stops what it should stop.
type Severity uint8

const (
	// Error stops the step that found it: the configuration does not load, the policy does not compile.
	Error Severity = iota
	// Warning lets the step go on and is repeated wherever the state is shown.
	Warning
	// Info is worth knowing and needs no action: a prerequisite, a residual risk.
	Info
)

// String is the stable code used in JSON: error, warning or info.
func (s Severity) String() string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	default:
		return "info"
	}
}

// MarshalText makes Severity print as its code.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a code; any other text is an error.
func (s *Severity) UnmarshalText(text []byte) error {
	for _, known := range []Severity{Error, Warning, Info} {
		if string(text) == known.String() {
			*s = known
			return nil
		}
	}
	return fmt.Errorf("severity %q is none of %q, %q and %q", text, Error, Warning, Info)
}

// Finding is one problem or notice. Code is stable, lower case, "room.what"; Args fill the text of package message and
// are never translated.
type Finding struct {
	Code     string            `json:"code"`
	Severity Severity          `json:"severity"`
	Pos      Pos               `json:"pos,omitzero"`
	Args     map[string]string `json:"args,omitempty"`
}

// New builds a finding; args are name, value pairs. An odd number of args is a programming error and panics.
func New(code string, severity Severity, pos Pos, args ...string) Finding {
	if len(args)%2 != 0 {
		panic("finding.New: odd number of args for " + code)
	}
	f := Finding{Code: code, Severity: severity, Pos: pos}
	if len(args) > 0 {
		f.Args = make(map[string]string, len(args)/2)
		for i := 0; i < len(args); i += 2 {
			f.Args[args[i]] = args[i+1]
		}
	}
	return f
}

// List is a set of findings in any order.
type List []Finding

// HasErrors reports whether one of l has severity Error.
func (l List) HasErrors() bool {
	return slices.ContainsFunc(l, func(f Finding) bool { return f.Severity == Error })
}

// Of returns the findings of one severity, in order.
func (l List) Of(s Severity) List {
	var out List
	for _, f := range l {
		if f.Severity == s {
			out = append(out, f)
		}
	}
	return out
}

// Sort orders l by place, then code, and returns it. Equal findings keep their order.
func (l List) Sort() List {
	slices.SortStableFunc(l, func(a, b Finding) int {
		return cmp.Or(a.Pos.Compare(b.Pos), cmp.Compare(a.Code, b.Code))
	})
	return l
}
