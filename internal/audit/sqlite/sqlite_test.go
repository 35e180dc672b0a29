package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"sekisho/internal/audit"
	"sekisho/internal/audit/sqlite"
	"sekisho/internal/audit/storetest"
	"sekisho/internal/finding"
	"sekisho/internal/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Engine { return open(t, filepath.Join(t.TempDir(), "audit.db")) })
}

func TestFilesArePrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing on Windows")
	}
	path := filepath.Join(t.TempDir(), "audit.db")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	if err := s.Store(t.Context(), []audit.Record{{Node: "n", Seq: 1}}); err != nil {
		t.Fatal(err)
	}
	found, _ := filepath.Glob(path + "*")
	if len(found) < 2 {
		t.Errorf("files %v: no write-ahead log", found)
	}
	for _, f := range found {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", f, info.Mode(), err)
		}
	}
}

func TestAnyPathIsAPath(t *testing.T) {
	for _, name := range []string{"a b.db", "q?mode=memory.db", "per%41cent.db", "ha#sh.db", "記録.db", "semi;colon&.db"} {
		path := filepath.Join(t.TempDir(), name)
		s := open(t, path)
		s.Close()
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		left, _ := os.ReadDir(filepath.Dir(path))
		if len(left) != 1 {
			t.Errorf("%q: files %v", name, left)
		}
	}
}

func TestReaderInAnotherProcessSeesWhatIsStored(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	if _, err := sqlite.OpenReader(t.Context(), path); code(t, err) != "audit.store-absent" {
		t.Errorf("no file: %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a reader made a file")
	}
	w := open(t, path)
	r, err := sqlite.OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := w.Store(t.Context(), []audit.Record{{Node: "n", Seq: 1, Kind: audit.Decision}}); err != nil {
		t.Fatal(err)
	}
	rows, err := r.Decisions(t.Context(), audit.Filter{})
	if err != nil || len(rows) != 1 {
		t.Errorf("%v, %v", rows, err)
	}
	if err := r.Store(t.Context(), nil); err == nil {
		t.Error("a reader stores")
	}
}

func TestSchemaOfAnotherVersionIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	open(t, path).Close()
	raw(t, path, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (999999, 1)")
	if _, err := sqlite.Open(t.Context(), path); code(t, err) != "audit.store-newer" {
		t.Errorf("newer: %v", err)
	}
	if _, err := sqlite.OpenReader(t.Context(), path); code(t, err) != "audit.store-newer" {
		t.Errorf("newer, reader: %v", err)
	}
	raw(t, path, "DELETE FROM goose_db_version WHERE version_id > 0")
	if _, err := sqlite.OpenReader(t.Context(), path); code(t, err) != "audit.store-older" {
		t.Errorf("older, reader: %v", err)
	}
}

func TestWhatIsNoDatabaseIsRefusedAndLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	text := strings.Repeat("this is a letter\n", 100)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), path); code(t, err) != "audit.store-unusable" {
		t.Errorf("%v", err)
	}
	if got, _ := os.ReadFile(path); string(got) != text {
		t.Error("the file changed")
	}
	if _, err := sqlite.Open(t.Context(), t.TempDir()); code(t, err) != "audit.store-unusable" {
		t.Errorf("folder: %v", err)
	}
	if _, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "absent", "audit.db")); code(t, err) != "audit.store-unusable" {
		t.Errorf("absent folder: %v", err)
	}
}

func TestTwoProcessesMayStartAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s, err := sqlite.Open(t.Context(), path)
			if err != nil {
				t.Error(err)
				return
			}
			s.Close()
		})
	}
	wg.Wait()
}

func raw(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

// code returns the code of a *finding.Problem and checks that both languages word it.
func code(t *testing.T, err error) string {
	t.Helper()
	var p *finding.Problem
	if !errors.As(err, &p) {
		t.Fatalf("error %v is no *finding.Problem", err)
	}
	for _, lang := range message.Languages() {
		for _, id := range []string{p.Findings[0].Code, p.Findings[0].Code + ".hint"} {
			if !message.New(lang).Has(id) {
				t.Errorf("no text %q in %s", id, lang)
			}
		}
	}
	return p.Findings[0].Code
}
