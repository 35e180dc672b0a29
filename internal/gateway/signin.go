package gateway

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/url"
	"strings"

	"github.com/andybalholm/brotli"

	"sekisho/internal/wire"
)

// signIn is what the gateway keeps of a request to a sign-in host: which endpoint, which tenant was asked for, which
// application, and the error code of the answer. No parameter but client_id is looked at, no value but ids and codes is
// kept.
type signIn struct {
	endpoint    string
	tenant      string
	application string
	code        string
	correlation string
	agent       string
	unread      bool // the answer could not be looked at
}

const (
	peekBytes    = 64 << 10  // of a response are looked at (chosen: error pages carry their code in the first third of that)
	decodedBytes = 256 << 10 // of it after decoding (chosen: bounds the work that a compressed answer can cause)
	idKept       = 128       // bytes of a tenant or client id (chosen: a DNS name below onmicrosoft.com, a GUID)
	agentKept    = 64
)

// newSignIn reads path (with its query) and the few fields that say something.
func newSignIn(path string, fields []wire.Field) *signIn {
	s := &signIn{}
	path, query, _ := strings.Cut(path, "?")
	s.endpoint, s.tenant = endpointOf(path)
	s.application = identifier(parameter(query, "client_id"))
	s.correlation = identifier(parameter(query, "client-request-id"))
	for _, f := range fields {
		switch {
		case equalFold(f.Name, "client-request-id"):
			s.correlation = identifier(f.Value)
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

// tenantOf returns s when it may be a tenant: one of the words, a directory id, or a domain.
func tenantOf(s string) string {
	s = strings.ToLower(identifier(s))
	switch s {
	case "common", "organizations", "consumers":
		return s
	}
	if strings.Contains(s, ".") || len(s) == 36 && strings.Count(s, "-") == 4 {
		return s
	}
	return ""
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

// noticeForm looks for the client id in a token request's form. The form is not kept.
func (s *signIn) noticeForm(form []byte) {
	if s.application != "" {
		return
	}
	if i := bytes.Index(form, []byte("client_id=")); i == 0 || i > 0 && form[i-1] == '&' {
		s.application = identifier(parameter(string(form[i:min(len(form), i+4*idKept)]), "client_id"))
	}
}

// noticeHead looks at what the answer's head says: where it sends the client.
func (s *signIn) noticeHead(h *wire.ResponseHead) {
	for _, f := range h.Fields {
		switch {
		case equalFold(f.Name, "Location"):
			s.look([]byte(cut(f.Value, 16<<10)))
		case s.correlation == "" && (equalFold(f.Name, "client-request-id") || equalFold(f.Name, "x-ms-request-id")):
			s.correlation = identifier(f.Value)
		}
	}
}

// wantsBody says how many bytes of the answer's body are to be copied as they pass.
func (s *signIn) wantsBody(h *wire.ResponseHead, f wire.Framing) int {
	if f.Kind == wire.NoBody || s.code != "" {
		return 0
	}
	kind, _ := h.Get("Content-Type")
	kind = strings.ToLower(kind)
	for _, prefix := range []string{"text/html", "text/plain", "application/json", "application/xml", "text/xml", "application/soap+xml"} {
		if strings.HasPrefix(kind, prefix) {
			return peekBytes
		}
	}
	return 0
}

// noticeBody looks for a code in the copy, after the answer has been passed on.
func (s *signIn) noticeBody(h *wire.ResponseHead, body []byte) {
	if len(body) == 0 {
		return
	}
	coding, _ := h.Get("Content-Encoding")
	var from io.Reader
	switch strings.ToLower(coding) {
	case "", "identity":
		s.look(body)
		return
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			s.unread = true
			return
		}
		from = z
	case "br":
		from = brotli.NewReader(bytes.NewReader(body))
	default:
		s.unread = true
		return
	}
	plain, _ := io.ReadAll(io.LimitReader(from, decodedBytes)) // an early end is expected: the copy may be a beginning
	s.look(plain)
}

// consumerBlocked is the code of login.live.com for a sign-in that restrict-msa stops; it is no AADSTS code.
const consumerBlocked = "80045C4D"

// look keeps the first AADSTS code in text.
func (s *signIn) look(text []byte) {
	if s.code != "" {
		return
	}
	rest := text
	for {
		i := bytes.Index(rest, []byte("AADSTS"))
		if i < 0 {
			break
		}
		rest = rest[i+len("AADSTS"):]
		n := 0
		for n < len(rest) && n < 10 && '0' <= rest[n] && rest[n] <= '9' {
			n++
		}
		if n >= 4 {
			s.code = string(rest[:n])
			return
		}
	}
	if bytes.Contains(text, []byte(consumerBlocked)) {
		s.code = consumerBlocked
	}
}

// outcome sums up: "blocked" by a tenant restriction (Microsoft's error reference; AADSTS500021, 500022, 5000211, 50002,
// and 80045C4D of login.live.com), "failed" for any other error, "ok", or "not-seen".
func (s *signIn) outcome(status int, fault bool) string {
	switch s.code {
	case "500021", "500022", "5000211", "50002", consumerBlocked:
		return "blocked"
	case "":
	default:
		return "failed"
	}
	switch {
	case fault || status >= 400:
		return "failed"
	case s.unread || status == 0:
		return "not-seen"
	}
	return "ok"
}
