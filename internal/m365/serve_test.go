package m365

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
)

const requestID = "b10c5ed1-bad1-445f-b386-b919946339a7"

// later builds the built-in catalog with the Microsoft 365 list and the Intune row 163 changed.
func later(t *testing.T, day time.Time, change func(*catalog.Set)) *catalog.Snapshot {
	t.Helper()
	r := catalog.Renewal{
		Source: catalog.Source{ID: "m365-list", Title: catalog.Text{JA: "一覧", EN: "list"}, URL: "https://endpoints.office.com/", Date: day, Precision: catalog.DayKnown, Read: day},
		Cloud:  "worldwide", Day: day, Areas: []string{"Common"},
	}
	for _, s := range catalog.Builtin().Sets() {
		if s.ID.Source == "m365-list" && s.ID.Cloud == "worldwide" {
			set := *s
			set.Patterns, set.Prefixes = slices.Clone(set.Patterns), slices.Clone(set.Prefixes)
			change(&set)
			r.Sets = append(r.Sets, set)
		}
	}
	s, found := catalog.Renew("later", r.Part())
	if s == nil {
		t.Fatal(found)
	}
	return s
}

func testArchive(t *testing.T) *Archive {
	day := catalog.Builtin().Date()
	second := later(t, day, func(s *catalog.Set) {
		if s.ID.ID == "56" {
			s.Patterns = append(s.Patterns[1:], endpoint.MustPattern("new.example"))
			s.Prefixes = s.Prefixes[2:]
			s.Ports = endpoint.MustPorts("tcp/443 udp/443")
		}
	})
	third := later(t, day.AddDate(0, 0, 7), func(s *catalog.Set) {
		if s.ID.ID == "97" {
			s.Required, s.LostWithout = false, catalog.Text{JA: "個人用アカウント", EN: "personal accounts"}
		}
	})
	return NewArchive(catalog.Builtin(), second, second, third)
}

// get asks a served archive.
func get(t *testing.T, base, path string) (int, http.Header, []byte) {
	t.Helper()
	r, err := http.Get(base + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, r.Header, body
}

func served(t *testing.T, a *Archive) string {
	t.Helper()
	s := httptest.NewServer(Handler(func() *Archive { return a }))
	t.Cleanup(s.Close)
	return s.URL
}

// The two one-liners of the Intune page, with the host name changed: the same request, then
// ?{$_.ServiceArea -eq "MEM" -and $_.ips} | select -unique -ExpandProperty ips, and the same for urls.
func TestOneLinersOfTheIntunePage(t *testing.T) {
	base := served(t, testArchive(t))
	status, _, body := get(t, base, "/endpoints/WorldWide?ServiceAreas=MEM&clientrequestid="+requestID)
	if status != http.StatusOK {
		t.Fatalf("status %d: %s", status, body)
	}
	var rows []map[string]any // PowerShell reads members by name, in any letter case
	if err := json.Unmarshal(body, &rows); err != nil {
		t.Fatal(err)
	}
	selected := func(member string) []string {
		var out []string
		for _, r := range rows {
			if list, _ := r[member].([]any); strings.EqualFold(r["serviceArea"].(string), "MEM") && len(list) > 0 {
				for _, v := range list {
					if s := v.(string); !slices.Contains(out, s) {
						out = append(out, s)
					}
				}
			}
		}
		return out
	}
	ips, urls := selected("ips"), selected("urls")
	for _, set := range catalog.Builtin().Sets() {
		if set.ID.Source != "intune-page" || set.Area != "MEM" {
			continue
		}
		for _, p := range set.Prefixes {
			if !slices.Contains(ips, p.String()) {
				t.Errorf("%s of %s is not given", p, set.ID)
			}
		}
		for _, p := range set.Patterns {
			if !slices.Contains(urls, p.String()) {
				t.Errorf("%s of %s is not given", p, set.ID)
			}
		}
	}
	if !slices.Contains(ips, "104.46.162.96/27") || !slices.Contains(urls, "*.manage.microsoft.com") || len(urls) < 30 {
		t.Errorf("%d addresses, %d hosts", len(ips), len(urls))
	}
	if slices.ContainsFunc(rows, func(r map[string]any) bool { return r["serviceArea"] == "Exchange" }) {
		t.Error("an area that nobody asked for")
	}
	if !slices.ContainsFunc(rows, func(r map[string]any) bool { return r["serviceArea"] == "Common" }) {
		t.Error("the rows of Common do not come along")
	}
}

// What is served is what a fold of the served changes gives, byte for byte, from any version on.
func TestServedChangesFoldOntoServedEndpoints(t *testing.T) {
	archive := testArchive(t)
	for _, areas := range []string{"", "&ServiceAreas=MEM,Common", "&ServiceAreas=Exchange&NoIPv6=true", "&TenantName=contoso"} {
		base := served(t, archive)
		var v Version
		_, _, body := get(t, base, "/version/Worldwide?AllVersions=true&ClientRequestId="+requestID)
		if err := json.Unmarshal(body, &v); err != nil || len(v.Versions) != 3 || v.Latest != v.Versions[0] {
			t.Fatalf("%s: %v", body, err)
		}
		_, _, want := get(t, base, "/endpoints/Worldwide?ClientRequestId="+requestID+areas)
		for i, from := range append(slices.Clone(v.Versions), firstVersion) {
			_, _, body := get(t, base, "/changes/Worldwide/"+from+"?ClientRequestId="+requestID+areas)
			changes, found := ReadChanges("changes", body)
			if found.HasErrors() || i == 0 && len(changes) != 0 {
				t.Fatalf("from %s: %d changes, %v", from, len(changes), found)
			}
			state := &List{Instance: Worldwide}
			if from != firstVersion { // the endpoints as they were served when that version was the newest
				older := &Archive{lists: map[Instance][]*List{Worldwide: archive.lists[Worldwide][:len(v.Versions)-i]}}
				_, _, was := get(t, served(t, older), "/endpoints/Worldwide?ClientRequestId="+requestID+areas)
				read, found := ReadEndpoints("was", Worldwide, was)
				if read == nil {
					t.Fatal(found)
				}
				state = read
			}
			for _, next := range slices.Backward(v.Versions) {
				if next <= from {
					continue
				}
				var err error
				if state, err = Fold(state, changes, next); err != nil {
					t.Fatal(err)
				}
			}
			if got := state.Canonical().JSON(); !bytes.Equal(got, want) {
				t.Errorf("%q: folding from %s does not give what is served", areas, from)
			}
		}
	}
}

func TestSameErrors(t *testing.T) {
	base := served(t, testArchive(t))
	id := "ClientRequestId=" + requestID
	for _, path := range []string{
		"/version", "/version?ClientRequestId=x", "/endpoints/Worldwide", "/endpoints/Germany?" + id, "/endpoints/Worldwide?amp;" + id,
		"/endpoints/Worldwide?" + id + "&Format=XML", "/endpoints/Worldwide?" + id + "&Format=RSS", "/endpoints/Worldwide?" + id + "&NoIPv6=perhaps",
		"/endpoints/Worldwide?" + id + "&ServiceAreas=Lync", "/endpoints/Worldwide?" + id + "&TenantName=a.b", "/endpoints/Worldwide?" + id + "&TenantName=-",
		"/endpoints/Worldwide?" + id + "&" + id, "/changes/Worldwide/2025?" + id, "/changes/Worldwide/20251332" + "00?" + id, "/changes/Mars/0000000000?" + id,
		"/version/Mars?" + id, "/version?Instance=Mars&" + id, "/version?AllVersions=perhaps&" + id,
	} {
		status, _, body := get(t, base, path)
		if status != http.StatusBadRequest || strings.TrimSpace(string(body)) != badRequest {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	for _, path := range []string{"/nothing", "/endpoints/Worldwide/x", "/changes/Worldwide/0000000000/x", "/version/Worldwide/x"} {
		if status, _, _ := get(t, base, path+"?"+id); status != http.StatusNotFound {
			t.Errorf("%s is answered %d", path, status)
		}
	}
	if r, err := http.Post(base+"/endpoints/Worldwide?"+id, "", nil); err != nil || r.StatusCode != http.StatusMethodNotAllowed || r.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %v %v", r, err)
	}
	for _, path := range []string{"/version?" + id, "/endpoints/Worldwide?" + id, "/changes/Worldwide/0000000000?" + id} {
		for _, empty := range []*Archive{nil, {}} {
			if status, _, _ := get(t, served(t, empty), path); status != http.StatusServiceUnavailable {
				t.Errorf("%s without data: %d", path, status)
			}
		}
	}
}

func TestParameters(t *testing.T) {
	base := served(t, testArchive(t))
	id := "ClientRequestId=" + requestID
	_, head, all := get(t, base, "/endpoints/worldwide?"+id)
	if head.Get("ETag") == "" || head.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("head %v", head)
	}
	if bytes.Contains(all, []byte(`"MEM"`)) {
		t.Error("rows of Intune come without being asked for")
	}
	if !bytes.Contains(all, []byte("2603:")) {
		t.Fatal("no IPv6 prefix to leave out")
	}
	for query, want := range map[string]bool{"noipv6=TRUE": false, "noipv6": false, "NoIPv6=1": false, "NOIPV6=true": false, "NoIPv6=false": true, "NoIPv6=0": true} {
		if _, _, body := get(t, base, "/endpoints/Worldwide?"+query+"&"+id); bytes.Contains(body, []byte("2603:")) != want {
			t.Errorf("%s leaves IPv6 prefixes: %t", query, !want)
		}
	}
	for _, path := range []string{"/Endpoints/WORLDWIDE?", "/ENDPOINTS/worldwide/?", "/endpoints/worldwide?AllVersions=true&"} {
		if status, _, body := get(t, base, path+strings.ToUpper(id[:15])+id[15:]); status != http.StatusOK || !bytes.Equal(body, all) {
			t.Errorf("%s: %d", path, status)
		}
	}
	request, err := http.NewRequest(http.MethodGet, base+"/endpoints/Worldwide?"+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("If-None-Match", head.Get("ETag"))
	r, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusNotModified {
		t.Errorf("the same again: %d", r.StatusCode)
	}
	_, _, body := get(t, base, "/endpoints/Worldwide?Format=CSV&"+id)
	records, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
	var rows []Row
	if jsonErr := json.Unmarshal(all, &rows); err != nil || jsonErr != nil || len(records) != len(rows)+1 || records[0][0] != "id" {
		t.Errorf("CSV of %d records: %v", len(records), err)
	}
	if _, _, body = get(t, base, "/changes/Worldwide/0000000000?format=csv&"+id); !bytes.HasPrefix(body, []byte("id,endpointSetId,disposition,impact,version,")) {
		t.Errorf("changes as CSV: %.80s", body)
	}
	_, _, body = get(t, base, "/version/Worldwide?format=rss&"+id)
	var feed rss
	if err := xml.Unmarshal(body, &feed); err != nil || len(feed.Channel.Items) != 3 {
		t.Fatalf("RSS: %v\n%s", err, body)
	}
	status, _, body := get(t, "", feed.Channel.Items[0].Link)
	if changes, found := ReadChanges("c", body); status != http.StatusOK || found.HasErrors() || len(changes) == 0 || changes[0].Version != testArchive(t).Versions(Worldwide)[0] {
		t.Errorf("the link of the feed: %d %s", status, body)
	}
	_, _, body = get(t, base, "/version?"+id)
	if versions, found := ReadVersions("v", body); len(found) > 0 || versions[0].Instance != Worldwide {
		t.Errorf("%s", body)
	}
}

func TestTenantNameStandsOnlyWhereTheListMeansTheTenant(t *testing.T) {
	for host, want := range map[string]string{
		"autodiscover.*.onmicrosoft.com": "autodiscover.contoso.onmicrosoft.com",
		"*.sharepoint.com":               "contoso.sharepoint.com",
		"*-my.sharepoint.com":            "contoso-my.sharepoint.com",
		"*.manage.microsoft.com":         "*.manage.microsoft.com",
		"*cdn.onenote.net":               "*cdn.onenote.net",
		"login.live.com":                 "login.live.com",
	} {
		if got := withTenant(host, "contoso"); got != want {
			t.Errorf("%s becomes %s, want %s", host, got, want)
		}
	}
}

func TestVersionsNeverGoBack(t *testing.T) {
	for _, c := range [][2]string{{"2027010400", "2027010401"}, {"2027010499", "2027010500"}, {"2027123199", "2028010100"}} {
		if got := after(c[0]); got != c[1] {
			t.Errorf("after %s comes %s, want %s", c[0], got, c[1])
		}
	}
}
