package render

import (
	"sekisho/internal/finding"
	"sekisho/internal/impact"
)

// Target is one form. Values are immutable and safe for concurrent use.
type Target interface {
	// Name is how the target is called on the command line and in URLs: lower-case letters, digits and hyphens.
	Name() string
	// Options are what a reader may choose, in the order of the help. nil: nothing.
	Options() []Option
	// Render makes the files. It is called by Render alone, which has checked that there is a program, that the selection
	// is not empty and that in.Options fit. An error is a *finding.Problem that says what the target lacks.
	Render(in Input, m *Model) (Output, error)
}

// Linter is a target that judges a configuration that somebody else wrote for the same device.
type Linter interface {
	Target
	// Lint reads the file called name with the files that it names, and says where it does otherwise than the policy. It is for
	// the command line alone. in.Program must not be nil.
	Lint(in Input, name string) finding.List
}

// Output is what a target gives.
type Output struct {
	Files    []File       // at least one; the first is the one to begin with
	Findings finding.List // what could not be expressed, limits, "syntax not verified"; no severity Error
	// Apart says that the files do not rest on the rows, so that what the rows lack is nothing to them.
	Apart bool
	// Unchanged says that nothing changed since Input.Before and that the target writes no file to say so; Findings do. Files
	// is then nil.
	Unchanged bool
}

// File is one file.
type File struct {
	Name string // as it is saved: letters, digits, "-", "_" and "."; unique within an Output
	Type string // media type, with charset where it is text
	Body []byte
	// Download: a browser saves the file and does not try to show it.
	Download bool
	// Comment begins the lines of a text file that say nothing to the device ("#", "//"); "" when it has none.
	Comment string
	// Lines are the lines of the file for "catalog diff --impact" with the host pattern or prefix that each is about. nil:
	// every line of Body that is no comment; use NoLines for a file that has none, such as a workbook.
	Lines []Line
}

// NoLines is the value of File.Lines for a file without lines.
func NoLines() []Line { return []Line{} }

// Line is one line of a file, with what it is about.
type Line = impact.Line
