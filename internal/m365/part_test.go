package m365

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
)

// A list of any cloud takes the place of what the built-in catalog says in its name, and leaves the other clouds alone.
func TestListOfAnyCloudReplacesTheBuiltInRows(t *testing.T) {
	read := time.Date(2027, 1, 5, 9, 0, 0, 0, time.UTC)
	for _, instance := range Instances() {
		t.Run(string(instance), func(t *testing.T) {
			rows := RowsOf(catalog.Builtin(), instance)
			rows = slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return r.ServiceArea == AreaIntune })
			gone := rows[len(rows)-1]
			rows = rows[:len(rows)-1]
			at := slices.IndexFunc(rows, func(r Row) bool { return len(r.URLs) > 1 })
			dropped := rows[at].URLs[0]
			rows[at].URLs = append([]string{"new.example.com"}, rows[at].URLs[1:]...)
			rows = append(rows, Row{ID: 9999, ServiceArea: "Common", URLs: []string{"row.example.com"}, TCPPorts: "443", Category: "Default", Required: true})
			body, err := json.Marshal(rows)
			if err != nil {
				t.Fatal(err)
			}
			list, found := ReadEndpoints("list", instance, body)
			if list == nil {
				t.Fatal(found)
			}
			list.Version = "2027010400"
			s, found := catalog.Renew("test", list.Part(read))
			if s == nil {
				t.Fatal(found)
			}
			claim := func(id int) *catalog.Set {
				t.Helper()
				set, ok := s.Set(catalog.ClaimID{Source: instance.Source(), Cloud: instance.Cloud(), ID: strconv.Itoa(id)})
				if !ok {
					t.Fatalf("set %d is not there", id)
				}
				return set
			}
			kept := claim(rows[at].ID)
			before, ok := catalog.Builtin().Set(kept.ID)
			if !ok || kept.Title != before.Title || len(s.FeaturesOf(kept.ID)) == 0 || !slices.Equal(kept.When.Clouds, before.When.Clouds) {
				t.Errorf("%s has lost its title, its features or its cloud: %+v", kept.ID, kept)
			}
			if kept.Source.DateText() != "2027-01-04" || !kept.Source.Read.Equal(time.Date(2027, 1, 5, 0, 0, 0, 0, time.UTC)) {
				t.Errorf("%s has the source %+v", kept.ID, kept.Source)
			}
			has := func(set *catalog.Set, host string) bool {
				return slices.ContainsFunc(set.Patterns, func(p endpoint.Pattern) bool { return p.String() == host })
			}
			if has(kept, dropped) || !has(kept, "new.example.com") || !has(before, dropped) {
				t.Errorf("%s: hosts %v", kept.ID, kept.Patterns)
			}
			if set := claim(gone.ID); set.Withdrawn.Format(time.DateOnly) != "2027-01-04" {
				t.Errorf("row %d left the list and is still there: withdrawn %v", gone.ID, set.Withdrawn)
			}
			fresh := claim(9999)
			if !fresh.Unattached || (fresh.Applies == catalog.No) != (instance != Worldwide) {
				t.Errorf("a new row of this cloud is %+v", fresh)
			}
			for _, set := range s.Sets() {
				if strings.HasPrefix(set.ID.Source, "m365-list") && set.ID.Cloud != instance.Cloud() {
					if old, ok := catalog.Builtin().Set(set.ID); !ok || !slices.Equal(old.Patterns, set.Patterns) || old.Source.DateText() != set.Source.DateText() {
						t.Errorf("%s has changed too", set.ID)
					}
				}
			}
			if got := RowsOf(s, instance); !slices.ContainsFunc(got, func(r Row) bool { return r.ID == 9999 }) {
				t.Error("the new row is not served on")
			}
		})
	}
}
