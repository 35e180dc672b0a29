package entra

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/token"
)

// grant is what a token says: who, for which application, in which tenant, for what.
type grant struct {
	tenant   *directory.Tenant
	person   *directory.User // nil for an application alone
	account  *directory.User // the person's object in tenant
	app      *directory.Application
	scopes   scopes
	nonce    string
	authTime time.Time
	methods  []string // amr
	policyID string   // xms_trpid
	family   string   // joins a code, its refresh tokens and their successors
	v1       bool
}

// again puts what stands in the directory now in place of what stood there when g was made. It reports false when any of
// it is gone.
func (x *exchange) again(g *grant) (ok bool) {
	if g.tenant, ok = x.dir.Tenant(g.tenant.ID); !ok {
		return false
	}
	if g.app, ok = x.dir.Application(g.app.ID); !ok || g.person == nil {
		return ok
	}
	if g.person, ok = x.dir.Again(g.person); ok {
		g.account, ok = g.tenant.Account(g.person)
	}
	return ok
}

// answer is the token response (RFC 6749, section 5.1, and Microsoft's additions).
type answer struct {
	Type       string `json:"token_type"`
	Scope      string `json:"scope,omitempty"`
	ExpiresIn  any    `json:"expires_in"`
	ExtExpires any    `json:"ext_expires_in"`
	ExpiresOn  string `json:"expires_on,omitempty"`
	NotBefore  string `json:"not_before,omitempty"`
	Resource   string `json:"resource,omitempty"`
	Access     string `json:"access_token"`
	Refresh    string `json:"refresh_token,omitempty"`
	ID         string `json:"id_token,omitempty"`
	ClientInfo string `json:"client_info,omitempty"`
}

// issue answers with the tokens of g. clientInfo asks for client_info.
func (x *exchange) issue(g grant, clientInfo bool) {
	access, err := x.s.Key.Sign(x.accessClaims(g))
	if err != nil {
		http.Error(x.w, "LAB: token could not be signed", http.StatusInternalServerError)
		return
	}
	life := int(tokenLife / time.Second)
	a := answer{Type: "Bearer", ExpiresIn: life, ExtExpires: life, Access: access}
	if g.v1 {
		a.ExpiresIn, a.ExtExpires = strconv.Itoa(life), strconv.Itoa(life)
		a.ExpiresOn = strconv.FormatInt(x.now.Add(tokenLife).Unix(), 10)
		a.NotBefore = strconv.FormatInt(x.now.Unix(), 10)
		a.Resource = g.scopes.audience
	}
	if g.person != nil {
		a.Scope = grantedScope(g.scopes)
		if g.scopes.openID {
			if a.ID, err = x.s.Key.Sign(x.idClaims(g)); err != nil {
				http.Error(x.w, "LAB: token could not be signed", http.StatusInternalServerError)
				return
			}
		}
		if g.scopes.offline {
			a.Refresh = x.keepRefresh(g)
		}
		if clientInfo {
			// Microsoft's clients build the account's identity from it: the object id and tenant of the home account.
			info, _ := json.Marshal(map[string]string{"uid": g.person.ID, "utid": g.person.Tenant.ID})
			a.ClientInfo = base64.RawURLEncoding.EncodeToString(info)
		}
	}
	x.about(g.app, g.person, g.tenant)
	x.note(nil)
	x.json(http.StatusOK, a)
}

// grantedScope is what the response's scope says: what was asked for, in the words in which it was asked (MSAL for Go
// compares them), and what .default stands for.
func grantedScope(s scopes) string {
	out := slices.Clone(s.items)
	if slices.Contains(s.names, ".default") {
		out = append(out, s.audience+"/User.Read")
	}
	return strings.Join(out, " ")
}

// permissions names what is granted; .default stands for what was consented, which in the lab is User.Read.
func permissions(s scopes) []string {
	var out []string
	for _, n := range s.names {
		if n == ".default" {
			n = "User.Read"
		}
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	if len(out) == 0 {
		out = []string{"User.Read"}
	}
	return out
}

// common claims of every token (Microsoft, "Access token claims reference" and "ID token claims reference").
func (x *exchange) baseClaims(g grant) token.Claims {
	return token.Claims{
		"iat": x.now.Unix(), "nbf": x.now.Unix(), "exp": x.now.Add(tokenLife).Unix(),
		"tid": g.tenant.ID, "uti": token.Opaque(16),
	}
}

// accessClaims: Microsoft Graph and the other Microsoft resources take version 1.0 tokens whatever endpoint was asked;
// an application of the directory takes version 2.0 with its id as audience ("Access tokens": the resource decides).
func (x *exchange) accessClaims(g grant) token.Claims {
	c := x.baseClaims(g)
	c["aud"] = g.scopes.audience
	v2 := !strings.HasPrefix(g.scopes.audience, "https://")
	acr := "1"
	if g.app.Public {
		acr = "0"
	}
	if v2 {
		c["ver"], c["iss"] = "2.0", issuerV2(g.tenant)
		c["azp"], c["azpacr"] = g.app.ID, acr
	} else {
		c["ver"], c["iss"] = "1.0", issuerV1(g.tenant)
		c["appid"], c["appidacr"], c["app_displayname"] = g.app.ID, acr, g.app.Name
		c["idp"] = issuerV1(g.tenant)
	}
	if g.policyID != "" {
		c["xms_trpid"] = g.policyID // "universal tenant restrictions": what the data plane looks for
	}
	if g.person == nil {
		id, _ := g.app.In(g.tenant)
		c["sub"], c["oid"], c["idtyp"], c["roles"] = id, id, "app", []string{"User.Read.All"}
		return c
	}
	c["sub"] = token.Pairwise("sub", g.person.ID, g.tenant.ID, g.scopes.audience)
	c["oid"], c["name"], c["scp"] = g.account.ID, g.person.Name, strings.Join(permissions(g.scopes), " ")
	if v2 {
		c["preferred_username"] = g.person.UPN
	} else {
		c["upn"], c["unique_name"], c["amr"], c["idtyp"] = g.person.UPN, g.person.UPN, g.methods, "user"
		c["idp"] = issuerV1(g.person.Tenant)
	}
	return c
}

func (x *exchange) idClaims(g grant) token.Claims {
	c := x.baseClaims(g)
	c["aud"] = g.app.ID
	c["sub"] = token.Pairwise("sub", g.person.ID, g.tenant.ID, g.app.ID)
	c["oid"], c["name"] = g.account.ID, g.person.Name
	c["auth_time"] = g.authTime.Unix()
	if g.nonce != "" {
		c["nonce"] = g.nonce
	}
	if g.person.Tenant.ID != g.tenant.ID {
		c["idp"] = issuerV1(g.person.Tenant)
	}
	if g.v1 {
		c["ver"], c["iss"], c["upn"], c["unique_name"] = "1.0", issuerV1(g.tenant), g.person.UPN, g.person.UPN
		return c
	}
	c["ver"], c["iss"], c["preferred_username"] = "2.0", issuerV2(g.tenant), g.person.UPN
	return c
}

func issuerV2(t *directory.Tenant) string { return "https://" + Host + "/" + t.ID + "/v2.0" }
func issuerV1(t *directory.Tenant) string { return "https://sts.windows.net/" + t.ID + "/" }
