// Package rows is the targets that print the table of endpoints itself: json for programs, csv for spreadsheets.
//
// They leave nothing out: what a device cannot express stands here too. Columns and fields are codes and never change with
// the language; purposes stand in both.
package rows

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/render"
)

// row is one row as it is printed.
type row struct {
	Direction   catalog.Direction   `json:"direction"`
	Kind        render.Kind         `json:"kind"`
	Value       string              `json:"value"`
	ServiceTag  string              `json:"service_tag,omitempty"`
	Ports       endpoint.Ports      `json:"ports"`
	Inferred    bool                `json:"ports_inferred"`
	Features    []catalog.FeatureID `json:"features"`
	Claim       string              `json:"claim"`
	Rule        string              `json:"rule"`
	Area        string              `json:"area"`
	Category    catalog.Category    `json:"category"`
	Required    bool                `json:"required"`
	Purpose     catalog.Text        `json:"purpose"`
	Condition   catalog.Text        `json:"condition"`
	LostWithout catalog.Text        `json:"lost_without"`
	From        catalog.Text        `json:"from"`
	To          catalog.Text        `json:"to"`
	Road        render.Road         `json:"road"`
	Class       catalog.Class       `json:"class"`
	GatewayOnly bool                `json:"gateway_only"`
	Except      []endpoint.Pattern  `json:"except"`
	Clients     []netip.Prefix      `json:"clients"`
	Inspection  catalog.Inspection  `json:"inspection"`
	AuthExempt  bool                `json:"proxy_auth_exempt"`
	SourceTitle catalog.Text        `json:"source_title"`
	SourceURL   string              `json:"source_url"`
	SourceDate  string              `json:"source_date"`
}

func printed(r render.Row) row {
	out := row{
		Direction: r.Direction, Kind: r.Kind, Value: r.Value(), ServiceTag: r.Tag, Ports: r.Ports, Inferred: r.Inferred,
		Features: r.Features, Rule: r.Rule, Area: r.Area, Category: r.Category, Required: r.Required,
		Purpose: clean(r.Purpose), Condition: clean(r.Condition), LostWithout: clean(r.LostWithout), From: clean(r.Between.From), To: clean(r.Between.To),
		Road: r.Road, Class: r.Class, GatewayOnly: r.GatewayOnly, Except: r.Except, Clients: r.Clients,
		Inspection: r.Handling.Inspection, AuthExempt: r.Handling.ProxyAuthExempt,
	}
	if r.Claim != (catalog.ClaimID{}) {
		out.Claim = r.Claim.String()
	}
	if r.Source != nil {
		out.SourceTitle, out.SourceURL, out.SourceDate = clean(r.Source.Title), r.Source.URL, r.Source.DateText()
	}
	// Lists are never null: a program that reads them need not ask.
	if out.Features == nil {
		out.Features = []catalog.FeatureID{}
	}
	if out.Except == nil {
		out.Except = []endpoint.Pattern{}
	}
	if out.Clients == nil {
		out.Clients = []netip.Prefix{}
	}
	return out
}

func clean(t catalog.Text) catalog.Text {
	return catalog.Text{JA: render.OneLine(t.JA), EN: render.OneLine(t.EN)}
}

// JSON is the target "json".
type JSON struct{}

// Since says that the target renders changes: "added" and "removed" stand in the place of "rows".
func (JSON) Since() {}

// Since says that the target renders changes: the first column says which.
func (CSV) Since() {}

// Since says that the target renders changes, as that of JSON.
func (YAML) Since() {}

// shown are the rows that a document has, with what became of each: "" where the whole is printed.
func shown(in render.Input, m *render.Model) (rows []render.Row, change []string) {
	if in.Before == nil {
		return m.Rows, make([]string, len(m.Rows))
	}
	added, removed := render.Changed(render.NewModel(*in.Before), m)
	for range removed {
		change = append(change, "removed")
	}
	for range added {
		change = append(change, "added")
	}
	return append(removed, added...), change
}

// Name returns "json".
func (JSON) Name() string { return "json" }

// Options returns none.
func (JSON) Options() []render.Option { return nil }

// Render returns endpoints.json: one object with the version of the data and the rows.
func (JSON) Render(in render.Input, m *render.Model) (render.Output, error) {
	doc := struct {
		Note    string   `json:"note"`
		Catalog string   `json:"catalog_version"`
		Policy  string   `json:"policy_hash"`
		Date    string   `json:"date"`
		Tags    []string `json:"missing_service_tags"`
		Values  []string `json:"missing_values"`
		Since   string   `json:"since,omitempty"`
		Rows    *[]row   `json:"rows,omitempty"`
		Removed *[]row   `json:"removed,omitempty"`
		Added   *[]row   `json:"added,omitempty"`
	}{Note: strings.Join(render.Header(in, "json"), " "), Catalog: in.Program.CatalogVersion(), Policy: in.Program.Hash(), Date: render.Date(in), Tags: append([]string{}, m.MissingTags...), Values: []string{}}
	for _, h := range m.Unfilled {
		doc.Values = append(doc.Values, "tenant."+string(h))
	}
	if in.Before == nil {
		doc.Rows = &[]row{}
	} else {
		doc.Since, doc.Removed, doc.Added = in.Before.Program.CatalogVersion(), &[]row{}, &[]row{}
	}
	list, change := shown(in, m)
	for i, r := range list {
		to := map[string]*[]row{"": doc.Rows, "removed": doc.Removed, "added": doc.Added}[change[i]]
		*to = append(*to, printed(r))
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(doc); err != nil {
		return render.Output{}, err
	}
	f := render.File{Name: "endpoints.json", Type: "application/json; charset=utf-8", Body: b.Bytes(), Lines: lines(m)}
	return render.Output{Files: []render.File{f}}, nil
}

// CSV is the target "csv".
type CSV struct{}

// Name returns "csv".
func (CSV) Name() string { return "csv" }

// Options returns the encoding.
func (CSV) Options() []render.Option {
	return []render.Option{{Name: "encoding", Kind: render.Choice, Default: render.UTF8BOM, Values: render.Encodings()}}
}

// Render returns endpoints.csv: a head line, then one line a row. A comment line would be a row to a spreadsheet, so that
// the version of the data stands in columns.
func (CSV) Render(in render.Input, m *render.Model) (render.Output, error) {
	records := [][]string{{
		"direction", "kind", "value", "service_tag", "ports", "ports_inferred", "features", "claim", "rule", "area", "category", "required",
		"purpose_ja", "purpose_en", "condition_ja", "condition_en", "lost_without_ja", "lost_without_en", "from_ja", "from_en", "to_ja", "to_en",
		"road", "class", "gateway_only", "except", "clients", "inspection", "proxy_auth_exempt", "source_ja", "source_en", "source_url", "source_date",
		"catalog_version", "policy_hash", "date",
	}}
	list, change := shown(in, m)
	if in.Before != nil {
		records[0] = append([]string{"change"}, records[0]...)
	}
	for i, each := range list {
		r := printed(each)
		records = append(records, []string{
			r.Direction.String(), r.Kind.String(), r.Value, r.ServiceTag, r.Ports.String(), strconv.FormatBool(r.Inferred), join(r.Features), r.Claim, r.Rule, r.Area,
			r.Category.String(), strconv.FormatBool(r.Required), r.Purpose.JA, r.Purpose.EN, r.Condition.JA, r.Condition.EN, r.LostWithout.JA, r.LostWithout.EN,
			r.From.JA, r.From.EN, r.To.JA, r.To.EN, r.Road.String(), r.Class.String(), strconv.FormatBool(r.GatewayOnly), join(r.Except), join(r.Clients),
			r.Inspection.String(), strconv.FormatBool(r.AuthExempt), r.SourceTitle.JA, r.SourceTitle.EN, r.SourceURL, r.SourceDate,
			in.Program.CatalogVersion(), in.Program.Hash(), render.Date(in),
		})
		if in.Before != nil {
			records[len(records)-1] = append([]string{change[i]}, records[len(records)-1]...)
		}
	}
	encoding := in.Options.Text("encoding")
	body, lost := render.CSV(records, encoding)
	charset := "utf-8"
	if encoding == render.CP932 {
		charset = "windows-31j"
	}
	out := render.Output{Files: []render.File{{Name: "endpoints.csv", Type: "text/csv; charset=" + charset + "; header=present", Body: body, Lines: lines(m)}}}
	if lost > 0 {
		out.Findings = append(out.Findings, finding.New("render.not-in-cp932", finding.Warning, finding.Pos{}, "count", strconv.Itoa(lost)))
	}
	return out, nil
}

// lines are the rows without what changes with every version.
func lines(m *render.Model) []render.Line {
	out := render.NoLines()
	for _, r := range m.Rows {
		text := strings.Join([]string{r.Direction.String(), r.Kind.String(), r.Value(), r.Ports.String(), r.Rule, r.Road.String()}, " ")
		value := r.Value()
		if r.Kind == render.URLRow {
			value = r.Host.String()
		}
		out = append(out, render.Line{Text: strings.TrimSpace(text), Value: value})
	}
	return out
}

// join prints a list of texts with blanks between.
func join[T any](list []T) string {
	var words []string
	for _, v := range list {
		words = append(words, word(v))
	}
	return strings.Join(words, " ")
}

func word(v any) string {
	switch x := v.(type) {
	case catalog.FeatureID:
		return string(x)
	case interface{ String() string }:
		return x.String()
	}
	return ""
}
