package signin

import (
	"cmp"
	"slices"

	"sekisho/internal/directory"
)

// SuffixRow is one line of the table of the wizard's sign-in page.
type SuffixRow struct {
	Name     string
	Origin   directory.Origin
	Accounts int // people who sign in with it and are synchronised
	State    State
	Domain   Domain // of the tenant; the zero value when there is none
	Routable string // see Routable; "" also when the domain is there
}

// suffixRows are the suffixes of the directory, those that most people use first.
func suffixRows(d *directory.Directory, p *Plan) []SuffixRow {
	count := map[string]int{}
	for i := range p.Rows {
		if r := &p.Rows[i]; r.Excluded == "" && r.Suffix != "" {
			count[r.Suffix]++
		}
	}
	known := map[string]directory.Origin{}
	for _, s := range d.Suffixes {
		known[s.Name] = s.Origin
	}
	var out []SuffixRow
	add := func(name string, origin directory.Origin) {
		row := SuffixRow{Name: name, Origin: origin, Accounts: count[name], State: p.Tenant.State(name)}
		if domain, ok := p.Tenant.Domain(name); ok {
			row.Domain = domain
		} else {
			row.Routable = Routable(name)
		}
		out = append(out, row)
	}
	for name, origin := range known {
		// A suffix that no forest declares and that nobody signs in with, by the chosen attribute, is none.
		if origin != directory.OfAccounts || count[name] > 0 {
			add(name, origin)
		}
	}
	for name := range count {
		if _, ok := known[name]; !ok {
			add(name, directory.OfAccounts)
		}
	}
	slices.SortFunc(out, func(a, b SuffixRow) int {
		return cmp.Or(cmp.Compare(b.Accounts, a.Accounts), cmp.Compare(a.Name, b.Name))
	})
	return out
}
