package entra

import (
	"crypto/subtle"
	"net/http"
	"slices"
	"time"

	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/token"
)

// sessionCookie has the __Host- prefix: no other host can set it (RFC 6265bis, section 4.1.3.2).
const sessionCookie = "__Host-lab-session"

// maxParticipants bounds the applications of one session that are told of its end; chosen.
const maxParticipants = 32

// session is a browser's. It is replaced by a new one when somebody signs in, so that an id planted before is worth
// nothing afterwards.
type session struct {
	id           string
	csrf         string
	sid          string          // what applications know the session by: session_state and the claim sid
	who          *directory.User // nil until somebody has signed in; of the directory as it was then
	authTime     time.Time
	passing      bool     // of a personal account: see Consumers.Redeem
	participants []string // client ids; to be changed under the shelf's lock alone
}

func newSession() *session {
	return &session{id: token.Opaque(24), csrf: token.Opaque(24), sid: token.GUID()}
}

func (s *session) checks(csrf string) bool {
	return subtle.ConstantTimeCompare([]byte(csrf), []byte(s.csrf)) == 1
}

// session returns the browser's session; fresh tells that it was made just now and is not kept yet.
func (x *exchange) session() (s *session, fresh bool) {
	if c, err := x.r.Cookie(sessionCookie); err == nil && x.s.sessions.with(c.Value, x.now, func(kept *session) {
		now := *kept
		now.participants = slices.Clone(kept.participants)
		s = &now
	}) {
		return s, false
	}
	return newSession(), true
}

// person is who has signed in, as the directory has them now. Whoever is gone from it, or disabled, is signed in no more.
func (x *exchange) person(s *session) (*directory.User, bool) {
	if s.who == nil {
		return nil, false
	}
	p, ok := x.dir.Again(s.who)
	return p, ok && standing(p) == nil
}

// setSession keeps s and gives it to the browser. SameSite=Lax lets a sign-in that another site began find it.
func (x *exchange) setSession(s *session) {
	kept := *s
	x.s.sessions.put(s.id, &kept, x.now.Add(sessionLife))
	http.SetCookie(x.w, &http.Cookie{
		Name: sessionCookie, Value: s.id, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// signedIn replaces old with a session in which person has signed in.
func (x *exchange) signedIn(old *session, person *directory.User, passing bool) *session {
	x.s.sessions.drop(old.id)
	s := newSession()
	s.who, s.authTime, s.passing = person, x.now, passing
	x.setSession(s)
	return s
}

// participates notes that app has somebody signed in through s.
func (x *exchange) participates(s *session, app *directory.Application) {
	x.s.sessions.with(s.id, x.now, func(kept *session) {
		if len(kept.participants) < maxParticipants && !slices.Contains(kept.participants, app.ID) {
			kept.participants = append(kept.participants, app.ID)
		}
	})
}
