package verdict_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"sekisho/internal/check/verdict"
	"sekisho/internal/message"
)

// Every verdict has a text, a remedy where somebody must act, and a row on the page in both languages.
func TestEveryVerdictIsExplained(t *testing.T) {
	pages := map[string]string{}
	for _, file := range []string{"../../../docs/check.md", "../../../docs/check.ja.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pages[file] = string(text)
	}
	printer, seen := message.New("en"), map[string]bool{}
	for _, k := range verdict.Kinds() {
		if seen[k.ID] {
			t.Errorf("%s stands twice in the table", k.ID)
		}
		seen[k.ID] = true
		if !printer.Has("check.verdict." + k.ID) {
			t.Errorf("%s has no text", k.ID)
		}
		if k.Party != verdict.Nobody && (!printer.Has("check.verdict."+k.ID+".hint") || !printer.Has("check.party."+string(k.Party))) {
			t.Errorf("%s tells %s and says nothing to do", k.ID, k.Party)
		}
		if !strings.HasPrefix(k.ID, string(k.Stage)+".") || !slices.Contains(verdict.Stages(), k.Stage) {
			t.Errorf("%s is of the stage %s", k.ID, k.Stage)
		}
		for file, text := range pages {
			if strings.Count(text, "\n| `"+k.ID+"` |") != 1 {
				t.Errorf("%s has no row, or several, for %s", file, k.ID)
			}
		}
	}
}

// What nobody looked at is not tested, and what is not in the table is never green.
func TestTheZeroStepIsNotTested(t *testing.T) {
	var s verdict.Step
	if s.State != verdict.NotTested || s.State.String() != "not-tested" {
		t.Errorf("the zero step is %s", s.State)
	}
	if s.Judge("no.such-verdict"); s.State != verdict.Fail {
		t.Errorf("an unknown verdict is %s", s.State)
	}
	if s.Passed(); s.State != verdict.Fail {
		t.Error("a verdict was passed over")
	}
	long := verdict.Step{}
	if long.Note("x", strings.Repeat("界", 1000)); len(long.Evidence["x"]) > 310 || !strings.HasSuffix(long.Evidence["x"], "界…") {
		t.Errorf("evidence of %d bytes ends in %q", len(long.Evidence["x"]), long.Evidence["x"][len(long.Evidence["x"])-6:])
	}
}
