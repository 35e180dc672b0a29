package cli

import (
	"slices"
	"time"

	"github.com/spf13/cobra"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/explain"
	"sekisho/internal/finding"
	"sekisho/internal/node"
)

func (a *app) policyCommand() *cobra.Command {
	return a.noun("policy", "policy", a.policyCheckCommand(), a.policyExplainCommand())
}

// policyCheckCommand compiles the policy and prints every finding, the prerequisites and the residual risks. Errors:
// exit code 2. Warnings: exit code 3 with --strict. A tenant that could not be asked about: exit code 1.
func (a *app) policyCheckCommand() *cobra.Command {
	c := &cobra.Command{Use: "check", Short: a.t("policy.check.short"), Long: a.t("policy.check.long"), Args: cobra.NoArgs}
	lab := c.Flags().Bool("lab", false, a.t("flag.lab-policy"))
	strict := c.Flags().Bool("strict", false, a.t("policy.check.flag.strict"))
	online := c.Flags().Bool("online", false, a.t("policy.check.flag.online"))
	o := a.outputFlag(c, "table", "json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		settings, problems := a.loadConfig(*lab, nil)
		if problems.HasErrors() {
			return &finding.Problem{Findings: problems.Sort()}
		}
		snapshot, err := a.snapshot()
		if err != nil {
			return err
		}
		program, found := node.Compile(settings, snapshot)
		found = append(problems, found...).Sort()
		if found.HasErrors() {
			return &finding.Problem{Findings: found}
		}
		var asked *node.Online
		if *online {
			answer, more, err := node.AskTenants(c.Context(), settings, program, *lab)
			if err != nil {
				return err
			}
			found = slices.DeleteFunc(found, answer.Settles)
			asked, found = &answer, append(found, more...).Sort()
		}
		residual := program.Residual()
		ages := a.ages(program.Catalog().SetsOf(program.Features()...))
		if o.format == "json" {
			if err := a.printJSON(struct {
				Policy   string       `json:"policy_hash"`
				Catalog  string       `json:"catalog_version"`
				Findings finding.List `json:"findings"`
				Residual finding.List `json:"residual"`
				Online   *node.Online `json:"online,omitempty"`
				// Sources are those of the features in use, with their ages.
				Sources []catalog.Age `json:"sources"`
			}{program.Hash(), program.CatalogVersion(), orEmpty(found), orEmpty(residual), asked, ages}); err != nil {
				return err
			}
		} else {
			a.printf("%s\n", a.t("policy.check.ok", "hash", program.Hash(), "catalog", program.CatalogVersion()))
			a.printOnline(asked)
			// The age of the lists stands among the findings, with the command that mends it; it is one of the data, not of
			// the policy, and --strict does not count it.
			a.printList("policy.check.findings", append(slices.Clone(found), catalog.Stale(listAges(ages))...))
			a.printList("policy.check.residual", residual)
		}
		switch {
		case asked != nil && !asked.Whole():
			return errNotAll // what was asked for was not done; why stands beside each entry
		case *strict && len(found.Of(finding.Warning)) > 0:
			return errFound
		}
		return nil
	}
	return c
}

// printOnline prints what the sign-in service said of each tenant, nil for nothing.
func (a *app) printOnline(asked *node.Online) {
	if asked == nil {
		return
	}
	a.printf("\n%s\n", a.t("policy.check.online", "host", asked.Host))
	entry := func(profile, kind string, e node.OnlineEntry) {
		word, text := "OK", e.Directory
		switch e.State {
		case node.TenantNone:
			word, text = "WARN", a.t("policy.check.no-tenant")
		case node.TenantNotKnown:
			word, text = "--", a.t("policy.check.not-known", "cause", e.Cause)
		}
		a.printf("  %s  %s\n", pad(word, 4), a.t("policy.check."+kind, "profile", profile, "tenant", e.Tenant, "directory", text))
	}
	for _, p := range asked.Profiles {
		for _, e := range p.Entries {
			entry(p.Profile, "entry", e)
		}
		if p.Context == nil {
			continue
		}
		entry(p.Profile, "context", *p.Context)
		switch {
		case p.ContextListed == nil:
			a.printf("  --    %s\n", a.t("policy.check.context-not-known", "profile", p.Profile))
		case *p.ContextListed:
			a.printf("  OK    %s\n", a.t("policy.check.context-listed", "profile", p.Profile))
		default:
			a.printf("  WARN  %s\n", a.t("policy.check.context-unlisted", "profile", p.Profile))
		}
	}
}

func orEmpty(l finding.List) finding.List {
	if l == nil {
		return finding.List{}
	}
	return l
}

// printList prints findings as a result under a heading.
func (a *app) printList(heading string, list finding.List) {
	if len(list) == 0 {
		return
	}
	a.printf("\n%s\n", a.t(heading))
	for _, f := range list {
		a.printf("  %s  %s\n", pad(status(f.Severity), 4), a.printer.Finding(f))
		if hint := a.printer.Hint(f); hint != "" {
			a.printf("        %s\n", hint)
		}
	}
}

// status is the ASCII status word of a severity.
func status(s finding.Severity) string {
	switch s {
	case finding.Error:
		return "NG"
	case finding.Warning:
		return "WARN"
	}
	return "--"
}

// policyExplainCommand is lookup with an obligatory policy.
func (a *app) policyExplainCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "explain TARGET...",
		Short:   a.t("policy.explain.short"),
		Example: "  sekisho policy explain login.microsoftonline.com --user alice --client 10.1.2.3",
		Args:    cobra.MinimumNArgs(1),
	}
	who := a.subjectFlags(c)
	lab := c.Flags().Bool("lab", false, a.t("flag.lab-policy"))
	o := a.outputFlag(c, "table", "json", "jsonl")
	c.RunE = func(_ *cobra.Command, args []string) error {
		subject, err := a.subject(who)
		if err != nil {
			return err
		}
		program, _, err := a.program(*lab)
		if err != nil {
			return err
		}
		if program == nil {
			return &finding.Problem{Findings: finding.List{finding.New("cli.no-configuration", finding.Error, finding.Pos{})}}
		}
		tags, tagFiles := a.serviceTags(true)
		snapshot, err := a.snapshot()
		if err != nil {
			return err
		}
		book := explain.NewBook(explain.Context{
			Subject: subject, Program: program, Catalog: snapshot, Now: time.Now(), Tags: tags, TagFiles: tagFiles,
			WarnAge: time.Duration(a.maxAge()) * 24 * time.Hour,
		})
		var answers []explain.Answer
		for _, arg := range args {
			target, err := endpoint.ParseTarget(arg)
			if err != nil {
				return targetMistake(err)
			}
			answers = append(answers, book.Explain(arg, target))
		}
		return a.printAnswers(answers, o.format)
	}
	return c
}
