package targets_test

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/policy"
	"sekisho/internal/render"
	"sekisho/internal/render/targets"
	"sekisho/internal/restrict"
)

// hostile are texts that mean something to one reader or another. Each begins like what people write, or like a formula.
var hostile = []string{
	"\"'`$(id)\\", "a\r\nset evil\nevil();", "</script><script>evil()</script>", "=HYPERLINK(\"http://evil.example\")", "+1+1", "-1", "@SUM(1)", "\t=1",
	"\u202etxt.exe", "\u2066x\u2069", "a\u2028evil();\u2029evil();", "*/ evil() /*", "{{.evil}}${evil}#{evil}%{evil}", "]]><evil/>", "; rm -rf /", "<!-- evil", "\x00\x1b[31m\x7f",
	"日本語\ufeff\u200b", "\xff\xfe", strings.Repeat("long ", 3000), "-- evil", "| evil && evil", "''''", "%0d%0aevil: 1", "%n%s",
}

// benign stands where a hostile text stood, to see what the text changed.
const benign = "plain words"

// written is an input in which every text that people, or those who publish lists, can give is text: of the configuration, and
// with everywhere also those of the catalog.
func written(t testing.TB, text string, everywhere bool) render.Input {
	t.Helper()
	ring := strings.TrimSpace(text)
	if !utf8.ValidString(ring) || ring == "" {
		ring = "ring" // a configuration is UTF-8
	}
	change := func(s *policy.Spec) {
		s.Rings[0].Name = ring
		s.Rings[0].Clients = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
		s.Rings = append(s.Rings, policy.RingSpec{Name: "rest", Profile: s.Rings[0].Profile})
		s.Profiles[0].Name = "p" + ring
		for i := range s.Rings {
			s.Rings[i].Profile = policy.At{Text: s.Profiles[0].Name}
		}
	}
	var in render.Input
	if everywhere {
		in = hostileCatalog(t, text, change)
	} else {
		in = signIns(t, change)
	}
	in.GatewayNets = fixtureNets
	in.Organisation, in.Reasons = text, map[string]string{"hosts[0]": text, "hosts[1]": text}
	in.Rings = map[string][]string{ring: {"other.example.com:3128"}}
	in.Communities = fixtureCommunities
	return in
}

// hostileCatalog compiles the fixture with text in the place of every text that a publisher writes.
func hostileCatalog(t testing.TB, text string, change func(*policy.Spec)) render.Input {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "catalog-1.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	quoted, err := json.Marshal(strings.ToValidUTF8(text, "?"))
	if err != nil {
		t.Fatal(err)
	}
	body := regexp.MustCompile(`(ja|en): "[^"]*"`).ReplaceAllStringFunc(string(data), func(s string) string { return s[:4] + string(quoted) })
	part, found := catalog.ParsePart("catalog-1.yaml", []byte(body))
	if part == nil {
		t.Fatalf("no catalog holds %.40q: %+v", text, found)
	}
	snapshot, found := catalog.Build("version "+benign, part)
	if snapshot == nil {
		t.Fatalf("%+v", found)
	}
	snapshot, _ = snapshot.Fill(catalog.Values{catalog.HoleTenantName: {{Text: "contoso"}}})
	spec := policy.Spec{
		Features: []policy.At{{Text: "all"}},
		Hosts:    []policy.HostSpec{{Pattern: policy.At{Text: "*.own.example"}, Ports: endpoint.MustPorts("tcp/443,8443")}},
		Profiles: []restrict.Spec{{Name: "staff", Version: restrict.V1, Permitted: []restrict.At{{Text: contosoID}}, Context: restrict.At{Text: contosoID}}},
		Rings:    []policy.RingSpec{{Name: "all", Profile: policy.At{Text: "staff"}}},
	}
	change(&spec)
	p, found := policy.Compile(spec, snapshot)
	if p == nil {
		t.Fatalf("%+v", found.Of(finding.Error))
	}
	in := fixture(t, "1", nil)
	in.Program = p
	in.Proxies, in.Own, in.PACURL = []string{"proxy.example.com:3128"}, []string{"http://proxy.example.com:3180/proxy.pac"}, "http://proxy.example.com:3180/proxy.pac"
	return in
}

// needed are the options without which a target makes nothing of these inputs.
func needed(target string) map[string][]string { return stampedOptions[target] }

// code is the first finding of an error, "" when there is none.
func code(t testing.TB, err error) string {
	t.Helper()
	var p *finding.Problem
	if err != nil && !errors.As(err, &p) {
		t.Fatalf("an error that says nothing: %v", err)
	}
	if err == nil {
		return ""
	}
	return p.Findings[0].Code
}

// TestEveryTargetTakesHostileTexts: whatever people and publishers write, a target makes what it makes of plain words. The lines
// that a device acts on are the same, byte for byte; documents have the same form and differ in texts alone; no cell is a
// formula, no character steers a reader.
func TestEveryTargetTakesHostileTexts(t *testing.T) {
	for _, everywhere := range []bool{false, true} {
		plain, inputs := written(t, benign, everywhere), map[string]render.Input{}
		for _, text := range hostile {
			inputs[text] = written(t, text, everywhere)
		}
		for _, target := range targets.All() {
			t.Run(fmt.Sprintf("%s/catalog=%v", target.Name(), everywhere), func(t *testing.T) {
				t.Parallel()
				want, err := attempt(t, target.Name(), plain, needed(target.Name()))
				wanted := code(t, err)
				if everywhere && target.Name() == "csv" && !strings.Contains(text(want), benign) {
					t.Fatal("the texts of the catalog are not in the table")
				}
				if wanted != "" && !everywhere {
					t.Fatalf("of plain words: %s; name the options that it needs", wanted)
				}
				for text, in := range inputs {
					got, err := attempt(t, target.Name(), in, needed(target.Name()))
					if c := code(t, err); c != wanted {
						t.Errorf("%.40q: %s, of plain words %s", text, c, wanted)
						continue
					}
					if len(got.Files) != len(want.Files) {
						t.Errorf("%.40q: %d files, of plain words %d", text, len(got.Files), len(want.Files))
						continue
					}
					for i, f := range got.Files {
						if why := differs(t, want.Files[i], f); why != "" {
							t.Errorf("%.40q: %s: %s", text, f.Name, why)
						}
					}
				}
			})
		}
	}
}

// differs says what is wrong with a file of hostile texts, beside the same of plain words.
func differs(t testing.TB, want, got render.File) string {
	kind, _, err := mime.ParseMediaType(got.Type)
	if err != nil || kind != strings.Split(want.Type, ";")[0] || got.Name != want.Name {
		return "another name or type"
	}
	if strings.HasPrefix(kind, "application/vnd.openxmlformats") {
		return workbookDiffers(t, want.Body, got.Body)
	}
	if strings.HasSuffix(got.Name, ".reg") { // UTF-16, with comments
		want.Body, got.Body = []byte(narrow(t, want.Body)), []byte(narrow(t, got.Body))
		want.Comment, got.Comment = ";", ";"
	}
	if !utf8.Valid(got.Body) {
		return "not UTF-8"
	}
	for i, r := range string(got.Body) {
		if r < ' ' && r != '\n' && r != '\t' && r != '\r' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' || i > 0 && r == '\ufeff' {
			return fmt.Sprintf("%U at %d", r, i)
		}
	}
	switch {
	case strings.Contains(kind, "yaml"):
		a, b := strings.Split(hash.ReplaceAllString(string(want.Body), "HASH"), "\n"), strings.Split(hash.ReplaceAllString(string(got.Body), "HASH"), "\n")
		if len(a) != len(b) {
			return "another count of lines"
		}
		for i := range a {
			if x, y := strings.Split(a[i], `"`)[0], strings.Split(b[i], `"`)[0]; x != y {
				return fmt.Sprintf("line %d begins with %q", i+1, y)
			}
		}
	case got.Comment != "":
		if a, b := acted(want), acted(got); a != b {
			return "lines that a device acts on differ"
		}
		if bytes.Count(got.Body, []byte("\n")) != bytes.Count(want.Body, []byte("\n")) {
			return "another count of lines"
		}
	case strings.Contains(kind, "json"):
		var a, b any
		if json.Unmarshal(want.Body, &a) != nil || json.Unmarshal(got.Body, &b) != nil {
			return "no JSON"
		}
		if !reflect.DeepEqual(shape(a), shape(b)) {
			return "another form"
		}
	case strings.Contains(kind, "csv"):
		return recordsDiffer(want.Body, got.Body)
	case !bytes.Equal(want.Body, got.Body):
		return "differs, and has no comments" // a list, a template: nothing of it is for people
	}
	return ""
}

// hash is what a program is called in heads; it changes with the names of rings.
var hash = regexp.MustCompile(`\b[0-9a-f]{16}\b`)

// acted are the lines of a file that are no comments, without comments behind them.
func acted(f render.File) string {
	var b strings.Builder
	for line := range strings.Lines(string(f.Body)) {
		if trimmed := strings.TrimSpace(line); trimmed != "" && !strings.HasPrefix(trimmed, f.Comment) {
			b.WriteString(hash.ReplaceAllString(line, "HASH"))
		}
	}
	return b.String()
}

// shape is a document without its texts.
func shape(v any) any {
	switch x := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, v := range x {
			out[k] = shape(v)
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = shape(x[i])
		}
		return out
	case string:
		return ""
	}
	return v
}

// formula reports whether a spreadsheet takes a cell of a table for a formula.
func formula(cell string) bool {
	return cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0]))
}

func recordsDiffer(want, got []byte) string {
	read := func(b []byte) [][]string {
		r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(b, []byte("\ufeff"))))
		records, err := r.ReadAll() // as many fields in each as in the first
		if err != nil {
			return nil
		}
		return records
	}
	a, b := read(want), read(got)
	if len(a) == 0 || len(a) != len(b) || len(a[0]) != len(b[0]) {
		return fmt.Sprintf("%d records, not %d", len(b), len(a))
	}
	for i, r := range b {
		for _, cell := range r {
			if formula(cell) {
				return fmt.Sprintf("record %d: %.40q is a formula", i, cell)
			}
		}
	}
	return ""
}

func workbookDiffers(t testing.TB, want, got []byte) string {
	open := func(body []byte) *excelize.File {
		f, err := excelize.OpenReader(bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	a, b := open(want), open(got)
	files, err := zip.NewReader(bytes.NewReader(got), int64(len(got)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		xml, err := io.ReadAll(r)
		if err != nil || bytes.Contains(xml, []byte("<f>")) || bytes.Contains(xml, []byte("<f ")) {
			return fmt.Sprintf("%s has a formula (%v)", f.Name, err)
		}
	}
	if !reflect.DeepEqual(a.GetSheetList(), b.GetSheetList()) {
		return "other sheets"
	}
	for _, name := range b.GetSheetList() {
		x, _ := a.GetRows(name)
		y, err := b.GetRows(name)
		if err != nil || len(x) != len(y) {
			return fmt.Sprintf("%s has %d rows, not %d", name, len(y), len(x))
		}
		for r, row := range y {
			for c, text := range row {
				cell, _ := excelize.CoordinatesToCellName(c+1, r+1)
				if formula(text) && len(text) > 1 {
					return fmt.Sprintf("%s!%s is a formula: %.40q", name, cell, text)
				}
				if strings.ContainsAny(text, "\u202e\u2066\u2028\x00\x1b\u200b\ufeff") {
					return fmt.Sprintf("%s!%s: %.40q", name, cell, text)
				}
			}
		}
	}
	return ""
}

// TestWhatIsNoNameIsNoPolicy: texts that would have to stand in what a device acts on (hosts, tenants, policies) are refused
// before any target sees them.
func TestWhatIsNoNameIsNoPolicy(t *testing.T) {
	for _, text := range hostile {
		if _, err := endpoint.ParsePattern(text); err == nil {
			t.Errorf("%.40q is a host", text)
		}
		base := func() policy.Spec {
			return policy.Spec{
				Features: []policy.At{{Text: "entra.sign-in"}},
				Profiles: []restrict.Spec{{Name: "staff", Version: restrict.V1, Permitted: []restrict.At{{Text: contosoID}}, Context: restrict.At{Text: contosoID}}},
				Rings:    []policy.RingSpec{{Name: "all", Profile: policy.At{Text: "staff"}}},
			}
		}
		for what, change := range map[string]func(*policy.Spec){
			"host": func(s *policy.Spec) { s.Hosts = []policy.HostSpec{{Pattern: policy.At{Text: text}}} },
			"tenant": func(s *policy.Spec) {
				s.Profiles[0].Permitted = append(s.Profiles[0].Permitted, restrict.At{Text: text})
			},
			"context": func(s *policy.Spec) { s.Profiles[0].Context = restrict.At{Text: text} },
			"policy": func(s *policy.Spec) {
				s.Profiles[0] = restrict.Spec{Name: "staff", Version: restrict.V2, Policy: restrict.At{Text: text}}
			},
			"feature": func(s *policy.Spec) { s.Features = append(s.Features, policy.At{Text: text}) },
		} {
			s := base()
			change(&s)
			if p, _ := policy.Compile(s, catalog.Builtin()); p != nil {
				t.Errorf("%.40q is a %s", text, what)
			}
		}
	}
}

// TestEveryTargetSaysWhyItMakesNothing: of a policy that opens nothing there is an error that says so, and no file.
func TestEveryTargetSaysWhyItMakesNothing(t *testing.T) {
	t.Parallel()
	in := signIns(t, func(s *policy.Spec) { s.Features, s.Hosts = nil, nil })
	in.GatewayNets = fixtureNets
	for _, target := range targets.All() {
		out, err := attempt(t, target.Name(), in, needed(target.Name()))
		if err == nil || len(out.Files) > 0 {
			t.Errorf("%s: %d files, error %v", target.Name(), len(out.Files), err)
		}
		code(t, err)
	}
}

// TestEveryTargetGivesTheSameBytes: many at once, from one input, which nobody changes.
func TestEveryTargetGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	in := written(t, benign, false)
	for _, target := range targets.All() {
		want := text(must(t, target.Name(), in, needed(target.Name())))
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				out, err := attempt(t, target.Name(), in, needed(target.Name()))
				if err != nil || text(out) != want {
					t.Errorf("%s: the same input gives other bytes (%v)", target.Name(), err)
				}
			})
		}
		all.Wait()
	}
}

// TestEveryTargetTakesTenThousandPrefixes, or says which limit keeps it from it.
func TestEveryTargetTakesTenThousandPrefixes(t *testing.T) {
	t.Parallel()
	count := 10000
	if raceEnabled {
		count = 1000 // tables have no sets: each prefix is a line, and the detector makes ten times the work of it
	}
	in := large(t, count)
	in.Proxies, in.PACURL = []string{"proxy.example.com:3128"}, "http://proxy.example.com:3180/proxy.pac"
	for _, target := range targets.All() {
		if _, device := devices[target.Name()]; device {
			continue // TestTenThousandPrefixes
		}
		out, err := attempt(t, target.Name(), in, needed(target.Name()))
		if c := code(t, err); c != "" && c != "flow.over-limit" && !strings.HasPrefix(c, "stamp.") || c == "" && len(out.Files) == 0 {
			t.Errorf("%s: %d files, %s", target.Name(), len(out.Files), c)
		}
	}
}
