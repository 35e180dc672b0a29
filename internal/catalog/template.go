package catalog

import (
	"fmt"
	"slices"
	"strings"

	"sekisho/internal/endpoint"
)

// Hole names a value of the organisation that a row depends on: a place in a template, or a condition. The values come
// from the section "tenant" of sekisho.yaml.
type Hole string

// The holes. Where an administrator finds each value stands in the messages policy.unfilled-<hole>.hint.
const (
	HoleTenantName         Hole = "tenant-name"              // the first label of <name>.onmicrosoft.com
	HoleTenantID           Hole = "tenant-id"                // the directory id
	HoleRegion             Hole = "region"                   // an Azure region: japaneast
	HoleSTSHost            Hole = "sts-host"                 // the organisation's own federation service
	HoleWorkspace          Hole = "workspace"                // the id of a Log Analytics workspace
	HoleCollectionEndpoint Hole = "data-collection-endpoint" // name and region of a data collection endpoint: contoso-x1.japaneast-1
	HoleLocation           Hole = "location"                 // the Intune scale unit: AMSUC0101. Condition only
	HoleSeamlessSSO        Hole = "seamless-sso"             // true or false. Condition only
	HoleCloud              Hole = "cloud"                    // worldwide, usgov or china. Condition only
)

// Holes returns every hole, in the order above.
func Holes() []Hole {
	return []Hole{HoleTenantName, HoleTenantID, HoleRegion, HoleSTSHost, HoleWorkspace, HoleCollectionEndpoint,
		HoleLocation, HoleSeamlessSSO, HoleCloud}
}

// inText reports whether h may stand in a template: the last three only switch rows.
func (h Hole) inText() bool {
	i := slices.Index(Holes(), h)
	return i >= 0 && i < slices.Index(Holes(), HoleLocation)
}

// The clouds that HoleCloud tells apart.
const (
	Worldwide = "worldwide"
	USGov     = "usgov"
	China     = "china"
)

// Clouds returns the three clouds, the one that holds without a word first.
func Clouds() []string { return []string{Worldwide, USGov, China} }

// Template is a host pattern with holes in braces: "t{tenant-id}.certauth.login.microsoftonline.com". It covers nothing
// until Snapshot.Fill has put the organisation's values in. The zero value is no template.
type Template struct{ text string }

// sample is a value that fits every hole.
const sample = "a"

// ParseTemplate reads a template. The error says what is wrong: a brace without its partner, a name that is no hole of
// text, no hole at all, or a text that is no host pattern however it is filled.
func ParseTemplate(s string) (Template, error) {
	t := Template{strings.ToLower(s)}
	if strings.ContainsAny(t.fixed(sample), "{}") {
		return Template{}, fmt.Errorf("template %q: want names in braces, such as {tenant-id}", s)
	}
	holes := t.Holes()
	if len(holes) == 0 {
		return Template{}, fmt.Errorf("template %q: has no hole; write it as a host", s)
	}
	for _, h := range holes {
		if !h.inText() {
			return Template{}, fmt.Errorf("template %q: %q is no hole", s, string(h))
		}
	}
	if _, err := endpoint.ParsePattern(t.fixed(sample)); err != nil {
		return Template{}, fmt.Errorf("template %q: %w", s, err)
	}
	return t, nil
}

// fixed puts value into every hole.
func (t Template) fixed(value string) string {
	var b strings.Builder
	rest := t.text
	for {
		before, after, open := strings.Cut(rest, "{")
		_, end, closed := strings.Cut(after, "}")
		b.WriteString(before)
		if !open {
			return b.String()
		}
		if !closed {
			return b.String() + "{"
		}
		b.WriteString(value)
		rest = end
	}
}

// String returns the template as written, in lower case; ParseTemplate reads it back.
func (t Template) String() string { return t.text }

// MarshalText prints String.
func (t Template) MarshalText() ([]byte, error) { return []byte(t.text), nil }

// Holes returns the names of t's holes, each once, from the left.
func (t Template) Holes() []Hole {
	var out []Hole
	rest := t.text
	for {
		_, after, open := strings.Cut(rest, "{")
		name, end, closed := strings.Cut(after, "}")
		if !open || !closed {
			return out
		}
		if !slices.Contains(out, Hole(name)) {
			out = append(out, Hole(name))
		}
		rest = end
	}
}

// Tail returns the narrowest suffix pattern that covers whatever t is filled to: "*.certauth.login.microsoftonline.com".
// It exists to see whether a wildcard in use covers t already; nobody opens it. It is zero when no fixed label follows
// the last hole.
func (t Template) Tail() endpoint.Pattern {
	last := t.text[strings.LastIndexByte(t.text, '}')+1:]
	_, suffix, ok := strings.Cut(last, ".")
	if !ok {
		return endpoint.Pattern{}
	}
	p, err := endpoint.ParsePattern("*." + suffix)
	if err != nil {
		return endpoint.Pattern{}
	}
	return p
}

// fill returns what t becomes: one pattern for each combination of values. It reports the first value that makes no
// host pattern of t, and never a pattern wider than the template: a value holds no star.
func (t Template) fill(v Values) (out []endpoint.Pattern, bad *Given) {
	texts := []string{t.text}
	used := map[string]Given{}
	for _, h := range t.Holes() {
		var next []string
		for _, text := range texts {
			for _, g := range v[h] {
				filled := strings.ReplaceAll(text, "{"+string(h)+"}", g.Text)
				used[filled] = g
				next = append(next, filled)
			}
		}
		texts = next
	}
	for _, text := range texts {
		p, err := endpoint.ParsePattern(text)
		if g := used[text]; err != nil || strings.ContainsAny(g.Text, "*{}") {
			return nil, &g
		}
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out, nil
}
