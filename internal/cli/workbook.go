package cli

import (
	"bytes"
	"errors"
	"iter"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sekisho/internal/finding"
	"sekisho/internal/message"
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
		if flag := readFrom(c, *file); flag != "" {
			return a.usage("signin.out-is-input", "file", *file, "flag", flag)
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

// readFrom is the flag of c that names the file which is also to be written, under whatever path; "": none does. What was read
// would be lost: an export, or somebody's approvals.
func readFrom(c *cobra.Command, file string) (flag string) {
	to, err := os.Stat(file)
	if err != nil {
		return "" // there is none yet
	}
	c.Flags().Visit(func(f *pflag.Flag) {
		if f.Name == "out" || f.Value.Type() != "string" {
			return
		}
		if from, err := os.Stat(f.Value.String()); err == nil && os.SameFile(from, to) {
			flag = "--" + f.Name
		}
	})
	return flag
}

// printEnglishJSON prints what document makes, with the texts in English: JSON is for programs, and does not change with the
// language of whoever asks.
func (a *app) printEnglishJSON(document func() any) error {
	printer := a.printer
	defer func() { a.printer = printer }()
	a.printer = message.New("en")
	return a.printJSON(document())
}
