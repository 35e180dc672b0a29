package catalog

import "time"

// Count says how much a group of sets opens, and how old the word of its sources is.
type Count struct {
	Sets     int `json:"sets"`
	Required int `json:"required"` // of Sets
	Hosts    int `json:"hosts"`    // distinct patterns, those of URLs included
	Prefixes int `json:"prefixes"` // distinct
	// Oldest and Newest are the dates of the oldest and newest source that shows one; zero: none does.
	Oldest time.Time `json:"oldest,omitzero"`
	Newest time.Time `json:"newest,omitzero"`
	// Undated counts the sets whose source shows no date.
	Undated int `json:"undated,omitempty"`
}

// CountSets counts sets.
func CountSets(sets []*Set) Count {
	var c Count
	hosts, prefixes := map[any]bool{}, map[any]bool{}
	for _, set := range sets {
		c.Sets++
		if set.Required {
			c.Required++
		}
		for _, p := range set.Patterns {
			hosts[p] = true
		}
		for _, u := range set.URLs {
			hosts[u.Host] = true
		}
		for _, p := range set.Prefixes {
			prefixes[p] = true
		}
		switch date := set.Source.Date; {
		case date.IsZero():
			c.Undated++
		default:
			if c.Oldest.IsZero() || date.Before(c.Oldest) {
				c.Oldest = date
			}
			if date.After(c.Newest) {
				c.Newest = date
			}
		}
	}
	c.Hosts, c.Prefixes = len(hosts), len(prefixes)
	return c
}

// CountFeature counts what the feature claims itself, without what it requires. The zero Count for an unknown id.
func (s *Snapshot) CountFeature(id FeatureID) Count { return CountSets(s.SetsOf(id)) }

// Count counts the whole catalog.
func (s *Snapshot) Count() Count { return CountSets(s.sets) }
