package message

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/nicksnyder/go-i18n/v2/i18n"
)

// messages reads a text file. Every command reads all of them before it does anything, and a YAML library needs many
// times as long as flat does; what flat does not understand goes to the library.
func messages(data []byte) ([]*i18n.Message, error) {
	texts, ok := flat(data)
	if !ok {
		if err := yaml.UnmarshalWithOptions(data, &texts, yaml.Strict()); err != nil {
			return nil, err
		}
	}
	out := make([]*i18n.Message, 0, len(texts))
	for id, text := range texts {
		out = append(out, &i18n.Message{ID: id, Other: text})
	}
	return out, nil
}

// flat reads the part of YAML that the text files are written in: a map from ids to texts, one a line, the text plain,
// quoted in either way, or a literal block ("|-") that is indented by two spaces. ok is false for anything else, and
// where a reader of YAML could see more than a text (a number, a comment behind a value, a key twice).
func flat(data []byte) (texts map[string]string, ok bool) {
	if !utf8.Valid(data) || bytes.ContainsFunc(data, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) && !unicode.IsSpace(r) }) {
		return nil, false
	}
	texts = make(map[string]string, bytes.Count(data, []byte("\n")))
	rest := string(data)
	for rest != "" {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, found := strings.Cut(line, ": ")
		if !found || !isKey(key) || texts[key] != "" {
			return nil, false
		}
		var text string
		switch {
		case value == "|-":
			text, rest = block(rest)
			ok = text != ""
		case strings.HasPrefix(value, "'"):
			text, ok = single(value)
		case strings.HasPrefix(value, `"`):
			text, ok = double(value)
		default:
			text, ok = value, isPlain(value)
		}
		if !ok {
			return nil, false
		}
		texts[key] = text
	}
	return texts, true
}

func isKey(s string) bool {
	return s != "" && s[0] >= 'a' && s[0] <= 'z' && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789.-_") == "" &&
		strings.ContainsRune(s, '.')
}

// block takes the lines of a literal block off rest: those that are indented by two spaces or empty. Empty lines at its
// end do not belong to it.
func block(rest string) (text, after string) {
	var lines []string
	for {
		line, next, more := strings.Cut(rest, "\n")
		if line != "" && !strings.HasPrefix(line, "  ") || rest == "" {
			break
		}
		if strings.HasSuffix(line, " ") {
			return "", rest // readers of YAML disagree on it
		}
		lines = append(lines, strings.TrimPrefix(line, "  "))
		rest = next
		if !more {
			break
		}
	}
	text = strings.TrimRight(strings.Join(lines, "\n"), "\n")
	if strings.HasPrefix(text, " ") || strings.HasPrefix(text, "\n") || strings.ContainsAny(text, "\t\r") {
		return "", rest // its indentation could be meant otherwise
	}
	return text, rest
}

// single reads 'text', in which two quotes stand for one.
func single(s string) (string, bool) {
	if len(s) < 2 || s[len(s)-1] != '\'' {
		return "", false
	}
	inner := s[1 : len(s)-1]
	text := strings.ReplaceAll(inner, "''", "'")
	return text, 2*strings.Count(text, "'") == strings.Count(inner, "'")
}

// double reads "text" with the escapes that YAML and Go write alike.
func double(s string) (string, bool) {
	if strings.Count(strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(s, `\\`, ""), `\"`, ""), `\n`, ""), `\`) > 0 {
		return "", false
	}
	text, err := strconv.Unquote(s)
	return text, err == nil
}

// isPlain reports whether s means itself as a plain scalar: no comment, no second key, nothing that begins another form
// of YAML or could be a number, a date, a truth or nothing at all.
func isPlain(s string) bool {
	if s == "" || strings.TrimSpace(s) != s || strings.Contains(s, ": ") || strings.Contains(s, " #") || strings.HasSuffix(s, ":") ||
		strings.ContainsAny(s, "\t\r") || strings.ContainsAny(s[:1], "!&*?:,[]{}#|>@`\"'%~.+=<") {
		return false
	}
	if strings.ContainsAny(s[:1], "-0123456789") && (strings.HasPrefix(s, "- ") || !strings.Contains(s, " ") || isASCII(s)) {
		return false // "1 つの機能" is a text whatever it begins with
	}
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n":
		return false
	}
	return true
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}
