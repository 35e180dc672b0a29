package catalog

import (
	"slices"
	"time"
)

// Renewal is a list that its publisher has brought out anew, as somebody else has read it: the whole of what the
// source says for one cloud today. Joined to the parts that hold our own account of that list, it takes the place of
// what they say of hosts, addresses, ports, category and need, and leaves what only we say: the title, what is lost
// without a row, its condition, its handling, and the features that claim it.
type Renewal struct {
	// Source is the list with its date and the day of reading. Its ID is that of the claims that it renews.
	Source Source
	// Cloud is the second part of the claims' identity: "worldwide".
	Cloud string
	// Sets are the rows. Of ID only the third part is read; Source and Seen are filled in.
	Sets []Set
	// Held are the ids of rows that the list has and that could not be read with certainty: what was known of them
	// stays.
	Held []string
	// Areas are those for which the list is complete: a known set of one of them that is neither in Sets nor in Held has
	// been withdrawn. A list that was asked for some areas only must not withdraw the others.
	Areas []string
	// Day is when the rows took effect, UTC: the day of withdrawal, and Seen of rows that are new.
	Day time.Time
}

// Part returns the renewal as a part for Build. It must come after the parts that it renews. A row that nobody had
// claimed before belongs to no feature: it is found by look-ups and opens nothing.
func (r Renewal) Part() *Part { return &Part{renewals: []*Renewal{&r}} }

// renew applies the renewals of p to the sets gathered so far.
func (b *builder) renew(p *Part) {
	for _, r := range p.renewals {
		source := r.Source
		b.renewSource(&source)
		listed := map[string]bool{}
		for _, id := range r.Held {
			listed[id] = true
		}
		for i := range r.Sets {
			id := ClaimID{source.ID, r.Cloud, r.Sets[i].ID.ID}
			if listed[id.ID] {
				b.fail(b.at[id], "repeated", "value", id.String(), "first", b.at[id].String())
				continue
			}
			listed[id.ID] = true
			b.renewSet(id, &r.Sets[i], &source, r.Day)
		}
		for _, set := range b.sets {
			if set.ID.Source == source.ID && set.ID.Cloud == r.Cloud && !listed[set.ID.ID] &&
				set.Withdrawn.IsZero() && slices.Contains(r.Areas, set.Area) {
				set.Withdrawn = r.Day
				if set.Withdrawn.Before(set.Seen) {
					set.Withdrawn = set.Seen
				}
			}
		}
	}
}

// renewSource puts source in the place of the one with its id.
func (b *builder) renewSource(source *Source) {
	if i := slices.IndexFunc(b.sources, func(s *Source) bool { return s.ID == source.ID }); i >= 0 {
		b.sources[i] = source
	} else {
		b.sources = append(b.sources, source)
	}
	b.sourceByID[source.ID] = source
	if source.Read.After(b.date) {
		b.date = source.Read
	}
}

func (b *builder) renewSet(id ClaimID, fresh *Set, source *Source, day time.Time) {
	set, known := b.setByID[id]
	if !known {
		d := &setDraft{Set: *fresh}
		d.ID, d.Source, d.Seen, d.Withdrawn, d.Unattached = id, source, day, time.Time{}, true
		b.drafts = append(b.drafts, declared[*setDraft]{v: d})
		b.sets = append(b.sets, &d.Set)
		b.setByID[id] = &d.Set
		return
	}
	set.Area, set.Category, set.Required, set.ExpressRoute = fresh.Area, fresh.Category, fresh.Required, fresh.ExpressRoute
	set.Patterns, set.URLs, set.Prefixes = fresh.Patterns, fresh.URLs, fresh.Prefixes
	set.Ports, set.PortsInferred, set.Anywhere = fresh.Ports, fresh.PortsInferred, fresh.Anywhere
	set.Source, set.Note, set.Withdrawn = source, fresh.Note, time.Time{}
	switch {
	case set.Required:
		set.LostWithout = Text{}
	case set.LostWithout.IsZero():
		set.LostWithout = fresh.LostWithout
	}
}
