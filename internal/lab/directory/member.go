package directory

import (
	"cmp"
	"slices"
	"strconv"
)

// groups makes the groups, and tells every account which it is in.
func (b *builder) groups(d *Draft) {
	for i, t := range b.d.Tenants {
		f := d.Tenants[i]
		for j, e := range f.Groups {
			path := at(at("", "tenants", i), "groups", j)
			g := &Group{ID: b.id(path+".id", &e.ID, t.ID, "group", e.Name), Name: b.named(path+".name", e.Name, true), Tenant: t}
			if _, taken := t.groups[g.ID]; taken || t.objects[g.ID] != nil {
				b.bad(path+".id", "taken", "value", g.ID, "other", t.Name)
				continue
			}
			t.groups[g.ID] = g
			t.Groups = append(t.Groups, g)
		}
		for j, e := range f.Groups {
			b.members(at(at("", "tenants", i), "groups", j), t, e)
		}
		b.memberships(at("", "tenants", i)+".groups", t)
	}
}

func (b *builder) members(path string, t *Tenant, e *GroupEntry) {
	g, ok := t.groups[e.ID]
	if !ok {
		return
	}
	seen := map[string]bool{}
	for i, name := range e.Members {
		path := at(path, "members", i)
		u, isUser := b.account(t, name)
		nested, isGroup := t.groups[fold(name)]
		var id string
		switch {
		case isUser:
			id = u.ID
			g.Members = append(g.Members, u)
		case isGroup:
			id = nested.ID
			g.Nested = append(g.Nested, nested)
		default:
			b.bad(path, "unknown-member", "value", name, "tenant", t.Name)
			continue
		}
		if seen[id] {
			b.bad(path, "taken", "value", name, "other", g.Name)
		}
		seen[id] = true
	}
}

// memberships follows each group of t down to the accounts in it.
func (b *builder) memberships(path string, t *Tenant) {
	// steps is how many groups lie within a group, itself among them; -1 while it is being found.
	steps := map[*Group]int{}
	var depth func(g *Group) (int, bool)
	depth = func(g *Group) (int, bool) {
		if n, ok := steps[g]; ok {
			return n, n > 0
		}
		steps[g] = -1
		most := 0
		for _, in := range g.Nested {
			n, ok := depth(in)
			if !ok {
				return 0, false
			}
			most = max(most, n)
		}
		steps[g] = most + 1
		return most + 1, true
	}
	for _, g := range t.Groups {
		n, ok := depth(g)
		switch {
		case !ok:
			b.bad(path, "group-cycle", "value", g.Name)
			return
		case n > maxNesting:
			b.bad(path, "group-depth", "value", g.Name, "limit", strconv.Itoa(maxNesting))
			return
		}
	}
	total := 0
	for _, g := range t.Groups {
		direct := map[*User]bool{}
		for _, u := range g.Members {
			direct[u] = true
			u.groups = append(u.groups, Membership{Group: g})
		}
		seen := map[*Group]bool{g: true}
		var within func(o *Group)
		within = func(o *Group) {
			for _, in := range o.Nested {
				if seen[in] {
					continue
				}
				seen[in] = true
				for _, u := range in.Members {
					if _, have := direct[u]; !have {
						direct[u] = false
						u.groups = append(u.groups, Membership{Group: g, Nested: true})
					}
				}
				within(in)
			}
		}
		within(g)
		if total += len(direct); total > maxMemberships {
			b.bad(path, "too-many", "limit", strconv.Itoa(maxMemberships))
			return
		}
	}
	for _, u := range t.Members {
		slices.SortFunc(u.groups, func(a, b Membership) int { return cmp.Compare(a.Group.ID, b.Group.ID) })
	}
}

func (b *builder) policies(d *Draft) {
	for i, t := range b.d.Tenants {
		seen := map[string]bool{}
		for j, e := range d.Tenants[i].Policies {
			path := at(at("", "tenants", i), "policies", j)
			p := &Policy{ID: b.id(path+".id", &e.ID, t.ID, "policy", strconv.Itoa(j)), Partners: map[string]Rule{}}
			if seen[p.ID] {
				b.bad(path+".id", "taken", "value", p.ID, "other", t.Name)
			}
			seen[p.ID] = true
			p.Default = b.rule(path+".default", nil, e.Default)
			p.Allow = p.Default.Allow
			for k, partner := range e.Partners {
				path := at(path, "partners", k)
				of, ok := b.d.Tenant(fold(partner.Tenant))
				if !ok {
					b.bad(path+".tenant", "unknown-tenant", "value", partner.Tenant)
					continue
				}
				if _, twice := p.Partners[of.ID]; twice || of == t {
					b.bad(path+".tenant", "taken", "value", partner.Tenant, "other", p.ID)
				}
				partner.Tenant = of.ID // which stays when the domain goes
				p.Partners[of.ID] = b.rule(path, of, RuleEntry{partner.Access, partner.Users, partner.Groups, partner.Applications})
			}
			t.Policies = append(t.Policies, p)
		}
	}
}

// rule takes one rule about the tenant of, nil for every tenant without a rule of its own.
func (b *builder) rule(path string, of *Tenant, e RuleEntry) Rule {
	r := Rule{Allow: choice(b, path+".access", e.Access, "block", "allow") == "allow"}
	// "The Microsoft accounts tenant takes rules by application alone" (Microsoft, "Set up tenant restrictions v2").
	if of != nil && of.Kind == Consumers && len(e.Users)+len(e.Groups) > 0 {
		b.bad(path, "consumers-rule", "value", of.Name)
	}
	for i, name := range e.Users {
		name = fold(name)
		if u, ok := b.d.people[name]; ok && (of == nil || u.Tenant == of) {
			r.Users = append(r.Users, u.UPN)
			continue
		}
		if of != nil {
			if u, ok := of.objects[name]; ok && !u.Guest() {
				r.Users = append(r.Users, u.UPN)
				continue
			}
		}
		if guid.MatchString(name) && of == nil {
			if u := b.person(name); u != nil {
				r.Users = append(r.Users, u.UPN)
				continue
			}
		}
		tenant := ""
		if of != nil {
			tenant = of.Name
		}
		b.bad(at(path, "users", i), "unknown-member", "value", name, "tenant", tenant)
	}
	for i, id := range e.Groups {
		id = fold(id)
		if !b.isGroup(of, id) {
			tenant := ""
			if of != nil {
				tenant = of.Name
			}
			b.bad(at(path, "groups", i), "unknown-member", "value", id, "tenant", tenant)
			continue
		}
		r.Groups = append(r.Groups, id)
	}
	for i, id := range e.Applications {
		id = fold(id)
		if !guid.MatchString(id) {
			b.bad(at(path, "applications", i), "not-guid", "value", id)
		}
		r.Applications = append(r.Applications, id)
	}
	return r
}

// person finds an account at home by object id, in whichever tenant.
func (b *builder) person(id string) *User {
	for _, t := range b.d.Tenants {
		if u, ok := t.objects[id]; ok && !u.Guest() {
			return u
		}
	}
	return nil
}

// isGroup reports whether id is a group of the tenant of, or of any when of is nil.
func (b *builder) isGroup(of *Tenant, id string) bool {
	for _, t := range b.d.Tenants {
		if _, ok := t.groups[id]; ok && (of == nil || of == t) {
			return true
		}
	}
	return false
}
