package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestServiceTagVersions: files of service tags are kept, listed, compared by version, file and day, told with what they
// change in the feeds, gone back to, and carried in bundles that do not take anybody back.
func TestServiceTagVersions(t *testing.T) {
	dir := t.TempDir()
	sekisho := func(want int, args ...string) string {
		t.Helper()
		code, out, errs := run(t, "", append([]string{"--data", filepath.Join(dir, "data"), "--lang", "en"}, args...)...)
		if code != want {
			t.Fatalf("%v: exit code %d, want %d\n%s%s", args, code, want, out, errs)
		}
		return out + errs
	}
	write := func(name, text string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	tags := func(n int, day, prefixes, more string) string {
		var filler []string
		for i := range 20 {
			filler = append(filler, fmt.Sprintf(`"20.60.%d.0/24"`, i))
		}
		return write("ServiceTags_Public_"+day+".json", fmt.Sprintf(`{"changeNumber":%d,"cloud":"Public","values":[
			{"name":"AzureActiveDirectory","properties":{"addressPrefixes":[%s]}},{"name":"Storage","properties":{"addressPrefixes":[%s]}}%s]}`,
			n, prefixes, strings.Join(filler, ","), more))
	}
	first := tags(375, "20261109", `"20.190.128.0/18","40.126.0.0/18"`, "")
	second := tags(376, "20261116", `"20.190.128.0/18","40.126.0.0/19"`, `,{"name":"Web","properties":{"addressPrefixes":["20.99.0.0/24"]}}`)
	sekisho(0, "catalog", "import", first, second)
	if out := sekisho(0, "catalog", "history"); !strings.Contains(out, "public-375  --     public  375     2026-11-09") || !strings.Contains(out, "public-376  OK     public  376     2026-11-16") {
		t.Errorf("%s", out)
	}
	if out := sekisho(0, "catalog", "history", "-o", "csv"); !strings.Contains(out, "ServiceTags_Public_20261109.json,service-tags,public,375,2026-11-09\n") {
		t.Errorf("%s", out)
	}
	if out := sekisho(0, "catalog", "history", "-o", "json"); !strings.Contains(out, `"kind": "lists"`) || !strings.Contains(out, `"change_number": 376`) {
		t.Errorf("%s", out)
	}
	want := "service tags public-375 (2026-11-09) -> public-376 (2026-11-16): 1 tag added, 0 removed, 1 changed, address ranges +2 -1\n" +
		"AzureActiveDirectory changed\n  - 40.126.0.0/18\n  + 40.126.0.0/19\nWeb added\n  + 20.99.0.0/24\n"
	for _, args := range [][]string{{"public-375"}, {"public-375", "public-376"}, {"public-375", "current"}, {first}, {first, second}, {"service-tags-public-375"},
		{"2026-11-10"}, {"2026-11-09", "2026-11-16"}, {"public-375", "builtin"}} {
		if out := sekisho(3, append([]string{"catalog", "diff"}, args...)...); out != want {
			t.Errorf("%v: %s", args, out)
		}
	}
	for _, args := range [][]string{{"public-376"}, {second, "current"}, {"2026-11-20"}, {"builtin", "current"}, {"2026-11-01"}} {
		sekisho(0, append([]string{"catalog", "diff"}, args...)...) // of the last, no file is so old
	}
	if out := sekisho(3, "catalog", "diff", "public-375", "-o", "jsonl"); !strings.HasPrefix(out, `{"subject":"service-tag","id":"public/AzureActiveDirectory","part":"prefix","change":"added","value":"40.126.0.0/19"}`+"\n") {
		t.Errorf("%s", out)
	}
	if out := sekisho(3, "catalog", "diff", "public-375", "-o", "json"); !strings.Contains(out, `"prefixes_added": 2`) {
		t.Errorf("%s", out)
	}

	config := write("sekisho.yaml", `version: 1
features: [entra.provisioning]
profiles:
  - {name: staff, version: v2, policy: "3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31:f0e1d2c3-b4a5-4697-8869-7a6b5c4d3e2f"}
rings:
  - {name: everyone, mode: report, profile: staff}
`)
	if out := sekisho(3, "catalog", "diff", "public-375", "--impact", "--config", config); out != `public-375 -> public-376: what changes is 0 features in use, 0 rules and 2 rendered lines

Rendered lines
  feeds/entra.provisioning.ip.txt
    - 40.126.0.0/18  [in force since 2026-11-16]  [service tags: AzureActiveDirectory]
    + 40.126.0.0/19  [in force since 2026-11-16]  [service tags: AzureActiveDirectory]
` {
		t.Errorf("%s", out)
	}

	bundle := filepath.Join(dir, "new.bundle")
	sekisho(0, "catalog", "bundle", bundle)
	if out := sekisho(0, "catalog", "use", "public-375"); !strings.Contains(out, "public-375 are in use for the public cloud; before: public-376;") {
		t.Errorf("%s", out)
	}
	if out := sekisho(3, "catalog", "diff", "current", bundle); out != want {
		t.Errorf("%s", out)
	}
	old := filepath.Join(dir, "old.bundle")
	sekisho(0, "catalog", "bundle", old)
	if out := sekisho(0, "catalog", "export", "--feature", "entra.provisioning", "--kind", "ip"); !strings.Contains(out, "40.126.0.0/18\n") {
		t.Errorf("%s", out)
	}
	sekisho(0, "catalog", "import", bundle)
	if out := sekisho(2, "catalog", "import", old); !strings.Contains(out, "older than 376") {
		t.Errorf("%s", out)
	}
	sekisho(0, "catalog", "diff", "public-376")
	for _, name := range []string{"public-1", "public", "375", "../public-375"} {
		if out := sekisho(2, "catalog", "use", name); !strings.Contains(out, `no version "`+name+`"`) {
			t.Errorf("%s", out)
		}
	}
}

// TestExportOfTheOtherClouds names clouds as the web service does.
func TestExportOfTheOtherClouds(t *testing.T) {
	data := t.TempDir()
	for instance, host := range map[string]string{"China": "*.partner.outlook.cn\n", "usgovdod": "webmail.apps.mil\n", "USGovGCCHigh": "outlook.office365.us\n", "worldwide": "outlook.office365.com\n"} {
		if code, out, err := run(t, "", "catalog", "export", "--data", data, "--instance", instance, "--area", "Exchange", "--kind", "url"); code != 0 || !strings.Contains(out, host) {
			t.Errorf("%s: %d %s%s", instance, code, out, err)
		}
	}
	for _, wrong := range [][]string{{"--instance", "Germany"}, {"--instance", "China", "--area", "MEM"}, {"--instance", "China", "--feature", "intune.core"}} {
		if code, out, _ := run(t, "", append([]string{"catalog", "export", "--data", data}, wrong...)...); code != 2 || out != "" {
			t.Errorf("%v: %d %s", wrong, code, out)
		}
	}
}
