package entra

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/journal"
	"sekisho/internal/lab/page"
	"sekisho/internal/signinlog"
)

// The report is the lab's stand-in for "Tenant restrictions" in the portal (Microsoft, "Set up tenant restrictions v1",
// "Admin experience"): /{tenant}/lab/report, for signed-in administrators of that tenant alone. That it stands at the
// sign-in host is a simplification.
const (
	reportPath = "lab/report"
	reportName = "Lab Report" // the application in the sign-in log
	reportRows = 50           // rows of one page; chosen
	// reportTime is the form of an <input type=datetime-local>; it is in the time of the lab's machine.
	reportTime = "2006-01-02T15:04"
)

// reportColumns are what can be chosen: the page's ten first, which are shown when nothing was chosen.
var reportColumns = [...]string{
	"user", "application", "status", "date", "date_utc", "address", "client", "user_name", "location", "target_tenant",
	"code", "reason", "home_tenant", "application_id", "request_id", "correlation_id",
}

const reportDefault = 10 // of reportColumns

// reportWords are the message ids of what columns say in the words of the filters.
var reportWords = map[string]map[string]string{
	"status": {signinlog.Success: "lab.report.success", signinlog.Failure: "lab.report.failure", signinlog.Interrupted: "lab.report.interrupted"},
	"client": {journal.ClientBrowser: "lab.report.browser", journal.ClientDesktop: "lab.report.desktop"},
}

// report shows the report.
func (x *exchange) report() {
	x.administrate(reportPath, reportName, func(here string, q url.Values, _ *session, who *directory.User, tenant *directory.Tenant) {
		x.reportPage(here, q, who, tenant)
	}, nil)
}

// reportQuery is what the form asks for.
type reportQuery struct {
	journal.Query
	columns []signinlog.Column
	page    int
	asOf    time.Time // rows that came later are not shown, so that pages do not move
}

// readReportQuery reads the form; ok is false where something on it cannot be read, and is then left out.
func readReportQuery(q url.Values, now time.Time) (r reportQuery, ok bool) {
	ok = true
	when := func(name string) time.Time {
		text := q.Get(name)
		if text == "" {
			return time.Time{}
		}
		for _, form := range []string{reportTime, "2006-01-02T15:04:05", time.RFC3339Nano, time.DateOnly} {
			if t, err := time.ParseInLocation(form, text, time.Local); err == nil {
				return t
			}
		}
		ok = false
		return time.Time{}
	}
	r.User, r.Application, r.Client = strings.TrimSpace(q.Get("user")), strings.TrimSpace(q.Get("application")), q.Get("client")
	r.Since, r.Until, r.asOf = when("since"), when("until"), when("as-of")
	r.Blocked = q.Get("which") != "all"
	status, known := signinlog.ParseStatus(strings.TrimSpace(q.Get("status")))
	r.Status, ok = status, ok && known
	if r.asOf.IsZero() {
		r.asOf = now
	}
	if r.Until.IsZero() || r.Until.After(r.asOf) {
		r.Until = r.asOf.Add(time.Nanosecond) // exclusive
	}
	if n, err := strconv.Atoi(q.Get("page")); err == nil && n > 0 && n <= journal.Capacity {
		r.page = n
	}
	var names []string
	for _, name := range reportColumns {
		if q.Get("column."+name) != "" {
			names = append(names, name)
		}
	}
	if names == nil {
		names = reportColumns[:reportDefault]
	}
	r.columns, _ = signinlog.Choose(names) // they are all known
	return r, ok
}

// reportPage shows one page of the report, or sends all of it as a file.
func (x *exchange) reportPage(here string, q url.Values, who *directory.User, tenant *directory.Tenant) {
	rq, ok := readReportQuery(q, x.now)
	rows := x.s.Journal.Rows(tenant.ID, rq.Query)
	lines := make([]signinlog.Line, len(rows))
	for i, r := range rows {
		lines[i] = signinlog.Line{Seen: signinlog.NotJoined, Cloud: r.SignIn()}
	}
	if q.Get("format") == "csv" && ok {
		h := x.w.Header()
		h.Set("Content-Type", "text/csv; charset=utf-8")
		h.Set("Content-Disposition", `attachment; filename="lab-signins-`+x.now.Format("20060102-150405")+`.csv"`)
		if x.r.Method != http.MethodHead {
			_ = signinlog.WriteCSV(x.w, lines, rq.columns, signinlog.CSV{BOM: true, Zone: time.Local})
		}
		return
	}
	link := func(change ...string) string {
		to := url.Values{}
		for k := range q {
			to.Set(k, q.Get(k))
		}
		to.Set("as-of", rq.asOf.Format(time.RFC3339Nano))
		for i := 0; i+1 < len(change); i += 2 {
			to.Set(change[i], change[i+1])
		}
		return here + "?" + to.Encode()
	}
	first := min(rq.page*reportRows, len(lines))
	last := min(first+reportRows, len(lines))
	t := page.Table{
		Title: "lab.report.title", Text: []string{"lab.report.text", "lab.report.count"}, Action: here,
		Args: map[string]string{
			"tenant": tenant.Name, "user": who.UPN, "all": strconv.Itoa(len(lines)), "first": strconv.Itoa(min(first+1, last)), "last": strconv.Itoa(last),
		},
		Filters: reportFilters(q, rq),
	}
	status := http.StatusOK
	if !ok {
		status, t.Problem = http.StatusBadRequest, "lab.report.unreadable"
	}
	for _, name := range reportColumns {
		t.Columns = append(t.Columns, page.Option{Value: name, Text: "signinlog.column." + name,
			Chosen: slices.ContainsFunc(rq.columns, func(c signinlog.Column) bool { return c.ID == name })})
	}
	t.Words = map[int]map[string]string{}
	for i, c := range rq.columns {
		t.Heads = append(t.Heads, c.HeadingID())
		t.Words[i] = reportWords[c.ID]
	}
	for _, l := range lines[first:last] {
		var cells []string
		for _, c := range rq.columns {
			cells = append(cells, reportCell(c, l))
		}
		t.Rows = append(t.Rows, cells)
	}
	if first > 0 {
		t.Links = append(t.Links, page.Link{Target: link("page", strconv.Itoa(rq.page-1)), Text: "lab.report.newer"})
	}
	if last < len(lines) {
		t.Links = append(t.Links, page.Link{Target: link("page", strconv.Itoa(rq.page+1)), Text: "lab.report.older"})
	}
	t.Links = append(t.Links, page.Link{Target: link("format", "csv", "page", ""), Text: "lab.report.csv"},
		page.Link{Target: strings.TrimSuffix(here, reportPath) + directoryPath, Text: "lab.report.directory"},
		page.Link{Target: "/common/oauth2/v2.0/logout", Text: "lab.report.signout"})
	x.s.Pages.WriteTable(x.w, x.r, status, t)
}

// reportCell is c of l for people: shorter times than in the file.
func reportCell(c signinlog.Column, l signinlog.Line) string {
	switch c.ID {
	case "date":
		return l.At().In(time.Local).Format(time.DateTime)
	case "date_utc":
		return l.At().Format(time.DateTime)
	}
	return c.Cell(l, time.Local)
}

// reportFilters are the fields of the form with what was asked.
func reportFilters(q url.Values, rq reportQuery) []page.Filter {
	choice := func(name, label string, chosen string, values ...string) page.Filter {
		f := page.Filter{Name: name, Label: label}
		for i := 0; i+1 < len(values); i += 2 {
			f.Options = append(f.Options, page.Option{Value: values[i], Text: values[i+1], Chosen: values[i] == chosen})
		}
		return f
	}
	which := "blocked"
	if !rq.Blocked {
		which = "all"
	}
	field := func(name, label, kind string) page.Filter {
		return page.Filter{Name: name, Label: label, Type: kind, Value: clip(q.Get(name), 320)}
	}
	return []page.Filter{
		choice("which", "lab.report.which", which, "blocked", "lab.report.blocked", "all", "lab.report.all"),
		field("since", "lab.report.since", "datetime-local"), field("until", "lab.report.until", "datetime-local"),
		field("user", "lab.report.user", "text"), field("application", "lab.report.application", "text"),
		choice("client", "lab.report.client", rq.Client, "", "lab.report.any", journal.ClientBrowser, "lab.report.browser",
			journal.ClientDesktop, "lab.report.desktop"),
		choice("status", "lab.report.status", rq.Status, "", "lab.report.any", signinlog.Success, "lab.report.success",
			signinlog.Failure, "lab.report.failure", signinlog.Interrupted, "lab.report.interrupted"),
	}
}
