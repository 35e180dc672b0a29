package catalog_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sekisho/internal/finding"
	"sekisho/internal/message"
)

// TestEveryProblemHasText looks for the codes in the source of this package, because they are put together there
// ("catalog." + code) and a search for whole codes does not see them.
func TestEveryProblemHasText(t *testing.T) {
	codes := map[string]bool{"catalog.unreadable": true}
	call := regexp.MustCompile(`\.fail\([^"]*"([a-z0-9-]+)"`)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range call.FindAllSubmatch(data, -1) {
			codes["catalog."+string(m[1])] = true
		}
	}
	if len(codes) < 30 {
		t.Fatalf("only %d codes found: the search is broken", len(codes))
	}
	for code := range codes {
		for _, lang := range message.Languages() {
			f := finding.New(code, finding.Error, finding.Pos{}, "want", "list")
			if said := message.New(lang).Finding(f); strings.Contains(said, code) {
				t.Errorf("%s has no text in %s: %q", code, lang, said)
			}
		}
	}
}

func TestProblemsOfTheWholeFile(t *testing.T) {
	for _, c := range []struct {
		rule, data, code string
	}{
		{"at-most-one-mebibyte", strings.Repeat("# 123456789abcd\n", 1<<16) + "#", "catalog.too-large"},
		{"utf-8-only", "sets: \xff", "catalog.not-utf8"},
	} {
		s, found := load([]byte(c.data))
		if s != nil || len(found) != 1 || found[0].Code != c.code || found[0].Pos.File != "own/a.yaml" {
			t.Errorf("%s: %v", c.rule, found)
		}
	}
}
