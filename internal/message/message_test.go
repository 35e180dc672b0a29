package message

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"text/template"
	"text/template/parse"
	"unicode"

	"github.com/goccy/go-yaml"

	"sekisho/internal/finding"
)

// sameInBothLanguages lists the texts that are the same in Japanese: names of products and protocols, and abbreviations
// that Japanese administrators write as they are. A new one is added here on purpose, not by forgetting to translate.
var sameInBothLanguages = []string{"Azure Front Door", "Azure Peering Service", "ExpressRoute", "ExpressRoute + IPsec", "ExpressRoute Direct + MACsec", "Global Secure Access",
	"Microsoft Azure", "NG", "OK", "ID", "SNI", "TLS", "URL", "WebSocket"}

// files reads the shipped text files: language, then id, then text. It fails the test for a file that is not a flat map
// of texts.
func files(t *testing.T) map[string]map[string]string {
	t.Helper()
	out := map[string]map[string]string{"en": {}, "ja": {}}
	names, err := fs.Glob(texts, "text/*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no text files: %v", err)
	}
	for _, name := range names {
		lang := languageOf(path.Base(name))
		if out[lang] == nil {
			t.Errorf("%s: the name is not <room>.<en or ja>.yaml", name)
			continue
		}
		data, err := fs.ReadFile(texts, name)
		if err != nil {
			t.Fatal(err)
		}
		var flat map[string]any
		if err := yaml.Unmarshal(data, &flat); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for id, v := range flat {
			text, ok := v.(string)
			if !ok || text == "" {
				t.Errorf("%s: %s: a text in quotes is due, not %v", name, id, v)
				continue
			}
			out[lang][id] = text
		}
	}
	return out
}

// arguments returns the names that a text uses, and those of them that it needs: the ones used outside of the part
// that {{if}} or {{with}} on the same name guards.
func arguments(id, text string) (used, needed map[string]bool, err error) {
	tree, err := template.New(id).Parse(text)
	if err != nil {
		return nil, nil, err
	}
	used, needed = map[string]bool{}, map[string]bool{}
	var walk func(n parse.Node, guarded map[string]bool)
	branch := func(b *parse.BranchNode, guarded map[string]bool) {
		inside := map[string]bool{}
		for name := range guarded {
			inside[name] = true
		}
		for _, name := range fields(b.Pipe) {
			used[name], inside[name] = true, true
		}
		walk(b.List, inside)
		if b.ElseList != nil {
			walk(b.ElseList, inside)
		}
	}
	walk = func(n parse.Node, guarded map[string]bool) {
		switch n := n.(type) {
		case *parse.ListNode:
			for _, c := range n.Nodes {
				walk(c, guarded)
			}
		case *parse.ActionNode:
			for _, name := range fields(n.Pipe) {
				used[name] = true
				if !guarded[name] {
					needed[name] = true
				}
			}
		case *parse.IfNode:
			branch(&n.BranchNode, guarded)
		case *parse.WithNode:
			branch(&n.BranchNode, guarded)
		case *parse.RangeNode:
			err = fmt.Errorf("{{range}} has nothing to range over: arguments are texts")
		}
	}
	walk(tree.Root, nil)
	return used, needed, err
}

func fields(p *parse.PipeNode) (names []string) {
	for _, c := range p.Cmds {
		for _, a := range c.Args {
			switch a := a.(type) {
			case *parse.FieldNode:
				names = append(names, a.Ident[0])
			case *parse.PipeNode:
				names = append(names, fields(a)...)
			}
		}
	}
	return names
}

func TestTextFilesLoad(t *testing.T) {
	if _, err := load(texts); err != nil {
		t.Error(err)
	}
}

func TestEveryIDStandsInBothLanguages(t *testing.T) {
	all := files(t)
	for _, pair := range [][2]string{{"en", "ja"}, {"ja", "en"}} {
		for id := range all[pair[0]] {
			if _, ok := all[pair[1]][id]; !ok {
				t.Errorf("%q has a text in %s and none in %s", id, pair[0], pair[1])
			}
		}
	}
}

func TestBothLanguagesUseTheSameArguments(t *testing.T) {
	all := files(t)
	for id, en := range all["en"] {
		ja, ok := all["ja"][id]
		if !ok {
			continue
		}
		usedEN, _, err := arguments(id, en)
		if err != nil {
			t.Errorf("en: %s: %v", id, err)
			continue
		}
		usedJA, _, err := arguments(id, ja)
		if err != nil {
			t.Errorf("ja: %s: %v", id, err)
			continue
		}
		if a, b := names(usedEN), names(usedJA); !slices.Equal(a, b) {
			t.Errorf("%s: the English text uses %v, the Japanese %v", id, a, b)
		}
	}
}

func TestJapaneseTextIsJapanese(t *testing.T) {
	for id, ja := range files(t)["ja"] {
		japanese := strings.ContainsFunc(ja, func(r rune) bool {
			return unicode.In(r, unicode.Hiragana, unicode.Katakana, unicode.Han)
		})
		if !japanese && !slices.Contains(sameInBothLanguages, ja) {
			t.Errorf("%s: %q has no Japanese character; translate it, or list it in sameInBothLanguages", id, ja)
		}
	}
}

func TestIDsAreLowerCaseAndNameTheirRoom(t *testing.T) {
	for id := range files(t)["en"] {
		room, rest, ok := strings.Cut(id, ".")
		if !ok || room == "" || rest == "" || strings.ContainsFunc(id, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_')
		}) {
			t.Errorf("%q is not room.what in lower case letters, digits, hyphens and dots", id)
		}
	}
}

func names(m map[string]bool) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func sample(t *testing.T) *store {
	t.Helper()
	s, err := load(fstest.MapFS{
		"text/a.en.yaml": {Data: []byte("a.key: 'unknown key \"{{.key}}\"{{if .want}}; did you mean \"{{.want}}\"?{{end}}'\na.key.hint: 'see {{.key}}'\na.only: 'english'\na.broken: '{{.x'\n")},
		"text/a.ja.yaml": {Data: []byte("a.key: 'キー「{{.key}}」はありません{{if .want}}(「{{.want}}」のことですか){{end}}'\na.key.hint: '{{.key}} を見てください'\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFindingIsPrintedWithPlaceAndLanguage(t *testing.T) {
	s := sample(t)
	f := finding.New("a.key", finding.Error, finding.Pos{File: "s.yaml", Line: 14, Column: 9}, "key", "alow", "want", "allow")
	for _, c := range []struct{ lang, want, hint string }{
		{"en", `s.yaml:14:9: unknown key "alow"; did you mean "allow"?`, "see alow"},
		{"ja", `s.yaml:14:9: キー「alow」はありません(「allow」のことですか)`, "alow を見てください"},
		{"fr", `s.yaml:14:9: unknown key "alow"; did you mean "allow"?`, "see alow"},
	} {
		p := s.printer(c.lang)
		if got := p.Finding(f); got != c.want {
			t.Errorf("%s: got %s, want %s", c.lang, got, c.want)
		}
		if got := p.Hint(f); got != c.hint {
			t.Errorf("%s: hint %q, want %q", c.lang, got, c.hint)
		}
	}
}

func TestWhatHasNoTextIsPrintedBare(t *testing.T) {
	p := sample(t).printer("ja")
	for _, c := range []struct {
		id   string
		args map[string]string
		want string
	}{
		{"no.such-id", nil, "no.such-id"},
		{"no.such-id", map[string]string{"port": "443", "host": "a.example.com"}, `no.such-id (host="a.example.com", port="443")`},
		{"", map[string]string{"x": "\x1b[2J"}, ` (x="\x1b[2J")`},
		{"a.broken", map[string]string{"x": "y"}, `a.broken (x="y")`},
		{"a.only", nil, "english"}, // falls back to English rather than to nothing
		{"a.key", nil, "キー「<no value>」はありません"},
	} {
		if got := p.Text(c.id, c.args); got != c.want {
			t.Errorf("Text(%q, %v) = %q, want %q", c.id, c.args, got, c.want)
		}
	}
	if got := p.Hint(finding.Finding{Code: "a.only"}); got != "" {
		t.Errorf("a finding without hint has hint %q", got)
	}
}

func TestArgumentsCannotSteerTheTerminal(t *testing.T) {
	p := sample(t).printer("en")
	for in, want := range map[string]string{
		"\x1b[31mred":       `\x1b[31mred`,
		"two\nlines":        `two\nlines`,
		"\u202egnp.exe":     `\u202egnp.exe`,
		"\u0085next":        `\u0085next`,
		"bad\xffbyte":       `bad\xffbyte`,
		"ok 日本語 \ufffd":     "ok 日本語 \ufffd",
		"{{.key}}{{/* */}}": "{{.key}}{{/* */}}",
	} {
		got := p.Finding(finding.New("a.key", finding.Error, finding.Pos{}, "key", in))
		if want := `unknown key "` + want + `"`; got != want {
			t.Errorf("%q prints as %q, want %q", in, got, want)
		}
	}
	if got := p.Text("a.key", map[string]string{"key": "two\nlines\x07"}); got != "unknown key \"two\nlines\\a\"" {
		t.Errorf("Text keeps line feeds and escapes the rest; got %q", got)
	}
}

func TestDuplicateIDsAcrossFilesAreRefused(t *testing.T) {
	_, err := load(fstest.MapFS{
		"text/a.en.yaml": {Data: []byte("x.y: 'one'\n")},
		"text/b.en.yaml": {Data: []byte("x.y: 'two'\n")},
	})
	if err == nil || !strings.Contains(err.Error(), `id "x.y" stands in a.en.yaml and in b.en.yaml`) {
		t.Errorf("got %v", err)
	}
	for name, data := range map[string]string{
		"text/a.fr.yaml": "x.y: 'un'\n",
		"text/a.yaml":    "x.y: 'one'\n",
		"text/b.en.yaml": "x.y: 'one'\nx.y: 'two'\n",
		"text/c.en.yaml": "[",
	} {
		if _, err := load(fstest.MapFS{name: {Data: []byte(data)}}); err == nil {
			t.Errorf("%s with %q loads", name, data)
		}
	}
}

func TestPrinterIsSafeForConcurrentUse(t *testing.T) {
	s := sample(t)
	var wg sync.WaitGroup
	for i := range 16 {
		p := s.printer(Languages()[i%2])
		wg.Go(func() {
			for range 100 {
				p.Text("a.key", map[string]string{"key": "k"})
				p.Text("none", nil)
			}
		})
	}
	wg.Wait()
}

// FuzzText prints whatever arguments come: one line without control characters, and nothing panics.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "plain", "\x1b[2J", "a\nb", "\u202e", "\xff\xfe", "{{.key}}", "\ufffd", "日本語"} {
		f.Add("a.key", s)
		f.Add(s, s)
	}
	s, err := load(fstest.MapFS{"text/a.en.yaml": {Data: []byte("a.key: 'unknown key {{.key}}'\n")}})
	if err != nil {
		f.Fatal(err)
	}
	p := s.printer("en")
	f.Fuzz(func(t *testing.T, id, arg string) {
		out := p.Finding(finding.New(id, finding.Error, finding.Pos{File: arg, Line: 1}, "key", arg))
		if strings.ContainsFunc(out, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }) {
			t.Errorf("%q steers the terminal", out)
		}
	})
}
