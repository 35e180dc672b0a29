package catalog_test

import (
	"testing"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
)

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		rule, host string
		want       catalog.Class
	}{
		{"sign-in-is-three-exact-names", "login.microsoftonline.com", catalog.SignIn},
		{"sign-in-is-three-exact-names", "login.microsoft.com", catalog.SignIn},
		{"sign-in-is-three-exact-names", "login.windows.net", catalog.SignIn},
		{"consumer-sign-in-is-one-name", "login.live.com", catalog.SignInConsumer},
		{"consumer-sign-in-is-one-name", "account.live.com", catalog.Ordinary},
		{"never-inspected-is-not-swallowed-by-the-alias-wildcard", "device.login.microsoftonline.com", catalog.Ordinary},
		{"never-inspected-is-not-swallowed-by-the-alias-wildcard", "certauth.login.microsoftonline.com", catalog.Ordinary},
		{"never-inspected-is-not-swallowed-by-the-alias-wildcard", "t11111111-2222-3333-4444-555555555555.certauth.login.microsoftonline.com", catalog.Ordinary},
		{"enterprise-registration-is-ordinary", "enterpriseregistration.windows.net", catalog.Ordinary},
		{"msal-alias", "sts.windows.net", catalog.SignInAlias},
		{"regional-alias", "japaneast.login.microsoft.com", catalog.SignInAlias},
		{"regional-alias", "westus2.r.login.microsoftonline.com", catalog.SignInAlias},
		{"listed-alias", "login-us.microsoftonline.com", catalog.SignInAlias},
		{"listed-alias", "login.microsoftonline-p.com", catalog.SignInAlias},
		{"listed-alias", "loginex.microsoftonline.com", catalog.SignInAlias},
		{"listed-alias", "logincert.microsoftonline.com", catalog.SignInAlias},
		{"listed-alias", "ccs.login.microsoftonline.com", catalog.SignInAlias},
		{"unknown-child-of-a-sign-in-host-is-an-alias", "foo.login.microsoftonline.com", catalog.SignInAlias},
		{"unknown-child-of-a-sign-in-host-is-an-alias", "x.device.login.microsoftonline.com", catalog.SignInAlias},
		{"unknown-child-of-a-sign-in-host-is-an-alias", "a.b.login.windows.net", catalog.SignInAlias},
		{"unknown-child-of-a-sign-in-host-is-an-alias", "msa.login.live.com", catalog.SignInAlias},
		{"unknown-child-of-a-sign-in-host-is-an-alias", "x.sts.windows.net", catalog.SignInAlias},
		{"lookalike-is-ordinary", "evillogin.microsoftonline.com", catalog.Ordinary},
		{"lookalike-is-ordinary", "login.microsoftonline.com.example.com", catalog.Ordinary},
		{"feature-wildcard-gives-no-class", "portal.microsoftonline.com", catalog.Ordinary},
		{"other-cloud", "login.microsoftonline.us", catalog.OtherCloud},
		{"other-cloud", "usgovvirginia.login.microsoftonline.us", catalog.OtherCloud},
		{"other-cloud-even-where-it-asks-for-a-certificate", "certauth.login.microsoftonline.us", catalog.OtherCloud},
		{"other-cloud", "login.usgovcloudapi.net", catalog.OtherCloud},
		{"other-cloud", "login.partner.microsoftonline.cn", catalog.OtherCloud},
		{"other-cloud", "login.chinacloudapi.cn", catalog.OtherCloud},
		{"other-cloud", "chinaeast2.login.chinacloudapi.cn", catalog.OtherCloud},
		{"other-cloud", "login.microsoftonline.de", catalog.OtherCloud},
		{"other-cloud", "login.sovcloud-identity.fr", catalog.OtherCloud},
		{"other-cloud", "login.sovcloud-identity.de", catalog.OtherCloud},
		{"other-cloud", "login.sovcloud-identity.sg", catalog.OtherCloud},
		{"other-cloud", "x.login.sovcloud-identity.sg", catalog.OtherCloud},
		{"retired", "accounts.accesscontrol.windows.net", catalog.Retired},
		{"graph-is-ordinary", "graph.microsoft.com", catalog.Ordinary},
		{"zero-host-is-ordinary", "", catalog.Ordinary},
	} {
		t.Run(c.rule+"/"+c.host, func(t *testing.T) {
			got := catalog.Builtin().Classify(endpoint.Host(c.host))
			if got.Class != c.want {
				t.Fatalf("%s is %s by %s, want %s", c.host, got.Class, got.Pattern, c.want)
			}
			if got.Class != catalog.Ordinary && (got.Source == nil || got.Why.IsZero() || !got.Pattern.Match(endpoint.Host(c.host))) {
				t.Errorf("the answer does not say why: %+v", got)
			}
		})
	}
}

// Two answers to one question must not differ: whoever reads Classes in order, as the PAC does, gets what Classify says.
func TestFirstMatchInClassesIsClassify(t *testing.T) {
	s := catalog.Builtin()
	classes := s.Classes()
	if len(classes) < 30 {
		t.Fatalf("only %d classes", len(classes))
	}
	for _, c := range classes {
		h := endpoint.MustHost(replaceStar(c.Pattern.String()))
		var first catalog.Classification
		for _, d := range classes {
			if d.Pattern.Match(h) {
				first = d
				break
			}
		}
		if got := s.Classify(h); got != first {
			t.Errorf("%s: Classify says %s, the list %s", h, got.Pattern, first.Pattern)
		}
	}
}

func TestSignInHostsArePublished(t *testing.T) {
	for _, c := range catalog.Builtin().Classes() {
		if c.Class != catalog.SignIn && c.Class != catalog.SignInConsumer {
			continue
		}
		if c.Pattern.Kind() != endpoint.Exact {
			t.Errorf("%s is no exact name", c.Pattern)
		}
		h, _ := c.Pattern.Host()
		if len(catalog.Builtin().AppendHits(nil, h)) == 0 {
			t.Errorf("no set covers %s", h)
		}
	}
}

// replaceStar turns a pattern into a host that it matches.
func replaceStar(pattern string) string {
	out := ""
	for _, r := range pattern {
		if r == '*' {
			out += "sample"
		} else {
			out += string(r)
		}
	}
	return out
}

func mustHost(s string) endpoint.Host { return endpoint.MustHost(s) }
