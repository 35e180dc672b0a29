package graph

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/journal"
	"sekisho/internal/lab/token"
	"sekisho/internal/lab/zone"
)

const (
	contoso  = "3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31"
	fabrikam = "8e2f4b17-6a9c-4d35-b0e8-7c1d2f3a4b52"
	alice    = "7d0c2b1e-5a34-4f68-9c1b-2e3d4f5a6b01"
	hanako   = "7d0c2b1e-5a34-4f68-9c1b-2e3d4f5a6b02" // an administrator
	guest    = "7d0c2b1e-5a34-4f68-9c1b-2e3d4f5a6b03"
	staff    = "2a6e8c04-7b1d-4f93-85c2-9d0e1f2a3b02"
	service  = "4a8c0e26-3d5f-4b79-8ace-7f1b3d5e9c20"
)

// bench is a service over a directory of its own, with the tokens that it takes.
type bench struct {
	t    testing.TB
	s    *Service
	keys *token.Ring
	log  *journal.Journal
}

func newBench(t testing.TB) *bench {
	t.Helper()
	d, err := directory.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := token.NewRing(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	log := &journal.Journal{}
	log.Add(journal.SignIn{ID: "0b0b0b0b-0000-4000-8000-000000000001", Time: time.Now(), Endpoint: "authorize", User: "alice@contoso.com", UserID: alice, HomeTenant: contoso, Tenant: contoso})
	return &bench{t, New(Options{Directory: directory.Fixed(d), Keys: keys, Journal: log}), keys, log}
}

func (b *bench) sign(c token.Claims) string {
	b.t.Helper()
	now := time.Now()
	c["aud"], c["iat"], c["nbf"], c["exp"] = Audience, now.Unix(), now.Unix(), now.Add(time.Hour).Unix()
	text, err := b.keys.Sign(c)
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

// application is a token of Lab Service in tenant.
func (b *bench) application(tenant string, roles ...string) string {
	return b.sign(token.Claims{"tid": tenant, "idtyp": "app", "oid": "d1f3b5a7-9c2e-4860-b4d6-8f0a2c4e6b11", "appid": service, "roles": roles})
}

func (b *bench) person(tenant, id string, scopes ...string) string {
	return b.sign(token.Claims{"tid": tenant, "idtyp": "user", "oid": id, "appid": service, "scp": strings.Join(scopes, " "), "upn": "x", "name": "x"})
}

func (b *bench) ask(method, target, bearer, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	b.s.ServeHTTP(w, r)
	return w
}

// everything are all permissions that any route asks for.
func everything() []string {
	var out []string
	for _, r := range routes() {
		out = append(out, r.application...)
		out = append(out, r.delegated...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// contosoKeys are what may stand for the braces of a route, all of them Contoso's.
func contosoKeys(path string) []string {
	switch kind, _, _ := strings.Cut(path, "/"); kind {
	case "users":
		return []string{alice, "alice@contoso.com"}
	case "groups":
		return []string{staff}
	case "domains":
		return []string{"contoso.com", "contoso.example"}
	case "applications":
		return []string{"appId='6cae1048-5f71-4d9b-90e0-813d5f7a1e30'"}
	case "servicePrincipals":
		return []string{"d1f3b5a7-9c2e-4860-b4d6-8f0a2c4e6b21"}
	case "auditLogs":
		return []string{"0b0b0b0b-0000-4000-8000-000000000001"}
	case "organization":
		return []string{contoso}
	case "policies":
		return []string{fabrikam}
	}
	return []string{""}
}

// entryOf is all that the directory keeps of a tenant and its applications.
func (b *bench) entryOf(tenant string) string {
	b.t.Helper()
	var out []byte
	err := b.s.Directory.Change(b.t.Context(), func(d *directory.Draft) error {
		t, err := d.Tenant(tenant)
		if err != nil {
			return err
		}
		all := []any{t}
		for _, a := range d.Applications {
			all = append(all, a)
		}
		out, err = json.Marshal(all)
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return string(out)
}

// A token of one tenant reads and changes nothing of another's, whatever is asked and whoever asks.
func TestNoTenantReachesAnother(t *testing.T) {
	b := newBench(t)
	before := b.entryOf(contoso)
	bearers := []string{b.application(fabrikam, everything()...), b.person(fabrikam, "91a4c6e8-2b5d-4f70-8a9c-1d3e5f7a9b02", everything()...)}
	bodies := []string{"", `{"displayName":"taken"}`, `{"isDefault":true}`, `{"accountEnabled":false}`, `{"@odata.id":"https://graph.microsoft.com/v1.0/users/91a4c6e8-2b5d-4f70-8a9c-1d3e5f7a9b01"}`,
		`{"passwordCredential":{}}`, `{"passwordProfile":{"password":"Taken-over-1"}}`}
	asked := 0
	for _, r := range routes() {
		for _, key := range contosoKeys(r.path) {
			path := strings.Replace(strings.Replace(r.path, "{}", key, 1), "{}", alice, 1)
			if !strings.Contains(r.path, "{}") && r.method != http.MethodGet {
				continue // makes something in the caller's own tenant
			}
			for _, bearer := range bearers {
				for _, body := range bodies {
					if r.method == http.MethodGet && body != "" {
						continue
					}
					w := b.ask(r.method, "/v1.0/"+path, bearer, body)
					asked++
					text := w.Body.String()
					if strings.Contains(r.path, "{}") && w.Code < 400 {
						t.Errorf("%s %s: %d %s", r.method, path, w.Code, text)
					}
					// Alice is a guest of Fabrikam, and her name at home is known there.
					for _, own := range []string{alice, hanako, staff, "hanako@contoso.com", "noboru@contoso.com", "Lab Payroll", "5e1f7c20-9b3a-4d86-a1c5-3f7e2d4b6a80"} {
						if w.Code < 400 && strings.Contains(text, own) {
							t.Errorf("%s %s tells %q: %s", r.method, path, own, text)
						}
					}
				}
			}
		}
	}
	if after := b.entryOf(contoso); after != before {
		t.Errorf("another tenant changed Contoso:\n%s\n%s", before, after)
	}
	if asked < 100 {
		t.Errorf("only %d requests", asked)
	}
}

// Each route asks for one of its permissions, and of people for what the table says.
func TestPermissions(t *testing.T) {
	b := newBench(t)
	for _, r := range routes() {
		key := contosoKeys(r.path)[0]
		path := "/v1.0/" + strings.Replace(strings.Replace(r.path, "{}", key, 1), "{}", alice, 1)
		want := func(what, bearer string, refused bool) {
			t.Helper()
			// Read is answered; what changes is refused for its body, which is empty, and not for a permission.
			w := b.ask(r.method, path, bearer, "")
			if denied := w.Code == http.StatusForbidden || w.Code == http.StatusUnauthorized; denied != refused {
				t.Errorf("%s %s, %s: %d %s", r.method, path, what, w.Code, w.Body)
			}
		}
		want("without a token", "", true)
		if len(r.application) > 0 {
			want("application without", b.application(contoso, "Mail.Read"), true)
			if r.method != http.MethodDelete {
				want("application with", b.application(contoso, r.application[0]), false)
			}
		}
		want("person without", b.person(contoso, hanako, "Mail.Read"), true)
		if r.method == http.MethodDelete {
			continue
		}
		want("administrator with", b.person(contoso, hanako, r.delegated[0], "User.Read.All"), false)
		want("member with", b.person(contoso, alice, r.delegated[0], "User.Read.All"), r.administrator)
		want("guest with", b.person(contoso, guest, r.delegated[0], "User.Read.All"), r.administrator || !r.guests)
	}
	for name, bearer := range map[string]string{
		"somebody gone": b.person(contoso, "00000000-0000-4000-8000-000000000000", "User.Read"), "a tenant gone": b.person("00000000-0000-4000-8000-000000000000", alice, "User.Read"),
		"another audience": func() string {
			text, _ := b.keys.Sign(token.Claims{"aud": "https://vault.azure.net", "tid": contoso, "oid": alice, "scp": "User.Read", "exp": time.Now().Add(time.Hour).Unix()})
			return text
		}(), "no token": "x.y.z",
	} {
		if w := b.ask("GET", "/v1.0/me", bearer, ""); w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	// User.Read is about oneself alone.
	self := b.person(contoso, alice, "User.Read")
	if w := b.ask("GET", "/v1.0/users/"+alice, self, ""); w.Code != 200 {
		t.Errorf("oneself: %d", w.Code)
	}
	if w := b.ask("GET", "/v1.0/users/"+hanako, self, ""); w.Code != 403 {
		t.Errorf("somebody else: %d", w.Code)
	}
}

// FuzzRequest: whatever is asked, the answer is one that Graph's page on errors describes, or a good one, and never a 5xx.
func FuzzRequest(f *testing.F) {
	b := newBench(f)
	bearers := []string{b.application(contoso, everything()...), b.person(contoso, hanako, everything()...), b.person(contoso, guest, everything()...), ""}
	methods := []string{"GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS"}
	for _, r := range routes() {
		path := strings.Replace(strings.Replace(r.path, "{}", contosoKeys(r.path)[0], 1), "{}", alice, 1)
		f.Add(uint8(slices.Index(methods, r.method)), uint8(0), "v1.0/"+path, "$top=2&$filter=displayName eq 'a'", `{"displayName":"a"}`)
	}
	f.Add(uint8(1), uint8(1), "v1.0/users", "", `{"accountEnabled":true,"displayName":"A","mailNickname":"a","userPrincipalName":"a@contoso.com","passwordProfile":{"password":"Lab-some-1"}}`)
	f.Add(uint8(1), uint8(0), "beta/policies/crossTenantAccessPolicy/partners", "", `{"tenantId":"b5a1c3d7-2e4f-4a68-8c90-1d3e5f7a9b73","tenantRestrictions":{"usersAndGroups":{"accessType":"allowed","targets":[{"target":"AllUsers","targetType":"user"}]},"applications":{"accessType":"allowed","targets":[{"target":"AllApplications","targetType":"application"}]}}}`)
	f.Add(uint8(1), uint8(0), "v1.0/domains", "", `{"id":"a.example"}`)
	f.Add(uint8(1), uint8(0), "v1.0/invitations", "", `{"invitedUserEmailAddress":"bob@fabrikam.com","inviteRedirectUrl":"https://a.example"}`)
	f.Add(uint8(0), uint8(0), "beta/auditLogs/signIns", "$filter=signInEventTypes/any(t:t eq 'servicePrincipal')&$orderby=createdDateTime asc", "")
	f.Add(uint8(0), uint8(1), "v1.0/%00/../users('x')", "$skiptoken=AAAA&&=;", "{")
	f.Add(uint8(2), uint8(0), "//v1.0//users//", "%zz", `[[[[`)
	f.Fuzz(func(t *testing.T, method, who uint8, path, query, body string) {
		r, err := http.NewRequest(methods[int(method)%len(methods)], "https://graph.microsoft.com/", strings.NewReader(body))
		if err != nil {
			t.Skip()
		}
		u, err := r.URL.Parse("/" + strings.TrimPrefix(path, "/"))
		if err != nil || u.Host != r.URL.Host {
			return
		}
		r.URL.Path, r.URL.RawPath, r.URL.RawQuery = u.Path, u.RawPath, query
		r.Header.Set("Content-Type", "application/json")
		if bearer := bearers[int(who)%len(bearers)]; bearer != "" {
			r.Header.Set("Authorization", "Bearer "+bearer)
		}
		w := httptest.NewRecorder()
		b.s.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Fatalf("%s %s?%s %s: %d %s", r.Method, path, query, body, w.Code, w.Body)
		}
		if w.Body.Len() > 4<<20 {
			t.Fatalf("an answer of %d bytes", w.Body.Len())
		}
		if w.Code < 400 {
			return
		}
		var e struct {
			Error struct {
				Code, Message string
				InnerError    map[string]string
			}
		}
		if json.Unmarshal(w.Body.Bytes(), &e) != nil || e.Error.Code == "" || e.Error.Message == "" || e.Error.InnerError["request-id"] == "" {
			t.Fatalf("%s %s?%s: %d %s", r.Method, path, query, w.Code, w.Body)
		}
	})
}

var _ Resolver = (*zone.Zone)(nil)
