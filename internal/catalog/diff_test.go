package catalog_test

import (
	"strings"
	"testing"

	"sekisho/internal/catalog"
)

// diffed is a small catalog of everything that can differ.
const diffed = `sources: [{id: own, title: {ja: 出典, en: source}, url: "https://wiki.example.com/", date: "2027-01-04", read: "2027-01-04"}]
sets:
  - source: own
    cloud: private
    id: "1"
    area: Own
    title: {ja: 表題, en: title}
    required: true
    category: allow
    express-route: false
    hosts: [a.example, "*.wide.example"]
    templates: ["{tenant-name}.tenant.example"]
    urls: ["https://u.example/path"]
    prefixes: [192.0.2.0/25]
    service-tags: [AzureActiveDirectory]
    ports: tcp/443
  - source: own
    cloud: private
    id: "2"
    area: Own
    title: {ja: 表題, en: title}
    required: true
    hosts: [a.example]
    ports: tcp/443
features:
  - id: own.b
    title: {ja: 機能, en: feature}
    about: {ja: 説明, en: about}
    claims: [own/private/2]
  - id: own.a
    title: {ja: 機能, en: feature}
    about: {ja: 説明, en: about}
    claims: [own/private/1]
handling:
  - source: own
    hosts: [a.example]
    proxy-auth: exempt
    text: {ja: 文, en: text}
classes:
  - class: retired
    source: own
    hosts: [old.example]
    why: {ja: 理由, en: why}
`

func built(t *testing.T, text string) *catalog.Snapshot {
	t.Helper()
	p, found := catalog.ParsePart("own.yaml", []byte(text))
	if found.HasErrors() {
		t.Fatal(found)
	}
	s, found := catalog.Build("v", p)
	if s == nil {
		t.Fatal(found)
	}
	return s
}

// TestEveryKindOfChange changes one thing at a time; the entries say it and nothing else, and backwards the opposite.
func TestEveryKindOfChange(t *testing.T) {
	print := func(d catalog.Difference) string {
		var out []string
		for _, e := range d.Entries() {
			out = append(out, strings.Join([]string{e.Subject, e.ID, e.Part, e.Change, e.Value, e.From, e.To}, "|"))
		}
		return strings.Join(out, "\n")
	}
	for rule, c := range map[string]struct{ old, new, want, back string }{
		"host":           {`[a.example, "*.`, `[a.example, b.example, "*.`, "set|own/private/1|host|added|b.example||\nhost|||added|b.example||", "set|own/private/1|host|removed|b.example||\nhost|||removed|b.example||"},
		"host-elsewhere": {`hosts: [a.example, "*.`, `hosts: ["*.`, "set|own/private/1|host|removed|a.example||", "set|own/private/1|host|added|a.example||"},
		"wildcard":       {"*.wide.example", "*.narrow.wide.example", "set|own/private/1|host|added|*.narrow.wide.example||\nset|own/private/1|host|removed|*.wide.example||\nhost|||added|*.narrow.wide.example||\nhost|||removed|*.wide.example||", ""},
		"url":            {"u.example/path", "u.example/other", "set|own/private/1|url|added|https://u.example/other||\nset|own/private/1|url|removed|https://u.example/path||", ""},
		"address":        {"192.0.2.0/25", "192.0.2.0/24", "set|own/private/1|prefix|added|192.0.2.0/24||\nset|own/private/1|prefix|removed|192.0.2.0/25||\nprefix|||added|192.0.2.0/24||\nprefix|||removed|192.0.2.0/25||", ""},
		"port":           {"[AzureActiveDirectory]\n    ports: tcp/443", "[AzureActiveDirectory]\n    ports: tcp/443 udp/443", "set|own/private/1|port|added|udp/443||", "set|own/private/1|port|removed|udp/443||"},
		"template":       {"{tenant-name}.tenant", "{tenant-id}.tenant", "set|own/private/1|template|added|{tenant-id}.tenant.example||\nset|own/private/1|template|removed|{tenant-name}.tenant.example||", ""},
		"service-tag":    {"[AzureActiveDirectory]", "[AzureActiveDirectory, AzureFrontDoor.Frontend]", "set|own/private/1|service-tag|added|AzureFrontDoor.Frontend||", ""},
		"category":       {"category: allow", "category: optimize", "set|own/private/1|category|changed||allow|optimize", "set|own/private/1|category|changed||optimize|allow"},
		"required":       {"required: true\n    category", "required: false\n    lost-without: {ja: 失う, en: lost}\n    category", "set|own/private/1|required|changed||yes|no", "set|own/private/1|required|changed||no|yes"},
		"express-route":  {"express-route: false", "express-route: true", "set|own/private/1|express-route|changed||no|yes", ""},
		"area":           {"area: Own\n    title: {ja: 表題, en: title}\n    required: true\n    category", "area: New\n    title: {ja: 表題, en: title}\n    required: true\n    category", "set|own/private/1|area|changed||Own|New", ""},
		"set":            {"  - source: own\n    cloud: private\n    id: \"2\"", "  - source: own\n    cloud: private\n    id: \"3\"\n    area: Own\n    unattached: true\n    title: {ja: 表題, en: title}\n    required: true\n    hosts: [c.example]\n    ports: tcp/443\n  - source: own\n    cloud: private\n    id: \"2\"", "set|own/private/3||added|||\nset|own/private/3|host|added|c.example||\nset|own/private/3|port|added|tcp/443||\nhost|||added|c.example||", "set|own/private/3||removed|||\nset|own/private/3|host|removed|c.example||\nset|own/private/3|port|removed|tcp/443||\nhost|||removed|c.example||"},
		"withdrawn":      {"hosts: [a.example]\n    ports", "withdrawn: \"2027-01-06\"\n    hosts: [a.example]\n    ports", "set|own/private/2||withdrawn|||\nset|own/private/2|host|removed|a.example||\nset|own/private/2|port|removed|tcp/443||", "set|own/private/2||restored|||\nset|own/private/2|host|added|a.example||\nset|own/private/2|port|added|tcp/443||"},
		"handling":       {"proxy-auth: exempt", "websocket: used", "handling|a.example|proxy-auth|changed||exempt|\nhandling|a.example|websocket|changed|||used", ""},
		"class":          {"[old.example]", "[older.example]", "class|old.example||changed||retired|\nclass|older.example||changed|||retired", ""},
		"requires":       {"    claims: [own/private/1]", "    requires: [own.b]\n    claims: [own/private/1]", "feature|own.a|requires|added|own.b||", "feature|own.a|requires|removed|own.b||"},
		"feature":        {"  - id: own.a", "  - id: own.c", "feature|own.a||removed|||\nfeature|own.a|claim|removed|own/private/1||\nfeature|own.c||added|||\nfeature|own.c|claim|added|own/private/1||", ""},
		"text":           {"en: title", "en: better", "", ""},
	} {
		t.Run(rule, func(t *testing.T) {
			changed := strings.Replace(diffed, c.old, c.new, 1)
			if changed == diffed {
				t.Fatal("the case changes nothing")
			}
			a, b := built(t, diffed), built(t, changed)
			d := catalog.Diff(a, b)
			if got := print(d); got != c.want || d.IsZero() != (c.want == "") {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			if got := print(catalog.Diff(b, a)); c.back != "" && got != c.back {
				t.Errorf("backwards\n%s\nwant\n%s", got, c.back)
			}
		})
	}
}
