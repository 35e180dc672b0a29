// Package entra is the lab's Entra ID sign-in service: discovery, the sign-in page, tokens, device codes, realms and
// errors, in the shapes that Microsoft documents.
//
//	s, err := entra.New(ctx, entra.Options{Directory: d, Keys: k, Journal: j, Pages: page.New()})
//	http.Serve(listener, s)
//
// It is one http.Handler for login.microsoftonline.com, login.microsoft.com and login.windows.net, and reads nothing but
// the request. Restriction headers are honoured at authorize, token and devicecode (package admission). What the
// service does and where that is known from stands in docs/lab-fidelity.md.
package entra

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"sekisho/internal/lab/admission"
	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/journal"
	"sekisho/internal/lab/page"
	"sekisho/internal/lab/token"
)

// Host is the name that the service's documents carry, whichever name it was asked under.
const Host = "login.microsoftonline.com"

// Aliases are the names that instance discovery gives as one cloud (MSAL's known metadata of the public cloud).
var Aliases = [...]string{"login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"}

// Limits of one request and of what is kept; chosen, and far above what a rehearsal needs.
const (
	maxBody     = 64 << 10
	maxQuery    = 8 << 10
	maxKept     = 8192 // codes, refresh tokens, device codes and sessions, each
	maxAsserted = 1 << 16
	codeLife    = 10 * time.Minute
	sessionLife = 8 * time.Hour
	refreshLife = 90 * 24 * time.Hour
	deviceLife  = 15 * time.Minute
)

// Consumers hands over people who signed in at the consumers' own service.
type Consumers interface {
	// Redeem answers who signed in under ticket for the session named binding; it works once. passing tells that a
	// restriction let the person sign in only to go on to what Passes names.
	Redeem(ticket, binding string) (person *directory.User, passing, ok bool)
}

// Options of New. All but Consumers, Memory, Now and Graph are required.
type Options struct {
	Directory *directory.Store
	Keys      *token.Ring
	Journal   *journal.Journal
	Pages     *page.Pages
	Consumers Consumers        // nil: nobody comes from there
	Memory    Memory           // nil: nothing outlives the service
	Now       func() time.Time // nil: time.Now
	Graph     http.Handler     // answers what the directory's page asks; nil: there is no such page
}

// Memory is what the service keeps of itself for a later run: its refresh tokens. Keys are in Options.Keys, consent in
// Options.Directory; sessions, codes, device codes and used assertions end with the service. See package state.
type Memory interface {
	Put(ctx context.Context, kind, key string, value []byte) error
	Delete(ctx context.Context, kind, key string) error
	All(ctx context.Context, kind string, f func(key string, value []byte) error) error
}

// Service answers. Obtain it from New. Safe for concurrent use.
type Service struct {
	Options
	sessions *shelf[*session]
	codes    *shelf[*code]
	refresh  *shelf[*refreshToken]
	devices  *shelf[*device]
	// assertions are the client assertions that were used, by application and jti.
	assertions *shelf[struct{}]
}

// New returns a service without sessions, with the refresh tokens that o.Memory holds.
func New(ctx context.Context, o Options) (*Service, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Service{
		Options: o, sessions: newShelf[*session](maxKept), codes: newShelf[*code](maxKept),
		refresh: newShelf[*refreshToken](maxKept), devices: newShelf[*device](2 * maxKept), assertions: newShelf[struct{}](maxAsserted),
	}
	return s, s.loadRefresh(ctx)
}

// exchange is one request on its way through the service.
type exchange struct {
	s           *Service
	dir         *directory.Directory // as it was when the request came
	w           http.ResponseWriter
	r           *http.Request
	now         time.Time
	trace       string
	correlation string
	signal      admission.Signal
	v1          bool // the v1 endpoints: "resource" instead of scopes, numbers as text
	path        string
	entry       journal.SignIn
}

// ServeHTTP answers one request.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{
		s: s, dir: s.Directory.Current(), w: w, r: r, now: s.Now().UTC(), trace: token.GUID(), signal: admission.Read(r.Header, admission.Entra),
	}
	x.correlation = x.clientRequestID(r.Header.Get("client-request-id"))
	h := w.Header()
	h.Set("x-ms-request-id", x.trace)
	h.Set("Cache-Control", "no-store, no-cache")
	h.Set("Pragma", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	if len(r.URL.RawQuery) > maxQuery {
		x.failJSON(failQueryTooLong())
		return
	}
	if id := r.URL.Query().Get("client-request-id"); id != "" {
		x.correlation = x.clientRequestID(id)
	}
	x.entry = journal.SignIn{
		ID: x.trace, Time: x.now, Host: hostOf(r), Address: r.RemoteAddr, UserAgent: clip(r.UserAgent(), 200),
		Context: x.signal.Owner(), Findings: x.signal.Findings,
	}
	x.route()
}

// route finds the endpoint. Paths are compared without letter case; assumed of Entra, whose own documents write both
// "GetCredentialType" and "getcredentialtype".
func (x *exchange) route() {
	path := trimPath(x.r.URL.Path)
	switch path {
	case "":
		x.s.Pages.Write(x.w, x.r, page.Page{Title: "lab.home.title", Text: []string{"lab.home.text"}})
		return
	case "/common/discovery/instance":
		x.instance()
		return
	case "/getuserrealm.srf":
		x.realmSRF()
		return
	case "/error":
		x.errorLookup()
		return
	}
	tenant, rest := cutPath(path)
	x.path = tenant
	switch rest {
	case "v2.0/.well-known/openid-configuration":
		x.metadata(false)
	case ".well-known/openid-configuration":
		x.metadata(true)
	case "discovery/v2.0/keys":
		x.keys()
	case "discovery/keys":
		x.v1 = true
		x.keys()
	case "oauth2/v2.0/authorize":
		x.authorize()
	case "oauth2/authorize":
		x.v1 = true
		x.authorize()
	case "v2.0/adminconsent":
		x.adminConsent()
	case "adminconsent":
		x.v1 = true
		x.adminConsent()
	case "openid/userinfo":
		x.userInfo()
	case "federation/oauth2msa":
		x.fromConsumers()
	case "oauth2/v2.0/token":
		x.token()
	case "oauth2/token":
		x.v1 = true
		x.token()
	case "oauth2/v2.0/devicecode":
		x.deviceCode()
	case "oauth2/devicecode":
		x.v1 = true
		x.deviceCode()
	case "oauth2/deviceauth":
		x.deviceAuth()
	case "oauth2/v2.0/logout", "oauth2/logout":
		x.logout()
	case "oauth2/nativeclient":
		x.nativeClient()
	case directoryPath:
		if x.s.Graph == nil {
			x.s.Pages.Write(x.w, x.r, page.Page{Status: http.StatusNotFound, Title: "lab.missing.title", Text: []string{"lab.missing.text"}})
			return
		}
		x.manage()
	case reportPath:
		x.report()
	case "getcredentialtype":
		x.credentialType()
	default:
		if rest == "userrealm" || strings.HasPrefix(rest, "userrealm/") {
			x.realm(strings.TrimPrefix(strings.TrimPrefix(rest, "userrealm"), "/"))
			return
		}
		x.s.Pages.Write(x.w, x.r, page.Page{Status: http.StatusNotFound, Title: "lab.missing.title", Text: []string{"lab.missing.text"}})
	}
}

// body reads what was sent, up to maxBody.
func (x *exchange) body() ([]byte, *failure) {
	data, err := io.ReadAll(http.MaxBytesReader(x.w, x.r.Body, maxBody))
	if err != nil {
		return nil, failMalformed("the body cannot be read, or is longer than 65536 bytes")
	}
	return data, nil
}

func trimPath(path string) string { return strings.ToLower(strings.TrimSuffix(path, "/")) }

// cutPath divides a path into tenant and endpoint.
func cutPath(path string) (tenant, rest string) {
	tenant, rest, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return tenant, rest
}

// judge tests sub and notes the result. ok is false when the exchange must end with f.
func (x *exchange) judge(sub admission.Subject) (v admission.Verdict, f *failure) {
	x.entry.Restricted = x.signal.Version()
	v = admission.Judge(x.dir, x.signal, sub)
	for _, a := range v.Assumptions {
		x.assume(a)
	}
	switch {
	case v.Misconfigured != nil:
		return v, failMisconfigured(*v.Misconfigured, x.dir.Assumptions)
	case v.Code != 0:
		x.assume(directory.AssumedRestrictionError)
		x.entry.Tenant = v.Denied.ID
		return v, failRestricted(v.Code, v.Denied.Name, x.dir.Assumptions)
	}
	return v, nil
}

// assume notes that a switch shaped the answer, once.
func (x *exchange) assume(name string) {
	for _, have := range x.entry.Assumptions {
		if have == name {
			return
		}
	}
	x.entry.Assumptions = append(x.entry.Assumptions, name)
}

// note puts the exchange into the journal, with f as its outcome; nil is success.
func (x *exchange) note(f *failure) {
	x.entry.CorrelationID = x.correlation
	if f != nil {
		x.entry.Code, x.entry.Reason, x.entry.Lab = f.code, f.text, f.code == 0
	}
	x.s.Journal.Add(x.entry)
}

// about notes who and what the exchange is about.
func (x *exchange) about(app *directory.Application, person *directory.User, resource *directory.Tenant) {
	if app != nil {
		x.entry.Application, x.entry.ApplicationNm = app.ID, app.Name
	}
	if person != nil {
		x.entry.User, x.entry.UserDisplay = person.UPN, person.Person().Name
		x.entry.UserID, x.entry.HomeTenant = person.Person().ID, person.Person().Tenant.ID
		x.entry.Consumer = person.Person().Tenant.Kind == directory.Consumers
	}
	if resource != nil {
		x.entry.Tenant = resource.ID
	}
}

// clientRequestID keeps id when it is a GUID, which is what the documents ask for; otherwise one is made.
func (x *exchange) clientRequestID(id string) string {
	id = strings.ToLower(strings.Trim(id, "{}"))
	if isGUID(id) {
		return id
	}
	if x.correlation != "" {
		return x.correlation
	}
	return token.GUID()
}

func isGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		hex := s[i] >= '0' && s[i] <= '9' || s[i] >= 'a' && s[i] <= 'f'
		if dash != (s[i] == '-') || !dash && !hex {
			return false
		}
	}
	return true
}

// hostOf is the request's host without a port, lower case.
func hostOf(r *http.Request) string {
	host := strings.ToLower(r.Host)
	if name, _, ok := strings.Cut(host, ":"); ok {
		return name
	}
	return host
}

func clip(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "")
	}
	return s
}
