package node_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sekisho/internal/node"
	"sekisho/internal/servicetags"
)

// TestServiceTagsShowAtOnce: what is imported beside the running checkpoint is told with its age, and old or damaged files
// are warned of without taking it out of service.
func TestServiceTagsShowAtOnce(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	data := filepath.Join(t.TempDir(), "data")
	n := start(t, node.Options{Config: labConfig(t), Lab: true, Data: data, Now: func() time.Time { return now }})
	base := "http://" + n.OperationsAddress()
	says := func(path string, want ...string) {
		t.Helper()
		status, body := fetch(t, http.DefaultClient, base+path)
		for _, w := range want {
			if status != http.StatusOK || !strings.Contains(body, w) {
				t.Errorf("%s is answered %d without %s:\n%s", path, status, w, body)
			}
		}
	}
	says("/readyz", `"service_tags": []`)
	says("/?lang=ja", "未取り込み")

	store := servicetags.NewStore(node.CatalogFolder(data), func() time.Time { return now })
	put := func(name, body string) {
		t.Helper()
		if _, err := store.Import(name, []byte(body), true); err != nil {
			t.Fatal(err)
		}
	}
	const body = `{"changeNumber": 10, "cloud": "Public", "values": [{"name": "Storage", "properties": {"addressPrefixes": ["20.1.0.0/16"]}}]}`
	put("ServiceTags_Public_20261116.json", body)
	says("/readyz", `"ready": true`, `"version": "public-10"`, `"age_days": 7`)
	if _, body := fetch(t, http.DefaultClient, base+"/readyz"); strings.Contains(body, "tags-stale") {
		t.Errorf("service tags of a week are warned of: %s", body)
	}
	says("/api/status", `"version": "public-10"`)
	says("/", `<code>public-10</code> (<span class="time">2026-11-16</span>, 7 days old)`)

	put("ServiceTags_Public_20260101.json", strings.Replace(body, "10,", "11,", 1))
	says("/readyz", `"ready": true`, `"explain.tags-stale"`)

	if err := os.WriteFile(filepath.Join(node.CatalogFolder(data), "servicetags-public.manifest.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	says("/readyz", `"ready": true`, `"service_tags": []`, `"servicetags.damaged"`)
}
