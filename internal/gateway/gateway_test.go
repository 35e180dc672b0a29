package gateway

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"sekisho/internal/audit"
	"sekisho/internal/gateway/refusal"
	"sekisho/internal/policy"
	"sekisho/internal/restrict"
)

type urlT = url.URL

func parseURL(s string) (*url.URL, error) { return url.Parse(s) }

// oracle checks the rule of the house at an origin's socket: each restriction header exactly as configured, or none.
func oracle(t testing.TB, o *origin) {
	t.Helper()
	want := map[string]string{}
	switch o.host {
	case signInHost:
		want[strings.ToLower(restrict.HeaderTenants)] = tenants
		want[strings.ToLower(restrict.HeaderContext)] = tenantID
	case liveHost:
		want[strings.ToLower(restrict.HeaderPolicy)] = "restrict-msa"
	}
	for _, head := range o.seen() {
		got := map[string]int{}
		for _, line := range strings.Split(head, "\r\n")[1:] {
			name, value, _ := strings.Cut(line, ":")
			name = strings.ToLower(strings.ReplaceAll(strings.TrimSpace(name), "_", "-"))
			switch name {
			case "restrict-access-to-tenants", "restrict-access-context", "sec-restrict-tenant-access-policy":
			default:
				continue
			}
			got[name]++
			if w, ok := want[name]; !ok || value != " "+w {
				t.Errorf("%s got %q", o.host, line)
			}
		}
		for name := range want {
			if got[name] != 1 {
				t.Errorf("%s got %s %d times in %q", o.host, name, got[name], head)
			}
		}
		if !strings.Contains(head, "\r\nHost: "+string(o.host)+"\r\n") {
			t.Errorf("%s got another Host: %q", o.host, head)
		}
	}
}

func (w *world) checkAll() {
	w.t.Helper()
	w.mu.Lock()
	var all []*origin
	for _, o := range w.origins {
		all = append(all, o)
	}
	w.mu.Unlock()
	for _, o := range all {
		oracle(w.t, o)
	}
}

func TestSignInRequestCarriesExactlyTheProfilesHeaders(t *testing.T) {
	w := newWorld(t, baseSpec())
	for _, h2 := range []bool{false, true} {
		for _, host := range []string{signInHost, liveHost} {
			req, _ := http.NewRequest("POST", "https://"+host+"/contoso.com/oauth2/v2.0/token?x=secret", strings.NewReader("client_id=app-1&client_secret=hush"))
			req.Header.Set("Restrict-Access-To-Tenants", "evil.example")
			req.Header.Add("restrict-access-to-tenants", "evil2.example")
			req.Header.Set("Sec-Restrict-Tenant-Access-Policy", "evil")
			req.Header.Set("Restrict_Access_Context", "evil")
			req.Header.Set("Cookie", "session=hush")
			resp, err := w.client(h2).Do(req)
			if err != nil {
				t.Fatalf("h2=%v %s: %v", h2, host, err)
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != 200 || string(body) != "hello" {
				t.Errorf("h2=%v %s: %d %q", h2, host, resp.StatusCode, body)
			}
			if h2 != (resp.ProtoMajor == 2) {
				t.Errorf("protocol %s", resp.Proto)
			}
			if resp.Header.Get("Alt-Svc") != "" {
				t.Error("Alt-Svc was passed on")
			}
		}
	}
	if n := len(w.origin(signInHost).seen()); n != 2 {
		t.Errorf("%d requests reached the origin", n)
	}
	w.checkAll()
	r := w.waitRecord(func(r audit.Record) bool { return r.Kind == audit.SignIn && r.Host == signInHost })
	if r.Endpoint != "token" || r.Tenant != "contoso.com" || r.Application != "app-1" || r.Outcome != "ok" || r.Profile != "staff" {
		t.Errorf("record %+v", r)
	}
	for _, secret := range []string{"hush", "secret=", "evil", "x=secret"} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

func TestTunnelIsTheClientsOwnBytes(t *testing.T) {
	w := newWorld(t, baseSpec())
	resp, err := w.client(false).Get("https://" + tunnelHost + "/v1.0/me")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	w.checkAll()
	head := w.origin(tunnelHost).seen()[0]
	if !strings.Contains(head, "User-Agent: Go-http-client") {
		t.Errorf("head %q", head)
	}
}

func TestRefusalsByNameAddressAndServerName(t *testing.T) {
	w := newWorld(t, baseSpec())
	cases := []struct {
		name, authority string
		status          string
		reason          policy.Reason
	}{
		{"a host that no rule names", "files.example.net:443", "403", policy.ReasonNotAllowed},
		{"another port", tunnelHost + ":8443", "403", policy.ReasonPort},
		{"an alias of the sign-in hosts", "sts.windows.net:443", "403", policy.ReasonAlias},
		{"an address literal", "52.96.0.1:443", "403", policy.ReasonLiteral},
		{"an address of the sign-in hosts", "20.190.128.1:443", "403", policy.ReasonSignInAddress},
		{"a metadata address", "169.254.169.254:443", "403", policy.ReasonMetadata},
		{"a name that resolves to private addresses", "rebind.example.com:443", "403", ""},
		{"a dead origin", "dead.example.com:443", "502", refusal.UpstreamUnreachable},
		{"a name without address", "nosuch.example.com:443", "502", refusal.NameNotFound},
		{"a percent form", "login%2emicrosoftonline.com:443", "400", ""},
		{"an odd address form", "0x7f.1:443", "400", policy.ReasonBadHost},
		{"no port", tunnelHost, "400", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := w.raw("CONNECT " + c.authority + " HTTP/1.1\r\nHost: " + c.authority + "\r\n\r\n")
			if !strings.HasPrefix(got, "HTTP/1.1 "+c.status+" ") {
				t.Fatalf("got %q", cut(got, 300))
			}
			if c.reason != "" {
				if !strings.Contains(got, string(c.reason)) {
					t.Errorf("the page does not name %q: %q", c.reason, got)
				}
				w.waitReason(c.reason)
			}
		})
	}
	w.checkAll()
}

func TestTrailingDotAndCaseAreTheSameHost(t *testing.T) {
	w := newWorld(t, baseSpec())
	c := w.connect("LOGIN.MicrosoftOnline.com.:443")
	tlsConn := tlsClient(w, c, signInHost)
	io.WriteString(tlsConn, "GET / HTTP/1.1\r\nHost: LOGIN.microsoftonline.COM.:443\r\nConnection: close\r\n\r\n")
	got, _ := io.ReadAll(tlsConn)
	if !strings.HasPrefix(string(got), "HTTP/1.1 200") {
		t.Errorf("got %q", got)
	}
	w.checkAll()
}

func TestServerNameMustBeTheConnectName(t *testing.T) {
	w := newWorld(t, baseSpec())
	cases := []struct {
		name, connect, sni string
		reason             policy.Reason
	}{
		{"a sign-in host behind a bypassed CONNECT", tunnelHost, signInHost, policy.ReasonSNI},
		{"a bypassed host behind a sign-in CONNECT", signInHost, tunnelHost, policy.ReasonSNI},
		{"a tunnel without server name", tunnelHost, "", policy.ReasonNoSNI},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			conn := w.connect(c.connect + ":443")
			if err := tlsTry(conn, c.sni); err == nil {
				t.Fatal("the handshake succeeded")
			} else if !strings.Contains(err.Error(), "access denied") {
				t.Errorf("error %v", err)
			}
			r := w.waitRecord(func(r audit.Record) bool { return r.Reason == string(c.reason) && r.Host == c.connect })
			if r.Verdict != "deny" || r.Host != c.connect || r.SNI != c.sni || r.Client != "127.0.0.1" {
				t.Errorf("record %+v", r)
			}
		})
	}
	for _, bytes := range []string{"GET / HTTP/1.1\r\nHost: " + tunnelHost + "\r\n\r\n", "SSH-2.0-x\r\n", "\x00\x01\x02"} {
		conn := w.connect(tunnelHost + ":443")
		io.WriteString(conn, bytes)
		if got, _ := io.ReadAll(conn); len(got) > 0 && got[0] != 21 {
			t.Errorf("bytes that are not TLS were answered %q", got)
		}
	}
	w.waitReason(policy.ReasonNotTLS)
	for _, o := range w.origins {
		if o.bytes() > 0 {
			t.Errorf("%s got %d bytes", o.host, o.bytes())
		}
	}
}

func TestSignInHostWithoutServerNameIsInterceptedUnderItsConnectName(t *testing.T) {
	w := newWorld(t, baseSpec())
	c := tlsClientNoSNI(w, w.connect(signInHost+":443"), signInHost)
	io.WriteString(c, "GET /common HTTP/1.1\r\nHost: "+signInHost+"\r\nConnection: close\r\n\r\n")
	if got, _ := io.ReadAll(c); !strings.HasPrefix(string(got), "HTTP/1.1 200") {
		t.Errorf("got %q", got)
	}
	w.checkAll()
}

func TestRequestsInsideAreHeldAgainstTheName(t *testing.T) {
	w := newWorld(t, baseSpec())
	cases := []struct{ name, head, status, code string }{
		{"another Host", "GET / HTTP/1.1\r\nHost: " + tunnelHost + "\r\n\r\n", "421", "authority-mismatch"},
		{"a device host", "GET / HTTP/1.1\r\nHost: device." + signInHost + "\r\n\r\n", "421", "authority-mismatch"},
		{"another port", "GET / HTTP/1.1\r\nHost: " + signInHost + ":8443\r\n\r\n", "421", "authority-mismatch"},
		{"two Hosts", "GET / HTTP/1.1\r\nHost: " + signInHost + "\r\nHost: " + signInHost + "\r\n\r\n", "400", "host-multiple"},
		{"no Host", "GET / HTTP/1.1\r\n\r\n", "400", "host-missing"},
		{"an absolute target elsewhere", "GET https://" + tunnelHost + "/ HTTP/1.1\r\nHost: " + signInHost + "\r\n\r\n", "421", ""},
		{"a bare LF", "GET / HTTP/1.1\nHost: " + signInHost + "\r\n\r\n", "400", "bare-lf"},
		{"folding", "GET / HTTP/1.1\r\nHost: " + signInHost + "\r\nA: b\r\n c\r\n\r\n", "400", "folding"},
		{"length and chunked", "POST / HTTP/1.1\r\nHost: " + signInHost + "\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "400", ""},
		{"TRACE", "TRACE / HTTP/1.1\r\nHost: " + signInHost + "\r\n\r\n", "403", "method-refused"},
		{"CONNECT", "CONNECT " + signInHost + ":443 HTTP/1.1\r\nHost: " + signInHost + ":443\r\n\r\n", "403", "method-refused"},
		{"an upgrade", "GET / HTTP/1.1\r\nHost: " + signInHost + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "403", "upgrade-refused"},
		{"h2c", "GET / HTTP/1.1\r\nHost: " + signInHost + "\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", "403", "upgrade-refused"},
		{"HTTP/1.2", "GET / HTTP/1.2\r\nHost: " + signInHost + "\r\n\r\n", "505", ""},
		{"a long head", "GET / HTTP/1.1\r\nHost: " + signInHost + "\r\nA: " + strings.Repeat("a", 70<<10) + "\r\n\r\n", "431", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := w.inside(signInHost, c.head)
			if !strings.HasPrefix(got, "HTTP/1.1 "+c.status+" ") || c.code != "" && !strings.Contains(got, c.code) {
				t.Fatalf("got %q", cut(got, 400))
			}
		})
	}
	if n := w.origin(signInHost).bytes(); n > 0 {
		t.Errorf("the origin got %d bytes: %q", n, w.origin(signInHost).seen())
	}
	w.waitRecord(func(r audit.Record) bool {
		return r.Reason == "authority-mismatch" && r.Authority == tunnelHost && r.SNI == signInHost
	})
}

func TestPipelinedRequestsAreServedInOrder(t *testing.T) {
	w := newWorld(t, baseSpec())
	n := 0
	w.origin(signInHost).setAnswer(func(head string, body io.Reader, to io.Writer) bool {
		path := strings.Fields(head)[1]
		n++
		io.WriteString(to, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"+path)
		return true
	})
	one := func(path, more string) string {
		return "GET " + path + " HTTP/1.1\r\nHost: " + signInHost + "\r\nRestrict-Access-To-Tenants: evil\r\n" + more + "\r\n"
	}
	got := w.inside(signInHost, one("/1", "")+one("/2", "Connection: Restrict-Access-To-Tenants\r\n")+one("/3", "Connection: close\r\n"))
	if i, j, k := strings.Index(got, "/1"), strings.Index(got, "/2"), strings.Index(got, "/3"); i < 0 || j < i || k < j {
		t.Errorf("got %q", got)
	}
	w.checkAll()
}

func TestPlainRequests(t *testing.T) {
	w := newWorld(t, baseSpec())
	get := func(target, more string) string {
		return w.raw("GET " + target + " HTTP/1.1\r\nHost: " + plainHost + "\r\n" + more + "Connection: close\r\n\r\n")
	}
	if got := get("http://"+plainHost+"/a?b", "Restrict-Access-To-Tenants: evil\r\nProxy-Authorization: Basic eDp5\r\n"); !strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Errorf("got %q", got)
	}
	head := w.origin(plainHost).seen()[0]
	if strings.Contains(head, "Proxy-Authorization") || !strings.HasPrefix(head, "GET /a?b HTTP/1.1\r\n") {
		t.Errorf("head %q", head)
	}
	for _, c := range []struct{ target, status, reason string }{
		{"/", "400", "not-for-proxy"},
		{"https://" + plainHost + "/", "400", ""},
		{"http://other.example.com/", "400", "host-mismatch"},
		{"http://" + plainHost + ":81/", "400", ""},
	} {
		if got := get(c.target, ""); !strings.HasPrefix(got, "HTTP/1.1 "+c.status) || !strings.Contains(got, c.reason) {
			t.Errorf("%s: %q", c.target, cut(got, 300))
		}
	}
	signIn := w.add(signInHost, true)
	got := w.raw("GET http://" + signInHost + "/ HTTP/1.1\r\nHost: " + signInHost + "\r\nConnection: close\r\nRestrict-Access-Context: x\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 200") || len(signIn.seen()) != 1 {
		t.Errorf("a plain sign-in request: %q", cut(got, 200))
	}
	w.checkAll()
}

func TestPagesSpeakTheReadersLanguage(t *testing.T) {
	w := newWorld(t, baseSpec())
	ask := func(fields string) string {
		return w.raw("CONNECT files.example.net:443 HTTP/1.1\r\nHost: files.example.net:443\r\n" + fields + "\r\n")
	}
	ja, en, js := ask(""), ask("Accept-Language: en\r\n"), ask("Accept: application/json\r\n")
	if i, j := strings.Index(ja, "許可されていません"), strings.Index(ja, "not allowed"); i < 0 || j < i {
		t.Errorf("Japanese first: %q", ja)
	}
	if !strings.Contains(en, `<html lang="en">`) || !strings.Contains(en, "desk &lt;1234&gt;") {
		t.Errorf("English page: %q", en)
	}
	if !strings.Contains(js, `"reason":"not-allowed"`) || !strings.Contains(js, "application/json") {
		t.Errorf("JSON: %q", js)
	}
}

func TestAuditFull(t *testing.T) {
	w := newWorld(t, baseSpec())
	w.full.Store(true)
	if got := w.raw("CONNECT " + signInHost + ":443 HTTP/1.1\r\nHost: " + signInHost + "\r\n\r\n"); !strings.Contains(got, "audit-full") {
		t.Errorf("got %q", cut(got, 200))
	}
	w.connect(tunnelHost + ":443")
}
