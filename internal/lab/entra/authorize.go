package entra

import (
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/lab/admission"
	"sekisho/internal/lab/directory"
)

// authorization is a request to authorize (RFC 6749, section 4.1.1; OpenID Connect Core 1.0, section 3.1.2.1).
type authorization struct {
	app       *directory.Application
	tenant    *directory.Tenant // nil under common and organizations
	redirect  string            // where the answer goes
	asked     string            // redirect_uri as asked; "" when it was left out
	types     responseTypes
	mode      string // query, fragment, form_post
	state     string
	scopes    scopes
	nonce     string
	prompt    string
	hint      string        // login_hint
	domain    string        // domain_hint, lower case
	maxAge    time.Duration // -1 when not asked
	challenge string
	method    string
	query     url.Values // everything, as asked
}

// The prompts. admin_consent is version 1.0's alone.
const (
	promptNone    = "none"
	promptLogin   = "login"
	promptSelect  = "select_account"
	promptConsent = "consent"
	promptAdmin   = "admin_consent"
)

// authorize shows the sign-in page, takes what was typed on it, asks for consent, and sends the browser back with what
// the application asked for.
func (x *exchange) authorize() {
	x.entry.Endpoint = "authorize"
	q, posted, f := x.authorizeInput()
	if f != nil {
		x.failPage(f)
		return
	}
	a, f := x.authorization(q)
	if f != nil {
		x.failTold(f, a)
		return
	}
	x.about(a.app, nil, a.tenant)
	if f := x.judgeBootstrap(a); f != nil {
		x.failPage(f)
		return
	}
	ses, fresh := x.session()
	if posted != nil {
		x.signIn(x.atAuthorize(a), ses, fresh, posted)
		return
	}
	if a.tenant != nil && a.tenant.Kind == directory.Consumers || a.tenant == nil && a.domain == "consumers" && x.path != organizations {
		if a.prompt == promptNone && !x.suits(a, ses) {
			x.failTold(failNoSession(), a)
			return
		}
		if !x.suits(a, ses) || a.prompt == promptLogin || a.prompt == promptSelect {
			x.toConsumersFrom(x.atAuthorize(a).action, a.app.ID, a.hint)
			return
		}
	}
	switch {
	case x.suits(a, ses) && a.prompt != promptLogin && a.prompt != promptSelect:
		x.complete(a, ses, a.prompt != promptConsent && a.prompt != promptAdmin)
	case a.prompt == promptNone:
		x.failTold(failNoSession(), a)
	default:
		x.signInForm(x.atAuthorize(a), ses, fresh, "", a.hint)
	}
}

// authorizeInput divides the request into the application's parameters and, when the sign-in page was posted, what was
// typed there. An application may post its parameters, too (OpenID Connect Core 1.0, section 3.1.2.1).
func (x *exchange) authorizeInput() (q, posted url.Values, f *failure) {
	switch x.r.Method {
	case http.MethodGet, http.MethodHead:
		q, f = parameters(x.r.URL.RawQuery)
		return q, nil, f
	case http.MethodPost:
	default:
		return nil, nil, failMethod("GET, POST", x.r.Method)
	}
	v, f := x.form()
	if f != nil {
		return nil, nil, f
	}
	if q, f = parameters(x.r.URL.RawQuery); f != nil {
		return nil, nil, f
	}
	if q.Get("client_id") != "" || v.Has("csrf") {
		return q, v, nil
	}
	if len(v.Encode()) > maxQuery {
		return nil, nil, failQueryTooLong()
	}
	return v, nil, nil
}

// suits reports whether the person of ses may be taken without asking: there is one, whom the request does not exclude.
func (x *exchange) suits(a *authorization, ses *session) bool {
	p, ok := x.person(ses)
	if !ok || a.hint != "" && !strings.EqualFold(a.hint, p.UPN) {
		return false
	}
	if x.mustReturn(ses, a.app, a.tenant) {
		return false
	}
	consumer := p.Tenant.Kind == directory.Consumers
	if x.path == organizations && consumer || a.tenant != nil && a.tenant.Kind == directory.Consumers && !consumer {
		return false
	}
	return a.maxAge < 0 || !expired(ses.authTime, a.maxAge+time.Second, x.now)
}

// bootstrap is the tenant that can be tested before anybody has signed in: the one of the path, or "Microsoft Services"
// for an application that passes through it while no tenant is named (AADSTS500021 "Access to 'Microsoft Services'
// tenant is denied": microsoft/terminal#8320, Azure/azure-powershell#13958).
func (x *exchange) bootstrap(t *directory.Tenant, app *directory.Application) *directory.Tenant {
	if t == nil && app != nil && app.Passthrough {
		return x.dir.OfKind(directory.Passthrough)
	}
	return t
}

func (x *exchange) judgeBootstrap(a *authorization) *failure {
	_, f := x.judge(admission.Subject{Resource: x.bootstrap(a.tenant, a.app), Application: a.app})
	return f
}

// authorization reads q. With a failure, a is not nil once the redirect URI is known to be the application's, so that
// the application may be told.
func (x *exchange) authorization(q url.Values) (a *authorization, f *failure) {
	t, _, f := x.tenant()
	if f != nil {
		return nil, f
	}
	app, f := x.application(q.Get("client_id"), t)
	if f != nil {
		return nil, f
	}
	a = &authorization{
		app: app, tenant: t, asked: q.Get("redirect_uri"), state: q.Get("state"), nonce: q.Get("nonce"), prompt: q.Get("prompt"),
		domain: strings.ToLower(q.Get("domain_hint")), maxAge: -1, challenge: q.Get("code_challenge"), method: q.Get("code_challenge_method"),
		query: q,
	}
	if a.redirect, f = redirectOf(app, a.asked); f != nil {
		return nil, f
	}
	if hint := q.Get("login_hint"); len(hint) <= 320 && a.prompt != promptSelect {
		a.hint = hint
	}
	if f := a.response(q, x.v1); f != nil {
		return a, f.told()
	}
	if f := a.prompts(x.v1); f != nil {
		return a, f.told()
	}
	if f := a.pkce(); f != nil {
		return a, f.told()
	}
	if f := a.openID(q); f != nil {
		return a, f.told()
	}
	switch {
	case x.v1:
		a.scopes, f = x.resource(q.Get("resource"), t)
	case q.Has("resource"):
		f = fail(901002, "invalid_request", 400, "The 'resource' request parameter is not supported.").told()
	case q.Get("scope") == "":
		f = failMissing("scope").told()
	default:
		a.scopes, f = x.scope(q.Get("scope"), t)
	}
	if f == nil && a.types.id && !a.scopes.OpenID {
		f = fail(70005, "unsupported_response_type", 400, "The response type 'id_token' requires the scope 'openid'.").told()
	}
	return a, f
}

// prompts checks prompt. Microsoft documents login, none, consent and select_account, one at a time.
func (a *authorization) prompts(v1 bool) *failure {
	switch a.prompt {
	case "", promptNone, promptLogin, promptSelect, promptConsent:
		return nil
	case promptAdmin:
		if v1 {
			return nil
		}
	}
	return fail(90023, "invalid_request", 400, "Unsupported 'prompt' value.")
}

// pkce checks RFC 7636, sections 4.2 and 4.3.
func (a *authorization) pkce() *failure {
	switch a.method {
	case "S256", "plain":
		if a.challenge == "" {
			return failMissing("code_challenge")
		}
	case "":
		if a.challenge != "" {
			a.method = "plain"
		}
	default:
		return fail(9002313, "invalid_request", 400, "The value of 'code_challenge_method' must be S256 or plain.")
	}
	if a.challenge != "" && !isVerifier(a.challenge) {
		return fail(501491, "invalid_request", 400, "Invalid size of Code_Challenge parameter.")
	}
	return nil
}

// isVerifier reports whether s has the length and the letters of a code verifier and a challenge (RFC 7636, 4.1 and 4.2).
func isVerifier(s string) bool {
	if len(s) < 43 || len(s) > 128 {
		return false
	}
	return strings.IndexFunc(s, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-._~", c))
	}) < 0
}

// openID checks the parameters that OpenID Connect adds: a nonce for an ID token from here (required by Microsoft and by
// OpenID Connect Core 1.0, section 3.2.2.1), max_age in seconds, claims as a JSON object (read, and otherwise ignored), and
// request objects, which are not taken (section 6; request_uri_parameter_supported is false).
func (a *authorization) openID(q url.Values) *failure {
	if a.types.id && a.nonce == "" {
		return failMissing("nonce")
	}
	for _, name := range []string{"request", "request_uri", "registration"} {
		if q.Has(name) {
			return fail(90100, name+"_not_supported", 400, "The parameter '%s' is not supported.", name)
		}
	}
	if text := q.Get("max_age"); text != "" {
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return fail(90100, "invalid_request", 400, "The parameter 'max_age' is empty or not valid.")
		}
		a.maxAge = time.Duration(n) * time.Second
	}
	if text := q.Get("claims"); text != "" {
		var object map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &object) != nil {
			return fail(90100, "invalid_request", 400, "The parameter 'claims' is empty or not valid.")
		}
	}
	return nil
}

// redirectOf settles where the answer goes: to a registered URI alone. Without one in the request the service picks a
// registered one ("OpenID Connect on the Microsoft identity platform"); the lab picks the first.
func redirectOf(app *directory.Application, asked string) (string, *failure) {
	if asked == "" {
		if len(app.Redirects) == 0 {
			return "", fail(900971, "invalid_request", 400, "No reply address provided.")
		}
		return app.Redirects[0], nil
	}
	if !registered(app, asked) {
		return "", fail(50011, "invalid_request", 400,
			"The redirect URI '%s' specified in the request does not match the redirect URIs configured for the application '%s'.",
			clip(asked, 200), app.ID)
	}
	return asked, nil
}

// registered reports whether uri is one of the application's. Only for http://localhost does the port not count
// (RFC 8252, section 7.3; Microsoft, "Redirect URI (reply URL) restrictions and limitations").
func registered(app *directory.Application, uri string) bool {
	if slices.Contains(app.Redirects, uri) {
		return uri != ""
	}
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "http" || u.Hostname() != "localhost" || u.User != nil || u.Fragment != "" || u.RawQuery != "" ||
		u.ForceQuery || strings.Contains(uri, "#") {
		return false
	}
	if host := u.Host; u.Port() != "" {
		if _, _, err := net.SplitHostPort(host); err != nil {
			return false
		}
	}
	u.Host = "localhost"
	bare := u.String()
	return slices.Contains(app.Redirects, bare) || u.Path == "/" && slices.Contains(app.Redirects, strings.TrimSuffix(bare, "/"))
}
