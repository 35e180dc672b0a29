package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

func (a *app) catalogCommand() *cobra.Command {
	return a.noun("catalog", "catalog", a.catalogListCommand(), a.catalogShowCommand(), a.catalogCheckCommand(), a.catalogImportCommand(), a.catalogUpdateCommand(),
		a.catalogHistoryCommand(), a.catalogUseCommand(), a.catalogApproveCommand(), a.catalogRejectCommand(), a.catalogDiffCommand(), a.catalogExportCommand(),
		a.catalogBundleCommand())
}

// featureRow is one feature as "catalog list -o json" prints it.
type featureRow struct {
	ID       catalog.FeatureID   `json:"id"`
	Title    catalog.Text        `json:"title"`
	Requires []catalog.FeatureID `json:"requires,omitempty"`
	Sets     int                 `json:"sets"`
	Hosts    int                 `json:"hosts"`
	Prefixes int                 `json:"prefixes"`
	Newest   string              `json:"newest_source_date"`
	Oldest   string              `json:"oldest_source_date"`
	AgeDays  int                 `json:"age_days"` // of the oldest source
	Stale    bool                `json:"stale"`    // a source is past the age at which answers warn
	Sources  []catalog.Age       `json:"sources"`
}

func (a *app) catalogListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: a.t("catalog.list.short"), Args: cobra.NoArgs}
	o := a.outputFlag(c, "table", "json", "csv")
	c.RunE = func(*cobra.Command, []string) error {
		snapshot, err := a.snapshot()
		if err != nil {
			return err
		}
		var list []featureRow
		most := a.maxAge()
		for _, f := range snapshot.Features() {
			list = append(list, summarise(snapshot, f, most))
		}
		ages := a.ages(snapshot.Sets())
		if o.format == "json" {
			return a.printJSON(struct {
				Catalog  string        `json:"catalog_version"`
				Date     string        `json:"catalog_date"` // the newest reading of a source
				Sources  []catalog.Age `json:"sources"`
				Features []featureRow  `json:"features"`
			}{snapshot.Version(), snapshot.Date().Format(time.DateOnly), ages, list})
		}
		r := rows{columns: []column{
			{"feature", a.t("catalog.column.feature")}, {"sets", a.t("catalog.column.sets")}, {"hosts", a.t("catalog.column.hosts")},
			{"prefixes", a.t("catalog.column.prefixes")}, {"date", a.t("catalog.column.date")}, {"age_days", a.t("catalog.column.age")}, {"title", a.t("catalog.column.title")},
		}}
		for _, f := range list {
			r.cells = append(r.cells, []string{string(f.ID), strconv.Itoa(f.Sets), strconv.Itoa(f.Hosts), strconv.Itoa(f.Prefixes),
				f.Newest, strconv.Itoa(f.AgeDays), f.Title.In(a.printer.Language())})
		}
		if o.format == "csv" {
			return a.printCSV(r)
		}
		a.printTable(r)
		a.notef("%s\n", a.t("catalog.version", "version", snapshot.Version()))
		a.warnAges(ages)
		return nil
	}
	return c
}

// summarise counts what a feature names by itself, without the features that come with it.
func summarise(snapshot *catalog.Snapshot, f *catalog.Feature, maxDays int) featureRow {
	count := snapshot.CountFeature(f.ID)
	row := featureRow{ID: f.ID, Title: f.Title, Requires: f.Requires, Sets: count.Sets, Hosts: count.Hosts, Prefixes: count.Prefixes}
	var newest time.Time
	var sources []*catalog.Source
	for _, set := range snapshot.SetsOf(f.ID) {
		sources = append(sources, set.Source)
		if set.Source.Date.After(newest) {
			newest, row.Newest = set.Source.Date, set.Source.DateText()
		}
	}
	// Sets of another cloud than the organisation's have their age like any other here: the row shows their date.
	row.Sources = catalog.SourceAges(sources, time.Now(), maxDays)
	row.Stale = anyStale(row.Sources)
	if len(row.Sources) > 0 {
		row.AgeDays, row.Oldest = row.Sources[0].AgeDays, row.Sources[0].Date
	}
	return row
}

func (a *app) catalogShowCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "show FEATURE",
		Short:   a.t("catalog.show.short"),
		Example: "  sekisho catalog show intune.autopilot",
		Args:    cobra.ExactArgs(1),
	}
	o := a.outputFlag(c, "table", "json")
	c.RunE = func(_ *cobra.Command, args []string) error {
		snapshot, err := a.snapshot()
		if err != nil {
			return err
		}
		feature, ok := snapshot.Feature(catalog.FeatureID(args[0]))
		if !ok {
			return a.unknownFeature(snapshot, args[0])
		}
		var sets []setRow
		most := a.maxAge()
		for _, id := range feature.Claims {
			if set, ok := snapshot.Set(id); ok {
				sets = append(sets, describe(snapshot, set, set.Source.Age(time.Now(), most)))
			}
		}
		if o.format == "json" {
			return a.printJSON(struct {
				featureRow
				About catalog.Text `json:"about"`
				List  []setRow     `json:"list"`
			}{summarise(snapshot, feature, most), feature.About, sets})
		}
		a.printFeature(feature, sets)
		a.warnAges(a.ages(snapshot.SetsOf(feature.ID)))
		return nil
	}
	return c
}

// setRow is one endpoint set as printed.
type setRow struct {
	ID           string       `json:"id"`
	Title        catalog.Text `json:"title"`
	Category     string       `json:"category"`
	Required     bool         `json:"required"`
	LostWithout  catalog.Text `json:"lost_without,omitzero"`
	ExpressRoute string       `json:"express_route"`
	Ports        string       `json:"ports"`
	Hosts        []string     `json:"hosts"`
	Prefixes     []string     `json:"prefixes"`
	Templates    []string     `json:"templates,omitempty"`    // names that the section "tenant" fills
	ServiceTags  []string     `json:"service_tags,omitempty"` // whose address ranges belong to the row
	Between      *ends        `json:"between,omitempty"`      // of traffic that no host of the catalog is an end of
	When         catalog.When `json:"when,omitzero"`
	Direction    string       `json:"direction"`
	Anywhere     bool         `json:"anywhere"` // the other end is any peer
	StorageNames []string     `json:"storage_names,omitempty"`
	Handling     []statement  `json:"handling"` // what holds for hosts of the row, from whatever source
	Condition    catalog.Text `json:"condition,omitzero"`
	Note         catalog.Text `json:"note,omitzero"`
	Source       string       `json:"source"`
	SourceURL    string       `json:"source_url"`
	Date         string       `json:"date"`
	SourceTitle  catalog.Text `json:"source_title"`
	AgeDays      int          `json:"age_days"`
	Stale        bool         `json:"stale"`
	Withdrawn    bool         `json:"withdrawn"`
	WithdrawnOn  string       `json:"withdrawn_on,omitempty"`
}

// statement is how hosts of a row must be treated.
type statement struct {
	Aspect string       `json:"aspect"`
	Value  string       `json:"value"`
	Hosts  []string     `json:"hosts,omitempty"` // of which it holds; none: of all
	Text   catalog.Text `json:"text"`
	Source string       `json:"source"`
}

// statements gathers what holds for the hosts of a set, each statement once.
func statements(snapshot *catalog.Snapshot, set *catalog.Set) []statement {
	out := []statement{}
	total := len(set.Patterns) + len(set.URLs)
	add := func(p endpoint.Pattern) {
		// A wildcard has the handling of a name below it that no row singles out.
		h := snapshot.Handling(endpoint.Host(strings.ReplaceAll(p.String(), "*", "any")))
		for _, b := range h.Because {
			i := slices.IndexFunc(out, func(s statement) bool { return s.Aspect == b.Aspect && s.Value == b.Value && s.Text == b.Text })
			if i < 0 {
				i = len(out)
				out = append(out, statement{Aspect: b.Aspect, Value: b.Value, Text: b.Text, Source: b.Source.ID})
			}
			if !slices.Contains(out[i].Hosts, p.String()) {
				out[i].Hosts = append(out[i].Hosts, p.String())
			}
		}
	}
	for _, p := range set.Patterns {
		add(p)
	}
	for _, u := range set.URLs {
		add(u.Host)
	}
	for i := range out {
		if len(out[i].Hosts) == total {
			out[i].Hosts = nil
		}
	}
	return out
}

// ends are the two ends of a row about traffic inside the organisation.
type ends struct {
	From catalog.Text `json:"from"`
	To   catalog.Text `json:"to"`
}

func describe(snapshot *catalog.Snapshot, set *catalog.Set, age catalog.Age) setRow {
	row := setRow{
		ID: set.ID.String(), Title: set.Title, Category: set.Category.String(), Required: set.Required, LostWithout: set.LostWithout,
		ExpressRoute: set.ExpressRoute.String(), Ports: set.Ports.String(), Condition: set.Condition, Note: set.Note,
		Source: set.Source.ID, SourceURL: set.Source.URL, Date: set.Source.DateText(), AgeDays: age.AgeDays, Stale: age.Stale, Withdrawn: !set.Withdrawn.IsZero(),
		Hosts: []string{}, Prefixes: []string{}, ServiceTags: set.Tags, When: set.When,
		Direction: set.Direction.String(), Anywhere: set.Anywhere, StorageNames: set.StorageNames, SourceTitle: set.Source.Title,
		Handling: statements(snapshot, set),
	}
	if !set.Withdrawn.IsZero() {
		row.WithdrawnOn = set.Withdrawn.Format(time.DateOnly)
	}
	for _, t := range set.Templates {
		row.Templates = append(row.Templates, t.String())
	}
	if !set.Between.IsZero() {
		row.Between = &ends{set.Between.From, set.Between.To}
	}
	for _, p := range set.Patterns {
		row.Hosts = append(row.Hosts, p.String())
	}
	for _, u := range set.URLs {
		row.Hosts = append(row.Hosts, u.String())
	}
	for _, p := range set.Prefixes {
		row.Prefixes = append(row.Prefixes, p.String())
	}
	return row
}

// unknownFeature says that there is no such feature, which one may have been meant, and which there are.
func (a *app) unknownFeature(snapshot *catalog.Snapshot, name string) error {
	names := featureNames(snapshot)
	return a.usage("catalog.unknown-feature", "feature", name, "meant", finding.Nearest(name, names), "features", strings.Join(names, ", "))
}

func featureNames(snapshot *catalog.Snapshot) []string {
	var names []string
	for _, f := range snapshot.Features() {
		names = append(names, string(f.ID))
	}
	slices.Sort(names)
	return names
}

// printFeature prints a feature for people: a head, then a paragraph for each set.
func (a *app) printFeature(f *catalog.Feature, sets []setRow) {
	lang := a.printer.Language()
	a.printf("%s  %s\n", f.ID, f.Title.In(lang))
	if about := f.About.In(lang); about != "" {
		a.printf("%s\n", about)
	}
	if len(f.Requires) > 0 {
		names := make([]string, len(f.Requires))
		for i, id := range f.Requires {
			names[i] = string(id)
		}
		a.printf("%s\n", a.t("catalog.requires", "features", strings.Join(names, ", ")))
	}
	for _, s := range sets {
		need := a.t("catalog.required")
		if !s.Required {
			need = a.t("catalog.optional")
		}
		a.printf("\n%s  %s\n", s.ID, s.Title.In(lang))
		a.printf("  %s\n", a.t("catalog.set", "category", a.t("catalog.category."+cmp.Or(s.Category, "none")), "need", need,
			"expressroute", a.t("catalog.er."+s.ExpressRoute), "ports", s.Ports))
		detail := func(id string, text catalog.Text) {
			if value := text.In(lang); value != "" {
				a.printf("  %s: %s\n", a.t("catalog."+id), value)
			}
		}
		if s.Between != nil {
			a.printf("  %s\n", a.t("catalog.between", "from", s.Between.From.In(lang), "to", s.Between.To.In(lang)))
		}
		detail("lost-without", s.LostWithout)
		detail("condition", s.Condition)
		detail("note", s.Note)
		if s.Withdrawn {
			a.printf("  %s\n", a.t("catalog.withdrawn", "date", s.WithdrawnOn))
		}
		if s.Direction == catalog.Inbound.String() {
			a.printf("  %s\n", a.t("catalog.inbound"))
		}
		if s.Anywhere {
			a.printf("  %s\n", a.t("catalog.anywhere"))
		}
		for _, st := range s.Handling {
			what := a.printer.Text("explain.aspect."+st.Aspect, nil) + ": " + a.statementValue(st.Value)
			if len(st.Hosts) > 0 {
				what += " (" + strings.Join(st.Hosts, ", ") + ")"
			}
			a.printf("  %s\n", a.t("catalog.handling", "statement", what, "text", st.Text.In(lang)))
		}
		for _, h := range s.Hosts {
			a.printf("    %s\n", h)
		}
		for _, t := range s.Templates {
			a.printf("    %s\n", t)
		}
		if len(s.StorageNames) > 0 {
			a.printf("  %s\n", a.t("catalog.storage-names", "names", strings.Join(s.StorageNames, ", ")))
		}
		if len(s.ServiceTags) > 0 {
			a.printf("    %s\n", a.t("catalog.service-tags", "tags", strings.Join(s.ServiceTags, ", ")))
		}
		if words := whenWords(s.When); words != "" {
			a.printf("  %s\n", a.t("catalog.when", "values", words))
		}
		a.printf("%s", fold(s.Prefixes, 4, 100))
		a.printf("  %s\n", a.t("catalog.source", "source", cmp.Or(s.SourceURL, s.SourceTitle.In(lang)), "date", cmp.Or(s.Date, a.t("catalog.undated")), "days", strconv.Itoa(s.AgeDays)))
	}
}

// statementValue words the value of a statement; those that are figures stay as they are.
func (a *app) statementValue(value string) string {
	if id := "explain.value." + value; a.printer.Has(id) {
		return a.printer.Text(id, nil)
	}
	return value
}

// whenWords prints a condition by the keys of the section "tenant".
func whenWords(w catalog.When) string {
	var out []string
	add := func(key string, values []string) {
		if len(values) > 0 {
			out = append(out, key+" = "+strings.Join(values, " | "))
		}
	}
	add("tenant.cloud", w.Clouds)
	add("tenant.location", w.Locations)
	if w.SeamlessSSO != catalog.NotStated {
		add("tenant.seamless-sso", []string{strconv.FormatBool(w.SeamlessSSO == catalog.Yes)})
	}
	return strings.Join(out, ", ")
}

// fold prints words in lines of at most width columns behind an indent.
func fold(words []string, indent, width int) string {
	if len(words) == 0 {
		return ""
	}
	var out strings.Builder
	used := 0
	for i, w := range words {
		if i == 0 || used+len(w)+1 > width {
			if i > 0 {
				out.WriteByte('\n')
			}
			fmt.Fprintf(&out, "%*s%s", indent, "", w)
			used = indent + len(w)
			continue
		}
		out.WriteString(" " + w)
		used += len(w) + 1
	}
	out.WriteByte('\n')
	return out.String()
}
