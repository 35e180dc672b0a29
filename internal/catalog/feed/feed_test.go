package feed_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
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
		endpoint.MustPattern("*cdn.example.net"), endpoint.MustPattern("autodiscover.*.example.com"), endpoint.MustPattern("azgn*.bus.example"),
	}}}
	if e := feed.Hosts(sets, feed.FQDN); string(e.Text()) != "*.a.example\nb.example\n" || e.LeftOut != 3 {
		t.Errorf("%q, %d left out", e.Text(), e.LeftOut)
	}
	if e := feed.Hosts(sets, feed.URL); string(e.Text()) != "*.a.example/\nautodiscover.^.example.com/\nb.example/\n" || e.LeftOut != 2 {
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

// TestAtom reads the feed as strictly as RFC 4287, section 4, is written: what must be there once is there once.
func TestAtom(t *testing.T) {
	claim := catalog.ClaimID{Source: "s", Cloud: "c", ID: "1"}
	d := catalog.Difference{From: "a", To: "b", ToDate: time.Date(2027, 1, 4, 0, 0, 0, 0, time.UTC),
		Sets:  []catalog.SetChange{{ID: claim, Kind: catalog.Changed, Hosts: catalog.Delta{Added: []string{"y.example"}, Removed: []string{"x.example"}}}},
		Hosts: catalog.Delta{Removed: []string{"x.example"}}}
	older := catalog.Difference{From: "0", To: "a", ToDate: d.ToDate.AddDate(0, 0, -7)}
	text := feed.Atom("http://proxy.example.com/changes.atom", "A & <B>", d.ToDate.AddDate(0, 0, 1), []feed.Told{
		{Difference: d, Impact: "rule removed x.example\n", Effective: func(c catalog.ClaimID, v string) (time.Time, bool) {
			return time.Date(2027, 2, 3, 0, 0, 0, 0, time.UTC), c == claim && v == "y.example"
		}},
		{Difference: older},
	})
	checkAtom(t, text, 2)
	checkAtom(t, feed.Atom("http://proxy.example.com/changes.atom", "", d.ToDate, nil), 0)
	var read struct {
		Title   string `xml:"title"`
		Updated string `xml:"updated"`
		Entries []struct {
			Content string `xml:"content"`
		} `xml:"entry"`
	}
	if err := xml.Unmarshal(text, &read); err != nil || read.Title != "Sekisho: A & <B>" || read.Updated != "2027-01-05T00:00:00Z" {
		t.Fatalf("%+v %v", read, err)
	}
	want := "s/c/1 changed\n  + y.example\n  - x.example\n\nin force from:\n2027-02-03 y.example (s/c/1)\n\nimpact:\nrule removed x.example\n"
	if read.Entries[0].Content != want {
		t.Errorf("content %q, want %q", read.Entries[0].Content, want)
	}
}

// checkAtom holds a feed against RFC 4287: the namespace, which elements must stand in a feed and an entry (sections 4.1.1
// and 4.1.2), absolute identities (4.2.6), dates (3.3), text constructs (3.1); no element but those.
func checkAtom(t *testing.T, text []byte, entries int) {
	t.Helper()
	const namespace = "http://www.w3.org/2005/Atom"
	type element struct {
		name  string
		count map[string]int
	}
	var open []element
	ids := map[string]bool{}
	found := 0
	d := xml.NewDecoder(bytes.NewReader(text))
	var value strings.Builder
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
		switch x := token.(type) {
		case xml.StartElement:
			if x.Name.Space != namespace {
				t.Errorf("%s is in namespace %q", x.Name.Local, x.Name.Space)
			}
			if len(open) > 0 {
				open[len(open)-1].count[x.Name.Local]++
			}
			for _, a := range x.Attr {
				switch {
				case x.Name.Local == "content" && a.Name.Local == "type" && a.Value != "text":
					t.Errorf("content of type %q", a.Value)
				case x.Name.Local == "link" && a.Name.Local == "rel" && a.Value != "self":
					t.Errorf("link %q", a.Value)
				}
			}
			open = append(open, element{x.Name.Local, map[string]int{}})
			value.Reset()
		case xml.CharData:
			value.Write(x)
		case xml.EndElement:
			e := open[len(open)-1]
			open = open[:len(open)-1]
			once := map[string][]string{"feed": {"id", "title", "updated", "link", "author"}, "entry": {"id", "title", "updated", "content"}, "author": {"name"}}[e.name]
			for _, name := range once {
				if e.count[name] != 1 {
					t.Errorf("%s has %d %s", e.name, e.count[name], name)
				}
			}
			for name := range e.count {
				if !slices.Contains(once, name) && !(e.name == "feed" && name == "entry") {
					t.Errorf("%s has an element %s", e.name, name)
				}
			}
			switch e.name {
			case "entry":
				found++
			case "id":
				if u, err := url.Parse(value.String()); err != nil || !u.IsAbs() || ids[value.String()] {
					t.Errorf("id %q", value.String())
				}
				ids[value.String()] = true
			case "updated":
				if _, err := time.Parse(time.RFC3339, value.String()); err != nil {
					t.Errorf("updated %q", value.String())
				}
			case "title", "name":
				if strings.TrimSpace(value.String()) == "" {
					t.Errorf("%s is empty", e.name)
				}
			}
			value.Reset()
		}
	}
	if found != entries {
		t.Errorf("%d entries, want %d", found, entries)
	}
}
