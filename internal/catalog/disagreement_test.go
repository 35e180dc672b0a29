package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"sekisho/internal/catalog"
)

// snapshotOf builds a catalog from the body of a file, with two sources.
func snapshotOf(t *testing.T, body string) *catalog.Snapshot {
	t.Helper()
	const sources = `sources:
  - {id: page, title: {ja: "ページ", en: "Page"}, url: https://example.com/page, date: unknown, read: "2026-11-23"}
  - {id: other, title: {ja: "別", en: "Other"}, url: https://example.com/other, date: unknown, read: "2026-11-23"}
`
	part, found := catalog.ParsePart("a.yaml", []byte(sources+body))
	if len(found) > 0 {
		t.Fatal(found)
	}
	s, found := catalog.Build("test", part)
	if len(found) > 0 {
		t.Fatal(found)
	}
	return s
}

func TestDisagreements(t *testing.T) {
	row := func(source, id, rest string) string {
		return "  - {source: " + source + ", cloud: worldwide, id: \"" + id + "\", area: A, title: {ja: \"題\", en: T}, unattached: true, " + rest + "}\n"
	}
	const optional = `required: false, lost-without: {ja: "何か", en: something}`
	for _, c := range []struct {
		rule, sets string
		want       []string
	}{
		{"agreement-is-silent", row("page", "1", "required: true, hosts: [a.example.com], ports: tcp/443") +
			row("other", "1", "required: true, hosts: [a.example.com], ports: tcp/443"), nil},
		{"ports", row("page", "x", "required: true, hosts: [a.example.com], ports: tcp/443") +
			row("other", "y", "required: true, hosts: [a.example.com], ports: \"tcp/80,443\""),
			[]string{"ports a.example.com"}},
		{"two-rows-of-one-source-count-together", row("page", "x", "required: true, hosts: [a.example.com], ports: tcp/443") +
			row("page", "x2", "required: true, hosts: [a.example.com], ports: tcp/80") +
			row("other", "y", "required: true, hosts: [a.example.com], ports: \"tcp/80,443\""), nil},
		{"inferred-ports-contradict-nobody", row("page", "x", "required: true, hosts: [a.example.com], ports: tcp/443") +
			row("other", "y", `required: true, hosts: [a.example.com], ports: "tcp/80,443", ports-stated: false, note: {ja: "推定", en: inferred}`), nil},
		{"category-and-express-route", row("page", "x", "required: true, category: allow, express-route: true, hosts: [a.example.com], ports: tcp/443") +
			row("other", "y", "required: true, category: default, express-route: false, hosts: [a.example.com], ports: tcp/443"),
			[]string{"category a.example.com", "express-route a.example.com"}},
		{"what-is-not-stated-contradicts-nobody", row("page", "x", "required: true, category: allow, express-route: true, hosts: [a.example.com], ports: tcp/443") +
			row("other", "y", "required: true, hosts: [a.example.com], ports: tcp/443"), nil},
		{"need-in-one-number", row("page", "7", "required: true, hosts: [a.example.com], ports: tcp/443") +
			row("other", "7", optional+", hosts: [a.example.com], ports: tcp/443"),
			[]string{"required a.example.com"}},
		{"need-of-unrelated-rows-may-differ", row("page", "x", "required: true, hosts: [a.example.com], ports: tcp/443") +
			row("other", "y", optional+", hosts: [a.example.com], ports: tcp/443"), nil},
		{"hosts-of-one-number", row("page", "7", "required: true, hosts: [a.example.com, b.example.com], ports: tcp/443") +
			row("other", "7", "required: true, hosts: [a.example.com], prefixes: [192.0.2.0/24], ports: tcp/443"),
			[]string{"hosts 7"}},
		{"second-set-of-a-number-belongs-to-it", row("page", "7", "required: true, hosts: [a.example.com], ports: tcp/443") +
			row("page", "7#2", "required: true, hosts: [b.example.com], ports: tcp/443") +
			row("other", "7", "required: true, hosts: [a.example.com, b.example.com], ports: tcp/443"), nil},
		{"withdrawn-is-silent", row("page", "7", "required: true, hosts: [a.example.com], ports: tcp/443") +
			row("other", "7", `required: true, hosts: [b.example.com], ports: tcp/443, withdrawn: "2026-11-24"`), nil},
		{"another-cloud-is-another-matter", row("page", "7", "required: true, hosts: [a.example.com], ports: tcp/443") +
			strings.Replace(row("other", "7", "required: true, hosts: [b.example.com], ports: tcp/443"), "worldwide", "china", 1), nil},
	} {
		var got []string
		for _, d := range catalog.Disagreements(snapshotOf(t, "sets:\n"+c.sets)) {
			got = append(got, d.Kind+" "+d.Name)
			if len(d.Positions) < 2 {
				t.Errorf("%s: %v has one side only", c.rule, d)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.rule, got, c.want)
		}
	}
}

// The sources of the built-in catalog are known to differ in these.
func TestDisagreementsOfTheBuiltinCatalog(t *testing.T) {
	all := catalog.Disagreements(catalog.Builtin())
	for _, want := range []struct{ kind, name, claim, value string }{
		{catalog.DiffersInNeed, "login.live.com", "m365-list/worldwide/97", "optional"},
		{catalog.DiffersInNeed, "login.live.com", "intune-page/worldwide/97", "required"},
		{catalog.DiffersInPorts, "login.microsoftonline.com", "m365-list/worldwide/56", "tcp/80,443"},
		{catalog.DiffersInHosts, "56", "m365-list/worldwide/56", "login.microsoft.com"},
	} {
		if !slices.ContainsFunc(all, func(d catalog.Disagreement) bool {
			return d.Kind == want.kind && d.Name == want.name && slices.ContainsFunc(d.Positions, func(p catalog.Position) bool {
				return p.Claim.String() == want.claim && strings.Contains(p.Value, want.value)
			})
		}) {
			t.Errorf("no %s on %s with %s = %s", want.kind, want.name, want.claim, want.value)
		}
	}
	if !slices.IsSortedFunc(all, func(x, y catalog.Disagreement) int {
		return strings.Compare(x.Kind+"\x00"+x.Cloud+"\x00"+x.Name, y.Kind+"\x00"+y.Cloud+"\x00"+y.Name)
	}) {
		t.Error("not sorted")
	}
}
