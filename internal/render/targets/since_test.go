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

// forti makes a configuration of a script for FortiOS, over one that is there: by section and object, its settings.
func forti(t *testing.T, state map[string]map[string]string, body string) {
	t.Helper()
	section, id, inner, depth := "", "", "", 0
	for line := range strings.Lines(body) {
		w := words(line)
		if len(w) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		key := section + " / " + id
		switch {
		case w[0] == "config":
			if depth++; depth == 1 {
				section = strings.Join(w[1:], " ")
			}
		case w[0] == "end":
			depth--
		case w[0] == "edit" && depth == 1:
			id = w[1]
			if state[section+" / "+id] == nil {
				state[section+" / "+id] = map[string]string{}
			}
		case w[0] == "edit":
			inner = w[1]
		case w[0] == "purge":
			maps.DeleteFunc(state[key], func(k, _ string) bool { return strings.HasPrefix(k, "entry ") })
		case w[0] == "delete":
			if state[section+" / "+w[1]] == nil {
				t.Errorf("%q is not there to be deleted from %s", w[1], section)
			}
			delete(state, section+" / "+w[1])
		case w[0] == "set" && depth == 2:
			state[key]["entry "+inner+" "+w[1]] = strings.Join(w[2:], " ")
		case w[0] == "set":
			values := slices.Clone(w[2:])
			if w[1] == "member" {
				slices.Sort(values)
			}
			state[key][w[1]] = strings.Join(values, " ")
		case w[0] == "unset":
			delete(state[key], w[1])
		case w[0] == "append", w[0] == "unselect":
			members := strings.Fields(state[key][w[1]])
			for _, m := range w[2:] {
				if w[0] == "append" {
					members = append(members, m)
				} else {
					members = slices.DeleteFunc(members, func(x string) bool { return x == m })
				}
			}
			slices.Sort(members)
			state[key][w[1]] = strings.Join(members, " ")
		case w[0] != "next":
			t.Errorf("what is %q", line)
		}
	}
	if depth != 0 {
		t.Errorf("%d sections stay open", depth)
	}
}

// TestTheDifferenceLeadsFortiOS from each version and policy to each other; groups of few members, so that some come and go.
func TestTheDifferenceLeadsFortiOS(t *testing.T) {
	versions := map[string]render.Input{"1": fixture(t, "1", nil), "2": fixture(t, "2", nil), "everything": everything(t)}
	given := map[string][]string{"max-addresses": {"0"}, "max-exempt": {"0"}, "max-members": {"3"}, "inbound-to": {"198.51.100.7"}}
	for from, before := range versions {
		for to, after := range versions {
			since := after
			since.Before = &before
			state, want := map[string]map[string]string{}, map[string]map[string]string{}
			forti(t, state, text(must(t, "fortios", before, given)))
			forti(t, state, text(must(t, "fortios", since, given)))
			forti(t, want, text(must(t, "fortios", after, given)))
			if len(want) < 20 || len(state) != len(want) {
				t.Errorf("from %s to %s: %d objects, want %d", from, to, len(state), len(want))
			}
			for key, settings := range want {
				if !maps.Equal(state[key], settings) {
					t.Errorf("from %s to %s: %s has %.300v, want %.300v", from, to, key, state[key], settings)
				}
			}
		}
	}
}
