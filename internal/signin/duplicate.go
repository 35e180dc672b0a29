package signin

import (
	"encoding/base64"
	"slices"
	"strings"

	"golang.org/x/text/cases"

	"sekisho/internal/directory"
)

// holder is how many objects hold a value, by what they hold it as.
type holder struct {
	first int   // the first one
	more  []int // the others; most values have none
}

func (h *holder) all() []int { return append([]int{h.first}, h.more...) }

// has reports whether the object i holds the value.
func (h *holder) has(i int) bool {
	_, more := slices.BinarySearch(h.more, i)
	return h.first == i || more
}

// values are the holders of each value.
type values map[string]*holder

func (v values) add(value string, i int) {
	switch h := v[value]; {
	case h == nil:
		v[value] = &holder{first: i}
	case h.first != i && (len(h.more) == 0 || h.more[len(h.more)-1] != i): // objects come in their order
		h.more = append(h.more, i)
	}
}

// duplicates finds values that more than one object holds and that the cloud lets one hold: names and SMTP addresses, across
// kinds of object, folded. Each finding has every object of both sides, and a value is told once.
func (f *finder) duplicates() {
	fold := cases.Fold()
	names, clouds, mails, anchors, copied := values{}, values{}, values{}, values{}, values{}
	for i := range f.plan.Rows {
		r := &f.plan.Rows[i]
		if r.Excluded != "" {
			continue
		}
		if r.Anchor != "" {
			anchors.add(r.Anchor, i) // case matters
		}
		if r.Kind.Person() {
			if len(r.ConsistencyGUID) > 0 {
				copied.add(base64.StdEncoding.EncodeToString(r.ConsistencyGUID), i)
			}
			if r.Value != "" {
				names.add(fold.String(r.Value), i)
			}
			if r.Cloud.UPN != "" {
				clouds.add(fold.String(r.Cloud.UPN), i)
			}
		}
		for _, address := range smtp(r) {
			mails.add(fold.String(address), i)
		}
	}
	f.together(anchors, ruleAnchorTwice)
	f.together(copied, ruleAnchorCopied)
	f.names(names, clouds)
	f.addresses(names, mails)
}

// together tells of each value that several objects hold.
func (f *finder) together(v values, rule *Rule) {
	for value, h := range v {
		if len(h.more) > 0 {
			f.all(rule, h, value)
		}
	}
}

func (f *finder) all(rule *Rule, h *holder, value string) {
	for _, i := range h.all() {
		f.found(rule, i, value)
	}
}

// names tells of sign-in names that meet: on premises, or only because one of them falls back.
func (f *finder) names(names, clouds values) {
	kept := func(i int) bool { return f.plan.Rows[i].Cloud.Why == Kept }
	for value, h := range clouds {
		if len(h.more) == 0 {
			continue
		}
		if all := h.all(); !slices.ContainsFunc(all, func(i int) bool { return !kept(i) }) {
			f.all(ruleDuplicateName, h, value)
		} else {
			f.all(ruleDuplicateCloud, h, value)
		}
	}
	for value, h := range names {
		if len(h.more) == 0 {
			continue
		}
		// What falls back now meets again once the suffix is verified. A value that the cloud never takes meets no other one: with
		// ß for ss, for example, two names fold to one of which one alone can stand.
		all := h.all()
		able, open := 0, false
		for _, i := range all {
			open = open || !kept(i)
			if f.plan.Rows[i].Cloud.Why != ValueInvalid {
				able++
			}
		}
		if open && able != 1 {
			f.all(ruleDuplicateLater, h, value)
		}
	}
}

// addresses tells of SMTP addresses of several objects, and of names that are an address of somebody else.
func (f *finder) addresses(names, mails values) {
	for value, h := range mails {
		name := names[value]
		switch {
		case name != nil && f.withGroup(name, h):
			f.all(ruleGroup, h, value)
		case len(h.more) > 0 && (name == nil || len(name.more) == 0):
			f.all(ruleDuplicateProxy, h, value)
		case name != nil && slices.ContainsFunc(h.all(), func(i int) bool { return !name.has(i) }):
			f.all(ruleNameIsAddress, name, value)
			f.all(ruleNameIsAddress, h, value)
		}
	}
}

// withGroup reports whether somebody has the value as name and as address, and a group has it as address: that is no
// quarantine but an error of the export (the page named at pageDuplicate, "Known issues").
func (f *finder) withGroup(name, mail *holder) bool {
	var person, group bool
	for _, i := range mail.all() {
		person = person || name.has(i)
		group = group || f.plan.Rows[i].Kind == directory.Group
	}
	return person && group
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
