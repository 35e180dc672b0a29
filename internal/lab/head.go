package lab

import (
	"bytes"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Limits of recording; chosen. A head longer than maxHead is kept up to there.
const (
	maxHead  = 64 << 10
	maxHeads = 512
)

// Head is one request head as it came from the socket: the bytes after TLS and before any HTTP library. It may hold
// cookies and credentials, lives in memory alone, and never holds any of the body.
type Head struct {
	Time       time.Time
	Connection uint64 // counts from 1
	TLS        bool
	SNI        string // as sent; "" when absent or over plain HTTP
	Raw        []byte // up to and with the empty line; shared, read-only
}

// Line returns the request line.
func (h Head) Line() string {
	line, _, _ := strings.Cut(string(h.Raw), "\n")
	return strings.TrimSuffix(line, "\r")
}

// Values returns the values of every field called name, in the order received, without the white space around them.
// Letter case of name does not count.
func (h Head) Values(name string) []string {
	var out []string
	for _, f := range h.fields() {
		if strings.EqualFold(f[0], name) {
			out = append(out, f[1])
		}
	}
	return out
}

// fields are the lines after the first, cut at the colon.
func (h Head) fields() [][2]string {
	var out [][2]string
	lines := strings.Split(string(h.Raw), "\n")
	for _, line := range lines[1:] {
		if name, value, ok := strings.Cut(strings.TrimSuffix(line, "\r"), ":"); ok {
			out = append(out, [2]string{name, strings.Trim(value, " \t")})
		}
	}
	return out
}

// recorder keeps the newest heads.
type recorder struct {
	mu       sync.Mutex
	heads    []Head
	next     int
	watchers map[int]func(Head)
	watches  int
}

func (r *recorder) add(h Head) {
	r.mu.Lock()
	if len(r.heads) < maxHeads {
		r.heads = append(r.heads, h)
	} else {
		r.heads[r.next] = h
		r.next = (r.next + 1) % maxHeads
	}
	told := make([]func(Head), 0, len(r.watchers))
	for _, f := range r.watchers {
		told = append(told, f)
	}
	r.mu.Unlock()
	for _, f := range told {
		f(h)
	}
}

// Heads returns the newest request heads received, at most 512, oldest first. A head is there before its request is
// answered.
func (w *World) Heads() []Head {
	r := &w.recorder
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]Head, 0, len(r.heads))
	out = append(out, r.heads[r.next:]...)
	return append(out, r.heads[:r.next]...)
}

// Watch calls f for every head from now on, before its request is answered, on the connection's own goroutine: f must
// be quick and safe for concurrent use. stop ends it.
func (w *World) Watch(f func(Head)) (stop func()) {
	r := &w.recorder
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.watchers == nil {
		r.watchers = map[int]func(Head){}
	}
	r.watches++
	id := r.watches
	r.watchers[id] = f
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.watchers, id)
	}
}

// tap is a connection whose incoming bytes are read along. Only one goroutine reads a net/http connection at a time.
type tap struct {
	net.Conn
	heads *recorder
	of    Head // template
	now   func() time.Time
	state tapState
	buf   []byte // the head, or the chunk-size line, read so far
	left  int64  // bytes of body or chunk still to come
}

type tapState uint8

const (
	inHead tapState = iota
	inBody
	inChunkSize
	inChunk
	inTrailer
	lost // framing that this reader does not follow: nothing more is recorded
)

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.follow(p[:n])
	return n, err
}

// follow runs b through the framing of RFC 9112, as far as finding the next head needs it.
func (t *tap) follow(b []byte) {
	for len(b) > 0 {
		switch t.state {
		case lost:
			return
		case inBody, inChunk:
			n := min(int64(len(b)), t.left)
			b = b[n:]
			if t.left -= n; t.left == 0 {
				if t.state == inBody {
					t.state = inHead
				} else {
					t.state = inChunkSize
				}
			}
		default:
			b = t.line(b)
		}
	}
}

// line takes bytes up to the next line feed and acts on the whole line.
func (t *tap) line(b []byte) []byte {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		i = len(b) - 1
	}
	whole := b[i] == '\n'
	t.buf = append(t.buf, b[:i+1]...)
	b = b[i+1:]
	if len(t.buf) > maxHead {
		if t.state == inHead {
			t.record(t.buf[:maxHead])
		}
		t.state = lost
		return nil
	}
	if !whole {
		return b
	}
	switch t.state {
	case inHead:
		if end := lastLine(t.buf); len(end) > 0 {
			return b
		}
		if len(bytes.TrimSpace(t.buf)) == 0 { // an empty line before a request (RFC 9112, section 2.2)
			t.buf = t.buf[:0]
			return b
		}
		h := t.record(t.buf)
		t.buf = t.buf[:0]
		t.frame(h)
	case inChunkSize:
		text, _, _ := strings.Cut(strings.TrimSpace(string(t.buf)), ";")
		t.buf = t.buf[:0]
		if text == "" { // the line end after a chunk
			return b
		}
		size, err := strconv.ParseInt(strings.TrimSpace(text), 16, 63)
		switch {
		case err != nil || size < 0:
			t.state = lost
		case size == 0:
			t.state = inTrailer
		default:
			t.state, t.left = inChunk, size
		}
	case inTrailer:
		if len(lastLine(t.buf)) == 0 {
			t.state = inHead
		}
		t.buf = t.buf[:0]
	}
	return b
}

// lastLine is the last line of buf, which ends in a line feed, without its end.
func lastLine(buf []byte) []byte {
	buf = bytes.TrimSuffix(buf, []byte("\n"))
	if i := bytes.LastIndexByte(buf, '\n'); i >= 0 {
		buf = buf[i+1:]
	}
	return bytes.TrimSuffix(buf, []byte("\r"))
}

func (t *tap) record(raw []byte) Head {
	h := t.of
	h.Time, h.Raw = t.now(), bytes.Clone(raw)
	t.heads.add(h)
	return h
}

// frame finds out what follows a head (RFC 9112, section 6.3; Transfer-Encoding wins over Content-Length).
func (t *tap) frame(h Head) {
	coding, length := h.Values("Transfer-Encoding"), h.Values("Content-Length")
	switch {
	case len(coding) == 1 && strings.EqualFold(coding[0], "chunked"):
		t.state = inChunkSize
	case len(coding) > 0:
		t.state = lost
	case len(length) == 1:
		n, err := strconv.ParseInt(length[0], 10, 63)
		switch {
		case err != nil || n < 0:
			t.state = lost
		case n > 0:
			t.state, t.left = inBody, n
		}
	case len(length) > 1:
		t.state = lost
	}
}
