package targets_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"sekisho/internal/policy"
)

// TestYAMLSaysWhatJSONSays: a YAML reader finds in yaml what a JSON reader finds in json, whatever people wrote.
func TestYAMLSaysWhatJSONSays(t *testing.T) {
	in, before := fixture(t, "2", func(s *policy.Spec) { s.Hosts[0].Reason = "x" }), fixture(t, "1", nil)
	for _, reason := range []string{"plain", "no", "0x1f", "- a: b # c", "\"quoted\" 'text'\n\\u0041", "=1+1", "\u202etxt\u2028</script>\t\x00\x7f\u0085", "~", "&a *a !!str |\n  x", "日本語 😀"} {
		in.Reasons = map[string]string{"hosts[0]": reason}
		in.Organisation = reason
		for _, each := range []*struct{ since bool }{{false}, {true}} {
			input := in
			if each.since {
				input.Before = &before
			}
			var fromJSON, fromYAML any
			if err := json.Unmarshal(must(t, "json", input, nil).Files[0].Body, &fromJSON); err != nil {
				t.Fatal(err)
			}
			body := must(t, "yaml", input, nil).Files[0].Body
			if err := yaml.Unmarshal(body, &fromYAML); err != nil {
				t.Fatalf("%q: %v", reason, err)
			}
			// Through JSON once more, so that numbers and maps are of one kind; the note names its target.
			same, err := json.Marshal(fromYAML)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(strings.Replace(string(same), "Sekisho yaml", "Sekisho json", 1)), &fromYAML); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(fromJSON, fromYAML) {
				t.Errorf("%q (since %v): json says\n%.600v\nyaml\n%.600v", reason, each.since, fromJSON, fromYAML)
			}
		}
	}
}
