package request

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/render"
)

// column is one column of the table.
type column struct {
	id    string // "request.column.<id>" is its head; the named cell of a template is sekisho_col_<id>
	width float64
	value func(f *form, i int, l *line) string
}

// columns are those of the built-in form and of the table, in their order. Widths are in characters, as Excel counts them.
var columns = []column{
	{"number", 4.5, func(_ *form, i int, _ *line) string { return strconv.Itoa(i + 1) }},
	{"kind", 7, func(f *form, _ int, l *line) string { return f.text("kind." + l.kind) }},
	{"source", 17, func(_ *form, _ int, l *line) string { return l.source }},
	{"destination", 31, func(_ *form, _ int, l *line) string { return l.destination }},
	{"ports", 13, func(_ *form, _ int, l *line) string { return ports(l.ports, "\n") }},
	{"direction", 8.5, func(f *form, _ int, l *line) string { return f.text("direction." + l.direction.String()) }},
	{"purpose", 32, func(_ *form, _ int, l *line) string { return strings.Join(l.purposes, " / ") }},
	{"basis", 38, func(_ *form, _ int, l *line) string { return strings.Join(l.bases, "\n") }},
	{"catalog", 13, func(f *form, _ int, _ *line) string { return f.catalog }},
	{"wanted", 10.5, func(f *form, _ int, _ *line) string { return f.wanted }},
	{"expires", 10.5, func(f *form, _ int, l *line) string {
		if l.kind == remove {
			return ""
		}
		return f.expires
	}},
	{"remarks", 28, remarks},
	{"applicant", 9, func(f *form, _ int, _ *line) string { return f.applicant }},
	{"approver", 9, empty},
	{"implementer", 9, empty},
	{"done", 10.5, empty},
	{"checker", 9, empty},
}

// apart are columns that only a template may have: protocol and port each for itself.
var apart = []column{
	{"protocol", 0, func(_ *form, _ int, l *line) string {
		protocols, _ := split(l.ports)
		return strings.Join(protocols, "\n")
	}},
	{"port", 0, func(_ *form, _ int, l *line) string {
		_, numbers := split(l.ports)
		return strings.Join(numbers, "\n")
	}},
}

// empty is the value of what people fill in.
func empty(*form, int, *line) string { return "" }

// remarks are what was, what the device has to do, and what else there is to know.
func remarks(f *form, _ int, l *line) string {
	var out []string
	if l.kind == change && !l.was.Equal(l.ports) {
		out = append(out, f.text("remark.was", "ports", ports(l.was, " ")))
	}
	if l.kind != remove {
		out = append(append(out, l.needs...), l.remarks...)
	}
	return strings.Join(out, "\n")
}

// gatherSources lists the sources of the lines in the order in which they come, with their age at the date of the data.
func (f *form) gatherSources(in render.Input, models ...*render.Model) {
	var known []string
	now := in.Program.Catalog().Date()
	var rows []render.Row
	for _, m := range models {
		rows = append(rows, m.Rows...)
	}
	for i := range rows {
		s := rows[i].Source
		if s == nil || slices.Contains(known, s.ID) {
			continue
		}
		known = append(known, s.ID)
		out := source{title: visible(s.Title.In(f.p.Language())), url: visible(s.URL), date: s.DateText()}
		if !s.Read.IsZero() {
			out.read = s.Read.Format(time.DateOnly)
		}
		if !s.Date.IsZero() && !now.IsZero() {
			out.age = strconv.Itoa(max(0, int(now.Sub(s.Date)/(24*time.Hour))))
		}
		f.sources = append(f.sources, out)
	}
}
