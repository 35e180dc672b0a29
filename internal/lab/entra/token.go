package entra

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"time"

	"sekisho/internal/lab/admission"
	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/token"
)

// code is an authorization code on its way back.
type code struct {
	grant
	path      string // of the tenant at authorize
	redirect  string
	challenge string
	method    string // S256, plain; "" without challenge
	used      bool
}

// refreshToken is one link of a family; only the newest may be used.
type refreshToken struct {
	grant
	used bool
}

// token is the token endpoint. The order of its tests (tenant, restriction, application, credentials, grant) is
// assumed; only that restricted tenants issue nothing is documented.
func (x *exchange) token() {
	x.entry.Endpoint = "token"
	v, f := x.form()
	if f != nil {
		x.failJSON(f)
		return
	}
	x.entry.Grant = clip(v.Get("grant_type"), 60)
	t, shared, f := x.tenant()
	if f == nil && v.Get("grant_type") == "" {
		f = failMissing("grant_type")
	}
	if f != nil {
		x.failJSON(f)
		return
	}
	appOnly := v.Get("grant_type") == "client_credentials"
	id, secret := x.clientCredentials(v)
	known, _ := x.dir.Application(id)
	x.about(known, nil, t)
	if x.signal.Version() != "" {
		x.assume(directory.AssumedTestedBeforeSecrets)
	}
	sub := admission.Subject{Resource: x.bootstrap(t, known), Application: known, AppOnly: appOnly}
	if appOnly {
		sub.PrincipalHome = t
	}
	verdict, f := x.judge(sub)
	if f != nil {
		x.failJSON(f)
		return
	}
	app, f := x.application(id, t)
	if f == nil {
		f = authenticate(app, secret, v)
	}
	if f != nil {
		x.failJSON(f)
		return
	}
	switch v.Get("grant_type") {
	case "client_credentials":
		x.grantClient(v, app, t, shared, verdict.PolicyID)
	case "authorization_code":
		x.grantCode(v, app)
	case "refresh_token":
		x.grantRefresh(v, app)
	case "password":
		x.grantPassword(v, app, t)
	case "device_code", "urn:ietf:params:oauth:grant-type:device_code":
		x.grantDevice(v, app)
	default:
		x.failJSON(failGrantType(v.Get("grant_type")))
	}
}

// ask reads what the client wants a token for: scopes, or v1's resource.
func (x *exchange) ask(v url.Values, t *directory.Tenant) (scopes, *failure) {
	if x.v1 {
		return x.resource(v.Get("resource"), t)
	}
	return x.scope(v.Get("scope"), t)
}

// grantClient is the client credentials grant (RFC 6749, section 4.4). It needs a tenant (50059), a secret, and a
// scope that ends in /.default (70011); OpenID scopes beside it are tolerated because MSAL for Go sends them.
func (x *exchange) grantClient(v url.Values, app *directory.Application, t *directory.Tenant, shared bool, policy string) {
	if shared {
		x.failJSON(failNoTenant())
		return
	}
	if app.Public {
		x.failJSON(fail(7000218, "invalid_client", http.StatusUnauthorized,
			"The request body must contain the following parameter: 'client_assertion' or 'client_secret'."))
		return
	}
	s, f := x.ask(v, t)
	if f == nil && (len(s.names) != 1 || s.names[0] != ".default") {
		f = failScope(v.Get("scope"))
	}
	if f != nil {
		x.failJSON(f)
		return
	}
	s.openID, s.offline = false, false
	x.issue(grant{tenant: t, app: app, scopes: s, policyID: policy, v1: x.v1}, false)
}

// grantCode redeems an authorization code (RFC 6749, section 4.1.3; PKCE: RFC 7636, section 4.6). A code works once;
// a second try revokes what the first one got (RFC 6749, section 4.1.2).
func (x *exchange) grantCode(v url.Values, app *directory.Application) {
	if v.Get("code") == "" {
		x.failJSON(failMissing("code"))
		return
	}
	var c code
	var again bool
	found := x.s.codes.with(v.Get("code"), x.now, func(kept *code) {
		c, again = *kept, kept.used
		if kept.app.ID == app.ID {
			kept.used = true
		}
	})
	switch {
	case !found, c.app.ID != app.ID, !x.again(&c.grant):
		x.failJSON(failCode())
		return
	case again:
		x.s.refresh.dropIf(func(r *refreshToken) bool { return r.family == c.family })
		x.failJSON(fail(54005, "invalid_grant", 400, "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token."))
		return
	case !x.sameTenant(c):
		x.failJSON(fail(700005, "invalid_grant", 400, "Provided Authorization Code is intended to use against other tenant, thus rejected."))
		return
	case v.Get("redirect_uri") != c.redirect:
		x.failJSON(fail(50011, "invalid_grant", 400, "The redirect URI specified in the request does not match the one of the authorization request."))
		return
	}
	if f := verifyPKCE(c, v.Get("code_verifier")); f != nil {
		x.failJSON(f)
		return
	}
	c.v1 = x.v1
	x.renew(c.grant, v)
}

// sameTenant reports whether a code is redeemed where it was asked for: in its tenant, under any name of it, or at a
// shared path when it came from one (700005).
func (x *exchange) sameTenant(c code) bool {
	t, shared, f := x.tenant()
	if f != nil {
		return false
	}
	return !shared && t.ID == c.tenant.ID || shared && (c.path == common || c.path == organizations)
}

// verifyPKCE compares the verifier with the challenge. An empty verifier counts as none: MSAL for Go sends one. A
// verifier for a code without challenge is refused, so that the challenge cannot be cut out on its way (RFC 9700,
// section 2.1.1).
func verifyPKCE(c code, verifier string) *failure {
	mismatch := fail(501481, "invalid_grant", 400, "The Code_Verifier does not match the code_challenge supplied in the authorization request.")
	got := verifier
	switch {
	case c.challenge == "" && verifier == "":
		return nil
	case c.challenge == "" || verifier == "":
		return mismatch
	case c.method == "S256":
		sum := sha256.Sum256([]byte(verifier))
		got = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	if subtle.ConstantTimeCompare([]byte(got), []byte(c.challenge)) != 1 {
		return mismatch
	}
	return nil
}

// renew tests g's tenants against the restriction of this request, narrows its scopes to those asked for, and issues.
func (x *exchange) renew(g grant, v url.Values) {
	x.about(g.app, g.person, g.tenant)
	verdict, f := x.judge(admission.Subject{Resource: g.tenant, Home: g.person.Tenant, Person: g.person, Application: g.app})
	if f != nil {
		x.failJSON(f)
		return
	}
	g.policyID = verdict.PolicyID
	if v.Get("scope") != "" || v.Get("resource") != "" {
		s, f := x.ask(v, g.tenant)
		if f != nil {
			x.failJSON(f)
			return
		}
		// What was not asked for at first does not come later: a refresh token needs offline_access at the start.
		s.offline = s.offline && g.scopes.offline || g.scopes.offline
		s.openID = s.openID || g.scopes.openID
		g.scopes = s
	}
	x.issue(g, v.Get("client_info") == "1")
}

// keepRefresh makes a refresh token for g.
func (x *exchange) keepRefresh(g grant) string {
	name := "1.lab." + token.Opaque(32)
	x.s.refresh.put(name, &refreshToken{grant: g}, x.now.Add(refreshLife))
	return name
}

// grantRefresh is RFC 6749, section 6, with rotation: each token works once, and a second use ends the family (RFC
// 9700, section 4.14.2). Microsoft does not promise rotation; the answer to a reused token is assumed.
func (x *exchange) grantRefresh(v url.Values, app *directory.Application) {
	name := v.Get("refresh_token")
	if name == "" {
		x.failJSON(failMissing("refresh_token"))
		return
	}
	var r refreshToken
	var again bool
	found := x.s.refresh.with(name, x.now, func(kept *refreshToken) {
		r, again = *kept, kept.used
		if kept.app.ID == app.ID && x.refreshTenant(kept.tenant) {
			kept.used = true
		}
	})
	switch {
	case !found:
		x.failJSON(fail(70000, "invalid_grant", 400, "The provided refresh token is not valid."))
		return
	case r.app.ID != app.ID:
		x.failJSON(fail(70000, "invalid_grant", 400, "The provided refresh token was issued to another client."))
		return
	case again:
		x.assume(directory.AssumedReuse)
		x.s.refresh.dropIf(func(o *refreshToken) bool { return o.family == r.family })
		x.failJSON(fail(50173, "invalid_grant", 400, "The provided grant has expired due to it being revoked, a fresh auth token is needed."))
		return
	}
	g := r.grant
	if !x.again(&g) {
		x.failJSON(fail(50173, "invalid_grant", 400, "The provided grant has expired due to it being revoked, a fresh auth token is needed."))
		return
	}
	if t, shared, f := x.tenant(); f == nil && !shared && t.ID != g.tenant.ID {
		// A refresh token of one tenant asks for a token in another one where the person has an account.
		account, ok := t.Account(g.person)
		if !ok {
			x.failJSON(failNotGuest(issuerV1(g.person.Tenant), t.Name, app))
			return
		}
		g.tenant, g.account = t, account
	}
	g.v1 = x.v1
	x.renew(g, v)
}

// refreshTenant reports whether the request stays in the token's own tenant, which is when rotation applies.
func (x *exchange) refreshTenant(t *directory.Tenant) bool {
	to, shared, f := x.tenant()
	return f == nil && (shared || to.ID == t.ID)
}

// grantPassword is the resource owner password grant (RFC 6749, section 4.3). /common and /consumers do not take it
// (9001023).
func (x *exchange) grantPassword(v url.Values, app *directory.Application, t *directory.Tenant) {
	if x.path == common || t != nil && t.Kind == directory.Consumers {
		x.failJSON(fail(9001023, "invalid_request", 400, "The grant type is not supported over the /common or /consumers endpoints."))
		return
	}
	for _, name := range []string{"username", "password"} {
		if v.Get(name) == "" {
			x.failJSON(failMissing(name))
			return
		}
	}
	person, ok := x.dir.Person(v.Get("username"))
	if ok {
		x.about(app, person, t)
	}
	if t == nil && ok {
		t = person.Tenant
	}
	where := x.path
	if t != nil {
		where = t.Name
	}
	if !ok || person.Tenant.Kind == directory.Consumers {
		x.failJSON(failUserUnknown(v.Get("username"), where))
		return
	}
	verdict, f := x.judge(admission.Subject{Resource: t, Home: person.Tenant, Person: person, Application: app})
	if f == nil && !person.CheckPassword(v.Get("password")) {
		f = failPassword()
	}
	account, member := t.Account(person)
	if f == nil && !member {
		f = failUserUnknown(v.Get("username"), where)
	}
	var s scopes
	if f == nil {
		_, f = x.application(app.ID, t)
	}
	if f == nil {
		s, f = x.ask(v, t)
	}
	if f != nil {
		x.failJSON(f)
		return
	}
	x.issue(grant{
		tenant: t, person: person, account: account, app: app, scopes: s, authTime: x.now, methods: []string{"pwd"},
		policyID: verdict.PolicyID, family: token.GUID(), v1: x.v1,
	}, v.Get("client_info") == "1")
}

// expired reports whether a time limit that began at start is over.
func expired(start time.Time, life time.Duration, now time.Time) bool {
	return !now.Before(start.Add(life))
}
