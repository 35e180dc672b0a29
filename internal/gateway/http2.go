package gateway

//lint:file-ignore SA1019 the successor in net/http serves listeners; here one connection, judged and handshaken, is served and told to drain by itself

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"

	"sekisho/internal/gateway/refusal"
	"sekisho/internal/gateway/upstream"
	"sekisho/internal/policy"
	"sekisho/internal/wire"
)

// serveHTTP2 serves a connection by HTTP/2: golang.org/x/net's server for frames, flow control and floods (its bounds
// on resets, CONTINUATION and control frames are its own), our handler for every request. The server hands on paths
// with spaces, odd methods, a Host beside :authority and lengths that do not hold; the exchange's serialiser refuses
// all of them, as it does for HTTP/1.
func (v *reading) serveHTTP2() {
	lim := &v.c.g.lim
	headBytes := lim.Wire.HeadBytes
	if headBytes <= 0 {
		headBytes = 64 << 10
	}
	// Heads up to twice the limit are read, so that those beyond it are refused, and recorded, by stream.incoming.
	base := &http.Server{MaxHeaderBytes: 2 * headBytes, ErrorLog: v.c.g.serverLog}
	frames := &frames{Conn: v.tls, v: v}
	frames.in.large = holding{account: v.c.account, lim: lim}
	defer frames.end()
	server := &http2.Server{
		MaxConcurrentStreams: lim.Streams,
		MaxReadFrameSize:     16 << 10, // the least (RFC 9113, section 4.2)
		// What has come of bodies and is not yet read waits in memory, up to this (chosen: a client with 2,048 streams then
		// holds 128 MiB; at a round trip of 10 ms a body passes at 6 MB/s).
		MaxUploadBufferPerStream:     64 << 10,
		MaxUploadBufferPerConnection: 256 << 10,
		IdleTimeout:                  lim.KeepAlive,
		WriteByteTimeout:             lim.WriteStall,
		ReadIdleTimeout:              lim.KeepAlive, // then a PING: the idle time counts without streams only
		CountError:                   frames.countError,
	}
	if err := http2.ConfigureServer(base, server); err != nil {
		v.connect.fail(&fault{reason: policy.ReasonInternal, err: err, deny: true})
		return
	}
	// Frames are the server's to time: a stream may wait for its origin for as long as the exchange allows.
	v.c.timed.ReadStall = 0
	v.c.setDrain(func() {
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		_ = base.Shutdown(gone) // sends GOAWAY and returns; open streams finish
	})
	server.ServeConn(frames, &http2.ServeConnOpts{BaseConfig: base, Handler: http.HandlerFunc(v.handle)})
	v.c.setDrain(nil)
}

// handle serves one stream. A panic is a fault of ours: it ends the stream, and nothing was sent on its account.
func (v *reading) handle(w http.ResponseWriter, h *http.Request) {
	v.handled.Add(1)
	if v.c.g.crew.do(func() {
		r := requests.Get().(*request)
		v.handleStream(w, h, r)
		*r = request{} // it has ended, and is in nobody's hands: a stream that ends in a panic does not come here
		requests.Put(r)
	}) {
		panic(http.ErrAbortHandler)
	}
}

// requests are kept for the next stream.
var requests = sync.Pool{New: func() any { return new(request) }}

func (v *reading) handleStream(w http.ResponseWriter, h *http.Request, r *request) {
	busy, drop := v.c.account.takeStream(&v.c.g.lim)
	defer v.c.account.giveStream()
	if drop {
		v.drop("streams")
		panic(http.ErrAbortHandler)
	}
	all := v.c.g.streams.Add(1) - int64(v.c.g.lim.AllStreams)
	defer v.c.g.streams.Add(-1)
	if all > 0 && busy == nil {
		busy = crowded("all-streams")
	}
	if all > toldStreams {
		v.turnAway("all-streams", &v.c.g.strangers) // a page for each that nobody reads would take what the limit saves
		panic(http.ErrAbortHandler)
	}
	v.begin(r, nil)
	s := newStream(w, h, &v.c.g.lim)
	defer s.end()
	defer r.end()
	defer func() {
		switch cause := recover(); cause {
		case nil:
		case http.ErrAbortHandler: // our own way of resetting the stream
			panic(cause)
		default:
			v.c.g.metrics.Count(EventPanic)
			v.c.g.log.Error("panic", "connection_id", v.c.id, "request_id", r.id, "fault", panicText(cause), "stack", string(debug.Stack()))
			r.fail(&fault{reason: policy.ReasonInternal, deny: true})
			panic(http.ErrAbortHandler)
		}
	}()
	r.method = knownMethod(h.Method)
	r.accept, r.acceptLanguage = h.Header.Get("Accept"), h.Header.Get("Accept-Language")
	r.authority = nameOnly(h.Host) // :authority may hold anything
	in, f := s.incoming()
	large := holding{account: v.c.account, lim: &v.c.g.lim}
	defer large.end()
	switch n := sizeOf(in.fields); {
	case busy != nil:
		f = busy
	case f == nil && n > largeHead && !large.take(n):
		f = crowded("heads")
	}
	if f == nil {
		f = v.serveRequest(r, in, s, nil)
	}
	if f == nil {
		return
	}
	r.refuse(s, f)
	if f.told || f.gone {
		s.abort = true
	}
	if s.abort {
		r.end()
		defer func() { panic(http.ErrAbortHandler) }() // RST_STREAM: half a response must not look whole
	}
}

// drop ends the connection of a client that asks for more than can be refused politely, with a record now and then.
// detail says of what.
func (v *reading) drop(detail string) {
	v.turnAway(detail, v.c.account)
	v.c.tcp.Close()
}

// turnAway counts what is refused without an answer, and records it now and then, as a says.
func (v *reading) turnAway(detail string, a *account) {
	v.c.g.metrics.Count(EventTooMany)
	if a.tell() {
		r := v.begin(new(request), nil)
		r.paced = true
		r.fail(crowded(detail))
		r.end()
	}
}

// largeHead is the size in bytes from which a head counts on the account of its client: what fits the reader of HTTP/1
// costs nothing there.
const largeHead = 4 << 10

func sizeOf(fields []wire.Field) (n int) {
	for i := range fields {
		n += len(fields[i].Name) + len(fields[i].Value)
	}
	return n
}

// stream is the client's side of one HTTP/2 request.
type stream struct {
	w     http.ResponseWriter
	h     *http.Request
	ctx   context.Context
	lim   *Limits
	read  patience // of a read of the body
	write patience // of a write of the response
	added []wire.Field
	begun bool
	close bool
	abort bool
}

func newStream(w http.ResponseWriter, h *http.Request, lim *Limits) *stream {
	s := &stream{w: w, h: h, ctx: h.Context(), lim: lim}
	// The server has no limits of its own on one stream that does not move: neither on a body that does not come nor on a
	// client that gives no window for the answer (RFC 9113, section 5.2).
	s.read = patience{limit: lim.BodyStall, cut: func() { h.Body.Close() }}
	s.write = patience{limit: lim.WriteStall, cut: func() { _ = http.NewResponseController(w).SetWriteDeadline(time.Unix(1, 0)) }}
	return s
}

// end is the last thing that a handler does with its stream.
func (s *stream) end() {
	s.read.end()
	s.write.end()
}

// Read reads the request's body for at most BodyStall.
func (s *stream) Read(p []byte) (int, error) {
	s.read.start()
	n, err := s.h.Body.Read(p)
	if s.read.stop() && n == 0 && err != io.EOF {
		err = &upstream.StallError{Op: "read", Limit: s.lim.BodyStall}
	}
	return n, err
}

// Write writes the response's body for at most WriteStall.
func (s *stream) Write(p []byte) (int, error) {
	s.write.start()
	n, err := s.w.Write(p)
	return n, s.wrote(err)
}

func (s *stream) flush() error {
	s.write.start()
	return s.wrote(http.NewResponseController(s.w).Flush())
}

func (s *stream) wrote(err error) error {
	if s.write.stop() && err != nil {
		return &upstream.StallError{Op: "write", Limit: s.lim.WriteStall}
	}
	return err
}

// incoming reads what the request means.
func (s *stream) incoming() (incoming, *fault) {
	h := s.h
	in := incoming{method: h.Method, path: h.RequestURI, authority: h.Host}
	bad := func(detail string) (incoming, *fault) {
		return in, &fault{reason: refusal.BadRequest, detail: detail, deny: true}
	}
	if h.TLS == nil { // :scheme was not https (RFC 9113, section 8.3.1)
		return bad("scheme")
	}
	if hosts := h.Header["Host"]; len(hosts) > 1 || len(hosts) == 1 && !wire.SameAuthority(hosts[0], h.Host, 443) {
		return bad(wire.CodeHostMismatch)
	}
	lengths := h.Header["Content-Length"]
	if len(lengths) > 1 {
		return bad(wire.CodeContentLengthMany)
	}
	in.fields = make([]wire.Field, 0, len(h.Header)+4)
	for name, values := range h.Header {
		if name == "Host" {
			continue // said by :authority, judged, and set by the serialiser
		}
		for _, value := range values {
			in.fields = append(in.fields, wire.Field{Name: name, Value: value})
		}
	}
	if err := s.lim.Wire.Check(in.method, in.path, in.fields); err != nil {
		var e *wire.Error
		errors.As(err, &e)
		return in, &fault{reason: refusal.HeadTooLarge, status: e.Status(), detail: e.Code, err: err, deny: true}
	}
	switch {
	case h.ContentLength > 0:
		in.framing = wire.Framing{Kind: wire.Length, Length: h.ContentLength}
	case h.ContentLength < 0:
		in.framing = wire.Framing{Kind: wire.Chunked, Trailer: strings.Join(trailerNames(h.Trailer), ", ")}
		in.trailers = s.trailers
	case len(lengths) == 1:
		in.framing = wire.Framing{Kind: wire.Length}
	}
	if in.framing.Kind == wire.Chunked || in.framing.Length > 0 {
		in.body = s
	}
	return in, nil
}

func trailerNames(h http.Header) []string {
	var names []string
	for name := range h {
		names = append(names, name)
	}
	return names
}

// trailers are those of the request, known after its body.
func (s *stream) trailers() []wire.Field {
	var out []wire.Field
	for name, values := range s.h.Trailer {
		for _, value := range values {
			out = append(out, wire.Field{Name: name, Value: value})
		}
	}
	return out
}

func (s *stream) until() context.Context { return s.ctx }
func (s *stream) watch() func() bool     { return func() bool { return s.ctx.Err() == nil } }
func (s *stream) watchBody() func()      { return func() { s.h.Body.Close() } }
func (s *stream) hasBegun() bool         { return s.begun }
func (s *stream) willClose()             { s.close = true }
func (s *stream) add(f []wire.Field)     { s.added = f }

// interim sends a 1xx. The 100 is the server's own: it sends one when the body is first read.
func (s *stream) interim(h *wire.ResponseHead) error {
	if h.Status == 100 {
		return nil
	}
	s.setFields(h)
	s.w.WriteHeader(h.Status)
	clear(s.w.Header())
	return nil
}

// setFields puts the end-to-end fields of h on the response. They have passed the same checks as on HTTP/1.
func (s *stream) setFields(h *wire.ResponseHead) {
	header := s.w.Header()
	fields := wire.HopByHop(h.Fields)
	values := make([]string, 0, len(fields)) // of all fields that stand once: one piece of memory instead of one each
	for _, f := range fields {
		if equalFold(f.Name, "Alt-Svc") { // would lead around the checkpoint (RFC 7838)
			continue
		}
		name := http.CanonicalHeaderKey(f.Name)
		if before := header[name]; before != nil {
			header[name] = append(before, f.Value)
			continue
		}
		values = append(values, f.Value)
		header[name] = values[len(values)-1 : len(values) : len(values)]
	}
}

// heads are for heads that are written to see that they can be.
var heads = sync.Pool{New: func() any { b := make([]byte, 0, 2<<10); return &b }}

func (s *stream) answer(h *wire.ResponseHead, f wire.Framing, body io.Reader, trailers func() []wire.Field) (int64, error) {
	said := heads.Get().(*[]byte)
	b, err := wire.AppendResponse((*said)[:0], h, f, 1, false)
	*said = b[:0]
	heads.Put(said)
	if err != nil {
		return 0, err // what may not be said in HTTP/1 may not be said here
	}
	s.setFields(h)
	header := s.w.Header()
	if f.Kind != wire.NoBody || h.Status == 204 { // which has none (RFC 9110, section 8.6)
		delete(header, "Content-Length")
	}
	if f.Kind == wire.Length {
		header["Content-Length"] = []string{strconv.FormatInt(f.Length, 10)}
	}
	for _, name := range []string{"Content-Type", "Date"} { // the server would guess what is not there
		if _, ok := header[name]; !ok {
			header[name] = nil
		}
	}
	for _, f := range s.added {
		header.Set(f.Name, f.Value)
	}
	if s.close {
		header["Connection"] = []string{"close"} // becomes GOAWAY
	}
	s.begun = true
	s.w.WriteHeader(h.Status)
	if f.Kind == wire.NoBody {
		return 0, nil
	}
	plain := wire.Framing{Kind: wire.UntilClose}
	if f.Kind == wire.Length {
		plain = f
	}
	w := writers.Get().(*bufio.Writer)
	w.Reset(s)
	n, err := wire.WriteBody(w, func() error {
		if err := w.Flush(); err != nil {
			return err
		}
		if done, ok := body.(interface{ Done() bool }); ok && done.Done() {
			// The server sends what it holds together with the end of the stream, in one write instead of two. A client that
			// gives no window then is met by this limit.
			return http.NewResponseController(s.w).SetWriteDeadline(time.Now().Add(s.lim.WriteStall))
		}
		return s.flush()
	}, body, plain, nil)
	w.Reset(nil)
	writers.Put(w)
	if err == nil && trailers != nil {
		for _, t := range trailers() {
			header.Add(http.TrailerPrefix+t.Name, t.Value)
		}
	}
	return n, err
}

// switched is never asked: HTTP/2 has no 101 (RFC 9113, section 8.6), and no Upgrade is passed on from it.
func (s *stream) switched(*wire.ResponseHead) (io.Reader, net.Conn, error) {
	return nil, nil, http.ErrNotSupported
}
