package graph

import (
	"net/http"
	"slices"
	"strings"

	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/odata"
)

// principalRow is an application in a tenant.
type principalRow struct {
	id  string
	app *directory.Application
}

// principalView declares servicePrincipal (Microsoft, "servicePrincipal resource type").
func principalView(key []byte) *view[principalRow] {
	show := func(p principalRow) map[string]any {
		var owner any
		if p.app.Home != nil {
			owner = p.app.Home.ID
		}
		return map[string]any{
			"id": p.id, "appId": p.app.ID, "displayName": p.app.Name, "appDisplayName": p.app.Name, "appOwnerOrganizationId": owner,
			"servicePrincipalType": "Application", "accountEnabled": true, "signInAudience": audience(p.app),
			"servicePrincipalNames": append([]string{p.app.ID}, p.app.Identifiers...), "replyUrls": append([]string{}, p.app.Redirects...),
			"appRoleAssignmentRequired": false, "tags": []string{},
		}
	}
	const texts = odata.Equal | odata.NotEqual | odata.In | odata.StartsWith
	w := &view[principalRow]{show: show, advanced: true}
	w.Schema = odata.Schema[principalRow]{
		Resource: "microsoft.graph.servicePrincipal", Key: key, Page: directoryPage, MaxPage: directoryMaxPage, ID: func(p principalRow) string { return p.id },
		Properties: propertiesOf(show(principalRow{app: &directory.Application{}})),
		Fields: []odata.Field[principalRow]{
			{Path: "id", Filter: odata.Equal | odata.NotEqual | odata.In, Value: func(p principalRow) any { return p.id }},
			{Path: "appId", Filter: odata.Equal | odata.NotEqual | odata.In, Value: func(p principalRow) any { return p.app.ID }},
			{Path: "displayName", Filter: texts | odata.Ordered, Order: true, Value: func(p principalRow) any { return p.app.Name }},
			{Path: "appOwnerOrganizationId", Filter: odata.Equal, Value: func(p principalRow) any {
				if p.app.Home == nil {
					return nil
				}
				return p.app.Home.ID
			}},
			{Path: "servicePrincipalType", Filter: odata.Equal, Value: func(principalRow) any { return "Application" }},
		},
	}
	return w
}

// principals are the applications that the caller's tenant has.
func (x *exchange) principals() []principalRow {
	out := []principalRow{}
	for _, a := range x.dir.Applications {
		if id, ok := a.In(x.by.tenant); ok {
			out = append(out, principalRow{id, a})
		}
	}
	return out
}

func (x *exchange) listPrincipals() *failure {
	return list(x, x.s.views.principals, "servicePrincipals", x.principals())
}

func (x *exchange) countPrincipals() *failure { return count(x, x.s.views.principals, x.principals()) }

func (x *exchange) principal(key string) (principalRow, *failure) {
	id, byClient := alternate(key)
	for _, p := range x.principals() {
		if byClient && strings.EqualFold(p.app.ID, id) || !byClient && strings.EqualFold(p.id, key) {
			return p, nil
		}
	}
	return principalRow{}, missing(key)
}

func (x *exchange) getPrincipal() *failure {
	p, f := x.principal(x.keys[0])
	if f != nil {
		return f
	}
	return one(x, x.s.views.principals, http.StatusOK, "servicePrincipals", p)
}

// createPrincipal follows "Create serviceprincipal": the application becomes known in the tenant; nobody has agreed to it.
func (x *exchange) createPrincipal() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	b, f := x.read("appId")
	if f != nil {
		return f
	}
	id, f := b.needed("appId")
	if f != nil {
		return f
	}
	a, ok := x.dir.Application(id)
	switch {
	case !ok, !a.MultiTenant && a.Home != x.by.tenant:
		return invalid("appId", "The appId '%s' of the service principal does not reference a valid application object.", clip(id, 80))
	default:
		if _, have := a.In(x.by.tenant); have {
			return x.refused("The service principal cannot be created: the tenant has one for the appId '%s' already.", a.ID)
		}
	}
	e := &directory.PrincipalEntry{Tenant: x.by.tenant.ID, ID: newID(), Consent: directory.ConsentNone}
	if f := x.changed(func(d *directory.Draft) error {
		entry, err := d.Application(a.ID)
		if err != nil {
			return err
		}
		entry.Principals = append(entry.Principals, e)
		return nil
	}); f != nil {
		return f
	}
	p, f := x.principal(e.ID)
	if f != nil {
		return f
	}
	x.w.Header().Set("Location", x.base()+"/servicePrincipals/"+p.id)
	return one(x, x.s.views.principals, http.StatusCreated, "servicePrincipals", p)
}

func (x *exchange) deletePrincipal() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	p, f := x.principal(x.keys[0])
	if f != nil {
		return f
	}
	if f := x.changed(func(d *directory.Draft) error {
		e, err := d.Application(p.app.ID)
		if err != nil {
			return err
		}
		e.Principals = slices.DeleteFunc(e.Principals, func(o *directory.PrincipalEntry) bool { return strings.EqualFold(o.ID, p.id) })
		return nil
	}); f != nil {
		return f
	}
	return x.done()
}
