package entra

import (
	"mime"
	"net/http"
	"net/url"
	"strings"

	"sekisho/internal/lab/directory"
)

// form reads the body of a POST. Parameters must not stand twice (RFC 6749, section 3.2).
func (x *exchange) form() (url.Values, *failure) {
	if x.r.Method != http.MethodPost {
		return nil, failMethod("POST", x.r.Method)
	}
	kind, _, err := mime.ParseMediaType(x.r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, failMalformed("the body is not application/x-www-form-urlencoded")
	}
	x.r.Body = http.MaxBytesReader(x.w, x.r.Body, maxBody)
	if err := x.r.ParseForm(); err != nil {
		return nil, failMalformed("the body cannot be read")
	}
	if f := once(x.r.PostForm); f != nil {
		return nil, f
	}
	if id := x.r.PostForm.Get("client-request-id"); id != "" {
		x.correlation = x.clientRequestID(id)
	}
	return x.r.PostForm, nil
}

func once(v url.Values) *failure {
	for name, values := range v {
		if len(values) > 1 {
			return failMalformed("the parameter '" + clip(name, 60) + "' stands more than once")
		}
	}
	return nil
}

// application finds the client by id; in is where it must exist, nil when the tenant is not known yet.
func (x *exchange) application(id string, in *directory.Tenant) (*directory.Application, *failure) {
	if id == "" {
		return nil, failMissing("client_id")
	}
	where := "unknown"
	if in != nil {
		where = in.Name
	}
	a, ok := x.dir.Application(id)
	if !ok {
		return nil, failApplication(id, where)
	}
	if in == nil {
		if !a.MultiTenant {
			return nil, failSingleTenant(a)
		}
		return a, nil
	}
	if _, ok := a.In(in); !ok {
		return nil, failApplication(id, where)
	}
	return a, nil
}

// clientCredentials takes client id and secret from the body or from the Authorization header (RFC 6749, section 2.3.1).
func (x *exchange) clientCredentials(v url.Values) (id, secret string) {
	if user, password, ok := x.r.BasicAuth(); ok {
		id, err := url.QueryUnescape(user)
		secret, err2 := url.QueryUnescape(password)
		if err == nil && err2 == nil {
			return id, secret
		}
	}
	return v.Get("client_id"), v.Get("client_secret")
}

// authenticate checks the client. A public client shows no secret (700025); any other must (7000218).
func authenticate(a *directory.Application, secret string, v url.Values) *failure {
	if v.Get("client_assertion") != "" {
		return &failure{
			oauth: "invalid_client", status: http.StatusUnauthorized, page: http.StatusUnauthorized,
			text: "LAB: client assertions are not verified by this lab; use the client secret.",
		}
	}
	switch {
	case a.Public && secret != "":
		return fail(700025, "invalid_client", http.StatusUnauthorized, "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.")
	case a.Public:
		return nil
	case secret == "":
		return fail(7000218, "invalid_client", http.StatusUnauthorized,
			"The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
	case !a.CheckSecret(secret):
		return fail(7000215, "invalid_client", http.StatusUnauthorized, "Invalid client secret provided.")
	}
	return nil
}

// scopes is a parsed scope parameter.
type scopes struct {
	openID, offline bool
	names           []string // of the resource, without its prefix: User.Read, .default
	audience        string   // "aud" of the access token
	items           []string // as asked for
}

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

// audience finds the audience of a resource name in tenant t; t may be nil.
func (x *exchange) audience(name string, t *directory.Tenant) (string, *failure) {
	folded := strings.ToLower(strings.TrimRight(name, "/"))
	if aud, ok := resources[folded]; ok {
		return aud, nil
	}
	if a, ok := x.dir.Application(strings.TrimPrefix(folded, "api://")); ok {
		return a.ID, nil
	}
	where := x.path
	if t != nil {
		where = t.Name
	}
	return "", failResource(name, where)
}

// scope reads v2's scope parameter: "<resource>/<permission>", Graph permissions without a resource, and the OpenID
// ones (Microsoft, "Scopes and permissions in the Microsoft identity platform"). One resource at a time (28003, 70011).
func (x *exchange) scope(text string, t *directory.Tenant) (scopes, *failure) {
	s := scopes{items: strings.Fields(text)}
	for _, item := range s.items {
		switch item {
		case "openid":
			s.openID = true
			continue
		case "offline_access":
			s.offline = true
			continue
		case "profile", "email":
			continue
		}
		resource, name := graphURL, item
		if i := strings.LastIndexByte(item, '/'); i >= 0 {
			resource, name = item[:i], item[i+1:]
		}
		if resource == "" || name == "" {
			return s, failScope(item)
		}
		aud, f := x.audience(resource, t)
		if f != nil {
			return s, f
		}
		if s.audience != "" && s.audience != aud {
			return s, failScope(text)
		}
		s.audience = aud
		s.names = append(s.names, name)
	}
	if s.audience == "" {
		s.audience = graphURL
	}
	return s, nil
}

// resource reads v1's resource parameter.
func (x *exchange) resource(name string, t *directory.Tenant) (scopes, *failure) {
	s := scopes{openID: true, offline: true, names: []string{".default"}}
	if name == "" {
		name = "https://graph.microsoft.com"
	}
	aud, f := x.audience(name, t)
	if f != nil {
		return s, f
	}
	s.audience, s.items = aud, []string{"openid"}
	return s, nil
}
