package gateway

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"encoding/pem"
	"os"

	"sekisho/internal/audit"
	"sekisho/internal/caller"
	"sekisho/internal/gateway/refusal"
	"sekisho/internal/policy"
)

// book knows one user.
type book struct{}

func (book) Identify(a netip.Addr, credentials string) (caller.Caller, bool) {
	if credentials == "Basic "+base64.StdEncoding.EncodeToString([]byte("alice:pw")) {
		return caller.Caller{Addr: a, User: "alice", Groups: []string{"it"}}, true
	}
	return caller.Caller{}, false
}

func TestCredentialsAreAskedForOnceAndHostsAreExempt(t *testing.T) {
	w := newWorld(t, baseSpec())
	e := *w.edition
	e.Identify = book{}
	w.g.Load(&e)
	ask := "CONNECT " + tunnelHost + ":443 HTTP/1.1\r\nHost: " + tunnelHost + "\r\n"
	if w.edition.Catalog.Handling(tunnelHost).ProxyAuthExempt {
		c := w.dial()
		io.WriteString(c, ask+"\r\n")
		if got := readHead(t, c); !strings.HasPrefix(got, "HTTP/1.1 200") {
			t.Errorf("an exempt host was asked for credentials: %q", got)
		}
	}
	c := w.dial()
	signIn := "CONNECT " + signInHost + ":443 HTTP/1.1\r\nHost: " + signInHost + "\r\n"
	io.WriteString(c, signIn+"\r\n")
	br := bufio.NewReader(c)
	resp, err := http.ReadResponse(br, nil)
	if err != nil || resp.StatusCode != 407 || !strings.HasPrefix(resp.Header.Get("Proxy-Authenticate"), "Basic ") {
		t.Fatalf("%v %+v", err, resp)
	}
	io.Copy(io.Discard, resp.Body)
	io.WriteString(c, signIn+"Proxy-Authorization: Basic YWxpY2U6cHc=\r\n\r\n")
	if resp, err = http.ReadResponse(br, &http.Request{Method: "CONNECT"}); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %+v", err, resp)
	}
	s := tlsClient(w, c, signInHost)
	io.WriteString(s, "GET / HTTP/1.1\r\nHost: "+signInHost+"\r\nConnection: close\r\n\r\n")
	io.Copy(io.Discard, s)
	w.waitRecord(func(r audit.Record) bool { return r.Kind == audit.SignIn && r.User == "alice" })
	w.waitReason(refusal.CredentialsNeeded)
	if strings.Contains(w.log.String(), "YWxpY2U6cHc") {
		t.Error("the log holds credentials")
	}
	w.checkAll()
}

func TestErrorCodesAreNoticed(t *testing.T) {
	w := newWorld(t, baseSpec())
	page := "<html>" + strings.Repeat("x", 20000) + "AADSTS500021: Access to 'fabrikam' tenant is denied.</html>"
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	io.WriteString(z, page)
	z.Close()
	for i, c := range []struct{ head, body, code string }{
		{"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n", page, "500021"},
		{"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Encoding: gzip\r\n", packed.String(), "500021"},
		{"HTTP/1.1 302 Found\r\nLocation: https://app.example/?error_description=AADSTS50105%3a\r\n", "", "50105"},
		{"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n", `{"error_description":"AADSTS5000211: x"}`, "5000211"},
	} {
		w.origin(signInHost).setAnswer(func(_ string, _ io.Reader, to io.Writer) bool {
			fmt.Fprintf(to, "%sContent-Length: %d\r\n\r\n%s", c.head, len(c.body), c.body)
			return true
		})
		resp, err := w.client(i%2 == 0).Get(fmt.Sprintf("https://%s/t%d.example/oauth2/v2.0/authorize?client_id=app&state=secret", signInHost, i))
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(got) != c.body {
			t.Errorf("the body was changed")
		}
		r := w.waitRecord(func(r audit.Record) bool { return r.Tenant == fmt.Sprintf("t%d.example", i) })
		if r.AADSTS != c.code || r.Endpoint != "authorize" || (r.Outcome == "blocked") != strings.HasPrefix(c.code, "5000") {
			t.Errorf("record %+v", r)
		}
	}
}

func TestBodiesOfEveryFraming(t *testing.T) {
	w := newWorld(t, baseSpec())
	echo := func(head string, body io.Reader, to io.Writer) bool {
		b, _ := io.ReadAll(body)
		fmt.Fprintf(to, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n%x\r\n%s\r\n0\r\nX-Sum: 1\r\n\r\n", len(b), b)
		return true
	}
	w.origin(inspectHost).setAnswer(echo)
	for _, h2 := range []bool{false, true} {
		for _, size := range []int{1, 1000, 32 << 10, 32<<10 + 1, 1 << 20} {
			for _, chunked := range []bool{false, true} {
				var body io.Reader = bytes.NewReader(bytes.Repeat([]byte("b"), size))
				if chunked {
					body = io.MultiReader(body)
				}
				resp, err := w.client(h2).Post("https://"+inspectHost+"/", "text/plain", body)
				if err != nil {
					t.Fatalf("h2=%v size=%d chunked=%v: %v", h2, size, chunked, err)
				}
				got, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || len(got) != size || resp.Trailer.Get("X-Sum") != "1" {
					t.Errorf("h2=%v size=%d chunked=%v: %d bytes, %v, trailer %v", h2, size, chunked, len(got), err, resp.Trailer)
				}
			}
		}
	}
}

func TestExpectContinueIsTheOriginsToAnswer(t *testing.T) {
	w := newWorld(t, baseSpec())
	c := w.secure(signInHost, "http/1.1")
	w.origin(signInHost).setAnswer(func(head string, body io.Reader, to io.Writer) bool {
		io.WriteString(to, "HTTP/1.1 100 Continue\r\n\r\n")
		b, _ := io.ReadAll(body)
		fmt.Fprintf(to, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(b), b)
		return true
	})
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: "+signInHost+"\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
	if head := readHead(t, c); !strings.HasPrefix(head, "HTTP/1.1 100 ") {
		t.Fatalf("%q", head)
	}
	io.WriteString(c, "body")
	if head := readHead(t, c); !strings.HasPrefix(head, "HTTP/1.1 200 ") {
		t.Fatalf("%q", head)
	}
	// A final answer without 100: the body never comes, and the connection ends.
	w.origin(signInHost).setAnswer(func(_ string, _ io.Reader, to io.Writer) bool {
		io.WriteString(to, "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
		return false
	})
	got := w.inside(signInHost, "POST / HTTP/1.1\r\nHost: "+signInHost+"\r\nContent-Length: 400000\r\nExpect: 100-continue\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 417 ") || !strings.Contains(got, "Connection: close") {
		t.Errorf("%q", got)
	}
	w.checkAll()
}

func TestHeadAndInterimAnswers(t *testing.T) {
	w := newWorld(t, baseSpec())
	w.origin(signInHost).setAnswer(func(head string, _ io.Reader, to io.Writer) bool {
		io.WriteString(to, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
		if !strings.HasPrefix(head, "HEAD") {
			io.WriteString(to, "hello")
		}
		return true
	})
	got := w.inside(signInHost, "HEAD / HTTP/1.1\r\nHost: "+signInHost+"\r\n\r\nGET / HTTP/1.1\r\nHost: "+signInHost+"\r\nConnection: close\r\n\r\n")
	if strings.Count(got, "HTTP/1.1 103 ") != 2 || strings.Count(got, "Content-Length: 5") != 2 || strings.Count(got, "hello") != 1 {
		t.Errorf("%q", got)
	}
	old := w.inside(signInHost, "GET / HTTP/1.0\r\nHost: "+signInHost+"\r\n\r\n")
	if strings.Contains(old, "103") || !strings.HasSuffix(old, "hello") {
		t.Errorf("HTTP/1.0: %q", old)
	}
	w.checkAll()
}

func TestAStaleKeptConnectionIsReplacedNeverForAPost(t *testing.T) {
	w := newWorld(t, baseSpec())
	o := w.origin(signInHost)
	var n atomic.Int64
	o.setAnswer(func(head string, body io.Reader, to io.Writer) bool {
		turn := n.Add(1)
		io.Copy(io.Discard, body)
		if strings.Contains(head, "/die") && turn%2 == 0 {
			return false // read, and closed without an answer
		}
		io.WriteString(to, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
		return true
	})
	client := w.client(false)
	get := func(path string) int {
		resp, err := client.Get("https://" + signInHost + path)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return resp.StatusCode
	}
	if a, b := get("/1"), get("/die"); a != 200 || b != 200 {
		t.Errorf("%d %d: a GET on a stale connection is sent again", a, b)
	}
	n.Store(1)
	before := len(o.seen())
	resp, err := client.Post("https://"+signInHost+"/die", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 502 || len(o.seen()) != before+1 {
		t.Errorf("a POST was answered %d and sent %d times", resp.StatusCode, len(o.seen())-before)
	}
	w.checkAll()
}

func TestBoundConnectionsAreNeverShared(t *testing.T) {
	w := newWorld(t, baseSpec())
	o := w.origin(inspectHost)
	o.setAnswer(func(_ string, _ io.Reader, to io.Writer) bool {
		io.WriteString(to, "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n")
		return true
	})
	one := "GET / HTTP/1.1\r\nHost: " + inspectHost + "\r\n"
	c := w.secure(inspectHost, "http/1.1")
	for range 3 {
		io.WriteString(c, one+"\r\n")
		readHead(t, c)
	}
	if n := o.count.Load(); n != 1 {
		t.Errorf("one client connection used %d connections", n)
	}
	w.inside(inspectHost, one+"Connection: close\r\n\r\n")
	if n := o.count.Load(); n != 2 {
		t.Errorf("another client shares it: %d connections", n)
	}
}

func TestTicketsAreOfNoUseUnderAnotherName(t *testing.T) {
	w := newWorld(t, baseSpec())
	cache := tls.NewLRUClientSessionCache(8)
	// The same cache key for two names: what a client that wants to misuse a ticket would do.
	shared := sameKey{cache}
	dial := func(host string) tls.ConnectionState {
		c := tls.Client(w.connect(host+":443"), &tls.Config{ServerName: host, InsecureSkipVerify: true, ClientSessionCache: shared})
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
		io.Copy(io.Discard, c)
		c.Close()
		return c.ConnectionState()
	}
	dial(signInHost)
	if !dial(signInHost).DidResume {
		t.Error("a ticket is of no use under its own name either: the test shows nothing")
	}
	if dial(inspectHost).DidResume {
		t.Error("a session was resumed under another name")
	}
}

type sameKey struct{ tls.ClientSessionCache }

func (s sameKey) Get(string) (*tls.ClientSessionState, bool) { return s.ClientSessionCache.Get("x") }
func (s sameKey) Put(_ string, c *tls.ClientSessionState)    { s.ClientSessionCache.Put("x", c) }

func TestLoopsAreRefused(t *testing.T) {
	spec := baseSpec()
	spec.DialAllowed = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	w := newWorld(t, spec)
	_, port, _ := strings.Cut(w.addr, ":")
	spec.Hosts = append(spec.Hosts, policy.HostSpec{Pattern: policy.At{Text: "loop.example.com"}, Ports: mustPorts(t, "tcp/"+port)})
	e := *w.edition
	e.Program = compile(t, spec)
	w.g.Load(&e)
	if got := w.raw("CONNECT loop.example.com:" + port + " HTTP/1.1\r\nHost: x\r\n\r\n"); !strings.Contains(got, `details="loop"`) {
		t.Errorf("%q", cut(got, 200))
	}
	got := w.raw("GET http://" + plainHost + "/ HTTP/1.1\r\nHost: " + plainHost + "\r\nVia: 1.1 " + w.g.pseudonym + "\r\nConnection: close\r\n\r\n")
	if !strings.Contains(got, `details="loop"`) {
		t.Errorf("%q", cut(got, 200))
	}
}

func TestLimitsOnConnections(t *testing.T) {
	w := newWorld(t, baseSpec(), func(o *Options) { o.Limits.PerClient = 2; o.Limits.Head = 200 * time.Millisecond })
	a, b := w.dial(), w.dial()
	io.WriteString(a, "G")
	io.WriteString(b, "G")
	time.Sleep(20 * time.Millisecond)
	if got := w.raw(""); !strings.HasPrefix(got, "HTTP/1.1 503 ") {
		t.Errorf("%q", got)
	}
	if got, _ := io.ReadAll(a); !strings.HasPrefix(string(got), "HTTP/1.1 408 ") {
		t.Errorf("a slow head: %q", cut(string(got), 100))
	}
}

func TestShutdownDrains(t *testing.T) {
	w := newWorld(t, baseSpec())
	release := make(chan struct{})
	w.origin(inspectHost).setAnswer(func(_ string, _ io.Reader, to io.Writer) bool {
		<-release
		io.WriteString(to, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
		return true
	})
	idle := w.secure(signInHost, "http/1.1")
	results := make(chan error, 2)
	for _, h2 := range []bool{false, true} {
		client := w.client(h2)
		go func() {
			resp, err := client.Get("https://" + inspectHost + "/")
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				resp.Body.Close()
				if resp.StatusCode != 200 {
					err = errors.New(resp.Status)
				}
			}
			results <- err
		}()
	}
	for len(w.origin(inspectHost).seen()) < 2 {
		time.Sleep(time.Millisecond)
	}
	done := make(chan error, 1)
	go func() { done <- w.g.Shutdown(context.Background()) }()
	if _, err := idle.Read(make([]byte, 1)); err == nil {
		t.Error("an idle connection was left open")
	}
	close(release)
	for range 2 {
		if err := <-results; err != nil {
			t.Errorf("a request that had begun was lost: %v", err)
		}
	}
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Shutdown hangs")
	}
}

func TestCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed; package curl turns this on")
	}
	w := newWorld(t, baseSpec())
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: testCA().cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"--http1.1", "--http2"} {
		for _, host := range []string{signInHost, liveHost, tunnelHost, inspectHost} {
			out, err := exec.Command(curl, "-sS", version, "--proxy", "http://"+w.addr, "--cacert", roots, "-H", "Restrict-Access-To-Tenants: evil",
				"-d", "grant_type=x", "https://"+host+"/contoso.com/oauth2/v2.0/token").CombinedOutput()
			if string(out) != "hello" && host != tunnelHost {
				t.Errorf("curl %s %s: %v %q", version, host, err, out)
			}
		}
		out, _ := exec.Command(curl, "-sS", version, "--proxy", "http://"+w.addr, "--cacert", roots, "https://files.example.net/").CombinedOutput()
		if !strings.Contains(string(out), "403") {
			t.Errorf("curl %s: %q", version, out)
		}
	}
	for _, o := range []string{signInHost, liveHost, inspectHost} {
		oracle(t, w.origins[hostOf(o)])
	}
}
