package catalog_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
)

// fact is one row of the facts gathered for a feature.
type fact struct {
	Host, Kind, Cloud                  string
	Component, Agent, Phase, Condition string
	Category                           string
	Required                           *bool
	Ports                              []struct{ Proto, Port string }
	AlternativeOf                      string `json:"alternative_of"`
	M365ID                             int    `json:"m365_id"`
}

func (f *fact) UnmarshalJSON(data []byte) error {
	type plain fact
	raw := struct {
		*plain
		Ports []struct {
			Proto string
			Port  any
		}
	}{plain: (*plain)(f)}
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	for _, p := range raw.Ports {
		text := ""
		switch v := p.Port.(type) {
		case float64:
			text = strconv.Itoa(int(v))
		case string:
			text = v
		}
		f.Ports = append(f.Ports, struct{ Proto, Port string }{p.Proto, text})
	}
	return nil
}

func (f fact) ports() string {
	var words []string
	for _, p := range f.Ports {
		words = append(words, p.Proto+"/"+p.Port)
	}
	return endpoint.MustPorts(strings.Join(words, " ")).String()
}

// name is the row's host as the catalog writes it.
func (f fact) name() string {
	if f.Kind == "service_tag" {
		return f.Host
	}
	s := strings.ToLower(f.Host)
	for from, to := range map[string]string{
		"<tenantid>": "{tenant-id}", "<workspace-id>": "{workspace}", "<your-sts-host>": "{sts-host}",
		"<federation-server-host>":                "{sts-host}",
		"<data-collection-endpoint>.<region>-<n>": "{data-collection-endpoint}",
	} {
		s = strings.ReplaceAll(s, from, to)
	}
	return strings.ReplaceAll(s, "<region>", "{region}")
}

var cloudOf = map[string]string{"public": catalog.Worldwide, "usgov": catalog.USGov, "china": catalog.China}

func facts(t *testing.T, file string) []fact {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(reference(t), "endpoints", "features", file+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var out struct {
		Rows []fact
	}
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out.Rows
}

// names returns everything that a set names, as text.
func names(s *catalog.Set) []string {
	out := slices.Concat(printed(s.Patterns), printed(s.Prefixes), printed(s.Templates), s.Tags)
	for _, u := range s.URLs {
		out = append(out, u.String())
	}
	return out
}

// TestFactsOfFeatures compares the catalog with the facts gathered for each feature, in both directions: every row is
// claimed by its feature for its cloud, with its ports and its need, and no feature claims what no row says.
func TestFactsOfFeatures(t *testing.T) {
	all := func(id catalog.FeatureID) func(fact) catalog.FeatureID {
		return func(fact) catalog.FeatureID { return id }
	}
	for _, c := range []struct {
		file    string
		feature func(fact) catalog.FeatureID // "" for what is no row of a host
		least   int
	}{
		{"b-device-registration", all("entra.device-registration"), 12},
		{"c-terms-of-use", all("entra.terms-of-use"), 3},
		{"d-entra-connect-sync", all("entra.connect"), 26},
		{"e-entra-connect-health", all("entra.connect-health"), 27},
		{"f-application-proxy-connector", all("entra.application-proxy"), 44},
		{"g-provisioning-cloudsync-pta", func(f fact) catalog.FeatureID {
			switch {
			case f.Kind == "service_tag":
				return "entra.provisioning"
			case f.Agent == "pta":
				return "entra.pass-through-authentication"
			}
			return "entra.cloud-sync"
		}, 50},
		{"h-global-secure-access", func(f fact) catalog.FeatureID {
			if f.Component == "client" {
				return "entra.global-secure-access"
			}
			return "entra.private-access"
		}, 44},
		{"i-azure-portal", all("azure.portal"), 101},
		{"j-certificate-based-auth", all("entra.certificate-based-authentication"), 7},
		{"l-azure-arc-and-monitor", func(f fact) catalog.FeatureID {
			return map[string]catalog.FeatureID{
				"arc-servers": "azure.arc-servers", "arc-kubernetes": "azure.arc-kubernetes",
				"arc-resource-bridge": "azure.arc-resource-bridge", "ama": "azure.monitor-agent",
				"container-insights": "azure.container-monitoring",
			}[f.Component] // the servers of arc-scvmm-vmware are ends of rows with Between
		}, 110},
	} {
		t.Run(c.file, func(t *testing.T) {
			s := catalog.Builtin()
			rows := facts(t, c.file)
			if len(rows) < c.least {
				t.Errorf("only %d facts read", len(rows))
			}
			type place struct {
				feature     catalog.FeatureID
				cloud, name string
			}
			stated := map[place]bool{}
			used := map[catalog.FeatureID]bool{}
			for _, r := range rows {
				id := c.feature(r)
				if id == "" || r.AlternativeOf != "" {
					continue
				}
				used[id] = true
				f, ok := s.Feature(id)
				if !ok {
					t.Fatalf("no feature %s", id)
				}
				wanted := []string{r.name()}
				if r.Kind == "url_path" {
					wanted = []string{"http://" + r.name(), "https://" + r.name()}
				}
				for _, w := range wanted {
					stated[place{id, cloudOf[r.Cloud], w}] = true
				}
				found := slices.ContainsFunc(f.Claims, func(claim catalog.ClaimID) bool {
					set, _ := s.Set(claim)
					if set.ID.Cloud != cloudOf[r.Cloud] || r.Required != nil && *r.Required != set.Required {
						return false
					}
					if r.Kind == "url_path" { // the scheme says the port
						for _, p := range r.Ports {
							scheme := map[string]string{"80": "http://", "443": "https://"}[p.Port]
							if !slices.Contains(names(set), scheme+r.name()) {
								return false
							}
						}
						return true
					}
					return set.Ports.String() == r.ports() && slices.Contains(names(set), r.name())
				})
				if r.Host == "certauth.enterpriseregistration.windows.net" {
					continue // taken from row 59 of the Intune page, which has port 80 too
				}
				if !found {
					t.Errorf("%s does not claim %s (%s, %s, required %v)", id, r.name(), r.Cloud, r.ports(), *r.Required)
				}
			}
			for id := range used {
				f, _ := s.Feature(id)
				for _, claim := range f.Claims {
					set, _ := s.Set(claim)
					if claim.ID == "connect-bare-names" || claim.ID == "service-tags" || claim.Source == "entra-connect-government" && id == "entra.pass-through-authentication" {
						continue // our own reading; service tags of the page, see TestServiceTags; the page covers all agents
					}
					for _, n := range names(set) {
						if !stated[place{id, claim.Cloud, n}] {
							t.Errorf("%s claims %s by %s, which no fact states", id, n, claim)
						}
					}
				}
			}
		})
	}
}

// TestPortTables compares the port tables of Entra Connect row by row.
func TestPortTables(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(reference(t), "endpoints", "features", "d-entra-connect-sync.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Tables []struct{ Table, A, B, Protocol, Proto, Port, Use string } `json:"port_tables"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Tables) != 23 {
		t.Fatalf("%d rows of port tables read, expected 23", len(file.Tables))
	}
	ends := map[string]string{
		"Connect server": "Microsoft Entra Connect server", "on-premises AD": "on-premises Active Directory domain controllers",
		"Entra ID": "Microsoft Entra ID", "AD FS / WAP": "AD FS servers and Web Application Proxy", "WAP": "Web Application Proxy",
		"federation servers": "federation servers", "users": "users", "PTA agent": "pass-through authentication agent",
		"Connect Health agent": "Entra Connect Health agent",
	}
	var sets []*catalog.Set
	for _, s := range catalog.Builtin().Sets() {
		if s.ID.Source == "entra-connect-ports" {
			sets = append(sets, s)
		}
	}
	if len(sets) != len(file.Tables) {
		t.Errorf("%d sets for %d rows", len(sets), len(file.Tables))
	}
	for _, r := range file.Tables {
		var words []string
		for _, proto := range strings.Split(r.Proto, "+") {
			words = append(words, proto+"/"+r.Port)
		}
		ports := endpoint.MustPorts(strings.Join(words, " ")).String()
		if !slices.ContainsFunc(sets, func(s *catalog.Set) bool {
			return strings.HasPrefix(s.ID.ID, r.Table+"-") && s.Ports.String() == ports &&
				s.Between.From.EN == ends[r.A] && s.Between.To.EN == ends[r.B]
		}) {
			t.Errorf("table %s: %s to %s, %s %s is not in the catalog", r.Table, r.A, r.B, r.Protocol, ports)
		}
	}
}

// The bare names beside the page's stars: each is a row's name without "*.".
func TestBareNamesOfEntraConnect(t *testing.T) {
	s := catalog.Builtin()
	page, _ := s.Set(catalog.ClaimID{Source: "entra-connect-connectivity", Cloud: "worldwide", ID: "revocation"})
	bare, _ := s.Set(catalog.ClaimID{Source: "sekisho", Cloud: "worldwide", ID: "connect-bare-names"})
	if len(bare.Patterns) != 9 {
		t.Errorf("%d bare names, expected 9", len(bare.Patterns))
	}
	for _, p := range bare.Patterns {
		if !slices.Contains(printed(page.Patterns), "*."+p.String()) {
			t.Errorf("the page has no *.%s", p)
		}
	}
}

func TestServiceTags(t *testing.T) {
	for id, want := range map[string]string{
		"azure-portal-page/worldwide/service-tags":   "AzureActiveDirectory AzureResourceManager AzureFrontDoor.Frontend",
		"azure-arc-network/worldwide/service-tags":   "AzureActiveDirectory AzureTrafficManager AzureResourceManager AzureArcInfrastructure Storage",
		"azure-monitor-agent/worldwide/service-tags": "AzureMonitor AzureResourceManager",
		"entra-scim/worldwide/provisioning-source":   "AzureActiveDirectory",
	} {
		claim, err := catalog.ParseClaimID(id)
		if err != nil {
			t.Fatal(err)
		}
		set, ok := catalog.Builtin().Set(claim)
		if !ok || strings.Join(set.Tags, " ") != want {
			t.Errorf("%s: tags %v, want %s", id, set, want)
		}
	}
}
