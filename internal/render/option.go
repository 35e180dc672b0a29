package render

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/finding"
)

// OptionKind is what the value of an option is.
type OptionKind uint8

const (
	// Text is one text.
	Text OptionKind = iota
	// Flag is true or false; without a value it is true.
	Flag
	// Number is a whole number from 0 up.
	Number
	// Choice is one of Option.Values.
	Choice
	// List is several texts; the option may be repeated, and each may hold several with commas between.
	List
	// FileText is the content of a file that the command line reads. It cannot be given over HTTP.
	FileText
)

// Option is one thing that a reader may choose. Its text is "render.option.TARGET.NAME".
type Option struct {
	Name    string // lower-case letters, digits and hyphens
	Kind    OptionKind
	Default string   // "": none; a Flag is false, a Number 0
	Values  []string // of a Choice
	// Local options are for the command line alone: what is served under the checkpoint's own address is believed, and a link
	// must not be able to say where it sends devices.
	Local bool
}

// Options are the chosen values. The zero value holds the defaults of nothing: Text is "", Bool false, Int 0.
type Options struct {
	values map[string][]string
}

// Text returns the value of a Text, Choice or FileText option; "" when it was not given and has no default.
func (o Options) Text(name string) string {
	if v := o.values[name]; len(v) > 0 {
		return v[len(v)-1]
	}
	return ""
}

// Bool returns the value of a Flag.
func (o Options) Bool(name string) bool { return o.Text(name) == "true" }

// Int returns the value of a Number.
func (o Options) Int(name string) int {
	n, _ := strconv.Atoi(o.Text(name)) // checked by ParseOptions
	return n
}

// List returns the values of a List.
func (o Options) List(name string) []string { return slices.Clone(o.values[name]) }

// Key is a canonical text of what was chosen: two Options of one target with equal keys choose the same.
func (o Options) Key() string { return url.Values(o.values).Encode() }

// ParseOptions checks given against the options of t and adds the defaults. The error is a *finding.Problem: an option
// that t has not, a value that does not fit.
func ParseOptions(t Target, given map[string][]string) (Options, error) {
	out := Options{values: map[string][]string{}}
	var names []string
	for _, o := range t.Options() {
		names = append(names, o.Name)
		if o.Default != "" {
			out.values[o.Name] = []string{o.Default}
		}
		values, ok := given[o.Name]
		if !ok {
			continue
		}
		checked, err := o.check(t, values)
		if err != nil {
			return Options{}, err
		}
		out.values[o.Name] = checked
	}
	for name := range given {
		if !slices.Contains(names, name) {
			return Options{}, finding.Fail("render.unknown-option", nil, "target", t.Name(), "option", name,
				"want", finding.Nearest(name, names), "known", strings.Join(names, ", "))
		}
	}
	return out, nil
}

// check returns values in normal form.
func (o Option) check(t Target, values []string) ([]string, error) {
	wrong := func(v string) error {
		return finding.Fail("render.option-value", nil, "target", t.Name(), "option", o.Name, "value", v, "known", strings.Join(o.Values, ", "))
	}
	if o.Kind == List {
		out := []string{}
		for _, v := range values {
			for part := range strings.SplitSeq(v, ",") {
				if part = strings.TrimSpace(part); part != "" {
					out = append(out, part)
				}
			}
		}
		return out, nil
	}
	v := ""
	if len(values) > 0 {
		v = values[len(values)-1]
	}
	switch o.Kind {
	case Flag:
		if v == "" {
			v = "true"
		}
		b, err := strconv.ParseBool(v)
		if err != nil {
			return nil, wrong(v)
		}
		v = strconv.FormatBool(b)
	case Number:
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return nil, wrong(v)
		}
		v = strconv.Itoa(n)
	case Choice:
		if !slices.Contains(o.Values, v) {
			return nil, wrong(v)
		}
	}
	return []string{v}, nil
}
