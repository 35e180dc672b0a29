package targets_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sekisho/internal/bgp"
	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/policy"
	"sekisho/internal/render"
	"sekisho/internal/render/targets"
	"sekisho/internal/restrict"
)

// devices are the targets that firewalls read, with the name of the file that a whole rendering has.
var devices = map[string]string{
	"edl": "", "panos": "sekisho.panos.txt", "fortios": "sekisho.fortios.txt", "nftables": "sekisho.nft", "ipset": "sekisho.ipset",
	"windows": "sekisho-firewall.ps1", "azure": "sekisho.azure.json",
}

// fixtureNets are the addresses of the gateways.
var fixtureNets = []netip.Prefix{netip.MustParsePrefix("192.0.2.10/32"), netip.MustParsePrefix("2001:db8::10/128")}

func fixtureCommunities(bool) ([]bgp.Community, error) {
	return []bgp.Community{{AS: 12076, Value: 5060}}, nil
}

// fixture compiles a policy of everything in testdata/catalog-N.yaml, an own host and an alias of one network.
func fixture(t testing.TB, version string, change func(*policy.Spec)) render.Input {
	t.Helper()
	name := filepath.Join("testdata", "catalog-"+version+".yaml")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	part, found := catalog.ParsePart(name, data)
	if part == nil {
		t.Fatalf("%+v", found)
	}
	snapshot, found := catalog.Build("fixture-"+version, part)
	if snapshot == nil {
		t.Fatalf("%+v", found)
	}
	snapshot, _ = snapshot.Fill(catalog.Values{catalog.HoleTenantName: {{Text: "contoso"}}})
	const id = "3d5a8f0e-6b1c-4a77-9d42-0f1e2d3c4b5a"
	spec := policy.Spec{
		Features: []policy.At{{Text: "all"}},
		Hosts:    []policy.HostSpec{{Pattern: policy.At{Text: "*.own.example"}, Ports: endpoint.MustPorts("tcp/443,8443")}},
		Aliases:  []policy.AliasSpec{{Pattern: policy.At{Text: "sts.cloud.example"}, Clients: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}}},
		Profiles: []restrict.Spec{{Name: "staff", Version: restrict.V1, Permitted: []restrict.At{{Text: id}}, Context: restrict.At{Text: id}}},
		Rings:    []policy.RingSpec{{Name: "all", Profile: policy.At{Text: "staff"}}},
	}
	if change != nil {
		change(&spec)
	}
	p, found := policy.Compile(spec, snapshot)
	if p == nil {
		t.Fatalf("%+v", found.Of(finding.Error))
	}
	return render.Input{
		Program: p, GatewayNets: fixtureNets,
		Tags: func(_, tag string) ([]netip.Prefix, bool) {
			return []netip.Prefix{netip.MustParsePrefix("40.90.0.0/24")}, tag == "ExampleService"
		},
		Communities: fixtureCommunities,
	}
}

func attempt(t testing.TB, name string, in render.Input, given map[string][]string) (render.Output, error) {
	t.Helper()
	target, ok := render.Find(targets.All(), name)
	if !ok {
		t.Fatalf("no target %q", name)
	}
	options, err := render.ParseOptions(target, given)
	if err != nil {
		t.Fatal(err)
	}
	return render.Render(target, in, options)
}

func must(t testing.TB, name string, in render.Input, given map[string][]string) render.Output {
	t.Helper()
	out, err := attempt(t, name, in, given)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out
}

// text joins the files of an output.
func text(out render.Output) string {
	var b strings.Builder
	for i, f := range out.Files {
		if len(out.Files) > 1 {
			if i > 0 {
				b.WriteString("\n")
			}
			b.WriteString("-- " + f.Name + " --\n")
		}
		b.Write(f.Body)
	}
	return b.String()
}

// golden compares with testdata/NAME.golden; UPDATE=1 writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs from what is rendered (UPDATE=1 writes it):\n%s", file, got)
	}
}

// TestDevicesAsWritten holds every device's files, whole and since an earlier version, for the gateway with inbound
// addresses and for clients.
func TestDevicesAsWritten(t *testing.T) {
	in, before := fixture(t, "2", nil), fixture(t, "1", nil)
	inbound := map[string][]string{"inbound-to": {"198.51.100.7"}}
	for name := range devices {
		golden(t, name, text(must(t, name, in, inbound)))
		golden(t, name+"-clients", text(must(t, name, in, map[string][]string{"for": {"clients"}, "source": {"10.0.0.0/8"}})))
		since := in
		since.Before = &before
		golden(t, name+"-since", text(must(t, name, since, inbound)))
		same := in
		same.Before = &in
		if got := text(must(t, name, same, inbound)); !strings.Contains(got, "# Nothing changed.") {
			t.Errorf("%s: between equal versions:\n%s", name, got)
		}
		if !bytes.Equal([]byte(text(must(t, name, in, inbound))), []byte(text(must(t, name, fixture(t, "2", nil), inbound)))) {
			t.Errorf("%s: the same input gives other bytes", name)
		}
	}
}

// TestNothingToSayIsAnError: no device gets an empty list, whatever the reason that it would be empty.
func TestNothingToSayIsAnError(t *testing.T) {
	nothing := func(s *policy.Spec) { s.Features, s.Hosts, s.Aliases = nil, nil, nil }
	named := func(s *policy.Spec) { s.Features, s.Aliases = nil, nil }
	for name := range devices {
		if out, err := attempt(t, name, fixture(t, "1", nothing), nil); err == nil || len(out.Files) > 0 {
			t.Errorf("%s: of a policy that opens nothing: %d files, error %v", name, len(out.Files), err)
		}
		knowsNames := slices.Contains([]string{"edl", "panos", "fortios", "azure"}, name)
		out, err := attempt(t, name, fixture(t, "1", named), map[string][]string{})
		var problem *finding.Problem
		if !knowsNames && (!errors.As(err, &problem) || problem.Findings[0].Code != "flow.nothing" || len(out.Files) > 0) {
			t.Errorf("%s: of names alone: %d files, error %v", name, len(out.Files), err)
		}
		if knowsNames && err != nil {
			t.Errorf("%s: of names alone: %v", name, err)
		}
	}
}

// TestNobodySaysWhereTheGatewayIs: rules for the gateway hold for its addresses alone, which the configuration or an option
// names; without them there are no rules. For clients nothing of the gateway is open, and a list has no sources.
func TestNobodySaysWhereTheGatewayIs(t *testing.T) {
	in := fixture(t, "1", nil)
	in.GatewayNets = nil
	for name := range devices {
		out, err := attempt(t, name, in, nil)
		var problem *finding.Problem
		switch free := name == "edl" || name == "windows"; {
		case free && err != nil:
			t.Errorf("%s: %v", name, err)
		case !free && (!errors.As(err, &problem) || problem.Findings[0].Code != "flow.no-source" || len(out.Files) > 0):
			t.Errorf("%s: %d files, error %v", name, len(out.Files), err)
		}
		must(t, name, in, map[string][]string{"for": {"clients"}})
		if body := text(must(t, name, in, map[string][]string{"source": {"198.51.100.77"}})); name != "edl" && !strings.Contains(body, "198.51.100.77") {
			t.Errorf("%s does not name its source", name)
		}
		known := in
		known.GatewayNets = []netip.Prefix{netip.MustParsePrefix("198.51.100.78/32")}
		if body := text(must(t, name, known, map[string][]string{"source": {"198.51.100.77"}})); strings.Contains(body, "198.51.100.78") {
			t.Errorf("%s: an option does not take the place of the setting", name)
		}
	}
}

// codes are those of a list.
func codes(list finding.List) string {
	var out []string
	for _, f := range list {
		out = append(out, f.Code)
	}
	return strings.Join(out, " ")
}

// TestLimitsAreKept: a device that cannot hold it all gets no file, and says which option to set.
func TestLimitsAreKept(t *testing.T) {
	in := fixture(t, "1", nil)
	for name, options := range map[string][]string{
		"edl": {"max-entries"}, "panos": {"max-urls", "max-ips", "max-addresses"}, "fortios": {"max-addresses", "max-exempt"},
		"nftables": {"max-elements"}, "ipset": {"max-elements"}, "windows": {"max-rules"},
		"azure": {"max-rules", "max-addresses", "max-destinations", "max-group-bytes"},
	} {
		for _, o := range options {
			out, err := attempt(t, name, in, map[string][]string{o: {"1"}})
			var problem *finding.Problem
			if !errors.As(err, &problem) || problem.Findings[0].Code != "flow.over-limit" || problem.Findings[0].Args["option"] != o || len(out.Files) > 0 {
				t.Errorf("%s --%s=1: %d files, error %v", name, o, len(out.Files), err)
				continue
			}
			// At the limit it fits, one below it does not.
			count := 0
			for errors.As(err, &problem) { // of several lists the largest counts
				if count, err = strconv.Atoi(problem.Findings[0].Args["count"]); err != nil {
					t.Fatal(err)
				}
				_, err = attempt(t, name, in, map[string][]string{o: {strconv.Itoa(count)}})
			}
			if out, err := attempt(t, name, in, map[string][]string{o: {strconv.Itoa(count)}}); err != nil || !strings.Contains(codes(out.Findings), "flow.near-limit") {
				t.Errorf("%s --%s=%d, which is what there is: %v", name, o, count, err)
			}
			if _, err := attempt(t, name, in, map[string][]string{o: {strconv.Itoa(count - 1)}}); code(t, err) != "flow.over-limit" {
				t.Errorf("%s --%s=%d, one too few: %v", name, o, count-1, err)
			}
		}
	}
}

var externalList = regexp.MustCompile(`(?m)^set external-list (\S+) type (url|ip) url "http://proxy\.example\.com:3180/render/edl/([^"?]*)(\?[^"]*)?"$`)

// TestListsThatFirewallsFetchAreThere: each list that the commands for PAN-OS name is one that the target edl has, with what
// the commands would otherwise say themselves; what is for the gateway alone is in none for clients.
func TestListsThatFirewallsFetchAreThere(t *testing.T) {
	in := fixture(t, "2", nil)
	in.PACURL = "http://proxy.example.com:3180/proxy.pac"
	for _, given := range []map[string][]string{nil, {"for": {"clients"}}, {"for": {"clients"}, "inbound-to": {"198.51.100.7", "2001:db8:1::7"}}} {
		found := externalList.FindAllStringSubmatch(text(must(t, "panos", in, given)), -1)
		if len(found) < 8 {
			t.Fatalf("%v: %d lists", given, len(found))
		}
		static := map[string][]string{"static": {"true"}}
		maps.Copy(static, given)
		commands := text(must(t, "panos", in, static))
		for _, m := range found {
			query, err := url.ParseQuery(strings.TrimPrefix(m[4], "?"))
			if err != nil {
				t.Fatal(err)
			}
			lists := must(t, "edl", in, query)
			i := slices.IndexFunc(lists.Files, func(f render.File) bool { return f.Name == m[3] })
			if i < 0 {
				t.Errorf("%v: no list %s", given, m[3])
				continue
			}
			for line := range strings.Lines(string(lists.Files[i].Body)) {
				line = strings.TrimSpace(line)
				want := "set profiles custom-url-category " + m[1] + " list " + line + "\n"
				if m[2] == "ip" {
					want = "set address sekisho-" + strings.NewReplacer(":", "-", "/", "_").Replace(line) + " ip-netmask " + line + "\n"
				}
				if !strings.Contains(commands, want) {
					t.Errorf("%v: %s has %q, which the commands have not", given, m[3], line)
				}
			}
			if given != nil && strings.Contains(text(lists), "login.cloud.example") {
				t.Errorf("lists for clients:\n%s", text(lists))
			}
		}
	}
}

// TestHostileOptionsAreRefused: what goes into names and addresses on a device is refused, not escaped.
func TestHostileOptionsAreRefused(t *testing.T) {
	in := fixture(t, "1", nil)
	hostile := []string{"a b", "x;reboot", "`id`", "$(id)", "a\nset x", `a"b`, "a'b", "</script>", "\u202etxt", "=1+1", "{", ""}
	for name, options := range map[string][]string{
		"panos": {"from-zone", "to-zone"}, "fortios": {"srcintf", "dstintf"}, "nftables": {"table"}, "azure": {"name", "policy"},
	} {
		for _, o := range options {
			for _, v := range hostile {
				if out, err := attempt(t, name, in, map[string][]string{o: {v}}); err == nil {
					t.Errorf("%s --%s=%q is taken:\n%.200s", name, o, v, text(out))
				}
			}
		}
	}
	for name := range devices {
		for _, o := range []string{"source", "inbound-to"} {
			for _, v := range append([]string{"0.0.0.0/0", "::/0", "0.0.0.0/1,128.0.0.0/1", "10.0.0.1/8", "host.example", "::ffff:10.0.0.1", "fe80::1%eth0"}, hostile[:10]...) {
				if out, err := attempt(t, name, in, map[string][]string{o: {v}}); err == nil {
					t.Errorf("%s --%s=%q is taken:\n%.200s", name, o, v, text(out))
				}
			}
		}
	}
	for _, v := range []string{"ftp://a.example", "http://a b", "http://a\"b", "http://", "//a", "http://$(id)/"} {
		if out, err := attempt(t, "panos", in, map[string][]string{"url": {v}}); err == nil {
			t.Errorf("panos --url=%q is taken:\n%.400s", v, text(out))
		}
	}
}

// TestHostileTextsStayTexts: what people wrote about themselves appears on no device, and every file is one of printable
// ASCII.
func TestHostileTextsStayTexts(t *testing.T) {
	in := fixture(t, "1", func(s *policy.Spec) { s.Rings[0].Name = "r\"'`$(id)</script>\u202e=1" })
	in.Organisation = "o\"'\n\r`$(id)</script>\u202e=1+1"
	in.Reasons = map[string]string{"hosts[0]": "h\"'\n`$(id)</script>\u202e=1"}
	in.PACURL = "http://evil\"\n;$(id)/proxy.pac"
	for name := range devices {
		for _, f := range must(t, name, in, nil).Files {
			for i, c := range f.Body {
				if c != '\n' && c != '\t' && (c < ' ' || c > '~') {
					t.Errorf("%s %s: byte %#x at %d", name, f.Name, c, i)
					break
				}
			}
			for _, bad := range []string{"$(id)", "</script>", "evil"} {
				if strings.Contains(string(f.Body), bad) {
					t.Errorf("%s %s holds %q", name, f.Name, bad)
				}
			}
		}
	}
}

// TestTenThousandPrefixes: a service tag as large as they come goes through every device whose limits allow it, and is
// refused where they do not.
func TestTenThousandPrefixes(t *testing.T) {
	in := large(t, 10000)
	lifted := map[string]map[string][]string{
		"panos": {"static": {"true"}, "max-addresses": {"0"}}, "fortios": {"max-addresses": {"0"}}, "azure": {"max-addresses": {"0"}, "max-destinations": {"0"}},
	}
	for name := range devices {
		given := lifted[name]
		body := text(must(t, name, in, given))
		// Azure knows the tag by its name.
		if n := strings.Count(body, "40.0.14.0"); name == "azure" && n != 0 || name != "azure" && n == 0 {
			t.Errorf("%s names a prefix of the tag %d times", name, n)
		}
	}
	for name, given := range map[string]map[string][]string{"fortios": nil, "panos": {"static": {"true"}}} {
		if _, err := attempt(t, name, in, given); err == nil {
			t.Errorf("%s takes ten thousand address objects by default", name)
		}
	}
}

// large is the fixture with a service tag of n prefixes, none of which joins another.
func large(t *testing.T, n int) render.Input {
	t.Helper()
	in := fixture(t, "1", nil)
	var list []netip.Prefix
	for i := range n {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], 0x28000000+uint32(i)*512)
		list = append(list, netip.PrefixFrom(netip.AddrFrom4(b), 24))
	}
	in.Tags = func(_, _ string) ([]netip.Prefix, bool) { return list, true }
	return in
}

// TestTagsOfFeaturesInUseAlone: a service tag that nobody imported stands in the security group by its name, with the ports of
// rows in use alone; the addresses of a row stay while one of its names is open.
func TestTagsOfFeaturesInUseAlone(t *testing.T) {
	in := everything(t)
	spec := policy.Spec{Features: []policy.At{{Text: "entra.provisioning"}}, Hosts: []policy.HostSpec{{Pattern: policy.At{Text: "*.own.example"}}}}
	p, found := policy.Compile(spec, in.Program.Catalog())
	if p == nil {
		t.Fatalf("%+v", found)
	}
	in.Program, in.Tags = p, nil
	body := text(must(t, "azure", in, map[string][]string{"resource": {"nsg"}, "inbound-to": {"198.51.100.7"}}))
	if strings.Count(body, `"sourceAddressPrefix": "AzureActiveDirectory"`) != 1 || strings.Contains(body, `"destinationAddressPrefix": "Azure`) {
		t.Errorf("%s", body)
	}
	closed := text(must(t, "nftables", fixture(t, "1", func(s *policy.Spec) { s.Rings, s.Aliases = nil, nil }), nil))
	if !strings.Contains(closed, "20.190.128.0/18") {
		t.Error("a row with names that are open has lost its addresses") // *.cloud.example of the same row is open
	}
}
