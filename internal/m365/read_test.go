package m365

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/finding"
)

// reference returns a file of the reference lists.
func reference(t testing.TB, name string) []byte {
	t.Helper()
	dir := os.Getenv("SEKISHO_REFERENCE")
	if dir == "" {
		t.Skip("SEKISHO_REFERENCE is not set")
	}
	body, err := os.ReadFile(filepath.Join(dir, "endpoints", "m365", name))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// rowJSON is a good row with members replaced or, where the value is "", left out.
func rowJSON(members ...string) string {
	order := []string{"id", "serviceArea", "serviceAreaDisplayName", "urls", "ips", "tcpPorts", "udpPorts", "expressRoute", "category", "required", "notes"}
	values := map[string]string{
		"id": "1", "serviceArea": `"Exchange"`, "serviceAreaDisplayName": `"Exchange Online"`, "urls": `["a.example"]`,
		"tcpPorts": `"443"`, "expressRoute": "false", "category": `"Default"`, "required": "true",
	}
	for i := 0; i+1 < len(members); i += 2 {
		if !slices.Contains(order, members[i]) {
			order = append(order, members[i])
		}
		values[members[i]] = members[i+1]
	}
	var parts []string
	for _, k := range order {
		if values[k] != "" {
			parts = append(parts, fmt.Sprintf("%q: %s", k, values[k]))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func codes(found finding.List) string {
	var out []string
	for _, f := range found {
		out = append(out, strings.TrimPrefix(f.Code, "m365."))
	}
	return strings.Join(out, " ")
}

func TestRowsAreRepairedWhereCertainElseHeld(t *testing.T) {
	for _, c := range []struct {
		rule, body string
		codes      string
		want       string // rows: id urls ips tcp udp
		held       string
	}{
		{"plain", "[" + rowJSON() + "]", "", "1 [a.example] [] 443 ", "[]"},
		{"mixed-case", "[" + rowJSON("urls", `["WWW.Example.COM"]`) + "]", "repaired", "1 [www.example.com] [] 443 ", "[]"},
		{"double-star", "[" + rowJSON("urls", `["**.servicebus.windows.net"]`) + "]", "repaired", "1 [*.servicebus.windows.net] [] 443 ", "[]"},
		{"double-star-without-dot", "[" + rowJSON("urls", `["**x.example","b.example"]`) + "]", "value-held", "1 [b.example] [] 443 ", "[]"},
		{"blanks-in-ports", "[" + rowJSON("tcpPorts", `"80, 443,"`) + "]", "repaired", "1 [a.example] [] 80,443 ", "[]"},
		{"ranges", "[" + rowJSON("tcpPorts", `"3478-3481,50000-59999"`) + "]", "", "1 [a.example] [] 3478,3479,3480,3481,50000-59999 ", "[]"},
		{"empty-ports", "[" + rowJSON("tcpPorts", `""`, "udpPorts", `"443"`) + "]", "", "1 [a.example] []  443", "[]"},
		{"no-ports", "[" + rowJSON("tcpPorts", "") + "]", "no-ports", "1 [a.example] []  ", "[]"},
		{"repeated-host", "[" + rowJSON("urls", `["a.example","A.example"]`) + "]", "repeated", "1 [a.example] [] 443 ", "[]"},
		{"address-alone", "[" + rowJSON("ips", `["192.0.2.1","2001:DB8::/32"]`) + "]", "repaired repaired", "1 [a.example] [192.0.2.1/32 2001:db8::/32] 443 ", "[]"},
		{"host-bits-are-held", "[" + rowJSON("ips", `["192.0.2.1/24"]`) + "]", "value-held", "1 [a.example] [] 443 ", "[]"},
		{"everything-is-no-prefix", "[" + rowJSON("ips", `["0.0.0.0/0"]`) + "]", "value-held", "1 [a.example] [] 443 ", "[]"},
		{"wide-prefixes-are-held", "[" + rowJSON("ips", `["16.0.0.0/7","2000::/3","13.0.0.0/8","2600::/20"]`) + "]", "value-held value-held", "1 [a.example] [13.0.0.0/8 2600::/20] 443 ", "[]"},
		{"prefixes-without-origin-are-held", "[" + rowJSON("ips", `["127.0.0.1/32","169.254.169.254/32","224.0.0.0/8","::1/128","fe80::/64","0.0.0.0/32"]`) + "]", "value-held value-held value-held value-held value-held value-held", "1 [a.example] [] 443 ", "[]"},
		{"star-of-a-registry-is-held", "[" + rowJSON("urls", `["*.com","**.co.jp","autodiscover.*.example","*.microsoft","*.azurewebsites.net","*.example.com"]`) + "]", "value-held value-held value-held", "1 [*.microsoft *.azurewebsites.net *.example.com] [] 443 ", "[]"},
		{"star-alone-is-held", "[" + rowJSON("urls", `["*","a.example"]`) + "]", "value-held", "1 [a.example] [] 443 ", "[]"},
		{"url-is-held", "[" + rowJSON("urls", `["https://a.example/x","b.example"]`) + "]", "value-held", "1 [b.example] [] 443 ", "[]"},
		{"category-case", "[" + rowJSON("category", `"allow"`) + "]", "repaired", "1 [a.example] [] 443 ", "[]"},
		{"area-case", "[" + rowJSON("serviceArea", `"exchange"`) + "]", "repaired", "1 [a.example] [] 443 ", "[]"},
		{"unknown-member", "[" + rowJSON("extra", `{"deep":[1]}`) + "]", "unknown-field", "1 [a.example] [] 443 ", "[]"},
		{"same-set-twice", "[" + rowJSON() + "," + rowJSON() + "]", "repeated-set", "1 [a.example] [] 443 ", "[]"},
		{"two-sets-one-id", "[" + rowJSON() + "," + rowJSON("urls", `["b.example"]`) + "," + rowJSON("id", "2") + "]", "row-conflict", "2 [a.example] [] 443 ", "[1]"},
		{"conflict-then-again", "[" + rowJSON("id", "2") + "," + rowJSON() + "," + rowJSON("urls", `["b.example"]`) + "," + rowJSON() + "," + rowJSON("id", "3") + "]", "row-conflict", "2 [a.example] [] 443 ;3 [a.example] [] 443 ", "[1]"},
		{"unknown-category", "[" + rowJSON("id", "2", "category", `"Best"`) + "," + rowJSON() + "]", "row-value", "1 [a.example] [] 443 ", "[2]"},
		{"required-null", "[" + rowJSON("id", "2", "required", "null") + "," + rowJSON() + "]", "row-type", "1 [a.example] [] 443 ", "[2]"},
		{"required-missing", "[" + rowJSON("id", "2", "required", "") + "," + rowJSON() + "]", "row-missing", "1 [a.example] [] 443 ", "[2]"},
		{"bad-port", "[" + rowJSON("id", "2", "tcpPorts", `"443;80"`) + "," + rowJSON() + "]", "row-value", "1 [a.example] [] 443 ", "[2]"},
		{"repeated-member", "[" + `{"id":2,"id":2,"serviceArea":"Common","urls":["x.example"],"expressRoute":true,"category":"Allow","required":true}` + "," + rowJSON() + "]", "row-key-repeated row-key-repeated", "1 [a.example] [] 443 ", "[2]"},
		{"no-id", "[" + rowJSON("id", "") + "," + rowJSON() + "]", "row-missing", "1 [a.example] [] 443 ", "[]"},
		{"id-is-text", "[" + rowJSON("id", `"7"`) + "," + rowJSON() + "]", "row-value", "1 [a.example] [] 443 ", "[]"},
		{"row-is-number", "[7," + rowJSON() + "]", "row-type", "1 [a.example] [] 443 ", "[]"},
		{"host-is-number", "[" + rowJSON("urls", `[7,"a.example"]`) + "]", "value-type", "1 [a.example] [] 443 ", "[]"},
		{"nothing-to-open", "[" + rowJSON("id", "2", "urls", "") + "," + rowJSON() + "]", "row-empty", "1 [a.example] [] 443 ", "[2]"},
		{"intune", "[" + rowJSON("serviceArea", `"MEM"`) + "]", "intune-rows", "1 [a.example] [] 443 ", "[]"},
		{"byte-order-mark", "\ufeff[" + rowJSON() + "]", "", "1 [a.example] [] 443 ", "[]"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			list, found := ReadEndpoints("body.json", Worldwide, []byte(c.body))
			if list == nil {
				t.Fatalf("refused: %v", found)
			}
			var got []string
			for _, r := range list.Rows {
				got = append(got, fmt.Sprint(r.ID, " ", r.URLs, " ", r.IPs, " ", r.TCPPorts, " ", r.UDPPorts))
			}
			if g := strings.Join(got, ";"); g != c.want {
				t.Errorf("rows %q, want %q", g, c.want)
			}
			if g := codes(found); g != c.codes {
				t.Errorf("findings %q, want %q", g, c.codes)
			}
			if g := fmt.Sprint(list.Held); g != c.held {
				t.Errorf("held %s, want %s", g, c.held)
			}
			for _, f := range found {
				if f.Pos.File != "body.json" || f.Pos.Line != 1 || f.Pos.Column < 1 {
					t.Errorf("%s at %s", f.Code, f.Pos)
				}
			}
		})
	}
}

func TestBodiesThatReplaceNothing(t *testing.T) {
	many := func(n int, one string) string {
		return strings.TrimSuffix(strings.Repeat(one+",", n), ",")
	}
	for _, c := range []struct{ rule, body, code, at string }{
		{"empty", "", "empty", ""},
		{"blank", " \n", "empty", ""},
		{"no-rows", "[]", "empty", "1:1"},
		{"object", `{"a":1}`, "shape", "1:1"},
		{"page", "<html>", "syntax", "1:1"},
		{"cut-off", "[" + rowJSON() + ",\n{\"id\":", "truncated", "2:7"},
		{"trailing", "[" + rowJSON() + "]\n[1]", "trailing", "2:1"},
		{"not-utf8", "[\"\xff\"]", "encoding", "1:3"},
		{"comma", "[" + rowJSON() + ",\n,]", "syntax", "2:2"},
		{"deep", strings.Repeat("[", 1_000_000), "too-deep", "1:9"},
		{"deep-objects", strings.Repeat(`{"a":`, 100_000), "too-deep", "1:41"},
		{"nothing-readable", "[" + rowJSON("category", "7") + "]", "nothing-readable row-type", ""},
		{"million-wildcards", "[" + rowJSON("urls", "["+many(1_000_000, `"*.x.example"`)+"]") + "]", "too-many", ""},
		{"many-distinct", "[" + rowJSON("urls", "["+distinctHosts(maxHosts+1)+"]") + "]", "too-many", ""},
		{"many-rows", "[" + many(maxRows+1, "0") + "]", "too-many", ""},
	} {
		t.Run(c.rule, func(t *testing.T) {
			list, found := ReadEndpoints("body.json", Worldwide, []byte(c.body))
			if list != nil || !found.HasErrors() || codes(found) != c.code && !strings.HasSuffix(codes(found), " "+c.code) {
				t.Fatalf("list %v, findings %s", list != nil, codes(found))
			}
			if at := strings.TrimPrefix(found[0].Pos.String(), "body.json:"); c.at != "" && at != c.at {
				t.Errorf("at %s, want %s", at, c.at)
			}
		})
	}
}

func distinctHosts(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"*.x%d.example"`, i)
	}
	return b.String()
}

func TestTooLargeIsNotEvenRead(t *testing.T) {
	if list, found := ReadEndpoints("b", Worldwide, make([]byte, MaxBody+1)); list != nil || codes(found) != "too-large" {
		t.Errorf("%v", found)
	}
}

// Every prefix of a good body is refused as cut off: a connection that breaks replaces nothing.
func TestCutOffAtAnyByte(t *testing.T) {
	body := []byte("[" + rowJSON("notes", `"a \"note\" \u00e9"`) + ",\n" + rowJSON("id", "2", "ips", `["192.0.2.0/24"]`) + "]")
	if list, found := ReadEndpoints("b", Worldwide, body); list == nil || len(list.Rows) != 2 {
		t.Fatal(found)
	}
	for i := range body {
		if list, found := ReadEndpoints("b", Worldwide, body[:i]); list != nil || !found.HasErrors() {
			t.Fatalf("cut at %d: read as %v", i, list)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	body := []byte("[" + rowJSON("urls", "["+strings.TrimSuffix(strings.Repeat(`"*.x.example",`, 1_000_000), ",")+"]") + "]")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	ReadEndpoints("b", Worldwide, body)
	runtime.ReadMemStats(&after)
	// All that was ever allocated, garbage too; the race detector adds to it. Without a bound on hosts it is gigabytes.
	if grown := (after.TotalAlloc - before.TotalAlloc) >> 20; grown > 512 {
		t.Errorf("%d MiB allocated for a body of %d MiB", grown, len(body)>>20)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if kept := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) >> 20; kept > 32 {
		t.Errorf("%d MiB kept of a body that was refused", kept)
	}
	runtime.KeepAlive(body)
}

func TestRealBodiesAreRead(t *testing.T) {
	for _, c := range []struct {
		file     string
		instance Instance
		rows     int
	}{
		{"endpoints-worldwide-2020-12-raw.json", Worldwide, 113},
		{"endpoints-worldwide-2025013000.json", Worldwide, 67},
		{"endpoints-china-2025013000.json", China, 21},
		{"endpoints-usgovdod-2024093000.json", USGovDoD, 28},
		{"endpoints-usgovgcchigh-2025013000.json", USGovGCCHigh, 26},
	} {
		t.Run(c.file, func(t *testing.T) {
			body := reference(t, c.file)
			list, found := ReadEndpoints(c.file, c.instance, body)
			if list == nil || len(list.Rows) != c.rows || len(list.Held) != 0 {
				t.Fatalf("findings %v", found)
			}
			for _, f := range found.Of(finding.Warning) {
				t.Log(f)
			}
			var raw []map[string]any
			if err := json.Unmarshal(body, &raw); err != nil {
				t.Fatal(err)
			}
			hosts := 0
			for i, r := range raw {
				urls, _ := r["urls"].([]any)
				hosts += len(urls)
				if int(r["id"].(float64)) != list.Rows[i].ID {
					t.Errorf("row %d has id %d", i, list.Rows[i].ID)
				}
				for _, u := range urls {
					if !slices.Contains(list.Rows[i].URLs, strings.ToLower(u.(string))) {
						t.Errorf("row %d lost %s", list.Rows[i].ID, u)
					}
				}
			}
			if hosts == 0 {
				t.Error("no hosts compared")
			}
			again, found := ReadEndpoints("again", c.instance, list.JSON())
			if len(found.Of(finding.Info))+len(found.Of(finding.Error)) > 0 || !bytes.Equal(again.JSON(), list.JSON()) {
				t.Errorf("what is printed does not read back: %v", found)
			}
		})
	}
}

// The whole list joins the built-in catalog, and a set of it is found there with its date.
func TestListRenewsTheCatalog(t *testing.T) {
	list, found := ReadEndpoints("w", Worldwide, reference(t, "endpoints-worldwide-2025013000.json"))
	if list == nil {
		t.Fatal(found)
	}
	list.Version = "2025013000"
	day := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	s, found := catalog.Renew("test", list.Part(day))
	if s == nil {
		t.Fatal(found)
	}
	set, ok := s.Set(catalog.ClaimID{Source: "m365-list", Cloud: "worldwide", ID: "56"})
	if !ok || set.Source.DateText() != "2025-01-30" || len(set.Patterns) < 20 || set.Unattached {
		t.Fatalf("set 56: %+v", set)
	}
	if hits := s.AppendHits(nil, "autodiscover.contoso.onmicrosoft.com"); len(hits) == 0 {
		t.Error("a set of Exchange is not found")
	}
}

func FuzzReadEndpoints(f *testing.F) {
	for _, body := range []string{"[" + rowJSON() + "]", "[]", "{}", "[" + rowJSON("urls", `["**.x.example", "A"]`, "tcpPorts", `" 80 ,443"`) + "]", "[[[[[[[[[[", "[1,2", "\ufeff[]",
		csvHead + "1,Common,,\"a.example,**.b.example\",192.0.2.1,\"443, 80\",,True,default,TRUE,\n", csvHead + "1,\"Common\n"} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		list, found := ReadEndpoints("b", Worldwide, body)
		if (list == nil) != found.HasErrors() {
			t.Fatalf("list %v, findings %v", list, found)
		}
		if list == nil {
			return
		}
		again, found := ReadEndpoints("b", Worldwide, list.JSON())
		if again == nil || len(again.Held) != 0 || !bytes.Equal(again.JSON(), list.JSON()) {
			t.Fatalf("does not read back: %v\n%s", found, list.JSON())
		}
		for _, f := range found {
			if f.Code != "m365.no-ports" && f.Code != "m365.intune-rows" {
				t.Fatalf("printed with %v", f)
			}
		}
	})
}

func FuzzReadChanges(f *testing.F) {
	f.Add([]byte(`[{"id":424,"endpointSetId":32,"disposition":"Change","version":"2018062700","remove":{"urls":["*.api.skype.com"]}}]`))
	f.Add([]byte(`[{"id":1,"endpointSetId":3,"disposition":"Add","version":"2018062700","current":{"required":true},"add":{"ips":["1.2.3.4/32"]}}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		changes, found := ReadChanges("b", body)
		if (changes == nil) != found.HasErrors() {
			t.Fatal(found)
		}
		for _, c := range changes {
			_, _ = Fold(nil, []Change{c}, c.Version)
		}
	})
}

func FuzzReadVersions(f *testing.F) {
	f.Add([]byte(`[{"instance":"Worldwide","latest":"2018063000"}]`))
	f.Add([]byte(`{"instance":"Worldwide","latest":"2018063000","versions":["2018063000"]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		versions, found := ReadVersions("b", body)
		if (versions == nil) != found.HasErrors() {
			t.Fatal(found)
		}
	})
}
