// Package graph is the little of Microsoft Graph that shows that a token works: /v1.0/me, /oidc/userinfo, and errors in
// Graph's shape.
package graph

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/token"
)

// Audience is what a token for Graph must name.
const Audience = "https://graph.microsoft.com"

// Service answers. All fields but Now are required. Safe for concurrent use.
type Service struct {
	Directory *directory.Store
	Key       *token.Ring
	Now       func() time.Time // nil: time.Now
}

// ServeHTTP answers one request.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("request-id", token.GUID())
	path := strings.ToLower(strings.TrimSuffix(r.URL.Path, "/"))
	if path == "" {
		s.answer(w, http.StatusOK, map[string]any{"lab": true, "service": "Microsoft Graph stand-in", "paths": []string{"/v1.0/me", "/oidc/userinfo"}})
		return
	}
	claims, ok := s.authorize(w, r)
	if !ok {
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		s.fail(w, http.StatusMethodNotAllowed, "Request_BadRequest", "The lab's Graph is read only.")
		return
	}
	switch path {
	case "/v1.0/me", "/beta/me":
		s.me(w, claims)
	case "/oidc/userinfo":
		if claims.String("idtyp") == "app" {
			s.fail(w, http.StatusForbidden, "Forbidden", "This answer is about a person, and the token is an application's.")
			return
		}
		s.answer(w, http.StatusOK, map[string]any{"sub": claims.String("sub"), "name": claims.String("name"), "email": claims.String("upn")})
	default:
		s.fail(w, http.StatusNotFound, "Request_ResourceNotFound", "Resource not found in the lab.")
	}
}

// authorize checks the bearer token (RFC 6750). A request that carries a v2 restriction while its token was issued
// without one is refused as "universal tenant restrictions" (2025-02-21) shows it: 401 with Restrict-Access-Confirm.
func (s *Service) authorize(w http.ResponseWriter, r *http.Request) (token.Claims, bool) {
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || strings.TrimSpace(text) == "" {
		w.Header().Set("WWW-Authenticate", `Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize"`)
		s.fail(w, http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token is empty.")
		return nil, false
	}
	claims, err := s.Key.Verify(strings.TrimSpace(text), now())
	if err != nil || claims.String("aud") != Audience {
		w.Header().Set("WWW-Authenticate", `Bearer realm="", error="invalid_token"`)
		s.fail(w, http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token validation failure.")
		return nil, false
	}
	if r.Header.Get("Sec-Restrict-Tenant-Access-Policy") != "" && claims.String("xms_trpid") == "" {
		w.Header().Set("Restrict-Access-Confirm", "1")
		w.Header().Set("x-ms-diagnostics", `2000020;reason="xms_trpid claim was not present but sec-restrict-tenant-access-policy header was in request"`)
		s.fail(w, http.StatusUnauthorized, "InvalidAuthenticationToken", "The token was issued without the tenant restrictions policy of this request.")
		return nil, false
	}
	return claims, true
}

func (s *Service) me(w http.ResponseWriter, c token.Claims) {
	if c.String("idtyp") == "app" {
		s.fail(w, http.StatusBadRequest, "BadRequest", "/me request is only valid with delegated authentication flow.")
		return
	}
	s.answer(w, http.StatusOK, map[string]any{
		"@odata.context": Audience + "/v1.0/$metadata#users/$entity",
		"id":             c.String("oid"), "displayName": c.String("name"), "userPrincipalName": c.String("upn"), "mail": c.String("upn"),
	})
}

func (s *Service) answer(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "LAB: answer could not be encoded", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	w.Write(data)
}

// fail answers in Graph's error shape (Microsoft, "Microsoft Graph error responses and resource types").
func (s *Service) fail(w http.ResponseWriter, status int, code, text string) {
	s.answer(w, status, map[string]any{"error": map[string]any{
		"code": code, "message": text,
		"innerError": map[string]string{"date": time.Now().UTC().Format("2006-01-02T15:04:05"), "request-id": w.Header().Get("request-id")},
	}})
}
