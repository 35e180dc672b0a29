package config_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"sekisho/internal/config"
	"sekisho/internal/message"
)

func good() config.Answers {
	return config.Answers{
		Tenants: []string{"contoso.com"}, Context: "3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31",
		Features: []string{"entra.sign-in"}, ConsumerAccounts: "block",
	}
}

// TestInitWritesWhatParseAccepts draws answers at random and reads the file back: every answer must be in it, as given.
func TestInitWritesWhatParseAccepts(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	names := []string{"", "Contoso", "コントソ株式会社", "yes", "null", "1.20", "0x1f", "- dash", "# hash", "a: b", `quote " and \ slash`, "'single'",
		"{{.x}}", "*star", "&amp", "!bang", "@at", "%percent", "`tick`", "[list]", "{map: 1}", "| pipe", "> fold", "~", "---", "...", "emoji 🏯", "?", ",", "=", "<<"}
	for range 400 {
		a := config.Answers{
			Tenants:  []string{pick("contoso.com", "contoso.onmicrosoft.com", "xn--eckwd4c7c.example.jp"), "3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31"}[:1+random.IntN(2)],
			Context:  "3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31",
			Features: []string{"entra.sign-in", "intune.core", "entra.device-registration"}[:1+random.IntN(3)], ConsumerAccounts: pick("block", "allow"),
			Mode: pick("", "report", "enforce", "off"), Language: pick("", "ja", "en"),
			Organisation: pick(names...), Contact: pick(names...),
			Gateway: pick("", "127.0.0.1:0", "[::1]:8080"), Operations: pick("", "127.0.0.1:3181"),
		}
		if random.IntN(3) == 0 {
			a.Gateway, a.GatewayURL = "0.0.0.0:3128", pick("proxy.example.com:3128", "[2001:db8::1]:3128")
			a.PACURL, a.CRLURL = "https://proxy.example.com/proxy.pac", "http://192.0.2.1:3180/crl"
		}
		data, findings := config.Init(a)
		if data == nil {
			t.Fatalf("%+v: %s", a, said(findings))
		}
		c, findings := config.Parse("sekisho.yaml", data)
		if c == nil || len(findings) > 0 {
			t.Fatalf("%+v:\n%s\n%s", a, said(findings), data)
		}
		p, r := c.Profiles[0], c.Rings[0]
		if c.Organisation.Name.V != a.Organisation || c.Organisation.Contact.V != a.Contact {
			t.Errorf("name %q, contact %q; answered %q, %q", c.Organisation.Name.V, c.Organisation.Contact.V, a.Organisation, a.Contact)
		}
		if len(p.PermittedTenants) != len(a.Tenants) || p.PermittedTenants[0].V != a.Tenants[0] || p.Context.V != a.Context ||
			p.ConsumerAccounts.V != a.ConsumerAccounts || len(c.Features) != len(a.Features) {
			t.Errorf("answered %+v, read %+v", a, c)
		}
		if mode := r.Mode.V; mode != a.Mode && (a.Mode != "" || mode != "report") {
			t.Errorf("mode %q, answered %q", mode, a.Mode)
		}
		if a.Gateway != "" && c.Listen.Gateway.V.String() != a.Gateway || c.URLs.PAC.V != a.PACURL {
			t.Errorf("listen %v, answered %q", c.Listen.Gateway.V, a.Gateway)
		}
	}
}

func TestInitRefusesHostileAnswers(t *testing.T) {
	for name, change := range map[string]func(*config.Answers){
		"line-break-in-name":    func(a *config.Answers) { a.Organisation = "Contoso\nversion: 2" },
		"line-break-in-contact": func(a *config.Answers) { a.Contact = "desk\r\n  direct: [x]" },
		"break-out-of-quotes":   func(a *config.Answers) { a.Features = []string{`x"]` + "\nhosts: []"} },
		"comment-in-tenant":     func(a *config.Answers) { a.Tenants = []string{"contoso.com] # "} },
		"wildcard-tenant":       func(a *config.Answers) { a.Tenants = []string{"*"} },
		"wildcard-domain":       func(a *config.Answers) { a.Tenants = []string{"*.contoso.com"} },
		"two-in-one":            func(a *config.Answers) { a.Tenants = []string{"contoso.com,fabrikam.com"} },
		"tenant-not-normal":     func(a *config.Answers) { a.Tenants = []string{"Contoso.com"} },
		"tenant-without-dot":    func(a *config.Answers) { a.Tenants = []string{"contoso"} },
		"tenant-twice":          func(a *config.Answers) { a.Tenants = []string{"contoso.com", "contoso.com"} },
		"angle-placeholder":     func(a *config.Answers) { a.Tenants = []string{"<your tenant>"} },
		"placeholder":           func(a *config.Answers) { a.Tenants = []string{"yourtenant.onmicrosoft.com"} },
		"zero-context":          func(a *config.Answers) { a.Context = "00000000-0000-0000-0000-000000000000" },
		"sample-context":        func(a *config.Answers) { a.Context = "456ff232-35l2-5h23-b3b3-3236w0826f3d" },
		"context-is-domain":     func(a *config.Answers) { a.Context = "contoso.com" },
		"bad-mode":              func(a *config.Answers) { a.Mode = "enforced" },
		"bad-consumer-rule":     func(a *config.Answers) { a.ConsumerAccounts = "no" },
		"bad-language":          func(a *config.Answers) { a.Language = "fr" },
		"bidi-name":             func(a *config.Answers) { a.Organisation = "a\u202eb" },
		"invalid-utf8":          func(a *config.Answers) { a.Organisation = "a\xffb" },
		"open-without-urls":     func(a *config.Answers) { a.Gateway = "0.0.0.0:3128" },
		"listen-on-a-name":      func(a *config.Answers) { a.Gateway = "localhost:3128" },
		"crl-over-tls":          func(a *config.Answers) { a.CRLURL = "https://proxy.example.com/crl" },
		"no-tenant":             func(a *config.Answers) { a.Tenants = nil },
		"no-context":            func(a *config.Answers) { a.Context = "" },
		"no-feature":            func(a *config.Answers) { a.Features = nil },
		"no-consumer-rule":      func(a *config.Answers) { a.ConsumerAccounts = "" },
	} {
		a := good()
		change(&a)
		data, findings := config.Init(a)
		if data != nil || !findings.HasErrors() {
			t.Errorf("%s: accepted:\n%s", name, data)
			continue
		}
		for _, f := range findings {
			if p := message.New("ja"); !p.Has(f.Code) || strings.Contains(p.Finding(f), "\n") {
				t.Errorf("%s: %q", name, p.Finding(f))
			}
		}
	}
	if data, findings := config.Init(config.Answers{}); data != nil || len(findings) != 4 {
		t.Errorf("no answers: every missing one is named; got %s", said(findings))
	}
}

// TestInitCommentsEverySetting looks for each setting of the schema in the file, in both languages.
func TestInitCommentsEverySetting(t *testing.T) {
	for _, lang := range message.Languages() {
		a := good()
		a.Language = lang
		data, findings := config.Init(a)
		if data == nil {
			t.Fatal(said(findings))
		}
		for _, key := range []string{"organisation", "gateway", "operations", "crl", "plain-http", "permitted-tenants", "clients", "percent", "aliases",
			"passwords", "dial-allowed", "source-addresses", "tunnel-without-sni", "direct", "retention-days", "when-full", "spool-mib", "level", "format"} {
			if !strings.Contains(string(data), key+":") {
				t.Errorf("%s: %s is not mentioned", lang, key)
			}
		}
		japanese := strings.ContainsRune(string(data), 'の')
		if japanese != (lang == "ja") {
			t.Errorf("%s: comments are in the other language", lang)
		}
	}
}
