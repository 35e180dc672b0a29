// Package msa is the lab's sign-in for personal accounts, login.live.com: a sign-in page, the page with 80045C4D that
// restrict-msa calls forth, and the user-less device traffic that it leaves alone.
//
// Sources: Microsoft, "Set up tenant restrictions v1", section on consumer applications; the block page's code from
// Microsoft Japan, jpazureid, "tenant-restriction" (2023-03-02). How the real service hands a browser back to Entra ID
// is not public; the hand-over here is the lab's own.
package msa

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"sekisho/internal/lab/admission"
	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/entra"
	"sekisho/internal/lab/journal"
	"sekisho/internal/lab/page"
	"sekisho/internal/lab/token"
)

// BlockCode is the code on the page that refuses a personal account.
const BlockCode = "80045C4D"

// Limits; chosen.
const (
	maxBody    = 64 << 10
	maxTickets = 1024
	ticketLife = 2 * time.Minute
	csrfCookie = "__Host-lab-consumer"
)

// Options of New; all but Now are required.
type Options struct {
	Directory *directory.Store
	Journal   *journal.Journal
	Pages     *page.Pages
	Now       func() time.Time // nil: time.Now
}

// Service answers. Obtain it from New. Safe for concurrent use.
type Service struct {
	Options
	mu      sync.Mutex
	tickets map[string]ticket
}

type ticket struct {
	person  *directory.User
	binding string
	passing bool
	expires time.Time
}

// New returns a service.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{Options: o, tickets: map[string]ticket{}}
}

// Redeem answers who signed in under name for the session named binding; it works once.
// passing tells that a restriction let the person sign in only to pass.
func (s *Service) Redeem(name, binding string) (person *directory.User, passing, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tickets[name]
	delete(s.tickets, name)
	if !ok || !s.Now().Before(t.expires) || subtle.ConstantTimeCompare([]byte(binding), []byte(t.binding)) != 1 {
		return nil, false, false
	}
	return t.person, t.passing, true
}

func (s *Service) keep(t ticket) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Now()
	for name, old := range s.tickets {
		if len(s.tickets) >= maxTickets || !now.Before(old.expires) {
			delete(s.tickets, name)
		}
	}
	name := token.Opaque(32)
	s.tickets[name] = t
	return name
}

// ServeHTTP answers one request.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	switch strings.ToLower(r.URL.Path) {
	case "/", "/login.srf", "/oauth20_authorize.srf":
		s.signIn(w, r)
	case "/oauth20_token.srf":
		s.token(w, r)
	case "/rst2.srf", "/ppsecure/deviceaddcredential.srf":
		// User-less device traffic (Autopilot, Windows Update, telemetry) is not blocked by restrict-msa.
		h.Set("Content-Type", "text/plain; charset=utf-8")
		w.Write([]byte("LAB: device traffic without a user is never blocked by tenant restrictions\n"))
	default:
		s.Pages.Write(w, r, page.Page{Status: http.StatusNotFound, Title: "lab.missing.title", Text: []string{"lab.missing.text"}})
	}
}

// blocked answers a request that must not go on, and reports whether it did; passing tells that it goes on only because
// the account is a guest's, or passes through "Microsoft Services".
func (s *Service) blocked(w http.ResponseWriter, r *http.Request, person *directory.User, asJSON bool) (done, passing bool) {
	signal := admission.Read(r.Header, admission.MSA)
	dir := s.Directory.Current()
	app, _ := dir.Application(r.URL.Query().Get("client_id"))
	blocked, v := admission.JudgeConsumer(dir, signal, person, app)
	if blocked && !asJSON && entra.PassesTo(dir, r.URL.Query().Get(entra.ParamReturn), app) {
		return false, true
	}
	entry := journal.SignIn{
		ID: token.GUID(), CorrelationID: token.GUID(), Time: s.Now().UTC(), Host: entra.ConsumerHost, Endpoint: "authorize",
		Address: r.RemoteAddr, Consumer: true, Context: signal.Owner(), Restricted: signal.Version(), Findings: signal.Findings,
		Assumptions: v.Assumptions,
	}
	if asJSON {
		entry.Endpoint = "token"
	}
	if person != nil {
		entry.User, entry.UserDisplay, entry.UserID, entry.HomeTenant = person.UPN, person.Name, person.ID, person.Tenant.ID
	}
	if app != nil {
		entry.Application, entry.ApplicationNm = app.ID, app.Name
	}
	a := dir.Assumptions
	switch {
	case v.Misconfigured != nil:
		entry.Lab = true
		s.Journal.Add(entry)
		if asJSON {
			writeJSON(w, a.MisconfiguredStatus, "invalid_request", "LAB: the restriction headers have no documented meaning ("+v.Misconfigured.Code+"); the lab does not guess.")
			return true, false
		}
		s.Pages.Write(w, r, page.Page{
			Status: a.MisconfiguredStatus, Title: "lab.doubt.title", Text: []string{v.Misconfigured.Code}, Args: v.Misconfigured.Args,
		})
	case blocked:
		entry.Lab = true
		entry.Assumptions = append(entry.Assumptions, directory.AssumedConsumerPage)
		s.Journal.Add(entry)
		if asJSON {
			writeJSON(w, a.ConsumerPageStatus, "access_denied", BlockCode+": personal accounts are not allowed on this network.")
			return true, false
		}
		s.Pages.Write(w, r, page.Page{
			Status: a.ConsumerPageStatus, Title: "lab.consumer.title", Text: []string{"lab.consumer.text"},
			Fields: []page.Field{{Label: "lab.error.code", Value: BlockCode}},
		})
	default:
		return false, false
	}
	return true, false
}

func writeJSON(w http.ResponseWriter, status int, code, text string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	w.Write([]byte(`{"error":"` + code + `","error_description":"` + text + `"}`))
}

// signIn shows the page and takes what was typed on it.
func (s *Service) signIn(w http.ResponseWriter, r *http.Request) {
	if done, _ := s.blocked(w, r, nil, false); done {
		return
	}
	q := r.URL.Query()
	csrf := ""
	if c, err := r.Cookie(csrfCookie); err == nil && len(c.Value) == 32 {
		csrf = c.Value
	}
	form := func(problem, user string) {
		if csrf == "" {
			csrf = token.Opaque(24)
			http.SetCookie(w, &http.Cookie{Name: csrfCookie, Value: csrf, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
		}
		if len(user) > 320 {
			user = ""
		}
		s.Pages.Write(w, r, page.Page{
			Title: "lab.consumer.signin", Text: []string{"lab.consumer.hint"}, Problem: problem, Args: map[string]string{"user": user},
			Form: &page.Form{
				Action: r.URL.RequestURI(), Hidden: map[string]string{"csrf": csrf}, Submit: "lab.signin.submit",
				Fields: []page.Input{
					{Name: "username", Label: "lab.signin.user", Type: "text", Value: user, Autocomplete: "username"},
					{Name: "password", Label: "lab.signin.password", Type: "password", Autocomplete: "current-password"},
				},
			},
			FormTargets: []string{"https://" + entra.Host, "http://localhost:*", "https:"},
		})
	}
	if r.Method != http.MethodPost {
		form("", q.Get("username"))
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		s.Pages.Write(w, r, page.Page{Status: http.StatusBadRequest, Title: "lab.error.title", Text: []string{"lab.error.text"}})
		return
	}
	user := r.PostForm.Get("username")
	if csrf == "" || subtle.ConstantTimeCompare([]byte(r.PostForm.Get("csrf")), []byte(csrf)) != 1 {
		form("lab.signin.session", user)
		return
	}
	person, ok := s.Directory.Current().Person(user)
	if !ok || person.Tenant.Kind != directory.Consumers {
		form("lab.signin.unknown", user)
		return
	}
	done, passing := s.blocked(w, r, person, false)
	if done {
		return
	}
	if !person.CheckPassword(r.PostForm.Get("password")) {
		form("lab.signin.wrong", user)
		return
	}
	back, err := url.ParseRequestURI(q.Get(entra.ParamReturn))
	if err != nil || back.Host != "" || q.Get(entra.ParamBinding) == "" {
		s.Pages.Write(w, r, page.Page{Title: "lab.consumer.done", Text: []string{"lab.consumer.close"}})
		return
	}
	name := s.keep(ticket{person, q.Get(entra.ParamBinding), passing, s.Now().Add(ticketLife)})
	to := url.Values{entra.ParamReturn: {q.Get(entra.ParamReturn)}, entra.ParamTicket: {name}}
	w.Header().Set("Location", "https://"+entra.Host+"/common/federation/oauth2msa?"+to.Encode())
	w.WriteHeader(http.StatusFound)
}

// token answers the consumers' own token endpoint: the lab issues tokens for personal accounts through Entra ID's
// /consumers endpoints alone, and says so.
func (s *Service) token(w http.ResponseWriter, r *http.Request) {
	if done, _ := s.blocked(w, r, nil, true); done {
		return
	}
	writeJSON(w, http.StatusBadRequest, "invalid_request", "LAB: this endpoint issues no tokens in the lab; use https://"+entra.Host+"/consumers/oauth2/v2.0/token.")
}
