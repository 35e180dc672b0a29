package impact

import (
	"fmt"
	"strings"

	"sekisho/internal/catalog"
)

// Text prints the report in plain lines that no language changes, for feeds and logs.
func (r Report) Text() string {
	var b strings.Builder
	if !r.Loads {
		fmt.Fprintf(&b, "policy does not load with %s\n", r.To)
	}
	for _, f := range r.Features {
		fmt.Fprintf(&b, "feature %s %s\n", f.ID, f.Kind)
	}
	for _, c := range r.Rules {
		fmt.Fprintf(&b, "rule %s %s\n", c.Kind, c.line())
	}
	for _, h := range r.Handling {
		fmt.Fprintf(&b, "handling %s %s: %s -> %s%s\n", h.Pattern, h.Aspect, stated(h.From), stated(h.To), h.Force.text())
	}
	for _, l := range r.Lines {
		sign := "+"
		if l.Kind == catalog.Removed {
			sign = "-"
		}
		fmt.Fprintf(&b, "line %s %s %s%s\n", l.File, sign, l.Line, l.Force.text())
	}
	return b.String()
}

func (c RuleChange) line() string {
	ports := c.From + " -> " + c.To
	switch c.Kind {
	case catalog.Added:
		ports = c.To
	case catalog.Removed:
		ports = c.From
	}
	text := fmt.Sprintf("%s: %s %s (%s)%s", c.Rule, c.Pattern, ports, c.Claim, c.Force.text())
	if len(c.StillOpen) > 0 {
		text += " still open by " + strings.Join(c.StillOpen, ", ")
	}
	return text
}

func stated(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (f Force) text() string {
	switch {
	case f.Basis == Unknown:
		return ""
	case f.Basis == Published && f.Future:
		return fmt.Sprintf(" published %s, in force within %d days", f.Date, NoticeDays)
	case f.Future:
		return " in force from " + f.Date
	}
	return " in force since " + f.Date
}
