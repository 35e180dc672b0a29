package entra

import (
	"net/url"

	"sekisho/internal/lab/admission"
	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/page"
)

// signInForm shows the sign-in page of p.
func (x *exchange) signInForm(p place, ses *session, fresh bool, problem, user string) {
	if fresh {
		x.setSession(ses)
	}
	where := ""
	if p.tenant != nil {
		where = p.tenant.Name
	}
	form := &page.Form{Action: p.action, Hidden: map[string]string{"csrf": ses.csrf}, Submit: "lab.signin.submit", Fields: passwordInputs(user)}
	text := []string{"lab.signin.text"}
	if who, ok := x.person(ses); ok && p.choose {
		text = append(text, "lab.signin.choose")
		form.Buttons = []page.Button{{Name: "account", Value: who.UPN, Label: who.UPN}}
	}
	x.s.Pages.Write(x.w, x.r, page.Page{
		Title: "lab.signin.title", Text: text, Problem: problem,
		Args: map[string]string{"application": p.app.Name, "tenant": where, "user": clip(user, 100)},
		Form: form,
		// A browser holds the redirect after a POST against form-action, too.
		FormTargets: p.targets,
	})
}

// signIn takes what was posted from the pages of p: a choice among accounts, a consent, or a name and a password.
func (x *exchange) signIn(p place, ses *session, fresh bool, v url.Values) {
	if fresh || !ses.checks(v.Get("csrf")) || x.fromElsewhere() {
		x.signInForm(p, ses, fresh, "lab.signin.session", v.Get("username"))
		return
	}
	who, signedIn := x.person(ses)
	switch {
	case v.Get("consent") != "" && signedIn:
		if v.Get("consent") == "accept" {
			p.then(ses, v)
			return
		}
		p.decline()
		return
	case v.Get("account") != "" && signedIn && v.Get("account") == who.UPN:
		p.then(ses, v)
		return
	case v.Get("consent") != "" || v.Get("account") != "":
		x.signInForm(p, ses, fresh, "lab.signin.session", "")
		return
	}
	if p.consumer != nil {
		if c, ok := x.dir.Person(v.Get("username")); ok && c.Tenant.Kind == directory.Consumers {
			if x.path == organizations {
				x.failPage(fail(500208, "invalid_request", 400, "The domain is not a valid login domain for the account type."))
				return
			}
			p.consumer(c.UPN)
			return
		}
	}
	person, f := x.credentials(v, p.app, x.bootstrap(p.tenant, p.app))
	if f != nil {
		x.signInAgain(f, func(problem string) { x.signInForm(p, ses, fresh, problem, v.Get("username")) })
		return
	}
	p.then(x.signedIn(ses, person, false), v)
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
	if !ok {
		return nil, failUserUnknown(user, where)
	}
	if f := x.password(person, v.Get("password")); f != nil {
		return nil, f
	}
	return person, nil
}

// password checks a password and whether the account may sign in with it. A locked or disabled account is told before the
// password is looked at, so that a lock stops guessing; an expired password only to whoever knows it.
func (x *exchange) password(person *directory.User, text string) *failure {
	if f := standing(person); f != nil {
		if s := person.Synced; s != nil && s.Expired && !person.Disabled {
			x.assume(directory.AssumedAccountExpired)
		}
		return f
	}
	if person.Synced != nil && !person.HasPassword() {
		return failNoPassword()
	}
	if !person.CheckPassword(text) {
		return failPassword()
	}
	return passwordState(person)
}

// admit settles in which tenant person gets a token for app, and tests it: tenant is the one of the path, nil for the
// person's own.
func (x *exchange) admit(person *directory.User, app *directory.Application, tenant *directory.Tenant, s scopes) (grant, *failure) {
	through := tenant == nil && app.Passthrough && person.Tenant.Kind == directory.Consumers
	if tenant == nil {
		tenant = person.Tenant
	}
	x.about(app, person, tenant)
	v, f := x.judge(admission.Subject{Resource: tenant, Home: person.Tenant, Person: person, Application: app, Through: through})
	if f != nil {
		return grant{}, f
	}
	account, ok := tenant.Account(person)
	if !ok {
		return grant{}, failNotGuest(issuerV1(person.Tenant), tenant.Name, app)
	}
	if f := standing(person); f != nil {
		return grant{}, f
	}
	if f := standing(account); f != nil {
		return grant{}, f
	}
	if _, ok := app.In(tenant); !ok {
		return grant{}, failApplication(app.ID, tenant.Name)
	}
	return grant{
		tenant: tenant, person: person, account: account, app: app, scopes: s, authTime: x.now, methods: []string{"pwd"},
		policyID: v.PolicyID, family: newFamily(), v1: x.v1,
	}, nil
}

func passwordInputs(user string) []page.Input {
	return []page.Input{
		{Name: "username", Label: "lab.signin.user", Type: "text", Value: clip(user, 320), Autocomplete: "username"},
		{Name: "password", Label: "lab.signin.password", Type: "password", Autocomplete: "current-password"},
	}
}
