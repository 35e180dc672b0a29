package upstream

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"sekisho/internal/wire"
)

// told is everything that a transcript came to.
type told struct {
	heads  int
	fields []hpack.HeaderField // of the head
	data   []byte
	trail  []hpack.HeaderField
	ended  bool
	err    error
}

// tellAll gives a transcript data in parts of size, 0 for all at once.
func tellAll(data []byte, size int) (out told) {
	var t transcript
	for len(data) > 0 && !out.ended {
		part := data
		if size > 0 && size < len(part) {
			part = part[:size]
		}
		data = data[len(part):]
		for len(part) > 0 && !out.ended {
			n, a, err := t.take(part)
			if err != nil {
				out.err = err
				return out
			}
			if n < 0 || n > len(part) {
				out.err = fmt.Errorf("took %d of %d", n, len(part))
				return out
			}
			part = part[n:]
			switch {
			case a.head != nil:
				out.heads, out.fields = out.heads+1, a.fields
			case a.ends:
				out.trail = a.fields
			}
			out.data = append(out.data, a.data...)
			out.ended = a.ends
		}
	}
	return out
}

// connectionFields are those that HTTP/2 knows not (RFC 9113, section 8.2.2).
var connectionFields = []string{"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "host"}

// FuzzTranscript reads whatever might be a request of ours. It says the same in whatever parts it comes, and says what the
// strict reader of HTTP/1.1 says: the same fields in the same order with the same values, the same body. Nothing else.
func FuzzTranscript(f *testing.F) {
	const host = "Host: login.example.com\r\n"
	for _, seed := range []string{
		"GET /a?b HTTP/1.1\r\n" + host + "Cookie: a=b\r\nRestrict-Access-To-Tenants: contoso.com\r\n\r\n",
		"POST / HTTP/1.1\r\n" + host + "Content-Length: 4\r\n\r\nbody",
		"POST / HTTP/1.1\r\n" + host + "Content-Length: 0\r\n\r\n",
		"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n4\r\nbody\r\n3\r\nabc\r\n0\r\nX: 1\r\n\r\n",
		"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n",
		"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1;x=y\r\na\r\n0\r\n\r\n",
		"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
		"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\na",
		"GET / HTTP/1.1\r\n" + host + host + "\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\n" + host + "\n", "\r\n\r\n",
		"GET / HTTP/1.1\r\n" + host + "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "GET / HTTP/1.1\r\n" + host + "Keep-Alive: 1\r\n\r\n",
		"GET / HTTP/1.1\r\n" + host + "X: a\r\n b\r\n\r\n", "GET / HTTP/1.1\r\n" + host + "X : a\r\n\r\n",
		"GET / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	} {
		for _, size := range []byte{0, 1, 7} {
			f.Add([]byte(seed), size)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, size byte) {
		all, parts := tellAll(data, 0), tellAll(data, int(size))
		if (all.err == nil) != (parts.err == nil) || all.heads != parts.heads || !slices.Equal(all.fields, parts.fields) ||
			!bytes.Equal(all.data, parts.data) || !slices.Equal(all.trail, parts.trail) || all.ended != parts.ended {
			t.Fatalf("%q in parts of %d:\n%+v\nand at once:\n%+v", data, size, parts, all)
		}
		if all.heads == 0 {
			return
		}
		br := bufio.NewReaderSize(bytes.NewReader(data), len(data)+16)
		h, err := wire.ReadRequest(br, wire.Limits{HeadBytes: 1 << 20, LineBytes: 1 << 20, Fields: 1 << 10})
		if err != nil {
			t.Fatalf("%q is no head: %v", data, err)
		}
		host, _ := h.Get("Host")
		want := []hpack.HeaderField{{Name: ":method", Value: h.Method}, {Name: ":scheme", Value: "https"}, {Name: ":authority", Value: host}, {Name: ":path", Value: h.Target}}
		for _, x := range h.Fields {
			if name := strings.ToLower(x.Name); !slices.Contains(connectionFields, name) {
				want = append(want, hpack.HeaderField{Name: name, Value: x.Value})
			}
		}
		if len(want) != len(all.fields) {
			t.Fatalf("%q says %v, want %v", data, all.fields, want)
		}
		for i, x := range all.fields {
			if x.Name != want[i].Name || x.Value != want[i].Value || slices.Contains(connectionFields, x.Name) || strings.ToLower(x.Name) != x.Name {
				t.Fatalf("%q says %v, want %v", data, all.fields, want)
			}
		}
		framing, err := wire.RequestFraming(h)
		if err != nil {
			t.Fatalf("%q has no framing: %v", data, err)
		}
		body := wire.NewBodyReader(br, framing, wire.Limits{})
		read, err := io.ReadAll(body)
		if all.ended && all.err == nil && err == nil && !bytes.Equal(read, all.data) {
			t.Fatalf("%q has the body %q, want %q", data, all.data, read)
		}
		if err == nil && all.err == nil && !all.ended { // what the strict reader takes whole is whole
			t.Fatalf("%q does not end: %+v", data, all)
		}
	})
}

// scripted is an origin whose every byte is known before: it reads what is written to it and throws it away.
type scripted struct {
	net.Conn
	io.Reader
	written int
}

func (s *scripted) Read(p []byte) (int, error)       { return s.Reader.Read(p) }
func (s *scripted) Write(p []byte) (int, error)      { s.written += len(p); return len(p), nil }
func (s *scripted) Close() error                     { return nil }
func (s *scripted) SetDeadline(time.Time) error      { return nil }
func (s *scripted) SetReadDeadline(time.Time) error  { return nil }
func (s *scripted) SetWriteDeadline(time.Time) error { return nil }

// frame is one frame as it is on the wire (RFC 9113, section 4.1).
func frame(kind http2.FrameType, flags http2.Flags, id uint32, payload []byte) []byte {
	b := make([]byte, 9, 9+len(payload))
	b[0], b[1], b[2], b[3], b[4] = byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload)), byte(kind), byte(flags)
	binary.BigEndian.PutUint32(b[5:], id)
	return append(b, payload...)
}

// block is fields, given as names and values, compressed.
func block(fields ...string) []byte {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for i := 0; i+1 < len(fields); i += 2 {
		_ = e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return b.Bytes()
}

// mostTold bounds what any answer of a fuzzer may come to, far above what its frames hold.
const mostTold = 1 << 20

// exchangeWith sends one request to an origin that answers with data and returns all that is read as HTTP/1.1.
func exchangeWith(method string, data []byte) (text []byte, c *h2, err error) {
	origin := &scripted{Reader: bytes.NewReader(append(frame(http2.FrameSettings, 0, 0, nil), data...))}
	c, err = newH2(origin, wire.Limits{HeadBytes: 16 << 10})
	if err != nil {
		return nil, nil, err
	}
	if _, err = io.WriteString(c, method+" / HTTP/1.1\r\nHost: login.example.com\r\n\r\n"); err != nil {
		return nil, c, err
	}
	text, err = io.ReadAll(io.LimitReader(c, mostTold))
	if origin.written > mostTold {
		err = errors.Join(err, errors.New("an origin made us write without end"))
	}
	return text, c, err
}

// FuzzAnswerByHTTP2 answers a request with any bytes. Whatever comes out is HTTP/1.1 that the strict reader of responses
// takes: one final head behind interim ones, its body, and nothing behind it. An answer that does not end is an error.
func FuzzAnswerByHTTP2(f *testing.F) {
	const ends, whole = http2.FlagHeadersEndStream, http2.FlagHeadersEndHeaders
	ok := frame(http2.FrameHeaders, whole, 1, block(":status", "200", "content-length", "5"))
	open := frame(http2.FrameHeaders, whole, 1, block(":status", "200", "trailer", "x-end"))
	data := frame(http2.FrameData, http2.FlagDataEndStream, 1, []byte("hello"))
	for _, seed := range [][]byte{
		slices.Concat(ok, data), slices.Concat(open, data),
		slices.Concat(open, frame(http2.FrameData, 0, 1, []byte("a")), frame(http2.FrameHeaders, whole|ends, 1, block("x-end", "b"))),
		slices.Concat(frame(http2.FrameHeaders, whole, 1, block(":status", "103", "link", "</a>")), ok, data),
		frame(http2.FrameHeaders, whole|ends, 1, block(":status", "204")), frame(http2.FrameHeaders, whole, 1, block(":status", "101")),
		slices.Concat(frame(http2.FrameHeaders, 0, 1, block(":status", "200")), frame(http2.FrameContinuation, whole, 1, block("a", "b"))),
		slices.Concat(ok, frame(0xa, 0, 1, []byte("\x00\x00h3=\":443\"")), frame(0xc, 0, 0, []byte("\x00\x03a.b")), data),
		slices.Concat(frame(http2.FramePushPromise, whole, 1, append([]byte{0, 0, 0, 2}, block(":method", "GET")...)), ok, data),
		slices.Concat(frame(http2.FrameGoAway, 0, 0, make([]byte, 8)), ok, data), frame(http2.FrameRSTStream, 0, 1, make([]byte, 4)),
		slices.Concat(ok, frame(http2.FrameWindowUpdate, 0, 0, []byte{0x7f, 0xff, 0xff, 0xff}), data),
		slices.Concat(frame(http2.FrameHeaders, whole|ends, 1, block(":status", "200", "a", "b\r\nc: d")), data),
		slices.Concat(ok, frame(http2.FrameData, http2.FlagDataPadded|http2.FlagDataEndStream, 1, []byte("\x02hello\x00\x00"))),
	} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, data []byte, head bool) {
		method := "GET"
		if head {
			method = "HEAD"
		}
		text, c, err := exchangeWith(method, data)
		if len(text) >= mostTold {
			t.Fatalf("%x came to %d bytes", data, len(text))
		}
		if err != nil || c == nil {
			return
		}
		br := bufio.NewReader(bytes.NewReader(text))
		for interims := 0; ; interims++ {
			h, err := wire.ReadResponse(br, wire.Limits{})
			if err != nil {
				if interims > 0 || len(text) > 0 && text[0] != 'H' {
					t.Fatalf("%x came to %q: %v", data, text, err)
				}
				return // more fields than we take: refused where it is read
			}
			if h.Status == 101 {
				t.Fatalf("%x came to a 101: %q", data, text)
			}
			if h.Status < 200 {
				continue
			}
			framing, err := wire.ResponseFraming(h, method)
			if err != nil || framing.Kind == wire.UntilClose {
				t.Fatalf("%x came to %q: %v %v", data, text, framing, err)
			}
			body := wire.NewBodyReader(br, framing, wire.Limits{})
			if _, err := io.Copy(io.Discard, body); err != nil {
				return // trailers that the strict reader refuses end the answer there
			}
			if rest, _ := io.ReadAll(br); len(rest) > 0 {
				t.Fatalf("%x came to %q, behind which stands %q", data, text, rest)
			}
			return
		}
	})
}

// What carries nothing is taken only so often, whatever it is, and what it makes us write is bounded, too.
func TestFramesThatCarryNothingEndTheConnection(t *testing.T) {
	ok := frame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 1, block(":status", "200"))
	for name, one := range map[string][]byte{
		"PING":                    frame(http2.FramePing, 0, 0, make([]byte, 8)),
		"SETTINGS":                frame(http2.FrameSettings, 0, 0, []byte{0, 4, 0, 1, 0, 0}),
		"SETTINGS that answer":    frame(http2.FrameSettings, http2.FlagSettingsAck, 0, nil),
		"WINDOW_UPDATE":           frame(http2.FrameWindowUpdate, 0, 0, []byte{0, 0, 0, 1}),
		"PRIORITY":                frame(http2.FramePriority, 0, 3, []byte{0, 0, 0, 0, 1}),
		"RST_STREAM of others":    frame(http2.FrameRSTStream, 0, 3, make([]byte, 4)),
		"GOAWAY that lets us end": frame(http2.FrameGoAway, 0, 0, []byte{0, 0, 0, 1, 0, 0, 0, 0}),
		"ALTSVC":                  frame(0xa, 0, 1, []byte("\x00\x00h3=\":443\"")),
		"ORIGIN":                  frame(0xc, 0, 0, []byte("\x00\x03a.b")),
		"an unknown frame":        frame(0xfa, 0xff, 1, make([]byte, 100)),
		"empty DATA":              frame(http2.FrameData, 0, 1, nil),
		"padded DATA":             frame(http2.FrameData, http2.FlagDataPadded, 1, append([]byte{200}, make([]byte, 200)...)),
		"interim answers":         frame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 1, []byte{0x08, 0x03, '1', '0', '3'}),
	} {
		t.Run(name, func(t *testing.T) {
			data := slices.Concat(ok, bytes.Repeat(one, 5*h2Controls))
			if name == "interim answers" {
				data = bytes.Repeat(one, 5*h2Controls)
			}
			text, _, err := exchangeWith("GET", data)
			if err == nil || len(text) > 128<<10 {
				t.Errorf("%d bytes, %v", len(text), err)
			}
			// And between two parts of a body that go on, they do no harm.
			if name == "interim answers" || strings.HasPrefix(name, "GOAWAY") {
				return
			}
			part := frame(http2.FrameData, 0, 1, []byte("a"))
			data = slices.Concat(ok, one, one, part, one, one, part, one, frame(http2.FrameData, http2.FlagDataEndStream, 1, nil))
			text, _, err = exchangeWith("GET", data)
			if err != nil || !bytes.HasSuffix(text, []byte("1\r\na\r\n1\r\na\r\n0\r\n\r\n")) {
				t.Errorf("%q, %v", text, err)
			}
		})
	}
}

// A head that goes on in CONTINUATION frames is bounded while it comes: neither memory nor time follows it.
func TestContinuationsWithoutEnd(t *testing.T) {
	long := bytes.Repeat([]byte{0x00, 0x01, 'a', 0x01, 'b'}, 1000)
	for name, next := range map[string][]byte{
		"with fields":  frame(http2.FrameContinuation, 0, 1, long),
		"with nothing": frame(http2.FrameContinuation, 0, 1, nil),
	} {
		t.Run(name, func(t *testing.T) {
			left := 200_000
			origin := &scripted{Reader: io.MultiReader(
				bytes.NewReader(slices.Concat(frame(http2.FrameSettings, 0, 0, nil), frame(http2.FrameHeaders, 0, 1, block(":status", "200")))),
				&repeated{next, &left, nil})}
			c, err := newH2(origin, wire.Limits{HeadBytes: 16 << 10})
			if err != nil {
				t.Fatal(err)
			}
			if _, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: login.example.com\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(c)
			if err == nil || len(text) > 0 {
				t.Errorf("%q %v", text, err)
			}
			if left < 190_000 {
				t.Errorf("%d frames were read", 200_000-left)
			}
		})
	}
}

// repeated gives the same bytes over and over, left times.
type repeated struct {
	one  []byte
	left *int
	rest []byte
}

func (r *repeated) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if *r.left == 0 {
			return 0, io.EOF
		}
		*r.left--
		r.rest = r.one
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// An origin that says goodbye in the middle of an answer is heard out where it announced that it would end it, and its
// connection carries nothing more.
func TestAGoodbyeInTheMiddleOfAnAnswer(t *testing.T) {
	ok := frame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 1, block(":status", "200", "content-length", "5"))
	bye := func(last uint32) []byte {
		b := make([]byte, 8)
		binary.BigEndian.PutUint32(b, last)
		return frame(http2.FrameGoAway, 0, 0, b)
	}
	end := frame(http2.FrameData, http2.FlagDataEndStream, 1, []byte("hello"))
	text, c, err := exchangeWith("GET", slices.Concat(ok, bye(1), end))
	if err != nil || !bytes.HasSuffix(text, []byte("hello")) {
		t.Errorf("%q %v", text, err)
	}
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: login.example.com\r\n\r\n"); !errors.Is(err, errGoneAway) {
		t.Errorf("another exchange: %v", err)
	}
	if text, _, err = exchangeWith("GET", slices.Concat(ok, bye(0), end)); err == nil || bytes.HasSuffix(text, []byte("hello")) {
		t.Errorf("an answer to what was not taken: %q %v", text, err)
	}
}
