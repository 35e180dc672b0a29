package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"sekisho/internal/finding"
	"sekisho/internal/signin"
	"sekisho/internal/signin/method"
	"sekisho/internal/signin/page"
)

// changeMethods are the methods that the wizard changes between.
func changeMethods() []string { return []string{"phs", "pta", "adfs", "ping"} }

// signinChangeCommand prints a change of the method as an ordered list of tasks.
func (a *app) signinChangeCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "change", Short: a.t("signin.change.short"), Long: a.t("signin.change.long"), Args: cobra.NoArgs,
		Example: "  sekisho signin change --from adfs --to phs\n  sekisho signin change --from adfs --to phs --temporary\n" +
			"  sekisho signin change --from phs --to adfs --domain contoso.com --domains domains.json -o xlsx --out change.xlsx",
	}
	f := &tenantFlags{}
	flags := c.Flags()
	from := flags.String("from", "", a.t("signin.flag.from"))
	to := flags.String("to", "", a.t("signin.flag.to"))
	temporary := flags.Bool("temporary", false, a.t("signin.flag.temporary"))
	names := flags.StringArray("domain", nil, a.t("signin.flag.domain"))
	a.tenantFlags(c, f)
	o := a.outputFlag(c, "table", "json", "csv", "xlsx")
	c.RunE = func(c *cobra.Command, _ []string) error {
		methods := [2]signin.Method{}
		for i, flag := range []struct{ name, value string }{{"--from", *from}, {"--to", *to}} {
			if flag.value == "" {
				return a.usage("signin.change.missing", "flag", flag.name, "methods", strings.Join(changeMethods(), ", "))
			}
			var ok bool
			if methods[i], ok = signin.Methods()[flag.value]; !ok {
				return a.usage("flag-value", "value", flag.value, "flag", flag.name)
			}
		}
		plan, err := method.Change(methods[0], methods[1], *temporary)
		if err != nil {
			return wrongInput{err}
		}
		if plan.To.Federated() {
			var tenant *signin.Tenant
			if f.namesTenant() {
				if tenant, err = a.signinTenant(c.Context(), f); err != nil {
					return err
				}
			}
			if found := method.CheckDomains(tenant, *names); found.HasErrors() {
				return wrongInput{&finding.Problem{Findings: found}}
			}
		}
		p := &changePrint{app: a, plan: plan, domains: *names}
		switch o.format {
		case "json":
			return a.printEnglishJSON(func() any { return p.document() })
		case "csv":
			return a.printCSV(p.rows())
		case "xlsx":
			return a.printBook(a.t("signin.change.book"), sheetOf(a.t("signin.change.book"), p.rows(), 6, 70, 30, 40, 50, 50, 60))
		}
		p.table()
		return nil
	}
	a.outFlag(c)
	for _, flag := range []string{"from", "to"} {
		// The error is of a flag that is not there, or completed twice.
		_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(changeMethods(), cobra.ShellCompDirectiveNoFileComp))
	}
	return c
}

// changePrint prints a change.
type changePrint struct {
	*app
	plan    *method.Plan
	domains []string
	cited   []page.ID
}

// word is the text of a part of a task: "-" where there is nothing to say.
func (p *changePrint) word(s method.Statement) string {
	switch {
	case s.ID == "":
		return "-"
	case !s.Documented():
		return p.printer.Text("method.not-documented", nil)
	}
	return p.printer.Text(s.ID, nil)
}

// task is the sentence of a task. What no page describes is still work, and says so.
func (p *changePrint) task(t method.Task) string {
	text := p.printer.Text(t.ID, nil)
	if t.Optional {
		text = p.t("signin.change.optional") + text
	}
	if !t.Documented() {
		text += " (" + p.printer.Text("method.not-documented", nil) + ")"
	}
	return text
}

func (p *changePrint) table() {
	p.paragraph(0, "", p.t("signin.change.title", "from", p.printer.Text("method.name."+p.plan.From.String(), nil), "to", p.printer.Text("method.name."+p.plan.To.String(), nil)))
	if p.plan.Temporary {
		p.paragraph(0, "", p.t("signin.change.temporary"))
	}
	if len(p.domains) > 0 && p.plan.To.Federated() {
		p.paragraph(0, "", p.t("signin.change.domains", "domains", strings.Join(p.domains, ", ")))
	}
	for i, t := range p.plan.Tasks {
		p.printf("\n")
		p.paragraph(0, pad(itoa(i+1)+".", 4), p.task(t)+notes(&p.cited, t.Sources...))
		p.part("who", p.printer.Text("method.who."+t.Who, nil), method.Statement{ID: "-"})
		p.part("duration", p.word(t.Duration), t.Duration)
		p.part("back", p.word(t.Back), t.Back)
		p.part("users", p.word(t.Users), t.Users)
	}
	p.sources(p.cited)
}

func (p *changePrint) part(id, text string, s method.Statement) {
	if s.ID != "" {
		p.paragraph(4, p.t("signin.change."+id)+": ", text+notes(&p.cited, s.Sources...))
	}
}

type taskRow struct {
	Number   int           `json:"number"`
	ID       string        `json:"id"`
	Text     string        `json:"text"`
	Optional bool          `json:"optional"`
	Who      string        `json:"who"`
	WhoText  string        `json:"who_text"`
	Duration *statementRow `json:"duration"`
	Back     *statementRow `json:"way_back"` // null: it changes nothing
	Users    *statementRow `json:"users"`    // null: nobody notices
	Sources  []sourceRow   `json:"sources"`
}

type changeDocument struct {
	From      signin.Method `json:"from"`
	To        signin.Method `json:"to"`
	Temporary bool          `json:"temporary"`
	Domains   []string      `json:"domains"`
	Tasks     []taskRow     `json:"tasks"`
}

func (p *changePrint) document() changeDocument {
	out := changeDocument{p.plan.From, p.plan.To, p.plan.Temporary, append([]string{}, p.domains...), []taskRow{}}
	part := func(s method.Statement) *statementRow {
		if s.ID == "" {
			return nil
		}
		row := p.statementRow(s)
		return &row
	}
	for i, t := range p.plan.Tasks {
		out.Tasks = append(out.Tasks, taskRow{i + 1, strings.TrimPrefix(t.ID, "method.task."), p.printer.Text(t.ID, nil), t.Optional, t.Who, p.printer.Text("method.who."+t.Who, nil),
			part(t.Duration), part(t.Back), part(t.Users), p.sourceRows(t.Sources...)})
	}
	return out
}

func (p *changePrint) rows() rows {
	out := rows{columns: []column{
		{"number", p.t("signin.change.column.number")}, {"task", p.t("signin.change.column.task")}, {"who", p.t("signin.change.who")}, {"duration", p.t("signin.change.duration")},
		{"way_back", p.t("signin.change.back")}, {"users", p.t("signin.change.users")}, {"sources", p.t("signin.compare.column.sources")},
	}}
	for i, t := range p.plan.Tasks {
		var urls []string
		for _, s := range p.sourceRows(t.Sources...) {
			urls = append(urls, s.URL)
		}
		out.cells = append(out.cells, []string{itoa(i + 1), p.task(t), p.printer.Text("method.who."+t.Who, nil), p.word(t.Duration), p.word(t.Back), p.word(t.Users), strings.Join(urls, " ")})
	}
	return out
}
