package cli

import (
	"cmp"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sekisho/internal/directory"
	"sekisho/internal/finding"
	"sekisho/internal/signin"
)

func (a *app) signinCommand() *cobra.Command {
	return a.noun("signin", "signin", a.signinSuffixesCommand(), a.signinPlanCommand(), a.signinFixCommand(), a.signinCompareCommand(), a.signinChangeCommand(), a.signinRehearseCommand())
}

// signinFlags say where the directory and the tenant's domains come from.
type signinFlags struct {
	tenantFlags
	ldif, csv string
	attribute string
	ldap      *ldapFlags
}

func (a *app) signinFlags(c *cobra.Command) *signinFlags {
	f := &signinFlags{ldap: a.ldapFlags(c)}
	flags := c.Flags()
	flags.StringVar(&f.ldif, "ldif", "", a.t("signin.flag.ldif"))
	flags.StringVar(&f.csv, "csv", "", a.t("signin.flag.csv"))
	flags.StringVar(&f.attribute, "attribute", "userPrincipalName", a.t("signin.flag.attribute"))
	a.tenantFlags(c, &f.tenantFlags)
	return f
}

// signinSources reads what the flags name.
func (a *app) signinSources(ctx context.Context, f *signinFlags) (*directory.Directory, *signin.Tenant, error) {
	given := 0
	for _, is := range []bool{f.ldif != "", f.csv != "", len(f.ldap.servers) > 0} {
		if is {
			given++
		}
	}
	if given != 1 {
		return nil, nil, a.usage("signin.one-directory")
	}
	if flag := f.ldap.unused(); flag != "" {
		return nil, nil, a.usage("signin.needs-ldap", "flag", flag)
	}
	if !directory.Readable(f.attribute) {
		return nil, nil, a.usage("flag-value", "value", f.attribute, "flag", "--attribute")
	}
	if cmp.Or(f.ldif, f.csv, f.ldap.passwordFile) == "-" && f.domains == "-" {
		return nil, nil, a.usage("lookup.stdin-twice")
	}
	tenant, err := a.signinTenant(ctx, &f.tenantFlags)
	if err != nil {
		return nil, nil, err
	}
	read := directory.ReadLDIF
	if f.csv != "" {
		read = directory.ReadCSV
	}
	options := directory.Options{Attribute: f.attribute}
	if a.Terminal {
		options.Progress = func(n int) { a.notef("\r%s", a.t("signin.progress", "count", itoa(n))) }
		defer a.clearProgress()
	}
	var d *directory.Directory
	var name string
	if len(f.ldap.servers) > 0 {
		d, name, err = a.readLDAP(f.ldap, options)
	} else {
		var in io.ReadCloser
		if in, name, err = a.openInput(cmp.Or(f.ldif, f.csv)); err != nil {
			return nil, nil, err
		}
		defer in.Close()
		d, err = read(name, in, options)
	}
	if err == nil && !d.Seen[strings.ToLower(f.attribute)] {
		// Nobody would have a name, which is the export's doing.
		return nil, nil, finding.Fail("signin.attribute-absent", nil, "attribute", f.attribute, "file", name)
	}
	return d, tenant, err
}

// openInput opens a file, or the standard input for "-".
func (a *app) openInput(file string) (in io.ReadCloser, name string, err error) {
	if file == "-" {
		return io.NopCloser(a.In), "stdin", nil
	}
	if in, err = os.Open(file); err != nil {
		return nil, "", finding.Fail("directory.unreadable", err, "file", file)
	}
	return in, filepath.Base(file), nil
}

// signinSuffixesCommand prints the table of the wizard's sign-in page. It ends with exit code 3 when a suffix that people
// use is not verified.
func (a *app) signinSuffixesCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "suffixes", Short: a.t("signin.suffixes.short"), Long: a.t("signin.suffixes.long"), Args: cobra.NoArgs,
		Example: "  sekisho signin suffixes --ldif users.ldf --domains domains.json\n" +
			"  sekisho signin suffixes --csv users.csv --initial contoso.onmicrosoft.com --verified contoso.com --unverified fabrikam.com\n" +
			"  sekisho signin suffixes --ldap ldaps://dc1.corp.example --ldap-bind reader@corp.example --domains domains.json",
	}
	f := a.signinFlags(c)
	o := a.outputFlag(c, "table", "json", "csv", "xlsx")
	c.RunE = func(c *cobra.Command, _ []string) error {
		d, tenant, err := a.signinSources(c.Context(), f)
		if err != nil {
			return err
		}
		plan := signin.Make(d, tenant, signin.Options{Attribute: f.attribute, Now: time.Now()})
		type suffix struct {
			Suffix   string           `json:"suffix"`
			Accounts int              `json:"accounts"`
			Origin   directory.Origin `json:"origin"`
			State    signin.State     `json:"state"`
			Default  bool             `json:"default"`
			Initial  bool             `json:"initial"`
			Federate bool             `json:"federated"`
			Remedy   string           `json:"remedy"`
			Records  []signin.Record  `json:"records,omitempty"`
		}
		out := []suffix{}
		open := false
		result := rows{columns: []column{{"suffix", a.t("signin.column.suffix")}, {"accounts", a.t("signin.column.accounts")},
			{"origin", a.t("signin.column.origin")}, {"state", a.t("signin.column.state")}, {"sign_in", a.t("signin.column.sign-in")}, {"remedy", a.t("signin.column.remedy")}}}
		for _, r := range plan.Suffixes {
			open = open || r.Accounts > 0 && r.State != signin.Verified
			s := suffix{r.Name, r.Accounts, r.Origin, r.State, r.Domain.Default, r.Domain.Initial, r.Domain.Federated, a.suffixRemedy(r), r.Domain.Records}
			out = append(out, s)
			cells := []string{s.Suffix, itoa(s.Accounts), s.Origin.String(), s.State.String(), suffixKind(r), s.Remedy}
			if o.format == "table" || o.format == "xlsx" {
				cells[2], cells[3] = a.t("signin.origin."+cells[2]), a.t("signin.state."+cells[3])
				if cells[4] != "" {
					cells[4] = a.t("signin.kind." + cells[4])
				}
			}
			result.cells = append(result.cells, cells)
		}
		switch o.format {
		case "json":
			err = a.printEnglishJSON(func() any {
				for i, r := range plan.Suffixes {
					out[i].Remedy = a.suffixRemedy(r)
				}
				return struct {
					Attribute string   `json:"attribute"`
					Initial   string   `json:"initial"`
					Suffixes  []suffix `json:"suffixes"`
				}{plan.Options.Attribute, tenant.Initial(), out}
			})
		case "csv":
			err = a.printCSV(result)
		case "xlsx":
			sheet := sheetOf(a.t("signin.sheet.suffixes"), result, 30, 10, 14, 14, 14, 90)
			sheet.columns[1].Number = true
			err = a.printBook(a.t("signin.suffixes.short"), sheet)
		default:
			a.printTable(result)
		}
		if err == nil && open {
			return errFound
		}
		return err
	}
	a.outFlag(c)
	return c
}

// suffixKind is the code of what a domain of the tenant is: initial, federated or managed; "" when there is none.
func suffixKind(r signin.SuffixRow) string {
	switch {
	case r.Domain.Name == "":
		return ""
	case r.Domain.Initial:
		return "initial"
	case r.Domain.Federated:
		return "federated"
	}
	return "managed"
}

// suffixRemedy is what the page says is to be done, and what it leaves out: a name that nobody can verify.
func (a *app) suffixRemedy(r signin.SuffixRow) string {
	if r.Accounts == 0 && r.State != signin.Verified {
		return a.t("signin.remedy.unused")
	}
	code := r.State.String()
	if r.State == signin.NotAdded && r.Routable != "" {
		code = "routable-" + r.Routable
	}
	text := a.t("signin.remedy."+code, "suffix", r.Name)
	if r.State == signin.NotVerified && len(r.Domain.Records) > 0 {
		var records []string
		for _, record := range r.Domain.Records {
			records = append(records, record.String())
		}
		text += ": " + strings.Join(records, a.t("signin.remedy.or"))
	}
	return text
}
