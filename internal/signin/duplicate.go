package signin

import (
	"slices"
	"strings"

	"golang.org/x/text/cases"
)

// holder is how many objects hold a value, by what they hold it as.
type holder struct {
	first int   // the first one
	more  []int // the others; most values have none
}

func (h *holder) all() []int { return append([]int{h.first}, h.more...) }

// values are the holders of each value.
type values map[string]*holder

func (v values) add(value string, i int) {
	switch h := v[value]; {
	case h == nil:
		v[value] = &holder{first: i}
	case h.first != i && !slices.Contains(h.more, i):
		h.more = append(h.more, i)
	}
}

// duplicates finds values that more than one object holds and that the cloud lets one hold: names and SMTP addresses, across
// kinds of object, folded. Each finding has every object of both sides.
func (f *finder) duplicates() {
	fold := cases.Fold()
	names, clouds, mails, anchors := values{}, values{}, values{}, values{}
	for i := range f.plan.Rows {
		r := &f.plan.Rows[i]
		if r.Excluded != "" {
			continue
		}
		if r.Anchor != "" {
			anchors.add(r.Anchor, i) // case matters
		}
		if r.Kind.Person() {
			if r.Value != "" {
				names.add(fold.String(r.Value), i)
			}
			if r.Cloud.UPN != "" && r.Cloud.Why != Kept {
				clouds.add(fold.String(r.Cloud.UPN), i)
			}
		}
		for _, address := range smtp(r) {
			mails.add(fold.String(address), i)
		}
	}
	each := func(v values, rule *Rule) {
		for value, h := range v {
			if len(h.more) > 0 {
				for _, i := range h.all() {
					f.found(rule, i, value)
				}
			}
		}
	}
	each(names, ruleDuplicateName)
	each(mails, ruleDuplicateProxy)
	each(anchors, ruleAnchorTwice)
	for value, h := range clouds {
		// Names that meet only because they fell back: what one gave up and another has of its own counts, too.
		if own := names[value]; own != nil {
			for _, i := range own.all() {
				if f.plan.Rows[i].Cloud.Why == Kept {
					clouds.add(value, i)
				}
			}
		}
		if len(h.more) > 0 && !f.sameNames(h.all()) {
			for _, i := range slices.Sorted(slices.Values(h.all())) {
				f.found(ruleDuplicateCloud, i, value)
			}
		}
	}
	for value, h := range names {
		if other := mails[value]; other != nil {
			for _, i := range other.all() {
				if i != h.first && !slices.Contains(h.more, i) {
					f.found(ruleNameIsAddress, h.first, value)
					f.found(ruleNameIsAddress, i, value)
				}
			}
		}
	}
}

// sameNames reports whether all of these have one value on premises: then the finding about the value says it all.
func (f *finder) sameNames(rows []int) bool {
	for _, i := range rows[1:] {
		if !strings.EqualFold(f.plan.Rows[i].Value, f.plan.Rows[rows[0]].Value) {
			return false
		}
	}
	return true
}

// smtp are the SMTP addresses that an object brings: those of proxyAddresses, and mail.
func smtp(r *Row) []string {
	var out []string
	for _, proxy := range r.Proxies {
		if len(proxy) > 5 && strings.EqualFold(proxy[:5], "smtp:") {
			out = append(out, proxy[5:])
		}
	}
	if r.Mail != "" {
		out = append(out, r.Mail)
	}
	return out
}
