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
)

// The grants that are not written by a short name alone.
const (
	grantOnBehalfOf = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	grantDeviceCode = "urn:ietf:params:oauth:grant-type:device_code"
)

// code is an authorization code on its way back.
type code struct {
	warrant
	path      string // of the tenant at authorize
	redirect  string
	omitted   bool // the request named no redirect URI
	challenge string
	method    string // S256, plain; "" without challenge
	used      bool
}

// client is who asks for a token: the application, and how it proved itself.
type client struct {
	app   *directory.Application
	proof string // azpacr
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
	shown, f := x.clientCredentials(v)
	if f != nil {
		x.failJSON(f)
		return
	}
	known, _ := x.dir.Application(shown.id)
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
	app, f := x.application(shown.id, t)
	if f == nil {
		f = x.authenticate(app, shown)
	}
	if f != nil {
		if shown.basic && f.status == http.StatusUnauthorized {
			x.w.Header().Set("WWW-Authenticate", `Basic realm="LAB", charset="UTF-8"`) // RFC 6749, section 5.2
		}
		x.failJSON(f)
		return
	}
	c := client{app, shown.proof()}
	switch v.Get("grant_type") {
	case "client_credentials":
		x.grantClient(v, c, t, shared, verdict.PolicyID)
	case "authorization_code":
		x.grantCode(v, c)
	case "refresh_token":
		x.grantRefresh(v, c)
	case "password":
		x.grantPassword(v, c, t)
	case "device_code", grantDeviceCode:
		x.grantDevice(v, c)
	case grantOnBehalfOf:
		x.grantOnBehalf(v, c, t)
	default:
		x.failJSON(failGrantType(v.Get("grant_type")))
	}
}

// grantClient is the client credentials grant (RFC 6749, section 4.4). It needs a tenant (50059), a secret or a
// certificate, and a scope that ends in /.default (70011); OpenID scopes beside it are tolerated because MSAL for Go sends
// them.
func (x *exchange) grantClient(v url.Values, c client, t *directory.Tenant, shared bool, policy string) {
	if shared {
		x.failJSON(failNoTenant())
		return
	}
	if c.app.Public {
		x.failJSON(fail(7000218, "invalid_client", http.StatusUnauthorized,
			"The request body must contain the following parameter: 'client_assertion' or 'client_secret'."))
		return
	}
	s, f := x.ask(v, t)
	if f == nil && (len(s.Names) != 1 || s.Names[0] != ".default") {
		f = failScope(v.Get("scope"))
	}
	if f != nil {
		x.failJSON(f)
		return
	}
	s.OpenID, s.Offline = false, false
	x.issue(grant{tenant: t, app: c.app, scopes: s, policyID: policy, v1: x.v1, proof: c.proof}, false)
}

// grantCode redeems an authorization code (RFC 6749, section 4.1.3; PKCE: RFC 7636, section 4.6). A code works once;
// a second try revokes what the first one got (RFC 6749, section 4.1.2).
func (x *exchange) grantCode(v url.Values, client client) {
	if v.Get("code") == "" {
		x.failJSON(failMissing("code"))
		return
	}
	var c code
	var again bool
	found := x.s.codes.with(v.Get("code"), x.now, func(kept *code) {
		c, again = *kept, kept.used
		if kept.Application == client.app.ID {
			kept.used = true
		}
	})
	redirect := v.Get("redirect_uri")
	switch {
	case !found, c.Application != client.app.ID:
		x.failJSON(failCode())
		return
	case again:
		x.endFamily(c.Family)
		x.failJSON(fail(54005, "invalid_grant", 400, "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token."))
		return
	case !x.sameTenant(c):
		x.failJSON(fail(700005, "invalid_grant", 400, "Provided Authorization Code is intended to use against other tenant, thus rejected."))
		return
	case redirect != c.redirect && !(redirect == "" && c.omitted): // RFC 6749, section 4.1.3
		x.failJSON(fail(50011, "invalid_grant", 400, "The redirect URI specified in the request does not match the one of the authorization request."))
		return
	}
	if f := verifyPKCE(c, v.Get("code_verifier")); f != nil {
		x.failJSON(f)
		return
	}
	g, f := x.grant(c.warrant, client.app)
	if f != nil {
		x.failJSON(f)
		return
	}
	g.proof = client.proof
	x.renew(g, v)
}

// sameTenant reports whether a code is redeemed where it was asked for: in its tenant, under any name of it, or at a
// shared path when it came from one (700005).
func (x *exchange) sameTenant(c code) bool {
	t, shared, f := x.tenant()
	if f != nil {
		return false
	}
	return !shared && t.ID == c.Tenant || shared && (c.path == common || c.path == organizations)
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

// renew tests g's tenants against the restriction of this request, changes its scopes to those asked for, as far as they
// were consented to, and issues.
func (x *exchange) renew(g grant, v url.Values) {
	x.about(g.app, g.person, g.tenant)
	_, shared, _ := x.tenant()
	verdict, f := x.judge(admission.Subject{
		Resource: g.tenant, Home: g.person.Tenant, Person: g.person, Application: g.app, Through: shared && g.app.Passthrough && g.person.Tenant.Kind == directory.Consumers,
	})
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
		s.Offline = g.scopes.Offline
		s.OpenID = s.OpenID || g.scopes.OpenID
		g.scopes = s
	}
	if !x.consented(g) {
		x.failJSON(failConsent(g.app))
		return
	}
	x.issue(g, v.Get("client_info") == "1")
}

// grantPassword is the resource owner password grant (RFC 6749, section 4.3). /common and /consumers do not take it
// (9001023).
func (x *exchange) grantPassword(v url.Values, c client, t *directory.Tenant) {
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
		x.about(c.app, person, t)
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
	_, f := x.judge(admission.Subject{Resource: t, Home: person.Tenant, Person: person, Application: c.app})
	if f == nil {
		f = x.password(person, v.Get("password"))
	}
	account, member := t.Account(person)
	if f == nil && !member {
		f = failUserUnknown(v.Get("username"), where)
	}
	if f == nil {
		f = standing(account)
	}
	var s scopes
	if f == nil {
		_, f = x.application(c.app.ID, t)
	}
	if f == nil {
		s, f = x.ask(v, t)
	}
	if f != nil {
		x.failJSON(f)
		return
	}
	v.Del("scope") // is in s
	v.Del("resource")
	x.renew(grant{
		tenant: t, person: person, account: account, app: c.app, scopes: s, authTime: x.now, methods: []string{"pwd"},
		family: newFamily(), v1: x.v1, proof: c.proof,
	}, v)
}

// expired reports whether a time limit that began at start is over.
func expired(start time.Time, life time.Duration, now time.Time) bool {
	return !now.Before(start.Add(life))
}
