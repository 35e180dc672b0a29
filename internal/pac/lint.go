package pac

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"sekisho/internal/finding"
)

// Lint reads the source of any PAC file, without running it, and reports what breaks clients or slows them: DNS
// functions, syntax that is newer than ES5, bytes that are not ASCII, a missing FindProxyForURL, a proxy list that
// ends in DIRECT, the two matching functions that take lookalikes, a file that clients refuse for its size. Places
// count from 1 and have no file name. What the file answers for the sign-in hosts is found by running it: pac/eval.
func Lint(src []byte) finding.List {
	l := &linter{}
	if len(src) > MaxBytes {
		l.add(finding.New("pac.too-large", finding.Error, finding.Pos{},
			"bytes", strconv.Itoa(len(src)), "limit", strconv.Itoa(MaxBytes)))
		src = src[:MaxBytes]
	} else if len(src) > LargeBytes {
		l.add(finding.New("pac.large", finding.Warning, finding.Pos{}, "bytes", strconv.Itoa(len(src)), "limit", strconv.Itoa(LargeBytes)))
	}
	if bytes.HasPrefix(src, []byte("\xef\xbb\xbf")) {
		l.add(finding.New("pac.not-ascii", finding.Warning, finding.Pos{Line: 1, Column: 1}))
		l.ascii = true
		src = src[3:]
	}
	tokens := l.scan(string(src))
	l.judge(tokens)
	return l.findings.Sort()
}

type linter struct {
	findings finding.List
	ascii    bool // the finding about bytes that are not ASCII has been given
}

func (l *linter) add(f finding.Finding) { l.findings = append(l.findings, f) }

// kind of a token.
type kind uint8

const (
	word kind = iota + 1
	text      // string literal, without quotes
	mark      // punctuation
	expr      // regular expression literal
)

type token struct {
	kind kind
	text string
	pos  finding.Pos
}

// scan splits the source into tokens. Comments fall away. It never fails: what it does not know is a mark.
func (l *linter) scan(src string) []token {
	var out []token
	line, begin := 1, 0
	pos := func(at int) finding.Pos {
		return finding.Pos{Line: line, Column: utf8.RuneCountInString(src[begin:at]) + 1}
	}
	for i := 0; i < len(src); {
		c := src[i]
		switch {
		case c == '\n':
			i++
			line, begin = line+1, i
		case c == ' ' || c == '\t' || c == '\r':
			i++
		case c >= utf8.RuneSelf:
			if !l.ascii {
				l.ascii = true
				l.add(finding.New("pac.not-ascii", finding.Warning, pos(i)))
			}
			_, n := utf8.DecodeRuneInString(src[i:])
			i += n
		case strings.HasPrefix(src[i:], "//"):
			l.comment(src[i:end(src, i, "\n")], pos(i))
			i = end(src, i, "\n")
		case strings.HasPrefix(src[i:], "/*"):
			stop := end(src, i+2, "*/")
			l.comment(src[i:stop], pos(i))
			if n := strings.Count(src[i:stop], "\n"); n > 0 {
				line += n
				begin = i + strings.LastIndexByte(src[i:stop], '\n') + 1
			}
			i = min(stop+2, len(src))
		case c == '`':
			out = append(out, token{mark, "`", pos(i)})
			stop := min(end(src, i+1, "`")+1, len(src))
			if n := strings.Count(src[i:stop], "\n"); n > 0 {
				line += n
				begin = i + strings.LastIndexByte(src[i:stop], '\n') + 1
			}
			i = stop
		case c == '"' || c == '\'':
			stop := literal(src, i, c)
			out = append(out, token{text, strings.Trim(src[i:stop], string(c)), pos(i)})
			l.comment(src[i:stop], pos(i))
			i = stop
		case c == '/' && regexMayBegin(out):
			stop := literal(src, i, '/')
			out = append(out, token{expr, src[i:stop], pos(i)})
			i = stop
		case isWordByte(c):
			stop := i
			for stop < len(src) && isWordByte(src[stop]) {
				stop++
			}
			out = append(out, token{word, src[i:stop], pos(i)})
			i = stop
		default:
			n := 1
			if strings.HasPrefix(src[i:], "=>") || strings.HasPrefix(src[i:], "**") || strings.HasPrefix(src[i:], "?.") {
				n = 2
			} else if strings.HasPrefix(src[i:], "...") {
				n = 3
			}
			out = append(out, token{mark, src[i : i+n], pos(i)})
			i += n
		}
	}
	return out
}

// comment notes bytes that are not ASCII inside comments and strings: engines disagree about the file's encoding.
func (l *linter) comment(s string, at finding.Pos) {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf && !l.ascii {
			l.ascii = true
			l.add(finding.New("pac.not-ascii", finding.Warning, at))
		}
	}
}

// end is the offset of what after from, or the end of src.
func end(src string, from int, what string) int {
	if at := strings.Index(src[min(from, len(src)):], what); at >= 0 {
		return min(from, len(src)) + at
	}
	return len(src)
}

// literal returns the offset after a literal that begins at i and ends with the byte close, or with its line.
func literal(src string, i int, close byte) int {
	class := false // inside [...] of a regular expression
	for i++; i < len(src) && src[i] != '\n'; i++ {
		switch {
		case src[i] == '\\':
			i++
		case close == '/' && src[i] == '[':
			class = true
		case close == '/' && src[i] == ']':
			class = false
		case src[i] == close && !class:
			return i + 1
		}
	}
	return min(i, len(src))
}

func isWordByte(c byte) bool {
	return c == '_' || c == '$' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// regexMayBegin tells a regular expression from a division by what stands before it.
func regexMayBegin(before []token) bool {
	if len(before) == 0 {
		return true
	}
	switch t := before[len(before)-1]; t.kind {
	case word:
		return t.text == "return" || t.text == "typeof" || t.text == "case"
	case mark:
		return t.text != ")" && t.text != "]" && t.text != "}"
	}
	return false
}

// dnsFunctions ask a name server while the browser waits.
const dnsFunctions = "dnsResolve dnsResolveEx isResolvable isResolvableEx isInNet isInNetEx myIpAddress myIpAddressEx"

// newerWords begin syntax that ES5 does not have. async and static are names there as well and stay out.
const newerWords = "let const class import export yield await"

func (l *linter) judge(tokens []token) {
	named := false
	for i, t := range tokens {
		before, after := at(tokens, i-1), at(tokens, i+1)
		member := before.kind == mark && before.text == "."
		switch t.kind {
		case word:
			switch {
			case t.text == "FindProxyForURL" || t.text == "FindProxyForURLEx":
				named = named || before.text == "function" || after.text == "="
			case member && after.text == "(":
				l.method(tokens, i)
			case member:
			case hasWord(dnsFunctions, t.text) && after.text == "(" && before.text != "function":
				l.add(finding.New("pac.dns-function", finding.Warning, t.pos, "name", t.text))
			case (t.text == "dnsDomainIs" || t.text == "shExpMatch") && after.text == "(" && before.text != "function":
				l.match(tokens, i)
			case (t.text == "Map" || t.text == "Set" || t.text == "Symbol" || t.text == "Promise" || t.text == "WeakMap") && after.text == "(":
				l.add(finding.New("pac.newer-syntax", finding.Warning, t.pos, "what", t.text))
			case t.text == "of" && before.kind == word && at(tokens, i-2).kind == word && hasWord("var let const", at(tokens, i-2).text):
				l.add(finding.New("pac.newer-syntax", finding.Warning, t.pos, "what", "for (… of …)"))
			case hasWord(newerWords, t.text) && after.text != ":" && (after.kind == word || after.text == "{" || after.text == "["):
				l.add(finding.New("pac.newer-syntax", finding.Warning, t.pos, "what", t.text))
			}
		case mark:
			if t.text == "=>" || t.text == "`" || t.text == "**" || t.text == "?." || t.text == "..." {
				l.add(finding.New("pac.newer-syntax", finding.Warning, t.pos, "what", t.text))
			}
		case text:
			l.fallback(t)
		}
	}
	if !named {
		l.add(finding.New("pac.no-function", finding.Error, finding.Pos{}))
	}
}

// IsWord reports whether f is a finding of Lint about newer syntax that rests on a word or sign alone, where a reader of the
// whole language (eval.Newer) knows better. Methods and classes of the library, which no reader sees, are none.
func IsWord(f finding.Finding) bool {
	what := f.Args["what"]
	return f.Code == "pac.newer-syntax" && (hasWord(newerWords, what) || hasWord("=> ` ** ?. ...", what) || strings.HasPrefix(what, "for "))
}

// newerMethods are methods of texts and arrays that ES5 does not have.
const newerMethods = "includes startsWith endsWith repeat padStart padEnd codePointAt normalize fill findIndex find flat flatMap " +
	"trimStart trimEnd matchAll replaceAll assign"

// method reports a call of a method that is newer than ES5, a search for a text anywhere in a name, and a regular expression
// that does not end at the end of it.
func (l *linter) method(tokens []token, i int) {
	t, owner := tokens[i], at(tokens, i-2)
	switch argument := at(tokens, i+2); {
	case hasWord(newerMethods, t.text):
		l.add(finding.New("pac.newer-syntax", finding.Warning, t.pos, "what", t.text))
	case t.text == "indexOf" && argument.kind == text && strings.Contains(strings.Trim(argument.text, "."), ".") && at(tokens, i+3).text == ")":
		// Found at all: >= 0, > -1, != -1. At the beginning alone, == 0, is no better for a whole name.
		l.add(finding.New("pac.lookalike", finding.Warning, t.pos,
			"name", "indexOf", "value", argument.text, "example", strings.TrimLeft(argument.text, ".")+".evil.example", "want", "."+strings.TrimLeft(argument.text, ".")))
	case t.text == "test" && owner.kind == expr:
		body := strings.TrimSuffix(strings.TrimRight(owner.text, "gimsuy"), "/")
		if strings.Contains(body, `\.`) && !strings.HasSuffix(body, "$") && !strings.HasSuffix(body, "$)") {
			l.add(finding.New("pac.open-expression", finding.Warning, owner.pos, "value", owner.text))
		}
	}
}

// match reports a call of dnsDomainIs or shExpMatch whose text takes more hosts than it seems to.
func (l *linter) match(tokens []token, i int) {
	if tokens[i].text == "shExpMatch" && at(tokens, i+2).text == "url" && at(tokens, i+2).kind == word {
		l.add(finding.New("pac.url-match", finding.Warning, tokens[i].pos))
	}
	for j := i + 1; j < len(tokens) && j < i+12 && tokens[j].text != ")"; j++ {
		if tokens[j].kind != text {
			continue
		}
		s := tokens[j].text
		switch {
		case s == "":
		case tokens[i].text == "dnsDomainIs" && s[0] != '.':
			l.add(finding.New("pac.lookalike", finding.Warning, tokens[i].pos,
				"name", "dnsDomainIs", "value", s, "example", "evil"+s, "want", "."+s))
		case tokens[i].text == "shExpMatch" && len(s) > 1 && s[0] == '*' && s[1] != '.' && s[1] != '*':
			l.add(finding.New("pac.lookalike", finding.Warning, tokens[i].pos,
				"name", "shExpMatch", "value", s, "example", "evil"+s[1:], "want", "*."+s[1:]))
		case tokens[i].text == "shExpMatch" && at(tokens, i+2).text != "url" && strings.HasSuffix(s, "*") && strings.Contains(strings.Trim(s, "*."), ".") && !isAddressGlob(s):
			l.add(finding.New("pac.lookalike", finding.Warning, tokens[i].pos,
				"name", "shExpMatch", "value", s, "example", strings.TrimLeft(strings.TrimRight(s, "*."), "*.")+".evil.example", "want", strings.TrimRight(s, "*.")))
		}
		return
	}
}

// isAddressGlob reports whether s is the beginning of an IPv4 address, as "10.1.*" is: nothing but digits and dots.
func isAddressGlob(s string) bool { return strings.Trim(s, "0123456789.*?") == "" }

// fallback reports a proxy list that ends in DIRECT.
func (l *linter) fallback(t token) {
	parts := strings.Split(t.text, ";")
	if len(parts) < 2 {
		return
	}
	last := strings.TrimSpace(parts[len(parts)-1])
	if last == "" {
		last = strings.TrimSpace(parts[len(parts)-2])
	}
	first := strings.ToUpper(strings.TrimSpace(parts[0]))
	if strings.EqualFold(last, "DIRECT") && (strings.HasPrefix(first, "PROXY ") || strings.HasPrefix(first, "HTTP")) {
		l.add(finding.New("pac.direct-fallback", finding.Warning, t.pos, "value", t.text))
	}
}

// at is the token at i, the zero token outside.
func at(tokens []token, i int) token {
	if i < 0 || i >= len(tokens) {
		return token{}
	}
	return tokens[i]
}

func hasWord(list, w string) bool {
	for _, x := range strings.Fields(list) {
		if x == w {
			return true
		}
	}
	return false
}
