package node_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sekisho/internal/m365"
	"sekisho/internal/node"
	"sekisho/internal/servicetags"
)

// downloads imitates the download page of the public service tags.
type downloads struct {
	*httptest.Server
	mu    sync.Mutex
	name  string
	body  []byte
	files int // how often a file was fetched
}

func download(t *testing.T) *downloads {
	t.Helper()
	d := &downloads{}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		defer d.mu.Unlock()
		switch {
		case strings.HasSuffix(r.URL.Path, ".json"):
			d.files++
			_, _ = w.Write(d.body)
		default:
			fmt.Fprintf(w, `<a href="/files/%s">Download</a>`, d.name)
		}
	}))
	t.Cleanup(func() { d.Close(); http.DefaultTransport.(*http.Transport).CloseIdleConnections() })
	return d
}

// put publishes change number n under its day, with so many prefixes.
func (d *downloads) put(day, n, prefixes int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []string
	for i := range prefixes {
		list = append(list, fmt.Sprintf(`"20.0.%d.0/24"`, i))
	}
	d.name = fmt.Sprintf("ServiceTags_Public_202611%02d.json", day)
	d.body = fmt.Appendf(nil, `{"changeNumber":%d,"cloud":"Public","values":[{"name":"Storage","properties":{"addressPrefixes":[%s]}}]}`, n, strings.Join(list, ","))
}

// TestWhatWasRefusedIsNotFetchedAgain: a poll leaves a file alone that it fetched whole and refused, says again why, and
// takes the next one. Who asks by hand gets it fetched.
func TestWhatWasRefusedIsNotFetchedAgain(t *testing.T) {
	d, data := download(t), t.TempDir()
	poll := func(o node.UpdateOptions, want, wantCode string, files int) {
		t.Helper()
		o.Data, o.ServiceTagsURL, o.MaxDrop = data, d.URL, 20
		u, err := node.Update(t.Context(), o, "service-tags-public")
		if u.Result != want || code(err) != wantCode || d.files != files {
			t.Errorf("%s %v, %d files; want %s %s, %d", u.Result, err, d.files, want, wantCode, files)
		}
	}
	sparing := node.UpdateOptions{Sparing: true}
	d.put(2, 10, 100)
	poll(sparing, node.UpdateNew, "", 1)
	poll(sparing, node.UpdateSame, "", 1)
	d.put(9, 11, 10)
	poll(sparing, node.UpdateFailed, "servicetags.dropped", 2)
	poll(sparing, node.UpdateFailed, "servicetags.dropped", 2)
	poll(node.UpdateOptions{}, node.UpdateFailed, "servicetags.dropped", 3)
	d.body = d.body[:50] // as a line does it: that is tried again
	d.name = "ServiceTags_Public_20261112.json"
	poll(sparing, node.UpdateFailed, "servicetags.truncated", 4)
	poll(sparing, node.UpdateFailed, "servicetags.truncated", 5)
	d.put(9, 11, 10)
	poll(sparing, node.UpdateFailed, "servicetags.dropped", 5)
	d.put(16, 12, 90)
	poll(sparing, node.UpdateNew, "", 6)
	d.put(9, 11, 10)
	poll(sparing, node.UpdateFailed, "servicetags.older", 7) // what was refused is forgotten with the next success
	d.put(16, 12, 90)
	poll(sparing, node.UpdateSame, "", 7)
	d.put(23, 13, 10)
	poll(node.UpdateOptions{Force: true}, node.UpdateNew, "", 8)
}

// TestServiceTagsGoneBackFromStaySo until there is something newer.
func TestServiceTagsGoneBackFromStaySo(t *testing.T) {
	d, data := download(t), t.TempDir()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	store := servicetags.NewStore(node.CatalogFolder(data), func() time.Time { return now })
	update := func(o node.UpdateOptions) string {
		t.Helper()
		o.Data, o.ServiceTagsURL, o.MaxDrop = data, d.URL, 20
		u, err := node.Update(t.Context(), o, "service-tags-public")
		if err != nil {
			t.Fatal(err)
		}
		_, m, err := store.Load(servicetags.Public)
		if err != nil {
			t.Fatal(err)
		}
		return u.Result + " " + u.Version + " in use " + m.Version()
	}
	d.put(2, 10, 50)
	update(node.UpdateOptions{})
	d.put(9, 11, 50)
	update(node.UpdateOptions{})
	old, _ := store.Named("public-10")
	if _, err := store.Use(old.Manifest); err != nil {
		t.Fatal(err)
	}
	for _, o := range []node.UpdateOptions{{}, {Sparing: true}} {
		if got := update(o); got != "set-aside public-11 in use public-10" {
			t.Error(got)
		}
	}
	if d.files != 3 {
		t.Errorf("fetched %d times", d.files)
	}
	d.put(16, 12, 50)
	if got := update(node.UpdateOptions{Sparing: true}); got != "new public-12 in use public-12" {
		t.Error(got)
	}
	if _, err := store.Use(old.Manifest); err != nil {
		t.Fatal(err)
	}
	if got := update(node.UpdateOptions{Force: true}); got != "new public-12 in use public-12" {
		t.Error(got)
	}
}

// TestAListThatCannotBeUsedIsFetchedOnce for each version that the service names.
func TestAListThatCannotBeUsedIsFetchedOnce(t *testing.T) {
	p, data := publish(t), t.TempDir()
	p.change(m365.China, "2026112100", func([]m365.Row) []m365.Row { return []m365.Row{{ID: 1}} })
	bodies := func() (n int) {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, path := range p.asked {
			if strings.HasPrefix(path, "/endpoints/") {
				n++
			}
		}
		return n
	}
	update := func(o node.UpdateOptions) (string, string) {
		o.Data, o.BaseURL, o.MaxDrop = data, p.URL, 20
		u, err := node.Update(t.Context(), o, "m365-china")
		return u.Result, code(err)
	}
	var seen []string
	for _, sparing := range []bool{true, true, false} {
		result, why := update(node.UpdateOptions{Sparing: sparing})
		seen = append(seen, fmt.Sprint(result, " ", why, " ", bodies()))
	}
	want := []string{"failed m365.nothing-readable 1", "failed m365.nothing-readable 1", "failed m365.nothing-readable 2"}
	if !slices.Equal(seen, want) {
		t.Errorf("%q", seen)
	}
	if v, err := node.Shelf(data, nil).CurrentVersion(); err != nil || v.Name != "builtin" {
		t.Errorf("%s %v", v.Name, err)
	}
}
