package catalog_test

import (
	"encoding/json"
	"os"
	"path/filepath"
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
