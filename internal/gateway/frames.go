package gateway

import (
	"crypto/tls"
	"encoding/binary"
	"strings"
	"sync/atomic"

	"golang.org/x/net/http2"

	"sekisho/internal/gateway/refusal"
)

// frames is a client connection under the HTTP/2 server, and looks at the heads of the frames that leave. The server
// refuses on its own, and tells no handler, what breaks HTTP/2 or would not be HTTP: a second :authority, capitals in a
// name, CR LF in a value, Connection, a head above its limit. It resets the stream, answers by itself, or says goodbye.
// None of that reached anybody, and one record for each connection says that it was tried.
type frames struct {
	*tls.Conn
	v *reading

	head     [9]byte // RFC 9113, section 4.1
	have     int     // of head
	left     int     // of the payload
	payload  [8]byte // its first bytes
	kept     int     // of payload
	answered int64   // streams on which an answer began
	open     map[uint32]bool
	token    atomic.Pointer[string] // the last that the server counted
	noted    bool

	in inbound // of the goroutine that reads
}

// openKept bounds open (chosen: far more than the streams that are open at once; what was reset by the client stays).
const openKept = 1024

// countError keeps the server's name for what is wrong. It does not record: some of what is counted is no refusal.
func (f *frames) countError(token string) { f.token.Store(&token) }

// Write looks at what it writes. The server calls it from one goroutine at a time.
func (f *frames) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		if f.have < len(f.head) {
			n := copy(f.head[f.have:], rest)
			f.have, rest = f.have+n, rest[n:]
			if f.have < len(f.head) {
				break
			}
			f.left, f.kept = int(f.head[0])<<16|int(f.head[1])<<8|int(f.head[2]), 0
		}
		n := min(f.left, len(rest))
		f.kept += copy(f.payload[f.kept:], rest[:n])
		f.left, rest = f.left-n, rest[n:]
		if f.left == 0 {
			f.have = 0
			f.look()
		}
	}
	return f.Conn.Write(p)
}

// look is told of every frame that is whole.
func (f *frames) look() {
	id := binary.BigEndian.Uint32(f.head[5:]) & (1<<31 - 1)
	ends := f.head[4]&byte(http2.FlagDataEndStream) != 0
	switch http2.FrameType(f.head[3]) {
	case http2.FrameHeaders:
		if !f.open[id] {
			f.begin(id)
		}
		if ends {
			delete(f.open, id)
		}
		if f.answered > f.v.handled.Load() {
			f.note("head-refused")
		}
	case http2.FrameData:
		if ends {
			delete(f.open, id)
		}
	case http2.FrameRSTStream:
		delete(f.open, id)
		switch code := http2.ErrCode(binary.BigEndian.Uint32(f.payload[:])); code {
		case http2.ErrCodeNo, http2.ErrCodeCancel, http2.ErrCodeInternal: // we gave up
		case http2.ErrCodeStreamClosed, http2.ErrCodeRefusedStream: // two messages met on the way
		default:
			f.note("malformed")
		}
	case http2.FrameGoAway:
		if http2.ErrCode(binary.BigEndian.Uint32(f.payload[4:])) != http2.ErrCodeNo {
			f.note("connection")
		}
	}
}

// begin notes an answer on a stream that had none.
func (f *frames) begin(id uint32) {
	f.answered++
	if f.open == nil {
		f.open = map[uint32]bool{}
	}
	if len(f.open) >= openKept {
		for old := range f.open {
			if old+2*openKept < id {
				delete(f.open, old)
			}
		}
	}
	f.open[id] = true
}

// note leaves the record, once. what names the refusal where the server did not.
func (f *frames) note(what string) {
	if f.noted {
		return
	}
	f.noted = true
	if token := f.token.Swap(nil); token != nil {
		what = *token
		if _, name, found := strings.Cut(what, "_ERROR_"); found { // "stream_PROTOCOL_ERROR_bad_path_method"
			what = name
		}
		what = strings.ReplaceAll(strings.ToLower(what), "_", "-")
	}
	r := f.v.begin(new(request), nil)
	r.fail(&fault{reason: refusal.BadRequest, detail: "h2-" + what, deny: true})
	r.end()
}
