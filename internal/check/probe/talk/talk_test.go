package talk_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"sekisho/internal/check/probe/talk"
)

// ask puts a question to somebody who answers with text, again and again where it is endless.
func ask(t *testing.T, method, text string, endless bool) (talk.Answer, net.Conn, error) {
	t.Helper()
	client, server := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer server.Close()
		_, _ = server.Read(make([]byte, 4096))
		for {
			if _, err := io.WriteString(server, text); err != nil || !endless {
				return
			}
			text = text[strings.Index(text, "\n")+1:] // the status line once
			if !strings.Contains(text, "\n") {
				text = strings.Repeat("x", 4096) + "\n"
			}
		}
	}()
	t.Cleanup(func() { client.Close(); <-done })
	_ = client.SetDeadline(time.Now().Add(30 * time.Second))
	return talk.Ask(client, talk.Question{Method: method, Target: "/", Host: "a.example"})
}

// Whatever comes, the question ends in bounded time and memory, and with an answer or the right error.
func TestHostileAnswersEnd(t *testing.T) {
	for name, c := range map[string]struct {
		text    string
		endless bool
		err     error
	}{
		"endless-head":   {"HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n", true, talk.ErrNotHTTP},
		"endless-line":   {"HTTP/1.1 200 " + strings.Repeat("x", 100), true, talk.ErrNotHTTP},
		"only-interim":   {strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 20), false, talk.ErrNotHTTP},
		"not-http":       {"\x00\x01\r\n\r\n", false, talk.ErrNotHTTP},
		"nothing":        {"", false, io.EOF},
		"half-a-head":    {"HTTP/1.1 200 OK\r\nA", false, talk.ErrNotHTTP},
		"endless-body":   {"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + strings.Repeat("x", 100000), false, nil},
		"until-it-ends":  {"HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 100000), false, nil},
		"chunks-of-lies": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n" + strings.Repeat("x", 100000), false, nil},
	} {
		a, rest, err := ask(t, http.MethodGet, c.text, c.endless)
		if !errors.Is(err, c.err) || rest != nil || len(a.Body) > talk.MaxBody || c.err == nil && a.Status != 200 {
			t.Errorf("%s: status %d, %d bytes, %v, not %v", name, a.Status, len(a.Body), err, c.err)
		}
	}
}

// What a server sends right behind the answer that opens a tunnel is not lost.
func TestEarlyBytesOfATunnelAreKept(t *testing.T) {
	_, rest, err := ask(t, http.MethodConnect, "HTTP/1.1 200 Connection established\r\n\r\nhello", false)
	if err != nil || rest == nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(rest); string(got) != "hello" {
		t.Errorf("the tunnel begins with %q", got)
	}
}
