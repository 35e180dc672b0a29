package prove

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"

	"golang.org/x/crypto/argon2"

	"sekisho/internal/signin"
)

// person is somebody who is rehearsed.
type person struct {
	row                        int // of the plan
	anchor, password, verifier string
	kinds                      []string
	refused                    bool   // the synchronisation made nobody of it
	unsent                     string // why it was not sent: a reason code; "": it was
	before                     string // the name in the half before
}

// partners is how many of those who share a name come with one who is chosen; chosen: enough to see who gets it.
const partners = 10

// choose plans, and takes people of each kind.
func (r *rehearsal) choose() {
	r.makePlan(r.options.Tenant)
	people := []int{}
	for i := range r.plan.Rows {
		if row := &r.plan.Rows[i]; row.Excluded == "" && row.Kind.Person() {
			people = append(people, i)
		}
	}
	take := map[int]bool{}
	seen := map[string]int{}
	sample := min(cmp.Or(r.options.Sample, 3), MaxSample)
	for _, i := range people {
		if len(take) == MaxRehearsed {
			break
		}
		kinds := kindsOf(r.plan, i)
		if !slices.ContainsFunc(kinds, func(k string) bool { return seen[k] < sample }) {
			continue
		}
		take[i] = true
		for _, k := range kinds {
			seen[k]++
		}
	}
	for _, f := range r.plan.Findings { // who shares a name is judged together
		if len(f.Objects) > partners || !slices.ContainsFunc(f.Objects, func(i int) bool { return take[i] && r.plan.Outcome(i).Contested }) {
			continue
		}
		for _, i := range f.Objects {
			if row := &r.plan.Rows[i]; len(take) < MaxRehearsed && row.Excluded == "" && row.Kind.Person() {
				take[i] = true
			}
		}
	}
	if r.options.All {
		for _, i := range people {
			if len(take) == MaxRehearsed {
				break
			}
			take[i] = true
		}
	}
	for _, i := range people {
		if take[i] {
			r.chosen = append(r.chosen, newPerson(r.plan, i))
		}
	}
}

func newPerson(plan *signin.Plan, i int) person {
	p := person{row: i, anchor: plan.Rows[i].Anchor, password: rand.Text(), kinds: kindsOf(plan, i)}
	if p.anchor == "" { // the export has none: one stands in for it
		sum := sha256.Sum256(fmt.Appendf(nil, "stand-in\x00%d\x00%s", i, plan.Rows[i].DN))
		p.anchor = base64.StdEncoding.EncodeToString(sum[:16])
	}
	// 130 random bits need no slow hash.
	salt := make([]byte, 16)
	rand.Read(salt) // never fails, see crypto/rand
	sum := argon2.IDKey([]byte(p.password), salt, 1, 64, 1, 32)
	p.verifier = "$argon2id$v=19$m=64,t=1,p=1$" + base64.RawStdEncoding.EncodeToString(salt) + "$" + base64.RawStdEncoding.EncodeToString(sum)
	switch plan.Outcome(i).Open {
	case signin.OpenAnchor:
		p.unsent = "anchor-duplicate"
	case signin.OpenGroup:
		p.unsent = "conflict-with-group"
	}
	return p
}

// kindsOf is what a row stands for.
func kindsOf(plan *signin.Plan, i int) []string {
	r := &plan.Rows[i]
	kinds := []string{"reason:" + r.Cloud.Why.String(), "nickname-from:" + r.Cloud.NicknameFrom.String(), "class:" + r.Kind.String()}
	s := r.Standing(plan.Options.Now)
	for _, state := range []struct {
		is   bool
		name string
	}{{s.Disabled, "disabled"}, {s.Locked, "locked"}, {s.Expired, "expired"}, {s.PasswordExpired, "password-expired"}, {s.MustChange, "must-change"}} {
		if state.is {
			kinds = append(kinds, "state:"+state.name)
		}
	}
	for _, rule := range r.Findings {
		kinds = append(kinds, "rule:"+rule.ID)
	}
	return kinds
}
