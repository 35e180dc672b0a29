package policy_test

import (
	"net/netip"
	"testing"

	"sekisho/internal/endpoint"
	"sekisho/internal/policy"
)

func TestDecideAddr(t *testing.T) {
	spec := base()
	spec.DialAllowed = []netip.Prefix{netip.MustParsePrefix("10.20.0.0/16"), netip.MustParsePrefix("fd12:3456::/32")}
	spec.Features = append(spec.Features, at(6, "entra.certificate-based-authentication"))
	p := compile(t, spec)
	feature := ask(p, enforced, "manage.microsoft.com:443")
	signIn := ask(p, enforced, "login.microsoftonline.com:443")
	own := ask(p, enforced, "pay.example.com:443")
	// A name beneath a feature's wildcard that led to the sign-in hosts was tunnelled, and spoke to them unread.
	wild := ask(p, enforced, "foo.microsoftonline.com:443")
	device := ask(p, enforced, "device.login.microsoftonline.com:443")
	certificate := ask(p, enforced, "contoso.certauth.login.microsoftonline.com:443")
	tests := []struct {
		name string
		d    policy.Decision
		addr string
		want policy.Reason // "" permits
	}{
		{"public-v4", feature, "13.107.6.1", ""},
		{"public-v6", feature, "2620:1ec:8f0::10", ""},
		{"sign-in-address-for-a-sign-in-host", signIn, "20.190.128.5", ""},
		{"sign-in-address-for-a-feature-host", feature, "20.190.128.5", ""},
		{"sign-in-address-for-an-own-host", own, "20.190.128.5", policy.ReasonSignInAddress},
		{"sign-in-address-for-an-own-host-mapped", own, "::ffff:20.190.128.5", policy.ReasonSignInAddress},
		{"sign-in-address-for-an-own-host-nat64", own, "64:ff9b::14be:8005", policy.ReasonSignInAddress},
		{"sign-in-address-for-a-wildcard-of-a-feature", wild, "20.190.150.7", policy.ReasonSignInAddress},
		{"sign-in-address-for-a-wildcard-of-a-feature-nat64", wild, "64:ff9b::14be:8005", policy.ReasonSignInAddress},
		{"wildcard-of-a-feature-elsewhere", wild, "13.107.6.1", ""},
		{"sign-in-address-for-a-certificate-host", certificate, "20.190.128.5", ""},
		{"sign-in-address-for-device-login", device, "20.190.128.5", ""},
		{"own-host-public", own, "93.184.216.34", ""},
		{"dial-allowed", own, "10.20.3.4", ""},
		{"dial-allowed-mapped", own, "::ffff:10.20.3.4", ""},
		{"dial-allowed-v6", own, "fd12:3456::7", ""},
		{"dial-allowed-nat64", own, "64:ff9b::a14:304", ""},
		{"rfc1918-10", own, "10.21.3.4", policy.ReasonPrivate},
		{"rfc1918-172", own, "172.31.255.254", policy.ReasonPrivate},
		{"after-rfc1918-172", own, "172.32.0.1", ""},
		{"rfc1918-192", own, "192.168.1.1", policy.ReasonPrivate},
		{"carrier-nat", own, "100.127.0.1", policy.ReasonPrivate},
		{"after-carrier-nat", own, "100.128.0.1", ""},
		{"loopback", own, "127.8.8.8", policy.ReasonPrivate},
		{"loopback-v6", own, "::1", policy.ReasonPrivate},
		{"link-local", own, "169.254.1.1", policy.ReasonPrivate},
		{"link-local-v6", own, "fe80::1", policy.ReasonPrivate},
		{"link-local-v6-with-zone", own, "fe80::1%eth0", policy.ReasonSpecial},
		{"unique-local", own, "fd00::1", policy.ReasonPrivate},
		{"site-local", own, "fec0::1", policy.ReasonPrivate},
		{"metadata", own, "169.254.169.254", policy.ReasonMetadata},
		{"metadata-aws-v6", own, "fd00:ec2::254", policy.ReasonMetadata},
		{"metadata-azure", own, "168.63.129.16", policy.ReasonMetadata},
		{"metadata-mapped", own, "::ffff:169.254.169.254", policy.ReasonMetadata},
		{"metadata-nat64", own, "64:ff9b::a9fe:a9fe", policy.ReasonMetadata},
		{"metadata-6to4", own, "2002:a9fe:a9fe::1", policy.ReasonMetadata},
		{"private-6to4", own, "2002:c0a8:101::1", policy.ReasonPrivate},
		{"loopback-nat64", own, "64:ff9b::7f00:1", policy.ReasonPrivate},
		{"nat64-public", own, "64:ff9b::5db8:d822", ""},
		{"nat64-local-use", own, "64:ff9b:1::5db8:d822", policy.ReasonSpecial},
		{"v4-compatible", own, "::5db8:d822", policy.ReasonSpecial},
		{"unspecified", own, "0.0.0.0", policy.ReasonSpecial},
		{"unspecified-v6", own, "::", policy.ReasonSpecial},
		{"this-network", own, "0.1.2.3", policy.ReasonSpecial},
		{"multicast", own, "224.0.0.251", policy.ReasonSpecial},
		{"multicast-v6", own, "ff02::1", policy.ReasonSpecial},
		{"broadcast", own, "255.255.255.255", policy.ReasonSpecial},
		{"reserved", own, "240.0.0.1", policy.ReasonSpecial},
		{"documentation-1", own, "192.0.2.1", policy.ReasonSpecial},
		{"documentation-2", own, "198.51.100.1", policy.ReasonSpecial},
		{"documentation-3", own, "203.0.113.1", policy.ReasonSpecial},
		{"documentation-v6", own, "2001:db8::1", policy.ReasonSpecial},
		{"documentation-v6-new", own, "3fff::1", policy.ReasonSpecial},
		{"benchmark", own, "198.19.255.255", policy.ReasonSpecial},
		{"after-benchmark", own, "198.20.0.0", ""},
		{"teredo", own, "2001::1", policy.ReasonSpecial},
		{"orchid", own, "2001:20::1", policy.ReasonSpecial},
		{"discard", own, "100::1", policy.ReasonSpecial},
		{"unassigned-v6", own, "4000::1", policy.ReasonSpecial},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := netip.MustParseAddr(test.addr)
			d := p.DecideAddr(test.d, a)
			if d.Allowed() != (test.want == "") || test.want != "" && d.Reason != test.want {
				t.Fatalf("got %v %q, want %q", d.Verdict, d.Reason, test.want)
			}
			if d.Addr != a.Unmap() {
				t.Errorf("the judged address is %v", d.Addr)
			}
			if !d.Allowed() && (d.Plan.Ready() || d.Action != policy.Refuse) {
				t.Error("a denial keeps what it permitted")
			}
		})
	}
	if d := p.DecideAddr(own, netip.Addr{}); d.Allowed() {
		t.Error("no address is permitted")
	}
}

func TestDecideTLS(t *testing.T) {
	spec := base()
	spec.TunnelWithoutSNI = []policy.At{at(50, "*.push.example.com")}
	p := compile(t, spec)
	hello := func(name string) policy.Hello {
		return policy.Hello{TLS: true, HasSNI: true, SNI: endpoint.Host(name), RawSNI: name}
	}
	silent := policy.Hello{TLS: true}
	tests := []struct {
		name, host string
		h          policy.Hello
		want       policy.Reason
	}{
		{"tunnel-same-name", "manage.microsoft.com", hello("manage.microsoft.com"), ""},
		{"tunnel-other-name", "manage.microsoft.com", hello("login.microsoftonline.com"), policy.ReasonSNI},
		{"fronting-through-device-login", "device.login.microsoftonline.com", hello("login.microsoftonline.com"), policy.ReasonSNI},
		{"tunnel-without-name", "manage.microsoft.com", silent, policy.ReasonNoSNI},
		{"tunnel-without-name-where-permitted", "a.push.example.com", silent, ""},
		{"permitted-without-name-does-not-permit-another", "a.push.example.com", hello("b.push.example.com"), policy.ReasonSNI},
		{"intercept-same-name", "login.microsoftonline.com", hello("login.microsoftonline.com"), ""},
		{"intercept-without-name", "login.microsoftonline.com", silent, ""},
		{"intercept-other-name", "login.microsoftonline.com", hello("device.login.microsoftonline.com"), policy.ReasonSNI},
		{"name-that-is-none", "login.microsoftonline.com", policy.Hello{TLS: true, HasSNI: true, RawSNI: "10.0.0.1"}, policy.ReasonSNI},
		{"empty-name", "login.microsoftonline.com", policy.Hello{TLS: true, HasSNI: true}, policy.ReasonSNI},
		{"not-tls", "login.microsoftonline.com", policy.Hello{}, policy.ReasonNotTLS},
		{"not-tls-in-a-tunnel", "a.push.example.com", policy.Hello{}, policy.ReasonNotTLS},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := ask(p, enforced, test.host+":443")
			if !before.Allowed() {
				t.Fatalf("%s is refused: %q", test.host, before.Reason)
			}
			d := p.DecideTLS(before, test.h)
			if d.Allowed() != (test.want == "") || test.want != "" && d.Reason != test.want {
				t.Fatalf("got %v %q, want %q", d.Verdict, d.Reason, test.want)
			}
			if d.Allowed() && (d.Action != before.Action || !d.Plan.Equal(before.Plan)) {
				t.Error("the step changed what was permitted")
			}
		})
	}
	plain := askPlain(p, enforced, "login.microsoftonline.com:80")
	if d := p.DecideTLS(plain, hello("login.microsoftonline.com")); d.Allowed() {
		t.Error("a plain request became a tunnel")
	}
}

func TestDecideRequest(t *testing.T) {
	p := compile(t, base())
	signIn := ask(p, enforced, "login.microsoftonline.com:443")
	plain := askPlain(p, enforced, "login.microsoftonline.com:80")
	tests := []struct {
		name      string
		d         policy.Decision
		authority string
		ok        bool
	}{
		{"same", signIn, "login.microsoftonline.com", true},
		{"same-with-port", signIn, "login.microsoftonline.com:443", true},
		{"same-in-other-case", signIn, "Login.MicrosoftOnline.com", true},
		{"same-with-dot", signIn, "login.microsoftonline.com.", true},
		{"coalesced-device-login", signIn, "device.login.microsoftonline.com", false},
		{"another-sign-in-host", signIn, "login.windows.net", false},
		{"another-port", signIn, "login.microsoftonline.com:8443", false},
		{"port-80", signIn, "login.microsoftonline.com:80", false},
		{"empty", signIn, "", false},
		{"user", signIn, "a@login.microsoftonline.com", false},
		{"address", signIn, "20.190.128.5", false},
		{"percent", signIn, "login%2emicrosoftonline.com", false},
		{"space", signIn, " login.microsoftonline.com", false},
		{"two", signIn, "login.microsoftonline.com,login.windows.net", false},
		{"plain-same", plain, "login.microsoftonline.com", true},
		{"plain-with-port", plain, "login.microsoftonline.com:80", true},
		{"plain-with-the-other-port", plain, "login.microsoftonline.com:443", false},
		{"inside-a-tunnel-nothing-is-read", ask(p, enforced, "manage.microsoft.com:443"), "manage.microsoft.com", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := p.DecideRequest(test.d, test.authority)
			if d.Allowed() != test.ok {
				t.Fatalf("got %v %q", d.Verdict, d.Reason)
			}
			if !test.ok && d.Plan.Ready() {
				t.Error("a denial keeps its plan")
			}
		})
	}
}

func TestRings(t *testing.T) {
	spec := base()
	net := func(s string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(s)} }
	ring := func(name string, r policy.RingSpec) policy.RingSpec {
		r.Name, r.Profile = name, at(1, "staff")
		return r
	}
	spec.Rings = []policy.RingSpec{
		ring("user-from-net", policy.RingSpec{Users: []string{"Alice"}, Clients: net("10.1.0.0/16")}),
		ring("user", policy.RingSpec{Users: []string{"alice", "佐藤"}}),
		ring("group", policy.RingSpec{Groups: []string{"IT", "dev"}}),
		ring("net6", policy.RingSpec{Clients: net("fd00:1::/32")}),
		ring("half", policy.RingSpec{Percent: 50, Clients: net("10.5.0.0/16")}),
		ring("rest", policy.RingSpec{}),
	}
	p := compile(t, spec)
	tests := []struct {
		name    string
		subject policy.Subject
		want    string
	}{
		{"and-between-kinds", policy.Subject{Client: netip.MustParseAddr("10.1.0.1"), User: "alice"}, "user-from-net"},
		{"case-does-not-matter", policy.Subject{Client: netip.MustParseAddr("10.1.0.1"), User: "ALICE"}, "user-from-net"},
		{"user-from-elsewhere", policy.Subject{Client: netip.MustParseAddr("10.2.0.1"), User: "alice"}, "user"},
		{"japanese-user", policy.Subject{Client: netip.MustParseAddr("10.2.0.1"), User: "佐藤"}, "user"},
		{"or-inside-a-kind", policy.Subject{User: "bob", Groups: []string{"sales", "it"}}, "group"},
		{"groups-without-user-do-not-count", policy.Subject{Groups: []string{"it"}}, "rest"},
		{"unidentified", policy.Subject{Client: netip.MustParseAddr("10.1.0.1")}, "rest"},
		{"v6-with-zone", policy.Subject{Client: netip.MustParseAddr("fd00:1::5%eth0")}, "net6"},
		{"nothing-known", policy.Subject{}, "rest"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := p.Decide(policy.Ask{Subject: test.subject, Authority: endpoint.Authority{Host: "login.microsoftonline.com", Port: 443}})
			if d.Ring != test.want {
				t.Errorf("ring %q, want %q", d.Ring, test.want)
			}
		})
	}
}

func TestPercentageIsStableGrowsAndIsFair(t *testing.T) {
	in := func(percent int) map[string]bool {
		spec := base()
		spec.Rings = []policy.RingSpec{
			{Name: "some", Profile: at(1, "staff"), Percent: percent},
			{Name: "rest", Profile: at(1, "staff"), Mode: policy.Report},
		}
		p := compile(t, spec)
		out := map[string]bool{}
		a := netip.MustParseAddr("10.1.0.0")
		for range 4000 {
			a = a.Next()
			if ask(p, a.String(), "login.microsoftonline.com:443").Ring == "some" {
				out[a.String()] = true
			}
		}
		return out
	}
	ten, twenty, all := in(10), in(20), in(100)
	if len(ten) < 320 || len(ten) > 480 || len(twenty) < 680 || len(twenty) > 920 || len(all) != 4000 {
		t.Errorf("of 4000 clients 10%% are %d, 20%% are %d, 100%% are %d", len(ten), len(twenty), len(all))
	}
	for a := range ten {
		if !twenty[a] {
			t.Errorf("%s was in the tenth and is not in the fifth", a)
		}
	}
	// The user decides where there is one, so that a person keeps the ring on every machine.
	spec := base()
	spec.Rings = []policy.RingSpec{{Name: "some", Profile: at(1, "staff"), Percent: 50}, {Name: "rest", Profile: at(1, "staff")}}
	p := compile(t, spec)
	first := ""
	for _, client := range []string{"10.1.0.1", "10.1.0.2", "10.77.0.9", "fd00::1"} {
		s := from(client)
		s.User = "alice"
		d := p.Decide(policy.Ask{Subject: s, Authority: endpoint.Authority{Host: "login.microsoftonline.com", Port: 443}})
		if first == "" {
			first = d.Ring
		}
		if d.Ring != first {
			t.Errorf("alice changes from %q to %q at %s", first, d.Ring, client)
		}
	}
}
