package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"sekisho/internal/wire"
)

// transcript reads a request in HTTP/1.1 piece by piece and says what it is in HTTP/2. The zero value is ready for one.
type transcript struct {
	text    []byte // of the head, of a chunk's first line, or of the trailers
	state   uint8
	left    int64 // of the body, or of the chunk
	trailer []wire.Field
}

// States of a transcript.
const (
	atHead uint8 = iota
	atBody
	atChunk    // before a chunk's size
	atChunkEnd // before the CR LF behind its data
	atTrailers
	atEnd
)

// action is what a part of a request comes to.
type action struct {
	head   *wire.RequestHead // the request begins
	fields []hpack.HeaderField
	data   []byte
	ends   bool
}

var errTranscript = errors.New("a request that breaks its own framing")

// take reads a part of p: n bytes that came to an action.
func (t *transcript) take(p []byte) (n int, a action, err error) {
	switch t.state {
	case atHead:
		n, whole := t.until(p, "\r\n\r\n")
		if !whole {
			return n, a, nil
		}
		a, err = t.begin()
		return n, a, err
	case atBody:
		n = int(min(int64(len(p)), t.left))
		t.left -= int64(n)
		a.data = p[:n]
		if a.ends = t.left == 0; a.ends {
			t.state = atEnd
		}
		return n, a, nil
	case atChunk:
		if t.left > 0 {
			n = int(min(int64(len(p)), t.left))
			if t.left -= int64(n); t.left == 0 {
				t.state = atChunkEnd
			}
			a.data = p[:n]
			return n, a, nil
		}
		n, whole := t.until(p, "\r\n")
		if !whole {
			return n, a, nil
		}
		size, err := strconv.ParseInt(string(t.text[:len(t.text)-2]), 16, 64)
		if err != nil || size < 0 {
			return n, a, errTranscript
		}
		t.text = t.text[:0]
		if t.left = size; size == 0 {
			t.state = atTrailers
		}
		return n, a, nil
	case atChunkEnd:
		n, whole := t.until(p, "\r\n")
		if whole {
			if len(t.text) != 2 {
				return n, a, errTranscript
			}
			t.text, t.state = t.text[:0], atChunk
		}
		return n, a, nil
	case atTrailers:
		n, whole := t.until(p, "\r\n")
		if !whole {
			return n, a, nil
		}
		line := string(t.text[:len(t.text)-2])
		t.text = t.text[:0]
		if line != "" {
			name, value, ok := strings.Cut(line, ": ")
			if !ok {
				return n, a, errTranscript
			}
			t.trailer = append(t.trailer, wire.Field{Name: name, Value: value})
			return n, a, nil
		}
		for _, f := range t.trailer {
			a.fields = append(a.fields, hpack.HeaderField{Name: strings.ToLower(f.Name), Value: f.Value})
		}
		t.state, a.ends = atEnd, true
		return n, a, nil
	}
	return 0, a, errTranscript // more than was announced
}

// until moves p into text up to and including mark.
func (t *transcript) until(p []byte, mark string) (n int, whole bool) {
	for i, b := range p {
		t.text = append(t.text, b)
		if b == '\n' && bytes.HasSuffix(t.text, []byte(mark)) {
			return i + 1, true
		}
	}
	return len(p), false
}

// begin says what the head means. It is read by the strict reader of requests, so that nothing but what that one
// understands can leave, and every field goes with exactly the value that it has there (RFC 9113, sections 8.2 and 8.3).
func (t *transcript) begin() (a action, err error) {
	h, err := wire.ReadRequest(bufio.NewReaderSize(bytes.NewReader(t.text), len(t.text)+16), wire.Limits{HeadBytes: 1 << 20, LineBytes: 1 << 20, Fields: 1 << 10})
	if err != nil {
		return a, err
	}
	framing, err := wire.RequestFraming(h)
	if err != nil {
		return a, err
	}
	host, count := h.Get("Host")
	if count != 1 || h.Upgrade() != "" {
		return a, errTranscript
	}
	a.head = h
	a.fields = append(make([]hpack.HeaderField, 0, len(h.Fields)+4),
		hpack.HeaderField{Name: ":method", Value: h.Method}, hpack.HeaderField{Name: ":scheme", Value: "https"},
		hpack.HeaderField{Name: ":authority", Value: host}, hpack.HeaderField{Name: ":path", Value: h.Target})
	for _, f := range h.Fields {
		name := strings.ToLower(f.Name)
		switch name {
		case "host", "connection", "transfer-encoding":
			continue // said otherwise in HTTP/2
		case "keep-alive", "proxy-connection", "upgrade":
			return a, errTranscript // the serialiser writes none
		}
		a.fields = append(a.fields, hpack.HeaderField{Name: name, Value: f.Value, Sensitive: name == "authorization" || name == "cookie"})
	}
	t.text = nil
	switch {
	case framing.Kind == wire.Chunked:
		t.state = atChunk
	case framing.Kind == wire.Length && framing.Length > 0:
		t.state, t.left = atBody, framing.Length
	default:
		t.state, a.ends = atEnd, true
	}
	return a, nil
}

// response turns an answer in HTTP/2 into one in HTTP/1.1.
type response struct {
	method  string
	begun   bool  // the final head has come
	chunked bool  // its length is not known
	left    int64 // of the body; -1: not known
	refused bool  // the origin takes no more of the request
}

var errMalformed = errors.New("a malformed answer by HTTP/2")

// head takes a head or the trailers. What the frame reader let pass is held against RFC 9113, sections 8.2 and 8.3.2: a
// value that broke out of its line would be another header in HTTP/1.1.
func (r *response) head(f *http2.MetaHeadersFrame, to *bytes.Buffer, last bool) error {
	if f.Truncated {
		return errors.New("a head beyond the limit")
	}
	if r.begun {
		return r.trailers(f, to)
	}
	if len(f.Fields) == 0 || f.Fields[0].Name != ":status" || len(f.Fields[0].Value) != 3 {
		return errMalformed
	}
	status, err := strconv.Atoi(f.Fields[0].Value)
	if err != nil || status < 100 || status == 101 || status < 200 && f.StreamEnded() {
		return errMalformed
	}
	length := int64(-1)
	grpc := false
	for _, x := range f.Fields[1:] {
		if !fine(x) {
			return fmt.Errorf("%w: field %q", errMalformed, x.Name)
		}
		switch x.Name {
		case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade", "te":
			return fmt.Errorf("%w: field %q", errMalformed, x.Name)
		case "content-length":
			n, err := strconv.ParseUint(x.Value, 10, 63)
			if err != nil || length >= 0 {
				return fmt.Errorf("%w: field %q", errMalformed, x.Name)
			}
			length = int64(n)
		case "content-type":
			grpc = strings.HasPrefix(x.Value, "application/grpc")
		}
	}
	fmt.Fprintf(to, "HTTP/1.1 %03d \r\n", status)
	for _, x := range f.Fields[1:] {
		to.WriteString(x.Name)
		to.WriteString(": ")
		to.WriteString(x.Value)
		to.WriteString("\r\n")
	}
	if status < 200 {
		to.WriteString("\r\n")
		return nil
	}
	r.begun = true
	bodiless := r.method == "HEAD" || status == 204 || status == 304
	switch {
	case bodiless:
		r.left = 0
	case length >= 0:
		if r.left = length; f.StreamEnded() && length > 0 {
			return errMalformed
		}
	case f.StreamEnded():
		r.left = 0
		to.WriteString("content-length: 0\r\n")
	default:
		r.chunked = true
		to.WriteString("transfer-encoding: chunked\r\n")
		if grpc { // whose result stands in trailers that nothing announces
			to.WriteString("trailer: grpc-status, grpc-message, grpc-status-details-bin\r\n")
		}
	}
	if last {
		to.WriteString("connection: close\r\n")
	}
	to.WriteString("\r\n")
	return nil
}

// fine reports whether a field may be written as a line.
func fine(f hpack.HeaderField) bool {
	if f.Name == "" || f.Name[0] == ':' || strings.ToLower(f.Name) != f.Name || !httpguts.ValidHeaderFieldName(f.Name) ||
		!httpguts.ValidHeaderFieldValue(f.Value) || strings.Trim(f.Value, " \t") != f.Value {
		return false
	}
	return !strings.ContainsAny(f.Value, "\r\n\x00")
}

// data takes a part of the body. A length that does not hold is malformed (RFC 9113, section 8.1.1).
func (r *response) data(p []byte, ends bool, to *bytes.Buffer) error {
	if !r.begun {
		return errMalformed
	}
	if r.chunked {
		if len(p) > 0 {
			fmt.Fprintf(to, "%x\r\n", len(p))
			to.Write(p)
			to.WriteString("\r\n")
		}
		if ends {
			to.WriteString("0\r\n\r\n")
		}
		return nil
	}
	if int64(len(p)) > r.left || ends && int64(len(p)) != r.left {
		return errMalformed
	}
	r.left -= int64(len(p))
	to.Write(p)
	return nil
}

// trailers ends the answer. Those that were not announced are dropped by whoever reads HTTP/1.1.
func (r *response) trailers(f *http2.MetaHeadersFrame, to *bytes.Buffer) error {
	if !f.StreamEnded() || !r.chunked && r.left != 0 {
		return errMalformed
	}
	for _, x := range f.Fields {
		if !fine(x) {
			return fmt.Errorf("%w: trailer %q", errMalformed, x.Name)
		}
	}
	if !r.chunked {
		return nil
	}
	to.WriteString("0\r\n")
	for _, x := range f.Fields {
		fmt.Fprintf(to, "%s: %s\r\n", x.Name, x.Value)
	}
	to.WriteString("\r\n")
	return nil
}
