package catalog_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"sekisho/internal/catalog"
	"sekisho/internal/finding"
	"sekisho/internal/message"
)

var update = catalog.Update // rewrite the expected part of testdata/parts

// TestParts reads each case of testdata/parts: a catalog file, a line "----", and what reading and building it says in
// English, line by line with its place; nothing when it is in order.
func TestParts(t *testing.T) {
	files, err := filepath.Glob("testdata/parts/*.txt")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d cases found (%v)", len(files), err)
	}
	en, ja := message.New("en"), message.New("ja")
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, ok := bytes.Cut(data, []byte("----\n"))
			if !ok {
				t.Fatal("no line ----")
			}
			snapshot, found := load(input)
			if (snapshot == nil) != (len(found) > 0) {
				t.Errorf("snapshot %v with %d findings", snapshot != nil, len(found))
			}
			var got strings.Builder
			for _, f := range found {
				fmt.Fprintln(&got, en.Finding(f))
				if strings.Contains(en.Finding(f), f.Code) || strings.Contains(ja.Finding(f), f.Code) {
					t.Errorf("%s has no text", f.Code)
				}
				if f.Pos.Line == 0 && f.Code != "catalog.documents" && f.Code != "catalog.empty-file" && f.Code != "catalog.too-large" && f.Code != "catalog.not-utf8" {
					t.Errorf("%s has no place", f.Code)
				}
			}
			if *update {
				data = append(append(input[:len(input):len(input)], "----\n"...), got.String()...)
				if err := os.WriteFile(file, data, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got.String() != string(want) {
				t.Errorf("says\n%swant\n%s", got.String(), want)
			}
		})
	}
}

// load reads and builds a catalog of one file.
func load(data []byte) (*catalog.Snapshot, finding.List) {
	return catalog.Load(fstest.MapFS{"own/a.yaml": {Data: data}}, "own")
}

func TestLoadNamesTheFolderAndTheFile(t *testing.T) {
	s, found := catalog.Load(fstest.MapFS{}, "own")
	if s != nil || len(found) != 1 || found[0].Code != "catalog.unreadable" || found[0].Pos.File != "own" {
		t.Errorf("an empty folder gives %v", found)
	}
	s, found = catalog.Load(fstest.MapFS{
		"own/a.yaml": {Data: []byte("sets: {}\n")},
		"own/b.yaml": {Data: []byte("nonsense: 1\n")},
	}, "own")
	if s != nil || len(found) != 2 || found[0].Pos.String() != "own/a.yaml:1:7" || found[1].Pos.String() != "own/b.yaml:1:1" {
		t.Errorf("two bad files give %v", found)
	}
}

func TestPartsOfSeveralFilesReferToEachOther(t *testing.T) {
	s, found := catalog.Load(fstest.MapFS{
		"own/a.yaml": {Data: []byte(`
features:
  - {id: own.files, title: {ja: あ, en: a}, about: {ja: い, en: b}, claims: [own/private/files]}
`)},
		"own/b.yaml": {Data: []byte(`
sets:
  - {source: own, cloud: private, id: files, area: Own, title: {ja: う, en: c}, required: true,
     urls: ["https://files.example.com/a/"], ports: tcp/443, seen: "2026-01-02"}
`)},
		"own/c.yaml": {Data: []byte(`
sources:
  - {id: own, title: {ja: え, en: d}, url: "https://wiki.example.com/", date: "2025-12", read: "2026-01-01"}
`)},
	}, "own")
	if len(found) > 0 {
		t.Fatal((&finding.Problem{Findings: found}).Error())
	}
	if s.Version() != "own-2026-01-01" {
		t.Errorf("version %s", s.Version())
	}
	hits := s.AppendHits(nil, "files.example.com")
	if len(hits) != 1 || hits[0].Set.Source.DateText() != "2025-12" || hits[0].Set.Seen.Day() != 2 {
		t.Errorf("the host of a URL hits %+v", hits)
	}
}

func TestWithdrawnSetCoversNothing(t *testing.T) {
	s, found := load([]byte(`
sources: [{id: own, title: {ja: え, en: d}, url: "https://wiki.example.com/", date: unknown, read: "2026-01-01"}]
sets:
  - {source: own, cloud: private, id: old, area: Own, title: {ja: う, en: c}, required: true, category: allow,
     hosts: [old.example.com], prefixes: [192.0.2.0/24], ports: tcp/443, withdrawn: "2026-02-01",
     handling: [{inspection: forbidden, text: {ja: お, en: e}}]}
handling:
  - {source: own, categories: [allow], inspection: discouraged, text: {ja: か, en: f}}
features:
  - {id: own.old, title: {ja: あ, en: a}, about: {ja: い, en: b}, claims: [own/private/old]}
`))
	if len(found) > 0 {
		t.Fatal((&finding.Problem{Findings: found}).Error())
	}
	if n := len(s.AppendHits(nil, "old.example.com")); n != 0 || !s.Handling("old.example.com").IsZero() {
		t.Errorf("a withdrawn set still covers its host (%d hits)", n)
	}
	if len(s.SetsOf("own.old")) != 0 || len(s.Sets()) != 1 {
		t.Error("a withdrawn set is kept, but not chosen")
	}
	if got := s.Sets()[0].Handling.Inspection; got != catalog.InspectionForbidden {
		t.Errorf("what the row said is lost: %s", got)
	}
}

func TestMostSpecificPatternWins(t *testing.T) {
	s, found := load([]byte(`
sources: [{id: own, title: {ja: え, en: d}, url: "https://wiki.example.com/", date: unknown, read: "2026-01-01"}]
handling:
  - {source: own, hosts: ["*.example.com"], inspection: discouraged, idle-timeout: 5m, text: {ja: あ, en: wide}}
  - {source: own, hosts: [a.example.com], inspection: allowed, text: {ja: い, en: exact}}
  - {source: own, hosts: ["*-x.example.com"], inspection: forbidden, text: {ja: う, en: glued}}
  - {source: own, hosts: ["c*x.example.com"], websocket: used, inspection: forbidden, text: {ja: う, en: inside}}
  - {source: own, hosts: ["*.b.example.com"], inspection: required, text: {ja: え, en: narrow}}
  - {source: own, hosts: ["*.b.example.com"], inspection: discouraged, text: {ja: え, en: narrow too}}
`))
	if len(found) > 0 {
		t.Fatal((&finding.Problem{Findings: found}).Error())
	}
	for _, c := range []struct {
		rule string
		host string
		want catalog.Inspection
		also string
	}{
		{"exact-beats-suffix", "a.example.com", catalog.InspectionAllowed, "idle-timeout"},
		{"suffix-does-not-match-apex", "example.com", catalog.InspectionNotStated, ""},
		{"suffix", "z.example.com", catalog.InspectionDiscouraged, "idle-timeout"},
		{"longer-suffix-beats-shorter-and-the-stricter-of-equals-holds", "y.b.example.com", catalog.InspectionRequired, "idle-timeout"},
		{"glued-beats-shorter-suffix", "q-x.example.com", catalog.InspectionForbidden, "idle-timeout"},
		{"patterns-that-overlap-are-merged-when-asked", "c-x.example.com", catalog.InspectionForbidden, "websocket idle-timeout"},
		{"patterns-that-overlap-are-merged-when-asked", "c--x.example.com", catalog.InspectionForbidden, "websocket idle-timeout"},
	} {
		h := s.Handling(mustHost(c.host))
		if h.Inspection != c.want || also(h) != c.also {
			t.Errorf("%s: %s gives %s and %q, want %s and %q", c.rule, c.host, h.Inspection, also(h), c.want, c.also)
		}
	}
}

// FuzzParsePart: no panic; a part or findings, never both or neither; findings lie in the file.
func FuzzParsePart(f *testing.F) {
	for _, pattern := range []string{"builtin/*.yaml", "testdata/parts/*.txt"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("%s: %d files (%v)", pattern, len(files), err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			data, _, _ = bytes.Cut(data, []byte("----\n"))
			f.Add(data)
		}
	}
	for _, s := range []string{"", "- - - -", "&a *a", "{[", "sets: &x\n  - *x", "\xff", "a: b\n---\nc: d", "? a\n: b", "<<: {}", "sets: !!seq []"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		part, found := catalog.ParsePart("f.yaml", data)
		if (part == nil) != (len(found) > 0) {
			t.Fatalf("part %v and %d findings", part != nil, len(found))
		}
		lines := bytes.Count(data, []byte("\n")) + bytes.Count(data, []byte("\r")) + 1
		for _, x := range found {
			if x.Pos.File != "f.yaml" || x.Pos.Line < 0 || x.Pos.Line > lines+1 || x.Severity != finding.Error {
				t.Fatalf("%s at %+v in %d lines", x.Code, x.Pos, lines)
			}
		}
		if part == nil {
			return
		}
		if s, found := catalog.Build("fuzz", part); (s == nil) != (len(found) > 0) {
			t.Fatalf("snapshot %v and %d findings", s != nil, len(found))
		}
	})
}
