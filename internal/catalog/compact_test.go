package catalog

import (
	"flag"
	"os"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Update says that generated files are to be written instead of compared.
var Update = flag.Bool("update", false, "write generated files again")

var everyField = cmp.Options{cmp.Exporter(func(reflect.Type) bool { return true }), cmpopts.EquateEmpty()}

// writtenParts reads the YAML files of the built-in catalog.
func writtenParts(t testing.TB) []*Part {
	t.Helper()
	parts, found := loadParts(os.DirFS("."), "builtin")
	if len(found) > 0 {
		t.Fatal(found)
	}
	return parts
}

// TestDocsCompact compares what is compiled in with the YAML files; -update writes it.
func TestDocsCompact(t *testing.T) {
	parts := writtenParts(t)
	want := writeCompact(parts)
	if *Update {
		if err := os.WriteFile("builtin.bin", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if builtinData != string(want) {
		t.Error("builtin.bin differs from builtin/*.yaml; run make docs")
	}
	got, err := readCompact(string(want))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(parts, got, everyField); diff != "" {
		t.Errorf("what is read back differs (-YAML +compact):\n%.4000s", diff)
	}
}

// Data that was cut off or changed is refused or read as something, and never a panic.
func TestDamagedCompactForm(t *testing.T) {
	whole := string(writeCompact(writtenParts(t)))
	for n := 0; n < len(whole); n += 1 + len(whole)/500 {
		if _, err := readCompact(whole[:n]); err == nil {
			t.Errorf("the first %d bytes are read", n)
		}
	}
	if _, err := readCompact(whole + "\x00"); err == nil {
		t.Error("a byte behind the end is read")
	}
}

func FuzzReadCompact(f *testing.F) {
	parts, found := loadParts(os.DirFS("."), "builtin")
	if len(found) > 0 {
		f.Fatal(found)
	}
	for _, p := range parts {
		if data := writeCompact([]*Part{p}); len(data) < 8<<10 {
			f.Add(string(data))
		}
	}
	f.Fuzz(func(t *testing.T, data string) {
		parts, err := readCompact(data)
		if (parts != nil) && err != nil {
			t.Error("parts beside an error")
		}
		if err != nil {
			return
		}
		again, err := readCompact(string(writeCompact(parts)))
		if diff := cmp.Diff(parts, again, everyField); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	})
}

// BenchmarkBuiltin is what every command waits for: the built-in catalog read and indexed.
func BenchmarkBuiltin(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		parts, err := readCompact(builtinData)
		if err != nil {
			b.Fatal(err)
		}
		if s, found := buildDated("builtin", parts); s == nil {
			b.Fatal(found)
		}
	}
}

// BenchmarkYAML is the same from the files.
func BenchmarkYAML(b *testing.B) {
	for b.Loop() {
		if s, found := Load(os.DirFS("."), "builtin"); s == nil {
			b.Fatal(found)
		}
	}
}
