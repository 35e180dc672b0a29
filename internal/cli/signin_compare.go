package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sekisho/internal/catalog"
	"sekisho/internal/directory"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/signin"
	"sekisho/internal/signin/method"
	"sekisho/internal/signin/pfx"
)

// comparison is what "signin compare" found out, before it is printed.
type comparison struct {
	decision    method.Decision
	given       map[string]string // where each answer is from: flag, configuration, terminal
	tenant      *signin.Tenant    // nil: not named
	plan        *signin.Plan      // nil: no directory was named
	counts      map[method.State]method.Count
	certificate *pfx.Report // nil: no file was named
	service     string      // name of the federation service
	catalog     *catalog.Snapshot
	endpoints   []featureEndpoints
}

// featureEndpoints is a feature of the catalog and the methods that need it.
type featureEndpoints struct {
	feature *catalog.Feature
	methods []string // codes; none: what goes with one of them, seamless single sign-on
	sets    []*catalog.Set
}

func (a *app) signinCompareCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "compare", Short: a.t("signin.compare.short"), Long: a.t("signin.compare.long"), Args: cobra.NoArgs,
		Example: "  sekisho signin compare\n" +
			"  sekisho signin compare --answer existing-system=no --answer cloud-only=yes --answer seamless=no\n" +
			"  sekisho signin compare --ldif users.ldf --domains domains.json -o xlsx --out methods.xlsx\n" +
			"  sekisho signin compare --pfx fs.pfx --pfx-password-file password.txt --federation-name fs.contoso.com",
	}
	f := a.signinFlags(c)
	flags := c.Flags()
	given := flags.StringArray("answer", nil, a.t("signin.flag.answer"))
	file := flags.String("pfx", "", a.t("signin.flag.pfx"))
	password := flags.String("pfx-password-file", "", a.t("signin.flag.pfx-password-file"))
	service := flags.String("federation-name", "", a.t("signin.flag.federation-name"))
	o := a.outputFlag(c, "table", "json", "csv", "xlsx")
	c.RunE = func(c *cobra.Command, _ []string) error {
		answers, err := a.methodAnswers(*given)
		if err != nil {
			return err
		}
		found := &comparison{given: map[string]string{}}
		for question := range answers {
			found.given[question] = "flag"
		}
		if err := a.compareSources(c.Context(), f, found); err != nil {
			return err
		}
		if err := a.compareCertificate(found, *file, *password, *service); err != nil {
			return err
		}
		if err := a.compareCatalog(found, answers); err != nil {
			return err
		}
		if found.decision = method.Decide(answers); o.format == "table" && a.Terminal {
			if err := a.askMethod(c.Context(), found, answers); err != nil {
				return err
			}
		}
		p := &comparePrint{app: a, comparison: found}
		switch o.format {
		case "json":
			err = a.printEnglishJSON(func() any { return p.document() })
		case "csv":
			err = a.printCSV(p.rows())
		case "xlsx":
			err = a.printBook(a.t("signin.compare.book"), sheetOf(a.t("signin.compare.book"), p.rows(), 18, 26, 10, 16, 70, 60))
		default:
			p.table()
		}
		if err == nil && found.refuses() {
			return errFound
		}
		return err
	}
	a.outFlag(c)
	// The error is of a flag that is not there, or completed twice.
	_ = c.RegisterFlagCompletionFunc("answer", cobra.FixedCompletions(methodAnswerNames(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

// refuses reports whether something stands against it: the certificate, or that the method recommended cannot be.
func (c *comparison) refuses() bool {
	return c.certificate != nil && !c.certificate.Usable() || len(c.impossible()) > 0
}

// impossible says why the method recommended cannot be in this tenant; empty: it can, or is not known.
func (c *comparison) impossible() finding.List {
	if !c.decision.Decided || !c.decision.Leaf.Method.Federated() || c.tenant == nil {
		return nil
	}
	return method.CheckDomains(c.tenant, nil)
}

// methodAnswerNames are all answers as --answer takes them.
func methodAnswerNames() (out []string) {
	for _, q := range method.Questions() {
		for _, answer := range q.Answers {
			out = append(out, q.ID+"="+answer)
		}
	}
	return out
}

// methodAnswers reads the values of --answer.
func (a *app) methodAnswers(given []string) (map[string]string, error) {
	out := map[string]string{}
	for _, one := range given {
		question, answer, _ := strings.Cut(one, "=")
		known, fits := method.Valid(question, answer)
		if !known {
			var ids []string
			for _, q := range method.Questions() {
				ids = append(ids, q.ID)
			}
			return nil, a.usage("signin.unknown-question", "question", question, "meant", finding.Nearest(question, ids), "questions", strings.Join(ids, ", "))
		}
		if before, twice := out[question]; !fits || twice && before != answer {
			i := slices.IndexFunc(method.Questions(), func(q method.Question) bool { return q.ID == question })
			return nil, a.usage("signin.unknown-answer", "question", question, "answer", answer, "answers", strings.Join(method.Questions()[i].Answers, ", "), "twice", before)
		}
		out[question] = answer
	}
	return out, nil
}

// namesDirectory reports whether a flag names the directory.
func (f *signinFlags) namesDirectory() bool {
	return f.ldif != "" || f.csv != "" || len(f.ldap.servers) > 0 || f.ldap.unused() != ""
}

// namesTenant reports whether a flag names domains of the tenant.
func (f *tenantFlags) namesTenant() bool {
	return f.graph || f.refresh || f.domains != "" || f.initial != "" || len(f.verified) > 0 || len(f.unverified) > 0
}

// compareSources reads the directory and the tenant where flags name them.
func (a *app) compareSources(ctx context.Context, f *signinFlags, found *comparison) (err error) {
	switch {
	case f.namesDirectory():
		var d *directory.Directory
		if d, found.tenant, err = a.signinSources(ctx, f); err != nil {
			return err
		}
		found.plan = signin.Make(d, found.tenant, signin.Options{Attribute: f.attribute, Now: time.Now()})
		found.counts = method.Counts(found.plan, d.Seen)
	case f.namesTenant():
		found.tenant, err = a.signinTenant(ctx, &f.tenantFlags)
	}
	return err
}

// maxPassword bounds the file of a password; chosen: PKCS #12 knows no limit, people type less.
const maxPassword = 4 << 10

// compareCertificate opens and checks the file of --pfx.
func (a *app) compareCertificate(found *comparison, file, passwordFile, service string) error {
	if file == "" {
		if passwordFile != "" || service != "" {
			return a.usage("signin.pfx-alone")
		}
		return nil
	}
	host, err := endpoint.ParseHost(service)
	if err != nil || !signin.IsDomain(string(host)) {
		return a.usage("signin.federation-name", "name", service)
	}
	found.service = string(host)
	password := ""
	if passwordFile != "" {
		if file == "-" && passwordFile == "-" {
			return a.usage("lookup.stdin-twice")
		}
		if password, err = a.readPassword(passwordFile); err != nil {
			return err
		}
	}
	in, name, err := a.openInput(file)
	if err != nil {
		return err
	}
	defer in.Close()
	names := pfx.Names{Service: found.service}
	if found.plan != nil {
		names.Suffixes = []string{}
		for _, s := range found.plan.Suffixes {
			if s.Accounts > 0 && s.State == signin.Verified && !method.OnMicrosoft(s.Name) {
				names.Suffixes = append(names.Suffixes, s.Name)
			}
		}
	}
	report, err := pfx.Check(in, password, names, pfx.Options{Now: time.Now()})
	if err != nil {
		return finding.Fail("directory.unreadable", err, "file", name)
	}
	found.certificate = &report
	return nil
}

// readPassword reads the password that a file holds in its one line.
func (a *app) readPassword(file string) (string, error) {
	in, name, err := a.openInput(file)
	if err != nil {
		return "", err
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, maxPassword+1))
	if err != nil {
		return "", finding.Fail("directory.unreadable", err, "file", name)
	}
	// Editors of Windows put a byte order mark before it, and every editor a line end behind.
	text := strings.TrimSuffix(strings.TrimSuffix(string(bytes.TrimPrefix(data, []byte("\ufeff"))), "\n"), "\r")
	if len(data) > maxPassword || strings.ContainsAny(text, "\r\n") {
		return "", finding.Fail("cli.signin.pfx-password", nil, "file", name)
	}
	return text, nil
}

// compareCatalog gathers the endpoints of the methods from the catalog in use, as they are for the organisation that the
// configuration describes, and takes from there what answers a question.
func (a *app) compareCatalog(found *comparison, answers map[string]string) error {
	file, _, err := a.configFile()
	if err != nil {
		return err
	}
	if file != "" {
		settings, problems := a.loadConfig(false, nil)
		if problems.HasErrors() {
			return &finding.Problem{Findings: problems.Sort()}
		}
		if s := settings.Tenant.SeamlessSSO; s.Given() && answers["seamless"] == "" {
			answers["seamless"], found.given["seamless"] = method.No, "configuration"
			if s.V {
				answers["seamless"] = method.Yes
			}
		}
	}
	program, _, err := a.program(false)
	if err != nil {
		return err
	}
	if found.catalog = program.Catalog(); found.catalog == nil {
		if found.catalog, err = a.snapshot(); err != nil {
			return err
		}
		if found.catalog, _ = found.catalog.Fill(catalog.Values{catalog.HoleCloud: {{Text: catalog.Worldwide}}}); found.catalog == nil {
			return errors.New("the catalog has no cloud")
		}
	}
	needs := map[string][]string{}
	for _, m := range method.All() {
		for _, f := range method.Features(m) {
			needs[f] = append(needs[f], m.String())
		}
	}
	needs[method.SeamlessFeature] = nil
	for _, f := range found.catalog.Features() {
		methods, wanted := needs[string(f.ID)]
		if !wanted {
			continue
		}
		e := featureEndpoints{feature: f, methods: methods}
		for _, set := range found.catalog.SetsOf(f.ID) {
			if set.Applies != catalog.No {
				e.sets = append(e.sets, set)
			}
		}
		found.endpoints = append(found.endpoints, e)
	}
	return nil
}

// askMethod asks for what the way still needs, one question after the other, until one is not answered.
func (a *app) askMethod(ctx context.Context, found *comparison, answers map[string]string) error {
	lines, stop := readLines(a.In)
	defer stop()
	for asked := 0; !found.decision.Decided && asked < mostAnswers; asked++ {
		i := slices.IndexFunc(method.Questions(), func(q method.Question) bool { return q.ID == found.decision.Needs })
		q := method.Questions()[i]
		a.notef("%s (%s; %s) ", a.printer.Text("method.question."+q.ID, nil), strings.Join(q.Answers, "/"), a.t("signin.compare.enter"))
		var given line
		select {
		case <-ctx.Done():
			a.notef("\n")
			return context.Canceled
		case given = <-lines:
		}
		answer := strings.ToLower(strings.TrimSpace(given.text))
		if given.err != nil || answer == "" {
			a.notef("\n")
			return nil // undecided is an answer too
		}
		if _, fits := method.Valid(q.ID, answer); fits {
			answers[q.ID], found.given[q.ID] = answer, "terminal"
			found.decision = method.Decide(answers)
		}
	}
	return nil
}
