package lab

import (
	"html"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

// press posts the form of page with one button.
func press(t testing.TB, c *http.Client, at string, page reply, name, value string, header ...string) reply {
	t.Helper()
	action, csrf := formAction.FindStringSubmatch(page.body), formCSRF.FindStringSubmatch(page.body)
	if action == nil || csrf == nil {
		t.Fatalf("no form: %d %s", page.StatusCode, page.body)
	}
	base, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	to, err := base.Parse(html.UnescapeString(action[1]))
	if err != nil {
		t.Fatal(err)
	}
	return do(t, c, "POST", to.String(), url.Values{"csrf": {csrf[1]}, name: {value}}.Encode(), header...)
}

func unconsented(change ...string) string {
	return authorizeURL("fabrikam.com", append([]string{"client_id", UnconsentedApplication}, change...)...)
}

func TestConsent(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "lab")
	w := openWorld(t, Options{Dir: dir})
	c := browser(t, w)
	target := unconsented()
	page := signIn(t, c, target, Bob, BobPassword)
	if page.StatusCode != 200 || !strings.Contains(page.body, "Permissions requested") || !strings.Contains(page.body, "User.Read") {
		t.Fatalf("%d %s", page.StatusCode, page.body)
	}
	if r := do(t, c, "GET", unconsented("prompt", "none"), ""); !strings.Contains(r.Header.Get("Location"), "error=consent_required") || !strings.Contains(r.Header.Get("Location"), "AADSTS65001") {
		t.Errorf("prompt=none: %q", r.Header.Get("Location"))
	}
	r := ask(t, c, "fabrikam.com/oauth2/v2.0/token", "grant_type", "password", "client_id", UnconsentedApplication, "username", Bob, "password", BobPassword, "scope", "User.Read")
	if r.code2(t) != 65001 || !strings.Contains(r.body, `"error":"invalid_grant"`) || !strings.Contains(r.body, `"suberror":"consent_required"`) {
		t.Errorf("password: %s", r.body)
	}
	if r := press(t, c, target, page, "consent", "cancel"); !strings.Contains(r.Header.Get("Location"), "error=access_denied") || !strings.Contains(r.Header.Get("Location"), "AADSTS65004") {
		t.Errorf("cancelled: %d %q", r.StatusCode, r.Header.Get("Location"))
	}
	// Neither without the page's token, nor from another site, nor by an address.
	for name, r := range map[string]reply{
		"no token":     do(t, c, "POST", target, url.Values{"consent": {"accept"}}.Encode()),
		"another site": press(t, c, target, page, "consent", "accept", "Origin", "https://example.org"),
		"an address":   do(t, c, "GET", target+"&consent=accept", ""),
	} {
		if r.Header.Get("Location") != "" {
			t.Errorf("%s: %d %q", name, r.StatusCode, r.Header.Get("Location"))
		}
	}
	codeOf(t, press(t, c, target, page, "consent", "accept"))
	codeOf(t, do(t, c, "GET", target, ""))
	if r := do(t, c, "GET", unconsented("prompt", "consent"), ""); r.StatusCode != 200 || !strings.Contains(r.body, "Permissions requested") {
		t.Errorf("prompt=consent asks again: %d", r.StatusCode)
	}
	// One person's consent is nobody else's.
	if r := signIn(t, browser(t, w), target, Dave, DavePassword); !strings.Contains(r.body, "Permissions requested") {
		t.Errorf("another person: %d %s", r.StatusCode, r.body)
	}
	// It outlives the lab.
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w = openWorld(t, Options{Dir: dir})
	codeOf(t, signIn(t, browser(t, w), target, Bob, BobPassword))
}

func TestAdminConsent(t *testing.T) {
	t.Parallel()
	w := openWorld(t, Options{})
	ask := func(change ...string) string {
		q := url.Values{"client_id": {UnconsentedApplication}, "redirect_uri": {"http://localhost"}, "scope": {"Group.Read.All"}, "state": {"s 1"}}
		for i := 0; i+1 < len(change); i += 2 {
			if q.Set(change[i], change[i+1]); change[i+1] == "" {
				q.Del(change[i])
			}
		}
		return signInHost + "/fabrikam.com/v2.0/adminconsent?" + q.Encode()
	}
	// A permission that is an administrator's.
	if r := signIn(t, browser(t, w), unconsented("scope", "Group.Read.All"), Bob, BobPassword); r.StatusCode != 400 || !strings.Contains(r.body, "AADSTS90094") {
		t.Errorf("a person: %d %s", r.StatusCode, r.body)
	}
	if r := signIn(t, browser(t, w), ask(), Bob, BobPassword); r.StatusCode != 400 || !strings.Contains(r.body, "AADSTS90094") {
		t.Errorf("no administrator: %d %s", r.StatusCode, r.body)
	}
	for name, target := range map[string]string{
		"AADSTS50011": ask("redirect_uri", "https://example.org/"), "AADSTS900144": ask("redirect_uri", ""), "AADSTS700016": ask("client_id", ContosoTenant),
		"AADSTS9002313": ask() + "&state=2",
	} {
		if r := do(t, client(t, w), "GET", target, ""); r.StatusCode != 400 || r.Header.Get("Location") != "" || !strings.Contains(r.body, name) {
			t.Errorf("%s: %d %q %s", name, r.StatusCode, r.Header.Get("Location"), r.body)
		}
	}
	if r := do(t, client(t, w), "GET", ask(), "", v1Contoso...); r.StatusCode != 400 || !strings.Contains(r.body, "AADSTS500021") {
		t.Errorf("restricted: %d", r.StatusCode)
	}
	c := browser(t, w)
	page := signIn(t, c, ask(), Dave, DavePassword)
	if !strings.Contains(page.body, "for everybody in Fabrikam") {
		t.Fatalf("%d %s", page.StatusCode, page.body)
	}
	declined := press(t, c, ask(), page, "consent", "cancel")
	if loc := declined.Header.Get("Location"); !strings.Contains(loc, "error=consent_required") || !strings.Contains(loc, "admin_consent=True") {
		t.Errorf("declined: %q", loc)
	}
	done := press(t, c, ask(), page, "consent", "accept")
	back, _ := url.Parse(done.Header.Get("Location"))
	q := back.Query()
	if back.Host != "localhost" || q.Get("admin_consent") != "True" || q.Get("tenant") != FabrikamTenant || q.Get("scope") != "Group.Read.All" || q.Get("state") != "s 1" {
		t.Errorf("%d %q", done.StatusCode, back)
	}
	codeOf(t, signIn(t, browser(t, w), unconsented(), Bob, BobPassword))
}

// The same consent on the device page.
func TestConsentOnTheDevicePage(t *testing.T) {
	t.Parallel()
	w := openWorld(t, Options{})
	c := browser(t, w)
	var d struct {
		Device string `json:"device_code"`
		User   string `json:"user_code"`
		URI    string `json:"verification_uri"`
	}
	begin := func() {
		ask(t, c, "fabrikam.com/oauth2/v2.0/devicecode", "client_id", UnconsentedApplication, "scope", "User.Read").decode(t, &d)
	}
	poll := func() reply {
		return ask(t, c, "fabrikam.com/oauth2/v2.0/token", "grant_type", "device_code", "client_id", UnconsentedApplication, "device_code", d.Device)
	}
	enter := func(name, value string, extra ...string) reply {
		page := do(t, c, "GET", d.URI, "")
		csrf := formCSRF.FindStringSubmatch(page.body)
		if csrf == nil {
			t.Fatal(page.body)
		}
		v := url.Values{"csrf": {csrf[1]}, "user_code": {d.User}, name: {value}}
		for i := 0; i+1 < len(extra); i += 2 {
			v.Set(extra[i], extra[i+1])
		}
		return do(t, c, "POST", d.URI, v.Encode())
	}
	begin()
	if r := enter("username", Bob, "password", BobPassword); !strings.Contains(r.body, "Permissions requested") {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	if r := poll(); r.code2(t) != 70016 {
		t.Errorf("before the consent: %s", r.body)
	}
	if r := enter("consent", "accept"); !strings.Contains(r.body, "You are signed in") {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	if r := poll(); r.StatusCode != 200 {
		t.Errorf("after it: %s", r.body)
	}
	if r := poll(); r.code2(t) != 54005 {
		t.Errorf("twice: %s", r.body)
	}
	// Now signed in: the account is a button.
	begin()
	if r := enter("account", Bob); !strings.Contains(r.body, "You are signed in") {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	begin()
	if r := enter("decline", "1"); !strings.Contains(r.body, "You have refused") {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	if r := poll(); !strings.Contains(r.body, `"error":"authorization_declined"`) {
		t.Errorf("declined: %s", r.body)
	}
}

func TestAccountStates(t *testing.T) {
	t.Parallel()
	w := openWorld(t, Options{})
	for user, x := range map[string]struct {
		password, wrong string
		code            string
		told            bool // with a wrong password, too
	}{
		Noboru: {NoboruPassword, "x", "AADSTS50057", true}, Mika: {MikaPassword, "x", "AADSTS50053", true},
		Ken: {KenPassword, "x", "AADSTS50055", false}, Yui: {YuiPassword, "x", "AADSTS50055", false},
	} {
		r := signIn(t, browser(t, w), authorizeURL("common"), user, x.password, "Accept-Language", "ja")
		if r.StatusCode != 400 || !strings.Contains(r.body, x.code) || !strings.Contains(r.body, "アカウント") {
			t.Errorf("%s: %d %s", user, r.StatusCode, r.body)
		}
		if r := signIn(t, browser(t, w), authorizeURL("common"), user, x.wrong); strings.Contains(r.body, x.code) != x.told {
			t.Errorf("%s with a wrong password: %d %s", user, r.StatusCode, r.body)
		}
		token := ask(t, client(t, w), "organizations/oauth2/v2.0/token", "grant_type", "password", "client_id", PublicApplication, "username", user, "password", x.password, "scope", "User.Read")
		if token.StatusCode != 400 || !strings.Contains(token.body, x.code) || !strings.Contains(token.body, `"error":"invalid_grant"`) {
			t.Errorf("%s at token: %s", user, token.body)
		}
	}
}
