package gateway

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"

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

// pair is two gateways with the same policy: before the one all origins speak HTTP/1.1, before the other HTTP/2 alone.
type pair struct {
	old, new *world
	peers    map[endpoint.Host]*h2Peer // of new
	bodies   sync.Map                  // of old, by host
}

func newPair(t testing.TB) *pair {
	p := &pair{old: newWorld(t, baseSpec(), short), new: newWorld(t, baseSpec(), short), peers: map[endpoint.Host]*h2Peer{}}
	for _, h := range []endpoint.Host{signInHost, liveHost, inspectHost} {
		p.old.origin(h).setAnswer(func(head string, body io.Reader, to io.Writer) bool {
			got, _ := io.ReadAll(body)
			p.bodies.Store(h, string(got))
			return okAnswer(head, strings.NewReader(""), to)
		})
		p.peers[h] = p.new.speakH2(h, answering(func(k *h2Conn, id uint32, fields []hpack.HeaderField, ends bool) {
			k.head(id, true, ":status", "200")
		}))
	}
	return p
}

// reached is what came to an origin, in a form of its own: the names folded, without what only one version says.
type reached struct {
	first  string // method and path
	host   []string
	fields []string // sorted
	body   string
}

var pseudonyms = regexp.MustCompile("sekisho-[0-9a-f]{16}")

// readHead1 reads a head of HTTP/1.1 as reached.
func readHead1(head string) (r reached) {
	lines := strings.Split(strings.TrimSuffix(head, "\r\n\r\n"), "\r\n")
	r.first = strings.TrimSuffix(lines[0], " HTTP/1.1")
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		r.take(strings.ToLower(name), strings.TrimPrefix(value, " "))
	}
	slices.Sort(r.fields)
	return r
}

func (r *reached) take(name, value string) {
	switch name {
	case "connection", "transfer-encoding":
	case "host":
		r.host = append(r.host, value)
	default:
		r.fields = append(r.fields, name+": "+pseudonyms.ReplaceAllString(value, "sekisho-x"))
	}
}

// readHead2 reads a block of HTTP/2 as reached; trailers have no method.
func readHead2(lines []string) (r reached, trailers bool) {
	pseudo := map[string]string{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line[1:], ": ")
		if name = line[:1] + name; name[0] != ':' {
			r.take(name, value)
		} else if _, twice := pseudo[name]; twice || len(r.fields) > 0 {
			r.host = append(r.host, "a pseudo field twice, or behind others: "+name)
		} else {
			pseudo[name] = value
		}
	}
	if pseudo[":scheme"] != "https" || len(pseudo) != 4 {
		r.host = append(r.host, fmt.Sprint(pseudo))
	}
	r.first, r.host = pseudo[":method"]+" "+pseudo[":path"], append(r.host, pseudo[":authority"])
	slices.Sort(r.fields)
	return r, len(pseudo) == 0
}

// send sends m by HTTP/1 or 2, waits for the end, and reports whether it was answered by the origin.
func (w *world) send(m *message, h2 bool) (answered bool) {
	if h2 {
		f := w.framed(string(m.host))
		_ = f.tls.SetReadDeadline(time.Now().Add(3 * time.Second))
		m.sendFramed(f)
		said := f.verdict()
		f.tls.Close()
		return said == "200"
	}
	c := w.secure(string(m.host), "http/1.1")
	_, _ = c.Write(m.http1())
	_ = c.CloseWrite()
	_ = c.SetReadDeadline(time.Now().Add(3 * time.Second))
	said, _ := io.ReadAll(c)
	c.Close()
	return bytes.Contains(said, []byte("HTTP/1.1 200 "))
}

// tell sends m by every pair of versions and holds what reached the origins against the rule, and against each other. It
// returns how many of the four reached one.
func (p *pair) tell(t *testing.T, m *message) (all int) {
	p.old.t, p.new.t = t, t
	var got [2][2][]reached // by the client's version, then by the origin's
	var whole [2][2]bool
	for client := range got {
		o := p.old.origin(m.host)
		o.forget()
		p.bodies.Delete(m.host)
		whole[client][0] = p.old.send(m, client == 1)
		for _, head := range o.seen() {
			if err := tellsOf(m.host, head); err != nil {
				t.Errorf("%v\nsent as %q", err, m.http1())
			}
			r := readHead1(head)
			if b, ok := p.bodies.Load(m.host); ok {
				r.body = b.(string)
			}
			got[client][0] = append(got[client][0], r)
		}
		explained(t, o)

		peer := p.peers[m.host]
		peer.forget()
		whole[client][1] = p.new.send(m, client == 1)
		for _, lines := range peer.heads() {
			r, trailers := readHead2(lines)
			if trailers {
				for _, line := range r.fields {
					if strings.Contains(line, "restrict") || strings.Contains(line, "tenant") {
						t.Errorf("the trailer %q\nsent as %q", line, m.http1())
					}
				}
				continue
			}
			if err := tellsOf(m.host, strings.Join(lines, "\r\n")); err != nil {
				t.Errorf("%v by HTTP/2\nsent as %q", err, m.http1())
			}
			r.body = peer.body()
			got[client][1] = append(got[client][1], r)
		}
	}
	for client, both := range got {
		for origin, list := range both {
			all += len(list)
			for _, r := range list {
				if len(r.host) != 1 || r.host[0] != string(m.host) {
					t.Errorf("the hosts %q of HTTP/%d to %d\nsent as %q", r.host, client+1, origin+1, m.http1())
				}
			}
			if len(list) > 1 {
				t.Errorf("one message became %d by HTTP/%d to %d: %+v", len(list), client+1, origin+1, list)
			}
		}
		// Whatever the origin speaks, it is told the same. What was refused in the middle of its body may have begun to leave.
		if whole[client][0] != whole[client][1] {
			t.Errorf("answered %v by HTTP/%d with %.2000q", whole[client], client+1, m.http1())
		}
		if whole[client][0] && fmt.Sprint(both[0]) != fmt.Sprint(both[1]) {
			t.Errorf("HTTP/%d reached an origin of HTTP/1.1 as\n%+v\nand one of HTTP/2 as\n%+v\nwith %.2000q", client+1, both[0], both[1], m.http1())
		}
	}
	// What one version refuses for its names, values, method or path, the other refuses, too.
	if m.plainSense() && len(got[0][0]) != len(got[1][0]) {
		t.Errorf("HTTP/1 reached the origin %d times and HTTP/2 %d times with %q", len(got[0][0]), len(got[1][0]), m.http1())
	}
	return all
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
		if strings.Contains(f[0], ":") {
			return false // to HTTP/1 the name ends there, to HTTP/2 it is none
		}
		switch http.CanonicalHeaderKey(f[0]) {
		case "Connection", "Keep-Alive", "Proxy-Connection", "Upgrade", "Te", "Trailer", "Content-Length", "Transfer-Encoding", "Host", "Expect", "Http2-Settings":
			return false
		}
	}
	return true
}

// FuzzWhateverAClientMeans is the differential fuzz of every pair of versions, client and origin, against the rule.
func FuzzWhateverAClientMeans(f *testing.F) {
	for _, seed := range [][]byte{{0}, {2, 1, 1, 0, 2, 3, 2, 4, 3}, {0, 1, 0, 0, 1, 3, 2, 0, 0, 0, 2}, {3, 3, 0, 0, 5, 3, 2, 4, 2, 6, 2, 7, 2, 8, 2}, {0, 1, 1, 2, 0, 0, 0, 1, 3, 1, 4, 2}} {
		f.Add(seed)
	}
	p := newPair(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		m := readMessage(data)
		p.tell(t, &m)
	})
}

// TestWhateverAClientMeans is the same over a fixed random choice, so that every run of the tests makes it.
func TestWhateverAClientMeans(t *testing.T) {
	p := newPair(t)
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
		reached += p.tell(t, &m)
		if t.Failed() {
			break
		}
	}
	if reached < 240 {
		t.Errorf("only %d messages reached an origin: the test shows little", reached)
	}
}
