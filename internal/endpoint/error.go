package endpoint

import (
	"fmt"
	"strconv"
	"strings"

	"sekisho/internal/finding"
)

// ParseError says what was wrong with a text, where, and what to write instead. Every parser of this package returns
// it and no other type of error.
type ParseError struct {
	// What was to be read: "host", "pattern", "ports", "url", "authority", "prefix" or "target".
	What string
	// Input is the text as given. It may hold any byte; Error quotes it.
	Input string
	// Offset is the place of the mistake: a byte offset in Input, from 0 to len(Input).
	Offset int
	// Reason is a stable code, a key of Reasons: "empty", "percent", "full-width", ...
	Reason string
	// Want is what to write instead, when there is exactly one such text; otherwise empty.
	Want string
}

// Error prints what was read, the quoted input, the place (counting bytes from 1), the reason and the text to write.
func (e *ParseError) Error() string {
	reason, ok := reasons[e.Reason]
	if !ok {
		reason = e.Reason
	}
	s := fmt.Sprintf("%s %s: byte %d: %s", e.What, quote(e.Input), e.Offset+1, reason)
	if e.Want != "" {
		s += "; write " + quote(e.Want)
	}
	return s
}

// Finding turns e into a finding of severity Error at pos with the code "endpoint.<reason>" and the arguments value
// (the input, with unprintable characters escaped), what, byte (from 1) and want.
func (e *ParseError) Finding(pos finding.Pos) finding.Finding {
	return finding.New("endpoint."+e.Reason, finding.Error, pos,
		"value", printable(e.Input), "what", e.What, "byte", strconv.Itoa(e.Offset+1), "want", e.Want)
}

// Reasons lists the codes that ParseError.Reason can take, in no particular order.
func Reasons() []string {
	out := make([]string, 0, len(reasons))
	for code := range reasons {
		out = append(out, code)
	}
	return out
}

// reasons is the English text of every code. It is read-only.
var reasons = map[string]string{
	"empty":          "nothing stands here",
	"encoding":       "not valid UTF-8",
	"space":          "white space has no place here",
	"control":        "a control character has no place here",
	"character":      "a host name holds letters, digits, hyphens, underscores and dots only",
	"percent":        "a percent sign has no place in a host name; write the name as it stands in DNS",
	"soft-hyphen":    "a soft hyphen is invisible; remove it",
	"invisible":      "an invisible character; remove it",
	"full-width":     "a full-width or half-width form; write the ordinary character",
	"compatibility":  "a compatibility character; write the ordinary character",
	"composition":    "a character written in several parts; write it in composed form (NFC)",
	"dot":            "only \".\" separates labels; another dot stands here",
	"empty-label":    "an empty label: two dots in a row, or a dot at the start",
	"two-dots":       "two trailing dots; at most one is allowed",
	"label-too-long": "a label is longer than 63 bytes",
	"host-too-long":  "a host name is longer than 253 bytes",
	"hyphen":         "a label neither begins nor ends with a hyphen",
	"a-label":        "not a valid internationalised label (RFC 5891)",
	"address":        "an address literal, or a spelling that some programs read as one, is not a host name",
	"wildcard":       "a star belongs into a pattern; write one host name",
	"two-stars":      "a pattern has at most one star",
	"star-alone":     "a star alone covers every host; name a domain after it",
	"star-top":       "the last label is written out; it holds no star",
	"star-idn":       "a label with a star is plain ASCII and does not begin with \"xn--\"",
	"port":           "a port is a number from 1 to 65535 without sign or leading zero",
	"port-missing":   "no port; write host:port",
	"port-order":     "the range ends before it begins",
	"protocol":       "a group of ports begins with tcp/ or udp/",
	"separator":      "ports are written as in \"tcp/80,443 udp/123 tcp/5228-5230\"",
	"userinfo":       "a user name or password has no place here",
	"bracket":        "an IPv6 address stands in square brackets, and nothing else does",
	"zone":           "an address with a zone means something on one machine only; remove the zone",
	"mapped":         "an IPv4 address in IPv6 form; write the IPv4 address",
	"scheme":         "a URL begins with http:// or https://",
	"query":          "a query or fragment has no place in a URL pattern; remove it",
	"path":           "the path holds a character that a URL writes in another way",
	"path-escape":    "a percent sign in a path is followed by two hexadecimal digits",
	"path-dots":      "the path holds \".\" or \"..\" as a segment; write the path that is meant",
	"path-star":      "a star stands only at the end of a path, after \"/\"",
	"prefix":         "a prefix is an address, \"/\" and a length",
	"prefix-length":  "the length is 0 to 32 for IPv4 and 0 to 128 for IPv6, without sign or leading zero",
	"prefix-missing": "a prefix needs its length",
	"host-bits":      "bits after the prefix length are set",
	"scheme-missing": "a path without a scheme",
	"input-too-long": "longer than anything that can be meant here",
}

// fail builds a ParseError.
func fail(what, input string, offset int, reason, want string) *ParseError {
	if reason == "userinfo" {
		// An error ends in logs and on screens; what may be a password does not.
		clean := WithoutUserinfo(input)
		offset, input = strings.IndexByte(clean, '@'), clean
	}
	return &ParseError{What: what, Input: input, Offset: offset, Reason: reason, Want: want}
}

// WithoutUserinfo returns s, an authority or a URL as somebody wrote it, with "***" in place of a user name and password
// (RFC 3986, section 3.2.1). Logs and records keep foreign text in this form.
func WithoutUserinfo(s string) string {
	begin := 0
	if i := strings.Index(s, "://"); i >= 0 {
		begin = i + len("://")
	}
	end := len(s)
	if i := strings.IndexAny(s[begin:], "/?#"); i >= 0 {
		end = begin + i
	}
	at := strings.LastIndexByte(s[begin:end], '@')
	if at < 0 {
		return s
	}
	return s[:begin] + "***" + s[begin+at:]
}

// within re-words err, which speaks of a part of input that begins at offset, so that it speaks of input.
func within(err error, what, input string, offset int) *ParseError {
	e := *err.(*ParseError)
	e.What, e.Input, e.Offset, e.Want = what, input, e.Offset+offset, ""
	return &e
}

// quoteBytes bounds what an error message repeats of a text; a host name has at most 253 bytes (RFC 1035).
const quoteBytes = 300

// quote quotes s for a message, escaped and bounded.
func quote(s string) string { return `"` + printable(s) + `"` }

// printable returns s with invisible characters, invalid bytes and quotation marks escaped, and bounded.
func printable(s string) string {
	tail := ""
	if len(s) > quoteBytes {
		s, tail = s[:quoteBytes], "..."
	}
	q := strconv.QuoteToGraphic(s)
	return q[1:len(q)-1] + tail
}
