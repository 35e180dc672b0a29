package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"sekisho/internal/finding"
	"sekisho/internal/node"
)

func (a *app) labDNSCommand() *cobra.Command {
	return a.noun("dns", "lab.dns", a.labDNSSetCommand(), a.labDNSListCommand(), a.labDNSClearCommand(), a.labDNSServerCommand())
}

// printLabRecords prints an answer of the lab's DNS as a table.
func (a *app) printLabRecords(answer node.LabRecordsAnswer) {
	if answer.Server != "" {
		a.notef("%s: %s\n", a.t("info"), a.t("lab.dns.elsewhere", "server", answer.Server))
	}
	r := rows{columns: []column{{"name", a.t("lab.column.name")}, {"type", a.t("lab.column.type")}, {"value", a.t("lab.column.value")}}}
	for _, record := range answer.Records {
		value := record.Value
		if record.Type == "MX" {
			value = itoa(int(record.Preference)) + " " + value
		}
		r.cells = append(r.cells, []string{record.Name, record.Type, value})
	}
	a.printTable(r)
	if len(r.cells) == 0 {
		a.notef("%s\n", a.t("lab.dns.none"))
	}
}

// labDNSSetCommand puts a record into the running lab's DNS.
func (a *app) labDNSSetCommand() *cobra.Command {
	c := &cobra.Command{Use: "set name type value", Short: a.t("lab.dns.set.short"), Long: a.t("lab.dns.set.long"), Args: cobra.MinimumNArgs(3),
		ValidArgsFunction: completeRecord,
		Example: "  sekisho lab dns set contoso.net TXT MS=ms12345678\n" +
			"  sekisho lab dns set contoso.net MX 32767 ms12345678.msv1.invalid"}
	o := a.outputFlag(c, "table", "json")
	c.RunE = func(c *cobra.Command, args []string) error {
		data, err := a.labFolder()
		if err != nil {
			return err
		}
		answer, err := node.SetLabRecord(c.Context(), data, args[0], args[1], strings.Join(args[2:], " "))
		if err != nil {
			return err
		}
		if o.format == "json" {
			return a.printJSON(answer)
		}
		for _, record := range answer.Changed {
			a.printf("%s\n", a.t("lab.dns.set.done", "record", record.String()))
		}
		if answer.Server != "" {
			a.notef("%s: %s\n", a.t("warning"), a.t("lab.dns.elsewhere", "server", answer.Server))
		}
		return nil
	}
	return c
}

// completeRecord offers the types behind the name.
func completeRecord(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) == 1 {
		return []cobra.Completion{"TXT", "MX"}, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// labDNSListCommand lists the lab's records.
func (a *app) labDNSListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: a.t("lab.dns.list.short"), Args: cobra.NoArgs, Example: "  sekisho lab dns list\n  sekisho lab dns list -o json"}
	o := a.outputFlag(c, "table", "json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		data, err := a.labFolder()
		if err != nil {
			return err
		}
		answer, err := node.ListLabRecords(c.Context(), data)
		if err != nil {
			return err
		}
		if o.format == "json" {
			return a.printJSON(answer)
		}
		a.printLabRecords(answer)
		return nil
	}
	return c
}

// labDNSClearCommand takes records away.
func (a *app) labDNSClearCommand() *cobra.Command {
	c := &cobra.Command{Use: "clear [name [type [value]]]", Short: a.t("lab.dns.clear.short"), ValidArgsFunction: completeRecord,
		Example: "  sekisho lab dns clear contoso.net\n  sekisho lab dns clear contoso.net TXT\n  sekisho lab dns clear --all"}
	all := c.Flags().Bool("all", false, a.t("lab.dns.flag.all"))
	o := a.outputFlag(c, "table", "json")
	c.RunE = func(c *cobra.Command, args []string) error {
		if *all == (len(args) > 0) {
			return finding.Fail("cli.lab.dns-clear-what", nil)
		}
		data, err := a.labFolder()
		if err != nil {
			return err
		}
		what := append(args, "", "", "")
		answer, err := node.ClearLabRecords(c.Context(), data, what[0], what[1], strings.TrimSpace(strings.Join(what[2:], " ")))
		if err != nil {
			return err
		}
		if o.format == "json" {
			return a.printJSON(answer)
		}
		if len(answer.Changed) == 0 {
			a.printf("%s\n", a.t("lab.dns.clear.nothing"))
		}
		for _, record := range answer.Changed {
			a.printf("%s\n", a.t("lab.dns.clear.done", "record", record.String()))
		}
		return nil
	}
	return c
}

// ownRecords is what labDNSServerCommand takes for the lab's own records.
const ownRecords = "lab"

// labDNSServerCommand has the lab ask another DNS.
func (a *app) labDNSServerCommand() *cobra.Command {
	c := &cobra.Command{Use: "server address|lab", Short: a.t("lab.dns.server.short"), Long: a.t("lab.dns.server.long"), Args: cobra.ExactArgs(1),
		ValidArgs: []cobra.Completion{ownRecords}, Example: "  sekisho lab dns server 127.0.0.1:5353\n  sekisho lab dns server lab"}
	o := a.outputFlag(c, "table", "json")
	c.RunE = func(c *cobra.Command, args []string) error {
		data, err := a.labFolder()
		if err != nil {
			return err
		}
		server := args[0]
		if server == ownRecords {
			server = ""
		}
		answer, err := node.UseLabServer(c.Context(), data, server)
		if err != nil {
			return err
		}
		if o.format == "json" {
			return a.printJSON(answer)
		}
		if answer.Server == "" {
			a.printf("%s\n", a.t("lab.dns.server.own"))
		} else {
			a.printf("%s\n", a.t("lab.dns.server.other", "server", answer.Server))
		}
		return nil
	}
	return c
}
