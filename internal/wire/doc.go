// Package wire is the HTTP/1 message on the wire: it parses heads strictly, frames bodies, and serialises what leaves.
//
// Every request that Sekisho sends to an origin, whatever HTTP version it came by, leaves through AppendRequest, which
// validates each part again and cannot be called without a restrict.Plan.
//
//	head, err := wire.ReadRequest(br, wire.Limits{})
//	framing, err := wire.RequestFraming(head)
//	body := wire.NewBodyReader(br, framing, wire.Limits{})
//	out, err := wire.AppendRequest(nil, &wire.Outgoing{Method: head.Method, Path: "/", Authority: "login.live.com",
//		Fields: head.Fields, Framing: framing}, plan)
//	n, err := wire.WriteBody(bw, bw.Flush, body, framing, body.Trailers)
//
// # What it refuses
//
// A gateway that reads a message otherwise than the origin does can be talked past. Where RFC 9112 lets a recipient
// be lenient and implementations are known to differ, this package refuses with a stable code (see Error): bare LF and
// bare CR, NUL and other control bytes, obs-fold, white space before the colon, a repeated or absent Host, any repeated
// Content-Length, Content-Length beside Transfer-Encoding, every transfer coding but one "chunked". The strictness is
// the same towards origins: their ambiguous answers become a readable 502.
//
// # What it lets pass
//
// Field names keep the case in which they came. Bytes 0x80 to 0xFF in values and reason phrases (obs-text, RFC 9110,
// section 5.5) are opaque and pass unchanged; in names, methods and targets they are refused. A target may hold any
// visible ASCII character except "#", also those that RFC 3986 excludes, because browsers send them ("|", "{", `"`).
// One empty line before a request is skipped (RFC 9112, section 2.2).
//
// # Lifetime
//
// A parsed head copies its bytes once into one string; methods, targets and fields are slices of it. They stay valid
// for as long as anyone holds them, whatever happens to the reader.
package wire
