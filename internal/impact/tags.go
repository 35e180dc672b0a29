package impact

import (
	"net/netip"
	"slices"
	"time"

	"sekisho/internal/catalog"
)

// tags learns which prefixes of the service tags that rows in use name came or went, and from when: the day of the file
// that says so.
func (c *comparison) tags() {
	type tag struct{ cloud, name string }
	var names []tag
	for _, p := range []Side{c.in.Before, c.in.After} {
		for _, set := range p.Program.Catalog().SetsOf(p.Program.Features()...) {
			for _, name := range set.Tags {
				if t := (tag{set.ID.Cloud, name}); set.Applies != catalog.No && !slices.Contains(names, t) {
					names = append(names, t)
				}
			}
		}
	}
	for _, t := range names {
		was, had := prefixesOf(c.in.Before.Tags, t.cloud, t.name)
		is, has := prefixesOf(c.in.After.Tags, t.cloud, t.name)
		if !had && !has {
			continue
		}
		force := Force{Basis: Unknown}
		if !has {
			// The tag is gone, or its file: nobody has said from when.
		} else if day := c.in.After.Tags.Day(t.cloud); !day.IsZero() {
			force = Force{Date: day.Format(time.DateOnly), Basis: Listed, Future: day.After(c.in.Day)}
		}
		for _, pair := range [][2]map[netip.Prefix]bool{{was, is}, {is, was}} {
			for p := range pair[0] {
				if !pair[1][p] && !slices.Contains(c.tagged[p], t.name) {
					c.tagged[p] = append(c.tagged[p], t.name)
					c.learn(p.String(), force)
				}
			}
		}
	}
}

func prefixesOf(t Tags, cloud, name string) (map[netip.Prefix]bool, bool) {
	if t == nil {
		return nil, false
	}
	list, ok := t.Prefixes(cloud, name)
	out := make(map[netip.Prefix]bool, len(list))
	for _, p := range list {
		out[p] = true
	}
	return out, ok
}

// lineTags names the tags whose changes a line about value shows, sorted.
func (c *comparison) lineTags(value string) []string {
	if len(c.tagged) == 0 {
		return nil
	}
	whole, err := netip.ParsePrefix(value)
	if err != nil {
		return nil
	}
	var out []string
	for p, names := range c.tagged {
		if p.Overlaps(whole) {
			out = append(out, names...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
