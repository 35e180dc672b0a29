package config

import (
	"encoding/json"
	"strconv"
)

// node of a JSON Schema. Fields stand in the order in which they print.
type schemaNode struct {
	Schema      string          `json:"$schema,omitempty"`
	Title       string          `json:"title,omitempty"`
	Description string          `json:"description,omitempty"`
	Type        string          `json:"type,omitempty"`
	Enum        []string        `json:"enum,omitempty"`
	Pattern     string          `json:"pattern,omitempty"`
	Minimum     *int            `json:"minimum,omitempty"`
	Maximum     *int            `json:"maximum,omitempty"`
	MinItems    int             `json:"minItems,omitempty"`
	Unique      bool            `json:"uniqueItems,omitempty"`
	Items       *schemaNode     `json:"items,omitempty"`
	Properties  map[string]any  `json:"properties,omitempty"`
	Required    []string        `json:"required,omitempty"`
	Closed      *bool           `json:"additionalProperties,omitempty"`
	Default     json.RawMessage `json:"default,omitempty"`
}

// JSONSchema returns the schema of the file as JSON Schema (draft 2020-12), for editors, with descriptions in lang
// ("ja", anything else English). It states types, choices and obligatory keys; Parse checks more than a schema can say.
func JSONSchema(lang string) []byte {
	root := objectSchema(entries(settings()), lang)
	root.Schema = "https://json-schema.org/draft/2020-12/schema"
	root.Title = "sekisho.yaml"
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic("config: the schema cannot be printed: " + err.Error()) // it is made of texts and numbers
	}
	return append(out, '\n')
}

func objectSchema(es []*entry, lang string) *schemaNode {
	closed := false
	n := &schemaNode{Type: "object", Closed: &closed, Properties: map[string]any{}}
	for _, e := range es {
		n.Properties[e.key] = entrySchema(e, lang)
		if e.required {
			n.Required = append(n.Required, e.key)
		}
	}
	return n
}

func entrySchema(e *entry, lang string) *schemaNode {
	var n *schemaNode
	switch e.shape {
	case section:
		n = objectSchema(e.children, lang)
	case sections:
		n = &schemaNode{Type: "array", MinItems: e.minItems, Items: objectSchema(e.children, lang)}
	case several:
		n = &schemaNode{Type: "array", MinItems: e.minItems, Unique: true, Items: scalarSchema(e.scalar)}
	default:
		n = scalarSchema(e.scalar)
		if e.byDefault != "" {
			n.Default = json.RawMessage(e.byDefault)
			if e.scalar.json == "string" {
				n.Default = json.RawMessage(strconv.Quote(e.byDefault))
			}
		}
	}
	n.Description = e.about.in(lang)
	return n
}

func scalarSchema(s *scalarType) *schemaNode {
	n := &schemaNode{Type: s.json, Enum: s.enum, Pattern: s.pattern}
	if s.json == "integer" {
		n.Minimum, n.Maximum = &s.min, &s.max
	}
	return n
}
