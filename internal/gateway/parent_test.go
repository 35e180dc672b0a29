package gateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"sekisho/internal/endpoint"
	"sekisho/internal/policy"
)

const parentHost = "parent.example.com"

// parentWorld is a world whose gateway goes out through a parent that the test plays.
type parentWorld struct {
	*world
	l      net.Listener
	answer func(head string, c net.Conn, tunnel func())

	mu     sync.Mutex
	open   []net.Conn
	heads  []string     // what the parent was asked
	direct []netip.Addr // what was dialled past it
}

// newParentWorld starts it. change may alter the parent before the edition is loaded.
func newParentWorld(t *testing.T, change func(*Parent), bend ...func(*Options)) *parentWorld {
	t.Helper()
	w := &parentWorld{world: newWorld(t, baseSpec(), bend...)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.l = l
	var work sync.WaitGroup
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() { w.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		w.mu.Lock()
		for _, c := range w.open {
			c.Close()
		}
		w.mu.Unlock()
		work.Wait()
	})
	edition := *w.edition
	edition.Number = 2
	edition.Network = w.throughParent(change)
	w.g.Load(&edition)
	return w
}

func (w *parentWorld) throughParent(change func(*Parent)) Network {
	n := w.network()
	resolve, dial := n.Resolve, n.Dial
	n.Resolve = func(ctx context.Context, h endpoint.Host) ([]netip.Addr, error) {
		if h == parentHost {
			return []netip.Addr{netip.MustParseAddr("10.0.0.8")}, nil
		}
		return resolve(ctx, h)
	}
	n.Dial = func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
		if to == netip.MustParseAddrPort("10.0.0.8:3128") {
			return new(net.Dialer).DialContext(ctx, "tcp", w.l.Addr().String())
		}
		w.mu.Lock()
		w.direct = append(w.direct, to.Addr())
		w.mu.Unlock()
		return dial(ctx, to)
	}
	address, err := endpoint.ParseAuthority(parentHost+":3128", 0)
	if err != nil {
		w.t.Fatal(err)
	}
	n.Parent = &Parent{Address: address, Authorization: "Basic Z2F0ZXdheTpzZWNyZXQ="}
	if change != nil {
		change(n.Parent)
	}
	return n
}

// serve is one connection of the parent: it reads heads, and does as answer says, or joins the client with the origin.
func (w *parentWorld) serve(c net.Conn) {
	defer c.Close()
	w.mu.Lock()
	w.open = append(w.open, c)
	w.mu.Unlock()
	br := bufio.NewReader(c)
	for {
		var head strings.Builder
		for {
			line, err := br.ReadString('\n')
			if err != nil {
				return
			}
			head.WriteString(line)
			if line == "\r\n" {
				break
			}
		}
		w.mu.Lock()
		w.heads = append(w.heads, head.String())
		answer := w.answer
		w.mu.Unlock()
		tunnel := func() {
			host, _, _ := strings.Cut(strings.Fields(head.String())[1], ":")
			o := w.origin(endpoint.Host(host))
			if o == nil {
				_, _ = io.WriteString(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
				return
			}
			up, err := net.Dial("tcp", o.l.Addr().String())
			if err != nil {
				return
			}
			defer up.Close()
			w.mu.Lock()
			w.open = append(w.open, up)
			w.mu.Unlock()
			_, _ = io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n")
			done := make(chan struct{})
			go func() { _, _ = io.Copy(up, br); _ = up.(*net.TCPConn).CloseWrite(); close(done) }()
			_, _ = io.Copy(c, up)
			c.Close()
			<-done
		}
		switch {
		case answer != nil:
			answer(head.String(), c, tunnel)
		case strings.HasPrefix(head.String(), "CONNECT "):
			tunnel()
			return
		default:
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain")
		}
	}
}

// asked returns and forgets what the parent was asked, and what was dialled past it.
func (w *parentWorld) asked() (heads []string, direct []netip.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	heads, direct = w.heads, w.direct
	w.heads, w.direct = nil, nil
	return heads, direct
}

// nothingDirect fails the test when anything was dialled past the parent.
func (w *parentWorld) nothingDirect(direct []netip.Addr) {
	w.t.Helper()
	if len(direct) > 0 {
		w.t.Errorf("dialled past the parent: %v", direct)
	}
}

func TestThroughAParent(t *testing.T) {
	for _, blind := range []bool{false, true} {
		t.Run(fmt.Sprintf("blind=%v", blind), func(t *testing.T) {
			w := newParentWorld(t, func(p *Parent) { p.Blind = blind })
			want := "CONNECT login.microsoftonline.com:443 HTTP/1.1\r\nHost: login.microsoftonline.com:443\r\nVia: 1.1 " +
				w.g.pseudonym + "\r\nProxy-Authorization: Basic Z2F0ZXdheTpzZWNyZXQ=\r\n\r\n"
			answer := w.inside(signInHost, "GET /common HTTP/1.1\r\nHost: login.microsoftonline.com\r\nProxy-Authorization: Basic Y2xpZW50\r\nConnection: close\r\n\r\n")
			if !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
				t.Fatalf("answer %q", answer)
			}
			heads, direct := w.asked()
			w.nothingDirect(direct)
			if len(heads) != 1 || heads[0] != want {
				t.Errorf("the parent was asked %q, want %q", heads, want)
			}
			at := w.origin(signInHost).seen()
			if len(at) != 1 || strings.Count(at[0], "Restrict-Access-To-Tenants: "+tenants+"\r\n") != 1 || strings.Contains(at[0], "roxy-") {
				t.Errorf("the origin got %q", at)
			}
			// The second request finds the kept connection.
			w.inside(signInHost, "GET /common HTTP/1.1\r\nHost: login.microsoftonline.com\r\nConnection: close\r\n\r\n")
			if heads, _ := w.asked(); len(heads) != 0 {
				t.Errorf("asked again: %q", heads)
			}
			// A tunnel.
			c := w.secure(tunnelHost)
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: graph.microsoft.com\r\nConnection: close\r\n\r\n")
			if line, _ := bufio.NewReader(c).ReadString('\n'); line != "HTTP/1.1 200 OK\r\n" {
				t.Errorf("tunnel: %q", line)
			}
			heads, direct = w.asked()
			w.nothingDirect(direct)
			if len(heads) != 1 || !strings.HasPrefix(heads[0], "CONNECT graph.microsoft.com:443 ") {
				t.Errorf("the parent was asked %q", heads)
			}
		})
	}
}

func TestPlainRequestsThroughAParent(t *testing.T) {
	w := newParentWorld(t, nil)
	c := w.dial()
	br := bufio.NewReader(c)
	for range 2 {
		_, _ = io.WriteString(c, "GET http://plain.example.com/a?b=c HTTP/1.1\r\nHost: plain.example.com\r\nProxy-Authorization: Basic Y2xpZW50\r\nProxy-Connection: keep-alive\r\n\r\n")
		if line, _ := br.ReadString('\n'); line != "HTTP/1.1 200 OK\r\n" {
			t.Fatalf("answer %q", line)
		}
		for line := ""; !strings.HasSuffix(line, "plain"); {
			b, err := br.ReadByte()
			if err != nil {
				t.Fatal(err)
			}
			line += string(b)
		}
	}
	heads, direct := w.asked()
	w.nothingDirect(direct)
	for _, head := range heads {
		if !strings.HasPrefix(head, "GET http://plain.example.com/a?b=c HTTP/1.1\r\nHost: plain.example.com\r\n") ||
			strings.Count(head, "roxy-Authorization: ") != 1 || !strings.Contains(head, "\r\nProxy-Authorization: Basic Z2F0ZXdheTpzZWNyZXQ=\r\n") {
			t.Errorf("the parent was sent %q", head)
		}
	}
	if len(heads) != 2 {
		t.Errorf("%d requests, want 2", len(heads))
	}
	// What the parent asks us for is not the client's to give.
	w.mu.Lock()
	w.answer = func(_ string, c net.Conn, _ func()) {
		_, _ = io.WriteString(c, "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"parent\"\r\nContent-Length: 0\r\n\r\n")
	}
	w.mu.Unlock()
	got := w.raw("GET http://plain.example.com/ HTTP/1.1\r\nHost: plain.example.com\r\nConnection: close\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 502 ") || strings.Contains(got, "parent\"") {
		t.Errorf("a 407 of the parent becomes %q", got)
	}
}

// TestParentAnswers plays parents that refuse, lie, chatter or say nothing.
func TestParentAnswers(t *testing.T) {
	say := func(text string) func(string, net.Conn, func()) {
		return func(_ string, c net.Conn, _ func()) { _, _ = io.WriteString(c, text); c.Close() }
	}
	for name, test := range map[string]struct {
		answer         func(head string, c net.Conn, tunnel func())
		status, detail string
	}{
		"asks for credentials":  {say("HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"), "502", "proxy-407"},
		"refuses":               {say("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"), "502", "proxy-403"},
		"finds nobody":          {say("HTTP/1.1 503 Unavailable\r\n\r\n"), "502", "proxy-503"},
		"redirects":             {say("HTTP/1.1 302 Found\r\nLocation: http://x/\r\n\r\n"), "502", "proxy-302"},
		"switches":              {say("HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), "502", "proxy-101"},
		"closes":                {func(_ string, c net.Conn, _ func()) { c.Close() }, "502", "proxy-answer"},
		"speaks something else": {say("SSH-2.0-parent\r\n\r\n"), "502", "proxy-answer"},
		"a bare line feed":      {say("HTTP/1.1 200 OK\n\n"), "502", "proxy-answer"},
		"early bytes":           {say("HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03"), "502", "proxy-answer"},
		"chatters":              {say(strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 100)), "502", "proxy-answer"},
		"an endless head":       {say("HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 20000)), "502", "proxy-answer"},
		"says nothing":          {func(string, net.Conn, func()) { time.Sleep(600 * time.Millisecond) }, "504", "proxy-answer"},
		"interim first": {func(_ string, c net.Conn, tunnel func()) {
			_, _ = io.WriteString(c, "HTTP/1.1 102 Processing\r\n\r\n")
			time.Sleep(10 * time.Millisecond) // two writes, so that nothing stands behind the head in one packet
			tunnel()
		}, "200", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newParentWorld(t, nil, func(o *Options) { o.Limits.Parent = 300 * time.Millisecond })
			w.answer = test.answer
			c := w.dial()
			_, _ = io.WriteString(c, "CONNECT login.microsoftonline.com:443 HTTP/1.1\r\nHost: login.microsoftonline.com:443\r\n\r\n")
			line, _ := bufio.NewReader(c).ReadString('\n')
			if !strings.HasPrefix(line, "HTTP/1.1 "+test.status+" ") {
				t.Fatalf("answer %q, want %s", line, test.status)
			}
			_, direct := w.asked()
			w.nothingDirect(direct)
			if test.detail != "" {
				r := w.waitReason("upstream-proxy")
				if !strings.Contains(r.Error, test.detail) {
					t.Errorf("record %+v, want %s", r, test.detail)
				}
				if got := w.origin(signInHost).seen(); len(got) > 0 {
					t.Errorf("the origin got %q", got)
				}
			}
		})
	}
}

// TestAddressRulesThroughAParent: what may not be dialled is not asked for either.
func TestAddressRulesThroughAParent(t *testing.T) {
	w := newParentWorld(t, nil)
	got := w.raw("CONNECT rebind.example.com:443 HTTP/1.1\r\nHost: rebind.example.com:443\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 403 ") {
		t.Errorf("a name with the metadata address: %q", got)
	}
	if r := w.waitReason(policy.ReasonMetadata); r.Host != "rebind.example.com" {
		t.Errorf("record %+v", r)
	}
	for _, literal := range []string{"20.190.150.1", "169.254.169.254", "[64:ff9b::a9fe:a9fe]"} {
		if got := w.raw("CONNECT " + literal + ":443 HTTP/1.1\r\nHost: " + literal + ":443\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 403 ") {
			t.Errorf("CONNECT %s: %q", literal, got)
		}
	}
	heads, direct := w.asked()
	w.nothingDirect(direct)
	if len(heads) > 0 {
		t.Errorf("the parent was asked %q", heads)
	}
	// A name that cannot be resolved here is not left to the parent either, unless the configuration says so.
	if got := w.raw("CONNECT nosuch.example.com:443 HTTP/1.1\r\nHost: nosuch.example.com:443\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 502 ") {
		t.Errorf("a name that does not exist: %q", got)
	}
}

func TestExceptedHostsGoPastTheParent(t *testing.T) {
	w := newParentWorld(t, func(p *Parent) { p.Except = func(h endpoint.Host) bool { return h == inspectHost } })
	answer := w.inside(inspectHost, "GET / HTTP/1.1\r\nHost: payroll.example.com\r\nConnection: close\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
		t.Errorf("answer %q", answer)
	}
	heads, direct := w.asked()
	if len(heads) > 0 || len(direct) == 0 {
		t.Errorf("the parent was asked %q, dialled past it %v", heads, direct)
	}
}

// TestLoopThroughAParent: neither the gateway itself as parent, nor a chain that comes back.
func TestLoopThroughAParent(t *testing.T) {
	w := newParentWorld(t, nil)
	got := w.raw("CONNECT graph.microsoft.com:443 HTTP/1.1\r\nHost: graph.microsoft.com:443\r\nVia: 1.1 squid, 1.1 " + w.g.pseudonym + "\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 403 ") {
		t.Errorf("what came through already: %q", got)
	}
	self := newParentWorld(t, nil)
	edition := *self.edition
	edition.Network = self.throughParent(func(p *Parent) {
		at := netip.MustParseAddrPort(self.addr)
		p.Address = endpoint.Authority{Addr: at.Addr(), Port: at.Port()}
	})
	self.g.Load(&edition)
	if got := self.raw("CONNECT graph.microsoft.com:443 HTTP/1.1\r\nHost: graph.microsoft.com:443\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 403 ") {
		t.Errorf("itself as parent: %q", got)
	}
}

// TestParentChangesUnderOpenConnections: a tunnel whose address nobody here knows does not outlive its parent, and a
// connection that is read goes where the new edition leads.
func TestParentChangesUnderOpenConnections(t *testing.T) {
	w := newParentWorld(t, nil)
	tunnelled := w.secure(tunnelHost)
	read := w.secure(signInHost, "http/1.1")
	ask := func(c *tls.Conn, host string) string {
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
		line, _ := bufio.NewReader(c).ReadString('\n')
		return line
	}
	for _, c := range []struct {
		c    *tls.Conn
		host string
	}{{tunnelled, tunnelHost}, {read, signInHost}} {
		if line := ask(c.c, c.host); line != "HTTP/1.1 200 OK\r\n" {
			t.Fatalf("%s: %q", c.host, line)
		}
	}
	w.asked()
	direct := *w.edition
	direct.Number = 3
	w.g.Load(&direct)
	if line := ask(tunnelled, tunnelHost); line != "" {
		t.Errorf("the tunnel goes on: %q", line)
	}
	// What is read ends too, and a new connection takes the new way.
	read.Close()
	w.inside(signInHost, "GET / HTTP/1.1\r\nHost: login.microsoftonline.com\r\nConnection: close\r\n\r\n")
	if heads, _ := w.asked(); len(heads) != 0 {
		t.Errorf("the parent was asked %q", heads)
	}
	// And back: a connection that was opened directly sends its next request through the parent.
	old := w.secure(signInHost, "http/1.1")
	again := direct
	again.Number, again.Network = 4, w.throughParent(nil)
	w.g.Load(&again)
	if line := ask(old, signInHost); line != "HTTP/1.1 200 OK\r\n" {
		t.Errorf("after the parent came: %q", line)
	}
	heads, past := w.asked()
	w.nothingDirect(past)
	if len(heads) != 1 {
		t.Errorf("the parent was asked %q", heads)
	}
}
