package policy_test

import (
	"testing"

	"sekisho/internal/catalog"
	"sekisho/internal/policy"
)

func TestOpeningsAreInTheOrderInWhichDecideAsks(t *testing.T) {
	p, found := policy.Compile(policy.Spec{
		Features: []policy.At{{Text: "entra.sign-in"}},
		Hosts:    []policy.HostSpec{{Pattern: policy.At{Text: "*.example.com"}, Inspect: true}, {Pattern: policy.At{Text: "www.example.com"}, Plain: true}},
	}, catalog.Builtin())
	if p == nil {
		t.Fatalf("%+v", found)
	}
	list := p.Openings()
	if len(list) < 3 || !list[0].Own || list[0].Pattern.String() != "www.example.com" || !list[0].Plain || list[0].Inspect || !list[1].Inspect || list[2].Own {
		t.Fatalf("%+v", list[:min(3, len(list))])
	}
	own := true
	for i, o := range list {
		if i > 0 && o.Own == list[i-1].Own && list[i-1].Pattern.Compare(o.Pattern) > 0 {
			t.Errorf("%s stands behind %s", o.Pattern, list[i-1].Pattern)
		}
		if o.Own && !own {
			t.Errorf("own row %s stands behind a feature", o.Pattern)
		}
		own = o.Own
	}
	if list := (*policy.Program)(nil).Openings(); list != nil {
		t.Errorf("no program has %v", list)
	}
}
