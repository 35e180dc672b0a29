package directory

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Draft is a directory as plain data: as lab.yaml describes it, as the lab keeps it, and as Store.Change hands it out to
// be changed. Nothing in it is checked before the whole of it is. The methods find what is named, folding letter case, and
// return an error that says what is missing; fields may be changed directly, too.
type Draft struct {
	Assumptions  Assumptions
	Tenants      []*TenantEntry
	Applications []*ApplicationEntry
}

// The entries of a Draft. Names of keys are those of lab.yaml. Where an id is "", the check makes one out of what the
// entry says, always the same.
type (
	// TenantEntry is one tenant.
	TenantEntry struct {
		ID       string         `yaml:"id" json:"id"`
		Name     string         `yaml:"name" json:"name"`
		Kind     Kind           `yaml:"kind" json:"kind,omitempty"` // "": organisation
		Domains  []*DomainEntry `yaml:"domains" json:"domains,omitempty"`
		Users    []*UserEntry   `yaml:"users" json:"users,omitempty"`
		Groups   []*GroupEntry  `yaml:"groups" json:"groups,omitempty"`
		Policies []*PolicyEntry `yaml:"policies" json:"policies,omitempty"`
	}
	// DomainEntry is one domain of a tenant.
	DomainEntry struct {
		Name     string `yaml:"name" json:"name"`
		Verified bool   `yaml:"verified" json:"verified,omitempty"`
		Initial  bool   `yaml:"initial" json:"initial,omitempty"`
		Default  bool   `yaml:"default" json:"default,omitempty"`
	}
	// UserEntry is one account: of somebody at home (UPN), or of a guest (Guest, the name at home).
	UserEntry struct {
		ID    string `yaml:"id" json:"id"`
		UPN   string `yaml:"upn" json:"upn,omitempty"`
		Guest string `yaml:"guest" json:"guest,omitempty"`
		Name  string `yaml:"name" json:"name,omitempty"`
		Mail  string `yaml:"mail" json:"mail,omitempty"`
		// Password is text to be hashed; it is never kept. Hash is what is kept, see SetPassword.
		Password        string `yaml:"password" json:"-"`
		Hash            string `yaml:"password-hash" json:"password-hash,omitempty"`
		Disabled        bool   `yaml:"disabled" json:"disabled,omitempty"`
		Locked          bool   `yaml:"locked" json:"locked,omitempty"`
		PasswordExpired bool   `yaml:"password-expired" json:"password-expired,omitempty"`
		MustChange      bool   `yaml:"must-change" json:"must-change,omitempty"`
		Administrator   bool   `yaml:"administrator" json:"administrator,omitempty"`
		// Sync is what a synchronisation brought; nil for accounts of the cloud, and in a file.
		Sync *SyncEntry `yaml:"-" json:"sync,omitempty"`
	}
	// GroupEntry is one group. Members are user principal names (of guests, the names at home) or object ids of accounts
	// and groups of the same tenant.
	GroupEntry struct {
		ID      string   `yaml:"id" json:"id"`
		Name    string   `yaml:"name" json:"name"`
		Members []string `yaml:"members" json:"members,omitempty"`
	}
	// PolicyEntry is one cross-tenant policy.
	PolicyEntry struct {
		ID       string          `yaml:"id" json:"id"`
		Default  RuleEntry       `yaml:"default" json:"default"`
		Partners []*PartnerEntry `yaml:"partners" json:"partners,omitempty"`
	}
	// RuleEntry is what a policy says of every tenant without a rule of its own. In a file, the access alone will do.
	RuleEntry struct {
		Access       string   `yaml:"access" json:"access,omitempty"` // allow, block; "": block
		Users        []string `yaml:"users" json:"users,omitempty"`
		Groups       []string `yaml:"groups" json:"groups,omitempty"`
		Applications []string `yaml:"applications" json:"applications,omitempty"`
	}
	// PartnerEntry is what a policy says of one tenant. Groups are object ids of that tenant's groups.
	PartnerEntry struct {
		Tenant       string   `yaml:"tenant" json:"tenant"`
		Access       string   `yaml:"access" json:"access,omitempty"` // allow, block; "": block
		Users        []string `yaml:"users" json:"users,omitempty"`
		Groups       []string `yaml:"groups" json:"groups,omitempty"`
		Applications []string `yaml:"applications" json:"applications,omitempty"`
	}
	// ApplicationEntry is one application. Secret is short for one of Secrets without a name and a time.
	ApplicationEntry struct {
		ID           string              `yaml:"id" json:"id"`
		Name         string              `yaml:"name" json:"name"`
		Public       bool                `yaml:"public" json:"public,omitempty"`
		MultiTenant  bool                `yaml:"multi-tenant" json:"multi-tenant,omitempty"`
		Passthrough  bool                `yaml:"passthrough" json:"passthrough,omitempty"`
		Home         string              `yaml:"home" json:"home"`
		Secret       string              `yaml:"secret" json:"-"`
		Secrets      []*SecretEntry      `yaml:"secrets" json:"secrets,omitempty"`
		Certificates []*CertificateEntry `yaml:"certificates" json:"certificates,omitempty"`
		Redirects    []string            `yaml:"redirects" json:"redirects,omitempty"`
		// Implicit are the tokens that authorize hands out itself: id_token, token.
		Implicit []string `yaml:"implicit" json:"implicit,omitempty"`
		// Logout is the front-channel sign-out URL, https or on localhost; "": none.
		Logout      string   `yaml:"logout" json:"logout,omitempty"`
		Identifiers []string `yaml:"identifiers" json:"identifiers,omitempty"` // application id URIs
		// Permissions are application permissions of Microsoft Graph, granted wherever the application is; none:
		// User.Read.All alone.
		Permissions []string          `yaml:"permissions" json:"permissions,omitempty"`
		Principals  []*PrincipalEntry `yaml:"principals" json:"principals,omitempty"`
	}
	// SecretEntry is one client secret. Secret is text, never kept; Hash its SHA-256, hexadecimal.
	SecretEntry struct {
		ID      string `yaml:"id" json:"id"`
		Name    string `yaml:"name" json:"name,omitempty"`
		Secret  string `yaml:"secret" json:"-"`
		Hash    string `yaml:"sha256" json:"sha256,omitempty"`
		Hint    string `yaml:"-" json:"hint,omitempty"`
		Starts  string `yaml:"starts" json:"starts,omitempty"`   // a date or a time (RFC 3339); "": ever since
		Expires string `yaml:"expires" json:"expires,omitempty"` // likewise; "": never
	}
	// CertificateEntry is the public half of one client certificate.
	CertificateEntry struct {
		ID   string `yaml:"id" json:"id"`
		Name string `yaml:"name" json:"name,omitempty"`
		PEM  string `yaml:"pem" json:"pem"`
		// Starts and Expires are dates or times (RFC 3339); "": those of the certificate.
		Starts  string `yaml:"starts" json:"starts,omitempty"`
		Expires string `yaml:"expires" json:"expires,omitempty"`
	}
	// PrincipalEntry is an application's service principal in one tenant, and who there has agreed to it.
	PrincipalEntry struct {
		Tenant string `yaml:"tenant" json:"tenant"`
		ID     string `yaml:"id" json:"id"`
		// Consent is "everybody" (an administrator agreed), "users" (those in Users did), or "none"; "": everybody.
		Consent string   `yaml:"consent" json:"consent,omitempty"`
		Users   []string `yaml:"users" json:"users,omitempty"` // as members of a group
	}
)

// The values of PrincipalEntry.Consent.
const (
	ConsentEverybody = "everybody"
	ConsentUsers     = "users"
	ConsentNone      = "none"
)

func (e *RuleEntry) setText(text string) { e.Access = text }

// Errors of the methods of a Draft and its entries, for errors.Is; their texts, in English, say what is meant. What the
// check of the whole finds wrong is a *finding.Problem instead.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists already")
	ErrRefused  = errors.New("refused")
)

type refusal struct {
	kind error
	text string
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.kind }

func refuse(kind error, format string, args ...any) error {
	return &refusal{kind, fmt.Sprintf(format, args...)}
}

// clone returns a copy that shares nothing with d.
func (d *Draft) clone() (*Draft, error) {
	data, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("copy the directory: %w", err)
	}
	c := &Draft{}
	if err := json.Unmarshal(data, c); err != nil {
		return nil, fmt.Errorf("copy the directory: %w", err)
	}
	return c, nil
}

// Tenant finds a tenant by id or by any of its verified domains.
func (d *Draft) Tenant(text string) (*TenantEntry, error) {
	text = fold(text)
	for _, t := range d.Tenants {
		if fold(t.ID) == text {
			return t, nil
		}
	}
	for _, t := range d.Tenants {
		for _, domain := range t.Domains {
			if (domain.Verified || domain.Initial) && fold(domain.Name) == text {
				return t, nil
			}
		}
	}
	return nil, refuse(ErrNotFound, "tenant %q: there is none with that id or verified domain", text)
}

// User finds an account by object id or user principal name, a guest also by the name at home.
func (t *TenantEntry) User(text string) (*UserEntry, error) {
	text = fold(text)
	for _, u := range t.Users {
		if text != "" && (fold(u.ID) == text || fold(u.UPN) == text || fold(u.Guest) == text) {
			return u, nil
		}
	}
	return nil, refuse(ErrNotFound, "user %q: there is none in %q", text, t.Name)
}

// Application finds an application by client id.
func (d *Draft) Application(id string) (*ApplicationEntry, error) {
	for _, a := range d.Applications {
		if fold(a.ID) == fold(id) {
			return a, nil
		}
	}
	return nil, refuse(ErrNotFound, "application %q: there is none", id)
}

// Group finds a group by object id.
func (t *TenantEntry) Group(id string) (*GroupEntry, error) {
	for _, g := range t.Groups {
		if fold(g.ID) == fold(id) {
			return g, nil
		}
	}
	return nil, refuse(ErrNotFound, "group %q: there is none in %q", id, t.Name)
}

// SetPassword makes text the account's password. What was to be changed, and what had expired, is changed with it.
func (u *UserEntry) SetPassword(text string) {
	u.Password, u.Hash = "", newHash(text, secret).String()
	u.PasswordExpired, u.MustChange = false, false
}

func fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// Rename gives somebody at home another user principal name, and the accounts of the same person elsewhere with it.
func (d *Draft) Rename(tenant, user, upn string) error {
	t, err := d.Tenant(tenant)
	if err != nil {
		return err
	}
	u, err := t.User(user)
	if err != nil {
		return err
	}
	if u.UPN == "" {
		return refuse(ErrRefused, "user %q: a guest of %q is renamed at home", user, t.Name)
	}
	old := fold(u.UPN)
	u.UPN = fold(upn)
	d.renamed(map[string]string{old: u.UPN})
	return nil
}

// renamed has everything that speaks of somebody by an old name, folded, speak of the new one.
func (d *Draft) renamed(to map[string]string) {
	each := func(names []string) {
		for i, name := range names {
			if now, ok := to[fold(name)]; ok {
				names[i] = now
			}
		}
	}
	for _, t := range d.Tenants {
		for _, guest := range t.Users {
			if now, ok := to[fold(guest.Guest)]; ok && guest.Guest != "" {
				guest.Guest = now
			}
		}
		for _, g := range t.Groups {
			each(g.Members)
		}
		for _, policy := range t.Policies {
			each(policy.Default.Users)
			for _, partner := range policy.Partners {
				each(partner.Users)
			}
		}
	}
	for _, a := range d.Applications {
		for _, p := range a.Principals {
			each(p.Users)
		}
	}
}

// RemoveUser takes an account out of tenant: out of its groups, and out of what it agreed to. When it is somebody's account
// at home, the person's guest accounts elsewhere go with it.
func (d *Draft) RemoveUser(tenant, user string) error {
	t, err := d.Tenant(tenant)
	if err != nil {
		return err
	}
	u, err := t.User(user)
	if err != nil {
		return err
	}
	d.remove(t, u)
	if u.UPN == "" {
		return nil
	}
	for _, other := range d.Tenants {
		for _, guest := range slices.Clone(other.Users) {
			if guest.Guest != "" && fold(guest.Guest) == fold(u.UPN) {
				d.remove(other, guest)
			}
		}
	}
	return nil
}

func (d *Draft) remove(t *TenantEntry, u *UserEntry) {
	t.Users = slices.DeleteFunc(t.Users, func(o *UserEntry) bool { return o == u })
	is := func(text string) bool {
		text = fold(text)
		return text == fold(u.ID) || text != "" && (text == fold(u.UPN) || text == fold(u.Guest))
	}
	for _, g := range t.Groups {
		g.Members = slices.DeleteFunc(g.Members, is)
	}
	for _, a := range d.Applications {
		for _, p := range a.Principals {
			if of, err := d.Tenant(p.Tenant); err == nil && of == t {
				p.Users = slices.DeleteFunc(p.Users, is)
			}
		}
	}
}

// RemoveGroup takes a group out of tenant and out of the groups and rules that name it.
func (d *Draft) RemoveGroup(tenant, id string) error {
	t, err := d.Tenant(tenant)
	if err != nil {
		return err
	}
	g, err := t.Group(id)
	if err != nil {
		return err
	}
	is := func(text string) bool { return fold(text) == fold(g.ID) }
	t.Groups = slices.DeleteFunc(t.Groups, func(o *GroupEntry) bool { return o == g })
	for _, other := range t.Groups {
		other.Members = slices.DeleteFunc(other.Members, is)
	}
	for _, owner := range d.Tenants {
		for _, policy := range owner.Policies {
			for i, partner := range policy.Partners {
				if slices.ContainsFunc(partner.Groups, is) && len(partner.Users)+len(partner.Groups) == 1 {
					return refuse(ErrRefused, "group %q: the rule of policy %q for %q names it alone, and would speak of everybody without it",
						g.Name, policy.ID, policy.Partners[i].Tenant)
				}
				partner.Groups = slices.DeleteFunc(partner.Groups, is)
			}
		}
	}
	return nil
}

// Consent notes that user in tenant agreed to application, or everybody when user is "" (an administrator agreed). An
// application for several tenants that tenant does not have yet gets a service principal there.
func (d *Draft) Consent(application, tenant, user string) error {
	a, t, p, err := d.principal(application, tenant)
	switch {
	case errors.Is(err, ErrNotFound) && a != nil && t != nil && a.MultiTenant:
		p = &PrincipalEntry{Tenant: t.ID, ID: newID(), Consent: ConsentNone}
		a.Principals = append(a.Principals, p)
	case err != nil:
		return err
	}
	if user == "" {
		p.Consent, p.Users = ConsentEverybody, nil
		return nil
	}
	u, err := t.User(user)
	if err != nil {
		return err
	}
	if p.Consent == "" || p.Consent == ConsentEverybody {
		return nil
	}
	p.Consent = ConsentUsers
	if !slices.ContainsFunc(p.Users, func(have string) bool { return fold(have) == fold(u.ID) }) {
		p.Users = append(p.Users, u.ID)
	}
	return nil
}

// Withdraw takes back everybody's agreement to application in tenant. Its service principal stays.
func (d *Draft) Withdraw(application, tenant string) error {
	_, _, p, err := d.principal(application, tenant)
	if err != nil {
		return err
	}
	p.Consent, p.Users = ConsentNone, nil
	return nil
}

func (d *Draft) principal(application, tenant string) (a *ApplicationEntry, t *TenantEntry, p *PrincipalEntry, err error) {
	if a, err = d.Application(application); err != nil {
		return nil, nil, nil, err
	}
	if t, err = d.Tenant(tenant); err != nil {
		return a, nil, nil, err
	}
	for _, p := range a.Principals {
		if of, err := d.Tenant(p.Tenant); err == nil && of == t {
			return a, t, p, nil
		}
	}
	return a, t, nil, refuse(ErrNotFound, "application %q: %q does not have it", a.Name, t.Name)
}

// newID makes an object id (RFC 9562, version 4).
func newID() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails, see crypto/rand
	return idOf(b, 0x40)
}

// derivedID makes the same object id out of the same words (RFC 9562, version 8).
func derivedID(words ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(words, "\x00")))
	return idOf(sum[:16], 0x80)
}

func idOf(b []byte, version byte) string {
	b[6], b[8] = b[6]&0x0f|version, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// suffix is what stands behind the last @ of a user principal name; "" when there is none.
func suffix(upn string) string {
	at := strings.LastIndexByte(upn, '@')
	if at < 0 {
		return ""
	}
	return upn[at+1:]
}
