package sqlite

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sekisho/internal/audit"
)

// Which index a report is read by: SQLite keeps no statistics here, so that a store that is empty shows it.
func TestReportsAreReadByTheirIndex(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "audit.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	span := audit.Filter{From: time.Unix(1, 0), To: time.Unix(2, 0)}
	for _, kind := range []audit.Kind{0, audit.Decision, audit.SignIn} {
		byTime := "record_time"
		if kind == audit.SignIn {
			byTime = "record_signin"
		}
		for _, c := range []struct {
			index  string
			change func(f *audit.Filter)
		}{
			{byTime, func(*audit.Filter) {}},
			{byTime, func(f *audit.Filter) { f.Before = audit.Cursor{TimeMicros: 1, Node: "n", Boot: "b", Seq: 1} }},
			{byTime, func(f *audit.Filter) { f.Status = 403 }},
			{"record_user", func(f *audit.Filter) { f.User = "alice" }},
			{"record_host", func(f *audit.Filter) { f.Host = "host" }},
			{"record_request", func(f *audit.Filter) { f.RequestID = "r" }},
			{"record_tenant", func(f *audit.Filter) { f.Tenant = "t" }},
			{"record_application", func(f *audit.Filter) { f.Application = "a" }},
			{"record_client", func(f *audit.Filter) { f.Client = netip.MustParsePrefix("10.1.2.3/32") }},
		} {
			for _, f := range []audit.Filter{{}, span, {From: span.From}, {To: span.To}} {
				f.Kind = kind
				c.change(&f)
				f, err := f.Normal()
				if err != nil {
					t.Fatal(err)
				}
				query, args := selection(f)
				rows, err := s.read.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
				if err != nil {
					t.Fatal(err)
				}
				var plan strings.Builder
				for rows.Next() {
					var a, b, c int
					var line string
					if err := rows.Scan(&a, &b, &c, &line); err != nil {
						t.Fatal(err)
					}
					plan.WriteString(line + "\n")
				}
				rows.Close()
				sorts := c.index == byTime && strings.Contains(plan.String(), "TEMP B-TREE FOR ORDER BY") // every row
				if !strings.Contains(plan.String(), "INDEX "+c.index+" ") || sorts {
					t.Errorf("%+v: not by %s:\n%s%s", f, c.index, query[strings.Index(query, "FROM"):], plan.String())
				}
			}
		}
	}
}
