package wire

import (
	"slices"
	"strconv"
)

// Codes of refused messages. They are stable: logs, metrics and the texts "wire.<code>" of package message name them.
const (
	CodeEmptyLine            = "empty-line"              // more than one empty line before a request
	CodeBareLF               = "bare-lf"                 // a line that ends in LF alone
	CodeBareCR               = "bare-cr"                 // CR without LF
	CodeNUL                  = "nul"                     // a zero byte
	CodeControlByte          = "control-byte"            // any other control byte
	CodeFolding              = "folding"                 // obs-fold, or a field line that begins with white space
	CodeColonMissing         = "colon-missing"           // a field line without a colon
	CodeSpaceBeforeColon     = "space-before-colon"      // white space between name and colon
	CodeNameEmpty            = "name-empty"              // a field without a name
	CodeNameByte             = "name-byte"               // a byte in a field name that is no token character
	CodeNameNonASCII         = "name-non-ascii"          // a byte above 0x7F in a field name
	CodeNameLookalike        = "name-lookalike"          // an underscore spelling of a framing or routing field
	CodeValueByte            = "value-byte"              // a byte in a field value to be sent that no value may hold
	CodeFieldTooLong         = "field-too-long"          // one field line above Limits.LineBytes
	CodeFieldsTooMany        = "fields-too-many"         // more fields than Limits.Fields
	CodeHeadTooLong          = "head-too-long"           // a head above Limits.HeadBytes
	CodeHeadRoom             = "head-room"               // no room for a large head, see Limits.Room
	CodeRequestLine          = "request-line"            // no three parts separated by one space each
	CodeMethodByte           = "method-byte"             // a byte in the method that is no token character, or an unusual one
	CodeMethodCase           = "method-case"             // lower-case letters in the method
	CodeMethodTooLong        = "method-too-long"         // a method of more than 32 bytes
	CodeMethodConnect        = "method-connect"          // CONNECT where a request must be sent to an origin
	CodeMethodTrace          = "method-trace"            // TRACE with a body, or beside restriction headers
	CodeTargetEmpty          = "target-empty"            // no request target
	CodeTargetSpace          = "target-space"            // white space in the request target
	CodeTargetByte           = "target-byte"             // a control or non-ASCII byte in the request target
	CodeTargetFragment       = "target-fragment"         // "#" in the request target
	CodeTargetForm           = "target-form"             // a form of target that the method does not take
	CodeTargetScheme         = "target-scheme"           // absolute-form with a scheme other than http and https
	CodeTargetUserinfo       = "target-userinfo"         // user information in an absolute-form target
	CodeTargetAuthority      = "target-authority"        // no or a malformed authority in the target
	CodeTargetPort           = "target-port"             // an empty, zero, padded or too large port
	CodeTargetTooLong        = "target-too-long"         // a request line above Limits.LineBytes
	CodeVersionMissing       = "version-missing"         // a request line without version (HTTP/0.9)
	CodeVersionInvalid       = "version-invalid"         // not HTTP/<digit>.<digit> in capitals
	CodeVersionUnsupported   = "version-unsupported"     // neither HTTP/1.0 nor HTTP/1.1
	CodeHostMissing          = "host-missing"            // HTTP/1.1 without Host
	CodeHostMultiple         = "host-multiple"           // more than one Host
	CodeHostEmpty            = "host-empty"              // Host without value
	CodeHostInvalid          = "host-invalid"            // Host that is no host[:port]
	CodeHostMismatch         = "host-mismatch"           // Host that differs from the authority
	CodeContentLength        = "content-length"          // a length that is no sequence of digits
	CodeContentLengthMany    = "content-length-many"     // a length given more than once with the same value
	CodeContentLengthClash   = "content-length-conflict" // differing lengths
	CodeContentLengthRange   = "content-length-overflow" // a length above 2^63-1
	CodeLengthAndChunked     = "length-and-chunked"      // Content-Length beside Transfer-Encoding
	CodeTransferEncoding     = "transfer-encoding"       // a coding other than chunked
	CodeTransferEncodingMany = "transfer-encoding-many"  // more than one Transfer-Encoding field
	CodeChunkedHTTP10        = "chunked-http-1.0"        // Transfer-Encoding in an HTTP/1.0 message
	CodeExpect               = "expect"                  // an expectation other than 100-continue
	CodeStatusLine           = "status-line"             // a malformed status line
	CodeStatus               = "status"                  // a status outside 100 to 999, or one that cannot be sent so
	CodeChunkSize            = "chunk-size"              // a malformed chunk size
	CodeChunkSizeRange       = "chunk-size-overflow"     // a chunk size above 2^62
	CodeChunkExtension       = "chunk-extension"         // a malformed or too long chunk extension, or too many of them
	CodeChunkEnd             = "chunk-end"               // chunk data that is not followed by CR LF
	CodeTrailerUndeclared    = "trailer-undeclared"      // a trailer field that Trailer did not announce
	CodeTrailerForbidden     = "trailer-forbidden"       // a trailer field that may not be one
	CodeTrailerInvalid       = "trailer-invalid"         // a Trailer field that is no list of names
	CodeNoPlan               = "no-plan"                 // AppendRequest without a ready plan
	CodePlanInvalid          = "plan-invalid"            // a plan that sets something that cannot be sent
	CodePathInvalid          = "path-invalid"            // a path to be sent that is no origin-form
	CodeAuthorityInvalid     = "authority-invalid"       // an authority to be sent that is no host[:port]
	CodeFramingInvalid       = "framing-invalid"         // a framing that the message cannot have, or that its fields deny
	CodeUpgradeUnsupported   = "upgrade-unsupported"     // an upgrade to something other than websocket, or not on a bare GET
	CodeUpgradeRestricted    = "upgrade-restricted"      // an upgrade beside restriction headers
)

// Codes returns every code of this package in alphabetical order.
func Codes() []string {
	c := []string{
		CodeEmptyLine, CodeBareLF, CodeBareCR, CodeNUL, CodeControlByte, CodeFolding, CodeColonMissing,
		CodeSpaceBeforeColon, CodeNameEmpty, CodeNameByte, CodeNameNonASCII, CodeNameLookalike, CodeValueByte,
		CodeFieldTooLong, CodeFieldsTooMany, CodeHeadTooLong, CodeHeadRoom, CodeRequestLine, CodeMethodByte, CodeMethodCase,
		CodeMethodTooLong, CodeMethodConnect, CodeMethodTrace, CodeTargetEmpty, CodeTargetSpace, CodeTargetByte,
		CodeTargetFragment, CodeTargetForm, CodeTargetScheme, CodeTargetUserinfo, CodeTargetAuthority, CodeTargetPort,
		CodeTargetTooLong, CodeVersionMissing, CodeVersionInvalid, CodeVersionUnsupported, CodeHostMissing,
		CodeHostMultiple, CodeHostEmpty, CodeHostInvalid, CodeHostMismatch, CodeContentLength, CodeContentLengthMany,
		CodeContentLengthClash, CodeContentLengthRange, CodeLengthAndChunked, CodeTransferEncoding,
		CodeTransferEncodingMany, CodeChunkedHTTP10, CodeExpect, CodeStatusLine, CodeStatus, CodeChunkSize,
		CodeChunkSizeRange, CodeChunkExtension, CodeChunkEnd, CodeTrailerUndeclared, CodeTrailerForbidden,
		CodeTrailerInvalid, CodeNoPlan, CodePlanInvalid, CodePathInvalid, CodeAuthorityInvalid, CodeFramingInvalid,
		CodeUpgradeUnsupported, CodeUpgradeRestricted,
	}
	slices.Sort(c)
	return c
}

// Error is a refused message. Detail says where for the log: a line number, a field name, a length; never a field
// value, a target or a body.
type Error struct {
	Code   string // one of the Code constants
	Detail string // may be empty
}

// Error returns the code and, where there is one, the detail.
func (e *Error) Error() string {
	if e.Detail == "" {
		return "wire: " + e.Code
	}
	return "wire: " + e.Code + ": " + e.Detail
}

// Is reports whether target is an *Error of the same code, so that errors.Is(err, &Error{Code: c}) works.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Status is the HTTP status for a refused request: 400, or the more exact one that RFC 9110 and RFC 6585 give: 413
// never (bodies are not bounded here), 414 for a long request line, 417 for an expectation, 431 for a large head, 503
// where there is no room for one, 501 for a transfer coding (RFC 9112, section 6.1) and a long method, 505 for a
// version. A refused response has none: it is the caller's 502.
func (e *Error) Status() int {
	switch e.Code {
	case CodeTargetTooLong:
		return 414
	case CodeExpect:
		return 417
	case CodeHostMismatch:
		return 421
	case CodeFieldTooLong, CodeFieldsTooMany, CodeHeadTooLong:
		return 431
	case CodeTransferEncoding, CodeMethodTooLong, CodeUpgradeUnsupported:
		return 501
	case CodeHeadRoom:
		return 503
	case CodeVersionUnsupported:
		return 505
	case CodeNoPlan, CodePlanInvalid, CodeAuthorityInvalid, CodeStatus:
		return 500
	}
	return 400
}

func refuse(code string) *Error { return &Error{Code: code} }

func refuseLine(code string, line int) *Error {
	return &Error{Code: code, Detail: "line " + strconv.Itoa(line)}
}

func refuseField(code, name string) *Error {
	const most = 64 // chosen: longer than every registered field name
	if len(name) > most {
		name = name[:most]
	}
	return &Error{Code: code, Detail: "field " + strconv.QuoteToASCII(name)}
}
