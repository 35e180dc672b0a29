package entra

import (
	"crypto/subtle"
	"net/http"
	"time"

	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/page"
	"sekisho/internal/lab/token"
)

// sessionCookie has the __Host- prefix: no other host can set it (RFC 6265bis, section 4.1.3.2).
const sessionCookie = "__Host-lab-session"

// session is a browser's. It is replaced by a new one when somebody signs in, so that an id planted before is worth
// nothing afterwards.
type session struct {
	id       string
	csrf     string
	person   *directory.User // nil until somebody has signed in
	authTime time.Time
}

func (s *session) checks(csrf string) bool {
	return subtle.ConstantTimeCompare([]byte(csrf), []byte(s.csrf)) == 1
}

// session returns the browser's session; fresh tells that it was made just now and is not kept yet.
func (x *exchange) session() (s *session, fresh bool) {
	if c, err := x.r.Cookie(sessionCookie); err == nil {
		if x.s.sessions.with(c.Value, x.now, func(kept *session) { s = kept }) {
			if s.person == nil {
				return s, false
			}
			now := *s
			if now.person, _ = x.dir.Again(s.person); now.person != nil {
				return &now, false
			}
			x.s.sessions.drop(s.id) // the account is gone
		}
	}
	return &session{id: token.Opaque(24), csrf: token.Opaque(24)}, true
}

// setSession keeps s and gives it to the browser. SameSite=Lax lets a sign-in that another site began find it.
func (x *exchange) setSession(s *session) {
	x.s.sessions.put(s.id, s, x.now.Add(sessionLife))
	http.SetCookie(x.w, &http.Cookie{
		Name: sessionCookie, Value: s.id, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// signedIn replaces old with a session in which person has signed in.
func (x *exchange) signedIn(old *session, person *directory.User) *session {
	x.s.sessions.drop(old.id)
	s := &session{id: token.Opaque(24), csrf: token.Opaque(24), person: person, authTime: x.now}
	x.setSession(s)
	return s
}

// logout ends the session (OpenID Connect RP-Initiated Logout 1.0). It leads nowhere: post_logout_redirect_uri is not
// followed, because the request does not say whose it is.
func (x *exchange) logout() {
	if c, err := x.r.Cookie(sessionCookie); err == nil {
		x.s.sessions.drop(c.Value)
	}
	http.SetCookie(x.w, &http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true})
	x.s.Pages.Write(x.w, x.r, page.Page{Title: "lab.logout.title", Text: []string{"lab.logout.text"}})
}

func passwordInputs(user string) []page.Input {
	return []page.Input{
		{Name: "username", Label: "lab.signin.user", Type: "text", Value: clip(user, 320), Autocomplete: "username"},
		{Name: "password", Label: "lab.signin.password", Type: "password", Autocomplete: "current-password"},
	}
}
