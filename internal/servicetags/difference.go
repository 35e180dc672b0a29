package servicetags

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// The changes of a tag.
const (
	TagAdded   = "added"
	TagRemoved = "removed"
	TagChanged = "changed" // other prefixes
)

// Difference is what differs between two files of one cloud. Prefixes are compared as they stand in the files: two halves
// that became one are two removed and one added.
type Difference struct {
	Cloud           Cloud       `json:"cloud"`
	From            string      `json:"from"` // version, "public-375"
	To              string      `json:"to"`
	FromDate        time.Time   `json:"from_date,omitzero"` // of the data; zero when it is not known
	ToDate          time.Time   `json:"to_date,omitzero"`
	Tags            []TagChange `json:"tags"` // by name
	PrefixesAdded   int         `json:"prefixes_added"`
	PrefixesRemoved int         `json:"prefixes_removed"`
}

// TagChange is a tag that came, went, or has other prefixes.
type TagChange struct {
	Name    string         `json:"name"`
	Change  string         `json:"change"`
	Added   []netip.Prefix `json:"added,omitempty"` // in the order of addresses
	Removed []netip.Prefix `json:"removed,omitempty"`
}

// IsZero reports whether every tag has the same prefixes.
func (d Difference) IsZero() bool { return len(d.Tags) == 0 }

// Count returns how many tags changed in the given way.
func (d Difference) Count(change string) (n int) {
	for _, t := range d.Tags {
		if t.Change == change {
			n++
		}
	}
	return n
}

// Version names the file as people do: "public-376".
func (f *File) Version() string {
	return Manifest{Cloud: f.Cloud, ChangeNumber: f.ChangeNumber}.Version()
}

// Compare says what differs from before to after, files of one cloud.
func Compare(before, after *File) Difference {
	d := Difference{Cloud: after.Cloud, From: before.Version(), To: after.Version(), FromDate: before.Date, ToDate: after.Date, Tags: []TagChange{}}
	was := make(map[string]*Tag, len(before.Tags))
	for _, t := range before.Tags {
		was[t.Name] = t
	}
	for _, t := range after.Tags {
		c := TagChange{Name: t.Name, Change: TagAdded, Added: ordered(t.Prefixes)}
		if old, ok := was[t.Name]; ok {
			delete(was, t.Name)
			if slices.Equal(old.Prefixes, t.Prefixes) {
				continue
			}
			c.Change, c.Added, c.Removed = TagChanged, lacking(t.Prefixes, old.Prefixes), lacking(old.Prefixes, t.Prefixes)
			if len(c.Added)+len(c.Removed) == 0 { // another order
				continue
			}
		}
		d.Tags = append(d.Tags, c)
	}
	for name, t := range was {
		d.Tags = append(d.Tags, TagChange{Name: name, Change: TagRemoved, Removed: ordered(t.Prefixes)})
	}
	slices.SortFunc(d.Tags, func(a, b TagChange) int { return strings.Compare(a.Name, b.Name) })
	for _, t := range d.Tags {
		d.PrefixesAdded += len(t.Added)
		d.PrefixesRemoved += len(t.Removed)
	}
	return d
}

func ordered(list []netip.Prefix) []netip.Prefix {
	out := slices.Clone(list)
	slices.SortFunc(out, comparePrefix)
	return out
}

// lacking returns the prefixes of a that b has not.
func lacking(a, b []netip.Prefix) []netip.Prefix {
	known := make(map[netip.Prefix]bool, len(b))
	for _, p := range b {
		known[p] = true
	}
	return slices.DeleteFunc(ordered(a), func(p netip.Prefix) bool { return known[p] })
}
