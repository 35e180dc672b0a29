package config_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"sekisho/internal/config"
	"sekisho/internal/finding"
)

const small = `version: 1
features: [entra.sign-in]
profiles:
  - name: staff
    version: v1
    permitted-tenants: [contoso.com]
    context: 3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31
rings:
  - name: everyone
    mode: report
    profile: staff
`

// codes returns "code line:column" of each finding.
func codes(l finding.List) (out []string) {
	for _, f := range l {
		out = append(out, fmt.Sprintf("%s %d:%d", f.Code, f.Pos.Line, f.Pos.Column))
	}
	return out
}

func TestBytesThatEditorsAddAreAccepted(t *testing.T) {
	for name, data := range map[string]string{
		"byte-order-mark":       "\ufeff" + small,
		"carriage-returns":      strings.ReplaceAll(small, "\n", "\r\n"),
		"both":                  "\ufeff" + strings.ReplaceAll(small, "\n", "\r\n"),
		"no-line-feed-at-end":   strings.TrimRight(small, "\n"),
		"blank-lines-and-space": "\n\n" + strings.ReplaceAll(small, "\n", "  \n\n"),
		"tab-in-comment":        small + "#\ta comment\n",
	} {
		c, findings := config.Parse("s.yaml", []byte(data))
		if c == nil || len(findings) > 0 {
			t.Errorf("%s: %s", name, said(findings))
			continue
		}
		if c.Rings[0].Name.V != "everyone" {
			t.Errorf("%s: %q", name, c.Rings[0].Name.V)
		}
	}
}

func TestBytesThatAreNoTextAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ data, want string }{
		"shift-jis":          {small + "organisation:\n  name: \x8a\xd6\x8f\x8a\n", "config.not-utf8 13:9"},
		"utf-16":             {"\xff\xfev\x00e\x00", "config.not-utf8 1:1"},
		"nul":                {small + "# \x00\n", "config.control-character 12:3"},
		"escape":             {"version: 1\x1b[2J\n", "config.control-character 1:11"},
		"lone-cr":            {"version: 1\rfeatures: []\n", "config.control-character 1:11"},
		"line-separator":     {"version: 1\u2028", "config.control-character 1:11"},
		"bidi-override":      {"# \u202e\n", "config.control-character 1:3"},
		"byte-order-inside":  {"version: 1 \ufeff\n", "config.control-character 1:12"},
		"column-after-kanji": {"# 関所\x00\n", "config.control-character 1:5"},
	} {
		got, findings := config.Parse("s.yaml", []byte(c.data))
		if got != nil || len(findings) == 0 || codes(findings)[0] != c.want {
			t.Errorf("%s: %v, want %s", name, codes(findings), c.want)
		}
	}
	_, findings := config.Parse("s.yaml", []byte(strings.Repeat("\x00", 1000)))
	if len(findings) != 10 {
		t.Errorf("a binary file gives %d findings, ten are enough", len(findings))
	}
}

// TestHostileFilesAreRefused reads what is made to exhaust a parser. Where code is given, the file must be turned away
// with it before the recursive (and in places quadratic) parser is asked.
func TestHostileFilesAreRefused(t *testing.T) {
	const n = 1 << 17
	cases := map[string]struct{ code, data string }{
		"too-large":         {"too-large", strings.Repeat("#", 1<<20+1)},
		"brackets":          {"too-deep", strings.Repeat("[", n)},
		"braces":            {"too-deep", strings.Repeat("{a: ", n/4)},
		"sequence-marks":    {"too-deep", strings.Repeat("- ", n/2)},
		"question-marks":    {"too-deep", strings.Repeat("? ", n/2)},
		"anchors":           {"too-deep", strings.Repeat("&a ", n/3)},
		"anchors-by-line":   {"anchor", strings.Repeat("&a\n", n/3)},
		"tags-by-line":      {"tag", strings.Repeat("!a\n", n/3)},
		"tags":              {"too-deep", strings.Repeat("!a ", n/3)},
		"questions-by-line": {"", strings.Repeat("?\n", n/2)},
		"aliases":           {"", "a: [" + strings.Repeat("*a,", n/4) + "]"},
		"quotes":            {"", strings.Repeat("\"", n)},
		"colons":            {"", strings.Repeat("a: ", n/3)},
		"long-key":          {"", strings.Repeat("x", n-3) + ": 1"},
		"long-value":        {"", small + "organisation:\n  name: " + strings.Repeat("x", n-1000)},
		"many-keys":         {"too-many-empty", strings.Repeat("a:\n", n/3)},
		"many-items":        {"", "features:\n" + strings.Repeat("- a\n", n/5)},
		"many-features":     {"", "features: [" + strings.Repeat("a,", n/3) + "]"},
		"keys-in-braces":    {"too-many-empty", "a: {" + strings.Repeat("a,", n/3) + "}"},
		"commas":            {"too-many-empty", "a: [" + strings.Repeat(",", n/2) + "]"},
		"empty-in-braces":   {"too-many-empty", "a: {" + strings.Repeat("a: ,", n/5) + "}"},
		"dashes-by-line":    {"too-many-empty", strings.Repeat("-\n", n/2)},
		"keys-indented":     {"too-many-empty", "a:\n" + strings.Repeat("  b:\n", n/6)},
		"mixed-empty":       {"too-many-empty", strings.Repeat("a:\n- \n", n/8)},
		"dash-key":          {"too-many-empty", strings.Repeat("- a:\n", n/6)},
		"staircase":         {"too-deep", staircase(1400)},
		"documents":         {"", strings.Repeat("---\n", n/4)},
		"comments":          {"", strings.Repeat("#\n", n/2)},
		"spaces":            {"", strings.Repeat(" ", n)},
		"line-feeds":        {"", strings.Repeat("\n", n)},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, findings := config.Parse("s.yaml", []byte(c.data))
			if got != nil || !findings.HasErrors() {
				t.Fatal("accepted")
			}
			if c.code != "" && findings[0].Code != "config."+c.code {
				t.Errorf("%s at %v, want %s", findings[0].Code, findings[0].Pos, c.code)
			}
		})
	}
}

// TestLongListsAreFine keeps the limits above away from what a large organisation writes.
func TestLongListsAreFine(t *testing.T) {
	var networks []string
	for i := range 20000 {
		networks = append(networks, fmt.Sprintf("10.%d.%d.0/24", i/256, i%256))
	}
	for name, list := range map[string]string{
		"brackets": "[" + strings.Join(networks, ", ") + "]",
		"dashes":   "\n      - " + strings.Join(networks, "\n      - "),
		"lines":    "[\n      " + strings.Join(networks, ",\n      ") + "\n    ]",
	} {
		c, findings := config.Parse("s.yaml", []byte(small+"  - name: late\n    mode: off\n    clients: "+list+"\n"))
		if c == nil || len(c.Rings[1].Clients) != len(networks) {
			t.Errorf("%s: %s", name, said(findings))
		}
	}
	var hosts strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&hosts, "  - {host: h%d.example.com, ports: \"tcp/443\"}\n  - host: g%d.example.com\n    reason: r\n", i, i)
	}
	c, findings := config.Parse("s.yaml", []byte(small+"hosts:\n"+hosts.String()))
	if c == nil || len(c.Hosts) != 10000 {
		t.Errorf("hosts: %s", said(findings))
	}
}

func staircase(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i/2) + "a:\n")
	}
	return b.String()
}

func TestDefaultsAreAppliedAndSaySo(t *testing.T) {
	c, findings := config.Parse("s.yaml", []byte(small))
	if c == nil {
		t.Fatal(said(findings))
	}
	if c.Listen.Gateway.V.String() != "127.0.0.1:3128" || c.Listen.Operations.V.String() != "127.0.0.1:3180" ||
		c.Audit.RetentionDays.V != 90 || c.Audit.WhenFull.V != "refuse-sign-in" || c.Audit.SpoolMiB.V != 256 ||
		c.Log.Level.V != "info" || c.Log.Format.V != "text" || c.Language.V != "en" || c.Profiles[0].ConsumerAccounts.V != "block" {
		t.Errorf("defaults: %+v", c)
	}
	if c.Listen.Gateway.Given() || c.Profiles[0].ConsumerAccounts.Given() || !c.Version.Given() {
		t.Error("a default counts as given, or a given value does not")
	}
	if c.Version.Pos != (finding.Pos{File: "s.yaml", Line: 1, Column: 10}) || c.Rings[0].Pos.Line != 9 {
		t.Errorf("places: %v, %v", c.Version.Pos, c.Rings[0].Pos)
	}
	if c.Authentication.Enabled() {
		t.Error("an absent authentication is enabled")
	}
}

func TestFlagWinsOverEnvironmentOverFileOverDefault(t *testing.T) {
	env := map[string]string{"SEKISHO_GATEWAY_LISTEN": "127.0.0.1:2", "SEKISHO_OPERATIONS_LISTEN": "127.0.0.1:12", "SEKISHO_LOG_LEVEL": ""}
	file := small + "listen:\n  gateway: 127.0.0.1:1\n"
	for _, c := range []struct {
		name                string
		flags               map[string]string
		env                 map[string]string
		gateway, operations string
	}{
		{"file", nil, nil, "127.0.0.1:1 file s.yaml:13:12", "127.0.0.1:3180 default "},
		{"environment", nil, env, "127.0.0.1:2 environment SEKISHO_GATEWAY_LISTEN", "127.0.0.1:12 environment SEKISHO_OPERATIONS_LISTEN"},
		{"flag", map[string]string{"gateway-listen": "127.0.0.1:3", "verbose": "true"}, env, "127.0.0.1:3 flag --gateway-listen", "127.0.0.1:12 environment SEKISHO_OPERATIONS_LISTEN"},
	} {
		got, findings := config.Parse("s.yaml", []byte(file), config.Overrides(c.flags, func(k string) string { return c.env[k] })...)
		if got == nil {
			t.Errorf("%s: %s", c.name, said(findings))
			continue
		}
		g, o := got.Listen.Gateway, got.Listen.Operations
		if s := fmt.Sprint(g.V, " ", g.Origin, " ", g.Pos); s != c.gateway {
			t.Errorf("%s: gateway %s, want %s", c.name, s, c.gateway)
		}
		if s := fmt.Sprint(o.V, " ", o.Origin, " ", o.Pos); s != c.operations {
			t.Errorf("%s: operations %s, want %s", c.name, s, c.operations)
		}
	}
}

func TestOverridesAreCheckedLikeTheFile(t *testing.T) {
	c, findings := config.Parse("s.yaml", []byte(small),
		config.Override{Path: "listen.gateway", Text: "localhost:1", Origin: config.Flag, Name: "--gateway-listen"},
		config.Override{Path: "rings", Text: "x", Origin: config.Flag, Name: "--rings"})
	if c != nil || len(findings) != 2 || findings[0].Code != "config.not-a-listen-address" || findings[0].Pos.String() != "--gateway-listen" ||
		findings[1].Code != "config.not-overridable" {
		t.Errorf("%v", findings)
	}
	c, findings = config.Parse("s.yaml", []byte(small),
		config.Override{Path: "listen.gateway", Text: "0.0.0.0:3128", Origin: config.Flag, Name: "--gateway-listen"})
	if c != nil || findings[0].Code != "config.urls-needed" || findings[0].Pos.String() != "--gateway-listen" {
		t.Errorf("rules do not see the override: %v", findings)
	}
	if len(config.Knobs()) == 0 {
		t.Fatal("no knobs")
	}
	for _, k := range config.Knobs() {
		if k.Flag == "" || !strings.HasPrefix(k.Variable, "SEKISHO_") || k.About("ja") == k.About("en") {
			t.Errorf("%+v", k)
		}
	}
}

func TestPathsAreRelativeToTheFile(t *testing.T) {
	data := small + "authentication:\n  passwords: users.htpasswd\n  groups: ../groups.txt\nnetwork:\n  trust: /etc/ssl/origins.pem\n"
	file := filepath.Join("etc", "sekisho", "s.yaml")
	c, findings := config.Parse(file, []byte(data))
	if c == nil {
		t.Fatal(said(findings))
	}
	if got, want := c.Authentication.Passwords.V, filepath.Join("etc", "sekisho", "users.htpasswd"); got != want {
		t.Errorf("passwords %q, want %q", got, want)
	}
	if got, want := c.Authentication.Groups.V, filepath.Join("etc", "groups.txt"); got != want {
		t.Errorf("groups %q, want %q", got, want)
	}
	if runtime.GOOS != "windows" && c.Network.Trust.V != "/etc/ssl/origins.pem" {
		t.Errorf("trust %q", c.Network.Trust.V)
	}
}

func TestLoadSaysWhatIsWrongWithTheFile(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good.yaml")
	if err := os.WriteFile(good, []byte(small), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, findings := config.Load(good); c == nil || c.File != good {
		t.Errorf("good file: %s", said(findings))
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): "config.file-missing",
		dir:                             "config.file-is-folder",
		"\x00":                          "config.file-unreadable",
	} {
		c, findings := config.Load(path)
		if c != nil || len(findings) != 1 || findings[0].Code != want || findings[0].Pos.File != path {
			t.Errorf("%q: %v, want %s", path, findings, want)
		}
	}
	secret := filepath.Join(dir, "secret.yaml")
	if err := os.WriteFile(secret, []byte(small), 0); err != nil {
		t.Fatal(err)
	}
	if f, err := os.Open(secret); err == nil {
		f.Close() // root reads everything, and Windows knows no such mode
	} else if _, findings := config.Load(secret); findings[0].Code != "config.file-forbidden" {
		t.Errorf("%v", findings)
	}
}

func TestShowListsEveryValueWithItsOrigin(t *testing.T) {
	c, findings := config.Parse("s.yaml", config.Example("organisation.yaml"),
		config.Override{Path: "log.level", Text: "debug", Origin: config.Flag, Name: "--log-level"})
	if c == nil {
		t.Fatal(said(findings))
	}
	rows := map[string]config.Row{}
	for _, r := range config.Show(c) {
		if _, twice := rows[r.Setting]; twice {
			t.Errorf("%s is shown twice", r.Setting)
		}
		rows[r.Setting] = r
	}
	for setting, want := range map[string]string{
		"version":                       "1 file",
		"rings[0].clients[0]":           "10.1.0.0/16 file",
		"hosts[0].ports":                "tcp/443 default",
		"hosts[1].ports":                "tcp/443,8443 file",
		"log.level":                     "debug flag",
		"audit.retention-days":          "400 file",
		"profiles[1].consumer-accounts": "block file",
		"authentication.passwords":      "users.htpasswd file",
		"urls.gateway":                  "proxy.example.com:3128 file",
		"hosts[0].plain-http":           "false default",
	} {
		r, ok := rows[setting]
		if got := r.Text + " " + r.Origin.String(); !ok || got != want {
			t.Errorf("%s: %q, want %q", setting, got, want)
		}
	}
	if rows["audit.retention-days"].Value != 400 || rows["hosts[0].plain-http"].Value != false {
		t.Error("numbers and truth values are not shown as such")
	}
	if rows["log.level"].Pos.String() != "--log-level" {
		t.Errorf("%v", rows["log.level"].Pos)
	}
	if _, ok := rows["network.trust"]; ok {
		t.Error("a value that nobody set and that has no default is shown")
	}
}

// TestOneChangeBreaksOneThing changes single bytes of good files: whatever comes out, nothing panics and the two
// results agree.
func TestOneChangeBreaksOneThing(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	alphabet := []byte("\n\t :-[]{}\"'#&*!|>%@`?,0azA.~\x00\xff")
	for _, name := range []string{"lab.yaml", "organisation.yaml"} {
		whole := config.Example(name)
		for range 1000 {
			data := slices.Clone(whole)
			i := random.IntN(len(data))
			switch random.IntN(3) {
			case 0:
				data[i] = alphabet[random.IntN(len(alphabet))]
			case 1:
				data = slices.Insert(data, i, alphabet[random.IntN(len(alphabet))])
			case 2:
				data = slices.Delete(data, i, min(len(data), i+1+random.IntN(8)))
			}
			c, findings := config.Parse(name, data)
			if (c == nil) != findings.HasErrors() {
				t.Fatalf("config is nil: %t, findings: %v, for\n%s", c == nil, findings, data)
			}
			for _, f := range findings {
				if f.Code == "config.unreadable-yaml" {
					t.Logf("the parser panicked on a change at byte %d of %s", i, name)
				}
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatalf("no corpus: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		input, _, _ := strings.Cut(string(data), separator)
		f.Add([]byte(input))
	}
	for _, name := range []string{"lab.yaml", "organisation.yaml"} {
		f.Add(config.Example(name))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, findings := config.Parse("s.yaml", data)
		if (c == nil) != findings.HasErrors() {
			t.Fatalf("config is nil: %t, findings: %v", c == nil, findings)
		}
		for _, f := range findings {
			if !strings.HasPrefix(f.Code, "config.") && !strings.HasPrefix(f.Code, "endpoint.") || f.Pos.File == "" {
				t.Errorf("finding %+v", f)
			}
		}
		said(findings)
		if c == nil {
			return
		}
		again, _ := config.Parse("s.yaml", data)
		if fmt.Sprint(config.Show(c)) != fmt.Sprint(config.Show(again)) {
			t.Error("the same bytes give another configuration")
		}
	})
}
