package lab

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

const (
	signInHost = "https://login.microsoftonline.com"
	loopback   = "http://localhost:8123/"
)

var v1Contoso = []string{"Restrict-Access-To-Tenants", "contoso.com", "Restrict-Access-Context", ContosoTenant}

// browser is a client with cookies.
func browser(t testing.TB, w *World) *http.Client {
	t.Helper()
	c := client(t, w)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Jar = jar
	return c
}

// authorizeURL asks for a code; change edits the query ("" deletes).
func authorizeURL(tenant string, change ...string) string {
	q := url.Values{
		"client_id": {PublicApplication}, "response_type": {"code"}, "redirect_uri": {"http://localhost"},
		"scope": {"openid profile offline_access User.Read"}, "state": {"s&<tate>"}, "nonce": {"n-1"},
	}
	for i := 0; i+1 < len(change); i += 2 {
		if q.Set(change[i], change[i+1]); change[i+1] == "" {
			q.Del(change[i])
		}
	}
	return signInHost + "/" + tenant + "/oauth2/v2.0/authorize?" + q.Encode()
}

var (
	formAction = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
	formCSRF   = regexp.MustCompile(`name="csrf" value="([^"]*)"`)
)

// signIn opens target, fills the form and posts it.
func signIn(t testing.TB, c *http.Client, target, user, password string, header ...string) reply {
	t.Helper()
	page := do(t, c, "GET", target, "", header...)
	action, csrf := formAction.FindStringSubmatch(page.body), formCSRF.FindStringSubmatch(page.body)
	if page.StatusCode != 200 || action == nil || csrf == nil {
		t.Fatalf("no form: %d %s", page.StatusCode, page.body)
	}
	base, _ := url.Parse(target)
	to, err := base.Parse(html.UnescapeString(action[1]))
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"csrf": {csrf[1]}, "username": {user}, "password": {password}}
	return do(t, c, "POST", to.String(), form.Encode(), header...)
}

// codeOf takes the code out of a redirect to the application.
func codeOf(t testing.TB, r reply) string {
	t.Helper()
	u, err := url.Parse(r.Header.Get("Location"))
	if r.StatusCode != http.StatusFound || err != nil || u.Query().Get("code") == "" {
		t.Fatalf("no code: %d %q %s", r.StatusCode, r.Header.Get("Location"), r.body)
	}
	return u.Query().Get("code")
}

func redeem(t testing.TB, c *http.Client, tenant, code string, change ...string) reply {
	t.Helper()
	v := url.Values{
		"grant_type": {"authorization_code"}, "client_id": {PublicApplication}, "code": {code},
		"redirect_uri": {"http://localhost"}, "client_info": {"1"},
	}
	var header []string
	for i := 0; i+1 < len(change); i += 2 {
		if name, ok := strings.CutPrefix(change[i], "header "); ok {
			header = append(header, name, change[i+1])
			continue
		}
		v.Set(change[i], change[i+1])
	}
	return do(t, c, "POST", signInHost+"/"+tenant+"/oauth2/v2.0/token", v.Encode(), header...)
}

type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	ID      string `json:"id_token"`
	Info    string `json:"client_info"`
	Scope   string `json:"scope"`
}

func TestCodeGrant(t *testing.T) {
	w := openWorld(t, Options{})
	c := browser(t, w)
	back := signIn(t, c, authorizeURL("common", "redirect_uri", loopback), Alice, AlicePassword, v1Contoso...)
	u, _ := url.Parse(back.Header.Get("Location"))
	if u.Host != "localhost:8123" || u.Query().Get("state") != "s&<tate>" {
		t.Errorf("location %q", u)
	}
	code := codeOf(t, back)
	r := redeem(t, c, "common", code, "redirect_uri", loopback)
	var a tokens
	r.decode(t, &a)
	if a.Access == "" || a.Refresh == "" || a.ID == "" || a.Info == "" {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	me := do(t, c, "GET", "https://graph.microsoft.com/v1.0/me", "", "Authorization", "Bearer "+a.Access)
	if me.StatusCode != 200 || !strings.Contains(me.body, Alice) {
		t.Errorf("me: %d %s", me.StatusCode, me.body)
	}
	if again := redeem(t, c, "common", code, "redirect_uri", loopback); again.code(t) != 54005 {
		t.Errorf("replayed code: %s", again.body)
	}
	dead := do(t, c, "POST", signInHost+"/common/oauth2/v2.0/token", url.Values{
		"grant_type": {"refresh_token"}, "client_id": {PublicApplication}, "refresh_token": {a.Refresh}}.Encode())
	if dead.StatusCode == 200 {
		t.Error("a replayed code leaves its refresh token alive")
	}
}

func TestSecondSignInNeedsNoPassword(t *testing.T) {
	w := openWorld(t, Options{})
	c := browser(t, w)
	signIn(t, c, authorizeURL("common"), Alice, AlicePassword)
	codeOf(t, do(t, c, "GET", authorizeURL("contoso.com"), ""))
	codeOf(t, do(t, c, "GET", authorizeURL("common", "prompt", "none"), ""))
	if r := do(t, c, "GET", authorizeURL("common", "prompt", "login"), ""); r.StatusCode != 200 {
		t.Errorf("prompt=login: %d", r.StatusCode)
	}
	if r := do(t, c, "GET", authorizeURL("fabrikam.com"), "", v1Contoso...); r.StatusCode != 400 || !strings.Contains(r.body, "AADSTS500021") {
		t.Errorf("a session does not open a foreign tenant: %d", r.StatusCode)
	}
	do(t, c, "GET", signInHost+"/common/oauth2/v2.0/logout", "")
	r := do(t, c, "GET", authorizeURL("common", "prompt", "none"), "")
	if loc := r.Header.Get("Location"); !strings.Contains(loc, "login_required") || !strings.Contains(loc, "AADSTS50058") {
		t.Errorf("prompt=none without session: %d %q", r.StatusCode, loc)
	}
}

func TestPKCE(t *testing.T) {
	w := openWorld(t, Options{})
	verifier := strings.Repeat("v", 43)
	sum := sha256.Sum256([]byte(verifier))
	s256 := base64.RawURLEncoding.EncodeToString(sum[:])
	for _, c := range []struct {
		name, challenge, method, verifier string
		want                              int
	}{
		{"s256", s256, "S256", verifier, 0},
		{"s256-wrong", s256, "S256", strings.Repeat("x", 43), 501481},
		{"s256-missing", s256, "S256", "", 501481},
		{"s256-is-not-plain", s256, "S256", s256, 501481},
		{"plain", verifier, "plain", verifier, 0},
		{"plain-is-the-default", verifier, "", verifier, 0},
		{"empty-verifier-is-absent", "", "", "", 0},
		{"verifier-without-challenge", "", "", verifier, 501481},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := browser(t, w)
			code := codeOf(t, signIn(t, b, authorizeURL("common", "code_challenge", c.challenge, "code_challenge_method", c.method), Alice, AlicePassword))
			r := redeem(t, b, "common", code, "code_verifier", c.verifier)
			if got := r.code2(t); got != c.want {
				t.Errorf("code %d, want %d: %s", got, c.want, r.body)
			}
		})
	}
}

// code2 is the AADSTS number, 0 for success.
func (r reply) code2(t testing.TB) int {
	if r.StatusCode == 200 {
		return 0
	}
	return r.code(t)
}

func TestSignInPageRefusals(t *testing.T) {
	w := openWorld(t, Options{})
	for _, c := range []struct {
		name, tenant, user, password string
		header                       []string
		status                       int
		want                         string
	}{
		{"foreign-home-tenant", "common", Bob, BobPassword, v1Contoso, 400, "AADSTS500021"},
		{"foreign-home-tenant-before-the-password", "common", Bob, "wrong", v1Contoso, 400, "AADSTS500021"},
		{"guest-whose-home-is-foreign", "contoso.com", Dave, DavePassword, v1Contoso, 400, "AADSTS500021"},
		{"nobody-of-a-foreign-domain", "common", "zoe@fabrikam.com", "x", v1Contoso, 400, "AADSTS500021"},
		{"wrong-password", "common", Alice, "wrong", nil, 200, "password is wrong"},
		{"nobody", "common", "nobody@contoso.com", "x", nil, 200, "has no account"},
		{"not-a-guest", "fabrikam.com", Carol, CarolPassword, nil, 302, ""},
		{"consumer-at-organizations", "organizations", Frank, FrankPassword, nil, 400, "AADSTS500208"},
		{"script-in-the-name", "common", `"><script>alert(1)</script>`, "x", nil, 200, "&lt;script&gt;"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := signIn(t, browser(t, w), authorizeURL(c.tenant), c.user, c.password, c.header...)
			if r.StatusCode != c.status || !strings.Contains(r.body, c.want) || strings.Contains(r.body, "<script") {
				t.Errorf("%d %s", r.StatusCode, r.body)
			}
			if c.status == 302 && !strings.Contains(r.Header.Get("Location"), "AADSTS50020") {
				t.Errorf("location %q", r.Header.Get("Location"))
			}
		})
	}
}

func TestRefusalPageInJapanese(t *testing.T) {
	w := openWorld(t, Options{})
	r := do(t, client(t, w), "GET", authorizeURL("fabrikam.com"), "", append(v1Contoso, "Accept-Language", "ja")...)
	for _, want := range []string{`<html lang="ja">`, "ラボ", "AADSTS500021", "Fabrikam", "IT 部門"} {
		if !strings.Contains(r.body, want) {
			t.Errorf("the page lacks %q: %s", want, r.body)
		}
	}
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") || r.Header.Get("Location") != "" {
		t.Error("the refusal is a page and leads nowhere")
	}
}

func TestCrossSiteRequestForgery(t *testing.T) {
	w := openWorld(t, Options{})
	c := browser(t, w)
	do(t, c, "GET", authorizeURL("common"), "")
	for _, csrf := range []string{"", "x", strings.Repeat("A", 32)} {
		r := do(t, c, "POST", authorizeURL("common"), url.Values{"csrf": {csrf}, "username": {Alice}, "password": {AlicePassword}}.Encode())
		if r.StatusCode != 200 || r.Header.Get("Location") != "" {
			t.Errorf("csrf %q: %d", csrf, r.StatusCode)
		}
	}
}

func TestSessionIsReplacedAtSignIn(t *testing.T) {
	w := openWorld(t, Options{})
	c := browser(t, w)
	at, _ := url.Parse(signInHost)
	do(t, c, "GET", authorizeURL("common"), "")
	planted := c.Jar.Cookies(at)
	if len(planted) != 1 {
		t.Fatalf("%d cookies", len(planted))
	}
	signIn(t, c, authorizeURL("common"), Alice, AlicePassword)
	if now := c.Jar.Cookies(at); now[0].Value == planted[0].Value {
		t.Error("the session kept its id")
	}
	other := client(t, w)
	r := do(t, other, "GET", authorizeURL("common", "prompt", "none"), "", "Cookie", planted[0].Name+"="+planted[0].Value)
	if !strings.Contains(r.Header.Get("Location"), "login_required") {
		t.Error("the planted session is signed in")
	}
}

func TestRedirectURIs(t *testing.T) {
	w := openWorld(t, Options{})
	c := client(t, w)
	for uri, ok := range map[string]bool{
		"http://localhost":       true,
		"http://localhost:49152": true,
		"http://localhost:1/":    true,
		"https://login.microsoftonline.com/common/oauth2/nativeclient": true,
		"http://localhost/other":             false,
		"https://localhost":                  false,
		"http://localhost.example.org":       false,
		"http://localhost@example.org/":      false,
		"http://user@localhost/":             false,
		"http://localhost#f":                 false,
		"http://localhost:x":                 false,
		"https://example.org/":               false,
		"//example.org":                      false,
		"javascript:alert(1)":                false,
		"http://localhost\\@example.org":     false,
		"http://localhost\r\nX: y":           false,
		"http://localhost:80@example.org:80": false,
	} {
		r := do(t, c, "GET", authorizeURL("common", "redirect_uri", uri), "")
		if ok && r.StatusCode != 200 || !ok && (r.StatusCode != 400 || !strings.Contains(r.body, "AADSTS50011") || r.Header.Get("Location") != "") {
			t.Errorf("%q: %d %q", uri, r.StatusCode, r.Header.Get("Location"))
		}
	}
}

// Mistakes in a request whose redirect URI is known go to the application; the others are pages.
func TestAuthorizeErrors(t *testing.T) {
	w := openWorld(t, Options{})
	c := client(t, w)
	for _, x := range []struct {
		name   string
		url    string
		told   bool
		expect string
	}{
		{"unknown-tenant", authorizeURL("nowhere.example"), false, "AADSTS90002"},
		{"unknown-application", authorizeURL("common", "client_id", "11111111-2222-3333-4444-555555555555"), false, "AADSTS700016"},
		{"no-application", authorizeURL("common", "client_id", ""), false, "AADSTS900144"},
		{"single-tenant-application", authorizeURL("common", "client_id", "6cae1048-5f71-4d9b-90e0-813d5f7a1e30"), false, "AADSTS50194"},
		{"no-response-type", authorizeURL("common", "response_type", ""), true, "AADSTS900144"},
		{"implicit", authorizeURL("common", "response_type", "token"), true, "AADSTS70005"},
		{"response-mode", authorizeURL("common", "response_mode", "web_message"), true, "AADSTS70007"},
		{"short-challenge", authorizeURL("common", "code_challenge", "abc", "code_challenge_method", "S256"), true, "AADSTS501491"},
		{"method-without-challenge", authorizeURL("common", "code_challenge_method", "S256"), true, "AADSTS900144"},
		{"prompt", authorizeURL("common", "prompt", "nag"), true, "AADSTS90023"},
		{"no-scope", authorizeURL("common", "scope", ""), true, "AADSTS900144"},
		{"two-resources", authorizeURL("common", "scope", "https://vault.azure.net/.default User.Read"), true, "AADSTS700022"},
		{"unknown-resource", authorizeURL("common", "scope", "https://example.org/x"), true, "AADSTS500011"},
		{"parameter-twice", authorizeURL("common") + "&state=b", false, "AADSTS9002313"},
		{"broken-query", authorizeURL("common") + "&a=%zz", false, "AADSTS9002313"},
		{"long-query", authorizeURL("common") + "&a=" + strings.Repeat("a", 9000), false, "AADSTS90015"},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := do(t, c, "GET", x.url, "")
			loc, _ := url.QueryUnescape(r.Header.Get("Location"))
			if x.told && (r.StatusCode != 302 || !strings.HasPrefix(loc, "http://localhost?") || !strings.Contains(loc, x.expect) || !strings.Contains(loc, "state=s&<tate>")) {
				t.Errorf("%d %q", r.StatusCode, loc)
			}
			if !x.told && (r.StatusCode != 400 || loc != "" || !strings.Contains(r.body, x.expect)) {
				t.Errorf("%d %q %s", r.StatusCode, loc, r.body)
			}
		})
	}
}

func TestPassthroughTenant(t *testing.T) {
	w := openWorld(t, Options{})
	c := client(t, w)
	powershell := "1950a258-227b-4e31-a9cf-717495945fc2"
	device := func(tenant string, header ...string) reply {
		return do(t, c, "POST", signInHost+"/"+tenant+"/oauth2/v2.0/devicecode",
			url.Values{"client_id": {powershell}, "scope": {"https://management.azure.com/.default"}}.Encode(), header...)
	}
	r := device("common", v1Contoso...)
	if r.code(t) != 500021 || !strings.Contains(r.body, "Access to 'Microsoft Services' tenant is denied.") {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	if r := device("contoso.com", v1Contoso...); r.StatusCode != 200 {
		t.Errorf("with a tenant: %s", r.body)
	}
	if r := device("common", "Restrict-Access-To-Tenants", "contoso.com,"+PassthroughTenant, "Restrict-Access-Context", ContosoTenant); r.StatusCode != 200 {
		t.Errorf("permitted: %s", r.body)
	}
}

func TestConsumers(t *testing.T) {
	w := openWorld(t, Options{})
	hop := func(c *http.Client, r reply, header ...string) reply {
		t.Helper()
		loc := r.Header.Get("Location")
		if !strings.HasPrefix(loc, "https://login.live.com/") {
			t.Fatalf("not sent to login.live.com: %d %q %s", r.StatusCode, loc, r.body)
		}
		return signIn(t, c, loc, Frank, FrankPassword, header...)
	}
	c := browser(t, w)
	back := hop(c, do(t, c, "GET", authorizeURL("consumers"), ""))
	code := codeOf(t, do(t, c, "GET", back.Header.Get("Location"), ""))
	if r := redeem(t, c, "consumers", code); r.StatusCode != 200 {
		t.Errorf("%s", r.body)
	}
	// The ticket works once, and in no other browser.
	if r := do(t, c, "GET", back.Header.Get("Location"), ""); r.StatusCode != 400 {
		t.Errorf("ticket used twice: %d", r.StatusCode)
	}
	c = browser(t, w)
	back = hop(c, do(t, c, "GET", authorizeURL("consumers"), ""))
	thief := browser(t, w)
	do(t, thief, "GET", authorizeURL("common"), "")
	if r := do(t, thief, "GET", back.Header.Get("Location"), ""); r.StatusCode != 400 {
		t.Errorf("ticket used in another browser: %d", r.StatusCode)
	}
	// restrict-msa.
	for _, path := range []string{"/", "/login.srf", "/oauth20_authorize.srf?client_id=x"} {
		r := do(t, client(t, w), "GET", "https://login.live.com"+path, "", "sec-Restrict-Tenant-Access-Policy", "restrict-msa")
		if r.StatusCode != 403 || !strings.Contains(r.body, "80045C4D") {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.body)
		}
	}
	r := do(t, client(t, w), "POST", "https://login.live.com/RST2.srf", "x", "sec-Restrict-Tenant-Access-Policy", "restrict-msa")
	if r.StatusCode != 200 {
		t.Errorf("device traffic: %d", r.StatusCode)
	}
}

func TestResponseModes(t *testing.T) {
	w := openWorld(t, Options{})
	c := browser(t, w)
	signIn(t, c, authorizeURL("common"), Alice, AlicePassword)
	r := do(t, c, "GET", authorizeURL("common", "response_mode", "fragment"), "")
	if loc := r.Header.Get("Location"); !strings.HasPrefix(loc, "http://localhost#") || !strings.Contains(loc, "code=") {
		t.Errorf("fragment: %q", loc)
	}
	r = do(t, c, "GET", authorizeURL("common", "response_mode", "form_post"), "")
	for _, want := range []string{`action="http://localhost"`, `name="code"`, `value="s&amp;&lt;tate&gt;"`} {
		if !strings.Contains(r.body, want) {
			t.Errorf("form_post lacks %q: %s", want, r.body)
		}
	}
	if csp := r.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "form-action 'self' http://localhost") {
		t.Errorf("policy %q", csp)
	}
}

func TestHeadersOfTheOldestGoAndWatchersHear(t *testing.T) {
	w := openWorld(t, Options{})
	c := client(t, w)
	heard := make(chan string, 4)
	stop := w.Watch(func(h Head) { heard <- h.Line() })
	do(t, c, "GET", "https://manage.microsoft.com/a", "")
	stop()
	do(t, c, "GET", "https://manage.microsoft.com/b", "")
	if len(heard) != 1 || <-heard != "GET /a HTTP/1.1" {
		t.Error("a watcher hears each head until it stops")
	}
	for range maxHeads {
		w.recorder.add(Head{})
	}
	if h := w.Heads(); len(h) != maxHeads || len(h[0].Raw) != 0 {
		t.Errorf("%d heads", len(h))
	}
}

// A personal account that is a guest signs in at login.live.com in spite of restrict-msa (Microsoft, "Set up tenant
// restrictions v1", "What the header does and does not block"), and gets nothing from it but what a guest gets.
func TestGuestsPassTheBlockOfPersonalAccountsAndGoNoFurther(t *testing.T) {
	w := openWorld(t, Options{})
	c := browser(t, w)
	restrict := []string{"sec-Restrict-Tenant-Access-Policy", "restrict-msa"}
	r := signIn(t, c, authorizeURL("contoso.com"), Erin, "", v1Contoso...)
	r = signIn(t, c, r.Header.Get("Location"), Erin, ErinPassword, restrict...)
	codeOf(t, do(t, c, "GET", r.Header.Get("Location"), "", v1Contoso...))
	// The session is there, and opens no consumer application: neither silently, nor by consent.
	for _, target := range []string{authorizeURL("consumers"), authorizeURL("common", "domain_hint", "consumers")} {
		loc := do(t, c, "GET", target, "", v1Contoso...).Header.Get("Location")
		if !strings.HasPrefix(loc, "https://login.live.com/") {
			t.Fatalf("%s leads to %q", target, loc)
		}
		if r := do(t, c, "GET", loc, "", restrict...); r.StatusCode != 403 || !strings.Contains(r.body, "80045C4D") {
			t.Errorf("%d %s", r.StatusCode, r.body)
		}
	}
	form := do(t, c, "GET", authorizeURL("common"), "", v1Contoso...)
	csrf := formCSRF.FindStringSubmatch(form.body)
	if csrf == nil {
		t.Fatalf("%d %s", form.StatusCode, form.body)
	}
	for _, choice := range []string{"consent=accept", "account=" + url.QueryEscape(Erin)} {
		r := do(t, c, "POST", authorizeURL("common"), choice+"&csrf="+url.QueryEscape(csrf[1]), v1Contoso...)
		if loc := r.Header.Get("Location"); strings.Contains(loc, "code=") && !strings.HasPrefix(loc, "https://login.live.com/") {
			t.Errorf("%s: %d %q", choice, r.StatusCode, loc)
		}
	}
	// An address made up to look like a guest's way back brings the ticket there, and no further.
	for back, passes := range map[string]bool{
		"/contoso.com/oauth2/v2.0/authorize?x": true, "/common/oauth2/v2.0/authorize?x": false, "/consumers/x": false, "/organizations/x": false,
		"/nobody.example/x": false, "//contoso.com/x": false, "https://login.live.com/contoso.com/x": false, "": false,
	} {
		r := do(t, client(t, w), "GET", "https://login.live.com/oauth20_authorize.srf?"+url.Values{"lab_return": {back}, "lab_binding": {"x"}}.Encode(), "", restrict...)
		if (r.StatusCode == 200) != passes {
			t.Errorf("%q: %d", back, r.StatusCode)
		}
	}
}
