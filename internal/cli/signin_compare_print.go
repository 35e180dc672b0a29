package cli

import (
	"cmp"
	"slices"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/explain"
	"sekisho/internal/message"
	"sekisho/internal/signin"
	"sekisho/internal/signin/method"
	"sekisho/internal/signin/page"
	"sekisho/internal/signin/pfx"
)

// comparePrint prints a comparison.
type comparePrint struct {
	*app
	*comparison
	cited []page.ID // in the order of their numbers
}

// usualColumns is how wide texts are laid out where nobody knows the terminal (chosen: a page of a report).
const usualColumns = 100

// width is how many columns a line may take.
func (a *app) width() int { return min(max(cmp.Or(a.Columns, usualColumns), 40), 160) }

// methodName is a method as the head of a column or line.
func (a *app) methodName(m signin.Method) string {
	switch m {
	case signin.PasswordHash:
		return "PHS"
	case signin.PassThrough:
		return "PTA"
	case signin.ADFS:
		return "AD FS"
	case signin.Ping:
		return "PingFederate"
	}
	return a.printer.Text("method.short.none", nil)
}

// statement is the sentence of a statement, or that it is not documented.
func (a *app) statement(s method.Statement) string {
	if !s.Documented() {
		return a.printer.Text("method.not-documented", nil)
	}
	return a.printer.Text(s.ID, nil)
}

// notes number the pages that sentences are from.
func notes(cited *[]page.ID, sources ...page.ID) string {
	var out strings.Builder
	for _, id := range sources {
		i := slices.Index(*cited, id)
		if i < 0 {
			i = len(*cited)
			*cited = append(*cited, id)
		}
		out.WriteString(" [" + itoa(i+1) + "]")
	}
	return out.String()
}

// paragraph prints a text behind an indent and a lead, its further lines below its first.
func (a *app) paragraph(indent int, lead, text string) {
	margin := indent + explain.Columns(lead)
	for i, part := range explain.Wrap(text, a.width()-margin) {
		if i == 0 {
			a.printf("%*s%s%s\n", indent, "", lead, part)
		} else {
			a.printf("%*s%s\n", margin, "", part)
		}
	}
}

func (p *comparePrint) heading(id string) { p.printf("\n%s\n", p.t("signin.compare.section."+id)) }

func (p *comparePrint) said(indent int, lead string, s method.Statement) {
	p.paragraph(indent, lead, p.statement(s)+notes(&p.cited, s.Sources...))
}

func (p *comparePrint) table() {
	p.recommendation()
	p.heading("comparison")
	for _, aspect := range method.Aspects() {
		p.printf("  %s\n", p.printer.Text("method.aspect."+aspect.ID, nil))
		for i, m := range method.All() {
			p.said(4, pad(p.methodName(m), 14), aspect.Cells[i])
		}
	}
	p.states()
	for _, m := range method.All() {
		p.printf("\n")
		p.paragraph(0, "", p.t("signin.compare.section.needs", "method", p.printer.Text("method.name."+m.String(), nil)))
		for _, s := range method.Needs(m) {
			p.said(2, "- ", s)
		}
	}
	p.certificateFile()
	p.domains()
	p.list("limits", method.Limits())
	p.list("seamless", method.Seamless())
	p.list("alternate", method.Alternate())
	p.catalogRows()
	p.sources(p.cited)
}

func (p *comparePrint) list(heading string, all []method.Statement) {
	p.heading(heading)
	for _, s := range all {
		p.said(2, "- ", s)
	}
}

// leafName is what is recommended, in words.
func (a *app) leafName(l method.Leaf) string {
	name := a.printer.Text("method.name."+l.Method.String(), nil)
	for _, with := range []struct {
		is bool
		id string
	}{{l.Backup, "method.with-backup"}, {l.Seamless, "method.with-seamless"}} {
		if with.is {
			name += " (" + a.printer.Text(with.id, nil) + ")"
		}
	}
	return name
}

func (p *comparePrint) recommendation() {
	d := p.decision
	p.printf("%s\n", p.t("signin.compare.section.recommendation"))
	if d.Decided {
		p.paragraph(2, "", p.leafName(d.Leaf))
	} else {
		p.paragraph(2, "", p.t("signin.compare.undecided", "question", d.Needs))
		i := slices.IndexFunc(method.Questions(), func(q method.Question) bool { return q.ID == d.Needs })
		q := method.Questions()[i]
		p.paragraph(4, "", p.printer.Text("method.question."+q.ID, nil)+notes(&p.cited, q.Source))
		for _, answer := range q.Answers {
			p.paragraph(4, "--answer "+q.ID+"="+answer+"  ", p.printer.Text("method.because."+q.ID+"."+answer, nil))
		}
	}
	for _, s := range d.Path {
		p.paragraph(4, "- ", p.printer.Text(s.Reason, nil)+notes(&p.cited, s.Source)+"  ("+s.Question+"="+s.Answer+p.t("signin.compare.from."+p.given[s.Question])+")")
	}
	if len(d.Unused) > 0 {
		p.paragraph(4, "- ", p.t("signin.compare.unused", "questions", strings.Join(d.Unused, ", ")))
	}
	for _, f := range p.impossible() {
		p.paragraph(2, "NG  ", p.printer.Finding(f))
		p.paragraph(6, "", p.printer.Text(f.Code+".hint", f.Args))
	}
}

// states is the table of account states and methods, with the sentences that its words are short for.
func (p *comparePrint) states() {
	p.heading("states")
	r := rows{columns: []column{{"state", p.t("signin.column.state")}}}
	if p.counts != nil {
		r.columns = append(r.columns, column{"accounts", p.t("signin.column.accounts")})
	}
	for _, m := range method.All() {
		r.columns = append(r.columns, column{m.String(), strings.ToUpper(p.methodName(m))})
	}
	var explained []method.Statement
	var whose []string
	for _, s := range method.States() {
		name := p.printer.Text("method.state."+s.String(), nil)
		cells := []string{name}
		if p.counts != nil {
			cells = append(cells, p.count(s))
		}
		for _, m := range method.All() {
			b := method.Bind(s, m)
			word := notKnown
			if b.Documented() {
				word = p.printer.Text("method.effect."+b.Effect.String(), nil)
			}
			cells = append(cells, word)
			if m == signin.PasswordHash || b.Documented() && s == method.MustChange {
				explained, whose = append(explained, b.Statement), append(whose, p.methodName(m)+" / "+name+": ")
			}
		}
		r.cells = append(r.cells, cells)
	}
	p.printTable(r)
	for i, s := range explained {
		p.paragraph(2, "- ", whose[i]+p.statement(s)+notes(&p.cited, s.Sources...))
	}
	p.paragraph(2, notKnown+": ", p.printer.Text("method.not-documented", nil))
	p.paragraph(2, "", p.t("signin.compare.binds")+notes(&p.cited, page.AgentFAQ))
	if p.counts != nil {
		p.paragraph(2, "", p.t("signin.compare.counted"))
	}
}

// notKnown is the status word of what is not established.
const notKnown = "--"

// count is how many accounts are in a state.
func (p *comparePrint) count(s method.State) string {
	if c := p.counts[s]; c.Known {
		return itoa(c.N)
	}
	return p.t("signin.compare.not-known")
}

// verdictWord is the status word of a check of the certificate's file.
func verdictWord(v pfx.Verdict) string {
	return map[pfx.Verdict]string{pfx.Refused: "NG", pfx.Doubtful: "WARN", pfx.NotTested: "--", pfx.Passed: "OK"}[v]
}

func (p *comparePrint) certificateFile() {
	if p.certificate == nil {
		return
	}
	p.printf("\n%s\n", p.t("signin.compare.section.certificate", "name", p.service))
	if c := p.certificate.Certificate; c != nil {
		for _, fact := range [][2]string{{"subject", c.Subject}, {"issuer", c.Issuer}, {"names", strings.Join(c.Names, ", ")}, {"fingerprint", c.SHA256}} {
			p.paragraph(2, p.t("signin.compare.certificate."+fact[0])+": ", message.Visible(fact[1]))
		}
	}
	for _, f := range p.certificate.Findings {
		p.paragraph(2, pad(verdictWord(f.Verdict), 6), message.Visible(p.printer.Text(f.TextID(), f.Args))+notes(&p.cited, f.Source))
		if hint := f.TextID() + ".hint"; p.printer.Has(hint) {
			p.paragraph(8, "", message.Visible(p.printer.Text(hint, f.Args)))
		}
	}
}

func (p *comparePrint) domains() {
	if p.tenant == nil {
		return
	}
	p.heading("domains")
	wide := 0
	for _, d := range p.tenant.Domains() {
		wide = min(max(wide, len(d.Name)), p.width()/2)
	}
	for _, d := range p.tenant.Domains() {
		p.paragraph(2, pad(d.Name, wide)+"  ", p.domainText(d))
	}
}

// domainText says whether a domain can be federated.
func (a *app) domainText(d signin.Domain) string {
	id := cmp.Or(method.CanFederate(d), "ok")
	if id == "ok" && d.Federated {
		id = "federated"
	}
	return a.printer.Text("method.domain."+id, nil)
}

func (p *comparePrint) catalogRows() {
	p.printf("\n%s\n", p.t("signin.compare.section.endpoints", "version", p.catalog.Version()))
	lang := p.printer.Language()
	for _, e := range p.endpoints {
		p.paragraph(2, string(e.feature.ID)+"  ", e.feature.Title.In(lang)+p.t("signin.compare.for", "methods", cmp.Or(strings.Join(e.methods, ", "), "phs, pta ("+p.t("signin.compare.optional")+")")))
		for _, set := range e.sets {
			p.paragraph(4, pad(set.Ports.String()+" ", 17), set.Title.In(lang)+": "+whereOf(set, lang))
		}
	}
}

// whereOf is the other end of a row of the catalog, or both.
func whereOf(set *catalog.Set, lang string) string {
	if !set.Between.IsZero() {
		return set.Between.From.In(lang) + " -> " + set.Between.To.In(lang)
	}
	return strings.Join(append(hostsOf(set), set.Tags...), ", ")
}

func hostsOf(set *catalog.Set) []string {
	out := []string{}
	for _, h := range set.Patterns {
		out = append(out, h.String())
	}
	for _, u := range set.URLs {
		out = append(out, u.String())
	}
	if len(out) == 0 {
		// A name of the organisation's own, whose holes the section "tenant" of the configuration fills.
		for _, t := range set.Templates {
			out = append(out, t.String())
		}
	}
	return out
}

// sources is the list of the pages that were cited.
func (a *app) sources(cited []page.ID) {
	a.printf("\n%s\n", a.t("signin.compare.section.sources"))
	for i, id := range cited {
		pg, _ := page.Find(id)
		text := a.printer.Text(id.TextID(), nil)
		if pg.Date != "" {
			text += " (" + pg.Date + ")"
		}
		a.paragraph(2, "["+itoa(i+1)+"] ", text)
		a.printf("%*s%s\n", 6, "", pg.URL)
	}
}
