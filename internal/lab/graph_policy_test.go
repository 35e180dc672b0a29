package lab

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"sekisho/internal/graph"
	"sekisho/internal/signinlog"
)

// An application is registered, gets a secret, is known in the tenant, signs in, and loses all of it again.
func TestGraphApplications(t *testing.T) {
	w := openWorld(t, Options{})
	g := asService(t, w, "contoso.com")
	if names := ids(g.want(200, "GET", "applications?$orderby=displayName", ""), "displayName"); len(names) != 5 || names[0] != "Lab Certificate Service" {
		t.Errorf("applications %v", names)
	}
	made := g.want(201, "POST", "applications", `{"displayName":"Batch","signInAudience":"AzureADMyOrg","web":{"redirectUris":["https://batch.contoso.com/cb"]}}`)
	id, client := made["id"].(string), made["appId"].(string)
	if id == client {
		t.Error("object id and client id are the same")
	}
	g.want(201, "POST", "servicePrincipals", `{"appId":"`+client+`"}`)
	g.refused(400, "Request_BadRequest", "POST", "servicePrincipals", `{"appId":"`+client+`"}`)
	secret := g.want(200, "POST", "applications/"+id+"/addPassword", `{"passwordCredential":{"displayName":"first"}}`)
	text, _ := secret["secretText"].(string)
	if len(text) < 40 || secret["hint"] != text[:3] {
		t.Fatalf("secret %v", secret)
	}
	if r := g.ask("GET", "applications(appId='"+client+"')", ""); r.StatusCode != 200 || strings.Contains(r.body, text) || !strings.Contains(r.body, `"hint":"`+text[:3]) {
		t.Errorf("the secret is shown again, or the application is not found: %s", r.body)
	}
	sign := func() reply {
		return do(t, g.c, "POST", "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token", url.Values{
			"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {text}, "scope": {"https://graph.microsoft.com/.default"},
		}.Encode())
	}
	var a struct {
		Token string `json:"access_token"`
	}
	if sign().decode(t, &a); a.Token == "" {
		t.Fatal("the new application does not sign in")
	}
	// Nobody has agreed to it: it has no permission.
	graphClient{t, g.c, a.Token}.refused(403, "Authorization_RequestDenied", "GET", "users", "")
	if r := asService(t, w, "fabrikam.com").ask("POST", "servicePrincipals", `{"appId":"`+client+`"}`); r.StatusCode != 400 {
		t.Errorf("a single-tenant application elsewhere: %d", r.StatusCode)
	}
	g.want(204, "PATCH", "applications/"+id, `{"displayName":"Batch 2"}`)
	if names := ids(g.want(200, "GET", "servicePrincipals?$filter=startswith(displayName,'Batch')", ""), "displayName"); len(names) != 1 || names[0] != "Batch 2" {
		t.Errorf("principals %v", names)
	}
	g.want(204, "POST", "applications/"+id+"/removePassword", `{"keyId":"`+secret["keyId"].(string)+`"}`)
	if r := sign(); r.StatusCode == 200 {
		t.Error("a removed secret works")
	}
	g.want(204, "DELETE", "servicePrincipals(appId='"+client+"')", "")
	g.want(204, "DELETE", "applications/"+id, "")
	g.refused(404, "Request_ResourceNotFound", "GET", "applications/"+id, "")
}

// What is written through Graph is what restriction headers are then judged by.
func TestGraphPolicies(t *testing.T) {
	w := openWorld(t, Options{})
	g := asService(t, w, "contoso.com")
	p := g.want(200, "GET", "policies/crossTenantAccessPolicy/default", "")
	if p["id"] != ContosoPolicy || p["isServiceDefault"] != false {
		t.Fatalf("default %v", p)
	}
	partners := g.want(200, "GET", "policies/crossTenantAccessPolicy/partners", "")
	if got := ids(partners, "tenantId"); len(got) != 1 || got[0] != FabrikamTenant {
		t.Errorf("partners %v", got)
	}
	header := []string{"sec-Restrict-Tenant-Access-Policy", ContosoTenant + ":" + ContosoPolicy}
	sign := func(tenant, user, password string) int {
		r := do(t, g.c, "POST", "https://login.microsoftonline.com/"+tenant+"/oauth2/v2.0/token", url.Values{
			"grant_type": {"password"}, "client_id": {PublicApplication}, "username": {user}, "password": {password}, "scope": {"User.Read"},
		}.Encode(), header...)
		if r.StatusCode == 200 {
			return 0
		}
		return r.code(t)
	}
	if bob, carol := sign("fabrikam.com", Bob, BobPassword), sign("northwindtraders.com", Carol, CarolPassword); bob != 0 || carol != 5000211 {
		t.Fatalf("before: %d %d", bob, carol)
	}
	const all = `{"tenantRestrictions":{"usersAndGroups":{"accessType":"%","targets":[{"target":"AllUsers","targetType":"user"}]},"applications":{"accessType":"%","targets":[{"target":"AllApplications","targetType":"application"}]}}`
	everybody := func(access string) string { return strings.ReplaceAll(all, "%", access) + "}" }
	g.want(204, "PATCH", "policies/crossTenantAccessPolicy/partners/"+FabrikamTenant, everybody("blocked"))
	g.want(201, "POST", "policies/crossTenantAccessPolicy/partners", strings.TrimSuffix(everybody("allowed"), "}")+`,"tenantId":"`+NorthwindTenant+`"}`)
	g.refused(400, "Request_BadRequest", "POST", "policies/crossTenantAccessPolicy/partners", strings.TrimSuffix(everybody("allowed"), "}")+`,"tenantId":"`+NorthwindTenant+`"}`)
	if bob, carol := sign("fabrikam.com", Bob, BobPassword), sign("northwindtraders.com", Carol, CarolPassword); bob != 5000211 || carol != 0 {
		t.Errorf("after: %d %d", bob, carol)
	}
	// One person of the partner alone.
	one := strings.Replace(everybody("allowed"), `"AllUsers"`, `"91a4c6e8-2b5d-4f70-8a9c-1d3e5f7a9b01"`, 1)
	g.want(204, "PATCH", "policies/crossTenantAccessPolicy/partners/"+FabrikamTenant, one)
	if bob, dave := sign("fabrikam.com", Bob, BobPassword), sign("fabrikam.com", Dave, DavePassword); bob != 0 || dave != 5000211 {
		t.Errorf("one person: %d %d", bob, dave)
	}
	g.want(204, "DELETE", "policies/crossTenantAccessPolicy/partners/"+NorthwindTenant, "")
	g.refused(404, "Request_ResourceNotFound", "GET", "policies/crossTenantAccessPolicy/partners/"+NorthwindTenant, "")
	if carol := sign("northwindtraders.com", Carol, CarolPassword); carol != 5000211 {
		t.Errorf("after deletion: %d", carol)
	}
	g.want(204, "PATCH", "policies/crossTenantAccessPolicy/default", everybody("allowed"))
	if carol := sign("northwindtraders.com", Carol, CarolPassword); carol != 0 {
		t.Errorf("default allowed: %d", carol)
	}
	// A tenant without a policy has the service's default, and gets one with the first change.
	n := asService(t, w, "northwindtraders.com")
	if p := n.want(200, "GET", "policies/crossTenantAccessPolicy/default", ""); p["isServiceDefault"] != true || p["tenantRestrictions"] != nil {
		t.Errorf("service default %v", p)
	}
	n.want(204, "PATCH", "policies/crossTenantAccessPolicy/default", everybody("blocked"))
	if p := n.want(200, "GET", "policies/crossTenantAccessPolicy/default", ""); p["isServiceDefault"] != false || len(p["id"].(string)) != 36 {
		t.Errorf("its own %v", p)
	}
	for _, body := range []string{
		`{}`, `{"tenantRestrictions":null}`, `{"tenantRestrictions":{}}`, `{"inboundTrust":{}}`, everybody("perhaps"),
		strings.Replace(everybody("allowed"), "allowed", "blocked", 1), strings.Replace(everybody("allowed"), "AllUsers", "somebody", 1),
		strings.Replace(everybody("allowed"), `"targetType":"user"`, `"targetType":"application"`, 1) + "x",
		`{"tenantRestrictions":{"usersAndGroups":{"accessType":"allowed","targets":[]},"applications":{"accessType":"allowed","targets":[]}}}`,
	} {
		if r := g.ask("PATCH", "policies/crossTenantAccessPolicy/default", body); r.StatusCode != 400 {
			t.Errorf("%s: %d %s", body, r.StatusCode, r.body)
		}
	}
}

// The sign-in log is that of the token's tenant, masked as the report is, and can be asked for what the report shows.
func TestGraphSignIns(t *testing.T) {
	w := openWorld(t, Options{})
	c := client(t, w)
	asPerson(t, w, "contoso.com", Alice, AlicePassword, "User.Read")
	do(t, c, "POST", "https://login.microsoftonline.com/organizations/oauth2/v2.0/token", url.Values{
		"grant_type": {"password"}, "client_id": {PublicApplication}, "username": {Bob}, "password": {BobPassword}, "scope": {"User.Read"},
	}.Encode(), "Restrict-Access-To-Tenants", "contoso.com", "Restrict-Access-Context", ContosoTenant)
	g := asService(t, w, "contoso.com")
	log := g.want(200, "GET", "auditLogs/signIns", "")
	names := strings.Join(ids(log, "userPrincipalName"), " ")
	if names != "{PII Removed}@fabrikam.com alice@contoso.com" {
		t.Errorf("log %q", names)
	}
	blocked := g.want(200, "GET", "auditLogs/signIns?$filter=status/errorCode%20eq%20500021", "")["value"].([]any)
	if len(blocked) != 1 {
		t.Fatalf("blocked %v", blocked)
	}
	row := blocked[0].(map[string]any)
	if row["userId"] != "00000000-0000-0000-0000-000000000000" || row["status"].(map[string]any)["errorCode"] != 500021.0 || row["signInEventTypes"] != nil {
		t.Errorf("row %v", row)
	}
	if one := g.want(200, "GET", "auditLogs/signIns/"+row["id"].(string), ""); one["correlationId"] != row["correlationId"] {
		t.Errorf("one %v", one)
	}
	now := time.Now().UTC()
	for query, n := range map[string]int{
		"$filter=userPrincipalName%20eq%20'alice@contoso.com'":                                                               1,
		"$filter=startswith(appDisplayName,'Lab')%20and%20createdDateTime%20le%20" + now.Add(time.Hour).Format(time.RFC3339): 2,
		"$filter=createdDateTime%20ge%20" + now.Add(time.Hour).Format(time.RFC3339):                                          0,
		"$top=1":                         1,
		"$orderby=createdDateTime%20asc": 2,
	} {
		if got := ids(g.want(200, "GET", "auditLogs/signIns?"+query, ""), "id"); len(got) != n {
			t.Errorf("%s: %d", query, len(got))
		}
	}
	beta := strings.Replace(graphHost, "v1.0", "beta", 1) + "auditLogs/signIns"
	if got := ids(g.want(200, "GET", beta, ""), "id"); len(got) != 2 {
		t.Errorf("beta: %v", got)
	}
	principals := g.want(200, "GET", beta+"?$filter=signInEventTypes/any(t:t%20eq%20'servicePrincipal')", "")["value"].([]any)
	if len(principals) != 1 || principals[0].(map[string]any)["servicePrincipalName"] != "Lab Service" || principals[0].(map[string]any)["resourceTenantId"] != ContosoTenant {
		t.Errorf("service principals %v", principals)
	}
	g.refused(400, "Request_UnsupportedQuery", "GET", "auditLogs/signIns?$filter=riskState%20eq%20'none'", "")
	// The program's own reader of real tenants' logs reads the lab's, too.
	for _, beta := range []bool{false, true} {
		reader := &signinlog.Graph{Client: g.c, Beta: beta, Credential: graph.Credential{
			Tenant: "contoso.com", Application: ServiceApplication, Secret: ServiceSecret,
		}}
		rows, more, err := reader.SignIns(t.Context(), now.Add(-time.Hour), now.Add(time.Hour), 0)
		masked := 0
		for _, r := range rows {
			if r.Blocked() && r.UserName == "{PII Removed}@fabrikam.com" && r.UserID == "00000000-0000-0000-0000-000000000000" &&
				(!beta || r.TargetTenant == FabrikamTenant) {
				masked++
			}
		}
		if least := map[bool]int{false: 2, true: 3}[beta]; err != nil || more || len(rows) < least || masked != 1 {
			t.Errorf("beta %v: %d rows, %d masked, more %v, %v", beta, len(rows), masked, more, err)
		}
	}
	// Nobody else sees them.
	if got := ids(asService(t, w, "northwindtraders.com").want(200, "GET", "auditLogs/signIns", ""), "id"); len(got) != 0 {
		t.Errorf("northwind sees %v", got)
	}
}
