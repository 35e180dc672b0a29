// Package catalog is the catalog: what Microsoft and others publish about the endpoints that a feature needs, and how
// each host must be treated.
//
// A Set is one claim: what one row of one source says. Claims are never merged, so that two pages that disagree stay
// two answers, each with its source and date. A Feature is what an administrator chooses and names the claims that it
// needs. A Snapshot is one immutable version of all that, indexed for matching:
//
//	s := catalog.Builtin()
//	hits := s.AppendHits(nil, "device.login.microsoftonline.com") // sets 56 and 59 of the Microsoft 365 list, ...
//	how := s.Handling("device.login.microsoftonline.com")         // inspection forbidden, and who says so
//	role := s.Classify("login.microsoftonline.com")               // a sign-in host
//
// The catalog's own files are YAML (see ParsePart): builtin/*.yaml is compiled in. They hold facts gathered from the
// pages named in builtin/sources.yaml, in our own words. The package refuses to guess: a value that a page does not
// state is the zero value ("not stated"), and what we filled in from elsewhere is marked as such.
//
// It does no I/O and knows no clock; whoever shows its data shows the age of it (Source.Date, Source.Read).
package catalog

import "time"

// Text is one text in the two languages of the product. In data that passed Build both languages are present or both
// are empty.
type Text struct {
	JA string `json:"ja"`
	EN string `json:"en"`
}

// In returns the text in lang: Japanese for "ja", English for anything else.
func (t Text) In(lang string) string {
	if lang == "ja" {
		return t.JA
	}
	return t.EN
}

// IsZero reports whether t says nothing in either language.
func (t Text) IsZero() bool { return t == Text{} }

// Precision says how much of Source.Date is known.
type Precision uint8

const (
	DateUnknown Precision = iota // the page shows no date; Date is zero
	YearKnown                    // Date is 1 January of the year
	MonthKnown                   // Date is the first of the month
	DayKnown                     // Date is the day
)

var precisionCodes = [...]string{"unknown", "year", "month", "day"}

// String is the stable code: unknown, year, month or day.
func (p Precision) String() string { return code(precisionCodes[:], p) }

// MarshalText prints the code.
func (p Precision) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Source is one page or list that claims something.
type Source struct {
	ID    string `json:"id"` // "intune-page", "m365-list", "entra-page", ...
	Title Text   `json:"title"`
	URL   string `json:"url"` // empty only for our own decisions (ID "sekisho")
	// Date is the page's or list's own date, in UTC. Zero when the page shows none. When only the year or month is
	// known it is the first day of it, so an age computed from it is never too young; see Precision.
	Date      time.Time `json:"date,omitzero"`
	Precision Precision `json:"date_precision"`
	Read      time.Time `json:"read"` // the day on which we read it, UTC
}

// DateText prints the date as precisely as it is known: "2024-02-26", "2024-02", "2023" or "".
func (s *Source) DateText() string {
	switch s.Precision {
	case YearKnown:
		return s.Date.Format("2006")
	case MonthKnown:
		return s.Date.Format("2006-01")
	case DayKnown:
		return s.Date.Format(time.DateOnly)
	}
	return ""
}
