package endpoint

import (
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

const (
	// MaxHostBytes is the longest host name in presentation form without the trailing dot: 255 octets on the wire
	// (RFC 1035, section 2.3.4) less the first length octet and the root label.
	MaxHostBytes = 253
	// MaxLabelBytes is the longest label (RFC 1035, section 2.3.4).
	MaxLabelBytes = 63

	// inputBytes bounds what is looked at before anything else is done with a text: a name of 253 bytes in A-labels
	// has no more than this in UTF-8 (chosen: four bytes for each).
	inputBytes = 4 * MaxHostBytes
)

// Host is a host name in normal form: lower case, IDNA A-labels, no trailing dot, at most 253 bytes, labels of 1 to
// 63 letters, digits, hyphens and underscores that neither begin nor end with a hyphen. Obtain it from ParseHost only.
// The zero value is no host; no pattern matches it.
type Host string

// ParseHost brings s into normal form. One trailing dot is removed. Underscores are allowed because DNS has them
// (RFC 2181, section 11) and endpoint lists use them.
//
// It returns *ParseError for what has no single meaning: percent signs, full-width and other compatibility forms
// (anything that NFKC would change), soft hyphens and other invisible characters, other dots than ".", two trailing
// dots, empty labels, labels that claim to be A-labels and are not, and whatever a resolver might read as an address:
// a last label that is all digits or begins with "0x" (WHATWG URL, "ends in a number").
//
// Unicode names are read by UTS #46, non-transitional, as browsers do. It does not allocate for a name that is in
// normal form already.
func ParseHost(s string) (Host, error) { return parseHost("host", s) }

// MustHost is ParseHost for names written in the program; it panics on a mistake.
func MustHost(s string) Host {
	h, err := ParseHost(s)
	if err != nil {
		panic(err)
	}
	return h
}

// String returns the name.
func (h Host) String() string { return string(h) }

// MarshalText prints the name.
func (h Host) MarshalText() ([]byte, error) { return []byte(h), nil }

// UnmarshalText reads a name by ParseHost; an empty text is an error.
func (h *Host) UnmarshalText(text []byte) (err error) {
	*h, err = ParseHost(string(text))
	return err
}

func parseHost(what, s string) (Host, error) {
	switch {
	case s == "" || s == ".":
		return "", fail(what, s, 0, "empty", "")
	case len(s) > inputBytes:
		return "", fail(what, s, inputBytes, "host-too-long", "")
	}
	if isAddress(s) {
		return "", fail(what, s, 0, "address", "")
	}
	ascii, normal, err := checkCharacters(what, s)
	if err != nil {
		return "", err
	}
	name, ok := strings.CutSuffix(s, ".")
	if ok && strings.HasSuffix(name, ".") {
		return "", fail(what, s, len(s)-1, "two-dots", "")
	}
	if !normal {
		if name, err = normalLabels(what, s, name, ascii); err != nil {
			return "", err
		}
	}
	if err := checkLabels(what, s, name, len(name) == len(s) || len(name) == len(s)-1); err != nil {
		return "", err
	}
	return Host(name), nil
}

// isAddress reports whether s is an address in one of its ordinary forms, with or without brackets and zone. The odd
// forms are caught by their last label, see checkLabels.
func isAddress(s string) bool {
	if !strings.Contains(s, ":") {
		return false
	}
	_, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	return err == nil
}

// checkCharacters refuses every character that has no place in a host name, whatever stands around it. normal says
// that s needs no more than the removal of a trailing dot.
func checkCharacters(what, s string) (ascii, normal bool, err error) {
	ascii, normal = true, true
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		case 'A' <= c && c <= 'Z':
			normal = false
		case c >= utf8.RuneSelf:
			ascii, normal = false, false
		default:
			return false, false, fail(what, s, i, asciiReason(c), "")
		}
	}
	if normal && strings.Contains(s, "xn--") {
		normal = false
	}
	if ascii {
		return ascii, normal, nil
	}
	for i, r := range s {
		if reason := runeReason(r, s[i:]); reason != "" {
			return false, false, fail(what, s, i, reason, "")
		}
	}
	if n := norm.NFC.QuickSpanString(s); n < len(s) && !norm.NFC.IsNormalString(s) {
		return false, false, fail(what, s, n, "composition", norm.NFC.String(s))
	}
	return false, false, nil
}

func asciiReason(c byte) string {
	switch {
	case c == '%':
		return "percent"
	case c == '*':
		return "wildcard"
	case c == '@':
		return "userinfo"
	case c == '[' || c == ']':
		return "bracket"
	case c == ' ' || c == '\t':
		return "space"
	case c < 0x20 || c == 0x7f:
		return "control"
	}
	return "character"
}

// runeReason says why the non-ASCII character r, with which rest begins, has no place in a host name; "" when it may.
func runeReason(r rune, rest string) string {
	switch {
	case r < utf8.RuneSelf:
		return ""
	case r == utf8.RuneError && !strings.HasPrefix(rest, "\uFFFD"):
		return "encoding"
	case r == '\u00AD':
		return "soft-hyphen"
	case r == '\u3002' || r == '\uFF0E' || r == '\uFF61':
		// The ideographic full stops that IDNA2003 (RFC 3490, section 3.1) read as dots and IDNA2008 does not.
		return "dot"
	case unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) ||
		unicode.Is(unicode.Variation_Selector, r):
		return "invisible"
	case unicode.IsControl(r):
		return "control"
	case unicode.IsSpace(r):
		return "space"
	}
	if k := width.LookupRune(r).Kind(); k == width.EastAsianFullwidth || k == width.EastAsianHalfwidth {
		return "full-width"
	}
	// A character alone that NFKC changes and NFC does not is a compatibility character (ligatures, letter-like
	// symbols such as the Kelvin sign, mathematical alphabets, circled digits, ...).
	if one := string(r); !norm.NFKC.IsNormalString(one) {
		return "compatibility"
	}
	return ""
}

// labelProfile returns how a Unicode label becomes an A-label: UTS #46 lookup mapping, non-transitional, with the
// joiner and bidi rules of RFC 5892 and RFC 5893.
func labelProfile() *idna.Profile { return idna.Lookup }

// normalLabels lowers name and turns its labels into A-labels. s is the whole input, for errors.
func normalLabels(what, s, name string, ascii bool) (string, error) {
	if ascii {
		name = strings.ToLower(name)
		if !strings.Contains(name, "xn--") {
			return name, nil
		}
	}
	var out strings.Builder
	at := 0
	for label := range strings.SplitSeq(name, ".") {
		if at > 0 {
			out.WriteByte('.')
		}
		a, reason := aLabel(label)
		if reason != "" {
			return "", fail(what, s, at, reason, "")
		}
		out.WriteString(a)
		at += len(label) + 1
	}
	return out.String(), nil
}

// aLabel returns the ASCII form of one label, or why there is none.
func aLabel(label string) (string, string) {
	if isASCII(label) {
		lower := strings.ToLower(label)
		if !strings.HasPrefix(lower, "xn--") {
			return lower, ""
		}
		// A label that says it is an A-label must be what its own Unicode form encodes to; otherwise two programs
		// would show or look up different names for it (RFC 5891, section 4.2.1 and 5.4).
		u, err := labelProfile().ToUnicode(lower)
		if err != nil || isASCII(u) {
			return "", "a-label"
		}
		if again, err := labelProfile().ToASCII(u); err != nil || again != lower {
			return "", "a-label"
		}
		return lower, ""
	}
	a, err := labelProfile().ToASCII(label)
	if err != nil {
		return "", "a-label"
	}
	// Where lowering the case first gives another name (the capital sharp s, the dotted capital I), versions of the
	// Unicode tables disagree on what is meant.
	if b, err := labelProfile().ToASCII(strings.ToLower(label)); err != nil || b != a || !strings.HasPrefix(a, "xn--") {
		return "", "compatibility"
	}
	return a, ""
}

// checkLabels checks the labels of name, which is ASCII in lower case. sameBytes says that offsets in name are offsets
// in the input s.
func checkLabels(what, s, name string, sameBytes bool) error {
	at := func(i int) int {
		if sameBytes {
			return i
		}
		return 0
	}
	start, last := 0, 0
	for i := 0; i <= len(name); i++ {
		if i < len(name) && name[i] != '.' {
			continue
		}
		label := name[start:i]
		switch {
		case label == "":
			return fail(what, s, at(i), "empty-label", "")
		case len(label) > MaxLabelBytes:
			return fail(what, s, at(start), "label-too-long", "")
		case label[0] == '-':
			return fail(what, s, at(start), "hyphen", "")
		case label[len(label)-1] == '-':
			return fail(what, s, at(i-1), "hyphen", "")
		}
		last = start
		start = i + 1
	}
	if len(name) > MaxHostBytes {
		return fail(what, s, at(MaxHostBytes), "host-too-long", "")
	}
	if readsAsNumber(name[last:]) {
		return fail(what, s, at(last), "address", "")
	}
	return nil
}

// readsAsNumber reports whether label, the last of a name, is one that inet_aton or a URL parser would take for the
// last part of an IPv4 address: digits only, or hexadecimal. No top-level domain looks like that (RFC 3696, section 2).
func readsAsNumber(label string) bool {
	if strings.HasPrefix(label, "0x") {
		return true
	}
	for i := 0; i < len(label); i++ {
		if label[i] < '0' || label[i] > '9' {
			return false
		}
	}
	return true
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
