package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/check"
	"sekisho/internal/check/plan"
	"sekisho/internal/check/verdict"
	"sekisho/internal/message"
)

// mostTargets bounds the endpoints that one finding names on a screen; the JSON has all of them.
const mostTargets = 6

// stateWords are the states on a screen, in ASCII, because the width of other signs differs between terminals.
func stateWord(s verdict.State) string {
	switch s {
	case verdict.Pass:
		return "OK"
	case verdict.Warn:
		return "WARN"
	case verdict.Fail:
		return "NG"
	}
	return "--"
}

// checkBegins says what is going to happen, and has the run tell its progress on a terminal.
func (a *app) checkBegins(s *check.Spec, format string) {
	way := s.Path.Proxy.Name
	if s.Path.PAC != nil {
		way = s.Path.PAC.Name
	}
	a.notef("%s\n", a.ct("begin", "count", itoa(len(s.Plan.Targets)), "way", a.ct("way."+s.Path.Kind, "proxy", way), "catalog", s.Catalog.Version()))
	if !a.Terminal || format != "table" {
		return
	}
	begun := time.Now()
	s.Progress = func(done, total int) {
		a.notef("\r\x1b[K%s", a.ct("progress", "done", itoa(done), "total", itoa(total), "seconds", itoa(int(time.Since(begun).Seconds()))))
	}
}

// checkEnds takes the progress away.
func (a *app) checkEnds() {
	if a.Terminal {
		a.notef("\r\x1b[K")
	}
}

func (a *app) printCheck(r *check.Report, format string) error {
	switch format {
	case "json":
		return a.printJSON(r)
	case "jsonl":
		for i := range r.Results {
			if err := a.printLine(&r.Results[i]); err != nil {
				return err
			}
		}
		return nil
	case "csv":
		return a.printCSV(checkRows(r))
	}
	a.printCheckTable(r)
	return nil
}

// checkRows are the results for a spreadsheet.
func checkRows(r *check.Report) rows {
	out := rows{}
	for _, id := range []string{"state", "verdict", "stage", "party", "name", "host", "port", "transport", "required", "features", "sets", "pattern", "from",
		"from_evidence", "inspection", "proxy", "addresses", "issuer", "duration_ms"} {
		out.columns = append(out.columns, column{id: id})
	}
	for i := range r.Results {
		x := &r.Results[i]
		t := x.Target
		issuer := ""
		for _, s := range x.Steps {
			if s.Stage == verdict.TLS {
				issuer = s.Evidence["issuer"]
			}
		}
		port := strconv.Itoa(int(t.Port))
		if t.Port == 0 {
			port = t.Ports
		}
		out.cells = append(out.cells, []string{x.State.String(), x.ID, string(x.Stage), string(x.Party), x.Name(), t.Host.String(), port, t.Transport,
			strconv.FormatBool(t.Required), texts(t.Features), texts(t.Sets), t.Pattern, string(t.From), t.Evidence, x.Expects, x.Proxy, texts(x.Addresses),
			issuer, strconv.FormatInt(x.Millis, 10)})
	}
	return out
}

// texts joins what prints itself.
func texts[T any](list []T) string {
	var out []string
	for _, v := range list {
		out = append(out, fmt.Sprint(v))
	}
	return strings.Join(out, " ")
}

// printCheckTable prints every endpoint, then each cause with its remedy, then the counts.
func (a *app) printCheckTable(r *check.Report) {
	table := rows{columns: []column{{"state", a.ct("column.state")}, {"endpoint", a.ct("column.endpoint")}, {"need", a.ct("column.need")},
		{"verdict", a.ct("column.verdict")}, {"time", a.ct("column.time")}, {"from", a.ct("column.from")}}}
	for i := range r.Results {
		x := &r.Results[i]
		id, spent := x.ID, ""
		if x.Target.Host != "" && x.Stage != verdict.Plan {
			spent = strconv.FormatInt(x.Millis, 10) + " ms"
		}
		table.cells = append(table.cells, []string{stateWord(x.State), x.Name(), a.need(x.Target.Required), id, spent, a.from(x.Target)})
	}
	a.printTable(table)
	for i := range r.Findings {
		a.printCheckFinding(&r.Findings[i])
	}
	a.printf("\n%s\n", a.ct("counts", "total", itoa(len(r.Results)), "pass", itoa(r.Counts.Pass), "fail", itoa(r.Counts.Fail), "warn", itoa(r.Counts.Warn),
		"untested", itoa(r.Counts.NotTested), "unplanned", itoa(r.Counts.Unplanned), "closed", itoa(r.Counts.NotApplicable)))
	a.printf("%s\n", a.ct("required", "pass", itoa(r.Required.Pass), "fail", itoa(r.Required.Fail), "warn", itoa(r.Required.Warn),
		"untested", itoa(r.Required.NotTested)))
	if r.Stopped {
		a.printf("%s\n", a.ct("stopped"))
	}
}

func (a *app) need(required bool) string {
	if required {
		return a.ct("need.required")
	}
	return a.ct("need.optional")
}

// from says how a wildcard became a real name; a name that the row itself lists needs no words.
func (a *app) from(t plan.Target) string {
	if t.Host == "" || t.From == plan.Listed || t.Pattern == t.Name {
		return ""
	}
	return a.ct("from."+string(t.From), "pattern", t.Pattern, "evidence", t.Evidence)
}

func (a *app) printCheckFinding(f *check.Finding) {
	args := map[string]string{"target": f.Targets[0]}
	for k, v := range f.Evidence {
		args[k] = v
	}
	shown := f.Targets
	if len(shown) > mostTargets {
		shown = shown[:mostTargets]
	}
	names := message.Visible(strings.Join(shown, ", "))
	if more := len(f.Targets) - len(shown); more > 0 {
		names += " " + a.ct("more", "count", itoa(more))
	}
	if f.State == verdict.NotApplicable {
		a.printf("\n-- %s\n", f.ID)
	} else {
		a.printf("\n%s %s (%s)\n", stateWord(f.State), f.ID, a.need(f.Required))
	}
	a.printf("  %s\n", message.Visible(a.printer.Text("check.verdict."+f.ID, args)))
	a.printf("  %s: %s\n", a.ct("label.endpoints", "count", itoa(len(f.Targets))), names)
	if hint := "check.verdict." + f.ID + ".hint"; a.printer.Has(hint) {
		who := ""
		if f.Party != verdict.Nobody {
			who = " (" + a.ct("party."+string(f.Party)) + ")"
		}
		a.printf("  %s%s: %s\n", a.ct("label.remedy"), who, message.Visible(a.printer.Text(hint, args)))
	}
}

// printCheckPlan prints what would be checked, and sends nothing.
func (a *app) printCheckPlan(p plan.Plan, format string) error {
	if format == "json" {
		return a.printJSON(p.Targets)
	}
	r := rows{columns: []column{{"endpoint", a.ct("column.endpoint")}, {"need", a.ct("column.need")}, {"verdict", a.ct("column.verdict")}, {"from", a.ct("column.from")}}}
	for _, t := range p.Targets {
		if format == "jsonl" {
			if err := a.printLine(t); err != nil {
				return err
			}
			continue
		}
		name := t.Name
		switch {
		case t.Host != "":
			name += ":" + strconv.Itoa(int(t.Port))
		case t.Ports != "":
			name += " " + t.Ports
		}
		if format == "csv" {
			r.cells = append(r.cells, []string{name, strconv.FormatBool(t.Required), t.Untested, string(t.From)})
			continue
		}
		r.cells = append(r.cells, []string{name, a.need(t.Required), t.Untested, a.from(t)})
	}
	switch format {
	case "jsonl":
	case "csv":
		return a.printCSV(r)
	default:
		a.printTable(r)
	}
	return nil
}
