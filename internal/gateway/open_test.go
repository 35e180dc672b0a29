package gateway

import (
	"context"
	"crypto/tls"
	"io"
	"strings"
	"testing"
	"time"

	"sekisho/internal/audit"
	"sekisho/internal/gateway/refusal"
	"sekisho/internal/policy"
	"sekisho/internal/restrict"
)

// waitOpened waits for the n-th record that was opened.
func (w *world) waitOpened(n int) audit.Record {
	w.t.Helper()
	for range 400 {
		w.mu.Lock()
		opened := w.opened
		w.mu.Unlock()
		if len(opened) >= n {
			return opened[n-1]
		}
		time.Sleep(5 * time.Millisecond)
	}
	w.t.Fatalf("%d records were not opened", n)
	return audit.Record{}
}

// finished returns the decisions that have ended.
func (w *world) finished() (out []audit.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.records {
		if r.Kind == audit.Decision {
			out = append(out, r)
		}
	}
	return out
}

func TestWhatLastsIsRecordedAtItsDecision(t *testing.T) {
	for name, c := range map[string]struct {
		host   string
		action string
	}{"tunnel": {tunnelHost, "tunnel"}, "intercepted": {signInHost, "intercept"}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, baseSpec())
			conn := w.secure(c.host, "http/1.1")
			r := w.waitOpened(1)
			if got := w.finished(); len(got) != 0 {
				t.Fatalf("finished while it is open: %+v", got)
			}
			if r.Kind != audit.Decision || r.Verdict != "permit" || r.Action != c.action || r.Host != c.host || r.SNI != c.host ||
				r.Addr == "" || r.Client != "127.0.0.1" || r.Status != 200 || r.TimeMicros == 0 || r.RequestID == "" || r.Ring == "" && c.action == "intercept" {
				t.Errorf("opened as %+v", r)
			}
			_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+c.host+"\r\nConnection: close\r\n\r\n")
			_, _ = io.ReadAll(conn)
			conn.Close()
			end := w.waitRecord(func(e audit.Record) bool { return e.Kind == audit.Decision })
			if end.RequestID != r.RequestID || end.TimeMicros != r.TimeMicros || end.DurationMicros == 0 || end.Error != "" ||
				c.action == "tunnel" && (end.BytesUp == 0 || end.BytesDown == 0) {
				t.Errorf("ended as %+v", end)
			}
			if n := w.open.Load(); n != 0 || len(w.finished()) != 1 {
				t.Errorf("%d stay open, %d have ended", n, len(w.finished()))
			}
		})
	}
}

func TestAPlainRequestIsRecordedWhileItIsAnswered(t *testing.T) {
	w := newWorld(t, baseSpec())
	answer := make(chan struct{})
	w.origin(plainHost).setAnswer(func(_ string, _ io.Reader, to io.Writer) bool {
		<-answer
		_, _ = io.WriteString(to, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		return false
	})
	c := w.dial()
	_, _ = io.WriteString(c, "GET http://"+plainHost+"/a HTTP/1.1\r\nHost: "+plainHost+"\r\nConnection: close\r\n\r\n")
	if r := w.waitOpened(1); r.Action != "forward" || r.Host != plainHost || r.Status != 0 {
		t.Errorf("opened as %+v", r)
	}
	close(answer)
	_, _ = io.ReadAll(c)
	if r := w.waitRecord(func(r audit.Record) bool { return r.Host == plainHost }); r.Status != 200 {
		t.Errorf("ended as %+v", r)
	}
}

func TestARefusalIsRecordedOnce(t *testing.T) {
	w := newWorld(t, baseSpec())
	for _, host := range []string{"files.example.net", "dead.example.com", "nosuch.example.com", "rebind.example.com"} {
		w.raw("CONNECT " + host + ":443 HTTP/1.1\r\nHost: " + host + ":443\r\n\r\n")
		w.waitRecord(func(r audit.Record) bool { return r.Host == host })
	}
	if err := tlsTry(w.connect(tunnelHost+":443"), signInHost); err == nil {
		t.Error("another server name was let through")
	}
	w.waitReason(policy.ReasonSNI)
	w.raw("GET http://other.example.com/ HTTP/1.1\r\nHost: " + plainHost + "\r\n\r\n")
	w.waitReason(refusal.BadRequest)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.opened) != 0 || len(w.records) != 6 {
		t.Errorf("%d opened, %d recorded", len(w.opened), len(w.records))
	}
}

// A fault of ours after the decision, an origin or a client that goes away: what was opened ends.
func TestNothingStaysOpenWhateverHappens(t *testing.T) {
	boom := func() { var e *Edition; _ = e.Number }
	for name, c := range map[string]struct {
		bend func(*Steps)
		do   func(w *world)
		want string // in the error of the record
	}{
		"the leaf cannot be made": {
			bend: func(s *Steps) {
				s.Leaf = func(context.Context, *Edition, policy.Decision) (*tls.Certificate, error) { return nil, io.EOF }
			},
			do: func(w *world) { _ = tlsTry(w.connect(signInHost+":443"), signInHost) },
		},
		"a panic": {
			bend: func(s *Steps) {
				s.Leaf = func(context.Context, *Edition, policy.Decision) (*tls.Certificate, error) { boom(); return nil, nil }
			},
			do:   func(w *world) { _ = tlsTry(w.connect(signInHost+":443"), signInHost) },
			want: "panic",
		},
		"a panic in a request": {
			bend: func(s *Steps) { s.Plan = func(policy.Decision) restrict.Plan { boom(); return restrict.Plan{} } },
			do: func(w *world) {
				w.inside(signInHost, "GET / HTTP/1.1\r\nHost: "+signInHost+"\r\n\r\n")
				w.waitRecord(func(r audit.Record) bool {
					return r.Method == "GET" && r.Verdict == "deny" && r.Reason == "internal" && r.Error == "panic"
				})
			},
			want: "panic",
		},
		"the client goes during the handshake": {
			do: func(w *world) {
				conn := w.connect(signInHost + ":443")
				_, _ = conn.Write(helloBytes(signInHost))
				conn.Close()
			},
			want: "client-handshake",
		},
		"the origin of a tunnel closes": {
			do: func(w *world) {
				w.echo("other.example.com")
				conn := w.connect("other.example.com:443")
				_, _ = conn.Write(helloBytes("other.example.com"))
				w.waitOpened(1)
				w.origin("other.example.com").close()
				_, _ = io.ReadAll(conn)
				conn.Close()
			},
		},
		"the gateway is told to end": {
			do: func(w *world) {
				w.secure(tunnelHost, "http/1.1")
				w.secure(signInHost, "h2")
				w.waitOpened(2)
				ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
				defer cancel()
				_ = w.g.Shutdown(ctx)
			},
		},
		"a reload cuts the tunnel": {
			do: func(w *world) {
				w.secure(tunnelHost, "http/1.1")
				w.waitOpened(1)
				w.g.Load(nil)
			},
			want: "edition-changed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, baseSpec(), func(o *Options) { o.Steps = c.bend })
			c.do(w)
			w.waitOpened(1)
			r := w.waitRecord(func(r audit.Record) bool { return r.Kind == audit.Decision })
			if r.Open || !strings.Contains(r.Error, c.want) {
				t.Errorf("ended as %+v", r)
			}
			for deadline := time.Now().Add(5 * time.Second); w.open.Load() != 0; time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("a record stays open")
				}
			}
		})
	}
}
