package library_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sekisho/internal/catalog/library"
)

// TestRejectedListsDoNotComeAgain: what waits is forgotten, the very file is refused from then on, and taken when asked.
func TestRejectedListsDoNotComeAgain(t *testing.T) {
	l, dir := shelf(t)
	if _, err := l.Reject(); code(err) != "library.nothing-waits" {
		t.Fatal(err)
	}
	add(t, l, "2027010400", hosts(10))
	if a := add(t, l, "2027010500", hosts(2)); !a.Version.Waiting {
		t.Fatal("does not wait")
	}
	name, err := l.Reject()
	if err != nil || name != "2027-01-04.2" {
		t.Fatal(name, err)
	}
	if h, err := l.History(); err != nil || len(h) != 2 || !h[1].Current {
		t.Errorf("%+v %v", h, err)
	}
	if _, err := l.Add(20, source("2027010500", hosts(2))); code(err) != "library.rejected" {
		t.Errorf("the same again: %v", err)
	}
	if a := add(t, l, "2027010600", hosts(9)); !a.Version.Current {
		t.Errorf("a good one: %+v", a)
	}
	if a, err := l.Add(100, source("2027010700", hosts(2))); err != nil || !a.Version.Current {
		t.Errorf("asked for: %+v %v", a, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "versions", ".*")); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
}

// TestApprovalTakesNothingBack: another list has come into use while one waited.
func TestApprovalTakesNothingBack(t *testing.T) {
	l, _ := shelf(t)
	add(t, l, "2027010400", hosts(10))
	if a := add(t, l, "2027010500", hosts(2)); !a.Version.Waiting {
		t.Fatal("does not wait")
	}
	other := library.Source{Name: "other.txt", Version: "1", Read: today, Body: []byte("other.example\n")}
	if a, err := l.Add(100, other); err != nil || !a.Version.Current {
		t.Fatal(err)
	}
	if h, err := l.History(); err != nil || !h[2].Waiting {
		t.Fatalf("what waited is forgotten: %+v %v", h, err)
	}
	name, err := l.Approve()
	if err != nil || name != "2027-01-04.4" {
		t.Fatal(name, err)
	}
	v, err := l.CurrentVersion()
	if err != nil || len(v.Sources) != 2 || v.Sources[0].Version != "2027010500" || v.Sources[1].Version != "1" {
		t.Errorf("%+v %v", v.Sources, err)
	}
	if _, err := l.Approve(); code(err) != "library.nothing-waits" {
		t.Errorf("twice: %v", err)
	}
	// What waits and is overtaken by a newer list waits no longer.
	if a := add(t, l, "2027010600", []byte("h0.example\n")); !a.Version.Waiting {
		t.Fatal("does not wait")
	}
	if a := add(t, l, "2027010700", hosts(2)); !a.Version.Current {
		t.Fatal("waits")
	}
	if _, err := l.Approve(); code(err) != "library.nothing-waits" {
		t.Errorf("overtaken: %v", err)
	}
}

func TestTheShelfIsBounded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "catalog")
	now := today
	l := library.Open(dir, read, func() time.Time { now = now.Add(24 * time.Hour); return now })
	for i := range 40 {
		add(t, l, fmt.Sprintf("20280101%02d", i), append(hosts(10), fmt.Sprintf("v%d.example\n", i)...))
	}
	h, err := l.History()
	if err != nil || len(h) != 31 || h[0].Name != library.Builtin || !h[30].Current {
		t.Fatalf("%d versions, %v", len(h), err)
	}
	// One that is in use stays, however old it is.
	if err := l.Use(h[1].Name); err != nil {
		t.Fatal(err)
	}
	oldest := h[1].Name
	for i := range 3 {
		if a, err := l.Add(20, source(fmt.Sprintf("20290101%02d", i), hosts(1))); err != nil || !a.Version.Waiting {
			t.Fatalf("%+v %v", a, err)
		}
	}
	if h, err = l.History(); err != nil || h[1].Name != oldest || !h[1].Current || len(h) > 33 {
		t.Errorf("%+v %v", h, err)
	}
}

// TestWhatAKilledProcessLeaves puts every state on disk that a process killed between two writes can leave.
func TestWhatAKilledProcessLeaves(t *testing.T) {
	for name, leave := range map[string]func(t *testing.T, dir string){
		"half-a-version": func(t *testing.T, dir string) {
			put(t, filepath.Join(dir, "versions", ".new-123", "list.txt"), "h0.exa")
		},
		"a-version-without-manifest": func(t *testing.T, dir string) {
			put(t, filepath.Join(dir, "versions", "2027-01-04.2", "list.txt"), "h0.example\n")
		},
		"a-version-half-removed": func(t *testing.T, dir string) {
			put(t, filepath.Join(dir, "versions", ".new-gone-2027-01-01", "list.txt"), "h0.example\n")
		},
		"half-a-state": func(t *testing.T, dir string) { put(t, filepath.Join(dir, "current.json.new"), `{"curr`) },
		"a-lock":       func(t *testing.T, dir string) { put(t, filepath.Join(dir, ".library.lock"), "") },
	} {
		t.Run(name, func(t *testing.T) {
			l, dir := shelf(t)
			add(t, l, "2027010400", hosts(10))
			leave(t, dir)
			if s, err := l.Current(); err != nil || len(s.AppendHits(nil, "h9.example")) != 1 {
				t.Fatalf("what was in use: %v", err)
			}
			if _, err := l.History(); err != nil {
				t.Fatal(err)
			}
			if a := add(t, l, "2027010500", hosts(9)); !a.Version.Current {
				t.Errorf("%+v", a.Version)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "versions", ".*")); len(left) > 0 {
				t.Errorf("left over: %q", left)
			}
		})
	}
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestKilledAtAnyMoment kills a process that adds lists, again and again: the shelf works each time, and what is in use
// is one of the lists, whole.
func TestKilledAtAnyMoment(t *testing.T) {
	if dir := os.Getenv("SEKISHO_TEST_LIBRARY"); dir != "" {
		from, _ := strconv.Atoi(os.Getenv("SEKISHO_TEST_FROM"))
		l := library.Open(dir, read, time.Now)
		for i := from; ; i++ {
			if _, err := l.Add(100, source(strconv.Itoa(2027010400+i), append(hosts(3), fmt.Sprintf("v%d.example\n", i)...))); err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
			fmt.Println("added")
		}
	}
	dir := filepath.Join(t.TempDir(), "catalog")
	l := library.Open(dir, read, time.Now)
	add(t, l, "2027010400", hosts(3))
	for round := range 8 {
		c := exec.Command(os.Args[0], "-test.run=^TestKilledAtAnyMoment$")
		c.Env = append(os.Environ(), "SEKISHO_TEST_LIBRARY="+dir, "SEKISHO_TEST_FROM="+strconv.Itoa((round+1)*1000))
		var out strings.Builder
		c.Stdout = &out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		// The moments lie apart by a time that has nothing to do with that of an Add.
		timer := time.AfterFunc(time.Duration(150+round*37)*time.Millisecond, func() { _ = c.Process.Kill() })
		if err := c.Wait(); err == nil || strings.Contains(out.String(), "library.") {
			t.Fatalf("%v %s", err, out.String())
		}
		timer.Stop()
		s, err := l.Current()
		if err != nil || len(s.AppendHits(nil, "h2.example")) != 1 {
			t.Fatalf("round %d: what is in use: %v", round, err)
		}
		h, err := l.History()
		if err != nil || len(h) > 33 {
			t.Fatalf("round %d: %d versions, %v", round, len(h), err)
		}
		if err := l.Use(h[0].Name); err != nil {
			t.Fatal(err)
		}
		if err := l.Use(h[len(h)-1].Name); err != nil {
			t.Fatal(err)
		}
	}
}
