package servicetags_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sekisho/internal/servicetags"
)

// bodies are the files of the public cloud in the folder, without what stands beside them.
func bodies(dir string) []string {
	names, _ := filepath.Glob(filepath.Join(dir, "servicetags-public-*.json"))
	return slices.DeleteFunc(names, func(n string) bool { return strings.HasSuffix(n, ".manifest.json") })
}

// TestTheShelfGoesBack: earlier files are kept with their numbers and dates, and each can be put into use again.
func TestTheShelfGoesBack(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	dir := filepath.Join(t.TempDir(), "cata[log]*")
	s := servicetags.NewStore(dir, func() time.Time { return now })
	if list, err := s.Shelf(); err != nil || len(list) != 0 {
		t.Fatal(list, err)
	}
	for i := range 4 {
		if _, err := s.Import(fmt.Sprintf("ServiceTags_Public_202611%02d.json", 1+7*i), tags("Public", 10+i, 50+i), false); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Hour)
	}
	if _, err := s.Import("x.json", tags("China", 3, 5), false); err != nil {
		t.Fatal(err)
	}
	list, err := s.Shelf()
	var seen []string
	for _, v := range list {
		seen = append(seen, fmt.Sprint(v.Version(), " ", v.Day().Format(time.DateOnly), " ", v.Prefixes, " ", v.Current))
	}
	want := []string{"public-10 2026-11-01 50 false", "public-11 2026-11-08 51 false", "public-12 2026-11-15 52 false",
		"public-13 2026-11-22 53 true", "china-3 2026-11-23 5 true"}
	if err != nil || !slices.Equal(seen, want) {
		t.Fatalf("%q %v", seen, err)
	}
	for _, name := range []string{"public-11", "service-tags-public-11", list[1].ID()} {
		if v, ok := s.Named(name); !ok || v.ChangeNumber != 11 {
			t.Errorf("%s: %+v", name, v)
		}
	}
	for _, name := range []string{"public", "public-9", "china-10", "11", ""} {
		if v, ok := s.Named(name); ok {
			t.Errorf("%q names %s", name, v.ID())
		}
	}
	for day, version := range map[int]string{0: "", 1: "public-10", 7: "public-10", 8: "public-11", 30: "public-13"} {
		v, ok := s.OnDay(servicetags.Public, time.Date(2026, 11, day, 0, 0, 0, 0, time.UTC))
		if ok != (version != "") || ok && v.Version() != version {
			t.Errorf("day %d: %s %v", day, v.Version(), ok)
		}
	}

	before, err := s.Use(list[0].Manifest)
	if err != nil || before.ChangeNumber != 13 {
		t.Fatal(before, err)
	}
	if f, m, err := s.Load(servicetags.Public); err != nil || f.Prefixes != 50 || !m.Used.Equal(now) || m.Imported.Equal(now) {
		t.Errorf("%+v %v", m, err)
	}
	if f, err := s.LoadFile(list[2].Manifest); err != nil || f.Prefixes != 52 || f.Date.IsZero() {
		t.Error(err)
	}
	// What is newer than the one in use may come; what is older may not.
	if _, err := s.Import("a.json", tags("Public", 9, 50), false); code(err) != "servicetags.older" {
		t.Error(err)
	}
	// A file whose bytes have changed is not put into use.
	if err := os.WriteFile(filepath.Join(dir, list[1].Body), tags("Public", 11, 50), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Use(list[1].Manifest); code(err) != "servicetags.damaged" {
		t.Error(err)
	}
	if _, m, err := s.Load(servicetags.Public); err != nil || m.ChangeNumber != 10 {
		t.Errorf("%+v %v", m, err)
	}
}

// TestTheShelfHasAnEnd: what was imported longest ago goes, never what is in use, and nothing is left over.
func TestTheShelfHasAnEnd(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	s := servicetags.NewStore(dir, func() time.Time { return now })
	if _, err := s.Import("a.json", tags("Public", 10, 50), false); err != nil {
		t.Fatal(err)
	}
	// As it was before manifests stood beside bodies.
	beside, _ := filepath.Glob(filepath.Join(dir, "servicetags-public-10-*.manifest.json"))
	if len(beside) != 1 || os.Remove(beside[0]) != nil {
		t.Fatal(beside)
	}
	if list, err := s.Shelf(); err != nil || len(list) != 1 || !list[0].Current {
		t.Fatal(list, err)
	}
	for i := range 20 {
		now = now.Add(time.Hour)
		if _, err := s.Import("a.json", tags("Public", 11+i, 50), false); err != nil {
			t.Fatal(err)
		}
		if v, ok := s.Named("public-10"); i == 0 && (!ok || v.Prefixes != 50) {
			t.Fatal("the file from before is lost")
		} else if i == 0 {
			if _, err := s.Use(v.Manifest); err != nil {
				t.Fatal(err)
			}
		}
	}
	list, err := s.Shelf()
	if err != nil || len(list) != 13 || len(bodies(dir)) != 13 || !list[12].Current || list[0].ChangeNumber != 18 {
		t.Errorf("%d on the shelf, %d bodies, %v", len(list), len(bodies(dir)), err)
	}
	if _, err := s.Use(list[0].Manifest); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		now = now.Add(time.Hour)
		// A shelf from which an old file is in use keeps it; each newer one takes its place.
		if _, err := s.Import("a.json", tags("Public", 40+i, 50), false); err != nil {
			t.Fatal(err)
		}
	}
	if list, err = s.Shelf(); err != nil || len(list) != 13 {
		t.Errorf("%d %v", len(list), err)
	}
}

func TestCompareNamesTagsAndPrefixes(t *testing.T) {
	file := func(n int, values string) *servicetags.File {
		f, found := servicetags.Parse("a.json", fmt.Appendf(nil, `{"changeNumber":%d,"cloud":"Public","values":[%s]}`, n, values))
		if f == nil {
			t.Fatal(found)
		}
		return f
	}
	tag := func(name string, prefixes ...string) string {
		return fmt.Sprintf(`{"name":%q,"properties":{"addressPrefixes":["%s"]}}`, name, strings.Join(prefixes, `","`))
	}
	a := file(375, tag("Sql", "20.0.0.0/24")+","+tag("Storage", "20.1.0.0/24", "20.1.1.0/24", "2603:1000::/40")+","+tag("Same", "20.9.0.0/24", "20.8.0.0/24"))
	b := file(376, tag("Web", "20.5.1.0/24", "20.5.0.0/24")+","+tag("Storage", "20.1.0.0/23", "2603:1000::/40")+","+tag("Same", "20.8.0.0/24", "20.9.0.0/24"))
	got := fmt.Sprint(servicetags.Compare(a, b))
	want := "{public public-375 public-376 0001-01-01 00:00:00 +0000 UTC 0001-01-01 00:00:00 +0000 UTC [{Sql removed [] [20.0.0.0/24]} " +
		"{Storage changed [20.1.0.0/23] [20.1.0.0/24 20.1.1.0/24]} {Web added [20.5.0.0/24 20.5.1.0/24] []}] 3 3}"
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if d := servicetags.Compare(a, a); !d.IsZero() || d.Count(servicetags.TagChanged) != 0 {
		t.Error(d)
	}
}
