package node

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sekisho/internal/catalog"
	"sekisho/internal/catalog/library"
	"sekisho/internal/m365"
)

// ages are those of the sources of the features in use, oldest first.
func (n *Node) ages(b *built) []catalog.Age {
	return catalog.Ages(b.edition.Catalog.SetsOf(b.edition.Program.Features()...), n.options.Now(), b.config.Catalog.MaxAgeDays.V)
}

// attempts are the updates of the lists that the configuration has fetched, and of those that somebody has fetched.
func (n *Node) attempts() []library.Attempt {
	out := []library.Attempt{}
	for _, a := range Shelf(n.catalogData(), n.options.Now).Attempts() {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b library.Attempt) int { return strings.Compare(a.List, b.List) })
	return out
}

// aged puts the age of what an answer rests on into its head, because lists and feeds have no place for it in their
// body: the version of the catalog, the date and the age of the oldest source, and whether one is past its age.
func (n *Node) aged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := n.current.Load()
		var sources []*catalog.Source
		for _, set := range restsOn(b, r) {
			sources = append(sources, set.Source)
		}
		ages := catalog.SourceAges(sources, n.options.Now(), b.config.Catalog.MaxAgeDays.V)
		h := w.Header()
		h.Set("Sekisho-Catalog-Version", b.edition.Catalog.Version())
		if len(ages) > 0 {
			date := ages[0].Date
			if date == "" {
				date = ages[0].Read
			}
			h.Set("Sekisho-Data-Date", date)
			h.Set("Sekisho-Data-Age-Days", strconv.Itoa(ages[0].AgeDays))
			h.Set("Sekisho-Data-Stale", strconv.FormatBool(slices.ContainsFunc(ages, func(a catalog.Age) bool { return a.Stale })))
		}
		next.ServeHTTP(w, r)
	})
}

// restsOn are the sets that the answer to r is made of.
func restsOn(b *built, r *http.Request) []*catalog.Set {
	snapshot := b.edition.Catalog
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if parts[0] == "feeds" && len(parts) == 2 {
		name := strings.TrimSuffix(parts[1], ".txt")
		name = name[:max(0, strings.LastIndexByte(name, '.'))]
		if name == "in-use" {
			return snapshot.SetsOf(b.edition.Program.Features()...)
		}
		return snapshot.SetsOf(catalog.FeatureID(name))
	}
	// The web service: the lists of the instance that is asked for, or of all, and the rows of Intune that stand in for
	// the service's own.
	intune := false
	for key, values := range r.URL.Query() {
		intune = intune || strings.EqualFold(key, "ServiceAreas") && strings.Contains(strings.ToUpper(strings.Join(values, ",")), m365.AreaIntune)
	}
	var sets []*catalog.Set
	for _, set := range snapshot.Sets() {
		for _, i := range m365.Instances() {
			asked := len(parts) < 2 || strings.EqualFold(parts[1], string(i))
			served := set.ID.Source == i.Source() || intune && set.ID.Source == m365.IntuneSource && set.Area == m365.AreaIntune
			if asked && served && set.ID.Cloud == i.Cloud() {
				sets = append(sets, set)
			}
		}
	}
	return sets
}

// freshness is what /metrics says of the age of the catalog, read at each scrape. The values of its labels are the
// sources of the catalog and the lists that can be fetched, never anything from traffic.
type freshness struct {
	node                            *Node
	age, limit, succeeded, failures *prometheus.Desc
}

func newFreshness(n *Node) *freshness {
	describe := func(name, help, label string) *prometheus.Desc {
		return prometheus.NewDesc("sekisho_catalog_"+name, help, []string{label}, nil)
	}
	return &freshness{
		node:      n,
		age:       describe("source_age_days", "Days since the date of a source of the features in use.", "source"),
		limit:     describe("source_max_age_days", "Days past which the source is warned of.", "source"),
		succeeded: describe("update_success_timestamp_seconds", "When a list was last updated, or found to be the newest.", "list"),
		failures:  describe("update_failures", "Updates of a list that have failed in a row.", "list"),
	}
}

// Describe names the series.
func (f *freshness) Describe(to chan<- *prometheus.Desc) {
	to <- f.age
	to <- f.limit
	to <- f.succeeded
	to <- f.failures
}

// Collect reads them.
func (f *freshness) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, label string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, label)
	}
	b := f.node.current.Load()
	if b == nil {
		return
	}
	for _, a := range f.node.ages(b) {
		gauge(f.age, float64(a.AgeDays), a.Source)
		gauge(f.limit, float64(a.MaxDays), a.Source)
	}
	for _, a := range f.node.attempts() {
		if !a.Asked.IsZero() {
			gauge(f.succeeded, float64(a.Asked.Unix()), a.List)
		}
		gauge(f.failures, float64(a.Failures), a.List)
	}
}

// warnAge is the set age as package explain takes it.
func warnAge(b *built) time.Duration {
	return time.Duration(b.config.Catalog.MaxAgeDays.V) * 24 * time.Hour
}
