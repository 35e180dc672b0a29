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

// issue answers with the tokens of g. info asks for client_info.
func (x *exchange) issue(g grant, info bool) {
	access, err := x.s.Keys.Sign(x.accessClaims(g))
	if err != nil {
		x.failJSON(failInside())
		return
	}
	life := int(token.Life / time.Second)
	a := answer{Type: "Bearer", ExpiresIn: life, ExtExpires: life, Access: access}
	if g.v1 {
		a.ExpiresIn, a.ExtExpires = strconv.Itoa(life), strconv.Itoa(life)
		a.ExpiresOn = strconv.FormatInt(x.now.Add(token.Life).Unix(), 10)
		a.NotBefore = strconv.FormatInt(x.now.Unix(), 10)
		a.Resource = g.scopes.Audience
	}
	if g.person != nil {
		a.Scope = grantedScope(g.scopes)
		if g.scopes.OpenID {
			if a.ID, err = x.s.Keys.Sign(x.idClaims(g)); err != nil {
				x.failJSON(failInside())
				return
			}
		}
		if g.scopes.Offline {
			a.Refresh = x.keepRefresh(g)
		}
		if info {
			a.ClientInfo = clientInfo(g)
		}
	}
	x.about(g.app, g.person, g.tenant)
	x.note(nil)
	x.json(http.StatusOK, a)
}

// clientInfo is what Microsoft's clients build the account's identity from: the object id and tenant of the home account.
func clientInfo(g grant) string {
	info, _ := json.Marshal(map[string]string{"uid": g.person.ID, "utid": g.person.Tenant.ID})
	return base64.RawURLEncoding.EncodeToString(info)
}

// grantedScope is what the response's scope says: what was asked for, in the words in which it was asked (MSAL for Go
// compares them), and what .default stands for.
func grantedScope(s scopes) string {
	out := slices.Clone(s.Items)
	if slices.Contains(s.Names, ".default") {
		out = append(out, s.Audience+"/User.Read")
	}
	return strings.Join(out, " ")
}

// permissions names what is granted; .default stands for what the application registered, which in the lab is User.Read.
func permissions(s scopes) []string {
	var out []string
	for _, n := range s.Names {
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
		"iat": x.now.Unix(), "nbf": x.now.Unix(), "exp": x.now.Add(token.Life).Unix(),
		"tid": g.tenant.ID, "uti": token.Opaque(16),
	}
}

// accessClaims: Microsoft Graph and the other Microsoft resources take version 1.0 tokens whatever endpoint was asked;
// an application of the directory takes version 2.0 with its id as audience ("Access tokens": the resource decides).
func (x *exchange) accessClaims(g grant) token.Claims {
	c := x.baseClaims(g)
	c["aud"] = g.scopes.Audience
	v2 := !strings.HasPrefix(g.scopes.Audience, "https://")
	acr := g.proof
	if acr == "" {
		acr = "1"
	}
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
		c["sub"], c["oid"], c["idtyp"] = id, id, "app"
		if roles := roles(g.app, g.tenant, g.scopes.Audience); len(roles) > 0 {
			c["roles"] = roles
		}
		return c
	}
	c["sub"] = token.Pairwise("sub", g.person.ID, g.tenant.ID, g.scopes.Audience)
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
	if g.sid != "" {
		c["sid"] = g.sid
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
