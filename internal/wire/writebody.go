package wire

import (
	"bufio"
	"errors"
	"io"
)

const (
	smallBody = 16 << 10 // chosen: up to here a body goes through the writer's own buffer,
	copyRoom  = 32 << 10 // above it through one of this size, which saves seven of eight system calls
	chunkHead = 18       // room for a chunk size, 16 digits, and CR LF
	minRoom   = 512      // chosen: less free room than this in the writer is not worth a read
)

// CopyError is a body that could not be passed on: Writing tells the side that failed. Unwrap gives the cause.
type CopyError struct {
	Writing bool
	Err     error
}

// Error names the side and the cause.
func (e *CopyError) Error() string {
	if e.Writing {
		return "write body: " + e.Err.Error()
	}
	return "read body: " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *CopyError) Unwrap() error { return e.Err }

// readyReader tells whether a read would wait; BodyReader does.
type readyReader interface{ Ready() bool }

// WriteBody copies body to w in framing f and returns the bytes of body written (framing not counted). Errors are
// *CopyError. A Length body that ends early is io.ErrUnexpectedEOF; bytes beyond it are not read. When it fails, the
// framing is left open on purpose: the receiver must not take what it has for the whole.
//
// flush, which may be nil, is called whenever the next read may wait and once at the end, also of a NoBody, so that
// streams are not held back and a head that still lies in w travels with its body. trailers, which may be nil, is asked
// after the end of a Chunked body; its fields must be announced in f.Trailer.
//
// With a *bufio.Writer small bodies are copied through its own buffer without an allocation.
func WriteBody(w io.Writer, flush func() error, body io.Reader, f Framing, trailers func() []Field) (int64, error) {
	if flush == nil {
		flush = func() error { return nil }
	}
	c := copier{w: w, flush: flush, body: body, framing: f}
	c.buffered, _ = w.(*bufio.Writer)
	c.ready, _ = body.(readyReader)
	if f.Kind != NoBody {
		if err := c.copy(); err != nil {
			return c.n, err
		}
	}
	if f.Kind == Chunked {
		if err := c.endChunks(trailers); err != nil {
			return c.n, err
		}
	}
	if err := flush(); err != nil {
		return c.n, &CopyError{Writing: true, Err: err}
	}
	return c.n, nil
}

type copier struct {
	w        io.Writer
	buffered *bufio.Writer
	flush    func() error
	body     io.Reader
	ready    readyReader
	framing  Framing
	buf      []byte
	n        int64
}

func (c *copier) copy() error {
	for {
		if c.framing.Kind == Length && c.n >= c.framing.Length {
			return nil
		}
		room, err := c.room()
		if err != nil {
			return err
		}
		from := 0
		if c.framing.Kind == Chunked {
			from, room = chunkHead, room[:len(room)-2]
		}
		if left := c.framing.Length - c.n; c.framing.Kind == Length && int64(len(room)) > left {
			room = room[:left]
		}
		n, readErr := c.body.Read(room[from:])
		if n > 0 {
			if err := c.write(room[:from+n], n); err != nil {
				return err
			}
		}
		switch {
		case readErr == io.EOF && c.framing.Kind == Length && c.n < c.framing.Length:
			return &CopyError{Err: io.ErrUnexpectedEOF}
		case readErr == io.EOF:
			return nil
		case readErr != nil:
			return &CopyError{Err: readErr}
		}
	}
}

// room returns where the next read goes. It flushes first when that read may wait.
func (c *copier) room() ([]byte, error) {
	if (c.n > 0 || c.buffered != nil && c.buffered.Buffered() > 0) && (c.ready == nil || !c.ready.Ready()) {
		if c.framing.Kind != Length || c.n < c.framing.Length {
			if err := c.flush(); err != nil {
				return nil, &CopyError{Writing: true, Err: err}
			}
		}
	}
	if c.buf != nil {
		return c.buf, nil
	}
	if c.buffered != nil && c.n < smallBody {
		if c.buffered.Available() < minRoom {
			if err := c.buffered.Flush(); err != nil {
				return nil, &CopyError{Writing: true, Err: err}
			}
		}
		if b := c.buffered.AvailableBuffer(); cap(b) >= minRoom {
			return b[:cap(b)], nil
		}
	}
	size := int64(copyRoom)
	if left := c.framing.Length - c.n; c.framing.Kind == Length && left < size {
		size = max(left, minRoom)
	}
	c.buf = make([]byte, size)
	return c.buf, nil
}

// write sends b, whose last n bytes are data. A chunk's size is put in front of its data, right-aligned in the room
// that was left, and its CR LF behind it, so that a chunk is one write.
func (c *copier) write(b []byte, n int) error {
	if c.framing.Kind == Chunked {
		at := chunkHead - 2
		b[at], b[at+1] = '\r', '\n'
		for size := n; size > 0; size >>= 4 {
			at--
			b[at] = "0123456789abcdef"[size&15]
		}
		b = append(b, "\r\n"...)[at:]
	}
	if _, err := c.w.Write(b); err != nil {
		return &CopyError{Writing: true, Err: err}
	}
	c.n += int64(n)
	return nil
}

func (c *copier) endChunks(trailers func() []Field) error {
	end := []byte("0\r\n")
	if trailers != nil {
		fields, err := checkTrailers(append([]Field(nil), trailers()...), c.framing)
		if err != nil {
			return &CopyError{Err: err}
		}
		for _, f := range fields {
			end = appendField(end, f.Name, f.Value)
		}
	}
	if _, err := c.w.Write(append(end, "\r\n"...)); err != nil {
		return &CopyError{Writing: true, Err: err}
	}
	return nil
}

// AbortedBy reports whether err, from WriteBody, was the receiver's doing.
func AbortedBy(err error) (receiver bool) {
	var e *CopyError
	return errors.As(err, &e) && e.Writing
}
