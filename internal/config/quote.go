package config

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// quote writes s as a YAML double-quoted scalar on one line (YAML 1.2.2, section 7.3.1).
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x100 && !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		case steers(r) && r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// What needs no quotes: begins with a letter or is an address or id, holds nothing that YAML gives a meaning to.
var plainForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9./_-]*(:[0-9]+)?$|^[0-9]{1,3}(\.[0-9]{1,3}){3}([/:][0-9]+)?$|^https?://[A-Za-z0-9./:_-]*[A-Za-z0-9/]$|^` + guid + `$`)

// Words that some reader of YAML takes for something else than text.
var notText = regexp.MustCompile(`^(?i:y|n|yes|no|on|off|true|false|null|nan|inf)$`)

// quoteIfDue writes s as a YAML scalar that every reader takes for text, without quotes where none are needed.
func quoteIfDue(s string) string {
	if plainForm.MatchString(s) && !notText.MatchString(s) {
		return s
	}
	return quote(s)
}

// exampleLine is one line that shows how e is written.
func exampleLine(e *entry) string {
	eg := e.example
	if eg == "" {
		eg = e.byDefault
	}
	switch e.shape {
	case several:
		return e.key + ": [" + eg + "]"
	case section, sections:
		return e.key + ":"
	}
	return e.key + ": " + eg
}
