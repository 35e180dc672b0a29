// Package fix makes of a plan's findings the changes of the directory that would settle them, and writes those that somebody
// approved as LDIF or PowerShell. It applies nothing.
//
//	changes := fix.Of(before, plan)
//	err := fix.LDIF(w, header, changes, say)
//
// A change follows from what was planned: a suffix that the administrator renamed, a name that the default rules would make.
// Where somebody has to decide (which of two accounts keeps a name), there is a Change with Decide, which is written as a
// comment until an approval gives it its new value. Each change names the value that it replaces, and what is written does
// nothing where that value is not there any more.
package fix

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"

	"golang.org/x/text/cases"

	"sekisho/internal/directory"
	"sekisho/internal/signin"
)

// Change is one value of one attribute that is to become another one.
type Change struct {
	ID        string // the same for the same change, in each run
	Rule      string // id of the finding that it settles
	DN        string // "" where the export has none
	Account   string // sAMAccountName, or what else names it
	Attribute string // LDAP name
	Old       string // "": there is none
	New       string // "": the value is taken away
	Binary    bool   // Old is base64 of what the directory holds
	Many      bool   // the attribute has several values, of which Old is one
	// Decide says that New is not known, because it is somebody's choice. A value that is only to be taken away from one of
	// several objects needs the choice as well.
	Decide bool
}

// RuleRename is the rule of a change that no finding asks for but --rename.
const RuleRename = "renamed"

func (c Change) identified() Change {
	sum := sha256.Sum256([]byte(strings.Join([]string{c.Rule, c.DN, c.Account, c.Attribute, c.Old, c.New}, "\x00")))
	c.ID = hex.EncodeToString(sum[:6])
	return c
}

// Of are the changes of a plan: first those that follow, then those that somebody decides, each in the order of the plan.
// before is the plan without what is assumed; nil: nothing is.
func Of(before, plan *signin.Plan) []Change {
	g := &gatherer{plan: plan, seen: map[string]bool{}, fold: cases.Fold()}
	attribute := plan.Options.Attribute
	for i := range plan.Rows {
		r := &plan.Rows[i]
		if r.Excluded != "" || !r.Kind.Person() {
			continue
		}
		old := g.value(r)
		switch {
		case r.Implicit:
			g.add(r, Change{Rule: "implicit-name", Attribute: attribute, New: r.Value})
		case old != "" && old != r.Value:
			rule := RuleRename
			if before != nil {
				for _, f := range before.Rows[i].Findings {
					if strings.HasPrefix(f.ID, "suffix-") {
						rule = f.ID
						break
					}
				}
			}
			g.add(r, Change{Rule: rule, Attribute: attribute, Old: old, New: r.Value, Many: g.many(r)})
		}
	}
	for _, f := range plan.Findings {
		for _, i := range f.Objects {
			g.decide(f, &plan.Rows[i])
		}
	}
	return g.out
}

type gatherer struct {
	plan *signin.Plan
	out  []Change
	seen map[string]bool
	fold cases.Caser
}

func (g *gatherer) add(r *signin.Row, c Change) {
	c.DN, c.Account = r.DN, r.SAM
	for _, other := range []string{r.UPN, r.Mail, r.DN} {
		if c.Account == "" {
			c.Account = other
		}
	}
	if c = c.identified(); !g.seen[c.ID] {
		g.seen[c.ID] = true
		g.out = append(g.out, c)
	}
}

// values are those of the attribute that people sign in with, as the directory holds them.
func (g *gatherer) values(r *signin.Row) []string {
	return r.Values(g.plan.Options.Attribute, g.plan.Options.Attribute)
}

func (g *gatherer) value(r *signin.Row) string {
	if all := g.values(r); len(all) > 0 {
		return all[0]
	}
	return ""
}

func (g *gatherer) many(r *signin.Row) bool { return len(g.values(r)) > 1 }

// decide adds what somebody would have to choose for one object of a finding. Rules that no change of the directory settles
// have none.
func (g *gatherer) decide(f signin.Finding, r *signin.Row) {
	attribute := g.plan.Options.Attribute
	c := Change{Rule: f.Rule.ID, Decide: true}
	switch id := f.Rule.ID; {
	case strings.HasPrefix(id, "suffix-"), strings.HasPrefix(id, "value-"), strings.HasPrefix(id, "alternate-") && id != "alternate-in-use",
		id == "duplicate-name", id == "duplicate-name-later", id == "tenant-holds-name":
		c.Attribute, c.Old, c.Many = attribute, g.value(r), g.many(r)
		g.add(r, c)
	case id == "duplicate-fallback", id == "nickname-characters", id == "no-name":
		c.Attribute, c.Old = "mailNickname", r.MailNickname
		g.add(r, c)
	case id == "duplicate-address", id == "conflict-with-group", id == "name-is-address-of-other", id == "tenant-holds-address", id == "tenant-conflict-with-group":
		for _, p := range r.Proxies {
			if len(p) > 5 && strings.EqualFold(p[:5], "smtp:") && g.fold.String(p[5:]) == f.Value {
				c.Attribute, c.Old, c.Many = "proxyAddresses", p, true
				g.add(r, c)
			}
		}
		if r.Mail != "" && g.fold.String(r.Mail) == f.Value {
			c.Attribute, c.Old, c.Many = "mail", r.Mail, false
			g.add(r, c)
		}
	case id == "anchor-copied", id == "anchor-duplicate":
		if len(r.ConsistencyGUID) > 0 {
			c.Attribute, c.Old, c.Binary = "mS-DS-ConsistencyGuid", base64.StdEncoding.EncodeToString(r.ConsistencyGUID), true
			g.add(r, c)
		}
	}
}

// Removable reports whether an approval may take the value of an attribute away: sign-in names are changed, never taken away.
func Removable(attribute string) bool {
	switch strings.ToLower(attribute) {
	case "proxyaddresses", "mail", "ms-ds-consistencyguid":
		return true
	}
	return false
}

// Rules are the ids of the rules that changes has, each once, in its order.
func Rules(changes []Change) []string {
	var out []string
	for _, c := range changes {
		if !slices.Contains(out, c.Rule) {
			out = append(out, c.Rule)
		}
	}
	return out
}

// fits reports whether a value may stand in a directory entry that this package writes: text without NUL, which no attribute
// here can hold.
func fits(value string) bool {
	return !strings.ContainsRune(value, 0) && len(value) <= directory.MaxValue
}
