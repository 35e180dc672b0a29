package catalog_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sekisho/internal/catalog"
)

// m365Row is a row of the Microsoft 365 endpoint web service.
type m365Row struct {
	ID           int      `json:"id"`
	ServiceArea  string   `json:"serviceArea"`
	URLs         []string `json:"urls"`
	IPs          []string `json:"ips"`
	TCP          string   `json:"tcpPorts"`
	UDP          string   `json:"udpPorts"`
	ExpressRoute bool     `json:"expressRoute"`
	Category     string   `json:"category"`
	Required     bool     `json:"required"`
}

func m365Rows(t *testing.T, file string) map[int]m365Row {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(reference(t), "endpoints", "m365", file))
	if err != nil {
		t.Fatal(err)
	}
	var list []m365Row
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	rows := map[int]m365Row{}
	for _, r := range list {
		rows[r.ID] = r
	}
	return rows
}

func TestMicrosoft365SetsAreThoseOfTheList(t *testing.T) {
	rows := m365Rows(t, "endpoints-worldwide-merged-202608-approx.json")
	n := 0
	for _, s := range catalog.Builtin().Sets() {
		if s.ID.Source != "m365-list" {
			continue
		}
		n++
		id, err := strconv.Atoi(s.ID.ID)
		if err != nil {
			t.Errorf("%s: the list numbers its sets", s.ID)
			continue
		}
		row, ok := rows[id]
		if !ok {
			t.Errorf("%s is not in the list", s.ID)
			continue
		}
		if diff := cmp.Diff(sorted(row.URLs), printed(s.Patterns)); diff != "" {
			t.Errorf("%s: hosts (-list +catalog):\n%s", s.ID, diff)
		}
		if diff := cmp.Diff(sorted(row.IPs), printed(s.Prefixes)); diff != "" {
			t.Errorf("%s: prefixes (-list +catalog):\n%s", s.ID, diff)
		}
		if got, want := s.Ports.String(), "tcp/"+row.TCP; got != want || row.UDP != "" {
			t.Errorf("%s: ports %s, list %s", s.ID, got, want)
		}
		if got, want := s.Category.String(), strings.ToLower(row.Category); got != want {
			t.Errorf("%s: category %s, list %s", s.ID, got, want)
		}
		if s.Required != row.Required || (s.ExpressRoute == catalog.Yes) != row.ExpressRoute || s.Area != row.ServiceArea {
			t.Errorf("%s: required %v, ExpressRoute %v, area %s; list: %v, %v, %s", s.ID,
				s.Required, s.ExpressRoute, s.Area, row.Required, row.ExpressRoute, row.ServiceArea)
		}
	}
	if n != 4 {
		t.Errorf("%d sets of the list, want 56, 59, 97 and 125", n)
	}
}

func TestSignInPrefixesAreThoseOfTheNewestAddressRows(t *testing.T) {
	row := m365Rows(t, "ip-rows-worldwide-2026073100.json")[56]
	if len(row.IPs) != 16 {
		t.Fatalf("row 56 has %d addresses in the reference, expected 16", len(row.IPs))
	}
	if diff := cmp.Diff(sorted(row.IPs), printed(catalog.Builtin().SignInPrefixes())); diff != "" {
		t.Errorf("sign-in prefixes (-list +catalog):\n%s", diff)
	}
}

// TestFeatureFacts compares with the facts gathered for each feature: hosts of the public cloud that are plain names or
// wildcards must be in the catalog. Templates (t<tenantid>.…) and what is said only of other clouds are not names.
func TestFeatureFacts(t *testing.T) {
	for _, c := range []struct {
		file  string
		but   []string // with the reason
		least int
	}{
		{"a-entra-id-basics.json", nil, 60},
		{"b-device-registration.json", nil, 6},
		{"j-certificate-based-auth.json", []string{
			"*certauth.login.microsoftonline.com", // an alternative way to write the two names above it
		}, 3},
	} {
		data, err := os.ReadFile(filepath.Join(reference(t), "endpoints", "features", c.file))
		if err != nil {
			t.Fatal(err)
		}
		var facts struct {
			Rows []struct{ Host, Kind, Cloud string }
		}
		if err := json.Unmarshal(data, &facts); err != nil {
			t.Fatal(err)
		}
		has := map[string]bool{}
		for _, s := range catalog.Builtin().Sets() {
			for _, p := range s.Patterns {
				has[p.String()] = true
			}
			for _, p := range s.Prefixes {
				has[p.String()] = true
			}
		}
		for _, b := range c.but {
			has[b] = true
		}
		n := 0
		for _, r := range facts.Rows {
			if r.Cloud != "public" || r.Kind == "template" {
				continue
			}
			n++
			if !has[strings.ToLower(r.Host)] {
				t.Errorf("%s: %s is not in the catalog", c.file, r.Host)
			}
		}
		if n < c.least {
			t.Errorf("%s: only %d facts read", c.file, n)
		}
	}
}
