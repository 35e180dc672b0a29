package entra

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/page"
	"sekisho/internal/lab/token"
)

// responseTypes is what authorize answers with.
type responseTypes struct{ code, id, token bool }

// front reports whether tokens go through the browser.
func (r responseTypes) front() bool { return r.id || r.token }

// The response types of the two endpoints, as their metadata lists them; the order of the words does not count (OAuth 2.0
// Multiple Response Type Encoding Practices, section 3).
var (
	typesV2 = []string{"code", "id_token", "code id_token", "id_token token"}
	typesV1 = []string{"code", "id_token", "code id_token", "token id_token", "token"}
)

// parseTypes reads response_type; ok is false for what the endpoint does not offer.
func parseTypes(text string, v1 bool) (r responseTypes, ok bool) {
	words := strings.Fields(text)
	slices.Sort(words)
	offered := slices.ContainsFunc(map[bool][]string{false: typesV2, true: typesV1}[v1], func(o string) bool {
		have := strings.Fields(o)
		slices.Sort(have)
		return slices.Equal(have, words)
	})
	return responseTypes{slices.Contains(words, "code"), slices.Contains(words, "id_token"), slices.Contains(words, "token")}, offered
}

// response reads response_type and response_mode. Tokens never go into a query: Microsoft documents fragment and
// form_post for them (70007 otherwise), and fragment is the default (Multiple Response Type Encoding Practices, section 5).
func (a *authorization) response(q url.Values, v1 bool) *failure {
	text := q.Get("response_type")
	types, ok := parseTypes(text, v1)
	a.types, a.mode = types, "query"
	if ok && types.front() {
		a.mode = "fragment"
	}
	mode := q.Get("response_mode")
	switch mode {
	case "":
	case "fragment", "form_post":
		a.mode = mode
	case "query":
		if types.front() {
			return fail(70007, "unsupported_response_mode", 400, "'query' is not a supported value of 'response_mode' when requesting a token.")
		}
	default:
		return fail(70007, "unsupported_response_mode", 400, "The app requested an unsupported value of 'response_mode'.")
	}
	switch {
	case text == "":
		return failMissing("response_type")
	case !ok:
		return fail(70005, "unsupported_response_type", 400, "The app requested the unsupported response type '%s'.", clip(text, 60))
	case types.id && !a.app.ImplicitID:
		return fail(700054, "unsupported_response_type", 400, "response_type 'id_token' is not enabled for the application.")
	case types.token && !a.app.ImplicitAccess:
		return fail(700051, "unsupported_response_type", 400, "response_type 'token' is not enabled for the application.")
	}
	return nil
}

// complete settles the tenant for the person of ses, asks for consent where it is missing, and answers. ask tells that
// consent given before is enough.
func (x *exchange) complete(a *authorization, ses *session, remembered bool) {
	p, ok := x.person(ses)
	if !ok {
		x.failTold(failNoSession(), a)
		return
	}
	if x.mustReturn(ses, a.app, a.tenant) {
		x.toConsumersFrom(x.atAuthorize(a).action, a.app.ID, p.UPN)
		return
	}
	g, f := x.admit(p, a.app, a.tenant, a.scopes)
	if f != nil {
		x.failTold(f, a)
		return
	}
	if !remembered || !x.consented(g) {
		if a.prompt == promptNone {
			x.failTold(failConsent(a.app).asking(), a)
			return
		}
		x.consentForm(x.atAuthorize(a), ses, g, a.prompt == promptAdmin)
		return
	}
	x.answer(a, ses, g)
}

// answer sends the browser back with what was asked for.
func (x *exchange) answer(a *authorization, ses *session, g grant) {
	g.nonce, g.authTime, g.sid = a.nonce, ses.authTime, ses.sid
	x.participates(ses, a.app)
	q := url.Values{"session_state": {ses.sid}}
	if a.types.code {
		name := "1.lab." + token.Opaque(32)
		x.s.codes.put(name, &code{
			warrant: g.warrant(), path: x.path, redirect: a.redirect, omitted: a.asked == "", challenge: a.challenge, method: a.method,
		}, x.now.Add(codeLife))
		q.Set("code", name)
	}
	if a.types.token {
		access, err := x.s.Keys.Sign(x.accessClaims(g))
		if err != nil {
			x.failPage(failInside())
			return
		}
		q.Set("access_token", access)
		q.Set("token_type", "Bearer")
		q.Set("expires_in", strconv.Itoa(int(token.Life/time.Second)))
		q.Set("scope", grantedScope(g.scopes))
	}
	if a.types.id {
		claims := x.idClaims(g)
		if c := q.Get("code"); c != "" {
			claims["c_hash"] = token.Half(c) // OpenID Connect Core 1.0, section 3.3.2.11
		}
		if t := q.Get("access_token"); t != "" {
			claims["at_hash"] = token.Half(t) // section 3.2.2.9
		}
		id, err := x.s.Keys.Sign(claims)
		if err != nil {
			x.failPage(failInside())
			return
		}
		q.Set("id_token", id)
	}
	if a.query.Get("client_info") == "1" {
		q.Set("client_info", clientInfo(g))
	}
	x.note(nil)
	x.redirect(a, q)
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
		// Without scripts the person presses the button, which Microsoft's page does by itself.
		x.s.Pages.Write(x.w, x.r, page.Page{
			Title: "lab.post.title", Text: []string{"lab.post.text"}, Args: map[string]string{"application": a.app.Name},
			Form:        &page.Form{Action: a.redirect, Hidden: hidden, Submit: "lab.post.submit"},
			FormTargets: []string{originOf(a.redirect)},
		})
		return
	case "fragment":
		u.Fragment, u.RawFragment = "", ""
		x.w.Header().Set("Location", u.String()+"#"+q.Encode())
	default:
		have := u.Query()
		maps.Copy(have, q)
		u.RawQuery = have.Encode()
		x.w.Header().Set("Location", u.String())
	}
	x.w.WriteHeader(http.StatusFound)
}

// originOf is uri's origin as a content security policy names it, or its scheme where it has no host.
func originOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return "'none'"
	}
	if u.Host == "" {
		return u.Scheme + ":"
	}
	return u.Scheme + "://" + u.Host
}

// place is a page on which somebody signs in or consents: where it posts to, for which application, and what the browser
// may be led to from there.
type place struct {
	action  string
	app     *directory.Application
	tenant  *directory.Tenant // nil when it is not known yet
	hidden  map[string]string
	targets []string
	choose  bool // offer the account that is signed in already
	then    func(ses *session, v url.Values)
	// consumer sends a personal account to its own sign-in; nil where none is expected.
	consumer func(upn string)
	decline  func()
}

func (x *exchange) atAuthorize(a *authorization) place {
	endpoint := "oauth2/v2.0/authorize"
	if x.v1 {
		endpoint = "oauth2/authorize"
	}
	action := "/" + x.path + "/" + endpoint + "?" + a.query.Encode()
	return place{
		action: action, app: a.app, tenant: a.tenant, consumer: func(upn string) { x.toConsumersFrom(action, a.app.ID, upn) },
		targets: []string{"https://" + ConsumerHost, originOf(a.redirect)}, choose: a.prompt == promptSelect,
		then: func(ses *session, v url.Values) {
			if v.Get("consent") == "" && v.Get("account") != "" && !x.suits(a, ses) {
				x.failPage(failMalformed("that account is not signed in"))
				return
			}
			if v.Get("consent") != "accept" {
				x.complete(a, ses, a.prompt != promptConsent && a.prompt != promptAdmin)
				return
			}
			x.accept(a, ses)
		},
		decline: func() {
			x.failTold(failDeclined().told(), a)
		},
	}
}

// nativeClient is the redirect URI of applications that read the address of their own browser window: the answer is theirs,
// and the page tells the person alone how it ended. What stands in a fragment no server sees. Nothing of the answer is shown,
// because anybody can write such an address.
func (x *exchange) nativeClient() {
	failed := x.r.URL.Query().Get("error") != ""
	if x.r.Method == http.MethodPost {
		v, f := x.form()
		failed = failed || f != nil || v.Get("error") != ""
	}
	if failed {
		x.s.Pages.Write(x.w, x.r, page.Page{Title: "lab.native.failed-title", Text: []string{"lab.native.failed-text"}})
		return
	}
	x.s.Pages.Write(x.w, x.r, page.Page{Title: "lab.native.title", Text: []string{"lab.native.text"}})
}
