// Package graph is the lab's Microsoft Graph: people, groups, domains and their verification, applications, cross-tenant
// access and the sign-in log of the tenant that a token was issued for.
//
//	s := graph.New(graph.Options{Directory: store, Keys: ring, Journal: journal, Zone: zone})
//	http.Serve(listener, s)
//
// A request is answered by one snapshot of the directory, within the tenant of its token alone. What may be asked is
// declared in one table (routes): path, permissions, and whether people need to be administrators. Queries are those of
// package odata; whatever is not declared is refused with an error in Graph's shape. Which of it is known from where stands
// in docs/lab-fidelity.md.
package graph

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/journal"
	"sekisho/internal/lab/token"
	"sekisho/internal/lab/zone"
)

// Audience is what a token for Graph must name.
const Audience = "https://graph.microsoft.com"

// Resolver answers for the records by which a domain is verified. *zone.Zone is one.
type Resolver interface {
	Lookup(ctx context.Context, name string) (zone.Answer, error)
}

// Options of New. Directory and Keys are required.
type Options struct {
	Directory *directory.Store
	Keys      *token.Ring
	Journal   *journal.Journal // nil: an empty sign-in log
	Zone      Resolver         // nil: no domain can be verified
	Now       func() time.Time // nil: time.Now
}

// Service answers. Obtain it from New. Safe for concurrent use.
type Service struct {
	Options
	routes  []route
	views   views
	hashing sync.Mutex // one password at a time
	pace    pace       // of synchronisations
}

// New returns a service. Its $skiptokens are good for its own lifetime.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Journal == nil {
		o.Journal = &journal.Journal{}
	}
	key := make([]byte, 32)
	rand.Read(key) // never fails, see crypto/rand
	return &Service{Options: o, routes: routes(), views: newViews(key)}
}

// caller is whose token a request carries.
type caller struct {
	tenant *directory.Tenant
	// account is the person's object in tenant; nil for an application alone.
	account     *directory.User
	application string // client id
	granted     []string
	claims      token.Claims
}

// exchange is one request on its way through the service.
type exchange struct {
	s       *Service
	dir     *directory.Directory // as it was when the request came
	w       http.ResponseWriter
	r       *http.Request
	by      caller
	version string   // v1.0, beta; oidc, and lab for what is the lab's own
	path    []string // behind the version, unescaped, as sent
	keys    []string // what stood in the braces of the route
	id      string   // request-id
}

// Limits of a path; chosen.
const (
	maxPath    = 1024
	maxSegment = 256
)

// ServeHTTP answers one request.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{s: s, dir: s.Directory.Current(), w: w, r: r, id: token.GUID()}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("request-id", x.id)
	h.Set("client-request-id", x.clientID())
	if f := x.serve(); f != nil {
		x.fail(f)
	}
}

// clientID is the caller's own id of the request when it is a GUID, and request-id otherwise (Microsoft, "Microsoft Graph
// error responses and resource types": both stand in errors).
func (x *exchange) clientID() string {
	id := strings.ToLower(x.r.Header.Get("client-request-id"))
	if isGUID(id) {
		return id
	}
	return x.id
}

func (x *exchange) serve() *failure {
	if f := x.split(); f != nil {
		return f
	}
	if len(x.path) == 0 && x.version == "" {
		x.answer(http.StatusOK, map[string]any{"lab": true, "service": "Microsoft Graph stand-in", "versions": []string{"v1.0", "beta"}})
		return nil
	}
	if f := x.authenticate(); f != nil {
		return f
	}
	switch x.version {
	case "oidc":
		return x.userInfo()
	case "lab":
		return x.synchronise()
	}
	r, f := x.route()
	if f != nil {
		return f
	}
	if f := x.permit(r); f != nil {
		return f
	}
	return r.serve(x)
}

// split reads version and segments of the path.
func (x *exchange) split() *failure {
	raw := x.r.URL.EscapedPath()
	if len(raw) > maxPath {
		return bad("The path has %d characters; at most %d are read.", len(raw), maxPath)
	}
	segments := strings.Split(strings.Trim(raw, "/"), "/")
	for i, text := range segments {
		segment, err := url.PathUnescape(text)
		if err != nil || len(segment) > maxSegment || !plain(segment) || segment == "" && raw != "/" && raw != "" {
			return bad("The path is not well-formed.")
		}
		segments[i] = segment
	}
	if segments[0] == "" {
		return nil
	}
	switch x.version = strings.ToLower(segments[0]); x.version {
	case "v1.0", "beta", "oidc", "lab":
		x.path = segments[1:]
		return nil
	}
	return &failure{status: http.StatusBadRequest, code: "BadRequest", text: "Invalid version: " + clip(segments[0], 40)}
}

// authenticate checks the bearer token (RFC 6750). A request that carries a v2 restriction while its token was issued
// without one is refused as "universal tenant restrictions" (2025-02-21) shows it: 401 with Restrict-Access-Confirm.
func (x *exchange) authenticate() *failure {
	refuse := func(challenge, text string) *failure {
		x.w.Header().Set("WWW-Authenticate", challenge)
		return &failure{status: http.StatusUnauthorized, code: "InvalidAuthenticationToken", text: text}
	}
	const invalid = `Bearer realm="", error="invalid_token"`
	scheme, text, _ := strings.Cut(x.r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || strings.TrimSpace(text) == "" {
		return refuse(`Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize"`, "Access token is empty.")
	}
	claims, err := x.s.Keys.Verify(strings.TrimSpace(text), x.s.Now())
	if err != nil || claims.String("aud") != Audience {
		return refuse(invalid, "Access token validation failure.")
	}
	if x.r.Header.Get("Sec-Restrict-Tenant-Access-Policy") != "" && claims.String("xms_trpid") == "" {
		x.w.Header().Set("Restrict-Access-Confirm", "1")
		x.w.Header().Set("x-ms-diagnostics", `2000020;reason="xms_trpid claim was not present but sec-restrict-tenant-access-policy header was in request"`)
		return &failure{status: http.StatusUnauthorized, code: "InvalidAuthenticationToken", text: "The token was issued without the tenant restrictions policy of this request."}
	}
	by := caller{application: claims.String("appid"), claims: claims}
	tenant, ok := x.dir.Tenant(claims.String("tid"))
	if !ok {
		return refuse(invalid, "Access token validation failure. The tenant of the token is gone.")
	}
	by.tenant = tenant
	if claims.String("idtyp") == "app" {
		by.granted = texts(claims["roles"])
	} else {
		by.granted = strings.Fields(claims.String("scp"))
		if by.account, ok = tenant.Object(claims.String("oid")); !ok {
			return refuse(invalid, "Access token validation failure. The account of the token is gone.")
		}
	}
	x.by = by
	return nil
}

// texts reads a claim that is a list of texts.
func texts(claim any) []string {
	var out []string
	list, _ := claim.([]any)
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// userInfo is OpenID Connect's (Core 1.0, section 5.3): what the token says of the person.
func (x *exchange) userInfo() *failure {
	switch {
	case len(x.path) != 1 || !strings.EqualFold(x.path[0], "userinfo"):
		return unknownSegment(strings.Join(x.path, "/"))
	case x.r.Method != http.MethodGet && x.r.Method != http.MethodHead && x.r.Method != http.MethodPost:
		return x.notAllowed("GET, POST")
	case x.by.account == nil:
		return &failure{status: http.StatusForbidden, code: "Forbidden", text: "This answer is about a person, and the token is an application's."}
	}
	c := x.by.claims
	x.answer(http.StatusOK, map[string]any{"sub": c.String("sub"), "name": c.String("name"), "email": c.String("upn")})
	return nil
}

// assume says in the answer that a named assumption shaped it (docs/lab-fidelity.md).
func (x *exchange) assume(name string) {
	have := x.w.Header().Values(AssumptionField)
	if !slices.Contains(have, name) {
		x.w.Header().Add(AssumptionField, name)
	}
}

// AssumptionField is the field of an answer that names each assumption that shaped it.
const AssumptionField = "X-Sekisho-Lab-Assumption"
