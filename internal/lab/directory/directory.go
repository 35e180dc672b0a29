// Package directory is the lab's directory: tenants with their domains, people, guests, applications and cross-tenant
// policies, as one lab.yaml describes them.
//
//	d, err := directory.Shipped()
//	t, ok := d.Tenant("contoso.com")     // by directory id or by any verified domain
//	p, ok := d.Person("bob@fabrikam.com")
//
// A Directory does not change after loading and is safe for concurrent use. It knows nothing of tokens, of requests
// and of restriction headers. The tenants and people are the fictitious ones of Microsoft's documentation; the
// passwords and secrets in the shipped file are public and good for the lab alone.
package directory

import (
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"strings"
)

// Kind tells what a tenant is.
type Kind string

const (
	// Organisation is an ordinary tenant.
	Organisation Kind = "organisation"
	// Passthrough is "Microsoft Services", which first-party applications use before they know a tenant
	// (Microsoft, "Set up tenant restrictions v1").
	Passthrough Kind = "passthrough"
	// Consumers is the tenant of personal accounts.
	Consumers Kind = "consumers"
)

// Domain is one domain of a tenant. Only a verified one names the tenant.
type Domain struct {
	Name     string // lower case
	Verified bool
	Initial  bool // the *.onmicrosoft.com domain; always verified
	Default  bool
}

// Tenant is one directory.
type Tenant struct {
	ID       string // lower-case GUID
	Name     string // display name
	Kind     Kind
	Domains  []Domain
	Members  []*User // the accounts that live here, guests among them
	Policies []*Policy
}

// Initial returns the tenant's initial domain, "" when it has none.
func (t *Tenant) Initial() string {
	for _, d := range t.Domains {
		if d.Initial {
			return d.Name
		}
	}
	return ""
}

// Named reports whether text, a directory id or a domain, names t. Letter case and surrounding white space do not
// count; an unverified domain names nobody.
func (t *Tenant) Named(text string) bool {
	text = strings.ToLower(strings.TrimSpace(text))
	if text == t.ID {
		return true
	}
	return slices.ContainsFunc(t.Domains, func(d Domain) bool { return d.Verified && d.Name == text })
}

// Account returns the object that stands for p in t: p's own account at home, a guest elsewhere.
func (t *Tenant) Account(p *User) (*User, bool) {
	if p == nil {
		return nil, false
	}
	for _, u := range t.Members {
		if u.Person().Is(p) {
			return u, true
		}
	}
	return nil, false
}

// Policy returns t's cross-tenant access policy with that id.
func (t *Tenant) Policy(id string) (*Policy, bool) {
	for _, p := range t.Policies {
		if strings.EqualFold(p.ID, id) {
			return p, true
		}
	}
	return nil, false
}

// Policy is a tenant restrictions v2 policy (Microsoft, "Set up tenant restrictions v2"): what foreign accounts may do
// on the network that signals it.
type Policy struct {
	ID       string
	Allow    bool // the default rule; false blocks
	Partners map[string]Rule
}

// Rule is the policy's word on one partner tenant. Empty lists mean everybody and everything.
type Rule struct {
	Allow        bool
	Users        []string // user principal names that Allow speaks of, folded
	Applications []string // application ids that Allow speaks of, folded
}

// User is one account object in one tenant.
type User struct {
	ID     string // object id in Tenant
	UPN    string // of the person, lower case: guests keep their home name here
	Name   string // display name
	Tenant *Tenant
	Home   *User // nil for an account at home; the person's own account for a guest

	password hash
}

// Guest reports whether u is a guest object.
func (u *User) Guest() bool { return u.Home != nil }

// Person returns the account at home.
func (u *User) Person() *User {
	if u.Home != nil {
		return u.Home
	}
	return u
}

// Is reports whether u and o are accounts of the same person, also when they are of different snapshots.
func (u *User) Is(o *User) bool {
	u, o = u.Person(), o.Person()
	return u.ID == o.ID && u.Tenant.ID == o.Tenant.ID
}

// CheckPassword reports whether text is the person's password.
func (u *User) CheckPassword(text string) bool { return u.Person().password.matches(text) }

// Application is a client registration and the tenants that have it.
type Application struct {
	ID          string // client id
	Name        string
	Public      bool // no secret; a native client
	MultiTenant bool
	Passthrough bool     // signs in at "Microsoft Services" while no tenant is named
	Home        *Tenant  // where it is registered
	Redirects   []string // registered redirect URIs
	Principals  map[string]string

	secret [sha256.Size]byte
}

// In returns the object id of the application's service principal in t; ok is false when t does not have it.
func (a *Application) In(t *Tenant) (id string, ok bool) {
	id, ok = a.Principals[t.ID]
	return id, ok
}

// CheckSecret reports, in constant time, whether text is the application's secret. A public client has none.
func (a *Application) CheckSecret(text string) bool {
	sum := sha256.Sum256([]byte(text))
	return subtle.ConstantTimeCompare(sum[:], a.secret[:]) == 1 && !a.Public
}

// Directory is the whole of it.
type Directory struct {
	Tenants      []*Tenant
	Applications []*Application
	Assumptions  Assumptions

	draft *Draft // what it was built from; not to be changed

	tenants map[string]*Tenant // by id and verified domain
	people  map[string]*User   // by UPN, at home
	apps    map[string]*Application
}

// Tenant finds a tenant by directory id or verified domain.
func (d *Directory) Tenant(text string) (*Tenant, bool) {
	t, ok := d.tenants[strings.ToLower(text)]
	return t, ok
}

// OfKind returns the first tenant of kind k, nil when there is none.
func (d *Directory) OfKind(k Kind) *Tenant {
	for _, t := range d.Tenants {
		if t.Kind == k {
			return t
		}
	}
	return nil
}

// Again returns what stands in d for p of an earlier snapshot: the same person at home. ok is false when the account is
// gone.
func (d *Directory) Again(p *User) (now *User, ok bool) {
	if p == nil {
		return nil, false
	}
	t, ok := d.tenants[p.Person().Tenant.ID]
	if !ok {
		return nil, false
	}
	for _, u := range t.Members {
		if u.ID == p.Person().ID {
			return u, true
		}
	}
	return nil, false
}

// Person finds somebody by user principal name, at home.
func (d *Directory) Person(upn string) (*User, bool) {
	u, ok := d.people[strings.ToLower(strings.TrimSpace(upn))]
	return u, ok
}

// DomainOf returns the tenant that has verified the domain of a user principal name.
func (d *Directory) DomainOf(upn string) (*Tenant, bool) {
	at := strings.LastIndexByte(upn, '@')
	if at < 0 {
		return nil, false
	}
	t, ok := d.tenants[strings.ToLower(strings.TrimSpace(upn[at+1:]))]
	return t, ok
}

// Application finds an application by client id.
func (d *Directory) Application(id string) (*Application, bool) {
	a, ok := d.apps[strings.ToLower(id)]
	return a, ok
}
