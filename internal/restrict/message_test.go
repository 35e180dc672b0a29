package restrict

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"sekisho/internal/finding"
	"sekisho/internal/message"
)

// Every code of this package can be told to a person in both languages, with a hint, from the arguments that it has.
func TestEveryCodeHasText(t *testing.T) {
	found := map[string]finding.Finding{}
	listOf := func(n int) Spec { // a list of more than n bytes
		s := v1(contosoID, contosoID)
		for i := 0; len(s.Permitted)*40 < n; i++ {
			s.Permitted = append(s.Permitted, at(12, strings.Repeat(string(rune('a'+i%26)), 20+i/26)+"-long-enough.com"))
		}
		return s
	}
	specs := []Spec{{}, v1(""), v1("a", "contoso.com"), v1(consumerTenant, "", "*", "a,b", "a\nb", "<x>", "x", "x.com.", samples[0]),
		v1(contosoID, fabrikamID), v1(contosoID, "contoso.com", "contoso.com", "example.com", consumerTenant, passthroughTenant),
		v2(""), v2("a"), v2(contosoID + ":" + contosoID), listOf(700), listOf(9000), listOf(20000)}
	both := blocking(v2(contosoID + ":" + policyID))
	both.Permitted, both.Context = []At{at(1, "contoso.com")}, at(2, contosoID)
	wrong := v1(contosoID, contosoID)
	wrong.Policy = at(3, "x")
	for _, s := range append(specs, both, wrong) {
		_, l := Compile(s)
		for _, f := range l {
			found[f.Code] = f
		}
	}
	for _, f := range found {
		for _, lang := range message.Languages() {
			p := message.New(lang)
			text, hint := p.Finding(f), p.Hint(f)
			if !p.Has(f.Code) || hint == "" || strings.Contains(text+hint, "<no value>") {
				t.Errorf("%s in %s: %q, %q", f.Code, lang, text, hint)
			}
		}
	}
	// The source names no code that the specs above do not bring about.
	var inSource int
	for _, file := range []string{"compile.go", "tenant.go"} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, code := range regexp.MustCompile(`"(restrict\.[a-z0-9-]+)"`).FindAllStringSubmatch(string(data), -1) {
			inSource++
			if _, ok := found[code[1]]; !ok {
				t.Errorf("%s is never reported", code[1])
			}
		}
	}
	if inSource < 20 {
		t.Fatalf("found %d codes in the source", inSource)
	}
}
