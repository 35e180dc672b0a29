package entra

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"sekisho/internal/lab/directory"
)

// The path words that name no single tenant (Microsoft, "OpenID Connect on the Microsoft identity platform").
const (
	common        = "common"
	organizations = "organizations"
	consumers     = "consumers"
)

// tenant finds the tenant of the path. shared is true for common and organizations, which name none.
func (x *exchange) tenant() (t *directory.Tenant, shared bool, f *failure) {
	switch x.path {
	case common, organizations:
		return nil, true, nil
	case consumers:
		if t := x.dir.OfKind(directory.Consumers); t != nil {
			return t, false, nil
		}
	}
	t, ok := x.dir.Tenant(x.path)
	if !ok {
		return nil, false, failTenant(x.path)
	}
	return t, false, nil
}

// readOnly answers what is neither GET nor HEAD, and reports whether it did.
func (x *exchange) readOnly() bool {
	if x.r.Method == http.MethodGet || x.r.Method == http.MethodHead {
		return true
	}
	x.w.Header().Set("Allow", "GET, HEAD")
	x.json(http.StatusMethodNotAllowed, map[string]string{"error": "invalid_request"})
	return false
}

// metadata is OpenID Connect Discovery 1.0, section 4. For common and organizations the issuer carries the literal text
// {tenantid} (seen by clients, manfredsteyer/angular-oauth2-oidc#126; not stated by Microsoft).
func (x *exchange) metadata(v1 bool) {
	if !x.readOnly() {
		return
	}
	t, shared, f := x.tenant()
	if f != nil {
		x.entry.Endpoint = "discovery"
		x.failJSON(f)
		return
	}
	segment, id := x.path, "{tenantid}"
	if !shared {
		segment, id = t.ID, t.ID
	}
	base := "https://" + Host + "/" + segment
	m := map[string]any{
		"issuer":                                "https://" + Host + "/" + id + "/v2.0",
		"authorization_endpoint":                base + "/oauth2/v2.0/authorize",
		"token_endpoint":                        base + "/oauth2/v2.0/token",
		"device_authorization_endpoint":         base + "/oauth2/v2.0/devicecode",
		"end_session_endpoint":                  base + "/oauth2/v2.0/logout",
		"jwks_uri":                              base + "/discovery/v2.0/keys",
		"userinfo_endpoint":                     "https://graph.microsoft.com/oidc/userinfo",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
		"response_modes_supported":              []string{"query", "fragment", "form_post"},
		"response_types_supported":              typesV2,
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"scopes_supported":                      []string{"openid", "profile", "email", "offline_access"},
		"code_challenge_methods_supported":      []string{"S256", "plain"},
		"claims_supported": []string{"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "preferred_username",
			"name", "tid", "ver", "oid", "at_hash", "c_hash", "sid"},
		"request_uri_parameter_supported": false,
		"http_logout_supported":           true,
		"frontchannel_logout_supported":   true,
		"tenant_region_scope":             nil,
		"cloud_instance_name":             "microsoftonline.com",
		"cloud_graph_host_name":           "graph.windows.net",
		"msgraph_host":                    "graph.microsoft.com",
	}
	if v1 {
		m["issuer"] = "https://sts.windows.net/" + id + "/"
		m["authorization_endpoint"] = base + "/oauth2/authorize"
		m["token_endpoint"] = base + "/oauth2/token"
		m["device_authorization_endpoint"] = base + "/oauth2/devicecode"
		m["end_session_endpoint"] = base + "/oauth2/logout"
		m["jwks_uri"] = base + "/discovery/keys"
		m["userinfo_endpoint"] = base + "/openid/userinfo"
		m["response_types_supported"] = typesV1
		m["microsoft_multi_refresh_token"] = true
	}
	x.json(http.StatusOK, m)
}

// keys is the JSON Web Key Set (RFC 7517). It is the same under every tenant; an unknown tenant has none. Version 2.0
// says with each key for which issuer it signs ("Access tokens in the Microsoft identity platform", section on the issuer
// of a signing key).
func (x *exchange) keys() {
	if !x.readOnly() {
		return
	}
	t, shared, f := x.tenant()
	if f != nil {
		x.entry.Endpoint = "keys"
		x.failJSON(f)
		return
	}
	issuer := "https://" + Host + "/{tenantid}/v2.0"
	if !shared {
		issuer = issuerV2(t)
	}
	var keys []map[string]any
	for _, k := range x.s.Keys.Set().Keys {
		data, err := json.Marshal(k)
		m := map[string]any{}
		if err != nil || json.Unmarshal(data, &m) != nil {
			x.failJSON(failInside())
			return
		}
		if !x.v1 {
			m["issuer"] = issuer
		}
		keys = append(keys, m)
	}
	x.json(http.StatusOK, map[string]any{"keys": keys})
}

// instance is what MSAL asks first, to learn which host names are one cloud. An unknown host is 400 invalid_instance,
// 50049 ("Microsoft Entra authentication and authorization error codes"; the shape is what MSAL reads).
func (x *exchange) instance() {
	if !x.readOnly() {
		return
	}
	q, f := parameters(x.r.URL.RawQuery)
	if f != nil {
		x.entry.Endpoint = "instance"
		x.failJSON(f)
		return
	}
	u, err := url.Parse(q.Get("authorization_endpoint"))
	host := ""
	if err == nil && u.Scheme == "https" {
		host = strings.ToLower(u.Hostname())
	}
	if !isAlias(host) {
		x.entry.Endpoint = "instance"
		x.failJSON(fail(50049, "invalid_instance", http.StatusBadRequest, "Unknown or invalid instance."))
		return
	}
	segment, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if segment == "" {
		segment = common
	}
	x.json(http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": "https://" + Host + "/" + url.PathEscape(segment) + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata": []map[string]any{
			{"preferred_network": Host, "preferred_cache": "login.windows.net", "aliases": Aliases},
		},
	})
}

// isAlias reports whether host, lower case, is a name of this cloud.
func isAlias(host string) bool { return slices.Contains(Aliases[:], host) }
