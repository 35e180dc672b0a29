package plan_test

import (
	"slices"
	"strings"
	"testing"

	"sekisho/internal/catalog"
	"sekisho/internal/check/plan"
	"sekisho/internal/endpoint"
)

// Every feature of the catalog can be planned: a wildcard is never asked as it stands nor stripped, a name that stands for
// one is covered by it, and each target stands there once.
func TestNothingIsGuessed(t *testing.T) {
	snapshot := catalog.Builtin()
	for _, f := range snapshot.Features() {
		features, _ := snapshot.Expand([]catalog.FeatureID{f.ID})
		seen := map[string]bool{}
		for _, target := range plan.Make(plan.Spec{Catalog: snapshot, Features: features}).Targets {
			key := target.Name + " " + target.Transport + " " + target.Ports + " " + target.Untested + " " + string(rune(target.Port))
			if seen[key] {
				t.Errorf("%s: %q stands twice", f.ID, key)
			}
			seen[key] = true
			if (target.Host == "") != (target.Untested != "") || (target.Port == 0) != (target.Untested != "") {
				t.Errorf("%s: %+v is neither to be tested nor not", f.ID, target)
			}
			if target.Host == "" {
				continue
			}
			if strings.Contains(target.Host.String(), "*") {
				t.Errorf("%s: %s would be asked", f.ID, target.Host)
			}
			if p, err := endpoint.ParsePattern(target.Pattern); err != nil || !p.Match(target.Host) {
				t.Errorf("%s: %s does not stand for %s", f.ID, target.Host, target.Pattern)
			}
			if len(target.Sets) == 0 || target.Evidence == "" {
				t.Errorf("%s: %s is from nowhere", f.ID, target.Name)
			}
		}
	}
}

// Names of the organisation's own make a wildcard testable, and are not taken where they do not fit.
func TestGivenNamesStandForWildcards(t *testing.T) {
	snapshot := catalog.Builtin()
	var wildcard *plan.Target
	features, _ := snapshot.Expand([]catalog.FeatureID{"entra.sign-in", "intune.core"})
	for _, target := range plan.Make(plan.Spec{Catalog: snapshot, Features: features}).Targets {
		if target.Untested == "plan.wildcard" && strings.HasPrefix(target.Name, "*.") {
			wildcard = &target
			break
		}
	}
	if wildcard == nil {
		t.Fatal("every wildcard has a name already")
	}
	fits := endpoint.MustHost("learned-1" + wildcard.Name[1:])
	names := []plan.Name{{Host: endpoint.MustHost("learned.example.com"), Place: "log:1"}, {Host: fits, Place: "log:2"}}
	targets := plan.Make(plan.Spec{Catalog: snapshot, Features: features, Names: names}).Targets
	if !slices.ContainsFunc(targets, func(x plan.Target) bool {
		return x.Host == fits && x.From == plan.Given && x.Evidence == "log:2" && x.Pattern == wildcard.Name
	}) {
		t.Errorf("%s does not stand for %s", fits, wildcard.Name)
	}
	for _, x := range targets {
		if x.Host == "learned.example.com" || x.Untested == "plan.wildcard" && x.Name == wildcard.Name {
			t.Errorf("%+v is in the plan", x)
		}
	}
}
