package config

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestEverySettingIsDescribed checks the description itself: both languages, an example that its own reader accepts.
func TestEverySettingIsDescribed(t *testing.T) {
	each(entries(settings()), func(e *entry) {
		if e.about.JA == "" || e.about.EN == "" || e.about.JA == e.about.EN {
			t.Errorf("%s is not described in both languages", e.path)
		}
		if !strings.HasSuffix(e.about.JA, "。") || !strings.HasSuffix(e.about.EN, ".") {
			t.Errorf("%s: a description is made of whole sentences", e.path)
		}
		if !regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`).MatchString(e.key) {
			t.Errorf("%s: a key is lower case words with hyphens", e.path)
		}
		if len(e.children) == 0 && e.example == "" && e.byDefault == "" {
			t.Errorf("%s has neither an example nor a default", e.path)
		}
		if e.scalar != nil && e.scalar.title.JA == "" {
			t.Errorf("%s: its type has no name", e.path)
		}
		if e.required && e.byDefault != "" {
			t.Errorf("%s is obligatory and has a default", e.path)
		}
	})
}

// validate is the part of JSON Schema that JSONSchema uses.
func validate(s map[string]any, v any, at string) (problems []string) {
	bad := func(format string, args ...any) { problems = append(problems, at+": "+fmt.Sprintf(format, args...)) }
	switch s["type"] {
	case "object":
		m, ok := v.(map[string]any)
		if !ok {
			bad("not an object")
			return
		}
		properties := s["properties"].(map[string]any)
		for key, v := range m {
			p, ok := properties[key].(map[string]any)
			if !ok {
				bad("unknown key %s", key)
				continue
			}
			problems = append(problems, validate(p, v, at+"."+key)...)
		}
		required, _ := s["required"].([]any)
		for _, key := range required {
			if _, ok := m[key.(string)]; !ok {
				bad("%s is missing", key)
			}
		}
	case "array":
		list, ok := v.([]any)
		if !ok {
			bad("not an array")
			return
		}
		if n, ok := s["minItems"].(float64); ok && float64(len(list)) < n {
			bad("too short")
		}
		for i, v := range list {
			problems = append(problems, validate(s["items"].(map[string]any), v, fmt.Sprintf("%s[%d]", at, i))...)
		}
	case "string":
		text, ok := v.(string)
		if !ok {
			bad("not a string")
			return
		}
		if enum, ok := s["enum"].([]any); ok && !slices.Contains(enum, any(text)) {
			bad("%q is no choice", text)
		}
		if p, ok := s["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(text) {
			bad("%q does not match %s", text, p)
		}
	case "integer":
		n, ok := v.(float64)
		if !ok || n < s["minimum"].(float64) || n > s["maximum"].(float64) {
			bad("%v is no integer in range", v)
		}
	case "boolean":
		if _, ok := v.(bool); !ok {
			bad("not a boolean")
		}
	default:
		bad("the schema has type %v", s["type"])
	}
	return problems
}

// TestJSONSchemaAgreesWithTheReader: what the reader accepts, the schema accepts; and the schema refuses mistakes too.
func TestJSONSchemaAgreesWithTheReader(t *testing.T) {
	for _, lang := range []string{"en", "ja"} {
		var schema map[string]any
		if err := json.Unmarshal(JSONSchema(lang), &schema); err != nil {
			t.Fatal(err)
		}
		if schema["$schema"] != "https://json-schema.org/draft/2020-12/schema" || schema["additionalProperties"] != false {
			t.Errorf("%v", schema["$schema"])
		}
		check := func(data string) []string {
			t.Helper()
			var v any
			if err := yaml.Unmarshal([]byte(data), &v); err != nil {
				t.Fatal(err)
			}
			asJSON, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(asJSON, &v); err != nil {
				t.Fatal(err)
			}
			return validate(schema, v, "")
		}
		for _, name := range []string{"lab.yaml", "organisation.yaml"} {
			if p := check(string(Example(name))); len(p) > 0 {
				t.Errorf("%s: %v", name, p)
			}
		}
		for _, mistake := range []string{
			"version: 1\n", "version: 2\nrings: [{name: a, mode: report}]\n", "version: 1\nrings: []\n", "version: 1\nrings: [{name: a, mode: reprot}]\n",
			"version: 1\nrings: [{name: a, mode: report, clients: []}]\n", "version: 1\nlangage: ja\nrings: [{name: a, mode: report}]\n",
			"version: 1\nrings: [{name: a, mode: report, percent: 0}]\n",
		} {
			if p := check(mistake); len(p) == 0 {
				t.Errorf("the schema accepts %q", mistake)
			}
			if c, _ := Parse("s.yaml", []byte(mistake)); c != nil {
				t.Errorf("the reader accepts %q", mistake)
			}
		}
	}
}

// TestQuotedTextIsReadBack writes texts as YAML and reads them with two readers: ours and the library's own decoder.
func TestQuotedTextIsReadBack(t *testing.T) {
	for _, s := range []string{"plain", "yes", "Off", "null", "1", "1.2", "0x1", "a: b", "a #b", "*x", `"`, `\`, `\n`, "日本語", "🏯", " ", "a\tb", "a\nb", "\x00\x1b\u0085\u202e\u2028",
		"127.0.0.1:3128", "10.0.0.0/8", "::1", "2001:db8::/32", "proxy.example.com:3128", "http://h/p", "12:30", "1:2:3", "2026-11-23", "tcp/443", "tcp/443,80", "-", "~", "", "n", ".inf", "1e3", "e1", "<<", "="} {
		var v map[string]any
		line := "k: " + quoteIfDue(s) + "\n"
		if err := yaml.Unmarshal([]byte(line), &v); err != nil || v["k"] != s {
			t.Errorf("%q written as %q is read as %#v (%v)", s, line, v["k"], err)
		}
	}
}
