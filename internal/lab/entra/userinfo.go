package entra

import (
	"net/http"
	"strings"
)

// userInfo is version 1.0's userinfo endpoint (OpenID Connect Core 1.0, section 5.3); version 2.0's is at Microsoft Graph.
// It takes an access token of a person for Microsoft Graph, and tells what that token says.
func (x *exchange) userInfo() {
	if x.r.Method != http.MethodGet && x.r.Method != http.MethodHead && x.r.Method != http.MethodPost {
		x.failJSON(failMethod("GET, POST", x.r.Method))
		return
	}
	scheme, text, _ := strings.Cut(x.r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		x.w.Header().Set("WWW-Authenticate", `Bearer realm="LAB"`) // RFC 6750, section 3
		x.json(http.StatusUnauthorized, map[string]string{"error": "invalid_token"})
		return
	}
	c, err := x.s.Keys.Verify(strings.TrimSpace(text), x.now)
	if err != nil || c.String("aud") != graphURL || c.String("scp") == "" {
		x.w.Header().Set("WWW-Authenticate", `Bearer realm="LAB", error="invalid_token"`)
		x.json(http.StatusUnauthorized, map[string]string{"error": "invalid_token", "error_description": "The access token is not valid here."})
		return
	}
	x.json(http.StatusOK, map[string]any{"sub": c.String("sub"), "name": c.String("name"), "email": c.String("upn"), "upn": c.String("upn"), "tid": c.String("tid")})
}
