package wire

import (
	"bufio"
	"io"
)

// BodyReader reads a body by its framing and ends with io.EOF exactly at its end; io.ErrUnexpectedEOF when the stream
// ends first, *Error when the framing is malformed. It never takes a byte of the next message. Not safe for concurrent
// use. The zero value is an empty body; Reset makes it usable again without an allocation.
type BodyReader struct {
	br       *bufio.Reader
	framing  Framing
	lim      Limits
	left     int64 // of the body (Length) or the chunk (Chunked)
	data     int64 // bytes of chunk data seen
	extra    int64 // bytes of chunk extensions seen
	inChunk  bool
	done     bool
	err      error // sticky, io.EOF at the end
	trailers []Field
}

// NewBodyReader returns a reader of the body that follows in br. lim bounds the trailers; see Limits.
func NewBodyReader(br *bufio.Reader, f Framing, lim Limits) *BodyReader {
	b := new(BodyReader)
	b.Reset(br, f, lim)
	return b
}

// Reset makes b read another body.
func (b *BodyReader) Reset(br *bufio.Reader, f Framing, lim Limits) {
	*b = BodyReader{br: br, framing: f, lim: lim.or(), left: f.Length}
	if f.Kind == NoBody || f.Kind == Length && f.Length <= 0 || f.Kind > UntilClose {
		b.end()
	}
}

// Read reads what is there of the body; it waits only when nothing is.
func (b *BodyReader) Read(p []byte) (int, error) {
	if b.err != nil || b.br == nil {
		return 0, b.stop()
	}
	if len(p) == 0 {
		return 0, nil
	}
	var n int
	switch b.framing.Kind {
	case Length:
		n = b.take(p)
		if b.left == 0 && b.err == nil {
			b.end()
		}
	case Chunked:
		n = b.readChunk(p)
	default:
		var err error
		if n, err = b.br.Read(p); err == io.EOF {
			b.end()
		} else if err != nil {
			b.err = err
		}
	}
	if n > 0 {
		return n, nil
	}
	return 0, b.err
}

// take reads up to left bytes.
func (b *BodyReader) take(p []byte) int {
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.br.Read(p)
	b.left -= int64(n)
	if err != nil && b.left > 0 {
		b.err = cut(err)
	}
	return n
}

func (b *BodyReader) end() { b.done, b.err = true, io.EOF }

func (b *BodyReader) stop() error {
	if b.err == nil {
		b.end()
	}
	return b.err
}

// Done reports whether the body was read to its end, so that the connection stands before the next message. An
// UntilClose body that is done leaves no connection.
func (b *BodyReader) Done() bool { return b.done }

// Ready reports whether Read will return without waiting for the other side. Whoever buffers what he reads flushes when
// it will not; WriteBody does.
func (b *BodyReader) Ready() bool {
	switch {
	case b.br == nil || b.err != nil:
		return true
	case b.framing.Kind == Chunked && b.left == 0:
		buf, _ := b.br.Peek(b.br.Buffered())
		return chunkReady(buf, b.inChunk)
	}
	return b.br.Buffered() > 0
}

// Trailers returns the trailer fields, once Read has returned io.EOF for a chunked body; nil otherwise. Only announced
// fields that may be trailers are among them: others make a request fail with CodeTrailerUndeclared or
// CodeTrailerForbidden, and are dropped from a response.
func (b *BodyReader) Trailers() []Field { return b.trailers }
