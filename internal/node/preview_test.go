package node_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sekisho/internal/catalog"
	"sekisho/internal/config"
	"sekisho/internal/node"
)

// TestPreview: of a file with errors of its own, what the policy has against values that are well formed is said too, and
// nothing that only follows from what was refused.
func TestPreview(t *testing.T) {
	for name, x := range map[string]struct {
		replace []string
		want    string
	}{
		"a feature that does not exist":  {[]string{"entra.sign-in", "entra.signin", "mode: enforce", "mode: enforced"}, "policy.unknown-feature"},
		"a refused mode":                 {[]string{"mode: enforce", "mode: enforced"}, ""},
		"a refused profile":              {[]string{"version: v1", "version: v3"}, ""},
		"a refused context":              {[]string{"context: 3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31", "context: contoso.com"}, ""},
		"a ring of nobody's profile":     {[]string{"profile: contoso-only", "profile: nobody", "version: 1\n", "version: 2\n"}, ""},
		"the whole list of features":     {[]string{"features:", "feature:"}, ""},
		"a sign-in host among own hosts": {[]string{"mode: enforce", "mode: enforced", "rings:\n", "hosts:\n  - host: login.microsoftonline.com\n    ports: [443]\nrings:\n"}, "policy.host-sign-in"},
		"a wildcard for a tenant":        {[]string{"mode: enforce", "mode: enforced", "[contoso.com,", `["*.contoso.com",`}, "restrict.wildcard-tenant"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "sekisho.yaml")
			text := strings.NewReplacer(x.replace...).Replace(string(config.Example("lab.yaml")))
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			draft, problems := config.Draft(file)
			if draft == nil || !problems.HasErrors() {
				t.Fatalf("the file has no error of its own: %v", problems)
			}
			if c, again := config.Load(file); c != nil || len(again) != len(problems) {
				t.Errorf("Load returns %v, %v", c, again)
			}
			var codes []string
			for _, f := range node.Preview(draft, problems, catalog.Builtin()) {
				codes = append(codes, f.Code)
			}
			if got := strings.Join(codes, " "); got != x.want {
				t.Errorf("%q, want %q (the file: %v)", got, x.want, problems)
			}
		})
	}
}
