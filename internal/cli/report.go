package cli

import (
	"context"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sekisho/internal/audit"
	"sekisho/internal/audit/report"
	"sekisho/internal/node"
	"sekisho/internal/policy"
	"sekisho/internal/signinlog"
)

func (a *app) reportCommand() *cobra.Command {
	return a.labFlag(a.noun("report", "report", a.reportDecisionsCommand(), a.reportSignInsCommand(), a.reportFieldsCommand()))
}

func (a *app) reportDecisionsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "decisions", Short: a.t("report.decisions.short"), Args: cobra.NoArgs,
		Example: "  sekisho report decisions --from 24h --restricted\n  sekisho report decisions --open\n  sekisho report decisions --verdict deny -o csv",
	}
	f := a.reportFlags(c)
	c.Flags().IntVar(&f.filter.Status, "status", 0, a.t("report.flag.status"))
	c.Flags().StringVar(&f.filter.Verdict, "verdict", "", a.t("report.flag.verdict"))
	c.Flags().StringVar(&f.filter.Reason, "reason", "", a.t("report.flag.reason"))
	c.Flags().BoolVar(&f.filter.Open, "open", false, a.t("report.flag.open"))
	c.RunE = func(c *cobra.Command, _ []string) error {
		return a.printReport(c.Context(), report.Decisions(), f, func(r audit.Reader) readFunc { return r.Decisions })
	}
	return c
}

// readFunc reads one page of one kind of record.
type readFunc = func(context.Context, audit.Filter) ([]audit.Record, error)

// reportFlags are the flags that both reports have.
type reportFlags struct {
	filter   audit.Filter
	from, to string // also until
	since    string
	client   string
	bom      bool
	chosen   bool // every column of the report was asked for by name
	output   *output
}

func (a *app) reportFlags(c *cobra.Command) *reportFlags {
	f := &reportFlags{output: a.outputFlag(c, "table", "json", "jsonl", "csv")}
	flags := c.Flags()
	flags.StringVar(&f.from, "from", "", a.t("report.flag.from"))
	flags.StringVar(&f.since, "since", "", a.t("report.flag.since"))
	flags.StringVar(&f.to, "to", "", a.t("report.flag.to"))
	flags.StringVar(&f.to, "until", "", a.t("report.flag.until"))
	flags.StringVar(&f.client, "client", "", a.t("report.flag.client"))
	flags.StringVar(&f.filter.User, "user", "", a.t("report.flag.user"))
	flags.StringVar(&f.filter.Host, "host", "", a.t("report.flag.host"))
	flags.StringVar(&f.filter.Ring, "ring", "", a.t("report.flag.ring"))
	flags.BoolVar(&f.filter.Restricted, "restricted", false, a.t("report.flag.restricted"))
	flags.IntVar(&f.filter.Limit, "limit", audit.DefaultLimit, a.t("report.flag.limit"))
	flags.BoolVar(&f.bom, "bom", false, a.t("report.flag.bom"))
	return f
}

// check turns the texts of the flags into the filter.
func (a *app) check(f *reportFlags, now time.Time) error {
	var err error
	if f.filter.From, f.filter.To, err = a.span(f, now); err != nil {
		return err
	}
	if f.client != "" {
		prefix, ok := prefixOf(f.client)
		if !ok {
			return a.usage("report.prefix", "value", f.client)
		}
		f.filter.Client = prefix
	}
	switch l := &f.filter; {
	case l.Limit < 0:
		return a.usage("report.negative", "flag", "--limit")
	case l.Status < 0:
		return a.usage("report.negative", "flag", "--status")
	case !l.From.IsZero() && !l.To.IsZero() && l.To.Before(l.From):
		return a.usage("report.span")
	}
	for _, c := range []struct {
		flag, value string
		choices     []string
	}{
		{"verdict", f.filter.Verdict, policy.Verdicts()},
		{"outcome", f.filter.Outcome, audit.Outcomes()},
	} {
		if c.value != "" && !slices.Contains(c.choices, c.value) {
			return a.usage("report.choice", "flag", "--"+c.flag, "value", c.value, "choices", strings.Join(c.choices, ", "))
		}
	}
	return nil
}

// span reads the time span of the flags: --since, or --from where it is a time, and --until or --to.
func (a *app) span(f *reportFlags, now time.Time) (since, until time.Time, err error) {
	if f.from != "" && f.since != "" {
		return since, until, a.usage("report.since-twice", "value", f.from)
	}
	if since, err = a.when(f.from+f.since, now); err == nil {
		until, err = a.when(f.to, now)
	}
	return since, until, err
}

// when reads a time: a day, a time of RFC 3339, or a span back from now. Days are those of the local time zone.
func (a *app) when(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if span, err := time.ParseDuration(text); err == nil && span >= 0 {
		return now.Add(-span), nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	if day, err := time.ParseInLocation("2006-01-02", text, time.Local); err == nil {
		return day, nil
	}
	return time.Time{}, a.usage("report.time", "value", text)
}

// printReport reads the records of the data folder, also while a checkpoint runs on it, and prints them as asked for.
func (a *app) printReport(ctx context.Context, r report.Report, f *reportFlags, read func(audit.Reader) readFunc) error {
	if err := a.check(f, time.Now()); err != nil {
		return err
	}
	data, err := a.checkpointFolder()
	if err != nil {
		return err
	}
	store, err := node.OpenRecords(ctx, data)
	if err != nil {
		return err
	}
	defer store.Close()
	records := audit.All(ctx, read(store), f.filter)
	switch f.output.format {
	case "json":
		return r.WriteJSON(a.Out, records)
	case "jsonl":
		return r.WriteJSONL(a.Out, records)
	case "csv":
		return r.WriteCSV(a.Out, records, report.CSV{BOM: f.bom})
	}
	return a.printRecords(r, f, records)
}

// printRecords prints the columns that a terminal has room for, in local time.
func (a *app) printRecords(r report.Report, f *reportFlags, records iter.Seq2[audit.Record, error]) error {
	var result rows
	var columns []report.Column
	for _, c := range r.Columns {
		if c.Key || f.chosen {
			columns = append(columns, c)
			result.columns = append(result.columns, column{c.ID, strings.ToUpper(a.printer.Text(c.HeadingID(), nil))})
		}
	}
	var requests int64
	for record, err := range records {
		if err != nil {
			return err
		}
		requests += record.Count()
		cells := make([]string, len(columns))
		for i, c := range columns {
			cells[i] = c.Cell(&record, time.Local)
		}
		result.cells = append(result.cells, cells)
	}
	a.printTable(result)
	if len(result.cells) == 0 {
		a.notef("%s\n", a.t("report.empty"))
	}
	if requests > int64(len(result.cells)) {
		a.notef("%s\n", a.t("report.folded", "rows", strconv.Itoa(len(result.cells)), "requests", strconv.FormatInt(requests, 10)))
	}
	return nil
}

// reportFieldsCommand documents the fields of both reports: their names in JSON and CSV, what they are, what they hold.
func (a *app) reportFieldsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "fields [decisions|signins|cloud]", Short: a.t("report.fields.short"), Args: cobra.MaximumNArgs(1),
		ValidArgs: []string{"decisions", "signins", "cloud"}, Example: "  sekisho report fields decisions\n  sekisho report fields -o json",
	}
	o := a.outputFlag(c, "table", "json", "csv")
	c.RunE = func(_ *cobra.Command, args []string) error {
		type field struct {
			Report  string `json:"report"`
			Field   string `json:"field"`
			Type    string `json:"type"`
			Meaning string `json:"meaning"`
		}
		fields := []field{}
		result := rows{columns: []column{{"report", a.t("report.fields.report")}, {"field", a.t("report.fields.field")},
			{"type", a.t("report.fields.type")}, {"meaning", a.t("report.fields.meaning")}}}
		add := func(report, id, kind, text string) {
			if len(args) == 0 || args[0] == report {
				f := field{report, id, kind, a.printer.Text(text, nil)}
				fields = append(fields, f)
				result.cells = append(result.cells, []string{f.Report, f.Field, f.Type, f.Meaning})
			}
		}
		for _, r := range []report.Report{report.Decisions(), report.SignIns()} {
			for _, c := range r.Columns {
				add(r.Name, c.ID, c.Type(), c.FieldID())
			}
		}
		for _, c := range signinlog.Columns() {
			add("cloud", c.ID, c.Type(), c.FieldID())
		}
		switch {
		case len(fields) == 0:
			return a.usage("report.fields.unknown", "report", args[0])
		case o.format == "json":
			return a.printJSON(fields)
		case o.format == "csv":
			return a.printCSV(result)
		}
		a.printTable(result)
		return nil
	}
	return c
}
