package entra

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/page"
)

// consented reports whether g may be granted without asking: the person, or an administrator for everybody, has agreed to
// the application. What was agreed to is not kept by permission: a later, wider request is not asked about again.
func (x *exchange) consented(g grant) bool {
	return g.scopes.Audience == g.app.ID || g.app.Consented(g.tenant, g.account)
}

// needsAdministrator reports whether only an administrator may consent to permission. The lab goes by the name: what
// reaches beyond the person's own (…All) is an administrator's, as "Microsoft Graph permissions reference" has it for most.
func needsAdministrator(permission string) bool {
	return strings.HasSuffix(permission, ".All") && permission != "User.ReadBasic.All"
}

// consentForm asks the person of ses for consent to g.
func (x *exchange) consentForm(p place, ses *session, g grant, everybody bool) {
	if !g.account.Administrator && (everybody || slices.ContainsFunc(permissions(g.scopes), needsAdministrator)) {
		x.assume(directory.AssumedAdministratorsConsent)
		x.failPage(failAdministrator(g.app))
		return
	}
	x.note(failConsent(g.app))
	hidden := map[string]string{"csrf": ses.csrf}
	maps.Copy(hidden, p.hidden)
	text := []string{"lab.consent.text"}
	if everybody {
		text = append(text, "lab.consent.everybody")
	}
	fields := []page.Field{{Label: "lab.consent.account", Value: g.person.UPN}, {Label: "lab.consent.resource", Value: g.scopes.Audience}}
	for _, name := range permissions(g.scopes) {
		fields = append(fields, page.Field{Label: "lab.consent.permission", Value: clip(name, 100)})
	}
	x.s.Pages.Write(x.w, x.r, page.Page{
		Title: "lab.consent.title", Text: text, Fields: fields,
		Args: map[string]string{"application": g.app.Name, "tenant": g.tenant.Name},
		Form: &page.Form{
			Action: p.action, Hidden: hidden,
			Buttons: []page.Button{
				{Name: "consent", Value: "accept", Message: "lab.consent.accept", Main: true},
				{Name: "consent", Value: "cancel", Message: "lab.consent.cancel"},
			},
		},
		FormTargets: p.targets,
	})
}

// accept remembers the consent of the person of ses to a, and answers.
func (x *exchange) accept(a *authorization, ses *session) {
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
	if f == nil {
		f = x.agree(g, a.prompt == promptAdmin)
	}
	if f != nil {
		x.failTold(f, a)
		return
	}
	x.answer(a, ses, g)
}

// agree remembers consent to g: the person's, or everybody's.
func (x *exchange) agree(g grant, everybody bool) *failure {
	if !g.account.Administrator && (everybody || slices.ContainsFunc(permissions(g.scopes), needsAdministrator)) {
		return failAdministrator(g.app)
	}
	account := g.account.ID
	if everybody {
		account = ""
	}
	if err := x.s.Directory.Change(x.r.Context(), func(d *directory.Draft) error {
		return d.Consent(g.app.ID, g.tenant.ID, account)
	}); err != nil {
		return failFull()
	}
	return nil
}

// adminConsent is the endpoint on which an administrator consents for everybody ("Admin consent on the Microsoft identity
// platform"). Version 1.0's asks for what the application registered, which the lab takes for User.Read.
func (x *exchange) adminConsent() {
	x.entry.Endpoint = "adminconsent"
	if x.r.Method != http.MethodGet && x.r.Method != http.MethodHead && x.r.Method != http.MethodPost {
		x.failPage(failMethod("GET, POST", x.r.Method))
		return
	}
	a, f := x.adminConsentAsked()
	if f != nil {
		x.failPage(f)
		return
	}
	x.about(a.app, nil, a.tenant)
	if f := x.judgeBootstrap(a); f != nil {
		x.failPage(f)
		return
	}
	ses, fresh := x.session()
	p := x.atAdminConsent(a)
	if x.r.Method == http.MethodPost {
		v, f := x.form()
		if f != nil {
			x.failPage(f)
			return
		}
		x.signIn(p, ses, fresh, v)
		return
	}
	if !x.suits(a, ses) {
		x.signInForm(p, ses, fresh, "", "")
		return
	}
	p.then(ses, url.Values{})
}

func (x *exchange) adminConsentAsked() (*authorization, *failure) {
	q, f := parameters(x.r.URL.RawQuery)
	if f != nil {
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
	a := &authorization{app: app, tenant: t, mode: "query", state: q.Get("state"), maxAge: -1, query: q, asked: q.Get("redirect_uri")}
	if a.asked == "" {
		return nil, failMissing("redirect_uri")
	}
	if a.redirect, f = redirectOf(app, a.asked); f != nil {
		return nil, f
	}
	switch {
	case x.v1:
		a.scopes, f = x.scope(graphURL+"/.default", t)
	case q.Get("scope") == "":
		f = failMissing("scope")
	default:
		a.scopes, f = x.scope(q.Get("scope"), t)
	}
	return a, f
}

func (x *exchange) atAdminConsent(a *authorization) place {
	endpoint := "v2.0/adminconsent"
	if x.v1 {
		endpoint = "adminconsent"
	}
	return place{
		action: "/" + x.path + "/" + endpoint + "?" + a.query.Encode(), app: a.app, tenant: a.tenant, targets: []string{originOf(a.redirect)},
		then: func(ses *session, v url.Values) {
			p, ok := x.person(ses)
			if !ok {
				x.failPage(failNoSession())
				return
			}
			g, f := x.admit(p, a.app, a.tenant, a.scopes)
			if f != nil {
				x.failPage(f)
				return
			}
			if v.Get("consent") != "accept" {
				x.consentForm(x.atAdminConsent(a), ses, g, true)
				return
			}
			if f := x.agree(g, true); f != nil {
				x.failPage(f)
				return
			}
			x.note(nil)
			answer := url.Values{"admin_consent": {"True"}, "tenant": {g.tenant.ID}}
			if !x.v1 {
				answer.Set("scope", strings.Join(a.scopes.Items, " "))
			}
			x.redirect(a, answer)
		},
		decline: func() {
			f := failDeclined()
			x.note(f)
			x.redirect(a, url.Values{"admin_consent": {"True"}, "error": {"consent_required"}, "error_description": {x.description(f)}})
		},
	}
}

// roles are the application permissions of app in t at Microsoft Graph, once an administrator has agreed.
func roles(app *directory.Application, t *directory.Tenant, audience string) []string {
	if audience != graphURL || !app.Consented(t, nil) {
		return nil
	}
	return app.Permissions
}
