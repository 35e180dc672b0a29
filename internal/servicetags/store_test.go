package servicetags_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sekisho/internal/finding"
	"sekisho/internal/servicetags"
)

// tags is a body with change number n whose one tag has the prefixes 20.0.i.0/24 for i below count.
func tags(cloud string, n, count int) []byte {
	var prefixes []string
	for i := range count {
		prefixes = append(prefixes, fmt.Sprintf(`"20.0.%d.0/24"`, i))
	}
	return fmt.Appendf(nil, `{"changeNumber":%d,"cloud":%q,"values":[{"name":"Storage","properties":{"addressPrefixes":[%s]}}]}`, n, cloud, strings.Join(prefixes, ","))
}

func open(t *testing.T) (*servicetags.Store, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "catalog")
	return servicetags.NewStore(dir, func() time.Time { return time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC) }), dir
}

func code(err error) string {
	var p *finding.Problem
	if !errors.As(err, &p) {
		return fmt.Sprint(err)
	}
	return p.Findings[0].Code
}

func TestImportAndLoad(t *testing.T) {
	s, dir := open(t)
	if list, err := s.Current(); err != nil || len(list) != 0 {
		t.Fatal(list, err)
	}
	if x, _, err := s.Index(); x != nil || err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Load(servicetags.Public); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	done, err := s.Import("/some/where/ServiceTags_Public_20261116.json", tags("Public", 10, 20), false)
	if err != nil || done.Before.Cloud != 0 || done.Same {
		t.Fatal(done, err)
	}
	if m := done.Manifest; m.Version() != "public-10" || m.AgeDays(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)) != 7 || m.Name != "ServiceTags_Public_20261116.json" || m.Prefixes != 20 {
		t.Errorf("%+v", m)
	}
	if _, err := s.Import("x.json", tags("AzureGovernment", 3, 5), false); err != nil {
		t.Fatal(err)
	}
	x, list, err := s.Index()
	if err != nil || x.Len() != 25 || len(list) != 2 || list[1].Cloud != servicetags.Government || list[1].AgeDays(list[1].Imported.Add(49*time.Hour)) != 2 {
		t.Fatal(x.Len(), list, err)
	}
	if done, err = s.Import("y.json", tags("Public", 10, 20), false); err != nil || !done.Same {
		t.Errorf("the same file again: %+v, %v", done, err)
	}
	again := servicetags.NewStore(dir, nil)
	if f, m, err := again.Load(servicetags.Public); err != nil || f.ChangeNumber != 10 || !f.Date.Equal(m.Date) || m.Date.IsZero() {
		t.Errorf("%+v %v", m, err)
	}
}

// TestNothingGoodIsReplaced: every file that must not be taken leaves what is in use as it was.
func TestNothingGoodIsReplaced(t *testing.T) {
	for _, c := range []struct {
		rule, code string
		data       []byte
		force      bool // whether force takes it
	}{
		{"empty", "servicetags.empty", nil, false},
		{"no-prefixes", "servicetags.empty", tags("Public", 11, 0), false},
		{"truncated", "servicetags.truncated", tags("Public", 11, 100)[:900], false},
		{"older", "servicetags.older", tags("Public", 9, 100), true},
		{"same-number-other-contents", "servicetags.same-number", tags("Public", 10, 101), true},
		{"drops-a-fifth-and-one", "servicetags.dropped", tags("Public", 11, 79), true},
		{"another-tag", "servicetags.dropped", []byte(strings.Replace(string(tags("Public", 11, 100)), "Storage", "Sql", 1)), true},
	} {
		t.Run(c.rule, func(t *testing.T) {
			s, _ := open(t)
			if _, err := s.Import("a.json", tags("Public", 10, 100), false); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Import("b.json", c.data, false); code(err) != c.code {
				t.Errorf("%v, want %s", err, c.code)
			}
			if f, _, err := s.Load(servicetags.Public); err != nil || f.ChangeNumber != 10 || f.Prefixes != 100 {
				t.Errorf("what was in use is gone: %v", err)
			}
			if _, err := s.Import("b.json", c.data, true); (err == nil) != c.force {
				t.Errorf("with force: %v", err)
			}
		})
	}
}

func TestAFifthMayGo(t *testing.T) {
	s, dir := open(t)
	for i, n := range []int{100, 80, 70, 70, 90} {
		done, err := s.Import("a.json", tags("Public", 10+i, n), false)
		if err != nil {
			t.Fatal(err)
		}
		if want := []int{0, 20, 10, 0, 0}[i]; done.Dropped != want {
			t.Errorf("%d dropped, want %d", done.Dropped, want)
		}
	}
	// Two halves that become one prefix drop nothing.
	joined := []byte(strings.Replace(string(tags("Public", 20, 90)), `"20.0.0.0/24","20.0.1.0/24"`, `"20.0.0.0/23"`, 1))
	if done, err := s.Import("a.json", joined, false); err != nil || done.Dropped != 0 {
		t.Errorf("%d dropped, %v", done.Dropped, err)
	}
	if kept := bodies(dir); len(kept) != 6 {
		t.Errorf("kept: %q", kept)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".servicetags-*")); len(left) != 0 {
		t.Errorf("left over: %q", left)
	}
}

func TestDamageIsSeenAndMended(t *testing.T) {
	s, dir := open(t)
	done, err := s.Import("a.json", tags("Public", 10, 20), false)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, done.Manifest.Body)
	data, _ := os.ReadFile(name)
	data[30]++
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if x, _, err := s.Index(); x != nil || code(err) != "servicetags.damaged" {
		t.Errorf("a changed byte: %v", err)
	}
	if _, err := s.Import("a.json", tags("Public", 10, 20), false); err != nil {
		t.Errorf("a good file does not mend it: %v", err)
	}
	manifest := filepath.Join(dir, "servicetags-public.manifest.json")
	for _, text := range []string{"", "{", `{"cloud":"china"}`, `{"cloud":"public","body":"../../etc/passwd"}`, strings.Repeat(" ", 1<<17)} {
		if err := os.WriteFile(manifest, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if list, err := s.Current(); err == nil || len(list) != 0 {
			t.Errorf("manifest %.20q: %v", text, list)
		}
	}
}

// TestImportsExcludeEachOther runs imports at the same time: the newest is in use, and it loads.
func TestImportsExcludeEachOther(t *testing.T) {
	s, _ := open(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if _, err := s.Import("a.json", tags("Public", 10+i, 50), false); err != nil && code(err) != "servicetags.older" {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if f, _, err := s.Load(servicetags.Public); err != nil || f.ChangeNumber != 17 {
		t.Errorf("%+v, %v", f, err)
	}
}
