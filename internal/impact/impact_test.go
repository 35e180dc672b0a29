package impact_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/finding"
	"sekisho/internal/impact"
	"sekisho/internal/policy"
)

// part is a small catalog: two features, of which one is in use, a host that two rows of it name, handling.
const part = `sources: [{id: own, title: {ja: 出典, en: source}, url: "https://wiki.example.com/", date: "2027-01-04", read: "2027-01-04"}]
sets:
  - source: own
    cloud: private
    id: "1"
    area: Own
    title: {ja: 表題, en: title}
    required: true
    category: allow
    hosts: [a.example, b.example, "*.wide.example"]
    ports: tcp/443
    prefixes: [192.0.2.0/25, 192.0.2.128/25]
  - source: own
    cloud: private
    id: "2"
    area: Own
    title: {ja: 表題, en: title}
    required: true
    hosts: [b.example]
    ports: tcp/443
  - source: own
    cloud: private
    id: "3"
    area: Own
    title: {ja: 表題, en: title}
    required: true
    hosts: [other.example]
    ports: tcp/443
features:
  - id: own.b
    title: {ja: 機能, en: feature}
    about: {ja: 説明, en: about}
    claims: [own/private/3]
  - id: own.a
    title: {ja: 機能, en: feature}
    about: {ja: 説明, en: about}
    claims: [own/private/1, own/private/2]
handling:
  - source: own
    hosts: [a.example]
    proxy-auth: exempt
    text: {ja: 文, en: text}
`

func side(t *testing.T, changes ...string) impact.Side {
	t.Helper()
	p, found := catalog.ParsePart("own.yaml", []byte(strings.NewReplacer(changes...).Replace(part)))
	if found.HasErrors() {
		t.Fatal(found)
	}
	s, found := catalog.Build("v", p)
	if s == nil {
		t.Fatal(found)
	}
	program, found := policy.Compile(policy.Spec{Features: []policy.At{{Text: "own.a", Pos: finding.Pos{File: "sekisho.yaml", Line: 3}}}}, s)
	if program == nil {
		return impact.Side{Findings: found}
	}
	return impact.Side{Program: program, Findings: found.Of(finding.Warning)}
}

var today = time.Date(2027, 1, 10, 12, 0, 0, 0, time.UTC)

func compare(t *testing.T, changes ...string) impact.Report {
	t.Helper()
	r, err := impact.Compare(impact.Input{
		From: "a", To: "b", Before: side(t), After: side(t, changes...), Day: today, Renderers: []impact.Renderer{impact.Gateway{}},
		Since: func(claim catalog.ClaimID, value string) (time.Time, bool) {
			return time.Date(2027, 2, 3, 0, 0, 0, 0, time.UTC), value == "new.example" && claim.ID == "1"
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// lines is everything that a report says, but for the sets.
func lines(r impact.Report) string { return r.Text() }

func TestNothingChanges(t *testing.T) {
	if r := compare(t); !r.IsZero() {
		t.Errorf("%+v", r)
	}
	// What is not in use changes nothing here.
	if r := compare(t, "other.example", "another.example"); !r.IsZero() {
		t.Errorf("%s", lines(r))
	}
	// A better text neither.
	if r := compare(t, "en: title", "en: a better title"); !r.IsZero() {
		t.Errorf("%s", lines(r))
	}
}

// TestExactlyWhatNamedIt changes one thing at a time: what named it is told, and nothing else.
func TestExactlyWhatNamedIt(t *testing.T) {
	for rule, c := range map[string]struct {
		change []string
		want   string
	}{
		"host-removed": {[]string{"a.example, b", "b"}, `feature own.a changed
rule removed feature own.a: a.example tcp/443 (own/private/1) in force since 2027-01-04
line gateway - allow a.example tcp/443 proxy-auth=exempt in force since 2027-01-04
`},
		"host-removed-that-another-row-names": {[]string{"a.example, b.example,", "a.example,"}, `feature own.a changed
rule removed feature own.a: b.example tcp/443 (own/private/1) in force since 2027-01-04 still open by own/private/2
`},
		"host-added": {[]string{"[a.example,", "[a.example, new.example,"}, `feature own.a changed
rule added feature own.a: new.example tcp/443 (own/private/1) in force from 2027-02-03
line gateway + allow new.example tcp/443 in force from 2027-02-03
`},
		"host-added-without-notice": {[]string{"[a.example,", "[a.example, quiet.example,"}, `feature own.a changed
rule added feature own.a: quiet.example tcp/443 (own/private/1) published 2027-01-04, in force within 30 days
line gateway + allow quiet.example tcp/443 published 2027-01-04, in force within 30 days
`},
		"ports": {[]string{"ports: tcp/443\n    prefixes", "ports: tcp/443,8443\n    prefixes"}, `feature own.a changed
rule changed feature own.a: *.wide.example tcp/443 -> tcp/443,8443 (own/private/1) in force since 2027-01-04
rule changed feature own.a: a.example tcp/443 -> tcp/443,8443 (own/private/1) in force since 2027-01-04
rule changed feature own.a: b.example tcp/443 -> tcp/443,8443 (own/private/1) in force since 2027-01-04
line gateway - allow *.wide.example tcp/443 in force since 2027-01-04
line gateway - allow a.example tcp/443 proxy-auth=exempt in force since 2027-01-04
line gateway + allow *.wide.example tcp/443,8443 in force since 2027-01-04
line gateway + allow a.example tcp/443,8443 proxy-auth=exempt in force since 2027-01-04
line gateway + allow b.example tcp/443,8443 in force since 2027-01-04
`},
		"handling": {[]string{"proxy-auth: exempt", "websocket: used"}, `handling a.example proxy-auth: exempt -> - 
handling a.example websocket: - -> used in force since 2027-01-04
line gateway - allow a.example tcp/443 proxy-auth=exempt
line gateway + allow a.example tcp/443 websocket=used
`},
		"category-and-need": {[]string{"category: allow", "category: optimize"}, "feature own.a changed\n"},
		"address":           {[]string{"192.0.2.128/25", "198.51.100.0/24"}, "feature own.a changed\n"},
		"feature-required": {[]string{"    claims: [own/private/1, own/private/2]", "    requires: [own.b]\n    claims: [own/private/1, own/private/2]"}, `feature own.b added
rule added feature own.b: other.example tcp/443 (own/private/3) published 2027-01-04, in force within 30 days
line gateway + allow other.example tcp/443 published 2027-01-04, in force within 30 days
`},
		"withdrawn": {[]string{"hosts: [b.example]\n", "hosts: [b.example]\n    withdrawn: \"2027-01-06\"\n"}, `feature own.a changed
rule removed feature own.a: b.example tcp/443 (own/private/2) in force since 2027-01-06 still open by own/private/1
`},
	} {
		t.Run(rule, func(t *testing.T) {
			if got := lines(compare(t, c.change...)); strings.ReplaceAll(got, " \n", "\n") != strings.ReplaceAll(c.want, " \n", "\n") {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestSetsOfAFeatureAreTold(t *testing.T) {
	r := compare(t, "category: allow", "category: optimize")
	if len(r.Features) != 1 || len(r.Features[0].Sets) != 1 || !slices.Equal(r.Features[0].Sets[0].Fields, []catalog.FieldChange{{Field: "category", From: "allow", To: "optimize"}}) {
		t.Errorf("%+v", r.Features)
	}
	r = compare(t, "192.0.2.128/25", "198.51.100.0/24")
	if s := r.Features[0].Sets[0].Prefixes; !slices.Equal(s.Added, []string{"198.51.100.0/24"}) || !slices.Equal(s.Removed, []string{"192.0.2.128/25"}) {
		t.Errorf("%+v", s)
	}
}

// TestAPolicyThatNoLongerLoads: the feature in use is gone from the new catalog.
func TestAPolicyThatNoLongerLoads(t *testing.T) {
	r := compare(t, "id: own.a", "id: own.c")
	if r.Loads || r.IsZero() || len(r.Appeared.Of(finding.Error)) != 1 || len(r.Rules) != 0 || !strings.HasPrefix(lines(r), "policy does not load with b\n") {
		t.Errorf("%+v", r)
	}
}

type broken struct{}

func (broken) Render(impact.Side) ([]impact.File, error) { return nil, errBroken }

var errBroken = errors.New("broken")

// joined renders prefixes as a firewall's list does.
type joined struct{}

func (joined) Render(s impact.Side) ([]impact.File, error) {
	set, _ := s.Program.Catalog().Set(catalog.ClaimID{Source: "own", Cloud: "private", ID: "1"})
	f := impact.File{Name: "list"}
	for _, prefix := range set.Prefixes {
		f.Lines = append(f.Lines, impact.Line{Text: fmt.Sprint(prefix), Value: fmt.Sprint(prefix)})
	}
	return []impact.File{f}, nil
}

func TestOtherRenderersPlugIn(t *testing.T) {
	in := impact.Input{Before: side(t), After: side(t, "192.0.2.128/25", "192.0.2.128/26"), Day: today, Renderers: []impact.Renderer{joined{}}}
	r, err := impact.Compare(in)
	if err != nil || len(r.Lines) != 2 || r.Lines[0].Line != "192.0.2.128/25" || r.Lines[0].Kind != catalog.Removed || r.Lines[1].Line != "192.0.2.128/26" || r.Lines[1].Force.Date != "2027-01-04" {
		t.Errorf("%+v %v", r.Lines, err)
	}
	in.Renderers = append(in.Renderers, broken{})
	if _, err := impact.Compare(in); !errors.Is(err, errBroken) {
		t.Errorf("%v", err)
	}
}
