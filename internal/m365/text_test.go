package m365

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sekisho/internal/finding"
	"sekisho/internal/message"
)

// Codes of rows are put together ("m365." + code); a search for whole codes does not see them.
func TestEveryProblemHasText(t *testing.T) {
	codes := map[string]bool{}
	call := regexp.MustCompile(`\.note\("([a-z0-9-]+)"`)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range call.FindAllSubmatch(data, -1) {
			codes["m365."+string(m[1])] = true
		}
	}
	if len(codes) < 12 {
		t.Fatalf("only %d codes found: the search is broken", len(codes))
	}
	for code := range codes {
		for _, lang := range message.Languages() {
			if said := message.New(lang).Finding(finding.New(code, finding.Error, finding.Pos{})); strings.Contains(said, code) {
				t.Errorf("%s has no text in %s: %q", code, lang, said)
			}
		}
	}
}
