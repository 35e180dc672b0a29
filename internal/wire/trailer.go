package wire

import (
	"strings"

	"sekisho/internal/restrict"
)

// forbiddenTrailer reports whether name may not be a trailer field: what frames, routes, authenticates, modifies or
// describes the message must be known before its body (RFC 9110, section 6.5.1), and no restriction header is ever
// taken from a client, least of all behind the place where they are deleted.
func forbiddenTrailer(name string) bool {
	switch len(name) {
	case 2:
		return is(name, "te")
	case 3:
		return is(name, "age") || is(name, "via")
	case 4:
		return is(name, "host") || is(name, "vary") || is(name, "date")
	case 5:
		return is(name, "range")
	case 6:
		return is(name, "cookie") || is(name, "expect") || is(name, "pragma")
	case 7:
		return is(name, "trailer") || is(name, "upgrade") || is(name, "expires") || is(name, "warning") ||
			is(name, "alt-svc")
	case 8:
		return is(name, "if-match") || is(name, "if-range") || is(name, "location")
	case 9:
		return is(name, "forwarded")
	case 10:
		return is(name, "connection") || is(name, "keep-alive") || is(name, "set-cookie")
	case 11:
		return is(name, "retry-after")
	case 12:
		return is(name, "max-forwards") || is(name, "content-type")
	}
	for _, p := range [...]string{
		"content-", "transfer-", "proxy-", "sec-", "restrict-", "x-forwarded-", "if-", "www-auth", "authorization",
		"cache-control", "x-http-method", "x-original-", "x-rewrite-", "http2-settings", "access-control-",
	} {
		if begins(name, p) {
			return true
		}
	}
	return restrict.Plan{}.Deletes(name)
}

// lookalike reports whether name equals known with case folded and "_" read as "-".
func lookalike(name, known string) bool {
	if len(name) != len(known) {
		return false
	}
	for i := 0; i < len(name); i++ {
		x, y := name[i], known[i]
		if x == '_' {
			x = '-'
		}
		if x != y && (x|0x20 != y|0x20 || x|0x20 < 'a' || x|0x20 > 'z') {
			return false
		}
	}
	return true
}

// checkDeclared judges the value of Trailer in a request.
func checkDeclared(list string) error {
	for name, rest, ok := nextToken(list); ok; name, rest, ok = nextToken(rest) {
		switch {
		case name == "": // an empty element, which recipients ignore (RFC 9110, section 5.6.1)
		case allOf(name, octetToken) >= 0:
			return refuse(CodeTrailerInvalid)
		case forbiddenTrailer(name):
			return refuseField(CodeTrailerForbidden, name)
		}
	}
	return nil
}

// allowedOf returns list without the names that may not be trailers.
func allowedOf(list string) string {
	if checkDeclared(list) == nil {
		return list
	}
	var keep []string
	for name, rest, ok := nextToken(list); ok; name, rest, ok = nextToken(rest) {
		if name != "" && allOf(name, octetToken) < 0 && !forbiddenTrailer(name) {
			keep = append(keep, name)
		}
	}
	return strings.Join(keep, ", ")
}

func declared(list, name string) bool {
	for token, rest, ok := nextToken(list); ok; token, rest, ok = nextToken(rest) {
		if len(token) == len(name) && same(token, name) {
			return true
		}
	}
	return false
}

// checkTrailers returns the fields that may be sent as trailers of a body in framing f, in place. From an origin the
// others are dropped, from a client they are an error.
func checkTrailers(fields []Field, f Framing) ([]Field, error) {
	keep := fields[:0]
	for _, x := range fields {
		err := checkTrailer(x, f)
		if err == nil {
			keep = append(keep, x)
		} else if !f.lenient {
			return nil, err
		}
	}
	clear(fields[len(keep):])
	return keep, nil
}

func checkTrailer(x Field, f Framing) error {
	switch {
	case x.Name == "":
		return refuse(CodeNameEmpty)
	case allOf(x.Name, octetToken) >= 0:
		return refuseField(CodeNameByte, x.Name)
	case control(x.Value) >= 0:
		return refuseField(CodeValueByte, x.Name)
	case forbiddenTrailer(x.Name):
		return refuseField(CodeTrailerForbidden, x.Name)
	case !declared(f.Trailer, x.Name):
		return refuseField(CodeTrailerUndeclared, x.Name)
	}
	return nil
}
