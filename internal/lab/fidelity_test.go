package lab

import (
	"os"
	"strings"
	"testing"

	"sekisho/internal/lab/directory"
)

// Both languages of the page on the lab's fidelity list the same behaviours, name every switch, and give passwords that
// work.
func TestFidelityDocuments(t *testing.T) {
	d, err := directory.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]int{}
	for _, name := range []string{"lab-fidelity.md", "lab-fidelity.ja.md"} {
		data, err := os.ReadFile("../../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		for _, s := range []string{
			directory.AssumedRestrictionStatus, directory.AssumedRestrictionError, directory.AssumedRestrictionPage,
			directory.AssumedConsumerPage, directory.AssumedMisconfigured, directory.AssumedPartnerIsResource,
			directory.AssumedPrincipalsBlocked, directory.AssumedConsumersNotInV1, directory.AssumedTestedBeforeSecrets,
			directory.AssumedReuse, directory.AssumedAssertionReplay, directory.AssumedAdministratorsConsent, directory.AssumedNestedGroups,
			directory.AssumedGraphRefusal, directory.AssumedInvitationAccepted,
			directory.AssumedChannel, directory.AssumedQuarantineName, directory.AssumedAccountExpired,
		} {
			if !strings.Contains(text, "`"+s+"`") {
				t.Errorf("%s does not name the switch %q", name, s)
			}
		}
		people := 0
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "|") {
				continue
			}
			rows[name]++
			cells := strings.Split(line, "|")
			if p, ok := d.Person(cells[1]); ok {
				people++
				if !p.CheckPassword(strings.TrimSpace(cells[2])) {
					t.Errorf("%s: wrong password for %s", name, p.UPN)
				}
			}
		}
		if people != 11 {
			t.Errorf("%s lists %d people", name, people)
		}
		for _, a := range d.Applications {
			if !strings.Contains(text, a.ID) {
				t.Errorf("%s does not list %s", name, a.Name)
			}
		}
	}
	if rows["lab-fidelity.md"] != rows["lab-fidelity.ja.md"] {
		t.Errorf("rows: %v", rows)
	}
}
