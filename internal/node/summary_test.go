package node_test

import (
	"slices"
	"strings"
	"testing"

	"sekisho/internal/node"
)

// The summary once said that a foreign tenant is blocked where the ring only reports.
func TestTheSummaryPrintsOnlyCommandsThatShowWhatTheySay(t *testing.T) {
	ids := func(replace ...string) []string {
		var out []string
		for _, try := range start(t, node.Options{Config: labConfig(t, replace...), Lab: true}).Summary().Try {
			out = append(out, try.ID)
		}
		return out
	}
	if got, want := ids(), []string{"permitted", "foreign", "untouched", "refused"}; !slices.Equal(got, want) {
		t.Errorf("an enforcing ring: %v, want %v", got, want)
	}
	if got, want := ids("mode: enforce", "mode: report"), []string{"permitted", "foreign-let-pass", "untouched", "refused"}; !slices.Equal(got, want) {
		t.Errorf("a reporting ring: %v, want %v", got, want)
	}
	if got := ids("  - intune.core\n", "", "  - intune.", "  # - intune."); slices.Contains(got, "untouched") {
		t.Errorf("without Intune manage.microsoft.com is refused, and still: %v", got)
	}
}

func TestTheSummaryNamesTheLabsPeopleUnderTheLabAlone(t *testing.T) {
	s := start(t, node.Options{Config: labConfig(t), Lab: true}).Summary()
	if len(s.Accounts) != 3 || s.Report == "" || !strings.HasSuffix(s.Accounts[0].User, "@contoso.com") || s.Accounts[0].Password == "" {
		t.Errorf("%+v", s.Accounts)
	}
	if s := start(t, node.Options{Config: labConfig(t)}).Summary(); len(s.Accounts)+len(s.Try) != 0 {
		t.Errorf("outside the lab: %+v %+v", s.Accounts, s.Try)
	}
}
