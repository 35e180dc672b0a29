package route_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"sekisho/internal/bgp"
	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/route"
	"sekisho/internal/servicetags"
)

// tagsOf makes a service tags file of names and prefixes: "AzureCloud.japaneast 203.0.112.0/24".
func tagsOf(t testing.TB, rows ...string) *servicetags.Index {
	t.Helper()
	var values []string
	for _, row := range rows {
		f := strings.Fields(row)
		region := ""
		if strings.HasPrefix(f[0], "AzureCloud.") {
			region = strings.TrimPrefix(f[0], "AzureCloud.")
		}
		values = append(values, `{"name":"`+f[0]+`","id":"`+f[0]+`","properties":{"changeNumber":1,"region":"`+region+`","regionId":1,"platform":"Azure","systemService":"","addressPrefixes":["`+
			strings.Join(f[1:], `","`)+`"]}}`)
	}
	file, found := servicetags.Parse("t.json", []byte(`{"changeNumber":1,"cloud":"Public","values":[`+strings.Join(values, ",")+`]}`))
	if file == nil {
		t.Fatal(found)
	}
	return servicetags.NewIndex(file)
}

func exportOf(t testing.TB, rows ...string) *bgp.Services {
	t.Helper()
	var values []string
	for _, row := range rows {
		f := strings.Fields(row)
		values = append(values, `{"bgpCommunities":[{"communityName":"x","communityValue":"`+f[0]+`","isAuthorizedToUse":`+f[1]+`,"communityPrefixes":["`+strings.Join(f[2:], `","`)+`"]}]}`)
	}
	s, found := bgp.ParseServices("export.json", []byte("["+strings.Join(values, ",")+"]"))
	if s == nil {
		t.Fatal(found)
	}
	return s
}

func dumpOf(t testing.TB, rows ...string) *bgp.Dump {
	t.Helper()
	text := "   Network          Next Hop            Metric LocPrf Weight Path\n"
	for _, row := range rows {
		network, path, _ := strings.Cut(row, " ")
		text += "*> " + network + strings.Repeat(" ", 18-len(network)) + "192.0.2.1                0             0 " + path + " i\n"
	}
	d, found := bgp.ParseRoutes("router.txt", []byte(text))
	if d == nil {
		t.Fatal(found)
	}
	return d
}

type asTable map[string]route.Holder

func (a asTable) Holder(addr netip.Addr) (route.Holder, bool) {
	for p, h := range a {
		if prefix := netip.MustParsePrefix(p); prefix.Contains(addr) {
			h.Prefix, h.File = prefix, "as.mmdb"
			return h, true
		}
	}
	return route.Holder{}, false
}

const (
	front = "AzureFrontDoor.Frontend 20.43.64.88/29"
	japan = "AzureCloud.japaneast 20.43.64.0/20"
	all   = "AzureCloud 20.43.64.0/20 150.1.0.0/16"
)

// TestEachLevelOverrulesTheLower goes up the ladder for one address: every level says something else than the one below.
func TestEachLevelOverrulesTheLower(t *testing.T) {
	addr := netip.MustParseAddr("20.43.64.89")
	name := []route.Resolution{{Resolver: "192.0.2.53", Name: "cdn.example.com", Chain: []endpoint.Host{"e1.akamaiedge.net"}, Addrs: []netip.Addr{addr}}}
	circuit := tokyo(t)
	spec := route.Spec{Circuits: []route.Circuit{circuit}}
	check := func(level route.Level, state route.State, reason route.Reason) {
		t.Helper()
		a := route.NewBook(spec).Host("cdn.example.com", name)
		v := a.Verdict(route.MicrosoftPeering)
		if v.State != state || v.Reason != reason || len(v.Evidence) == 0 || v.Evidence[0].Level != level {
			t.Errorf("%s: %s %s by %v", level, v.State, v.Reason, v.Evidence)
		}
	}
	check(route.ByName, route.No, route.ReasonNotMicrosoft) // an alias in Akamai's names
	spec.Holders = asTable{"20.32.0.0/11": {AS: 8075, Name: "MICROSOFT"}}
	if a := route.NewBook(spec).Host("cdn.example.com", name); a.Owner.Code != route.OwnerMicrosoft || a.Owner.AS != 8075 {
		t.Errorf("the AS overrules the name: %+v", a.Owner)
	}
	spec.Tags = tagsOf(t, japan, all)
	check(route.ByTag, route.Yes, route.ReasonRegion) // in a region, in reach, permitted
	spec.Tags = tagsOf(t, front, japan, all)
	check(route.ByTag, route.No, route.ReasonFrontDoor) // the region alone is not enough
	spec.Services = exportOf(t, "12076:51012 true 20.43.64.0/20", "12076:5060 true 20.190.128.0/18")
	check(route.ByCommunity, route.Yes, route.ReasonCommunity) // announced all the same
	spec.Circuits[0].Received = []*bgp.Dump{dumpOf(t, "20.190.128.0/18 12076")}
	check(route.ByRoute, route.No, route.ReasonNotReceived) // and yet this router does not receive it
	spec.Circuits[0].Received = []*bgp.Dump{dumpOf(t, "20.43.64.0/20 12076", "20.43.64.88/29 3356 8075")}
	check(route.ByRoute, route.No, route.ReasonElsewhere)
	spec.Services, spec.Circuits[0].Received = nil, []*bgp.Dump{dumpOf(t, "20.43.64.0/20 12076")}
	check(route.ByRoute, route.Yes, route.ReasonReceived) // received, though the tag says Front Door
}

func verdictFor(t *testing.T, s route.Spec, addr string) route.Verdict {
	t.Helper()
	a := route.NewBook(s).Address(netip.MustParseAddr(addr))
	return a.Verdict(route.MicrosoftPeering)
}

func TestTheExportDecides(t *testing.T) {
	s := route.Spec{Tags: tagsOf(t, japan, all), Circuits: []route.Circuit{tokyo(t)}}
	for name, c := range map[string]struct {
		rows   []string
		state  route.State
		reason route.Reason
		needs  string
	}{
		"permitted":        {[]string{"12076:51012 true 20.43.64.0/20"}, route.Yes, route.ReasonCommunity, ""},
		"not-permitted":    {[]string{"12076:52012 true 20.43.64.0/20"}, route.Possible, route.ReasonCommunity, "community 12076:52012"},
		"not-authorised":   {[]string{"12076:5010 false 20.43.64.0/20"}, route.Approval, route.ReasonCommunity, "premium, approval 12076:5010, community 12076:5010"},
		"best-of-two":      {[]string{"12076:5010 false 20.43.64.0/20", "12076:51012 true 20.43.64.0/20"}, route.Yes, route.ReasonCommunity, ""},
		"out-of-reach":     {[]string{"12076:51004 true 20.43.64.0/20"}, route.Possible, route.ReasonCommunity, "premium North America, community 12076:51004"},
		"listed-elsewhere": {[]string{"12076:51012 true 20.1.0.0/16"}, route.No, route.ReasonNoCommunity, ""},
		"region-missing":   {[]string{"12076:51004 true 20.1.0.0/16"}, route.Yes, route.ReasonRegion, ""}, // an export of one region says nothing of others
	} {
		t.Run(name, func(t *testing.T) {
			s := s
			s.Services = exportOf(t, c.rows...)
			v := verdictFor(t, s, "20.43.65.1")
			if v.State != c.state || v.Reason != c.reason || words(v) != c.needs {
				t.Errorf("%s %s, needs %q", v.State, v.Reason, words(v))
			}
		})
	}
}

func TestReachOfTheSKU(t *testing.T) {
	tags := tagsOf(t, japan, "AzureCloud.japanwest 20.18.0.0/16", "AzureCloud.eastus 20.42.0.0/17", "AzureCloud.swedencentral 20.91.0.0/16", "AzureCloud.mars 20.99.0.0/16", all)
	for _, c := range []struct {
		sku            route.SKU
		location, addr string
		state          route.State
		reason         route.Reason
	}{
		{route.Local, "Tokyo", "20.43.64.1", route.Yes, route.ReasonRegion},
		{route.Local, "Tokyo", "20.18.0.1", route.Possible, route.ReasonOutOfReach},
		{route.Local, "Auckland", "20.43.64.1", route.Unknown, route.ReasonReachUnknown},
		{route.Standard, "Osaka", "20.43.64.1", route.Yes, route.ReasonRegion},
		{route.Standard, "Osaka", "20.42.0.1", route.Possible, route.ReasonOutOfReach},
		{route.Premium, "Osaka", "20.42.0.1", route.Yes, route.ReasonRegion},
		{route.Premium, "Osaka", "20.91.0.1", route.Unknown, route.ReasonRegionNoNumber}, // Sweden Central stands on no page
		{route.Premium, "Osaka", "20.99.0.1", route.Unknown, route.ReasonRegionNoNumber}, // nor does a region that is new
		{route.Standard, "Osaka", "20.99.0.1", route.Unknown, route.ReasonReachUnknown},
		{route.Premium, "Beijing", "20.43.64.1", route.No, route.ReasonOtherCloud},
	} {
		circuit := route.Circuit{Name: "c", SKU: c.sku, Location: location(t, c.location), Microsoft: true, Filter: communities(t, "12076:51012", "12076:51013", "12076:51004")}
		if c.location == "Beijing" {
			circuit.Filter = nil
		}
		if v := verdictFor(t, route.Spec{Tags: tags, Circuits: []route.Circuit{circuit}}, c.addr); v.State != c.state || v.Reason != c.reason {
			t.Errorf("%s in %s, %s: %s %s", c.sku, c.location, c.addr, v.State, v.Reason)
		}
	}
}

func TestOwnersByTheASTable(t *testing.T) {
	holders := asTable{"150.1.0.0/16": {AS: 8075, Name: "MICROSOFT"}, "23.0.0.0/12": {AS: 20940, Name: "AKAMAI"}, "17.0.0.0/8": {AS: 714, Name: "APPLE"}}
	s := route.Spec{Tags: tagsOf(t, japan), Holders: holders}
	b := route.NewBook(s)
	for addr, want := range map[string]string{"150.1.1.1": "microsoft no not-azure", "23.1.2.3": "cdn no not-microsoft", "17.1.2.3": "other no not-microsoft", "9.9.9.9": "unknown unknown owner-not-known"} {
		a := b.Address(netip.MustParseAddr(addr))
		v := a.Verdict(route.MicrosoftPeering)
		if got := a.Owner.Code + " " + v.State.String() + " " + string(v.Reason); got != want {
			t.Errorf("%s: %s", addr, got)
		}
		if (a.Verdict(route.PeeringService).State == route.Possible) != (a.Owner.Code == "microsoft") {
			t.Errorf("%s: Peering Service %s", addr, a.Verdict(route.PeeringService).State)
		}
	}
	if a := b.Address(netip.MustParseAddr("9.9.9.9")); a.Ask == nil || a.Ask.Whom != "product-support" {
		t.Error("what is not known says whom to ask")
	}
}

func TestPrivateAddresses(t *testing.T) {
	c := tokyo(t)
	b := route.NewBook(route.Spec{Circuits: []route.Circuit{c}})
	a := b.Address(netip.MustParseAddr("10.20.3.4"))
	if v := a.Verdict(route.PrivatePeering); v.State != route.Yes || v.Reason != route.ReasonInVNet || v.Circuit != "tokyo" {
		t.Errorf("%+v", v)
	}
	if v := a.Verdict(route.IPsec); v.State != route.Possible || words(v) != "vpn-gateway" {
		t.Errorf("IPsec without a gateway: %+v", v)
	}
	if v := a.Verdict(route.MACsec); v.State != route.Possible || words(v) != "direct-port, macsec" {
		t.Errorf("MACsec without a port: %+v", v)
	}
	a = b.Address(netip.MustParseAddr("172.16.0.1"))
	if v := a.Verdict(route.PrivatePeering); v.State != route.Unknown || a.Ask == nil || a.Ask.Whom != "network-team" {
		t.Errorf("%+v, asks %v", v, a.Ask)
	}
	for _, p := range []route.Pattern{route.Internet, route.MicrosoftPeering, route.PeeringService, route.AzureEgress} {
		if a.Verdict(p).State != route.No {
			t.Errorf("%s carries a private address", p)
		}
	}
	c.Direct, c.MACsec, c.IPsec = true, true, true
	c.Received = []*bgp.Dump{dumpOf(t, "10.20.0.0/16 12076", "0.0.0.0/0 12076 65515")}
	b = route.NewBook(route.Spec{Circuits: []route.Circuit{c}})
	a = b.Address(netip.MustParseAddr("10.20.3.4"))
	for _, p := range []route.Pattern{route.PrivatePeering, route.IPsec, route.MACsec} {
		if v := a.Verdict(p); v.State != route.Yes {
			t.Errorf("%s: %+v", p, v)
		}
	}
	// A default route over private peering is a way out through Azure, and nothing that Microsoft peering carries.
	a = b.Address(netip.MustParseAddr("23.1.2.3"))
	if v := a.Verdict(route.AzureEgress); v.State != route.Yes || v.Evidence[0].Level != route.ByRoute {
		t.Errorf("%+v", v)
	}
	if a.Verdict(route.MicrosoftPeering).State == route.Yes {
		t.Error("a default route is taken for one of Microsoft peering")
	}
}

func TestSpecialAddressesAreNobodys(t *testing.T) {
	b := route.NewBook(route.Spec{})
	for _, addr := range []string{"127.0.0.1", "224.0.0.1", "255.255.255.255", "0.0.0.0", "169.254.1.1", "::1", "fe80::1", "ff02::1", "192.0.2.1", "::ffff:127.0.0.1"} {
		a := b.Address(netip.MustParseAddr(addr))
		for _, v := range a.Verdicts {
			if v.State == route.Yes || v.State == route.Possible {
				t.Errorf("%s over %s: %s", addr, v.Pattern, v.State)
			}
		}
	}
}

func TestMixedHost(t *testing.T) {
	tags := tagsOf(t, front, japan, "AzureCloud.eastus 20.42.0.0/17", all)
	b := route.NewBook(route.Spec{Tags: tags, Circuits: []route.Circuit{tokyo(t)}})
	resolved := []route.Resolution{
		{Site: "tokyo", Name: "app.example.com", Addrs: []netip.Addr{netip.MustParseAddr("20.43.65.1")}},
		{Site: "osaka", Name: "app.example.com", Addrs: []netip.Addr{netip.MustParseAddr("20.42.0.1")}},
	}
	a := b.Host("app.example.com", resolved)
	v := a.Verdict(route.MicrosoftPeering)
	if !a.Mixed || v.State != route.Possible || !v.Mixed || v.Reason != route.ReasonOutOfReach || len(a.Parts) != 2 || a.Parts[1].Site != "osaka" || a.Region != "" {
		t.Errorf("%+v", a)
	}
	if one := b.Host("app.example.com", resolved[:1]); one.Mixed || one.Verdict(route.MicrosoftPeering).State != route.Yes {
		t.Errorf("%+v", one)
	}
	if r := b.Prefix(netip.MustParsePrefix("20.32.0.0/11")); !r.Mixed || r.Verdict(route.MicrosoftPeering).State != route.No {
		t.Errorf("a range over regions and Front Door: %+v", r.Verdict(route.MicrosoftPeering))
	}
}

// TestWildcardInheritsTheWorst: the list says that *.teams.microsoft.com goes over ExpressRoute, yet one host of it is on
// Front Door.
func TestWildcardInheritsTheWorst(t *testing.T) {
	b := route.NewBook(route.Spec{Tags: tagsOf(t, japan)})
	p := endpoint.MustPattern("*.teams.microsoft.com")
	a := b.Wildcard(p, nil)
	v := a.Verdict(route.MicrosoftPeering)
	if v.State != route.No || v.Reason != route.ReasonFrontDoor || !v.Mixed || a.Listed.ExpressRoute != "yes" || !noted(v, route.NoteListDiffers) {
		t.Errorf("%+v, listed %+v", v, a.Listed)
	}
	// What a resolver answered about a host of it counts as well.
	a = b.Wildcard(endpoint.MustPattern("*.manage.example.com"), []route.Resolution{{Name: "a.manage.example.com", Addrs: []netip.Addr{netip.MustParseAddr("20.43.65.1")}}})
	if v := a.Verdict(route.MicrosoftPeering); v.State != route.Possible {
		t.Errorf("%+v", v)
	}
}

func TestResolversThatLieAreTold(t *testing.T) {
	b := route.NewBook(route.Spec{})
	a := b.Host("login.microsoftonline.com", []route.Resolution{{Resolver: "192.0.2.53", Name: "login.microsoftonline.com", Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}})
	if !slices.ContainsFunc(a.Hints, func(f finding.Finding) bool { return f.Code == "route.private-answer" }) {
		t.Errorf("%v", a.Hints)
	}
	for _, v := range a.Verdicts {
		if v.State != route.Unknown || v.Reason != route.ReasonFalseAnswer {
			t.Errorf("127.0.0.1 tells nothing of the host: %s %s %s", v.Pattern, v.State, v.Reason)
		}
	}
	if a.Ask == nil || a.Ask.Whom != "network-team" {
		t.Errorf("%+v", a.Ask)
	}
}

func TestRoads(t *testing.T) {
	b := route.NewBook(route.Spec{Roads: []route.Road{route.PeeringService, route.AzureEgress}})
	a := b.Address(netip.MustParseAddr("52.112.0.1"))
	for p, want := range map[route.Pattern]route.State{route.Internet: route.Possible, route.PeeringService: route.Yes, route.AzureEgress: route.Yes, route.GlobalSecureAccess: route.Possible, route.VPN: route.No} {
		if a.Verdict(p).State != want {
			t.Errorf("%s: %s", p, a.Verdict(p).State)
		}
	}
	if a.Verdict(route.VPN).Reason != route.ReasonM365NotByVPN {
		t.Errorf("%s", a.Verdict(route.VPN).Reason)
	}
}

func TestApprovedM365(t *testing.T) {
	c := tokyo(t)
	c.SKU, c.Approved, c.Filter = route.Premium, true, communities(t, "12076:5030")
	v := verdictFor(t, route.Spec{Circuits: []route.Circuit{c}}, "52.112.0.1")
	if v.State != route.Yes || !noted(v, route.NoteInternetNeeded) {
		t.Errorf("%+v", v)
	}
	c.SKU = route.Standard
	if v := verdictFor(t, route.Spec{Circuits: []route.Circuit{c}}, "52.112.0.1"); v.State != route.Possible || words(v) != "premium" {
		t.Errorf("%+v", v)
	}
	// A circuit without Microsoft peering needs it first.
	c.Microsoft = false
	if v := verdictFor(t, route.Spec{Circuits: []route.Circuit{c}}, "20.190.128.1"); v.State != route.Possible || !strings.HasPrefix(words(v), "microsoft-peering tokyo") {
		t.Errorf("%+v", v)
	}
}

func features(names ...string) (ids []catalog.FeatureID) {
	for _, n := range names {
		ids = append(ids, catalog.FeatureID(n))
	}
	return ids
}

// TestClosedNetwork answers the article's question: nothing works on a closed network alone, because of certificates.
func TestClosedNetwork(t *testing.T) {
	b := route.NewBook(route.Spec{Tags: publishedTags(t)})
	list := b.Closed(features("entra.sign-in", "intune.core", "apple.device-management", "m365.exchange"), nil)
	if len(list) != 4 {
		t.Fatal(len(list))
	}
	for _, c := range list {
		if c.Answer != route.No || c.Carried+len(c.Outside)+len(c.NotKnown) != c.Endpoints {
			t.Errorf("%s: %s; %d + %d + %d of %d", c.Feature, c.Answer, c.Carried, len(c.Outside), len(c.NotKnown), c.Endpoints)
		}
		for _, out := range c.Outside {
			if out.Required != out.Lost.IsZero() || len(out.Sets) == 0 {
				t.Errorf("%s: %+v", c.Feature, out)
			}
		}
		if (c.Ask != nil) != (len(c.NotKnown) > 0) {
			t.Errorf("%s asks %v", c.Feature, c.Ask)
		}
	}
	kinds := map[route.Kind]bool{}
	for _, out := range list[1].Outside {
		kinds[out.Kind] = true
	}
	if !kinds[route.KindCertificate] || !kinds[route.KindCDN] || !kinds[route.KindMicrosoft] {
		t.Errorf("what Intune needs outside: %v", kinds)
	}
}

func TestFilterIsTheFewest(t *testing.T) {
	b := route.NewBook(route.Spec{Tags: publishedTags(t)})
	known, _ := b.Catalog().Expand(features("entra.sign-in"))
	f := b.Filter(b.Rows(known, nil), nil, false)
	if got := joinedCommunities(f.List()); got != "12076:5060" || f.Choices[0].Prefixes4 == 0 || f.Choices[0].CountedBy != "tags" {
		t.Errorf("%+v", f.Choices)
	}
	known, _ = b.Catalog().Expand(features("m365.exchange"))
	for _, m365 := range []bool{false, true} {
		f = b.Filter(b.Rows(known, nil), nil, m365)
		has := slices.ContainsFunc(f.List(), func(c bgp.Community) bool { return c.Value == 5010 })
		if has != m365 {
			t.Errorf("m365 %v: %v", m365, f.List())
		}
		for _, c := range f.Choices {
			if k, ok := route.CommunityNamed(c.Community); !ok || k.Cloud != "public" {
				t.Errorf("%s is of another cloud", c.Community)
			}
		}
	}
	// One community that covers everything is fewer than three that each cover a part.
	s := route.Spec{Tags: tagsOf(t, japan), Circuits: []route.Circuit{{Name: "c", SKU: route.Premium, Location: location(t, "Tokyo"), Microsoft: true}},
		Services: exportOf(t, "12076:51012 true 20.190.128.0/18", "12076:51013 true 40.126.0.0/18", "12076:5060 true 20.190.128.0/18 40.126.0.0/18 20.20.32.0/19 20.231.128.0/19 2603:1006:2000::/48 2603:1007:200::/48 2603:1016:1400::/48 2603:1017::/48 2603:1026:3000::/48 2603:1027:1::/48 2603:1036:3000::/48 2603:1037:1::/48 2603:1046:2000::/48 2603:1047:1::/48 2603:1056:2000::/48 2603:1057:2::/48")}
	b = route.NewBook(s)
	known, _ = b.Catalog().Expand(features("entra.sign-in"))
	if f := b.Filter(b.Rows(known, nil), nil, false); joinedCommunities(f.List()) != "12076:5060" {
		t.Errorf("%v", f.List())
	}
}

// TestFilterInReach: over a Standard circuit in Tokyo, a region abroad and Microsoft 365 are left out and told.
func TestFilterInReach(t *testing.T) {
	c := route.Circuit{Name: "c", Location: location(t, "Tokyo"), Microsoft: true}
	b := route.NewBook(route.Spec{Tags: publishedTags(t), Circuits: []route.Circuit{c}})
	known, _ := b.Catalog().Expand(features("intune.core", "m365.exchange"))
	rows := b.Rows(known, nil)
	whole, near := b.Filter(rows, &c, true), b.FilterInReach(rows, &c, true)
	if !slices.ContainsFunc(whole.Choices, func(c route.Choice) bool { return c.Premium }) || len(near.Choices) == 0 || len(near.NotCarried) <= len(whole.NotCarried) {
		t.Errorf("whole %v, in reach %v", whole.List(), near.List())
	}
	for _, choice := range near.Choices {
		if choice.Premium || !slices.Contains(whole.List(), choice.Community) {
			t.Errorf("%s: Premium %v", choice.Community, choice.Premium)
		}
	}
	c.SKU = route.Premium
	whole, near = b.Filter(rows, &c, true), b.FilterInReach(rows, &c, true)
	if !slices.Equal(near.List(), whole.List()) {
		t.Errorf("Premium: %v", near.List())
	}
}

// TestAreaOfTheCircuitToOrder: a service's community comes at every location; a region's has an area.
func TestAreaOfTheCircuitToOrder(t *testing.T) {
	both := exportOf(t, "12076:5060 true 20.43.64.0/20", "12076:51012 true 20.43.64.0/20")
	alone := exportOf(t, "12076:51012 true 20.43.64.0/20")
	for name, c := range map[string]struct {
		export *bgp.Services
		area   string
	}{"service": {both, ""}, "region": {alone, "Japan"}, "tag": {nil, "Japan"}} {
		v := verdictFor(t, route.Spec{Tags: tagsOf(t, japan), Services: c.export}, "20.43.64.1")
		if len(v.Needs) == 0 || v.Needs[0] != (route.Remark{Code: route.NeedCircuit, Value: c.area}) {
			t.Errorf("%s: %+v", name, v.Needs)
		}
	}
}

func TestPlan(t *testing.T) {
	b := route.NewBook(route.Spec{Tags: publishedTags(t)})
	known, _ := b.Catalog().Expand(features("entra.sign-in", "m365.exchange"))
	for _, c := range []struct {
		require []route.Requirement
		met     bool
		first   route.Pattern
		steps   string
	}{
		{nil, true, route.Internet, "simplest optimised"},
		{[]route.Requirement{route.RequireM365}, true, route.Internet, "simplest optimised"},
		{[]route.Requirement{route.RequirePrivate}, false, route.MicrosoftPeering, "closed rest-internet rest-through-azure ask"},
		{[]route.Requirement{route.RequirePrivate, route.RequireEncrypted}, false, route.MACsec, "closed-encrypted rest-internet rest-through-azure ask"},
		{[]route.Requirement{route.RequirePrivate, route.RequireM365}, false, route.MicrosoftPeering, "closed m365-by-exception rest-internet rest-through-azure ask"},
		{[]route.Requirement{route.RequireEncrypted, route.RequireM365}, true, route.GlobalSecureAccess, "encrypted-tunnel"},
	} {
		p := b.Plan(known, c.require, nil)
		var steps []string
		for _, s := range p.Recommended {
			steps = append(steps, s.Reason)
			if len(s.Endpoints) == 0 || s.Source == nil {
				t.Errorf("%v: %+v", c.require, s)
			}
		}
		if p.Met != c.met || strings.Join(steps, " ") != c.steps || p.Recommended[0].Pattern != c.first {
			t.Errorf("%v: met %v, %v", c.require, p.Met, steps)
		}
		for _, s := range p.Patterns {
			sum := 0
			for _, n := range s.Counts {
				sum += n
			}
			if sum != p.Endpoints {
				t.Errorf("%s: %d of %d endpoints", s.Pattern, sum, p.Endpoints)
			}
		}
	}
}

func TestFilterForms(t *testing.T) {
	list := communities(t, "12076:5060", "12076:51012")
	names := route.FilterNames{Filter: "rf-tokyo", Group: "rg (net)", Region: "japaneast", Circuit: "er-tokyo"}
	if wrong, ok := names.Valid(); ok || wrong != "rg (net)" {
		t.Errorf("%q passes", names.Group)
	}
	for _, bad := range []string{"", "a'b", "$(x)", "a b", "-a", "a;b", "a\nb", strings.Repeat("a", 81)} {
		if _, ok := (route.FilterNames{Filter: bad, Group: "g", Region: "r"}).Valid(); ok {
			t.Errorf("%q passes", bad)
		}
	}
	names.Group = "rg-net"
	want := map[route.FilterForm]string{
		route.FormText:       "12076:5060\n12076:51012\n",
		route.FormAzureCLI:   "--communities 12076:5060 12076:51012\n",
		route.FormPowerShell: "-CommunityList '12076:5060', '12076:51012'\n",
		route.FormBicep:      "            '12076:5060'\n            '12076:51012'\n",
	}
	for _, f := range route.FilterForms() {
		if got := f.Write(list, names); !strings.Contains(got, want[f]) || f != route.FormText && !strings.Contains(got, "rf-tokyo") {
			t.Errorf("%s:\n%s", f, got)
		}
	}
}
