package render

import (
	"slices"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/finding"
)

// Find returns the target called name.
func Find(all []Target, name string) (Target, bool) {
	i := slices.IndexFunc(all, func(t Target) bool { return t.Name() == name })
	if i < 0 {
		return nil, false
	}
	return all[i], true
}

// Names are the names of all, in their order.
func Names(all []Target) []string {
	var out []string
	for _, t := range all {
		out = append(out, t.Name())
	}
	return out
}

// Render makes the files of t. The error, a *finding.Problem, says why there are none: no policy, nothing selected, or what
// the target lacks. What the model itself lacks (service tags that nobody imported, values of the organisation) is added to
// the findings.
func Render(t Target, in Input, options Options) (Output, error) {
	if in.Program == nil {
		return Output{}, finding.Fail("render.no-policy", nil, "target", t.Name())
	}
	if in.Before != nil {
		if _, ok := t.(Since); !ok {
			return Output{}, finding.Fail("render.no-since", nil, "target", t.Name())
		}
		if in.Before.Program == nil {
			return Output{}, finding.Fail("render.no-policy", nil, "target", t.Name())
		}
	}
	in.Options = options
	m := NewModel(in)
	if len(m.Rows) == 0 {
		return Output{}, finding.Fail("render.empty", nil, "target", t.Name())
	}
	out, err := t.Render(in, m)
	if err != nil {
		return Output{}, err
	}
	if out.Unchanged {
		return out, nil
	}
	if len(out.Files) == 0 {
		return Output{}, finding.Fail("render.empty", nil, "target", t.Name())
	}
	if out.Apart {
		return out, nil
	}
	if len(m.MissingTags) > 0 {
		out.Findings = append(out.Findings, finding.New("render.missing-tags", finding.Warning, finding.Pos{}, "tags", strings.Join(m.MissingTags, ", ")))
	}
	if len(m.Unfilled) > 0 {
		out.Findings = append(out.Findings, finding.New("render.unfilled", finding.Warning, finding.Pos{}, "values", holes(m.Unfilled)))
	}
	return out, nil
}

func holes(list []catalog.Hole) string {
	var names []string
	for _, h := range list {
		names = append(names, "tenant."+string(h))
	}
	return strings.Join(names, ", ")
}
