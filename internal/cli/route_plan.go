package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sekisho/internal/finding"
	"sekisho/internal/route"
)

func (a *app) routePlanCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "plan", Short: a.rt("command.plan.short"), Long: a.rt("command.plan.long"), Args: cobra.NoArgs,
		Example: "  sekisho route plan --features entra.sign-in,intune.core --require private,encrypted\n  sekisho route plan --require m365 -o json",
	}
	f := a.routeFlags(c)
	named := c.Flags().StringSlice("features", nil, a.rt("command.flag.features"))
	require := c.Flags().StringSlice("require", nil, a.rt("command.flag.require"))
	o := a.outputFlag(c, "table", "json")
	c.RunE = func(*cobra.Command, []string) error {
		var wanted []route.Requirement
		for _, w := range *require {
			if !slices.Contains(route.Requirements(), route.Requirement(w)) {
				return a.usage("flag-value", "value", w, "flag", "require")
			}
			wanted = append(wanted, route.Requirement(w))
		}
		r, err := a.roads(f, false)
		if err != nil {
			return err
		}
		features, err := a.routeFeatures(r, *named)
		if err != nil {
			return err
		}
		plan := r.Plan(features, wanted, r.resolved)
		if o.format == "json" {
			return a.printJSON(plan)
		}
		a.printPlan(plan)
		a.printFindings(r.Advice())
		return nil
	}
	return c
}

func (a *app) printPlan(p route.Plan) {
	var wanted []string
	for _, w := range p.Require {
		wanted = append(wanted, a.rt("require."+string(w)))
	}
	if len(wanted) == 0 {
		wanted = append(wanted, a.rt("require.nothing"))
	}
	a.printf("%s\n\n", a.rt("plan.head", "features", itoa(len(p.Features)), "endpoints", itoa(p.Endpoints), "require", strings.Join(wanted, ", ")))
	table := rows{columns: []column{{"pattern", a.rt("plan.column.pattern")}, {"yes", a.rt("state.yes")}, {"possible", a.rt("state.possible")},
		{"approval", a.rt("state.needs-approval")}, {"unknown", a.rt("state.unknown")}, {"no", a.rt("state.no")}, {"lacks", a.rt("plan.column.lacks")}}}
	for _, c := range p.Patterns {
		cells := []string{a.rt("pattern." + c.Pattern.String())}
		for _, s := range route.States() {
			cells = append(cells, itoa(c.Counts[s.String()]))
		}
		var lacks []string
		for _, l := range c.Lacks {
			lacks = append(lacks, a.rt("require."+string(l)))
		}
		table.cells = append(table.cells, append(cells, strings.Join(lacks, ", ")))
	}
	a.printTable(table)
	a.printf("\n%s\n", a.rt("plan.recommended"))
	if !p.Met && len(p.Require) > 0 {
		a.printf("  %s\n", a.rt("plan.none-meets"))
	}
	for _, s := range p.Recommended {
		a.printf("  - %s: %s\n", a.rt("pattern."+s.Pattern.String()), a.rt("step."+s.Reason, "count", itoa(len(s.Endpoints))))
		a.printf("    %s\n", some(s.Endpoints, 6, a.rt("parts-cut", "count", itoa(max(0, len(s.Endpoints)-6)))))
		var needs []string
		for _, n := range s.Needs {
			if n.Code != route.NeedCommunity { // the filter below has the fewest
				needs = append(needs, a.rt("need."+n.Code, "value", n.Value))
			}
		}
		if len(needs) > 0 {
			a.printf("    + %s\n", strings.Join(needs, "; "))
		}
	}
	for _, code := range p.Prices {
		a.printf("  %s\n", a.rt("price."+code))
	}
	if uses(p.Recommended, route.MicrosoftPeering) || uses(p.Recommended, route.MACsec) {
		a.printFilterChoices(p.Filter)
	}
}

// uses reports whether a step goes over p.
func uses(steps []route.Step, p route.Pattern) bool {
	return slices.ContainsFunc(steps, func(s route.Step) bool { return s.Pattern == p })
}

// some joins the first n of list and says what is left out.
func some(list []string, n int, rest string) string {
	if len(list) <= n {
		return strings.Join(list, ", ")
	}
	return strings.Join(list[:n], ", ") + ", " + rest
}

func (a *app) printFilterChoices(f route.Filter) {
	a.printf("\n%s\n", a.rt("filter.head", "count", itoa(len(f.Choices))))
	for _, c := range f.Choices {
		line := "  " + pad(c.Community.String(), 14) + a.textOf(c.Title) + "  " + a.rt("filter.carries", "count", itoa(len(c.Endpoints)))
		switch c.CountedBy {
		case "export", "tags":
			line += "  " + a.rt("filter.prefixes."+c.CountedBy, "v4", itoa(c.Prefixes4), "v6", itoa(c.Prefixes6))
		}
		if c.Approval {
			line += "  " + a.rt("filter.approval")
		}
		if c.Premium {
			line += "  " + a.rt("filter.premium")
		}
		if c.Permitted {
			line += "  " + a.rt("filter.permitted")
		}
		a.printf("%s\n", line)
	}
	a.printf("  %s\n", a.rt("filter.sum", "v4", itoa(f.Prefixes4), "v6", itoa(f.Prefixes6)))
	if len(f.Superfluous) > 0 {
		var texts []string
		for _, c := range f.Superfluous {
			texts = append(texts, c.String())
		}
		a.printf("  %s %s\n", a.rt("filter.superfluous"), strings.Join(texts, " "))
	}
	if len(f.NotCarried) > 0 {
		a.printf("  %s %s\n", a.rt("filter.not-carried", "count", itoa(len(f.NotCarried))), some(f.NotCarried, 6, a.rt("parts-cut", "count", itoa(max(0, len(f.NotCarried)-6)))))
	}
}

// routeFilterCommand is "route filter": exit code 3 with --router-limit when the router would not hold the prefixes.
func (a *app) routeFilterCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "filter", Short: a.rt("command.filter.short"), Long: a.rt("command.filter.long"), Args: cobra.NoArgs,
		Example: "  sekisho route filter --features entra.sign-in,intune.core\n  sekisho route filter --features entra.sign-in -o bicep --name rf-tokyo > filter.bicep",
	}
	f := a.routeFlags(c)
	named := c.Flags().StringSlice("features", nil, a.rt("command.flag.features"))
	m365 := c.Flags().Bool("m365", false, a.rt("command.flag.m365"))
	inReach := c.Flags().Bool("in-reach", false, a.rt("command.flag.in-reach"))
	circuit := c.Flags().String("circuit", "", a.rt("command.flag.circuit"))
	limit := c.Flags().Int("router-limit", 0, a.rt("command.flag.router-limit"))
	names := route.FilterNames{}
	c.Flags().StringVar(&names.Filter, "name", "rf-sekisho", a.rt("command.flag.name"))
	c.Flags().StringVar(&names.Group, "resource-group", "rg-expressroute", a.rt("command.flag.resource-group"))
	c.Flags().StringVar(&names.Region, "region", "japaneast", a.rt("command.flag.region"))
	c.Flags().StringVar(&names.Circuit, "attach", "", a.rt("command.flag.attach"))
	o := a.outputFlag(c, "table", "json", "text", "az", "powershell", "bicep")
	c.RunE = func(*cobra.Command, []string) error {
		if wrong, ok := names.Valid(); !ok {
			return finding.Fail("route.filter-name", nil, "value", wrong)
		}
		if *limit < 0 {
			return a.usage("flag-value", "value", itoa(*limit), "flag", "router-limit")
		}
		r, err := a.roads(f, false)
		if err != nil {
			return err
		}
		features, err := a.routeFeatures(r, *named)
		if err != nil {
			return err
		}
		over, err := a.circuitNamed(r, *circuit)
		if err != nil {
			return err
		}
		choose := r.Filter
		if *inReach {
			if over == nil {
				return finding.Fail("route.reach-of-no-circuit", nil)
			}
			choose = r.FilterInReach
		}
		rows := r.Rows(features, r.resolved)
		filter := choose(rows, over, *m365)
		if len(filter.Choices) == 0 {
			none := "route.no-filter"
			if *inReach && len(r.Filter(rows, over, *m365).Choices) > 0 {
				none = "route.none-in-reach"
			}
			a.printFinding(finding.New(none, finding.Warning, finding.Pos{}), "")
		}
		switch o.format {
		case "json":
			err = a.printJSON(filter)
		case "table":
			a.printFilterChoices(filter)
		default:
			a.printf("%s", route.FilterForm(o.format).Write(filter.List(), names))
		}
		if err != nil {
			return err
		}
		a.printFindings(r.Advice())
		if *limit > 0 && filter.Prefixes4+filter.Prefixes6 > *limit {
			a.printFinding(finding.New("route.router-limit", finding.Warning, finding.Pos{}, "prefixes", itoa(filter.Prefixes4+filter.Prefixes6), "limit", itoa(*limit)), "")
			return errFound
		}
		return nil
	}
	return c
}

// circuitNamed finds a circuit of the configuration; without a name the first that has Microsoft peering.
func (a *app) circuitNamed(r *roads, name string) (*route.Circuit, error) {
	circuits := r.Circuits()
	for i := range circuits {
		if name == circuits[i].Name || name == "" && circuits[i].Microsoft {
			return &circuits[i], nil
		}
	}
	if name != "" {
		return nil, finding.Fail("route.unknown-circuit", nil, "value", name)
	}
	return nil, nil
}
