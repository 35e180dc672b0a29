package lab

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"

	"sekisho/internal/lab/directory"
)

// onBehalf shows assertion at the token endpoint as the lab's service does.
func onBehalf(t testing.TB, w *World, tenant, assertion string, change ...string) reply {
	t.Helper()
	v := url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "client_id": {ServiceApplication}, "client_secret": {ServiceSecret},
		"assertion": {assertion}, "requested_token_use": {"on_behalf_of"}, "scope": {"https://graph.microsoft.com/User.Read offline_access"},
	}
	var header []string
	for i := 0; i+1 < len(change); i += 2 {
		if name, ok := strings.CutPrefix(change[i], "header "); ok {
			header = append(header, name, change[i+1])
		} else if v.Set(change[i], change[i+1]); change[i+1] == "" {
			v.Del(change[i])
		}
	}
	return do(t, client(t, w), "POST", signInHost+"/"+tenant+"/oauth2/v2.0/token", v.Encode(), header...)
}

// passwordToken is user's access token, from the password grant.
func passwordToken(t testing.TB, w *World, tenant, user, password, scope string) tokens {
	t.Helper()
	r := ask(t, client(t, w), tenant+"/oauth2/v2.0/token", "grant_type", "password", "client_id", PublicApplication, "username", user, "password", password, "scope", scope)
	var a tokens
	r.decode(t, &a)
	if a.Access == "" {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	return a
}

func TestOnBehalfOf(t *testing.T) {
	t.Parallel()
	now := clockAt(t)
	w := openWorld(t, Options{Now: now.time})
	forService := "openid api://" + ServiceApplication + "/access_as_user"
	mine := passwordToken(t, w, "organizations", Alice, AlicePassword, forService)

	r := onBehalf(t, w, "contoso.com", mine.Access)
	var b tokens
	r.decode(t, &b)
	if b.Access == "" || b.Refresh == "" {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	me := do(t, client(t, w), "GET", "https://graph.microsoft.com/v1.0/me", "", "Authorization", "Bearer "+b.Access)
	if me.StatusCode != 200 || !strings.Contains(me.body, Alice) {
		t.Errorf("me: %d %s", me.StatusCode, me.body)
	}
	cred, err := confidential.NewCredFromSecret(ServiceSecret)
	if err != nil {
		t.Fatal(err)
	}
	app, err := confidential.New(signInHost+"/contoso.com", ServiceApplication, cred, confidential.WithHTTPClient(client(t, w)))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := app.AcquireTokenOnBehalfOf(t.Context(), mine.Access, []string{"https://graph.microsoft.com/User.Read"}); err != nil || got.AccessToken == "" {
		t.Errorf("MSAL: %v", err)
	}

	var application tokens
	clientCredentials(t, client(t, w), "contoso.com").decode(t, &application)
	forGraph := passwordToken(t, w, "organizations", Alice, AlicePassword, "openid User.Read")
	bob := passwordToken(t, w, "organizations", Bob, BobPassword, forService)
	for name, x := range map[string]struct {
		tenant, assertion string
		change            []string
		code              int
	}{
		"made-for-another-resource":   {"contoso.com", forGraph.Access, nil, 500131},
		"an-id-token":                 {"contoso.com", mine.ID, nil, 50013},
		"an-application's":            {"contoso.com", application.Access, nil, 7000114},
		"another-tenant's":            {"contoso.com", bob.Access, nil, 50013},
		"altered":                     {"contoso.com", mine.Access[:len(mine.Access)-4] + "AAAA", nil, 50013},
		"no-assertion":                {"contoso.com", "", nil, 900144},
		"no-use":                      {"contoso.com", mine.Access, []string{"requested_token_use", ""}, 900144},
		"another-use":                 {"contoso.com", mine.Access, []string{"requested_token_use", "x"}, 90100},
		"no-scope":                    {"contoso.com", mine.Access, []string{"scope", ""}, 900144},
		"no-secret":                   {"contoso.com", mine.Access, []string{"client_secret", ""}, 7000218},
		"public-client":               {"contoso.com", mine.Access, []string{"client_id", PublicApplication, "client_secret", ""}, 7000114},
		"restricted":                  {"fabrikam.com", bob.Access, []string{"header Restrict-Access-To-Tenants", "contoso.com", "header Restrict-Access-Context", ContosoTenant}, 500021},
		"restricted-at-a-shared-path": {"organizations", bob.Access, []string{"header Restrict-Access-To-Tenants", "contoso.com", "header Restrict-Access-Context", ContosoTenant}, 500021},
	} {
		if r := onBehalf(t, w, x.tenant, x.assertion, x.change...); r.code2(t) != x.code {
			t.Errorf("%s: want %d: %d %s", name, x.code, r.StatusCode, r.body)
		}
	}
	if err := w.Store().Change(t.Context(), func(d *directory.Draft) error {
		tenant, err := d.Tenant(FabrikamTenant)
		if err != nil {
			return err
		}
		u, err := tenant.User(Bob)
		if err == nil {
			u.Disabled = true
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if r := onBehalf(t, w, "fabrikam.com", bob.Access); r.code2(t) != 50057 {
		t.Errorf("of somebody disabled since: %s", r.body)
	}
	now.move(2 * time.Hour)
	if r := onBehalf(t, w, "contoso.com", mine.Access); r.code2(t) != 500133 {
		t.Errorf("expired: %s", r.body)
	}
}
