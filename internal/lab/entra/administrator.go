package entra

import (
	"net/http"
	"net/url"

	"sekisho/internal/lab/admission"
	"sekisho/internal/lab/directory"
)

// administrated is a page for administrators, or what a form of it does; here is its path.
type administrated = func(here string, v url.Values, ses *session, who *directory.User, tenant *directory.Tenant)

// administrate shows a page to signed-in administrators of the tenant in the path (of their own, where none is named), and
// the sign-in page to everybody else. A form with the field "do", the session's token and this host as its origin is handed
// to act; nil: there are no such forms.
func (x *exchange) administrate(path, name string, show, act administrated) {
	x.entry.Endpoint = "authorize"
	app := &directory.Application{Name: name}
	x.about(app, nil, nil)
	if x.r.Method != http.MethodGet && x.r.Method != http.MethodHead && x.r.Method != http.MethodPost {
		x.failPage(failMethod("GET, POST", x.r.Method))
		return
	}
	q, f := parameters(x.r.URL.RawQuery)
	var tenant *directory.Tenant
	if f == nil {
		tenant, _, f = x.tenant()
	}
	if f == nil {
		_, f = x.judge(admission.Subject{Resource: tenant, Application: app})
	}
	if f != nil {
		x.failPage(f)
		return
	}
	here := "/" + x.path + "/" + path
	again := here
	if len(q) > 0 {
		again += "?" + q.Encode()
	}
	ses, fresh := x.session()
	p := place{action: again, app: app, tenant: tenant}
	p.then = func(ses *session, _ url.Values) {
		if !x.administers(ses, app, tenant) {
			return
		}
		x.note(nil)
		x.w.Header().Set("Location", again) // so that going back sends no password again
		x.w.WriteHeader(http.StatusSeeOther)
	}
	p.consumer = func(upn string) { x.signInForm(p, ses, fresh, "lab.report.administrators", upn) }
	p.decline = func() { x.signInForm(p, ses, fresh, "", "") }
	var v url.Values
	if x.r.Method == http.MethodPost {
		if v, f = x.form(); f != nil {
			x.failPage(f)
			return
		}
		switch {
		case act == nil || !v.Has("do"):
			x.signIn(p, ses, fresh, v)
			return
		case fresh || !ses.checks(v.Get("csrf")) || x.fromElsewhere():
			x.signInForm(p, ses, fresh, "lab.signin.session", "")
			return
		}
	}
	if _, ok := x.person(ses); !ok {
		x.signInForm(p, ses, fresh, "", "")
		return
	}
	if !x.administers(ses, app, tenant) {
		return
	}
	who, _ := x.person(ses)
	if tenant == nil {
		tenant = who.Tenant
	}
	if v != nil {
		act(here, v, ses, who, tenant)
		return
	}
	show(here, q, ses, who, tenant)
}

// administers reports whether the person of ses is an administrator of tenant, nil being their own. Where not, it has
// answered: with the restriction's page, or with the sign-in page for somebody else.
func (x *exchange) administers(ses *session, app *directory.Application, tenant *directory.Tenant) bool {
	who, ok := x.person(ses)
	if ok && tenant == nil {
		tenant = who.Tenant
	}
	if ok {
		x.about(app, who, tenant)
		if _, f := x.judge(admission.Subject{Resource: tenant, Home: who.Tenant, Person: who, Application: app}); f != nil {
			x.failPage(f)
			return false
		}
		account, member := tenant.Account(who)
		if member && account.Administrator && tenant.Kind == directory.Organisation && standing(account) == nil {
			return true
		}
	}
	x.signInForm(place{action: x.r.URL.RequestURI(), app: app, tenant: tenant}, ses, false, "lab.report.administrators", "")
	return false
}
