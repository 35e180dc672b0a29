package entra

import (
	"net/http"
	"net/url"

	"sekisho/internal/lab/directory"
)

// ConsumerHost is where personal accounts sign in.
const ConsumerHost = "login.live.com"

// Names of the parameters with which the two services hand a browser over to each other. How Microsoft's do it is not
// public; assumed.
const (
	ParamReturn  = "lab_return"  // path and query at this service to come back to
	ParamBinding = "lab_binding" // the session that the hand-over belongs to
	ParamTicket  = "lab_ticket"
)

// Passes reports whether a personal account that signs in to app in the tenant t (nil: none is named) only passes the
// consumers' service: as a guest of an organisation, or through "Microsoft Services". Neither is what blocks consumer
// applications (Microsoft, "Set up tenant restrictions v1", "What the header does and does not block"; "Set up tenant
// restrictions v2" has the same exceptions); the restriction at this service decides it.
func Passes(t *directory.Tenant, app *directory.Application) bool {
	return t != nil && t.Kind == directory.Organisation || t == nil && app != nil && app.Passthrough
}

// PassesTo is Passes for a browser that is to come back to the path and query back of this service.
func PassesTo(dir *directory.Directory, back string, app *directory.Application) bool {
	u, err := url.ParseRequestURI(back)
	if err != nil || u.Host != "" {
		return false
	}
	name, _ := cutPath(trimPath(u.Path))
	if name == common {
		return Passes(nil, app)
	}
	t, ok := dir.Tenant(name)
	return ok && Passes(t, app)
}

// mustReturn reports whether the person of ses signed in at the consumers' service for another purpose than app in t, and
// has to go there again.
func (x *exchange) mustReturn(ses *session, app *directory.Application, t *directory.Tenant) bool {
	return ses.passing && !Passes(t, app)
}

// toConsumersFrom sends the browser to the consumers' sign-in, to come back to the path back with a ticket.
func (x *exchange) toConsumersFrom(back, clientID, user string) {
	ses, fresh := x.session()
	if fresh {
		x.setSession(ses)
	}
	q := url.Values{ParamReturn: {back}, ParamBinding: {ses.csrf}}
	if user != "" {
		q.Set("username", user)
	}
	if clientID != "" {
		q.Set("client_id", clientID)
	}
	x.w.Header().Set("Location", "https://"+ConsumerHost+"/oauth20_authorize.srf?"+q.Encode())
	x.w.WriteHeader(http.StatusFound)
}

// fromConsumers takes a person who signed in there: /{tenant}/federation/oauth2msa?lab_return=…&lab_ticket=…. The ticket
// is bound to the session that went, so that nobody can be signed in as somebody else by a link.
func (x *exchange) fromConsumers() {
	x.entry.Endpoint = "authorize"
	q, f := parameters(x.r.URL.RawQuery)
	if f != nil {
		x.failPage(f)
		return
	}
	ses, fresh := x.session()
	back, err := url.ParseRequestURI(q.Get(ParamReturn))
	if fresh || err != nil || back.Host != "" || back.Scheme != "" || x.s.Consumers == nil {
		x.failPage(failMalformed("no sign-in of this browser is under way"))
		return
	}
	person, passing, ok := x.s.Consumers.Redeem(q.Get(ParamTicket), ses.csrf)
	if ok {
		person, ok = x.dir.Again(person)
	}
	if !ok {
		x.failPage(failMalformed("the ticket is not valid"))
		return
	}
	if f := standing(person); f != nil {
		x.about(nil, person, nil)
		x.failPage(f)
		return
	}
	ses = x.signedIn(ses, person, passing)
	// The original request goes on as if it had just come, with the person signed in.
	original := x.r.Clone(x.r.Context())
	original.URL = back
	original.Method = http.MethodGet
	x.r = original
	x.resume(ses)
}

// resume goes on with the request of x.r for the person of ses.
func (x *exchange) resume(ses *session) {
	tenant, rest := cutPath(trimPath(x.r.URL.Path))
	x.path = tenant
	x.v1 = rest == "oauth2/authorize"
	q, f := parameters(x.r.URL.RawQuery)
	if f != nil {
		x.failPage(f)
		return
	}
	if rest == "oauth2/deviceauth" {
		x.deviceForm(ses, false, "", q.Get(paramUserCode))
		return
	}
	if rest != "oauth2/v2.0/authorize" && rest != "oauth2/authorize" {
		x.failPage(failMalformed("the sign-in did not begin at an authorize endpoint"))
		return
	}
	a, f := x.authorization(q)
	if f != nil {
		x.failTold(f, a)
		return
	}
	p, _ := x.person(ses)
	x.about(a.app, p, a.tenant)
	if f := x.judgeBootstrap(a); f != nil {
		x.failPage(f)
		return
	}
	x.complete(a, ses, a.prompt != promptConsent && a.prompt != promptAdmin)
}
