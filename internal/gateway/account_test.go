package gateway

import (
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"sekisho/internal/audit"
)

// One client that announced forty thousand short bodies made the gateway hold 700 MB for bytes that never came.
func TestShortBodiesAreHeldWithinTheBudgetOfTheirClient(t *testing.T) {
	w := newWorld(t, baseSpec(), func(o *Options) { o.Limits.PerClientBytes = 20 << 10 })
	post := append(usual("POST", signInHost), "content-length", "32768")
	first, second := w.framed(signInHost), w.framed(signInHost) // two connections, one account
	first.ask(1, false, post...)
	_ = first.WriteData(1, false, make([]byte, 9<<10)) // 16 KiB are held for it
	account := func() int64 {
		w.g.mu.Lock()
		defer w.g.mu.Unlock()
		for _, a := range w.g.perClient {
			return a.held.Load()
		}
		return -1
	}
	for range 100 {
		if account() == 16<<10 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	second.ask(1, false, post...)
	_ = second.WriteData(1, false, make([]byte, 5<<10))
	if got, _ := second.result(); !strings.HasPrefix(got, "503") {
		t.Errorf("the second: %s", got)
	}
	w.waitRecord(func(r audit.Record) bool { return r.Reason == "busy" && r.Error == "bodies" && r.Status == 503 })
	_ = first.WriteRSTStream(1, 8)
	w.waitRecord(func(r audit.Record) bool { return strings.HasSuffix(r.Error, "client-gone") })
	if n := account(); n != 0 {
		t.Errorf("%d bytes stay on the account", n)
	}
	third := w.framed(signInHost)
	third.ask(1, false, append(usual("POST", signInHost), "content-length", "6000")...)
	_ = third.WriteData(1, true, make([]byte, 6000))
	if got, _ := third.result(); got != "200" {
		t.Errorf("afterwards: %s", got)
	}
}

// Thousands of clients that each hold what one client may leave the others theirs, and all of them together are bounded.
func TestWhatAllClientsHoldIsBounded(t *testing.T) {
	lim := Limits{PerClientBytes: 100 << 10, AllBytes: 150 << 10}
	var all atomic.Int64
	a, b, c := account{all: &all}, account{all: &all}, account{all: &all}
	if !a.take(100<<10, &lim) || a.take(1, &lim) {
		t.Error("the first")
	}
	if !b.take(50<<10, &lim) || b.take(1, &lim) {
		t.Error("the second")
	}
	if !c.take(fairBytes, &lim) || c.take(1, &lim) {
		t.Error("the third, which holds little")
	}
	a.give(100 << 10)
	if !b.take(50<<10, &lim) {
		t.Error("when there is room again")
	}
	b.give(100 << 10)
	c.give(fairBytes)
	if n := all.Load(); n != 0 {
		t.Errorf("%d bytes are left", n)
	}
}

// A hundred streams on each of thousands of connections were open for one address at once.
func TestTheStreamsOfOneClientAreBounded(t *testing.T) {
	w := newWorld(t, baseSpec(), func(o *Options) { o.Limits.PerClientStreams = 3 })
	asked, release := make(chan bool, 8), make(chan bool)
	w.origin(signInHost).setAnswer(func(head string, body io.Reader, to io.Writer) bool {
		asked <- true
		<-release
		return okAnswer(head, body, to)
	})
	a, b := w.framed(signInHost), w.framed(signInHost)
	for id := uint32(1); id < 7; id += 2 {
		a.ask(id, true, usual("GET", signInHost)...)
		<-asked
	}
	b.ask(1, true, usual("GET", signInHost)...)
	if got, _ := b.result(); got != "503" {
		t.Error(got)
	}
	w.waitRecord(func(r audit.Record) bool { return r.Reason == "busy" && r.Error == "streams" })
	close(release)
	answers := ""
	for range 3 { // their frames may be mixed
		got, _ := a.result()
		answers += got
	}
	if strings.Count(answers, "200") != 3 {
		t.Error(answers)
	}
	c := w.framed(signInHost)
	c.ask(1, true, usual("GET", signInHost)...)
	if got, _ := c.result(); got != "200" {
		t.Errorf("afterwards: %s", got)
	}
}

// Every client had a bound of its own for what its streams take towards origins, all of them together had none.
func TestTheStreamsOfAllClientsAreBounded(t *testing.T) {
	w := newWorld(t, baseSpec(), func(o *Options) { o.Limits.AllStreams = 2 })
	asked, release := make(chan bool, 8), make(chan bool)
	w.origin(signInHost).setAnswer(func(head string, body io.Reader, to io.Writer) bool {
		asked <- true
		<-release
		return okAnswer(head, body, to)
	})
	a, b := w.framed(signInHost), w.framed(signInHost)
	for id := uint32(1); id < 5; id += 2 {
		a.ask(id, true, usual("GET", signInHost)...)
		<-asked
	}
	b.ask(1, true, usual("GET", signInHost)...)
	if got, _ := b.result(); got != "503" {
		t.Error(got)
	}
	w.waitRecord(func(r audit.Record) bool { return r.Reason == "busy" && r.Error == "all-streams" && r.Status == 503 })
	close(release)
	for range 400 {
		if w.g.streams.Load() == 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if n := w.g.streams.Load(); n != 0 {
		t.Errorf("%d streams stay counted", n)
	}
	c := w.framed(signInHost)
	c.ask(1, true, usual("GET", signInHost)...)
	if got, _ := c.result(); got != "200" {
		t.Errorf("afterwards: %s", got)
	}
}

// A connection that was turned away left neither a record nor a line. A flood of them leaves few.
func TestAConnectionTurnedAwayIsRecorded(t *testing.T) {
	w := newWorld(t, baseSpec(), func(o *Options) { o.Limits.PerClient = 1 })
	w.dial()
	for range 20 {
		if got := w.raw(""); !strings.HasPrefix(got, "HTTP/1.1 503 ") {
			t.Fatalf("%q", got)
		}
	}
	r := w.waitRecord(func(r audit.Record) bool { return r.Reason == "busy" })
	if r.Verdict != "deny" || r.Status != 503 || r.Error != "connections" || r.Client != "127.0.0.1" {
		t.Errorf("%+v", r)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.records); n > 3 || !strings.Contains(w.log.String(), "reason=busy") {
		t.Errorf("%d records, log %s", n, w.log.String())
	}
}

// The limit was 20,000 whatever the process may have: with 256 descriptors one client took them all.
func TestLimitsOnConnectionsFollowTheDescriptors(t *testing.T) {
	n := Descriptors()
	if n < 16 {
		t.Fatalf("%d descriptors", n)
	}
	l := Limits{}.withDefaults()
	if l.Connections > 20_000 || l.Connections > max((n-200)/3, 8) || l.PerClient*4 > max(l.Connections, 4) {
		t.Errorf("%d descriptors: %d connections, %d of one client", n, l.Connections, l.PerClient)
	}
	// One descriptor for each client, one for its origin, the streams and what is kept: all that is above 200 suffices.
	if all := 2*l.Connections + l.AllStreams + l.IdleOrigins; n > 400 && all > n-200 {
		t.Errorf("%d descriptors may be needed, there are %d", all, n)
	}
	if l := (Limits{Connections: 100}).withDefaults(); l.PerClient != 25 {
		t.Errorf("%d of 100 for one client", l.PerClient)
	}
}

// heldBy is what the account of the one client holds.
func (w *world) heldBy() (n int64) {
	w.g.mu.Lock()
	defer w.g.mu.Unlock()
	for _, a := range w.g.perClient {
		n += a.held.Load()
	}
	return n
}

func (w *world) waitNothingHeld() {
	w.t.Helper()
	for range 200 {
		if w.heldBy() == 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	w.t.Errorf("%d bytes stay on the account", w.heldBy())
}

// Fifteen hundred connections with unfinished heads, hellos or CONTINUATION frames held hundreds of megabytes of one
// client, each within the limits of its connection.
func TestWhatDoesNotEndIsHeldWithinTheBudgetOfItsClient(t *testing.T) {
	long := "X: " + strings.Repeat("a", 12<<10) + "\r\n"
	unfinishedHello := append([]byte{22, 3, 1, 0x3f, 0xfc, 1, 0, 0x7f, 0xf0}, make([]byte, 13<<10)...)
	framesOf := func(w *world) *framed {
		f := w.framed(signInHost)
		f.block.Reset()
		fields := append(usual("GET", signInHost), "x", strings.Repeat("~", 12<<10)) // "~" is not shortened
		for i := 0; i < len(fields); i += 2 {
			_ = f.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
		}
		_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.block.Bytes()[:12<<10]})
		return f
	}
	for name, c := range map[string]struct {
		hold func(w *world) io.Closer
		told func(w *world) bool // a second client connection is refused
		want string
	}{
		"heads on the proxy port": {
			hold: func(w *world) io.Closer {
				c := w.dial()
				_, _ = io.WriteString(c, "GET http://x/ HTTP/1.1\r\n"+long)
				return c
			},
			told: func(w *world) bool {
				return strings.HasPrefix(w.raw("GET http://x/ HTTP/1.1\r\n"+long), "HTTP/1.1 503 ")
			},
			want: "heads",
		},
		"heads inside": {
			hold: func(w *world) io.Closer {
				c := w.secure(signInHost, "http/1.1")
				_, _ = io.WriteString(c, "GET / HTTP/1.1\r\n"+long)
				return c
			},
			told: func(w *world) bool {
				return strings.HasPrefix(w.inside(signInHost, "GET / HTTP/1.1\r\n"+long), "HTTP/1.1 503 ")
			},
			want: "heads",
		},
		"hellos": {
			hold: func(w *world) io.Closer {
				c := w.connect(tunnelHost + ":443")
				_, _ = c.Write(unfinishedHello)
				return c
			},
			told: func(w *world) bool {
				c := w.connect(tunnelHost + ":443")
				_, _ = c.Write(unfinishedHello)
				_, err := io.ReadAll(c)
				return err == nil
			},
			want: "hellos",
		},
		"CONTINUATION": {
			hold: func(w *world) io.Closer { return framesOf(w).tls },
			told: func(w *world) bool {
				got, _ := framesOf(w).result()
				return !strings.Contains(got, "timeout")
			},
			want: "heads",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, baseSpec(), func(o *Options) { o.Limits.PerClientBytes = 14 << 10; o.Limits.Linger = 20 * time.Millisecond })
			held := c.hold(w)
			for range 200 {
				if w.heldBy() > 4<<10 {
					break
				}
				time.Sleep(5 * time.Millisecond)
			}
			if !c.told(w) {
				t.Error("a second was taken, too")
			}
			w.waitRecord(func(r audit.Record) bool { return r.Reason == "busy" && r.Error == c.want })
			held.Close()
			w.waitNothingHeld()
			if got := w.inside(signInHost, "GET / HTTP/1.1\r\nHost: "+signInHost+"\r\n"+long[:9<<10]+"\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
				t.Errorf("afterwards: %q", cut(got, 100))
			}
			w.waitNothingHeld()
			w.checkAll()
		})
	}
}

// A client that read none of the refusals left a hundred pages waiting on each of thousands of connections: 4 GB.
func TestRefusalsThatNobodyReadsAreFew(t *testing.T) {
	w := newWorld(t, baseSpec(), quiet, func(o *Options) { o.Limits.PerClientStreams = 1 })
	asked, release := make(chan bool, 8), make(chan bool)
	w.origin(signInHost).setAnswer(func(head string, body io.Reader, to io.Writer) bool {
		asked <- true
		<-release
		return okAnswer(head, body, to)
	})
	defer close(release)
	first := w.framed(signInHost)
	first.ask(1, true, usual("GET", signInHost)...)
	<-asked
	f := w.framed(signInHost)
	f.ask(1, true, usual("GET", signInHost)...)
	if got, _ := f.result(); got != "503" {
		t.Errorf("one beyond the limit is told: %q", got)
	}
	for range 5 { // connections that say goodbye after their first refusal, or are ended
		silent := w.framed(signInHost)
		for id := uint32(1); id < 400; id += 2 {
			silent.ask(id, true, usual("GET", signInHost)...) // the window is soon used up: pages wait
		}
	}
	streams := func() (n int64) {
		w.g.mu.Lock()
		defer w.g.mu.Unlock()
		for _, a := range w.g.perClient {
			n += a.streams.Load()
		}
		return n
	}
	for range 400 {
		if streams() <= 1+toldStreams {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if n := streams(); n > 1+toldStreams {
		t.Errorf("%d requests are held", n)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.records); n > 10*toldStreams {
		t.Errorf("%d records", n)
	}
}
