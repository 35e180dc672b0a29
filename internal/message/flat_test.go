package message

import (
	"io/fs"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

// Every text file is read the short way, and that way reads what a YAML library reads.
func TestTextFilesAreFlat(t *testing.T) {
	names, err := fs.Glob(texts, "text/*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		data, err := fs.ReadFile(texts, name)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := flat(data)
		if !ok {
			t.Errorf("%s: has a line that is neither `id: text` (plain or in quotes) nor a block (|-); every command would wait for a YAML library to read it", name)
			continue
		}
		var want map[string]string
		if err := yaml.Unmarshal(data, &want); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-YAML +flat):\n%s", name, diff)
		}
	}
}

func TestWhatIsNotFlatIsLeftToTheLibrary(t *testing.T) {
	for _, text := range []string{
		"a.b: 12", "a.b: true", "a.b: ~", "a.b: 2026-11-23", "a.b: [x]", "a.b: {x: y}", "a.b: x # y", "a.b: x: y", "a.b: *x", "a.b: &x y",
		"a.b: >-\n  x", "a.b: |\n  x\n", "a.b: 'x' # y", "a.b: 'x", "a.b: \"x\\x41\"", "a.b:\n  x", "a.b: |-\n    x\n  y", "  a.b: x",
		"a.b: x\na.b: y", "a.b: x\n  y", "- a", "---\na.b: x", "a.b: no", "a.b: .5", "a.b: 'a'b'", "a.b: |-\nc.d: x",
	} {
		if got, ok := flat([]byte(text)); ok {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

// FuzzFlat: what the short way reads, the library reads alike.
func FuzzFlat(f *testing.F) {
	for _, text := range []string{
		"a.b: text", "a.b: 'it''s'", `a.b: "x\"y\n\\"`, "a.b: |-\n  one\n\n  two\nc.d: e\n", "# note\n\na.b: {{.x}}", "a.b: 日本語: x",
		"a.b: |-\n  one\n    two\n\n\nc.d: e", "a.b: x#y", "a.b: 'x: y'",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, ok := flat(data)
		if !ok {
			return
		}
		var want map[string]string
		if err := yaml.Unmarshal(data, &want); err != nil {
			t.Skip(err) // the library is stricter about characters
		}
		if len(got)+len(want) > 0 && !cmp.Equal(want, got) {
			t.Errorf("%q: flat reads %q, the library %q", data, got, want)
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := load(texts); err != nil {
			b.Fatal(err)
		}
	}
}
