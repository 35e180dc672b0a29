package render

import (
	"strings"
	"time"
	"unicode"
)

// Header returns the lines that every text file begins with, without comment signs: what wrote it, from which catalog,
// policy and data, that it is not to be edited, and of changes what they are changes of. It names no time but that of the data, so that the same input gives
// the same bytes. The lines are ASCII in every language: devices disagree about encodings.
func Header(in Input, target string) []string {
	date := Date(in)
	if date == "" {
		date = "unknown date"
	}
	lines := []string{
		"Sekisho " + target + ". Catalog " + ASCII(in.Program.CatalogVersion()) + ", policy " + in.Program.Hash() + ", data of " + date + ".",
		"Written by a program: do not edit, change the configuration and render it again.",
	}
	if b := in.Before; b != nil {
		since := Date(*b)
		if since == "" {
			since = "unknown date"
		}
		lines = append(lines, "Changes alone, since catalog "+ASCII(b.Program.CatalogVersion())+" with data of "+since+": for a device that has that version.")
	}
	return lines
}

// Comment joins lines into comment lines: each behind prefix and a blank.
func Comment(prefix string, lines ...string) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(strings.TrimRight(prefix+" "+OneLine(l), " ") + "\n")
	}
	return b.String()
}

// OneLine makes a text from outside harmless inside one line: control characters, line and paragraph separators and the
// characters that turn the direction of writing become blanks (Unicode 16, sections 23.1 and 23.2, "Trojan Source",
// CVE-2021-42574). It does not quote: what is a string to a device is quoted by its target.
func OneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || unicode.Is(unicode.C, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))
}

// ASCII is OneLine with every character outside of printable ASCII as a question mark.
func ASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, OneLine(s))
}

// Date is the day of the newest data that the output rests on, YYYY-MM-DD; "" when no source has one.
func Date(in Input) string {
	d := in.Program.Catalog().Date()
	if d.IsZero() {
		return ""
	}
	return d.Format(time.DateOnly)
}
