package entra

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/page"
	"sekisho/internal/lab/token"
)

// logout ends the session (OpenID Connect RP-Initiated Logout 1.0; Microsoft, "Send a sign-out request" in "OpenID Connect
// on the Microsoft identity platform"). It leads to post_logout_redirect_uri only where that is a registered redirect URI
// of the application that asks, which id_token_hint, client_id or the session itself tells; elsewhere it stays.
//
// A request that another site began, without a hint that names the session's person, is asked about first (section 2 of
// the specification): a link must not sign anybody out.
func (x *exchange) logout() {
	x.entry.Endpoint = "logout"
	var q url.Values
	var f *failure
	switch x.r.Method {
	case http.MethodGet, http.MethodHead:
		q, f = parameters(x.r.URL.RawQuery)
	case http.MethodPost:
		if q, f = x.form(); f == nil && len(q.Encode()) > maxQuery {
			f = failQueryTooLong()
		}
	default:
		f = failMethod("GET, POST", x.r.Method)
	}
	if f == nil {
		_, _, f = x.tenant()
	}
	if f != nil {
		x.failPage(f)
		return
	}
	ses, fresh := x.session()
	hinted, sure := x.hint(q.Get("id_token_hint"), ses)
	mine := !fresh && q.Has("csrf") && ses.checks(q.Get("csrf")) && !x.fromElsewhere()
	if !fresh && ses.who != nil && !sure && !mine && (x.r.Method == http.MethodPost || x.fromElsewhere()) {
		x.askLogout(q, ses)
		return
	}
	if !fresh {
		x.s.sessions.drop(ses.id)
		if ses.who != nil {
			x.entry.User, x.entry.UserID, x.entry.HomeTenant = ses.who.UPN, ses.who.Person().ID, ses.who.Person().Tenant.ID
			x.note(nil)
		}
	}
	http.SetCookie(x.w, &http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	x.loggedOut(q, ses, hinted)
}

// hint reads an id_token_hint, an expired one, too: for which application it was made, and whether it names the person of
// ses.
func (x *exchange) hint(text string, ses *session) (app *directory.Application, sure bool) {
	if text == "" {
		return nil, false
	}
	c, err := x.s.Keys.Verify(text, x.now)
	if err != nil && !errors.Is(err, token.ErrExpired) {
		return nil, false
	}
	app, ok := x.dir.Application(c.String("aud"))
	if !ok {
		return nil, false
	}
	return app, ses.who != nil && (c.String("sid") == ses.sid ||
		c.String("sub") == token.Pairwise("sub", ses.who.Person().ID, c.String("tid"), app.ID))
}

func (x *exchange) askLogout(q url.Values, ses *session) {
	hidden := map[string]string{"csrf": ses.csrf}
	for _, name := range []string{"post_logout_redirect_uri", "state", "client_id", "id_token_hint"} {
		if q.Has(name) {
			hidden[name] = q.Get(name)
		}
	}
	x.s.Pages.Write(x.w, x.r, page.Page{
		Title: "lab.logout.ask", Text: []string{"lab.logout.asked"}, Args: map[string]string{"user": ses.who.UPN},
		Form:        &page.Form{Action: "/" + x.path + "/oauth2/v2.0/logout", Hidden: hidden, Submit: "lab.logout.submit"},
		FormTargets: x.logoutTargets(q, ses),
	})
}

func (x *exchange) logoutTargets(q url.Values, ses *session) []string {
	if to, ok := x.afterLogout(q, ses, nil); ok {
		return []string{originOf(to)}
	}
	return nil
}

// afterLogout is where the browser goes: post_logout_redirect_uri, when it is registered for the application that asks.
func (x *exchange) afterLogout(q url.Values, ses *session, hinted *directory.Application) (string, bool) {
	to := q.Get("post_logout_redirect_uri")
	if to == "" {
		return "", false
	}
	asking := slices.Clone(ses.participants)
	if id := q.Get("client_id"); id != "" {
		asking = []string{id}
	}
	if hinted != nil {
		asking = []string{hinted.ID}
	}
	for _, id := range asking {
		if app, ok := x.dir.Application(id); ok && registered(app, to) {
			return to, true
		}
	}
	return "", false
}

// loggedOut tells the applications that the person used, by their front-channel sign-out addresses (OpenID Connect
// Front-Channel Logout 1.0), and leads on.
func (x *exchange) loggedOut(q url.Values, ses *session, hinted *directory.Application) {
	p := page.Page{Title: "lab.logout.title", Text: []string{"lab.logout.text"}}
	for _, id := range ses.participants {
		app, ok := x.dir.Application(id)
		if !ok || app.Logout == "" {
			continue
		}
		u, err := url.Parse(app.Logout)
		if err != nil {
			continue
		}
		told := u.Query()
		told.Set("sid", ses.sid)
		if ses.who != nil {
			told.Set("iss", issuerV2(ses.who.Person().Tenant))
		}
		u.RawQuery = told.Encode()
		p.Frames = append(p.Frames, u.String())
	}
	to, ok := x.afterLogout(q, ses, hinted)
	if ok {
		if state := q.Get("state"); state != "" {
			if u, err := url.Parse(to); err == nil {
				v := u.Query()
				v.Set("state", state)
				u.RawQuery = v.Encode()
				to = u.String()
			}
		}
		if len(p.Frames) == 0 {
			x.w.Header().Set("Location", to)
			x.w.WriteHeader(http.StatusFound)
			return
		}
		// The frames need the page for a moment; the browser goes on by itself afterwards.
		if strings.HasPrefix(to, "http://") || strings.HasPrefix(to, "https://") {
			x.w.Header().Set("Refresh", "2; url="+to)
		}
		p.Text = append(p.Text, "lab.logout.on")
	}
	x.s.Pages.Write(x.w, x.r, p)
}
