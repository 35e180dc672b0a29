package sqlite_test

import (
	"context"
	"database/sql"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite"

	"sekisho/internal/audit"
	"sekisho/internal/audit/sqlite"
)

// A database of the first version keeps every record, and what was stored is still known when it comes again.
func TestDatabaseOfTheFirstVersionIsBroughtUpToDate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	files, err := fs.Sub(sqlite.Migrations(), "migrations")
	if err != nil {
		t.Fatal(err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	sequences := []uint64{1, 2, 1<<32 - 1, 1 << 32, 1<<40 + 7, math.MaxInt64}
	for i, seq := range sequences {
		for _, boot := range []string{"b1", "b2"} {
			if _, err := db.Exec(`INSERT INTO record VALUES (NULL, 'gw1', ?, ?, ?, 1, ?, 'r', 'c', '10.1.2.3',
				x'00000000000000000000ffff0a010203', 'Alice', 'alice', 'it', 'CONNECT', 'Host', 'host', 443, 'sni', 'authority',
				'192.0.2.1', 'permit', 'tunnel', 'default', '', 'a:1', 'ring', 'enforce', 'profile', 'hash', 'version', 200, 1, 2, 3,
				'', '', '', '', '', '', '', '', '', '')`, boot, int64(seq), i == 0, int64(i)+1); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	s := open(t, path)
	want := func(i int, boot string) audit.Record {
		return audit.Record{Node: "gw1", Boot: boot, Seq: sequences[i], Open: i == 0, Kind: audit.Decision, TimeMicros: int64(i) + 1,
			RequestID: "r", Connection: "c", Client: "10.1.2.3", User: "Alice", Groups: []string{"it"}, Method: "CONNECT",
			Host: "Host", Port: 443, SNI: "sni", Authority: "authority", Addr: "192.0.2.1", Verdict: "permit", Action: "tunnel",
			Reason: "default", Rule: "a:1", Ring: "ring", Mode: "enforce", Profile: "profile", PolicyHash: "hash",
			CatalogVersion: "version", Status: 200, BytesUp: 1, BytesDown: 2, DurationMicros: 3}
	}
	var all []audit.Record
	for i := range sequences {
		all = append(all, want(i, "b1"), want(i, "b2"))
	}
	for range 2 {
		rows, err := s.Decisions(context.Background(), audit.Filter{User: "alice"})
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(rows)
		if diff := cmp.Diff(all, rows); diff != "" {
			t.Error(diff)
		}
		if err := s.Store(t.Context(), all); err != nil { // shipped again
			t.Fatal(err)
		}
	}
	final := all[0]
	final.Open, final.BytesUp = false, 9
	if err := s.Store(t.Context(), []audit.Record{final}); err != nil {
		t.Fatal(err)
	}
	if rows, err := s.Decisions(t.Context(), audit.Filter{Open: true}); err != nil || len(rows) != 1 || rows[0].Boot != "b2" {
		t.Errorf("open: %v, %v", rows, err)
	}
}
