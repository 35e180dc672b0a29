package signin

import (
	"slices"

	"sekisho/internal/directory"
)

// Change is one person whose name in the cloud is another one in a second plan.
type Change struct {
	Account *directory.Account
	Before  string
	After   string
	WhyNow  Why
}

// Changes are the people whose names differ between two plans of one directory, in its order.
func Changes(before, after *Plan) []Change {
	var out []Change
	for i := range before.Rows {
		b, a := &before.Rows[i], &after.Rows[i]
		if b.Cloud.UPN != a.Cloud.UPN && b.Excluded == "" {
			out = append(out, Change{Account: a.Account, Before: b.Cloud.UPN, After: a.Cloud.UPN, WhyNow: a.Cloud.Why})
		}
	}
	return out
}

// Count is how many people a plan is for, by what becomes of their names.
type Count struct {
	People   int `json:"people"`   // synchronised
	Kept     int `json:"kept"`     // sign in with the name that they have, but for the contested
	Fallback int `json:"fallback"` // get one under the initial domain
	// Contested is how many of the two share their name with somebody, so that all but one get another.
	Contested int `json:"contested"`
	NoName    int `json:"no_name"`
	Excluded  int `json:"not_synchronised"` // objects of every kind
	Others    int `json:"other_objects"`    // groups and contacts: looked at for addresses alone
}

// Count counts the rows.
func (p *Plan) Count() Count {
	var c Count
	for i := range p.Rows {
		switch r := &p.Rows[i]; {
		case r.Excluded != "":
			c.Excluded++
		case !r.Kind.Person():
			c.Others++
		default:
			c.People++
			if slices.Contains(r.Findings, ruleDuplicateName) || slices.Contains(r.Findings, ruleDuplicateCloud) || slices.Contains(r.Findings, ruleGroup) ||
				slices.Contains(r.Findings, ruleTenantName) || slices.Contains(r.Findings, ruleTenantGroup) {
				c.Contested++
			}
			switch {
			case r.Cloud.UPN == "":
				c.NoName++
			case r.Cloud.Why == Kept:
				c.Kept++
			default:
				c.Fallback++
			}
		}
	}
	return c
}

// Blocked reports whether somebody will not sign in as expected.
func (p *Plan) Blocked() bool {
	for _, f := range p.Findings {
		if f.Rule.Weight == Blocks {
			return true
		}
	}
	return false
}
