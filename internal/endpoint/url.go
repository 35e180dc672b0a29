package endpoint

import (
	"strconv"
	"strings"
)

// URL is a URL pattern: scheme, host pattern, port and the beginning of a path. It is comparable. The zero value
// matches nothing.
type URL struct {
	// Scheme is "http" or "https".
	Scheme string
	// Host is any host pattern.
	Host Pattern
	// Port is 0 for the scheme's own port (80 or 443); those two numbers are never stored.
	Port uint16
	// Path is "" for every path, or begins with "/". A path that ends in "/" covers everything below it; any other
	// covers itself and what follows it after "/".
	Path string
}

// urlBytes bounds the text of a URL (chosen: what servers and proxies commonly accept in a request line).
const urlBytes = 8192

// ParseURL reads "https://*.example.com:8443/some/path". A "*" that ends the path after "/" says what the path means
// anyway and is removed, and so is a lone "/".
//
// It returns *ParseError for other schemes, user information, addresses in the host's place, a query or fragment, dot
// segments, broken percent escapes, and for everything that ParsePattern refuses.
func ParseURL(s string) (URL, error) {
	const what = "url"
	parts, err := splitURL(what, s)
	if err != nil {
		return URL{}, err
	}
	if parts.query >= 0 {
		return URL{}, fail(what, s, parts.query, "query", "")
	}
	u := URL{Scheme: parts.scheme}
	name, port, hasPort := strings.Cut(parts.authority, ":")
	if name == "" {
		return URL{}, fail(what, s, parts.authorityAt, "empty", "")
	}
	p, err2 := parsePattern(what, name)
	if err2 != nil {
		return URL{}, within(err2, what, s, parts.authorityAt)
	}
	u.Host = p
	if hasPort {
		n, ok := number(port, 65535)
		if !ok || n == 0 {
			return URL{}, fail(what, s, parts.authorityAt+len(name)+1, "port", "")
		}
		u.setPort(uint16(n))
	}
	path := parts.path
	if rest, ok := strings.CutSuffix(path, "/*"); ok {
		path = rest + "/"
	}
	if star := strings.IndexByte(path, '*'); star >= 0 {
		return URL{}, fail(what, s, parts.pathAt+star, "path-star", "")
	}
	if at, reason := badPath(path); reason != "" {
		return URL{}, fail(what, s, parts.pathAt+at, reason, "")
	}
	if path != "/" {
		u.Path = upperEscapes(path)
	}
	return u, nil
}

// MustURL is ParseURL for patterns written in the program; it panics on a mistake.
func MustURL(s string) URL {
	u, err := ParseURL(s)
	if err != nil {
		panic(err)
	}
	return u
}

func (u *URL) setPort(n uint16) {
	if n != schemePort(u.Scheme) {
		u.Port = n
	}
}

func schemePort(scheme string) uint16 {
	if scheme == "http" {
		return 80
	}
	return 443
}

// EffectivePort is the port that is meant: Port, or the scheme's own.
func (u URL) EffectivePort() uint16 {
	if u.Port != 0 {
		return u.Port
	}
	return schemePort(u.Scheme)
}

// String prints the normal form; "" for the zero value. ParseURL reads it back to an equal URL.
func (u URL) String() string {
	if u.Host.IsZero() {
		return ""
	}
	s := u.Scheme + "://" + u.Host.String()
	if u.Port != 0 {
		s += ":" + strconv.Itoa(int(u.Port))
	}
	return s + u.Path
}

// MarshalText prints the normal form.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// Match reports whether u covers a request for path (origin form, without query) at h and port by scheme. A path that
// is not in normal form (dot segments, broken escapes, escapes of unreserved characters or of "/") is covered only by
// a URL without path, because servers differ in what they make of it.
func (u URL) Match(scheme string, h Host, port uint16, path string) bool {
	if u.Scheme != scheme || u.EffectivePort() != port || !u.Host.Match(h) {
		return false
	}
	if u.Path == "" {
		return true
	}
	if _, reason := badPath(path); reason != "" || hidesCharacters(path) {
		return false
	}
	rest, ok := strings.CutPrefix(upperEscapes(path), u.Path)
	return ok && (rest == "" || rest[0] == '/' || strings.HasSuffix(u.Path, "/"))
}

// urlParts is a URL cut into its parts, which are not judged yet but for the scheme.
type urlParts struct {
	scheme              string
	authority, path     string
	authorityAt, pathAt int
	query               int // offset of "?" or "#", or -1
}

func splitURL(what, s string) (urlParts, error) {
	if s == "" {
		return urlParts{}, fail(what, s, 0, "empty", "")
	}
	if len(s) > urlBytes {
		return urlParts{}, fail(what, s, urlBytes, "input-too-long", "")
	}
	scheme, rest, ok := strings.Cut(s, "://")
	p := urlParts{scheme: strings.ToLower(scheme), query: -1}
	if !ok || p.scheme != "http" && p.scheme != "https" {
		return urlParts{}, fail(what, s, 0, "scheme", "")
	}
	if q := strings.IndexAny(rest, "?#"); q >= 0 {
		p.query = len(s) - len(rest) + q
		rest = rest[:q]
	}
	p.authorityAt = len(scheme) + len("://")
	p.authority = rest
	p.pathAt = p.authorityAt + len(rest)
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		p.authority, p.path, p.pathAt = rest[:slash], rest[slash:], p.authorityAt+slash
	}
	if at := strings.IndexByte(p.authority, '@'); at >= 0 {
		return urlParts{}, fail(what, s, p.authorityAt+at, "userinfo", "")
	}
	return p, nil
}

// badPath says where and why path cannot stand in a URL as it is (RFC 3986, section 3.3); the reason is "" when it can.
func badPath(path string) (int, string) {
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '%':
			if i+2 >= len(path) || !isHex(path[i+1]) || !isHex(path[i+2]) {
				return i, "path-escape"
			}
		case c == ' ' || c == '\t':
			return i, "space"
		case c < 0x20 || c == 0x7f:
			return i, "control"
		case c >= 0x80 || strings.IndexByte("\"<>\\^`{|}?#", c) >= 0:
			return i, "path"
		}
	}
	at := 0
	for segment := range strings.SplitSeq(path, "/") {
		if plain := strings.NewReplacer("%2e", ".", "%2E", ".").Replace(segment); plain == "." || plain == ".." {
			return at, "path-dots"
		}
		at += len(segment) + 1
	}
	return 0, ""
}

// hidesCharacters reports whether path escapes what needs no escape, or a slash or backslash.
func hidesCharacters(path string) bool {
	for i := 0; i+2 < len(path); i++ {
		if path[i] != '%' {
			continue
		}
		c := unhex(path[i+1])<<4 | unhex(path[i+2])
		if c == '/' || c == '\\' || isUnreserved(c) {
			return true
		}
	}
	return false
}

// isUnreserved reports whether c is an unreserved character of RFC 3986, section 2.3.
func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

// upperEscapes writes the digits of percent escapes in upper case (RFC 3986, section 6.2.2.1).
func upperEscapes(path string) string {
	if !strings.Contains(path, "%") {
		return path
	}
	b := []byte(path)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], strings.ToUpper(string(b[i+1:i+3])))
		}
	}
	return string(b)
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	}
	return c - 'A' + 10
}
