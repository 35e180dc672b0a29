package explain_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/explain"
	"sekisho/internal/message"
	"sekisho/internal/policy"
	"sekisho/internal/servicetags"
)

// tagsBody is a small service tags file around a sign-in address.
const tagsBody = `{"changeNumber": 376, "cloud": "Public", "values": [
 {"name": "AzureCloud", "properties": {"changeNumber": 1, "region": "", "addressPrefixes": ["20.190.128.0/24"]}},
 {"name": "AzureCloud.southcentralus", "properties": {"changeNumber": 2, "region": "southcentralus", "addressPrefixes": ["20.190.128.0/24"]}},
 {"name": "AzureActiveDirectory", "properties": {"changeNumber": 3, "systemService": "AzureAD", "addressPrefixes": ["20.190.128.0/18"], "networkFeatures": ["API", "NSG"]}}]}`

var now = time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)

// tagged is a context with service tags of the day given.
func tagged(t testing.TB, c explain.Context, day string) explain.Context {
	t.Helper()
	s := servicetags.NewStore(t.TempDir(), func() time.Time { return now })
	if _, err := s.Import("ServiceTags_Public_"+day+".json", []byte(tagsBody), false); err != nil {
		t.Fatal(err)
	}
	var err error
	if c.Tags, c.TagFiles, err = s.Index(); err != nil {
		t.Fatal(err)
	}
	c.Now = now
	return c
}

func target(t testing.TB, s string) endpoint.Target {
	t.Helper()
	parsed, err := endpoint.ParseTarget(s)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestServiceTags(t *testing.T) {
	c := tagged(t, explain.Context{}, "20261116")
	a := explain.Explain(target(t, "20.190.128.1"), c)
	var got []string
	for _, tag := range a.Tags {
		got = append(got, tag.Tag+" "+tag.Region+" "+tag.Service+" "+tag.Match)
	}
	want := "[AzureCloud.southcentralus southcentralus  20.190.128.0/24 AzureCloud   20.190.128.0/24 AzureActiveDirectory  AzureAD 20.190.128.0/18]"
	if fmt.Sprint(got) != want || a.TagsCut {
		t.Errorf("%s", got)
	}
	if len(a.ServiceTags) != 1 || a.ServiceTags[0] != (explain.TagFile{Version: "public-376", Date: "2026-11-16", AgeDays: 9}) {
		t.Errorf("%+v", a.ServiceTags)
	}
	if hinted(a, "explain.no-service-tags") || hinted(a, "explain.tags-stale") {
		t.Error(a.Hints)
	}
	a = explain.Explain(target(t, "20.0.0.0/8"), c)
	if len(a.Tags) != 3 || !a.Tags[0].Part || a.Tags[0].Tag != "AzureActiveDirectory" {
		t.Errorf("%+v", a.Tags)
	}
	a = explain.Explain(target(t, "20.190.128.0/24"), c)
	if len(a.Tags) != 3 || a.Tags[0].Part || a.Tags[0].Tag != "AzureCloud.southcentralus" {
		t.Errorf("%+v", a.Tags)
	}
}

func TestMissingAndOldDataIsSaid(t *testing.T) {
	a := explain.Explain(target(t, "20.190.128.1"), explain.Context{})
	if !hinted(a, "explain.no-service-tags") || hinted(a, "explain.catalog-stale") {
		t.Error(a.Hints)
	}
	if a = explain.Explain(target(t, "manage.microsoft.com"), explain.Context{}); hinted(a, "explain.no-service-tags") {
		t.Error("service tags say nothing of names")
	}
	c := tagged(t, explain.Context{}, "20261101")
	if a = explain.Explain(target(t, "20.190.128.1"), c); !hinted(a, "explain.tags-stale") || !a.ServiceTags[0].Stale {
		t.Error(a.Hints)
	}
	c.WarnAge = 60 * 24 * time.Hour
	if a = explain.Explain(target(t, "20.190.128.1"), c); hinted(a, "explain.tags-stale") {
		t.Error(a.Hints)
	}
	c.Now = catalog.Builtin().Date().Add(61 * 24 * time.Hour)
	if a = explain.Explain(target(t, "manage.microsoft.com"), c); !hinted(a, "explain.catalog-stale") || !a.Catalog.Stale {
		t.Error(a.Hints)
	}
}

// small has one set that stands and one that was withdrawn, for the same host and prefix.
func small(t *testing.T) *catalog.Snapshot {
	t.Helper()
	part, found := catalog.ParsePart("small.yaml", []byte(`
sources:
  - {id: page, date: unknown, title: {ja: ページ, en: Page}, url: "https://example.com/", read: "2026-11-23"}
sets:
  - {id: "1", cloud: worldwide, source: page, area: Test, title: {ja: 新, en: New}, required: true,
     hosts: ["*.example.com"], prefixes: [192.0.2.0/24], ports: tcp/443}
  - {id: "2", cloud: worldwide, source: page, area: Test, title: {ja: 旧, en: Old}, required: true, seen: "2026-01-01",
     hosts: [old.example.com], prefixes: [192.0.2.0/25], ports: tcp/443, withdrawn: "2026-02-01"}
features:
  - {id: test.one, title: {ja: 一, en: One}, about: {ja: 一つ, en: One of them}, claims: [page/worldwide/1, page/worldwide/2]}
`))
	if part == nil {
		t.Fatal(found)
	}
	s, found := catalog.Build("small", part)
	if s == nil {
		t.Fatal(found)
	}
	return s
}

// TestWithdrawnClaimsAreShown: as such, after those that stand, and without a say in anything.
func TestWithdrawnClaimsAreShown(t *testing.T) {
	c := explain.Context{Catalog: small(t), Now: now}
	for _, given := range []string{"old.example.com", "192.0.2.1", "192.0.2.0/26", "192.0.0.0/16"} {
		a := explain.Explain(target(t, given), c)
		if len(a.Sets) != 2 || a.Sets[0].Withdrawn != "" || a.Sets[1].Withdrawn != "2026-02-01" || a.Sets[1].Claim != "page/worldwide/2" {
			t.Errorf("%s: %+v", given, a.Sets)
		}
		if len(a.Contradictions) != 0 {
			t.Errorf("%s: a withdrawn claim contradicts: %v", given, a.Contradictions)
		}
		for _, lang := range message.Languages() {
			var out bytes.Buffer
			if err := explain.Render(&out, a, message.New(lang), 100); err != nil || !strings.Contains(out.String(), "2026-02-01") {
				t.Errorf("%s", out.String())
			}
		}
	}
}

// TestScreenWithServiceTags compares with testdata/<name>.<language>.txt; UPDATE=1 rewrites the files.
func TestScreenWithServiceTags(t *testing.T) {
	c := tagged(t, explain.Context{Catalog: small(t)}, "20261116")
	for name, given := range map[string]string{"tags": "20.190.128.1", "tags-prefix": "20.190.0.0/16", "tags-none": "52.112.0.1", "withdrawn": "192.0.2.1"} {
		for _, lang := range message.Languages() {
			t.Run(name+"."+lang, func(t *testing.T) {
				var out bytes.Buffer
				if err := explain.Render(&out, explain.Explain(target(t, given), c), message.New(lang), 100); err != nil {
					t.Fatal(err)
				}
				golden(t, filepath.Join("testdata", name+"."+lang+".txt"), out.Bytes())
			})
		}
	}
}

// TestLineSaysWhatTheAnswerSays compares the line that is written without reflection with the answer.
func TestLineSaysWhatTheAnswerSays(t *testing.T) {
	contexts := map[string]explain.Context{
		"bare":   {Now: now},
		"tags":   tagged(t, explain.Context{}, "20261116"),
		"policy": tagged(t, explain.Context{Program: program(t), Subject: policy.Subject{Client: netip.MustParseAddr("10.1.0.1"), User: "a\"b", Groups: []string{"it", "<hr>"}}}, "20250101"),
		"small":  {Catalog: small(t), Now: now},
	}
	for name, c := range contexts {
		b := explain.NewBook(c)
		for _, given := range []string{"Login.MicrosoftOnline.com.", "manage.microsoft.com:443", "20.190.128.1", "20.190.0.0/16", "2603:1026::/36",
			"https://www.example.jp/a,b?q=\"x\"&y=\u3042", "http://old.example.com/", "192.0.2.1", "www.example.org", "1.1.1.1"} {
			parsed := target(t, given)
			line := b.AppendJSONLine(nil, given, parsed)
			if bytes.Count(line, []byte("\n")) != 1 || !bytes.HasSuffix(line, []byte("}\n")) {
				t.Errorf("%s %s: not one line: %s", name, given, line)
			}
			var got, want map[string]any
			if err := json.Unmarshal(line, &got); err != nil {
				t.Fatalf("%s: %v: %s", given, err, line)
			}
			text, err := json.Marshal(b.Explain(given, parsed))
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(text, &want); err != nil {
				t.Fatal(err)
			}
			if got["target"] != given {
				t.Errorf("target %v is not as given", got["target"])
			}
			within(t, name+" "+given, got, want)
			if !reflect.DeepEqual(got["decision"], want["decision"]) {
				t.Errorf("%s %s: decision %v, want %v", name, given, got["decision"], want["decision"])
			}
			for i, s := range got["sets"].([]any) {
				for _, field := range []string{"not_for_tenant", "lacks", "withdrawn"} {
					if w := want["sets"].([]any)[i].(map[string]any)[field]; !reflect.DeepEqual(s.(map[string]any)[field], w) {
						t.Errorf("%s: %s is %v, want %v", given, field, s.(map[string]any)[field], w)
					}
				}
				for _, field := range []string{"id", "area", "feature", "handling", "source"} {
					if _, ok := s.(map[string]any)[field]; !ok {
						t.Errorf("a set without %s: %v", field, s)
					}
				}
			}
		}
	}
}

// within holds every field of got against want, which may have more.
func within(t *testing.T, where string, got, want any) {
	t.Helper()
	switch g := got.(type) {
	case map[string]any:
		w, ok := want.(map[string]any)
		for k, v := range g {
			if ok {
				within(t, where+" "+k, v, w[k])
			}
		}
	case []any:
		w, ok := want.([]any)
		if !ok || len(g) != len(w) {
			t.Errorf("%s: %v, want %v", where, got, want)
			return
		}
		for i := range g {
			within(t, fmt.Sprintf("%s[%d]", where, i), g[i], w[i])
		}
	default:
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", where, got, want)
		}
	}
}

func TestCSVLines(t *testing.T) {
	c := tagged(t, explain.Context{Catalog: small(t)}, "20261116")
	b := explain.NewBook(c)
	out := []byte(explain.CSVHead)
	for _, given := range []string{"a.example.com", "20.190.128.1", "https://none.example.org/a,b?\"x\""} {
		out = b.AppendCSVLines(out, given, target(t, given))
	}
	rows, err := csv.NewReader(bytes.NewReader(out)).ReadAll() // also checks that every line has the same number of fields
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"a.example.com", "set", "page/worldwide/1", "*.example.com", "false", "Test", "test.one", "", "", "", "true", "tcp/443", "", "page", "", "2", ""},
		{"20.190.128.1", "tag", "AzureCloud.southcentralus", "20.190.128.0/24", "false", "", "", "southcentralus", "", "", "", "", "", "service-tags-public", "2026-11-16", "9", ""},
		{"20.190.128.1", "tag", "AzureCloud", "20.190.128.0/24", "false", "", "", "", "", "", "", "", "", "service-tags-public", "2026-11-16", "9", ""},
		{"20.190.128.1", "tag", "AzureActiveDirectory", "20.190.128.0/18", "false", "", "", "", "AzureAD", "", "", "", "", "service-tags-public", "2026-11-16", "9", ""},
		{"https://none.example.org/a,b?\"x\"", "none", "", "", "", "", "", "", "", "", "", "", "", "small", "2026-11-23", "2", ""},
	}
	if !reflect.DeepEqual(rows[1:], want) {
		for _, r := range rows {
			t.Errorf("%q", r)
		}
	}
}

// BenchmarkLine writes a line for hosts and addresses in turn; the service tags are the published ones.
func BenchmarkLine(b *testing.B) {
	dir := os.Getenv("SEKISHO_REFERENCE")
	if dir == "" {
		b.Skip("SEKISHO_REFERENCE is not set: it names the folder with the published lists")
	}
	names, err := filepath.Glob(filepath.Join(dir, "endpoints", "azure", "ServiceTags_Public_changeNumber376_*.json"))
	if err != nil || len(names) != 1 {
		b.Fatal(names, err)
	}
	data, err := os.ReadFile(names[0])
	if err != nil {
		b.Fatal(err)
	}
	file, found := servicetags.Parse(names[0], data)
	if file == nil {
		b.Fatal(found)
	}
	book := explain.NewBook(explain.Context{Now: now, Tags: servicetags.NewIndex(file)})
	given := []string{"login.microsoftonline.com", "20.190.128.1", "www.example.org", "13.107.246.40", "manage.microsoft.com", "2603:1026::1"}
	for name, line := range map[string]func([]byte, string, endpoint.Target) []byte{"jsonl": book.AppendJSONLine, "csv": book.AppendCSVLines} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var dst []byte
			i := 0
			for b.Loop() {
				s := given[i%len(given)]
				t, err := endpoint.ParseTarget(s)
				if err != nil {
					b.Fatal(err)
				}
				dst = line(dst[:0], s, t)
				i++
			}
		})
	}
}
