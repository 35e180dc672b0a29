package cli

import (
	"cmp"
	"encoding/xml"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sekisho/internal/message"
	"sekisho/internal/prove"
	"sekisho/internal/signin"
)

// signinRehearseCommand has people of the plan sign in within a lab, and ends with exit code 3 when something does not happen as
// the plan says.
func (a *app) signinRehearseCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "rehearse", Short: a.t("signin.rehearse.short"),
		Long: a.t("signin.rehearse.long", "max", itoa(prove.MaxRehearsed)), Args: cobra.NoArgs,
		Example: "  sekisho signin rehearse --ldif users.ldf --domains domains.json\n" +
			"  sekisho signin rehearse --csv users.csv --initial contoso.onmicrosoft.com --unverified contoso.com --verify-domain contoso.com\n" +
			"  sekisho signin rehearse --ldif users.ldf --domains domains.json --method pta --all -o junit > rehearsal.xml",
	}
	f := a.signinFlags(c)
	method := c.Flags().String("method", signin.PasswordHash.String(), a.t("signin.rehearse.flag.method"))
	sample := c.Flags().Int("sample", 3, a.t("signin.rehearse.flag.sample", "max", itoa(prove.MaxSample)))
	all := c.Flags().Bool("all", false, a.t("signin.rehearse.flag.all", "max", itoa(prove.MaxRehearsed)))
	verify := c.Flags().StringArray("verify-domain", nil, a.t("signin.rehearse.flag.verify-domain"))
	accounts := c.Flags().Bool("accounts", false, a.t("signin.rehearse.flag.accounts"))
	o := a.outputFlag(c, "table", "json", "csv", "junit")
	c.RunE = func(c *cobra.Command, _ []string) error {
		chosen, ok := signin.Methods()[*method]
		switch {
		case !ok:
			return a.usage("flag-value", "value", *method, "flag", "--method")
		case chosen != signin.PasswordHash && chosen != signin.PassThrough:
			return a.usage("signin.rehearse.method", "method", *method)
		case *all && c.Flags().Changed("sample"):
			return a.usage("signin.rehearse.sample-or-all")
		case *sample < 1 || *sample > prove.MaxSample:
			return a.usage("flag-value", "value", itoa(*sample), "flag", "--sample")
		}
		d, tenant, err := a.signinSources(c.Context(), f)
		if err != nil {
			return err
		}
		names, err := a.toVerify(tenant, *verify)
		if err != nil {
			return err
		}
		options := prove.RehearsalOptions{
			Directory: d, Tenant: tenant, Plan: signin.Options{Attribute: f.attribute, Method: chosen, Now: time.Now()},
			Sample: *sample, All: *all, Verify: names, Version: a.Version,
		}
		if a.Terminal {
			options.Watch = func(stage string, done, total int) {
				a.notef("\r%s", pad(a.t("signin.rehearse.progress."+stage, "done", itoa(done), "total", itoa(total)), 60))
			}
		}
		result, err := prove.Rehearse(c.Context(), options)
		if a.Terminal {
			a.clearProgress()
		}
		if err != nil {
			return err
		}
		p := &rehearsalPrint{a, result, *accounts}
		switch o.format {
		case "json":
			err = a.printJSON(result)
		case "csv":
			err = a.printCSV(p.rows())
		case "junit":
			err = p.junit()
		default:
			p.table()
		}
		if err == nil && result.Differ > 0 {
			return errFound
		}
		return err
	}
	// The error is of a flag that is not there, or completed twice.
	_ = c.RegisterFlagCompletionFunc("method", cobra.FixedCompletions([]string{"phs", "pta"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// toVerify are the domains of --verify-domain in normal form: none that is verified already, and none that nobody can verify.
func (a *app) toVerify(tenant *signin.Tenant, given []string) ([]string, error) {
	var out []string
	for _, name := range given {
		after, found := tenant.Assuming(name)
		if after == nil || found.HasErrors() || !signin.IsDomain(name) {
			return nil, a.usage("flag-value", "value", name, "flag", "--verify-domain")
		}
		d, _ := after.Domain(name)
		switch {
		case tenant.State(d.Name) == signin.Verified:
			return nil, a.usage("signin.rehearse.verified-already", "domain", d.Name)
		case signin.Routable(d.Name) == "no":
			return nil, a.usage("signin.rehearse.unverifiable", "domain", d.Name)
		case slices.Contains(out, d.Name):
			return nil, a.usage("flag-value", "value", name, "flag", "--verify-domain")
		}
		out = append(out, d.Name)
	}
	return out, nil
}

// rehearsalPrint prints what came of a rehearsal.
type rehearsalPrint struct {
	*app
	*prove.Rehearsal
	all bool
}

func (p *rehearsalPrint) table() {
	p.printf("%s\n", p.t("signin.rehearse.summary", "taken", itoa(p.Taken), "people", itoa(p.People), "method", p.Method, "initial", p.Initial))
	p.printf("%s\n", p.t("signin.rehearse.counts", "agree", itoa(p.Agree), "differ", itoa(p.Differ), "open", itoa(p.Open)))
	if len(p.Verified) > 0 {
		p.printf("%s\n", p.t("signin.rehearse.verified", "domains", strings.Join(p.Verified, ", ")))
	}
	p.printf("\n")
	p.printTable(p.kinds())
	p.told(prove.Differs, "NG")
	p.told(prove.Open, "--")
	p.renamed()
	if p.all {
		p.printf("\n")
		p.printTable(p.rows())
	}
}

// kinds counts, for each half and kind.
func (p *rehearsalPrint) kinds() rows {
	type key struct{ half, kind string }
	counts := map[key]*[3]int{}
	var order []key
	for i := range p.Rows {
		row := &p.Rows[i]
		for _, kind := range row.Kinds {
			k := key{row.Half, kind}
			if counts[k] == nil {
				counts[k] = &[3]int{}
				order = append(order, k)
			}
			counts[k][slices.Index([]string{prove.Agrees, prove.Differs, prove.Open}, row.Verdict)]++
		}
	}
	slices.SortStableFunc(order, func(x, y key) int { return cmp.Or(cmp.Compare(x.half, y.half), cmp.Compare(x.kind, y.kind)) })
	out := rows{columns: []column{{"half", p.t("signin.rehearse.column.half")}, {"kind", p.t("signin.rehearse.column.kind")},
		{"agree", p.t("signin.rehearse.column.agree")}, {"differ", p.t("signin.rehearse.column.differ")}, {"open", p.t("signin.rehearse.column.open")}}}
	for _, k := range order {
		c := counts[k]
		out.cells = append(out.cells, []string{p.t("signin.rehearse.half." + k.half), k.kind, itoa(c[0]), itoa(c[1]), itoa(c[2])})
	}
	return out
}

// told tells of each account with a verdict: all that differ, and the first few that are open.
func (p *rehearsalPrint) told(verdict, word string) {
	n := 0
	for i := range p.Rows {
		row := &p.Rows[i]
		if row.Verdict != verdict {
			continue
		}
		if n++; n > shownObjects && verdict == prove.Open && !p.all {
			continue
		}
		p.printf("\n%s  %s\n", pad(word, 4), message.Visible(row.Account+place(row)))
		p.printf("      %s (%s, %s)\n", p.reason(row), row.Reason, p.t("signin.rehearse.half."+row.Half))
		p.printf("      %s\n", message.Visible(p.t("signin.rehearse.expected", "answer", p.answer(row.Expected))))
		p.printf("      %s\n", message.Visible(p.t("signin.rehearse.observed", "answer", p.answer(row.Observed))))
	}
	if verdict == prove.Open && n > shownObjects && !p.all {
		p.printf("\n      %s\n", p.t("signin.rehearse.more", "count", itoa(n-shownObjects)))
	}
}

// renamed tells whose names the verification changed.
func (p *rehearsalPrint) renamed() {
	n := 0
	for i := range p.Rows {
		row := &p.Rows[i]
		if row.Before == "" || row.Before == row.Observed.Name {
			continue
		}
		if n++; n == 1 {
			p.printf("\n%s\n", p.t("signin.rehearse.renamed", "domains", strings.Join(p.Verified, ", ")))
		}
		if n <= shownObjects || p.all {
			p.printf("      - %s\n", message.Visible(row.Account+": "+row.Before+" -> "+cmp.Or(row.Observed.Name, "-")))
		}
	}
	if n > shownObjects && !p.all {
		p.printf("      %s\n", p.t("signin.rehearse.more", "count", itoa(n-shownObjects)))
	}
}

func (p *rehearsalPrint) reason(row *prove.Rehearsed) string {
	if row.Reason == "" {
		return ""
	}
	return p.printer.Text("prove.rehearsal."+row.Reason, nil)
}

// answer is a name and what it gives, in one line.
func (p *rehearsalPrint) answer(x prove.Answer) string {
	out := cmp.Or(x.Name, "-") + ", MailNickName " + cmp.Or(x.Nickname, "-") + ", " + cmp.Or(x.Result, "-")
	if x.Contested {
		out += ", " + p.t("signin.rehearse.contested")
	}
	return out
}

// place is where the account was read, in brackets; "" when that is not known.
func place(row *prove.Rehearsed) string {
	if row.File == "" {
		return ""
	}
	return "  (" + row.File + ":" + itoa(row.Line) + ")"
}

// rows are all accounts, in both halves.
func (p *rehearsalPrint) rows() rows {
	out := rows{columns: []column{
		{"half", p.t("signin.rehearse.column.half")}, {"account", p.t("signin.column.account")}, {"value", p.t("signin.column.value")},
		{"verdict", p.t("signin.rehearse.column.verdict")}, {"reason", p.t("signin.column.reason")},
		{"expected_name", p.t("signin.rehearse.column.expected-name")}, {"expected_result", p.t("signin.rehearse.column.expected-result")},
		{"observed_name", p.t("signin.rehearse.column.observed-name")}, {"observed_result", p.t("signin.rehearse.column.observed-result")},
		{"mail_nickname", p.t("signin.column.nickname")}, {"before", p.t("signin.rehearse.column.before")}, {"kinds", p.t("signin.rehearse.column.kind")},
	}}
	for i := range p.Rows {
		row := &p.Rows[i]
		out.cells = append(out.cells, []string{
			row.Half, row.Account, row.Value, row.Verdict, row.Reason, row.Expected.Name, row.Expected.Result, row.Observed.Name, row.Observed.Result,
			row.Observed.Nickname, row.Before, strings.Join(row.Kinds, " "),
		})
	}
	return out
}

// junit prints the form that build servers read: a suite for each half, a case for each account.
func (p *rehearsalPrint) junit() error {
	type problem struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
	}
	type testcase struct {
		Class   string   `xml:"classname,attr"`
		Name    string   `xml:"name,attr"`
		Failure *problem `xml:"failure,omitempty"`
		Skipped *problem `xml:"skipped,omitempty"`
	}
	type suite struct {
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Errors   int        `xml:"errors,attr"`
		Skipped  int        `xml:"skipped,attr"`
		Cases    []testcase `xml:"testcase"`
	}
	out := struct {
		XMLName xml.Name `xml:"testsuites"`
		Name    string   `xml:"name,attr"`
		Suites  []*suite `xml:"testsuite"`
	}{Name: "sekisho signin rehearse"}
	for i := range p.Rows {
		row := &p.Rows[i]
		if i == 0 || p.Rows[i-1].Half != row.Half {
			out.Suites = append(out.Suites, &suite{Name: "sekisho.signin." + row.Half})
		}
		s := out.Suites[len(out.Suites)-1]
		t := testcase{Class: s.Name, Name: message.Visible(row.Account)}
		s.Tests++
		said := message.Visible(p.reason(row) + ": " + p.t("signin.rehearse.expected", "answer", p.answer(row.Expected)) + "; " +
			p.t("signin.rehearse.observed", "answer", p.answer(row.Observed)))
		switch row.Verdict {
		case prove.Differs:
			s.Failures++
			t.Failure = &problem{said, row.Reason}
		case prove.Open:
			s.Skipped++
			t.Skipped = &problem{Message: said}
		}
		s.Cases = append(s.Cases, t)
	}
	data, err := xml.MarshalIndent(out, "", "  ")
	if err == nil {
		p.printf("%s%s\n", xml.Header, data)
	}
	return err
}
