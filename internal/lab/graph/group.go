package graph

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/odata"
	"sekisho/internal/lab/token"
)

type groupRow = *directory.Group

// memberRow is an account or a group: a directoryObject.
type memberRow struct {
	user  userRow
	group groupRow
}

func (m memberRow) id() string {
	if m.user != nil {
		return m.user.ID
	}
	return m.group.ID
}

func (m memberRow) name() any {
	if m.user != nil {
		return textOrNull(m.user.Name)
	}
	return m.group.Name
}

// groupView declares group (Microsoft, "group resource type"): security groups alone.
func groupView(key []byte) *view[groupRow] {
	show := func(g groupRow) map[string]any {
		return map[string]any{
			"id": g.ID, "displayName": g.Name, "description": nil, "groupTypes": []string{}, "mail": nil, "mailEnabled": false,
			"mailNickname": mailAlias(g.Name), "securityEnabled": true, "visibility": nil, "onPremisesSyncEnabled": nil, "proxyAddresses": []string{},
			"isAssignableToRole": nil, "membershipRule": nil,
		}
	}
	const texts = odata.Equal | odata.NotEqual | odata.In | odata.StartsWith
	w := &view[groupRow]{show: show, kind: "#microsoft.graph.group", advanced: true}
	w.Schema = odata.Schema[groupRow]{
		Resource: "microsoft.graph.group", Key: key, Page: directoryPage, MaxPage: directoryMaxPage, ID: func(g groupRow) string { return g.ID },
		Properties: propertiesOf(show(&directory.Group{})),
		Fields: []odata.Field[groupRow]{
			{Path: "id", Filter: odata.Equal | odata.NotEqual | odata.In, Value: func(g groupRow) any { return g.ID }},
			{Path: "displayName", Filter: texts | odata.Ordered, Order: true, Value: func(g groupRow) any { return g.Name }},
			{Path: "mailNickname", Filter: texts, Value: func(g groupRow) any { return mailAlias(g.Name) }},
			{Path: "securityEnabled", Kind: odata.Bool, Filter: odata.Equal | odata.NotEqual | odata.In, Value: func(groupRow) any { return true }},
			{Path: "mailEnabled", Kind: odata.Bool, Filter: odata.Equal | odata.NotEqual | odata.In, Value: func(groupRow) any { return false }},
		},
	}
	return w
}

// mailAlias is made of a group's name: letters, digits and hyphens.
func mailAlias(name string) string {
	return strings.Map(func(r rune) rune {
		if r > 0x7f || r <= ' ' || strings.ContainsRune(`@()\[]";:<>,`, r) {
			return -1
		}
		return r
	}, name)
}

func memberView(key []byte) *view[memberRow] {
	users, groups := userView(key), groupView(key)
	show := func(m memberRow) map[string]any {
		var out map[string]any
		kind := groups.kind
		if m.user != nil {
			out, kind = users.show(m.user), users.kind
		} else {
			out = groups.show(m.group)
		}
		out[typeProperty] = kind
		return out
	}
	properties := slices.Concat(users.Properties, groups.Properties)
	slices.Sort(properties)
	// Without $select a group shows all that it has, and an account its standard properties.
	w := &view[memberRow]{show: show, advanced: true, standard: slices.Concat(users.standard, groups.Properties)}
	w.Schema = odata.Schema[memberRow]{
		Resource: "microsoft.graph.directoryObject", Key: key, Page: directoryPage, MaxPage: directoryMaxPage, ID: memberRow.id,
		Properties: slices.Compact(properties),
		Fields: []odata.Field[memberRow]{
			{Path: "id", Filter: odata.Equal | odata.In, Value: func(m memberRow) any { return m.id() }},
			{Path: "displayName", Filter: odata.Equal | odata.In | odata.StartsWith, Order: true, Value: memberRow.name},
		},
	}
	return w
}

func (x *exchange) listGroups() *failure {
	return list(x, x.s.views.groups, "groups", x.by.tenant.Groups)
}

func (x *exchange) countGroups() *failure { return count(x, x.s.views.groups, x.by.tenant.Groups) }

func (x *exchange) group(key string) (groupRow, *failure) {
	g, ok := x.by.tenant.Group(key)
	if !ok {
		return nil, missing(key)
	}
	return g, nil
}

func (x *exchange) getGroup() *failure {
	g, f := x.group(x.keys[0])
	if f != nil {
		return f
	}
	return one(x, x.s.views.groups, http.StatusOK, "groups", g)
}

func (x *exchange) listMembers() *failure {
	g, f := x.group(x.keys[0])
	if f != nil {
		return f
	}
	rows := make([]memberRow, 0, len(g.Members)+len(g.Nested))
	for _, u := range g.Members {
		rows = append(rows, memberRow{user: u})
	}
	for _, in := range g.Nested {
		rows = append(rows, memberRow{group: in})
	}
	return list(x, x.s.views.members, "directoryObjects", rows)
}

func (x *exchange) myGroups() *failure { return x.groupsOf(x.by.account, false) }

func (x *exchange) userGroups() *failure { return x.groupsOfKey(false) }

func (x *exchange) userAllGroups() *failure { return x.groupsOfKey(true) }

func (x *exchange) groupsOfKey(nested bool) *failure {
	u, f := x.user(x.keys[0])
	if f != nil {
		return f
	}
	return x.groupsOf(u, nested)
}

func (x *exchange) groupsOf(u userRow, nested bool) *failure {
	rows := []memberRow{}
	for _, m := range u.Groups() {
		if nested || !m.Nested {
			rows = append(rows, memberRow{group: m.Group})
		}
	}
	return list(x, x.s.views.members, "directoryObjects", rows)
}

// createGroup follows "Create group": displayName, mailEnabled, mailNickname and securityEnabled are required; the lab has
// security groups alone.
func (x *exchange) createGroup() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	b, f := x.read("displayName", "mailEnabled", "mailNickname", "securityEnabled", "groupTypes")
	if f != nil {
		return f
	}
	name, f := b.needed("displayName")
	if f != nil {
		return f
	}
	if alias, f := b.needed("mailNickname"); f != nil {
		return f
	} else if len(alias) > 64 || alias != mailAlias(alias) {
		return invalid("mailNickname", "Invalid value specified for property 'mailNickname' of resource 'Group'.")
	}
	mail, given, f := value[bool](b, "mailEnabled")
	secure, both, f2 := value[bool](b, "securityEnabled")
	kinds, _, f3 := b.list("groupTypes")
	for _, f := range []*failure{f, f2, f3} {
		if f != nil {
			return f
		}
	}
	switch {
	case !given:
		return invalid("mailEnabled", "A value is required for property 'mailEnabled' of resource 'Group'.")
	case !both:
		return invalid("securityEnabled", "A value is required for property 'securityEnabled' of resource 'Group'.")
	case mail || !secure || len(kinds) > 0:
		return invalid("groupTypes", "The lab has security groups alone: mailEnabled false, securityEnabled true, no groupTypes.")
	}
	e := &directory.GroupEntry{ID: newID(), Name: name}
	if f := x.changed(func(d *directory.Draft) error {
		t, err := d.Tenant(x.by.tenant.ID)
		if err != nil {
			return err
		}
		t.Groups = append(t.Groups, e)
		return nil
	}); f != nil {
		return f
	}
	g, f := x.group(e.ID)
	if f != nil {
		return f
	}
	x.w.Header().Set("Location", x.base()+"/groups/"+g.ID)
	return one(x, x.s.views.groups, http.StatusCreated, "groups", g)
}

// onGroup changes the entry of the group that the path names, and answers 204.
func (x *exchange) onGroup(change func(*directory.Draft, *directory.TenantEntry, *directory.GroupEntry) error) *failure {
	g, f := x.group(x.keys[0])
	if f != nil {
		return f
	}
	if f := x.changed(func(d *directory.Draft) error {
		t, err := d.Tenant(x.by.tenant.ID)
		if err != nil {
			return err
		}
		e, err := t.Group(g.ID)
		if err != nil {
			return err
		}
		return change(d, t, e)
	}); f != nil {
		return f
	}
	return x.done()
}

func (x *exchange) updateGroup() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	b, f := x.read("displayName")
	if f != nil {
		return f
	}
	name, f := b.needed("displayName")
	if f != nil {
		return f
	}
	return x.onGroup(func(_ *directory.Draft, _ *directory.TenantEntry, e *directory.GroupEntry) error {
		e.Name = name
		return nil
	})
}

func (x *exchange) deleteGroup() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	return x.onGroup(func(d *directory.Draft, t *directory.TenantEntry, e *directory.GroupEntry) error {
		return d.RemoveGroup(t.ID, e.ID)
	})
}

// addMember follows "Add members": the body refers to the object by its address.
func (x *exchange) addMember() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	b, f := x.read("@odata.id")
	if f != nil {
		return f
	}
	address, f := b.needed("@odata.id")
	if f != nil {
		return f
	}
	u, err := url.Parse(address)
	parts := []string{}
	if err == nil {
		parts = strings.Split(strings.Trim(strings.ToLower(u.Path), "/"), "/")
	}
	if err != nil || u.Scheme != "https" || !strings.EqualFold(u.Host, "graph.microsoft.com") || len(parts) != 3 ||
		!slices.Contains([]string{"directoryobjects", "users", "groups"}, parts[1]) {
		return invalid("@odata.id", "Invalid URL format specified in @odata.bind for %s; write https://graph.microsoft.com/v1.0/directoryObjects/{id}.", "members")
	}
	id := parts[2]
	_, isUser := x.by.tenant.Object(id)
	_, isGroup := x.by.tenant.Group(id)
	if !isUser && !isGroup {
		return missing(id)
	}
	g, f := x.group(x.keys[0])
	if f != nil {
		return f
	}
	if slices.ContainsFunc(g.Members, func(u userRow) bool { return u.ID == id }) || slices.ContainsFunc(g.Nested, func(o groupRow) bool { return o.ID == id }) {
		return invalid("members", "One or more added object references already exist for the following modified properties: 'members'.")
	}
	return x.onGroup(func(_ *directory.Draft, _ *directory.TenantEntry, e *directory.GroupEntry) error {
		e.Members = append(e.Members, id)
		return nil
	})
}

func (x *exchange) removeMember() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	id := strings.ToLower(x.keys[1])
	return x.onGroup(func(_ *directory.Draft, t *directory.TenantEntry, e *directory.GroupEntry) error {
		names := map[string]bool{id: true}
		if u, err := t.User(id); err == nil && strings.EqualFold(u.ID, id) {
			names[strings.ToLower(u.UPN)], names[strings.ToLower(u.Guest)] = true, true
		}
		delete(names, "")
		before := len(e.Members)
		e.Members = slices.DeleteFunc(e.Members, func(m string) bool { return names[strings.ToLower(strings.TrimSpace(m))] })
		if len(e.Members) == before {
			return missing(id).err()
		}
		return nil
	})
}

// newID makes an object id.
func newID() string { return token.GUID() }
