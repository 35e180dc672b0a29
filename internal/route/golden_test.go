package route_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sekisho/internal/bgp"
	"sekisho/internal/route"
	"sekisho/internal/servicetags"
)

// publishedTags is the real public file; without it the test is skipped.
func publishedTags(t testing.TB) *servicetags.Index {
	t.Helper()
	dir := os.Getenv("SEKISHO_REFERENCE")
	if dir == "" {
		t.Skip("SEKISHO_REFERENCE is not set: it names the folder with the published lists")
	}
	names, err := filepath.Glob(filepath.Join(dir, "endpoints", "azure", "ServiceTags_Public_changeNumber376_*.json"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	data, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	file, found := servicetags.Parse(filepath.Base(names[0]), data)
	if file == nil {
		t.Fatal(found)
	}
	return servicetags.NewIndex(file)
}

func location(t testing.TB, name string) route.Location {
	t.Helper()
	l, ok := route.LocationNamed(name)
	if !ok {
		t.Fatalf("no location %q", name)
	}
	return l
}

// tokyo is a Standard circuit in Japan that receives both Japanese regions and Entra ID.
func tokyo(t testing.TB) route.Circuit {
	return route.Circuit{Name: "tokyo", Location: location(t, "Tokyo"), Private: true, Microsoft: true,
		Filter: communities(t, "12076:5060", "12076:51012", "12076:51013"), VNets: []netip.Prefix{netip.MustParsePrefix("10.20.0.0/16")}}
}

func communities(t testing.TB, texts ...string) (list []bgp.Community) {
	t.Helper()
	for _, text := range texts {
		c, err := bgp.ParseCommunity(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, c)
	}
	return list
}

// words prints remarks and communities for comparison.
func words(v route.Verdict) string {
	var out []string
	for _, n := range v.Needs {
		out = append(out, strings.TrimSpace(n.Code+" "+n.Value))
	}
	return strings.Join(out, ", ")
}

func joinedCommunities(list []bgp.Community) string {
	texts := make([]string, len(list))
	for i, c := range list {
		texts[i] = c.String()
	}
	return strings.Join(texts, " ")
}

func noted(v route.Verdict, code string) bool {
	return slices.ContainsFunc(v.Notes, func(n route.Remark) bool { return n.Code == code })
}

// TestFrozenAddresses: the addresses whose answers were settled beforehand, from the real service tags of change number
// 376 and the catalog, without circuits and with a Standard circuit in Tokyo.
func TestFrozenAddresses(t *testing.T) {
	tags := publishedTags(t)
	bare := route.NewBook(route.Spec{Tags: tags})
	japan := route.NewBook(route.Spec{Tags: tags, Circuits: []route.Circuit{tokyo(t)}})
	for _, c := range []struct {
		address, owner, region, communities, listed string
		state, reason                               string // without a circuit
		inTokyo, tokyoReason, needs                 string
		note                                        string
	}{
		{"20.190.128.1", "azure", "southcentralus", "12076:5060 12076:51008", "yes", "possible", "service-community", "yes", "service-community", "", route.NoteRegionalPart},
		{"40.126.0.1", "azure", "southcentralus", "12076:5060 12076:51008", "yes", "possible", "service-community", "yes", "service-community", "", ""},
		{"13.107.246.40", "front-door", "", "", "not-stated", "no", "front-door", "no", "front-door", "", ""},
		{"13.73.248.9", "front-door", "southcentralus", "", "not-stated", "no", "front-door", "no", "front-door", "", route.NoteRegionalFrontDoor},
		{"20.210.70.69", "front-door", "japaneast", "", "not-stated", "no", "front-door", "no", "front-door", "", route.NoteRegionalFrontDoor},
		{"13.107.219.59", "front-door", "", "", "no", "no", "front-door", "no", "front-door", "", ""},
		{"13.107.6.152", "front-door", "", "12076:5010", "yes", "needs-approval", "m365", "needs-approval", "m365", "approval 12076:5010, premium, community 12076:5010", route.NoteFirstParty},
		{"52.112.0.1", "microsoft", "", "12076:5030", "yes", "needs-approval", "m365", "needs-approval", "m365", "approval 12076:5030, premium, community 12076:5030", route.NoteInternetNeeded},
		{"20.189.229.1", "azure", "japanwest", "12076:51013", "no", "possible", "azure-region", "yes", "azure-region", "", route.NoteListDiffers},
		{"104.46.162.100", "azure", "australiasoutheast", "12076:51016", "no", "possible", "azure-region", "possible", "out-of-reach", "premium Oceania, community 12076:51016", ""},
		{"20.112.52.29", "azure", "westus2", "12076:51026", "not-stated", "possible", "azure-region", "possible", "out-of-reach", "premium North America, community 12076:51026", ""},
	} {
		t.Run(c.address, func(t *testing.T) {
			a := bare.Address(netip.MustParseAddr(c.address))
			v := a.Verdict(route.MicrosoftPeering)
			if a.Owner.Code != c.owner || a.Region != c.region || joinedCommunities(a.Communities) != c.communities || a.Listed.ExpressRoute != c.listed {
				t.Errorf("owner %q, region %q, communities %q, listed %q", a.Owner.Code, a.Region, joinedCommunities(a.Communities), a.Listed.ExpressRoute)
			}
			if v.State.String() != c.state || string(v.Reason) != c.reason {
				t.Errorf("without a circuit: %s %s", v.State, v.Reason)
			}
			if c.note != "" && !noted(v, c.note) {
				t.Errorf("no note %q in %v", c.note, v.Notes)
			}
			if len(v.Evidence) == 0 || v.Source == nil || v.Source.URL == "" {
				t.Errorf("a verdict without evidence or source: %+v", v)
			}
			j := japan.Address(netip.MustParseAddr(c.address))
			w := j.Verdict(route.MicrosoftPeering)
			if w.State.String() != c.inTokyo || string(w.Reason) != c.tokyoReason || words(w) != c.needs || w.Circuit != "tokyo" {
				t.Errorf("with the circuit: %s %s, needs %q", w.State, w.Reason, words(w))
			}
			// Internet and Peering Service carry what is Microsoft's; a virtual network is another thing.
			if a.Verdict(route.Internet).State != route.Yes || a.Verdict(route.PeeringService).State != route.Possible || a.Verdict(route.PrivatePeering).State != route.No {
				t.Errorf("Internet %s, Peering Service %s, private peering %s", a.Verdict(route.Internet).State, a.Verdict(route.PeeringService).State, a.Verdict(route.PrivatePeering).State)
			}
		})
	}
}

// TestAzureCloudWithoutRegionIsUnknown: 260 prefixes are in AzureCloud and in no region.
func TestAzureCloudWithoutRegionIsUnknown(t *testing.T) {
	tags := publishedTags(t)
	b := route.NewBook(route.Spec{Tags: tags})
	seen := 0
	for _, tag := range tags.Files()[0].Tags {
		if tag.Name != "AzureCloud" {
			continue
		}
		for _, p := range tag.Prefixes {
			hits := tags.AppendPrefix(nil, p)
			inside, _ := tags.AppendInside(nil, p, 1)
			if len(hits) != 1 || len(inside) > 0 {
				continue // something else says more
			}
			a := b.Address(p.Addr())
			v := a.Verdict(route.MicrosoftPeering)
			if len(a.Listed.Says) > 0 {
				continue
			}
			seen++
			if v.State != route.Unknown || v.Reason != route.ReasonAzureCloudOnly || a.Ask == nil || a.Ask.Question.JA == "" || a.Ask.Question.EN == "" {
				t.Errorf("%s: %s %s, asks %v", p, v.State, v.Reason, a.Ask)
			}
		}
	}
	if seen == 0 {
		t.Fatal("no such prefix found")
	}
	t.Logf("%d prefixes", seen)
}

func TestFrozenHost(t *testing.T) {
	for name, tags := range map[string]*servicetags.Index{"fresh": nil, "with tags": publishedTags(t)} {
		a := route.NewBook(route.Spec{Tags: tags}).Host("management.azure.com", nil)
		v := a.Verdict(route.MicrosoftPeering)
		if joinedCommunities(a.Communities) != "12076:5070" || v.State != route.Possible || v.Reason != route.ReasonService {
			t.Errorf("%s: %v %s %s", name, a.Communities, v.State, v.Reason)
		}
	}
}

// TestNoCommunityIsMadeUp: no answer about any region names a community that the page does not print.
func TestNoCommunityIsMadeUp(t *testing.T) {
	tags := publishedTags(t)
	b := route.NewBook(route.Spec{Tags: tags, Circuits: []route.Circuit{{Name: "p", SKU: route.Premium, Location: location(t, "Tokyo"), Microsoft: true}}})
	without := 0
	for _, tag := range tags.Files()[0].Tags {
		region, ok := strings.CutPrefix(tag.Name, "AzureCloud.")
		if !ok {
			continue
		}
		r, known := route.RegionNamed(region)
		if !known {
			t.Errorf("the table has no region %q", region)
		}
		a := b.Address(tag.Prefixes[0].Addr())
		for _, c := range a.Communities {
			if _, named := route.CommunityNamed(c); !named {
				t.Errorf("%s: %s stands on no page", region, c)
			}
		}
		if own, printed := r.Community(); !printed {
			without++
			if v := a.Verdict(route.MicrosoftPeering); a.Owner.Code == route.OwnerAzure && v.State == route.Yes {
				t.Errorf("%s has no community and is promised: %+v", region, v)
			}
		} else if uint16(tag.RegionID) == own.Value-51000 {
			t.Logf("%s: id and number are equal by chance", region)
		}
	}
	if without < 20 {
		t.Errorf("%d regions without a community", without)
	}
}

func BenchmarkExplainAddress(b *testing.B) {
	book := route.NewBook(route.Spec{Tags: publishedTags(b), Circuits: []route.Circuit{tokyo(b)}, Now: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)})
	addresses := []netip.Addr{netip.MustParseAddr("20.190.128.1"), netip.MustParseAddr("13.107.6.152"), netip.MustParseAddr("20.189.229.1"), netip.MustParseAddr("8.8.8.8")}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		book.Address(addresses[i%len(addresses)])
		i++
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "addresses/s")
}
