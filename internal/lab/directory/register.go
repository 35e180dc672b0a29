package directory

import (
	"encoding/hex"
	"errors"
	"net/url"
	"time"
)

// applications checks and takes the registrations.
func (b *builder) applications(d *Draft) {
	for i, e := range d.Applications {
		b.application(at("", "applications", i), e)
	}
}

func (b *builder) application(path string, e *ApplicationEntry) {
	a := &Application{
		ID: b.id(path+".id", &e.ID, e.Home, e.Name), Name: b.named(path+".name", e.Name, true), Public: e.Public, MultiTenant: e.MultiTenant,
		Passthrough: e.Passthrough, Redirects: e.Redirects, Principals: map[string]string{}, consents: map[string]consent{},
	}
	if e.Secret != "" {
		e.Secrets = append(e.Secrets, &SecretEntry{Secret: e.Secret})
		e.Secret = ""
	}
	switch credentials := len(e.Secrets) + len(e.Certificates); {
	case e.Public && credentials > 0:
		b.bad(path, "public-credential", "value", a.Name)
	case !e.Public && credentials == 0:
		b.bad(path, "no-credential", "value", a.Name)
	}
	for i, s := range e.Secrets {
		b.secret(at(path, "secrets", i), a, s)
	}
	for i, c := range e.Certificates {
		path := at(path, "certificates", i)
		certificate, err := newCertificate(c.PEM)
		if err != nil {
			b.bad(path+".pem", "bad-certificate", "why", err.Error())
			continue
		}
		certificate.ID, certificate.Name = b.id(path+".id", &c.ID, a.ID, certificate.Thumbprint), b.named(path+".name", c.Name, false)
		if c.Starts != "" {
			certificate.Start = b.time(path+".starts", c.Starts)
		}
		if c.Expires != "" {
			certificate.End = b.time(path+".expires", c.Expires)
		}
		a.Certificates = append(a.Certificates, certificate)
	}
	for i, r := range e.Redirects {
		if u, err := url.Parse(r); err != nil || !u.IsAbs() || u.Fragment != "" || len(r) > maxText {
			b.bad(at(path, "redirects", i), "bad-redirect", "value", r)
		}
	}
	for i, name := range e.Implicit {
		switch choice(b, at(path, "implicit", i), name, "id_token", "token") {
		case "id_token":
			a.ImplicitID = true
		case "token":
			a.ImplicitAccess = true
		}
	}
	if e.Logout != "" {
		if u, err := url.Parse(e.Logout); err != nil || u.Fragment != "" || len(e.Logout) > maxText || u.Host == "" ||
			u.Scheme != "https" && (u.Scheme != "http" || u.Hostname() != "localhost") {
			b.bad(path+".logout", "bad-redirect", "value", e.Logout)
		}
		a.Logout = e.Logout
	}
	a.Identifiers, a.Permissions = e.Identifiers, e.Permissions
	for i, uri := range e.Identifiers {
		if u, err := url.Parse(uri); err != nil || !u.IsAbs() || u.Fragment != "" || len(uri) > maxText {
			b.bad(at(path, "identifiers", i), "bad-redirect", "value", uri)
		}
	}
	for i, name := range e.Permissions {
		b.named(at(path, "permissions", i), name, true)
	}
	switch {
	case a.Public && len(a.Permissions) > 0:
		b.bad(path+".permissions", "public-credential", "value", a.Name)
	case !a.Public && len(a.Permissions) == 0:
		a.Permissions = []string{"User.Read.All"}
	}
	home, ok := b.d.Tenant(fold(e.Home))
	if !ok {
		b.bad(path+".home", "unknown-tenant", "value", e.Home)
	}
	a.Home = home
	if ok {
		e.Home = home.ID // which stays when the domain goes
	}
	for i, p := range e.Principals {
		b.principal(at(path, "principals", i), a, p)
	}
	if _, taken := b.d.apps[a.ID]; taken {
		b.bad(path+".id", "taken", "value", a.ID, "other", b.d.apps[a.ID].Name)
	}
	b.d.apps[a.ID] = a
	b.d.Applications = append(b.d.Applications, a)
}

func (b *builder) secret(path string, a *Application, e *SecretEntry) {
	switch {
	case e.Secret != "" && e.Hash != "":
		b.bad(path, "either", "one", "secret", "other", "sha256")
	case e.Secret != "":
		e.Secret, e.Hash = "", secretHash(e.Secret)
	}
	s := &Secret{Name: b.named(path+".name", e.Name, false)}
	if sum, err := hex.DecodeString(e.Hash); err != nil || len(sum) != len(s.sum) {
		b.bad(path, "bad-secret")
	} else {
		copy(s.sum[:], sum)
	}
	s.ID = b.id(path+".id", &e.ID, a.ID, e.Hash)
	s.Hint = b.named(path+".hint", e.Hint, false)
	s.Start, s.End = b.time(path+".starts", e.Starts), b.time(path+".expires", e.Expires)
	a.Secrets = append(a.Secrets, s)
}

// time takes a date or a time; "" is the zero time.
func (b *builder) time(path, text string) time.Time {
	t, err := parseTime(text)
	if err != nil {
		b.bad(path, "bad-time", "value", text)
	}
	return t
}

// parseTime reads a date (its first moment, UTC) or a time of RFC 3339; "" is the zero time.
func parseTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err == nil && (t.Year() < 1 || t.Year() > 9999) {
		err = errors.New("out of range")
	}
	return t, err
}

func (b *builder) principal(path string, a *Application, e *PrincipalEntry) {
	t, ok := b.d.Tenant(fold(e.Tenant))
	if !ok {
		b.bad(path+".tenant", "unknown-tenant", "value", e.Tenant)
		return
	}
	if _, twice := a.Principals[t.ID]; twice {
		b.bad(path+".tenant", "taken", "value", e.Tenant, "other", a.Name)
	}
	if !a.MultiTenant && t != a.Home {
		b.bad(path+".tenant", "single-tenant", "value", a.Name, "tenant", t.Name)
	}
	e.Tenant = t.ID
	a.Principals[t.ID] = b.id(path+".id", &e.ID, a.ID, t.ID)
	c := consent{people: map[string]bool{}}
	switch choice(b, path+".consent", e.Consent, ConsentEverybody, ConsentUsers, ConsentNone) {
	case ConsentEverybody:
		c.everybody = true
	case ConsentNone:
		if len(e.Users) > 0 {
			b.bad(path+".users", "either", "one", "consent: none", "other", "users")
		}
	}
	for i, name := range e.Users {
		u, ok := b.account(t, name)
		if !ok {
			b.bad(at(path, "users", i), "unknown-member", "value", name, "tenant", t.Name)
			continue
		}
		c.people[u.ID] = true
	}
	a.consents[t.ID] = c
}
