package targets_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sekisho/internal/policy"
	"sekisho/internal/render"
)

// apply makes a state of the lines of a file: what removes a line, and what adds one.
func apply(state map[string]bool, body string, removes, adds func(line string) (string, bool)) {
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(line)
		if what, ok := removes(line); ok {
			maps.DeleteFunc(state, func(l string, _ bool) bool { return l == what || strings.HasPrefix(l, what+" ") })
		} else if what, ok := adds(line); ok {
			state[what] = true
		}
	}
}

var removedRule = regexp.MustCompile(`^Remove-NetFirewallRule -Name '([^']+)'`)

// TestTheDifferenceLeadsFromOneToTheOther: what an earlier version gave, with the commands of the difference, is what the
// version of now gives; in both directions, and between policies that differ, too.
func TestTheDifferenceLeadsFromOneToTheOther(t *testing.T) {
	fewer := func(s *policy.Spec) { s.Hosts, s.Aliases = nil, nil }
	versions := map[string]render.Input{"1": fixture(t, "1", nil), "2": fixture(t, "2", nil), "fewer": fixture(t, "2", fewer), "everything": everything(t)}
	given := map[string]map[string][]string{
		"panos": {"static": {"true"}, "max-addresses": {"0"}, "max-urls": {"0"}, "inbound-to": {"198.51.100.7"}}, "windows": {"inbound-to": {"198.51.100.7"}, "max-addresses": {"2"}},
	}
	commands := map[string][2]func(string) (string, bool){
		"panos": {
			func(l string) (string, bool) { return strings.CutPrefix(l, "delete ") },
			func(l string) (string, bool) { return strings.CutPrefix(l, "set ") },
		},
		"windows": {
			func(l string) (string, bool) {
				m := removedRule.FindStringSubmatch(l)
				if m == nil {
					return "", false
				}
				return "-Name '" + m[1] + "'", true
			},
			func(l string) (string, bool) { return strings.CutPrefix(l, "New-NetFirewallRule ") },
		},
	}
	for from, before := range versions {
		for to, after := range versions {
			for name, c := range commands {
				since := after
				since.Before = &before
				state, want := map[string]bool{}, map[string]bool{}
				apply(state, text(must(t, name, before, given[name])), c[0], c[1])
				difference := text(must(t, name, since, given[name]))
				apply(state, difference, c[0], c[1])
				apply(want, text(must(t, name, after, given[name])), c[0], c[1])
				if !maps.Equal(state, want) {
					missing, left := slices.Clone(slices.Sorted(maps.Keys(want))), slices.Sorted(maps.Keys(state))
					missing = slices.DeleteFunc(missing, func(l string) bool { return state[l] })
					left = slices.DeleteFunc(left, func(l string) bool { return want[l] })
					t.Errorf("%s from %s to %s: missing %.800q, left over %.800q", name, from, to, missing, left)
				}
				if len(want) < 5 {
					t.Errorf("%s %s: %d lines", name, to, len(want))
				}
			}
		}
	}
}
