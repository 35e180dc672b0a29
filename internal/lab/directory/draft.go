package directory

import (
	"encoding/json"
	"fmt"
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

// The entries of a Draft. Names of keys are those of lab.yaml.
type (
	// TenantEntry is one tenant.
	TenantEntry struct {
		ID       string         `yaml:"id" json:"id"`
		Name     string         `yaml:"name" json:"name"`
		Kind     Kind           `yaml:"kind" json:"kind,omitempty"` // "": organisation
		Domains  []*DomainEntry `yaml:"domains" json:"domains,omitempty"`
		Users    []*UserEntry   `yaml:"users" json:"users,omitempty"`
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
		// Password is text to be hashed; it is never kept. Hash is what is kept, see SetPassword.
		Password string `yaml:"password" json:"-"`
		Hash     string `yaml:"password-hash" json:"password-hash,omitempty"`
	}
	// PolicyEntry is one cross-tenant policy.
	PolicyEntry struct {
		ID       string          `yaml:"id" json:"id"`
		Default  string          `yaml:"default" json:"default,omitempty"` // allow, block; "": block
		Partners []*PartnerEntry `yaml:"partners" json:"partners,omitempty"`
	}
	// PartnerEntry is what a policy says of one tenant.
	PartnerEntry struct {
		Tenant       string   `yaml:"tenant" json:"tenant"`
		Access       string   `yaml:"access" json:"access,omitempty"` // allow, block; "": block
		Users        []string `yaml:"users" json:"users,omitempty"`
		Applications []string `yaml:"applications" json:"applications,omitempty"`
	}
	// ApplicationEntry is one application.
	ApplicationEntry struct {
		ID          string   `yaml:"id" json:"id"`
		Name        string   `yaml:"name" json:"name"`
		Public      bool     `yaml:"public" json:"public,omitempty"`
		MultiTenant bool     `yaml:"multi-tenant" json:"multi-tenant,omitempty"`
		Passthrough bool     `yaml:"passthrough" json:"passthrough,omitempty"`
		Home        string   `yaml:"home" json:"home"`
		Secret      string   `yaml:"secret" json:"-"`
		SecretHash  string   `yaml:"-" json:"secret-hash,omitempty"` // SHA-256, hexadecimal
		Redirects   []string `yaml:"redirects" json:"redirects,omitempty"`
		Principals  []*struct {
			Tenant string `yaml:"tenant" json:"tenant"`
			ID     string `yaml:"id" json:"id"`
		} `yaml:"principals" json:"principals,omitempty"`
	}
)

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
	return nil, fmt.Errorf("tenant %q: there is none with that id or verified domain", text)
}

// User finds an account by object id or, for one at home, by user principal name.
func (t *TenantEntry) User(text string) (*UserEntry, error) {
	text = fold(text)
	for _, u := range t.Users {
		if fold(u.ID) == text || u.UPN != "" && fold(u.UPN) == text {
			return u, nil
		}
	}
	return nil, fmt.Errorf("user %q: there is none in %q", text, t.Name)
}

// Application finds an application by client id.
func (d *Draft) Application(id string) (*ApplicationEntry, error) {
	for _, a := range d.Applications {
		if fold(a.ID) == fold(id) {
			return a, nil
		}
	}
	return nil, fmt.Errorf("application %q: there is none", id)
}

// SetPassword makes text the account's password.
func (u *UserEntry) SetPassword(text string) { u.Password, u.Hash = "", newHash(text, secret).String() }

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
		return fmt.Errorf("user %q: a guest of %q is renamed at home", user, t.Name)
	}
	old := fold(u.UPN)
	u.UPN = fold(upn)
	for _, other := range d.Tenants {
		for _, guest := range other.Users {
			if fold(guest.Guest) == old {
				guest.Guest = u.UPN
			}
		}
		for _, policy := range other.Policies {
			for _, partner := range policy.Partners {
				for i, name := range partner.Users {
					if fold(name) == old {
						partner.Users[i] = u.UPN
					}
				}
			}
		}
	}
	return nil
}

// suffix is what stands behind the last @ of a user principal name; "" when there is none.
func suffix(upn string) string {
	at := strings.LastIndexByte(upn, '@')
	if at < 0 {
		return ""
	}
	return upn[at+1:]
}
