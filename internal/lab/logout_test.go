package lab

import (
	"net/url"
	"strings"
	"testing"
)

func TestLogout(t *testing.T) {
	t.Parallel()
	w := openWorld(t, Options{})
	logout := signInHost + "/common/oauth2/v2.0/logout"
	signed := func(r reply) bool { return strings.HasPrefix(r.Header.Get("Location"), "http://localhost?code=") }
	silent := authorizeURL("common", "prompt", "none")

	// It leads to a registered address of an application that was used, and nowhere else.
	for to, ok := range map[string]bool{
		"http://localhost": true, "http://localhost:4711": true, "https://example.org/": false, "//example.org": false, "/\\example.org": false,
		"https://app.contoso.com/signin-oidc": false, "javascript:alert(1)": false, "http://localhost@example.org": false, "http://localhost\r\nX: y": false,
	} {
		c := browser(t, w)
		signIn(t, c, authorizeURL("common"), Alice, AlicePassword)
		r := do(t, c, "GET", logout+"?"+url.Values{"post_logout_redirect_uri": {to}, "state": {"<s>"}}.Encode(), "")
		if loc := r.Header.Get("Location"); ok && (r.StatusCode != 302 || loc != to+"?state=%3Cs%3E") || !ok && (r.StatusCode != 200 || loc != "") {
			t.Errorf("%q: %d %q", to, r.StatusCode, loc)
		}
		if strings.Contains(r.body, "example.org") || r.Header.Get("Refresh") != "" {
			t.Errorf("%q: %s", to, r.body)
		}
		if r := do(t, c, "GET", silent, ""); signed(r) {
			t.Errorf("%q: still signed in", to)
		}
	}
	// Nobody is signed in, and nobody says for which application: it stays.
	if r := do(t, client(t, w), "GET", logout+"?post_logout_redirect_uri=http://localhost", ""); r.StatusCode != 200 {
		t.Errorf("without a session: %d %q", r.StatusCode, r.Header.Get("Location"))
	}
	if r := do(t, client(t, w), "GET", logout+"?client_id="+PublicApplication+"&post_logout_redirect_uri=http://localhost", ""); r.StatusCode != 302 {
		t.Errorf("by client_id: %d", r.StatusCode)
	}

	// Another site's link is asked about; the person's answer, or a hint of the application's, is enough.
	c := browser(t, w)
	back := signIn(t, c, authorizeURL("common", "response_type", "code id_token"), Alice, AlicePassword)
	u, _ := url.Parse(back.Header.Get("Location"))
	front, _ := url.ParseQuery(u.Fragment)
	for name, r := range map[string]reply{
		"a link":          do(t, c, "GET", logout, "", "Sec-Fetch-Site", "cross-site"),
		"a form":          do(t, c, "POST", logout, "x=1", "Origin", "https://example.org"),
		"a form unmarked": do(t, c, "POST", logout, "x=1"),
		"a wrong token":   do(t, c, "POST", logout, "csrf=AAAA"),
		"somebody's hint": do(t, c, "GET", logout+"?id_token_hint="+url.QueryEscape(passwordToken(t, w, "organizations", Bob, BobPassword, "openid").ID), "", "Sec-Fetch-Site", "cross-site"),
		"a forged hint":   do(t, c, "GET", logout+"?id_token_hint=e30.e30.", "", "Sec-Fetch-Site", "cross-site"),
	} {
		if r.StatusCode != 200 || !strings.Contains(r.body, "Sign out?") {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
		}
	}
	if r := do(t, c, "GET", silent, ""); !signed(r) {
		t.Fatalf("signed out by another site: %q", r.Header.Get("Location"))
	}
	do(t, c, "GET", logout+"?id_token_hint="+url.QueryEscape(front.Get("id_token")), "", "Sec-Fetch-Site", "cross-site")
	if r := do(t, c, "GET", silent, ""); signed(r) {
		t.Error("a hint of the person's is not enough")
	}
	c = browser(t, w)
	signIn(t, c, authorizeURL("common"), Alice, AlicePassword)
	page := do(t, c, "GET", logout, "", "Sec-Fetch-Site", "cross-site")
	press(t, c, logout, page, "x", "y")
	if r := do(t, c, "GET", silent, ""); signed(r) {
		t.Error("the person's own answer is not enough")
	}
}

func TestFrontChannelLogout(t *testing.T) {
	t.Parallel()
	w := openWorld(t, Options{})
	c := browser(t, w)
	const home = "https://app.contoso.com/signin-oidc"
	r := signIn(t, c, authorizeURL("contoso.com", "client_id", ServiceApplication, "redirect_uri", home), Alice, AlicePassword)
	u, _ := url.Parse(r.Header.Get("Location"))
	sid := u.Query().Get("session_state")
	r = do(t, c, "GET", signInHost+"/contoso.com/oauth2/v2.0/logout?post_logout_redirect_uri="+url.QueryEscape(home), "")
	if r.StatusCode != 200 || !strings.Contains(r.body, `<iframe class="unseen" src="https://app.contoso.com/signout-oidc?iss=`) || !strings.Contains(r.body, "sid="+sid) ||
		!strings.Contains(r.Header.Get("Refresh"), home) || !strings.Contains(r.Header.Get("Content-Security-Policy"), "frame-src") {
		t.Errorf("%d %v %s", r.StatusCode, r.Header, r.body)
	}
}
