package gateway

import (
	"context"
	"io"
	"net/http"
	"testing"

	"sekisho/internal/audit"
	"sekisho/internal/policy"
)

// Inside a connection that is read, a permitted request that came to nothing once left a line in the log and no record:
// the report of an administrator who looks for it was empty.
func TestAFailureInsideAConnectionIsRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, baseSpec(), short)
	for name, c := range map[string]struct {
		answer string // what the origin sends before it closes
		error  string
		status int
	}{
		"no answer":    {"", "upstream-broken", 502},
		"no HTTP":      {"\x00\x01\r\n\r\n", "upstream-broken/status-line", 502},
		"half a body":  {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "upstream-broken", 200},
		"half a chunk": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf", "upstream-broken", 200},
	} {
		for _, h2 := range []bool{false, true} {
			proto := map[bool]string{false: "/HTTP/1.1", true: "/HTTP/2"}[h2]
			t.Run(name+proto, func(t *testing.T) {
				w.t = t
				w.mu.Lock()
				w.records = nil
				w.mu.Unlock()
				w.origin(inspectHost).setAnswer(func(_ string, _ io.Reader, to io.Writer) bool {
					_, _ = io.WriteString(to, c.answer)
					return false
				})
				client := w.client(h2)
				if r, err := client.Get("https://" + inspectHost + "/path?query"); err == nil {
					_, _ = io.Copy(io.Discard, r.Body)
					r.Body.Close()
				}
				client.CloseIdleConnections()
				r := w.waitRecord(func(r audit.Record) bool { return r.Method == "GET" })
				if r.Kind != audit.Decision || r.Verdict != "permit" || r.Host != inspectHost || r.Authority != inspectHost ||
					r.Error != c.error || r.Status != c.status || r.RequestID == "" || r.Connection == "" {
					t.Errorf("recorded as %+v", r)
				}
				w.waitRecord(func(r audit.Record) bool { return r.Method == "CONNECT" })
				if n := len(w.finished()); n != 2 {
					t.Errorf("%d records of a connection and its failure", n)
				}
			})
		}
	}
}

// What the record of the connection covers leaves none: an answer, whatever its status, and a client that went away. A
// sign-in that fails leaves its own and no second.
func TestWhatTheConnectionCoversIsNotRecordedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, baseSpec(), short)
	client := w.client(true)
	w.origin(inspectHost).setAnswer(func(_ string, _ io.Reader, to io.Writer) bool {
		_, _ = io.WriteString(to, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
		return true
	})
	if r, err := client.Get("https://" + inspectHost + "/"); err != nil || r.StatusCode != 503 {
		t.Fatal(r, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan bool)
	w.origin(inspectHost).setAnswer(func(_ string, _ io.Reader, to io.Writer) bool {
		cancel()
		_, _ = to.(io.Reader).Read(make([]byte, 1)) // until the gateway lets go
		close(ended)
		return false
	})
	r, _ := http.NewRequestWithContext(ctx, "GET", "https://"+inspectHost+"/", nil)
	if _, err := client.Do(r); err == nil {
		t.Error("the request was answered")
	}
	<-ended
	w.origin(signInHost).setAnswer(func(string, io.Reader, io.Writer) bool { return false })
	if r, err := client.Get("https://" + signInHost + "/common/oauth2/v2.0/authorize"); err != nil || r.StatusCode != 502 {
		t.Fatal(r, err)
	}
	client.CloseIdleConnections()
	s := w.waitRecord(func(r audit.Record) bool { return r.Kind == audit.SignIn })
	if s.Outcome != "failed" || s.Error != "upstream-broken" || s.Verdict != "permit" {
		t.Errorf("recorded as %+v", s)
	}
	for _, host := range []string{inspectHost, signInHost} {
		w.waitRecord(func(r audit.Record) bool { return r.Method == "CONNECT" && r.Host == host })
	}
	for _, r := range w.finished() {
		if r.Method != "CONNECT" || r.Reason == string(policy.ReasonInternal) {
			t.Errorf("recorded too: %+v", r)
		}
	}
}
