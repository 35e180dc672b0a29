package policy_test

import (
	"net/netip"
	"testing"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/policy"
	"sekisho/internal/restrict"
)

func TestDecide(t *testing.T) {
	p := compile(t, base())
	tests := []struct {
		name      string
		client    string
		authority string
		plain     bool
		action    policy.Action
		reason    policy.Reason
	}{
		{"sign-in-host-is-intercepted", enforced, "login.microsoftonline.com:443", false, policy.Intercept, policy.ReasonSignIn},
		{"second-sign-in-host", enforced, "login.microsoft.com:443", false, policy.Intercept, policy.ReasonSignIn},
		{"third-sign-in-host", enforced, "login.windows.net:443", false, policy.Intercept, policy.ReasonSignIn},
		{"consumer-sign-in-host", enforced, "login.live.com:443", false, policy.Intercept, policy.ReasonSignIn},
		{"sign-in-host-in-other-case-and-with-dot", enforced, "LOGIN.MicrosoftOnline.com.:443", false, policy.Intercept, policy.ReasonSignIn},
		{"report-intercepts-too", reported, "login.microsoftonline.com:443", false, policy.Intercept, policy.ReasonSignIn},
		{"off-tunnels", off, "login.microsoftonline.com:443", false, policy.Tunnel, policy.ReasonSignIn},
		{"plain-sign-in-is-forwarded-with-the-plan", enforced, "login.microsoftonline.com:80", true, policy.Forward, policy.ReasonSignIn},
		{"plain-sign-in-when-off", off, "login.microsoftonline.com:80", true, policy.Forward, policy.ReasonSignIn},
		{"sign-in-on-another-port", enforced, "login.microsoftonline.com:8443", false, policy.Refuse, policy.ReasonPort},
		{"connect-to-port-80-of-a-sign-in-host", enforced, "login.microsoftonline.com:80", false, policy.Refuse, policy.ReasonPort},
		{"plain-sign-in-on-port-443", enforced, "login.microsoftonline.com:443", true, policy.Refuse, policy.ReasonPort},
		{"device-login-is-tunnelled", enforced, "device.login.microsoftonline.com:443", false, policy.Tunnel, policy.ReasonFeature},
		{"device-registration-is-tunnelled", enforced, "enterpriseregistration.windows.net:443", false, policy.Tunnel, policy.ReasonFeature},
		{"intune-is-tunnelled", enforced, "manage.microsoft.com:443", false, policy.Tunnel, policy.ReasonFeature},
		{"intune-below", enforced, "fef.msua01.manage.microsoft.com:443", false, policy.Tunnel, policy.ReasonFeature},
		{"feature-wildcard-opens-ordinary-hosts", enforced, "passwordreset.microsoftonline.com:443", false, policy.Tunnel, policy.ReasonFeature},
		{"alias-of-set-56", enforced, "logincert.microsoftonline.com:443", false, policy.Refuse, policy.ReasonAlias},
		{"alias-of-set-59-wildcard", enforced, "login-us.microsoftonline.com:443", false, policy.Refuse, policy.ReasonAlias},
		{"unknown-name-beneath-a-sign-in-host", enforced, "x.login.microsoftonline.com:443", false, policy.Refuse, policy.ReasonAlias},
		{"regional-alias", enforced, "westeurope.r.login.microsoftonline.com:443", false, policy.Refuse, policy.ReasonAlias},
		{"sts", enforced, "sts.windows.net:443", false, policy.Refuse, policy.ReasonAlias},
		{"other-cloud", enforced, "login.microsoftonline.us:443", false, policy.Refuse, policy.ReasonOtherCloud},
		{"other-cloud-china", enforced, "login.partner.microsoftonline.cn:443", false, policy.Refuse, policy.ReasonOtherCloud},
		{"retired", enforced, "accounts.accesscontrol.windows.net:443", false, policy.Refuse, policy.ReasonRetired},
		{"aliases-stay-closed-when-off", off, "sts.windows.net:443", false, policy.Refuse, policy.ReasonAlias},
		{"alias-open-to-its-network", "10.9.0.7", "japaneast.login.microsoft.com:443", false, policy.Tunnel, policy.ReasonAliasAllowed},
		{"alias-network-as-mapped-address", "::ffff:10.9.0.7", "japaneast.login.microsoft.com:443", false, policy.Tunnel, policy.ReasonAliasAllowed},
		{"alias-closed-to-others", "10.9.1.7", "japaneast.login.microsoft.com:443", false, policy.Refuse, policy.ReasonAlias},
		{"alias-over-plain-http", "10.9.0.7", "japaneast.login.microsoft.com:80", true, policy.Refuse, policy.ReasonPlain},
		{"alias-on-another-port", "10.9.0.7", "japaneast.login.microsoft.com:8443", false, policy.Refuse, policy.ReasonPort},
		{"own-host", enforced, "pay.example.com:443", false, policy.Tunnel, policy.ReasonOwnHost},
		{"own-wildcard-does-not-match-apex", enforced, "example.com:443", false, policy.Refuse, policy.ReasonNotAllowed},
		{"own-host-is-not-plain-by-default", enforced, "pay.example.com:80", true, policy.Refuse, policy.ReasonPlain},
		{"own-host-plain", enforced, "legacy.example.net:80", true, policy.Forward, policy.ReasonOwnHost},
		{"own-host-plain-on-another-port", enforced, "legacy.example.net:8080", true, policy.Refuse, policy.ReasonPort},
		{"own-host-plain-still-takes-tls", enforced, "legacy.example.net:443", false, policy.Tunnel, policy.ReasonOwnHost},
		{"own-host-plain-does-not-open-connect-80", enforced, "legacy.example.net:80", false, policy.Refuse, policy.ReasonPort},
		{"own-host-inspected", enforced, "inspected.example.org:443", false, policy.Intercept, policy.ReasonOwnHost},
		{"own-host-on-its-port", enforced, "odd.example.org:8443", false, policy.Tunnel, policy.ReasonOwnHost},
		{"own-host-ports-replace-the-default", enforced, "odd.example.org:443", false, policy.Refuse, policy.ReasonPort},
		{"unknown-host", enforced, "www.example.jp:443", false, policy.Refuse, policy.ReasonNotAllowed},
		{"lookalike", enforced, "evillogin.microsoftonline.com.example.jp:443", false, policy.Refuse, policy.ReasonNotAllowed},
		{"public-address", enforced, "93.184.216.34:443", false, policy.Refuse, policy.ReasonLiteral},
		{"address-of-a-sign-in-host", enforced, "20.190.128.5:443", false, policy.Refuse, policy.ReasonSignInAddress},
		{"v6-address-of-a-sign-in-host", enforced, "[2603:1006:2000::5]:443", false, policy.Refuse, policy.ReasonSignInAddress},
		{"loopback", enforced, "127.0.0.1:443", false, policy.Refuse, policy.ReasonPrivate},
		{"metadata", enforced, "169.254.169.254:80", true, policy.Refuse, policy.ReasonMetadata},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			decide := ask
			if test.plain {
				decide = askPlain
			}
			d := decide(p, test.client, test.authority)
			if d.Action != test.action || d.Reason != test.reason {
				t.Fatalf("got %v %q (rule %v), want %v %q", d.Action, d.Reason, d.Rule, test.action, test.reason)
			}
			if (d.Verdict == policy.Permit) != (test.action != policy.Refuse) {
				t.Errorf("verdict %v with action %v", d.Verdict, d.Action)
			}
			if d.Rule.Text == "" {
				t.Error("the decision names no rule")
			}
			reads := d.Action == policy.Intercept || d.Action == policy.Forward
			if d.Plan.Ready() != reads {
				t.Errorf("plan ready %v with action %v", d.Plan.Ready(), d.Action)
			}
		})
	}
}

func TestEnforcePutsExactlyTheProfilesHeaders(t *testing.T) {
	p := compile(t, base())
	d := ask(p, enforced, "login.microsoftonline.com:443")
	want := "Restrict-Access-To-Tenants: contoso.com," + contosoID + "\nRestrict-Access-Context: " + contosoID
	if got := headers(d); got != want {
		t.Errorf("headers:\n%s\nwant:\n%s", got, want)
	}
	if d.Ring != "pilot" || d.Mode != policy.Enforce || d.Profile != "staff" || d.Would != "" {
		t.Errorf("ring %q, mode %v, profile %q, would %q", d.Ring, d.Mode, d.Profile, d.Would)
	}
	d = ask(p, enforced, "login.live.com:443")
	if got, want := headers(d), "sec-Restrict-Tenant-Access-Policy: restrict-msa"; got != want {
		t.Errorf("headers %q, want %q", got, want)
	}
	d = askPlain(p, enforced, "login.microsoftonline.com:80")
	if headers(d) != want {
		t.Errorf("plain HTTP has other headers: %q", headers(d))
	}
	for _, h := range []string{restrict.HeaderTenants, restrict.HeaderContext, restrict.HeaderPolicy} {
		if !d.Plan.Deletes(h) {
			t.Errorf("the plan does not delete %s", h)
		}
	}
}

func TestReportDeletesAndSetsNothing(t *testing.T) {
	p := compile(t, base())
	for _, host := range []string{"login.microsoftonline.com:443", "login.live.com:443"} {
		d := ask(p, reported, host)
		if headers(d) != "" || !d.Plan.Deletes(restrict.HeaderTenants) {
			t.Errorf("%s: sets %q, deletes %v", host, headers(d), d.Plan.Deletes(restrict.HeaderTenants))
		}
		if d.Would != policy.WouldUnknown || d.Ring != "everyone" || d.Profile != "staff" {
			t.Errorf("%s: would %q, ring %q, profile %q", host, d.Would, d.Ring, d.Profile)
		}
	}
}

func TestWould(t *testing.T) {
	spec := base()
	spec.Profiles = append(spec.Profiles, staffV2(), restrict.Spec{
		Name: "domains", Version: restrict.V1, Permitted: []restrict.At{at(1, "contoso.com")}, Context: at(1, contosoID),
	}, restrict.Spec{
		Name: "ids", Version: restrict.V1, Permitted: []restrict.At{at(1, contosoID)}, Context: at(1, contosoID),
	})
	ring := func(name, net, profile string) policy.RingSpec {
		return policy.RingSpec{Name: name, Mode: policy.Report, Profile: at(1, profile), Clients: []netip.Prefix{netip.MustParsePrefix(net)}}
	}
	spec.Rings = append([]policy.RingSpec{
		ring("v2", "10.20.0.0/16", "staff-v2"), ring("domains", "10.21.0.0/16", "domains"), ring("ids", "10.22.0.0/16", "ids"),
	}, spec.Rings...)
	p := compile(t, spec)
	const signIn, consumer = "login.microsoftonline.com:443", "login.live.com:443"
	tests := []struct {
		name, client, host, tenant string
		want                       policy.Reason
	}{
		{"permitted-domain", reported, signIn, "Contoso.com", ""},
		{"permitted-id", reported, signIn, contosoID, ""},
		{"foreign-domain", reported, signIn, "fabrikam.com", policy.WouldTenant},
		{"foreign-domain-where-domains-are-listed", "10.21.0.1", signIn, "fabrikam.com", policy.WouldTenant},
		{"foreign-id-where-ids-are-listed", "10.22.0.1", signIn, policyID, policy.WouldTenant},
		{"id-where-domains-are-listed", "10.21.0.1", signIn, policyID, policy.WouldUnknown},
		{"domain-where-ids-are-listed", "10.22.0.1", signIn, "fabrikam.com", policy.WouldUnknown},
		{"common", reported, signIn, "common", policy.WouldUnknown},
		{"organizations", reported, signIn, "organizations", policy.WouldUnknown},
		{"no-tenant", reported, signIn, "", policy.WouldUnknown},
		{"consumers-where-blocked", reported, signIn, "consumers", policy.WouldConsumer},
		{"consumers-where-not-blocked", "10.21.0.1", signIn, "consumers", policy.WouldUnknown},
		{"consumer-host-where-blocked", reported, consumer, "", policy.WouldConsumer},
		{"consumer-host-where-not-blocked", "10.21.0.1", consumer, "", ""},
		{"v2-own-tenant", "10.20.0.1", signIn, contosoID, ""},
		{"v2-other-tenant", "10.20.0.1", signIn, "fabrikam.com", policy.WouldUnknown},
		{"enforcing-ring", enforced, signIn, "fabrikam.com", ""},
		{"ring-that-is-off", off, signIn, "fabrikam.com", ""},
		{"ordinary-host", reported, "manage.microsoft.com:443", "fabrikam.com", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := p.Would(ask(p, test.client, test.host), test.tenant, nil); got != test.want {
				t.Errorf("would %q, want %q", got, test.want)
			}
		})
	}
}

func TestV2SendsItsPolicyToAllFourHosts(t *testing.T) {
	spec := base()
	spec.Profiles = []restrict.Spec{staffV2()}
	spec.Rings = []policy.RingSpec{{Name: "all", Profile: at(1, "staff-v2")}}
	p := compile(t, spec)
	want := "sec-Restrict-Tenant-Access-Policy: " + contosoID + ":" + policyID
	for _, host := range []string{"login.microsoftonline.com", "login.microsoft.com", "login.windows.net", "login.live.com"} {
		if got := headers(ask(p, enforced, host+":443")); got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
}

func TestNothingPermitsWithoutAPolicy(t *testing.T) {
	empty, findings := policy.Compile(policy.Spec{}, catalog.Builtin())
	if empty == nil {
		t.Fatalf("the empty policy does not compile: %v", findings)
	}
	for _, p := range []*policy.Program{nil, empty} {
		for _, host := range []string{"login.microsoftonline.com:443", "manage.microsoft.com:443", "www.example.com:443"} {
			if d := ask(p, enforced, host); d.Allowed() || d.Plan.Ready() {
				t.Errorf("%s is permitted", host)
			}
		}
	}
	var zero policy.Decision
	if zero.Allowed() || zero.Why() != policy.ReasonInternal || zero.Action != policy.Refuse {
		t.Error("the zero decision permits")
	}
	if d := empty.DecideAddr(zero, netip.MustParseAddr("93.184.216.34")); d.Allowed() {
		t.Error("an address makes a denial a permission")
	}
	if d := empty.DecideTLS(zero, policy.Hello{TLS: true}); d.Allowed() {
		t.Error("a hello makes a denial a permission")
	}
	if d := empty.DecideRequest(zero, ""); d.Allowed() {
		t.Error("a request makes a denial a permission")
	}
	if d := empty.Decide(policy.Ask{}); d.Reason != policy.ReasonBadHost {
		t.Errorf("a target without a name: %q", d.Reason)
	}
	half := policy.Decision{Verdict: policy.Permit}
	if d := empty.DecideTLS(half, policy.Hello{TLS: true}); d.Verdict != policy.Deny {
		t.Error("a permission without an action is not refused")
	}
}

func TestNoFeatureNoSignIn(t *testing.T) {
	spec := base()
	spec.Features = nil
	p := compile(t, spec)
	if d := ask(p, enforced, "login.microsoftonline.com:443"); d.Reason != policy.ReasonNotAllowed {
		t.Errorf("got %q", d.Reason)
	}
}

func TestRuleNamesItsPlace(t *testing.T) {
	p := compile(t, base())
	tests := []struct{ host, client, rule string }{
		{"login.microsoftonline.com", enforced, "sekisho.yaml:3:5 feature entra.sign-in"},
		{"pay.example.com", enforced, "sekisho.yaml:10:5 hosts[0]"},
		{"japaneast.login.microsoft.com", "10.9.0.1", "sekisho.yaml:20:5 aliases[0]"},
		{"sts.windows.net", enforced, "class sign-in-alias"},
		{"www.example.jp", enforced, "default deny"},
	}
	for _, test := range tests {
		d := ask(p, test.client, test.host+":443")
		if got := d.Rule.String(); got != test.rule {
			t.Errorf("%s: rule %q, want %q", test.host, got, test.rule)
		}
	}
	if d := ask(p, enforced, "login.microsoftonline.com:443"); d.Rule.Claim.Source == "" || d.Rule.Pattern.IsZero() {
		t.Errorf("no claim or pattern: %+v", d.Rule)
	}
	// A feature that came along is shown at the one that brought it.
	spec := base()
	spec.Features = []policy.At{at(7, "intune.core")}
	if d := ask(compile(t, spec), enforced, "login.microsoftonline.com:443"); d.Rule.Pos.Line != 7 {
		t.Errorf("rule %v", d.Rule)
	}
}

func TestNoRing(t *testing.T) {
	spec := base()
	spec.Rings = spec.Rings[:1]
	p := compile(t, spec)
	if d := ask(p, reported, "login.microsoftonline.com:443"); d.Reason != policy.ReasonNoRing || d.Allowed() {
		t.Errorf("got %v %q", d.Verdict, d.Reason)
	}
	if d := ask(p, reported, "manage.microsoft.com:443"); !d.Allowed() || d.Ring != "" {
		t.Errorf("an ordinary host needs no ring: %q in %q", d.Reason, d.Ring)
	}
}

func BenchmarkDecide(b *testing.B) {
	spec := base()
	for _, f := range catalog.Builtin().Features() {
		spec.Features = append(spec.Features, at(1, string(f.ID)))
	}
	p := compile(b, spec)
	for _, host := range []string{"login.microsoftonline.com", "fef.msua01.manage.microsoft.com", "sts.windows.net", "www.example.jp"} {
		b.Run(host, func(b *testing.B) {
			a := policy.Ask{Subject: policy.Subject{Client: netip.MustParseAddr(reported), User: "alice"},
				Authority: endpoint.Authority{Host: endpoint.Host(host), Port: 443}}
			b.ReportAllocs()
			for b.Loop() {
				if d := p.Decide(a); d.Rule.Text == "" {
					b.Fatal("no rule")
				}
			}
		})
	}
}
