package catalog_test

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
)

// listPorts brings the two port columns of a list into the form of a set.
func listPorts(t *testing.T, tcp, udp string) endpoint.Ports {
	t.Helper()
	var words []string
	for _, c := range []struct{ proto, list string }{{"tcp/", tcp}, {"udp/", udp}} {
		if c.list != "" {
			words = append(words, c.proto+strings.ReplaceAll(c.list, " ", ""))
		}
	}
	p, err := endpoint.ParsePorts(strings.Join(words, " "))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestMicrosoft365ListsAreWhole compares every set of the four lists in both directions. The hosts of Worldwide are
// those of January 2025, its addresses and their ports those of July 2026.
func TestMicrosoft365ListsAreWhole(t *testing.T) {
	s := catalog.Builtin()
	for _, c := range []struct {
		cloud, file, addresses string
		sets                   int
	}{
		{"worldwide", "endpoints-worldwide-2025013000.json", "ip-rows-worldwide-2026073100.json", 67},
		{"china", "endpoints-china-2025013000.json", "", 21},
		{"usgovgcchigh", "endpoints-usgovgcchigh-2025013000.json", "", 26},
		{"usgovdod", "endpoints-usgovdod-2024093000.json", "", 28},
	} {
		rows := m365Rows(t, c.file)
		if c.addresses != "" {
			for id, r := range m365Rows(t, c.addresses) {
				row, ok := rows[id]
				if !ok {
					t.Fatalf("%s: set %d has addresses and no row", c.cloud, id)
				}
				row.IPs, row.TCP, row.UDP = r.IPs, r.TCP, r.UDP
				rows[id] = row
			}
		}
		if len(rows) != c.sets {
			t.Errorf("%s: the list has %d sets, expected %d", c.cloud, len(rows), c.sets)
		}
		seen := 0
		for _, set := range s.Sets() {
			if !strings.HasPrefix(set.ID.Source, "m365-list") || set.ID.Cloud != c.cloud {
				continue
			}
			seen++
			id, _ := strconv.Atoi(set.ID.ID)
			row, ok := rows[id]
			if !ok {
				t.Errorf("%s is not in the list", set.ID)
				continue
			}
			if diff := cmp.Diff(sorted(row.URLs), printed(set.Patterns)); diff != "" {
				t.Errorf("%s: hosts (-list +catalog):\n%s", set.ID, diff)
			}
			if diff := cmp.Diff(sorted(row.IPs), printed(set.Prefixes)); diff != "" {
				t.Errorf("%s: prefixes (-list +catalog):\n%s", set.ID, diff)
			}
			if want := listPorts(t, row.TCP, row.UDP); !set.Ports.Equal(want) {
				t.Errorf("%s: ports %s, list %s", set.ID, set.Ports, want)
			}
			express := catalog.No
			if row.ExpressRoute {
				express = catalog.Yes
			}
			if set.Category.String() != strings.ToLower(row.Category) || set.Required != row.Required ||
				set.ExpressRoute != express || set.Area != row.ServiceArea {
				t.Errorf("%s: %s, required %v, ExpressRoute %s, area %s; list %+v", set.ID,
					set.Category, set.Required, set.ExpressRoute, set.Area, row)
			}
			if len(s.FeaturesOf(set.ID)) == 0 {
				t.Errorf("%s: no feature claims it", set.ID)
			}
		}
		if seen != len(rows) {
			t.Errorf("%s: %d sets of %d in the catalog", c.cloud, seen, len(rows))
		}
	}
}

// A row of another cloud may stand in the same feature, but it applies only to tenants of that cloud.
func TestRowsOfOtherCloudsApplyToNobodyElse(t *testing.T) {
	n := 0
	for _, set := range catalog.Builtin().Sets() {
		if !strings.HasPrefix(set.ID.Source, "m365-list") && set.ID.Source != "intune-usgov" && set.ID.Source != "intune-china" || set.ID.Cloud == "worldwide" {
			continue
		}
		n++
		if set.Applies != catalog.No {
			t.Errorf("%s applies to a tenant that names no cloud", set.ID)
		}
	}
	if n < 80 {
		t.Errorf("only %d rows of other clouds", n)
	}
}

// TestEveryFactIsFoundUnderAFeature looks up every row of the facts gathered for Intune, Windows, Apple, Google and the
// certificate authorities: by host or address, in its cloud, with its ports and requirement.
func TestEveryFactIsFoundUnderAFeature(t *testing.T) {
	s := catalog.Builtin()
	clouds := map[string]string{"public": "worldwide", "usgov": "usgov", "china": "china"}
	for _, c := range []struct {
		file  string
		rows  int
		holes []string // names that are no host until a value is known; noted in their row
	}{
		{"k-intune.json", 319, nil},
		{"m1-windows-update-do-wns.json", 114, nil},
		{"m2-apple.json", 117, nil},
		{"m3-google-android-fcm.json", 57, []string{"accounts.google.<country>"}},
		{"n-certificate-authority-hosts.json", 47, nil},
	} {
		data, err := os.ReadFile(filepath.Join(reference(t), "endpoints", "features", c.file))
		if err != nil {
			t.Fatal(err)
		}
		var facts struct {
			Rows []struct {
				Host, Kind, Cloud string
				Required          *bool
				Ports             []struct {
					Proto string
					Port  any
				}
			}
		}
		if err := json.Unmarshal(data, &facts); err != nil {
			t.Fatal(err)
		}
		if len(facts.Rows) != c.rows {
			t.Errorf("%s: %d rows, expected %d", c.file, len(facts.Rows), c.rows)
		}
		for _, r := range facts.Rows {
			if slices.Contains(c.holes, r.Host) {
				continue
			}
			var words []string
			for _, p := range r.Ports {
				port, _ := json.Marshal(p.Port)
				words = append(words, p.Proto+"/"+strings.Trim(string(port), `"`))
			}
			ports := endpoint.MustPorts(words[0])
			for _, w := range words[1:] {
				ports = ports.Union(endpoint.MustPorts(w))
			}
			found := slices.ContainsFunc(s.Sets(), func(set *catalog.Set) bool {
				return set.Withdrawn.IsZero() && set.ID.Cloud == clouds[r.Cloud] && len(s.FeaturesOf(set.ID)) > 0 &&
					(r.Required == nil || set.Required == *r.Required) && set.Ports.Union(ports).Equal(set.Ports) && speaksOf(set, r.Host)
			})
			if !found {
				t.Errorf("%s: %s %s (%s, required %v) is under no feature", c.file, r.Host, ports, r.Cloud, r.Required)
			}
		}
	}
}

// speaksOf reports whether set has the host, address, range or URL that a fact is about.
func speaksOf(set *catalog.Set, text string) bool {
	text = strings.ToLower(text)
	if a, err := netip.ParseAddr(text); err == nil {
		return slices.Contains(set.Prefixes, netip.PrefixFrom(a, a.BitLen()))
	}
	for _, p := range set.Prefixes {
		if p.String() == text {
			return true
		}
	}
	for _, p := range set.Patterns {
		if p.String() == text {
			return true
		}
	}
	for _, u := range set.URLs {
		if strings.TrimPrefix(u.String(), "http://") == text {
			return true
		}
	}
	return false
}

// The consolidated list of the Intune page is a claim beside its tables.
func TestConsolidatedIntuneListIsWhole(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(reference(t), "endpoints", "features", "k-intune-consolidated-list.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		FQDNs []string `json:"fqdns"`
		V4    []string `json:"ipv4_subnets"`
		Front []string `json:"front_door_subnets"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	var hosts, prefixes []string
	for _, id := range []string{"consolidated-list", "consolidated-list-time", "consolidated-list-addresses"} {
		set, ok := catalog.Builtin().Set(catalog.ClaimID{Source: "intune-page-2026", Cloud: "worldwide", ID: id})
		if !ok {
			t.Fatalf("%s is missing", id)
		}
		hosts, prefixes = append(hosts, printed(set.Patterns)...), append(prefixes, printed(set.Prefixes)...)
	}
	if diff := cmp.Diff(sorted(list.FQDNs), sorted(hosts)); diff != "" {
		t.Errorf("hosts (-list +catalog):\n%s", diff)
	}
	if diff := cmp.Diff(sorted(slices.Concat(list.V4, list.Front)), sorted(prefixes)); diff != "" {
		t.Errorf("addresses (-list +catalog):\n%s", diff)
	}
}
