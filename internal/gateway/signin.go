package gateway

import (
	"bytes"
	"net/url"
	"strings"

	"sekisho/internal/audit"
	"sekisho/internal/endpoint"
	"sekisho/internal/wire"
)

// signIn is what the gateway keeps of a request to a sign-in host: which endpoint, which tenant was asked for, which
// application, the error code of the answer (answer.go) and the tenant that issued a token (would.go). No parameter but
// client_id and client-request-id is looked at, no value but ids and codes is kept.
type signIn struct {
	endpoint    string
	tenant      string
	reports     bool   // in a ring that reports: tokens of the answer tell by which tenant they were issued
	issued      string // directory id of that tenant; "" when no token is seen
	application string
	code        string
	correlation string // by which Microsoft Entra's sign-in log finds it: of the request, else of the answer
	agent       string
	sentBack    bool // the answer sent the client away with an OAuth error
	unread      bool // the answer could not be looked at
}

const (
	idKept    = 128 // bytes of a tenant or client id (chosen: a DNS name below onmicrosoft.com, a GUID)
	agentKept = 64
)

// newSignIn reads path (with its query) and the few fields that say something.
func newSignIn(path string, fields []wire.Field) *signIn {
	s := &signIn{}
	path, query, _ := strings.Cut(path, "?")
	s.endpoint, s.tenant = endpointOf(path)
	s.application = identifier(parameter(query, "client_id"))
	s.correlation = guid(parameter(query, "client-request-id"))
	for _, f := range fields {
		switch {
		case equalFold(f.Name, "client-request-id"):
			if id := guid(f.Value); id != "" {
				s.correlation = id
			}
		case equalFold(f.Name, "User-Agent"):
			product, _, _ := strings.Cut(f.Value, " ")
			s.agent = printable(cut(product, agentKept))
		}
	}
	return s
}

// endpointNamed tells what the last segment of a path is, among those that Microsoft's identity platform documents.
func endpointNamed(segment string) string {
	switch segment {
	case "authorize", "oauth20_authorize.srf":
		return "authorize"
	case "token", "oauth20_token.srf":
		return "token"
	case "devicecode", "deviceauth", "oauth20_remoteconnect.srf", "oauth20_connect.srf":
		return "devicecode"
	case "logout", "oauth20_logout.srf", "logout.srf":
		return "logout"
	case "keys":
		return "keys"
	case "openid-configuration", "instance", "federationmetadata.xml":
		return "discovery"
	case "saml2":
		return "saml"
	case "wsfed":
		return "wsfed"
	case "login", "kmsi", "getcredentialtype", "reprocess", "federation", "login.srf", "post.srf":
		return "login"
	case "userrealm", "getuserrealm.srf":
		return "realm"
	}
	return "other"
}

// endpointOf finds the endpoint and the tenant in a path like /{tenant}/oauth2/v2.0/token. A first segment is a tenant
// when more follows and it looks like one.
func endpointOf(path string) (endpoint, tenant string) {
	path = strings.Trim(cut(path, 1024), "/")
	last := path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		last = path[i+1:]
		first, rest, _ := strings.Cut(path, "/")
		if !strings.HasPrefix(rest, "federation/") {
			tenant = tenantOf(first)
		}
	}
	return endpointNamed(strings.ToLower(last)), tenant
}

// tenantOf returns s when it is a tenant: one of the words, a directory id, or a domain. What only looks a little like
// one is not kept: a token has dots, too.
func tenantOf(s string) string {
	s = strings.ToLower(identifier(s))
	switch s {
	case "common", "organizations", "consumers":
		return s
	}
	if id := guid(s); id != "" || !strings.Contains(s, ".") || strings.HasPrefix(s, "eyj") { // "{" in base64url: a JWT begins so
		return id
	}
	top := s[strings.LastIndexByte(s, '.')+1:]
	if len(top) < 2 || strings.Trim(top, "abcdefghijklmnopqrstuvwxyz") != "" && !strings.HasPrefix(top, "xn--") {
		return ""
	}
	h, err := endpoint.ParseHost(s)
	if err != nil || string(h) != s {
		return ""
	}
	return s
}

// parameter returns the first value of name in a query or form.
func parameter(query, name string) string {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		key, value, _ := strings.Cut(pair, "=")
		if key == name && len(value) <= 3*idKept {
			text, err := url.QueryUnescape(value)
			if err != nil {
				return ""
			}
			return text
		}
	}
	return ""
}

// identifier returns s when it is made of what ids and domains are made of, else "": what a record keeps must not become
// a place to put secrets into.
func identifier(s string) string {
	if s == "" || len(s) > idKept {
		return ""
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '-' && c != '.' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return ""
		}
	}
	return s
}

// noticeForm looks for the two ids in a token request's form. The form is not kept.
func (s *signIn) noticeForm(form []byte) {
	if s.application == "" {
		s.application = identifier(formValue(form, "client_id"))
	}
	if s.correlation == "" {
		s.correlation = guid(formValue(form, "client-request-id"))
	}
}

// formValue returns the first value of name in a form, and makes a text of nothing else in it.
func formValue(form []byte, name string) string {
	for rest := form; ; {
		i := bytes.Index(rest, []byte(name+"="))
		if i < 0 {
			return ""
		}
		if i == 0 || rest[i-1] == '&' {
			return parameter(string(rest[i:min(len(rest), i+4*idKept)]), name)
		}
		rest = rest[i+len(name):]
	}
}

// outcome sums up: "blocked" by a tenant restriction (Microsoft's error reference; AADSTS500021, 500022, 5000211, 50002,
// and 80045C4D of login.live.com), "failed" for any other error, "ok", or "not-seen".
func (s *signIn) outcome(status int, fault bool) string {
	switch s.code {
	case "500021", "500022", "5000211", "50002", consumerBlocked:
		return audit.OutcomeBlocked
	case "":
	default:
		return audit.OutcomeFailed
	}
	switch {
	case fault || s.sentBack || status >= 400:
		return audit.OutcomeFailed
	case s.unread || status == 0:
		return audit.OutcomeNotSeen
	}
	return audit.OutcomeOK
}
