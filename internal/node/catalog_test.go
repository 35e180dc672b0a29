package node_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/config"
	"sekisho/internal/finding"
	"sekisho/internal/m365"
	"sekisho/internal/node"
)

const serviceID = "ClientRequestId=b10c5ed1-bad1-445f-b386-b919946339a7"

// TestCatalogIsServedOn: the checkpoint serves the endpoints web service, the feeds and what changed; a new version of
// the list on the shelf is served after a reload, and the old one is there to go back to.
func TestCatalogIsServedOn(t *testing.T) {
	now := time.Date(2027, 1, 4, 12, 0, 0, 0, time.UTC)
	data := filepath.Join(t.TempDir(), "data")
	settings := labConfig(t)
	load := func() (*config.Config, finding.List) { return settings, nil }
	n := start(t, node.Options{Config: settings, Load: load, Lab: true, Data: data, Now: func() time.Time { return now }})
	base := "http://" + n.OperationsAddress()
	ask := func(path string, want int) string {
		t.Helper()
		status, body := fetch(t, http.DefaultClient, base+path)
		if status != want {
			t.Fatalf("%s is answered %d: %s", path, status, body)
		}
		return body
	}
	before := ask("/endpoints/WorldWide?ServiceAreas=MEM&"+serviceID, 200)
	if !strings.Contains(before, `"serviceArea": "MEM"`) || !strings.Contains(before, `"graph.windows.net"`) {
		t.Errorf("%.300s", before)
	}
	ask("/endpoints/Worldwide", 400)
	if feed := ask("/feeds/entra.sign-in.fqdn.txt", 200); !strings.Contains(feed, "login.microsoftonline.com\n") {
		t.Errorf("%s", feed)
	}
	ask("/feeds/none.fqdn.txt", 404)

	rows := m365.RowsOf(catalog.Builtin(), m365.Worldwide)
	for i := range rows {
		if rows[i].ID == 56 {
			rows[i].URLs = append(rows[i].URLs[:0:0], rows[i].URLs...)
			for k, u := range rows[i].URLs {
				if u == "graph.windows.net" {
					rows[i].URLs[k] = "new.graph.example"
				}
			}
		}
	}
	var list []m365.Row
	for _, r := range rows {
		if r.ServiceArea != m365.AreaIntune {
			list = append(list, r)
		}
	}
	body, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	shelf := node.Shelf(data, func() time.Time { return now })
	added, err := shelf.Add(20, node.ListSource(m365.Worldwide, "2027010400", now, body))
	if err != nil || added.Version.Waiting {
		t.Fatalf("%+v %v", added.Version, err)
	}
	if strings.Contains(ask("/endpoints/Worldwide?"+serviceID, 200), "new.graph.example") {
		t.Error("a version is served before it judges")
	}
	if err := n.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(ask("/endpoints/Worldwide?"+serviceID, 200), "new.graph.example") {
		t.Error("the new version is not served")
	}
	if !strings.Contains(ask("/readyz", 200), `"catalog_version": "2027-01-04"`) {
		t.Error("the new version does not judge")
	}
	changes, found := m365.ReadChanges("changes", []byte(ask("/changes/Worldwide/0000000000?"+serviceID, 200)))
	last := changes[len(changes)-1]
	if found.HasErrors() || last.EndpointSetID != 56 || last.Remove.URLs[0] != "graph.windows.net" || last.Add.URLs[0] != "new.graph.example" {
		t.Errorf("%+v %v", last, found)
	}
	if atom := ask("/changes.atom", 200); !strings.Contains(atom, "- graph.windows.net") {
		t.Errorf("%s", atom)
	}
	if err := shelf.Use("builtin"); err != nil {
		t.Fatal(err)
	}
	if err := n.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(ask("/endpoints/Worldwide?"+serviceID, 200), "new.graph.example") {
		t.Error("the version before does not come back")
	}
}
