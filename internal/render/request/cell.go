package request

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"sekisho/internal/audit/report"
	"sekisho/internal/finding"
	"sekisho/internal/render"
)

// Limits of a worksheet ("Excel specifications and limits",
// https://support.microsoft.com/office/excel-specifications-and-limits-1672b34d-7043-467e-8e27-269d656771c3, read 2026-11-23).
const (
	mostCell = 32767 // characters of a cell, in units of UTF-16
	mostRows = 1 << 20
)

// visible makes a text from outside safe to read: breaks and tabs become blanks, and what steers a screen, turns the
// direction of writing or is not seen at all stands as its number, "[U+202E]" (CVE-2021-42574; Unicode 16, section 23).
func visible(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, string(unicode.ReplacementChar))), " ")
	var b strings.Builder
	for _, r := range s {
		switch {
		case unicode.Is(unicode.C, r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r), unicode.Is(unicode.Noncharacter_Code_Point, r),
			unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r):
			fmt.Fprintf(&b, "[U+%04X]", r)
		default:
			b.WriteRune(r)
		}
	}
	// What looks like an escape of a workbook would be read as the character (ECMA-376 part 1, 22.9.2.19, ST_Xstring).
	return escape.ReplaceAllString(b.String(), "[_]x$1")
}

var escape = regexp.MustCompile(`_x([0-9A-Fa-f]{4})`)

// cell makes a text the value of a cell: no formula in any program (report.Defuse), and not longer than a cell may be.
func (f *form) cell(s string) string {
	s = report.Defuse(s)
	if len(s) <= mostCell {
		return s
	}
	end := " […]"
	units, keep := 0, 0
	for i, r := range s {
		if units+utf8.RuneCountInString(end) <= mostCell {
			keep = i
		}
		units += max(1, utf16.RuneLen(r))
	}
	if units <= mostCell {
		return s
	}
	f.long++
	return s[:keep] + end
}

// cut says how many cells were.
func (f *form) cut() finding.List {
	if f.long == 0 {
		return nil
	}
	return finding.List{finding.New("request.cut", finding.Warning, finding.Pos{}, "count", strconv.Itoa(f.long), "max", strconv.Itoa(mostCell))}
}

// table returns the lines as CSV.
func (f *form) table(encoding string) (render.File, finding.List) {
	if encoding == "" {
		encoding = render.UTF8BOM
	}
	var head []string
	for _, c := range columns {
		head = append(head, f.text("column."+c.id))
	}
	records := [][]string{head}
	for i, l := range f.lines {
		var cells []string
		for _, c := range columns {
			cells = append(cells, f.cell(c.value(f, i, l)))
		}
		records = append(records, cells)
	}
	body, lost := render.CSV(records, encoding)
	found := f.cut()
	if lost > 0 {
		found = append(found, finding.New("render.not-in-cp932", finding.Warning, finding.Pos{}, "count", strconv.Itoa(lost)))
	}
	if len(records) > mostRows {
		found = append(found, finding.New("request.many-rows", finding.Warning, finding.Pos{}, "count", strconv.Itoa(len(records)), "max", strconv.Itoa(mostRows)))
	}
	charset := "utf-8"
	if encoding == render.CP932 {
		charset = "windows-31j"
	}
	return render.File{Name: "sekisho-request.csv", Type: "text/csv; charset=" + charset + "; header=present", Body: body, Download: true, Lines: render.NoLines()}, found
}
