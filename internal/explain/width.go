package explain

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// columns is how many columns of a terminal s takes (UAX #11: wide and full-width characters take two, marks none).
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += columnsOf(r)
	}
	return n
}

func columnsOf(r rune) int {
	if unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Me, r) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// Wrap breaks s into lines of at most most columns of a terminal, where Japanese and English break; what steers a terminal is
// shown as a question mark. It returns at least one line.
func Wrap(s string, most int) []string { return wrap(clean(s), max(most, minWrap)) }

// minWrap is the narrowest a text is broken to (chosen: below it, words fall apart).
const minWrap = 20

// Columns is how many columns of a terminal s takes.
func Columns(s string) int { return columns(s) }

// wrap breaks s into lines of at most most columns: at spaces, beside wide characters, and inside a word only when it
// is alone on its line and still too long. It returns at least one line.
func wrap(s string, most int) []string {
	var lines []string
	line, taken := "", 0
	for _, word := range words(s) {
		n := columns(word)
		if taken+columns(strings.TrimRight(word, " ")) > most && taken > 0 {
			lines = append(lines, strings.TrimRight(line, " "))
			line, taken = "", 0
		}
		for taken == 0 && columns(strings.TrimRight(word, " ")) > most {
			head := cut(word, most)
			lines = append(lines, head)
			word = word[len(head):]
			n = columns(word)
		}
		line += word
		taken += n
	}
	if line = strings.TrimRight(line, " "); line != "" || len(lines) == 0 {
		lines = append(lines, line)
	}
	return lines
}

// words splits s where a line may end: after spaces, and after a wide character that no closing mark follows.
func words(s string) []string {
	var out []string
	begin := 0
	runes := []rune(s)
	at := 0
	for i, r := range runes {
		at += len(string(r))
		last := i+1 == len(runes)
		next := ' '
		if !last {
			next = runes[i+1]
		}
		mayEnd := r == ' ' && next != ' ' || columnsOf(r) == 2 && next != ' ' && !closes(next) && !opens(r)
		if last || mayEnd {
			out = append(out, s[begin:at])
			begin = at
		}
	}
	return out
}

// closes are characters that must not begin a line (JIS X 4051), those that our texts use.
func closes(r rune) bool {
	return strings.ContainsRune("、。，．・：；！？）」』】〕》ー,.)]:;", r)
}

// opens are characters that must not end a line.
func opens(r rune) bool { return strings.ContainsRune("（「『【〔《", r) }

// cut is the longest beginning of s that takes at most most columns, at least one character.
func cut(s string, most int) string {
	n := 0
	for i, r := range s {
		n += columnsOf(r)
		if n > most && i > 0 {
			return s[:i]
		}
	}
	return s
}

// clean keeps a value on its line: control characters, which may come from a file, are shown as question marks.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return '?'
		}
		return r
	}, s)
}
