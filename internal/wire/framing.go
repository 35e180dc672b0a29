package wire

import "math"

// FramingKind says how the end of a body is found.
type FramingKind uint8

const (
	NoBody     FramingKind = iota // nothing follows the head
	Length                        // Framing.Length bytes follow
	Chunked                       // chunks follow (RFC 9112, section 7.1)
	UntilClose                    // everything until the connection ends; responses only
)

// String returns the name of the kind.
func (k FramingKind) String() string {
	switch k {
	case NoBody:
		return "no body"
	case Length:
		return "length"
	case Chunked:
		return "chunked"
	case UntilClose:
		return "until close"
	}
	return "unknown framing"
}

// Framing is how one body is delimited. The zero value is no body. It is comparable.
type Framing struct {
	Kind   FramingKind
	Length int64 // Length: bytes of the body, 0 or more; otherwise 0
	// Trailer is the list of trailer fields that were announced, as in the Trailer field: "Digest, Server-Timing". It
	// counts with Chunked only. Names that may not be trailers stand in no Framing that this package returns.
	Trailer string
	// lenient lets a BodyReader drop trailers that it would refuse: an origin's answer loses nothing by it, since a
	// recipient may discard any trailer (RFC 9110, section 6.5.1), while a client that sends them is up to something.
	lenient bool
}

// To returns the framing in which a response body in framing f goes to a client of HTTP/1.clientMinor: chunks mean
// nothing to HTTP/1.0, where the connection's end has to serve (RFC 9112, section 6.1).
func (f Framing) To(clientMinor int) Framing {
	if f.Kind == Chunked && clientMinor == 0 {
		return Framing{Kind: UntilClose, lenient: f.lenient}
	}
	return f
}

// RequestFraming finds how the body of a request ends. It refuses Content-Length beside Transfer-Encoding, any repeated
// or malformed length, any coding but one "chunked", chunked in HTTP/1.0, a Trailer that announces what may not be
// a trailer, and a body of CONNECT or TRACE (RFC 9110, sections 9.3.6 and 9.3.8): what follows a CONNECT is the tunnel. RFC 9112, section 6.3 lets a recipient repair some of these; a gateway that repairs is a gateway that can
// be talked past.
func RequestFraming(h *RequestHead) (Framing, error) {
	f, err := parseFraming(h.Fields, h.Minor)
	if err != nil {
		return Framing{}, err
	}
	if f.Kind == Chunked || f.Length > 0 {
		if h.Method == "CONNECT" || h.Method == "TRACE" {
			return Framing{}, refuse(CodeFramingInvalid)
		}
		if err := checkDeclared(f.Trailer); err != nil {
			return Framing{}, err
		}
	}
	return f, nil
}

// ResponseFraming finds how the body of the response to a request of requestMethod ends (RFC 9112, section 6.3). HEAD,
// 1xx, 204 and 304 have none, nor has a 2xx to CONNECT. It refuses what RequestFraming refuses, also where there is no
// body, except that forbidden names in Trailer are left out. After a 101 the connection speaks another protocol.
func ResponseFraming(h *ResponseHead, requestMethod string) (Framing, error) {
	f, err := parseFraming(h.Fields, h.Minor)
	if err != nil {
		return Framing{}, err
	}
	switch {
	case requestMethod == "HEAD", bodiless(h.Status), requestMethod == "CONNECT" && h.Status/100 == 2:
		return Framing{lenient: true}, nil
	case f.Kind == NoBody:
		return Framing{Kind: UntilClose, lenient: true}, nil
	case f.Kind == Chunked:
		f.Trailer = allowedOf(f.Trailer)
	}
	f.lenient = true
	return f, nil
}

// bodiless reports whether a response of that status never has a body (RFC 9110, sections 15.2, 15.3.5 and 15.4.5).
func bodiless(status int) bool { return status < 200 || status == 204 || status == 304 }

func parseFraming(fields []Field, minor int) (Framing, error) {
	var f Framing
	lengths, codings := 0, 0
	for i := range fields {
		name, value := fields[i].Name, fields[i].Value
		switch len(name) {
		case len("trailer"):
			if is(name, "trailer") {
				if f.Trailer != "" {
					f.Trailer += ", "
				}
				f.Trailer += value
			}
		case len("content-length"):
			if !is(name, "content-length") {
				continue
			}
			n, err := parseLength(value)
			if err != nil {
				return Framing{}, err
			}
			if lengths++; lengths > 1 {
				if n != f.Length {
					return Framing{}, refuse(CodeContentLengthClash)
				}
				return Framing{}, refuse(CodeContentLengthMany)
			}
			f.Kind, f.Length = Length, n
		case len("transfer-encoding"):
			if !is(name, "transfer-encoding") {
				continue
			}
			if codings++; codings > 1 {
				return Framing{}, refuse(CodeTransferEncodingMany)
			}
			if !is(value, "chunked") {
				return Framing{}, refuse(CodeTransferEncoding)
			}
		}
	}
	switch {
	case codings == 0:
		f.Trailer = ""
		return f, nil
	case lengths > 0:
		return Framing{}, refuse(CodeLengthAndChunked)
	case minor == 0:
		return Framing{}, refuse(CodeChunkedHTTP10)
	}
	return Framing{Kind: Chunked, Trailer: f.Trailer}, nil
}

// parseLength reads 1*DIGIT (RFC 9110, section 8.6). A list of lengths is refused even where all are equal, which the
// section would allow to be collapsed.
func parseLength(v string) (int64, error) {
	if v == "" {
		return 0, refuse(CodeContentLength)
	}
	var n int64
	for i := 0; i < len(v); i++ {
		if !digit(v[i]) {
			return 0, badLength(v)
		}
		d := int64(v[i] - '0')
		if n > (math.MaxInt64-d)/10 {
			return 0, refuse(CodeContentLengthRange)
		}
		n = n*10 + d
	}
	return n, nil
}

// badLength tells a list of lengths from nonsense.
func badLength(v string) error {
	var first string
	count := 0
	for token, rest, ok := nextToken(v); ok; token, rest, ok = nextToken(rest) {
		for i := 0; i < len(token); i++ {
			if !digit(token[i]) {
				return refuse(CodeContentLength)
			}
		}
		if token == "" {
			return refuse(CodeContentLength)
		}
		if count++; count > 1 && token != first {
			return refuse(CodeContentLengthClash)
		}
		first = token
	}
	if count < 2 {
		return refuse(CodeContentLength)
	}
	return refuse(CodeContentLengthMany)
}
