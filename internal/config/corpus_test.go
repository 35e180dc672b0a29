package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sekisho/internal/config"
	"sekisho/internal/finding"
	"sekisho/internal/message"
)

var update = flag.Bool("update", false, "rewrite testdata and docs from what the code gives")

const separator = "\n---- findings ----\n"

// said prints findings as a command would, in both languages.
func said(findings finding.List) string {
	var b strings.Builder
	for _, lang := range message.Languages() {
		p := message.New(lang)
		for _, f := range findings {
			b.WriteString(f.Severity.String() + " " + p.Finding(f) + "\n")
			if hint := p.Hint(f); hint != "" {
				b.WriteString("  hint: " + hint + "\n")
			}
		}
	}
	return b.String()
}

// TestCorpus reads each mistake of testdata and compares every finding, its place and its text in both languages.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in testdata: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, ok := strings.Cut(string(data), separator)
			if !ok && !*update {
				t.Fatalf("no line %q", strings.TrimSpace(separator))
			}
			c, findings := config.Parse("sekisho.yaml", []byte(input))
			got := said(findings)
			if *update {
				if err := os.WriteFile(file, []byte(input+separator+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if (c == nil) != findings.HasErrors() {
				t.Errorf("config is nil: %t, findings hold errors: %t", c == nil, findings.HasErrors())
			}
			if strings.HasPrefix(name, "ok-") != (c != nil && len(findings) == 0) && !strings.HasPrefix(name, "warn-") {
				t.Errorf("the name of the case says something else than its findings")
			}
			if strings.HasPrefix(name, "warn-") && (c == nil || len(findings) == 0) {
				t.Errorf("a warning was due")
			}
			for _, f := range findings {
				if !message.New("en").Has(f.Code) {
					t.Errorf("%s has no text", f.Code)
				}
				if f.Pos.File != "sekisho.yaml" {
					t.Errorf("%s has no place", f.Code)
				}
			}
		})
	}
}

func TestDocs(t *testing.T) {
	for lang, file := range map[string]string{"en": "../../docs/configuration.md", "ja": "../../docs/configuration.ja.md"} {
		want := config.Reference(lang)
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(file)
		if err != nil || string(got) != string(want) {
			t.Errorf("%s differs from the schema (%v); run go test ./internal/config -run TestDocs -update", file, err)
		}
	}
}

func TestExamplesLoad(t *testing.T) {
	files, err := filepath.Glob("example/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		c, findings := config.Parse(name, config.Example(name))
		if c == nil || len(findings) > 0 {
			t.Errorf("%s:\n%s", name, said(findings))
		}
	}
	if config.Example("../config.go") != nil || config.Example("none.yaml") != nil {
		t.Error("an example that does not exist is not nil")
	}
	if c, findings := config.Lab(); c == nil || c.Rings[0].Mode.V != "enforce" {
		t.Errorf("the lab's configuration: %v", findings)
	}
}
