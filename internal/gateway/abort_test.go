package gateway

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sekisho/internal/gateway/upstream"
)

// trickle is a body that goes on until it is closed.
type trickle struct{ ctx context.Context }

func (s trickle) Read(p []byte) (int, error) {
	select {
	case <-s.ctx.Done():
		return 0, io.EOF
	case <-time.After(10 * time.Millisecond):
		return copy(p, "some of a body"), nil
	}
}

// TestAClientsAbortReachesTheOrigin: whatever an exchange is at, and whatever version brought it, the origin learns within
// a second that nobody waits any more.
func TestAClientsAbortReachesTheOrigin(t *testing.T) {
	w := newWorld(t, baseSpec(), short)
	for _, proto := range []string{"plain", "HTTP/1.1", "HTTP/2", "tunnel"} {
		for _, at := range []string{"waiting for an answer", "reading an answer", "sending a body"} {
			t.Run(proto+", "+at, func(t *testing.T) {
				w.t = t
				host, url := inspectHost, "https://"+inspectHost+"/"
				switch proto {
				case "plain":
					host, url = plainHost, "http://"+plainHost+"/"
				case "tunnel":
					host, url = tunnelHost, "https://"+tunnelHost+"/"
				}
				reached, ended := make(chan bool), make(chan bool)
				w.origin(hostOf(host)).setAnswer(func(_ string, body io.Reader, to io.Writer) bool {
					defer close(ended)
					if at == "reading an answer" {
						_, _ = io.WriteString(to, "HTTP/1.1 200 OK\r\n\r\nbegun")
					}
					reached <- true
					if at == "sending a body" {
						_, _ = io.Copy(io.Discard, body)
					} else {
						_, _ = to.(io.Reader).Read(make([]byte, 1))
					}
					return false
				})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var body io.Reader
				method := "GET"
				if at == "sending a body" {
					body, method = trickle{t.Context()}, "POST"
				}
				req, _ := http.NewRequestWithContext(ctx, method, url, body)
				client := w.client(proto == "HTTP/2")
				done := make(chan bool)
				go func() {
					defer close(done)
					if resp, err := client.Do(req); err == nil {
						_, _ = io.Copy(io.Discard, resp.Body)
						resp.Body.Close()
					}
				}()
				<-reached
				start := time.Now()
				cancel()
				select {
				case <-ended:
					if took := time.Since(start); took > time.Second {
						t.Errorf("after %v", took)
					}
				case <-time.After(3 * time.Second):
					t.Error("the origin never learned of it")
				}
				<-done
			})
		}
	}
	w.t = t
}

// TestAnOriginsAbortReachesTheClient: half an answer never looks whole, and a client that still sends learns of it.
func TestAnOriginsAbortReachesTheClient(t *testing.T) {
	w := newWorld(t, baseSpec(), short)
	for _, framing := range []string{"Content-Length: 100000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n5\r\n"} {
		for _, reset := range []bool{false, true} {
			for _, proto := range []string{"plain", "HTTP/1.1", "HTTP/2"} {
				t.Run(fmt.Sprintf("%s, %.8s, reset=%v", proto, framing, reset), func(t *testing.T) {
					w.t = t
					host, url := inspectHost, "https://"+inspectHost+"/"
					if proto == "plain" {
						host, url = plainHost, "http://"+plainHost+"/"
					}
					w.origin(hostOf(host)).setAnswer(func(_ string, _ io.Reader, to io.Writer) bool {
						_, _ = io.WriteString(to, "HTTP/1.1 200 OK\r\n"+framing+"begun")
						time.Sleep(30 * time.Millisecond)
						if c, ok := to.(*net.TCPConn); ok && reset {
							_ = c.SetLinger(0)
						}
						return false
					})
					start := time.Now()
					resp, err := w.client(proto == "HTTP/2").Get(url)
					if err != nil {
						t.Fatal(err)
					}
					defer resp.Body.Close()
					got, err := io.ReadAll(resp.Body)
					if err == nil || !strings.HasPrefix("begun", string(got)) {
						t.Errorf("%q, %v: half an answer looks whole", got, err)
					}
					if took := time.Since(start); took > time.Second {
						t.Errorf("after %v", took)
					}
				})
			}
		}
	}
	for _, proto := range []string{"plain", "HTTP/1.1", "HTTP/2"} {
		t.Run(proto+", in the middle of a body", func(t *testing.T) {
			w.t = t
			host, url := inspectHost, "https://"+inspectHost+"/"
			if proto == "plain" {
				host, url = plainHost, "http://"+plainHost+"/"
			}
			w.origin(hostOf(host)).setAnswer(func(string, io.Reader, io.Writer) bool { return false })
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			req, _ := http.NewRequestWithContext(t.Context(), "POST", url, trickle{ctx})
			start := time.Now()
			resp, err := w.client(proto == "HTTP/2").Do(req)
			if err == nil {
				resp.Body.Close()
				if resp.StatusCode != 502 {
					t.Errorf("%s", resp.Status)
				}
			}
			if took := time.Since(start); took > time.Second {
				t.Errorf("after %v", took)
			}
		})
	}
	w.t = t
}

// TestAnAbandonedRequestEndsItsDial: a client that leaves while its origin is looked up or dialled holds nothing.
func TestAnAbandonedRequestEndsItsDial(t *testing.T) {
	w := newWorld(t, baseSpec(), short)
	dialling, ended := make(chan bool, 1), make(chan time.Duration, 1)
	e := *w.edition
	e.Network.Dial = func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
		start := time.Now()
		select {
		case dialling <- true:
		default:
		}
		<-ctx.Done()
		ended <- time.Since(start)
		return nil, ctx.Err()
	}
	f := w.framed(signInHost) // the connection of before
	f.ask(1, true, usual("GET", signInHost)...)
	if got, _ := f.result(); got != "200" {
		t.Fatal(got)
	}
	w.g.Load(&e)
	w.g.pool.Flush(func(upstream.Key) bool { return false })
	f.ask(3, true, usual("GET", signInHost)...)
	<-dialling
	_ = f.WriteRSTStream(3, 8)
	select {
	case took := <-ended:
		if took > time.Second {
			t.Errorf("after %v", took)
		}
	case <-time.After(3 * time.Second):
		t.Error("the dial goes on for nobody")
	}
}
