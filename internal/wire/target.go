package wire

import "sekisho/internal/endpoint"

// TargetForm is the form of a request target (RFC 9112, section 3.2). The zero value is no form.
type TargetForm uint8

const (
	OriginForm    TargetForm = iota + 1 // /path?query
	AbsoluteForm                        // http://host/path?query
	AuthorityForm                       // host:port, CONNECT only
	AsteriskForm                        // *, OPTIONS only
)

// String returns the name of the form.
func (f TargetForm) String() string {
	switch f {
	case OriginForm:
		return "origin-form"
	case AbsoluteForm:
		return "absolute-form"
	case AuthorityForm:
		return "authority-form"
	case AsteriskForm:
		return "asterisk-form"
	}
	return "no form"
}

// Target is a request target taken apart. Its parts are slices of the text parsed.
type Target struct {
	Form      TargetForm
	Scheme    string // AbsoluteForm: "http" or "https", in lower case
	Authority string // AbsoluteForm, AuthorityForm: as sent; bring it into normal form with endpoint.ParseAuthority
	Path      string // OriginForm, AbsoluteForm: what to send to the origin, query included; AsteriskForm: "*"
}

// ParseTarget takes the target of h apart; see ParseTarget.
func (h *RequestHead) ParseTarget() (Target, error) { return ParseTarget(h.Method, h.Target) }

// ParseTarget takes a request target apart and refuses what the method does not take: CONNECT has authority-form with a
// port and nothing else, asterisk-form belongs to OPTIONS. In absolute-form it refuses user information, a fragment, an
// empty authority, an empty, zero, padded or too large port, and schemes other than http and https. The authority's
// octets are checked here, its meaning by endpoint.ParseAuthority.
//
// An absolute-form without path has the path "/", or "*" for OPTIONS without query (RFC 9112, sections 3.2.1 and 3.2.4),
// at the price of one allocation when it has a query.
func ParseTarget(method, target string) (Target, error) {
	if target == "" {
		return Target{}, refuse(CodeTargetEmpty)
	}
	if i := allOf(target, octetTarget); i >= 0 {
		return Target{}, targetByte(target[i])
	}
	if method == "CONNECT" {
		if err := checkTargetAuthority(target, true); err != nil {
			return Target{}, err
		}
		return Target{Form: AuthorityForm, Authority: target}, nil
	}
	if target[0] == '/' {
		return Target{Form: OriginForm, Path: target}, nil
	}
	if target == "*" {
		if method != "OPTIONS" {
			return Target{}, refuse(CodeTargetForm)
		}
		return Target{Form: AsteriskForm, Path: "*"}, nil
	}
	return parseAbsolute(method, target)
}

func parseAbsolute(method, target string) (Target, error) {
	t := Target{Form: AbsoluteForm}
	var rest string
	switch {
	case begins(target, "http://"):
		t.Scheme, rest = "http", target[len("http://"):]
	case begins(target, "https://"):
		t.Scheme, rest = "https", target[len("https://"):]
	default:
		for i := 0; i+2 < len(target); i++ {
			if target[i:i+3] == "://" {
				return Target{}, refuse(CodeTargetScheme)
			}
		}
		return Target{}, refuse(CodeTargetForm)
	}
	end := 0
	for end < len(rest) && rest[end] != '/' && rest[end] != '?' {
		end++
	}
	t.Authority, t.Path = rest[:end], rest[end:]
	if err := checkTargetAuthority(t.Authority, false); err != nil {
		return Target{}, err
	}
	switch {
	case t.Path == "" && method == "OPTIONS":
		t.Path = "*"
	case t.Path == "":
		t.Path = "/"
	case t.Path[0] == '?':
		t.Path = "/" + t.Path
	}
	return t, nil
}

func targetByte(c byte) error {
	switch c {
	case '#':
		return refuse(CodeTargetFragment)
	case ' ', '\t':
		return refuse(CodeTargetSpace)
	}
	return lineByte(c, CodeTargetByte)
}

func checkTargetAuthority(a string, portNeeded bool) error {
	for i := 0; i < len(a); i++ {
		if a[i] == '@' {
			return refuse(CodeTargetUserinfo)
		}
	}
	switch splitAuthority(a, portNeeded) {
	case authorityPort:
		return refuse(CodeTargetPort)
	case authorityHost:
		return refuse(CodeTargetAuthority)
	}
	return nil
}

type authorityFault uint8

const (
	authorityFine authorityFault = iota
	authorityHost
	authorityPort
)

// splitAuthority checks host[:port] or "["v6"]"[:port] lexically.
func splitAuthority(a string, portNeeded bool) authorityFault {
	if a == "" || allOf(a, octetAuthority) >= 0 {
		return authorityHost
	}
	host, port, hasPort := cutPort(a)
	if host == "" || host == "[]" {
		return authorityHost
	}
	for i := 0; i < len(host); i++ {
		switch c := host[i]; {
		case c == '[' && i != 0, c == ']' && (i != len(host)-1 || host[0] != '['):
			return authorityHost
		case c == ':' && host[0] != '[':
			return authorityHost
		}
	}
	if host[0] == '[' && host[len(host)-1] != ']' {
		return authorityHost
	}
	if !hasPort {
		if portNeeded {
			return authorityPort
		}
		return authorityFine
	}
	n := 0
	for i := 0; i < len(port); i++ {
		if !digit(port[i]) {
			return authorityPort
		}
		n = n*10 + int(port[i]-'0')
	}
	if port == "" || len(port) > 5 || port[0] == '0' || n > 65535 {
		return authorityPort
	}
	return authorityFine
}

// cutPort splits at the last colon that stands outside brackets.
func cutPort(a string) (host, port string, ok bool) {
	for i := len(a) - 1; i >= 0; i-- {
		switch a[i] {
		case ']':
			return a, "", false
		case ':':
			return a[:i], a[i+1:], true
		}
	}
	return a, "", false
}

// SameAuthority reports whether a and b name the same endpoint: both parse, and their normal forms and ports are equal.
// defaultPort stands for a missing port (80 or 443). Use it for Host against an absolute-form target or against the
// name that a connection was opened for; see CodeHostMismatch.
func SameAuthority(a, b string, defaultPort uint16) bool {
	x, err := endpoint.ParseAuthority(a, defaultPort)
	if err != nil {
		return false
	}
	y, err := endpoint.ParseAuthority(b, defaultPort)
	return err == nil && x == y
}
