package directory

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
)

// maxBytes bounds a lab.yaml; chosen, the shipped one is a few KiB.
const maxBytes = 1 << 20

//go:embed lab.yaml
var shipped []byte

// Shipped loads the directory that comes with the binary.
func Shipped() (*Directory, error) { return Parse("lab.yaml", shipped) }

// file is lab.yaml as a person writes it.
type file struct {
	Version      int                 `yaml:"version"`
	Assumptions  Assumptions         `yaml:"assumptions"`
	Tenants      []*TenantEntry      `yaml:"tenants"`
	Applications []*ApplicationEntry `yaml:"applications"`
}

var guid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// Parse reads one lab.yaml; name stands in its errors. Unknown and repeated keys are errors; every problem of the
// content is reported, joined, with the path of what is wrong.
func Parse(name string, data []byte) (*Directory, error) {
	if len(data) > maxBytes {
		return nil, fmt.Errorf("%s: %d bytes, at most %d are read", name, len(data), maxBytes)
	}
	var f file
	if err := yaml.UnmarshalWithOptions(data, &f, yaml.Strict(), yaml.DisallowUnknownField()); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if f.Version != 1 {
		return nil, fmt.Errorf("%s: version: %d is not known; write 1", name, f.Version)
	}
	d := &Draft{Assumptions: f.Assumptions, Tenants: f.Tenants, Applications: f.Applications}
	c := secret
	if bytes.Equal(data, shipped) {
		c = printed
	}
	return build(name, d, c)
}

// build checks d as a whole and makes the directory of it. Passwords and secrets that are still text are hashed, the
// passwords at cost c, and leave d.
func build(name string, d *Draft, c cost) (*Directory, error) {
	b := &builder{name: name, cost: c, d: &Directory{
		Assumptions: d.Assumptions, draft: d,
		tenants: map[string]*Tenant{}, people: map[string]*User{}, apps: map[string]*Application{},
	}}
	b.d.Assumptions.defaults()
	if len(d.Tenants) == 0 {
		b.bad("tenants", "none given")
	}
	b.empty(d)
	if err := errors.Join(b.problems...); err != nil {
		return nil, err
	}
	f := d
	for i, t := range f.Tenants {
		b.tenant(fmt.Sprintf("tenants[%d]", i), t)
	}
	for i, t := range f.Tenants { // guests and partners may name tenants that come later
		if i < len(b.d.Tenants) {
			b.guests(fmt.Sprintf("tenants[%d]", i), b.d.Tenants[i], t)
			b.policies(fmt.Sprintf("tenants[%d]", i), b.d.Tenants[i], t)
		}
	}
	for i, a := range f.Applications {
		b.application(fmt.Sprintf("applications[%d]", i), a)
	}
	for _, s := range []struct {
		key    string
		status int
	}{
		{AssumedRestrictionStatus, b.d.Assumptions.RestrictionStatus}, {AssumedRestrictionPage, b.d.Assumptions.RestrictionPageStatus},
		{AssumedConsumerPage, b.d.Assumptions.ConsumerPageStatus}, {AssumedMisconfigured, b.d.Assumptions.MisconfiguredStatus},
	} {
		if s.status < 200 || s.status > 599 {
			b.bad("assumptions."+s.key, "%d is no HTTP status of an answer", s.status)
		}
	}
	if err := errors.Join(b.problems...); err != nil {
		return nil, err
	}
	return b.d, nil
}

type builder struct {
	name     string
	cost     cost
	d        *Directory
	problems []error
}

func (b *builder) bad(path, format string, args ...any) {
	b.problems = append(b.problems, fmt.Errorf("%s: %s: %s", b.name, path, fmt.Sprintf(format, args...)))
}

// empty looks for list items with nothing in them, which YAML and JSON allow and nothing below expects.
func (b *builder) empty(d *Draft) {
	full(b, "tenants", d.Tenants)
	full(b, "applications", d.Applications)
	for i, t := range d.Tenants {
		if t == nil {
			continue
		}
		at := fmt.Sprintf("tenants[%d].", i)
		full(b, at+"domains", t.Domains)
		full(b, at+"users", t.Users)
		full(b, at+"policies", t.Policies)
		for j, p := range t.Policies {
			if p != nil {
				full(b, fmt.Sprintf("%spolicies[%d].partners", at, j), p.Partners)
			}
		}
	}
	for i, a := range d.Applications {
		if a != nil {
			full(b, fmt.Sprintf("applications[%d].principals", i), a.Principals)
		}
	}
}

func full[T any](b *builder, path string, list []*T) {
	for i, item := range list {
		if item == nil {
			b.bad(fmt.Sprintf("%s[%d]", path, i), "empty")
		}
	}
}

func (b *builder) id(path, text string) string {
	text = strings.ToLower(text)
	if !guid.MatchString(text) {
		b.bad(path, "%q is not a GUID", text)
	}
	return text
}

func (b *builder) tenant(path string, f *TenantEntry) {
	t := &Tenant{ID: b.id(path+".id", f.ID), Name: f.Name, Kind: f.Kind}
	switch t.Kind {
	case "":
		t.Kind = Organisation
	case Organisation, Passthrough, Consumers:
	default:
		b.bad(path+".kind", "%q is not one of organisation, passthrough, consumers", f.Kind)
	}
	if f.Name == "" {
		b.bad(path+".name", "missing")
	}
	b.claim(path+".id", t.ID, t)
	for i, d := range f.Domains {
		at := fmt.Sprintf("%s.domains[%d]", path, i)
		domain := Domain{Name: strings.ToLower(d.Name), Verified: d.Verified || d.Initial, Initial: d.Initial, Default: d.Default}
		if !strings.Contains(domain.Name, ".") || strings.ContainsAny(domain.Name, " /@,:") {
			b.bad(at, "%q is not a domain", d.Name)
		}
		if domain.Verified {
			b.claim(at, domain.Name, t)
		}
		t.Domains = append(t.Domains, domain)
	}
	for i, u := range f.Users {
		at := fmt.Sprintf("%s.users[%d]", path, i)
		if (u.UPN == "") == (u.Guest == "") {
			b.bad(at, "write either upn or guest")
			continue
		}
		if u.Guest != "" {
			continue
		}
		user := &User{ID: b.id(at+".id", u.ID), UPN: strings.ToLower(u.UPN), Name: u.Name, Tenant: t}
		b.password(at, user, u)
		local, domain, ok := strings.Cut(user.UPN, "@")
		if !ok || local == "" || t.Kind == Organisation && !t.Named(domain) {
			b.bad(at+".upn", "%q does not end in a verified domain of %q", u.UPN, t.Name)
		}
		if _, taken := b.d.people[user.UPN]; taken {
			b.bad(at+".upn", "%q stands twice", u.UPN)
		}
		b.d.people[user.UPN] = user
		t.Members = append(t.Members, user)
	}
	b.d.Tenants = append(b.d.Tenants, t)
}

// password takes the password of u, as text or as a hash.
func (b *builder) password(path string, user *User, u *UserEntry) {
	switch {
	case u.Password != "" && u.Hash != "":
		b.bad(path+".password", "write either password or password-hash")
	case len(u.Password) > maxPassword:
		b.bad(path+".password", "%d bytes, at most %d are taken", len(u.Password), maxPassword)
	case u.Password != "":
		user.password = newHash(u.Password, b.cost)
		u.Password, u.Hash = "", user.password.String()
	default:
		var err error
		if user.password, err = parseHash(u.Hash); err != nil {
			b.bad(path+".password-hash", "%v", err)
		}
	}
}

// claim makes text name t.
func (b *builder) claim(path, text string, t *Tenant) {
	if other, taken := b.d.tenants[text]; taken {
		b.bad(path, "%q already names %q", text, other.Name)
		return
	}
	b.d.tenants[text] = t
}

func (b *builder) guests(path string, t *Tenant, f *TenantEntry) {
	for i, u := range f.Users {
		if u.Guest == "" || u.UPN != "" {
			continue
		}
		at := fmt.Sprintf("%s.users[%d]", path, i)
		home, ok := b.d.people[strings.ToLower(u.Guest)]
		switch {
		case !ok:
			b.bad(at+".guest", "%q is nobody's name in this file", u.Guest)
		case home.Tenant == t:
			b.bad(at+".guest", "%q is at home here", u.Guest)
		case u.Password != "" || u.Hash != "":
			b.bad(at+".password", "a guest signs in at home")
		default:
			t.Members = append(t.Members, &User{ID: b.id(at+".id", u.ID), UPN: home.UPN, Name: home.Name, Tenant: t, Home: home})
		}
	}
}

func (b *builder) access(path, text string) bool {
	switch text {
	case "allow":
		return true
	case "block", "":
		return false
	}
	b.bad(path, "%q is not one of allow, block", text)
	return false
}

func (b *builder) policies(path string, t *Tenant, f *TenantEntry) {
	for i, p := range f.Policies {
		at := fmt.Sprintf("%s.policies[%d]", path, i)
		policy := &Policy{ID: b.id(at+".id", p.ID), Allow: b.access(at+".default", p.Default), Partners: map[string]Rule{}}
		for j, partner := range p.Partners {
			at := fmt.Sprintf("%s.partners[%d]", at, j)
			of, ok := b.d.Tenant(partner.Tenant)
			if !ok {
				b.bad(at+".tenant", "%q names no tenant of this file", partner.Tenant)
				continue
			}
			policy.Partners[of.ID] = Rule{
				Allow: b.access(at+".access", partner.Access),
				Users: folded(partner.Users), Applications: folded(partner.Applications),
			}
		}
		t.Policies = append(t.Policies, policy)
	}
}

func folded(in []string) []string {
	var out []string
	for _, s := range in {
		out = append(out, strings.ToLower(s))
	}
	return out
}

func (b *builder) application(path string, f *ApplicationEntry) {
	a := &Application{
		ID: b.id(path+".id", f.ID), Name: f.Name, Public: f.Public, MultiTenant: f.MultiTenant, Passthrough: f.Passthrough,
		Redirects: f.Redirects, Principals: map[string]string{},
	}
	if f.Secret != "" {
		sum := sha256.Sum256([]byte(f.Secret))
		f.Secret, f.SecretHash = "", hex.EncodeToString(sum[:])
	}
	if f.Public == (f.SecretHash != "") {
		b.bad(path+".secret", "a public client has no secret, any other needs one")
	}
	if sum, err := hex.DecodeString(f.SecretHash); err == nil {
		copy(a.secret[:], sum)
	}
	for i, r := range f.Redirects {
		if u, err := url.Parse(r); err != nil || !u.IsAbs() || u.Fragment != "" {
			b.bad(fmt.Sprintf("%s.redirects[%d]", path, i), "%q is not an absolute URI without fragment", r)
		}
	}
	home, ok := b.d.Tenant(f.Home)
	if !ok {
		b.bad(path+".home", "%q names no tenant of this file", f.Home)
	}
	a.Home = home
	for i, p := range f.Principals {
		at := fmt.Sprintf("%s.principals[%d]", path, i)
		t, ok := b.d.Tenant(p.Tenant)
		if !ok {
			b.bad(at+".tenant", "%q names no tenant of this file", p.Tenant)
			continue
		}
		a.Principals[t.ID] = b.id(at+".id", p.ID)
	}
	if _, taken := b.d.apps[a.ID]; taken {
		b.bad(path+".id", "%q stands twice", a.ID)
	}
	b.d.apps[a.ID] = a
	b.d.Applications = append(b.d.Applications, a)
}
