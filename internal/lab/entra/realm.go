package entra

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strings"
	"unicode/utf8"

	"sekisho/internal/lab/directory"
)

// Realm discovery in the shapes that public clients read (MSAL for Go asks UserRealm; getuserrealm.srf and
// GetCredentialType are described by third parties alone). The lab's tenants are all managed.

// accountType is Managed, Unknown, or Federated (which the lab does not have).
func (x *exchange) accountType(upn string) (kind, domain, brand string) {
	_, domain, _ = strings.Cut(strings.ToLower(strings.TrimSpace(upn)), "@")
	domain = clip(domain, 253)
	if t, ok := x.dir.DomainOf(upn); ok {
		return "Managed", domain, t.Name
	}
	return "Unknown", domain, ""
}

// realm answers /common/UserRealm/{upn}?api-version=1.0 and ?user=…&api-version=2.1.
func (x *exchange) realm(upn string) {
	if !x.readOnly() {
		return
	}
	q, f := parameters(x.r.URL.RawQuery)
	if f != nil {
		x.failJSON(f)
		return
	}
	if user := q.Get("user"); user != "" {
		upn = user
	}
	if !plain(upn) {
		x.failJSON(failMalformed("the user name is not UTF-8 text"))
		return
	}
	kind, domain, brand := x.accountType(upn)
	if q.Get("api-version") == "2.1" {
		m := map[string]any{"NameSpaceType": kind, "Login": clip(upn, 320), "DomainName": domain, "CloudInstanceName": "microsoftonline.com"}
		if kind == "Managed" {
			m["FederationBrandName"] = brand
		}
		x.json(http.StatusOK, m)
		return
	}
	m := map[string]any{"ver": "1.0", "account_type": kind}
	if kind == "Managed" {
		m["domain_name"], m["cloud_instance_name"], m["cloud_audience_urn"] = domain, "microsoftonline.com", "urn:federation:MicrosoftOnline"
	}
	x.json(http.StatusOK, m)
}

// realmSRF answers /getuserrealm.srf?login=…, as JSON or, with xml=1, as XML.
func (x *exchange) realmSRF() {
	if !x.readOnly() {
		return
	}
	q, f := parameters(x.r.URL.RawQuery)
	if f != nil {
		x.failJSON(f)
		return
	}
	kind, domain, brand := x.accountType(q.Get("login"))
	type realm struct {
		XMLName xml.Name `xml:"RealmInfo" json:"-"`
		State   int      `xml:"State" json:"State"`
		Login   string   `xml:"Login" json:"Login"`
		Type    string   `xml:"NameSpaceType" json:"NameSpaceType"`
		Domain  string   `xml:"DomainName" json:"DomainName"`
		Brand   string   `xml:"FederationBrandName" json:"FederationBrandName"`
		Cloud   string   `xml:"CloudInstanceName" json:"CloudInstanceName"`
	}
	v := realm{State: 4, Login: clip(q.Get("login"), 320), Type: kind, Domain: domain, Brand: brand, Cloud: "microsoftonline.com"}
	if q.Get("xml") != "1" {
		x.json(http.StatusOK, v)
		return
	}
	data, err := xml.Marshal(v)
	if err != nil {
		x.json(http.StatusBadRequest, map[string]string{"error": "invalid_request"})
		return
	}
	x.w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	x.w.Write(data)
}

// credentialType answers POST /common/GetCredentialType. IfExistsResult: 0 there is such an account, 1 there is not,
// 5 it is another identity provider's (community reading; Microsoft does not document the endpoint).
func (x *exchange) credentialType() {
	if x.r.Method != http.MethodPost {
		x.failJSON(failMethod("POST", x.r.Method))
		return
	}
	data, f := x.body()
	var ask struct {
		Username string `json:"username"`
	}
	if f == nil && (!utf8.Valid(data) || json.Unmarshal(data, &ask) != nil || !plain(ask.Username)) {
		f = failMalformed("the body is not the JSON that was expected")
	}
	if f != nil {
		x.failJSON(f)
		return
	}
	exists := 1
	domainType := 1 // unknown
	if p, ok := x.dir.Person(ask.Username); ok {
		exists, domainType = 0, 3
		if p.Tenant.Kind == directory.Consumers {
			exists, domainType = 5, 2
		}
	}
	x.json(http.StatusOK, map[string]any{
		"Username": clip(ask.Username, 320), "Display": clip(ask.Username, 320), "IfExistsResult": exists,
		"IsUnmanaged": false, "ThrottleStatus": 0,
		"Credentials": map[string]any{
			"PrefCredential": 1, "HasPassword": true, "RemoteNgcParams": nil, "FidoParams": nil, "SasParams": nil,
			"CertAuthParams": nil, "GoogleParams": nil,
		},
		"EstsProperties":     map[string]any{"DomainType": domainType},
		"IsSignupDisallowed": true, "apiCanary": "lab",
	})
}
