package m365

import (
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
)

// IntuneSource is the page whose rows stand under the area MEM: the web service's own are no longer accurate.
const IntuneSource = "intune-page"

// RowsOf returns what a snapshot holds for an instance in the service's form, in canonical order: the rows of its
// list, and for Worldwide the rows of the Intune page under the area MEM. Withdrawn claims are left out. Numbers are
// those of the claims; a second row under one number ("172#2") and rows that the page does not number get numbers of
// their own above a million, made from the claim, so that they stay what they are.
func RowsOf(s *catalog.Snapshot, instance Instance) []Row {
	l := &List{Instance: instance}
	taken := map[int]bool{}
	add := func(set *catalog.Set, area string) {
		row := rowOf(set, area)
		for taken[row.ID] { // two claims whose numbers collide; claims come in a stable order
			row.ID++
		}
		if len(row.URLs)+len(row.IPs) > 0 {
			taken[row.ID] = true
			l.Rows = append(l.Rows, row)
		}
	}
	sets := s.Sets()
	slices.SortStableFunc(sets, func(a, b *catalog.Set) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	source := instance.Source()
	for _, set := range sets {
		if set.ID.Source == source && set.ID.Cloud == instance.Cloud() && set.Area != AreaIntune && set.Withdrawn.IsZero() {
			add(set, set.Area)
		}
	}
	for _, set := range sets {
		if instance == Worldwide && set.ID.Source == IntuneSource && set.ID.Cloud == instance.Cloud() && set.Area == AreaIntune && set.Withdrawn.IsZero() {
			add(set, AreaIntune)
		}
	}
	return l.Canonical().Rows
}

func rowOf(set *catalog.Set, area string) Row {
	row := Row{
		ID: number(set.ID.ID), ServiceArea: area, Required: set.Required, ExpressRoute: set.ExpressRoute == catalog.Yes,
		Category: "Default", TCPPorts: portText(set.Ports, endpoint.TCP), UDPPorts: portText(set.Ports, endpoint.UDP),
	}
	switch set.Category {
	case catalog.Optimize:
		row.Category = "Optimize"
	case catalog.Allow:
		row.Category = "Allow"
	}
	if !set.Required {
		row.Notes = strings.TrimPrefix(set.LostWithout.EN, "note of the list: ")
	}
	for _, p := range set.Patterns {
		row.URLs = append(row.URLs, p.String())
	}
	for _, u := range set.URLs {
		row.URLs = append(row.URLs, u.Host.String())
	}
	for _, p := range set.Prefixes {
		row.IPs = append(row.IPs, p.String())
	}
	return row
}

// ownNumbers begins the numbers of rows that have none.
const ownNumbers = 1_000_000

// number returns the number of a claim.
func number(id string) int {
	base, again, twice := strings.Cut(id, "#")
	n, err := strconv.Atoi(base)
	if err != nil || n <= 0 || n >= ownNumbers {
		h := fnv.New32a()
		_, _ = h.Write([]byte(id))
		return 900*ownNumbers + int(h.Sum32()%90_000_000)
	}
	if k, err := strconv.Atoi(again); twice && err == nil && k > 0 && k < 900 {
		return k*ownNumbers + n
	}
	return n
}

// Archive is what is served on: for each instance its lists, oldest first. It is immutable and safe for concurrent use.
// Obtain it from NewArchive.
type Archive struct {
	lists map[Instance][]*List
	// effective is from when what a version adds to a row is in force, where the publisher has told it (YYYYMMDD).
	effective map[addition]string
}

// addition is what one version adds to one row.
type addition struct {
	instance Instance
	version  string
	set      int
}

// Announce returns an archive whose changes carry the effective dates that notices know. Where parts of one addition are
// in force on different days, the first counts: who opens by it is never late.
func (a *Archive) Announce(notices map[Instance]Notices) *Archive {
	out := &Archive{lists: a.lists, effective: map[addition]string{}}
	for instance, lists := range a.lists {
		for i := 1; i < len(lists); i++ {
			for _, c := range Changes(lists[i-1], lists[i]) {
				if c.Add == nil {
					continue
				}
				first := ""
				for _, v := range slices.Concat(c.Add.IPs, c.Add.URLs) {
					if day, ok := notices[instance].Effective(c.EndpointSetID, v); ok && (first == "" || day.Format("20060102") < first) {
						first = day.Format("20060102")
					}
				}
				if first != "" {
					out.effective[addition{instance, c.Version, c.EndpointSetID}] = first
				}
			}
		}
	}
	return out
}

// NewArchive makes an archive of snapshots, oldest first. A snapshot whose list is the same as before adds no version.
// A version is the day of the list by its own word and a number within it, always later than the one before.
func NewArchive(snapshots ...*catalog.Snapshot) *Archive {
	a := &Archive{lists: map[Instance][]*List{}}
	for _, s := range snapshots {
		for _, instance := range Instances() {
			rows := RowsOf(s, instance)
			before := a.latest(instance)
			if len(rows) == 0 || before != nil && slices.EqualFunc(before.Rows, rows, Row.Equal) {
				continue
			}
			version := ownDay(s, instance).Format("20060102") + "00"
			if before != nil && version <= before.Version {
				version = after(before.Version)
			}
			a.lists[instance] = append(a.lists[instance], &List{Instance: instance, Version: version, Rows: rows})
		}
	}
	return a
}

// ownDay is the day of an instance's list by its own word, UTC, so that whoever takes the list from here counts its age as
// we do; the snapshot's when the list has no day.
func ownDay(s *catalog.Snapshot, instance Instance) time.Time {
	if source, ok := s.Source(instance.Source()); ok && source.Precision == catalog.DayKnown && !source.Date.IsZero() {
		return source.Date.UTC()
	}
	return s.Date().UTC()
}

// after returns the version that follows another at once: the next number of its day, or the next day.
func after(version string) string {
	n, _ := strconv.Atoi(version)
	if n%100 < 99 {
		return strconv.Itoa(n + 1)
	}
	day, err := time.Parse("20060102", version[:8])
	if err != nil {
		return strconv.Itoa(n + 1)
	}
	return day.AddDate(0, 0, 1).Format("20060102") + "00"
}

// latest returns the newest list of an instance; nil when there is none.
func (a *Archive) latest(instance Instance) *List {
	if lists := a.lists[instance]; len(lists) > 0 {
		return lists[len(lists)-1]
	}
	return nil
}

// Versions returns the versions of an instance, newest first.
func (a *Archive) Versions(instance Instance) []string {
	var out []string
	for _, l := range slices.Backward(a.lists[instance]) {
		out = append(out, l.Version)
	}
	return out
}

// List returns the list of one version, or the newest for "".
func (a *Archive) List(instance Instance, version string) (*List, bool) {
	if version == "" {
		l := a.latest(instance)
		return l, l != nil
	}
	for _, l := range a.lists[instance] {
		if l.Version == version {
			return l, true
		}
	}
	return nil, false
}

// selection is which rows a caller asked for.
type selection struct {
	areas  []string // nil: all but MEM
	tenant string
	noIPv6 bool
}

// has reports whether the area was asked for. Rows of Common always come along, those of Intune only by name.
func (s selection) has(area string) bool {
	if s.areas == nil {
		return area != AreaIntune
	}
	return area == areaCommon || slices.Contains(s.areas, area)
}

// of returns the part of l that was asked for.
func (s selection) of(l *List) *List {
	out := &List{Instance: l.Instance, Version: l.Version}
	for _, r := range l.Rows {
		if !s.has(r.ServiceArea) {
			continue
		}
		if s.noIPv6 {
			r.IPs = slices.DeleteFunc(slices.Clone(r.IPs), func(p string) bool { return strings.Contains(p, ":") })
		}
		if s.tenant != "" {
			r.URLs = slices.Clone(r.URLs)
			for i, u := range r.URLs {
				r.URLs[i] = withTenant(u, s.tenant)
			}
			r.URLs = distinct(r.URLs, strings.Compare)
		}
		out.Rows = append(out.Rows, r)
	}
	return out
}

// withTenant puts the tenant's name where a host of the list stands for every tenant's: SharePoint's names and the
// autodiscover name below onmicrosoft. Every other star stands for something else and stays.
func withTenant(host, tenant string) string {
	star := strings.IndexByte(host, '*')
	if star < 0 {
		return host
	}
	tail := host[star+1:]
	for _, suffix := range []string{
		".sharepoint.com", "-my.sharepoint.com", "-files.sharepoint.com", "-myfiles.sharepoint.com", "-admin.sharepoint.com",
		".sharepoint.us", "-my.sharepoint.us", ".sharepoint-mil.us", "-my.sharepoint-mil.us", ".dps.mil",
		".sharepoint.cn", "-my.sharepoint.cn", "-files.sharepoint.cn", "-myfiles.sharepoint.cn",
		".onmicrosoft.com", ".onmicrosoft.us", ".partner.onmschina.cn",
	} {
		if tail == suffix {
			return host[:star] + tenant + tail
		}
	}
	return host
}

// changesSince returns what leads from version to the newest list, oldest first; from "0000000000" everything. With
// single only the changes of that one version. Changes speak of the selected rows only, so that they fold onto the
// endpoints that the same selection gives.
func (a *Archive) changesSince(instance Instance, version string, single bool, s selection) []Change {
	out := []Change{}
	var before *List
	for _, l := range a.lists[instance] {
		now := s.of(l)
		if l.Version > version && !single || l.Version == version && single {
			changes := Changes(before, now)
			for _, c := range changes {
				if day, ok := a.effective[addition{instance, c.Version, c.EndpointSetID}]; ok && c.Add != nil {
					c.Add.EffectiveDate = day
				}
			}
			out = append(out, changes...)
		}
		before = now
	}
	return out
}
