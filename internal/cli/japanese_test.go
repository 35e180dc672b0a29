package cli

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"sekisho/internal/message"
)

// english finds three words of English in a row. Names of commands, settings and values stand alone or in quotes.
var english = regexp.MustCompile(`(?:^|[^\w/.<"-])([A-Za-z][a-z]+(?: [a-z]{2,}){2,})`)

// command is how a command is named in a text.
var command = regexp.MustCompile(`sekisho(?: [a-z-]+)+`)

// kind finds the English word for the kind of a flag's value.
var kind = regexp.MustCompile(`--[a-z-]+ (?:string|strings|stringArray|stringSlice|int|uint|duration|text|number|list)\b`)

// leftOver returns the first English in line; "" for none.
func leftOver(line string) string {
	if m := english.FindStringSubmatch(command.ReplaceAllString(line, "sekisho")); m != nil {
		return m[1]
	}
	return ""
}

// TestHelpInJapaneseHasNoEnglishSentences reads the help of every command, so that neither cobra's own words nor a text that
// was forgotten stays in English.
func TestHelpInJapaneseHasNoEnglishSentences(t *testing.T) {
	run := func(args ...string) string {
		var out bytes.Buffer
		Run(t.Context(), System{In: strings.NewReader(""), Out: &out, Err: &out, Getenv: func(string) string { return "" }},
			append(args, "--lang", "ja"))
		return out.String()
	}
	a := &app{System: System{Out: io.Discard, Err: io.Discard, Getenv: func(string) string { return "" }}, printer: message.New("ja")}
	commands := 0
	var walk func(c *cobra.Command, path []string)
	walk = func(c *cobra.Command, path []string) {
		commands++
		help := run(append(path, "--help")...)
		if !strings.Contains(help, "使い方") {
			t.Errorf("%v: no help: %q", path, help)
		}
		for line := range strings.Lines(help) {
			if words := kind.FindString(line); words != "" && !strings.Contains(line, "sekisho") {
				t.Errorf("%v: %q in %s", path, words, line)
			}
			if strings.HasPrefix(strings.TrimSpace(line), "sekisho ") || strings.HasPrefix(line, "    --") {
				continue // how a command is written
			}
			if words := leftOver(line); words != "" {
				t.Errorf("%v: %q in %s", path, words, line)
			}
		}
		for _, child := range c.Commands() {
			walk(child, append(path[:len(path):len(path)], child.Name()))
		}
	}
	walk(a.root(), nil)
	walk(&cobra.Command{}, []string{"help"})
	if help := run("help", "--help"); !strings.Contains(help, "  sekisho help [コマンド] [フラグ]\n") || strings.Contains(help, "help for help") {
		t.Errorf("%s", help)
	}
	if commands < 40 {
		t.Errorf("%d commands: the test sees too few", commands)
	}
	for _, wrong := range [][]string{
		{"nothing"}, {"config", "nothing"}, {"--nothing"}, {"-Z"}, {"up", "--gateway-listen"}, {"report", "decisions", "--limit", "many"},
		{"report", "decisions", "-o", "xml"}, {"report", "decisions", "--from", "soon"}, {"report", "decisions", "--verdict", "perhaps"},
		{"report", "decisions", "--limit", "-1"}, {"config", "check", "a", "b"}, {"version", "x"}, {"help", "nothing"},
		{"catalog", "show", "nothing"}, {"catalog", "export", "--kind", "x"}, {"catalog", "export", "--instance", "x"},
		{"lookup", "exa mple"}, {"config", "check", "gone.yaml"}, {"config", "init"}, {"pac", "lint", "gone.pac"}, {"up", "--gateway-listen", "x"},
	} {
		said := run(append(wrong, "--data", t.TempDir())...)
		for line := range strings.Lines(said) {
			if words := leftOver(line); words != "" && !strings.HasPrefix(line, "  ") { // what the system said stays as it said it
				t.Errorf("%v: %q in %s", wrong, words, line)
			}
		}
		if !strings.Contains(said, "エラー: ") {
			t.Errorf("%v: no error: %q", wrong, said)
		}
	}
}
