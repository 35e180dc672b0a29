package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"charm.land/lipgloss/v2"
	"github.com/spf13/cobra"

	"sekisho/internal/audit/report"
	"sekisho/internal/message"
)

// output is the value of -o.
type output struct {
	format  string
	allowed []string
}

// outputFlag adds -o to c, allowing formats; the first is the default.
func (a *app) outputFlag(c *cobra.Command, formats ...string) *output {
	o := &output{allowed: formats}
	c.Flags().StringVarP(&o.format, "output", "o", formats[0], a.t("flag.output", "formats", strings.Join(formats, ", ")))
	// The error is of a flag that is not there, or completed twice.
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	inner := c.PreRunE
	c.PreRunE = func(c *cobra.Command, args []string) error {
		if !slices.Contains(o.allowed, o.format) {
			return a.usage("output", "format", o.format, "formats", strings.Join(o.allowed, ", "))
		}
		if inner != nil {
			return inner(c, args)
		}
		return nil
	}
	return o
}

// rows is a result that can be printed as a table or as CSV: the heading of a column and its stable id.
type rows struct {
	columns []column
	cells   [][]string
}

type column struct{ id, heading string }

// printTable prints r as a table for people. An empty one prints its headings, so that "nothing" looks like a result. A
// cell can hold what somebody else wrote, so nothing in it steers the terminal. Columns stand without a border, two blanks
// apart: the result can be read through grep, cut and a pipe. It is laid out here, because a forest has 200,000 lines of it.
func (a *app) printTable(r rows) {
	widths := make([]int, len(r.columns))
	head := make([]string, len(r.columns))
	for i, c := range r.columns {
		head[i] = c.heading
		widths[i] = columnsOf(c.heading)
	}
	for _, cells := range r.cells {
		for i, cell := range cells {
			cells[i] = message.Visible(cell)
			widths[i] = max(widths[i], columnsOf(cells[i]))
		}
	}
	const between = "  "
	var b bytes.Buffer
	line := func(cells []string) {
		from := b.Len()
		for i, cell := range cells {
			b.WriteString(cell)
			for range widths[i] - columnsOf(cell) {
				b.WriteByte(' ')
			}
			b.WriteString(between)
		}
		b.Truncate(from + len(bytes.TrimRight(b.Bytes()[from:], " ")))
		b.WriteByte('\n')
	}
	line(head)
	for _, cells := range r.cells {
		if line(cells); b.Len() > 1<<16 {
			a.printf("%s", b.Bytes())
			b.Reset()
		}
	}
	a.printf("%s", b.Bytes())
}

// columnsOf is how many columns of a terminal s takes; Japanese characters take two.
func columnsOf(s string) int {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return lipgloss.Width(s)
		}
	}
	return len(s)
}

// printCSV prints r as CSV with the columns' ids as the head line.
func (a *app) printCSV(r rows) error {
	w := csv.NewWriter(a.Out)
	head := make([]string, len(r.columns))
	for i, c := range r.columns {
		head[i] = c.id
	}
	if err := w.Write(head); err != nil {
		return err
	}
	for _, cells := range r.cells {
		safe := make([]string, len(cells))
		for i, cell := range cells {
			safe[i] = report.Defuse(undirected(cell))
		}
		if err := w.Write(safe); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// undirected is a cell with the characters that turn the direction of writing as Go escapes, as the tables have them, because
// a spreadsheet would show another name than the one that is there (CVE-2021-42574). JSON has every value as it is.
func undirected(cell string) string {
	turns := func(r rune) bool { return unicode.Is(unicode.Bidi_Control, r) }
	if !strings.ContainsFunc(cell, turns) {
		return cell
	}
	var b strings.Builder
	for _, r := range cell {
		if turns(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// printJSON prints v indented.
func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.Out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// pad fills s with blanks to width columns of a terminal; Japanese characters take two.
func pad(s string, width int) string {
	if missing := width - columnsOf(s); missing > 0 {
		return s + strings.Repeat(" ", missing)
	}
	return s
}

// printLine prints v as one line of JSON.
func (a *app) printLine(v any) error {
	e := json.NewEncoder(a.Out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func itoa(n int) string { return strconv.Itoa(n) }
