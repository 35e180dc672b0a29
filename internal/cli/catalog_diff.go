package cli

import (
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sekisho/internal/catalog"
	"sekisho/internal/catalog/feed"
	"sekisho/internal/finding"
	"sekisho/internal/impact"
	"sekisho/internal/node"
	"sekisho/internal/servicetags"
)

func (a *app) catalogDiffCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "diff A [B]", Short: a.t("catalog.diff.short"), Long: a.t("catalog.diff.long"), Args: cobra.RangeArgs(1, 2),
		Example: "  sekisho catalog diff builtin current\n  sekisho catalog diff current waiting --impact\n  sekisho catalog diff 2026-11-01 endpoints-worldwide-2027010400.json",
	}
	withImpact := c.Flags().Bool("impact", false, a.t("catalog.diff.flag.impact"))
	lab := c.Flags().Bool("lab", false, a.t("flag.lab-policy"))
	o := a.outputFlag(c, "table", "json", "jsonl", "csv")
	c.RunE = func(_ *cobra.Command, args []string) error {
		if len(args) == 1 {
			args = append(args, "current")
		}
		sides, err := a.sides(args[0], args[1])
		if err != nil {
			return err
		}
		if *withImpact {
			return a.printImpact(sides, *lab, o.format)
		}
		return a.printDifference(difference{catalog.Diff(sides[0].Snapshot, sides[1].Snapshot), tagDifferences(sides)}, o.format)
	}
	return c
}

// changed is errFound when something differs.
func changed(same bool) error {
	if same {
		return nil
	}
	return errFound
}

// difference is what "catalog diff" prints.
type difference struct {
	catalog.Difference
	ServiceTags []servicetags.Difference `json:"service_tags,omitempty"` // of the clouds where they differ
}

// IsZero reports whether nothing differs.
func (d difference) IsZero() bool { return d.Difference.IsZero() && len(d.ServiceTags) == 0 }

// Entries returns every change by itself: those of the lists, then of the service tags.
func (d difference) Entries() []catalog.Entry {
	out := d.Difference.Entries()
	for _, of := range d.ServiceTags {
		for _, t := range of.Tags {
			e := catalog.Entry{Subject: "service-tag", ID: of.Cloud.String() + "/" + t.Name, Change: t.Change}
			if t.Change != servicetags.TagChanged {
				out = append(out, e)
			}
			e.Part, e.Change = "prefix", catalog.Added
			for _, p := range t.Added {
				e.Value = p.String()
				out = append(out, e)
			}
			e.Change = catalog.Removed
			for _, p := range t.Removed {
				e.Value = p.String()
				out = append(out, e)
			}
		}
	}
	return out
}

func (a *app) printDifference(d difference, format string) error {
	var err error
	switch {
	case format == "json":
		err = a.printJSON(d)
	case format == "jsonl":
		for _, e := range d.Entries() {
			if err = a.printLine(e); err != nil {
				break
			}
		}
	case format == "csv":
		r := rows{columns: []column{{"subject", ""}, {"id", ""}, {"part", ""}, {"change", ""}, {"value", ""}, {"from", ""}, {"to", ""}}}
		for _, e := range d.Entries() {
			r.cells = append(r.cells, []string{e.Subject, e.ID, e.Part, e.Change, e.Value, e.From, e.To})
		}
		err = a.printCSV(r)
	case d.IsZero():
		a.printf("%s\n", a.t("catalog.diff.same", "from", d.From, "to", d.To))
	default:
		if !d.Difference.IsZero() {
			a.printf("%s\n", a.t("catalog.diff.summary", "from", d.From, "to", d.To, "sets", itoa(len(d.Sets)), "hosts_added", itoa(len(d.Hosts.Added)),
				"hosts_removed", itoa(len(d.Hosts.Removed)), "prefixes_added", itoa(len(d.Prefixes.Added)), "prefixes_removed", itoa(len(d.Prefixes.Removed))))
			a.printf("%s", feed.Words(d.Difference, a.word))
		}
		for _, t := range d.ServiceTags {
			a.printTagDifference(t)
		}
	}
	if err != nil {
		return err
	}
	return changed(d.IsZero())
}

// printTagDifference tells which tags of one cloud came, went or have other prefixes.
func (a *app) printTagDifference(d servicetags.Difference) {
	name := func(version string, day time.Time) string {
		if day.IsZero() {
			return version
		}
		return version + " (" + day.Format(time.DateOnly) + ")"
	}
	a.printf("%s\n", a.t("catalog.diff.tags", "from", name(d.From, d.FromDate), "to", name(d.To, d.ToDate),
		"added", itoa(d.Count(servicetags.TagAdded)), "removed", itoa(d.Count(servicetags.TagRemoved)), "changed", itoa(d.Count(servicetags.TagChanged)),
		"prefixes_added", itoa(d.PrefixesAdded), "prefixes_removed", itoa(d.PrefixesRemoved)))
	for _, t := range d.Tags {
		a.printf("%s %s\n", t.Name, a.word(t.Change))
		for _, p := range t.Removed {
			a.printf("  - %s\n", p)
		}
		for _, p := range t.Added {
			a.printf("  + %s\n", p)
		}
	}
}

// word words a code of a difference; a value that is no word of ours stays as it is.
func (a *app) word(code string) string {
	if slices.Contains([]string{catalog.Added, catalog.Removed, catalog.Changed, catalog.Withdrawn, catalog.Restored, "class",
		catalog.FieldArea, catalog.FieldCategory, catalog.FieldRequired, catalog.FieldDirection, catalog.FieldExpressRoute, catalog.FieldAnywhere, catalog.FieldWhen,
		catalog.AspectInspection, catalog.AspectProxyAuth, catalog.AspectByteRanges, catalog.AspectClientCertificate, catalog.AspectWebSocket, catalog.AspectIdleTimeout}, code) {
		return a.t("catalog.diff.word." + code)
	}
	return code
}

// printImpact says what B in the place of A changes for the organisation.
func (a *app) printImpact(sides [2]node.Dated, lab bool, format string) error {
	file, _, err := a.configFile()
	if err != nil {
		return err
	}
	if file == "" && !lab {
		return finding.Fail("cli.no-configuration", nil)
	}
	settings, problems := a.loadConfig(lab, nil)
	if problems.HasErrors() {
		return &finding.Problem{Findings: problems.Sort()}
	}
	r, err := node.Impact(settings, sides[0], sides[1], time.Now())
	if err != nil {
		return err
	}
	entries := impactEntries(r)
	switch format {
	case "json":
		err = a.printJSON(r)
	case "jsonl":
		for _, e := range entries {
			if err = a.printLine(e); err != nil {
				break
			}
		}
	case "csv":
		table := rows{columns: []column{{"subject", ""}, {"change", ""}, {"where", ""}, {"value", ""}, {"from", ""}, {"to", ""}, {"claim", ""}, {"date", ""}, {"basis", ""}, {"future", ""}, {"service_tags", ""}}}
		for _, e := range entries {
			table.cells = append(table.cells, []string{e.Subject, e.Change, e.Where, e.Value, e.From, e.To, e.Claim, e.Date, e.Basis, boolText(e.Future), strings.Join(e.Tags, " ")})
		}
		err = a.printCSV(table)
	default:
		a.tellImpact(r)
	}
	if err != nil {
		return err
	}
	return changed(r.IsZero())
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// impactEntry is one change of an impact by itself, as printed in lines.
type impactEntry struct {
	Subject string `json:"subject"` // feature, rule, handling, line, finding
	Change  string `json:"change"`
	Where   string `json:"where"` // the rule, the file, the feature
	Value   string `json:"value,omitempty"`
	From    string `json:"from,omitempty"`
	To      string `json:"to,omitempty"`
	Claim   string `json:"claim,omitempty"`
	Date    string `json:"date,omitempty"`
	Basis   string `json:"basis,omitempty"`
	Future  bool   `json:"future"`
	// Tags are the service tags whose prefixes changed a line.
	Tags []string `json:"service_tags,omitempty"`
}

func impactEntries(r impact.Report) []impactEntry {
	var out []impactEntry
	for _, f := range r.Features {
		if len(f.Sets) == 0 {
			out = append(out, impactEntry{Subject: "feature", Change: f.Kind, Where: string(f.ID)})
		}
		for _, e := range (catalog.Difference{Sets: f.Sets}).Entries() {
			out = append(out, impactEntry{Subject: "feature", Change: e.Change, Where: string(f.ID), Value: strings.TrimSpace(e.Part + " " + e.Value), From: e.From, To: e.To, Claim: e.ID})
		}
	}
	for _, c := range r.Rules {
		out = append(out, impactEntry{Subject: "rule", Change: c.Kind, Where: c.Rule, Value: c.Pattern.String(), From: c.From, To: c.To, Claim: c.Claim.String(),
			Date: c.Force.Date, Basis: c.Force.Basis, Future: c.Force.Future})
	}
	for _, h := range r.Handling {
		out = append(out, impactEntry{Subject: "handling", Change: catalog.Changed, Where: h.Aspect, Value: h.Pattern.String(), From: h.From, To: h.To,
			Date: h.Force.Date, Basis: h.Force.Basis, Future: h.Force.Future})
	}
	for _, l := range r.Lines {
		out = append(out, impactEntry{Subject: "line", Change: l.Kind, Where: l.File, Value: l.Line, Date: l.Force.Date, Basis: l.Force.Basis, Future: l.Force.Future, Tags: l.Tags})
	}
	for _, f := range r.Appeared {
		out = append(out, impactEntry{Subject: "finding", Change: catalog.Added, Where: f.Pos.String(), Value: f.Code})
	}
	for _, f := range r.Gone {
		out = append(out, impactEntry{Subject: "finding", Change: catalog.Removed, Where: f.Pos.String(), Value: f.Code})
	}
	return out
}

// tellImpact prints an impact for people.
func (a *app) tellImpact(r impact.Report) {
	if r.IsZero() {
		a.printf("%s\n", a.t("catalog.impact.none", "from", r.From, "to", r.To))
		return
	}
	if !r.Loads {
		a.printf("%s\n", a.t("catalog.impact.breaks", "to", r.To))
	} else {
		a.printf("%s\n", a.t("catalog.impact.head", "from", r.From, "to", r.To, "features", itoa(len(r.Features)), "rules", itoa(len(r.Rules)), "lines", itoa(len(r.Lines))))
	}
	section := func(id string, n int) {
		if n > 0 {
			a.printf("\n%s\n", a.t("catalog.impact."+id))
		}
	}
	sign := map[string]string{catalog.Added: "+", catalog.Removed: "-", catalog.Changed: "~"}
	section("features", len(r.Features))
	for _, f := range r.Features {
		a.printf("  %s %s\n", f.ID, a.word(f.Kind))
		for line := range strings.Lines(feed.Words(catalog.Difference{Sets: f.Sets}, a.word)) {
			a.printf("    %s", line)
		}
	}
	section("rules", len(r.Rules))
	for _, c := range r.Rules {
		ports := c.From + c.To
		if c.Kind == catalog.Changed {
			ports = c.From + " -> " + c.To
		}
		a.printf("  %s %s %s  %s (%s)%s\n", sign[c.Kind], c.Pattern, ports, c.Rule, c.Claim, a.force(c.Force))
		if len(c.StillOpen) > 0 {
			a.printf("      %s\n", a.t("catalog.impact.still-open", "claims", strings.Join(c.StillOpen, ", ")))
		}
	}
	section("handling", len(r.Handling))
	for _, h := range r.Handling {
		a.printf("  ~ %s %s: %s -> %s%s\n", h.Pattern, a.word(h.Aspect), orDash(h.From), orDash(h.To), a.force(h.Force))
	}
	section("lines", len(r.Lines))
	file := ""
	for _, l := range r.Lines {
		if l.File != file {
			file = l.File
			a.printf("  %s\n", file)
		}
		because := ""
		if len(l.Tags) > 0 {
			because = "  " + a.t("catalog.impact.by-tags", "tags", strings.Join(l.Tags, ", "))
		}
		a.printf("    %s %s%s%s\n", sign[l.Kind], l.Line, a.force(l.Force), because)
	}
	a.printList("catalog.impact.appeared", r.Appeared)
	a.printList("catalog.impact.gone", r.Gone)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// force words from when something holds; "" when nobody knows.
func (a *app) force(f impact.Force) string {
	id := "since"
	switch {
	case f.Basis == impact.Unknown:
		return ""
	case f.Basis == impact.Published && f.Future:
		id = "within"
	case f.Future:
		id = "from"
	}
	return "  " + a.t("catalog.impact."+id, "date", f.Date, "days", itoa(impact.NoticeDays))
}
