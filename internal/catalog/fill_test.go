package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

const tenantID = "3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31"

func given(words ...string) []catalog.Given {
	var out []catalog.Given
	for i, w := range words {
		out = append(out, catalog.Given{Text: w, Pos: finding.Pos{File: "sekisho.yaml", Line: i + 1}})
	}
	return out
}

func TestParseTemplate(t *testing.T) {
	for _, s := range []string{"t{tenant-id}.certauth.login.microsoftonline.com", "{tenant-name}.sharepoint.com",
		"{region}.his.arc.azure.com", "{sts-host}", "{tenant-name}-my.sharepoint.com", "{workspace}.{region}.example.com"} {
		x, err := catalog.ParseTemplate(s)
		if err != nil || x.String() != s {
			t.Errorf("%q is read as %q, %v", s, x, err)
		}
	}
	for _, s := range []string{"", "a.example.com", "{tenant-id", "tenant-id}", "{}.example.com", "{no-such}.example.com",
		"{location}.example.com", "{cloud}.example.com", "{{tenant-id}}.example.com", "{tenant-id}..example.com", "{region} x", "{region}/a"} {
		if x, err := catalog.ParseTemplate(s); err == nil {
			t.Errorf("%q is read as %q", s, x)
		}
	}
}

func TestTail(t *testing.T) {
	for s, want := range map[string]string{
		"t{tenant-id}.certauth.login.microsoftonline.com": "*.certauth.login.microsoftonline.com",
		"{tenant-name}-my.sharepoint.com":                 "*.sharepoint.com",
		"{workspace}.{region}.example.com":                "*.example.com",
		"{sts-host}":                                      "",
	} {
		x, err := catalog.ParseTemplate(s)
		if err != nil || x.Tail().String() != want {
			t.Errorf("%s: tail %q, %v; want %q", s, x.Tail(), err, want)
		}
	}
}

func TestFill(t *testing.T) {
	const body = `sets:
  - {source: page, cloud: worldwide, id: own, area: A, title: {ja: "題", en: T}, required: true, hosts: [a.example.com], templates: ["{tenant-name}.example.com", "{tenant-name}-{region}.example.net"], ports: tcp/443, unattached: true}
  - {source: page, cloud: worldwide, id: na, area: A, title: {ja: "題", en: T}, required: true, hosts: [na.example.com], scale-units: [AMSUA0101], ports: tcp/443, unattached: true}
  - {source: page, cloud: worldwide, id: sso, area: A, title: {ja: "題", en: T}, required: true, hosts: [sso.example.com], when: {seamless-sso: true}, ports: tcp/443, unattached: true}
  - {source: page, cloud: china, id: cn, area: A, title: {ja: "題", en: T}, required: true, hosts: [cn.example.cn], when: {cloud: [china]}, ports: tcp/443, unattached: true}
  - {source: page, cloud: worldwide, id: ww, area: A, title: {ja: "題", en: T}, required: true, templates: ["{sts-host}"], when: {cloud: [worldwide]}, ports: tcp/443, unattached: true}
`
	for _, c := range []struct {
		rule   string
		values catalog.Values
		want   string // id, applies, unfilled, names
		found  string
	}{
		{"nothing-given", nil,
			"own yes tenant-name,region a.example.com; na not-stated location na.example.com; sso not-stated seamless-sso sso.example.com; cn no - cn.example.cn; ww yes sts-host -", ""},
		{"a-name-alone-fills-what-needs-no-more", catalog.Values{catalog.HoleTenantName: given("contoso")},
			"own yes region a.example.com,contoso.example.com; na not-stated location na.example.com; sso not-stated seamless-sso sso.example.com; cn no - cn.example.cn; ww yes sts-host -", ""},
		{"every-region-makes-its-own-name", catalog.Values{catalog.HoleTenantName: given("contoso"), catalog.HoleRegion: given("japaneast", "japanwest")},
			"own yes - a.example.com,contoso.example.com,contoso-japaneast.example.net,contoso-japanwest.example.net; na not-stated location na.example.com; sso not-stated seamless-sso sso.example.com; cn no - cn.example.cn; ww yes sts-host -", ""},
		{"conditions-hold", catalog.Values{catalog.HoleLocation: given("AMSUA0101"), catalog.HoleSeamlessSSO: given("true"), catalog.HoleSTSHost: given("sts.contoso.com")},
			"own yes tenant-name,region a.example.com; na yes - na.example.com; sso yes - sso.example.com; cn no - cn.example.cn; ww yes - sts.contoso.com", ""},
		{"conditions-fail", catalog.Values{catalog.HoleLocation: given("AMSUB0101"), catalog.HoleSeamlessSSO: given("false"), catalog.HoleCloud: given("china")},
			"own yes tenant-name,region a.example.com; na no - na.example.com; sso no - sso.example.com; cn yes - cn.example.cn; ww no - -", "catalog.unknown-location"},
		{"unknown-cloud", catalog.Values{catalog.HoleCloud: given("mars")},
			"own yes tenant-name,region a.example.com; na not-stated location na.example.com; sso not-stated seamless-sso sso.example.com; cn no - cn.example.cn; ww no - -", "catalog.unknown-cloud"},
		{"a-star-is-no-value", catalog.Values{catalog.HoleTenantName: given("*")}, "", "catalog.fill"},
		{"no-host-comes-of-it", catalog.Values{catalog.HoleSTSHost: given("not a host")}, "", "catalog.fill"},
		{"empty-is-no-value", catalog.Values{catalog.HoleTenantName: given("")}, "", "catalog.fill"},
	} {
		s := snapshotOf(t, body)
		view, found := s.Fill(c.values)
		var codes []string
		for _, f := range found {
			codes = append(codes, f.Code)
			if f.Pos.Line != 1 {
				t.Errorf("%s: %s stands at %v", c.rule, f.Code, f.Pos)
			}
		}
		if strings.Join(slices.Compact(codes), " ") != c.found {
			t.Errorf("%s: findings %v, want %s", c.rule, codes, c.found)
		}
		if (view == nil) != (c.want == "") {
			t.Errorf("%s: view %v", c.rule, view)
		}
		if view == nil {
			continue
		}
		var got []string
		for _, set := range view.Sets() {
			var open []string
			for _, h := range set.Unfilled {
				open = append(open, string(h))
			}
			word := func(list []string) string {
				if len(list) == 0 {
					return "-"
				}
				return strings.Join(list, ",")
			}
			var hosts []string
			for _, p := range set.Patterns {
				hosts = append(hosts, p.String())
				if !slices.ContainsFunc(view.AppendHits(nil, endpoint.Host(p.String())), func(h catalog.Hit) bool { return h.Set == set }) {
					t.Errorf("%s: %s is not found", c.rule, p)
				}
			}
			got = append(got, strings.Join([]string{set.ID.ID, set.Applies.String(), word(open), word(hosts)}, " "))
		}
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.rule, text, c.want)
		}
		if len(s.AppendHits(nil, "contoso.example.com")) > 0 {
			t.Errorf("%s: filling changed the snapshot itself", c.rule)
		}
		if view.Version() != s.Version() || (view.Filling() == "") != (len(c.values) == 0) {
			t.Errorf("%s: version %s, filling %q", c.rule, view.Version(), view.Filling())
		}
	}
}

// TestBuiltinFilled fills the catalog of the product as an organisation in Japan would.
func TestBuiltinFilled(t *testing.T) {
	view, found := catalog.Builtin().Fill(catalog.Values{
		catalog.HoleTenantName: given("contoso"), catalog.HoleTenantID: given(tenantID), catalog.HoleRegion: given("japaneast"),
		catalog.HoleLocation: given("AMSUC0101"), catalog.HoleSTSHost: given("sts.contoso.com"), catalog.HoleSeamlessSSO: given("true"),
		catalog.HoleWorkspace: given("0d1e2f30-4152-4637-8899-aabbccddeeff"), catalog.HoleCollectionEndpoint: given("contoso-x1.japaneast-1"),
		catalog.HoleCloud: given(catalog.Worldwide),
	})
	if view == nil || len(found) > 0 {
		t.Fatal(found)
	}
	for host, claim := range map[string]string{
		"t" + tenantID + ".certauth.login.microsoftonline.com": "entra-cba/worldwide/issuer-hints",
		"sts.contoso.com": "entra-device-registration/worldwide/federation",
		tenantID + ".private.client.globalsecureaccess.microsoft.com":   "gsa-coexistence/worldwide/client",
		"japaneast.dp.kubernetesconfiguration.azure.com":                "azure-arc-kubernetes/worldwide/clusters",
		"japaneast.obo.arc.azure.com":                                   "azure-arc-kubernetes/worldwide/rbac-obo",
		"telemetry.japaneast.arcdataservices.com":                       "azure-arc-network/worldwide/sql",
		"japaneast.handler.control.monitor.azure.com":                   "azure-monitor-agent/worldwide/agent",
		"0d1e2f30-4152-4637-8899-aabbccddeeff.ods.opinsights.azure.com": "azure-monitor-agent/worldwide/agent",
		"contoso-x1.japaneast-1.ingest.monitor.azure.com":               "azure-monitor-agent/worldwide/collection-endpoint",
		"contoso.sharepoint.com":                                        "sekisho/worldwide/sharepoint-own",
		"contoso-my.sharepoint.com":                                     "sekisho/worldwide/sharepoint-own",
		"autodiscover.contoso.onmicrosoft.com":                          "sekisho/worldwide/autodiscover-own",
	} {
		if !slices.ContainsFunc(view.AppendHits(nil, endpoint.MustHost(host)), func(h catalog.Hit) bool {
			return h.Set.ID.String() == claim && h.Pattern.String() == host
		}) {
			t.Errorf("%s is not found in %s", host, claim)
		}
	}
	for _, set := range view.Sets() {
		if len(set.Unfilled) > 0 || set.Applies == catalog.NotStated {
			t.Errorf("%s still lacks %v", set.ID, set.Unfilled)
		}
		for _, l := range set.When.Locations {
			if (set.Applies == catalog.Yes) != slices.Contains(set.When.Locations, "AMSUC0101") {
				t.Errorf("%s applies: %s, for %s", set.ID, set.Applies, l)
			}
		}
	}
	if h := view.Handling(endpoint.MustHost("t" + tenantID + ".certauth.login.microsoftonline.com")); h.Inspection != catalog.InspectionForbidden {
		t.Errorf("the filled name is handled as %s", h.Inspection)
	}
	if c := view.Classify("japaneast.login.microsoft.com"); c.Class != catalog.SignInAlias {
		t.Errorf("a filled sign-in alias became %s", c.Class)
	}
}

// FuzzTemplate: what is read prints as it was read, and filling it makes one exact name that its tail covers.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"t{tenant-id}.certauth.login.microsoftonline.com", "{sts-host}", "{a}", "{", "}", "{{region}}.x", "*.{region}.example.com",
		"{region}.{region}.example.com", "{tenant-name}-my.sharepoint.com", "x{location}.y", "{tenant-id", "\xff{region}.a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		x, err := catalog.ParseTemplate(s)
		if err != nil {
			return
		}
		again, err := catalog.ParseTemplate(x.String())
		if err != nil || again != x {
			t.Fatalf("%q prints as %q, which is read as %q, %v", s, x, again, err)
		}
		if len(x.Holes()) == 0 {
			t.Fatalf("%q has no hole", x)
		}
		filled := x.String()
		for _, h := range x.Holes() {
			filled = strings.ReplaceAll(filled, "{"+string(h)+"}", "contoso")
		}
		p, err := endpoint.ParsePattern(filled)
		if err != nil {
			return // too long, or its neighbours make something else of it; Fill reports that
		}
		if tail := x.Tail(); !tail.IsZero() && p.Kind() == endpoint.Exact && !tail.Covers(p) {
			t.Fatalf("the tail %s of %s does not cover %s", tail, x, p)
		}
	})
}
