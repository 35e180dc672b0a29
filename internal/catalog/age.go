package catalog

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/finding"
)

// Ages, in whole days, past which answers warn when nobody has set one.
const (
	// MaxListAge is that of lists which their publisher brings out again and again (Microsoft announces changes of its
	// lists 30 days ahead, so an older one may lack what is in force).
	MaxListAge = 30
	// MaxPageAge is that of pages (chosen: most were changed within a year of being read).
	MaxPageAge = 365
)

// Age is how old the word of one source is. It is counted from the source's own date, in whole days, from the first day
// that the date can mean; a source that shows no date is counted from the day on which it was read.
type Age struct {
	Source  string `json:"id"`
	Title   Text   `json:"title"`
	URL     string `json:"url"`
	Date    string `json:"date"`         // as precise as known; "" when the source shows none
	Read    string `json:"read"`         // YYYY-MM-DD
	AgeDays int    `json:"age_days"`     // since Date, or since Read where there is no date
	MaxDays int    `json:"max_age_days"` // past which answers warn
	Stale   bool   `json:"stale"`        // AgeDays is more than MaxDays
	List    bool   `json:"list"`         // "catalog update" and "catalog import" bring a newer one
}

// IsList reports whether s is a list of the endpoints web service, which an update renews; everything else is a page,
// which comes with the program.
func (s *Source) IsList() bool { return strings.HasPrefix(s.URL, "https://endpoints.office.com/") }

// Age returns the age of s at now. maxDays is the age past which answers warn; 0: MaxListAge or MaxPageAge.
func (s *Source) Age(now time.Time, maxDays int) Age {
	a := Age{Source: s.ID, Title: s.Title, URL: s.URL, Date: s.DateText(), Read: s.Read.Format(time.DateOnly), MaxDays: maxDays, List: s.IsList()}
	if maxDays == 0 {
		a.MaxDays = MaxPageAge
		if a.List {
			a.MaxDays = MaxListAge
		}
	}
	since := s.Date
	if since.IsZero() {
		since = s.Read
	}
	a.AgeDays = max(0, int(now.Sub(since)/(24*time.Hour)))
	a.Stale = a.AgeDays > a.MaxDays
	return a
}

// Ages returns the age of every source that sets claim by, each once, oldest first. Sets that do not apply to this
// organisation are left out. Withdrawn ones count: that something was withdrawn is a word of its source.
func Ages(sets []*Set, now time.Time, maxDays int) []Age {
	var sources []*Source
	for _, set := range sets {
		if set.Applies != No {
			sources = append(sources, set.Source)
		}
	}
	return SourceAges(sources, now, maxDays)
}

// SourceAges returns the age of every source, each once, oldest first; nil ones are left out.
func SourceAges(sources []*Source, now time.Time, maxDays int) []Age {
	out := []Age{}
	seen := map[string]bool{}
	for _, s := range sources {
		if s != nil && !seen[s.ID] {
			seen[s.ID] = true
			out = append(out, s.Age(now, maxDays))
		}
	}
	slices.SortStableFunc(out, func(a, b Age) int { return b.AgeDays - a.AgeDays })
	return out
}

// Stale words ages past their limit as warnings: one for lists, one for pages, because the remedy differs. There are none
// when nothing is stale.
func Stale(ages []Age) finding.List {
	var list finding.List
	for _, kind := range []struct {
		code string
		list bool
	}{{"catalog.lists-stale", true}, {"catalog.pages-stale", false}} {
		var names []string
		oldest, most := 0, 0
		for _, a := range ages {
			if a.Stale && a.List == kind.list {
				date := a.Date
				if date == "" {
					date = a.Read
				}
				names = append(names, a.Source+" ("+date+")")
				oldest, most = max(oldest, a.AgeDays), max(most, a.MaxDays)
			}
		}
		if len(names) == 0 {
			continue
		}
		count := len(names)
		if shown := 3; count > shown { // chosen: a line that people read; JSON has all
			names = append(names[:shown], "...")
		}
		list = append(list, finding.New(kind.code, finding.Warning, finding.Pos{}, "count", strconv.Itoa(count),
			"sources", strings.Join(names, ", "), "days", strconv.Itoa(oldest), "max", strconv.Itoa(most)))
	}
	return list
}
