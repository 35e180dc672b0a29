package cli

import (
	"cmp"
	"strings"

	"sekisho/internal/finding"
	"sekisho/internal/signin"
	"sekisho/internal/signin/method"
	"sekisho/internal/signin/page"
	"sekisho/internal/signin/pfx"
)

// sourceRow is a page as JSON has it.
type sourceRow struct {
	Title string `json:"title"`
	URL   string `json:"url"`
	Date  string `json:"date,omitempty"`
}

// statementRow is a sentence as JSON has it.
type statementRow struct {
	ID         string      `json:"id"`
	Documented bool        `json:"documented"`
	Text       string      `json:"text"`
	Sources    []sourceRow `json:"sources"`
}

func (a *app) sourceRows(ids ...page.ID) []sourceRow {
	out := []sourceRow{}
	for _, id := range ids {
		p, _ := page.Find(id)
		out = append(out, sourceRow{a.printer.Text(id.TextID(), nil), p.URL, p.Date})
	}
	return out
}

func (a *app) statementRow(s method.Statement) statementRow {
	return statementRow{strings.TrimPrefix(s.ID, "method."), s.Documented(), a.statement(s), a.sourceRows(s.Sources...)}
}

func (a *app) statementRows(all []method.Statement) []statementRow {
	out := []statementRow{}
	for _, s := range all {
		out = append(out, a.statementRow(s))
	}
	return out
}

type methodCell struct {
	Method signin.Method `json:"method"`
	Effect string        `json:"effect,omitempty"`
	statementRow
}

type stepRow struct {
	Question string      `json:"question"`
	Answer   string      `json:"answer"`
	From     string      `json:"from"` // flag, configuration or terminal
	Reason   string      `json:"reason"`
	Sources  []sourceRow `json:"sources"`
}

type questionRow struct {
	ID      string      `json:"id"`
	Text    string      `json:"text"`
	Answers []string    `json:"answers"`
	Sources []sourceRow `json:"sources"`
}

type recommendationRow struct {
	Decided    bool           `json:"decided"`
	Method     *signin.Method `json:"method"` // null: undecided
	Backup     bool           `json:"password_hash_backup"`
	Seamless   bool           `json:"seamless_sso"`
	Text       string         `json:"text"`
	Needs      string         `json:"needs_answer,omitempty"`
	Path       []stepRow      `json:"path"`
	Unused     []string       `json:"unused_answers,omitempty"`
	Impossible []findingRow   `json:"impossible"`
}

type findingRow struct {
	Code    string      `json:"code"`
	Verdict string      `json:"verdict"`
	Text    string      `json:"text"`
	Remedy  string      `json:"remedy,omitempty"`
	Sources []sourceRow `json:"sources"`
}

type certificateRow struct {
	Name        string           `json:"federation_name"`
	Usable      bool             `json:"usable"`
	Certificate *pfx.Certificate `json:"certificate"`
	Findings    []findingRow     `json:"findings"`
}

type domainRow struct {
	signin.Domain
	CanFederate bool   `json:"can_be_federated"`
	Why         string `json:"why_not,omitempty"`
	Text        string `json:"text"`
}

type endpointRow struct {
	Feature   string   `json:"feature"`
	Methods   []string `json:"methods"`
	Set       string   `json:"set"`
	Title     string   `json:"title"`
	Ports     string   `json:"ports"`
	Direction string   `json:"direction"`
	Required  bool     `json:"required"`
	Hosts     []string `json:"hosts"`
	From      string   `json:"from,omitempty"`
	To        string   `json:"to,omitempty"`
	SourceURL string   `json:"source_url"`
	Date      string   `json:"date"`
}

type aspectRow struct {
	Aspect  string       `json:"aspect"`
	Heading string       `json:"heading"`
	Methods []methodCell `json:"methods"`
}

type stateRow struct {
	State    method.State `json:"state"`
	Text     string       `json:"text"`
	Accounts *int         `json:"accounts"` // null: not known
	Methods  []methodCell `json:"methods"`
}

type needsRow struct {
	Method signin.Method  `json:"method"`
	List   []statementRow `json:"list"`
}

type compareDocument struct {
	Recommendation recommendationRow `json:"recommendation"`
	Questions      []questionRow     `json:"questions"`
	Comparison     []aspectRow       `json:"comparison"`
	States         []stateRow        `json:"account_states"`
	Needs          []needsRow        `json:"needs"`
	Certificate    *certificateRow   `json:"certificate"` // null: no file was named
	Domains        []domainRow       `json:"domains"`
	Limits         []statementRow    `json:"limits"`
	Seamless       []statementRow    `json:"seamless_sso"`
	Alternate      []statementRow    `json:"alternate_id"`
	Catalog        string            `json:"catalog_version"`
	Endpoints      []endpointRow     `json:"endpoints"`
}

// findingRows are findings of other rooms in the form of this document.
func (a *app) findingRows(list finding.List) []findingRow {
	out := []findingRow{}
	for _, f := range list {
		row := findingRow{Code: f.Code, Verdict: pfx.Refused.String(), Text: a.printer.Text(f.Code, f.Args), Sources: a.sourceRows(page.SignIn)}
		if hint := f.Code + ".hint"; a.printer.Has(hint) {
			row.Remedy = a.printer.Text(hint, f.Args)
		}
		out = append(out, row)
	}
	return out
}

// document is the comparison as JSON has it.
func (p *comparePrint) document() compareDocument {
	lang := p.printer.Language()
	d := p.decision
	out := compareDocument{
		Recommendation: recommendationRow{Decided: d.Decided, Needs: d.Needs, Path: []stepRow{}, Unused: d.Unused, Impossible: p.findingRows(p.impossible())},
		Limits:         p.statementRows(method.Limits()), Seamless: p.statementRows(method.Seamless()), Alternate: p.statementRows(method.Alternate()),
		Domains: []domainRow{}, Catalog: p.catalog.Version(), Endpoints: []endpointRow{},
	}
	r := &out.Recommendation
	if r.Text = p.t("signin.compare.undecided", "question", d.Needs); d.Decided {
		r.Method, r.Backup, r.Seamless, r.Text = &d.Leaf.Method, d.Leaf.Backup, d.Leaf.Seamless, p.leafName(d.Leaf)
	}
	for _, s := range d.Path {
		r.Path = append(r.Path, stepRow{s.Question, s.Answer, p.given[s.Question], p.printer.Text(s.Reason, nil), p.sourceRows(s.Source)})
	}
	for _, q := range method.Questions() {
		out.Questions = append(out.Questions, questionRow{q.ID, p.printer.Text("method.question."+q.ID, nil), q.Answers, p.sourceRows(q.Source)})
	}
	for _, a := range method.Aspects() {
		row := aspectRow{Aspect: a.ID, Heading: p.printer.Text("method.aspect."+a.ID, nil)}
		for i, m := range method.All() {
			row.Methods = append(row.Methods, methodCell{Method: m, statementRow: p.statementRow(a.Cells[i])})
		}
		out.Comparison = append(out.Comparison, row)
	}
	for _, s := range method.States() {
		row := stateRow{State: s, Text: p.printer.Text("method.state."+s.String(), nil)}
		if c := p.counts[s]; c.Known {
			row.Accounts = &c.N
		}
		for _, m := range method.All() {
			b := method.Bind(s, m)
			row.Methods = append(row.Methods, methodCell{m, b.Effect.String(), p.statementRow(b.Statement)})
		}
		out.States = append(out.States, row)
	}
	for _, m := range method.All() {
		out.Needs = append(out.Needs, needsRow{m, p.statementRows(method.Needs(m))})
	}
	if p.certificate != nil {
		c := &certificateRow{Name: p.service, Usable: p.certificate.Usable(), Certificate: p.certificate.Certificate, Findings: []findingRow{}}
		for _, f := range p.certificate.Findings {
			row := findingRow{Code: f.TextID(), Verdict: f.Verdict.String(), Text: p.printer.Text(f.TextID(), f.Args), Sources: p.sourceRows(f.Source)}
			if hint := f.TextID() + ".hint"; p.printer.Has(hint) {
				row.Remedy = p.printer.Text(hint, f.Args)
			}
			c.Findings = append(c.Findings, row)
		}
		out.Certificate = c
	}
	if p.tenant != nil {
		for _, domain := range p.tenant.Domains() {
			why := method.CanFederate(domain)
			out.Domains = append(out.Domains, domainRow{domain, why == "", why, p.domainText(domain)})
		}
	}
	for _, e := range p.endpoints {
		for _, set := range e.sets {
			methods := e.methods
			if methods == nil {
				methods = []string{}
			}
			out.Endpoints = append(out.Endpoints, endpointRow{string(e.feature.ID), methods, set.ID.String(), set.Title.In(lang), set.Ports.String(), set.Direction.String(), set.Required,
				hostsOf(set), set.Between.From.In(lang), set.Between.To.In(lang), set.Source.URL, set.Source.DateText()})
		}
	}
	return out
}

// rows are the comparison as one table: a sentence a line.
func (p *comparePrint) rows() rows {
	out := rows{columns: []column{
		{"section", p.t("signin.compare.column.section")}, {"subject", p.t("signin.compare.column.subject")}, {"method", p.t("signin.compare.column.method")},
		{"value", p.t("signin.compare.column.value")}, {"text", p.t("signin.compare.column.text")}, {"sources", p.t("signin.compare.column.sources")},
	}}
	urls := func(list []sourceRow) string {
		var all []string
		for _, s := range list {
			all = append(all, s.URL)
		}
		return strings.Join(all, " ")
	}
	add := func(section, subject, method, value, text, sources string) {
		out.cells = append(out.cells, []string{section, subject, method, value, text, sources})
	}
	d := p.document()
	recommended := ""
	if d.Recommendation.Method != nil {
		recommended = d.Recommendation.Method.String()
	}
	add("recommendation", cmp.Or(d.Recommendation.Needs, "decided"), recommended, "", d.Recommendation.Text, "")
	for _, s := range d.Recommendation.Path {
		add("recommendation", s.Question, recommended, s.Answer, s.Reason, urls(s.Sources))
	}
	for _, f := range d.Recommendation.Impossible {
		add("recommendation", f.Code, recommended, f.Verdict, f.Text, urls(f.Sources))
	}
	for _, a := range d.Comparison {
		for _, c := range a.Methods {
			add("comparison", a.Aspect, c.Method.String(), "", c.Text, urls(c.Sources))
		}
	}
	for _, s := range d.States {
		if p.counts != nil {
			n := ""
			if s.Accounts != nil {
				n = itoa(*s.Accounts)
			}
			add("accounts", s.State.String(), "", n, s.Text, "")
		}
		for _, c := range s.Methods {
			add("account-states", s.State.String(), c.Method.String(), c.Effect, c.Text, urls(c.Sources))
		}
	}
	for _, n := range d.Needs {
		for _, s := range n.List {
			add("needs", strings.TrimPrefix(s.ID, "need."), n.Method.String(), "", s.Text, urls(s.Sources))
		}
	}
	if c := d.Certificate; c != nil {
		for _, f := range c.Findings {
			text := f.Text
			if f.Remedy != "" {
				text += " / " + f.Remedy
			}
			add("certificate", strings.TrimPrefix(f.Code, "pfx."), "", f.Verdict, text, urls(f.Sources))
		}
	}
	for _, domain := range d.Domains {
		add("domains", domain.Name, "", cmp.Or(domain.Why, "yes"), domain.Text, "")
	}
	for _, part := range []struct {
		section string
		list    []statementRow
	}{{"limits", d.Limits}, {"seamless-sso", d.Seamless}, {"alternate-id", d.Alternate}} {
		for _, s := range part.list {
			_, subject, _ := strings.Cut(s.ID, ".")
			add(part.section, subject, "", "", s.Text, urls(s.Sources))
		}
	}
	for _, e := range d.Endpoints {
		where := strings.Join(e.Hosts, " ")
		if e.From != "" {
			where = e.From + " -> " + e.To
		}
		add("endpoints", e.Set, strings.Join(e.Methods, " "), e.Ports, e.Title+": "+where, e.SourceURL)
	}
	return out
}
