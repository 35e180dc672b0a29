package cli

import (
	"encoding/csv"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"
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
// cell can hold what somebody else wrote, so nothing in it steers the terminal.
func (a *app) printTable(r rows) {
	headings := make([]string, len(r.columns))
	for i, c := range r.columns {
		headings[i] = c.heading
	}
	for _, cells := range r.cells {
		for i, cell := range cells {
			cells[i] = message.Visible(cell)
		}
	}
	// Without a border: the result can be read through grep, cut and a pipe.
	t := table.New().Headers(headings...).Rows(r.cells...).Border(lipgloss.HiddenBorder()).
		BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).BorderColumn(false).BorderHeader(false).
		StyleFunc(func(int, int) lipgloss.Style { return lipgloss.NewStyle().PaddingRight(2) })
	for line := range strings.Lines(t.String()) {
		a.printf("%s\n", strings.TrimRight(line, " \n"))
	}
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
			safe[i] = report.Defuse(cell)
		}
		if err := w.Write(safe); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
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
	if missing := width - lipgloss.Width(s); missing > 0 {
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
