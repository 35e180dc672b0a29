package origin

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// resources are the hosts beside Microsoft Graph that hold a token against a tenant restrictions v2 policy (Microsoft,
// "Universal tenant restrictions", 2023-07-27: SharePoint Online, Exchange Online and Microsoft Graph; the edition of
// 2025-02-21 names Graph alone, "Set up tenant restrictions v2" the others under Windows, in preview). A name that begins
// with a dot stands for what ends in it.
var resources = [...]string{"outlook.office365.com", "outlook.office.com", ".sharepoint.com"}

func isResource(host string) bool {
	for _, r := range resources {
		if host == r || r[0] == '.' && strings.HasSuffix(host, r) {
			return true
		}
	}
	return false
}

// confirm refuses a token of the lab that was issued without the policy which this request carries, and reports whether it
// did. What is no token of the lab is not looked at: these hosts are no services of the lab.
func (s *Service) confirm(w http.ResponseWriter, r *http.Request) bool {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	host, _, _ := strings.Cut(strings.ToLower(r.Host), ":")
	if s.Keys == nil || r.Header.Get("Sec-Restrict-Tenant-Access-Policy") == "" || !strings.EqualFold(scheme, "Bearer") || !isResource(host) {
		return false
	}
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	claims, err := s.Keys.Verify(strings.TrimSpace(text), now())
	if err != nil || claims.String("xms_trpid") != "" {
		return false
	}
	h := w.Header()
	h.Set("Restrict-Access-Confirm", "1")
	h.Set("x-ms-diagnostics", `2000020;reason="xms_trpid claim was not present but sec-restrict-tenant-access-policy header was in request"`)
	h.Set("WWW-Authenticate", `Bearer realm="", error="invalid_token"`)
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusUnauthorized)
	_ = json.NewEncoder(w).Encode(map[string]any{"lab": true, "error": map[string]string{
		"code": "InvalidAuthenticationToken", "message": "The token was issued without the tenant restrictions policy of this request.",
	}})
	return true
}
