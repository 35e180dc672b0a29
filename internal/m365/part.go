package m365

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
)

// Part returns the list as a renewal of what the catalog says of its instance; read is the day on which it was
// fetched, UTC. A list whose version is not known is dated with that day. A row of an area that the list does not
// mention at all is not withdrawn: a list may have been asked for some areas only. A partial list withdraws nothing.
func (l *List) Part(read time.Time) *catalog.Part {
	day := l.Day()
	source := catalog.Source{
		ID:  l.Instance.Source(),
		URL: "https://endpoints.office.com/endpoints/" + l.Instance.Cloud(),
		Title: catalog.Text{
			JA: "Microsoft 365 の URL と IP アドレスの範囲 (" + string(l.Instance) + versionText("、版 ", l.Version) + ")",
			EN: "Microsoft 365 URLs and IP address ranges (" + string(l.Instance) + versionText(", version ", l.Version) + ")",
		},
		Date: day, Precision: catalog.DayKnown, Read: read.UTC().Truncate(24 * time.Hour),
	}
	if day.IsZero() {
		day, source.Precision = source.Read, catalog.DateUnknown
	}
	r := catalog.Renewal{Source: source, Cloud: l.Instance.Cloud(), Day: day}
	for _, id := range l.Held {
		r.Held = append(r.Held, strconv.Itoa(id))
	}
	for _, row := range l.Rows {
		if !l.Partial && !slices.Contains(r.Areas, row.ServiceArea) {
			r.Areas = append(r.Areas, row.ServiceArea)
		}
		set := row.claim()
		if tenants := l.Instance.tenants(); tenants != catalog.Worldwide {
			set.When.Clouds = []string{tenants}
		}
		r.Sets = append(r.Sets, set)
	}
	return r.Part()
}

// Day is the day of the list's version, UTC; zero when the version is not known.
func (l *List) Day() time.Time {
	if !isVersion(l.Version) {
		return time.Time{}
	}
	day, err := time.Parse("20060102", l.Version[:8])
	if err != nil {
		return time.Time{}
	}
	return day
}

func versionText(before, version string) string {
	if version == "" {
		return ""
	}
	return before + version
}

// claim is the row as the catalog's set.
func (r Row) claim() catalog.Set {
	id := strconv.Itoa(r.ID)
	s := catalog.Set{
		ID: catalog.ClaimID{ID: id}, Area: r.ServiceArea, Required: r.Required,
		Title: catalog.Text{
			JA: r.ServiceAreaDisplayName + " (番号 " + id + ")",
			EN: r.ServiceAreaDisplayName + " (set " + id + ")",
		},
		Ports: r.ports(), ExpressRoute: catalog.No,
	}
	if r.ExpressRoute {
		s.ExpressRoute = catalog.Yes
	}
	s.Category = map[string]catalog.Category{"Optimize": catalog.Optimize, "Allow": catalog.Allow, "Default": catalog.Default}[r.Category]
	switch {
	case !r.Required && r.Notes != "":
		s.LostWithout = catalog.Text{JA: "一覧の備考: " + r.Notes, EN: "note of the list: " + r.Notes}
	case !r.Required:
		s.LostWithout = catalog.Text{JA: "一覧は、失われる機能を書いていません。", EN: "the list does not say what is lost"}
	}
	if r.ServiceArea == AreaIntune {
		s.Note = catalog.Text{
			JA: "Web サービスの Intune (MEM) の行は正確ではなくなりました。Intune のページの行を使います。",
			EN: "The web service's Intune (MEM) rows are no longer accurate; the rows of the Intune page are used.",
		}
	}
	for _, u := range r.URLs {
		if p, err := endpoint.ParsePattern(u); err == nil {
			s.Patterns = append(s.Patterns, p)
		}
	}
	for _, ip := range r.IPs {
		if p, err := netip.ParsePrefix(ip); err == nil {
			s.Prefixes = append(s.Prefixes, p)
		}
	}
	return s
}
