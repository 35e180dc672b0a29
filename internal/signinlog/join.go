package signinlog

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/audit"
)

// Where a line was seen.
const (
	SeenBoth    = "both"
	SeenCloud   = "cloud"   // the gateway has no record of it: it went another way, or the record is gone
	SeenGateway = "gateway" // the cloud's log does not have it: not yet, not for this tenant, or a personal account
	NotJoined   = "not-joined"
)

// Line is one sign-in from both sides.
type Line struct {
	Seen    string
	Cloud   Row           // zero under SeenGateway
	Gateway *audit.Record // nil but under SeenBoth and SeenGateway
}

// At is when the cloud recorded the sign-in; for one that only the gateway saw, when that did.
func (l Line) At() time.Time {
	if l.Seen == SeenGateway {
		return time.UnixMicro(l.Gateway.TimeMicros).UTC()
	}
	return l.Cloud.Time.UTC()
}

func (l Line) status() string {
	if l.Seen != SeenGateway {
		return l.Cloud.Status
	}
	switch l.Gateway.Outcome {
	case "ok":
		return Success
	case "blocked", "failed":
		return Failure
	}
	return ""
}

func (l Line) code() string {
	if l.Seen == SeenGateway {
		return l.Gateway.AADSTS
	}
	return strconv.Itoa(l.Cloud.Code)
}

func (l Line) blocked() bool {
	if l.Seen == SeenGateway {
		return l.Gateway.Outcome == "blocked"
	}
	return l.Cloud.Blocked()
}

// Alone makes lines of rows that nothing was held against.
func Alone(rows []Row) []Line {
	lines := make([]Line, len(rows))
	for i, r := range rows {
		lines[i] = Line{Seen: NotJoined, Cloud: r}
	}
	sortLines(lines)
	return lines
}

// Join joins rows with the gateway's records of sign-ins by correlation id, newest first. One correlation id often has
// several rows and several records (the page, the token): each row takes the record of the same outcome that is nearest
// in time, each record goes to one row while there are enough. What is left of either side stands alone; of the gateway's
// records those alone that are a sign-in (authorize, token, devicecode, login, saml, wsfed) or blocked, of which no row has the
// correlation id.
func Join(rows []Row, records []audit.Record) []Line {
	byID := map[string][]*audit.Record{}
	for i := range records {
		if r := &records[i]; r.Kind == audit.SignIn && r.CorrelationID != "" {
			id := strings.ToLower(r.CorrelationID)
			byID[id] = append(byID[id], r)
		}
	}
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b Row) int { return a.Time.Compare(b.Time) })
	lines := make([]Line, 0, len(rows))
	matched := map[string]bool{}
	used := map[*audit.Record]bool{}
	for _, row := range rows {
		id := strings.ToLower(row.CorrelationID)
		line := Line{Seen: SeenCloud, Cloud: row}
		if of := byID[id]; id != "" && len(of) > 0 {
			matched[id] = true
			line.Seen, line.Gateway = SeenBoth, nearest(row, of, used)
			used[line.Gateway] = true
		}
		lines = append(lines, line)
	}
	for i := range records {
		r := &records[i]
		if r.Kind == audit.SignIn && (isSignIn(r.Endpoint) || r.Outcome == "blocked") && !matched[strings.ToLower(r.CorrelationID)] {
			lines = append(lines, Line{Seen: SeenGateway, Gateway: r})
		}
	}
	sortLines(lines)
	return lines
}

// nearest chooses among the records of one correlation id. Smaller is better in each of: already another row's, a
// different code, not a step that decides, distance in time.
func nearest(row Row, of []*audit.Record, used map[*audit.Record]bool) *audit.Record {
	code := strconv.Itoa(row.Code)
	if row.Code == 0 {
		code = ""
	}
	type rank struct {
		used, code, step int
		distance         time.Duration
	}
	ranked := func(r *audit.Record) rank {
		k := rank{distance: row.Time.Sub(time.UnixMicro(r.TimeMicros)).Abs()}
		if used[r] {
			k.used = 1
		}
		if r.AADSTS != code {
			k.code = 1
		}
		if !isSignIn(r.Endpoint) {
			k.step = 1
		}
		return k
	}
	return slices.MinFunc(of, func(a, b *audit.Record) int {
		x, y := ranked(a), ranked(b)
		return cmp.Or(cmp.Compare(x.code, y.code), cmp.Compare(x.used, y.used), cmp.Compare(x.step, y.step), cmp.Compare(x.distance, y.distance))
	})
}

func isSignIn(endpoint string) bool {
	switch endpoint {
	case "authorize", "token", "devicecode", "login", "saml", "wsfed":
		return true
	}
	return false
}

func sortLines(lines []Line) {
	slices.SortStableFunc(lines, func(a, b Line) int {
		return cmp.Or(b.At().Compare(a.At()), cmp.Compare(a.Cloud.ID, b.Cloud.ID))
	})
}
