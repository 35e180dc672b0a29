package entra

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"sekisho/internal/lab/admission"
	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/page"
	"sekisho/internal/lab/token"
)

// authorization is a request to authorize, as asked in the query (RFC 6749, section 4.1.1).
type authorization struct {
	app       *directory.Application
	tenant    *directory.Tenant // nil under common and organizations
	redirect  string
	mode      string // query, fragment, form_post
	state     string
	scopes    scopes
	nonce     string
	prompt    string
	hint      string
	challenge string
	method    string
}

// authorize shows the sign-in page, takes what was typed on it, and sends the browser back with a code.
func (x *exchange) authorize() {
	x.entry.Endpoint = "authorize"
	if x.r.Method != http.MethodGet && x.r.Method != http.MethodPost && x.r.Method != http.MethodHead {
		x.failPage(failMethod("GET, POST", x.r.Method))
		return
	}
	a, f := x.authorization()
	if f != nil {
		x.failTold(f, a)
		return
	}
	x.about(a.app, nil, a.tenant)
	if f := x.judgeBootstrap(a); f != nil {
		x.failPage(f)
		return
	}
	if a.tenant != nil && a.tenant.Kind == directory.Consumers {
		x.toConsumers("")
		return
	}
	ses, fresh := x.session()
	if x.r.Method == http.MethodPost {
		x.signIn(a, ses, fresh)
		return
	}
	single := ses.person != nil && !(x.path == organizations && ses.person.Tenant.Kind == directory.Consumers) && (a.hint == "" || strings.EqualFold(a.hint, ses.person.UPN))
	switch {
	case single && a.prompt != "login" && a.prompt != "select_account":
		x.complete(a, ses)
	case a.prompt == "none":
		x.failTold(fail(50058, "login_required", 400, "Session information is not sufficient for single-sign-on.").told(), a)
	default:
		x.signInForm(a, ses, fresh, "", a.hint)
	}
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

// authorization reads the query. With a failure, a is not nil once the redirect URI is known to be the application's,
// so that the application may be told.
func (x *exchange) authorization() (a *authorization, f *failure) {
	q, err := url.ParseQuery(x.r.URL.RawQuery)
	if err != nil {
		return nil, failMalformed("the query cannot be read")
	}
	if f := once(q); f != nil {
		return nil, f
	}
	t, _, f := x.tenant()
	if f != nil {
		return nil, f
	}
	app, f := x.application(q.Get("client_id"), t)
	if f != nil {
		return nil, f
	}
	redirect := q.Get("redirect_uri")
	if redirect == "" && len(app.Redirects) > 0 {
		redirect = app.Redirects[0]
	}
	if !registered(app, redirect) {
		return nil, fail(50011, "invalid_request", 400,
			"The redirect URI '%s' specified in the request does not match the redirect URIs configured for the application '%s'.",
			clip(redirect, 200), app.ID)
	}
	a = &authorization{
		app: app, tenant: t, redirect: redirect, state: q.Get("state"), nonce: q.Get("nonce"), prompt: q.Get("prompt"),
		hint: clip(q.Get("login_hint"), 320), challenge: q.Get("code_challenge"), method: q.Get("code_challenge_method"),
	}
	switch a.mode = q.Get("response_mode"); a.mode {
	case "":
		a.mode = "query"
	case "query", "fragment", "form_post":
	default:
		a.mode = "query"
		return a, fail(70007, "invalid_request", 400, "The app requested an unsupported value of 'response_mode'.").told()
	}
	switch rt := q.Get("response_type"); rt {
	case "code":
	case "":
		return a, failMissing("response_type").told()
	default:
		return a, fail(70005, "unsupported_response_type", 400, "The app requested the unsupported response type '%s'.", clip(rt, 60)).told()
	}
	switch a.method {
	case "S256", "plain":
		if a.challenge == "" {
			return a, failMissing("code_challenge").told()
		}
	case "":
		if a.challenge != "" {
			a.method = "plain" // RFC 7636, section 4.3
		}
	default:
		return a, fail(9002313, "invalid_request", 400, "The value of 'code_challenge_method' must be S256 or plain.").told()
	}
	if n := len(a.challenge); a.challenge != "" && (n < 43 || n > 128) { // RFC 7636, section 4.2
		return a, fail(501491, "invalid_request", 400, "Invalid size of Code_Challenge parameter.").told()
	}
	switch a.prompt {
	case "", "none", "login", "select_account", "consent":
	default:
		return a, fail(90023, "invalid_request", 400, "Unsupported 'prompt' value.").told()
	}
	if x.v1 {
		a.scopes, f = x.resource(q.Get("resource"), t)
	} else if q.Get("scope") == "" {
		f = failMissing("scope").told()
	} else {
		a.scopes, f = x.scope(q.Get("scope"), t)
	}
	return a, f
}

// registered reports whether uri is one of the application's. Only for http://localhost does the port not count
// (RFC 8252, section 7.3; Microsoft, "Redirect URI (reply URL) restrictions and limitations").
func registered(app *directory.Application, uri string) bool {
	if slices.Contains(app.Redirects, uri) {
		return uri != ""
	}
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "http" || u.Hostname() != "localhost" || u.User != nil || u.Fragment != "" || u.RawQuery != "" {
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

func (x *exchange) signInForm(a *authorization, ses *session, fresh bool, problem, user string) {
	if fresh {
		x.setSession(ses)
	}
	where := ""
	if a.tenant != nil {
		where = a.tenant.Name
	}
	p := page.Page{
		Title: "lab.signin.title", Text: []string{"lab.signin.text"}, Problem: problem,
		Args: map[string]string{"application": a.app.Name, "tenant": where, "user": clip(user, 100)},
		Form: &page.Form{
			Action: x.r.URL.RequestURI(), Hidden: map[string]string{"csrf": ses.csrf}, Submit: "lab.signin.submit",
			Fields: passwordInputs(user),
		},
		// A browser holds the redirect after a POST against form-action, too.
		FormTargets: []string{"https://login.live.com"},
	}
	if u, err := url.Parse(a.redirect); err == nil && u.Host != "" {
		p.FormTargets = append(p.FormTargets, u.Scheme+"://"+u.Host)
	} else if err == nil {
		p.FormTargets = append(p.FormTargets, u.Scheme+":")
	}
	x.s.Pages.Write(x.w, x.r, p)
}

// signIn takes the posted form.
func (x *exchange) signIn(a *authorization, ses *session, fresh bool) {
	v, f := x.form()
	if f != nil {
		x.failPage(f)
		return
	}
	if fresh || !ses.checks(v.Get("csrf")) {
		x.signInForm(a, ses, fresh, "lab.signin.session", v.Get("username"))
		return
	}
	if p, ok := x.dir.Person(v.Get("username")); ok && p.Tenant.Kind == directory.Consumers {
		if x.path == organizations {
			x.failPage(fail(500208, "invalid_request", 400, "The domain is not a valid login domain for the account type."))
			return
		}
		x.toConsumers(p.UPN)
		return
	}
	person, f := x.credentials(v, a.app, x.bootstrap(a.tenant, a.app))
	if f != nil {
		x.signInAgain(f, func(problem string) { x.signInForm(a, ses, fresh, problem, v.Get("username")) })
		return
	}
	x.complete(a, x.signedIn(ses, person))
}

// signInAgain shows the form once more for a mistyped name or password, and the error page for anything else.
func (x *exchange) signInAgain(f *failure, form func(problem string)) {
	if f.code != 50034 && f.code != 50126 {
		x.failPage(f)
		return
	}
	x.note(f)
	form(f.lead)
}

// credentials checks a typed name and password. The person's home tenant is tested against the restriction as soon as
// the name is known, before the password is looked at: authentication would run there.
func (x *exchange) credentials(v url.Values, app *directory.Application, resource *directory.Tenant) (*directory.User, *failure) {
	user := v.Get("username")
	person, ok := x.dir.Person(user)
	where := x.path
	if ok {
		x.about(app, person, resource)
		if _, f := x.judge(admission.Subject{Resource: resource, Home: person.Tenant, Person: person, Application: app}); f != nil {
			return nil, f
		}
	} else if t, known := x.dir.DomainOf(user); known {
		where = t.Name
		if _, f := x.judge(admission.Subject{Resource: resource, Home: t, Application: app}); f != nil {
			return nil, f
		}
	}
	switch {
	case !ok:
		return nil, failUserUnknown(user, where)
	case !person.CheckPassword(v.Get("password")):
		return nil, failPassword()
	}
	return person, nil
}

// admit settles in which tenant person gets a token for app, and tests it: tenant is the one of the path, nil for the
// person's own.
func (x *exchange) admit(person *directory.User, app *directory.Application, tenant *directory.Tenant, s scopes) (grant, *failure) {
	if tenant == nil {
		tenant = person.Tenant
	}
	x.about(app, person, tenant)
	v, f := x.judge(admission.Subject{Resource: tenant, Home: person.Tenant, Person: person, Application: app})
	if f != nil {
		return grant{}, f
	}
	account, ok := tenant.Account(person)
	if !ok {
		return grant{}, failNotGuest(issuerV1(person.Tenant), tenant.Name, app)
	}
	if _, ok := app.In(tenant); !ok {
		return grant{}, failApplication(app.ID, tenant.Name)
	}
	return grant{
		tenant: tenant, person: person, account: account, app: app, scopes: s, authTime: x.now, methods: []string{"pwd"},
		policyID: v.PolicyID, family: token.GUID(), v1: x.v1,
	}, nil
}

// complete sends the browser back with a code for the person of ses.
func (x *exchange) complete(a *authorization, ses *session) {
	g, f := x.admit(ses.person, a.app, a.tenant, a.scopes)
	if f != nil {
		x.failTold(f, a)
		return
	}
	g.nonce, g.authTime = a.nonce, ses.authTime
	name := "1.lab." + token.Opaque(32)
	x.s.codes.put(name, &code{grant: g, path: x.path, redirect: a.redirect, challenge: a.challenge, method: a.method}, x.now.Add(codeLife))
	x.note(nil)
	x.redirect(a, url.Values{"code": {name}})
}

// redirect leads the browser to the application with q, in the response mode that it asked for (OAuth 2.0 Multiple
// Response Type Encoding Practices; OAuth 2.0 Form Post Response Mode).
func (x *exchange) redirect(a *authorization, q url.Values) {
	if a.state != "" {
		q.Set("state", a.state)
	}
	u, err := url.Parse(a.redirect)
	if err != nil {
		x.failPage(failMalformed("the redirect URI cannot be read"))
		return
	}
	switch a.mode {
	case "form_post":
		hidden := map[string]string{}
		for k := range q {
			hidden[k] = q.Get(k)
		}
		target := u.Scheme + ":"
		if u.Host != "" {
			target = u.Scheme + "://" + u.Host
		}
		// Without scripts the person presses the button, which Microsoft's page does by itself.
		x.s.Pages.Write(x.w, x.r, page.Page{
			Title: "lab.post.title", Text: []string{"lab.post.text"}, Args: map[string]string{"application": a.app.Name},
			Form:        &page.Form{Action: a.redirect, Hidden: hidden, Submit: "lab.post.submit"},
			FormTargets: []string{target},
		})
		return
	case "fragment":
		u.Fragment, u.RawFragment = "", ""
		x.w.Header().Set("Location", u.String()+"#"+q.Encode())
	default:
		have := u.Query()
		for k := range q {
			have.Set(k, q.Get(k))
		}
		u.RawQuery = have.Encode()
		x.w.Header().Set("Location", u.String())
	}
	x.w.WriteHeader(http.StatusFound)
}
