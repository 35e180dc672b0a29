package gateway

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/url"
	"strings"

	"github.com/andybalholm/brotli"

	"sekisho/internal/wire"
)

const (
	peekBytes    = 64 << 10  // of a response are looked at (chosen: error pages carry their code in the first third of that)
	decodedBytes = 256 << 10 // of it after decoding (chosen: bounds the work that a compressed answer can cause)
	placeBytes   = 16 << 10  // of a Location are looked at (chosen: more than browsers and servers take as a URL)
)

// noticeHead looks at what the answer's head says: where it sends the client, and under which id.
func (s *signIn) noticeHead(h *wire.ResponseHead) {
	id := ""
	for _, f := range h.Fields {
		switch {
		case equalFold(f.Name, "Location"):
			s.noticePlace(cut(f.Value, placeBytes))
		case equalFold(f.Name, "client-request-id"):
			// Sent when the request asked for it. x-ms-request-id is another id, the trace id of the answer.
			id = guid(f.Value)
		}
	}
	if s.correlation == "" {
		s.correlation = id
	}
}

// noticePlace looks at a URL that the client is sent to. Errors travel in its query or in its fragment (RFC 6749,
// section 4.1.2.1; OAuth 2.0 Multiple Response Type Encoding Practices, section 2.1). Of all that, codes are kept.
func (s *signIn) noticePlace(place string) {
	head, fragment, _ := strings.Cut(place, "#")
	_, query, _ := strings.Cut(head, "?")
	s.sentBack = s.sentBack || parameter(query, "error") != "" || parameter(fragment, "error") != ""
	if plain, err := url.QueryUnescape(place); err == nil {
		place = plain
	}
	s.look([]byte(place))
}

// wantsBody says how many bytes of the answer's body are to be copied as they pass.
func (s *signIn) wantsBody(h *wire.ResponseHead, f wire.Framing) int {
	if f.Kind == wire.NoBody || s.code != "" && s.correlation != "" {
		return 0
	}
	kind, _ := h.Get("Content-Type")
	kind = strings.ToLower(kind)
	for _, prefix := range []string{"text/html", "text/plain", "application/json", "application/xml", "text/xml", "application/xhtml+xml",
		"application/soap+xml"} {
		if strings.HasPrefix(kind, prefix) {
			return peekBytes
		}
	}
	return 0
}

// noticeBody looks for a code in the copy, after the answer has been passed on.
func (s *signIn) noticeBody(h *wire.ResponseHead, body []byte) {
	if len(body) == 0 {
		return
	}
	coding, _ := h.Get("Content-Encoding")
	var from io.Reader
	var err error
	switch strings.ToLower(coding) {
	case "", "identity":
		s.look(body)
		return
	case "gzip", "x-gzip":
		from, err = gzip.NewReader(bytes.NewReader(body))
	case "deflate":
		from, err = zlib.NewReader(bytes.NewReader(body)) // RFC 9110, section 8.4.1.2: the zlib format
	case "br":
		from = brotli.NewReader(bytes.NewReader(body))
	default:
		s.unread = true
		return
	}
	if err != nil {
		s.unread = true
		return
	}
	plain, _ := io.ReadAll(io.LimitReader(from, decodedBytes)) // an early end is expected: the copy may be a beginning
	if len(plain) == 0 {
		s.unread = true
		return
	}
	s.look(plain)
}

// consumerBlocked is the code of login.live.com for a sign-in that restrict-msa stops; it is no AADSTS code.
const consumerBlocked = "80045C4D"

// look keeps the first AADSTS code in text, the tenant of a token, and the correlation id when there is none yet.
func (s *signIn) look(text []byte) {
	if s.code == "" {
		s.code = codeIn(text)
	}
	if s.reports && s.issued == "" {
		s.issued = tidIn(text)
	}
	if s.correlation == "" {
		s.correlation = correlationIn(text)
	}
}

// codeIn returns the digits of the first AADSTS code in text, else consumerBlocked where that stands by itself, else "".
func codeIn(text []byte) string {
	rest := text
	for {
		i := bytes.Index(rest, []byte("AADSTS"))
		if i < 0 {
			break
		}
		rest = rest[i+len("AADSTS"):]
		n := 0
		for n < len(rest) && n < 10 && '0' <= rest[n] && rest[n] <= '9' {
			n++
		}
		if n >= 4 {
			return string(rest[:n])
		}
	}
	for rest = text; ; {
		i := bytes.Index(rest, []byte(consumerBlocked))
		if i < 0 {
			return ""
		}
		end := i + len(consumerBlocked)
		// Inside a longer token it is chance. A form like 0x80045C4D is the code.
		before := bytes.TrimSuffix(rest[:i], []byte("0x"))
		if (len(before) == 0 || !isWord(before[len(before)-1])) && (end == len(rest) || !isWord(rest[end])) {
			return consumerBlocked
		}
		rest = rest[end:]
	}
}

func isWord(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' }

// labelGap bounds what may stand between the words "Correlation ID" and the id itself, in bytes: chosen, the tags of a
// table row.
const labelGap = 160

// correlationIn returns the id that text calls its correlation id: "correlation_id":"…" in JSON, "Correlation ID: …" in
// a description or on a page, in English or Japanese, where tags may stand between the two. The trace id beside it is
// another.
func correlationIn(text []byte) string {
	for _, label := range []string{"orrelation", "関連付け", "相関"} {
		for rest, found := text, true; found; {
			if _, rest, found = bytes.Cut(rest, []byte(label)); found {
				if id := guidAfter(rest); id != "" {
					return id
				}
			}
		}
	}
	return ""
}

// guidAfter returns the id that follows a label, with nothing but the rest of the label, punctuation and tags between.
func guidAfter(text []byte) string {
	text = bytes.TrimLeft(text[:min(len(text), labelGap)], " _-\u00a0")
	if len(text) >= 2 && text[0]|0x20 == 'i' && text[1]|0x20 == 'd' {
		text = text[2:]
	}
	for {
		text = bytes.TrimLeft(text, "\":= \t\r\n\\：\u00a0")
		if len(text) == 0 || text[0] != '<' {
			break
		}
		_, text, _ = bytes.Cut(text, []byte(">"))
	}
	if len(text) > 36 && (isWord(text[36]) || text[36] == '-') {
		return ""
	}
	return guid(string(text[:min(len(text), 36)]))
}

// guid returns s, without braces, when it is a GUID, else "": ids by which others find a sign-in are of that form, and
// what is not is not kept.
func guid(s string) string {
	if len(s) == 38 && s[0] == '{' && s[37] == '}' {
		s = s[1:37]
	}
	if len(s) != 36 {
		return ""
	}
	for i := range len(s) {
		c := s[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return ""
			}
		default:
			if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
				return ""
			}
		}
	}
	return s
}
