package cli

import (
	"cmp"
	"strings"

	"sekisho/internal/directory"
	"sekisho/internal/message"
	"sekisho/internal/signin"
)

// planPrint prints a plan, and what is different in it from the plan before.
type planPrint struct {
	*app
	plan   *signin.Plan
	before *signin.Plan // nil: nothing is assumed
	all    bool         // every account, and every object of a finding
}

// shownObjects is how many objects of a finding a table shows (chosen: a screen holds some findings); --accounts shows all.
const shownObjects = 5

// args fill the text of a finding.
func (p *planPrint) args(f signin.Finding) map[string]string {
	return map[string]string{
		"value": f.Value, "count": itoa(len(f.Objects)), "initial": p.plan.Tenant.Initial(), "attribute": p.plan.Options.Attribute,
	}
}

func (p *planPrint) texts(f signin.Finding) (text, remedy string) {
	args := p.args(f)
	return p.printer.Text(f.Rule.TextID(), args), p.printer.Text(f.Rule.TextID()+".hint", args)
}

func (p *planPrint) table() {
	count := p.plan.Count()
	p.printf("%s\n", p.t("signin.plan.summary", "people", itoa(count.People), "kept", itoa(count.Kept), "fallback", itoa(count.Fallback),
		"none", itoa(count.NoName), "contested", itoa(count.Contested), "initial", p.plan.Tenant.Initial()))
	p.printf("%s\n", p.t("signin.plan.summary-others", "excluded", itoa(count.Excluded), "others", itoa(count.Others)))
	if n := len(p.plan.Options.Existing); n > 0 {
		p.printf("%s\n", p.t("signin.plan.summary-tenant", "count", itoa(n)))
	}
	if p.before != nil {
		p.changes()
	}
	for _, f := range p.plan.Findings {
		text, remedy := p.texts(f)
		p.printf("\n%s  %s  (%s)\n", pad(weightWord(f.Rule.Weight), 4), text, f.Rule.ID)
		p.printf("      %s\n", remedy)
		p.printf("      %s: %s; %s\n", p.t("signin.plan.confidence"), p.t("signin.confidence."+f.Rule.Confidence.String()), f.Rule.Source)
		for n, i := range f.Objects {
			if n == shownObjects && !p.all {
				p.printf("      %s\n", p.t("signin.plan.more", "count", itoa(len(f.Objects)-n)))
				break
			}
			p.printf("      - %s\n", p.object(i))
		}
		for n, i := range f.Tenant {
			if n == shownObjects && !p.all {
				p.printf("      %s\n", p.t("signin.plan.more", "count", itoa(len(f.Tenant)-n)))
				break
			}
			p.printf("      = %s\n", message.Visible(p.existing(i)))
		}
	}
	if p.all {
		p.printf("\n")
		p.printTable(p.rows())
	}
}

// weightWord is the status word of a finding.
func weightWord(w signin.Weight) string {
	switch w {
	case signin.Blocks:
		return "NG"
	case signin.Watch:
		return "WARN"
	}
	return "--"
}

// object is one object in a line: its name, what it has and what it gets.
func (p *planPrint) object(i int) string {
	r := &p.plan.Rows[i]
	line := nameOf(r.Account)
	if r.Excluded == "" && r.Kind.Person() {
		line += ": " + cmp.Or(r.Value, "-") + " -> " + cmp.Or(r.Cloud.UPN, "-")
	}
	if r.Pos.Known() {
		line += "  (" + r.Pos.String() + ")"
	}
	return message.Visible(line)
}

// existing is one object of the tenant in a line.
func (p *planPrint) existing(i int) string {
	e := &p.plan.Options.Existing[i]
	line := p.t("signin.plan.in-tenant", "name", e.Name(), "kind", e.Kind.String())
	if e.ID != "" {
		line += "  (" + e.ID + ")"
	}
	return line
}

// nameOf is how an object is named: a table may come without distinguished names.
func nameOf(a *directory.Account) string { return cmp.Or(a.DN, a.UPN, a.SAM, a.Mail) }

func (p *planPrint) changes() {
	changes := signin.Changes(p.before, p.plan)
	p.printf("\n%s\n", p.t("signin.plan.changes", "count", itoa(len(changes))))
	for n, c := range changes {
		if n == shownObjects && !p.all {
			p.printf("      %s\n", p.t("signin.plan.more", "count", itoa(len(changes)-n)))
			return
		}
		p.printf("      - %s\n", message.Visible(nameOf(c.Account)+": "+cmp.Or(c.Before, "-")+" -> "+cmp.Or(c.After, "-")))
	}
}

// rows are all accounts as a table.
func (p *planPrint) rows() rows {
	out := rows{columns: []column{
		{"account", p.t("signin.column.account")}, {"kind", p.t("signin.column.kind")}, {"value", p.t("signin.column.value")},
		{"cloud_name", p.t("signin.column.cloud-name")}, {"reason", p.t("signin.column.reason")},
		{"mail_nickname", p.t("signin.column.nickname")}, {"mail_nickname_from", p.t("signin.column.nickname-from")},
		{"immutable_id", p.t("signin.column.anchor")}, {"findings", p.t("signin.column.findings")},
	}}
	for i := range p.plan.Rows {
		r := &p.plan.Rows[i]
		var found []string
		for _, rule := range r.Findings {
			found = append(found, rule.ID)
		}
		reason, from := "", ""
		switch {
		case r.Excluded != "":
			reason = r.Excluded
		case r.Kind.Person():
			reason, from = r.Cloud.Why.String(), r.Cloud.NicknameFrom.String()
		}
		cloud := r.Cloud.UPN
		if r.Excluded != "" {
			cloud = ""
		}
		out.cells = append(out.cells, []string{nameOf(r.Account), r.Kind.String(), r.Value, cloud, reason, r.Cloud.Nickname, from, r.Anchor, strings.Join(found, " ")})
	}
	return out
}

func (p *planPrint) csv() error { return p.printCSV(p.rows()) }

// document is the plan as JSON has it.
func (p *planPrint) document() any {
	type object struct {
		Account string `json:"account"`
		File    string `json:"file,omitempty"`
		Line    int    `json:"line,omitempty"`
	}
	type held struct {
		Name   string `json:"name"`
		Kind   string `json:"kind"`
		ID     string `json:"id"`
		Anchor string `json:"immutable_id,omitempty"`
	}
	type found struct {
		Rule       string            `json:"rule"`
		Weight     signin.Weight     `json:"weight"`
		Confidence signin.Confidence `json:"confidence"`
		Source     string            `json:"source"`
		Value      string            `json:"value,omitempty"`
		Text       string            `json:"text"`
		Remedy     string            `json:"remedy"`
		Objects    []object          `json:"objects"`
		Tenant     []held            `json:"tenant_objects,omitempty"`
	}
	type account struct {
		Account      string   `json:"account"`
		Kind         string   `json:"kind"`
		Value        string   `json:"value"`
		CloudName    string   `json:"cloud_name"`
		Reason       string   `json:"reason"`
		Nickname     string   `json:"mail_nickname"`
		NicknameFrom string   `json:"mail_nickname_from"`
		Anchor       string   `json:"immutable_id"`
		Findings     []string `json:"findings"`
	}
	type change struct {
		Account string `json:"account"`
		Before  string `json:"before"`
		After   string `json:"after"`
	}
	out := struct {
		Attribute string        `json:"attribute"`
		Method    signin.Method `json:"method"`
		Initial   string        `json:"initial"`
		Count     signin.Count  `json:"count"`
		Changes   *[]change     `json:"changes,omitempty"`
		Findings  []found       `json:"findings"`
		Accounts  []account     `json:"accounts"`
	}{p.plan.Options.Attribute, p.plan.Options.Method, p.plan.Tenant.Initial(), p.plan.Count(), nil, []found{}, []account{}}
	if p.before != nil {
		changes := []change{}
		for _, c := range signin.Changes(p.before, p.plan) {
			changes = append(changes, change{nameOf(c.Account), c.Before, c.After})
		}
		out.Changes = &changes
	}
	for _, f := range p.plan.Findings {
		text, remedy := p.texts(f)
		entry := found{f.Rule.ID, f.Rule.Weight, f.Rule.Confidence, f.Rule.Source, f.Value, text, remedy, []object{}, nil}
		for _, i := range f.Objects {
			r := &p.plan.Rows[i]
			entry.Objects = append(entry.Objects, object{nameOf(r.Account), r.Pos.File, r.Pos.Line})
		}
		for _, i := range f.Tenant {
			e := &p.plan.Options.Existing[i]
			entry.Tenant = append(entry.Tenant, held{e.Name(), e.Kind.String(), e.ID, e.Anchor})
		}
		out.Findings = append(out.Findings, entry)
	}
	for _, cells := range p.rows().cells {
		out.Accounts = append(out.Accounts, account{cells[0], cells[1], cells[2], cells[3], cells[4], cells[5], cells[6], cells[7], strings.Fields(cells[8])})
	}
	return out
}
