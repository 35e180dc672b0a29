package gateway

import (
	"strings"

	"sekisho/internal/endpoint"
)

// glean notes in r what can be told of a request whose head was refused: the method and the name of its first line, and
// its first Host. They are for the record only, which must say who was asked for; nothing is judged by them.
func (s *side) glean(r *request) {
	held, _ := s.br.Peek(s.br.Buffered()) // a refused head is still there, unless it was longer than the reader
	head, _, _ := strings.Cut(string(held), "\r\n\r\n")
	lines := strings.Split(head, "\n")
	method, rest, _ := strings.Cut(lines[0], " ")
	if knownMethod(method) != method {
		return // another protocol
	}
	target, _, _ := strings.Cut(rest, " ")
	host := ""
	for _, line := range lines[1:] {
		name, value, found := strings.Cut(line, ":")
		if found && equalFold(strings.TrimSpace(name), "Host") {
			host = nameOnly(strings.TrimSpace(value))
			break
		}
	}
	r.method = method
	switch {
	case r.kind == KindIntercepted:
		r.authority = host
	case method == "CONNECT":
		r.host = nameOnly(target)
	default:
		if r.host = askedOf(target); r.host == "" {
			r.host = host
		}
	}
}

// askedOf is the authority of an absolute target as it was written; "" for other forms.
func askedOf(target string) string {
	_, rest, found := strings.Cut(target, "://")
	if !found {
		return ""
	}
	return nameOnly(rest)
}

// nameOnly is an authority as it was written, without what may be a secret: user information, a path, a query.
func nameOnly(s string) string {
	if i := strings.IndexAny(s, "/?#"); i >= 0 {
		s = s[:i]
	}
	return printable(cut(endpoint.WithoutUserinfo(s), sniKept))
}
