package lab

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/token"
)

// Keys and refresh tokens outlive the lab; what was revoked stays so; nothing on disk is a token.
func TestRestart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "lab")
	w := openWorld(t, Options{Dir: dir})
	first := passwordToken(t, w, "organizations", Alice, AlicePassword, "openid offline_access User.Read")
	refresh := func(text string) (a tokens, r reply) {
		r = ask(t, client(t, w), "organizations/oauth2/v2.0/token", "grant_type", "refresh_token", "client_id", PublicApplication, "refresh_token", text)
		r.decode(t, &a)
		return a, r
	}
	second, _ := refresh(first.Refresh)
	spent := second.Refresh
	reopen := func() {
		t.Helper()
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		w = openWorld(t, Options{Dir: dir})
	}
	reopen()
	if me := do(t, client(t, w), "GET", "https://graph.microsoft.com/v1.0/me", "", "Authorization", "Bearer "+first.Access); me.StatusCode != 200 {
		t.Errorf("an access token of the run before: %d %s", me.StatusCode, me.body)
	}
	third, r := refresh(spent)
	if third.Access == "" {
		t.Fatalf("a refresh token of the run before: %s", r.body)
	}
	reopen()
	if _, r := refresh(spent); r.code2(t) != 50173 {
		t.Errorf("used in the run before: %s", r.body)
	}
	reopen()
	if _, r := refresh(third.Refresh); r.StatusCode == 200 {
		t.Error("the family outlived reuse and restart")
	}

	if info, err := os.Stat(filepath.Join(dir, token.File)); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("keys: %v %v", info.Mode(), err)
	}
	alive := passwordToken(t, w, "organizations", Alice, AlicePassword, "openid offline_access User.Read")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"state.db"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte(alive.Refresh)) || bytes.Contains(data, []byte(third.Refresh)) {
			t.Errorf("%s holds a refresh token", name)
		}
	}
}

// The keys' document has what Entra's has.
func TestKeysDocument(t *testing.T) {
	t.Parallel()
	w := openWorld(t, Options{})
	c := client(t, w)
	for path, issuer := range map[string]string{
		"/common/discovery/v2.0/keys": signInHost + "/{tenantid}/v2.0", "/contoso.com/discovery/v2.0/keys": signInHost + "/" + ContosoTenant + "/v2.0", "/contoso.com/discovery/keys": "",
	} {
		var raw struct {
			Keys []struct {
				Issuer string   `json:"issuer"`
				KeyID  string   `json:"kid"`
				X5T    string   `json:"x5t"`
				X5C    []string `json:"x5c"`
				Use    string   `json:"use"`
				Type   string   `json:"kty"`
			}
		}
		r := do(t, c, "GET", signInHost+path, "")
		r.decode(t, &raw)
		if len(raw.Keys) != 1 {
			t.Fatalf("%s: %s", path, r.body)
		}
		k := raw.Keys[0]
		if k.Issuer != issuer || k.KeyID == "" || k.KeyID != k.X5T || len(k.X5C) != 1 || k.Use != "sig" || k.Type != "RSA" {
			t.Errorf("%s: %+v", path, k)
		}
		var set jose.JSONWebKeySet
		r.decode(t, &set)
		if len(set.Keys) != 1 || !set.Keys[0].Valid() {
			t.Errorf("%s: no key set to go-jose", path)
		}
	}
}

// Whoever was disabled, or removed, gets nothing more from what they had.
func TestAccountsThatEnd(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		change func(*directory.TenantEntry)
		code   int
	}{
		"disabled": {func(e *directory.TenantEntry) { u, _ := e.User(Bob); u.Disabled = true }, 50057},
		"locked":   {func(e *directory.TenantEntry) { u, _ := e.User(Bob); u.Locked = true }, 50053},
		"removed": {func(e *directory.TenantEntry) {
			for i, u := range e.Users {
				if u.UPN == Bob {
					e.Users = append(e.Users[:i], e.Users[i+1:]...)
					return
				}
			}
		}, 50173},
	} {
		w := openWorld(t, Options{})
		c := browser(t, w)
		signIn(t, c, authorizeURL("common"), Bob, BobPassword)
		code := codeOf(t, do(t, c, "GET", authorizeURL("common"), ""))
		had := passwordToken(t, w, "organizations", Bob, BobPassword, "offline_access User.Read")
		if err := w.Store().Change(t.Context(), func(d *directory.Draft) error {
			e, err := d.Tenant(FabrikamTenant)
			if err == nil {
				x.change(e)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if r := redeem(t, c, "common", code); r.code2(t) != x.code {
			t.Errorf("%s, code: %s", name, r.body)
		}
		r := ask(t, c, "organizations/oauth2/v2.0/token", "grant_type", "refresh_token", "client_id", PublicApplication, "refresh_token", had.Refresh)
		if r.code2(t) != x.code {
			t.Errorf("%s, refresh token: %s", name, r.body)
		}
		if r := do(t, c, "GET", authorizeURL("common"), ""); r.Header.Get("Location") != "" {
			t.Errorf("%s, session: %d %q", name, r.StatusCode, r.Header.Get("Location"))
		}
	}
}
