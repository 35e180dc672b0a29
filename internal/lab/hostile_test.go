package lab

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const script = `"><script>alert(1)</script><img src=x onerror=alert(1)>'`

// Whatever is echoed is text: on pages, in form_post, in JSON and in redirects.
func TestScriptInEveryEchoedField(t *testing.T) {
	t.Parallel()
	w := openWorld(t, Options{})
	c := browser(t, w)
	signIn(t, c, authorizeURL("common"), Alice, AlicePassword)
	escaped := url.QueryEscape(script)
	for name, target := range map[string]string{
		"login_hint":        authorizeURL("common", "login_hint", script),
		"state-form_post":   authorizeURL("common", "state", script, "response_mode", "form_post"),
		"state-error":       authorizeURL("common", "state", script, "response_mode", "form_post", "prompt", script),
		"redirect_uri":      authorizeURL("common", "redirect_uri", script),
		"client_id":         authorizeURL("common", "client_id", script),
		"scope":             authorizeURL("common", "scope", script, "response_mode", "form_post"),
		"nonce":             authorizeURL("common", "nonce", script, "prompt", "login"),
		"tenant":            authorizeURL(url.PathEscape(script)),
		"response_type":     authorizeURL("common", "response_type", script, "response_mode", "form_post"),
		"domain_hint":       authorizeURL("common", "domain_hint", script, "prompt", "login"),
		"claims":            authorizeURL("common", "claims", script, "response_mode", "form_post"),
		"parameter-name":    authorizeURL("common") + "&" + escaped + "=1&" + escaped + "=2",
		"user_code":         signInHost + "/common/oauth2/deviceauth?lab_user_code=" + escaped,
		"logout":            signInHost + "/common/oauth2/v2.0/logout?post_logout_redirect_uri=" + escaped + "&state=" + escaped,
		"error":             signInHost + "/error?code=" + escaped,
		"realm":             signInHost + "/common/UserRealm/" + url.PathEscape(script) + "?api-version=1.0",
		"srf":               signInHost + "/getuserrealm.srf?xml=1&login=" + escaped,
		"instance":          signInHost + "/common/discovery/instance?authorization_endpoint=" + escaped,
		"adminconsent":      signInHost + "/common/v2.0/adminconsent?client_id=" + escaped + "&redirect_uri=" + escaped,
		"consumers":         signInHost + "/common/federation/oauth2msa?lab_return=" + escaped + "&lab_ticket=" + escaped,
		"path":              signInHost + "/" + url.PathEscape(script) + "/" + url.PathEscape(script),
		"discovery":         signInHost + "/" + url.PathEscape(script) + "/v2.0/.well-known/openid-configuration",
		"client-request-id": signInHost + "/common/discovery/v2.0/keys?return-client-request-id=true&client-request-id=" + escaped,
		"consumer-service":  "https://login.live.com/oauth20_authorize.srf?username=" + escaped + "&client_id=" + escaped + "&lab_return=" + escaped,
	} {
		harmless(t, name, do(t, c, "GET", target, ""))
	}
	for name, r := range map[string]reply{
		"username":  signIn(t, c, authorizeURL("common", "prompt", "login"), script, script),
		"user_code": press(t, c, signInHost+"/common/oauth2/deviceauth", do(t, c, "GET", signInHost+"/common/oauth2/deviceauth", ""), "user_code", script),
		"token":     ask(t, c, "common/oauth2/v2.0/token", "grant_type", script, "client_id", script, "client-request-id", script),
		"json":      do(t, c, "POST", signInHost+"/common/GetCredentialType", `{"username":"<script>alert(1)</script>"}`),
		"referer":   do(t, c, "GET", signInHost+"/nowhere", "", "Referer", script, "User-Agent", script, "client-request-id", script),
	} {
		harmless(t, name, r)
	}
}

// harmless reports whether r holds no script and leads nowhere but home.
func harmless(t testing.TB, name string, r reply) {
	t.Helper()
	kind := r.Header.Get("Content-Type")
	html := strings.HasPrefix(kind, "text/html")
	if strings.Contains(strings.ToLower(r.body), "<script") || html && strings.Contains(r.body, "<img") {
		t.Errorf("%s: script: %s", name, r.body)
	}
	if r.StatusCode >= 500 {
		t.Errorf("%s: status %d %s", name, r.StatusCode, r.body)
	}
	if html && !strings.Contains(r.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("%s: a page without a policy", name)
	}
	if r.body != "" && (kind == "" || r.Header.Get("X-Content-Type-Options") != "nosniff") {
		t.Errorf("%s: a browser would guess what it is: %q", name, kind)
	}
	if loc := r.Header.Get("Location"); loc != "" {
		u, err := url.Parse(loc)
		if err != nil || u.Hostname() != "localhost" && u.Host != "login.live.com" || strings.ContainsAny(loc, "<>\"'\r\n") {
			t.Errorf("%s: leads to %q", name, loc)
		}
	}
}

// Requests that no client sends: a documented error each.
func TestOddRequests(t *testing.T) {
	t.Parallel()
	w := openWorld(t, Options{})
	c := client(t, w)
	token := signInHost + "/contoso.com/oauth2/v2.0/token"
	good := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {ServiceApplication}, "client_secret": {ServiceSecret}, "scope": {"https://graph.microsoft.com/.default"},
	}.Encode()
	many := func(n int) string { return strings.Repeat("a=1&", n) }
	distinct := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString("p" + strings.Repeat("x", i) + "=1&")
		}
		return b.String()
	}
	for name, x := range map[string]struct {
		method, target, body string
		header               []string
		status               int
		want                 string
	}{
		"get":                 {"GET", token, "", nil, 405, "AADSTS900561"},
		"put":                 {"PUT", token, good, nil, 405, "AADSTS900561"},
		"json-body":           {"POST", token, `{"grant_type":"client_credentials"}`, []string{"Content-Type", "application/json"}, 400, "AADSTS9002313"},
		"no-content-type":     {"POST", token, good, []string{"Content-Type", ""}, 400, "AADSTS9002313"},
		"two-content-types":   {"POST", token, good, []string{"Content-Type", "application/x-www-form-urlencoded; a=b; a=c"}, 400, "AADSTS9002313"},
		"multipart":           {"POST", token, "--x\r\n\r\n--x--", []string{"Content-Type", "multipart/form-data; boundary=x"}, 400, "AADSTS9002313"},
		"empty":               {"POST", token, "", []string{"Content-Type", "application/x-www-form-urlencoded"}, 400, "AADSTS900144"},
		"twice":               {"POST", token, good + "&scope=x", nil, 400, "AADSTS9002313"},
		"twice-the-same":      {"POST", token, good + "&client_id=" + ServiceApplication, nil, 400, "AADSTS9002313"},
		"nul":                 {"POST", token, good + "&x=%00", nil, 400, "AADSTS9002313"},
		"nul-name":            {"POST", token, good + "&%00=x", nil, 400, "AADSTS9002313"},
		"not-utf8":            {"POST", token, good + "&x=%ff%fe", nil, 400, "AADSTS9002313"},
		"overlong":            {"POST", token, good + "&x=%c0%ae", nil, 400, "AADSTS9002313"},
		"semicolon":           {"POST", token, good + ";x=1", nil, 400, "AADSTS9002313"},
		"broken-escape":       {"POST", token, good + "&x=%z", nil, 400, "AADSTS9002313"},
		"many-parameters":     {"POST", token, many(20000) + good, nil, 400, "AADSTS9002313"},
		"many-names":          {"POST", token, distinct(200) + good, nil, 400, "AADSTS9002313"},
		"huge":                {"POST", token, good + "&x=" + strings.Repeat("a", 1<<20), nil, 400, "AADSTS9002313"},
		"huge-scope":          {"POST", token, good + strings.Repeat("a", 60000), nil, 400, "AADSTS70011"},
		"bidi-client":         {"POST", token, strings.Replace(good, ServiceApplication, "%E2%80%AEabc", 1), nil, 400, "AADSTS700016"},
		"basic-and-body":      {"POST", token, good, []string{"Authorization", "Basic eDp5"}, 400, "AADSTS9002313"},
		"basic-broken":        {"POST", token, "grant_type=client_credentials", []string{"Authorization", "Basic JTAwOnk="}, 400, "AADSTS9002313"},
		"devicecode-get":      {"GET", signInHost + "/common/oauth2/v2.0/devicecode", "", nil, 405, "AADSTS900561"},
		"authorize-delete":    {"DELETE", authorizeURL("common"), "", nil, 405, "AADSTS900561"},
		"authorize-nul":       {"GET", authorizeURL("common") + "&x=%00", "", nil, 400, "AADSTS9002313"},
		"authorize-bomb":      {"GET", authorizeURL("common") + strings.Repeat("&a", 300), "", nil, 400, "AADSTS9002313"},
		"authorize-text":      {"POST", signInHost + "/common/oauth2/v2.0/authorize", "x", []string{"Content-Type", "text/plain"}, 400, "AADSTS9002313"},
		"logout-tenant":       {"GET", signInHost + "/nowhere.example/oauth2/v2.0/logout", "", nil, 400, "AADSTS90002"},
		"credential-deep":     {"POST", signInHost + "/common/GetCredentialType", strings.Repeat("[", 50000), nil, 400, "AADSTS9002313"},
		"credential-not-text": {"POST", signInHost + "/common/GetCredentialType", `{"username":1}`, nil, 400, "AADSTS9002313"},
		"credential-nul":      {"POST", signInHost + "/common/GetCredentialType", `{"username":"\u0000"}`, nil, 400, "AADSTS9002313"},
		"keys-post":           {"POST", signInHost + "/common/discovery/v2.0/keys", "x", nil, 405, "invalid_request"},
		"realm-nul":           {"GET", signInHost + "/common/UserRealm/%00?api-version=1.0", "", nil, 400, "AADSTS9002313"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), x.method, x.target, strings.NewReader(x.body))
		if err != nil {
			t.Fatal(err)
		}
		if x.method == "POST" || x.method == "PUT" {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		for i := 0; i+1 < len(x.header); i += 2 {
			if r.Header.Set(x.header[i], x.header[i+1]); x.header[i+1] == "" {
				r.Header.Del(x.header[i])
			}
		}
		res := send(t, c, r)
		if res.StatusCode != x.status || !strings.Contains(res.body, x.want) {
			t.Errorf("%s: %d %.300s", name, res.StatusCode, res.body)
		}
		harmless(t, name, res)
	}
}

// Marks that turn the direction of text do not reach a page; what the application gave goes back to the letter.
func TestDirectionMarks(t *testing.T) {
	t.Parallel()
	w := openWorld(t, Options{})
	c := browser(t, w)
	const turned = "alice@contoso.com\u202e\u2066moc.evil\u2069"
	r := do(t, c, "GET", authorizeURL("common", "login_hint", turned, "state", turned), "")
	body := r.body[strings.Index(r.body, "<main>"):]
	value := body[strings.Index(body, `id="username"`):]
	if strings.ContainsAny(value[:strings.Index(value, ">")], "\u202e\u2066\u2069") {
		t.Errorf("the name on the page: %q", value[:200])
	}
	back := signIn(t, c, authorizeURL("common", "state", turned), Alice, AlicePassword)
	u, _ := url.Parse(back.Header.Get("Location"))
	if u.Query().Get("state") != turned {
		t.Errorf("state %q", u.Query().Get("state"))
	}
}

// A page of another site cannot sign anybody in, consent, or enter a device's code; neither can a page without the form's
// token, or with another session's.
func TestFormsOfOtherSites(t *testing.T) {
	t.Parallel()
	w := openWorld(t, Options{})
	strange := browser(t, w)
	foreign := formCSRF.FindStringSubmatch(do(t, strange, "GET", authorizeURL("common"), "").body)[1]
	for _, target := range []string{authorizeURL("common"), signInHost + "/common/oauth2/deviceauth", signInHost + "/contoso.com/v2.0/adminconsent?" + url.Values{
		"client_id": {PublicApplication}, "redirect_uri": {"http://localhost"}, "scope": {"User.Read"}}.Encode()} {
		c := browser(t, w)
		mine := formCSRF.FindStringSubmatch(do(t, c, "GET", target, "").body)[1]
		for name, x := range map[string][]string{
			"no token":       {""},
			"another's":      {foreign},
			"origin":         {mine, "Origin", "https://example.org"},
			"null origin":    {mine, "Origin", "null"},
			"similar origin": {mine, "Origin", "https://login.microsoftonline.com.example.org"},
			"plain origin":   {mine, "Origin", "http://login.microsoftonline.com"},
			"fetch metadata": {mine, "Sec-Fetch-Site", "cross-site"},
			"a sibling":      {mine, "Sec-Fetch-Site", "same-site"},
		} {
			v := url.Values{"csrf": {x[0]}, "username": {Alice}, "password": {AlicePassword}, "user_code": {"BBBBBBBBB"}, "consent": {"accept"}, "account": {Alice}}
			r := do(t, c, "POST", target, v.Encode(), x[1:]...)
			if r.StatusCode != 200 || r.Header.Get("Location") != "" || !strings.Contains(r.body, "Please type it again") || len(r.Header["Set-Cookie"]) > 0 {
				t.Errorf("%s, %s: %d %v %.200s", target, name, r.StatusCode, r.Header, r.body)
			}
		}
		v := url.Values{"csrf": {mine}, "username": {Alice}, "password": {"wrong"}, "user_code": {"BBBBBBBBB"}}
		if r := do(t, c, "POST", target, v.Encode(), "Origin", signInHost, "Sec-Fetch-Site", "same-origin"); strings.Contains(r.body, "Please type it again") {
			t.Errorf("%s: the page's own form: %d %s", target, r.StatusCode, r.body)
		}
	}
}

// The page at the native client's redirect URI says how the sign-in ended, and shows nothing of what the address says.
func TestTheNativeClientsPageSaysWhetherItWorked(t *testing.T) {
	t.Parallel()
	c := browser(t, openWorld(t, Options{}))
	target := signInHost + "/common/oauth2/nativeclient"
	const failed, done = "The sign-in was not completed", "The application takes over now"
	for _, one := range []struct{ method, query, body, want string }{
		{"GET", "?code=1", "", done},
		{"GET", "?error=access_denied&error_description=Call+0123", "", failed},
		{"POST", "", "code=1&state=s", done},
		{"POST", "", "error=access_denied&error_description=Call+0123", failed},
		{"POST", "", "error=a&error=b", failed},
	} {
		r := do(t, c, one.method, target+one.query, one.body, "Accept-Language", "en")
		if r.StatusCode != 200 || !strings.Contains(r.body, one.want) || strings.Contains(r.body, "0123") {
			t.Errorf("%s %s %s: %d %s", one.method, one.query, one.body, r.StatusCode, r.body)
		}
	}
}
