//go:build linux

package clients

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sekisho/test/world"
)

// witness is an upstream proxy that answers every CONNECT itself, as the origin, and keeps each request head as it was
// written by the gateway.
type witness struct {
	address string
	trust   string // file with the root of its certificates

	mu    sync.Mutex
	heads []string
}

func newWitness(t *testing.T, names ...string) *witness {
	t.Helper()
	authority, err := world.NewAuthority("Witness")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	leaf := filepath.Join(dir, "leaf.pem")
	w := &witness{trust: filepath.Join(dir, "root.pem")}
	if err := authority.Write(w.trust, ""); err != nil {
		t.Fatal(err)
	}
	if err := authority.Leaf(leaf, names); err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.LoadX509KeyPair(leaf, leaf)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.address = l.Addr().String()
	var open sync.WaitGroup
	t.Cleanup(func() { l.Close(); open.Wait() })
	ended := t.Context()
	open.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				defer conn.Close()
				go func() { <-ended.Done(); conn.Close() }()
				w.answer(conn, &tls.Config{Certificates: []tls.Certificate{certificate}})
			})
		}
	})
	return w
}

// answer reads one CONNECT and then requests, whose bodies have a length or are none.
func (w *witness) answer(conn net.Conn, config *tls.Config) {
	if _, err := head(bufio.NewReaderSize(conn, 16)); err != nil { // the ClientHello comes after the answer
		return
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
	secure := tls.Server(conn, config)
	for requests := bufio.NewReader(secure); ; {
		text, err := head(requests)
		if err != nil {
			return
		}
		w.mu.Lock()
		w.heads = append(w.heads, text)
		w.mu.Unlock()
		if _, rest, found := strings.Cut(text, "\r\nContent-Length: "); found {
			var length int64
			if _, err := fmt.Sscan(rest, &length); err != nil {
				return
			}
			if _, err := io.CopyN(io.Discard, requests, length); err != nil {
				return
			}
		}
		if _, err := io.WriteString(secure, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil {
			return
		}
	}
}

// head reads up to the empty line.
func head(r *bufio.Reader) (string, error) {
	var text strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", err
		}
		text.WriteString(line)
		if line == "\r\n" {
			return text.String(), nil
		}
	}
}

// restrictions are the lines of a head that a profile writes, in order, whatever their spelling.
func restrictions(head string) string {
	var found strings.Builder
	for line := range strings.Lines(head) {
		if strings.Contains(strings.ToLower(line), "restrict-") {
			found.WriteString(line)
		}
	}
	return found.String()
}

// turning is a configuration of a series in which profile, version and rings change.
const turning = `version: 1
organisation: {name: Contoso}
features: [entra.sign-in]
profiles:
  - name: one
    version: v1
    permitted-tenants: [contoso.com, fabrikam.com]
    context: 3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31
    consumer-accounts: block
  - name: two
    version: v2
    policy: 3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31:5ab3c1f0-17a9-4f4e-8a57-0d1f62a3b9c4
  - name: three
    version: v1
    permitted-tenants: [example.org]
    context: 9f1c2b7e-3d44-4d0a-8c55-6a7b8c9d0e1f
    consumer-accounts: block
rings:
%s
network:
  trust: %s
  upstream-proxy:
    address: %s
    resolve: false
`

// TestAHundredReloadsOfTheProgramUnderLoad has the built program judge a hundred configurations one after the other, told by
// the command, by SIGHUP and by the changed file alone, while two clients over HTTP/1.1 and two over HTTP/2 ask without a
// pause. At the origin's socket each request carries the headers of one profile whole, and once the command has said that
// an edition judges, no request that begins later carries another's.
func TestAHundredReloadsOfTheProgramUnderLoad(t *testing.T) {
	const (
		everyone = "  - name: everyone\n    mode: enforce\n    profile: %s"
		narrow   = "  - name: here\n    clients: [127.0.0.0/8]\n    mode: enforce\n    profile: %s\n" + everyone
		reloads  = 100
	)
	w := newWitness(t, signIn)
	steps := []struct{ rings, want string }{
		{fmt.Sprintf(everyone, "one"), "Restrict-Access-To-Tenants: contoso.com,fabrikam.com\r\nRestrict-Access-Context: 3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31\r\n"},
		{fmt.Sprintf(everyone, "two"), "sec-Restrict-Tenant-Access-Policy: 3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31:5ab3c1f0-17a9-4f4e-8a57-0d1f62a3b9c4\r\n"},
		{fmt.Sprintf(narrow, "three", "two"), "Restrict-Access-To-Tenants: example.org\r\nRestrict-Access-Context: 9f1c2b7e-3d44-4d0a-8c55-6a7b8c9d0e1f\r\n"},
	}
	of := map[string]int{} // the step by its headers
	for i, s := range steps {
		of[s.want] = i
	}
	file := filepath.Join(t.TempDir(), "sekisho.yaml")
	write := func(step int) {
		t.Helper()
		text := fmt.Sprintf(turning, steps[step].rings, w.trust, w.address)
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	write(0)
	c := up(t, withoutLab, "--config", file)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(get(t, c.operations+"ca.pem")))

	// A request's path says which reload the program had confirmed when it began.
	var confirmed, sent, answered atomic.Int64
	var stop atomic.Bool
	var wait sync.WaitGroup
	proxy := &url.URL{Scheme: "http", Host: c.gateway}
	for worker := range 4 {
		transport := &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: worker%2 == 1}
		if worker%2 == 0 {
			transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
		}
		client := &http.Client{Transport: transport, Timeout: clientLimit}
		wait.Go(func() {
			defer transport.CloseIdleConnections()
			for !stop.Load() {
				sent.Add(1)
				resp, err := client.Get(fmt.Sprintf("https://%s/common/%d", signIn, confirmed.Load()))
				if err != nil {
					t.Logf("worker %d: %v", worker, err)
					continue
				}
				_, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 1+worker%2 || err != nil {
					t.Errorf("worker %d: %s %s %v", worker, resp.Proto, resp.Status, err)
				}
				answered.Add(1)
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	edition := func() string {
		_, rest, _ := strings.Cut(get(t, c.operations+"readyz"), `"edition":`)
		number, _, _ := strings.Cut(rest, ",")
		return strings.TrimSpace(number)
	}
	for i := 1; i <= reloads; i++ {
		before := edition()
		write(i % len(steps))
		switch {
		case i%25 == 0: // nobody says anything
			await(t, "the changed file", func() bool { return edition() != before })
		case i%2 == 0:
			_ = c.process.Process.Signal(syscall.SIGHUP)
			await(t, "the signal", func() bool { return edition() != before })
		default:
			if r := c.sekisho(t, "reload"); r.code != 0 {
				t.Fatalf("reload %d: exit code %d\n%s%s", i, r.code, r.out, r.err)
			}
		}
		confirmed.Store(int64(i))
	}
	stop.Store(true)
	wait.Wait()

	w.mu.Lock()
	defer w.mu.Unlock()
	seen := make([]int, len(steps))
	for _, head := range w.heads {
		var began int
		if _, err := fmt.Sscanf(head, "GET /common/%d ", &began); err != nil {
			t.Fatalf("%q", head)
		}
		step, exact := of[restrictions(head)]
		if !exact {
			t.Fatalf("the headers of no profile, or of several: %q", head)
		}
		seen[step]++
		// The next configuration may judge before it is confirmed; one before may not.
		if step != began%len(steps) && step != (began+1)%len(steps) {
			t.Fatalf("begun after reload %d, with the headers of another configuration: %q", began, head)
		}
	}
	for step, n := range seen {
		if n < reloads/2 {
			t.Errorf("configuration %d: only %d requests", step, n)
		}
	}
	if lost := sent.Load() - answered.Load(); lost > 0 {
		t.Errorf("%d of %d requests were not answered", lost, sent.Load())
	}
	t.Logf("%v requests for each configuration, %d sent", seen, sent.Load())
}
