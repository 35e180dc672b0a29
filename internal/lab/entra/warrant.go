package entra

import (
	"time"

	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/token"
)

// grant is what a token says: who, for which application, in which tenant, for what. It is of one snapshot of the
// directory and lives as long as one request.
type grant struct {
	tenant   *directory.Tenant
	person   *directory.User // nil for an application alone
	account  *directory.User // the person's object in tenant
	app      *directory.Application
	scopes   scopes
	nonce    string
	authTime time.Time
	methods  []string // amr
	policyID string   // xms_trpid
	family   string   // joins a code, its refresh tokens and their successors
	sid      string
	v1       bool
	proof    string // azpacr: "0" public, "1" secret, "2" certificate
}

// newFamily names a family.
func newFamily() string { return token.GUID() }

// warrant is a grant to be kept: in a code, a device code or a refresh token. It names everything by its id, so that what
// the directory says counts when it is used, and it can be written to disk.
type warrant struct {
	Tenant      string    `json:"tenant"`
	Home        string    `json:"home"`
	Person      string    `json:"person"` // object id at home
	Application string    `json:"application"`
	Scopes      scopes    `json:"scopes"`
	Nonce       string    `json:"nonce,omitempty"`
	AuthTime    time.Time `json:"auth_time"`
	Methods     []string  `json:"methods"`
	Family      string    `json:"family"`
	Session     string    `json:"session,omitempty"`
}

func (g grant) warrant() warrant {
	return warrant{
		Tenant: g.tenant.ID, Home: g.person.Tenant.ID, Person: g.person.ID, Application: g.app.ID, Scopes: g.scopes,
		Nonce: g.nonce, AuthTime: g.authTime, Methods: g.methods, Family: g.family, Session: g.sid,
	}
}

// grant is w as the directory has it now, for app, which asks. It fails when anybody of it is gone, or may not sign in
// any more: an account that was disabled gets no further token.
func (x *exchange) grant(w warrant, app *directory.Application) (grant, *failure) {
	g := grant{
		app: app, scopes: w.Scopes, nonce: w.Nonce, authTime: w.AuthTime, methods: w.Methods, family: w.Family, sid: w.Session, v1: x.v1,
	}
	home, ok := x.dir.Tenant(w.Home)
	if ok {
		g.person, ok = home.Object(w.Person)
	}
	if ok {
		g.tenant, ok = x.dir.Tenant(w.Tenant)
	}
	if ok {
		g.account, ok = g.tenant.Account(g.person)
	}
	if !ok {
		return g, failRevoked()
	}
	x.about(app, g.person, g.tenant)
	if f := standing(g.person); f != nil {
		return g, f
	}
	return g, standing(g.account)
}
