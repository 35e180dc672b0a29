package node_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"sekisho/internal/node"
)

// TestEveryAnswerCarriesTheAgeOfItsData, and warns past the set age and not before.
func TestEveryAnswerCarriesTheAgeOfItsData(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		max  string
		warn bool
	}{{"max-age-days: 100", true}, {"max-age-days: 3650", false}} {
		settings := labConfig(t, "rings:\n", "catalog:\n  "+c.max+"\nrings:\n")
		n := start(t, node.Options{Config: settings, Lab: true, Now: func() time.Time { return now }})
		base := "http://" + n.OperationsAddress()
		for path, want := range map[string][3]string{ // date, days, and whether that is past 100
			"/endpoints/Worldwide?" + serviceID:                  {"2025-01-30", "662"},
			"/endpoints/USGovDoD?" + serviceID:                   {"2024-09-30", "784"},
			"/endpoints/Worldwide?ServiceAreas=MEM&" + serviceID: {"2023", "1422"},
			"/changes/China/0000000000?" + serviceID:             {"2025-01-30", "662"},
			"/version?" + serviceID:                              {"2024-09-30", "784"},
			"/feeds/intune.core.fqdn.txt":                        {"2023", "1422"},
			"/feeds/in-use.fqdn.txt":                             {"2023", "1422"},
		} {
			answer, err := http.Get(base + path)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			h := answer.Header
			if answer.StatusCode != 200 || h.Get("Sekisho-Data-Date") != want[0] || h.Get("Sekisho-Data-Age-Days") != want[1] ||
				(h.Get("Sekisho-Data-Stale") == "true") != c.warn || h.Get("Sekisho-Catalog-Version") == "" {
				t.Errorf("%s, %s: %d %v", c.max, path, answer.StatusCode, h)
			}
		}
		for path, want := range map[string]string{
			"/readyz": `"catalog.lists-stale"`, "/api/status": `"catalog.pages-stale"`, "/?lang=ja": "より古い一覧があります", "/?lang=en": "lists older than",
		} {
			if _, body := fetch(t, http.DefaultClient, base+path); strings.Contains(body, want) != c.warn || !strings.Contains(body, "662") {
				t.Errorf("%s: %s says %s: %t", c.max, path, want, !c.warn)
			}
		}
		_, metrics := fetch(t, http.DefaultClient, base+"/metrics")
		for _, want := range []string{`sekisho_catalog_source_age_days{source="m365-list"} 662`, `sekisho_catalog_source_max_age_days{source="m365-list"} ` + strings.TrimPrefix(c.max, "max-age-days: ")} {
			if !strings.Contains(metrics, want) {
				t.Errorf("no %s", want)
			}
		}
	}
}
