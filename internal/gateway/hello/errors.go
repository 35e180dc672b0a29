package hello

import "slices"

// Codes of what is not a ClientHello that can be judged.
const (
	CodeNotTLS    = "not-tls"         // the first bytes are no TLS handshake record: HTTP, SSLv2, SSH, anything else
	CodeTooLong   = "hello-too-long"  // above Limits.Bytes or Limits.Records
	CodeMalformed = "hello-malformed" // begins like TLS and breaks its grammar, or ends early
	CodeTimeout   = "hello-timeout"   // the reader's deadline passed first
)

// Codes returns every code of this package in alphabetical order.
func Codes() []string {
	c := []string{CodeNotTLS, CodeTooLong, CodeMalformed, CodeTimeout}
	slices.Sort(c)
	return c
}

// Error says why there is no Hello. Detail is fixed text for the log; it quotes nothing that the client sent.
type Error struct {
	Code   string // one of the Code constants
	Detail string // what was wrong, e.g. "server_name: more than one name"
	Err    error  // the reader's error, when it was one
}

// Error returns the code and the detail.
func (e *Error) Error() string { return e.Code + ": " + e.Detail }

// Unwrap returns the reader's error or nil.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is an *Error of the same code, so that errors.Is(err, &Error{Code: c}) works.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

func malformed(detail string) error { return &Error{Code: CodeMalformed, Detail: detail} }
