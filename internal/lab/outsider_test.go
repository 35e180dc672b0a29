package lab

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// go-oidc and x/oauth2, unmodified, sign somebody in and verify what they get.
func TestOutsiderVerifies(t *testing.T) {
	t.Parallel()
	w := openWorld(t, Options{})
	c := browser(t, w)
	ctx := oidc.ClientContext(t.Context(), c)
	provider, err := oidc.NewProvider(ctx, signInHost+"/"+ContosoTenant+"/v2.0")
	if err != nil {
		t.Fatal(err)
	}
	config := oauth2.Config{
		ClientID: PublicApplication, Endpoint: provider.Endpoint(), RedirectURL: loopback, Scopes: []string{oidc.ScopeOpenID, "offline_access", "User.Read"},
	}
	config.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	verifier := provider.Verifier(&oidc.Config{ClientID: PublicApplication})

	proof := oauth2.GenerateVerifier()
	target := config.AuthCodeURL("state", oidc.Nonce("nonce"), oauth2.S256ChallengeOption(proof))
	got, err := config.Exchange(ctx, codeOf(t, signIn(t, c, target, Alice, AlicePassword)), oauth2.VerifierOption(proof))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := got.Extra("id_token").(string)
	id, err := verifier.Verify(ctx, raw)
	if err != nil || id.Nonce != "nonce" {
		t.Fatalf("%v, %+v", err, id)
	}
	if err := oauth2Refresh(ctx, config, got.RefreshToken); err != nil {
		t.Errorf("refresh: %v", err)
	}
	if _, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(got)); err != nil {
		t.Errorf("userinfo: %v", err)
	}

	// After a change of keys: the old token is good, and a new one is found by its key id.
	if err := w.keys.Rotate(); err != nil {
		t.Fatal(err)
	}
	if _, err := verifier.Verify(ctx, raw); err != nil {
		t.Errorf("a token of the key before: %v", err)
	}
	r := do(t, c, "GET", config.AuthCodeURL("state", oidc.Nonce("n2"), oauth2.SetAuthURLParam("response_type", "code id_token")), "")
	back, err := url.Parse(r.Header.Get("Location"))
	if err != nil || r.StatusCode != http.StatusFound {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	front, _ := url.ParseQuery(back.Fragment)
	hybrid, err := verifier.Verify(ctx, front.Get("id_token"))
	if err != nil || hybrid.Nonce != "n2" {
		t.Fatalf("hybrid: %v in %q", err, back)
	}
	var claims struct {
		CodeHash string `json:"c_hash"`
	}
	if err := hybrid.Claims(&claims); err != nil || claims.CodeHash == "" {
		t.Errorf("c_hash %q, %v", claims.CodeHash, err)
	}

	// An access token through the browser is bound to the ID token beside it.
	r = do(t, c, "GET", config.AuthCodeURL("state", oidc.Nonce("n3"), oauth2.SetAuthURLParam("response_type", "id_token token")), "")
	back, _ = url.Parse(r.Header.Get("Location"))
	front, _ = url.ParseQuery(back.Fragment)
	implicit, err := verifier.Verify(ctx, front.Get("id_token"))
	if err != nil || implicit.VerifyAccessToken(front.Get("access_token")) != nil {
		t.Errorf("implicit: %v in %q", err, back)
	}
	if front.Get("state") != "state" || front.Get("code") != "" {
		t.Errorf("fragment %v", front)
	}
}

func oauth2Refresh(ctx context.Context, c oauth2.Config, refresh string) error {
	_, err := c.TokenSource(ctx, &oauth2.Token{RefreshToken: refresh}).Token()
	return err
}

func TestIDTokenByFormPost(t *testing.T) {
	t.Parallel()
	w := openWorld(t, Options{})
	c := browser(t, w)
	r := signIn(t, c, authorizeURL("contoso.com", "response_type", "id_token", "response_mode", "form_post"), Alice, AlicePassword)
	for _, want := range []string{`action="http://localhost"`, `name="id_token"`, `value="s&amp;&lt;tate&gt;"`} {
		if !strings.Contains(r.body, want) {
			t.Errorf("the page lacks %q: %s", want, r.body)
		}
	}
	if strings.Contains(r.body, `name="code"`) || strings.Contains(r.body, `name="access_token"`) {
		t.Error("more than was asked for")
	}
}

func TestResponseTypeRefusals(t *testing.T) {
	t.Parallel()
	w := openWorld(t, Options{})
	c := client(t, w)
	payroll := []string{"client_id", "6cae1048-5f71-4d9b-90e0-813d5f7a1e30", "redirect_uri", "https://payroll.contoso.com/callback"}
	for name, x := range map[string]struct {
		change []string
		want   string // begin of Location
		code   string
	}{
		"no-nonce":          {[]string{"response_type", "id_token", "nonce", ""}, "http://localhost#", "AADSTS900144"},
		"no-openid":         {[]string{"response_type", "id_token", "scope", "User.Read"}, "http://localhost#", "AADSTS70005"},
		"tokens-in-a-query": {[]string{"response_type", "code id_token", "response_mode", "query"}, "http://localhost#", "AADSTS70007"},
		"not-enabled":       {append([]string{"response_type", "id_token"}, payroll...), "https://payroll.contoso.com/callback#", "AADSTS700054"},
		"unknown":           {[]string{"response_type", "code code"}, "http://localhost?", "AADSTS70005"},
		"prompt-create":     {[]string{"prompt", "create"}, "http://localhost?", "AADSTS90023"},
		"prompt-none-login": {[]string{"prompt", "none login"}, "http://localhost?", "AADSTS90023"},
		"max-age":           {[]string{"max_age", "-1"}, "http://localhost?", "AADSTS90100"},
		"claims":            {[]string{"claims", "[1"}, "http://localhost?", "AADSTS90100"},
		"request-object":    {[]string{"request", "e30.e30."}, "http://localhost?", "request_not_supported"},
		"request-uri":       {[]string{"request_uri", "https://example.org/"}, "http://localhost?", "request_uri_not_supported"},
		"resource":          {[]string{"resource", "https://graph.microsoft.com"}, "http://localhost?", "AADSTS901002"},
		"challenge-letters": {[]string{"code_challenge", strings.Repeat("=", 43), "code_challenge_method", "S256"}, "http://localhost?", "AADSTS501491"},
	} {
		r := do(t, c, "GET", authorizeURL("contoso.com", x.change...), "")
		loc, _ := url.QueryUnescape(r.Header.Get("Location"))
		if r.StatusCode != 302 || !strings.HasPrefix(loc, x.want) || !strings.Contains(loc, x.code) || !strings.Contains(loc, "state=s&<tate>") {
			t.Errorf("%s: %d %q %s", name, r.StatusCode, loc, r.body)
		}
	}
}

func TestPromptsAndHints(t *testing.T) {
	t.Parallel()
	now := clockAt(t)
	w := openWorld(t, Options{Now: now.time})
	c := browser(t, w)
	signIn(t, c, authorizeURL("common"), Alice, AlicePassword)
	asked := func(name string, change ...string) {
		t.Helper()
		if r := do(t, c, "GET", authorizeURL("common", change...), ""); r.StatusCode != 200 || !strings.Contains(r.body, `name="password"`) {
			t.Errorf("%s: %d %q", name, r.StatusCode, r.Header.Get("Location"))
		}
	}
	asked("another login_hint", "login_hint", Bob)
	asked("prompt=login", "prompt", "login")
	asked("max_age=0", "max_age", "0", "prompt", "login")
	codeOf(t, do(t, c, "GET", authorizeURL("common", "max_age", "60", "login_hint", strings.ToUpper(Alice)), ""))
	now.move(2 * 60 * 1e9)
	asked("an old sign-in", "max_age", "60")
	if r := do(t, c, "GET", authorizeURL("common", "max_age", "60", "prompt", "none"), ""); !strings.Contains(r.Header.Get("Location"), "login_required") {
		t.Errorf("an old sign-in without asking: %q", r.Header.Get("Location"))
	}
	// The picker offers the account, and takes it without a password.
	target := authorizeURL("common", "prompt", "select_account")
	page := do(t, c, "GET", target, "")
	csrf := formCSRF.FindStringSubmatch(page.body)
	if csrf == nil || !strings.Contains(page.body, `name="account" value="`+Alice+`"`) {
		t.Fatal(page.body)
	}
	codeOf(t, do(t, c, "POST", target, url.Values{"csrf": {csrf[1]}, "account": {Alice}}.Encode()))
	if r := do(t, c, "POST", target, url.Values{"csrf": {csrf[1]}, "account": {Bob}}.Encode()); r.StatusCode != 200 {
		t.Errorf("an account that is not signed in: %d", r.StatusCode)
	}
	if r := do(t, client(t, w), "GET", authorizeURL("common", "domain_hint", "consumers"), ""); !strings.HasPrefix(r.Header.Get("Location"), "https://login.live.com/") {
		t.Errorf("domain_hint: %d %q", r.StatusCode, r.Header.Get("Location"))
	}
	// An application may post its request.
	u, _ := url.Parse(authorizeURL("common"))
	r := do(t, client(t, w), "POST", signInHost+u.Path, u.RawQuery)
	if r.StatusCode != 200 || !strings.Contains(r.body, `action="/common/oauth2/v2.0/authorize?client_id=`) {
		t.Errorf("posted: %d %s", r.StatusCode, r.body)
	}
}
