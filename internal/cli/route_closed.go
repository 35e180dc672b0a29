package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"sekisho/internal/catalog"
	"sekisho/internal/route"
)

// routeClosedCommand is "route closed": exit code 3 when a feature needs the Internet.
func (a *app) routeClosedCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "closed", Short: a.rt("command.closed.short"), Long: a.rt("command.closed.long"), Args: cobra.NoArgs,
		Example: "  sekisho route closed --features entra.sign-in,intune.core\n  sekisho --lang ja route closed",
	}
	f := a.routeFlags(c)
	named := c.Flags().StringSlice("features", nil, a.rt("command.flag.features"))
	o := a.outputFlag(c, "table", "json")
	c.RunE = func(*cobra.Command, []string) error {
		r, err := a.roads(f, false)
		if err != nil {
			return err
		}
		asked, err := a.askedFeatures(r, *named)
		if err != nil {
			return err
		}
		list := r.Closed(asked, r.resolved)
		if o.format == "json" {
			return a.printJSON(struct {
				Catalog  string                `json:"catalog_version"`
				Features []route.ClosedFeature `json:"features"`
			}{r.Catalog().Version(), list})
		}
		for _, c := range list {
			a.printClosed(c)
		}
		a.printFindings(r.Advice())
		return nil
	}
	return c
}

// askedFeatures are the features that are asked about, without what they require: closed answers for each by itself.
func (a *app) askedFeatures(r *roads, named []string) ([]catalog.FeatureID, error) {
	if _, err := a.routeFeatures(r, named); err != nil {
		return nil, err
	}
	var ids []catalog.FeatureID
	if len(named) == 0 {
		for _, f := range r.settings.Features {
			named = append(named, f.V)
		}
	}
	for _, n := range named {
		ids = append(ids, catalog.FeatureID(n))
	}
	return ids, nil
}

func (a *app) printClosed(c route.ClosedFeature) {
	a.printf("%s  %s (%s)\n", pad(a.rt("closed."+c.Answer.String()), 9), a.textOf(c.Title), c.Feature)
	a.printf("  %s\n", a.rt("closed.count", "endpoints", itoa(c.Endpoints), "required", itoa(c.Required), "carried", itoa(c.Carried),
		"outside", itoa(len(c.Outside)), "unknown", itoa(len(c.NotKnown))))
	kind := route.Kind("")
	for _, out := range c.Outside {
		if out.Kind != kind {
			kind = out.Kind
			a.printf("  %s\n", a.rt("kind-of."+string(kind)))
		}
		a.printOutside(out)
	}
	if len(c.NotKnown) > 0 {
		a.printf("  %s\n", a.rt("closed.not-known"))
		for _, out := range c.NotKnown {
			a.printOutside(out)
		}
		a.printf("    %s %s\n", a.rt("ask."+c.Ask.Whom), a.textOf(c.Ask.Question))
	}
	if len(c.Needs) > 0 {
		var needs []string
		communities := 0
		for _, n := range c.Needs {
			if n.Code == route.NeedCommunity {
				communities++
				continue
			}
			needs = append(needs, a.rt("need."+n.Code, "value", n.Value))
		}
		if communities > 0 {
			needs = append(needs, a.rt("closed.communities", "count", itoa(communities)))
		}
		a.printf("  %s %s\n", a.rt("closed.needs"), strings.Join(needs, "; "))
	}
	a.printf("\n")
}

func (a *app) printOutside(out route.Outside) {
	need := a.rt("closed.required")
	if !out.Required {
		need = a.rt("closed.optional", "lost", a.textOf(out.Lost))
	}
	mixed := ""
	if out.Mixed {
		mixed = " " + a.rt("closed.mixed")
	}
	whose := ""
	if out.Owner.Code == route.OwnerCDN && out.Owner.Name != "" {
		whose = " " + a.rt("closed.content-network", "name", out.Owner.Name)
	}
	a.printf("    %s [%s]%s%s  %s\n", pad(out.Endpoint, 44), out.Reason, whose, mixed, need)
}
