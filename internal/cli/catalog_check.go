package cli

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sekisho/internal/catalog"
)

// catalogCheckCommand shows where sources disagree. It is no failure of the catalog: claims stay apart on purpose, and
// whoever opens a firewall decides which page to follow.
func (a *app) catalogCheckCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "check [FEATURE...]",
		Short:   a.t("catalog.check.short"),
		Long:    a.t("catalog.check.long"),
		Example: "  sekisho catalog check intune.consumer-accounts",
	}
	o := a.outputFlag(c, "table", "json", "csv")
	c.RunE = func(_ *cobra.Command, args []string) error {
		snapshot, err := a.snapshot()
		if err != nil {
			return err
		}
		claims := map[catalog.ClaimID]bool{}
		for _, name := range args {
			feature, ok := snapshot.Feature(catalog.FeatureID(name))
			if !ok {
				return a.usage("catalog.unknown-feature", "feature", name, "features", strings.Join(featureNames(snapshot), ", "))
			}
			for _, id := range feature.Claims {
				claims[id] = true
			}
		}
		list := slices.DeleteFunc(catalog.Disagreements(snapshot), func(d catalog.Disagreement) bool {
			return len(args) > 0 && !slices.ContainsFunc(d.Positions, func(p catalog.Position) bool { return claims[p.Claim] })
		})
		if o.format == "json" {
			return a.printJSON(struct {
				Catalog       string                 `json:"catalog_version"`
				Disagreements []catalog.Disagreement `json:"disagreements"`
			}{snapshot.Version(), append([]catalog.Disagreement{}, list...)})
		}
		r := rows{columns: []column{{"aspect", a.t("catalog.column.aspect")}, {"cloud", a.t("catalog.column.cloud")},
			{"name", a.t("catalog.column.name")}, {"claim", a.t("catalog.column.claim")}, {"says", a.t("catalog.column.says")}}}
		for _, d := range list {
			for _, p := range d.Positions {
				said := cmp.Or(p.Value, "-")
				if d.Kind == catalog.DiffersInNeed {
					said = a.t("catalog." + said)
				}
				r.cells = append(r.cells, []string{a.t("catalog.aspect." + d.Kind), d.Cloud, d.Name, p.Claim.String(), said})
			}
		}
		if o.format == "csv" {
			return a.printCSV(r)
		}
		if len(list) > 0 {
			a.printTable(r)
		}
		a.notef("%s\n", a.t("catalog.check.count", "count", strconv.Itoa(len(list)), "version", snapshot.Version()))
		return nil
	}
	return c
}
