package catalog_test

import (
	"os"
	"strings"
	"testing"

	"sekisho/internal/catalog"
)

// TestDocs compares docs/catalog with the catalog's files; -update writes it.
func TestDocs(t *testing.T) {
	written, found := catalog.Load(os.DirFS("."), "builtin")
	if written == nil {
		t.Fatal(found)
	}
	for lang, file := range map[string]string{"en": "../../docs/catalog.md", "ja": "../../docs/catalog.ja.md"} {
		want := written.Reference(lang)
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(file)
		if err != nil || string(got) != string(want) {
			t.Errorf("%s differs from the catalog (%v); run make docs", file, err)
		}
	}
}

// TestReferenceIsWhole: every feature, row and source is in the document, and each row has all its cells.
func TestReferenceIsWhole(t *testing.T) {
	s := catalog.Builtin()
	for _, lang := range []string{"en", "ja"} {
		text := string(s.Reference(lang))
		for _, f := range s.Features() {
			if !strings.Contains(text, "### `"+string(f.ID)+"`\n") {
				t.Errorf("%s: feature %s is missing", lang, f.ID)
			}
		}
		for _, set := range s.Sets() {
			if !set.Unattached && !strings.Contains(text, "| `"+set.ID.String()+"` |") {
				t.Errorf("%s: set %s is missing", lang, set.ID)
			}
		}
		for _, src := range s.Sources() {
			if !strings.Contains(text, "| `"+src.ID+"` |") {
				t.Errorf("%s: source %s is missing", lang, src.ID)
			}
		}
		columns := 0
		for _, line := range strings.Split(text, "\n") {
			if !strings.HasPrefix(line, "|") {
				columns = 0
				continue
			}
			n := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
			if columns == 0 {
				columns = n
			}
			if n != columns {
				t.Errorf("%s: a row of %d cells in a table of %d: %s", lang, n-1, columns-1, line)
			}
		}
	}
}
