package endpoint

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/net/idna"
)

// reasonOf returns the code of a ParseError, "" for nil, and fails for any other error.
func reasonOf(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*ParseError](err)
	if !ok {
		t.Fatalf("error %v is a %T, want *ParseError", err, err)
	}
	if e.Offset < 0 || e.Offset > len(e.Input) {
		t.Fatalf("error %v has offset %d outside of its input", err, e.Offset)
	}
	if _, known := reasons[e.Reason]; !known {
		t.Fatalf("error %v has the unlisted reason %q", err, e.Reason)
	}
	return e.Reason
}

func TestParseHost(t *testing.T) {
	label63 := strings.Repeat("a", 63)
	longest := strings.Repeat(label63+".", 3) + strings.Repeat("b", 61)
	tests := []struct{ name, in, want, reason string }{
		{"normal form stays", "login.microsoftonline.com", "login.microsoftonline.com", ""},
		{"upper case is lowered", "Login.MicrosoftOnline.COM", "login.microsoftonline.com", ""},
		{"one trailing dot is removed", "login.live.com.", "login.live.com", ""},
		{"two trailing dots are refused", "login.live.com..", "", "two-dots"},
		{"underscore is allowed", "_dmarc.contoso.com", "_dmarc.contoso.com", ""},
		{"single label", "intranet", "intranet", ""},
		{"hyphens inside a label", "r3---sn-abc.example.com", "r3---sn-abc.example.com", ""},
		{"label of 63 bytes", label63 + ".com", label63 + ".com", ""},
		{"label of 64 bytes", label63 + "a.com", "", "label-too-long"},
		{"name of 253 bytes", longest, longest, ""},
		{"name of 253 bytes and a dot", longest + ".", longest, ""},
		{"name of 254 bytes", longest + "b", "", "host-too-long"},
		{"huge input", strings.Repeat("a.", 100000), "", "host-too-long"},
		{"empty", "", "", "empty"},
		{"root", ".", "", "empty"},
		{"leading dot", ".example.com", "", "empty-label"},
		{"dots in a row", "a..example.com", "", "empty-label"},
		{"leading hyphen", "a.-b.com", "", "hyphen"},
		{"trailing hyphen", "b-.com", "", "hyphen"},
		{"percent", "login%2emicrosoftonline.com", "", "percent"},
		{"percent alone", "%", "", "percent"},
		{"space", "login.live.com ", "", "space"},
		{"tab", "\tlogin.live.com", "", "space"},
		{"line feed", "login.live.com\n", "", "control"},
		{"nul", "login.live.com\x00.evil.com", "", "control"},
		{"delete", "a\x7f.com", "", "control"},
		{"port", "login.live.com:443", "", "character"},
		{"slash", "login.live.com/x", "", "character"},
		{"backslash", `a\b.com`, "", "character"},
		{"user information", "user@login.live.com", "", "userinfo"},
		{"star", "*.example.com", "", "wildcard"},
		{"invalid UTF-8", "\xff.com", "", "encoding"},
		{"overlong UTF-8", "a\xc0\xae.com", "", "encoding"},
		{"replacement character", "\uFFFD.com", "", "a-label"},
		{"soft hyphen", "login\u00adx.com", "", "soft-hyphen"},
		{"zero width space", "login\u200b.com", "", "invisible"},
		{"zero width joiner", "a\u200db.com", "", "invisible"},
		{"word joiner", "a\u2060b.com", "", "invisible"},
		{"byte order mark", "\ufefflogin.com", "", "invisible"},
		{"variation selector", "a\ufe0f.com", "", "invisible"},
		{"combining grapheme joiner", "a\u034f.com", "", "invisible"},
		{"right to left override", "a\u202eb.com", "", "invisible"},
		{"hangul filler", "a\u3164b.com", "", "invisible"},
		{"no-break space", "a\u00a0b.com", "", "space"},
		{"ideographic space", "a\u3000b.com", "", "space"},
		{"c1 control", "a\u0085b.com", "", "control"},
		{"full-width letter", "ｌogin.com", "", "full-width"},
		{"full-width dot", "login．com", "", "dot"},
		{"ideographic full stop", "login。com", "", "dot"},
		{"half-width ideographic full stop", "login｡com", "", "dot"},
		{"half-width katakana", "ﾃｽﾄ.jp", "", "full-width"},
		{"one dot leader", "a\u2024com.jp", "", "compatibility"},
		{"kelvin sign", "\u212a.com", "", "compatibility"},
		{"long s", "\u017fite.com", "", "compatibility"},
		{"ligature", "\ufb01le.com", "", "compatibility"},
		{"mathematical letter", "\U0001d4b6.com", "", "compatibility"},
		{"circled digit", "①.com", "", "compatibility"},
		{"account of", "\u2100.com", "", "compatibility"},
		{"decomposed", "e\u0301.com", "", "composition"},
		{"composed", "é.com", "xn--9ca.com", ""},
		{"upper case is lowered outside of ASCII", "É.com", "xn--9ca.com", ""},
		{"japanese", "日本語.jp", "xn--wgv71a119e.jp", ""},
		{"katakana with length mark", "サービス.jp", "xn--vcki1fxh.jp", ""},
		{"a-label stays", "xn--wgv71a119e.jp", "xn--wgv71a119e.jp", ""},
		{"a-label is lowered", "XN--WGV71A119E.JP", "xn--wgv71a119e.jp", ""},
		{"sharp s is not ss", "straße.de", "xn--strae-oqa.de", ""},
		{"capital sharp s has two readings", "STRAẞE.de", "", "compatibility"},
		{"dotted capital i has two readings", "İ.com", "", "compatibility"},
		{"a-label of ASCII", "xn--login-.com", "", "a-label"},
		{"a-label of ASCII without hyphen", "xn--abc.com", "", "a-label"},
		{"a-label that is empty", "xn--.com", "", "a-label"},
		{"a-label that does not decode", "xn--99999999.com", "", "a-label"},
		{"a-label of a full-width letter", punycode(t, "ｌogin") + ".com", "", "a-label"},
		{"a-label of a capital letter", punycode(t, "É") + ".com", "", "a-label"},
		{"a-label of a decomposed letter", punycode(t, "e\u0301") + ".com", "", "a-label"},
		{"symbols are no letters", "a\u2028b.com", "", "space"},
		{"right-to-left beside left-to-right", "aא.com", "", "a-label"},
		{"hebrew", "אב.com", "xn--4dbc.com", ""},
		{"dotted quad", "192.0.2.1", "", "address"},
		{"dotted quad with trailing dot", "192.0.2.1.", "", "address"},
		{"octal", "0177.0.0.1", "", "address"},
		{"hexadecimal and short", "0x7f.1", "", "address"},
		{"hexadecimal last label", "a.0x7f", "", "address"},
		{"hexadecimal without digits", "a.0X", "", "address"},
		{"short", "127.1", "", "address"},
		{"one number", "2130706433", "", "address"},
		{"last label of digits", "example.123", "", "address"},
		{"digits elsewhere", "123.example.com", "123.example.com", ""},
		{"v6", "2001:db8::1", "", "address"},
		{"v6 in brackets", "[2001:db8::1]", "", "address"},
		{"v6 with zone", "fe80::1%eth0", "", "address"},
		{"v4 in v6", "::ffff:192.0.2.1", "", "address"},
		{"bracket", "[a]", "", "bracket"},
		{"arabic-indic digits as address", "١٢٧.٠.٠.١", "", "a-label"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseHost(tt.in)
			reason := reasonOf(t, err)
			if string(got) != tt.want || reason != tt.reason {
				t.Errorf("ParseHost(%q) = %q, reason %q; want %q, reason %q", tt.in, got, reason, tt.want, tt.reason)
			}
		})
	}
}

// punycode encodes label without asking whether it may be a label.
func punycode(t *testing.T, label string) string {
	t.Helper()
	a, err := idna.Punycode.ToASCII(label)
	if err != nil || !strings.HasPrefix(a, "xn--") {
		t.Fatalf("punycode of %q: %q, %v", label, a, err)
	}
	return a
}

func TestParseHostDoesNotAllocateForNormalNames(t *testing.T) {
	for _, s := range []string{"login.microsoftonline.com", "login.live.com.", "intranet"} {
		if n := testing.AllocsPerRun(100, func() { _, _ = ParseHost(s) }); n != 0 {
			t.Errorf("ParseHost(%q): %v allocations", s, n)
		}
	}
}

func BenchmarkParseHost(b *testing.B) {
	for _, s := range []string{"login.microsoftonline.com", "Login.MicrosoftOnline.COM", "日本語.jp"} {
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = ParseHost(s)
			}
		})
	}
}
