package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"sekisho/internal/gateway/hello"
	"sekisho/internal/gateway/upstream"
	"sekisho/internal/policy"
	"sekisho/internal/restrict"
	"sekisho/internal/wire"
)

// TestABrokenStepSendsNothing breaks each step between a request and its headers on purpose, by HTTP/1.1 and HTTP/2,
// and looks at what left the machine.
func TestABrokenStepSendsNothing(t *testing.T) {
	boom := func() { var p *policy.Decision; _ = p.Host }
	cases := map[string]func(s *Steps){
		"plan-is-empty": func(s *Steps) { s.Plan = func(policy.Decision) restrict.Plan { return restrict.Plan{} } },
		"plan-panics":   func(s *Steps) { s.Plan = func(policy.Decision) restrict.Plan { boom(); return restrict.Plan{} } },
		"serialiser-fails": func(s *Steps) {
			s.AppendRequest = func(dst []byte, _ *wire.Outgoing, _ restrict.Plan) ([]byte, error) {
				return append(dst, "GET / HTTP/1.1\r\n\r\n"...), errors.New("broken")
			}
		},
		"serialiser-panics": func(s *Steps) {
			s.AppendRequest = func([]byte, *wire.Outgoing, restrict.Plan) ([]byte, error) { boom(); return nil, nil }
		},
		"plan-sets-nothing": func(s *Steps) { s.Plan = func(policy.Decision) restrict.Plan { return restrict.DeleteOnly() } },
		"serialiser-writes-nothing": func(s *Steps) {
			s.AppendRequest = func(dst []byte, _ *wire.Outgoing, _ restrict.Plan) ([]byte, error) { return dst, nil }
		},
		"serialiser-forgets-the-plan": func(s *Steps) {
			s.AppendRequest = func(dst []byte, o *wire.Outgoing, _ restrict.Plan) ([]byte, error) {
				return wire.AppendRequest(dst, o, restrict.DeleteOnly())
			}
		},
		"serialiser-forgets-one":         rewritten(func(h string) string { return without(h, restrict.HeaderContext) }),
		"serialiser-forgets-the-value":   rewritten(func(h string) string { return strings.Replace(h, tenantID, tenantID[1:], 1) }),
		"serialiser-sets-one-twice":      rewritten(func(h string) string { return added(h, restrict.HeaderContext+": "+tenantID) }),
		"serialiser-keeps-the-clients":   rewritten(func(h string) string { return added(h, "restrict_access_to_tenants: evil") }),
		"serialiser-keeps-the-other":     rewritten(func(h string) string { return added(h, restrict.HeaderPolicy+": restrict-msa") }),
		"serialiser-swaps-the-values":    rewritten(func(h string) string { return strings.Replace(h, ": "+tenantID, ": "+tenants, 1) }),
		"serialiser-writes-two-heads":    rewritten(func(h string) string { return h + h }),
		"serialiser-writes-another-host": rewritten(func(h string) string { return strings.Replace(h, "Host: "+signInHost, "Host: "+tunnelHost, 1) }),
		"serialiser-writes-no-host":      rewritten(func(h string) string { return without(h, "Host") }),
		"serialiser-writes-two-hosts":    rewritten(func(h string) string { return added(h, "Host: "+signInHost) }),
		"serialiser-writes-no-end":       rewritten(func(h string) string { return strings.TrimSuffix(h, "\r\n") }),
		"serialiser-writes-a-bare-line":  rewritten(func(h string) string { return added(h, "A: b\nrestrict-access-context: evil") }),
		"request-turns-elsewhere": func(s *Steps) {
			s.DecideRequest = func(_ *policy.Program, d policy.Decision, _ string) policy.Decision {
				d.Host, d.Class, d.Plan = inspectHost, 0, restrict.DeleteOnly()
				return d
			}
		},
		"request-loses-its-plan": func(s *Steps) {
			s.DecideRequest = func(_ *policy.Program, d policy.Decision, _ string) policy.Decision {
				d.Plan = restrict.DeleteOnly()
				return d
			}
		},
		"request-denied": func(s *Steps) {
			s.DecideRequest = func(*policy.Program, policy.Decision, string) policy.Decision { return policy.Decision{} }
		},
		"request-panics": func(s *Steps) {
			s.DecideRequest = func(*policy.Program, policy.Decision, string) policy.Decision { boom(); return policy.Decision{} }
		},
		"decide-zero": func(s *Steps) {
			s.Decide = func(*policy.Program, policy.Ask) policy.Decision { return policy.Decision{} }
		},
		"decide-panics": func(s *Steps) {
			s.Decide = func(*policy.Program, policy.Ask) policy.Decision { boom(); return policy.Decision{} }
		},
		"address-zero": func(s *Steps) {
			s.DecideAddr = func(*policy.Program, policy.Decision, netip.Addr) policy.Decision { return policy.Decision{} }
		},
		"address-elsewhere": func(s *Steps) {
			s.DecideAddr = func(p *policy.Program, d policy.Decision, a netip.Addr) policy.Decision {
				d.Addr = a.Next()
				return d
			}
		},
		"tls-zero": func(s *Steps) {
			s.DecideTLS = func(*policy.Program, policy.Decision, policy.Hello) policy.Decision { return policy.Decision{} }
		},
		"tls-turns-elsewhere": func(s *Steps) {
			s.DecideTLS = func(_ *policy.Program, d policy.Decision, _ policy.Hello) policy.Decision {
				d.Host = tunnelHost
				return d
			}
		},
		"hello-fails": func(s *Steps) {
			s.ReadHello = func(io.Reader) (*hello.Hello, error) { return nil, errors.New("broken") }
		},
		"leaf-fails": func(s *Steps) {
			s.Leaf = func(context.Context, *Edition, policy.Decision) (*tls.Certificate, error) {
				return nil, errors.New("broken")
			}
		},
		"leaf-is-nil": func(s *Steps) {
			s.Leaf = func(context.Context, *Edition, policy.Decision) (*tls.Certificate, error) { return nil, nil }
		},
	}
	for name, bend := range cases {
		t.Run(name, func(t *testing.T) { sendsNothing(t, bend, false) })
		t.Run(name+" to an origin by HTTP/2", func(t *testing.T) { sendsNothing(t, bend, true) })
	}
}

// sendsNothing sends requests through a gateway that bend broke, to an origin by HTTP/1.1 or one that speaks HTTP/2 alone.
func sendsNothing(t *testing.T, bend func(*Steps), alone bool) {
	w := newWorld(t, baseSpec(), func(o *Options) { o.Steps = bend })
	if alone {
		w.speakH2(signInHost)
		w.g.pool.LearnH2(upstream.Key{Road: "direct", Host: signInHost, To: netip.AddrPortFrom(w.address(signInHost), 443),
			TLS: true, Roots: w.edition.Network.Roots, Profile: "staff"})
	}
	for _, h2 := range []bool{false, true} {
		client := w.client(h2)
		for _, send := range []func() (*http.Response, error){
			func() (*http.Response, error) { return client.Get("https://" + signInHost + "/common") },
			func() (*http.Response, error) {
				return client.Post("https://"+signInHost+"/token", "a/b", strings.NewReader("short"))
			},
			func() (*http.Response, error) {
				return client.Post("https://"+signInHost+"/token", "a/b", io.MultiReader(strings.NewReader("chunked")))
			},
		} {
			resp, err := send()
			if err != nil {
				continue
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode < 400 {
				t.Errorf("h2=%v: %d", h2, resp.StatusCode)
			}
			if strings.Contains(string(body), "broken") {
				t.Errorf("the page tells the cause: %q", body)
			}
		}
	}
	if n := w.origin(signInHost).bytes(); n != 0 {
		t.Errorf("%d bytes left the machine: %q", n, w.origin(signInHost).seen())
	}
	for range 100 { // the line follows the answer
		if w.log.String() != "" {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if got := w.log.String(); !strings.Contains(got, "msg=request") && !strings.Contains(got, "msg=panic") {
		t.Errorf("nothing was logged: %q", got)
	}
}

// rewritten breaks the serialiser by what change does to a head that is right.
func rewritten(change func(head string) string) func(s *Steps) {
	return func(s *Steps) {
		s.AppendRequest = func(dst []byte, o *wire.Outgoing, p restrict.Plan) ([]byte, error) {
			head, err := wire.AppendRequest(nil, o, p)
			return append(dst, change(string(head))...), err
		}
	}
}

func added(head, line string) string { return strings.TrimSuffix(head, "\r\n") + line + "\r\n\r\n" }

func without(head, name string) string {
	before, rest, _ := strings.Cut(head, "\r\n"+name+": ")
	_, after, _ := strings.Cut(rest, "\r\n")
	return before + "\r\n" + after
}

// TestHTTP2RequestsAreHeldToTheSameRules sends frames that a careful library would not.
func TestHTTP2RequestsAreHeldToTheSameRules(t *testing.T) {
	pseudo := func(more ...string) []string {
		return append([]string{":method", "GET", ":scheme", "https", ":path", "/", ":authority", signInHost}, more...)
	}
	replace := func(name, value string) []string {
		f := pseudo()
		for i := 0; i < len(f); i += 2 {
			if f[i] == name {
				f[i+1] = value
			}
		}
		return f
	}
	cases := map[string][]string{
		"another-authority":       replace(":authority", tunnelHost),
		"a-device-authority":      replace(":authority", "device."+signInHost),
		"an-authority-with-port":  replace(":authority", signInHost+":8443"),
		"a-host-beside-authority": pseudo("host", tunnelHost),
		"a-space-in-the-path":     replace(":path", "/ HTTP/1.1 x"),
		"a-path-without-slash":    replace(":path", "x"),
		"a-scheme-in-the-clear":   replace(":scheme", "http"),
		"a-method-with-space":     replace(":method", "GET /"),
		"trace":                   replace(":method", "TRACE"),
		"a-connection-field":      pseudo("connection", "restrict-access-to-tenants"),
		"transfer-encoding":       pseudo("transfer-encoding", "chunked"),
		"two-lengths":             pseudo("content-length", "0", "content-length", "1"),
		"a-malformed-length":      pseudo("content-length", "+0"),
		"an-upper-case-name":      pseudo("Restrict-Access-Context", "x"),
		"a-line-break":            pseudo("x", "a\r\nRestrict-Access-Context: x"),
	}
	w := newWorld(t, baseSpec())
	for name, fields := range cases {
		t.Run(name, func(t *testing.T) {
			status := h2Raw(t, w, fields)
			if status != "" && status < "400" {
				t.Errorf("status %s", status)
			}
		})
	}
	if n := w.origin(signInHost).bytes(); n != 0 {
		t.Errorf("%d bytes reached the origin: %q", n, w.origin(signInHost).seen())
	}
	if status := h2Raw(t, w, pseudo("restrict-access-to-tenants", "evil", "restrict_access_context", "evil", "sec-restrict-tenant-access-policy", "evil")); status != "200" {
		t.Errorf("an ordinary request: %q", status)
	}
	w.checkAll()
}

// h2Raw sends one request made of the given fields and returns :status, or "" when the stream or the connection was
// reset.
func h2Raw(t *testing.T, w *world, fields []string) string {
	c := w.secure(signInHost, "h2")
	defer c.Close()
	_, _ = io.WriteString(c, http2.ClientPreface)
	f := http2.NewFramer(c, c)
	f.AllowIllegalWrites = true
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = f.WriteSettings()
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for i := 0; i < len(fields); i += 2 {
		_ = e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true})
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return ""
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			return frame.PseudoValue("status")
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return ""
		}
	}
}

func TestUpstreamTroubleIsReadable(t *testing.T) {
	w := newWorld(t, baseSpec(), func(o *Options) { o.Limits.SignInStall = 300 * time.Millisecond })
	o := w.origin(signInHost)
	cases := []struct {
		name, reason string
		status       int
		answer       func(head string, body io.Reader, to io.Writer) bool
	}{
		{"the origin closes", "upstream-broken", 502, func(string, io.Reader, io.Writer) bool { return false }},
		{"the origin says nothing", "upstream-timeout", 504, func(string, io.Reader, io.Writer) bool { time.Sleep(time.Second); return false }},
		{"the origin speaks no HTTP", "upstream-broken", 502, func(_ string, _ io.Reader, to io.Writer) bool { io.WriteString(to, "hello\r\n\r\n"); return false }},
		{"a 101 that nobody asked for", "upstream-switch", 502, func(_ string, _ io.Reader, to io.Writer) bool {
			io.WriteString(to, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n")
			return false
		}},
		{"length and chunked", "upstream-broken", 502, func(_ string, _ io.Reader, to io.Writer) bool {
			io.WriteString(to, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
			return false
		}},
	}
	for _, c := range cases {
		for _, h2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/h2=%v", c.name, h2), func(t *testing.T) {
				o.setAnswer(c.answer)
				resp, err := w.client(h2).Get("https://" + signInHost + "/common")
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if resp.StatusCode != c.status || !strings.Contains(string(body), c.reason) {
					t.Errorf("%d %q", resp.StatusCode, cut(string(body), 2000))
				}
				if !strings.Contains(resp.Header.Get("Proxy-Status"), "sekisho; error=") {
					t.Errorf("Proxy-Status %q", resp.Header.Get("Proxy-Status"))
				}
			})
		}
	}
	w.checkAll()
}

func TestAnUpstreamCertificateThatDoesNotVerifyIsReadable(t *testing.T) {
	w := newWorld(t, baseSpec())
	other := *w.edition
	other.Network.Roots = tlsRootsOfNobody()
	w.g.Load(&other)
	resp, err := w.client(true).Get("https://" + signInHost + "/common")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 502 || !strings.Contains(string(body), "upstream-certificate") {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	if n := len(w.origin(signInHost).seen()); n != 0 {
		t.Error("a request was sent to an origin that did not verify")
	}
}

func TestAnAbortReachesTheOriginWithinASecond(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		w := newWorld(t, baseSpec())
		began, ended := make(chan struct{}), make(chan time.Time, 1)
		w.origin(inspectHost).setAnswer(func(_ string, _ io.Reader, to io.Writer) bool {
			io.WriteString(to, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
			close(began)
			one := make([]byte, 1)
			to.(io.Reader).Read(one) // returns when the gateway closes
			ended <- time.Now()
			return false
		})
		ctx, cancel := context.WithCancel(context.Background())
		req, _ := http.NewRequestWithContext(ctx, "GET", "https://"+inspectHost+"/events", nil)
		resp, err := w.client(h2).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		line := make([]byte, 9)
		if _, err := io.ReadFull(resp.Body, line); err != nil || string(line) != "data: 1\n\n" {
			t.Fatalf("the event was held back: %q %v", line, err)
		}
		<-began
		start := time.Now()
		cancel()
		select {
		case at := <-ended:
			if at.Sub(start) > time.Second {
				t.Errorf("h2=%v: %v", h2, at.Sub(start))
			}
		case <-time.After(3 * time.Second):
			t.Errorf("h2=%v: the abort never reached the origin", h2)
		}
		resp.Body.Close()
	}
}

func TestReloadNeverMixes(t *testing.T) {
	w := newWorld(t, baseSpec())
	second := baseSpec()
	second.Profiles[0].Permitted = second.Profiles[0].Permitted[:1]
	next := *w.edition
	next.Number, next.Program = 2, compile(t, second)
	clientH1, clientH2 := w.client(false), w.client(true)
	get := func(c *http.Client) {
		resp, err := c.Get("https://" + signInHost + "/common")
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	get(clientH1)
	get(clientH2)
	w.g.Load(&next)
	for range 3 {
		get(clientH1)
		get(clientH2)
	}
	seen := w.origin(signInHost).seen()
	for i, head := range seen {
		want := tenants
		if i >= 2 {
			want = "contoso.com"
		}
		if strings.Count(head, "Restrict-Access-To-Tenants: "+want+"\r\n") != 1 || strings.Count(head, "Restrict-Access-") != 2 {
			t.Errorf("request %d: %q", i, head)
		}
	}
}

func TestATunnelNowForbiddenIsCut(t *testing.T) {
	const otherHost = "other.example.com"
	w := newWorld(t, baseSpec())
	w.add(otherHost, false)
	tunnel := tlsClient(w, w.connect(otherHost+":443"), otherHost)
	other := *w.edition
	other.Number = 2
	w.g.Load(&other)
	io.WriteString(tunnel, "GET / HTTP/1.1\r\nHost: "+otherHost+"\r\n\r\n")
	if _, err := tunnel.Read(make([]byte, 1)); err != nil {
		t.Fatalf("a tunnel that is still allowed was cut: %v", err)
	}
	spec := baseSpec()
	spec.Hosts = spec.Hosts[:1]
	spec.Features = spec.Features[:1]
	forbidden := *w.edition
	forbidden.Number, forbidden.Program = 3, compile(t, spec)
	w.g.Load(&forbidden)
	if _, err := io.Copy(io.Discard, tunnel); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the tunnel goes on")
	}
	w.waitReason("edition-changed")
}
