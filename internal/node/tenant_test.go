package node_test

import (
	"slices"
	"testing"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/explain"
	"sekisho/internal/finding"
	"sekisho/internal/node"
	"sekisho/internal/policy"
)

// TestTenantFillsTheCatalog: what stands under "tenant" reaches the policy, the view that answers, and the place of what
// is wrong with it.
func TestTenantFillsTheCatalog(t *testing.T) {
	const own = "t3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31.certauth.login.microsoftonline.com"
	c := labConfig(t, "  location: AMSUC0101\n", `  location: AMSUC0101
  name: contoso
  id: 3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31
  regions: [japaneast, japanwest]
  sts-host: sts.contoso.com
`)
	program, found := node.Compile(c, catalog.Builtin())
	if program == nil {
		t.Fatal(found)
	}
	opened := func(host string) bool {
		return slices.ContainsFunc(program.AllowedPatterns(), func(r policy.Rule) bool { return r.Pattern.String() == host })
	}
	for host, want := range map[string]bool{
		own: true, "sts.contoso.com": true, "approdimedatapri.azureedge.net": true, "naprodimedatapri.azureedge.net": false,
	} {
		if opened(host) != want {
			t.Errorf("%s open: %v, want %v", host, !want, want)
		}
	}
	target, err := endpoint.ParseTarget(own)
	if err != nil {
		t.Fatal(err)
	}
	answer := explain.Explain(target, explain.Context{Program: program, Catalog: catalog.Builtin()})
	if !slices.ContainsFunc(answer.Sets, func(s explain.Set) bool { return s.Claim == "entra-cba/worldwide/issuer-hints" && s.Match == own }) {
		t.Errorf("the answer does not know the tenant's own name: %+v", answer.Sets)
	}

	if target, err = endpoint.ParseTarget("naprodimedatapri.azureedge.net"); err != nil {
		t.Fatal(err)
	}
	answer = explain.Explain(target, explain.Context{Program: program})
	for _, s := range answer.Sets {
		if s.Claim == "intune-page/worldwide/scripts-win32-na" && (!s.NotForTenant || s.Features[0].InUse) {
			t.Errorf("a row for another location is shown as ours: %+v", s)
		}
	}

	c = labConfig(t, "AMSUC0101", "AMSUZ0101")
	_, found = node.Compile(c, catalog.Builtin())
	if i := slices.IndexFunc(found, func(f finding.Finding) bool { return f.Code == "catalog.unknown-location" }); i < 0 || found[i].Pos.Line == 0 {
		t.Errorf("an unknown location is not reported at its place: %v", found)
	}
}
