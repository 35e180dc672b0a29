package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sekisho/internal/policy"
)

// TestAnswersOfRangesAndConditionsPassUnchanged: 206, 416, 304 and HEAD with every field as the origin wrote it. Delivery
// Optimization and the scripts of Intune live by these (RFC 9110, section 14).
func TestAnswersOfRangesAndConditionsPassUnchanged(t *testing.T) {
	w := newWorld(t, baseSpec(), short)
	const parts = "--b\r\nContent-Range: bytes 0-0/10\r\n\r\n0\r\n--b\r\nContent-Range: bytes 9-9/10\r\n\r\n9\r\n--b--\r\n"
	for name, c := range map[string]struct {
		method, fields, answer, body string
	}{
		"one range":        {"GET", "Range: bytes=2-4\r\nIf-Range: \"e\"\r\n", "206 Partial Content\r\nContent-Range: bytes 2-4/10\r\nAccept-Ranges: bytes\r\nETag: \"e\"\r\nContent-Length: 3\r\n", "234"},
		"several ranges":   {"GET", "Range: bytes=0-0,-1\r\n", fmt.Sprintf("206 Partial Content\r\nContent-Type: multipart/byteranges; boundary=b\r\nContent-Length: %d\r\n", len(parts)), parts},
		"an outdated one":  {"GET", "Range: bytes=2-4\r\nIf-Range: \"old\"\r\n", "200 OK\r\nETag: \"e\"\r\nContent-Length: 10\r\n", "0123456789"},
		"none that is":     {"GET", "Range: bytes=100-\r\n", "416 Range Not Satisfiable\r\nContent-Range: bytes */10\r\nContent-Length: 0\r\n", ""},
		"nothing changed":  {"GET", "If-None-Match: \"e\"\r\n", "304 Not Modified\r\nETag: \"e\"\r\nContent-Length: 10\r\n", ""},
		"the head alone":   {"HEAD", "", "200 OK\r\nETag: \"e\"\r\nAccept-Ranges: bytes\r\nContent-Length: 10\r\n", ""},
		"a head of ranges": {"HEAD", "Range: bytes=0-0\r\n", "206 Partial Content\r\nContent-Range: bytes 0-0/10\r\nContent-Length: 1\r\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			o := w.origin(inspectHost)
			o.forget()
			o.setAnswer(func(_ string, _ io.Reader, to io.Writer) bool {
				_, err := io.WriteString(to, "HTTP/1.1 "+c.answer+"Date: Mon, 23 Nov 2026 00:00:00 GMT\r\nContent-Type: text/plain\r\n\r\n"+c.body)
				return err == nil
			})
			got := w.inside(inspectHost, c.method+" / HTTP/1.1\r\nHost: "+inspectHost+"\r\n"+c.fields+"Connection: close\r\n\r\n")
			for _, line := range strings.Split(c.answer, "\r\n") {
				if !strings.Contains(got, line+"\r\n") {
					t.Errorf("HTTP/1.1: %q is not in %q", line, got)
				}
			}
			if _, body, _ := strings.Cut(got, "\r\n\r\n"); body != c.body {
				t.Errorf("HTTP/1.1: the body is %q", body)
			}
			req, _ := http.NewRequest(c.method, "https://"+inspectHost+"/", nil)
			for _, line := range strings.Split(strings.TrimSuffix(c.fields, "\r\n"), "\r\n") {
				if name, value, ok := strings.Cut(line, ": "); ok {
					req.Header.Set(name, value)
				}
			}
			resp, err := w.client(true).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			status, fields, _ := strings.Cut(c.answer, "\r\n")
			if resp.ProtoMajor != 2 || !strings.HasPrefix(status, fmt.Sprint(resp.StatusCode)) || string(body) != c.body {
				t.Errorf("HTTP/2: %s %s %q", resp.Proto, resp.Status, body)
			}
			for _, line := range strings.Split(strings.TrimSuffix(fields, "\r\n"), "\r\n") {
				if name, value, _ := strings.Cut(line, ": "); resp.Header.Get(name) != value {
					t.Errorf("HTTP/2: %s is %q, want %q", name, resp.Header.Get(name), value)
				}
			}
			for _, head := range o.seen() {
				for _, line := range strings.Split(strings.TrimSuffix(c.fields, "\r\n"), "\r\n") {
					if !strings.Contains(head, "\r\n"+line+"\r\n") && line != "" {
						t.Errorf("the origin got %q without %q", head, line)
					}
				}
			}
		})
	}
	w.t = t
}

// endless is a body of n bytes that costs nothing. A client that was cancelled may still be reading it.
type endless struct{ left atomic.Int64 }

func newEndless(n int64) *endless {
	e := &endless{}
	e.left.Store(n)
	return e
}

func (e *endless) Read(p []byte) (int, error) {
	left := e.left.Load()
	if left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), left)
	e.left.Store(left - n)
	return int(n), nil
}

const fiveGB = 5_000_000_000

// TestBodiesOfFiveGigabytesTakeNoMemory announces 5 GB in either direction, by every version and through a tunnel, and
// lets each run for a moment; the first of them runs to its end.
func TestBodiesOfFiveGigabytesTakeNoMemory(t *testing.T) {
	w := newWorld(t, baseSpec(), short)
	block := make([]byte, 1<<20)
	var got atomic.Int64
	give := func(_ string, body io.Reader, to io.Writer) bool {
		_, _ = io.Copy(io.Discard, body)
		_, err := fmt.Fprintf(to, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", int64(fiveGB))
		for left := int64(fiveGB); left > 0 && err == nil; left -= int64(len(block)) {
			_, err = to.Write(block[:min(left, int64(len(block)))])
		}
		return false
	}
	take := func(_ string, body io.Reader, to io.Writer) bool {
		n, _ := io.Copy(io.Discard, body)
		got.Store(n)
		_, _ = io.WriteString(to, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		return false
	}
	for _, c := range []struct {
		name, url string
		h2, up    bool
		whole     bool
	}{
		{name: "down, in the clear", url: "http://" + plainHost + "/", whole: !testing.Short() && !raceEnabled},
		{name: "up, in the clear", url: "http://" + plainHost + "/", up: true},
		{name: "down, HTTP/1.1", url: "https://" + inspectHost + "/"},
		{name: "up, HTTP/1.1", url: "https://" + inspectHost + "/", up: true},
		{name: "down, HTTP/2", url: "https://" + inspectHost + "/", h2: true},
		{name: "up, HTTP/2", url: "https://" + inspectHost + "/", h2: true, up: true},
		{name: "down, in a tunnel", url: "https://" + tunnelHost + "/"},
		{name: "up, in a tunnel", url: "https://" + tunnelHost + "/", up: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.t = t
			for _, o := range w.origins {
				o.muted.Store(true)
				o.setAnswer(give)
				if c.up {
					o.setAnswer(take)
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if !c.whole {
				time.AfterFunc(300*time.Millisecond, cancel)
			}
			var body io.Reader
			method := "GET"
			if c.up {
				body, method = newEndless(fiveGB), "PUT"
			}
			req, _ := http.NewRequestWithContext(ctx, method, c.url, body)
			if c.up {
				req.ContentLength = fiveGB
			}
			client := w.client(c.h2)
			client.Timeout = time.Minute
			runtime.GC()
			var before, now runtime.MemStats
			runtime.ReadMemStats(&before)
			var most uint64
			var watch atomic.Bool
			watched := make(chan bool)
			go func() {
				defer close(watched)
				for !watch.Load() {
					runtime.ReadMemStats(&now)
					most = max(most, now.HeapAlloc)
					time.Sleep(50 * time.Millisecond)
				}
			}()
			start := time.Now()
			resp, err := client.Do(req)
			var n int64
			if err == nil {
				n, err = io.CopyBuffer(io.Discard, struct{ io.Reader }{resp.Body}, block)
				resp.Body.Close()
			}
			watch.Store(true)
			<-watched
			if e, ok := body.(*endless); ok {
				n = fiveGB - e.left.Load()
			}
			t.Logf("%d MB in %v, %d KB more on the heap", n/1e6, time.Since(start), (int64(most)-int64(before.HeapAlloc))/1000)
			if c.whole && (err != nil || n != fiveGB) {
				t.Errorf("%d bytes, %v", n, err)
			}
			if n < 5_000_000 && !raceEnabled {
				t.Errorf("only %d bytes passed: %v", n, err)
			}
			if most > before.HeapAlloc+24<<20 {
				t.Errorf("%d bytes more on the heap", most-before.HeapAlloc)
			}
		})
	}
	w.t = t
}

// TestHalfAnHourOfSilence compresses time 1,000 times: what is silent for 30 minutes of the 35 that the limits allow goes
// on, what is silent for longer ends.
func TestHalfAnHourOfSilence(t *testing.T) {
	const minute = 60 * time.Millisecond
	spec := baseSpec()
	spec.Hosts = append(spec.Hosts, policy.HostSpec{Pattern: policy.At{Text: webSocketHost}, Inspect: true})
	w := newWorld(t, spec, short, func(o *Options) { o.Limits.TunnelIdle, o.Limits.OriginStall = 35*minute, 35*minute })
	w.edition.Catalog = nil // which asks for more than these limits, in true minutes
	w.echo("other.example.com")
	w.add(webSocketHost, false).setAnswer(func(_ string, _ io.Reader, to io.Writer) bool {
		_, _ = io.WriteString(to, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
		_, _ = io.Copy(to, struct{ io.Reader }{to.(net.Conn)})
		return false
	})
	silent := func(d time.Duration) func(string, io.Reader, io.Writer) bool {
		return func(_ string, _ io.Reader, to io.Writer) bool {
			_, _ = io.WriteString(to, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
			time.Sleep(d)
			_, err := io.WriteString(to, "data: 2\n\n")
			return err == nil && false
		}
	}
	ping := func(c net.Conn, wait time.Duration) error {
		_ = c.SetDeadline(time.Now().Add(2*wait + 5*time.Second))
		time.Sleep(wait)
		if _, err := io.WriteString(c, "ping"); err != nil {
			return err
		}
		_, err := io.ReadFull(c, make([]byte, 4))
		return err
	}
	tunnel := func() net.Conn {
		c := w.connect("other.example.com:443")
		hello := namedHello("other.example.com")
		_, _ = c.Write(hello)
		_, _ = io.ReadFull(c, make([]byte, len(hello)))
		return c
	}
	socket := func() net.Conn {
		c := w.secure(webSocketHost, "http/1.1")
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+webSocketHost+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n")
		readHead(t, c)
		return c
	}
	events := func(h2 bool, d time.Duration) error {
		w.origin(inspectHost).setAnswer(silent(d))
		resp, err := w.client(h2).Get("https://" + inspectHost + "/")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err == nil && !bytes.HasSuffix(b, []byte("data: 2\n\n")) {
			err = errors.New(string(b))
		}
		return err
	}
	type try struct {
		name string
		err  error
	}
	tries := make(chan try, 8)
	a, b := tunnel(), socket()
	go func() { tries <- try{"a tunnel", ping(a, 30*minute)} }()
	go func() { tries <- try{"a WebSocket", ping(b, 30*minute)} }()
	go func() { tries <- try{"events by HTTP/1.1", events(false, 30*minute)} }()
	go func() { tries <- try{"events by HTTP/2", events(true, 30*minute)} }()
	for range 4 {
		if r := <-tries; r.err != nil {
			t.Errorf("%s does not survive half an hour: %v", r.name, r.err)
		}
	}
	a, b = tunnel(), socket()
	go func() { tries <- try{"a tunnel", ping(a, 45*minute)} }()
	go func() { tries <- try{"a WebSocket", ping(b, 45*minute)} }()
	go func() { tries <- try{"events by HTTP/1.1", events(false, 45*minute)} }()
	for range 3 {
		if r := <-tries; r.err == nil {
			t.Errorf("%s is kept without end", r.name)
		}
	}
}
