package entra

import (
	"net/url"
	"strings"

	"sekisho/internal/lab/directory"
)

// scopes is a parsed scope parameter.
type scopes struct {
	OpenID   bool     `json:"openid,omitempty"`
	Offline  bool     `json:"offline,omitempty"`
	Names    []string `json:"names,omitempty"` // of the resource, without its prefix: User.Read, .default
	Audience string   `json:"audience"`        // "aud" of the access token
	Items    []string `json:"items,omitempty"` // as asked for
}

// maxPermissions bounds the scopes of one request; chosen.
const maxPermissions = 100

const graphURL = "https://graph.microsoft.com"

// resources are names of Microsoft resources that the lab issues tokens for, with their audience; others are the
// applications of the directory.
var resources = map[string]string{
	graphURL:                               graphURL,
	"00000003-0000-0000-c000-000000000000": graphURL,
	"https://management.azure.com":         "https://management.azure.com",
	"https://management.core.windows.net":  "https://management.core.windows.net",
	"https://outlook.office365.com":        "https://outlook.office365.com",
	"https://outlook.office.com":           "https://outlook.office.com",
	"https://vault.azure.net":              "https://vault.azure.net",
	"https://storage.azure.com":            "https://storage.azure.com",
	"https://manage.microsoft.com":         "https://manage.microsoft.com",
}

// ask reads what the client wants a token for: scopes, or v1's resource.
func (x *exchange) ask(v url.Values, t *directory.Tenant) (scopes, *failure) {
	if x.v1 {
		return x.resource(v.Get("resource"), t)
	}
	if v.Has("resource") {
		return scopes{}, fail(901002, "invalid_request", 400, "The 'resource' request parameter is not supported.")
	}
	return x.scope(v.Get("scope"), t)
}

// audience finds the audience of a resource name in tenant t; t may be nil.
func (x *exchange) audience(name string, t *directory.Tenant) (string, *failure) {
	folded := strings.ToLower(strings.TrimRight(name, "/"))
	if aud, ok := resources[folded]; ok {
		return aud, nil
	}
	if a, ok := x.dir.Application(strings.TrimPrefix(folded, "api://")); ok {
		return a.ID, nil
	}
	for _, a := range x.dir.Applications {
		for _, uri := range a.Identifiers {
			if strings.EqualFold(strings.TrimRight(uri, "/"), folded) {
				return a.ID, nil
			}
		}
	}
	where := x.path
	if t != nil {
		where = t.Name
	}
	return "", failResource(name, where)
}

// scope reads v2's scope parameter: "<resource>/<permission>", Graph permissions without a resource, and the OpenID
// ones (Microsoft, "Scopes and permissions in the Microsoft identity platform"). One resource at a time (700022).
func (x *exchange) scope(text string, t *directory.Tenant) (scopes, *failure) {
	s := scopes{Items: strings.Fields(text)}
	if len(s.Items) > maxPermissions {
		return s, failScope(text)
	}
	for _, item := range s.Items {
		switch item {
		case "openid":
			s.OpenID = true
			continue
		case "offline_access":
			s.Offline = true
			continue
		case "profile", "email":
			continue
		}
		resource, name := graphURL, item
		if i := strings.LastIndexByte(item, '/'); i >= 0 {
			resource, name = item[:i], item[i+1:]
		}
		if resource == "" || name == "" || !isScope(item) {
			return s, failScope(item)
		}
		aud, f := x.audience(resource, t)
		if f != nil {
			return s, f
		}
		if s.Audience != "" && s.Audience != aud {
			return s, fail(700022, "invalid_scope", 400,
				"The provided value for the input parameter 'scope' is not valid because it contains more than one resource.").told()
		}
		s.Audience = aud
		s.Names = append(s.Names, name)
	}
	if s.Audience == "" {
		s.Audience = graphURL
	}
	return s, nil
}

// isScope reports whether item is written in the letters of a scope (RFC 6749, section 3.3).
func isScope(item string) bool {
	return strings.IndexFunc(item, func(c rune) bool { return c <= ' ' || c > '~' || c == '"' || c == '\\' }) < 0
}

// resource reads v1's resource parameter.
func (x *exchange) resource(name string, t *directory.Tenant) (scopes, *failure) {
	s := scopes{OpenID: true, Offline: true, Names: []string{".default"}}
	if name == "" {
		name = graphURL
	}
	aud, f := x.audience(name, t)
	if f != nil {
		return s, f
	}
	s.Audience, s.Items = aud, []string{"openid"}
	return s, nil
}
