package policy_test

import (
	"slices"
	"strings"
	"testing"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/message"
	"sekisho/internal/policy"
)

// unfilledSpec is a policy with the named features and nothing to say about people.
func unfilledSpec(features ...string) policy.Spec {
	spec := policy.Spec{Rings: []policy.RingSpec{{Name: "everyone", Mode: policy.Off}}}
	for i, f := range features {
		spec.Features = append(spec.Features, policy.At{Text: f, Pos: finding.Pos{File: "sekisho.yaml", Line: 10 + i}})
	}
	return spec
}

func value(s string) []catalog.Given {
	return []catalog.Given{{Text: s, Pos: finding.Pos{File: "sekisho.yaml", Line: 3}}}
}

// TestUnfilledRowsStayClosed: what depends on a value that nobody gave opens nothing, and a finding at the feature says
// so; with the value it opens the one name and no other.
func TestUnfilledRowsStayClosed(t *testing.T) {
	for _, c := range []struct {
		rule, feature, code string
		severity            finding.Severity
		values              catalog.Values
		opens, closed       []string // with values; nothing of opens is open without them
	}{
		{"a-required-template-warns", "azure.monitor-agent", "policy.unfilled-region", finding.Warning,
			catalog.Values{catalog.HoleRegion: value("japaneast"), catalog.HoleWorkspace: value("0d1e2f30-4152-4637-8899-aabbccddeeff")},
			[]string{"japaneast.handler.control.monitor.azure.com", "0d1e2f30-4152-4637-8899-aabbccddeeff.ods.opinsights.azure.com"},
			[]string{"japanwest.handler.control.monitor.azure.com", "x.ods.opinsights.azure.com", "a.handler.control.monitor.azure.us"}},
		{"a-template-that-a-wildcard-covers-is-a-note", "entra.certificate-based-authentication", "policy.unfilled-tenant-id", finding.Info,
			nil, nil, nil},
		{"a-row-for-some-is-a-note", "entra.device-registration", "policy.unfilled-sts-host", finding.Info,
			catalog.Values{catalog.HoleSTSHost: value("sts.contoso.com")}, []string{"sts.contoso.com"}, []string{"sts2.contoso.com"}},
		{"a-feature-that-opens-nothing-warns", "intune.scripts-win32-content", "policy.unfilled-location", finding.Warning,
			catalog.Values{catalog.HoleLocation: value("AMSUC0101")},
			[]string{"approdimedatapri.azureedge.net"}, []string{"naprodimedatapri.azureedge.net", "euprodimedatapri.azureedge.net"}},
		{"a-condition-that-is-on", "entra.seamless-sso", "policy.unfilled-seamless-sso", finding.Info,
			nil, nil, nil},
		{"federation-needs-its-host", "entra.federation", "policy.unfilled-sts-host", finding.Warning,
			catalog.Values{catalog.HoleSTSHost: value("sts.contoso.com")}, []string{"sts.contoso.com"}, nil},
	} {
		t.Run(c.rule, func(t *testing.T) {
			spec := unfilledSpec(c.feature)
			p, found := policy.Compile(spec, catalog.Builtin())
			if p == nil {
				t.Fatal(found)
			}
			i := slices.IndexFunc(found, func(f finding.Finding) bool { return f.Code == c.code && f.Args["feature"] == c.feature })
			if i < 0 || found[i].Severity != c.severity || found[i].Pos.Line != 10 {
				t.Fatalf("no %s (%v) at the feature: %v", c.code, c.severity, found)
			}
			for _, lang := range message.Languages() {
				m := message.New(lang)
				if text, hint := m.Finding(found[i]), m.Hint(found[i]); strings.Contains(text, c.code) || !strings.Contains(hint, "tenant.") {
					t.Errorf("%s says %q, %q", lang, text, hint)
				}
			}
			open := func(p *policy.Program, host string) bool {
				return slices.ContainsFunc(p.AllowedPatterns(), func(r policy.Rule) bool { return r.Pattern.Match(endpoint.MustHost(host)) })
			}
			for _, h := range slices.Concat(c.opens, c.closed) {
				if open(p, h) {
					t.Errorf("%s is open without its value", h)
				}
			}
			if c.values == nil {
				return
			}
			view, bad := catalog.Builtin().Fill(c.values)
			if view == nil {
				t.Fatal(bad)
			}
			p2, found := policy.Compile(spec, view)
			if p2 == nil {
				t.Fatal(found)
			}
			for _, h := range c.opens {
				if !open(p2, h) {
					t.Errorf("%s is closed although it was given", h)
				}
			}
			for _, h := range c.closed {
				if open(p2, h) {
					t.Errorf("%s is open though nobody gave it", h)
				}
			}
			if slices.ContainsFunc(found, func(f finding.Finding) bool { return f.Code == c.code && f.Severity == finding.Warning }) {
				t.Errorf("%s is still reported", c.code)
			}
			if p.Hash() == p2.Hash() {
				t.Error("two policies with different names have one hash")
			}
		})
	}
}

// TestOtherCloudsStayOut: a row for one cloud opens nothing for a tenant of another.
func TestOtherCloudsStayOut(t *testing.T) {
	for cloud, want := range map[string]struct{ open, closed string }{
		"":                {"*.msappproxy.net", "*.msappproxy.us"},
		catalog.Worldwide: {"*.msappproxy.net", "*.msappproxy.us"},
		catalog.USGov:     {"*.msappproxy.us", "*.msappproxy.net"},
	} {
		v := catalog.Values{}
		if cloud != "" {
			v[catalog.HoleCloud] = value(cloud)
		}
		view, found := catalog.Builtin().Fill(v)
		if view == nil {
			t.Fatal(found)
		}
		p, found := policy.Compile(unfilledSpec("entra.application-proxy"), view)
		if p == nil {
			t.Fatal(found)
		}
		has := func(pattern string) bool {
			return slices.ContainsFunc(p.AllowedPatterns(), func(r policy.Rule) bool { return r.Pattern.String() == pattern })
		}
		if !has(want.open) || has(want.closed) {
			t.Errorf("cloud %q: %s open %v, %s open %v", cloud, want.open, has(want.open), want.closed, has(want.closed))
		}
	}
}

// TestEveryHoleHasText: whatever the catalog comes to need, the finding has words in both languages.
func TestEveryHoleHasText(t *testing.T) {
	for _, h := range catalog.Holes() {
		f := finding.New("policy.unfilled-"+string(h), finding.Warning, finding.Pos{}, "feature", "x", "rows", "y")
		for _, lang := range message.Languages() {
			m := message.New(lang)
			if text := m.Finding(f); strings.Contains(text, f.Code) {
				t.Errorf("%s has no text in %s", f.Code, lang)
			}
			if hint := m.Hint(f); !strings.Contains(hint, "tenant.") {
				t.Errorf("%s: hint %q in %s", f.Code, hint, lang)
			}
		}
	}
}
