//go:build unix

package clients

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sekisho/internal/lab"
)

// Sign-in planning asks the lab's Graph through the gateway for domains, records and users, and says what is missing.
func TestSignInPlanningAsksGraph(t *testing.T) {
	c := up(t)
	folder := t.TempDir()
	file := func(name, text string) string {
		at := filepath.Join(folder, name)
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return at
	}
	users := file("users.csv", "DN,sAMAccountName,userPrincipalName\nCN=a,alice,alice@contoso.com\nCN=b,bert,bert@contoso.example\n")
	secret := file("secret", lab.ServiceSecret+"\n")
	ask := func(more ...string) result {
		return c.sekisho(t, append(more, "--csv", users, "--client-id", lab.ServiceApplication, "--secret-file", secret,
			"--proxy", "http://"+c.gateway, "--root", c.trust)...)
	}
	want := func(r result, code int, texts ...string) {
		t.Helper()
		for _, text := range texts {
			if r.code != code || !strings.Contains(r.out+r.err, text) {
				t.Errorf("exit code %d, no %q in:\n%s%s", r.code, text, r.out, r.err)
			}
		}
	}
	want(ask("signin", "suffixes", "--graph", "--tenant", lab.ContosoDomain), 3, "contoso.example TXT \"MS=ms", "contoso.example MX ")
	want(ask("signin", "plan", "--graph", "--tenant", lab.ContosoDomain), 3, "tenant-soft-match", "in the tenant: alice@contoso.com (user)", "contacts of the tenant were not looked at")
	saved := filepath.Join(folder, "domains.json")
	want(ask("signin", "suffixes", "--domains", saved, "--refresh", "--tenant", lab.ContosoDomain, "-o", "json"), 3, `"type": "TXT"`, "read from Microsoft Graph")
	want(c.sekisho(t, "signin", "suffixes", "--csv", users, "--domains", saved), 3, "0 days old", "contoso.example TXT")
	// A foreign tenant is blocked by the gateway's restriction, a wrong secret by the sign-in service, and the old file stays.
	before, err := os.ReadFile(saved)
	if err != nil {
		t.Fatal(err)
	}
	want(ask("signin", "suffixes", "--domains", saved, "--refresh", "--tenant", "fabrikam.com"), 2, "AADSTS500021")
	file("secret", "wrong\n")
	want(ask("signin", "suffixes", "--graph", "--tenant", lab.ContosoDomain), 2, "AADSTS7000215")
	if after, err := os.ReadFile(saved); err != nil || string(after) != string(before) {
		t.Errorf("the saved file has changed: %v", err)
	}
}
