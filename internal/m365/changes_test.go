package m365

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// randomList makes a list of rows that differ from another's in every way that a row can.
func randomList(r *rand.Rand, version string) *List {
	l := &List{Instance: Worldwide, Version: version}
	for id := 1; id <= 12; id++ {
		if r.IntN(4) == 0 {
			continue
		}
		row := Row{ID: id, ServiceArea: areas[r.IntN(4)].code, Category: categories[r.IntN(3)], ExpressRoute: r.IntN(2) == 0, Required: r.IntN(2) == 0}
		for range r.IntN(5) {
			row.URLs = append(row.URLs, fmt.Sprintf("h%d.example", r.IntN(8)))
		}
		for range r.IntN(5) {
			row.IPs = append(row.IPs, fmt.Sprintf("10.%d.0.0/16", r.IntN(8)), fmt.Sprintf("2001:db8:%x::/48", 1+r.IntN(8)))
		}
		row.TCPPorts = []string{"", "443", "80,443"}[r.IntN(3)]
		row.UDPPorts = []string{"", "443", "3478,3479"}[r.IntN(3)]
		if !row.Required {
			row.Notes = []string{"", "one <note> & more", "二"}[r.IntN(3)]
		}
		l.Rows = append(l.Rows, row)
	}
	r.Shuffle(len(l.Rows), func(i, j int) { l.Rows[i], l.Rows[j] = l.Rows[j], l.Rows[i] })
	return l
}

// Folding the changes of any version onto it gives the next version, byte for byte, also after a trip through JSON.
func TestFoldingChangesGivesTheNextVersion(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 7))
		var all []Change
		var lists []*List
		var before *List
		for i := range 4 {
			l := randomList(r, fmt.Sprintf("202701%02d00", i+1))
			all = append(all, Changes(before, l)...)
			lists, before = append(lists, l), l
		}
		read, found := ReadChanges("changes", marshal(all))
		if len(found) > 0 || len(read) != len(all) {
			t.Fatalf("seed %d: %v", seed, found)
		}
		ids := map[int]bool{}
		for _, c := range read {
			if ids[c.ID] {
				t.Fatalf("seed %d: change %d is there twice", seed, c.ID)
			}
			ids[c.ID] = true
		}
		for from := -1; from < len(lists)-1; from++ {
			var state *List
			if from >= 0 {
				state = lists[from]
			}
			for next := from + 1; next < len(lists); next++ {
				var err error
				if state, err = Fold(state, read, lists[next].Version); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				if want := lists[next].Canonical().JSON(); !bytes.Equal(state.JSON(), want) {
					t.Fatalf("seed %d: from %d to %d:\n%s\nwant\n%s", seed, from, next, state.JSON(), want)
				}
			}
		}
	}
}

func TestChangesOfRealLists(t *testing.T) {
	old, found := ReadEndpoints("2020", Worldwide, reference(t, "endpoints-worldwide-2020-12-raw.json"))
	if old == nil {
		t.Fatal(found)
	}
	now, found := ReadEndpoints("2025", Worldwide, reference(t, "endpoints-worldwide-2025013000.json"))
	if now == nil {
		t.Fatal(found)
	}
	old.Version, now.Version = "2020120100", "2025013000"
	changes := Changes(old, now)
	folded, err := Fold(old, changes, now.Version)
	if err != nil || !bytes.Equal(folded.JSON(), now.Canonical().JSON()) {
		t.Fatalf("folding %d changes: %v", len(changes), err)
	}
	if len(Changes(now, now)) != 0 {
		t.Error("a list differs from itself")
	}
}

func TestImpactPutsWhatMustBeOpenedFirst(t *testing.T) {
	base := Row{ID: 1, ServiceArea: "Common", Category: "Allow", URLs: []string{"a.example"}, IPs: []string{"192.0.2.0/24"}, TCPPorts: "443"}
	for _, c := range []struct {
		want   string
		change func(*Row)
	}{
		{impactAddedURL, func(r *Row) { r.URLs = []string{"b.example"} }},
		{impactAddedIP, func(r *Row) { r.IPs = []string{"192.0.2.0/24", "198.51.100.0/24"} }},
		{impactAddedBoth, func(r *Row) { r.URLs, r.IPs = []string{"b.example"}, []string{"198.51.100.0/24"} }},
		{impactRemoved, func(r *Row) { r.IPs = nil }},
		{impactExpressRoute, func(r *Row) { r.ExpressRoute = true }},
		{impactOther, func(r *Row) { r.TCPPorts = "80,443" }},
	} {
		next := base
		c.change(&next)
		got := Changes(&List{Rows: []Row{base}}, &List{Version: "2027010400", Rows: []Row{next}})
		if len(got) != 1 || got[0].Impact != c.want || got[0].Disposition != dispositionChange {
			t.Errorf("want %s, got %+v", c.want, got)
		}
	}
}

func TestFoldRefusesWhatDoesNotFit(t *testing.T) {
	l := &List{Rows: []Row{{ID: 1}}}
	for _, c := range []Change{
		{EndpointSetID: 1, Disposition: dispositionAdd, Version: "2027010400"},
		{EndpointSetID: 2, Disposition: dispositionRemove, Version: "2027010400"},
		{EndpointSetID: 2, Disposition: dispositionChange, Version: "2027010400"},
	} {
		if _, err := Fold(l, []Change{c}, "2027010400"); err == nil {
			t.Errorf("%+v was folded", c)
		}
	}
}

func TestReadVersions(t *testing.T) {
	for _, c := range []struct{ rule, body, want, codes string }{
		{"array", `[{"instance":"Worldwide","latest":"2018063000"},{"instance":"USGovDoD","latest":"2018063001"}]`, "[{Worldwide 2018063000 []} {USGovDoD 2018063001 []}]", ""},
		{"object", `{"instance":"worldwide","latest":"2018063000","versions":["2018063000","2018062000"]}`, "[{Worldwide 2018063000 [2018063000 2018062000]}]", ""},
		{"retired", `[{"instance":"Germany","latest":"2018063000"},{"instance":"China","latest":"2018063000"}]`, "[{China 2018063000 []}]", "unknown-instance"},
		{"no-version", `[{"instance":"China","latest":"new"}]`, "[]", "version-value"},
		{"impossible-day", `[{"instance":"China","latest":"2018133000"}]`, "[]", "version-value"},
		{"nothing", `[]`, "[]", "empty"},
		{"page", `<html>`, "[]", "syntax"},
	} {
		got, found := ReadVersions("b", []byte(c.body))
		if fmt.Sprint(got) != c.want || codes(found) != c.codes {
			t.Errorf("%s: %v %s", c.rule, got, codes(found))
		}
	}
}

func TestReadChangesHoldsWhatItCannotRead(t *testing.T) {
	body := `[{"id":1,"endpointSetId":3,"disposition":"Change","version":"2018062700","remove":{"urls":["*.API.skype.com"]}},
		{"id":2,"endpointSetId":3,"disposition":"Rename","version":"2018062700"}, 7,
		{"id":3,"endpointSetId":3,"disposition":"Add","version":"x"}]`
	got, found := ReadChanges("b", []byte(body))
	if len(got) != 1 || got[0].Remove.URLs[0] != "*.api.skype.com" || codes(found) != strings.TrimSpace(strings.Repeat("change-held ", 3)) {
		t.Errorf("%+v, %v", got, found)
	}
	if got, found := ReadChanges("b", []byte("[]")); got == nil || len(found) > 0 {
		t.Errorf("no changes: %v, %v", got, found)
	}
}

// TestRandomHistoriesFoldForEveryCloud serves random histories of every instance at once and folds what is served, from
// every version on, under every kind of selection.
func TestRandomHistoriesFoldForEveryCloud(t *testing.T) {
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 11))
		a := &Archive{lists: map[Instance][]*List{}}
		for _, i := range Instances() {
			for n := range 2 + r.IntN(4) {
				l := randomList(r, fmt.Sprintf("202701%02d00", n+1)).Canonical()
				l.Instance = i
				a.lists[i] = append(a.lists[i], l)
			}
		}
		a = a.Announce(nil)
		for _, i := range Instances() {
			for _, s := range []selection{{}, {areas: []string{"Exchange"}}, {noIPv6: true}, {tenant: "contoso"}, {areas: []string{"SharePoint", "MEM"}, noIPv6: true, tenant: "x"}} {
				lists := a.lists[i]
				for from := -1; from < len(lists); from++ {
					since, state := firstVersion, &List{Instance: i}
					if from >= 0 {
						since, state = lists[from].Version, s.of(lists[from])
					}
					read, found := ReadChanges("changes", marshal(a.changesSince(i, since, false, s)))
					if len(found) > 0 {
						t.Fatalf("seed %d: %v", seed, found)
					}
					for next := from + 1; next < len(lists); next++ {
						var err error
						if state, err = Fold(state, read, lists[next].Version); err != nil {
							t.Fatalf("seed %d %s: %v", seed, i, err)
						}
						if want := s.of(lists[next]).JSON(); !bytes.Equal(state.JSON(), want) {
							t.Fatalf("seed %d %s from %s to %s:\n%s\nwant\n%s", seed, i, since, lists[next].Version, state.JSON(), want)
						}
					}
				}
			}
		}
	}
}

// TestEffectiveDatesAreServed: what the publisher has announced stands in the changes, whatever is selected.
func TestEffectiveDatesAreServed(t *testing.T) {
	row := Row{ID: 7, ServiceArea: "Common", Category: "Allow", URLs: []string{"*.sharepoint.com"}, IPs: []string{"192.0.2.0/24"}, TCPPorts: "443"}
	next := row
	next.URLs, next.IPs = []string{"*-new.sharepoint.com", "*.sharepoint.com", "b.example"}, []string{"198.51.100.0/24"}
	a := &Archive{lists: map[Instance][]*List{Worldwide: {
		{Instance: Worldwide, Version: "2027010400", Rows: []Row{row}}, {Instance: Worldwide, Version: "2027020100", Rows: []Row{next}},
	}}}
	date := func(a *Archive, s selection) string {
		return a.changesSince(Worldwide, "2027010400", false, s)[0].Add.EffectiveDate
	}
	if got := date(a, selection{}); got != "20270201" {
		t.Errorf("without notice: %s", got)
	}
	body, version, err := MergeChanges("changes",
		[]byte(`[{"id":1,"endpointSetId":7,"disposition":"Change","version":"2027010400","add":{"effectiveDate":"20270101","urls":["old.example"]}}]`),
		[]byte(`[{"id":2,"endpointSetId":7,"disposition":"Change","version":"2027020100","add":{"effectiveDate":"20270303","urls":["B.example"]}},
			{"id":3,"endpointSetId":7,"disposition":"Change","version":"2027020100","add":{"effectiveDate":"20270305","ips":["198.51.100.0/24"]}},
			{"id":4,"endpointSetId":8,"disposition":"Change","version":"2027020100","add":{"effectiveDate":"20270205","urls":["b.example"]}}]`))
	if err != nil || version != "2027020100" {
		t.Fatal(version, err)
	}
	changes, _ := ReadChanges("changes", body)
	if len(changes) != 4 || changes[0].ID != 1 {
		t.Fatalf("%+v", changes)
	}
	if again, _, err := MergeChanges("changes", body, body); err != nil || !bytes.Equal(again, body) {
		t.Errorf("joining the same again: %v", err)
	}
	if _, _, err := MergeChanges("changes", body, []byte("<html>")); err == nil {
		t.Error("a page is taken for changes")
	}
	a = a.Announce(map[Instance]Notices{Worldwide: NewNotices(changes)})
	for _, s := range []selection{{}, {noIPv6: true}, {tenant: "contoso"}} {
		if got := date(a, s); got != "20270303" {
			t.Errorf("%+v: %s", s, got)
		}
	}
}
