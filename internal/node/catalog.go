package node

import (
	"slices"
	"strings"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/catalog/feed"
	"sekisho/internal/catalog/library"
	"sekisho/internal/config"
	"sekisho/internal/finding"
	"sekisho/internal/m365"
)

// Shelf returns the versions of the catalog that are kept in the data folder. now is the clock; nil: the system's.
func Shelf(data string, now func() time.Time) *library.Library {
	return library.Open(CatalogFolder(data), readSource, now)
}

// Catalog returns the version of the catalog that is in use in the data folder: the built-in one when nothing else has
// been put into use. The error, a *finding.Problem, says why the version in use cannot be read.
func Catalog(data string) (*catalog.Snapshot, error) { return Shelf(data, nil).Current() }

// sourceName is the name under which an instance's list is kept.
func sourceName(i m365.Instance) string { return "m365-" + i.Cloud() + ".json" }

// ListSource makes a list of the endpoints web service a source for the shelf.
func ListSource(i m365.Instance, version string, read time.Time, body []byte) library.Source {
	return library.Source{Name: sourceName(i), Version: version, Read: read, Body: body}
}

// changesName is the name under which what an instance's service announced is kept.
func changesName(i m365.Instance) string { return "m365-changes-" + i.Cloud() + ".json" }

// ChangesSource makes a body of /changes a source for the shelf, joined to the changes that the version in use knows:
// from when additions are in force. The error is a *finding.Problem.
func ChangesSource(shelf *library.Library, i m365.Instance, read time.Time, body []byte) (library.Source, error) {
	known, err := shelf.CurrentSource(changesName(i))
	if err != nil {
		return library.Source{}, err
	}
	merged, version, err := m365.MergeChanges(changesName(i), known.Body, body)
	if err != nil {
		return library.Source{}, err
	}
	return library.Source{Name: changesName(i), Version: version, Read: read, Body: merged}, nil
}

// notices gathers what the sources of a version announce, by cloud. A file that cannot be read announces nothing.
func notices(v library.Version) map[string]m365.Notices {
	out := map[string]m365.Notices{}
	for _, s := range v.Sources {
		for _, i := range m365.Instances() {
			if s.Name == changesName(i) {
				changes, _ := m365.ReadChanges(s.Name, s.Body)
				out[i.Cloud()] = m365.NewNotices(changes)
			}
		}
	}
	return out
}

// readSource reads what the shelf keeps.
func readSource(s library.Source) (*catalog.Part, finding.List) {
	instances := m365.Instances()
	if slices.ContainsFunc(instances, func(i m365.Instance) bool { return changesName(i) == s.Name }) {
		_, found := m365.ReadChanges(s.Name, s.Body)
		return nil, found
	}
	i := slices.IndexFunc(instances, func(i m365.Instance) bool { return sourceName(i) == s.Name })
	if i < 0 {
		return nil, finding.List{finding.New("node.unknown-source", finding.Error, finding.Pos{File: s.Name}, "file", s.Name)}
	}
	list, found := m365.ReadEndpoints(s.Name, instances[i], s.Body)
	if list == nil {
		return nil, found
	}
	list.Version = s.Version
	return list.Part(s.Read), found
}

// mostVersions is how many versions are served on and compared (chosen: half a year of weekly ones; each costs some
// milliseconds), mostImpacts of how many differences it is told what they change for the organisation (chosen: two months;
// each costs compiling the policy and rendering it).
const (
	mostVersions = 30
	mostImpacts  = 8
)

// history returns the lists up to the version in use, and what changed from each version to the next, newest first, with
// what that changes for the organisation of c. A version that cannot be read any more is left out: what it led to is still
// told.
func history(shelf *library.Library, c *config.Config, day time.Time) (*m365.Archive, []feed.Told) {
	var dated []Dated
	versions, err := shelf.History()
	if err == nil {
		for _, v := range versions {
			if v.Waiting {
				continue
			}
			if loaded, err := shelf.Load(v.Name); err == nil {
				if s, err := shelf.Snapshot(v.Name); err == nil {
					dated = append(dated, DatedVersion(s, loaded))
				}
			}
			if v.Current {
				break
			}
		}
	}
	dated = dated[max(0, len(dated)-mostVersions):]
	var told []feed.Told
	for i := len(dated) - 1; i > 0; i-- {
		d := catalog.Diff(dated[i-1].Snapshot, dated[i].Snapshot)
		if d.IsZero() {
			continue
		}
		// What was announced when the version came may have become more since: the newest version knows most.
		newest := dated[len(dated)-1]
		t := feed.Told{Difference: d, Effective: newest.since}
		if len(told) < mostImpacts {
			after := dated[i]
			after.notices = newest.notices
			if r, err := Impact(c, dated[i-1], after, day); err == nil {
				t.Impact = r.Text()
			}
		}
		told = append(told, t)
	}
	snapshots := make([]*catalog.Snapshot, len(dated))
	for i, d := range dated {
		snapshots[i] = d.Snapshot
	}
	archive := m365.NewArchive(snapshots...)
	if len(dated) > 0 {
		known := map[m365.Instance]m365.Notices{}
		for _, i := range m365.Instances() {
			known[i] = dated[len(dated)-1].notices[i.Cloud()]
		}
		archive = archive.Announce(known)
	}
	return archive, told
}

// changesURL is where the feed of changes is seen from clients.
func changesURL(pac string) string { return strings.TrimSuffix(pac, "/proxy.pac") + "/changes.atom" }
