package gateway

import (
	"golang.org/x/net/http2"
)

// inbound follows the frames that a client sends, for what the HTTP/2 server does not bound over all connections of one
// client: the parts of a head that has not ended. Each connection may keep the server waiting with twice the limit of a
// head (RFC 9113, section 6.10), and nobody else is told of them before they end.
type inbound struct {
	preface int     // bytes of it that have come
	head    [9]byte // RFC 9113, section 4.1
	have    int     // of head
	left    int     // of the payload
	block   int     // bytes of the head that has not ended
	parts   int     // CONTINUATION frames of it
	large   holding // what of them is above largeHead
}

// Read looks at what it reads. The server calls it from one goroutine.
func (f *frames) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	if !f.in.follow(p[:n]) {
		f.v.drop("heads")
		return 0, errCrowded
	}
	return n, err
}

// headParts is how many CONTINUATION frames a head may come in (chosen: with frames of 64 bytes the largest head fits). The
// server bounds their bytes alone, and would read for ever those that hold nothing.
const headParts = 1 << 10

// end gives back what the connection held when it ended.
func (f *frames) end() { f.in.large.end() }

// follow reports whether the client may send on.
func (i *inbound) follow(p []byte) bool {
	if i.preface < len(http2.ClientPreface) {
		n := min(len(http2.ClientPreface)-i.preface, len(p))
		i.preface, p = i.preface+n, p[n:]
	}
	for len(p) > 0 {
		if i.have < len(i.head) {
			n := copy(i.head[i.have:], p)
			i.have, p = i.have+n, p[n:]
			if i.have < len(i.head) {
				return true
			}
			i.left = int(i.head[0])<<16 | int(i.head[1])<<8 | int(i.head[2])
			if http2.FrameType(i.head[3]) != http2.FrameContinuation {
				i.parts = 0
			} else if i.parts++; i.parts > headParts {
				return false
			}
		}
		n := min(i.left, len(p))
		i.left, p = i.left-n, p[n:]
		kind := http2.FrameType(i.head[3])
		if kind == http2.FrameHeaders || kind == http2.FrameContinuation {
			if !i.grow(n) {
				return false
			}
			if i.left == 0 && http2.Flags(i.head[4]).Has(http2.FlagHeadersEndHeaders) {
				i.block = 0
				i.large.end()
			}
		}
		if i.left == 0 {
			i.have = 0
		}
	}
	return true
}

// grow counts n bytes of a head that has not ended.
func (i *inbound) grow(n int) bool {
	before := max(i.block, largeHead)
	i.block += n
	return i.block <= before || i.large.take(i.block-before)
}
