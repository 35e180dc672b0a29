package cli

import (
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sekisho/internal/message"
	"sekisho/internal/signin/fix"
)

// signinFixCommand writes the changes of the directory that settle what the plan found. It applies nothing. It ends with exit
// code 3 when somebody has to decide about a change before it can be made.
func (a *app) signinFixCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "fix", Short: a.t("signin.fix.short"), Long: a.t("signin.fix.long"), Args: cobra.NoArgs,
		Example: "  sekisho signin fix --ldif users.ldf --domains domains.json --rename corp.local=contoso.com\n" +
			"  sekisho signin fix --ldif users.ldf --domains domains.json --rename corp.local=contoso.com -o csv --out changes.csv\n" +
			"  sekisho signin fix --ldif users.ldf --domains domains.json --rename corp.local=contoso.com --approve changes.csv -o powershell --out changes.ps1",
	}
	f := a.planFlags(c)
	o := a.outputFlag(c, "table", "csv", "json", "xlsx", "ldif", "powershell")
	rules := c.Flags().StringArray("rule", nil, a.t("signin.flag.rule"))
	approve := c.Flags().String("approve", "", a.t("signin.flag.approve"))
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *approve == "-" && slices.Contains([]string{f.domains, f.ldif, f.csv, f.users, f.ldap.passwordFile}, "-") {
			return a.usage("lookup.stdin-twice")
		}
		before, plan, err := a.makePlan(c.Context(), f)
		if err != nil {
			return err
		}
		changes := fix.Of(before, plan)
		if known := fix.Rules(changes); len(*rules) > 0 {
			for _, r := range *rules {
				if !slices.Contains(known, r) {
					return a.usage("signin.fix.no-rule", "rule", r, "rules", strings.Join(known, ", "))
				}
			}
			changes = slices.DeleteFunc(changes, func(c fix.Change) bool { return !slices.Contains(*rules, c.Rule) })
		}
		if *approve != "" {
			in, name, err := a.openInput(*approve)
			if err != nil {
				return err
			}
			defer in.Close()
			if changes, err = fix.Approve(name, in, changes); err != nil {
				return err
			}
		}
		if err := a.printFixes(changes, f, o.format); err != nil {
			return err
		}
		if slices.ContainsFunc(changes, func(c fix.Change) bool { return c.Decide }) {
			return errFound
		}
		return nil
	}
	a.outFlag(c)
	return c
}

// printFixes writes changes in a format.
func (a *app) printFixes(changes []fix.Change, f *planFlags, format string) error {
	switch format {
	case "ldif", "powershell":
		write := fix.LDIF
		if format == "powershell" {
			write = fix.PowerShell
		}
		without, err := write(a.Out, a.fixWords(changes, f), changes)
		if without > 0 {
			a.notef("%s: %s\n", a.t("warning"), a.t("signin.fix.without-dn", "count", itoa(without)))
		}
		return err
	case "json":
		type change struct {
			ID        string `json:"id"`
			Rule      string `json:"rule"`
			DN        string `json:"dn"`
			Account   string `json:"account"`
			Attribute string `json:"attribute"`
			Old       string `json:"old"`
			New       string `json:"new"`
			Decide    bool   `json:"decide"`
		}
		out := []change{}
		for _, c := range changes {
			out = append(out, change{c.ID, c.Rule, c.DN, c.Account, c.Attribute, c.Old, c.New, c.Decide})
		}
		return a.printJSON(struct {
			Changes []change `json:"changes"`
		}{out})
	}
	result := rows{columns: []column{{"approve", a.t("signin.column.approve")}, {"id", a.t("signin.column.id")}, {"rule", a.t("signin.column.rule")},
		{"account", a.t("signin.column.account")}, {"attribute", a.t("signin.column.attribute")}, {"old", a.t("signin.column.old")}, {"new", a.t("signin.column.new")}}}
	for _, c := range changes {
		account := c.DN
		if account == "" {
			account = c.Account
		}
		mark := ""
		if c.Decide && format != "csv" {
			mark = a.t("signin.fix.decide-mark")
		}
		result.cells = append(result.cells, []string{mark, c.ID, c.Rule, account, c.Attribute, c.Old, c.New})
	}
	switch format {
	case "csv":
		return a.printCSV(result)
	case "xlsx":
		return a.printBook(a.t("signin.fix.short"), sheetOf(a.t("signin.sheet.fixes"), result, 12, 16, 26, 52, 20, 36, 36))
	}
	a.printTable(result)
	decide := 0
	for _, c := range changes {
		if c.Decide {
			decide++
		}
	}
	a.notef("%s\n", a.t("signin.fix.summary", "count", itoa(len(changes)-decide), "decide", itoa(decide)))
	return nil
}

// fixWords are the comments of a script, each on one line.
func (a *app) fixWords(changes []fix.Change, f *planFlags) fix.Words {
	line := func(id string, args ...string) string { return message.Visible(a.t(id, args...)) }
	var from []string
	for _, s := range append([]string{f.ldif, f.csv, f.domains, f.users}, f.ldap.servers...) {
		if s != "" {
			from = append(from, s)
		}
	}
	if f.graph {
		from = append(from, "Microsoft Graph")
	}
	decide := 0
	for _, c := range changes {
		if c.Decide {
			decide++
		}
	}
	return fix.Words{
		Header: []string{
			line("signin.fix.header", "version", a.Version, "time", time.Now().UTC().Format(time.RFC3339)),
			line("signin.fix.header-from", "sources", strings.Join(from, ", ")),
			line("signin.fix.header-count", "count", itoa(len(changes)-decide), "decide", itoa(decide)),
			line("signin.fix.header-safe"),
		},
		Why: func(c fix.Change) string {
			id := "signin.fix.why-change"
			switch {
			case c.New == "" && c.Decide:
				id = "signin.fix.why-decide"
			case c.New == "":
				id = "signin.fix.why-remove"
			case c.Old == "":
				id = "signin.fix.why-add"
			}
			return line(id, "rule", c.Rule, "account", c.Account, "attribute", c.Attribute, "old", c.Old, "new", c.New, "id", c.ID)
		},
		Decide: line("signin.fix.decide"), Changed: a.t("signin.fix.changed"), Done: a.t("signin.fix.done"),
	}
}
