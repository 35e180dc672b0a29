package node_test

import (
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sekisho/internal/m365"
	"sekisho/internal/node"
)

// TestRenderedSinceOverHTTP: a running checkpoint answers what changed since a version that it keeps, by name and by day, and
// nothing of what does not name one.
func TestRenderedSinceOverHTTP(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	const list = `[{"id": 56, "serviceArea": "Common", "serviceAreaDisplayName": "Common", "urls": ["new.example"], "tcpPorts": "80,443", "expressRoute": true, "category": "Allow", "required": true}]`
	if _, err := node.AddList(node.Shelf(data, clock), 100, true, m365.Worldwide, "2027010400", now, []byte(list)); err != nil {
		t.Fatal(err)
	}
	n := start(t, node.Options{Config: labConfig(t), Lab: true, Data: data, Now: clock})
	ask := func(path string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+n.OperationsAddress()+"/render/"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response, string(body)
	}
	r, body := ask("csv?since=builtin")
	if r.StatusCode != 200 || !strings.Contains(body, "\nadded,outbound,host,new.example,") || !strings.Contains(body, "\nremoved,") || r.Header.Get("ETag") == "" {
		t.Errorf("%s %.400s", r.Status, body)
	}
	if r, body := ask("edl/out-tcp-80-443.url.added.txt?since=builtin"); r.StatusCode != 200 || !strings.Contains(body, "new.example/\n") {
		t.Errorf("%s %.400s", r.Status, body)
	}
	if r, body := ask("nftables?since=current&source=10.0.0.10"); r.StatusCode != 200 || !strings.Contains(body, "# Nothing changed.") {
		t.Errorf("%s %.400s", r.Status, body)
	}
	if r, _ := ask("xlsx?since=builtin"); r.StatusCode != 200 || r.Header.Get("Content-Type") == "" {
		t.Errorf("xlsx: %s", r.Status)
	}
	for _, name := range []string{"never", "1999-13-01", filepath.Join(data, "none"), "../../etc/passwd", "a\nb", "</script>"} {
		r, body := ask("csv?since=" + url.QueryEscape(name))
		if r.StatusCode != http.StatusConflict || !strings.Contains(body, "has no version") && !strings.Contains(body, "版") || strings.Contains(body, "root:") {
			t.Errorf("%q: %s %s", name, r.Status, body)
		}
	}
}
