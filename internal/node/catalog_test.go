package node_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/catalog/library"
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
	announced, err := node.ChangesSource(shelf, m365.Worldwide, now, []byte(`[{"id": 1, "endpointSetId": 56, "disposition": "Change",
		"version": "2027010400", "add": {"effectiveDate": "20270203", "urls": ["new.graph.example"]}}]`))
	if err != nil {
		t.Fatal(err)
	}
	added, err := shelf.Add(20, node.ListSource(m365.Worldwide, "2027010400", now, body), announced)
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
	if found.HasErrors() || last.EndpointSetID != 56 || last.Remove.URLs[0] != "graph.windows.net" || last.Add.URLs[0] != "new.graph.example" || last.Add.EffectiveDate != "20270203" {
		t.Errorf("%+v %v", last, found)
	}
	atom := ask("/changes.atom", 200)
	for _, want := range []string{
		"- graph.windows.net", "in force from:&#xA;2027-02-03 new.graph.example (m365-list/worldwide/56)",
		"rule added feature entra.sign-in: new.graph.example tcp/80,443 (m365-list/worldwide/56) in force from 2027-02-03",
		"rule removed feature entra.sign-in: graph.windows.net tcp/80,443 (m365-list/worldwide/56)", "still open by intune-page",
		"line gateway + allow new.graph.example", "line feeds/entra.sign-in.fqdn.txt + new.graph.example in force from 2027-02-03",
	} {
		if !strings.Contains(atom, want) {
			t.Errorf("the feed does not say %q:\n%s", want, atom)
		}
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

// TestImpactOfOneHost takes one host of a feature in use away: the rules and lines that named it are told, and no other.
func TestImpactOfOneHost(t *testing.T) {
	now := time.Date(2027, 1, 4, 12, 0, 0, 0, time.UTC)
	shelf := node.Shelf(filepath.Join(t.TempDir(), "data"), func() time.Time { return now })
	var list []m365.Row
	const host = "clientconfig.microsoftonline-p.net"
	for _, r := range m365.RowsOf(catalog.Builtin(), m365.Worldwide) {
		if r.ServiceArea == m365.AreaIntune {
			continue
		}
		r.URLs = slices.DeleteFunc(slices.Clone(r.URLs), func(u string) bool { return u == host })
		list = append(list, r)
	}
	body, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	after, v, err := shelf.Preview("file", node.ListSource(m365.Worldwide, "2027010400", now, body))
	if err != nil {
		t.Fatal(err)
	}
	before := node.DatedVersion(catalog.Builtin(), library.Version{Name: "builtin"})
	r, err := node.Impact(labConfig(t), before, node.DatedVersion(after, v), now)
	if err != nil || !r.Loads || len(r.Rules) != 1 || r.Rules[0].Pattern.String() != host || r.Rules[0].Kind != catalog.Removed || len(r.Handling) != 0 {
		t.Fatalf("%+v %v", r, err)
	}
	if len(r.Features) != 1 || len(r.Features[0].Sets) != 1 || len(r.Features[0].Sets[0].Hosts.Removed) != 1 {
		t.Errorf("%+v", r.Features)
	}
	for _, l := range r.Lines {
		if !strings.Contains(l.Line, host) || l.Kind != catalog.Removed || l.Force.Date != "2027-01-04" {
			t.Errorf("%+v", l)
		}
	}
	if len(r.Appeared) != 0 || len(r.Gone) != 0 || r.From != "builtin" || r.To != "file" {
		t.Errorf("%+v", r)
	}
	if same, err := node.Impact(labConfig(t), before, before, now); err != nil || !same.IsZero() {
		t.Errorf("%+v %v", same, err)
	}
}
