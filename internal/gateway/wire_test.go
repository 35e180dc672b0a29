package gateway

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// everything is what reached all origins, head by head.
func (w *world) everything() (heads []string, bytes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range w.origins {
		o.mu.Lock()
		heads, bytes = append(heads, o.heads...), bytes+len(o.raw)
		o.mu.Unlock()
	}
	return heads, bytes
}

func (w *world) forgetAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range w.origins {
		o.forget()
	}
}

// short keeps what is refused from taking a second each.
func short(o *Options) { quiet(o); o.Limits.Linger = 10 * time.Millisecond }

// TestWhatIsRefusedInsideASignInConnection is the table of HTTP/1 messages that two readers could read differently, or
// that would lead somewhere else. None lets a byte through.
func TestWhatIsRefusedInsideASignInConnection(t *testing.T) {
	const host = "Host: " + signInHost + "\r\n"
	get := func(more string) string { return "GET / HTTP/1.1\r\n" + host + more + "\r\n" }
	post := func(more string) string { return "POST / HTTP/1.1\r\n" + host + more + "\r\n" }
	line := func(first string) string { return first + "\r\n" + host + "\r\n" }
	named := func(host string) string { return "GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n" }
	w := newWorld(t, baseSpec(), short)
	for _, c := range []struct{ name, bytes, status, code string }{
		{"a bare LF", "GET / HTTP/1.1\r\n" + host + "A: b\n\r\n", "400", "bare-lf"},
		{"a bare CR in a value", get("A: b\rRestrict-Access-Context: evil\r\n"), "400", "bare-cr"},
		{"a bare CR at the end", get("A: b\r\r\n"), "400", "bare-cr"},
		{"NUL in a value", get("A: b\x00c\r\n"), "400", "nul"},
		{"NUL in a name", get("A\x00: b\r\n"), "400", "nul"},
		{"DEL in a value", get("A: \x7f\r\n"), "400", "control-byte"},
		{"folding with a space", get("A: b\r\n c\r\n"), "400", "folding"},
		{"folding with a tab", get("A: b\r\n\tc\r\n"), "400", "folding"},
		{"a first field that is folded", "GET / HTTP/1.1\r\n " + host + "\r\n", "400", "folding"},
		{"space before the colon", "GET / HTTP/1.1\r\nHost : " + signInHost + "\r\n\r\n", "400", "space-before-colon"},
		{"tab before the colon", get("Content-Length\t: 3\r\n"), "400", "space-before-colon"},
		{"no colon", get("abc\r\n"), "400", "colon-missing"},
		{"no name", get(": x\r\n"), "400", "name-empty"},
		{"a name outside ASCII", get("Ｒestrict-Access-Context: x\r\n"), "400", "name-non-ascii"},
		{"a name with a bracket", get("A(b): x\r\n"), "400", "name-byte"},
		{"an underscored length", post("Content_Length: 3\r\n"), "400", "name-lookalike"},
		{"an underscored coding", post("Transfer_Encoding: chunked\r\n"), "400", "name-lookalike"},
		{"two empty lines first", "\r\n\r\n" + get(""), "400", "empty-line"},
		{"a space first", " " + get(""), "400", "request-line"},
		{"HTTP/0.9", "GET /\r\n\r\n", "400", "version-missing"},
		{"HTTP/1.2", line("GET / HTTP/1.2"), "505", "version-unsupported"},
		{"HTTP/3.0", line("GET / HTTP/3.0"), "505", "version-unsupported"},
		{"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505", "version-unsupported"},
		{"a version in lower case", line("GET / http/1.1"), "400", "version-invalid"},
		{"a method in lower case", line("get / HTTP/1.1"), "400", "method-case"},
		{"a long method", line(strings.Repeat("A", 40) + " / HTTP/1.1"), "501", "method-too-long"},
		{"TRACE", line("TRACE / HTTP/1.1"), "403", "method-refused"},
		{"CONNECT to itself", line("CONNECT " + signInHost + ":443 HTTP/1.1"), "403", "method-refused"},
		{"CONNECT elsewhere", "CONNECT " + tunnelHost + ":443 HTTP/1.1\r\nHost: " + tunnelHost + ":443\r\n\r\n", "421", "authority-mismatch"},
		{"two spaces", line("GET  / HTTP/1.1"), "400", "target-empty"},
		{"a tab for a space", line("GET\t/ HTTP/1.1"), "400", "request-line"},
		{"a space in the target", line("GET /a b HTTP/1.1"), "400", "target-space"},
		{"a target outside ASCII", line("GET /é HTTP/1.1"), "400", "target-byte"},
		{"a fragment", line("GET /#a HTTP/1.1"), "400", "target-fragment"},
		{"a target without slash", line("GET a HTTP/1.1"), "400", "target-form"},
		{"an asterisk for GET", line("GET * HTTP/1.1"), "400", "target-form"},
		{"an absolute target elsewhere", line("GET https://" + tunnelHost + "/ HTTP/1.1"), "421", "host-mismatch"},
		{"an absolute target and Host elsewhere", "GET https://" + tunnelHost + "/ HTTP/1.1\r\nHost: " + tunnelHost + "\r\n\r\n", "421", "authority-mismatch"},
		{"an absolute target in the clear", line("GET http://" + signInHost + "/ HTTP/1.1"), "421", "host-mismatch"},
		{"an absolute target without authority", line("GET https:/// HTTP/1.1"), "400", "target-authority"},
		{"an absolute target with a user", line("GET https://u@" + signInHost + "/ HTTP/1.1"), "400", "target-userinfo"},
		{"an absolute target with another scheme", line("GET ftp://" + signInHost + "/ HTTP/1.1"), "400", "target-scheme"},
		{"no Host", "GET / HTTP/1.1\r\n\r\n", "400", "host-missing"},
		{"no Host in HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", "421", "authority-mismatch"},
		{"an empty Host", named(""), "400", "host-empty"},
		{"two equal Hosts", get(host), "400", "host-multiple"},
		{"two Hosts", get("host: " + tunnelHost + "\r\n"), "400", "host-multiple"},
		{"two names in Host", named(signInHost + ", " + tunnelHost), "400", "host-invalid"},
		{"a user in Host", named("u@" + signInHost), "400", "host-invalid"},
		{"a percent form", named("login%2emicrosoftonline.com"), "400", "host-invalid"},
		{"full width", named("ｌｏｇｉｎ.microsoftonline.com"), "400", "host-invalid"},
		{"an ideographic full stop", named("login。microsoftonline.com"), "400", "host-invalid"},
		{"punycode", named("xn--lgin-5na.microsoftonline.com"), "421", "authority-mismatch"},
		{"two trailing dots", named(signInHost + ".."), "421", "authority-mismatch"},
		{"a leading dot", named("." + signInHost), "421", "authority-mismatch"},
		{"another port", named(signInHost + ":8443"), "421", "authority-mismatch"},
		{"port 80", named(signInHost + ":80"), "421", "authority-mismatch"},
		{"an empty port", named(signInHost + ":"), "400", "host-invalid"},
		{"a padded port", named(signInHost + ":0443"), "400", "host-invalid"},
		{"a large port", named(signInHost + ":65979"), "400", "host-invalid"}, // 443 in 16 bits
		{"an address", named("20.190.128.1"), "421", "authority-mismatch"},
		{"an address in brackets", named("[2603:1006:2000::1]"), "421", "authority-mismatch"},
		{"another sign-in host", named("login.windows.net"), "421", "authority-mismatch"},
		{"a device host", named("device." + signInHost), "421", "authority-mismatch"},
		{"two lengths", post("Content-Length: 3\r\nContent-Length: 4\r\n"), "400", "content-length-conflict"},
		{"two equal lengths", post("Content-Length: 3\r\nContent-Length: 3\r\n"), "400", "content-length-many"},
		{"a list of lengths", post("Content-Length: 3, 3\r\n"), "400", "content-length-many"},
		{"a signed length", post("Content-Length: +3\r\n"), "400", "content-length"},
		{"a negative length", post("Content-Length: -3\r\n"), "400", "content-length"},
		{"a length in hexadecimal", post("Content-Length: 0x3\r\n"), "400", "content-length"},
		{"an empty length", post("Content-Length: \r\n"), "400", "content-length"},
		{"a length beyond 64 bits", post("Content-Length: 18446744073709551619\r\n"), "400", "content-length-overflow"},
		{"length and chunked", post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"), "400", "length-and-chunked"},
		{"chunked and length", post("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"), "400", "length-and-chunked"},
		{"another coding", post("Transfer-Encoding: gzip\r\n"), "501", "transfer-encoding"},
		{"identity", post("Transfer-Encoding: identity\r\n"), "501", "transfer-encoding"},
		{"a vertical tab before chunked", post("Transfer-Encoding: \x0bchunked\r\n"), "400", "control-byte"},
		{"two codings in a list", post("Transfer-Encoding: chunked, chunked\r\n"), "501", "transfer-encoding"},
		{"two codings", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), "400", "transfer-encoding-many"},
		{"a quoted coding", post("Transfer-Encoding: \"chunked\"\r\n"), "501", "transfer-encoding"},
		{"chunked in HTTP/1.0", "POST / HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n", "400", "chunked-http-1.0"},
		{"a trailer that is a restriction header", post("Transfer-Encoding: chunked\r\nTrailer: Restrict-Access-Context\r\n"), "400", "trailer-forbidden"},
		{"another expectation", post("Content-Length: 3\r\nExpect: 200-ok\r\n"), "417", "expect"},
		{"WebSocket", get("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n"), "403", "upgrade-refused"},
		{"h2c", get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"), "403", "upgrade-refused"},
		{"h2c among others", get("Connection: keep-alive,upgrade\r\nUpgrade: foo, h2c\r\n"), "403", "upgrade-refused"},
		{"TLS inside", get("Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n"), "403", "upgrade-refused"},
		{"too many fields", get(strings.Repeat("A: b\r\n", 201)), "431", "fields-too-many"},
		{"a long field", get("A: " + strings.Repeat("a", 17<<10) + "\r\n"), "431", "field-too-long"},
		{"a long target", line("GET /" + strings.Repeat("a", 17<<10) + " HTTP/1.1"), "414", "target-too-long"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.t = t
			got := w.inside(signInHost, c.bytes)
			if !strings.HasPrefix(got, "HTTP/1.1 "+c.status+" ") || !strings.Contains(got, c.code) {
				t.Errorf("told %q, want %s and %q", cut(got, 200), c.status, c.code)
			}
			if strings.Count(got, "HTTP/1.1 ") != 1 {
				t.Errorf("what follows a refusal was answered: %q", got)
			}
			if heads, n := w.everything(); n != 0 {
				t.Errorf("%d bytes reached an origin: %q", n, heads)
				w.forgetAll()
			}
		})
	}
	w.t = t
}

// TestWhatASignInHostGets is the table of HTTP/1 messages that pass, byte for byte at the origin's socket.
func TestWhatASignInHostGets(t *testing.T) {
	const (
		host = "Host: " + signInHost + "\r\n"
		set  = "Restrict-Access-To-Tenants: " + tenants + "\r\nRestrict-Access-Context: " + tenantID + "\r\n"
	)
	w := newWorld(t, baseSpec(), short)
	for _, c := range []struct {
		name, bytes string
		want        string
	}{
		{"HTTP/1.1", "GET /a?b HTTP/1.1\r\n" + host + "\r\n", "GET /a?b HTTP/1.1\r\n" + host + set + "\r\n"},
		{"HTTP/1.0", "GET / HTTP/1.0\r\n" + host + "A: b\r\n\r\n", "GET / HTTP/1.1\r\n" + host + "A: b\r\n" + set + "\r\n"},
		{"one empty line first", "\r\nGET / HTTP/1.1\r\n" + host + "\r\n", "GET / HTTP/1.1\r\n" + host + set + "\r\n"},
		{"the case of names and the order of fields", "GET / HTTP/1.1\r\nzZ: 1\r\nhOsT: " + signInHost + "\r\nAa:2\r\nzz:\t3 \r\n\r\n", "GET / HTTP/1.1\r\n" + host + "zZ: 1\r\nAa: 2\r\nzz: 3\r\n" + set + "\r\n"},
		{"bytes above ASCII in a value", "GET / HTTP/1.1\r\n" + host + "A: \xe3\x81\x82\xff\r\n\r\n", "GET / HTTP/1.1\r\n" + host + "A: \xe3\x81\x82\xff\r\n" + set + "\r\n"},
		{"a Host in other spellings", "GET / HTTP/1.1\r\nHost: LOGIN.MicrosoftOnline.com.:443\r\n\r\n", "GET / HTTP/1.1\r\n" + host + set + "\r\n"},
		{"an absolute target", "GET HTTPS://" + signInHost + ":443?a HTTP/1.1\r\n" + host + "\r\n", "GET /?a HTTP/1.1\r\n" + host + set + "\r\n"},
		{"OPTIONS of the server", "OPTIONS * HTTP/1.1\r\n" + host + "\r\n", "OPTIONS * HTTP/1.1\r\n" + host + set + "\r\n"},
		{"the client's own restriction headers", "GET / HTTP/1.1\r\n" + host + "Restrict-Access-To-Tenants: evil\r\nRESTRICT-ACCESS-CONTEXT: evil\r\nrestrict_access_to_tenants: evil\r\n" +
			"sec-Restrict-Tenant-Access-Policy: evil\r\nSec_restrict-Tenant_Access-Policy:evil\r\nRestrict-Access-To-Tenant: evil\r\nsec-tenant-restriction-access-policy: evil\r\nA: b\r\n\r\n",
			"GET / HTTP/1.1\r\n" + host + "A: b\r\n" + set + "\r\n"},
		{"options of the connection", "GET / HTTP/1.1\r\n" + host + "Connection: Restrict-Access-To-Tenants, A, Host\r\nConnection: restrict-access-context, Cookie\r\nA: b\r\nCookie: c\r\n\r\n",
			"GET / HTTP/1.1\r\n" + host + "Cookie: c\r\n" + set + "\r\n"},
		{"fields between two hops", "GET / HTTP/1.1\r\n" + host + "Proxy-Authorization: Basic eA==\r\nProxy-Connection: keep-alive\r\nKeep-Alive: 1\r\nTE: trailers, deflate\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nSec-WebSocket-Key: x\r\n\r\n",
			"GET / HTTP/1.1\r\n" + host + set + "TE: trailers\r\nConnection: TE\r\n\r\n"},
		{"a length", "POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc", "POST / HTTP/1.1\r\n" + host + set + "Content-Length: 3\r\n\r\nabc"},
		{"no length", "POST / HTTP/1.1\r\n" + host + "\r\n", "POST / HTTP/1.1\r\n" + host + set + "Content-Length: 0\r\n\r\n"},
		{"a body of GET", "GET / HTTP/1.1\r\n" + host + "Content-Length: 003\r\n\r\nabc", "GET / HTTP/1.1\r\n" + host + set + "Content-Length: 3\r\n\r\nabc"},
		{"chunks with extensions and trailers", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: Chunked\r\nTrailer: X\r\n\r\n00003;a=\"b\"\r\nabc\r\n0\r\nX: 1\r\n\r\n",
			"POST / HTTP/1.1\r\n" + host + set + "Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n3\r\nabc\r\n0\r\nX: 1\r\n\r\n"},
		{"ranges", "GET / HTTP/1.1\r\n" + host + "Range: bytes=0-0,5-\r\nIf-Range: \"e\"\r\n\r\n", "GET / HTTP/1.1\r\n" + host + "Range: bytes=0-0,5-\r\nIf-Range: \"e\"\r\n" + set + "\r\n"},
		{"pipelined", "POST /1 HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\n" + host + "\r\n",
			"POST /1 HTTP/1.1\r\n" + host + set + "Content-Length: 3\r\n\r\nabc" + "GET /2 HTTP/1.1\r\n" + host + set + "\r\n"},
		{"a request hidden in a body", "POST /1 HTTP/1.1\r\n" + host + "Content-Length: 28\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n",
			"POST /1 HTTP/1.1\r\n" + host + set + "Content-Length: 28\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.t = t
			o := w.origin(signInHost)
			o.forget()
			c2 := w.secure(signInHost, "http/1.1")
			_, _ = io.WriteString(c2, c.bytes)
			_ = c2.CloseWrite()
			_, _ = io.ReadAll(c2)
			for range 100 { // what is sent last may still be on its way
				if o.bytes() >= len(c.want) {
					break
				}
				time.Sleep(2 * time.Millisecond)
			}
			o.mu.Lock()
			got := string(o.raw)
			o.mu.Unlock()
			if got != c.want {
				t.Errorf("the origin got\n%q\nwant\n%q", got, c.want)
			}
		})
	}
	w.t = t
}

// TestBrokenChunksNeverLookWhole sends bodies that go wrong after the head was passed on: the origin must not take what it
// has for a whole message, and what follows must not become another.
func TestBrokenChunksNeverLookWhole(t *testing.T) {
	w := newWorld(t, baseSpec(), short)
	got := make(chan string, 1)
	w.origin(signInHost).setScript(nil)
	for name, body := range map[string]string{
		"a size with a sign":            "+3\r\nabc\r\n0\r\n\r\n",
		"a size with a prefix":          "0x3\r\nabc\r\n0\r\n\r\n",
		"a size with a space":           "3 \r\nabc\r\n0\r\n\r\n",
		"no size":                       "\r\nabc\r\n0\r\n\r\n",
		"a size beyond 64 bits":         "10000000000000003\r\nabc\r\n0\r\n\r\n",
		"a size line with LF":           "3\nabc\r\n0\r\n\r\n",
		"data that is too long":         "3\r\nabcd\r\n0\r\n\r\n",
		"an extension with a line feed": "3;a\nb\r\nabc\r\n0\r\n\r\n",
		"an undeclared trailer":         "3\r\nabc\r\n0\r\nX: y\r\n\r\n",
		"a forbidden trailer":           "3\r\nabc\r\n0\r\nRestrict-Access-Context: evil\r\n\r\n",
		"an end that does not come":     "3\r\nabc\r\n",
		"a last chunk with LF":          "3\r\nabc\r\n0\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			o := w.origin(signInHost)
			o.forget()
			o.setAnswer(func(_ string, body io.Reader, to io.Writer) bool {
				b, err := io.ReadAll(body)
				got <- fmt.Sprint(string(b), " ", err)
				return false
			})
			c := w.secure(signInHost, "http/1.1")
			_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: "+signInHost+"\r\nTransfer-Encoding: chunked\r\n\r\n"+body+"GET /2 HTTP/1.1\r\nHost: "+signInHost+"\r\n\r\n")
			_ = c.CloseWrite()
			_, _ = io.ReadAll(c)
			oracle(t, o)
			select {
			case whole := <-got:
				if strings.HasSuffix(whole, "<nil>") {
					t.Errorf("the origin took %q for a whole body", whole)
				}
			case <-time.After(3 * time.Second):
				t.Error("the origin was left waiting")
			}
			for _, head := range o.seen() {
				if strings.Contains(head, "/2") {
					t.Errorf("what followed became a request: %q", head)
				}
			}
		})
	}
	w.t = t
}

// TestWhatCONNECTRefuses is the table of targets that name nothing that may be reached.
func TestWhatCONNECTRefuses(t *testing.T) {
	w := newWorld(t, baseSpec(), short)
	for _, c := range []struct{ target, status, reason string }{
		{signInHost + ":80", "403", "port-not-allowed"},
		{signInHost + ":8443", "403", "port-not-allowed"},
		{signInHost + ":0", "400", "target-port"},
		{signInHost + ":00443", "400", "target-port"},
		{signInHost + ":65979", "400", "target-port"},
		{signInHost + ":443x", "400", "target-port"},
		{signInHost + ":", "400", "target-port"},
		{signInHost, "400", "target-port"},
		{signInHost + ":443:443", "400", ""},
		{signInHost + "..:443", "400", "bad-host"},
		{"." + signInHost + ":443", "400", "bad-host"},
		{"login%2emicrosoftonline.com:443", "400", "target-authority"},
		{"login.microsoftonline.com%00.graph.microsoft.com:443", "400", "target-authority"},
		{"ｌｏｇｉｎ.microsoftonline.com:443", "400", "target-byte"},
		{"login。microsoftonline.com:443", "400", "target-byte"},
		{"xn--lgin-5na.microsoftonline.com:443", "502", "name-not-found"}, // open by a wildcard, and another name
		{"xn--lgin-5na.microsoft.example:443", "403", "not-allowed"},
		{"u@" + signInHost + ":443", "400", "target-userinfo"},
		{"https://" + signInHost + ":443", "400", ""},
		{signInHost + ":443/", "400", ""},
		{"*:443", "400", ""},
		{"evil" + signInHost + ":443", "502", "name-not-found"},
		{signInHost + ".evil.example:443", "403", "not-allowed"},
		{"localhost:443", "403", ""},
		{"127.0.0.1:443", "403", "private-address"},
		{"10.1.2.3:443", "403", "private-address"},
		{"127.1:443", "400", "bad-host"},
		{"0177.0.0.1:443", "400", "bad-host"},
		{"2130706433:443", "400", "bad-host"},
		{"0x14be8001:443", "400", "bad-host"},
		{"[::1]:443", "403", "private-address"},
		{"[::ffff:20.190.128.1]:443", "400", "bad-host"},
		{"[fe80::1%25eth0]:443", "400", ""},
		{"20.190.128.1:443", "403", "address-of-sign-in"},
		{"40.126.63.255:443", "403", "address-of-sign-in"},
		{"[2603:1006:2000::1]:443", "403", "address-of-sign-in"},
		{"[64:ff9b::14be:8001]:443", "403", "address-literal"},
		{"169.254.169.254:80", "403", "metadata-address"},
		{"168.63.129.16:443", "403", "metadata-address"},
		{"8.8.8.8:443", "403", "address-literal"},
		{"rebind.example.com:443", "403", "metadata-address"},
		{"sts.windows.net:443", "403", "alias-host"},
		{"westeurope.login.microsoft.com:443", "403", "alias-host"},
		{"westeurope.r.login.microsoftonline.com:443", "403", "alias-host"},
		{"login-us.microsoftonline.com:443", "403", "alias-host"},
		{"login.microsoftonline-p.com:443", "403", "alias-host"},
		{"login.microsoftonline.us:443", "403", "other-cloud"},
		{"login.partner.microsoftonline.cn:443", "403", "other-cloud"},
		{"login.chinacloudapi.cn:443", "403", "other-cloud"},
		{"login.usgovcloudapi.net:443", "403", "other-cloud"},
		{"login.sovcloud-identity.fr:443", "403", "other-cloud"},
		{"login.microsoftonline.de:443", "403", ""},
		{"accounts.accesscontrol.windows.net:443", "403", ""},
	} {
		t.Run(c.target, func(t *testing.T) {
			w.t = t
			for _, version := range []string{"HTTP/1.1", "HTTP/1.0"} {
				got := w.raw("CONNECT " + c.target + " " + version + "\r\nHost: x\r\n\r\n" + "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				if !strings.HasPrefix(got, "HTTP/1.1 "+c.status+" ") || !strings.Contains(got, c.reason) {
					t.Errorf("%s: told %q, want %s and %q", version, cut(got, 300), c.status, c.reason)
				}
			}
			if heads, n := w.everything(); n != 0 {
				t.Errorf("%d bytes reached an origin: %q", n, heads)
				w.forgetAll()
			}
		})
	}
	for _, head := range []string{
		"CONNECT " + tunnelHost + ":443 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
		"CONNECT " + tunnelHost + ":443 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"CONNECT " + tunnelHost + ":443 HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
		"CONNECT " + tunnelHost + ":443 HTTP/1.1\r\n\r\n",
		"CONNECT " + tunnelHost + ":443\r\n\r\n",
		"connect " + tunnelHost + ":443 HTTP/1.1\r\nHost: x\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"\x16\x03\x01\x00\x05",
	} {
		if got := w.raw(head); !strings.HasPrefix(got, "HTTP/1.1 400 ") && !strings.HasPrefix(got, "HTTP/1.1 505 ") {
			t.Errorf("%q: %q", head, cut(got, 200))
		}
	}
	w.t = t
	if heads, n := w.everything(); n != 0 {
		t.Errorf("%d bytes reached an origin: %q", n, heads)
	}
}
