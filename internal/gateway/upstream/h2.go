package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"sekisho/internal/wire"
)

const (
	h2Window   = 1 << 20  // what an origin may send before we have read it (chosen: a long fat line stays full)
	h2Controls = 1 << 10  // frames that carry nothing between two that do (chosen: no honest origin sends so many)
	h2Streams  = 1 << 20  // exchanges on one connection (chosen: far below the end of the numbers)
	h2Pending  = 64 << 10 // of a request may wait for room without its writer waiting (chosen: above every head with a short body)
	h2Frame    = 16 << 10 // the largest frame that everybody takes (RFC 9113, section 4.2)
)

// h2 is a connection to an origin by HTTP/2, with HTTP/1.1 on our side of it: what is written are requests as
// wire.AppendRequest made them and wire.WriteBody framed them, what is read are responses in the same form. It says what
// those bytes say and adds nothing, so whatever guards an HTTP/1.1 request that leaves guards one by HTTP/2 too, and
// whatever refuses a malformed response refuses it here. It carries one exchange at a time and has no goroutine: whoever
// reads the answer reads frames, and sends what waited for room.
//
// ALTSVC (RFC 7838, section 4), ORIGIN (RFC 8336) and every other frame that RFC 9113 does not know is ignored. Push is
// switched off, and a PUSH_PROMISE is an error.
type h2 struct {
	stream net.Conn // TLS
	lim    wire.Limits
	frames *http2.Framer

	writing sync.Mutex // whole frames, and their order
	buffer  *bufio.Writer
	encoder *hpack.Encoder
	block   bytes.Buffer

	mu      sync.Mutex
	changed *sync.Cond
	reading bool  // somebody reads frames
	failed  error // for good
	last    bool  // GOAWAY: no further exchange

	room     int64 // that the origin gave for the connection
	roomOne  int64 // and for the stream
	roomNew  int64 // that a new stream has
	maxFrame int

	id         uint32 // of the stream
	requests   uint32
	outgoing   transcript // the request
	answer     response   // the answer
	sent       bool       // the request is whole
	over       bool       // the answer is whole
	controls   int
	owed       int                 // bytes of flow control to be given back
	pending    []byte              // of the request's body, without room
	trailers   []hpack.HeaderField // that follow it
	pendingEnd bool                // the request ends behind it
	ready      bytes.Buffer
}

// errGoneAway is an origin that takes no further request on a connection.
var errGoneAway = errors.New("the origin has said goodbye to this connection")

// newH2 begins HTTP/2 on a connection whose handshake chose it.
func newH2(stream net.Conn, lim wire.Limits) (*h2, error) {
	c := &h2{stream: stream, lim: lim, buffer: bufio.NewWriterSize(stream, 4<<10), room: 65535, roomNew: 65535, maxFrame: h2Frame, over: true, sent: true}
	c.changed = sync.NewCond(&c.mu)
	c.encoder = hpack.NewEncoder(&c.block)
	c.frames = http2.NewFramer(c.buffer, bufio.NewReaderSize(&blocks{from: stream}, 4<<10))
	c.frames.SetReuseFrames()
	c.frames.SetMaxReadFrameSize(h2Frame)
	c.frames.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	head := lim.HeadBytes
	if head <= 0 {
		head = 64 << 10
	}
	c.frames.MaxHeaderListSize = uint32(head)
	c.buffer.WriteString(http2.ClientPreface)
	c.writing.Lock()
	err := errors.Join(
		c.frames.WriteSettings(http2.Setting{ID: http2.SettingEnablePush, Val: 0},
			http2.Setting{ID: http2.SettingInitialWindowSize, Val: h2Window},
			http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: uint32(head)}),
		c.frames.WriteWindowUpdate(0, h2Window-65535),
		c.buffer.Flush())
	c.writing.Unlock()
	if err != nil {
		return nil, err
	}
	// The origin's settings come first (RFC 9113, section 3.4): they say how much room a request has.
	f, err := c.frames.ReadFrame()
	if err != nil {
		return nil, err
	}
	s, ok := f.(*http2.SettingsFrame)
	if !ok || s.IsAck() {
		return nil, errors.New("the origin does not begin with its settings")
	}
	return c, c.settings(s)
}

// Write takes a part of a request in HTTP/1.1.
func (c *h2) Write(p []byte) (int, error) {
	c.mu.Lock()
	fresh := c.sent && c.over
	err := c.failed
	if err == nil && fresh && (c.last || c.requests >= h2Streams) {
		err = errGoneAway
	}
	if err == nil && fresh {
		c.requests++
		c.id = 2*c.requests - 1
		c.sent, c.over, c.roomOne, c.controls = false, false, c.roomNew, 0
		c.outgoing, c.answer, c.pending = transcript{}, response{left: -1}, nil
		c.ready.Reset()
	}
	c.mu.Unlock()
	if err != nil {
		return 0, err
	}
	for rest := p; len(rest) > 0; {
		n, act, err := c.outgoing.take(rest)
		if err != nil {
			return len(p) - len(rest), c.fail(err)
		}
		if err := c.act(act); err != nil {
			return len(p) - len(rest), c.fail(err)
		}
		rest = rest[n:]
	}
	c.writing.Lock()
	err = c.buffer.Flush()
	c.writing.Unlock()
	if err != nil {
		return 0, c.fail(err)
	}
	return len(p), nil
}

// act sends what a part of the request came to.
func (c *h2) act(a action) error {
	if a.head != nil {
		c.mu.Lock()
		c.answer.method = a.head.Method
		c.mu.Unlock()
		if err := c.headers(a.fields, a.ends); err != nil {
			return err
		}
	}
	switch {
	case a.head != nil && a.ends:
		c.mu.Lock()
		c.sent = true
		c.mu.Unlock()
	case a.head != nil:
	case len(a.data) > 0 || a.ends:
		return c.send(a.data, a.fields, a.ends)
	}
	return nil
}

// headers sends a block of fields, in as many frames as it takes.
func (c *h2) headers(fields []hpack.HeaderField, ends bool) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	return c.writeFields(fields, ends)
}

// writeFields is headers for who holds c.writing.
func (c *h2) writeFields(fields []hpack.HeaderField, ends bool) error {
	c.block.Reset()
	for _, f := range fields {
		if err := c.encoder.WriteField(f); err != nil {
			return err
		}
	}
	for first := true; first || c.block.Len() > 0; first = false {
		part := c.block.Next(h2Frame)
		var err error
		if first {
			err = c.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: c.id, BlockFragment: part, EndStream: ends, EndHeaders: c.block.Len() == 0})
		} else {
			err = c.frames.WriteContinuation(c.id, c.block.Len() == 0, part)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// send takes a part of the body, or its end, and sends what the origin gives room for (RFC 9113, section 5.2). What there
// is no room for waits, and whoever reads sends it when room has come. Above h2Pending the writer waits: what is written
// before anybody reads, a head and a short body, is less.
func (c *h2) send(p []byte, trailers []hpack.HeaderField, ends bool) error {
	c.mu.Lock()
	c.pending = append(c.pending, p...)
	if ends {
		c.pendingEnd, c.trailers = true, trailers
	}
	c.mu.Unlock()
	if err := c.pump(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.pending) > h2Pending && c.failed == nil && !c.answer.refused {
		c.changed.Wait()
	}
	if c.answer.refused {
		return errors.New("the origin takes no more of the request")
	}
	return c.failed
}

// pump sends what waits, as far as there is room.
func (c *h2) pump() error {
	c.writing.Lock()
	defer c.writing.Unlock()
	for {
		c.mu.Lock()
		n := int(max(min(int64(len(c.pending)), c.room, c.roomOne, int64(c.maxFrame)), 0))
		part := c.pending[:n]
		ends := c.pendingEnd && n == len(c.pending)
		trailers := c.trailers
		if n == 0 && !ends {
			c.mu.Unlock()
			return c.buffer.Flush()
		}
		c.room, c.roomOne = c.room-int64(n), c.roomOne-int64(n)
		if n > 0 {
			c.controls = 0
		}
		c.mu.Unlock()
		// Only pump takes from pending, and it is alone here: part stays where it is although more may be added behind it.
		var err error
		if n > 0 || trailers == nil {
			err = c.frames.WriteData(c.id, ends && trailers == nil, part)
		}
		if err == nil && ends && trailers != nil {
			err = c.writeFields(trailers, true)
		}
		if err != nil {
			return err
		}
		c.mu.Lock()
		if c.pending = c.pending[n:]; len(c.pending) == 0 {
			c.pending = nil
		}
		if ends {
			c.pendingEnd, c.trailers, c.sent = false, nil, true
		}
		c.changed.Broadcast()
		c.mu.Unlock()
	}
}

// Read gives the answer in HTTP/1.1.
func (c *h2) Read(p []byte) (int, error) {
	c.mu.Lock()
	for c.ready.Len() == 0 {
		switch {
		case c.failed != nil:
			err := c.failed
			c.mu.Unlock()
			return 0, err
		case c.over:
			c.mu.Unlock()
			return 0, io.EOF
		case c.reading:
			c.changed.Wait()
		default:
			c.readFrame()
		}
	}
	n, _ := c.ready.Read(p)
	owed := 0
	if c.ready.Len() == 0 && (c.owed >= h2Window/4 || c.ready.Cap() > 64<<10) {
		owed, c.owed = c.owed, 0
	}
	over := c.over
	c.mu.Unlock()
	if owed > 0 {
		c.writing.Lock()
		defer c.writing.Unlock()
		err := c.frames.WriteWindowUpdate(0, uint32(owed))
		if err == nil && !over {
			err = c.frames.WriteWindowUpdate(c.id, uint32(owed))
		}
		if err = errors.Join(err, c.buffer.Flush()); err != nil {
			return n, c.fail(err)
		}
	}
	return n, nil
}

// fail ends the connection's use; it returns why.
func (c *h2) fail(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed == nil {
		c.failed = err
	}
	c.changed.Broadcast()
	return c.failed
}

// readFrame reads one frame. The caller holds c.mu, which is let go meanwhile, and nobody else reads.
func (c *h2) readFrame() {
	c.reading = true
	c.mu.Unlock()
	f, err := c.frames.ReadFrame()
	reply := false
	c.mu.Lock()
	if err == nil {
		reply, err = c.process(f)
	}
	if err != nil && c.failed == nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		c.failed = err
	}
	waiting := len(c.pending) > 0 || c.pendingEnd
	c.mu.Unlock()
	if reply {
		err = c.reply(f)
	}
	if err == nil && waiting {
		err = c.pump()
	}
	if err != nil {
		_ = c.fail(err)
	}
	c.mu.Lock()
	c.reading = false
	c.changed.Broadcast()
}

// process takes one frame. The caller holds c.mu. reply says that the frame wants an answer.
func (c *h2) process(f http2.Frame) (reply bool, err error) {
	id := f.Header().StreamID
	if c.controls++; c.controls > h2Controls {
		return false, errors.New("the origin floods the connection with frames")
	}
	ours := id == c.id && !c.over
	switch f := f.(type) {
	case *http2.MetaHeadersFrame:
		if !ours {
			return false, fmt.Errorf("an answer on stream %d, which nobody opened", id)
		}
		err = c.answer.head(f, &c.ready, c.last)
		c.over = err == nil && f.StreamEnded()
	case *http2.DataFrame:
		n := int(f.Header().Length)
		c.owed += n
		if len(f.Data()) > 0 {
			c.controls = 0
		}
		if !ours {
			return false, fmt.Errorf("data on stream %d, which nobody opened", id)
		}
		err = c.answer.data(f.Data(), f.StreamEnded(), &c.ready)
		c.over = err == nil && f.StreamEnded()
	case *http2.RSTStreamFrame:
		if ours {
			return false, http2.StreamError{StreamID: id, Code: f.ErrCode}
		}
		if id == c.id && !c.sent && f.ErrCode == http2.ErrCodeNo { // what is left of the body is not wanted (section 8.1)
			c.answer.refused, c.last = true, true
		}
	case *http2.SettingsFrame:
		if f.IsAck() {
			return false, nil
		}
		return true, c.settingsLocked(f)
	case *http2.PingFrame:
		return !f.IsAck(), nil
	case *http2.GoAwayFrame:
		c.last = true
		if f.LastStreamID < c.id && !c.over {
			return false, errGoneAway
		}
	case *http2.WindowUpdateFrame:
		return false, c.more(id, int64(f.Increment))
	case *http2.PushPromiseFrame:
		return false, errors.New("a push that was switched off")
	}
	return false, err
}

// more adds to the room that the origin gives (RFC 9113, section 6.9.1).
func (c *h2) more(id uint32, n int64) error {
	switch id {
	case 0:
		c.room += n
	case c.id:
		c.roomOne += n
	}
	if max(c.room, c.roomOne) > 1<<31-1 {
		return errors.New("the origin gives more room than there can be")
	}
	return nil
}

// reply answers a PING or acknowledges settings.
func (c *h2) reply(f http2.Frame) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	var err error
	if p, ok := f.(*http2.PingFrame); ok {
		err = c.frames.WritePing(true, p.Data)
	} else if s, ok := f.(*http2.SettingsFrame); ok {
		if size, ok := s.Value(http2.SettingHeaderTableSize); ok {
			c.encoder.SetMaxDynamicTableSizeLimit(size)
		}
		err = c.frames.WriteSettingsAck()
	}
	return errors.Join(err, c.buffer.Flush())
}

func (c *h2) settings(s *http2.SettingsFrame) error {
	c.mu.Lock()
	err := c.settingsLocked(s)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return c.reply(s)
}

func (c *h2) settingsLocked(s *http2.SettingsFrame) error {
	return s.ForeachSetting(func(x http2.Setting) error {
		if err := x.Valid(); err != nil {
			return err
		}
		switch x.ID {
		case http2.SettingInitialWindowSize:
			c.roomOne += int64(x.Val) - c.roomNew
			c.roomNew = int64(x.Val)
		case http2.SettingMaxFrameSize:
			c.maxFrame = min(int(x.Val), 64<<10)
		}
		return nil
	})
}

// idle reads what came while no exchange was under way, and reports whether the connection may carry another. more tells
// whether there is something to read.
func (c *h2) idle(more func() bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := 0; c.failed == nil && !c.last && c.over && c.sent && n < 16 && more(); n++ {
		c.readFrame()
	}
	return c.failed == nil && !c.last && c.over && c.sent && c.ready.Len() == 0
}
