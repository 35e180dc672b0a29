package lab

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

// Nobody but this machine reaches the lab: every listener stands on loopback.
func TestListensOnLoopbackAlone(t *testing.T) {
	t.Parallel()
	w := openWorld(t, Options{})
	for name, l := range map[string]net.Listener{
		"TLS": w.tls.listener, "plain": w.plain.listener, "proxy": w.proxy.listener, "resets": w.resets.listener, "stalls": w.stalls.listener,
	} {
		if at, err := netip.ParseAddrPort(l.Addr().String()); err != nil || !at.Addr().IsLoopback() {
			t.Errorf("%s listens at %s", name, l.Addr())
		}
	}
}

// Every page says that it is the lab, in whatever language and whatever it is about: nobody may take it for Microsoft's.
func TestEveryPageSaysThatItIsTheLab(t *testing.T) {
	t.Parallel()
	w := openWorld(t, Options{})
	c := browser(t, w)
	pages := 0
	for _, target := range []string{
		authorizeURL("contoso.com"), authorizeURL("common"), authorizeURL("no-such-tenant.example"), authorizeURL("contoso.com", "client_id", "x"),
		authorizeURL("contoso.com", "redirect_uri", "https://evil.example/"), signInHost + "/common/oauth2/deviceauth", signInHost + "/common/oauth2/v2.0/logout",
		signInHost + "/error?code=50011", signInHost + "/no-such-page", signInHost + "/contoso.com/v2.0/adminconsent?client_id=" + UnconsentedApplication,
		"https://login.live.com/oauth20_authorize.srf?client_id=" + PublicApplication + "&response_type=code&redirect_uri=http://localhost&scope=openid",
		"https://login.live.com/", "https://device.login.microsoftonline.com/", "https://manage.microsoft.com/", "https://www.office.com/",
	} {
		for _, language := range []string{"en", "ja"} {
			r := do(t, c, "GET", target, "", "Accept", "text/html", "Accept-Language", language)
			if r.Header.Get("X-Sekisho-Lab") == "" {
				t.Errorf("%s: no X-Sekisho-Lab", target)
			}
			if !strings.Contains(r.Header.Get("Content-Type"), "text/html") {
				continue
			}
			pages++
			if !strings.Contains(r.body, "LAB") && !strings.Contains(r.body, "ラボ") {
				t.Errorf("%s in %s does not say so: %d %s", target, language, r.StatusCode, r.body)
			}
		}
	}
	if pages < 20 {
		t.Errorf("only %d pages", pages)
	}
}
