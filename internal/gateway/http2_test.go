package gateway

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"sekisho/internal/audit"
)

// framed is a client that speaks HTTP/2 frame by frame.
type framed struct {
	t   *testing.T
	tls *tls.Conn
	*http2.Framer
	block bytes.Buffer
	enc   *hpack.Encoder
}

func (w *world) framed(host string) *framed {
	w.t.Helper()
	c := w.secure(host, "h2")
	_, _ = io.WriteString(c, http2.ClientPreface)
	f := &framed{t: w.t.(*testing.T), tls: c, Framer: http2.NewFramer(c, c)}
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	f.enc = hpack.NewEncoder(&f.block)
	_ = f.WriteSettings()
	return f
}

// usual are the pseudo fields of a request to host.
func usual(method, host string) []string {
	return []string{":method", method, ":scheme", "https", ":authority", host, ":path", "/"}
}

// ask sends a head, in as many frames as it takes.
func (f *framed) ask(id uint32, end bool, fields ...string) {
	f.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = f.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	b := f.block.Bytes()
	n := min(len(b), 16<<10)
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: b[:n], EndStream: end, EndHeaders: n == len(b)})
	for b = b[n:]; len(b) > 0; b = b[n:] {
		n = min(len(b), 16<<10)
		_ = f.WriteContinuation(id, n == len(b), b[:n])
	}
}

// result reads until the answer or the connection has ended: "200", "200 RST INTERNAL_ERROR", "GOAWAY PROTOCOL_ERROR".
func (f *framed) result() (string, http.Header) {
	f.t.Helper()
	var said []string
	head := http.Header{}
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return strings.Join(said, " "), head
			}
			return strings.Join(append(said, err.Error()), " "), head
		}
		ended := false
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			said = append(said, frame.PseudoValue("status"))
			for _, h := range frame.RegularFields() {
				head.Add(h.Name, h.Value)
			}
			ended = frame.StreamEnded()
		case *http2.DataFrame:
			ended = frame.StreamEnded()
		case *http2.RSTStreamFrame:
			said, ended = append(said, "RST "+frame.ErrCode.String()), true
		case *http2.GoAwayFrame:
			if frame.ErrCode != http2.ErrCodeNo {
				said = append(said, "GOAWAY "+frame.ErrCode.String())
			}
		}
		if ended {
			return strings.Join(said, " "), head
		}
	}
}

func impatient(o *Options) {
	o.Limits.BodyStall, o.Limits.WriteStall = 300*time.Millisecond, 300*time.Millisecond
}

// A POST that announced a body and sent none stayed open for as long as its connection, a hundred on each.
func TestAnHTTP2BodyThatDoesNotComeEndsItsRequest(t *testing.T) {
	for _, length := range []string{"100", "100000", ""} { // read whole before the origin is asked; sent on as it comes
		w := newWorld(t, baseSpec(), impatient)
		f := w.framed(signInHost)
		fields := usual("POST", signInHost)
		if length != "" {
			fields = append(fields, "content-length", length)
		}
		f.ask(1, false, fields...)
		if got, _ := f.result(); !strings.HasPrefix(got, "408") {
			t.Errorf("length %q: %s", length, got)
		}
		w.waitRecord(func(r audit.Record) bool { return r.Error == "request-timeout/body-timeout" && r.Status == 408 })
	}
}

// A client that gave no window for the answer held its stream, and the connection to the origin, without end.
func TestAnHTTP2ClientThatGivesNoWindowIsReset(t *testing.T) {
	w := newWorld(t, baseSpec(), impatient)
	w.origin(signInHost).setAnswer(func(_ string, _ io.Reader, to io.Writer) bool {
		_, _ = io.WriteString(to, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
		_, err := to.Write(make([]byte, 1000000))
		return err == nil
	})
	f := w.framed(signInHost)
	f.ask(1, true, usual("GET", signInHost)...)
	if got, _ := f.result(); got != "200 RST INTERNAL_ERROR" {
		t.Error(got)
	}
}

// A wait of the origin is not the client's: patience counts while bytes are waited for, not between.
func TestPatienceDoesNotCountTheOriginsSilence(t *testing.T) {
	w := newWorld(t, baseSpec(), impatient)
	w.origin(signInHost).setAnswer(func(_ string, body io.Reader, to io.Writer) bool {
		_, _ = io.Copy(io.Discard, body)
		_, _ = io.WriteString(to, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhe")
		time.Sleep(500 * time.Millisecond)
		_, err := io.WriteString(to, "re")
		return err == nil
	})
	f := w.framed(signInHost)
	f.ask(1, true, usual("GET", signInHost)...)
	if got, _ := f.result(); got != "200" {
		t.Error(got)
	}
}

// events counts.
type events struct {
	noMetrics
	panics atomic.Int64
}

func (e *events) Count(one Event) {
	if one == EventPanic {
		e.panics.Add(1)
	}
}

// Browsers cancel streams all day; each was logged with a stack and counted as a fault of Sekisho.
func TestACancelledStreamIsNoPanic(t *testing.T) {
	var seen events
	w := newWorld(t, baseSpec(), func(o *Options) { o.Metrics = &seen })
	begun := make(chan bool, 1)
	w.origin(signInHost).setAnswer(func(_ string, _ io.Reader, to io.Writer) bool {
		_, err := io.WriteString(to, "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
		begun <- true
		for err == nil {
			_, err = to.Write(make([]byte, 10000))
		}
		return false
	})
	f := w.framed(signInHost)
	f.ask(1, true, usual("GET", signInHost)...)
	<-begun
	_ = f.WriteRSTStream(1, http2.ErrCodeCancel)
	w.waitRecord(func(r audit.Record) bool { return r.Kind == audit.SignIn && strings.HasSuffix(r.Error, "client-gone") })
	if n := seen.panics.Load(); n != 0 || strings.Contains(w.log.String(), "msg=panic") {
		t.Errorf("%d panics, log %s", n, w.log.String())
	}
}

// What the HTTP/2 server refuses by itself left no record at all.
func TestWhatTheHTTP2ServerRefusesLeavesARecord(t *testing.T) {
	good := usual("GET", signInHost)
	for name, c := range map[string]struct {
		fields []string
		told   string
		detail string // beginning
	}{
		"a second authority":       {append(good[:6:6], ":authority", "evil.example", ":path", "/"), "RST PROTOCOL_ERROR", "h2-"},
		"capitals in a name":       {append(good[:8:8], "Foo", "x"), "RST PROTOCOL_ERROR", "h2-"},
		"no path":                  {good[:6], "RST PROTOCOL_ERROR", "h2-bad-path-method"},
		"CR LF in a value":         {append(good[:8:8], "x", "a\r\nrestrict-access-context: b"), "RST PROTOCOL_ERROR", "h2-"},
		"connection":               {append(good[:8:8], "connection", "restrict-access-to-tenants"), "400", "h2-head-refused"},
		"transfer-encoding":        {append(good[:8:8], "transfer-encoding", "chunked"), "400", "h2-head-refused"},
		"upgrade":                  {append(good[:8:8], "upgrade", "h2c"), "400", "h2-head-refused"},
		"extended CONNECT":         {append([]string{":protocol", "websocket"}, usual("CONNECT", signInHost)...), "", "h2-"},
		"a head beyond all limits": {append(good[:8:8], "x", strings.Repeat("a", 150<<10)), "", "h2-"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, baseSpec())
			f := w.framed(signInHost)
			f.ask(1, true, c.fields...)
			if got, _ := f.result(); c.told != "" && got != c.told {
				t.Errorf("told %q", got)
			}
			for id := uint32(3); id < 9; id += 2 { // one record a connection, whatever else is sent
				f.ask(id, true, c.fields...)
			}
			f.ask(9, true, usual("GET", signInHost)...)
			f.tls.Close()
			r := w.waitRecord(func(r audit.Record) bool { return strings.HasPrefix(r.Error, "h2-") })
			if r.Verdict != "deny" || r.Reason != "bad-request" || r.Host != signInHost || !strings.HasPrefix(r.Error, c.detail) {
				t.Errorf("%+v", r)
			}
			n := 0
			w.mu.Lock()
			for _, r := range w.records {
				if strings.HasPrefix(r.Error, "h2-") {
					n++
				}
			}
			w.mu.Unlock()
			if heads := fmt.Sprint(w.origin(signInHost).seen()); n != 1 || strings.Contains(heads, "evil") {
				t.Errorf("%d records; the origin saw %s", n, heads)
			}
		})
	}
}

// A head that HTTP/1 answers with 431 was sent on by HTTP/2.
func TestTheLimitsOfHeadsHoldForHTTP2(t *testing.T) {
	good := usual("GET", signInHost)
	var many []string
	for i := range 300 {
		many = append(many, fmt.Sprint("x-", i), "y")
	}
	long := strings.Repeat("a", 20<<10)
	for name, c := range map[string]struct {
		fields []string
		status string
		detail string
	}{
		"many fields":      {append(good[:8:8], many...), "431", "fields-too-many"},
		"a long field":     {append(good[:8:8], "x", long), "431", "field-too-long"},
		"a long path":      {append(good[:6:6], ":path", "/"+long), "414", "target-too-long"},
		"many long fields": {append(good[:8:8], "a", long[:16000], "b", long[:16000], "c", long[:16000], "d", long[:16000], "e", long[:16000]), "431", "head-too-long"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, baseSpec())
			f := w.framed(signInHost)
			f.ask(1, true, c.fields...)
			if got, _ := f.result(); got != c.status {
				t.Errorf("told %q", got)
			}
			w.waitRecord(func(r audit.Record) bool { return r.Reason == "head-too-large" && r.Error == c.detail })
			if n := w.origin(signInHost).bytes(); n != 0 {
				t.Errorf("%d bytes reached the origin", n)
			}
		})
	}
}

// A 204 with a length is no 204 (RFC 9110, section 8.6): some clients wait for the bytes.
func TestA204HasNoLengthOnHTTP2(t *testing.T) {
	w := newWorld(t, baseSpec())
	w.origin(signInHost).setAnswer(func(_ string, _ io.Reader, to io.Writer) bool {
		_, _ = io.WriteString(to, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n")
		return false
	})
	f := w.framed(signInHost)
	f.ask(1, true, usual("GET", signInHost)...)
	if got, head := f.result(); got != "204" || head.Get("Content-Length") != "" {
		t.Errorf("%s %v", got, head)
	}
}

func hpackField(name, value string) hpack.HeaderField {
	return hpack.HeaderField{Name: name, Value: value}
}
