package gateway

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"sekisho/internal/gateway/upstream"
	"sekisho/internal/wire"
)

// side is the client's side of HTTP/1: on the proxy port, or inside TLS. It serves one request after another, in the
// order they came; pipelined ones wait in its reader.
type side struct {
	c      *conn
	timed  *upstream.Timed // the socket, whose limits it sets
	stream net.Conn        // the socket, or TLS over it
	br     *bufio.Reader
	head   wire.RequestHead // reused
	large  holding          // of a head that does not fit the reader
	wire   wire.Limits
	body   wire.BodyReader // reused

	added   []wire.Field // of our own, for the next final response
	closing bool         // the response that is written says close
	unread  bool         // a body was not read to its end
	begun   bool         // the final response has begun
	stopped atomic.Bool  // the body is no longer wanted
	alive   func() bool

	halfClosed time.Time // when the client was seen to have closed its sending side
	asked      bool      // whether it is there
}

func newSide(c *conn, timed *upstream.Timed, stream net.Conn) *side {
	s := &side{c: c, timed: timed, stream: stream, br: readers.Get().(*bufio.Reader), wire: c.g.lim.Wire}
	s.br.Reset(stream)
	s.alive = s.waits
	s.large = holding{account: c.account, lim: &c.g.lim}
	s.wire.Room = s.large.take
	return s
}

// waits reports whether the client still waits for its answer. One that has closed its sending side may: a half-closed
// connection is not told from a closed one before something is sent to it. Inside TLS, which has a goodbye of its own, it
// does not. Outside, an interim answer is sent, which a client that is there ignores (RFC 9110, section 15.2) and the
// system of one that is gone answers with a reset. Where none can be sent, the answer gets a moment.
func (s *side) waits() bool {
	if !upstream.Gone(s.c.tcp) {
		return true
	}
	if s.stream != net.Conn(s.timed) || upstream.Reset(s.c.tcp) {
		return false
	}
	if s.halfClosed.IsZero() {
		s.halfClosed = time.Now()
		s.asked = !s.begun && s.interim(&wire.ResponseHead{Status: 102, Reason: "Processing"}) == nil && s.head.Minor > 0
	}
	limit := s.c.g.lim.PlainHalfClosed
	if s.asked {
		limit = s.c.g.lim.TunnelHalfClosed
	}
	return time.Since(s.halfClosed) < limit
}

// release gives the reader back; the side must not read any more.
func (s *side) release() {
	s.large.end()
	if s.br != nil {
		s.br.Reset(nil)
		readers.Put(s.br)
		s.br = nil
	}
}

// takeBuffered appends to b what the reader holds, and empties it.
func (s *side) takeBuffered(b []byte) []byte {
	n := s.br.Buffered()
	if n == 0 {
		return b
	}
	rest, _ := s.br.Peek(n)
	b = append(b, rest...)
	_, _ = s.br.Discard(n)
	return b
}

// rest gives back what a silent connection does not need. The next readHead takes it again.
func (s *side) rest() {
	s.release()
	s.head, s.body = wire.RequestHead{}, wire.BodyReader{}
}

// parkAfter is how long a connection that is read is silent before it is parked (chosen: pages and their scripts ask
// again within it).
const parkAfter = time.Second

// errSilent is a connection that may be parked.
var errSilent = errors.New("nothing was said for as long as a connection keeps its goroutine")

// readHead waits for a request and reads its head. The head is valid until the next readHead. Where the connection can
// be parked, it returns errSilent when it is time to.
func (s *side) readHead(wait time.Duration) (*wire.RequestHead, error) {
	lim := &s.c.g.lim
	s.timed.Alive = nil
	s.forget()
	if s.br == nil {
		s.br = readers.Get().(*bufio.Reader)
		s.br.Reset(s.stream)
	}
	if s.br.Buffered() == 0 {
		s.c.waiting.Store(true)
		if s.c.g.draining.Load() {
			return nil, io.EOF
		}
		parks := s.stream != net.Conn(s.timed) && s.c.g.watch != nil && wait > 2*parkAfter
		if parks {
			wait = parkAfter
		}
		s.timed.ReadStall, s.timed.Pauses = wait, parks
		_, err := s.br.Peek(1)
		s.timed.Pauses = false
		if errors.Is(err, upstream.ErrPaused) {
			return nil, errSilent // and still waiting
		}
		s.c.waiting.Store(false)
		if err != nil {
			return nil, errIdle{err}
		}
	}
	s.timed.ReadStall, s.timed.Phase = 0, time.Now().Add(lim.Head)
	err := wire.ReadRequestInto(s.br, s.wire, &s.head)
	s.timed.ReadStall, s.timed.Phase = lim.BodyStall, time.Time{}
	if err != nil {
		return nil, err
	}
	s.closing, s.begun, s.unread = !s.head.KeepAlive(), false, false
	s.stopped.Store(false)
	return &s.head, nil
}

// forget lets go of the last head: a connection that waits for its next request does not hold it.
func (s *side) forget() {
	clear(s.head.Fields)
	s.head = wire.RequestHead{Fields: s.head.Fields[:0]}
	s.large.end()
}

// errIdle is an end before a request began: nobody has to be told.
type errIdle struct{ error }

func (e errIdle) Unwrap() error { return e.error }

// writers buffer a response: its head travels with the beginning of its body.
var writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 16<<10) }}

// until never ends: nobody is told of a socket that closes. watch asks.
func (s *side) until() context.Context { return context.Background() }

// watch: a closed socket is a client that has gone away.
func (s *side) watch() func() bool { return s.alive }

// interim sends a 1xx. HTTP/1.0 knows none (RFC 9110, section 15.2).
func (s *side) interim(h *wire.ResponseHead) error {
	if s.head.Minor == 0 {
		return nil
	}
	b, err := s.c.g.steps.AppendResponse(nil, h, wire.Framing{}, s.head.Minor, false)
	if err != nil {
		return err
	}
	_, err = s.stream.Write(b)
	return err
}

// answer sends the final response.
func (s *side) answer(h *wire.ResponseHead, f wire.Framing, body io.Reader, trailers func() []wire.Field) (int64, error) {
	f = f.To(s.head.Minor)
	if f.Kind == wire.UntilClose && s.head.Minor > 0 {
		f = wire.Framing{Kind: wire.Chunked} // the client's connection can go on although the origin's cannot
		trailers = nil
	}
	if f.Kind == wire.UntilClose {
		s.closing = true
	}
	w := writers.Get().(*bufio.Writer)
	w.Reset(leaving{s})
	defer func() {
		w.Reset(nil)
		writers.Put(w)
	}()
	b, err := s.c.g.steps.AppendResponse(w.AvailableBuffer(), h, f, s.head.Minor, s.closing)
	if err != nil {
		return 0, err
	}
	if len(s.added) > 0 {
		b = b[:len(b)-len("\r\n")]
		for _, f := range s.added {
			b = append(append(append(append(b, f.Name...), ": "...), f.Value...), "\r\n"...)
		}
		b = append(b, "\r\n"...)
		s.added = nil
	}
	if _, err := w.Write(b); err != nil {
		return 0, &wire.CopyError{Writing: true, Err: err}
	}
	return wire.WriteBody(w, w.Flush, body, f, trailers)
}

// leaving is the client's stream under the buffer of a response: the response has begun when the first of it leaves, and
// until then another can be told.
type leaving struct{ s *side }

func (l leaving) Write(p []byte) (int, error) {
	l.s.begun = true
	return l.s.stream.Write(p)
}

// switched sends a 101 and hands out the client's connection for the other protocol.
func (s *side) switched(h *wire.ResponseHead) (io.Reader, net.Conn, error) {
	b, err := s.c.g.steps.AppendResponse(nil, h, wire.Framing{}, s.head.Minor, false)
	if err != nil {
		return nil, nil, err
	}
	s.begun, s.closing = true, true
	if _, err := s.stream.Write(b); err != nil {
		return nil, nil, err
	}
	return s.br, s.stream, nil
}

// watchBody lets reads of the request body be stopped from another goroutine. It holds until the next head.
func (s *side) watchBody() (stop func()) {
	s.timed.Alive = func() bool { return !s.stopped.Load() }
	return func() { s.stopped.Store(true) }
}

// willClose says that the connection ends after this response.
func (s *side) willClose() { s.closing = true }

func (s *side) add(fields []wire.Field) { s.added = fields }

// hasBegun reports whether a response is under way, so that no other can be told.
func (s *side) hasBegun() bool { return s.begun }

// linger reads what the client still sends for a moment, so that a reset does not overtake the last response (RFC 9112,
// section 9.6).
func (s *side) linger() {
	if half, ok := s.stream.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	s.timed.ReadStall, s.timed.Phase, s.timed.Alive = 0, time.Now().Add(s.c.g.lim.Linger), nil
	_, _ = io.CopyN(io.Discard, s.br, 256<<10)
}

// headError tells what to answer for a head that could not be read: the reason, or "" when there is nobody to answer.
func headError(err error) (status int, detail string, answerable bool) {
	var bad *wire.Error
	var stall *upstream.StallError
	var idle errIdle
	switch {
	case errors.As(err, &bad):
		return bad.Status(), bad.Code, true
	case errors.As(err, &idle):
		return 0, "", false
	case errors.As(err, &stall):
		return 408, "head-timeout", true
	}
	return 0, "", false
}
