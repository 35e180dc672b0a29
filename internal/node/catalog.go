package node

import (
	"slices"
	"strings"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/catalog/library"
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

// history returns the snapshots up to the one in use, oldest first, and what changed from each to the next, newest
// first. A version that cannot be read any more is left out: what it led to is still told.
func history(shelf *library.Library) (*m365.Archive, []catalog.Difference) {
	snapshots := []*catalog.Snapshot{}
	versions, err := shelf.History()
	if err == nil {
		for _, v := range versions {
			if v.Waiting {
				continue
			}
			if s, err := shelf.Snapshot(v.Name); err == nil {
				snapshots = append(snapshots, s)
			}
			if v.Current {
				break
			}
		}
	}
	if most := 30; len(snapshots) > most { // chosen: half a year of weekly versions; each costs some milliseconds
		snapshots = snapshots[len(snapshots)-most:]
	}
	var changes []catalog.Difference
	for i := len(snapshots) - 1; i > 0; i-- {
		if d := catalog.Diff(snapshots[i-1], snapshots[i]); !d.IsZero() {
			changes = append(changes, d)
		}
	}
	return m365.NewArchive(snapshots...), changes
}

// changesURL is where the feed of changes is seen from clients.
func changesURL(pac string) string { return strings.TrimSuffix(pac, "/proxy.pac") + "/changes.atom" }
