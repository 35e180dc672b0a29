package signin_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sekisho/internal/finding"
	"sekisho/internal/signin"
)

func TestDomainsAreRead(t *testing.T) {
	want := []signin.Domain{{Name: "contoso.onmicrosoft.com", Verified: true, Initial: true}, {Name: "contoso.com", Verified: true, Default: true, Federated: true}, {Name: "fabrikam.com"}}
	list := `[{"id":"contoso.onmicrosoft.com","isInitial":true,"isVerified":true,"authenticationType":"Managed","other":[1]},` +
		`{"id":"contoso.com","isVerified":true,"isDefault":true,"authenticationType":"Federated"},{"id":"fabrikam.com","isVerified":false}]`
	powershell := strings.NewReplacer(`"id"`, `"Id"`, `"isInitial"`, `"IsInitial"`, `"isVerified"`, `"IsVerified"`, `"isDefault"`, `"IsDefault"`, `"authenticationType"`, `"AuthenticationType"`).Replace(list)
	for name, text := range map[string]string{
		"az": list, "graph": `{"@odata.context":"x","value":` + list + `}`, "with a mark": "\ufeff" + list, "Get-MgDomain": powershell,
	} {
		got, err := signin.ReadDomains("d.json", strings.NewReader(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got.List); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestDomainsThatAreNone(t *testing.T) {
	for text, code := range map[string]string{
		"":                       "signin.domains-json",
		"<html>":                 "signin.domains-json",
		`{"value":1}`:            "signin.domains-json",
		`{"error":{"code":"x"}}`: "signin.no-domains",
		`{"value":[]}`:           "signin.no-domains",
		`[]`:                     "signin.no-domains",
		`[{"id":"contoso.com"}]`: "signin.domain-fields",
		`[{"isVerified":true}]`:  "signin.domain-fields",
		`{"value":[{"id":"a.example","isVerified":true}],"@odata.nextLink":"https://x"}`: "signin.domains-page",
		"\x81": "signin.encoding",
		`[{"id":"a.example","isVerified":true}] trailing`: "signin.domains-json",
	} {
		got, err := signin.ReadDomains("d.json", strings.NewReader(text))
		var problem *finding.Problem
		if !errors.As(err, &problem) || problem.Findings[0].Code != code || got.List != nil {
			t.Errorf("%q: got %v, %v; want %s", text, got, err, code)
		}
	}
}

func TestATenantHasOneInitialDomain(t *testing.T) {
	for _, c := range []struct {
		domains []signin.Domain
		code    string
		initial string
	}{
		{[]signin.Domain{{Name: "contoso.onmicrosoft.com"}, {Name: "contoso.com", Verified: true}}, "", "contoso.onmicrosoft.com"},
		{[]signin.Domain{{Name: "CONTOSO.onmicrosoft.com", Initial: true}, {Name: "contoso.mail.onmicrosoft.com", Verified: true}}, "", "contoso.onmicrosoft.com"},
		{[]signin.Domain{{Name: "contoso.partner.example", Initial: true}}, "", "contoso.partner.example"},
		{[]signin.Domain{{Name: "contoso.com", Verified: true}}, "signin.no-initial", ""},
		{[]signin.Domain{{Name: "a.onmicrosoft.com"}, {Name: "b.onmicrosoft.com"}}, "signin.no-initial", ""},
		{[]signin.Domain{{Name: "a.onmicrosoft.com", Initial: true}, {Name: "b.onmicrosoft.com", Initial: true}}, "signin.two-initial", ""},
		{[]signin.Domain{{Name: "a.onmicrosoft.com", Initial: true}, {Name: "corp"}}, "signin.domain-name", ""},
		{[]signin.Domain{{Name: "a.onmicrosoft.com", Initial: true}, {Name: "c.example", Verified: true}, {Name: "C.example"}}, "signin.domain-twice", ""},
		{[]signin.Domain{{Name: "a.onmicrosoft.com", Initial: true}, {Name: "c.example"}, {Name: "C.example"}}, "", "a.onmicrosoft.com"},
		{[]signin.Domain{{Name: "a.onmicrosoft.com", Initial: true, Verified: true, Default: true}, {Name: "a.onmicrosoft.com", Initial: true}}, "", "a.onmicrosoft.com"},
		{nil, "signin.no-initial", ""},
	} {
		got, found := signin.NewTenant(c.domains)
		if c.code == "" && (got == nil || got.Initial() != c.initial || got.State(c.initial) != signin.Verified) ||
			c.code != "" && (got != nil || len(found) == 0 || found[0].Code != c.code) {
			t.Errorf("%+v: got %+v, %v", c.domains, got, found)
		}
	}
}

func FuzzReadDomains(f *testing.F) {
	for _, seed := range []string{`[{"id":"contoso.com","isVerified":true}]`, `{"value":[{"id":"a"}]}`, "", "[", `{"id":"a","isVerified":null}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := signin.ReadDomains("d.json", strings.NewReader(string(data)))
		var problem *finding.Problem
		if err != nil && (got.List != nil || !errors.As(err, &problem)) || err == nil && len(got.List) == 0 {
			t.Errorf("got %v, %v", got, err)
		}
	})
}
