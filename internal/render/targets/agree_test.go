package targets_test

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/policy"
	"sekisho/internal/render"
)

// everything compiles a policy of all features of the built-in catalog.
func everything(t testing.TB) render.Input {
	t.Helper()
	snapshot, _ := catalog.Builtin().Fill(catalog.Values{
		catalog.HoleTenantName: {{Text: "contoso"}}, catalog.HoleTenantID: {{Text: "3d5a8f0e-6b1c-4a77-9d42-0f1e2d3c4b5a"}},
		catalog.HoleRegion: {{Text: "japaneast"}}, catalog.HoleSeamlessSSO: {{Text: "true"}}, catalog.HoleLocation: {{Text: "AMSUC0101"}},
	})
	if snapshot == nil {
		t.Fatal("no catalog")
	}
	in := fixture(t, "1", nil)
	spec := policy.Spec{
		Hosts:   []policy.HostSpec{{Pattern: policy.At{Text: "*.own.example"}, Ports: endpoint.MustPorts("tcp/443,8443")}},
		Rings:   []policy.RingSpec{{Name: "all", Mode: policy.Off}},
		Aliases: []policy.AliasSpec{{Pattern: policy.At{Text: "japaneast.login.microsoft.com"}, Clients: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}}},
	}
	for _, f := range snapshot.Features() {
		spec.Features = append(spec.Features, policy.At{Text: string(f.ID)})
	}
	p, found := policy.Compile(spec, snapshot)
	if p == nil {
		t.Fatalf("%+v", found)
	}
	in.Program = p
	in.Tags = func(_, tag string) ([]netip.Prefix, bool) {
		// A prefix of its own for each tag, so that readers see which tag is meant.
		sum := byte(0)
		for i := range len(tag) {
			sum = sum*31 + tag[i]
		}
		return []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64 | sum&63, sum, 0}), 24)}, true
	}
	return in
}

// hostsFor are hosts at and around every pattern of the model and every class.
func hostsFor(in render.Input, m *render.Model) []endpoint.Host {
	seen := map[endpoint.Host]bool{}
	add := func(p endpoint.Pattern) {
		text := p.String()
		for _, star := range []string{"x", "a.b", "zz.login", "x1-y"} {
			for _, form := range []string{strings.Replace(text, "*", star, 1), "evil" + strings.Replace(text, "*", star, 1), "sub." + strings.Replace(text, "*", star, 1),
				strings.Replace(text, "*", star, 1) + ".evil.example", strings.TrimPrefix(text, "*."), strings.TrimPrefix(text, "*")} {
				if h, err := endpoint.ParseHost(form); err == nil {
					seen[h] = true
				}
			}
		}
	}
	for _, r := range m.Rows {
		if !r.Host.IsZero() {
			add(r.Host)
		}
	}
	for _, k := range in.Program.Catalog().Classes() {
		add(k.Pattern)
	}
	return slices.Sorted(maps.Keys(seen))
}

// told are the things that a device says it leaves out, or opens although it should not.
type told struct {
	pattern endpoint.Pattern
	ports   endpoint.Ports
	open    bool // it stays open although the policy refuses it
}

func unsaid(lines []string) (out []told) {
	open := false
	for _, l := range lines {
		l = strings.TrimPrefix(l, "# ")
		if strings.HasPrefix(l, "Not expressed") {
			open = strings.Contains(l, "STAYS OPEN")
		}
		w := strings.Fields(l)
		if !strings.HasPrefix(l, "  ") || len(w) == 0 {
			continue
		}
		name := w[0]
		if u, err := endpoint.ParseURL(name); err == nil && strings.Contains(name, "://") {
			name = u.Host.String()
		}
		p, err := endpoint.ParsePattern(name)
		if err != nil {
			continue
		}
		one := told{pattern: p, open: open}
		for _, x := range w[1:] {
			if ports, err := endpoint.ParsePorts(x); err == nil {
				one.ports = one.ports.Union(ports)
			}
		}
		out = append(out, one)
	}
	return out
}

// TestNamesAgreeWithThePolicy: a device that knows names lets pass what the policy permits, but for what it says it leaves
// out, and nothing else, but for what it says it cannot keep closed.
func TestNamesAgreeWithThePolicy(t *testing.T) {
	for what, in := range map[string]render.Input{"fixture": fixture(t, "1", nil), "everything": everything(t)} {
		m := render.NewModel(in)
		hosts := hostsFor(in, m)
		options := map[string][]string{"static": {"true"}, "max-addresses": {"0"}, "max-exempt": {"0"}, "max-urls": {"0"}}
		given := func(names ...string) map[string][]string {
			out := map[string][]string{}
			for _, n := range names {
				out[n] = options[n]
			}
			return out
		}
		panos := string(must(t, "panos", in, given("static", "max-addresses", "max-urls")).Files[0].Body)
		fortios := string(must(t, "fortios", in, given("max-addresses", "max-exempt")).Files[0].Body)
		azure := string(must(t, "azure", in, map[string][]string{"resource": {"firewall"}}).Files[0].Body)
		_, firewall, doc := readAzure(t, in, azure)
		for name, d := range map[string]struct {
			device
			said []told
		}{
			"panos":   {readPANOS(t, panos), unsaid(strings.Split(panos, "\n"))},
			"fortios": {readFortiOS(t, fortios), unsaid(strings.Split(fortios, "\n"))},
			"azure":   {firewall, unsaid(doc.Metadata["Microsoft.Network/firewallPolicies/ruleCollectionGroups"])},
		} {
			t.Run(what+"/"+name, func(t *testing.T) {
				opened := 0
				for _, h := range hosts {
					for _, port := range []uint16{80, 443, 5223, 5671, 8443, 81, 65535} {
						decision := in.Program.Decide(policy.Ask{Subject: policy.Subject{Client: netip.MustParseAddr("10.9.1.1")}, Authority: endpoint.Authority{Host: h, Port: port}, Plain: port == 80})
						// Own hosts open port 80 by "plain" alone, which the table does not carry for other ports.
						permitted := decision.Allowed()
						passes := d.name(string(h), "tcp", int(port))
						if passes {
							opened++
						}
						switch {
						case passes == permitted:
						case passes && slices.ContainsFunc(d.said, func(s told) bool { return s.open && s.pattern.Match(h) }):
						case permitted && slices.ContainsFunc(d.said, func(s told) bool { return !s.open && s.pattern.Match(h) && s.ports.Allows(endpoint.TCP, port) }):
						default:
							t.Errorf("%s port %d: the device lets pass: %v, the policy: %v (%v, %v)", h, port, passes, permitted, decision.Reason, decision.Rule)
						}
					}
				}
				if opened < 20 {
					t.Errorf("%d of %d hosts are open", opened, len(hosts))
				}
			})
		}
	}
}

// TestClientsGetNothingOfTheGateway: a device that opens for clients opens less than the policy permits, and neither a
// sign-in host, nor a host of another class, nor an address of the sign-in hosts.
func TestClientsGetNothingOfTheGateway(t *testing.T) {
	for what, in := range map[string]render.Input{"fixture": fixture(t, "1", nil), "everything": everything(t)} {
		hosts := hostsFor(in, render.NewModel(in))
		given := func(more ...string) map[string][]string {
			out := map[string][]string{"for": {"clients"}}
			for _, m := range more {
				name, value, _ := strings.Cut(m, "=")
				out[name] = []string{value}
			}
			return out
		}
		group, firewall, _ := readAzure(t, in, string(must(t, "azure", in, given("max-addresses=0")).Files[0].Body))
		for name, d := range map[string]device{
			"panos":    readPANOS(t, string(must(t, "panos", in, given("static=true", "max-addresses=0", "max-urls=0")).Files[0].Body)),
			"fortios":  readFortiOS(t, string(must(t, "fortios", in, given("max-addresses=0", "max-exempt=0")).Files[0].Body)),
			"azure":    firewall,
			"nsg":      group,
			"nftables": readNFT(t, string(must(t, "nftables", in, given()).Files[0].Body)),
			"ipset":    readIPSet(t, string(must(t, "ipset", in, given("max-elements=0")).Files[0].Body)),
			"windows":  readWindows(t, string(must(t, "windows", in, given()).Files[0].Body)),
		} {
			for _, h := range hosts {
				for _, port := range []uint16{80, 443} {
					if d.match == nil || !d.name(string(h), "tcp", int(port)) {
						continue
					}
					decision := in.Program.Decide(policy.Ask{Authority: endpoint.Authority{Host: h, Port: port}, Plain: port == 80})
					if !decision.Allowed() || decision.Class != catalog.Ordinary {
						t.Errorf("%s %s: %s port %d is open for clients (%v, class %v)", what, name, h, port, decision.Reason, decision.Class)
					}
				}
			}
			for _, p := range in.Program.Catalog().SignInPrefixes() {
				if d.address(false, p.Addr(), "tcp", 443) || d.address(false, last(p), "udp", 443) {
					t.Errorf("%s %s: %s is open for clients", what, name, p)
				}
			}
		}
	}
}

// TestAddressesAgreeWithTheTable: what devices open by address is what the rows list, port by port, in both directions.
func TestAddressesAgreeWithTheTable(t *testing.T) {
	for what, in := range map[string]render.Input{"fixture": fixture(t, "1", nil), "everything": everything(t)} {
		m := render.NewModel(in)
		given := map[string][]string{"inbound-to": {"198.51.100.7", "2001:db8:1::7"}}
		azure := map[string][]string{"resource": {"nsg"}, "inbound-to": given["inbound-to"], "max-addresses": {"0"}}
		group, _, _ := readAzure(t, in, string(must(t, "azure", in, azure).Files[0].Body))
		readers := map[string]device{
			"nftables": readNFT(t, string(must(t, "nftables", in, given).Files[0].Body)),
			"ipset":    readIPSet(t, string(must(t, "ipset", in, map[string][]string{"inbound-to": given["inbound-to"], "max-elements": {"0"}}).Files[0].Body)),
			"windows":  readWindows(t, string(must(t, "windows", in, given).Files[0].Body)),
			"nsg":      group,
		}
		random := rand.New(rand.NewPCG(1, 2))
		var addresses []netip.Addr
		for _, r := range m.Rows {
			if r.Kind == render.PrefixRow {
				a := r.Prefix.Addr()
				addresses = append(addresses, a, a.Prev(), last(r.Prefix), last(r.Prefix).Next())
			}
		}
		for range 200 {
			addresses = append(addresses, netip.AddrFrom4([4]byte{byte(random.IntN(224)), byte(random.IntN(256)), byte(random.IntN(256)), byte(random.IntN(256))}))
		}
		if len(addresses) > 500 {
			random.Shuffle(len(addresses), func(i, j int) { addresses[i], addresses[j] = addresses[j], addresses[i] })
			addresses = addresses[:500]
		}
		for name, d := range readers {
			t.Run(what+"/"+name, func(t *testing.T) {
				opened := 0
				for _, a := range addresses {
					for _, one := range []struct {
						proto string
						port  uint16
					}{{"tcp", 443}, {"tcp", 80}, {"tcp", 8443}, {"tcp", 25}, {"udp", 3478}, {"udp", 3481}, {"udp", 3482}, {"udp", 443}} {
						for _, direction := range []catalog.Direction{catalog.Outbound, catalog.Inbound} {
							want := slices.ContainsFunc(m.Rows, func(r render.Row) bool {
								proto := endpoint.TCP
								if one.proto == "udp" {
									proto = endpoint.UDP
								}
								return r.Kind == render.PrefixRow && r.Direction == direction && r.Prefix.Contains(a) && r.Ports.Allows(proto, one.port)
							})
							got := d.address(direction == catalog.Inbound, a, one.proto, int(one.port))
							if got {
								opened++
							}
							if got != want {
								t.Errorf("%s %s/%d %v: the device says %v, the table %v", a, one.proto, one.port, direction, got, want)
							}
						}
					}
				}
				if opened < 10 {
					t.Errorf("%d open", opened)
				}
			})
		}
	}
}

// last is the last address of p.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := range b {
		for bit := range 8 {
			if i*8+bit >= p.Bits() {
				b[i] |= 0x80 >> bit
			}
		}
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
