package gateway

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// forget empties what an origin has recorded.
func (o *origin) forget() {
	o.mu.Lock()
	o.heads, o.raw = nil, nil
	o.mu.Unlock()
}

// explained checks that everything that reached an origin was whole messages of the gateway's own making: each head
// that the origin found began with a method and ended with our framing, and no byte stands outside a head or its body.
func explained(t *testing.T, o *origin) {
	t.Helper()
	for _, head := range o.seen() {
		if strings.Count(head, "\r\n\r\n") != 1 || strings.Count(strings.ToLower(head), "\r\nhost:") != 1 ||
			strings.Count(strings.ToLower(head), "\r\ncontent-length:")+strings.Count(strings.ToLower(head), "\r\ntransfer-encoding:") > 1 {
			t.Errorf("%s got %q", o.host, head)
		}
	}
}

// FuzzBytesInsideAnInterceptedConnection sends any bytes where HTTP/1.1 requests are expected. Whatever they are, a
// request that reaches the origin carries the headers of the profile exactly once.
func FuzzBytesInsideAnInterceptedConnection(f *testing.F) {
	host := "Host: " + signInHost + "\r\n"
	for _, seed := range []string{
		"GET / HTTP/1.1\r\n" + host + "\r\n",
		"GET / HTTP/1.1\r\n" + host + "Restrict-Access-To-Tenants: evil\r\nrestrict-access-to-tenants: evil\r\n\r\n",
		"POST / HTTP/1.1\r\n" + host + "Content-Length: 4\r\n\r\nbodyGET /2 HTTP/1.1\r\n" + host + "\r\n",
		"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTrailer: X, Restrict-Access-Context\r\n\r\n4\r\nbody\r\n0\r\nX: 1\r\n\r\n",
		"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
		"GET / HTTP/1.1\r\n" + host + "Connection: Restrict-Access-To-Tenants, close\r\n\r\n",
		"GET https://" + signInHost + "/ HTTP/1.1\r\n" + host + "\r\n",
		"GET / HTTP/1.0\r\n\r\n",
		"GET / HTTP/1.1\r\n" + host + "X: a\r\n Restrict-Access-Context: b\r\n\r\n",
		"GET / HTTP/1.1\r\n" + host + "Restrict_Access_Context: b\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
		"HEAD / HTTP/1.1\r\n" + host + "Expect: 100-continue\r\n\r\nOPTIONS * HTTP/1.1\r\n" + host + "\r\n",
	} {
		f.Add([]byte(seed))
	}
	w := newWorld(f, baseSpec(), quiet)
	f.Fuzz(func(t *testing.T, data []byte) {
		w.t = t
		o := w.origin(signInHost)
		o.forget()
		c := w.secure(signInHost, "http/1.1")
		_, _ = c.Write(data)
		_ = c.CloseWrite()
		_ = c.SetReadDeadline(time.Now().Add(3 * time.Second))
		_, _ = io.Copy(io.Discard, c)
		c.Close()
		oracle(t, o)
		explained(t, o)
	})
}

// FuzzFieldsOfAnHTTP2Request sends any header block.
func FuzzFieldsOfAnHTTP2Request(f *testing.F) {
	base := ":method\nGET\n:scheme\nhttps\n:path\n/\n:authority\n" + signInHost
	for _, more := range []string{
		"", "\nrestrict-access-to-tenants\nevil", "\nrestrict_access_context\nevil\nhost\n" + tunnelHost, "\ncontent-length\n5",
		"\ntransfer-encoding\nchunked", "\nconnection\nrestrict-access-context", "\nx\na\r\nRestrict-Access-Context: b", "\ncookie\na=b\ncookie\nc=d",
	} {
		f.Add(base + more)
	}
	w := newWorld(f, baseSpec(), quiet)
	f.Fuzz(func(t *testing.T, text string) {
		w.t = t
		o := w.origin(signInHost)
		o.forget()
		fields := strings.Split(text, "\n")
		c := w.secure(signInHost, "h2")
		defer c.Close()
		_, _ = io.WriteString(c, http2.ClientPreface)
		framer := http2.NewFramer(c, c)
		framer.AllowIllegalWrites = true
		_ = framer.WriteSettings()
		var block bytes.Buffer
		e := hpack.NewEncoder(&block)
		for i := 0; i+1 < len(fields); i += 2 {
			_ = e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
		}
		if block.Len() > 16<<10 {
			return
		}
		_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true})
		_ = c.SetReadDeadline(time.Now().Add(3 * time.Second))
		for {
			frame, err := framer.ReadFrame()
			if err != nil {
				break
			}
			h := frame.Header()
			if _, reset := frame.(*http2.RSTStreamFrame); reset || h.Type == http2.FrameGoAway || h.StreamID == 1 && h.Flags.Has(http2.FlagDataEndStream) {
				break
			}
		}
		oracle(t, o)
		explained(t, o)
	})
}

// TestWhateverIsThrownAtIt builds requests out of pieces that gateways have stumbled over, many to a connection, to
// every sign-in host and to hosts that never get a header.
func TestWhateverIsThrownAtIt(t *testing.T) {
	w := newWorld(t, baseSpec(), quiet)
	random := rand.New(rand.NewPCG(1, 2))
	// The first of a list is the ordinary choice, taken two times out of three.
	pick := func(list ...string) string {
		if random.IntN(3) > 0 {
			return list[0]
		}
		return list[random.IntN(len(list))]
	}
	odd := func(list ...string) string { return list[random.IntN(len(list))] }
	request := func(host string) string {
		var b strings.Builder
		fmt.Fprintf(&b, "%s %s %s\r\n", pick("GET", "GET", "POST", "HEAD", "OPTIONS", "PUT", "get", "TRACE", "CONNECT", "FOO"),
			pick("/", "/a?b", "https://"+host+"/", "http://"+host+"/", "https://"+tunnelHost+"/", "*", host+":443", "//x", "/%00", "/a b"),
			pick("HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "http/1.1"))
		fmt.Fprintf(&b, "%s: %s\r\n", pick("Host", "Host", "HOST", "host", "Host "), pick(host, host, host, strings.ToUpper(host), host+".", host+":443", tunnelHost, "device."+host))
		for range random.IntN(4) {
			fmt.Fprintf(&b, "%s%s", odd(
				"Restrict-Access-To-Tenants: evil", "Restrict-Access-Context: evil", "Accept: x", "Connection: Restrict-Access-To-Tenants", "restrict-access-to-tenants: evil", "RESTRICT_ACCESS_TO_TENANTS: evil", "Restrict-Access-Context: evil",
				"sec-Restrict-Tenant-Access-Policy: evil", "Sec_Restrict-Tenant_Access-Policy: evil", "Connection: Restrict-Access-To-Tenants", "Connection: close, host",
				"Connection: keep-alive, Restrict-Access-Context", "Proxy-Connection: x", "TE: trailers", "Upgrade: websocket", "Expect: 100-continue", "Via: 1.1 x",
				"Trailer: Restrict-Access-Context", "X: a\r\n b", "X : y", ": z", "X\x00: y", "Cookie: a=b", "Alt-Used: x", "X-Forwarded-Host: x"), pick("\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r"))
		}
		b.WriteString(pick("\r\n", "\r\n", "Content-Length: 3\r\n\r\nabc", "Content-Length: 3, 3\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
			"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nRestrict-Access-Context: evil\r\n\r\n", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			"Transfer-Encoding: xchunked\r\n\r\n", "Content-Length: -1\r\n\r\n"))
		return b.String()
	}
	reached := 0
	for range 400 {
		host := odd(signInHost, signInHost, liveHost, inspectHost)
		c := w.secure(host, "http/1.1")
		for range 1 + random.IntN(3) {
			_, _ = io.WriteString(c, request(host))
		}
		_ = c.CloseWrite()
		_ = c.SetReadDeadline(time.Now().Add(3 * time.Second))
		_, _ = io.Copy(io.Discard, c)
		c.Close()
		o := w.origin(hostOf(host))
		reached += len(o.seen())
		oracle(t, o)
		explained(t, o)
		o.forget()
	}
	if reached < 50 {
		t.Errorf("only %d requests reached an origin: the test shows little", reached)
	}
}
