package cli

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sekisho/internal/audit"
	"sekisho/internal/audit/report"
	"sekisho/internal/finding"
	"sekisho/internal/node"
	"sekisho/internal/signinlog"
)

// Sources of report signins.
const (
	fromGateway = "gateway"
	fromLab     = "lab"
	fromGraph   = "graph"
	fromCSV     = "csv"
)

// Limits of reading the cloud's log; chosen.
const (
	cloudTimeout   = 10 * time.Minute // default of --timeout: a hundred pages, slowly
	maxCloudRows   = 200_000          // rows that are kept in memory to be joined
	maxJoinRecords = 200_000          // records of the gateway that are held against them
	joinSlack      = 10 * time.Minute
)

// signInFlags are the flags of report signins beyond those of both reports.
type signInFlags struct {
	*reportFlags
	status  string
	columns []string
	graph   *graphFlags
	beta    bool
}

func (a *app) reportSignInsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "signins [file.csv]", Short: a.t("report.signins.short"), Long: a.t("report.signins.long"), Args: cobra.MaximumNArgs(1),
		Example: "  sekisho report signins --since 24h --outcome blocked\n" +
			"  sekisho report signins --from lab --restricted --columns date,user_name,application,target_tenant\n" +
			"  sekisho report signins --from csv InteractiveSignIns.csv -o csv --bom\n" +
			"  sekisho report signins --from graph --tenant contoso.com --client-id ID --secret-file secret --since 24h",
	}
	f := &signInFlags{reportFlags: a.reportFlags(c)}
	flags := c.Flags()
	flags.Lookup("from").Usage = a.t("report.flag.source")
	flags.Lookup("client").Usage = a.t("report.flag.client-or-app")
	flags.StringVar(&f.filter.Tenant, "tenant", "", a.t("report.flag.tenant-or-log"))
	flags.StringVar(&f.filter.Application, "application", "", a.t("report.flag.application"))
	flags.StringVar(&f.filter.Application, "app", "", a.t("report.flag.app"))
	flags.StringVar(&f.filter.Outcome, "outcome", "", a.t("report.flag.outcome"))
	flags.StringVar(&f.status, "status", "", a.t("report.flag.status-of-signin"))
	flags.StringSliceVar(&f.columns, "columns", nil, a.t("report.flag.columns"))
	f.graph = a.graphFlags(c, cloudTimeout)
	flags.BoolVar(&f.beta, "beta", false, a.t("report.flag.beta"))
	c.RunE = func(c *cobra.Command, args []string) error { return a.reportSignIns(c, f, args) }
	return c
}

// reportSignIns prints the gateway's own records, or the cloud's log joined with them.
func (a *app) reportSignIns(c *cobra.Command, f *signInFlags, args []string) error {
	source := fromGateway
	switch folded := strings.ToLower(f.from); folded {
	case fromGateway, fromLab, fromGraph, fromCSV:
		source, f.from = folded, ""
	}
	if len(args) > 0 && source != fromCSV {
		return a.usage("report.file-without-csv", "file", args[0])
	}
	if source == fromGateway {
		for _, name := range append(graphFlagNames(), "beta") {
			if c.Flags().Changed(name) {
				return a.usage("report.flag-elsewhere", "flag", name, "source", source)
			}
		}
		return a.reportOwnSignIns(c.Context(), f)
	}
	for _, name := range []string{"host", "ring", "outcome"} {
		if c.Flags().Changed(name) {
			return a.usage("report.flag-elsewhere", "flag", name, "source", source)
		}
	}
	if f.filter.Limit < 0 {
		return a.usage("report.negative", "flag", "--limit")
	}
	filter, err := a.cloudFilter(f, time.Now())
	if err != nil {
		return err
	}
	columns, err := chooseColumns(f)
	if err != nil {
		return err
	}
	rows, err := a.cloudRows(c, source, f, filter, args)
	if err != nil {
		return err
	}
	lines, err := a.join(c.Context(), source, rows, filter)
	if err != nil {
		return err
	}
	lines = slices.DeleteFunc(lines, func(l signinlog.Line) bool { return !filter.Matches(l) })
	if limit := f.filter.Limit; limit > 0 && len(lines) > limit {
		a.notef("%s\n", a.t("report.more", "shown", strconv.Itoa(limit), "all", strconv.Itoa(len(lines))))
		lines = lines[:limit]
	}
	switch f.output.format {
	case "json":
		return signinlog.WriteJSON(a.Out, lines, columns)
	case "jsonl":
		return signinlog.WriteJSONL(a.Out, lines, columns)
	case "csv":
		return signinlog.WriteCSV(a.Out, lines, columns, signinlog.CSV{BOM: f.bom, Zone: time.Local})
	}
	a.printLines(lines, columns)
	return nil
}

func chooseColumns(f *signInFlags) ([]signinlog.Column, error) {
	columns, err := signinlog.Choose(f.columns)
	if err == nil && len(f.columns) == 0 && f.output.format == "table" {
		columns = slices.DeleteFunc(columns, func(c signinlog.Column) bool { return !c.Key })
	}
	return columns, err
}

func (a *app) printLines(lines []signinlog.Line, columns []signinlog.Column) {
	var result rows
	for _, c := range columns {
		result.columns = append(result.columns, column{c.ID, strings.ToUpper(a.printer.Text(c.HeadingID(), nil))})
	}
	for _, l := range lines {
		cells := make([]string, len(columns))
		for i, c := range columns {
			cells[i] = printable(c.Cell(l, time.Local))
		}
		result.cells = append(result.cells, cells)
	}
	a.printTable(result)
	if len(lines) == 0 {
		a.notef("%s\n", a.t("report.empty"))
	}
}

// printable takes out of a stranger's text what would steer a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

// cloudFilter reads the flags that select lines.
func (a *app) cloudFilter(f *signInFlags, now time.Time) (signinlog.Filter, error) {
	filter := signinlog.Filter{User: f.filter.User, Application: f.filter.Application, Blocked: f.filter.Restricted}
	var err error
	if filter.Since, filter.Until, err = a.span(f.reportFlags, now); err != nil {
		return filter, err
	}
	if !filter.Since.IsZero() && !filter.Until.IsZero() && filter.Until.Before(filter.Since) {
		return filter, a.usage("report.span")
	}
	status, ok := signinlog.ParseStatus(f.status)
	if !ok {
		return filter, a.usage("report.status", "value", f.status)
	}
	filter.Status = status
	// An address looks like nothing else: what is none is the name of a client app.
	if p, ok := prefixOf(f.client); ok {
		filter.Address = p
	} else {
		filter.Client = f.client
	}
	return filter, nil
}

func prefixOf(text string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), true
	}
	at, err := netip.ParseAddr(text)
	if err != nil || at.Zone() != "" {
		return netip.Prefix{}, false
	}
	at = at.Unmap()
	return netip.PrefixFrom(at, at.BitLen()), true
}

// cloudRows reads the rows of one source.
func (a *app) cloudRows(c *cobra.Command, source string, f *signInFlags, filter signinlog.Filter, args []string) ([]signinlog.Row, error) {
	ctx := c.Context()
	switch source {
	case fromLab:
		data, err := a.labFolder()
		if err != nil {
			return nil, err
		}
		tenant := f.filter.Tenant
		if tenant == "" {
			if tenant, err = a.restrictingTenant(); err != nil {
				return nil, err
			}
		}
		return node.LabSignIns(ctx, data, tenant, filter.Since, filter.Until)
	case fromCSV:
		if len(args) == 0 {
			return nil, a.usage("report.file-missing")
		}
		if args[0] == "-" {
			return signinlog.ReadCSV("-", a.In)
		}
		in, err := os.Open(args[0])
		if err != nil {
			return nil, finding.Fail("signinlog.unreadable", bareError(err), "file", args[0])
		}
		defer in.Close()
		if info, err := in.Stat(); err == nil && !info.Mode().IsRegular() && info.Mode()&os.ModeNamedPipe == 0 {
			return nil, finding.Fail("signinlog.unreadable", errors.New("not a file"), "file", args[0])
		}
		return signinlog.ReadCSV(args[0], in)
	}
	ctx, cancel := context.WithTimeout(ctx, f.graph.timeout)
	defer cancel()
	client, err := a.graphClient(f.graph, f.filter.Tenant, "AuditLog.Read.All")
	if err != nil {
		return nil, err
	}
	defer client.HTTP.CloseIdleConnections()
	reader := &signinlog.Graph{Client: client.HTTP, Credential: client.Credential, Base: client.Base, Beta: f.beta}
	rows, more, err := reader.SignIns(ctx, filter.Since, filter.Until, maxCloudRows)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, finding.Fail("signinlog.graph-time", nil, "time", f.graph.timeout.String())
	}
	if more {
		a.notef("%s: %s\n", a.t("warning"), a.t("report.cut", "max", strconv.Itoa(maxCloudRows)))
	}
	return rows, err
}

// restrictingTenant is the tenant whose report an administrator of the configuration that applies reads.
func (a *app) restrictingTenant() (string, error) {
	settings, problems := a.loadConfig(true, nil) // as up --lab does
	if problems.HasErrors() {
		return "", &finding.Problem{Findings: problems.Sort()}
	}
	ids := node.RestrictingTenants(settings)
	if len(ids) != 1 {
		return "", a.usage("report.whose", "tenants", strings.Join(ids, ", "))
	}
	return ids[0], nil
}

// bareError leaves out the operation and the name that a *os.PathError repeats.
func bareError(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// join holds the rows against what the gateway recorded in the same time, where there are records.
func (a *app) join(ctx context.Context, source string, rows []signinlog.Row, filter signinlog.Filter) ([]signinlog.Line, error) {
	folder := a.checkpointFolder
	if source == fromLab {
		folder = a.labFolder
	}
	data, err := folder()
	if err != nil {
		return nil, err
	}
	if !node.HasRecords(data) {
		a.notef("%s: %s\n", a.t("info"), a.t("report.not-joined", "folder", data))
		return signinlog.Alone(rows), nil
	}
	store, err := node.OpenRecords(ctx, data)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	// Both clocks run, and the gateway records the end of an exchange that the cloud records in its midst.
	f := audit.Filter{Limit: maxJoinRecords}
	if !filter.Since.IsZero() {
		f.From = filter.Since.Add(-joinSlack)
	}
	if !filter.Until.IsZero() {
		f.To = filter.Until.Add(joinSlack)
	}
	var records []audit.Record
	for r, err := range audit.All(ctx, store.SignIns, f) {
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	if len(records) == maxJoinRecords {
		a.notef("%s: %s\n", a.t("warning"), a.t("report.join-cut", "max", strconv.Itoa(maxJoinRecords)))
	}
	return signinlog.Join(rows, records), nil
}

// reportOwnSignIns prints the gateway's records.
func (a *app) reportOwnSignIns(ctx context.Context, f *signInFlags) error {
	r := report.SignIns()
	status, known := signinlog.ParseStatus(f.status)
	code, err := strconv.Atoi(status)
	switch {
	case f.status == "":
	case err == nil && code < 600 && !strings.HasPrefix(strings.ToLower(f.status), "aadsts"):
		f.filter.Status = code // of HTTP
	case err == nil && known:
		f.filter.AADSTS = status
	case status == signinlog.Success:
		f.filter.Outcome = "ok"
	default:
		return a.usage("report.status-of-gateway", "value", f.status)
	}
	if len(f.columns) > 0 {
		chosen, unknown := r.Choose(f.columns)
		if unknown != "" {
			return a.usage("report.column", "name", unknown, "known", strings.Join(r.IDs(), ", "))
		}
		r, f.chosen = chosen, true
	}
	return a.printReport(ctx, r, f.reportFlags, func(r audit.Reader) readFunc { return r.SignIns })
}
