package directory

import (
	"slices"
)

// Group is a group of one tenant. Its members are accounts and groups of the same tenant.
type Group struct {
	ID      string
	Name    string // display name
	Tenant  *Tenant
	Members []*User  // named in it, guests among them
	Nested  []*Group // named in it
}

// Membership is one group that an account is in.
type Membership struct {
	Group *Group
	// Nested tells that the account is not named in the group itself, but in a group within it.
	Nested bool
}

// Groups returns the groups that u is in, directly or through other groups, each once, in the order of their ids. Not to
// be changed.
func (u *User) Groups() []Membership { return u.groups }

// In reports whether u is in the group with object id id, and whether only through another group.
func (u *User) In(id string) (in, nested bool) {
	id = fold(id)
	for _, m := range u.groups {
		if m.Group.ID == id {
			return true, m.Nested
		}
	}
	return false, false
}

// Policy is a tenant restrictions v2 policy (Microsoft, "Set up tenant restrictions v2"): what foreign accounts may do
// on the network that signals it.
type Policy struct {
	ID       string
	Allow    bool            // the default rule's word; false blocks
	Default  Rule            // for tenants without a rule of their own
	Partners map[string]Rule // by tenant id
}

// Rule is the policy's word on one partner tenant, or on all others. Empty lists mean everybody and everything; users and
// groups are one list (either speaks of a person), applications another.
type Rule struct {
	Allow        bool
	Users        []string // user principal names at home that Allow speaks of, folded
	Groups       []string // object ids, in the partner tenant, of groups that Allow speaks of, folded
	Applications []string // application ids that Allow speaks of, folded
}

// Names reports whether r's word is about p: p, or a group that p is in at home, is listed, or nobody is. nested tells
// that only a group within a listed group names p (see AssumedNestedGroups).
func (r Rule) Names(p *User) (names, nested bool) {
	if len(r.Users) == 0 && len(r.Groups) == 0 {
		return true, false
	}
	if p == nil {
		return false, false
	}
	p = p.Person()
	if slices.Contains(r.Users, p.UPN) {
		return true, false
	}
	for _, id := range r.Groups {
		switch in, through := p.In(id); {
		case in && !through:
			return true, false
		case in:
			names, nested = true, true
		}
	}
	return names, nested
}
