package explain_test

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/explain"
	"sekisho/internal/finding"
	"sekisho/internal/message"
	"sekisho/internal/policy"
	"sekisho/internal/restrict"
)

const contosoID = "3d5a8f0e-6b1c-4a77-9d42-0f1e2d3c4b5a"

func program(t testing.TB) *policy.Program {
	t.Helper()
	at := func(text string) policy.At {
		return policy.At{Text: text, Pos: finding.Pos{File: "sekisho.yaml", Line: 7, Column: 5}}
	}
	p, found := policy.Compile(policy.Spec{
		Features: []policy.At{at("entra.sign-in"), at("intune.core")},
		Profiles: []restrict.Spec{{Name: "staff", Version: restrict.V1, Permitted: []restrict.At{at("contoso.com"), at(contosoID)}, Context: at(contosoID), BlockConsumers: true}},
		Rings: []policy.RingSpec{
			{Name: "pilot", Profile: at("staff"), Clients: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}},
			{Name: "everyone", Profile: at("staff"), Mode: policy.Report},
		},
	}, catalog.Builtin())
	if p == nil {
		t.Fatal(found)
	}
	return p
}

func answer(t testing.TB, target, client string, p *policy.Program) explain.Answer {
	t.Helper()
	parsed, err := endpoint.ParseTarget(target)
	if err != nil {
		t.Fatal(err)
	}
	c := explain.Context{Program: p, Now: catalog.Builtin().Date().Add(48 * time.Hour)}
	if client != "" {
		c.Subject.Client = netip.MustParseAddr(client)
	}
	return explain.Explain(parsed, c)
}

func TestSignInHost(t *testing.T) {
	a := answer(t, "https://Login.MicrosoftOnline.com/common/?secret=1", "10.1.0.1", program(t))
	if a.Target != "https://login.microsoftonline.com/common/" || a.Kind != "url" || a.Host != "login.microsoftonline.com" || a.Port != 443 {
		t.Errorf("normal form: %q %q %q %d", a.Target, a.Kind, a.Host, a.Port)
	}
	if a.Class == nil || a.Class.Code != "sign-in" || a.Class.Why.JA == "" {
		t.Errorf("class %+v", a.Class)
	}
	d := a.Decision
	if d == nil || d.Verdict != "permit" || d.Action != "intercept" || d.Reason != "sign-in" || d.Ring != "pilot" || d.Mode != "enforce" || d.Profile != "staff" {
		t.Fatalf("decision %+v", d)
	}
	if len(d.Sets) != 2 || d.Sets[0].Name != restrict.HeaderTenants || d.Sets[0].Value != "contoso.com,"+contosoID || !d.Deletes {
		t.Errorf("headers %+v", d.Sets)
	}
	if d.Rule.Place != "sekisho.yaml:7:5" || d.Rule.Claim != "m365-list/worldwide/56" {
		t.Errorf("rule %+v", d.Rule)
	}
	if a.Catalog.AgeDays != 2 {
		t.Errorf("age %d days", a.Catalog.AgeDays)
	}
	used := false
	for _, s := range a.Sets {
		if s.Source.URL == "" || s.Source.Read == "" || s.Title.EN == "" || s.Title.JA == "" || s.Match == "" {
			t.Errorf("set without source, title or match: %+v", s)
		}
		for _, f := range s.Features {
			used = used || f.InUse && f.ID == "entra.sign-in"
		}
	}
	if !used {
		t.Error("no set tells that entra.sign-in is in use")
	}
}

func TestNeverInspectedHost(t *testing.T) {
	a := answer(t, "manage.microsoft.com", "10.1.0.1", program(t))
	if a.Decision.Action != "tunnel" || a.Handling.Inspection != "forbidden" || len(a.Handling.Statements) == 0 {
		t.Errorf("action %q, inspection %q", a.Decision.Action, a.Handling.Inspection)
	}
	if len(a.Decision.Sets) != 0 || a.Decision.Deletes {
		t.Error("a tunnel shows headers")
	}
}

func TestOtherTargets(t *testing.T) {
	p := program(t)
	a := answer(t, "20.190.128.1", "", p)
	if a.Decision.Reason != "address-of-sign-in" || !a.SignInAddress || len(a.Sets) == 0 || a.Class != nil {
		t.Errorf("address: %+v", a)
	}
	a = answer(t, "20.190.0.0/16", "", p)
	if a.Decision != nil || !a.SignInAddress || len(a.Sets) == 0 || !a.Sets[0].Part {
		t.Errorf("wider prefix: %+v", a)
	}
	a = answer(t, "20.190.128.0/24", "", p)
	if len(a.Sets) == 0 || a.Sets[0].Part {
		t.Errorf("narrower prefix: %+v", a.Sets)
	}
	a = answer(t, "http://login.microsoftonline.com/", "10.3.0.1", p)
	if !a.Plain || a.Port != 80 || a.Decision.Action != "forward" || a.Decision.Would != "unknown" || len(a.Decision.Sets) != 0 {
		t.Errorf("plain HTTP: %+v", a.Decision)
	}
	a = answer(t, "www.example.jp", "", p)
	if len(a.Sets) != 0 || !hinted(a, "explain.not-in-catalog") {
		t.Errorf("hints %v", a.Hints)
	}
	a = answer(t, "has.spserv.microsoft.com", "", p)
	if a.Decision.Reason != "not-allowed" || !hinted(a, "explain.feature-not-in-use") {
		t.Errorf("%q, hints %v", a.Decision.Reason, a.Hints)
	}
	a = answer(t, "manage.microsoft.com", "", nil)
	if a.Decision != nil || !hinted(a, "explain.no-policy") {
		t.Errorf("without a policy: %+v", a)
	}
}

func hinted(a explain.Answer, code string) bool {
	for _, h := range a.Hints {
		if h.Code == code {
			return true
		}
	}
	return false
}

// TestOneSourceDoesNotContradictItself: the list names outlook.office365.com for the web (set 1) and for mail programs
// (set 2), with other ports, category and need.
func TestOneSourceDoesNotContradictItself(t *testing.T) {
	for _, target := range []string{"outlook.office365.com", "40.96.0.1"} {
		a := answer(t, target, "", nil)
		if len(a.Sets) < 2 || len(a.Contradictions) != 0 {
			t.Errorf("%s: %d sets, contradictions %+v", target, len(a.Sets), a.Contradictions)
		}
	}
}

// TestContradictionsAreOfOnePattern: set 56 of two sources with other ports is shown, a wider row is not.
func TestContradictionsAreOfOnePattern(t *testing.T) {
	a := answer(t, "login.microsoftonline.com", "", nil)
	aspects := map[string]bool{}
	for _, c := range a.Contradictions {
		aspects[c.Aspect] = true
		if len(c.Says) < 2 {
			t.Errorf("%s has one party", c.Aspect)
		}
		for _, s := range c.Says {
			if s.Claim == "m365-list/worldwide/59" {
				t.Errorf("%s: a wider row takes part", c.Aspect)
			}
			if first, this := strings.Split(c.Says[0].Claim, "/")[1], strings.Split(s.Claim, "/")[1]; first != this {
				t.Errorf("%s: the clouds %s and %s are said to contradict each other", c.Aspect, first, this)
			}
		}
	}
	if !aspects["ports"] {
		t.Errorf("contradictions %+v", a.Contradictions)
	}
}

func TestJSONHasStableNamesAndNoNullLists(t *testing.T) {
	data, err := json.Marshal(answer(t, "www.example.jp", "", program(t)))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"target":"www.example.jp"`, `"kind":"host"`, `"sets":[]`, `"contradictions":[]`, `"hints":[{`, `"sets_headers":[]`, `"verdict":"deny"`, `"age_days":2`} {
		if !bytes.Contains(data, []byte(want)) {
			t.Errorf("no %s in %s", want, data)
		}
	}
}

// golden compares got with file, which UPDATE=1 rewrites.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs:\n%s\nwant:\n%s", file, got, want)
	}
}

// TestScreen compares with testdata/<name>.<language>.txt; UPDATE=1 rewrites the files.
func TestScreen(t *testing.T) {
	p := program(t)
	cases := []struct{ name, target, client string }{
		{"sign-in", "login.microsoftonline.com", "10.1.0.1"},
		{"report", "login.live.com", "10.3.0.1"},
		{"never-inspected", "manage.microsoft.com", "10.1.0.1"},
		{"alias", "sts.windows.net", "10.1.0.1"},
		{"address", "20.190.128.1", ""},
		{"prefix", "20.190.0.0/16", ""},
		{"unknown", "https://www.example.jp/", ""},
	}
	for _, c := range cases {
		for _, lang := range message.Languages() {
			t.Run(c.name+"."+lang, func(t *testing.T) {
				var out bytes.Buffer
				if err := explain.Render(&out, answer(t, c.target, c.client, p), message.New(lang), 100); err != nil {
					t.Fatal(err)
				}
				golden(t, filepath.Join("testdata", c.name+"."+lang+".txt"), out.Bytes())
			})
		}
	}
}

// TestEveryHostFitsOneScreen renders every host of the catalog, in both languages and at the narrowest width.
func TestEveryHostFitsOneScreen(t *testing.T) {
	p := program(t)
	hosts := map[string]bool{}
	for _, s := range catalog.Builtin().Sets() {
		for _, pattern := range s.Patterns {
			hosts[strings.ReplaceAll(pattern.String(), "*", "x")] = true
		}
	}
	if len(hosts) < 50 {
		t.Fatalf("only %d hosts", len(hosts))
	}
	for host := range hosts {
		a := answer(t, host, "10.1.0.1", p)
		for _, lang := range message.Languages() {
			for _, width := range []int{0, 10} {
				var out bytes.Buffer
				if err := explain.Render(&out, a, message.New(lang), width); err != nil {
					t.Fatal(err)
				}
				if n := strings.Count(out.String(), "\n"); n > 40 {
					t.Errorf("%s (%s, width %d): %d lines", host, lang, width, n)
				}
				if strings.Contains(out.String(), "explain.") || strings.Contains(out.String(), "reason.") {
					t.Errorf("%s (%s): a text is missing:\n%s", host, lang, out.String())
				}
			}
		}
	}
}

func TestLongAndHostileValuesStayOnTheScreen(t *testing.T) {
	a := answer(t, "login.microsoftonline.com", "10.1.0.1", program(t))
	a.Decision.Sets[0].Value = strings.Repeat("tenant.example.com,", 500)
	a.Decision.User = "\x1b[31mred\u202e"
	var out bytes.Buffer
	if err := explain.Render(&out, a, message.New("en"), 80); err != nil {
		t.Fatal(err)
	}
	if strings.Count(out.String(), "\n") > 40 || strings.ContainsAny(out.String(), "\x1b\u202e") {
		t.Errorf("%q", out.String())
	}
	for _, line := range strings.Split(out.String(), "\n") {
		if len(line) > 84 { // a cut entry ends in " ..."
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
}
