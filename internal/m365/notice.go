package m365

import (
	"cmp"
	"slices"
	"time"

	"sekisho/internal/finding"
)

// Notices is what /changes told of one instance: from when each addition is in force. The service publishes changes about
// 30 days ahead ("Office 365 IP Address and URL web service", https://learn.microsoft.com/microsoft-365/enterprise/microsoft-365-ip-web-service,
// read 2026-11-23). The zero value knows nothing.
type Notices struct {
	since map[notice]time.Time
}

// notice is one value of one row in one version.
type notice struct {
	set     int
	value   string
	version string // "": the newest
}

// NewNotices gathers the effective dates of changes. Where a value was added more than once the newest version counts.
func NewNotices(changes []Change) Notices {
	n := Notices{map[notice]time.Time{}}
	ordered := slices.Clone(changes)
	slices.SortStableFunc(ordered, func(a, b Change) int { return cmp.Compare(a.Version, b.Version) })
	for _, c := range ordered {
		if c.Add == nil {
			continue
		}
		day, err := time.Parse("20060102", c.Add.EffectiveDate)
		if err != nil {
			continue
		}
		for _, v := range slices.Concat(c.Add.IPs, c.Add.URLs) {
			n.since[notice{c.EndpointSetID, v, ""}] = day
			n.since[notice{c.EndpointSetID, v, c.Version}] = day
		}
	}
	return n
}

// Effective returns the day from which value (a host pattern or a prefix in normal form) is in force in the row with
// this id, UTC; false when no change told it.
func (n Notices) Effective(set int, value string) (time.Time, bool) {
	day, ok := n.since[notice{set, value, ""}]
	return day, ok
}

// maxChanges is how many changes of one instance are kept (chosen: ten years at the pace of the first eight).
const maxChanges = 10_000

// MergeChanges joins two bodies of /changes of one instance: known, which may be nil, and fresh, which must be readable.
// It returns the body to keep, each change once, by version and id, the newest maxChanges of them; and the newest version that it speaks of, ""
// when there is no change. The error is a *finding.Problem.
func MergeChanges(file string, known, fresh []byte) (body []byte, version string, err error) {
	changes, found := ReadChanges(file, fresh)
	if changes == nil {
		return nil, "", &finding.Problem{Findings: found.Of(finding.Error)}
	}
	if len(known) > 0 {
		// What is kept was written by this function; should it not be readable any more, the fresh ones are enough.
		old, _ := ReadChanges(file, known)
		changes = append(changes, old...)
	}
	type identity struct {
		version string
		id, set int
	}
	seen := map[identity]bool{}
	changes = slices.DeleteFunc(changes, func(c Change) bool {
		again := seen[identity{c.Version, c.ID, c.EndpointSetID}]
		seen[identity{c.Version, c.ID, c.EndpointSetID}] = true
		return again
	})
	slices.SortStableFunc(changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.Version, b.Version), cmp.Compare(a.ID, b.ID), cmp.Compare(a.EndpointSetID, b.EndpointSetID))
	})
	changes = changes[max(0, len(changes)-maxChanges):]
	if len(changes) > 0 {
		version = changes[len(changes)-1].Version
	}
	return marshal(changes), version, nil
}
