package route_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sekisho/internal/message"
	"sekisho/internal/route"
)

var update = flag.Bool("update", false, "write the generated documents")

const (
	generatedBegin = "<!-- generated: make docs -->\n"
	generatedEnd   = "<!-- end of the generated part -->\n"
)

// TestDocs compares the generated part of docs/route with the data; -update writes it.
func TestDocs(t *testing.T) {
	for lang, name := range map[string]string{"en": "route.md", "ja": "route.ja.md"} {
		file := filepath.Join("..", "..", "docs", name)
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		before, rest, ok := strings.Cut(string(data), generatedBegin)
		_, after, closed := strings.Cut(rest, generatedEnd)
		if !ok || !closed {
			t.Fatalf("%s has no generated part", file)
		}
		p := message.New(lang)
		want := before + generatedBegin + "\n" + route.Reference(lang, func(id string) string { return p.Text("route."+id, nil) }) + "\n" + generatedEnd + after
		if string(data) == want {
			continue
		}
		if !*update {
			t.Errorf("%s differs from the data; run make docs", file)
			continue
		}
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
