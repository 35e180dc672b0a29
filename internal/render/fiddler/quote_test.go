package fiddler

import (
	"strings"
	"testing"

	"github.com/dop251/goja"
)

// FuzzQuote: a script engine reads every literal back as the text that was quoted, and it is ASCII on one line.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "contoso.com,fabrikam.com", `a"b\c`, "</script>", "\u2028\u2029\u202e", "a\r\n\x00", "日本語😀", "$(x)`'", "<//"} {
		f.Add(s)
	}
	vm := goja.New()
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "?")
		got := quote(s)
		for i := range len(got) {
			if got[i] < ' ' || got[i] > '~' {
				t.Fatalf("%q is quoted as %q", s, got)
			}
		}
		if strings.Contains(got, "</") {
			t.Fatalf("%q is quoted as %q", s, got)
		}
		v, err := vm.RunString(got)
		if err != nil || v.String() != s {
			t.Fatalf("%q is quoted as %s and read as %v, %v", s, got, v, err)
		}
	})
}
