package cli

import (
	"slices"
	"time"

	"sekisho/internal/catalog"
)

// maxAge is the age in days past which answers warn, as the configuration says; 0 by the kind of source, also where the
// configuration cannot be read: whoever needs more of it says so.
func (a *app) maxAge() int {
	settings, err := a.settings()
	if err != nil {
		return 0
	}
	return settings.Catalog.MaxAgeDays.V
}

// ages are those of the sources that sets claim by, oldest first.
func (a *app) ages(sets []*catalog.Set) []catalog.Age {
	return catalog.Ages(sets, time.Now(), a.maxAge())
}

// warnAges says on the standard error which sources are past their age.
func (a *app) warnAges(ages []catalog.Age) { a.printFindings(catalog.Stale(ages)) }

// listAges leaves out the pages.
func listAges(ages []catalog.Age) []catalog.Age {
	return slices.DeleteFunc(slices.Clone(ages), func(g catalog.Age) bool { return !g.List })
}

// anyStale reports whether a source is past its age.
func anyStale(ages []catalog.Age) bool {
	return slices.ContainsFunc(ages, func(g catalog.Age) bool { return g.Stale })
}
