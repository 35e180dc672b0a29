package graph

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/odata"
)

type applicationRow = *directory.Application

// objectID is the object id of a registration, which is another than its client id: always the same, made out of that.
func objectID(a *directory.Application) string {
	sum := sha256.Sum256([]byte("application\x00" + a.ID))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80 // RFC 9562, version 8
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// Audiences of an application ("application resource type", signInAudience).
const (
	oneTenant   = "AzureADMyOrg"
	manyTenants = "AzureADMultipleOrgs"
)

func audience(a *directory.Application) string {
	if a.MultiTenant {
		return manyTenants
	}
	return oneTenant
}

// applicationView declares application (Microsoft, "application resource type"). Redirect URIs are those of a public client
// or of a web application, as the registration is one or the other.
func applicationView(key []byte) *view[applicationRow] {
	show := func(a applicationRow) map[string]any {
		public, web := []string{}, append([]string{}, a.Redirects...)
		if a.Public {
			public, web = web, public
		}
		passwords, keys := []map[string]any{}, []map[string]any{}
		for _, s := range a.Secrets {
			passwords = append(passwords, map[string]any{
				"keyId": s.ID, "displayName": textOrNull(s.Name), "hint": textOrNull(s.Hint), "secretText": nil, "customKeyIdentifier": nil,
				"startDateTime": moment(s.Start), "endDateTime": moment(s.End),
			})
		}
		for _, c := range a.Certificates {
			keys = append(keys, map[string]any{
				"keyId": c.ID, "displayName": textOrNull(c.Name), "customKeyIdentifier": c.Thumbprint, "type": "AsymmetricX509Cert", "usage": "Verify",
				"key": nil, "startDateTime": moment(c.Start), "endDateTime": moment(c.End),
			})
		}
		var logout any
		if a.Logout != "" {
			logout = a.Logout
		}
		return map[string]any{
			"id": objectID(a), "appId": a.ID, "displayName": a.Name, "signInAudience": audience(a), "identifierUris": append([]string{}, a.Identifiers...),
			"isFallbackPublicClient": a.Public, "passwordCredentials": passwords, "keyCredentials": keys, "createdDateTime": nil,
			"publicClient": map[string]any{"redirectUris": public},
			"web": map[string]any{"redirectUris": web, "logoutUrl": logout, "homePageUrl": nil,
				"implicitGrantSettings": map[string]any{"enableIdTokenIssuance": a.ImplicitID, "enableAccessTokenIssuance": a.ImplicitAccess}},
			"spa": map[string]any{"redirectUris": []string{}}, "requiredResourceAccess": []any{}, "tags": []string{},
		}
	}
	const texts = odata.Equal | odata.NotEqual | odata.In | odata.StartsWith
	w := &view[applicationRow]{show: show, advanced: true}
	w.Schema = odata.Schema[applicationRow]{
		Resource: "microsoft.graph.application", Key: key, Page: directoryPage, MaxPage: directoryMaxPage, ID: objectID,
		Properties: propertiesOf(show(&directory.Application{})),
		Fields: []odata.Field[applicationRow]{
			{Path: "id", Filter: odata.Equal | odata.NotEqual | odata.In, Value: func(a applicationRow) any { return objectID(a) }},
			{Path: "appId", Filter: odata.Equal | odata.NotEqual | odata.In, Value: func(a applicationRow) any { return a.ID }},
			{Path: "displayName", Filter: texts | odata.Ordered, Order: true, Value: func(a applicationRow) any { return a.Name }},
			{Path: "signInAudience", Filter: odata.Equal | odata.NotEqual | odata.In, Value: func(a applicationRow) any { return audience(a) }},
			{Path: "identifierUris", Kind: odata.Strings, Filter: odata.Any, Value: func(a applicationRow) any { return a.Identifiers }},
		},
	}
	return w
}

// applications are those that are registered in the caller's tenant.
func (x *exchange) applications() []applicationRow {
	out := []applicationRow{}
	for _, a := range x.dir.Applications {
		if a.Home == x.by.tenant {
			out = append(out, a)
		}
	}
	return out
}

func (x *exchange) listApplications() *failure {
	return list(x, x.s.views.applications, "applications", x.applications())
}

func (x *exchange) countApplications() *failure {
	return count(x, x.s.views.applications, x.applications())
}

// application finds a registration by object id, or by appId='…'.
func (x *exchange) application(key string) (applicationRow, *failure) {
	id, byClient := alternate(key)
	for _, a := range x.applications() {
		if byClient && strings.EqualFold(a.ID, id) || !byClient && strings.EqualFold(objectID(a), key) {
			return a, nil
		}
	}
	return nil, missing(key)
}

// alternate reads the key appId='…'.
func alternate(key string) (id string, ok bool) {
	name, id, ok := strings.Cut(key, "=")
	if !ok || !strings.EqualFold(name, "appId") {
		return "", false
	}
	return strings.Trim(id, "'"), true
}

func (x *exchange) getApplication() *failure {
	a, f := x.application(x.keys[0])
	if f != nil {
		return f
	}
	return one(x, x.s.views.applications, http.StatusOK, "applications", a)
}

var applicationWritable = []string{"displayName", "signInAudience", "publicClient", "web", "identifierUris"}

// createApplication follows "Create application". Without a secret it is a public client until addPassword gives it one.
func (x *exchange) createApplication() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	b, f := x.read(applicationWritable...)
	if f != nil {
		return f
	}
	if _, f := b.needed("displayName"); f != nil {
		return f
	}
	e := &directory.ApplicationEntry{ID: newID(), Home: x.by.tenant.ID, Public: true, MultiTenant: true}
	if f := b.registration(e); f != nil {
		return f
	}
	if f := x.changed(func(d *directory.Draft) error { d.Applications = append(d.Applications, e); return nil }); f != nil {
		return f
	}
	a, f := x.application("appId='" + e.ID + "'")
	if f != nil {
		return f
	}
	x.w.Header().Set("Location", x.base()+"/applications/"+objectID(a))
	return one(x, x.s.views.applications, http.StatusCreated, "applications", a)
}

// registration puts what b says into e.
func (b body) registration(e *directory.ApplicationEntry) *failure {
	if b.has("displayName") {
		name, f := b.needed("displayName")
		if f != nil {
			return f
		}
		e.Name = name
	}
	switch v, ok, f := b.text("signInAudience"); {
	case f != nil:
		return f
	case ok && v != oneTenant && v != manyTenants:
		return invalid("signInAudience", "The lab has the audiences AzureADMyOrg and AzureADMultipleOrgs.")
	case ok:
		e.MultiTenant = v == manyTenants
	}
	if v, ok, f := b.list("identifierUris"); f != nil {
		return f
	} else if ok {
		e.Identifiers = v
	}
	redirects, given := []string{}, false
	for _, part := range []string{"publicClient", "web"} {
		p, ok, f := b.within(part, "redirectUris")
		if f != nil {
			return f
		}
		v, both, f := p.list("redirectUris")
		if f != nil {
			return f
		}
		given = given || ok && both
		redirects = append(redirects, v...)
	}
	for _, text := range redirects {
		if u, err := url.Parse(text); err != nil || !u.IsAbs() || u.Fragment != "" {
			return invalid("redirectUris", "Invalid value '%s' specified for property 'redirectUris'.", clip(text, 120))
		}
	}
	if given {
		e.Redirects = redirects
	}
	return nil
}

// onApplication changes the entry of the registration that the path names.
func (x *exchange) onApplication(change func(*directory.Draft, *directory.ApplicationEntry) error) *failure {
	a, f := x.application(x.keys[0])
	if f != nil {
		return f
	}
	return x.changed(func(d *directory.Draft) error {
		e, err := d.Application(a.ID)
		if err != nil {
			return err
		}
		return change(d, e)
	})
}

func (x *exchange) updateApplication() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	b, f := x.read(applicationWritable...)
	if f != nil {
		return f
	}
	if f := x.onApplication(func(_ *directory.Draft, e *directory.ApplicationEntry) error {
		if f := b.registration(e); f != nil {
			return f.err()
		}
		return nil
	}); f != nil {
		return f
	}
	return x.done()
}

// deleteApplication takes the registration away, and its service principals in all tenants with it.
func (x *exchange) deleteApplication() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	if f := x.onApplication(func(d *directory.Draft, e *directory.ApplicationEntry) error {
		d.Applications = slices.DeleteFunc(d.Applications, func(o *directory.ApplicationEntry) bool { return o == e })
		return nil
	}); f != nil {
		return f
	}
	return x.done()
}

// secretYears is the life of a secret whose end is not given ("application: addPassword").
const secretYears = 2

// addPassword follows "application: addPassword": the secret stands in this answer alone.
func (x *exchange) addPassword() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	b, f := x.read("passwordCredential")
	if f != nil {
		return f
	}
	c, _, f := b.within("passwordCredential", "displayName", "startDateTime", "endDateTime")
	if f != nil {
		return f
	}
	name, _, f := c.text("displayName")
	if f != nil {
		return f
	}
	now := x.s.Now().UTC().Truncate(time.Second)
	start, f := c.moment("startDateTime", now)
	if f != nil {
		return f
	}
	end, f := c.moment("endDateTime", start.AddDate(secretYears, 0, 0))
	if f != nil {
		return f
	}
	if !end.After(start) {
		return invalid("endDateTime", "Credential end date must be after its start.")
	}
	var id, text string
	if f := x.onApplication(func(_ *directory.Draft, e *directory.ApplicationEntry) error {
		if len(e.Secrets) >= maxSecrets {
			return invalid("passwordCredentials", "An application has at most %d secrets in the lab.", maxSecrets).err()
		}
		id, text = e.AddSecret(name, start, end)
		return nil
	}); f != nil {
		return f
	}
	return x.entity(http.StatusOK, "microsoft.graph.passwordCredential", map[string]any{
		"keyId": id, "displayName": textOrNull(name), "secretText": text, "hint": text[:3], "customKeyIdentifier": nil,
		"startDateTime": moment(start), "endDateTime": moment(end),
	})
}

// maxSecrets bounds the secrets of one application; chosen.
const maxSecrets = 100

// moment reads a time.
func (b body) moment(name string, otherwise time.Time) (time.Time, *failure) {
	text, ok, f := b.text(name)
	if f != nil || !ok {
		return otherwise, f
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.Year() < 2000 || t.Year() > 2200 {
		return t, invalid(name, "Invalid value specified for property '%s'.", name)
	}
	return t.UTC(), nil
}

func (x *exchange) removePassword() *failure {
	if f := x.unqueried(); f != nil {
		return f
	}
	b, f := x.read("keyId")
	if f != nil {
		return f
	}
	id, f := b.needed("keyId")
	if f != nil {
		return f
	}
	if f := x.onApplication(func(_ *directory.Draft, e *directory.ApplicationEntry) error {
		if !slices.ContainsFunc(e.Secrets, func(s *directory.SecretEntry) bool { return strings.EqualFold(s.ID, id) }) {
			return bad("No password credential found with keyId '%s'.", clip(id, 80)).err()
		}
		if err := e.RemoveCredential(id); err != nil {
			return err
		}
		if len(e.Secrets)+len(e.Certificates) == 0 {
			e.Public, e.Permissions = true, nil // which has neither credentials nor permissions of its own
		}
		return nil
	}); f != nil {
		return f
	}
	return x.done()
}
