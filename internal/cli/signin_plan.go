package cli

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sekisho/internal/finding"
	"sekisho/internal/signin"
)

// planFlags say what is planned.
type planFlags struct {
	*signinFlags
	method string
	assume []string
	rename []string
	users  string
}

func (a *app) planFlags(c *cobra.Command) *planFlags {
	f := &planFlags{signinFlags: a.signinFlags(c)}
	flags := c.Flags()
	flags.StringVar(&f.method, "method", signin.PasswordHash.String(), a.t("signin.flag.method"))
	flags.StringArrayVar(&f.assume, "assume-verified", nil, a.t("signin.flag.assume-verified"))
	flags.StringArrayVar(&f.rename, "rename", nil, a.t("signin.flag.rename"))
	flags.StringVar(&f.users, "tenant-users", "", a.t("signin.flag.tenant-users"))
	// The error is of a flag that is not there, or completed twice.
	_ = c.RegisterFlagCompletionFunc("method", cobra.FixedCompletions(methodNames(), cobra.ShellCompDirectiveNoFileComp))
	return f
}

// makePlan reads what the flags name and plans. before is the plan without what is assumed; nil when nothing is.
func (a *app) makePlan(ctx context.Context, f *planFlags) (before, plan *signin.Plan, err error) {
	options := signin.Options{Attribute: f.attribute, Now: time.Now()}
	var ok bool
	if options.Method, ok = signin.Methods()[f.method]; !ok {
		return nil, nil, a.usage("flag-value", "value", f.method, "flag", "--method")
	}
	renamed := map[string]string{}
	for _, given := range f.rename {
		from, to, ok := strings.Cut(strings.ToLower(given), "=")
		if _, twice := renamed[from]; !ok || from == "" || !signin.IsDomain(to) || twice {
			return nil, nil, a.usage("flag-value", "value", given, "flag", "--rename")
		}
		renamed[from] = to
	}
	if f.users == "-" && slices.Contains([]string{f.domains, f.ldif, f.csv, f.ldap.passwordFile}, "-") {
		return nil, nil, a.usage("lookup.stdin-twice")
	}
	d, tenant, err := a.signinSources(ctx, f.signinFlags)
	if err != nil {
		return nil, nil, err
	}
	if options.Existing, err = a.signinExisting(ctx, &f.tenantFlags, f.users); err != nil {
		return nil, nil, err
	}
	if len(f.assume) > 0 || len(renamed) > 0 {
		before = signin.Make(d, tenant, options)
		for from := range renamed {
			if !slices.ContainsFunc(before.Suffixes, func(s signin.SuffixRow) bool { return s.Name == from && s.Accounts > 0 }) {
				return nil, nil, a.usage("signin.rename-unused", "suffix", from)
			}
		}
		var found finding.List
		if tenant, found = tenant.Assuming(f.assume...); tenant == nil {
			return nil, nil, &finding.Problem{Findings: found}
		}
		options.Rename = renamed
	}
	return before, signin.Make(d, tenant, options), nil
}

// signinPlanCommand prints what becomes of every account. It ends with exit code 3 when somebody will not sign in as
// expected.
func (a *app) signinPlanCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "plan", Short: a.t("signin.plan.short"), Long: a.t("signin.plan.long"), Args: cobra.NoArgs,
		Example: "  sekisho signin plan --ldif users.ldf --domains domains.json\n  sekisho signin plan --csv users.csv --domains domains.json --method pta -o csv\n" +
			"  sekisho signin plan --ldif users.ldf --domains domains.json --assume-verified fabrikam.com\n" +
			"  sekisho signin plan --ldif users.ldf --domains domains.json --rename corp.local=contoso.com\n" +
			"  sekisho signin plan --ldif users.ldf --graph --tenant contoso.com --client-id ID --secret-file secret\n" +
			"  sekisho signin plan --ldif users.ldf --domains domains.json --tenant-users users.json -o xlsx --out plan.xlsx",
	}
	f := a.planFlags(c)
	accounts := c.Flags().Bool("accounts", false, a.t("signin.flag.accounts"))
	o := a.outputFlag(c, "table", "json", "csv", "xlsx")
	c.RunE = func(c *cobra.Command, _ []string) error {
		before, plan, err := a.makePlan(c.Context(), f)
		if err != nil {
			return err
		}
		p := &planPrint{app: a, plan: plan, before: before, all: *accounts}
		switch o.format {
		case "json":
			err = a.printEnglishJSON(p.document)
		case "csv":
			err = p.csv()
		case "xlsx":
			err = p.xlsx()
		default:
			p.table()
		}
		if err == nil && p.plan.Blocked() {
			return errFound
		}
		return err
	}
	a.outFlag(c)
	return c
}

// methodNames are the codes of the methods, in their order.
func methodNames() []string {
	all := signin.Methods()
	out := make([]string, 0, len(all))
	for name := range all {
		out = append(out, name)
	}
	slices.SortFunc(out, func(x, y string) int { return cmp.Compare(all[x], all[y]) })
	return out
}
