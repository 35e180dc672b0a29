package upstream

import (
	"errors"
	"io"

	"golang.org/x/net/http2"
)

// h2Parts is how many frames one head or trailer may come in (chosen: with frames of 64 bytes the largest head fits).
const h2Parts = 1 << 10

var errParts = errors.New("the origin sends a head in parts without end")

// blocks follows the frames that an origin sends and counts those of a head that has not ended. The frame reader gathers
// them on its own and bounds their bytes alone: CONTINUATION frames that hold nothing would keep it reading for ever, and
// each of them keeps the connection from being silent.
type blocks struct {
	from  io.Reader
	head  [9]byte // RFC 9113, section 4.1
	have  int     // of head
	left  int     // of the payload
	parts int
}

func (b *blocks) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	for rest := p[:n]; len(rest) > 0; {
		if b.have < len(b.head) {
			k := copy(b.head[b.have:], rest)
			b.have, rest = b.have+k, rest[k:]
			if b.have < len(b.head) {
				break
			}
			b.left = int(b.head[0])<<16 | int(b.head[1])<<8 | int(b.head[2])
			if http2.FrameType(b.head[3]) != http2.FrameContinuation {
				b.parts = 0
			} else if b.parts++; b.parts > h2Parts {
				return 0, errParts
			}
		}
		k := min(b.left, len(rest))
		if b.left, rest = b.left-k, rest[k:]; b.left == 0 {
			b.have = 0
		}
	}
	return n, err
}
