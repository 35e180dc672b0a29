package render_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/japanese"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/message"
	"sekisho/internal/policy"
	"sekisho/internal/render"
	"sekisho/internal/render/targets"
	"sekisho/internal/restrict"
)

const contosoID = "3d5a8f0e-6b1c-4a77-9d42-0f1e2d3c4b5a"

func input(t testing.TB, change func(*policy.Spec)) render.Input {
	t.Helper()
	spec := policy.Spec{
		Features: []policy.At{{Text: "entra.sign-in"}, {Text: "intune.core"}},
		Hosts: []policy.HostSpec{{Pattern: policy.At{Text: "*.example.com"}}, {Pattern: policy.At{Text: "app.example.net"}, Inspect: true},
			{Pattern: policy.At{Text: "plain.example.org"}, Ports: endpoint.MustPorts("tcp/80"), Plain: true}},
		Aliases:  []policy.AliasSpec{{Pattern: policy.At{Text: "sts.windows.net"}, Clients: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}}},
		Profiles: []restrict.Spec{{Name: "staff", Version: restrict.V1, Permitted: []restrict.At{{Text: contosoID}}, Context: restrict.At{Text: contosoID}}},
		Rings:    []policy.RingSpec{{Name: "all", Profile: policy.At{Text: "staff"}}},
	}
	if change != nil {
		change(&spec)
	}
	p, found := policy.Compile(spec, catalog.Builtin())
	if p == nil {
		t.Fatalf("%+v", found.Of(finding.Error))
	}
	return render.Input{
		GatewayNets: []netip.Prefix{netip.MustParsePrefix("192.0.2.10/32")},
		Program:     p, Reasons: map[string]string{"hosts[0]": "=1+1\r\n\u202epay\"</script>"}, Proxies: []string{"proxy.example.com:3128"},
		Own: []string{"http://proxy.example.com:3180/proxy.pac"}, PACURL: "http://proxy.example.com:3180/proxy.pac",
	}
}

func find(t testing.TB, name string) render.Target {
	t.Helper()
	target, ok := render.Find(targets.All(), name)
	if !ok {
		t.Fatalf("no target %q", name)
	}
	return target
}

func rendered(t testing.TB, name string, in render.Input, given map[string][]string) render.Output {
	t.Helper()
	target := find(t, name)
	options, err := render.ParseOptions(target, given)
	if err != nil {
		t.Fatal(err)
	}
	out, err := render.Render(target, in, options)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestTheTableSaysWhatTheGatewayDoes holds each outbound host row against the policy, host by host and port by port.
func TestTheTableSaysWhatTheGatewayDoes(t *testing.T) {
	in := input(t, nil)
	m := render.NewModel(in)
	roads := map[render.Road]int{}
	for _, r := range m.Rows {
		if r.Kind != render.HostRow && r.Kind != render.URLRow || r.Direction != catalog.Outbound {
			if r.Road != render.NoRoad {
				t.Errorf("%s %s has road %v", r.Kind, r.Value(), r.Road)
			}
			continue
		}
		roads[r.Road]++
		host, err := endpoint.ParseHost(strings.ReplaceAll(r.Host.String(), "*", "sekisho-example"))
		if err != nil {
			t.Fatal(err)
		}
		client := netip.MustParseAddr("10.1.2.3")
		if len(r.Clients) > 0 {
			client = r.Clients[0].Addr()
		}
		for _, p := range r.Ports {
			if p.Proto != endpoint.TCP {
				continue
			}
			for _, port := range []uint16{p.First, p.Last} {
				d := in.Program.Decide(policy.Ask{Subject: policy.Subject{Client: client}, Authority: endpoint.Authority{Host: host, Port: port}, Plain: port == 80})
				ok := d.Allowed() == (r.Road != render.Refused)
				switch d.Action {
				case policy.Intercept:
					ok = ok && r.Road == render.Intercepted
				case policy.Tunnel:
					ok = ok && r.Road == render.Tunnelled
				}
				if !ok {
					t.Errorf("%s (%s) port %d: the table says %q, the policy %v %v", r.Value(), r.Rule, port, r.Road, d.Action, d.Reason)
				}
			}
		}
	}
	for _, road := range []render.Road{render.Refused, render.Tunnelled, render.Intercepted, render.Forwarded} {
		if roads[road] == 0 {
			t.Errorf("no row has road %v", road)
		}
	}
}

// TestSignInIsForTheGatewayAlone: whatever a client could sign in by past the restrictions is marked.
func TestSignInIsForTheGatewayAlone(t *testing.T) {
	in := input(t, nil)
	m := render.NewModel(in)
	if !m.Restricted {
		t.Error("a ring that enforces does not count")
	}
	snap, marked := in.Program.Catalog(), 0
	for _, r := range m.Rows {
		want := false
		for _, k := range snap.Classes() {
			want = want || k.Class != catalog.Ordinary && !r.Host.IsZero() && r.Host.Covers(k.Pattern)
		}
		for _, p := range snap.SignInPrefixes() {
			want = want || r.Kind == render.PrefixRow && r.Direction == catalog.Outbound && p.Overlaps(r.Prefix)
		}
		if want && !r.GatewayOnly {
			t.Errorf("%s %s is not marked", r.Kind, r.Value())
		}
		if r.GatewayOnly {
			marked++
		}
	}
	if marked == 0 || marked == len(m.Rows) {
		t.Errorf("%d of %d rows are marked", marked, len(m.Rows))
	}
}

// TestEveryTarget holds what every target must keep: plain names, the same bytes, the same bytes from several goroutines.
func TestEveryTarget(t *testing.T) {
	for _, target := range targets.All() {
		t.Run(target.Name(), func(t *testing.T) {
			for _, language := range message.Languages() {
				p := message.New(language)
				if !p.Has("render.target." + target.Name()) {
					t.Errorf("no text says what it is (%s)", language)
				}
				for _, o := range target.Options() {
					if !p.Has("render.option." + target.Name() + "." + o.Name) {
						t.Errorf("no text says what %s does (%s)", o.Name, language)
					}
				}
			}
			in := input(t, nil)
			first := rendered(t, target.Name(), in, nil)
			second := rendered(t, target.Name(), input(t, nil), nil)
			seen := map[string]bool{}
			for i, f := range first.Files {
				if f.Name == "" || strings.Trim(f.Name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" || f.Name[0] == '.' || seen[f.Name] {
					t.Errorf("file name %q", f.Name)
				}
				seen[f.Name] = true
				if len(f.Body) == 0 || f.Type == "" {
					t.Errorf("%s: %d bytes of type %q", f.Name, len(f.Body), f.Type)
				}
				if !bytes.Equal(f.Body, second.Files[i].Body) {
					t.Errorf("%s: the same input gives other bytes", f.Name)
				}
			}
			for _, f := range first.Findings {
				if f.Severity == finding.Error {
					t.Errorf("%+v: what is an error makes no files", f)
				}
			}
		})
	}
}

// TestNothingSelectedIsAnError: no target makes a file of an empty policy.
func TestNothingSelectedIsAnError(t *testing.T) {
	in := input(t, func(s *policy.Spec) { s.Features, s.Hosts, s.Aliases = nil, nil, nil })
	for _, target := range targets.All() {
		for _, try := range []render.Input{in, {}} {
			out, err := render.Render(target, try, render.Options{})
			var problem *finding.Problem
			if !errors.As(err, &problem) || len(out.Files) != 0 {
				t.Errorf("%s: %d files, %v", target.Name(), len(out.Files), err)
			}
		}
	}
}

func TestOptions(t *testing.T) {
	for _, given := range []map[string][]string{{"encodng": {"utf-8"}}, {"encoding": {"utf-7"}}, {"encoding": {""}}} {
		_, err := render.ParseOptions(find(t, "csv"), given)
		var problem *finding.Problem
		if !errors.As(err, &problem) {
			t.Errorf("%v: %v", given, err)
			continue
		}
		for _, l := range message.Languages() {
			if text := message.New(l).Finding(problem.Findings[0]); strings.Contains(text, "render.") || strings.Contains(text, "<no value>") {
				t.Errorf("%q", text)
			}
		}
	}
}

func TestCSV(t *testing.T) {
	in := input(t, nil)
	out := rendered(t, "csv", in, nil)
	body, ok := bytes.CutPrefix(out.Files[0].Body, []byte("\xef\xbb\xbf"))
	if !ok {
		t.Error("no byte order mark")
	}
	records, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if want := len(render.NewModel(in).Rows) + 1; len(records) != want {
		t.Errorf("%d lines, want %d", len(records), want)
	}
	purpose := slices.Index(records[0], "purpose_ja")
	if got := records[1][purpose]; got != "'=1+1   pay\"</script>" {
		t.Errorf("reason %q", got)
	}
	if bytes.Contains(bytes.ReplaceAll(body, []byte("\r\n"), nil), []byte("\n")) {
		t.Error("a line does not end with CR LF")
	}
	old := rendered(t, "csv", in, map[string][]string{"encoding": {render.CP932}})
	text, err := japanese.ShiftJIS.NewDecoder().Bytes(old.Files[0].Body)
	if err != nil || !strings.Contains(string(text), "認証") {
		t.Errorf("CP932 is not read back: %v", err)
	}
}

func TestCP932(t *testing.T) {
	body, lost := render.CSV([][]string{{"〜−①髙é🙂", "\u00a5"}}, render.CP932)
	text, err := japanese.ShiftJIS.NewDecoder().Bytes(body)
	if err != nil || string(text) != "～－①髙??,￥\r\n" || lost != 2 {
		t.Errorf("%q, %d lost, %v", text, lost, err)
	}
}

func TestJSON(t *testing.T) {
	in := input(t, nil)
	var doc struct {
		Catalog string           `json:"catalog_version"`
		Policy  string           `json:"policy_hash"`
		Date    string           `json:"date"`
		Rows    []map[string]any `json:"rows"`
	}
	if err := json.Unmarshal(rendered(t, "json", in, nil).Files[0].Body, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Catalog != in.Program.CatalogVersion() || doc.Policy != in.Program.Hash() || doc.Date == "" || len(doc.Rows) != len(render.NewModel(in).Rows) {
		t.Errorf("%s %s %s, %d rows", doc.Catalog, doc.Policy, doc.Date, len(doc.Rows))
	}
	for _, r := range doc.Rows {
		for name, v := range r {
			if v == nil {
				t.Fatalf("%s is null in %v", name, r)
			}
		}
	}
}

func TestHandler(t *testing.T) {
	changed := time.Date(2027, 1, 4, 1, 2, 3, 0, time.UTC)
	now := render.Current{Input: input(t, nil), Edition: "1", Changed: changed}
	server := httptest.NewServer(render.Handler(targets.All(), func() render.Current { return now }))
	defer server.Close()
	ask := func(path, etag string) (*http.Response, string) {
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
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer, string(body)
	}
	for _, path := range []string{"/render/", "/render"} {
		if r, body := ask(path, ""); r.StatusCode != 200 || !strings.Contains(body, "/render/csv\n") {
			t.Errorf("%s: %d %q", path, r.StatusCode, body)
		}
	}
	r, body := ask("/render/json", "")
	if r.StatusCode != 200 || !json.Valid([]byte(body)) || r.Header.Get("Last-Modified") != changed.Format(http.TimeFormat) {
		t.Fatalf("%d %v", r.StatusCode, r.Header)
	}
	if again, _ := ask("/render/json/endpoints.json", r.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
		t.Errorf("the same again: %d", again.StatusCode)
	}
	if r, body := ask("/render/csv?encoding=cp932", ""); r.StatusCode != 200 || strings.HasPrefix(body, "\xef") {
		t.Errorf("with an option: %d", r.StatusCode)
	}
	for path, status := range map[string]int{
		"/render/none": 404, "/render/json/none": 404, "/render/json/../csv/x": 404, "/render/csv?encoding=utf-7": 400, "/render/csv?x=1": 400, "/render/csv?%zz": 400,
		"/render/csv?encoding=" + strings.Repeat("x", 5000): 400,
	} {
		if r, body := ask(path, ""); r.StatusCode != status || body == "" {
			t.Errorf("%s: %d %q", path, r.StatusCode, body)
		}
	}
	now.Input, now.Edition = input(t, func(s *policy.Spec) { s.Features, s.Hosts, s.Aliases = nil, nil, nil }), "2"
	if r, body := ask("/render/json", ""); r.StatusCode != http.StatusConflict || !strings.Contains(body, "empty") {
		t.Errorf("nothing selected: %d %q", r.StatusCode, body)
	}
	now = render.Current{}
	if r, _ := ask("/render/json", ""); r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" {
		t.Errorf("without a policy: %d", r.StatusCode)
	}
}
