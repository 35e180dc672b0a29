package workbook

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"sekisho/internal/audit/report"
)

// Limits of a worksheet ("Excel specifications and limits",
// https://support.microsoft.com/office/excel-specifications-and-limits-1672b34d-7043-467e-8e27-269d656771c3, read 2026-11-23).
const (
	MostCell = 32767 // characters of a cell, in units of UTF-16
	MostRows = 1 << 20
)

// Visible makes a text from outside safe to read: breaks and tabs become blanks, and what steers a screen, turns the
// direction of writing or is not seen at all stands as its number, "[U+202E]" (CVE-2021-42574; Unicode 16, section 23).
func Visible(s string) string {
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
	if !strings.Contains(b.String(), "_x") {
		return b.String()
	}
	// What looks like an escape of a workbook would be read as the character (ECMA-376 part 1, 22.9.2.19, ST_Xstring).
	return regexp.MustCompile(`_x([0-9A-Fa-f]{4})`).ReplaceAllString(b.String(), "[_]x$1")
}

// Cell makes a text the value of a cell: no formula in any program (report.Defuse), and not longer than a cell may be. cut
// says that it was, and that it ends in "[…]".
func Cell(s string) (text string, cut bool) {
	s = report.Defuse(s)
	if len(s) <= MostCell {
		return s, false
	}
	end := " […]"
	units, keep := 0, 0
	for i, r := range s {
		if units+utf8.RuneCountInString(end) <= MostCell {
			keep = i
		}
		units += max(1, utf16.RuneLen(r))
	}
	if units <= MostCell {
		return s, false
	}
	return s[:keep] + end, true
}
