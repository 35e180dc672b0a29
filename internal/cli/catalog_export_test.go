package cli_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sekisho/internal/catalog"
	"sekisho/internal/m365"
)

// TestExportGivesWhatTheOneLinersGive sends the request of the two one-liners of the Intune page to the served web service
// and applies their selection: ?{$_.ServiceArea -eq "MEM" -and $_.ips} | select -unique -ExpandProperty ips, and urls.
func TestExportGivesWhatTheOneLinersGive(t *testing.T) {
	archive := m365.NewArchive(catalog.Builtin())
	s := httptest.NewServer(m365.Handler(func() *m365.Archive { return archive }))
	defer s.Close()
	answer, err := http.Get(s.URL + "/endpoints/WorldWide?ServiceAreas=MEM&clientrequestid=0d6aa5a4-9f0a-4f4b-8e8b-7a1f0f6f2b61")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var rows []struct {
		ServiceArea string
		IPs, URLs   []string
	}
	if err := json.NewDecoder(answer.Body).Decode(&rows); err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[string][]string{"ip": nil, "url": nil} {
		for _, r := range rows {
			values := r.IPs
			if kind == "url" {
				values = r.URLs
			}
			for _, v := range values {
				if r.ServiceArea == "MEM" && !slices.Contains(want, v) {
					want = append(want, v)
				}
			}
		}
		code, out, errs := run(t, "", "catalog", "export", "--area", "MEM", "--kind", kind, "--data", filepath.Join(t.TempDir(), "data"))
		if got := strings.Fields(out); code != 0 || len(want) < 20 || !slices.Equal(got, want) {
			t.Errorf("%s: exit code %d, %d lines, want %d\n%s", kind, code, len(got), len(want), errs)
		}
	}
}
