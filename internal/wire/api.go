package wire

import (
	"bufio"
	"io"

	"sekisho/internal/restrict"
)

// CONTRACT (RFC 9110, 9112). Pure: reads and writes through the bufio/io given.

// Field is one header field as received: Name keeps its case, Value is trimmed of OWS.
type Field struct{ Name, Value string }

// Limits bound a head. Zero fields take the defaults.
type Limits struct {
	LineBytes int // 16 KiB: request line, one field
	HeadBytes int // 64 KiB: whole head
	Fields    int // 200
}

// RequestHead is a strictly parsed HTTP/1 request head.
type RequestHead struct {
	Method string
	Target string // as sent
	Minor  int    // HTTP/1.Minor: 0 or 1
	Fields []Field
}

func (h *RequestHead) Get(name string) (value string, count int) { panic("unwritten") }

// ResponseHead is a strictly parsed HTTP/1 response head.
type ResponseHead struct {
	Minor  int
	Status int
	Reason string
	Fields []Field
}

// Error is a refused message: Code stable ("bare-lf", "folding", "content-length-conflict", ...), Detail for the log
// (never contains a header value).
type Error struct{ Code, Detail string }

func (e *Error) Error() string { return "wire: " + e.Code }

// ReadRequest reads one request head. io.EOF before the first byte, *Error for what is refused.
func ReadRequest(br *bufio.Reader, lim Limits) (*RequestHead, error)   { panic("unwritten") }
func ReadResponse(br *bufio.Reader, lim Limits) (*ResponseHead, error) { panic("unwritten") }

// Target forms.
type TargetForm uint8

const (
	OriginForm TargetForm = iota + 1
	AbsoluteForm
	AuthorityForm
	AsteriskForm
)

// Body framing.
type FramingKind uint8

const (
	NoBody FramingKind = iota
	Length
	Chunked
	UntilClose
)

type Framing struct {
	Kind   FramingKind
	Length int64
}

// RequestFraming refuses Content-Length beside Transfer-Encoding, differing or malformed lengths, any coding but
// chunked, chunked in HTTP/1.0.
func RequestFraming(h *RequestHead) (Framing, error)                         { panic("unwritten") }
func ResponseFraming(h *ResponseHead, requestMethod string) (Framing, error) { panic("unwritten") }

// BodyReader reads a body by its framing from br and ends with io.EOF exactly at its end (io.ErrUnexpectedEOF when
// cut). After EOF of a chunked body Trailers holds the trailer fields (only those declared; others are refused).
type BodyReader struct{}

func NewBodyReader(br *bufio.Reader, f Framing, lim Limits) *BodyReader { panic("unwritten") }
func (b *BodyReader) Read(p []byte) (int, error)                        { panic("unwritten") }
func (b *BodyReader) Trailers() []Field                                 { panic("unwritten") }

// HopByHop removes Connection and what it names, Keep-Alive, Proxy-*, TE (except trailers), Trailer, Transfer-Encoding,
// Upgrade from fields. A Connection token that names an end-to-end field such as Host, Content-Length, Cookie or
// Authorization is refused by ReadRequest already? (decide; document).
func HopByHop(fields []Field) []Field { panic("unwritten") }

// Outgoing is a request on its way to an origin, whatever HTTP version it came by.
type Outgoing struct {
	Method    string
	Path      string // origin-form
	Authority string // host[:port] for Host; derived from the Decision, never from the client
	Fields    []Field
	Framing   Framing
	Upgrade   string // "websocket" when allowed, else ""
	Close     bool   // send Connection: close
}

// AppendRequest is the one serialiser: it validates method, path, authority, names and values, drops hop-by-hop
// fields, computes the framing, deletes and sets what plan says. A zero plan is an error and nothing is appended.
func AppendRequest(dst []byte, o *Outgoing, plan restrict.Plan) ([]byte, error) { panic("unwritten") }

// AppendResponse serialises a response head towards an HTTP/1 client; drops hop-by-hop fields and Alt-Svc.
func AppendResponse(dst []byte, h *ResponseHead, f Framing, clientMinor int, closing bool) ([]byte, error) {
	panic("unwritten")
}

// WriteBody copies body to w in framing f; flush is called after each read so that streams are not held back.
func WriteBody(w io.Writer, flush func() error, body io.Reader, f Framing, trailers func() []Field) (int64, error) {
	panic("unwritten")
}
