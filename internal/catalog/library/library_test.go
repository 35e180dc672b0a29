package library_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/catalog/library"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

var today = time.Date(2027, 1, 4, 9, 0, 0, 0, time.UTC)

// read takes bodies of one host a line: a list of one row.
func read(s library.Source) (*catalog.Part, finding.List) {
	r := catalog.Renewal{
		Source: catalog.Source{ID: "test-" + strings.TrimSuffix(s.Name, ".txt"), URL: "https://list.example/", Read: s.Read, Title: catalog.Text{JA: "一覧", EN: "list"}},
		Cloud:  "worldwide", Day: s.Read, Areas: []string{"Test"},
	}
	row := catalog.Set{ID: catalog.ClaimID{ID: "1"}, Area: "Test", Required: true, Ports: endpoint.MustPorts("tcp/443")}
	for line := range strings.Lines(string(s.Body)) {
		p, err := endpoint.ParsePattern(strings.TrimSpace(line))
		if err != nil {
			return nil, finding.List{finding.New("test.bad", finding.Error, finding.Pos{File: s.Name})}
		}
		row.Patterns = append(row.Patterns, p)
	}
	r.Sets = append(r.Sets, row)
	return r.Part(), nil
}

func hosts(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "h%d.example\n", i)
	}
	return b.Bytes()
}

func shelf(t *testing.T) (*library.Library, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "catalog")
	return library.Open(dir, read, func() time.Time { return today }), dir
}

func source(version string, body []byte) library.Source {
	return library.Source{Name: "list.txt", Version: version, Read: today, Body: body}
}

func add(t *testing.T, l *library.Library, version string, body []byte) library.Added {
	t.Helper()
	a, err := l.Add(20, source(version, body))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func code(err error) string {
	var p *finding.Problem
	if errors.As(err, &p) {
		return p.Findings[0].Code
	}
	return fmt.Sprint(err)
}

func TestBuiltinIsAlwaysThere(t *testing.T) {
	l, _ := shelf(t)
	if s, err := l.Current(); err != nil || s != catalog.Builtin() {
		t.Errorf("%v %v", s, err)
	}
	if h, err := l.History(); err != nil || len(h) != 1 || !h[0].Current || h[0].Name != library.Builtin {
		t.Errorf("%+v %v", h, err)
	}
}

func TestVersionsAreKept(t *testing.T) {
	l, _ := shelf(t)
	first := add(t, l, "2027010400", hosts(10))
	if first.Version.Name != "2027-01-04" || !first.Version.Current || len(first.Difference.Hosts.Added) != 10 {
		t.Fatalf("%+v", first)
	}
	if again := add(t, l, "2027010400", hosts(10)); !again.Same {
		t.Errorf("the same again made %+v", again.Version)
	}
	second := add(t, l, "2027010500", hosts(9))
	if second.Version.Name != "2027-01-04.2" || second.Version.Waiting || len(second.Version.Losses) != 1 {
		t.Fatalf("%+v", second.Version)
	}
	s, err := l.Current()
	if err != nil || s.Version() != "2027-01-04.2" || len(s.AppendHits(nil, "h9.example")) != 0 || len(s.AppendHits(nil, "h8.example")) != 1 {
		t.Errorf("%v", err)
	}
	if err := l.Use("2027-01-04"); err != nil {
		t.Fatal(err)
	}
	if s, err = l.Current(); err != nil || len(s.AppendHits(nil, "h9.example")) != 1 {
		t.Errorf("going back: %v", err)
	}
	if err := l.Use(library.Builtin); err != nil {
		t.Fatal(err)
	}
	if h, err := l.History(); err != nil || len(h) != 3 || !h[0].Current {
		t.Errorf("%+v %v", h, err)
	}
	for _, name := range []string{"none", "../x", ""} {
		if err := l.Use(name); code(err) != "library.unknown" {
			t.Errorf("use %q: %v", name, err)
		}
	}
}

func TestWhatDropsTooMuchWaits(t *testing.T) {
	l, _ := shelf(t)
	add(t, l, "1", hosts(10))
	a := add(t, l, "2", hosts(7))
	if !a.Version.Waiting || a.Version.Current {
		t.Fatalf("%+v", a.Version)
	}
	if s, err := l.Current(); err != nil || len(s.AppendHits(nil, "h9.example")) != 1 {
		t.Errorf("the waiting version is in use: %v", err)
	}
	if name, err := l.Approve(); err != nil || name != a.Version.Name {
		t.Errorf("approve: %q %v", name, err)
	}
	if s, err := l.Current(); err != nil || len(s.AppendHits(nil, "h9.example")) != 0 {
		t.Errorf("the approved version is not in use: %v", err)
	}
	if _, err := l.Approve(); code(err) != "library.nothing-waits" {
		t.Errorf("approve again: %v", err)
	}
}

func TestNothingIsReplacedByWorse(t *testing.T) {
	l, dir := shelf(t)
	add(t, l, "2027010400", hosts(10))
	for _, c := range []struct {
		s    library.Source
		want string
	}{
		{source("2027010300", hosts(11)), "library.older"},
		{source("2027010500", []byte("not a host!\n")), "test.bad"},
		{library.Source{Name: "../x", Body: hosts(1)}, "library.source"},
	} {
		if _, err := l.Add(20, c.s); code(err) != c.want {
			t.Errorf("%q: %v", c.want, err)
		}
	}
	if h, err := l.History(); err != nil || len(h) != 2 || !h[1].Current {
		t.Errorf("%+v %v", h, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "versions", ".new*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestChangedByteOnDiskIsRefused(t *testing.T) {
	l, dir := shelf(t)
	v := add(t, l, "1", hosts(10)).Version
	file := filepath.Join(dir, "versions", v.Name, "list.txt")
	if err := os.WriteFile(file, bytes.Replace(hosts(10), []byte("h1"), []byte("x1"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Current(); code(err) != "library.damaged" {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "current.json"), []byte(`{"current":"../../x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Current(); code(err) != "library.damaged" {
		t.Errorf("a state that leads out of the folder: %v", err)
	}
	if err := l.Use("nothing"); err == nil {
		t.Error("a version that is not there")
	}
	if err := l.Use(library.Builtin); err != nil {
		t.Errorf("the way out of a damaged state: %v", err)
	}
	if h, err := l.History(); err != nil || !h[0].Current {
		t.Errorf("%+v %v", h, err)
	}
}
