package catalog_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
)

func TestBuiltinIsComplete(t *testing.T) {
	s := catalog.Builtin()
	if s != catalog.Builtin() {
		t.Error("the built-in catalog is parsed twice")
	}
	if s.Version() != "builtin-2026-11-23" || s.Date().Format("2006-01-02") != "2026-11-23" {
		t.Errorf("version %s of %s", s.Version(), s.Date())
	}
	if n := s.Count(); n.Sets < 40 || n.Hosts < 150 || n.Prefixes < 66 || n.Required == 0 || n.Required == n.Sets {
		t.Errorf("the catalog counts %+v", n)
	}
	for _, f := range s.Features() {
		if s.CountFeature(f.ID).Sets == 0 {
			t.Errorf("%s opens nothing", f.ID)
		}
	}
	if s.CountFeature("no.such") != (catalog.Count{}) {
		t.Error("an unknown feature counts something")
	}
}

func TestBothLanguagesEverywhere(t *testing.T) {
	check := func(where string, x catalog.Text, obligatory bool) {
		t.Helper()
		switch {
		case x.IsZero():
			if obligatory {
				t.Errorf("%s: no text", where)
			}
		case x.JA == "" || x.EN == "":
			t.Errorf("%s: one language only: %+v", where, x)
		case japanese(x.EN):
			t.Errorf("%s: Japanese in the English text %q", where, x.EN)
		case strings.TrimSpace(x.JA) != x.JA || strings.TrimSpace(x.EN) != x.EN:
			t.Errorf("%s: blanks around %+v", where, x)
		}
		if x.JA != x.EN && !japanese(x.JA) { // names of products are the same in both
			t.Errorf("%s: no Japanese in %q", where, x.JA)
		}
		if x.In("ja") != x.JA || x.In("en") != x.EN || x.In("fr") != x.EN {
			t.Errorf("%s: In gives the wrong language", where)
		}
	}
	s := catalog.Builtin()
	for _, x := range s.Sources() {
		check("source "+x.ID, x.Title, true)
	}
	for _, x := range s.Features() {
		check(string(x.ID)+" title", x.Title, true)
		check(string(x.ID)+" about", x.About, true)
	}
	for _, x := range s.Classes() {
		check("class "+x.Pattern.String(), x.Why, true)
	}
	for _, x := range s.Sets() {
		id := x.ID.String()
		check(id+" title", x.Title, true)
		check(id+" lost", x.LostWithout, !x.Required)
		check(id+" condition", x.Condition, false)
		check(id+" note", x.Note, x.PortsInferred)
		for _, b := range x.Handling.Because {
			check(id+" handling", b.Text, true)
		}
	}
}

func japanese(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		return unicode.In(r, unicode.Hiragana, unicode.Katakana, unicode.Han)
	})
}

func TestSourcesAreDatedAndUsed(t *testing.T) {
	s := catalog.Builtin()
	used := map[*catalog.Source]bool{}
	for _, x := range s.Sets() {
		used[x.Source] = true
		if x.Seen.IsZero() || x.Seen.Before(x.Source.Date) {
			t.Errorf("%s was seen on %s, before its source's date", x.ID, x.Seen)
		}
		for _, p := range x.Patterns {
			for _, b := range s.Handling(endpoint.MustHost(replaceStar(p.String()))).Because {
				used[b.Source] = true
			}
		}
	}
	for _, c := range s.Classes() {
		used[c.Source] = true
	}
	for _, x := range s.Sources() {
		if x.Read.IsZero() || x.Read.Before(x.Date) {
			t.Errorf("%s: read on %s, dated %s", x.ID, x.Read, x.Date)
		}
		if (x.DateText() == "") != x.Date.IsZero() {
			t.Errorf("%s: date prints as %q", x.ID, x.DateText())
		}
		if got, ok := s.Source(x.ID); !ok || got != x {
			t.Errorf("%s cannot be asked for", x.ID)
		}
	}
	// Rules about hosts that no set of this version has are told by their own tests.
	unused := map[string]bool{"defender-environment": true, "connect-health": true, "apple-sso": true, "windows-endpoints": true}
	for _, x := range s.Sources() {
		if !used[x] && !unused[x.ID] {
			t.Errorf("source %s says nothing", x.ID)
		}
	}
}

func TestClaimsOfOneNumberStayApart(t *testing.T) {
	s := catalog.Builtin()
	get := func(id string) *catalog.Set {
		c, err := catalog.ParseClaimID(id)
		if err != nil {
			t.Fatal(err)
		}
		set, ok := s.Set(c)
		if !ok {
			t.Fatalf("%s is missing", id)
		}
		return set
	}
	for _, n := range []string{"56", "59", "97"} {
		page, list := get("intune-page/worldwide/"+n), get("m365-list/worldwide/"+n)
		if page == list || page.Source == list.Source {
			t.Errorf("the two sets %s are one", n)
		}
	}
	if !get("intune-page/worldwide/97").Required || get("m365-list/worldwide/97").Required {
		t.Error("the page requires 97, the list does not")
	}
	if get("intune-page/worldwide/172") == get("intune-page/worldwide/172#2") {
		t.Error("the two rows 172 are one")
	}
}

func TestAppendHits(t *testing.T) {
	s := catalog.Builtin()
	for _, c := range []struct {
		host string
		want []string // claim and pattern, in order
	}{
		{"device.login.microsoftonline.com", []string{
			"m365-list/worldwide/56 device.login.microsoftonline.com",
			"entra-device-registration/worldwide/registration device.login.microsoftonline.com",
			"m365-list/worldwide/59 *.microsoftonline.com",
		}},
		{"enterpriseenrollment.manage.microsoft.com", []string{
			"intune-page/worldwide/163 enterpriseenrollment.manage.microsoft.com",
			"intune-page/worldwide/163 *.manage.microsoft.com",
		}},
		{"sin.notify.windows.com", []string{
			"intune-page/worldwide/171 sin.notify.windows.com",
			"intune-page/worldwide/171 *.notify.windows.com",
		}},
		{"ctldl.windowsupdate.com", []string{
			"entra-page/worldwide/windows-trust-list ctldl.windowsupdate.com",
			"entra-page/worldwide/windows-trust-list *.windowsupdate.com",
			"intune-page/worldwide/164 *.windowsupdate.com",
		}},
		{"www.example.com", nil},
	} {
		var got []string
		for _, h := range s.AppendHits(nil, endpoint.Host(c.host)) {
			got = append(got, h.Set.ID.String()+" "+h.Pattern.String())
		}
		// Other sources may speak of the host in between.
		rest := c.want
		for _, line := range got {
			if len(rest) > 0 && line == rest[0] {
				rest = rest[1:]
			}
		}
		if len(rest) > 0 || c.want == nil && got != nil {
			t.Errorf("%s hits\n\t%s\nwant, in this order,\n\t%s", c.host, strings.Join(got, "\n\t"), strings.Join(c.want, "\n\t"))
		}
	}
}

func TestEveryPatternHitsItsSet(t *testing.T) {
	s := catalog.Builtin()
	for _, set := range s.Sets() {
		claimed := set.Withdrawn.IsZero()
		for _, p := range set.Patterns {
			h := endpoint.MustHost(replaceStar(p.String()))
			if slices.ContainsFunc(s.AppendHits(nil, h), func(x catalog.Hit) bool { return x.Set == set && x.Pattern == p }) != claimed {
				t.Errorf("%s hits %s by %s: want %v", h, set.ID, p, claimed)
			}
		}
		for _, p := range set.Prefixes {
			if slices.ContainsFunc(s.AppendAddrHits(nil, p.Addr()), func(x catalog.Hit) bool { return x.Set == set && x.Prefix == p }) != claimed {
				t.Errorf("%s hits %s by %s: want %v", p.Addr(), set.ID, p, claimed)
			}
		}
	}
}

func TestExpand(t *testing.T) {
	s := catalog.Builtin()
	for _, c := range []struct {
		rule           string
		ids            []catalog.FeatureID
		known, unknown []catalog.FeatureID
	}{
		{"nothing-gives-nothing", nil, nil, nil},
		{"requirements-come-first", []catalog.FeatureID{"intune.core"},
			[]catalog.FeatureID{"entra.sign-in", "intune.authentication", "intune.core"}, nil},
		{"order-of-asking-does-not-matter", []catalog.FeatureID{"intune.wns", "entra.certificate-based-authentication", "intune.wns"},
			[]catalog.FeatureID{"entra.sign-in", "entra.certificate-based-authentication", "intune.authentication", "intune.core", "intune.wns"}, nil},
		{"requirements-of-requirements", []catalog.FeatureID{"intune.autopilot"},
			[]catalog.FeatureID{"entra.sign-in", "entra.device-registration", "intune.authentication", "intune.core",
				"intune.consumer-accounts", "intune.autopilot"}, nil},
		{"unknown-apart", []catalog.FeatureID{"x", "entra.sign-in", "y", "x"},
			[]catalog.FeatureID{"entra.sign-in"}, []catalog.FeatureID{"x", "y"}},
	} {
		known, unknown := s.Expand(c.ids)
		if !slices.Equal(known, c.known) || !slices.Equal(unknown, c.unknown) {
			t.Errorf("%s: %v, %v; want %v, %v", c.rule, known, unknown, c.known, c.unknown)
		}
	}
}

func TestFeaturesAndClaimsPointAtEachOther(t *testing.T) {
	s := catalog.Builtin()
	for _, f := range s.Features() {
		if got, ok := s.Feature(f.ID); !ok || got != f {
			t.Errorf("%s cannot be asked for", f.ID)
		}
		for _, c := range f.Claims {
			if !slices.Contains(s.FeaturesOf(c), f.ID) {
				t.Errorf("%s claims %s, which does not know it", f.ID, c)
			}
		}
	}
	for _, set := range s.Sets() {
		if (len(s.FeaturesOf(set.ID)) == 0) != set.Unattached {
			t.Errorf("%s: features %v, unattached %v", set.ID, s.FeaturesOf(set.ID), set.Unattached)
		}
	}
	if s.FeaturesOf(catalog.ClaimID{}) != nil {
		t.Error("the zero claim has features")
	}
}

func TestWhatIsHandedOutIsTheCallers(t *testing.T) {
	s := catalog.Builtin()
	s.Sets()[0], s.Features()[0], s.Sources()[0], s.Classes()[0] = nil, nil, nil, catalog.Classification{}
	s.SignInPrefixes()[0] = s.SignInPrefixes()[1]
	s.FeaturesOf(s.Sets()[0].ID)[0] = "x"
	if s.Sets()[0] == nil || s.Features()[0] == nil || s.Sources()[0] == nil || s.Classes()[0].Pattern.IsZero() ||
		s.SignInPrefixes()[0] == s.SignInPrefixes()[1] || s.FeaturesOf(s.Sets()[0].ID)[0] == "x" {
		t.Error("the snapshot was changed from outside")
	}
}

func TestParseClaimID(t *testing.T) {
	for _, s := range []string{"", "a", "a/b", "a/b/c/d", "a//c", "A/b/c", "a/b/c d", "/b/c"} {
		if id, err := catalog.ParseClaimID(s); err == nil {
			t.Errorf("%q is read as %v", s, id)
		}
	}
	for _, set := range catalog.Builtin().Sets() {
		if id, err := catalog.ParseClaimID(set.ID.String()); err != nil || id != set.ID {
			t.Errorf("%s is read as %v, %v", set.ID, id, err)
		}
	}
}

// The JSON of a set is what "catalog show -o json" prints: codes and numbers, no bare integers for enumerations, and a
// year-only date that says so.
func TestSetAsJSON(t *testing.T) {
	set, _ := catalog.Builtin().Set(catalog.ClaimID{Source: "intune-page", Cloud: "worldwide", ID: "150"})
	data, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"id":"intune-page/worldwide/150"`, `"category":"default"`, `"required":false`, `"ports":"tcp/443"`,
		`"hosts":["*.officeconfig.msocdn.com","config.office.com"]`, `"express_route":"no"`, `"direction":"outbound"`,
		`"date":"2023-01-01T00:00:00Z","date_precision":"year"`,
	} {
		if !strings.Contains(string(data), want) {
			t.Errorf("no %s in %s", want, data)
		}
	}
	for _, silent := range []string{"withdrawn", "prefixes", "condition", "handling", "anywhere"} {
		if strings.Contains(string(data), `"`+silent+`"`) {
			t.Errorf("%s is printed though nothing is said: %s", silent, data)
		}
	}
}

func TestOddValuesPrintVisibly(t *testing.T) {
	if got := catalog.Class(99).String(); got != "invalid-99" {
		t.Errorf("an impossible class prints %q", got)
	}
}
