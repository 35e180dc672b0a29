package journal

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"sekisho/internal/finding"
	"sekisho/internal/lab/state"
)

func openState(t testing.TB, path string) *state.DB {
	t.Helper()
	db, err := state.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func openJournal(t testing.TB, db *state.DB) *Journal {
	t.Helper()
	j, err := Open(t.Context(), db, func(err error) { t.Log(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

// A journal that is opened again is the same, entry by entry, and answers the same from the file alone.
func TestKeptOverRestarts(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), state.File)
	db := openState(t, path)
	j := openJournal(t, db)
	entries := sample()
	entries[3].Findings = finding.List{finding.New("lab.no-context", finding.Warning, finding.Pos{}, "a", "b")}
	entries[3].Assumptions = []string{"x"}
	for _, e := range entries {
		j.Add(e)
	}
	want := j.Rows(contoso, Query{})
	if err := errors.Join(j.Close(), j.Close()); err != nil {
		t.Fatal(err)
	}
	again := openJournal(t, db)
	if got := again.SignIns(); !reflect.DeepEqual(got, entries) {
		t.Errorf("got  %+v\nwant %+v", got, entries)
	}
	again.Add(SignIn{ID: "later", Tenant: contoso, Host: entraHost, Time: noon.Add(time.Hour)})
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	reader, err := state.OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for name, q := range map[string]Query{
		"all": {}, "blocked": {Blocked: true}, "limit": {Limit: 2}, "user": {User: "alice@contoso.com"},
		"time": {Since: noon.Add(time.Minute), Until: noon.Add(5 * time.Minute)}, "status": {Status: "500021"},
	} {
		got, err := ReadRows(t.Context(), reader, strings.ToUpper(contoso), q)
		if err != nil || !reflect.DeepEqual(got, again.Rows(contoso, q)) {
			t.Errorf("%s: %v: %s, want %s", name, err, names(got), names(again.Rows(contoso, q)))
		}
	}
	if got := again.Rows(contoso, Query{}); len(got) != len(want)+1 || got[0].ID != "later" || !reflect.DeepEqual(got[1:], want) {
		t.Errorf("%s", names(got))
	}
}

// The oldest go first, in the file as in memory.
func TestBoundedOnDisk(t *testing.T) {
	t.Parallel()
	db := openState(t, filepath.Join(t.TempDir(), state.File))
	j := openJournal(t, db)
	const over = 1500
	for i := range Capacity + over {
		j.Add(SignIn{ID: strconv.Itoa(i), Tenant: contoso, Host: entraHost, Time: noon})
		if i%10000 == 0 {
			if err := j.flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := db.CountSignIns(t.Context()); err != nil || n != Capacity {
		t.Errorf("%d kept, %v", n, err)
	}
	got := openJournal(t, db).SignIns()
	if len(got) != Capacity || got[0].ID != strconv.Itoa(over) || got[Capacity-1].ID != strconv.Itoa(Capacity+over-1) {
		t.Errorf("%d entries, %s to %s", len(got), got[0].ID, got[len(got)-1].ID)
	}
}

// What cannot be written now is written later.
func TestWritingIsTriedAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), state.File)
	db := openState(t, path)
	j := &Journal{db: db, stop: make(chan struct{})}
	j.Add(SignIn{ID: "1", Reason: strings.Repeat("x", 1<<20)}) // longer than the state keeps
	if err := j.flush(); err == nil {
		t.Fatal("an entry of a megabyte is kept")
	}
	if len(j.pending) != 1 {
		t.Fatalf("%d pending", len(j.pending))
	}
	j.pending[0].Data = []byte(`{"id":"1"}`)
	j.Add(SignIn{ID: "2"})
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if got := openJournal(t, db).SignIns(); len(got) != 2 || got[0].ID != "1" || got[1].ID != "2" {
		t.Errorf("%+v", got)
	}
}

func TestWhatIsNotAnEntryIsRefused(t *testing.T) {
	t.Parallel()
	db := openState(t, "")
	if err := db.AppendSignIns(t.Context(), []state.SignIn{{Data: []byte("no JSON")}}, 10); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), db, nil); err == nil || !strings.Contains(err.Error(), "entry 1") {
		t.Errorf("%v", err)
	}
}

// TestKilled ends a process that writes, without a word, and looks at what is there: everything that a reader had seen
// before, in order and without a gap, by a journal that goes on.
func TestKilled(t *testing.T) {
	if path := os.Getenv("SEKISHO_JOURNAL_CHILD"); path != "" {
		db, err := state.Open(context.Background(), path)
		if err != nil {
			t.Fatal(err)
		}
		j, err := Open(context.Background(), db, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; ; i++ {
			j.Add(SignIn{ID: strconv.Itoa(i), Time: time.Now(), Tenant: contoso})
			time.Sleep(time.Millisecond)
		}
	}
	t.Parallel()
	path := filepath.Join(t.TempDir(), state.File)
	child := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	child.Env = append(os.Environ(), "SEKISHO_JOURNAL_CHILD="+path)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer child.Process.Kill()
	seen := 0
	for end := time.Now().Add(time.Minute); seen < 300; {
		if time.Now().After(end) {
			t.Fatalf("after a minute %d entries are on disk", seen)
		}
		time.Sleep(50 * time.Millisecond)
		db, err := state.OpenReader(t.Context(), path)
		if err != nil {
			continue // not made yet, or not whole
		}
		seen, _ = db.CountSignIns(t.Context())
		db.Close()
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	child.Wait()
	kept := openJournal(t, openState(t, path)).SignIns()
	if len(kept) < seen {
		t.Fatalf("%d entries were on disk, %d are", seen, len(kept))
	}
	for i, e := range kept {
		if e.ID != strconv.Itoa(i) {
			t.Fatalf("entry %d is %s", i, e.ID)
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	j := openJournal(b, openState(b, filepath.Join(b.TempDir(), state.File)))
	e := sample()[1]
	for b.Loop() {
		j.Add(e)
	}
}
