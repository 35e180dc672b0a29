package explain_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"sekisho/internal/explain"
	"sekisho/internal/message"
)

const provisioning = "entra-scim/worldwide/provisioning-source"

// A row that names a service tag covers the tag's addresses once they are imported, and not before.
func TestRowsOfServiceTags(t *testing.T) {
	find := func(a explain.Answer) (explain.Set, bool) {
		i := slices.IndexFunc(a.Sets, func(s explain.Set) bool { return s.Claim == provisioning })
		if i < 0 {
			return explain.Set{}, false
		}
		return a.Sets[i], true
	}
	c := tagged(t, explain.Context{}, "20261116")
	for target_, part := range map[string]bool{"20.190.129.7": false, "20.190.128.0/24": false, "20.190.0.0/16": true} {
		if _, ok := find(explain.Explain(target(t, target_), explain.Context{})); ok {
			t.Errorf("%s: the row covers it without its tag", target_)
		}
		a := explain.Explain(target(t, target_), c)
		s, ok := find(a)
		if !ok || s.Match != "20.190.128.0/18" || s.ServiceTag != "AzureActiveDirectory" || s.Direction != "inbound" || s.Part != part || s.Feature != "entra.provisioning" {
			t.Errorf("%s: %+v", target_, s)
		}
		// The line says the same.
		var line struct {
			Sets []struct {
				ID         string `json:"id"`
				Match      string `json:"match"`
				ServiceTag string `json:"service_tag"`
			} `json:"sets"`
		}
		if err := json.Unmarshal(explain.NewBook(c).AppendJSONLine(nil, target_, target(t, target_)), &line); err != nil {
			t.Fatal(err)
		}
		if len(line.Sets) != len(a.Sets) {
			t.Fatalf("%s: the line has %d sets, the answer %d", target_, len(line.Sets), len(a.Sets))
		}
		for i, s := range line.Sets {
			if s.ID != a.Sets[i].Claim || s.Match != a.Sets[i].Match || s.ServiceTag != a.Sets[i].ServiceTag {
				t.Errorf("%s: line %+v, answer %+v", target_, s, a.Sets[i])
			}
		}
		for _, contradiction := range a.Contradictions {
			for _, says := range contradiction.Says {
				if says.Claim == provisioning {
					t.Errorf("%s: what a row says of a whole tag is taken for what it says of one prefix", target_)
				}
			}
		}
		var screen bytes.Buffer
		if err := explain.Render(&screen, a, message.New("ja"), 120); err != nil || !part && !strings.Contains(screen.String(), "サービス タグ AzureActiveDirectory") {
			t.Errorf("%v\n%s", err, screen.String())
		}
	}
	if _, ok := find(explain.Explain(target(t, "203.0.113.1"), c)); ok {
		t.Error("an address outside the tag is covered")
	}
}
