package signin

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strings"

	"golang.org/x/text/cases"

	"sekisho/internal/directory"
)

// tenantFinder holds the plan against what the tenant has.
type tenantFinder struct {
	*finder
	have                    []Existing
	byAnchor                map[string]int
	byName, byMail, byPrime map[string][]int // folded
	fold                    cases.Caser
}

// tenant finds who takes over which object of the tenant, and whose name or address is held there by somebody else
// (pageExisting). The immutable id is looked at first, then the sign-in name, then the primary address.
func (f *finder) tenant(have []Existing) {
	t := &tenantFinder{finder: f, have: have, byAnchor: map[string]int{}, byName: map[string][]int{}, byMail: map[string][]int{}, byPrime: map[string][]int{}, fold: cases.Fold()}
	for i := range have {
		e := &have[i]
		if e.Anchor != "" {
			t.byAnchor[e.Anchor] = i
		}
		if e.UPN != "" {
			key := t.fold.String(e.UPN)
			t.byName[key] = append(t.byName[key], i)
			if prefix, ok := placeholder(key, t.fold.String(f.plan.Tenant.Initial())); ok {
				f.foundTenant(ruleTenantPlaceholder, prefix, nil, []int{i})
			}
		}
		all, primary := e.addresses()
		for _, address := range all {
			key := t.fold.String(address)
			if held := t.byMail[key]; len(held) == 0 || held[len(held)-1] != i {
				t.byMail[key] = append(held, i)
			}
		}
		if primary != "" {
			key := t.fold.String(primary)
			t.byPrime[key] = append(t.byPrime[key], i)
		}
	}
	for i := range f.plan.Rows {
		if f.plan.Rows[i].Excluded == "" {
			t.row(i)
		}
	}
}

// placeholder is the prefix of a name that the service gave to somebody whose own was taken: <prefix>+<4 digits>@<initial
// domain>. The page's known issues show the form without "+", which a person can have as well and which is not taken for one.
func placeholder(name, initial string) (prefix string, ok bool) {
	local, ok := strings.CutSuffix(name, "@"+initial)
	if !ok {
		return "", false
	}
	prefix, digits, ok := strings.Cut(local, "+")
	return prefix, ok && prefix != "" && len(digits) == 4 && strings.Trim(digits, "0123456789") == ""
}

func (t *tenantFinder) row(i int) {
	r := &t.plan.Rows[i]
	name := t.fold.String(r.Cloud.UPN)
	own := t.own(i, r, name)
	r.Matched = own
	var group bool
	held := map[int]bool{}
	for _, address := range smtp(r) {
		key := t.fold.String(address)
		for _, at := range t.byMail[key] {
			e := &t.have[at]
			if e == own || held[at] || t.perhapsOwn(r, e) {
				continue
			}
			held[at] = true
			// Name and address that both meet a group are no quarantine but an error of the export (pageDuplicate, "Known issues").
			if r.Kind.Person() && e.Kind == directory.Group && key == name {
				group = true
				t.foundTenant(ruleTenantGroup, key, []int{i}, []int{at})
			} else {
				t.foundTenant(ruleTenantAddress, key, []int{i}, []int{at})
			}
		}
	}
	if !r.Kind.Person() || name == "" || group {
		return
	}
	for _, at := range t.byName[name] {
		if e := &t.have[at]; e != own {
			switch {
			case t.unclear(r, e):
				t.foundTenant(ruleTenantUnclear, "", []int{i}, []int{at})
			default:
				t.foundTenant(ruleTenantName, name, []int{i}, []int{at})
			}
		}
	}
}

// own is the object of the tenant that the row takes over; nil: a new one is made.
func (t *tenantFinder) own(i int, r *Row, name string) *Existing {
	if r.Kind.Person() {
		for _, anchor := range []string{base64.StdEncoding.EncodeToString(r.ConsistencyGUID), r.Anchor} {
			if at, ok := t.byAnchor[anchor]; ok && anchor != "" {
				t.foundTenant(ruleTenantHard, "", []int{i}, []int{at})
				return &t.have[at]
			}
		}
	}
	var soft []int
	take := func(list []int) {
		for _, at := range list {
			e := &t.have[at]
			same := e.Kind == r.Kind || e.Kind.Person() && r.Kind.Person()
			if same && !e.Synced && !slices.Contains(soft, at) {
				soft = append(soft, at)
			}
		}
	}
	if r.Kind.Person() && name != "" {
		take(t.byName[name])
	}
	if primary, _ := addresses(r.Proxies); primary != "" {
		take(t.byPrime[t.fold.String(primary)])
	}
	switch len(soft) {
	case 0:
		return nil
	case 1:
		t.foundTenant(ruleTenantSoft, "", []int{i}, soft)
	default:
		t.foundTenant(ruleTenantTwo, t.fold.String(cmp.Or(r.Cloud.UPN, r.Mail)), []int{i}, soft)
	}
	return &t.have[soft[0]]
}

// unclear reports whether e may be what became of r: it is synchronised, and one side does not tell its immutable id.
func (t *tenantFinder) unclear(r *Row, e *Existing) bool {
	return e.Synced && (e.Anchor == "" || r.Anchor == "" && len(r.ConsistencyGUID) == 0)
}

// perhapsOwn is unclear for addresses: also a group or contact that is synchronised, because Graph tells no immutable id of
// those.
func (t *tenantFinder) perhapsOwn(r *Row, e *Existing) bool {
	same := e.Kind == r.Kind || e.Kind.Person() && r.Kind.Person()
	return same && t.unclear(r, e)
}

// foundTenant notes that rule holds for rows and objects of the tenant, because of value.
func (f *finder) foundTenant(rule *Rule, value string, rows, have []int) {
	key := finderKey{rule, value}
	at, known := f.by[key]
	if !known {
		at = len(f.plan.Findings)
		f.by[key] = at
		f.plan.Findings = append(f.plan.Findings, Finding{Rule: rule, Value: value})
	}
	for _, i := range rows {
		f.found(rule, i, value)
	}
	f.plan.Findings[at].Tenant = append(f.plan.Findings[at].Tenant, have...)
}
