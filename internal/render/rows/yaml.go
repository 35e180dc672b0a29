package rows

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"sekisho/internal/render"
)

// YAML is the target "yaml": the document of the target "json", for tools that read YAML.
type YAML struct{}

// Name returns "yaml".
func (YAML) Name() string { return "yaml" }

// Options returns none.
func (YAML) Options() []render.Option { return nil }

// Render returns endpoints.yaml. It is written from the JSON, field by field in its order; every text stands in double
// quotes as in JSON, which YAML 1.2 reads alike (section 1.2, "Relation to JSON"), so that nothing in it is taken for
// anything but a text.
func (YAML) Render(in render.Input, m *render.Model) (render.Output, error) {
	out, err := JSON{}.Render(in, m)
	if err != nil {
		return out, err
	}
	d := json.NewDecoder(bytes.NewReader(out.Files[0].Body))
	d.UseNumber()
	y := &yaml{d: d}
	y.b.WriteString(render.Comment("#", render.Header(in, "yaml")...))
	if err := y.value("", false); err != nil {
		return render.Output{}, err
	}
	f := out.Files[0]
	f.Name, f.Type, f.Body, f.Comment = "endpoints.yaml", "application/yaml; charset=utf-8", y.b.Bytes(), "#"
	out.Files = []render.File{f}
	return out, nil
}

// yaml writes the tokens of a JSON document in block style.
type yaml struct {
	d *json.Decoder
	b bytes.Buffer
}

// value writes the next value. indent is that of its children; item says that it stands behind a hyphen, on whose line its
// first field goes.
func (y *yaml) value(indent string, item bool) error {
	token, err := y.d.Token()
	if err != nil {
		return err
	}
	switch t := token.(type) {
	case json.Delim:
		if !y.d.More() {
			y.b.WriteString(map[json.Delim]string{'{': " {}\n", '[': " []\n"}[t])
			_, err = y.d.Token()
			return err
		}
		if t == '[' {
			return y.list(indent)
		}
		return y.object(indent, item)
	case string:
		y.b.WriteString(" " + quote(t) + "\n")
	case nil:
		y.b.WriteString(" null\n")
	default:
		fmt.Fprintf(&y.b, " %v\n", t)
	}
	return nil
}

func (y *yaml) list(indent string) error {
	y.b.WriteString("\n")
	for y.d.More() {
		y.b.WriteString(indent + "-")
		if err := y.value(indent+"  ", true); err != nil {
			return err
		}
	}
	_, err := y.d.Token()
	return err
}

func (y *yaml) object(indent string, item bool) error {
	first := true
	for y.d.More() {
		key, err := y.d.Token()
		if err != nil {
			return err
		}
		switch {
		case first && item:
			y.b.WriteString(" ")
		case first && y.b.Len() > 0 && indent != "":
			y.b.WriteString("\n" + indent)
		default:
			y.b.WriteString(indent)
		}
		first = false
		y.b.WriteString(key.(string) + ":")
		if err := y.value(indent+"  ", false); err != nil {
			return err
		}
	}
	_, err := y.d.Token()
	return err
}

// quote is s as JSON writes it, without the escapes for HTML.
func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string cannot fail
	return strings.TrimSuffix(b.String(), "\n")
}
