package bgp_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"sekisho/internal/bgp"
)

const export = `[{"serviceName":"AzureActiveDirectory","bgpCommunities":[
 {"serviceSupportedRegion":"Global","communityName":"Azure Active Directory","communityValue":"12076:5060","communityPrefixes":["20.190.128.0/18"],"isAuthorizedToUse":true}]},
 {"properties":{"serviceName":"Exchange","bgpCommunities":[
 {"communityName":"Exchange","communityValue":"12076:5010","communityPrefixes":["13.107.6.152/31","2620:1ec:4::152/128"],"isAuthorizedToUse":false}]}},
 {"ServiceName":"AzureSouthCentralUS","BgpCommunities":[
 {"CommunityName":"South Central US","CommunityValue":"12076:51008","CommunityPrefixes":"20.190.128.0/24 13.73.240.0/20","IsAuthorizedToUse":"True"}]}]`

// TestExportInItsForms: what az prints, what REST answers, what PowerShell writes, in UTF-8 and UTF-16.
func TestExportInItsForms(t *testing.T) {
	wide := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(export)) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	for name, data := range map[string][]byte{"list": []byte(export), "rest": []byte(`{"value":` + export + `}`), "utf16": wide, "mark": []byte("\ufeff" + export)} {
		t.Run(name, func(t *testing.T) {
			s, found := bgp.ParseServices("x.json", data)
			if s == nil || s.Len() != 3 {
				t.Fatal(found)
			}
			var got []string
			for _, c := range s.AppendCovering(nil, netip.MustParsePrefix("20.190.128.1/32")) {
				got = append(got, c.Community.String()+" "+c.Prefix.String())
			}
			if strings.Join(got, ", ") != "12076:5060 20.190.128.0/18, 12076:51008 20.190.128.0/24" {
				t.Errorf("covering: %v", got)
			}
			e, ok := s.Find(bgp.Community{AS: 12076, Value: 5010})
			if !ok || e.Authorised || !e.Stated || len(e.Prefixes) != 2 {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestBrokenExports(t *testing.T) {
	for name, c := range map[string]struct{ text, code string }{
		"empty":          {" \n", "bgp.empty"},
		"cut-off":        {export[:len(export)/2], "bgp.truncated"},
		"no-json":        {"hello", "bgp.syntax"},
		"trailing":       {export + "x", "bgp.trailing"},
		"nothing":        {"[]", "bgp.no-communities"},
		"other-json":     {`{"changeNumber": 376, "values": []}`, "bgp.no-communities"},
		"bad-community":  {`[{"bgpCommunities":[{"communityValue":"12076:99999","communityPrefixes":[]}]}]`, "bgp.community"},
		"other-as":       {`[{"bgpCommunities":[{"communityValue":"8075:5060","communityPrefixes":["20.190.128.0/18"]}]}]`, "bgp.community"},
		"default-route":  {`[{"bgpCommunities":[{"communityValue":"12076:5060","communityPrefixes":["0.0.0.0/0"]}]}]`, "bgp.prefix"},
		"private-range":  {`[{"bgpCommunities":[{"communityValue":"12076:5060","communityPrefixes":["10.0.0.0/8"]}]}]`, "bgp.prefix"},
		"bad-prefix":     {`[{"bgpCommunities":[{"communityValue":"12076:5060","communityPrefixes":["20.190.128.0/99"]}]}]`, "bgp.prefix"},
		"depth":          {`[{"bgpCommunities":"Microsoft.Azure.Commands.Network.Models.PSBgpCommunity"}]`, "bgp.depth"},
		"depth-prefixes": {`[{"bgpCommunities":[{"communityValue":"12076:5060","communityPrefixes":"System.Collections.Generic.List` + "`" + `1[System.String]"}]}]`, "bgp.depth"},
		"disagree": {`[{"bgpCommunities":[{"communityValue":"12076:5060","communityPrefixes":["20.190.128.0/18"],"isAuthorizedToUse":true},
			{"communityValue":"12076:5060","communityPrefixes":[],"isAuthorizedToUse":false}]}]`, "bgp.disagree"},
		"not-utf8": {"[\"\xff\xfe\xfd\"]", "bgp.encoding"},
	} {
		t.Run(name, func(t *testing.T) {
			s, found := bgp.ParseServices("x.json", []byte(c.text))
			if s != nil || len(found) == 0 || found[0].Code != c.code || found[0].Pos.File != "x.json" {
				t.Errorf("%v, want %s", found, c.code)
			}
		})
	}
}

// describe prints a dump for comparison.
func describe(d *bgp.Dump) string {
	var lines []string
	for _, r := range d.Routes {
		line := r.Prefix.String()
		for _, c := range r.Communities {
			line += " " + c.String()
		}
		if r.OverExpressRoute() {
			line += " er"
		}
		if r.PrivatePeering() {
			line += " private"
		}
		if r.Best {
			line += " best"
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestDumps reads what routers printed (FRR 8.4 itself; Cisco and Juniper in the form of their manuals).
func TestDumps(t *testing.T) {
	plain := "10.20.0.0/16 er private best\n13.107.6.152/31 er best\n20.189.228.0/23 er best\n20.190.128.0/18 er best"
	marked := "10.20.0.0/16 12076:50012 er private best\n13.107.6.152/31 12076:5010 12076:5100 er best\n20.189.228.0/23 12076:51013 er best\n20.190.128.0/18 12076:5060 er best"
	want := map[string]string{
		"frr-unicast.json": plain, "frr-unicast.txt": plain, "frr-detail.json": marked,
		"frr-one.json": "13.107.6.152/31 12076:5010 12076:5100 er best", "frr-one.txt": "13.107.6.152/31 12076:5010 12076:5100 er best",
		"cisco-ios.txt":      "0.0.0.0/0 er private best\n0.0.0.0/0 private\n13.107.6.152/31\n13.107.6.152/31 er best\n20.0.0.0/8 best\n20.190.128.0/18 er best\n2603:1026:3000:100::/59 er best",
		"juniper.txt":        "13.107.6.152/31 er best\n20.190.128.0/18\n20.190.128.0/18 er best\n2603:1026:3000:100::/59 er best",
		"juniper-detail.txt": "13.107.6.152/31 12076:5010 12076:5100 er best\n20.190.128.0/18 12076:5060 er best",
	}
	files, err := filepath.Glob("testdata/routes/*")
	if err != nil || len(files) != len(want) {
		t.Fatalf("%d files, %d expectations, %v", len(files), len(want), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			d, found := bgp.ParseRoutes(file, data)
			if d == nil {
				t.Fatal(found)
			}
			if got := describe(d); got != want[filepath.Base(file)] {
				t.Errorf("got\n%s\nwant\n%s", got, want[filepath.Base(file)])
			}
		})
	}
}

// TestFRRThatCountsMoreThanItHolds: later releases count the prefixes that they printed, and every path that they looked at.
func TestFRRThatCountsMoreThanItHolds(t *testing.T) {
	const table = `{"routes": {"20.43.64.0/20": [{"valid": true, "bestpath": true, "path": "12076"}]}, "totalRoutes": %, "totalPaths": 5}`
	for says, code := range map[string]string{"1": "", "2": "bgp.count", "0": "", "x": "bgp.syntax"} {
		d, found := bgp.ParseRoutes("x.json", []byte(strings.Replace(table, "%", says, 1)))
		if got := len(found) == 0; got != (code == "") || code != "" && (d != nil || found[0].Code != code) {
			t.Errorf("%s: %v", says, found)
		}
	}
}

// TestHalfDumpsAreRefused cuts every dump at many places: whatever is read of it, no cut may lose a route silently.
func TestHalfDumpsAreRefused(t *testing.T) {
	files, _ := filepath.Glob("testdata/routes/*")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		whole, _ := bgp.ParseRoutes(file, data)
		t.Run(filepath.Base(file), func(t *testing.T) {
			for cut := 1; cut < len(data)-1; cut += 7 {
				d, found := bgp.ParseRoutes(file, data[:cut])
				if d == nil && len(found) == 0 {
					t.Fatalf("cut at %d: neither a dump nor a reason", cut)
				}
				if d != nil && strings.HasSuffix(file, ".json") {
					t.Errorf("cut at %d: %d of %d routes were taken", cut, len(d.Routes), len(whole.Routes))
				}
			}
		})
	}
	for name, c := range map[string]struct{ text, code string }{
		"pager":      {"   Network          Next Hop            Metric LocPrf Weight Path\n*> 10.0.0.0/16      192.0.2.1                0             0 12076 i\n --More-- ", "bgp.pager"},
		"half-line":  {"   Network          Next Hop            Metric LocPrf Weight Path\n*> 10.0.0.0/16      192.0.2.1                0             0 120", "bgp.half-line"},
		"network":    {"   Network          Next Hop            Metric LocPrf Weight Path\n*> 2603:1026:3000:100::/59\n", "bgp.half-line"},
		"count":      {"   Network          Next Hop            Metric LocPrf Weight Path\n*> 10.0.0.0/16      192.0.2.1                0             0 12076 i\n\nDisplayed  2 routes and 2 total paths\n", "bgp.count"},
		"garbage":    {"   Network          Next Hop            Metric LocPrf Weight Path\n*> 10.0.0.0/16      192.0.2.1                0             0 12076 i\nlorem ipsum\n", "bgp.line"},
		"other-file": {"interface GigabitEthernet0\n ip address 192.0.2.1\n", "bgp.unknown-form"},
		"other-json": {`{"peers":{}}`, "bgp.unknown-form"},
		"no-routes":  {`{"routes":{}}`, "bgp.no-routes"},
		"entry":      {"BGP routing table entry for 10.0.0.0/16, version 2\nPaths: (2 available, best #1, table default)\n  12076\n    192.0.2.1 from 192.0.2.1 (192.0.2.1)\n      Origin IGP, valid, external, best\n", "bgp.count"},
		"juniper-as": {"inet.0: 2 destinations, 2 routes (2 active, 0 holddown, 0 hidden)\n\n10.0.0.0/16        *[BGP/170] 1w2d 03:04:05, localpref 100\n                      AS path: 12076 80", "bgp.half-line"},
		"juniper":    {"inet.0: 2 destinations, 2 routes (2 active, 0 holddown, 0 hidden)\n\n10.0.0.0/16        *[BGP/170] 1w2d 03:04:05, localpref 100\n", "bgp.half-line"},
	} {
		t.Run(name, func(t *testing.T) {
			d, found := bgp.ParseRoutes("r.txt", []byte(c.text))
			if d != nil || len(found) == 0 || found[0].Code != c.code {
				t.Errorf("%v, want %s", found, c.code)
			}
		})
	}
}

func TestTheLongestRouteInUseDecides(t *testing.T) {
	d, found := bgp.ParseRoutes("r.txt", []byte("   Network          Next Hop            Metric LocPrf Weight Path\n"+
		"*  20.190.128.0/18  192.0.2.9                0             0 3356 8075 i\n"+
		"*>                  192.0.2.1                0             0 12076 i\n"+
		"*> 20.190.160.0/20  192.0.2.9                0             0 3356 8075 i\n"))
	if d == nil {
		t.Fatal(found)
	}
	if r, ok := d.Best(netip.MustParseAddr("20.190.128.1")); !ok || !r.OverExpressRoute() {
		t.Errorf("%+v", r)
	}
	if r, ok := d.Best(netip.MustParseAddr("20.190.160.1")); !ok || r.OverExpressRoute() {
		t.Errorf("the more specific route leads elsewhere: %+v", r)
	}
	if _, ok := d.Best(netip.MustParseAddr("192.0.2.1")); ok {
		t.Error("a route for an address that has none")
	}
}

func TestCommunities(t *testing.T) {
	for text, ok := range map[string]bool{"12076:5060": true, "0:0": true, "65535:65535": true, "12076:65536": false, "12076": false, "12076:": false,
		"12076:05060": false, "+1:2": false, "12076:5060 ": false, "": false, "a:b": false} {
		c, err := bgp.ParseCommunity(text)
		if (err == nil) != ok || ok && c.String() != text {
			t.Errorf("%q: %v, %v", text, c, err)
		}
	}
}

func FuzzParseServices(f *testing.F) {
	f.Add([]byte(export))
	f.Add([]byte(`{"value":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, found := bgp.ParseServices("x.json", data)
		if (s == nil) != found.HasErrors() {
			t.Fatalf("%v, %v", s, found)
		}
		if s == nil {
			return
		}
		for _, e := range s.List {
			for _, p := range e.Prefixes {
				if !slices.ContainsFunc(s.AppendCovering(nil, p), func(c bgp.Covering) bool { return c.Community == e.Community }) {
					t.Fatalf("%s does not cover its own prefix %s", e.Community, p)
				}
			}
		}
	})
}

func FuzzParseRoutes(f *testing.F) {
	files, _ := filepath.Glob("testdata/routes/*")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, found := bgp.ParseRoutes("r.txt", data)
		if (d == nil) != found.HasErrors() {
			t.Fatalf("%v, %v", d, found)
		}
		if d == nil {
			return
		}
		for _, r := range d.Routes {
			if r.Prefix != r.Prefix.Masked() {
				t.Fatalf("%s has host bits", r.Prefix)
			}
			if _, ok := d.BestPrefix(r.Prefix); !ok {
				t.Fatalf("no route for %s", r.Prefix)
			}
		}
	})
}
