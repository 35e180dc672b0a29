package cli

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sekisho/internal/catalog"
	"sekisho/internal/catalog/feed"
	"sekisho/internal/m365"
	"sekisho/internal/servicetags"
)

func (a *app) catalogExportCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "export", Short: a.t("catalog.export.short"), Long: a.t("catalog.export.long"), Args: cobra.NoArgs,
		Example: "  sekisho catalog export --area MEM --kind ip\n  sekisho catalog export --area MEM --kind url\n" +
			"  sekisho catalog export --instance China --area Exchange --kind url\n" +
			"  sekisho catalog export --feature entra.provisioning --kind v4",
	}
	area := c.Flags().String("area", "MEM", a.t("catalog.export.flag.area"))
	feature := c.Flags().String("feature", "", a.t("catalog.export.flag.feature"))
	kind := c.Flags().String("kind", "ip", a.t("catalog.export.flag.kind"))
	instance := c.Flags().String("instance", string(m365.Worldwide), a.t("catalog.export.flag.instance"))
	c.RunE = func(c *cobra.Command, _ []string) error {
		for _, flag := range []string{"area", "instance"} {
			if *feature != "" && c.Flags().Changed(flag) {
				return a.usage("catalog.export.both", "flag", "--"+flag)
			}
		}
		if *feature != "" {
			return a.exportFeature(*feature, *kind)
		}
		i, ok := m365.ParseInstance(*instance)
		if !ok {
			return a.usage("catalog.export.instance", "instance", *instance, "instances", strings.Join(instanceNames(), ", "))
		}
		if i != m365.Worldwide && !c.Flags().Changed("area") {
			*area = "Common" // MEM has rows for Worldwide alone
		}
		return a.exportArea(i, *area, *kind)
	}
	return c
}

// instanceNames are the values of --instance.
func instanceNames() (names []string) {
	for _, i := range m365.Instances() {
		names = append(names, string(i))
	}
	return names
}

// areaKinds are the values of --kind for a service area, the kinds of the one-liners of the Intune page.
func areaKinds() []string { return []string{"ip", "url"} }

// featureKinds are the values of --kind for a feature.
func featureKinds() (kinds []string) {
	for _, k := range feed.Kinds() {
		kinds = append(kinds, string(k))
	}
	return kinds
}

// exportArea prints what the one-liners of the Intune page print: the addresses or the names of one service area, in the
// order of the web service, each once.
func (a *app) exportArea(i m365.Instance, area, kind string) error {
	if !slices.Contains(areaKinds(), kind) {
		return a.usage("catalog.export.kind", "kind", kind, "kinds", strings.Join(areaKinds(), ", "))
	}
	snapshot, err := a.snapshot()
	if err != nil {
		return err
	}
	var lines, areas []string
	seen := map[string]bool{}
	for _, r := range m365.RowsOf(snapshot, i) {
		values := r.IPs
		if kind == "url" {
			values = r.URLs
		}
		if len(values) > 0 && !slices.Contains(areas, r.ServiceArea) {
			areas = append(areas, r.ServiceArea)
		}
		for _, v := range values {
			if strings.EqualFold(r.ServiceArea, area) && !seen[v] {
				seen[v] = true
				lines = append(lines, v)
			}
		}
	}
	if len(lines) == 0 {
		return a.usage("catalog.export.area", "kind", kind, "area", area, "areas", strings.Join(areas, ", "))
	}
	for _, l := range lines {
		a.printf("%s\n", l)
	}
	var sets []*catalog.Set
	for _, set := range snapshot.Sets() {
		if set.ID.Cloud == i.Cloud() && strings.EqualFold(set.Area, area) && (set.ID.Source == i.Source() || set.ID.Source == m365.IntuneSource) {
			sets = append(sets, set)
		}
	}
	a.warnAges(a.ages(sets))
	return nil
}

// exportFeature prints the list of a feature as the operations listener serves it under /feeds. What the list lacks is
// told on the standard error, and then the exit code is 3.
func (a *app) exportFeature(name, kind string) error {
	program, _, err := a.program(false)
	if err != nil {
		return err
	}
	snapshot, used := program.Catalog(), program.Features() // of no program: nil
	if snapshot == nil {
		if snapshot, err = a.snapshot(); err != nil {
			return err
		}
	}
	if !slices.Contains(featureKinds(), kind) {
		return a.usage("catalog.export.kind", "kind", kind, "kinds", strings.Join(featureKinds(), ", "))
	}
	if name == feed.InUse && program == nil {
		return a.usage("catalog.export.in-use")
	}
	if _, ok := snapshot.Feature(catalog.FeatureID(name)); !ok && name != feed.InUse {
		return a.unknownFeature(snapshot, name)
	}
	var tags *servicetags.Index
	if kind != string(feed.FQDN) && kind != string(feed.URL) {
		tags, _ = a.serviceTags(true)
	}
	e, err := feed.List(snapshot, used, name+"."+kind+".txt", tags.Prefixes)
	if err != nil {
		return err
	}
	for _, l := range e.Lines {
		a.printf("%s\n", l)
	}
	features := []catalog.FeatureID{catalog.FeatureID(name)}
	if name == feed.InUse {
		features = used
	}
	a.warnAges(a.ages(snapshot.SetsOf(features...)))
	if e.Direction == catalog.Inbound {
		a.notef("%s\n", a.t("catalog.export.inbound"))
	}
	if e.LeftOut > 0 {
		a.notef("%s: %s\n", a.t("warning"), a.t("catalog.export.left-out", "count", strconv.Itoa(e.LeftOut), "kind", kind))
	}
	if len(e.MissingTags) > 0 {
		a.notef("%s: %s\n", a.t("warning"), a.t("catalog.export.missing-tags", "tags", strings.Join(e.MissingTags, ", ")))
	}
	if len(e.Unfilled) > 0 {
		var holes []string
		for _, h := range e.Unfilled {
			holes = append(holes, "tenant."+string(h))
		}
		a.notef("%s: %s\n", a.t("warning"), a.t("catalog.export.unfilled", "values", strings.Join(holes, ", ")))
	}
	switch {
	case len(e.Lines) == 0:
		return errors.New(a.t("catalog.export.empty", "feature", name, "kind", kind))
	case e.LeftOut+len(e.MissingTags)+len(e.Unfilled) > 0:
		return errFound
	}
	return nil
}
