package lab

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

func ask(t testing.TB, c *http.Client, path string, pairs ...string) reply {
	t.Helper()
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return do(t, c, "POST", signInHost+"/"+path, v.Encode())
}

// verify is what an outsider does: discovery, keys, signature, standard claims.
func verify(t testing.TB, c *http.Client, discovery, raw, audience string) map[string]any {
	t.Helper()
	var m struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	do(t, c, "GET", discovery, "").decode(t, &m)
	var set jose.JSONWebKeySet
	do(t, c, "GET", m.Keys, "").decode(t, &set)
	parsed, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	keys := set.Key(parsed.Headers[0].KeyID)
	if len(keys) != 1 {
		t.Fatalf("%d keys named %q", len(keys), parsed.Headers[0].KeyID)
	}
	var std jwt.Claims
	all := map[string]any{}
	if err := parsed.Claims(keys[0], &std, &all); err != nil {
		t.Fatal(err)
	}
	if err := std.Validate(jwt.Expected{Issuer: m.Issuer, AnyAudience: jwt.Audience{audience}, Time: time.Now()}); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestTokensVerifyForAnOutsider(t *testing.T) {
	w := openWorld(t, Options{})
	c := browser(t, w)
	var a tokens
	redeem(t, c, "common", codeOf(t, signIn(t, c, authorizeURL("contoso.com", "scope", "openid offline_access api://"+ServiceApplication+"/read"), Alice, AlicePassword))).decode(t, &a)
	if a.Access != "" {
		t.Fatal("a code of one tenant was redeemed at /common")
	}
	c = browser(t, w)
	redeem(t, c, ContosoTenant, codeOf(t, signIn(t, c, authorizeURL("contoso.com", "scope", "openid offline_access api://"+ServiceApplication+"/read"), Alice, AlicePassword))).decode(t, &a)
	v2 := signInHost + "/" + ContosoTenant + "/v2.0/.well-known/openid-configuration"
	id := verify(t, c, v2, a.ID, PublicApplication)
	access := verify(t, c, v2, a.Access, ServiceApplication)
	for name, want := range map[string]any{"tid": ContosoTenant, "preferred_username": Alice, "ver": "2.0", "nonce": "n-1", "name": "Alice Adams"} {
		if id[name] != want {
			t.Errorf("id_token %s = %v, want %v", name, id[name], want)
		}
	}
	if access["azp"] != PublicApplication || access["scp"] != "read" || access["oid"] != id["oid"] || access["sub"] == id["sub"] {
		t.Errorf("access token %v", access)
	}
	if _, ok := access["xms_trpid"]; ok {
		t.Error("xms_trpid without a v2 policy")
	}
	var app tokens
	clientCredentials(t, c, "contoso.com").decode(t, &app)
	claims := verify(t, c, signInHost+"/contoso.com/.well-known/openid-configuration", app.Access, "https://graph.microsoft.com")
	if claims["appid"] != ServiceApplication || claims["idtyp"] != "app" || claims["ver"] != "1.0" || app.ID != "" || app.Refresh != "" {
		t.Errorf("application token %v", claims)
	}
}

func TestDiscovery(t *testing.T) {
	w := openWorld(t, Options{})
	c := client(t, w)
	for _, x := range []struct{ path, issuer string }{
		{"contoso.com/v2.0", "https://login.microsoftonline.com/" + ContosoTenant + "/v2.0"},
		{ContosoTenant + "/v2.0", "https://login.microsoftonline.com/" + ContosoTenant + "/v2.0"},
		{"CONTOSO.onmicrosoft.com/v2.0", "https://login.microsoftonline.com/" + ContosoTenant + "/v2.0"},
		{"common/v2.0", "https://login.microsoftonline.com/{tenantid}/v2.0"},
		{"organizations/v2.0", "https://login.microsoftonline.com/{tenantid}/v2.0"},
		{"consumers/v2.0", "https://login.microsoftonline.com/" + ConsumersTenant + "/v2.0"},
		{"fabrikam.com", "https://sts.windows.net/" + FabrikamTenant + "/"},
	} {
		var m struct{ Issuer string }
		r := do(t, c, "GET", signInHost+"/"+x.path+"/.well-known/openid-configuration?", "")
		r.decode(t, &m)
		if r.StatusCode != 200 || m.Issuer != x.issuer {
			t.Errorf("%s: %d %q", x.path, r.StatusCode, m.Issuer)
		}
	}
	for _, missing := range []string{"nowhere.example", "contoso.example", "00000000-0000-0000-0000-000000000000"} {
		r := do(t, c, "GET", signInHost+"/"+missing+"/v2.0/.well-known/openid-configuration", "")
		if r.StatusCode != 400 || r.code(t) != 90002 {
			t.Errorf("%s: %d %s", missing, r.StatusCode, r.body)
		}
	}
	r := do(t, c, "GET", signInHost+"/common/discovery/instance?api-version=1.1&authorization_endpoint="+url.QueryEscape("https://login.windows.net/contoso.com/oauth2/v2.0/authorize"), "")
	for _, want := range []string{"tenant_discovery_endpoint", "sts.windows.net", "login.microsoft.com", "/contoso.com/v2.0/.well-known/"} {
		if !strings.Contains(r.body, want) {
			t.Errorf("instance discovery lacks %q: %s", want, r.body)
		}
	}
	for _, bad := range []string{"", "https://login.example.org/x", "http://login.microsoftonline.com/common", "%zz"} {
		r := do(t, c, "GET", signInHost+"/common/discovery/instance?authorization_endpoint="+url.QueryEscape(bad), "")
		var e errorBody
		r.decode(t, &e)
		if r.StatusCode != 400 || e.Error != "invalid_instance" || e.Codes[0] != 50049 {
			t.Errorf("%q: %d %s", bad, r.StatusCode, r.body)
		}
	}
}

func TestTokenErrors(t *testing.T) {
	w := openWorld(t, Options{})
	c := client(t, w)
	service := []string{"client_id", ServiceApplication, "client_secret", ServiceSecret, "scope", "https://graph.microsoft.com/.default"}
	with := func(pairs ...string) []string { return append(slices.Clone(service), pairs...) }
	for _, x := range []struct {
		name, tenant string
		form         []string
		status, code int
		oauth        string
	}{
		{"no-grant-type", "contoso.com", with(), 400, 900144, "invalid_request"},
		{"unknown-grant-type", "contoso.com", with("grant_type", "magic"), 400, 70003, "unsupported_grant_type"},
		{"unknown-tenant", "nowhere.example", with("grant_type", "client_credentials"), 400, 90002, "invalid_request"},
		{"no-tenant", "common", with("grant_type", "client_credentials"), 400, 50059, "invalid_request"},
		{"application-not-there", "contoso.com", []string{"grant_type", "client_credentials", "client_id", "x"}, 400, 700016, "unauthorized_client"},
		{"application-of-another-tenant", "fabrikam.com", []string{"grant_type", "client_credentials", "client_id", "6cae1048-5f71-4d9b-90e0-813d5f7a1e30"}, 400, 700016, "unauthorized_client"},
		{"wrong-secret", "contoso.com", []string{"grant_type", "client_credentials", "client_id", ServiceApplication, "client_secret", "x"}, 401, 7000215, "invalid_client"},
		{"no-secret", "contoso.com", []string{"grant_type", "client_credentials", "client_id", ServiceApplication}, 401, 7000218, "invalid_client"},
		{"public-client-with-secret", "contoso.com", []string{"grant_type", "refresh_token", "client_id", PublicApplication, "client_secret", "x"}, 401, 700025, "invalid_client"},
		{"scope-without-default", "contoso.com", []string{"grant_type", "client_credentials", "client_id", ServiceApplication, "client_secret", ServiceSecret, "scope", "User.Read"}, 400, 70011, "invalid_scope"},
		{"unknown-code", "contoso.com", []string{"grant_type", "authorization_code", "client_id", PublicApplication, "code", "x"}, 400, 70000, "invalid_grant"},
		{"unknown-refresh-token", "contoso.com", []string{"grant_type", "refresh_token", "client_id", PublicApplication, "refresh_token", "x"}, 400, 70000, "invalid_grant"},
		{"password-at-common", "common", []string{"grant_type", "password", "client_id", PublicApplication, "username", Alice, "password", AlicePassword}, 400, 9001023, "invalid_request"},
		{"password-wrong", "organizations", []string{"grant_type", "password", "client_id", PublicApplication, "username", Alice, "password", "x"}, 400, 50126, "invalid_grant"},
		{"password-of-nobody", "contoso.com", []string{"grant_type", "password", "client_id", PublicApplication, "username", "no@contoso.com", "password", "x"}, 400, 50034, "invalid_grant"},
		{"parameter-twice", "contoso.com", with("grant_type", "client_credentials", "grant_type", "password"), 400, 9002313, "invalid_request"},
		{"unknown-device-code", "contoso.com", []string{"grant_type", "device_code", "client_id", PublicApplication, "device_code", "x"}, 400, 70018, "bad_verification_code"},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := ask(t, c, x.tenant+"/oauth2/v2.0/token", x.form...)
			var e errorBody
			r.decode(t, &e)
			if r.StatusCode != x.status || e.Error != x.oauth || len(e.Codes) != 1 || e.Codes[0] != x.code {
				t.Errorf("%d %s", r.StatusCode, r.body)
			}
		})
	}
	if r := do(t, c, "GET", signInHost+"/contoso.com/oauth2/v2.0/token", ""); r.StatusCode != 405 || r.code(t) != 900561 {
		t.Errorf("GET: %d %s", r.StatusCode, r.body)
	}
	if r := do(t, c, "POST", signInHost+"/contoso.com/oauth2/v2.0/token", "{}", "Content-Type", "application/json"); r.StatusCode != 400 {
		t.Errorf("two content types: %d %s", r.StatusCode, r.body)
	}
	if r := do(t, c, "POST", signInHost+"/contoso.com/oauth2/v2.0/token", "a="+strings.Repeat("b", 70<<10)); r.StatusCode != 400 || r.code(t) != 9002313 {
		t.Errorf("long body: %d %s", r.StatusCode, r.body)
	}
}

// The error body of "Microsoft Entra authentication and authorization error codes".
func TestErrorShape(t *testing.T) {
	w := openWorld(t, Options{})
	const id = "0f4c3a52-1111-4222-8333-444455556666"
	r := clientCredentials(t, client(t, w), "fabrikam.com", append(v1Contoso, "client-request-id", id)...)
	var e errorBody
	r.decode(t, &e)
	want := "AADSTS500021: Access to 'Fabrikam' tenant is denied.\r\nTrace ID: " + e.Trace + "\r\nCorrelation ID: " + id + "\r\nTimestamp: " + e.Timestamp
	if e.Description != want || e.Correlation != id || e.Error != "invalid_request" || e.URI != "https://login.microsoftonline.com/error?code=500021" {
		t.Errorf("%s", r.body)
	}
	if _, err := time.Parse("2006-01-02 15:04:05Z", e.Timestamp); err != nil {
		t.Error(err)
	}
	if page := do(t, client(t, w), "GET", e.URI, ""); page.StatusCode != 200 || !strings.Contains(page.body, "AADSTS500021") {
		t.Errorf("error_uri: %d", page.StatusCode)
	}
}

func TestRestrictionsAtEveryGrant(t *testing.T) {
	w := openWorld(t, Options{})
	c := browser(t, w)
	v2 := []string{"sec-Restrict-Tenant-Access-Policy", ContosoTenant + ":" + ContosoPolicy}
	post := func(path string, header []string, pairs ...string) reply {
		v := url.Values{}
		for i := 0; i+1 < len(pairs); i += 2 {
			v.Add(pairs[i], pairs[i+1])
		}
		return do(t, c, "POST", signInHost+"/"+path, v.Encode(), header...)
	}
	// Without headers Bob gets a code, a refresh token and a device code at home …
	var bob tokens
	redeem(t, c, "common", codeOf(t, signIn(t, c, authorizeURL("common"), Bob, BobPassword))).decode(t, &bob)
	code := codeOf(t, do(t, c, "GET", authorizeURL("common"), ""))
	// … and none of them is worth anything behind a proxy that permits Contoso alone.
	for name, r := range map[string]reply{
		"authorization_code": redeem(t, c, "common", code, "header Restrict-Access-To-Tenants", "contoso.com"),
		"refresh_token":      post("common/oauth2/v2.0/token", v1Contoso, "grant_type", "refresh_token", "client_id", PublicApplication, "refresh_token", bob.Refresh),
		"password":           post("organizations/oauth2/v2.0/token", v1Contoso, "grant_type", "password", "client_id", PublicApplication, "username", Bob, "password", BobPassword, "scope", "User.Read"),
		"devicecode":         post("fabrikam.com/oauth2/v2.0/devicecode", v1Contoso, "client_id", PublicApplication, "scope", "User.Read"),
		"v1-token":           post("fabrikam.com/oauth2/token", v1Contoso, "grant_type", "client_credentials", "client_id", ServiceApplication, "client_secret", ServiceSecret, "resource", "https://graph.microsoft.com"),
		"wrong-secret-too":   post("fabrikam.com/oauth2/v2.0/token", v1Contoso, "grant_type", "client_credentials", "client_id", ServiceApplication, "client_secret", "x"),
	} {
		if r.StatusCode != 400 || r.code(t) != 500021 {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
		}
	}
	for _, host := range []string{"login.microsoft.com", "login.windows.net"} {
		r := do(t, c, "POST", "https://"+host+"/fabrikam.com/oauth2/v2.0/token", "grant_type=client_credentials", v1Contoso...)
		if r.code(t) != 500021 {
			t.Errorf("%s: %s", host, r.body)
		}
	}
	if r := clientCredentials(t, c, "fabrikam.com", v2...); r.code(t) != 5000211 {
		t.Errorf("v2 service principal: %s", r.body)
	}
	r := post("organizations/oauth2/v2.0/token", v2, "grant_type", "password", "client_id", PublicApplication, "username", Bob, "password", BobPassword, "scope", "api://"+ServiceApplication+"/read")
	var a tokens
	r.decode(t, &a)
	claims := verify(t, c, signInHost+"/fabrikam.com/v2.0/.well-known/openid-configuration", a.Access, ServiceApplication)
	if claims["xms_trpid"] != ContosoPolicy {
		t.Errorf("v2 allowed partner: %v", claims)
	}
	if r := post("organizations/oauth2/v2.0/token", v2, "grant_type", "password", "client_id", PublicApplication, "username", Carol, "password", CarolPassword, "scope", "User.Read"); r.code(t) != 5000211 {
		t.Errorf("v2 other tenant: %s", r.body)
	}
	// The graph's answer to a token that was issued without the policy.
	var plain tokens
	clientCredentials(t, c, "fabrikam.com").decode(t, &plain)
	data := do(t, c, "GET", "https://graph.microsoft.com/v1.0/me", "", append(v2, "Authorization", "Bearer "+plain.Access)...)
	if data.StatusCode != 401 || data.Header.Get("Restrict-Access-Confirm") != "1" {
		t.Errorf("data plane: %d %v", data.StatusCode, data.Header)
	}
}

func TestTheLabDoesNotGuess(t *testing.T) {
	w := openWorld(t, Options{})
	c := client(t, w)
	for name, header := range map[string][]string{
		"lab.duplicate-header": append(slices.Clone(v1Contoso), "Restrict-Access-To-Tenants", "contoso.com"),
		"lab.both-versions":    append(slices.Clone(v1Contoso), "sec-Restrict-Tenant-Access-Policy", ContosoTenant+":"+ContosoPolicy),
		"lab.malformed-policy": {"sec-Restrict-Tenant-Access-Policy", "x"},
		"lab.unknown-policy":   {"sec-Restrict-Tenant-Access-Policy", ContosoTenant + ":" + ContosoTenant},
	} {
		r := clientCredentials(t, c, "contoso.com", header...)
		var e errorBody
		r.decode(t, &e)
		if r.StatusCode != 400 || len(e.Codes) != 0 || !strings.HasPrefix(e.Description, "LAB: ") || !strings.Contains(e.Description, name) {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
		}
		if page := do(t, c, "GET", authorizeURL("contoso.com"), "", header...); page.StatusCode != 400 {
			t.Errorf("%s: page %d", name, page.StatusCode)
		}
	}
	last := w.SignIns()
	if len(last) == 0 || !last[len(last)-1].Lab {
		t.Errorf("the journal does not say that the answer was the lab's own: %+v", last)
	}
}

func TestRefreshRotates(t *testing.T) {
	w := openWorld(t, Options{})
	c := browser(t, w)
	var first, second tokens
	redeem(t, c, "common", codeOf(t, signIn(t, c, authorizeURL("common"), Alice, AlicePassword))).decode(t, &first)
	refresh := func(name, tenant string) reply {
		return ask(t, c, tenant+"/oauth2/v2.0/token", "grant_type", "refresh_token", "client_id", PublicApplication, "refresh_token", name, "scope", "User.Read")
	}
	refresh(first.Refresh, "common").decode(t, &second)
	if second.Access == "" || second.Refresh == "" || second.Refresh == first.Refresh {
		t.Fatalf("%+v", second)
	}
	if r := refresh(second.Refresh, "fabrikam.com"); r.StatusCode != 200 {
		t.Errorf("a guest's token in the other tenant: %s", r.body)
	}
	if r := refresh(second.Refresh, "northwindtraders.com"); r.code2(t) != 50020 {
		t.Errorf("no account there: %s", r.body)
	}
	if r := refresh(first.Refresh, "common"); r.code2(t) != 50173 {
		t.Errorf("used twice: %s", r.body)
	}
	if r := refresh(second.Refresh, "common"); r.StatusCode == 200 {
		t.Error("the family outlived the reuse")
	}
}

func TestDeviceCode(t *testing.T) {
	w := openWorld(t, Options{})
	c := browser(t, w)
	var d struct {
		Device string `json:"device_code"`
		User   string `json:"user_code"`
		URI    string `json:"verification_uri"`
	}
	ask(t, c, "common/oauth2/v2.0/devicecode", "client_id", PublicApplication, "scope", "openid offline_access User.Read").decode(t, &d)
	poll := func(header ...string) reply {
		v := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {PublicApplication}, "device_code": {d.Device}}
		return do(t, c, "POST", signInHost+"/common/oauth2/v2.0/token", v.Encode(), header...)
	}
	var e errorBody
	poll().decode(t, &e)
	if e.Error != "authorization_pending" || e.Codes[0] != 70016 {
		t.Errorf("pending: %+v", e)
	}
	page := do(t, c, "GET", d.URI, "")
	csrf := formCSRF.FindStringSubmatch(page.body)
	if csrf == nil {
		t.Fatal(page.body)
	}
	form := url.Values{"csrf": {csrf[1]}, "user_code": {"XXXXXXXXX"}, "username": {Bob}, "password": {BobPassword}}
	if r := do(t, c, "POST", d.URI, form.Encode()); !strings.Contains(r.body, "No device waits") {
		t.Errorf("wrong user code: %s", r.body)
	}
	form.Set("user_code", strings.ToLower(d.User))
	if r := do(t, c, "POST", d.URI, form.Encode()); r.StatusCode != 200 || !strings.Contains(r.body, "You are signed in") {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	// Approved outside, polled behind the proxy: tested at the poll.
	if r := poll(v1Contoso...); r.code2(t) != 500021 {
		t.Errorf("restricted poll: %s", r.body)
	}
}

func TestRealms(t *testing.T) {
	w := openWorld(t, Options{})
	c := client(t, w)
	for path, want := range map[string]string{
		"/common/UserRealm/alice@contoso.com?api-version=1.0":              `"account_type":"Managed"`,
		"/common/UserRealm/x@nowhere.example?api-version=1.0":              `"account_type":"Unknown"`,
		"/common/userrealm?user=bob@fabrikam.com&api-version=2.1":          `"NameSpaceType":"Managed"`,
		"/getuserrealm.srf?login=alice@contoso.com&json=1":                 `"NameSpaceType":"Managed"`,
		"/getuserrealm.srf?login=alice@contoso.com&xml=1":                  `<NameSpaceType>Managed</NameSpaceType>`,
		"/getuserrealm.srf?xml=1&login=" + url.QueryEscape(`<a>&"@x.test`): `&lt;a&gt;`,
	} {
		if r := do(t, c, "GET", signInHost+path, ""); r.StatusCode != 200 || !strings.Contains(r.body, want) {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.body)
		}
	}
	for body, want := range map[string]string{
		`{"username":"alice@contoso.com"}`: `"IfExistsResult":0`, `{"username":"x@contoso.com"}`: `"IfExistsResult":1`,
		`{"username":"frank@live.com"}`: `"IfExistsResult":5`, `[`: "AADSTS9002313", ``: "AADSTS9002313",
	} {
		if r := do(t, c, "POST", signInHost+"/common/GetCredentialType?mkt=ja-JP", body); !strings.Contains(r.body, want) {
			t.Errorf("%s: %d %s", body, r.StatusCode, r.body)
		}
	}
}

func TestForgedTokens(t *testing.T) {
	w := openWorld(t, Options{})
	c := client(t, w)
	var a tokens
	clientCredentials(t, c, "contoso.com").decode(t, &a)
	parts := strings.Split(a.Access, ".")
	var set jose.JSONWebKeySet
	do(t, c, "GET", signInHost+"/common/discovery/v2.0/keys", "").decode(t, &set)
	public, _ := json.Marshal(set.Keys[0])
	hs, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: public}, nil)
	if err != nil {
		t.Fatal(err)
	}
	confused, _ := jwt.Signed(hs).Claims(map[string]any{"aud": "https://graph.microsoft.com", "nbf": 0, "exp": 1 << 40}).Serialize()
	for name, raw := range map[string]string{
		"none":       "eyJhbGciOiJub25lIn0." + parts[1] + ".",
		"no-sig":     parts[0] + "." + parts[1] + ".",
		"other-body": parts[0] + ".e30." + parts[2],
		"confusion":  confused,
		"garbage":    "x", "long": strings.Repeat("a.", 20000),
	} {
		r := do(t, c, "GET", "https://graph.microsoft.com/v1.0/me", "", "Authorization", "Bearer "+raw)
		if r.StatusCode != 401 || !strings.Contains(r.body, "InvalidAuthenticationToken") {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
		}
	}
	if r := do(t, c, "GET", "https://graph.microsoft.com/v1.0/me", "", "Authorization", "Bearer "+a.Access); r.StatusCode != 400 {
		t.Errorf("application at /me: %d", r.StatusCode)
	}
}

func TestJournal(t *testing.T) {
	w := openWorld(t, Options{})
	c := browser(t, w)
	const id = "0f4c3a52-1111-4222-8333-444455556666"
	clientCredentials(t, c, "fabrikam.com", append(v1Contoso, "client-request-id", id)...)
	signIn(t, c, authorizeURL("contoso.com"), Alice, AlicePassword)
	got := w.SignIns()
	if len(got) != 2 {
		t.Fatalf("%+v", got)
	}
	blocked, ok := got[0], got[1]
	if blocked.Code != 500021 || blocked.Tenant != FabrikamTenant || blocked.Application != ServiceApplication || blocked.Context != ContosoTenant ||
		blocked.CorrelationID != id || blocked.Endpoint != "token" || blocked.Restricted != "v1" || !slices.Contains(blocked.Assumptions, "restriction-status") {
		t.Errorf("%+v", blocked)
	}
	if ok.Code != 0 || ok.User != Alice || ok.HomeTenant != ContosoTenant || len(ok.Assumptions) != 0 {
		t.Errorf("%+v", ok)
	}
}

// A code and a device code belong to the client and the redirect URI that they were made for.
func TestGrantsAreBound(t *testing.T) {
	w := openWorld(t, Options{})
	c := browser(t, w)
	const other = "1950a258-227b-4e31-a9cf-717495945fc2"
	signIn(t, c, authorizeURL("common"), Alice, AlicePassword)
	code := func() string { return codeOf(t, do(t, c, "GET", authorizeURL("common"), "")) }
	if r := redeem(t, c, "common", code(), "redirect_uri", "http://localhost:1"); r.code2(t) != 50011 {
		t.Errorf("another redirect URI: %s", r.body)
	}
	stolen := code()
	if r := redeem(t, c, "common", stolen, "client_id", other); r.code2(t) != 70000 {
		t.Errorf("another client's code: %s", r.body)
	}
	if r := redeem(t, c, "common", stolen); r.StatusCode != 200 {
		t.Errorf("another client's try used the code up: %s", r.body)
	}
	if r := redeem(t, c, "fabrikam.com", code()); r.code2(t) != 700005 {
		t.Errorf("another tenant: %s", r.body)
	}
	var d struct {
		Device string `json:"device_code"`
	}
	ask(t, c, "common/oauth2/v2.0/devicecode", "client_id", PublicApplication, "scope", "User.Read").decode(t, &d)
	r := ask(t, c, "common/oauth2/v2.0/token", "grant_type", "device_code", "client_id", other, "device_code", d.Device)
	if r.code2(t) != 70018 {
		t.Errorf("another client's device code: %s", r.body)
	}
}
