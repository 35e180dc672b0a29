package render

import (
	"net/netip"
	"strings"

	"sekisho/internal/endpoint"
	"sekisho/internal/impact"
)

// Lines makes a target a renderer of "catalog diff --impact": what came and went in its files.
type Lines struct {
	Target  Target
	Options Options
	// Input returns what the target is given for a side, whose Program is not nil.
	Input func(impact.Side) Input
}

// Render returns the lines of each file that has some. A side from which the target cannot be rendered has none.
func (l Lines) Render(s impact.Side) ([]impact.File, error) {
	out, err := Render(l.Target, l.Input(s), l.Options)
	if err != nil {
		return nil, nil
	}
	var files []impact.File
	for _, f := range out.Files {
		lines := f.Lines
		if lines == nil {
			lines = linesOf(f)
		}
		files = append(files, impact.File{Name: "render/" + l.Target.Name() + "/" + f.Name, Lines: lines})
	}
	return files, nil
}

// linesOf splits a text file. A line is about the first host pattern or prefix in it.
func linesOf(f File) []impact.Line {
	var out []impact.Line
	for line := range strings.Lines(string(f.Body)) {
		line = strings.TrimSpace(line)
		if line == "" || f.Comment != "" && strings.HasPrefix(line, f.Comment) {
			continue
		}
		out = append(out, impact.Line{Text: line, Value: valueIn(line)})
	}
	return out
}

// valueIn finds the first host pattern with a dot, or prefix, in a line.
func valueIn(line string) string {
	for _, word := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\"',;(){}[]=|", r) }) {
		if p, err := netip.ParsePrefix(word); err == nil {
			return p.String()
		}
		if p, err := endpoint.ParsePattern(word); err == nil && strings.Contains(word, ".") {
			return p.String()
		}
	}
	return ""
}
