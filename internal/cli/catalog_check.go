package cli

import (
	"cmp"
	"slices"
	"strconv"

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
				return a.unknownFeature(snapshot, name)
			}
			for _, id := range feature.Claims {
				claims[id] = true
			}
		}
		list := slices.DeleteFunc(catalog.Disagreements(snapshot), func(d catalog.Disagreement) bool {
			return len(args) > 0 && !slices.ContainsFunc(d.Positions, func(p catalog.Position) bool { return claims[p.Claim] })
		})
		ages := a.ages(compared(snapshot, list))
		if o.format == "json" {
			return a.printJSON(struct {
				Catalog       string                 `json:"catalog_version"`
				Sources       []catalog.Age          `json:"sources"` // of the claims that disagree
				Disagreements []catalog.Disagreement `json:"disagreements"`
			}{snapshot.Version(), ages, append([]catalog.Disagreement{}, list...)})
		}
		r := rows{columns: []column{{"aspect", a.t("catalog.column.aspect")}, {"cloud", a.t("catalog.column.cloud")},
			{"name", a.t("catalog.column.name")}, {"claim", a.t("catalog.column.claim")}, {"says", a.t("catalog.column.says")}}}
		for _, d := range list {
			for _, p := range d.Positions {
				aspect, said := d.Kind, p.Value
				if o.format != "csv" { // whose cells are codes, in every language
					aspect, said = a.t("catalog.aspect."+d.Kind), cmp.Or(p.Value, "-")
					if d.Kind == catalog.DiffersInNeed {
						said = a.t("catalog." + said)
					}
				}
				r.cells = append(r.cells, []string{aspect, d.Cloud, d.Name, p.Claim.String(), said})
			}
		}
		if o.format == "csv" {
			return a.printCSV(r)
		}
		if len(list) > 0 {
			a.printTable(r)
		}
		a.notef("%s\n", a.t("catalog.check.count", "count", strconv.Itoa(len(list)), "version", snapshot.Version()))
		a.warnAges(ages)
		return nil
	}
	return c
}

// compared are the sets whose claims disagree.
func compared(snapshot *catalog.Snapshot, list []catalog.Disagreement) []*catalog.Set {
	var out []*catalog.Set
	for _, d := range list {
		for _, p := range d.Positions {
			if set, ok := snapshot.Set(p.Claim); ok {
				out = append(out, set)
			}
		}
	}
	return out
}
