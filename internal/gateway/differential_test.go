package gateway

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"sekisho/internal/endpoint"
	"sekisho/internal/restrict"
)

// The rule of the house, for every pair of versions: whatever a client sends, by HTTP/1.0, 1.1 or 2, a sign-in host gets
// each of its headers exactly once, byte for byte, and nobody gets any other. A message is a list of bytes that a fuzzer
// chooses; what it means is written here, once for each version, so that both sides are told the same.

// message is a request as it is meant.
type message struct {
	host          endpoint.Host
	method, path  string
	fields        [][2]string // names as they are written by HTTP/1; HTTP/2 folds their case
	body          []byte
	chunked       bool
	trailers      [][2]string
	authority     string
	schemeOfH2    string
	absolute, old bool
}

// pieces are what messages are made of: names and values that gateways have stumbled over among ordinary ones.
var pieces = struct{ methods, paths, names, values []string }{
	methods: []string{"GET", "POST", "HEAD", "PUT", "OPTIONS", "DELETE", "PATCH", "BITS_POST", "TRACE", "get", "GET\t", ""},
	paths:   []string{"/", "/common/oauth2/v2.0/authorize?client_id=a", "/a/../b", "//x/y", "/%2e%2e/", "/?a#b", "*", "/a b", "", "x", "/\x00", "https://" + tunnelHost + "/"},
	names: []string{"Accept", "Cookie", "X-Forwarded-Host", "Restrict-Access-To-Tenants", "restrict-access-context", "RESTRICT_ACCESS_TO_TENANTS",
		"Sec-Restrict-Tenant-Access-Policy", "sec_restrict_tenant_access_policy", "Restrict-Access-To-Tenant", "sec-tenant-restriction-access-policy",
		"Connection", "Keep-Alive", "Proxy-Connection", "Upgrade", "TE", "Trailer", "Content-Length", "Transfer-Encoding", "Host", "Expect", "Via",
		"Content_Length", "X Y", "X:Y", "", "X\r\nRestrict-Access-Context", "Restrict-Access-Context ", "ｘ", "Alt-Used", "Sec-WebSocket-Key", "HTTP2-Settings"},
	values: []string{"x", "", "evil", "close", "keep-alive, Restrict-Access-To-Tenants", "trailers", "chunked", "0", "3", "+3", "3, 3", "h2c", "websocket", "100-continue",
		signInHost, tunnelHost, "a\r\nRestrict-Access-Context: evil", "a\nb", "a\rb", "a\x00b", "\xff\xe3", "restrict-access-context, x", strings.Repeat("v", 5000)},
}

// read makes a message of data: each byte chooses.
func readMessage(data []byte) message {
	next := func(n int) int {
		if len(data) == 0 {
			return 0
		}
		b := int(data[0])
		data = data[1:]
		return b % n
	}
	hosts := []endpoint.Host{signInHost, signInHost, liveHost, inspectHost}
	m := message{host: hosts[next(len(hosts))], schemeOfH2: "https"}
	m.method, m.path = pieces.methods[next(len(pieces.methods))], pieces.paths[next(len(pieces.paths))]
	m.authority = []string{string(m.host), string(m.host), string(m.host) + ":443", strings.ToUpper(string(m.host)) + ".", tunnelHost, "u@" + string(m.host), string(m.host) + ":80", "", string(m.host) + "/x"}[next(9)]
	for range next(6) {
		m.fields = append(m.fields, [2]string{pieces.names[next(len(pieces.names))], pieces.values[next(len(pieces.values))]})
	}
	m.absolute, m.old, m.chunked = next(5) == 1, next(6) == 1, next(3) == 1
	m.body = bytes.Repeat([]byte("b"), []int{0, 0, 3, 40000}[next(4)])
	if m.chunked && next(2) == 1 {
		m.trailers = append(m.trailers, [2]string{pieces.names[next(len(pieces.names))], pieces.values[next(len(pieces.values))]})
	}
	return m
}

// http1 writes m as HTTP/1.
func (m *message) http1() []byte {
	var b bytes.Buffer
	version, target := "HTTP/1.1", m.path
	if m.old {
		version = "HTTP/1.0"
	}
	if m.absolute {
		target = "https://" + m.authority + m.path
	}
	fmt.Fprintf(&b, "%s %s %s\r\nHost: %s\r\n", m.method, target, version, m.authority)
	for _, f := range m.fields {
		fmt.Fprintf(&b, "%s: %s\r\n", f[0], f[1])
	}
	switch {
	case m.chunked:
		b.WriteString("Transfer-Encoding: chunked\r\n")
		for _, f := range m.trailers {
			fmt.Fprintf(&b, "Trailer: %s\r\n", f[0])
		}
		b.WriteString("\r\n")
		if len(m.body) > 0 {
			fmt.Fprintf(&b, "%x\r\n%s\r\n", len(m.body), m.body)
		}
		b.WriteString("0\r\n")
		for _, f := range m.trailers {
			fmt.Fprintf(&b, "%s: %s\r\n", f[0], f[1])
		}
		b.WriteString("\r\n")
	case len(m.body) > 0:
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(m.body), m.body)
	default:
		b.WriteString("\r\n")
	}
	return b.Bytes()
}

// sendFramed writes m as one stream of HTTP/2.
func (m *message) sendFramed(f *framed) {
	fields := []string{":method", m.method, ":scheme", m.schemeOfH2, ":path", m.path, ":authority", m.authority}
	for _, x := range m.fields {
		fields = append(fields, strings.ToLower(x[0]), x[1])
	}
	if !m.chunked && len(m.body) > 0 {
		fields = append(fields, "content-length", fmt.Sprint(len(m.body)))
	}
	for _, x := range m.trailers {
		fields = append(fields, "trailer", x[0])
	}
	f.ask(1, len(m.body) == 0 && len(m.trailers) == 0, fields...)
	for b := m.body; len(b) > 0; {
		n := min(len(b), 16<<10)
		_ = f.WriteData(1, n == len(b) && len(m.trailers) == 0, b[:n])
		b = b[n:]
	}
	if len(m.trailers) > 0 {
		f.ask(1, true, strings.ToLower(m.trailers[0][0]), m.trailers[0][1])
	}
}

// tellsOf holds a head that reached an origin against the rule, by a reader of its own.
func tellsOf(host endpoint.Host, head string) error {
	want := map[string]string{}
	switch host {
	case signInHost:
		want[strings.ToLower(restrict.HeaderTenants)], want[strings.ToLower(restrict.HeaderContext)] = tenants, tenantID
	case liveHost:
		want[strings.ToLower(restrict.HeaderPolicy)] = restrict.BlockConsumers
	}
	for _, line := range strings.FieldsFunc(head, func(c rune) bool { return c == '\r' || c == '\n' }) {
		name, value, _ := strings.Cut(line, ":")
		name = strings.ToLower(strings.ReplaceAll(strings.TrimSpace(name), "_", "-"))
		if !strings.HasPrefix(name, "restrict-access-") && !strings.HasPrefix(name, "sec-restrict-") && !strings.HasPrefix(name, "sec-tenant-") {
			continue
		}
		if w, ok := want[name]; !ok || value != " "+w {
			return fmt.Errorf("%s got %q", host, line)
		}
		delete(want, name)
	}
	if len(want) > 0 {
		return fmt.Errorf("%s did not get %v: %q", host, want, head)
	}
	return nil
}

// tell sends m by both versions and holds what reached the origin against the rule, and against each other.
func (w *world) tell(t *testing.T, m *message) {
	o := w.origin(m.host)
	var reached [2][]string
	for i := range reached {
		o.forget()
		if i == 0 {
			c := w.secure(string(m.host), "http/1.1")
			_, _ = c.Write(m.http1())
			_ = c.CloseWrite()
			_ = c.SetReadDeadline(time.Now().Add(3 * time.Second))
			_, _ = io.Copy(io.Discard, c)
			c.Close()
		} else {
			f := w.framed(string(m.host))
			_ = f.tls.SetReadDeadline(time.Now().Add(3 * time.Second))
			m.sendFramed(f)
			f.verdict()
			f.tls.Close()
		}
		reached[i] = o.seen()
		for _, head := range reached[i] {
			if err := tellsOf(m.host, head); err != nil {
				t.Errorf("%v\nsent as %q", err, m.http1())
			}
			if got := strings.Count(head, "\r\nHost: "+string(m.host)+"\r\n"); got != 1 {
				t.Errorf("%d times Host in %q", got, head)
			}
		}
		if len(reached[i]) > 1 {
			t.Errorf("one message became %d: %q", len(reached[i]), reached[i])
		}
	}
	explained(t, o)
	// What one version refuses for its names, values, method or path, the other refuses, too.
	if !m.plainSense() || len(reached[0]) == len(reached[1]) {
		return
	}
	t.Errorf("HTTP/1 reached the origin %d times and HTTP/2 %d times with %q", len(reached[0]), len(reached[1]), m.http1())
}

// plainSense reports whether m means the same in both versions: no field that only one of them knows.
func (m *message) plainSense() bool {
	if m.old || m.absolute || m.path == "*" || m.method == "TRACE" || m.authority == "" || len(m.trailers) > 0 || m.chunked && len(m.body) == 0 {
		return false
	}
	for _, f := range m.fields {
		if strings.Contains(f[0]+f[1], "\r\n") {
			return false // two fields to HTTP/1
		}
		switch http.CanonicalHeaderKey(f[0]) {
		case "Connection", "Keep-Alive", "Proxy-Connection", "Upgrade", "Te", "Trailer", "Content-Length", "Transfer-Encoding", "Host", "Expect", "Http2-Settings":
			return false
		}
	}
	return true
}

// FuzzWhateverAClientMeans is the differential fuzz of both versions against the rule.
func FuzzWhateverAClientMeans(f *testing.F) {
	for _, seed := range [][]byte{{0}, {2, 1, 1, 0, 2, 3, 2, 4, 3}, {0, 1, 0, 0, 1, 3, 2, 0, 0, 0, 2}, {3, 3, 0, 0, 5, 3, 2, 4, 2, 6, 2, 7, 2, 8, 2}, {0, 1, 1, 2, 0, 0, 0, 1, 3, 1, 4, 2}} {
		f.Add(seed)
	}
	w := newWorld(f, baseSpec(), short)
	f.Fuzz(func(t *testing.T, data []byte) {
		w.t = t
		m := readMessage(data)
		w.tell(t, &m)
	})
}

// TestWhateverAClientMeans is the same over a fixed random choice, so that every run of the tests makes it.
func TestWhateverAClientMeans(t *testing.T) {
	w := newWorld(t, baseSpec(), short)
	random := rand.New(rand.NewPCG(4, 2))
	reached := 0
	for range 300 {
		data := make([]byte, 24)
		for i := range data {
			data[i] = byte(random.Uint32())
			if random.IntN(3) > 0 {
				data[i] %= 3 // what is usual comes first
			}
		}
		m := readMessage(data)
		w.tell(t, &m)
		reached += len(w.origin(m.host).seen())
		if t.Failed() {
			break
		}
	}
	if reached < 60 {
		t.Errorf("only %d messages reached an origin: the test shows little", reached)
	}
}
