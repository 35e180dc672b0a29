package feed_test

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/catalog/feed"
	"sekisho/internal/endpoint"
)

func TestEveryAddressOfAFeatureIsCoveredAndNoOther(t *testing.T) {
	s := catalog.Builtin()
	for _, kind := range []string{"ip", "v4", "v6"} {
		e, err := feed.List(s, nil, "entra.sign-in."+kind+".txt", nil)
		if err != nil || len(e.Lines) == 0 {
			t.Fatalf("%s: %v", kind, err)
		}
		var listed []netip.Prefix
		for _, l := range e.Lines {
			listed = append(listed, netip.MustParsePrefix(l))
		}
		for _, set := range s.SetsOf("entra.sign-in") {
			if set.Applies != catalog.Yes {
				continue // for tenants of another cloud
			}
			for _, p := range set.Prefixes {
				want := kind == "ip" || (kind == "v4") == p.Addr().Is4()
				if got := slices.ContainsFunc(listed, func(q netip.Prefix) bool { return q.Bits() <= p.Bits() && q.Contains(p.Addr()) }); got != want {
					t.Errorf("%s: %s is there: %t", kind, p, got)
				}
			}
		}
		for i, p := range listed {
			for _, q := range listed[i+1:] {
				if p.Overlaps(q) {
					t.Errorf("%s and %s overlap", p, q)
				}
			}
		}
	}
}

func TestPrefixesAreJoined(t *testing.T) {
	sets := []*catalog.Set{{Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/25"), netip.MustParsePrefix("192.0.2.128/25")}},
		{Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/26"), netip.MustParsePrefix("2001:db8::/32")}}}
	e, err := feed.Prefixes(sets, feed.IP, nil)
	if err != nil || string(e.Text()) != "192.0.2.0/24\n2001:db8::/32\n" {
		t.Errorf("%q %v", e.Text(), err)
	}
}

func TestWhatAKindCannotSayIsLeftOut(t *testing.T) {
	sets := []*catalog.Set{{Patterns: []endpoint.Pattern{
		endpoint.MustPattern("b.example"), endpoint.MustPattern("*.a.example"), endpoint.MustPattern("b.example"),
		endpoint.MustPattern("*cdn.example.net"), endpoint.MustPattern("autodiscover.*.example.com"),
	}}}
	if e := feed.Hosts(sets, feed.FQDN); string(e.Text()) != "*.a.example\nb.example\n" || e.LeftOut != 2 {
		t.Errorf("%q, %d left out", e.Text(), e.LeftOut)
	}
	if e := feed.Hosts(sets, feed.URL); string(e.Text()) != "*.a.example/\nautodiscover.*.example.com/\nb.example/\n" || e.LeftOut != 1 {
		t.Errorf("%q, %d left out", e.Text(), e.LeftOut)
	}
}

func TestNames(t *testing.T) {
	s := catalog.Builtin()
	for _, name := range []string{"", "ip.txt", "entra.sign-in.txt", "entra.sign-in.ip", "no.such.ip.txt", "entra.sign-in.mac.txt", "../x.ip.txt"} {
		if _, err := feed.List(s, nil, name, nil); !errors.Is(err, feed.ErrUnknown) {
			t.Errorf("%q: %v", name, err)
		}
	}
	all, err := feed.List(s, []catalog.FeatureID{"intune.core"}, "in-use.fqdn.txt", nil)
	if err != nil || !slices.Contains(all.Lines, "login.microsoftonline.com") || !slices.Contains(all.Lines, "*.manage.microsoft.com") {
		t.Errorf("in use: %v, %v", all.Lines, err)
	}
	for _, f := range s.Features() {
		for _, k := range feed.Kinds() {
			if _, err := feed.List(s, nil, string(f.ID)+"."+string(k)+".txt", nil); err != nil {
				t.Errorf("%s %s: %v", f.ID, k, err)
			}
		}
	}
}

func TestHandler(t *testing.T) {
	changed := time.Date(2027, 1, 4, 1, 2, 3, 0, time.UTC)
	now := feed.Current{Snapshot: catalog.Builtin(), Changed: changed}
	server := httptest.NewServer(feed.Handler(func() feed.Current { return now }))
	defer server.Close()
	ask := func(path, etag string) *http.Response {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if etag != "" {
			r.Header.Set("If-None-Match", etag)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { answer.Body.Close() })
		return answer
	}
	r := ask("/feeds/intune.core.v4.txt", "")
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != 200 || !strings.HasSuffix(string(body), "\n") || strings.Contains(string(body), ":") {
		t.Fatalf("%d %q %v", r.StatusCode, body, err)
	}
	if got := r.Header.Get("Last-Modified"); got != changed.Format(http.TimeFormat) {
		t.Errorf("Last-Modified %q", got)
	}
	if again := ask("/feeds/intune.core.v4.txt", r.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
		t.Errorf("the same again: %d", again.StatusCode)
	}
	if r := ask("/feeds/no.such.v4.txt", ""); r.StatusCode != http.StatusNotFound {
		t.Errorf("unknown: %d", r.StatusCode)
	}
	if r := ask("/feeds/in-use.ip.txt", ""); r.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("an empty list: %d", r.StatusCode)
	}
	now.Snapshot = nil
	if r := ask("/feeds/intune.core.v4.txt", ""); r.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("without a catalog: %d", r.StatusCode)
	}
}

func TestAtom(t *testing.T) {
	d := catalog.Difference{From: "a", To: "b", ToDate: time.Date(2027, 1, 4, 0, 0, 0, 0, time.UTC),
		Sets:  []catalog.SetChange{{ID: catalog.ClaimID{Source: "s", Cloud: "c", ID: "1"}, Kind: catalog.Changed, Hosts: catalog.Delta{Removed: []string{"x.example"}}}},
		Hosts: catalog.Delta{Removed: []string{"x.example"}}}
	text := feed.Atom("http://proxy.example.com/changes.atom", "A & B", []catalog.Difference{d})
	var read struct {
		Title   string `xml:"title"`
		Updated string `xml:"updated"`
		Entries []struct {
			ID      string `xml:"id"`
			Content string `xml:"content"`
		} `xml:"entry"`
	}
	if err := xml.Unmarshal(text, &read); err != nil || read.Title != "Sekisho: A & B" || read.Updated != "2027-01-04T00:00:00Z" || len(read.Entries) != 1 {
		t.Fatalf("%+v %v", read, err)
	}
	if want := "s/c/1 changed\n  - x.example\n"; read.Entries[0].Content != want {
		t.Errorf("content %q, want %q", read.Entries[0].Content, want)
	}
}
