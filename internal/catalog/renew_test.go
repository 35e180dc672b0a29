package catalog_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
)

var renewalDay = time.Date(2027, 1, 4, 0, 0, 0, 0, time.UTC)

// renewed builds the built-in catalog with a new edition of the Microsoft 365 list: the sets that it has, changed by
// change (which returns nil to leave one out).
func renewed(t *testing.T, change func(catalog.Set) *catalog.Set, more func(*catalog.Renewal)) *catalog.Snapshot {
	t.Helper()
	r := catalog.Renewal{
		Source: catalog.Source{
			ID: "m365-list", Title: catalog.Text{JA: "一覧", EN: "list"}, URL: "https://endpoints.office.com/endpoints/worldwide",
			Date: renewalDay, Precision: catalog.DayKnown, Read: renewalDay,
		},
		Cloud: "worldwide", Day: renewalDay, Areas: []string{"Common", "Exchange", "SharePoint", "Skype"},
	}
	for _, s := range catalog.Builtin().Sets() {
		if s.ID.Source == "m365-list" && s.ID.Cloud == "worldwide" {
			if c := change(*s); c != nil {
				r.Sets = append(r.Sets, *c)
			}
		}
	}
	if len(r.Sets) == 0 {
		t.Fatal("the built-in catalog has no Microsoft 365 list")
	}
	if more != nil {
		more(&r)
	}
	s, found := catalog.Renew("test", r.Part())
	if len(found) > 0 {
		t.Fatal(found)
	}
	return s
}

func same(s catalog.Set) *catalog.Set { return &s }

func without(host string) func(catalog.Set) *catalog.Set {
	return func(s catalog.Set) *catalog.Set {
		s.Patterns = slices.DeleteFunc(slices.Clone(s.Patterns), func(p endpoint.Pattern) bool { return p.String() == host })
		return &s
	}
}

var set56 = catalog.ClaimID{Source: "m365-list", Cloud: "worldwide", ID: "56"}

func TestTheSameListAgainChangesNothing(t *testing.T) {
	if d := catalog.Diff(catalog.Builtin(), renewed(t, same, nil)); !d.IsZero() {
		t.Errorf("the same list made a difference: %+v", d)
	}
	if d := catalog.Diff(catalog.Builtin(), catalog.Builtin()); !d.IsZero() {
		t.Errorf("a snapshot differs from itself: %+v", d)
	}
}

func TestRenewalKeepsWhatOnlyWeSay(t *testing.T) {
	before, _ := catalog.Builtin().Set(set56)
	s := renewed(t, without("graph.windows.net"), nil)
	after, _ := s.Set(set56)
	if after.Title != before.Title || !cmp.Equal(s.FeaturesOf(set56), catalog.Builtin().FeaturesOf(set56)) {
		t.Error("title or features are lost")
	}
	if !after.Source.Date.Equal(renewalDay) || !after.Seen.Equal(before.Seen) {
		t.Errorf("source of %s, seen %s", after.Source.Date, after.Seen)
	}
	if len(s.AppendHits(nil, "graph.windows.net")) >= len(catalog.Builtin().AppendHits(nil, "graph.windows.net")) {
		t.Error("the host that left the list still hits")
	}
	if before, _ := catalog.Builtin().Set(set56); len(before.Patterns) == len(after.Patterns) {
		t.Error("the built-in catalog was changed too")
	}
}

func TestRowThatLeftTheListIsWithdrawn(t *testing.T) {
	gone := func(s catalog.Set) *catalog.Set {
		if s.ID == set56 {
			return nil
		}
		return &s
	}
	s := renewed(t, gone, nil)
	set, ok := s.Set(set56)
	if !ok || !set.Withdrawn.Equal(renewalDay) {
		t.Fatalf("set 56 is %+v", set)
	}
	d := catalog.Diff(catalog.Builtin(), s)
	if len(d.Sets) != 1 || d.Sets[0].Kind != catalog.Withdrawn || len(d.Sets[0].Hosts.Removed) < 20 {
		t.Errorf("difference %+v", d.Sets)
	}
	if back := catalog.Diff(s, catalog.Builtin()); len(back.Sets) != 1 || back.Sets[0].Kind != catalog.Restored {
		t.Errorf("back again: %+v", back.Sets)
	}
	s = renewed(t, gone, func(r *catalog.Renewal) { r.Held = []string{"56"} })
	if set, _ := s.Set(set56); !set.Withdrawn.IsZero() {
		t.Error("a row that could not be read was withdrawn")
	}
	s = renewed(t, gone, func(r *catalog.Renewal) { r.Areas = []string{"Exchange"} })
	if set, _ := s.Set(set56); !set.Withdrawn.IsZero() {
		t.Error("a list of one area withdrew a row of another")
	}
}

func TestNewRowOpensNothing(t *testing.T) {
	s := renewed(t, same, func(r *catalog.Renewal) {
		r.Sets = append(r.Sets, catalog.Set{
			ID: catalog.ClaimID{ID: "9999"}, Area: "Common", Title: catalog.Text{JA: "新", EN: "new"}, Required: true,
			Patterns: []endpoint.Pattern{endpoint.MustPattern("*.new.example")}, Ports: endpoint.MustPorts("tcp/443"),
		})
	})
	hits := s.AppendHits(nil, "a.new.example")
	if len(hits) != 1 || !hits[0].Set.Unattached || s.FeaturesOf(hits[0].Set.ID) != nil {
		t.Errorf("hits %+v", hits)
	}
}

func TestDiffNamesEachChange(t *testing.T) {
	s := renewed(t, func(s catalog.Set) *catalog.Set {
		if s.ID == set56 {
			s = *without("graph.windows.net")(s)
			s.Patterns = append(slices.Clone(s.Patterns), endpoint.MustPattern("new.login.example"))
			s.Prefixes = append(slices.Clone(s.Prefixes[1:]), netip.MustParsePrefix("192.0.2.0/24"))
			s.Ports = endpoint.MustPorts("tcp/443")
			s.Required, s.Category = false, catalog.Optimize
			s.LostWithout = catalog.Text{JA: "無", EN: "nothing"}
		}
		return &s
	}, nil)
	d := catalog.Diff(catalog.Builtin(), s)
	if len(d.Sets) != 1 {
		t.Fatalf("sets %+v", d.Sets)
	}
	got := d.Sets[0]
	want := catalog.SetChange{
		ID: set56, Kind: catalog.Changed, Area: "Common", Title: got.Title, Features: got.Features,
		Hosts:    catalog.Delta{Added: []string{"new.login.example"}, Removed: []string{"graph.windows.net"}},
		Prefixes: catalog.Delta{Added: []string{"192.0.2.0/24"}, Removed: []string{"20.20.32.0/19"}},
		Ports:    catalog.Delta{Removed: []string{"tcp/80"}},
		Fields:   []catalog.FieldChange{{catalog.FieldCategory, "allow", "optimize"}, {catalog.FieldRequired, "yes", "no"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !slices.Contains(got.Features, "entra.sign-in") {
		t.Errorf("features %v", got.Features)
	}
	losses := catalog.Losses(catalog.Builtin(), s)
	if len(losses) != 1 || losses[0].Source != "m365-list" || losses[0].LostPrefixes != 1 || losses[0].Percent() == 0 {
		t.Errorf("losses %+v", losses)
	}
}

// A prefix that is replaced by a wider one, and a host by a wildcard of the same list, are not lost.
func TestWiderIsNoLoss(t *testing.T) {
	s := renewed(t, func(s catalog.Set) *catalog.Set {
		if s.ID == set56 {
			s = *without("login.windows.net")(s)
			s.Patterns = append(s.Patterns, endpoint.MustPattern("*.windows.net"))
			s.Prefixes = append(slices.Clone(s.Prefixes[1:]), netip.MustParsePrefix("20.0.0.0/8"))
		}
		return &s
	}, nil)
	if l := catalog.Losses(catalog.Builtin(), s); len(l) != 0 {
		t.Errorf("losses %+v", l)
	}
}
