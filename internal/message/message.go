// Package message holds the text, in Japanese and English, of every code that Sekisho shows to a person.
//
// Programs pass codes and facts around (finding.Finding, policy.Reason); this package turns them into a sentence at the
// moment of printing, in the reader's language:
//
//	p := message.New(message.FromEnvironment(os.Getenv))
//	for _, f := range findings {
//		fmt.Fprintln(os.Stderr, p.Finding(f))
//	}
//
// The texts stand in text/<room>.<language>.yaml, flat maps from id to text in the form of go-i18n, one pair of files
// for each room. A text is a text/template whose data are the arguments: `{{.value}}`, `{{if .want}}…{{end}}`. Ids:
// a finding's code; the code with ".hint" for what to do about it; "reason.<code>" and "reason.<code>.hint" for the
// reasons of package policy; anything else beginning with the room's name.
//
// The package never chooses what to say and never fails: an id that has no text prints itself and its arguments.
package message

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"

	"sekisho/internal/finding"
)

// Languages are the codes of the product's languages. The first is what everything else falls back to.
func Languages() []string { return []string{"en", "ja"} }

//go:embed text/*.yaml
var texts embed.FS

// store is what the text files say: the bundle that renders, and which ids exist.
type store struct {
	bundle *i18n.Bundle
	ids    map[string]bool
}

// shipped reads the embedded files once. A file that cannot be read leaves its ids without text, which Printer shows;
// the tests of this package refuse such a tree, so a released binary has none.
var shipped = sync.OnceValue(func() *store {
	s, _ := load(texts)
	return s
})

// load reads every text/<room>.<language>.yaml of files. The store is usable even when err is not nil.
func load(files fs.FS) (*store, error) {
	s := &store{bundle: i18n.NewBundle(language.English), ids: map[string]bool{}}
	names, err := fs.Glob(files, "text/*.yaml")
	if err != nil {
		return s, err
	}
	var problems []error
	from := map[string]string{} // language + id: file
	for _, name := range names {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		base := path.Base(name)
		lang := languageOf(base)
		if !slices.Contains(Languages(), lang) {
			problems = append(problems, fmt.Errorf("%s: language %q is not one of %v", base, lang, Languages()))
			continue
		}
		list, err := messages(data)
		if err == nil {
			err = s.bundle.AddMessages(language.MustParse(lang), list...)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", base, err))
			continue
		}
		for _, m := range list {
			key := lang + " " + m.ID
			if other, ok := from[key]; ok {
				problems = append(problems, fmt.Errorf("id %q stands in %s and in %s", m.ID, other, base))
			}
			from[key] = base
			s.ids[m.ID] = true
		}
	}
	return s, errors.Join(problems...)
}

// languageOf is the language in a file name <room>.<language>.yaml, "" when there is none.
func languageOf(base string) string {
	parts := strings.Split(base, ".")
	if len(parts) != 3 {
		return ""
	}
	return parts[1]
}

// Printer prints texts in one language. Obtain it from New. Safe for concurrent use.
type Printer struct {
	lang      string
	store     *store
	localizer *i18n.Localizer
}

// New returns the printer for lang, "ja" or "en"; anything else prints English.
func New(lang string) *Printer { return shipped().printer(lang) }

func (s *store) printer(lang string) *Printer {
	if lang != "ja" {
		lang = "en"
	}
	return &Printer{lang: lang, store: s, localizer: i18n.NewLocalizer(s.bundle, lang)}
}

// Language returns "ja" or "en".
func (p *Printer) Language() string { return p.lang }

// Has reports whether id has a text.
func (p *Printer) Has(id string) bool { return p.store.ids[id] }

// Text returns the text of id with args filled in. args may be nil. Control characters in args, other than line feed
// and tab, are printed as escapes, because arguments may come from a file or from the network and the reader may be a
// terminal. The text is not safe for HTML as it is. An id without text, or whose text cannot be filled, yields the id
// and the args in a readable form: `gateway.no-such-id (host="a.example.com", port="443")`.
func (p *Printer) Text(id string, args map[string]string) string {
	return p.text(id, args, true)
}

// Finding returns "file:line:column: text" for f, without the place when f has none. The result is one line.
func (p *Printer) Finding(f finding.Finding) string {
	text := p.text(f.Code, f.Args, false)
	if !f.Pos.Known() {
		return text
	}
	return escape(f.Pos.String(), false) + ": " + text
}

// Hint returns what to do about f, one line, or "" when there is no more to say than Finding does.
func (p *Printer) Hint(f finding.Finding) string {
	id := f.Code + ".hint"
	if !p.Has(id) {
		return ""
	}
	return p.text(id, f.Args, false)
}

func (p *Printer) text(id string, args map[string]string, lines bool) string {
	if !p.Has(id) {
		return bare(id, args)
	}
	data := make(map[string]string, len(args))
	for k, v := range args {
		data[k] = escape(v, lines)
	}
	// Localize falls back to English for an id that the language lacks and reports that as an error beside the text.
	text, err := p.localizer.Localize(&i18n.LocalizeConfig{MessageID: id, TemplateData: data})
	if text == "" && err != nil {
		return bare(id, args)
	}
	return text
}

// bare is how an id without text is shown.
func bare(id string, args map[string]string) string {
	id = escape(id, false)
	if len(args) == 0 {
		return id
	}
	pairs := make([]string, 0, len(args))
	for _, k := range slices.Sorted(maps.Keys(args)) {
		pairs = append(pairs, fmt.Sprintf("%s=%q", k, args[k]))
	}
	return id + " (" + strings.Join(pairs, ", ") + ")"
}

// Visible is s as it may be shown on a terminal or in a table: on one line, and with what would steer a terminal or turn
// the direction of text written as a Go escape.
func Visible(s string) string { return escape(s, false) }

// escape prints what would steer a terminal (C0 and C1 controls, bidirectional overrides, line separators) as a Go
// escape. Line feed and tab pass when lines is true.
func escape(s string, lines bool) string {
	steers := func(r rune) bool {
		switch {
		case lines && (r == '\n' || r == '\t'):
			return false
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029', r == '\ufeff':
			return true
		}
		return r == unicode.ReplacementChar
	}
	if !strings.ContainsFunc(s, steers) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == unicode.ReplacementChar && s[i] != 0xEF: // a byte that is no UTF-8; U+FFFD itself starts with EF
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == unicode.ReplacementChar || !steers(r):
			b.WriteRune(r)
		default:
			q := fmt.Sprintf("%+q", r)
			b.WriteString(q[1 : len(q)-1])
		}
	}
	return b.String()
}
