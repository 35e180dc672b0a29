package catalog

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"sekisho/internal/endpoint"
)

// The kinds of Disagreement: stable codes.
const (
	DiffersInPorts        = "ports"
	DiffersInCategory     = "category"
	DiffersInExpressRoute = "express-route"
	DiffersInNeed         = "required"
	DiffersInHosts        = "hosts" // of sets with one number
)

// Disagreement is one thing that sources say differently. Claims stay as they are; this only tells that they differ.
type Disagreement struct {
	Kind  string `json:"kind"` // one of the Differs constants
	Cloud string `json:"cloud"`
	// Name is the host pattern or address range that the claims speak of; for DiffersInHosts it is the sets' number.
	Name      string     `json:"name"`
	Positions []Position `json:"positions"` // by claim, at least two
}

// Position is what one claim says. For DiffersInHosts it is what only this source lists, in the order of names, and may
// be empty.
type Position struct {
	Claim ClaimID `json:"claim"`
	Value string  `json:"value"`
}

// numbered finds sets that carry the number of a Microsoft list, the second of one number included: "172#2".
var numbered = regexp.MustCompile(`^(\d+)(#\d+)?$`)

// Disagreements compares the claims of different sources for one cloud: what they say of the same host pattern or
// address range (ports, category, ExpressRoute, need), and which names one lists in a set and another lacks in the set
// of the same number. What a source does not state contradicts nobody, neither do ports that we inferred, nor withdrawn
// sets. Need is compared only between sets of one number or one feature: a host that one feature needs may well be
// optional for another. The answer is sorted by kind, cloud and name.
func Disagreements(s *Snapshot) []Disagreement {
	type place struct{ cloud, name string }
	at := map[place][]*Set{}
	numbers := map[place][]*Set{}
	for _, set := range s.sets {
		if !set.Withdrawn.IsZero() {
			continue
		}
		for _, name := range namesOf(set) {
			p := place{set.ID.Cloud, name}
			at[p] = append(at[p], set)
		}
		if m := numbered.FindStringSubmatch(set.ID.ID); m != nil {
			p := place{set.ID.Cloud, m[1]}
			numbers[p] = append(numbers[p], set)
		}
	}
	var out []Disagreement
	add := func(kind string, p place, positions []Position) {
		slices.SortFunc(positions, func(x, y Position) int { return cmp.Compare(x.Claim.String(), y.Claim.String()) })
		out = append(out, Disagreement{kind, p.cloud, p.name, positions})
	}
	for p, sets := range at {
		if Differ(sets, portsOf) {
			add(DiffersInPorts, p, positions(sets, portsOf))
		}
		if Differ(sets, categoryOf) {
			add(DiffersInCategory, p, positions(sets, categoryOf))
		}
		if Differ(sets, expressRouteOf) {
			add(DiffersInExpressRoute, p, positions(sets, expressRouteOf))
		}
		if related := s.Related(sets); Differ(related, needOf) {
			add(DiffersInNeed, p, positions(related, needOf))
		}
	}
	for p, sets := range numbers {
		if only := lists(sets); only != nil {
			add(DiffersInHosts, p, only)
		}
	}
	slices.SortFunc(out, func(x, y Disagreement) int {
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Cloud, y.Cloud), cmp.Compare(x.Name, y.Name))
	})
	return out
}

// namesOf returns the patterns and prefixes of a set as text, each once.
func namesOf(set *Set) []string {
	var out []string
	for _, p := range hostsOf(set) {
		out = append(out, p.String())
	}
	for _, p := range set.Prefixes {
		out = append(out, p.String())
	}
	return out
}

func portsOf(s *Set) string {
	if s.PortsInferred {
		return ""
	}
	return s.Ports.String()
}

func categoryOf(s *Set) string { return s.Category.String() }

func expressRouteOf(s *Set) string {
	if s.ExpressRoute == NotStated {
		return ""
	}
	return s.ExpressRoute.String()
}

func needOf(s *Set) string {
	if s.Required {
		return "required"
	}
	return "optional"
}

// Differ reports whether two sources say different things of what sets have in common. A source that says several (its
// own rows for two purposes) says all of them together; "" says nothing.
func Differ(sets []*Set, say func(*Set) string) bool {
	said := map[string]map[string]bool{}
	for _, s := range sets {
		if v := say(s); v != "" {
			if said[s.ID.Source] == nil {
				said[s.ID.Source] = map[string]bool{}
			}
			said[s.ID.Source][v] = true
		}
	}
	whole := map[string]bool{}
	for _, values := range said {
		words := slices.Sorted(maps.Keys(values))
		text := strings.Join(words, " ")
		if p, err := endpoint.ParsePorts(text); err == nil {
			text = p.String() // "tcp/80" and "tcp/443" are together "tcp/80,443"
		}
		whole[text] = true
	}
	return len(whole) > 1
}

func positions(sets []*Set, say func(*Set) string) []Position {
	var out []Position
	for _, s := range sets {
		if v := say(s); v != "" {
			out = append(out, Position{s.ID, v})
		}
	}
	return out
}

// Related keeps the sets that share a number or a feature with a set of another source.
func (s *Snapshot) Related(sets []*Set) []*Set {
	if len(sets) < 2 {
		return nil
	}
	number := func(x *Set) string {
		if m := numbered.FindStringSubmatch(x.ID.ID); m != nil {
			return m[1]
		}
		return ""
	}
	return slices.DeleteFunc(slices.Clone(sets), func(x *Set) bool {
		return !slices.ContainsFunc(sets, func(y *Set) bool {
			if x.ID.Source == y.ID.Source {
				return false
			}
			return number(x) != "" && number(x) == number(y) ||
				slices.ContainsFunc(s.featuresOf[x.ID], func(f FeatureID) bool { return slices.Contains(s.featuresOf[y.ID], f) })
		})
	})
}

// lists compares sets of one number: what each source lists and another lacks. It is nil when all list the same.
func lists(sets []*Set) []Position {
	bySource := map[string]map[string]bool{}
	first := map[string]*Set{}
	for _, s := range sets {
		if bySource[s.ID.Source] == nil {
			bySource[s.ID.Source], first[s.ID.Source] = map[string]bool{}, s
		}
		for _, n := range namesOf(s) {
			bySource[s.ID.Source][n] = true
		}
	}
	if len(bySource) < 2 {
		return nil
	}
	var out []Position
	some := false
	for source, names := range bySource {
		var only []string
		for n := range names {
			for other, theirs := range bySource {
				if other != source && !theirs[n] {
					only = append(only, n)
					break
				}
			}
		}
		slices.Sort(only)
		some = some || len(only) > 0
		out = append(out, Position{first[source].ID, strings.Join(only, " ")})
	}
	if !some {
		return nil
	}
	return out
}
