package directory

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

// Limits; chosen, far above what a rehearsal needs.
const (
	// maxObjects bounds tenants, domains, accounts, groups, members, policies, rules and applications together.
	maxObjects = 50_000
	// maxMemberships bounds who is in which group of one tenant, directly or not.
	maxMemberships = 500_000
	// maxNesting is how many groups may lie within each other.
	maxNesting = 8
	// maxText bounds names and other short texts, in bytes.
	maxText = 1024
)

var guid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// builder checks a draft as a whole and makes the directory of it.
type builder struct {
	cost    cost
	turns   turns
	place   func(path string) finding.Pos
	d       *Directory
	found   finding.List
	objects int
}

// build makes the directory of d. Passwords and secrets that are still text are hashed, the passwords at cost c, and
// leave d; ids that are missing are made. place tells where a path stands; nil when d comes from no file. The error is a
// *finding.Problem.
func build(d *Draft, c cost, t turns, place func(path string) finding.Pos) (*Directory, error) {
	if place == nil {
		place = func(string) finding.Pos { return finding.Pos{} }
	}
	b := &builder{cost: c, turns: t, place: place, d: &Directory{
		Assumptions: d.Assumptions, draft: d,
		tenants: map[string]*Tenant{}, claims: map[string][]*Tenant{}, people: map[string]*User{}, apps: map[string]*Application{},
	}}
	for _, steps := range [][]func(*Draft){{b.full}, {b.tenants}, {b.guests, b.groups, b.policies, b.applications, b.assumptions}} {
		for _, step := range steps {
			step(d)
		}
		if len(b.found) > 0 { // what comes later would look for what was refused
			break
		}
	}
	if len(b.found) > 0 {
		return nil, &finding.Problem{Findings: b.found.Sort()}
	}
	return b.d, nil
}

// bad notes that what stands at path is wrong. Args are as in finding.New; the path is one of them.
func (b *builder) bad(path, code string, args ...string) {
	if len(b.found) < maxProblems {
		b.found = append(b.found, finding.New("lab.file-"+code, finding.Error, b.place(path), append(args, "path", path)...))
	}
}

func at(path, list string, i int) string {
	if path != "" {
		path += "."
	}
	return path + list + "[" + strconv.Itoa(i) + "]"
}

// full looks for list items with nothing in them, and for more of everything than there may be.
func (b *builder) full(d *Draft) {
	items(b, "tenants", d.Tenants)
	items(b, "applications", d.Applications)
	for i, t := range d.Tenants {
		if t == nil {
			continue
		}
		path := at("", "tenants", i)
		items(b, path+".domains", t.Domains)
		items(b, path+".users", t.Users)
		items(b, path+".groups", t.Groups)
		items(b, path+".policies", t.Policies)
		for j, p := range t.Policies {
			if p != nil {
				items(b, at(path, "policies", j)+".partners", p.Partners)
			}
		}
		for _, g := range t.Groups {
			if g != nil {
				b.objects += len(g.Members)
			}
		}
	}
	for i, a := range d.Applications {
		if a != nil {
			path := at("", "applications", i)
			items(b, path+".secrets", a.Secrets)
			items(b, path+".certificates", a.Certificates)
			items(b, path+".principals", a.Principals)
		}
	}
	if b.objects > maxObjects {
		b.bad("tenants", "too-many", "limit", strconv.Itoa(maxObjects))
	}
	if len(d.Tenants) == 0 {
		b.bad("tenants", "missing")
	}
}

func items[T any](b *builder, path string, list []*T) {
	b.objects += len(list)
	for i, item := range list {
		if item == nil {
			b.bad(at("", path, i), "empty")
		}
	}
}

// id takes an object id, or makes one out of words.
func (b *builder) id(path string, text *string, words ...string) string {
	if *text == "" {
		*text = derivedID(append([]string{path[strings.LastIndexByte(path, '.')+1:]}, words...)...)
	}
	*text = fold(*text)
	if !guid.MatchString(*text) {
		b.bad(path, "not-guid", "value", *text)
	}
	return *text
}

// named takes a display name.
func (b *builder) named(path, text string, needed bool) string {
	switch {
	case text == "" && needed:
		b.bad(path, "missing")
	case len(text) > maxText:
		b.bad(path, "too-long", "limit", strconv.Itoa(maxText))
	}
	return text
}

// choice takes one of known; "" is the first.
func choice[T ~string](b *builder, path string, text T, known ...T) T {
	if text == "" {
		return known[0]
	}
	if !slices.Contains(known, text) {
		var names []string
		for _, k := range known {
			names = append(names, string(k))
		}
		b.bad(path, "one-of", "value", string(text), "known", strings.Join(names, ", "))
	}
	return text
}

func (b *builder) tenants(d *Draft) {
	for i, f := range d.Tenants {
		b.tenant(at("", "tenants", i), f)
	}
	for i, t := range b.d.Tenants { // an account's domain may be another tenant's, which comes later
		b.accounts(at("", "tenants", i), t, d.Tenants[i])
	}
}

func (b *builder) tenant(path string, f *TenantEntry) {
	t := &Tenant{
		ID: b.id(path+".id", &f.ID, f.Name), Name: b.named(path+".name", f.Name, true),
		Kind:   choice(b, path+".kind", f.Kind, Organisation, Passthrough, Consumers),
		people: map[key]*User{}, objects: map[string]*User{}, groups: map[string]*Group{},
	}
	b.claim(path+".id", t.ID, t)
	initial, standard := "", ""
	for i, e := range f.Domains {
		path := at(path, "domains", i)
		domain := Domain{Name: fold(e.Name), Verified: e.Verified || e.Initial, Initial: e.Initial, Default: e.Default}
		if h, err := endpoint.ParseHost(domain.Name); err != nil || string(h) != domain.Name || !strings.Contains(domain.Name, ".") {
			b.bad(path, "not-domain", "value", e.Name)
		}
		if slices.ContainsFunc(t.Domains, func(o Domain) bool { return o.Name == domain.Name }) {
			b.bad(path, "taken", "value", domain.Name, "other", t.Name)
			continue
		}
		if domain.Verified {
			b.claim(path, domain.Name, t)
		}
		b.d.claims[domain.Name] = append(b.d.claims[domain.Name], t)
		b.only(path+".initial", domain.Initial, domain.Name, &initial)
		b.only(path+".default", domain.Default, domain.Name, &standard)
		if domain.Default && !domain.Verified {
			b.bad(path+".default", "unverified", "value", domain.Name)
		}
		t.Domains = append(t.Domains, domain)
	}
	if standard == "" { // until another one is made it: the initial domain, or else the first that is verified
		i := slices.IndexFunc(t.Domains, func(o Domain) bool { return o.Initial })
		if i < 0 {
			i = slices.IndexFunc(t.Domains, func(o Domain) bool { return o.Verified })
		}
		if i >= 0 {
			t.Domains[i].Default = true
		}
	}
	b.d.Tenants = append(b.d.Tenants, t)
}

// only notes a second one of what there may be only one of.
func (b *builder) only(path string, is bool, name string, first *string) {
	if !is {
		return
	}
	if *first != "" {
		b.bad(path, "second", "value", name, "first", *first)
	}
	*first = name
}

// claim makes text name t.
func (b *builder) claim(path, text string, t *Tenant) {
	if other, taken := b.d.tenants[text]; taken {
		b.bad(path, "taken", "value", text, "other", other.Name)
		return
	}
	b.d.tenants[text] = t
}

func (b *builder) accounts(path string, t *Tenant, f *TenantEntry) {
	for i, e := range f.Users {
		path := at(path, "users", i)
		if (e.UPN == "") == (e.Guest == "") {
			b.bad(path, "upn-or-guest")
			continue
		}
		if e.Guest != "" {
			continue
		}
		e.UPN = fold(e.UPN)
		u := &User{
			ID: b.id(path+".id", &e.ID, t.ID, e.UPN), UPN: e.UPN, Name: b.named(path+".name", e.Name, false), Mail: b.named(path+".mail", e.Mail, false), Tenant: t, turns: b.turns,
			Disabled: e.Disabled, Locked: e.Locked, PasswordExpired: e.PasswordExpired, MustChange: e.MustChange, Administrator: e.Administrator,
		}
		domain := suffix(e.UPN)
		of, known := b.d.tenants[domain]
		switch {
		case !isUPN(e.UPN) && (e.Sync == nil || !isSynchronised(e.UPN)):
			b.bad(path+".upn", "not-upn", "value", e.UPN)
		case t.Kind == Organisation && of != t, known && of != t:
			b.bad(path+".upn", "wrong-suffix", "value", e.UPN, "tenant", t.Name)
		}
		if s := e.Sync; s != nil {
			u.Synced = &Synced{Anchor: s.Anchor, SignIn: s.SignIn, Nickname: s.Nickname, Addresses: s.Addresses, Expired: s.Expired, Conflicts: e.conflicts()}
		}
		b.password(path, u, e)
		if _, taken := b.d.people[e.UPN]; taken {
			b.bad(path+".upn", "taken", "value", e.UPN, "other", b.d.people[e.UPN].Tenant.Name)
		}
		b.d.people[e.UPN] = u
		b.join(path, t, u)
	}
}

// isUPN reports whether upn, folded, can be a user principal name: at most 113 characters, 64 of them before the @ and 48
// behind it, letters, digits and ' . - _ ! # ^ ~ without a dot at either end (what provisioning guides of third parties
// give as Entra ID's limits; assumed).
func isUPN(upn string) bool {
	local, domain, ok := strings.Cut(upn, "@")
	if !ok || len(upn) > 113 || local == "" || len(local) > 64 || len(domain) > 48 || local[0] == '.' || local[len(local)-1] == '.' {
		return false
	}
	h, err := endpoint.ParseHost(domain)
	return err == nil && string(h) == domain && strings.Trim(local, "abcdefghijklmnopqrstuvwxyz0123456789'.-_!#^~") == ""
}

// join puts u into t.
func (b *builder) join(path string, t *Tenant, u *User) {
	if _, taken := t.objects[u.ID]; taken {
		b.bad(path+".id", "taken", "value", u.ID, "other", t.Name)
	}
	if _, taken := t.people[u.Person().key()]; taken && u.Guest() {
		b.bad(path, "taken", "value", u.UPN, "other", t.Name)
	}
	t.objects[u.ID] = u
	t.people[u.Person().key()] = u
	t.Members = append(t.Members, u)
}

// password takes the password of u, as text or as a hash.
func (b *builder) password(path string, u *User, e *UserEntry) {
	switch {
	case e.Password != "" && e.Hash != "":
		b.bad(path+".password", "either", "one", "password", "other", "password-hash")
	case len(e.Password) > maxPassword:
		b.bad(path+".password", "too-long", "limit", strconv.Itoa(maxPassword))
	case e.Password != "":
		u.password = newHash(e.Password, b.cost)
		e.Password, e.Hash = "", u.password.String()
	default:
		var err error
		if u.password, err = parseHash(e.Hash); err != nil {
			b.bad(path+".password-hash", "bad-hash", "why", err.Error())
		}
	}
}

func (b *builder) guests(d *Draft) {
	for i, t := range b.d.Tenants {
		for j, e := range d.Tenants[i].Users {
			if e.Guest == "" || e.UPN != "" {
				continue
			}
			path := at(at("", "tenants", i), "users", j)
			home, ok := b.d.people[fold(e.Guest)]
			switch {
			case !ok:
				b.bad(path+".guest", "nobody", "value", e.Guest)
			case home.Tenant == t:
				b.bad(path+".guest", "at-home", "value", e.Guest, "tenant", t.Name)
			case e.Password != "" || e.Hash != "" || e.Locked || e.PasswordExpired || e.MustChange:
				b.bad(path, "guest-password", "value", e.Guest)
			default:
				name := e.Name
				if name == "" {
					name = home.Name
				}
				b.join(path, t, &User{
					ID: b.id(path+".id", &e.ID, t.ID, "guest", home.UPN), UPN: home.UPN, Name: b.named(path+".name", name, false),
					Mail: home.Mail, Tenant: t, Home: home, Disabled: e.Disabled, Administrator: e.Administrator, turns: b.turns,
				})
			}
		}
	}
}

func (b *builder) assumptions(*Draft) {
	a := &b.d.Assumptions
	a.defaults()
	choice(b, "assumptions."+AssumedAssertionReplay, a.AssertionReplay, ReplayRefused, ReplayAccepted)
	choice(b, "assumptions."+AssumedQuarantineName, a.QuarantineName, QuarantinePlus, QuarantinePlain)
	for _, s := range []struct {
		key    string
		status int
	}{
		{AssumedRestrictionStatus, a.RestrictionStatus}, {AssumedRestrictionPage, a.RestrictionPageStatus},
		{AssumedConsumerPage, a.ConsumerPageStatus}, {AssumedMisconfigured, a.MisconfiguredStatus}, {AssumedGraphRefusal, a.GraphRefusalStatus},
	} {
		if s.status < 200 || s.status > 599 {
			b.bad("assumptions."+s.key, "bad-status", "value", strconv.Itoa(s.status))
		}
	}
}

// account finds an account of t by object id or by the person's user principal name.
func (b *builder) account(t *Tenant, name string) (*User, bool) {
	if u, ok := t.objects[fold(name)]; ok {
		return u, true
	}
	return t.Account(b.d.people[fold(name)])
}
