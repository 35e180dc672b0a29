package node_test

import (
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sekisho/internal/audit"
	"sekisho/internal/config"
	"sekisho/internal/lab"
	"sekisho/internal/node"
)

// TestReportModeKnowsDirectories: in a ring that reports, a tenant counts as permitted by whatever name it is asked for,
// and /common is judged by the token that was issued.
func TestReportModeKnowsDirectories(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	settings := labConfig(t, "mode: enforce", "mode: report", "[contoso.com, 3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31]", "[contoso.com]")
	n := start(t, node.Options{Config: settings, Lab: true, Data: data})
	client := through(t, n)
	post := func(tenant string, form url.Values) {
		t.Helper()
		resp, err := client.PostForm("https://login.microsoftonline.com/"+tenant+"/oauth2/v2.0/token", form)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	service := url.Values{"grant_type": {"client_credentials"}, "client_id": {lab.ServiceApplication}, "client_secret": {lab.ServiceSecret},
		"scope": {"https://graph.microsoft.com/.default"}}
	person := func(name, password string) url.Values {
		return url.Values{"grant_type": {"password"}, "client_id": {lab.PublicApplication}, "username": {name}, "password": {password}, "scope": {"openid"}}
	}
	want := map[string]string{
		lab.ContosoDomain:         "",
		"contoso.onmicrosoft.com": "",
		lab.ContosoTenant:         "",
		lab.FabrikamDomain:        "tenant-not-permitted",
		lab.FabrikamTenant:        "tenant-not-permitted",
		"nobody.example":          "unknown",
	}
	for tenant := range want {
		post(tenant, service)
	}
	post("organizations", person(lab.Alice, lab.AlicePassword))
	post("organizations", person(lab.Bob, lab.BobPassword))
	post("common", person(lab.Bob, "wrong")) // no token, nothing known
	want["common"] = "unknown"
	organizations := map[string]int{}
	store, err := node.OpenRecords(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var rows []audit.Record
	for limit := time.Now().Add(20 * time.Second); len(rows) < len(want)+2 && time.Now().Before(limit); time.Sleep(50 * time.Millisecond) {
		if rows, err = store.SignIns(t.Context(), audit.Filter{}); err != nil {
			t.Fatal(err)
		}
	}
	if len(rows) != len(want)+2 {
		t.Errorf("%d records, want %d", len(rows), len(want)+2)
	}
	for _, r := range rows {
		if r.Tenant == "organizations" {
			organizations[r.Would]++
		} else if r.Would != want[r.Tenant] {
			t.Errorf("%s: %q (%s), want %q", r.Tenant, r.Would, r.Outcome, want[r.Tenant])
		}
	}
	if organizations[""] != 1 || organizations["tenant-not-permitted"] != 1 {
		t.Errorf("by the tokens issued: %v", organizations)
	}
}

// TestNobodyIsAskedWhereNobodyReports: a checkpoint that enforces asks the sign-in service for nothing of its own.
func TestNobodyIsAskedWhereNobodyReports(t *testing.T) {
	n := start(t, node.Options{Config: labConfig(t), Lab: true})
	if status, _ := fetch(t, through(t, n), discovery); status != http.StatusOK {
		t.Fatal(status)
	}
	time.Sleep(200 * time.Millisecond)
	if heads := n.LabHeads(); len(heads) != 1 {
		t.Errorf("%d requests reached the lab, want the client's", len(heads))
	}
}

// TestOwnQuestionsCarryWhatIsEnforced: where one ring enforces and another reports, the gateway asks for directories with
// the headers of the one that enforces; no request without them reaches the sign-in host but those of the reporting ring.
func TestOwnQuestionsCarryWhatIsEnforced(t *testing.T) {
	const pilot = "  - name: pilot\n    mode: report\n    profile: contoso-only\n    clients: [127.0.0.1/32]\n"
	for name, x := range map[string]struct {
		settings *config.Config
		want     int // fields of each head
	}{
		"mixed":        {labConfig(t, "rings:\n", "rings:\n"+pilot, "[contoso.com, 3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31]", "[contoso.com]"), 1},
		"reports only": {labConfig(t, "mode: enforce", "mode: report", "[contoso.com, 3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31]", "[contoso.com]"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			n := start(t, node.Options{Config: x.settings, Lab: true})
			var heads []lab.Head
			for limit := time.Now().Add(10 * time.Second); len(heads) == 0 && time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
				heads = n.LabHeads()
			}
			if len(heads) == 0 {
				t.Fatal("the gateway asked for nothing")
			}
			for _, h := range heads {
				for field, want := range map[string]string{
					"Restrict-Access-To-Tenants": x.settings.Profiles[0].PermittedTenants[0].V, "Restrict-Access-Context": x.settings.Profiles[0].Context.V,
				} {
					line := "\r\n" + field + ": " + want + "\r\n"
					if got := strings.Count(string(h.Raw), line); got != x.want || strings.Count(strings.ToLower(string(h.Raw)), strings.ToLower(field)) != x.want {
						t.Errorf("%q %d times, want %d, in\n%s", line, got, x.want, h.Raw)
					}
				}
				if strings.Contains(strings.ToLower(string(h.Raw)), "sec-restrict") {
					t.Errorf("a header of another host in\n%s", h.Raw)
				}
			}
		})
	}
}

func TestAskTenants(t *testing.T) {
	c := labConfig(t, "[contoso.com, 3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31]", "[contoso.com, contoso.onmicrosoft.com, fabrikam.com, nobody.example]")
	online, found, err := node.AskTenants(t.Context(), c, nil, true)
	if err != nil || len(online.Profiles) != 1 {
		t.Fatalf("%+v %v", online, err)
	}
	p := online.Profiles[0]
	for i, want := range []node.OnlineEntry{{Tenant: "contoso.com", Directory: lab.ContosoTenant, State: "found"},
		{Tenant: "contoso.onmicrosoft.com", Directory: lab.ContosoTenant, State: "found"},
		{Tenant: "fabrikam.com", Directory: lab.FabrikamTenant, State: "found"}, {Tenant: "nobody.example", State: "no-such-tenant"}} {
		if e := p.Entries[i]; e.Tenant != want.Tenant || e.Directory != want.Directory || e.State != want.State {
			t.Errorf("%+v, want %+v", e, want)
		}
	}
	if p.ContextListed == nil || !*p.ContextListed {
		t.Error("contoso's directory is not found among its domains")
	}
	var codes []string
	for _, f := range found {
		codes = append(codes, f.Code)
		if !f.Pos.Known() {
			t.Errorf("%s has no place", f.Code)
		}
	}
	if got := strings.Join(codes, " "); got != "node.tenant-twice node.tenant-none" {
		t.Errorf("%s", got)
	}

	c = labConfig(t, "[contoso.com, 3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31]", "[fabrikam.com]")
	online, found, err = node.AskTenants(t.Context(), c, nil, true)
	if p := online.Profiles[0]; err != nil || p.ContextListed == nil || *p.ContextListed || found[0].Code != "node.context-not-permitted" {
		t.Errorf("%+v %+v %v", p, found, err)
	}
}

// TestAskTenantsWithoutANetworkKnowsNothing: a server that is not there makes everything "not known", and nothing wrong.
func TestAskTenantsWithoutANetworkKnowsNothing(t *testing.T) {
	text := strings.Replace(string(config.Example("lab.yaml")), "network:\n", "network:\n  names: [{host: login.microsoftonline.com, addresses: [127.0.0.1]}]\n", 1)
	c, problems := config.Parse("lab.yaml", []byte(text))
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	online, found, err := node.AskTenants(t.Context(), c, nil, false)
	if err != nil || len(found) != 0 {
		t.Fatalf("%+v %v", found, err)
	}
	p := online.Profiles[0]
	if p.Entries[0].State != "not-known" || p.Entries[0].Cause == "" || p.ContextListed != nil {
		t.Errorf("%+v", p)
	}
}
