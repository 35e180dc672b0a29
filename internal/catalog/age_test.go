package catalog_test

import (
	"testing"
	"time"

	"sekisho/internal/catalog"
)

func day(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return t
}

// TestAgeIsCountedFromTheSourcesOwnDate: in whole days, and one is stale past the limit, not at it.
func TestAgeIsCountedFromTheSourcesOwnDate(t *testing.T) {
	list := &catalog.Source{ID: "l", URL: "https://endpoints.office.com/endpoints/china", Date: day("2026-10-01"), Precision: catalog.DayKnown, Read: day("2026-11-01")}
	page := &catalog.Source{ID: "p", URL: "https://learn.microsoft.com/x", Date: day("2025-11-01"), Precision: catalog.DayKnown, Read: day("2026-11-01")}
	undated := &catalog.Source{ID: "u", Read: day("2026-11-01")}
	for _, c := range []struct {
		source *catalog.Source
		now    string
		max    int
		days   int
		stale  bool
	}{
		{list, "2026-10-31", 0, 30, false},
		{list, "2026-11-01", 0, 31, true},
		{list, "2026-11-01", 31, 31, false},
		{list, "2026-09-01", 0, 0, false}, // the clock is behind
		{page, "2026-11-01", 0, 365, false},
		{page, "2026-11-02", 0, 366, true},
		{page, "2026-11-02", 400, 366, false},
		{undated, "2027-11-01", 0, 365, false},
		{undated, "2026-11-03", 1, 2, true},
	} {
		if a := c.source.Age(day(c.now).Add(23*time.Hour), c.max); a.AgeDays != c.days || a.Stale != c.stale {
			t.Errorf("%s at %s: %+v", c.source.ID, c.now, a)
		}
	}
}

func TestStaleNamesListsApartFromPages(t *testing.T) {
	s := catalog.Builtin()
	fresh := catalog.Ages(s.Sets(), day("2026-11-23"), 3650)
	if got := catalog.Stale(fresh); got != nil {
		t.Errorf("%v", got)
	}
	ages := catalog.Ages(s.SetsOf("entra.sign-in"), day("2026-11-23"), 0)
	found := catalog.Stale(ages)
	if len(found) != 2 || found[0].Code != "catalog.lists-stale" || found[1].Code != "catalog.pages-stale" || found[0].Args["days"] != "662" || found[0].Args["count"] != "1" {
		t.Errorf("%+v", found)
	}
	for i := 1; i < len(ages); i++ {
		if ages[i].AgeDays > ages[i-1].AgeDays {
			t.Errorf("%v is not sorted by age", ages)
		}
	}
}
