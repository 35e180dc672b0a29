package targets_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/policy"
	"sekisho/internal/restrict"
)

// squidRich is a policy that uses all that the configuration of Squid has: rings by network in each mode, an alias, own rows
// with and without inspection below each other, addresses of our own, tunnels without a server name.
func squidRich(s *policy.Spec) {
	net := func(text string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(text)} }
	s.Hosts = append(s.Hosts,
		policy.HostSpec{Pattern: policy.At{Text: "*.read.example"}, Inspect: true, Ports: endpoint.MustPorts("tcp/443")},
		policy.HostSpec{Pattern: policy.At{Text: "not.read.example"}, Ports: endpoint.MustPorts("tcp/443")},
		policy.HostSpec{Pattern: policy.At{Text: "plain.example"}, Plain: true, Ports: endpoint.MustPorts("tcp/80")})
	s.DialAllowed = net("10.20.0.0/16")
	s.TunnelWithoutSNI = []policy.At{{Text: "bare.own.example"}}
	s.Rings = []policy.RingSpec{
		{Name: "servers", Mode: policy.Off, Clients: net("10.1.0.0/16")},
		{Name: "trial", Mode: policy.Report, Clients: net("10.2.0.0/16"), Profile: policy.At{Text: "staff"}},
		{Name: "all", Profile: policy.At{Text: "staff"}},
	}
}

func TestSquidAsWritten(t *testing.T) {
	golden(t, "squid", text(must(t, "squid", fixture(t, "2", squidRich), nil)))
}

// TestSquidHoldsNothingOfPeople: names of rings and reasons stand in no file, and the files are printable ASCII.
func TestSquidHoldsNothingOfPeople(t *testing.T) {
	in := fixture(t, "1", func(s *policy.Spec) { squidRich(s); s.Rings[2].Name = "r\"'`$(id)</script>\u202e=1" })
	in.Organisation, in.Reasons = "evil\n", map[string]string{"hosts[0]": "evil\r\n"}
	for _, f := range must(t, "squid", in, nil).Files {
		for i, c := range f.Body {
			if c != '\n' && c != '\t' && (c < ' ' || c > '~') {
				t.Errorf("%s: byte %#x at %d", f.Name, c, i)
				break
			}
		}
		for _, bad := range []string{"$(id)", "</script>", "evil"} {
			if strings.Contains(string(f.Body), bad) {
				t.Errorf("%s holds %q", f.Name, bad)
			}
		}
	}
}

func TestSquidRefusesHostileOptions(t *testing.T) {
	in := fixture(t, "1", nil)
	for _, o := range []string{"folder", "listen", "cert", "store"} {
		for _, v := range []string{"a b", "x;reboot", "`id`", "$(id)", "a\nhttp_access allow all", `a"b`, "a'b", "/etc/\u202e", "#", ""} {
			if out, err := attempt(t, "squid", in, map[string][]string{o: {v}}); err == nil {
				t.Errorf("--%s=%q is taken:\n%.200s", o, v, text(out))
			}
		}
	}
}

// TestSquidCutsNothing: a value that Squid would not take is refused, one that is near is said.
func TestSquidCutsNothing(t *testing.T) {
	tenants := func(n int) func(*policy.Spec) {
		return func(s *policy.Spec) {
			s.Profiles[0].Permitted = nil
			for i := range n {
				s.Profiles[0].Permitted = append(s.Profiles[0].Permitted, restrict.At{Text: fmt.Sprintf("3d5a8f0e-6b1c-4a77-9d42-%012x", 0x5a3c0000+i)})
			}
		}
	}
	for n, want := range map[int]string{10: "", 52: "squid.near-limit", 60: "stamp.too-long"} {
		out, err := attempt(t, "squid", fixture(t, "1", tenants(n)), nil)
		got := ""
		var problem *finding.Problem
		if errors.As(err, &problem) {
			got = problem.Findings[0].Code
		}
		for _, f := range out.Findings {
			if f.Code == "squid.near-limit" {
				got = f.Code
			}
		}
		if got != want || err != nil && len(out.Files) > 0 {
			t.Errorf("%d tenants: %q, want %q (%v)", n, got, want, err)
		}
	}
}

// TestSquidReadsWhatIsWritten has Squid's own reader read the files: as they come, with ring and values at their limits, and
// with thousands of networks.
func TestSquidReadsWhatIsWritten(t *testing.T) {
	squid, err := exec.LookPath("/usr/sbin/squid")
	if err != nil {
		t.Skip("not tried: install Debian's squid-openssl")
	}
	networks := func(s *policy.Spec) {
		squidRich(s)
		s.Rings[0].Clients = nil
		for i := range 3000 {
			s.Rings[0].Clients = append(s.Rings[0].Clients, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24))
		}
	}
	longest := func(s *policy.Spec) {
		s.Profiles[0].Permitted = nil
		for i := range 55 {
			s.Profiles[0].Permitted = append(s.Profiles[0].Permitted, restrict.At{Text: fmt.Sprintf("3d5a8f0e-6b1c-4a77-9d42-%012x", 0x5a3c0000+i)})
		}
	}
	for name, change := range map[string]func(*policy.Spec){"plain": nil, "rich": squidRich, "networks": networks, "longest": longest} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			out, err := exec.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
				"-subj", "/CN=Test", "-keyout", filepath.Join(dir, "key.pem"), "-out", filepath.Join(dir, "issuer.pem")).CombinedOutput()
			if err != nil {
				t.Skipf("not tried: openssl: %v\n%s", err, out)
			}
			key, _ := os.ReadFile(filepath.Join(dir, "key.pem"))
			cert, _ := os.ReadFile(filepath.Join(dir, "issuer.pem"))
			if err := os.WriteFile(filepath.Join(dir, "issuer.pem"), append(cert, key...), 0o644); err != nil {
				t.Fatal(err)
			}
			for _, f := range must(t, "squid", fixture(t, "2", change), map[string][]string{"folder": {dir}, "cert": {filepath.Join(dir, "issuer.pem")}}).Files {
				if err := os.WriteFile(filepath.Join(dir, f.Name), f.Body, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			conf := filepath.Join(dir, "squid.conf")
			if err := os.WriteFile(conf, []byte("include "+dir+"/sekisho.conf\npid_filename none\ncache_log /dev/null\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			said, err := exec.Command(squid, "-k", "parse", "-f", conf).CombinedOutput()
			if err != nil || strings.Contains(string(said), "ERROR") || strings.Contains(string(said), "FATAL") {
				t.Errorf("%v\n%s", err, said)
			}
			for _, line := range strings.Split(string(said), "\n") {
				if strings.Contains(line, "WARNING") && !strings.Contains(line, "hostname") {
					t.Log(line)
				}
			}
		})
	}
}

// TestSquidListens: http_port is a port, or an address and a port, and nothing else.
func TestSquidListens(t *testing.T) {
	t.Parallel()
	in := fixture(t, "1", nil)
	for _, good := range []string{"3128", "192.0.2.1:3128", "[2001:db8::1]:3128", "proxy.example.com:65535"} {
		if _, err := attempt(t, "squid", in, map[string][]string{"listen": {good}}); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"0", "65536", "http", ":", "a:", "192.0.2.1", "256.1.1.1:1", "2001:db8::1:3128", "[192.0.2.1]:1", "[fe80::1%eth0]:1", "[a]:1", "3128 ssl-bump", "-1", "1:2:3"} {
		if _, err := attempt(t, "squid", in, map[string][]string{"listen": {bad}}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
