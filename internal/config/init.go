package config

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

// Answers is what `sekisho config init` must know to write a file that works. Each is given as a person types it.
type Answers struct {
	Tenants          []string // verified domains or directory ids that people may sign in to; at least one
	Context          string   // directory id; obligatory
	Features         []string // at least one
	ConsumerAccounts string   // "block" or "allow"; obligatory
	Mode             string   // of the ring for everybody: "report" (also ""), "enforce", "off"
	Organisation     string   // "" leaves it out
	Contact          string   // "" leaves it out
	Language         string   // of the file's comments, and of pages: "ja" or "en" (also "")
	Gateway          string   // listen.gateway; "" is the default
	Operations       string   // listen.operations; "" is the default
	GatewayURL       string   // urls.*; obligatory when a listener is not loopback
	PACURL           string
	CRLURL           string
}

// Init returns a commented sekisho.yaml made of answers, which Parse accepts without an error. On an answer that is
// missing, wrong or a placeholder it returns nil and findings whose "key" names the setting; it never writes a
// placeholder in place of an answer.
func Init(a Answers) ([]byte, finding.List) {
	var g gathered
	if a.Mode == "" {
		a.Mode = "report"
	}
	if a.Language == "" {
		a.Language = "en"
	}
	g.need("profiles[0].permitted-tenants", len(a.Tenants) > 0)
	g.need("profiles[0].context", a.Context != "")
	g.need("features", len(a.Features) > 0)
	g.need("profiles[0].consumer-accounts", a.ConsumerAccounts != "")
	for i, t := range a.Tenants {
		key := "profiles[0].permitted-tenants[" + strconv.Itoa(i) + "]"
		if answer(&g, key, t, tenant()) {
			g.tenantAnswer(key, t)
		}
	}
	answers := map[string]any{"version": "1"}
	put := func(key, text string, ok bool) {
		if text != "" && ok {
			answers[key] = quoteIfDue(text)
		}
	}
	if a.Context != "" {
		answer(&g, "profiles[0].context", a.Context, directoryID())
		g.placeholder("profiles[0].context", a.Context)
	}
	for i, f := range a.Features {
		answer(&g, "features["+strconv.Itoa(i)+"]", f, feature())
	}
	if a.ConsumerAccounts != "" {
		answer(&g, "profiles[0].consumer-accounts", a.ConsumerAccounts, oneOf("block", "allow"))
	}
	answer(&g, "rings[0].mode", a.Mode, oneOf("enforce", "report", "off"))
	put("language", a.Language, answer(&g, "language", a.Language, oneOf("ja", "en")))
	optional := func(key, text string, ok func() bool) {
		if text != "" {
			put(key, text, ok())
		}
	}
	optional("organisation.name", a.Organisation, func() bool { return answer(&g, "organisation.name", a.Organisation, sentence()) })
	optional("organisation.contact", a.Contact, func() bool { return answer(&g, "organisation.contact", a.Contact, sentence()) })
	optional("listen.gateway", a.Gateway, func() bool { return answer[netip.AddrPort](&g, "listen.gateway", a.Gateway, listenAddress()) })
	optional("listen.operations", a.Operations, func() bool {
		return answer[netip.AddrPort](&g, "listen.operations", a.Operations, listenAddress())
	})
	optional("urls.gateway", a.GatewayURL, func() bool { return answer[endpoint.Authority](&g, "urls.gateway", a.GatewayURL, authority()) })
	optional("urls.pac", a.PACURL, func() bool { return answer(&g, "urls.pac", a.PACURL, webURL(text{}, false, "http", "https")) })
	optional("urls.crl", a.CRLURL, func() bool { return answer(&g, "urls.crl", a.CRLURL, webURL(text{}, true, "http")) })
	if g.findings.HasErrors() {
		return nil, g.findings
	}
	answers["features"] = a.Features
	answers["profiles"] = []map[string]any{{
		"name": "staff", "version": "v1", "permitted-tenants": a.Tenants, "context": a.Context, "consumer-accounts": a.ConsumerAccounts,
	}}
	ring := map[string]any{"name": "everyone", "mode": quoteIfDue(a.Mode), "profile": "staff"}
	answers["rings"] = []map[string]any{ring}

	o := &outline{lang: a.Language}
	o.line(0, false, text{
		JA: "# Sekisho の設定。`sekisho config check` で確認できます。行頭の # を消すと、その設定が有効になります。",
		EN: "# The configuration of Sekisho; `sekisho config check` checks it. Remove the # before a setting to set it.",
	}.in(a.Language))
	o.write(entries(settings()), answers, "", 0, false)
	out := []byte(o.b.String())
	// Whatever the answers held: what is handed out is what Parse accepts.
	if c, findings := Parse("sekisho.yaml", out); c == nil {
		for i := range findings {
			findings[i].Pos = finding.Pos{} // places in a file that was never written
		}
		return nil, findings
	}
	return out, nil
}

func (g *gathered) need(key string, given bool) {
	if !given {
		g.add(finding.New("config.answer-missing", finding.Error, finding.Pos{}, "key", key))
	}
}

// answer checks one answer by the rules of the value that it becomes.
func answer[V any](g *gathered, key, given string, s scalar[V]) bool {
	_, problem := s.parse(given)
	if problem == nil && strings.ContainsFunc(given, steers) {
		f := finding.New("config.text-control", finding.Error, finding.Pos{}, "value", given)
		problem = &f
	}
	if problem != nil {
		f := *problem
		f.Pos = finding.Pos{File: key}
		g.add(f)
	}
	return problem == nil
}

// tenantAnswer is stricter than the file: here a person has just typed a name, and a slip is best caught at once.
func (g *gathered) tenantAnswer(key, given string) {
	if g.placeholder(key, given) || guidForm.MatchString(given) {
		return
	}
	h, err := endpoint.ParseHost(given)
	if err != nil || h.String() != given || !strings.Contains(given, ".") {
		g.add(finding.New("config.answer-not-a-tenant", finding.Error, finding.Pos{File: key}, "value", given))
	}
}

// placeholder refuses what documents write in place of one's own value.
func (g *gathered) placeholder(key, given string) bool {
	plain := strings.ToLower(given)
	bad := []string{"your-tenant", "yourtenant", "your-domain", "yourdomain", "example.com", "example.onmicrosoft.com", "tenant-id", "changeme",
		"00000000-0000-0000-0000-000000000000", "11111111-1111-1111-1111-111111111111"}
	if !slices.ContainsFunc(bad, func(p string) bool { return strings.Contains(plain, p) }) {
		return false
	}
	g.add(finding.New("config.answer-placeholder", finding.Error, finding.Pos{File: key}, "value", given))
	return true
}

// outline writes a file along the schema: settings that have an answer, and the others as comments.
type outline struct {
	b    strings.Builder
	lang string
}

// line writes one line; off comments it out.
func (o *outline) line(indent int, off bool, text string) {
	if off {
		o.b.WriteByte('#')
	}
	o.b.WriteString(strings.Repeat("  ", indent) + text + "\n")
}

// about writes what e is for, one sentence a line, and its choices.
func (o *outline) about(e *entry, indent int) {
	about := e.about.in(o.lang)
	end := ". "
	if o.lang == "ja" {
		end = "。"
	}
	for _, sentence := range strings.SplitAfter(about, end) {
		if sentence = strings.TrimSpace(sentence); sentence != "" {
			o.line(indent, false, "# "+sentence)
		}
	}
	if e.scalar != nil && len(e.scalar.enum) > 0 {
		o.line(indent, false, "# "+text{JA: "選択肢: ", EN: "Choices: "}.in(o.lang)+strings.Join(e.scalar.enum, ", "))
	}
}

// write writes es. first, when not "", is what goes before the first key ("- ").
func (o *outline) write(es []*entry, answers map[string]any, prefix string, indent int, off bool) {
	for _, e := range es {
		if indent == 0 {
			o.b.WriteByte('\n')
		}
		o.about(e, indent)
		o.setting(e, answers, prefix, indent, off, "")
	}
}

// setting writes the setting itself. dash is "- " for the first key of a list item, "  " for the others.
func (o *outline) setting(e *entry, answers map[string]any, prefix string, indent int, off bool, dash string) {
	path := prefix + e.key
	given, ok := answers[path]
	switch e.shape {
	case single:
		if ok {
			o.line(indent, off, dash+e.key+": "+given.(string))
		} else {
			o.line(indent, true, dash+exampleLine(e))
		}
	case several:
		if !ok {
			o.line(indent, true, dash+exampleLine(e))
			return
		}
		var items []string
		for _, v := range given.([]string) {
			items = append(items, quoteIfDue(v))
		}
		o.line(indent, off, dash+e.key+": ["+strings.Join(items, ", ")+"]")
	case section:
		any := slices.ContainsFunc(e.children, func(c *entry) bool { return answers[path+"."+c.key] != nil })
		o.line(indent, !any, e.key+":")
		o.write(e.children, answers, path+".", indent+1, !any)
	case sections:
		rows, _ := given.([]map[string]any)
		o.line(indent, !ok, e.key+":")
		if !ok {
			rows = []map[string]any{nil}
		}
		for _, row := range rows {
			for i, c := range e.children {
				if row["version"] == "v1" && c.key == "policy" {
					continue // of v2
				}
				o.about(c, indent+2)
				dash := "  "
				if i == 0 {
					dash = "- "
				}
				o.setting(c, row, "", indent+1, !ok, dash)
			}
		}
	}
}
