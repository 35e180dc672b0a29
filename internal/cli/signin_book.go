package cli

import (
	"strings"

	"sekisho/internal/signin"
	"sekisho/internal/workbook"
)

// xlsx writes the plan as a workbook: what it comes to, every account, every finding with every object that it concerns, and
// what is different from today.
func (p *planPrint) xlsx() error {
	wide := func(id string, width float64) workbook.Column {
		return workbook.Column{Heading: p.t("signin.column." + id), Width: width}
	}
	accounts := sheetOf(p.t("signin.sheet.accounts"), p.rows(), 52, 14, 36, 36, 20, 20, 16, 28, 40)
	sheets := []bookSheet{
		{p.t("signin.sheet.summary"), []workbook.Column{wide("what", 64), {Heading: p.t("signin.column.value-of"), Width: 40, Number: true}}, p.summary},
		accounts,
		{p.t("signin.sheet.findings"), []workbook.Column{wide("weight", 8), wide("rule", 26), wide("text", 70), wide("account", 52), wide("value", 36),
			wide("cloud-name", 36), wide("place", 22), wide("tenant", 40), wide("remedy", 60), wide("confidence", 12), wide("source", 60)}, p.findings},
	}
	if p.before != nil {
		sheets = append(sheets, bookSheet{p.t("signin.sheet.changes"), []workbook.Column{wide("account", 52), wide("before", 40), wide("after", 40)}, func(yield func([]string) bool) {
			for _, c := range signin.Changes(p.before, p.plan) {
				if !yield([]string{nameOf(c.Account), c.Before, c.After}) {
					return
				}
			}
		}})
	}
	return p.printBook(p.t("signin.sheet.title"), sheets...)
}

// summary is what the plan comes to.
func (p *planPrint) summary(yield func([]string) bool) {
	c := p.plan.Count()
	found := map[signin.Weight]int{}
	for _, f := range p.plan.Findings {
		found[f.Rule.Weight]++
	}
	for _, row := range [][2]string{
		{"initial", p.plan.Tenant.Initial()}, {"attribute", p.plan.Options.Attribute}, {"method", p.plan.Options.Method.String()},
		{"people", itoa(c.People)}, {"kept", itoa(c.Kept)}, {"fallback", itoa(c.Fallback)}, {"none", itoa(c.NoName)}, {"contested", itoa(c.Contested)},
		{"excluded", itoa(c.Excluded)}, {"others", itoa(c.Others)}, {"tenant", itoa(len(p.plan.Options.Existing))},
		{"blocks", itoa(found[signin.Blocks])}, {"watch", itoa(found[signin.Watch])}, {"explain", itoa(found[signin.Explain])},
	} {
		if !yield([]string{p.t("signin.sum." + row[0]), row[1]}) {
			return
		}
	}
}

// findings are the findings, a row for each object that one concerns. Objects of the tenant stand in the first row of the
// finding, where they are not the one that the account takes over.
func (p *planPrint) findings(yield func([]string) bool) {
	for _, f := range p.plan.Findings {
		text, remedy := p.texts(f)
		row := func(account, value, cloud, place, tenant string) bool {
			return yield([]string{weightWord(f.Rule.Weight), f.Rule.ID, text, account, value, cloud, place, tenant, remedy,
				p.t("signin.confidence." + f.Rule.Confidence.String()), f.Rule.Source})
		}
		paired := len(f.Tenant) == len(f.Objects)
		var all []string
		for _, i := range f.Tenant {
			if all = append(all, p.existing(i)); len(all) == shownTenant {
				break
			}
		}
		if len(f.Objects) == 0 && !row("", f.Value, "", "", strings.Join(all, ", ")) {
			return
		}
		for n, i := range f.Objects {
			r := &p.plan.Rows[i]
			tenant := ""
			switch {
			case paired:
				tenant = p.existing(f.Tenant[n])
			case n == 0:
				tenant = strings.Join(all, ", ")
			}
			place := ""
			if r.Pos.Known() {
				place = r.Pos.String()
			}
			if !row(nameOf(r.Account), r.Value, r.Cloud.UPN, place, tenant) {
				return
			}
		}
	}
}

// shownTenant is how many objects of the tenant stand in one cell (chosen: what a cell of a line can show).
const shownTenant = 20
