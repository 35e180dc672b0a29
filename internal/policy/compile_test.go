package policy_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/message"
	"sekisho/internal/policy"
)

func prefixes(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func TestTheExamplePolicyIsClean(t *testing.T) {
	_, found := policy.Compile(base(), catalog.Builtin())
	if bad := found.Of(finding.Error); len(bad) > 0 {
		t.Errorf("errors: %+v", bad)
	}
	for _, f := range found.Of(finding.Warning) {
		t.Errorf("warning: %+v", f)
	}
}

func TestFindings(t *testing.T) {
	host := func(text string, change ...func(*policy.HostSpec)) func(*policy.Spec) {
		return func(s *policy.Spec) {
			h := policy.HostSpec{Pattern: at(14, text)}
			for _, c := range change {
				c(&h)
			}
			s.Hosts = append(s.Hosts, h)
		}
	}
	inspect := func(h *policy.HostSpec) { h.Inspect = true }
	aliasOf := func(text string, nets ...string) func(*policy.Spec) {
		return func(s *policy.Spec) {
			s.Aliases = []policy.AliasSpec{{Pattern: at(21, text), Clients: prefixes(nets...)}}
		}
	}
	ring := func(i int, change func(*policy.RingSpec)) func(*policy.Spec) {
		return func(s *policy.Spec) { change(&s.Rings[i]) }
	}
	direct := func(text string) func(*policy.Spec) {
		return func(s *policy.Spec) { s.PACDirect = []policy.At{at(51, text)} }
	}
	noSNI := func(text string) func(*policy.Spec) {
		return func(s *policy.Spec) { s.TunnelWithoutSNI = []policy.At{at(52, text)} }
	}
	tests := []struct {
		name     string
		change   func(*policy.Spec)
		code     string
		severity finding.Severity
		says     []string // in the arguments or the place
	}{
		{"no-features", func(s *policy.Spec) { s.Features, s.Hosts = nil, nil }, "policy.nothing-allowed", finding.Warning, nil},
		{"unknown-feature", func(s *policy.Spec) { s.Features[0].Text = "entra.signin" }, "policy.unknown-feature", finding.Error, []string{"sekisho.yaml:3:5", "entra.sign-in"}},
		{"feature-twice", func(s *policy.Spec) { s.Features = append(s.Features, at(6, "entra.sign-in")) }, "policy.feature-repeated", finding.Warning, []string{"sekisho.yaml:6:5", "sekisho.yaml:3:5"}},
		{"own-host-is-a-sign-in-host", host("login.microsoftonline.com"), "policy.host-sign-in", finding.Error, []string{"sekisho.yaml:14:5"}},
		{"own-wildcard-covers-a-sign-in-host", host("*.microsoftonline.com"), "policy.host-sign-in", finding.Error, nil},
		{"own-wildcard-covers-everything", host("*.com"), "policy.host-sign-in", finding.Error, nil},
		{"own-glued-wildcard-covers-a-sign-in-host", host("*ogin.live.com"), "policy.host-sign-in", finding.Error, []string{"login.live.com"}},
		{"own-inside-wildcard-covers-a-sign-in-host", host("login.*.com"), "policy.host-sign-in", finding.Error, nil},
		{"own-host-is-an-alias", host("sts.windows.net"), "policy.host-sign-in", finding.Error, []string{"sign-in-alias"}},
		{"own-wildcard-covers-an-alias", host("*.windows.net"), "policy.host-sign-in", finding.Error, nil},
		{"own-wildcard-within-an-alias-wildcard", host("*.japaneast.login.microsoft.com"), "policy.host-sign-in", finding.Error, []string{"*.login.microsoft.com"}},
		{"own-host-beneath-a-sign-in-host", host("x.login.microsoftonline.com"), "policy.host-sign-in", finding.Error, nil},
		{"own-host-of-another-cloud", host("login.partner.microsoftonline.cn"), "policy.host-sign-in", finding.Error, []string{"other-cloud"}},
		{"own-host-is-retired", host("accounts.accesscontrol.windows.net"), "policy.host-sign-in", finding.Error, []string{"retired"}},
		{"own-host-twice", host("*.example.com"), "policy.host-repeated", finding.Error, []string{"sekisho.yaml:10:5"}},
		{"own-host-is-no-pattern", host("exa mple.com"), "endpoint.space", finding.Error, []string{"sekisho.yaml:14:5"}},
		{"own-host-is-an-address", host("10.0.0.1"), "endpoint.address", finding.Error, nil},
		{"own-host-without-tcp", host("ntp.example.net", func(h *policy.HostSpec) { h.Ports = endpoint.MustPorts("udp/123") }), "policy.host-no-tcp", finding.Error, nil},
		{"own-host-with-port-80", host("web.example.net", func(h *policy.HostSpec) { h.Ports = endpoint.MustPorts("tcp/80,443") }), "policy.host-port-80", finding.Warning, nil},
		{"inspect-intune", host("manage.microsoft.com", inspect), "policy.inspect-forbidden", finding.Error, []string{"sekisho.yaml:14:5", "https://"}},
		{"inspect-device-login", host("device.login.microsoftonline.com", inspect), "policy.inspect-forbidden", finding.Error, nil},
		{"inspect-below-intune", host("x.manage.microsoft.com", inspect), "policy.inspect-forbidden", finding.Error, nil},
		{"inspect-wildcard-over-intune", host("*.manage.microsoft.com", inspect), "policy.inspect-forbidden", finding.Error, nil},
		{"inspect-wildcard-that-covers-forbidden-hosts", host("*.attest.azure.net", inspect), "policy.inspect-forbidden", finding.Error, []string{"attest.azure.net"}},
		{"inspect-glued-wildcard-over-intune", host("*manage.microsoft.com", inspect), "policy.inspect-forbidden", finding.Error, nil},
		{"alias-is-a-sign-in-host", aliasOf("login.windows.net", "10.0.0.0/8"), "policy.alias-sign-in", finding.Error, nil},
		{"alias-wildcard-over-a-sign-in-host", aliasOf("*.windows.net", "10.0.0.0/8"), "policy.alias-sign-in", finding.Error, nil},
		{"alias-is-retired", aliasOf("accounts.accesscontrol.windows.net", "10.0.0.0/8"), "policy.alias-retired", finding.Error, nil},
		{"alias-is-an-ordinary-host", aliasOf("www.example.com", "10.0.0.0/8"), "policy.alias-unknown", finding.Error, nil},
		{"alias-without-network", aliasOf("sts.windows.net"), "policy.alias-no-network", finding.Error, nil},
		{"alias-for-everybody", aliasOf("sts.windows.net", "0.0.0.0/0"), "policy.alias-everyone", finding.Warning, nil},
		{"ring-without-profile", ring(0, func(r *policy.RingSpec) { r.Profile = policy.At{} }), "policy.ring-no-profile", finding.Error, []string{"pilot"}},
		{"ring-with-unknown-profile", ring(0, func(r *policy.RingSpec) { r.Profile.Text = "stuff" }), "policy.unknown-profile", finding.Error, []string{"sekisho.yaml:31:5", "staff"}},
		{"ring-percent", ring(0, func(r *policy.RingSpec) { r.Percent = 101 }), "policy.ring-percent", finding.Error, []string{"101"}},
		{"ring-percent-negative", ring(0, func(r *policy.RingSpec) { r.Percent = -1 }), "policy.ring-percent", finding.Error, nil},
		{"ring-mode", ring(0, func(r *policy.RingSpec) { r.Mode = 7 }), "policy.ring-mode", finding.Error, nil},
		{"ring-name", ring(0, func(r *policy.RingSpec) { r.Name = "" }), "policy.ring-name", finding.Error, nil},
		{"ring-twice", ring(1, func(r *policy.RingSpec) { r.Name = "pilot" }), "policy.ring-repeated", finding.Error, []string{"sekisho.yaml:30:5"}},
		{"ring-with-empty-user", ring(0, func(r *policy.RingSpec) { r.Users = []string{""} }), "policy.ring-empty-name", finding.Error, nil},
		{"ring-with-no-prefix", ring(0, func(r *policy.RingSpec) { r.Clients = []netip.Prefix{{}} }), "policy.prefix", finding.Error, nil},
		{"ring-unreachable", ring(1, func(r *policy.RingSpec) { r.Clients = prefixes("10.1.5.0/24", "10.1.6.0/24") }), "policy.ring-unreachable", finding.Warning, []string{"labs", "pilot"}},
		{"everybody-first", ring(0, func(r *policy.RingSpec) { r.Clients = nil }), "policy.ring-unreachable", finding.Warning, []string{"everyone"}},
		{"no-last-ring", func(s *policy.Spec) { s.Rings = s.Rings[:2] }, "policy.no-last-ring", finding.Warning, []string{"labs"}},
		{"no-rings", func(s *policy.Spec) { s.Rings = nil }, "policy.no-rings", finding.Warning, nil},
		{"profile-unused", func(s *policy.Spec) { s.Profiles = append(s.Profiles, staffV2()) }, "policy.profile-unused", finding.Warning, []string{"staff-v2", "sekisho.yaml:70:5"}},
		{"profile-twice", func(s *policy.Spec) { s.Profiles = append(s.Profiles, staff()) }, "policy.profile-repeated", finding.Error, nil},
		{"both-versions-for-the-same-people", func(s *policy.Spec) {
			s.Profiles = append(s.Profiles, staffV2())
			s.Rings = append(s.Rings, policy.RingSpec{Name: "v2", Pos: place(45), Profile: at(46, "staff-v2")})
		}, "policy.both-versions", finding.Error, []string{"sekisho.yaml:45:5", "sekisho.yaml:40:5"}},
		{"placeholder-tenant", func(s *policy.Spec) {
			s.Profiles[0].Context = at(63, "456ff232-35l2-5h23-b3b3-3236w0826f3d")
		}, "", finding.Error, nil},
		{"wildcard-tenant", func(s *policy.Spec) { s.Profiles[0].Permitted[0] = at(61, "*") }, "", finding.Error, nil},
		{"context-not-an-id", func(s *policy.Spec) { s.Profiles[0].Context = at(63, "contoso.com") }, "", finding.Error, nil},
		{"pac-direct-for-a-sign-in-host", direct("login.microsoftonline.com"), "policy.pac-direct-sign-in", finding.Error, []string{"sekisho.yaml:51:5"}},
		{"pac-direct-wildcard-over-a-sign-in-host", direct("*.microsoftonline.com"), "policy.pac-direct-sign-in", finding.Error, nil},
		{"pac-direct-for-an-alias", direct("sts.windows.net"), "policy.pac-direct-sign-in", finding.Error, nil},
		{"pac-direct-beneath-a-sign-in-host", direct("device.login.microsoftonline.com"), "policy.pac-direct-beneath", finding.Error, nil},
		{"no-sni-for-a-sign-in-host", noSNI("login.microsoftonline.com"), "policy.no-sni-sign-in", finding.Error, nil},
		{"no-sni-wildcard-over-a-sign-in-host", noSNI("*.live.com"), "policy.no-sni-sign-in", finding.Error, nil},
		{"dial-everything", func(s *policy.Spec) { s.DialAllowed = prefixes("0.0.0.0/0") }, "policy.dial-allowed-everything", finding.Error, nil},
		{"dial-metadata", func(s *policy.Spec) {
			s.DialAllowed, s.DialAllowedPos = prefixes("169.254.0.0/16"), []finding.Pos{place(53)}
		}, "policy.dial-allowed-sensitive", finding.Warning, []string{"sekisho.yaml:53:5"}},
		{"consumer-host-denied", func(s *policy.Spec) { s.Features = []policy.At{at(3, "no-such-feature")} }, "policy.unknown-feature", finding.Error, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			spec := base()
			test.change(&spec)
			p, found := policy.Compile(spec, catalog.Builtin())
			if test.severity == finding.Error && p != nil {
				t.Error("the policy compiles")
			}
			if test.severity != finding.Error && p == nil {
				t.Errorf("the policy does not compile: %+v", found.Of(finding.Error))
			}
			if test.code != "" && !has(found, test.code, test.severity, test.says...) {
				t.Errorf("no %v %s saying %q in\n%+v", test.severity, test.code, test.says, found)
			}
			for _, f := range found {
				for _, lang := range message.Languages() {
					text := message.New(lang).Finding(f)
					if strings.Contains(text, f.Code) || strings.Contains(text, "<no value>") {
						t.Errorf("%s: %q", lang, text)
					}
				}
			}
		})
	}
}

func TestEveryProblemIsReportedInOneRun(t *testing.T) {
	spec := base()
	spec.Features[0].Text = "entra.signin"
	spec.Hosts = append(spec.Hosts, policy.HostSpec{Pattern: at(14, "login.live.com")})
	spec.Rings[0].Percent = 400
	spec.PACDirect = []policy.At{at(51, "login.windows.net")}
	_, found := policy.Compile(spec, catalog.Builtin())
	var lines []int
	for _, f := range found.Of(finding.Error) {
		lines = append(lines, f.Pos.Line)
	}
	if !slices.Equal(lines, []int{3, 14, 30, 51}) {
		t.Errorf("errors at lines %v: %+v", lines, found)
	}
}

func TestRequiredHostsThatAClassBlocksAreReported(t *testing.T) {
	_, found := policy.Compile(base(), catalog.Builtin())
	for _, host := range []string{"logincert.microsoftonline.com", "login-us.microsoftonline.com", "ccs.login.microsoftonline.com"} {
		if !has(found, "policy.required-host-blocked", finding.Info, host, "sign-in-alias", "m365-list/worldwide/56") {
			t.Errorf("%s is not reported", host)
		}
	}
	if !has(found, "policy.wildcard-narrowed", finding.Info, "*.microsoftonline.com", "login-us.microsoftonline.com") {
		t.Error("the wildcard of set 59 is not reported")
	}
	spec := base()
	spec.Aliases = []policy.AliasSpec{{Pattern: at(21, "logincert.microsoftonline.com"), Clients: prefixes("10.0.0.0/8")}}
	_, found = policy.Compile(spec, catalog.Builtin())
	if has(found, "policy.required-host-blocked", finding.Info, "logincert.microsoftonline.com") {
		t.Error("a host that is open to a network is reported as blocked")
	}
}

func TestRingsMayMovePeopleFromOneVersionToTheOther(t *testing.T) {
	spec := base()
	spec.Profiles = append(spec.Profiles, staffV2())
	spec.Rings[0].Profile = at(31, "staff-v2")
	if p, found := policy.Compile(spec, catalog.Builtin()); p == nil {
		t.Errorf("%+v", found.Of(finding.Error))
	}
}

func TestSplitPrefixesAreOfOneFamily(t *testing.T) {
	spec := base()
	spec.Rings[0].Clients = []netip.Prefix{netip.MustParsePrefix("::ffff:10.1.0.0/112")}
	if d := ask(compile(t, spec), "10.1.0.9", "login.microsoftonline.com:443"); d.Ring != "pilot" {
		t.Errorf("a mapped prefix does not match: ring %q", d.Ring)
	}
}

func TestHash(t *testing.T) {
	hash := func(change func(*policy.Spec)) string {
		spec := base()
		if change != nil {
			change(&spec)
		}
		h := compile(t, spec).Hash()
		if len(h) != 16 {
			t.Fatalf("hash %q", h)
		}
		return h
	}
	same := hash(nil)
	if hash(func(s *policy.Spec) { s.Rings[0].Pos = place(99); s.Features[0].Pos = place(98) }) != same {
		t.Error("the hash depends on the place in the file")
	}
	changes := map[string]func(*policy.Spec){
		"feature":      func(s *policy.Spec) { s.Features = s.Features[:2] },
		"host":         func(s *policy.Spec) { s.Hosts[0].Pattern.Text = "*.example.jp" },
		"plain":        func(s *policy.Spec) { s.Hosts[0].Plain = true },
		"ports":        func(s *policy.Spec) { s.Hosts[0].Ports = endpoint.MustPorts("tcp/444") },
		"alias":        func(s *policy.Spec) { s.Aliases[0].Clients = prefixes("10.8.0.0/16") },
		"ring-mode":    func(s *policy.Spec) { s.Rings[0].Mode = policy.Report },
		"ring-users":   func(s *policy.Spec) { s.Rings[0].Users = []string{"a", "b"} },
		"ring-users-2": func(s *policy.Spec) { s.Rings[0].Users = []string{"a b"} },
		"ring-order":   func(s *policy.Spec) { s.Rings[0], s.Rings[1] = s.Rings[1], s.Rings[0] },
		"tenant":       func(s *policy.Spec) { s.Profiles[0].Permitted = s.Profiles[0].Permitted[1:] },
		"consumers":    func(s *policy.Spec) { s.Profiles[0].BlockConsumers = false },
		"direct":       func(s *policy.Spec) { s.PACDirect = []policy.At{at(1, "a.example.com")} },
		"dial":         func(s *policy.Spec) { s.DialAllowed = prefixes("10.0.0.0/8") },
		"no-sni":       func(s *policy.Spec) { s.TunnelWithoutSNI = []policy.At{at(1, "a.example.com")} },
	}
	seen := map[string]string{same: "the base"}
	for name, change := range changes {
		h := hash(change)
		if other, ok := seen[h]; ok {
			t.Errorf("%s has the hash of %s", name, other)
		}
		seen[h] = name
	}
}

func TestAccessors(t *testing.T) {
	spec := base()
	spec.PACDirect = []policy.At{at(51, "intranet.example.com"), at(52, "intranet.example.com")}
	p := compile(t, spec)
	if got := p.PACDirect(); len(got) != 1 || got[0].String() != "intranet.example.com" {
		t.Errorf("direct %v", got)
	}
	if !slices.Contains(p.Features(), "intune.authentication") {
		t.Errorf("a feature that comes along is missing: %v", p.Features())
	}
	if p.CatalogVersion() != catalog.Builtin().Version() || len(p.Profiles()) != 1 {
		t.Error("catalog version or profiles")
	}
	rings := p.Rings()
	if len(rings) != 3 || rings[0].Name != "pilot" || rings[2].Mode != policy.Report || !rings[2].CatchAll() || rings[0].CatchAll() {
		t.Errorf("rings %+v", rings)
	}
	rules := p.AllowedPatterns()
	if rules[0].Text != "hosts[0]" || rules[len(rules)-1].Text != "aliases[0]" {
		t.Errorf("first rule %v, last rule %v", rules[0], rules[len(rules)-1])
	}
	for _, r := range rules {
		if r.Pattern.IsZero() || len(r.Ports) == 0 || !r.Pos.Known() {
			t.Errorf("rule without pattern, ports or place: %+v", r)
		}
	}
	var none *policy.Program
	if none.Hash() != "" || none.Rings() != nil || none.Residual() != nil || none.Features() != nil || none.AllowedPatterns() != nil {
		t.Error("a nil program answers")
	}
}

func TestResidual(t *testing.T) {
	list := compile(t, base()).Residual()
	for _, code := range []string{"policy.prerequisite-modern-authentication", "policy.prerequisite-licence", "policy.prerequisite-force-proxy",
		"policy.prerequisite-root", "policy.prerequisite-block-udp", "policy.residual-device-login", "policy.residual-ech",
		"policy.residual-replayed-token", "policy.residual-off-network", "policy.residual-legacy-authentication", "policy.residual-anonymous-links",
		"policy.residual-aliases"} {
		if !has(list, code, finding.Info) {
			t.Errorf("no %s", code)
		}
	}
	for _, f := range list {
		if f.Severity != finding.Info {
			t.Errorf("%s is %v", f.Code, f.Severity)
		}
		for _, lang := range message.Languages() {
			if message.New(lang).Hint(f) == "" {
				t.Errorf("%s: %s does not say what closes it", lang, f.Code)
			}
		}
	}
	if has(list, "policy.residual-no-ring", finding.Info) || !has(list, "policy.residual-ring", finding.Info, "labs") {
		t.Error("rings")
	}
}

func TestNilCatalog(t *testing.T) {
	if p, found := policy.Compile(base(), nil); p != nil || !found.HasErrors() {
		t.Error("compiles without a catalog")
	}
}

// TestDenyingTheConsumerHostNamesItsConsequences: login.live.com stays closed when no feature in use names it.
func TestDenyingTheConsumerHostNamesItsConsequences(t *testing.T) {
	if _, found := policy.Compile(base(), catalog.Builtin()); has(found, "policy.consumer-host-denied", finding.Warning) {
		t.Error("warned although the host is open")
	}
	spec := base()
	spec.Features = nil
	_, found := policy.Compile(spec, catalog.Builtin())
	if !has(found, "policy.consumer-host-denied", finding.Warning, "login.live.com") {
		t.Fatalf("no warning: %+v", found)
	}
	for _, f := range found {
		if f.Code != "policy.consumer-host-denied" {
			continue
		}
		for _, lang := range message.Languages() {
			text := message.New(lang).Finding(f)
			for _, consequence := range []string{"B2B", "Autopilot", "Windows Update"} {
				if !strings.Contains(text, consequence) {
					t.Errorf("%s: %q lacks %q", lang, text, consequence)
				}
			}
		}
	}
}
