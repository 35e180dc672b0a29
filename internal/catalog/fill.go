package catalog

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"sekisho/internal/finding"
)

// Given is one value with the place where it was written.
type Given struct {
	Text string
	Pos  finding.Pos
}

// Values fills holes. A hole without values stays open; several values of one hole each make their own row (regions,
// workspaces). HoleCloud without a value means Worldwide.
type Values map[Hole][]Given

// When says for whom a row is. Every part that is not empty must hold. The zero value holds for everybody.
type When struct {
	Clouds      []string `json:"cloud,omitempty"`        // the tenant is in one of these clouds
	Locations   []string `json:"location,omitempty"`     // the tenant's Intune location is one of these
	SeamlessSSO Tri      `json:"seamless_sso,omitempty"` // seamless single sign-on is on (Yes) or off (No)
}

// Between names the two ends of a row that is about traffic between machines of the organisation, or about a port and
// not a host: a server, a domain controller, "Microsoft Entra ID". Both ends are named, or neither.
type Between struct {
	From Text `json:"from"`
	To   Text `json:"to"`
}

// IsZero reports whether no ends are named.
func (b Between) IsZero() bool { return b == Between{} }

// Fill returns the catalog as it is for one organisation: templates have become patterns beside the others of their
// row, and Set.Applies and Set.Unfilled say what the values made of each row. Nothing is guessed and nothing widened: a
// template whose hole has no value covers nothing. s is unchanged; the view has its version.
//
// It reports values that make no host name of a template (Error, then the view is nil) and a location or cloud that no
// source knows (Warning: rows for locations then apply to nobody).
func (s *Snapshot) Fill(v Values) (*Snapshot, finding.List) {
	if len(v) == 0 {
		return s, nil
	}
	view, found := build(s.version, maps.Clone(v), s.parts...)
	if view == nil {
		return nil, found
	}
	for _, g := range v[HoleCloud] {
		if !slices.Contains(Clouds(), g.Text) {
			found = append(found, finding.New("catalog.unknown-cloud", finding.Warning, g.Pos,
				"value", g.Text, "known", strings.Join(Clouds(), ", ")))
		}
	}
	known := s.Locations()
	for _, g := range v[HoleLocation] {
		if len(known) > 0 && !slices.Contains(known, g.Text) {
			found = append(found, finding.New("catalog.unknown-location", finding.Warning, g.Pos,
				"value", g.Text, "known", strings.Join(known, ", ")))
		}
	}
	return view, found.Sort()
}

// Locations returns the Intune locations (scale units) that rows depend on, sorted.
func (s *Snapshot) Locations() []string {
	seen := map[string]bool{}
	for _, set := range s.sets {
		for _, l := range set.When.Locations {
			seen[l] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// Filling is a canonical text of the values that s was filled with; "" when it was not. Two views of one version are
// equal when their fillings are.
func (s *Snapshot) Filling() string {
	var b strings.Builder
	for _, h := range Holes() {
		for _, g := range s.values[h] {
			fmt.Fprintf(&b, "%s=%q\n", h, g.Text)
		}
	}
	return b.String()
}

// fit puts the values into set.
func (b *builder) fit(set *Set) {
	set.Applies = Yes
	lack := func(h Hole) {
		if !slices.Contains(set.Unfilled, h) {
			set.Unfilled = append(set.Unfilled, h)
		}
		if set.Applies == Yes {
			set.Applies = NotStated
		}
	}
	ask := func(h Hole, fits func(string) bool) {
		given := b.values[h]
		switch {
		case len(given) == 0:
			lack(h)
		case !slices.ContainsFunc(given, func(g Given) bool { return fits(g.Text) }):
			set.Applies = No
		}
	}
	if w := set.When; !w.IsZero() {
		if len(w.Clouds) > 0 {
			if len(b.values[HoleCloud]) == 0 {
				if !slices.Contains(w.Clouds, Worldwide) {
					set.Applies = No
				}
			} else {
				ask(HoleCloud, func(v string) bool { return slices.Contains(w.Clouds, v) })
			}
		}
		if len(w.Locations) > 0 {
			ask(HoleLocation, func(v string) bool { return slices.Contains(w.Locations, v) })
		}
		if w.SeamlessSSO != NotStated {
			ask(HoleSeamlessSSO, func(v string) bool { return (v == "true") == (w.SeamlessSSO == Yes) })
		}
	}
	if set.Applies == No {
		set.Unfilled = nil // nobody needs to look up values for a row that is not for them
	}
	// The names are filled whatever the conditions say: lookup then tells of the row and that it is not for this tenant.
	for _, t := range set.Templates {
		open := false
		for _, h := range t.Holes() {
			if len(b.values[h]) == 0 {
				open = true
				if set.Applies != No && !slices.Contains(set.Unfilled, h) {
					set.Unfilled = append(set.Unfilled, h)
				}
			}
		}
		if open {
			continue
		}
		filled, bad := t.fill(b.values)
		if bad != nil {
			b.fail(bad.Pos, "fill", "value", bad.Text, "template", t.String())
			continue
		}
		for _, p := range filled {
			if !slices.Contains(set.Patterns, p) {
				set.Patterns = append(set.Patterns[:len(set.Patterns):len(set.Patterns)], p)
			}
		}
	}
}

// IsZero reports whether w holds for everybody.
func (w When) IsZero() bool {
	return len(w.Clouds) == 0 && len(w.Locations) == 0 && w.SeamlessSSO == NotStated
}
