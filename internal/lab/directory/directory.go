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

// Domain is one domain of a tenant: added, and from then on verified or not. Only a verified one names the tenant.
type Domain struct {
	Name     string // lower case
	Verified bool
	Initial  bool // the *.onmicrosoft.com domain; always verified
	Default  bool // of an organisation, exactly one
}

// Tenant is one directory.
type Tenant struct {
	ID       string // lower-case GUID
	Name     string // display name
	Kind     Kind
	Domains  []Domain
	Members  []*User // the accounts that live here, guests among them
	Groups   []*Group
	Policies []*Policy

	people  map[key]*User    // by the person's account at home
	objects map[string]*User // by object id
	groups  map[string]*Group
}

// key tells a person from any other, in every snapshot: tenant and object id of the account at home.
type key struct{ tenant, id string }

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

// Default returns the tenant's default domain, "" when it has none.
func (t *Tenant) Default() string {
	for _, d := range t.Domains {
		if d.Default {
			return d.Name
		}
	}
	return ""
}

// Account returns the object that stands for p in t: p's own account at home, a guest elsewhere.
func (t *Tenant) Account(p *User) (*User, bool) {
	if p == nil {
		return nil, false
	}
	u, ok := t.people[p.Person().key()]
	return u, ok
}

// Object returns the account with object id id in t.
func (t *Tenant) Object(id string) (*User, bool) {
	u, ok := t.objects[fold(id)]
	return u, ok
}

// Group returns the group with object id id in t.
func (t *Tenant) Group(id string) (*Group, bool) {
	g, ok := t.groups[fold(id)]
	return g, ok
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

// User is one account object in one tenant.
type User struct {
	ID     string // object id in Tenant
	UPN    string // of the person, lower case: guests keep their home name here
	Name   string // display name
	Mail   string // "" when none is given
	Tenant *Tenant
	Home   *User // nil for an account at home; the person's own account for a guest
	// Disabled is of this account: a guest may be disabled where the person is not.
	Disabled bool
	// Administrator is of this account: who may agree to applications for everybody in Tenant.
	Administrator bool
	// Locked, PasswordExpired and MustChange are of the person's account at home; always false for a guest.
	Locked          bool // after wrong passwords, until an administrator unlocks it
	PasswordExpired bool // the password was right and is too old
	MustChange      bool // the password must be changed at the next sign-in
	// Synced is what a synchronisation brought, nil for an account of the cloud.
	Synced *Synced

	password hash
	turns    turns
	groups   []Membership
}

// Synced is what a synchronisation brought beside the account. Not to be changed.
type Synced struct {
	Anchor    string // the immutable id
	SignIn    string // userPrincipalName on premises, or the alternate ID; "" for none
	Nickname  string // MailNickName
	Addresses []string
	Expired   bool // the account, on premises, where that binds
	Conflicts []Conflict
}

// State is what keeps an account from signing in.
type State string

const (
	Active          State = ""
	Disabled        State = "disabled"
	Locked          State = "locked"
	PasswordExpired State = "password-expired"
	MustChange      State = "must-change"
)

// States are all states but Active, in the order in which State looks for them.
var States = [...]State{Disabled, Locked, PasswordExpired, MustChange}

// State returns what keeps u from signing in, the gravest first; Active when nothing does. For a guest it is of the guest's
// object; ask Person for the account at home.
func (u *User) State() State {
	switch {
	case u.Disabled:
		return Disabled
	case u.Locked:
		return Locked
	case u.PasswordExpired:
		return PasswordExpired
	case u.MustChange:
		return MustChange
	}
	return Active
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
func (u *User) Is(o *User) bool { return u.Person().key() == o.Person().key() }

func (u *User) key() key { return key{u.Tenant.ID, u.ID} }

// PrincipalName is the user principal name of this object: UPN at home, and for a guest the form in which the tenant
// lists it, dave_fabrikam.com#EXT#@contoso.onmicrosoft.com (Microsoft, "Properties of a Microsoft Entra B2B
// collaboration user").
func (u *User) PrincipalName() string {
	if u.Home == nil {
		return u.UPN
	}
	return strings.Replace(u.UPN, "@", "_", 1) + "#EXT#@" + u.Tenant.Initial()
}

// CheckPassword reports whether text is the person's password. It takes its time on purpose, and few run at once.
func (u *User) CheckPassword(text string) bool {
	p := u.Person()
	p.turns.take()
	defer p.turns.leave()
	return p.password.matches(text)
}

// HasPassword reports whether the person has a password at all.
func (u *User) HasPassword() bool { return len(u.Person().password.sum) > 0 }

// Directory is the whole of it.
type Directory struct {
	Tenants      []*Tenant
	Applications []*Application
	Assumptions  Assumptions

	draft *Draft // what it was built from; not to be changed

	tenants map[string]*Tenant   // by id and verified domain
	claims  map[string][]*Tenant // by domain, verified or not
	people  map[string]*User     // by UPN, at home
	apps    map[string]*Application
}

// Tenant finds a tenant by directory id or verified domain.
func (d *Directory) Tenant(text string) (*Tenant, bool) {
	t, ok := d.tenants[strings.ToLower(text)]
	return t, ok
}

// Claims returns the tenants that have added domain, verified or not, in the order of the directory. Not to be changed.
func (d *Directory) Claims(domain string) []*Tenant { return d.claims[fold(domain)] }

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
	now, ok = t.objects[p.Person().ID]
	return now, ok && !now.Guest()
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
