package cli

import (
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sekisho/internal/finding"
	"sekisho/internal/node"
)

func (a *app) labFaultCommand() *cobra.Command {
	return a.noun("fault", "lab.fault", a.labFaultNamesCommand(), a.labFaultSetCommand(), a.labFaultListCommand(), a.labFaultClearCommand())
}

// completeFaults offers the names of faults, and behind one its arguments.
func (a *app) completeFaults(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var out []cobra.Completion
	for _, k := range node.LabFaultKinds() {
		if len(args) == 0 {
			out = append(out, cobra.CompletionWithDesc(k.Name, a.printer.Text("fault."+k.Name, nil)))
		} else if k.Name == args[0] {
			for _, argument := range k.Arguments {
				out = append(out, cobra.CompletionWithDesc(argument.Name+"=", a.printer.Text("fault."+k.Name+"."+argument.Name, nil)))
			}
			return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// faultKind is one kind in JSON.
type faultKind struct {
	Name      string          `json:"name"`
	Text      string          `json:"text"`
	WholeLab  bool            `json:"whole_lab"`
	Arguments []faultArgument `json:"arguments"`
	Source    string          `json:"source"`
}

type faultArgument struct {
	Name    string `json:"name"`
	Text    string `json:"text"`
	Allowed string `json:"allowed"`
	Default string `json:"default"`
}

// labFaultNamesCommand lists what can be made to go wrong.
func (a *app) labFaultNamesCommand() *cobra.Command {
	c := &cobra.Command{Use: "names", Short: a.t("lab.fault.names.short"), Args: cobra.NoArgs,
		Example: "  sekisho lab fault names\n  sekisho lab fault names -o json"}
	o := a.outputFlag(c, "table", "json")
	c.RunE = func(*cobra.Command, []string) error {
		kinds := []faultKind{}
		r := rows{columns: []column{{"name", a.t("lab.column.fault")}, {"text", a.t("lab.column.explanation")}}}
		for _, k := range node.LabFaultKinds() {
			one := faultKind{Name: k.Name, Text: a.printer.Text("fault."+k.Name, nil), WholeLab: k.Whole, Arguments: []faultArgument{}, Source: k.Source}
			r.cells = append(r.cells, []string{k.Name, one.Text})
			for _, argument := range k.Arguments {
				is := faultArgument{argument.Name, a.printer.Text("fault."+k.Name+"."+argument.Name, nil), argument.Allowed(), argument.Default}
				one.Arguments = append(one.Arguments, is)
				r.cells = append(r.cells, []string{"  " + is.Name + "=" + is.Default, "  " + is.Text + " (" + is.Allowed + ")"})
			}
			kinds = append(kinds, one)
		}
		if o.format == "json" {
			return a.printJSON(kinds)
		}
		a.printTable(r)
		return nil
	}
	return c
}

// labFaultSetCommand makes something go wrong in the running lab.
func (a *app) labFaultSetCommand() *cobra.Command {
	c := &cobra.Command{Use: "set name [argument=value...]", Short: a.t("lab.fault.set.short"), Long: a.t("lab.fault.set.long"), Args: cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeFaults,
		Example: "  sekisho lab fault set dns.nxdomain --host login.microsoftonline.com --for 10m\n" +
			"  sekisho lab fault set tcp.reset at=head --host '*.manage.microsoft.com' --count 1\n" +
			"  sekisho lab fault set http.throttled retry-after=120 --host graph.microsoft.com\n" +
			"  sekisho lab fault set clock.skew by=-10m"}
	order := node.LabFaultOrder{}
	c.Flags().StringVar(&order.Host, "host", node.LabFaultEverywhere, a.t("lab.fault.flag.host"))
	c.Flags().DurationVar(&order.For, "for", 0, a.t("lab.fault.flag.for"))
	c.Flags().IntVar(&order.Count, "count", 0, a.t("lab.fault.flag.count"))
	c.Flags().BoolVar(&order.Keep, "keep", false, a.t("lab.fault.flag.keep"))
	o := a.outputFlag(c, "table", "json")
	c.RunE = func(c *cobra.Command, args []string) error {
		order.Name, order.Settings = args[0], args[1:]
		data, err := a.labFolder()
		if err != nil {
			return err
		}
		answer, err := node.SetLabFault(c.Context(), data, order)
		if err != nil {
			return err
		}
		if o.format == "json" {
			return a.printJSON(answer)
		}
		for _, f := range answer.Changed {
			a.printf("%s\n", a.t("lab.fault.set.done", "fault", f.String(), "text", a.printer.Text("fault."+f.Name, nil)))
			if f.Host == node.LabFaultEverywhere && !wholeLab(f.Name) {
				a.printf("%s\n", a.t("lab.fault.set.everywhere"))
			}
			if strings.HasPrefix(f.Name, "proxy.") {
				a.printf("%s\n", a.t("lab.fault.set.proxy", "proxy", answer.Proxy))
			}
		}
		a.printf("%s\n", a.t("lab.fault.set.clear"))
		return nil
	}
	return c
}

// wholeLab reports whether the fault called name strikes no hosts but the lab as a whole.
func wholeLab(name string) bool {
	return slices.ContainsFunc(node.LabFaultKinds(), func(k node.LabFaultKind) bool { return k.Name == name && k.Whole })
}

// labFaultListCommand lists what is made to go wrong.
func (a *app) labFaultListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: a.t("lab.fault.list.short"), Long: a.t("lab.fault.list.long"), Args: cobra.NoArgs,
		Example: "  sekisho lab fault list\n  sekisho lab fault list -o json"}
	o := a.outputFlag(c, "table", "json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		data, err := a.labFolder()
		if err != nil {
			return err
		}
		answer, err := node.ListLabFaults(c.Context(), data)
		if err != nil {
			return err
		}
		if o.format == "json" {
			return a.printJSON(answer)
		}
		if answer.Proxy != "" {
			a.printf("%s  %s\n", a.t("lab.fault.proxy"), answer.Proxy)
		} else {
			a.notef("%s: %s\n", a.t("info"), a.t("lab.fault.not-running"))
		}
		a.printFaults(answer.Faults)
		return nil
	}
	return c
}

// printFaults prints what is set as a table.
func (a *app) printFaults(set []node.LabFault) {
	r := rows{columns: []column{{"name", a.t("lab.column.fault")}, {"host", a.t("lab.column.hosts")}, {"arguments", a.t("lab.column.arguments")},
		{"until", a.t("lab.column.until")}, {"left", a.t("lab.column.left")}, {"struck", a.t("lab.column.struck")}}}
	for _, f := range set {
		var arguments []string
		for name, value := range f.Arguments {
			arguments = append(arguments, name+"="+value)
		}
		slices.Sort(arguments)
		until, left := "-", "-"
		if !f.Until.IsZero() {
			until = f.Until.Format(time.RFC3339)
		}
		if f.Count > 0 {
			left = itoa(f.Count)
		}
		r.cells = append(r.cells, []string{f.Name, f.Host, strings.Join(arguments, " "), until, left, itoa(f.Struck)})
	}
	a.printTable(r)
	if len(set) == 0 {
		a.notef("%s\n", a.t("lab.fault.none"))
	}
}

// labFaultClearCommand ends what is made to go wrong.
func (a *app) labFaultClearCommand() *cobra.Command {
	c := &cobra.Command{Use: "clear [name]", Short: a.t("lab.fault.clear.short"), Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeFaults,
		Example: "  sekisho lab fault clear tcp.reset\n  sekisho lab fault clear dns.nxdomain --host login.microsoftonline.com\n  sekisho lab fault clear --all"}
	all := c.Flags().Bool("all", false, a.t("lab.fault.flag.all"))
	host := c.Flags().String("host", "", a.t("lab.fault.flag.clear-host"))
	o := a.outputFlag(c, "table", "json")
	c.RunE = func(c *cobra.Command, args []string) error {
		if *all == (len(args) > 0) || *all && *host != "" {
			return finding.Fail("cli.lab.fault-clear-what", nil)
		}
		name := ""
		if len(args) > 0 {
			name = args[0]
		}
		data, err := a.labFolder()
		if err != nil {
			return err
		}
		answer, err := node.ClearLabFaults(c.Context(), data, name, *host)
		if err != nil {
			return err
		}
		if o.format == "json" {
			return a.printJSON(answer)
		}
		if len(answer.Changed) == 0 {
			a.printf("%s\n", a.t("lab.fault.clear.nothing"))
		}
		for _, f := range answer.Changed {
			a.printf("%s\n", a.t("lab.fault.clear.done", "fault", f.String()))
		}
		return nil
	}
	return c
}
