package policy

import (
	"slices"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

// lack is a value that the rows of a feature in use depend on and that the configuration does not give.
type lack struct {
	hole    catalog.Hole
	feature catalog.FeatureID
	pos     finding.Pos
	rows    []string // templates, or claims whose condition cannot be told
	closed  []endpoint.Pattern
	needed  bool // one of the rows is required
}

// lacking notes what set lacks.
func (c *compiler) lacking(set *catalog.Set, id catalog.FeatureID, pos finding.Pos) {
	for _, hole := range set.Unfilled {
		i := slices.IndexFunc(c.lacks, func(l lack) bool { return l.hole == hole && l.feature == id })
		if i < 0 {
			i = len(c.lacks)
			c.lacks = append(c.lacks, lack{hole: hole, feature: id, pos: pos})
		}
		l := &c.lacks[i]
		l.needed = l.needed || set.Required
		conditional := true
		for _, t := range set.Templates {
			if slices.Contains(t.Holes(), hole) {
				conditional = false
				l.rows = append(l.rows, t.String())
				l.closed = append(l.closed, t.Tail())
			}
		}
		if conditional {
			l.rows = append(l.rows, set.ID.String())
			l.closed = append(l.closed, set.Patterns...)
			for _, u := range set.URLs {
				l.closed = append(l.closed, u.Host)
			}
		}
	}
}

// unfilled reports values that are missing: a warning where something that the feature requires, or the whole feature,
// stays closed for the lack of one; a note where the row is for some people only, or where other rows of the features
// in use open the same hosts already. Nothing is guessed and nothing widened instead.
func (c *compiler) unfilled() {
	for _, l := range c.lacks {
		severity := finding.Info
		open := slices.ContainsFunc(c.claims, func(k claimed) bool {
			return len(k.set.Patterns)+len(k.set.URLs) > 0 && slices.Contains(c.snap.FeaturesOf(k.set.ID), l.feature)
		})
		if (l.needed || !open) && slices.ContainsFunc(l.closed, func(p endpoint.Pattern) bool { return !c.opened(p) }) {
			severity = finding.Warning
		}
		c.add(finding.New("policy.unfilled-"+string(l.hole), severity, l.pos,
			"feature", string(l.feature), "rows", strings.Join(l.rows, ", ")))
	}
}

// opened reports whether a feature in use opens everything that p covers.
func (c *compiler) opened(p endpoint.Pattern) bool {
	return !p.IsZero() && slices.ContainsFunc(c.program.rules, func(r Rule) bool { return r.Pattern.Covers(p) })
}
