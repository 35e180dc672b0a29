package lab

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"sekisho/internal/lab/zone"
)

const graphHost = "https://graph.microsoft.com/v1.0/"

// graphClient asks the lab's Graph with one token.
type graphClient struct {
	t     testing.TB
	c     *http.Client
	token string
}

// asService is Lab Service in tenant.
func asService(t testing.TB, w *World, tenant string) graphClient {
	t.Helper()
	c := client(t, w)
	var a struct {
		Token string `json:"access_token"`
	}
	r := clientCredentials(t, c, tenant)
	if r.decode(t, &a); a.Token == "" {
		t.Fatalf("no token in %s: %s", tenant, r.body)
	}
	return graphClient{t, c, a.Token}
}

// asPerson is somebody through Lab Desktop in tenant, with scopes of Graph.
func asPerson(t testing.TB, w *World, tenant, user, password, scope string) graphClient {
	t.Helper()
	c := client(t, w)
	var a struct {
		Token string `json:"access_token"`
	}
	r := do(t, c, "POST", "https://login.microsoftonline.com/"+tenant+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"password"}, "client_id": {PublicApplication}, "username": {user}, "password": {password}, "scope": {scope},
	}.Encode())
	if r.decode(t, &a); a.Token == "" {
		t.Fatalf("no token for %s: %s", user, r.body)
	}
	return graphClient{t, c, a.Token}
}

// ask sends one request; path may be whole. header is name, value pairs.
func (g graphClient) ask(method, path, body string, header ...string) reply {
	g.t.Helper()
	if !strings.HasPrefix(path, "https://") {
		path = graphHost + path
	}
	r, err := http.NewRequestWithContext(g.t.Context(), method, path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Authorization", "Bearer "+g.token)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return send(g.t, g.c, r)
}

// want asks and expects a status, and the answer's JSON when there is one.
func (g graphClient) want(status int, method, path, body string, header ...string) map[string]any {
	g.t.Helper()
	r := g.ask(method, path, body, header...)
	if r.StatusCode != status {
		g.t.Fatalf("%s %s: %d, not %d: %s", method, path, r.StatusCode, status, r.body)
	}
	var out map[string]any
	if r.body != "" {
		r.decode(g.t, &out)
	}
	return out
}

// refused asks and expects an error in Graph's shape, with a code.
func (g graphClient) refused(status int, code, method, path, body string, header ...string) reply {
	g.t.Helper()
	r := g.ask(method, path, body, header...)
	var e struct {
		Error struct {
			Code, Message string
			InnerError    struct {
				Date      string
				RequestID string `json:"request-id"`
				ClientID  string `json:"client-request-id"`
			}
		}
	}
	if json.Unmarshal([]byte(r.body), &e) != nil || r.StatusCode != status || e.Error.Code != code || e.Error.Message == "" || e.Error.InnerError.Date == "" ||
		e.Error.InnerError.RequestID == "" || e.Error.InnerError.RequestID != r.Header.Get("request-id") || e.Error.InnerError.ClientID != r.Header.Get("client-request-id") {
		g.t.Errorf("%s %s: %d %s, not %d %s", method, path, r.StatusCode, r.body, status, code)
	}
	return r
}

// values are the ids in an answer.
func ids(answer map[string]any, property string) []string {
	var out []string
	list, _ := answer["value"].([]any)
	for _, v := range list {
		m, _ := v.(map[string]any)
		s, _ := m[property].(string)
		out = append(out, s)
	}
	return out
}

func TestGraphUsers(t *testing.T) {
	w := openWorld(t, Options{})
	g := asService(t, w, "contoso.com")
	all := g.want(200, "GET", "users", "")
	if names := ids(all, "userPrincipalName"); len(names) != 9 || !strings.Contains(strings.Join(names, " "), "dave_fabrikam.com#EXT#@contoso.onmicrosoft.com") {
		t.Errorf("users: %v", names)
	}
	if all["@odata.context"] != "https://graph.microsoft.com/v1.0/$metadata#users" {
		t.Errorf("context %v", all["@odata.context"])
	}
	made := g.want(201, "POST", "users", `{"accountEnabled":true,"displayName":"Rika Ono","mailNickname":"rika","userPrincipalName":"rika@contoso.com",
		"passwordProfile":{"password":"Lab-rika-1","forceChangePasswordNextSignIn":false}}`)
	id, _ := made["id"].(string)
	if me := asPerson(t, w, "contoso.com", "rika@contoso.com", "Lab-rika-1", "User.Read").want(200, "GET", "me", ""); me["id"] != id || me["displayName"] != "Rika Ono" {
		t.Errorf("me: %v", me)
	}
	g.want(204, "PATCH", "users/"+id, `{"displayName":"Rika Sato","userPrincipalName":"rika.sato@contoso.com"}`)
	if u := g.want(200, "GET", "users/rika.sato@contoso.com?$select=displayName,accountEnabled", ""); u["displayName"] != "Rika Sato" || u["accountEnabled"] != true || u["id"] != nil {
		t.Errorf("selected: %v", u)
	}
	g.want(204, "PATCH", "users/"+id, `{"accountEnabled":false}`)
	if w.Directory().Tenants[0].Name != "Contoso" {
		t.Fatal("order of tenants")
	}
	if u, ok := w.Directory().Person("rika.sato@contoso.com"); !ok || !u.Disabled {
		t.Error("disabling did not reach the directory")
	}
	g.want(204, "DELETE", "users/"+id, "")
	g.refused(404, "Request_ResourceNotFound", "GET", "users/"+id, "")

	const profile = `"passwordProfile":{"password":"Lab-some-1"}`
	for body, status := range map[string]int{
		`{"accountEnabled":true,"displayName":"A","mailNickname":"a","userPrincipalName":"a@unverified.example",` + profile + `}`:                400,
		`{"accountEnabled":true,"displayName":"A","mailNickname":"a","userPrincipalName":"a@contoso.example",` + profile + `}`:                   400,
		`{"accountEnabled":true,"displayName":"A","mailNickname":"bob","userPrincipalName":"bob@fabrikam.com",` + profile + `}`:                  400,
		`{"accountEnabled":true,"displayName":"A","mailNickname":"alice","userPrincipalName":"alice@contoso.com",` + profile + `}`:               400,
		`{"accountEnabled":true,"displayName":"A","mailNickname":"a","userPrincipalName":"a@contoso.com","passwordProfile":{"password":"weak"}}`: 400,
		`{"accountEnabled":"yes","displayName":"A","mailNickname":"a","userPrincipalName":"a@contoso.com",` + profile + `}`:                      400,
		`{"accountEnabled":true,"displayName":"A","mailNickname":"a","userPrincipalName":"a@contoso.com",` + profile + `,"isAdmin":true}`:        400,
		`{"accountEnabled":true,"displayName":"A","displayName":"B","mailNickname":"a","userPrincipalName":"a@contoso.com",` + profile + `}`:     400,
		`{"displayName":"A"}`: 400, `[]`: 400, `{`: 400, `null`: 400, `"x"`: 400,
	} {
		if r := g.ask("POST", "users", body); r.StatusCode != status {
			t.Errorf("%s: %d %s", body, r.StatusCode, r.body)
		}
	}
	g.refused(405, "Request_BadRequest", "PUT", "users", `{}`)
	g.refused(413, "Request_BadRequest", "POST", "users", `{"displayName":"`+strings.Repeat("x", 70000)+`"}`)
	if r := g.refused(400, "BadRequest", "GET", "teapots", ""); r.Header.Get("X-Sekisho-Lab") == "" {
		t.Error("not the lab's answer")
	}
}

func TestGraphQueries(t *testing.T) {
	w := openWorld(t, Options{})
	g := asService(t, w, "contoso.com")
	next, seen := "users?$top=2&$orderby=displayName&$select=id", map[string]bool{}
	pages := 0
	for next != "" {
		page := g.want(200, "GET", next, "")
		for _, id := range ids(page, "id") {
			if seen[id] {
				t.Error("twice:", id)
			}
			seen[id] = true
		}
		next, _ = page["@odata.nextLink"].(string)
		if pages++; pages > 9 {
			t.Fatal("no end of pages")
		}
	}
	if len(seen) != 9 || pages != 5 {
		t.Errorf("%d users on %d pages", len(seen), pages)
	}
	for query, n := range map[string]int{
		"$filter=startswith(displayName,'Alice')": 1, "$filter=userType%20eq%20'Guest'": 3, "$filter=accountEnabled%20eq%20false": 1,
		"$filter=id%20in%20('7d0c2b1e-5a34-4f68-9c1b-2e3d4f5a6b01')": 1,
	} {
		if got := ids(g.want(200, "GET", "users?"+query, ""), "id"); len(got) != n {
			t.Errorf("%s: %v", query, got)
		}
	}
	eventual := []string{"ConsistencyLevel", "eventual"}
	g.refused(400, "Request_UnsupportedQuery", "GET", "users?$filter=userType%20ne%20'Guest'", "")
	if page := g.want(200, "GET", "users?$filter=userType%20ne%20'Guest'&$count=true", "", eventual...); page["@odata.count"] != 6.0 {
		t.Errorf("count %v", page["@odata.count"])
	}
	if r := g.ask("GET", "users/$count", "", eventual...); r.body != "9" || r.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("$count: %q", r.body)
	}
	for query, code := range map[string]string{
		"$expand=memberOf": "Request_UnsupportedQuery", "$search=%22displayName:a%22": "Request_UnsupportedQuery", "$skip=1": "Request_UnsupportedQuery",
		"$filter=displayName": "Request_BadRequest", "$top=1000": "Request_BadRequest", "$top=0": "Request_BadRequest", "$filter=nonsense%20eq%201": "Request_BadRequest",
		"$skiptoken=AAAA": "Directory_ExpiredPageToken", "$select=password": "Request_BadRequest", "$orderby=userType": "Request_UnsupportedQuery",
	} {
		g.refused(400, code, "GET", "users?"+query, "")
	}
	g.refused(400, "Request_UnsupportedQuery", "GET", "users/alice@contoso.com?$top=1", "")
	if r := g.ask("GET", "users", "", "client-request-id", "0F6F0F9E-6AE7-4F4B-8A3B-6E1D0E8E3E11"); r.Header.Get("client-request-id") != "0f6f0f9e-6ae7-4f4b-8a3b-6e1d0e8e3e11" ||
		r.Header.Get("Date") == "" {
		t.Errorf("headers %v", r.Header)
	}
}

func TestGraphGroups(t *testing.T) {
	w := openWorld(t, Options{})
	g := asService(t, w, "contoso.com")
	if names := ids(g.want(200, "GET", "groups?$orderby=displayName", ""), "displayName"); strings.Join(names, ",") != "Contoso Finance,Contoso Staff" {
		t.Errorf("groups %v", names)
	}
	members := g.want(200, "GET", "groups/"+ContosoStaff+"/members", "")
	if kinds := strings.Join(ids(members, "@odata.type"), " "); strings.Count(kinds, "user") != 2 || strings.Count(kinds, "#microsoft.graph.group") != 1 {
		t.Errorf("members %v", kinds)
	}
	chosen := g.want(200, "GET", "groups/"+ContosoStaff+"/members?$select=userPrincipalName,securityEnabled", "")["value"].([]any)
	for _, one := range chosen {
		m := one.(map[string]any)
		if _, group := m["securityEnabled"]; len(m) != 2 || group != (m["@odata.type"] == "#microsoft.graph.group") {
			t.Errorf("selected of a member: %v", m)
		}
	}
	made := g.want(201, "POST", "groups", `{"displayName":"Lab Testers","mailEnabled":false,"mailNickname":"testers","securityEnabled":true}`)
	id, _ := made["id"].(string)
	const alice = "7d0c2b1e-5a34-4f68-9c1b-2e3d4f5a6b01"
	ref := `{"@odata.id":"https://graph.microsoft.com/v1.0/directoryObjects/` + alice + `"}`
	g.want(204, "POST", "groups/"+id+"/members/$ref", ref)
	g.refused(400, "Request_BadRequest", "POST", "groups/"+id+"/members/$ref", ref)
	if got := ids(g.want(200, "GET", "users/"+alice+"/memberOf", ""), "id"); len(got) != 2 {
		t.Errorf("memberOf %v", got)
	}
	g.refused(400, "Request_BadRequest", "POST", "groups/"+ContosoFinance+"/members/$ref", `{"@odata.id":"https://graph.microsoft.com/v1.0/directoryObjects/`+ContosoStaff+`"}`)
	g.refused(404, "Request_ResourceNotFound", "POST", "groups/"+id+"/members/$ref", `{"@odata.id":"https://graph.microsoft.com/v1.0/users/91a4c6e8-2b5d-4f70-8a9c-1d3e5f7a9b01"}`)
	g.refused(400, "Request_BadRequest", "POST", "groups/"+id+"/members/$ref", `{"@odata.id":"https://elsewhere.example/v1.0/users/`+alice+`"}`)
	g.want(204, "DELETE", "groups/"+id+"/members/"+alice+"/$ref", "")
	g.refused(404, "Request_ResourceNotFound", "DELETE", "groups/"+id+"/members/"+alice+"/$ref", "")
	g.want(204, "DELETE", "groups/"+ContosoStaff+"/members/"+alice+"/$ref", "") // the file names her by her name
	g.want(204, "PATCH", "groups/"+id, `{"displayName":"Testers"}`)
	g.want(204, "DELETE", "groups/"+id, "")
	g.refused(404, "Request_ResourceNotFound", "GET", "groups/"+id, "")
}

// A domain goes although applications, service principals and policies were described by its name, and does not take them
// to whoever verifies it next.
func TestGraphDomainGoes(t *testing.T) {
	w := openWorld(t, Options{})
	g := asService(t, w, "fabrikam.com")
	g.refused(400, "Request_BadRequest", "DELETE", "domains/fabrikam.com", "")
	for _, name := range []string{"bob", "dave"} {
		g.want(204, "PATCH", "users('"+name+"@fabrikam.com')", `{"userPrincipalName":"`+name+`@fabrikam.onmicrosoft.com"}`)
	}
	g.want(204, "PATCH", "domains/fabrikam.onmicrosoft.com", `{"isDefault":true}`)
	g.want(204, "DELETE", "domains/fabrikam.com", "")
	if r := clientCredentials(t, g.c, "fabrikam.com"); r.StatusCode == 200 {
		t.Error("the domain names the tenant still")
	}
	if names := ids(asService(t, w, FabrikamTenant).want(200, "GET", "servicePrincipals", ""), "displayName"); len(names) < 4 {
		t.Errorf("principals %v", names)
	}
	asPerson(t, w, FabrikamTenant, "bob@fabrikam.onmicrosoft.com", BobPassword, "User.Read").want(200, "GET", "me", "")
	contoso := asService(t, w, "contoso.com")
	if got := ids(contoso.want(200, "GET", "policies/crossTenantAccessPolicy/partners", ""), "tenantId"); len(got) != 1 || got[0] != FabrikamTenant {
		t.Errorf("partners %v", got)
	}
	contoso.want(201, "POST", "domains", `{"id":"fabrikam.com"}`)
	contoso.refused(415, "Request_BadRequest", "POST", "domains", `{"id":"x.example"}`, "Content-Encoding", "gzip")
}

// A domain is added, proven by a record, becomes the default one, carries people at once, and stays while it does.
func TestGraphDomains(t *testing.T) {
	for _, kind := range []string{zone.TXT, zone.MX} {
		t.Run(kind, func(t *testing.T) {
			w := openWorld(t, Options{})
			g := asService(t, w, "contoso.com")
			d := g.want(201, "POST", "domains", `{"id":"New.Contoso-Test.example"}`)
			const name = "new.contoso-test.example"
			if d["id"] != name || d["isVerified"] != false || d["isRoot"] != false || d["authenticationType"] != "Managed" {
				t.Fatalf("made %v", d)
			}
			g.want(201, "POST", "domains", `{"id":"sub.`+name+`"}`)
			const user = `{"accountEnabled":true,"displayName":"Nao","mailNickname":"nao","userPrincipalName":"nao@` + name + `","passwordProfile":{"password":"Lab-nao-1"}}`
			g.refused(400, "Request_BadRequest", "POST", "users", user)
			if r := g.refused(400, "Request_BadRequest", "POST", "domains/"+name+"/verify", ""); r.Header.Get("X-Sekisho-Lab-Assumption") != "graph-refusal-status" {
				t.Error("no assumption named")
			}
			g.refused(400, "Request_BadRequest", "PATCH", "domains/"+name, `{"isDefault":true}`)
			realm := "https://login.microsoftonline.com/common/UserRealm/nao@" + name + "?api-version=1.0"
			if r := do(t, g.c, "GET", realm, ""); !strings.Contains(r.body, "Unknown") {
				t.Errorf("realm before: %s", r.body)
			}
			discovery := "https://login.microsoftonline.com/" + name + "/v2.0/.well-known/openid-configuration"
			if r := do(t, g.c, "GET", discovery, ""); r.StatusCode != 400 {
				t.Errorf("discovery before: %d", r.StatusCode)
			}
			records := g.want(200, "GET", "domains/"+name+"/verificationDnsRecords", "")["value"].([]any)
			value := records[0].(map[string]any)["text"].(string)
			if kind == zone.MX {
				value = records[1].(map[string]any)["mailExchange"].(string)
			}
			r, err := zone.Parse(name, kind, value)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Zone().Set(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			// The record is another for each tenant: what proves the domain for one proves it for no other.
			fabrikam := asService(t, w, "fabrikam.com")
			fabrikam.want(201, "POST", "domains", `{"id":"`+name+`"}`)
			fabrikam.refused(400, "Request_BadRequest", "POST", "domains/"+name+"/verify", "")
			if d := g.want(200, "POST", "domains/"+name+"/verify", ""); d["isVerified"] != true || d["availabilityStatus"] != "AvailableImmediately" || d["isRoot"] != true {
				t.Errorf("verified %v", d)
			}
			if d := g.want(200, "GET", "domains/sub."+name, ""); d["isVerified"] != true || d["isRoot"] != false {
				t.Errorf("the subdomain: %v", d)
			}
			g.refused(400, "Request_BadRequest", "POST", "domains/"+name+"/verify", "")
			g.want(201, "POST", "users", user)
			if me := asPerson(t, w, name, "nao@"+name, "Lab-nao-1", "User.Read").want(200, "GET", "me", ""); me["userPrincipalName"] != "nao@"+name {
				t.Errorf("me %v", me)
			}
			if r := do(t, g.c, "GET", realm, ""); !strings.Contains(r.body, "Managed") {
				t.Errorf("realm after: %s", r.body)
			}
			if r := do(t, g.c, "GET", discovery, ""); r.StatusCode != 200 || !strings.Contains(r.body, ContosoTenant) {
				t.Errorf("discovery after: %d", r.StatusCode)
			}
			g.refused(400, "Request_BadRequest", "DELETE", "domains/"+name, "")
			if refs := ids(g.want(200, "GET", "domains/"+name+"/domainNameReferences", ""), "userPrincipalName"); len(refs) != 1 {
				t.Errorf("references %v", refs)
			}
			g.want(204, "DELETE", "users/nao@"+name, "")
			g.want(204, "PATCH", "domains/"+name, `{"isDefault":true}`)
			g.refused(400, "Request_BadRequest", "DELETE", "domains/"+name, "")
			g.want(204, "PATCH", "domains/contoso.com", `{"isDefault":true}`)
			g.want(204, "DELETE", "domains/"+name, "")
			g.refused(400, "Request_BadRequest", "DELETE", "domains/contoso.onmicrosoft.com", "")
			g.refused(404, "Request_ResourceNotFound", "GET", "domains/"+name, "")
			for _, bad := range []string{"", "x", "contoso.com", "a b.example", "..", "new.onmicrosoft.com", "*.example.com", "127.0.0.1", strings.Repeat("a.", 200) + "example"} {
				body, _ := json.Marshal(map[string]string{"id": bad})
				g.refused(400, "Request_BadRequest", "POST", "domains", string(body))
			}
		})
	}
}
