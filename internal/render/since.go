package render

import "strings"

// Since is a target that knows how to say what changed: given Input.Before, it renders what turns the earlier version's
// output into that of now, in the target's own words, and not the whole.
type Since interface {
	Target
	// Since does nothing. It is there so that a target without it is not asked for changes.
	Since()
}

// Changed compares two tables: the rows that came and those that went, in the order of their tables. Rows are the same when
// they name the same on the same ports for the same reason; what the sources say about them beside that does not count.
func Changed(before, after *Model) (added, removed []Row) {
	less := func(x, y *Model) (out []Row) {
		known := make(map[string]bool, len(y.Rows))
		for i := range y.Rows {
			known[y.Rows[i].key()] = true
		}
		for i := range x.Rows {
			if !known[x.Rows[i].key()] {
				out = append(out, x.Rows[i])
			}
		}
		return out
	}
	return less(after, before), less(before, after)
}

// key is what makes a row the same row in another version.
func (r *Row) key() string {
	return strings.Join([]string{r.Direction.String(), r.Kind.String(), r.Value(), r.Tag, r.Ports.String(), r.Claim.String(), r.Rule, r.Road.String()}, "\x00")
}
