package node_test

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sekisho/internal/node"
	"sekisho/internal/servicetags"
)

// TestFeedsTakeAddressesOfServiceTags: a list holds the addresses of the tags that its rows name as soon as a file is
// imported beside the running checkpoint, and says what it lacks before.
func TestFeedsTakeAddressesOfServiceTags(t *testing.T) {
	// The checkpoint's own work reads the clock while the test moves it.
	var clock atomic.Pointer[time.Time]
	set := func(now time.Time) { clock.Store(&now) }
	now := func() time.Time { return *clock.Load() }
	set(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
	data := filepath.Join(t.TempDir(), "data")
	n := start(t, node.Options{Config: labConfig(t), Lab: true, Data: data, Now: now})
	ask := func(name string, since time.Time) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+n.OperationsAddress()+"/feeds/"+name, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !since.IsZero() {
			r.Header.Set("If-Modified-Since", since.Format(http.TimeFormat))
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
	const missing, direction = "Sekisho-Missing-Service-Tags", "Sekisho-Direction"
	r, _ := ask("entra.provisioning.ip.txt", time.Time{})
	if r.StatusCode != 503 || r.Header.Get(missing) != "AzureActiveDirectory" {
		t.Errorf("without the tags: %s, %s", r.Status, r.Header.Get(missing))
	}

	store := servicetags.NewStore(node.CatalogFolder(data), now)
	put := func(number, prefixes string) {
		t.Helper()
		body := `{"changeNumber": ` + number + `, "cloud": "Public", "values": [{"name": "AzureActiveDirectory", "properties": {"addressPrefixes": [` + prefixes + `]}}]}`
		if _, err := store.Import("ServiceTags_Public_20261116.json", []byte(body), true); err != nil {
			t.Fatal(err)
		}
	}
	put("10", `"20.1.0.0/17", "20.1.128.0/17", "2603:1000::/25"`)
	r, body := ask("entra.provisioning.ip.txt", time.Time{})
	if r.StatusCode != 200 || body != "20.1.0.0/16\n2603:1000::/25\n" || r.Header.Get(missing) != "" || r.Header.Get(direction) != "inbound" {
		t.Errorf("%s %v %s", r.Status, r.Header, body)
	}
	if _, body = ask("entra.provisioning.v6.txt", time.Time{}); body != "2603:1000::/25\n" {
		t.Errorf("v6: %s", body)
	}
	if _, body = ask("in-use.ip.txt", time.Time{}); strings.Contains(body, "20.1.0.0/16") {
		t.Error("sources are among the ends to open")
	}
	// A row of a tag that the file lacks: the list holds the rest and says so.
	if r, body = ask("azure.portal.ip.txt", time.Time{}); !strings.Contains(body, "20.1.0.0/16") ||
		r.Header.Get(missing) != "AzureFrontDoor.Frontend, AzureResourceManager" || r.Header.Get(direction) != "outbound" {
		t.Errorf("%s %v %s", r.Status, r.Header, body)
	}
	before := now()
	set(before.Add(time.Hour))
	put("11", `"20.2.0.0/16"`)
	if r, body = ask("entra.provisioning.ip.txt", before); r.StatusCode != 200 || body != "20.2.0.0/16\n" {
		t.Errorf("after another import: %s %s", r.Status, body)
	}
	if r, _ = ask("entra.provisioning.ip.txt", now()); r.StatusCode != 304 {
		t.Errorf("nothing has changed: %s", r.Status)
	}

	// Going back is a change too, although its file was imported long ago.
	then := now()
	set(then.Add(time.Hour))
	list, err := store.Shelf()
	if err != nil || len(list) < 2 {
		t.Fatal(list, err)
	}
	if _, err := store.Use(list[0].Manifest); err != nil {
		t.Fatal(err)
	}
	if r, body = ask("entra.provisioning.ip.txt", then); r.StatusCode != 200 || body != "20.1.0.0/16\n2603:1000::/25\n" {
		t.Errorf("after going back: %s %s", r.Status, body)
	}
}
