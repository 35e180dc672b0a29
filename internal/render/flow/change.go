package flow

import (
	"slices"

	"sekisho/internal/render"
)

// Change is what became of one flow. A flow that came has no Was, one that went no Is.
type Change struct {
	Name    string // of the flow, see Flow.Name
	Was, Is *Flow
}

// Changes pairs the flows of two plans by name: those of after in their order, then those that went. Flows that are equal
// are not there.
func Changes(before, after *Plan) []Change {
	was := map[string]*Flow{}
	for i := range before.Flows {
		was[before.Flows[i].Name()] = &before.Flows[i]
	}
	var out []Change
	for i := range after.Flows {
		f := &after.Flows[i]
		old := was[f.Name()]
		delete(was, f.Name())
		if old == nil || !equal(old, f) {
			out = append(out, Change{Name: f.Name(), Was: old, Is: f})
		}
	}
	for i := range before.Flows {
		if f := &before.Flows[i]; was[f.Name()] != nil {
			out = append(out, Change{Name: f.Name(), Was: f})
		}
	}
	return out
}

func equal(f, g *Flow) bool {
	return slices.Equal(f.Names, g.Names) && slices.Equal(f.V4, g.V4) && slices.Equal(f.V6, g.V6) && slices.Equal(f.Tags, g.Tags)
}

// Delta returns what is in b and not in a, and what is in a and not in b, in their orders.
func Delta[T comparable](a, b []T) (added, removed []T) {
	less := func(x, y []T) (out []T) {
		known := make(map[T]bool, len(y))
		for _, v := range y {
			known[v] = true
		}
		for _, v := range x {
			if !known[v] {
				out = append(out, v)
			}
		}
		return out
	}
	return less(b, a), less(a, b)
}

// Earlier plans the input of the earlier version that in.Before holds; nil when the whole is wanted. A version from which
// nothing could be told has an empty plan: everything is new.
func Earlier(in render.Input, d Device) *Plan {
	if in.Before == nil {
		return nil
	}
	before := *in.Before
	before.Options = in.Options
	plan, err := New(before, render.NewModel(before), d)
	if err != nil {
		return &Plan{}
	}
	return plan
}

// Object is a thing of its own on a device: an address, a group, a rule.
type Object struct {
	ID     string // unique among the objects of a plan
	Text   string // what makes it; two objects with equal IDs and texts are equal
	Remove string // what removes it
}

// Difference is what turns the objects of before into those of after: removals in the opposite order of before, so that
// what refers to others goes first, then what is new or changed in the order of after. An object that changed is only in
// changed: its Text is put over it.
func Difference(before, after []Object) (removed, changed []Object) {
	text := map[string]string{}
	for _, o := range before {
		text[o.ID] = o.Text
	}
	is := map[string]bool{}
	for _, o := range after {
		is[o.ID] = true
		if old, ok := text[o.ID]; !ok || old != o.Text {
			changed = append(changed, o)
		}
	}
	for _, o := range before {
		if !is[o.ID] {
			removed = append(removed, o)
		}
	}
	slices.Reverse(removed)
	return removed, changed
}
