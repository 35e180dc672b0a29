package lab

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"

	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/zone"
)

const syncURL = "https://graph.microsoft.com/lab/synchronization"

// verifier is what is sent of a password: made cheaply, because the lab's are no secrets.
func verifier(password string) string {
	salt := []byte("0123456789abcdef")
	sum := argon2.IDKey([]byte(password), salt, 1, 64, 1, 32)
	return "$argon2id$v=19$m=64,t=1,p=1$" + base64.RawStdEncoding.EncodeToString(salt) + "$" + base64.RawStdEncoding.EncodeToString(sum)
}

// brought is the answer of the channel.
type brought struct {
	Lab     bool
	Results []directory.SyncResult
}

func (g graphClient) synchronise(method string, objects ...map[string]any) brought {
	g.t.Helper()
	for _, o := range objects {
		if o["deleted"] == nil {
			o["objectClass"] = "user"
			if o["accountEnabled"] == nil {
				o["accountEnabled"] = true
			}
		}
	}
	body, err := json.Marshal(map[string]any{"method": method, "objects": objects})
	if err != nil {
		g.t.Fatal(err)
	}
	r := g.ask("POST", syncURL, string(body))
	if r.StatusCode != 200 || r.Header.Get("X-Sekisho-Lab-Assumption") != directory.AssumedChannel {
		g.t.Fatalf("synchronisation: %d %s %v", r.StatusCode, r.body, r.Header)
	}
	var out brought
	r.decode(g.t, &out)
	if !out.Lab || len(out.Results) != len(objects) {
		g.t.Fatalf("synchronisation: %s", r.body)
	}
	return out
}

// signInCode is the AADSTS code of a sign-in in Contoso; 0 is a token, whose name is returned.
func signInCode(t *testing.T, c *http.Client, user, password string) (int, string) {
	t.Helper()
	r := do(t, c, "POST", "https://login.microsoftonline.com/"+ContosoTenant+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"password"}, "client_id": {PublicApplication}, "username": {user}, "password": {password}, "scope": {"https://graph.microsoft.com/User.Read"},
	}.Encode())
	if r.StatusCode != 200 {
		return r.code(t), ""
	}
	var a struct {
		Token string `json:"access_token"`
	}
	r.decode(t, &a)
	part := strings.Split(a.Token, ".")
	data, err := base64.RawURLEncoding.DecodeString(part[1])
	var claims struct{ UPN string }
	if err != nil || json.Unmarshal(data, &claims) != nil {
		t.Fatal(err)
	}
	return 0, claims.UPN
}

// TestSynchronisedPeople follows one person through the page's steps, a restart, a verification and an end.
func TestSynchronisedPeople(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := openWorld(t, Options{Dir: dir})
	g := asService(t, w, ContosoTenant)
	person := func() map[string]any {
		return map[string]any{"sourceAnchor": "AQ==", "signInName": "user3@moved.example", "mail": "user2@moved.example",
			"proxyAddresses": []string{"SMTP:user1@moved.example"}, "displayName": "User", "passwordVerifier": verifier("Lab-sync-1")}
	}
	initial := w.Directory().Tenants[0].Initial()
	first := g.synchronise("phs", person()).Results[0]
	if first.Outcome != directory.SyncCreated || first.UPN != "user1@"+initial || first.Nickname != "user1" {
		t.Fatalf("first: %+v", first)
	}
	if again := g.synchronise("phs", person()).Results[0]; again.Outcome != directory.SyncUnchanged || again.ID != first.ID {
		t.Errorf("again: %+v", again)
	}
	named := person()
	named["mailNickname"] = "user4"
	if r := g.synchronise("phs", named).Results[0]; r.Outcome != directory.SyncUpdated || r.UPN != "user1@"+initial || r.Nickname != "user4" {
		t.Errorf("mailNickname: %+v", r)
	}
	if code, upn := signInCode(t, g.c, "user1@"+initial, "Lab-sync-1"); code != 0 || upn != "user1@"+initial {
		t.Errorf("sign-in: %d %q", code, upn)
	}
	if code, _ := signInCode(t, g.c, "user3@moved.example", "Lab-sync-1"); code != 50034 {
		t.Errorf("sign-in by the name on premises: %d", code)
	}
	g.refused(400, "Request_BadRequest", "PATCH", "users/"+first.ID, `{"displayName":"Other"}`)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}

	w = openWorld(t, Options{Dir: dir})
	g = graphClient{t, client(t, w), g.token}
	g.want(201, "POST", "domains", `{"id":"moved.example"}`)
	text := g.want(200, "GET", "domains/moved.example/verificationDnsRecords", "")["value"].([]any)[0].(map[string]any)["text"].(string)
	record, err := zone.Parse("moved.example", zone.TXT, text)
	if err == nil {
		err = w.Zone().Set(t.Context(), record)
	}
	if err != nil {
		t.Fatal(err)
	}
	g.want(200, "POST", "domains/moved.example/verify", "")
	u := g.want(200, "GET", "users/"+first.ID+"?$select=userPrincipalName,mailNickname,onPremisesImmutableId,onPremisesSyncEnabled,proxyAddresses", "")
	if u["userPrincipalName"] != "user3@moved.example" || u["mailNickname"] != "user4" || u["onPremisesImmutableId"] != "AQ==" || u["onPremisesSyncEnabled"] != true ||
		fmt.Sprint(u["proxyAddresses"]) != "[SMTP:user1@moved.example]" {
		t.Errorf("verified: %v", u)
	}
	if code, upn := signInCode(t, g.c, "user3@moved.example", "Lab-sync-1"); code != 0 || upn != "user3@moved.example" {
		t.Errorf("sign-in after verification: %d %q", code, upn)
	}
	if r := g.synchronise("phs", map[string]any{"sourceAnchor": "AQ==", "deleted": true}).Results[0]; r.Outcome != directory.SyncDeleted {
		t.Errorf("deleted: %+v", r)
	}
	if r := g.synchronise("phs", map[string]any{"sourceAnchor": "AQ==", "deleted": true}).Results[0]; r.Outcome != directory.SyncAbsent {
		t.Errorf("deleted again: %+v", r)
	}
	if code, _ := signInCode(t, g.c, "user3@moved.example", "Lab-sync-1"); code != 50034 {
		t.Errorf("sign-in after the end: %d", code)
	}
}

// TestSynchronisedDuplicates: who has a name keeps it, the other gets a placeholder and the name once it is free.
func TestSynchronisedDuplicates(t *testing.T) {
	t.Parallel()
	w := openWorld(t, Options{})
	g := asService(t, w, ContosoTenant)
	initial := w.Directory().Tenants[0].Initial()
	one := map[string]any{"sourceAnchor": "1", "signInName": "same@contoso.com", "proxyAddresses": []string{"SMTP:same@contoso.com"}, "passwordVerifier": verifier("Lab-sync-1")}
	two := map[string]any{"sourceAnchor": "2", "signInName": "same@contoso.com", "proxyAddresses": []string{"smtp:SAME@contoso.com"}, "passwordVerifier": verifier("Lab-sync-2")}
	r := g.ask("POST", syncURL, `{"method":"phs","objects":[{"sourceAnchor":"0","objectClass":"user","accountEnabled":true,"signInName":"alice@contoso.com"}]}`)
	if r.StatusCode != 200 || !strings.Contains(strings.Join(r.Header.Values("X-Sekisho-Lab-Assumption"), " "), directory.AssumedQuarantineName) || !strings.Contains(r.body, `"alice+`) {
		t.Errorf("somebody of the cloud has the name: %s %v", r.body, r.Header)
	}
	if got := g.synchronise("phs", one).Results[0]; got.UPN != "same@contoso.com" {
		t.Errorf("one: %+v", got)
	}
	body, _ := json.Marshal(map[string]any{"method": "phs", "objects": []any{map[string]any{
		"sourceAnchor": "2", "objectClass": "user", "accountEnabled": true, "signInName": "same@contoso.com", "proxyAddresses": two["proxyAddresses"], "passwordVerifier": two["passwordVerifier"]}}})
	var got brought
	g.ask("POST", syncURL, string(body)).decode(t, &got)
	b := got.Results[0]
	if !strings.HasPrefix(b.UPN, "same+") || !strings.HasSuffix(b.UPN, "@"+initial) || len(b.UPN) != len("same+1234@"+initial) || len(b.Conflicts) != 2 {
		t.Fatalf("two: %+v", b)
	}
	if code, upn := signInCode(t, g.c, b.UPN, "Lab-sync-2"); code != 0 || upn != b.UPN {
		t.Errorf("sign-in by the placeholder: %d %q", code, upn)
	}
	g.synchronise("phs", map[string]any{"sourceAnchor": "1", "deleted": true})
	if u := g.want(200, "GET", "users/"+b.ID+"?$select=userPrincipalName,onPremisesProvisioningErrors", ""); u["userPrincipalName"] != "same@contoso.com" || len(u["onPremisesProvisioningErrors"].([]any)) != 0 {
		t.Errorf("healed: %v", u)
	}
}

// TestSynchronisedStates: what binds with each method.
func TestSynchronisedStates(t *testing.T) {
	t.Parallel()
	w := openWorld(t, Options{})
	g := asService(t, w, ContosoTenant)
	for _, c := range []struct {
		state    string
		value    any
		phs, pta int
	}{
		{"accountEnabled", false, 50057, 50057}, {"locked", true, 0, 50053}, {"passwordExpired", true, 0, 50144},
		{"mustChangePassword", true, 50056, 50055}, {"accountExpired", true, 0, 50057}, {"deleted", nil, 0, 0},
	} {
		for method, want := range map[string]int{"phs": c.phs, "pta": c.pta} {
			name := strings.ToLower(method+c.state) + "@contoso.com"
			o := map[string]any{"sourceAnchor": method + c.state, "signInName": name, "passwordVerifier": verifier("Lab-sync-1")}
			if c.value != nil {
				o[c.state] = c.value
			}
			g.synchronise(method, o)
			if code, _ := signInCode(t, g.c, name, "Lab-sync-1"); code != want {
				t.Errorf("%s %s: %d, not %d", method, c.state, code, want)
			}
		}
	}
	g.synchronise("phs", map[string]any{"sourceAnchor": "none", "signInName": "none@contoso.com"})
	if code, _ := signInCode(t, g.c, "none@contoso.com", "x"); code != 50056 {
		t.Errorf("without a password: %d", code)
	}
}

// TestSynchronisationIsStrict: whatever is not a synchronisation is refused, and changes nothing.
func TestSynchronisationIsStrict(t *testing.T) {
	t.Parallel()
	w := openWorld(t, Options{})
	g := asService(t, w, ContosoTenant)
	before := len(w.Directory().Tenants[0].Members)
	const object = `{"sourceAnchor":"1","objectClass":"user","accountEnabled":true,"signInName":"x@contoso.com"`
	for name, body := range map[string]string{
		"empty": "", "not-json": "{", "list": "[]", "no-method": `{"objects":[` + object + `}]}`, "method": `{"method":"adfs","objects":[` + object + `}]}`,
		"nothing": `{"method":"phs","objects":[]}`, "unknown-key": `{"method":"phs","password":"x","objects":[` + object + `}]}`,
		"unknown-in-object": `{"method":"phs","objects":[` + object + `,"unicodePwd":"x"}]}`,
		"twice":             `{"method":"phs","objects":[` + object + `,"signInName":"y@contoso.com"}]}`, "twice-folded": `{"method":"phs","Method":"pta","objects":[` + object + `}]}`,
		"same-anchor": `{"method":"phs","objects":[` + object + `},` + object + `}]}`, "second-value": `{"method":"phs","objects":[` + object + `}]}{}`,
		"no-anchor": `{"method":"phs","objects":[{"objectClass":"user","accountEnabled":true}]}`, "null": `{"method":"phs","objects":[null]}`,
		"class":          `{"method":"phs","objects":[{"sourceAnchor":"1","objectClass":"group","accountEnabled":true}]}`,
		"long":           `{"method":"phs","objects":[{"sourceAnchor":"` + strings.Repeat("a", 60) + `","objectClass":"user","accountEnabled":true}]}`,
		"plain-password": `{"method":"phs","objects":[` + object + `,"passwordVerifier":"Lab-sync-1"}]}`,
		"many":           `{"method":"phs","objects":[` + strings.TrimSuffix(strings.Repeat(object+"},", 501), ",") + `]}`,
	} {
		if r := g.ask("POST", syncURL, body, "Content-Type", "application/json"); r.StatusCode != 400 {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
		}
	}
	g.refused(413, "Request_BadRequest", "POST", syncURL, `{"method":"`+strings.Repeat("x", 2<<20)+`"}`)
	g.refused(405, "Request_BadRequest", "GET", syncURL, "")
	asPerson(t, w, ContosoTenant, Alice, AlicePassword, "https://graph.microsoft.com/User.Read").refused(403, "Authorization_RequestDenied", "POST", syncURL, `{}`)
	graphClient{t, g.c, "x"}.refused(401, "InvalidAuthenticationToken", "POST", syncURL, `{}`)
	if now := len(w.Directory().Tenants[0].Members); now != before {
		t.Errorf("%d people, not %d", now, before)
	}
	if r := g.synchronise("phs", map[string]any{"sourceAnchor": "n"}); r.Results[0].Outcome != directory.SyncRefused {
		t.Errorf("without a name: %+v", r)
	}
	slow := false
	for range 60 {
		if r := g.ask("POST", syncURL, `{}`, "Content-Type", "application/json"); r.StatusCode == 429 && r.Header.Get("Retry-After") != "" {
			slow = true
			break
		}
	}
	if !slow {
		t.Error("nothing bounds the rate")
	}
}
