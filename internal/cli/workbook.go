package cli

import (
	"bytes"
	"errors"
	"iter"
	"slices"

	"github.com/spf13/cobra"

	"sekisho/internal/finding"
	"sekisho/internal/workbook"
)

// bookSheet is one sheet of a workbook that a command writes.
type bookSheet struct {
	name    string
	columns []workbook.Column
	rows    iter.Seq[[]string]
}

// sheetOf makes a sheet of a result; widths are those of its columns in characters, and 0 or missing is the usual one.
func sheetOf(name string, r rows, widths ...float64) bookSheet {
	s := bookSheet{name: name, rows: slices.Values(r.cells)}
	for i, c := range r.columns {
		column := workbook.Column{Heading: c.heading}
		if i < len(widths) {
			column.Width = widths[i]
		}
		s.columns = append(s.columns, column)
	}
	return s
}

// printBook writes a workbook to the standard output, or to the file of --out (see outFlag). A terminal cannot show one.
func (a *app) printBook(title string, sheets ...bookSheet) error {
	if _, file := a.Out.(*bytes.Buffer); a.Terminal && !file {
		return a.usage("workbook-terminal")
	}
	b := workbook.New(a.printer.Language(), title)
	for _, s := range sheets {
		b.Sheet(s.name, s.columns, s.rows)
	}
	data, err := b.Bytes()
	if err != nil {
		return err
	}
	if n := b.Cut(); n > 0 {
		a.printFindings(finding.List{finding.New("request.cut", finding.Warning, finding.Pos{}, "count", itoa(n), "max", itoa(workbook.MostCell))})
	}
	_, err = a.Out.Write(data)
	return err
}

// outFlag adds --out to c: where the result is written whole instead of to the standard output, which some shells write in
// another encoding when it is redirected.
func (a *app) outFlag(c *cobra.Command) {
	file := c.Flags().String("out", "", a.t("flag.out"))
	run := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if *file == "" {
			return run(c, args)
		}
		out := a.Out
		var b bytes.Buffer
		a.Out = &b
		err := run(c, args)
		a.Out = out
		if err != nil && !errors.Is(err, errFound) {
			return err
		}
		if failure := writeWhole(*file, b.Bytes(), 0o644); failure != nil {
			return finding.Fail("cli.unwritable", bareError(failure), "file", *file)
		}
		return err
	}
}
