package gateway

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"sekisho/internal/audit"
	"sekisho/internal/policy"
)

const webSocketHost = "hub.webpubsub.azure.com"

func TestWebSocketPassesWhereTheHostAllowsIt(t *testing.T) {
	spec := baseSpec()
	spec.Hosts = append(spec.Hosts, policy.HostSpec{Pattern: policy.At{Text: webSocketHost}, Inspect: true})
	w := newWorld(t, spec)
	o := w.add(webSocketHost, false)
	o.setAnswer(func(head string, _ io.Reader, to io.Writer) bool {
		if !strings.Contains(head, "Upgrade: websocket\r\n") || !strings.Contains(head, "Sec-WebSocket-Key: x") {
			return false
		}
		io.WriteString(to, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: y\r\n\r\nfirst")
		line, _ := bufio.NewReader(to.(net.Conn)).ReadString('\n')
		io.WriteString(to, "echo "+line)
		return false
	})
	handshake := func(host string) string {
		return "GET /s HTTP/1.1\r\nHost: " + host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n"
	}
	c := w.secure(webSocketHost, "http/1.1")
	io.WriteString(c, handshake(webSocketHost))
	if head := readHead(t, c); !strings.HasPrefix(head, "HTTP/1.1 101 ") {
		t.Fatalf("%q", head)
	}
	first := make([]byte, 5)
	if _, err := io.ReadFull(c, first); err != nil || string(first) != "first" {
		t.Fatalf("%q %v", first, err)
	}
	io.WriteString(c, "ping\n")
	if got, _ := io.ReadAll(c); string(got) != "echo ping\n" {
		t.Errorf("%q", got)
	}
	w.waitRecord(func(r audit.Record) bool {
		return r.Kind == audit.Decision && r.Host == webSocketHost && r.Verdict == "permit"
	})
	if got := w.inside(inspectHost, handshake(inspectHost)); !strings.HasPrefix(got, "HTTP/1.1 403 ") || !strings.Contains(got, "upgrade-refused") {
		t.Errorf("a host without WebSocket: %q", cut(got, 100))
	}
}

// TestADroppedUpgradeReachesNobody covers h2c, which is dropped where it is not refused, and a 101 that answers it.
func TestADroppedUpgradeReachesNobody(t *testing.T) {
	w := newWorld(t, baseSpec())
	got := w.inside(inspectHost, "GET / HTTP/1.1\r\nHost: "+inspectHost+"\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Errorf("%q", cut(got, 100))
	}
	head := strings.ToLower(w.origin(inspectHost).seen()[0])
	if strings.Contains(head, "upgrade") || strings.Contains(head, "http2-settings") {
		t.Errorf("%q", head)
	}
}

func TestReportModeSendsNoHeaderAndSaysWhatItWouldDo(t *testing.T) {
	spec := baseSpec()
	spec.Rings[0].Mode = policy.Report
	w := newWorld(t, spec)
	for i, c := range []struct{ tenant, would string }{{"contoso.com", ""}, {"fabrikam.com", ""}, {"common", "unknown"}} {
		resp, err := w.client(i%2 == 0).Get("https://" + signInHost + "/" + c.tenant + "/oauth2/v2.0/authorize")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		r := w.waitRecord(func(r audit.Record) bool { return r.Kind == audit.SignIn && r.Tenant == c.tenant })
		if r.Mode != "report" || c.tenant == "fabrikam.com" && r.Would == "" || c.tenant != "fabrikam.com" && r.Would != c.would {
			t.Errorf("%+v", r)
		}
	}
	for _, head := range w.origin(signInHost).seen() {
		if strings.Contains(strings.ToLower(head), "restrict-") {
			t.Errorf("%q", head)
		}
	}
}

// TestTheSecondHelloIsHeldToTheName has an origin ask for a second ClientHello, as TLS 1.3 allows, and a client that
// names a sign-in host in it.
func TestTheSecondHelloIsHeldToTheName(t *testing.T) {
	const host = "other.example.com"
	retry := append([]byte{22, 3, 3, 0, 44, 2, 0, 0, 40, 3, 3},
		0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91,
		0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB, 0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C, // RFC 8446, section 4.1.3
		0, 0x13, 0x01, 0, 0, 0)
	for _, c := range []struct {
		second  string
		at      string // once: with the first; early: before the origin asks; after: then
		between []byte
	}{
		{host, "after", nil}, {signInHost, "after", nil}, {host, "after", []byte{20, 3, 3, 0, 1, 1}},
		// A second hello that came along with the first was sent to the origin with it, before anybody had looked at its name.
		{host, "once", nil}, {signInHost, "once", nil}, {signInHost, "early", nil},
		{signInHost, "once", []byte{20, 3, 3, 0, 1, 1}},
		// Early data that was not offered hid what followed it.
		{signInHost, "once", []byte{23, 3, 3, 0, 3, 1, 2, 3}}, {host, "once", []byte{23, 3, 3, 0, 3, 1, 2, 3}},
	} {
		second, honest := c.second, c.second == host && (len(c.between) == 0 || c.between[0] == 20)
		w := newWorld(t, baseSpec())
		w.echo(host)
		got := make(chan int, 4)
		w.origin(host).setScript(func(c net.Conn) {
			buf := make([]byte, 8<<10)
			n, _ := c.Read(buf)
			got <- n
			time.Sleep(50 * time.Millisecond) // what else is sent, comes
			_, _ = c.Write(retry)
			n, _ = c.Read(buf)
			got <- n
		})
		at, between := c.at, c.between
		c := w.connect(host + ":443")
		first, next := helloBytes(host), append(between, helloBytes(second)...)
		if at == "once" {
			_, _ = c.Write(append(bytes.Clone(first), next...))
		} else {
			_, _ = c.Write(first)
		}
		if at == "early" {
			time.Sleep(20 * time.Millisecond)
			_, _ = c.Write(next)
		}
		if _, err := io.ReadFull(c, make([]byte, len(retry))); err != nil {
			t.Fatal(err)
		}
		if at == "after" {
			_, _ = c.Write(next)
		}
		if n := <-got; n != len(first) {
			t.Errorf("the origin got %d bytes of the first hello", n)
		}
		n := <-got
		c.Close()
		switch {
		case honest && n != len(next):
			t.Errorf("the origin got %d bytes of an honest second hello", n)
		case !honest && n != 0:
			t.Errorf("%d bytes of a hello for %s reached %s", n, second, host)
		case !honest && len(between) > 0 && between[0] == 23:
			w.waitReason(policy.ReasonNotTLS)
		case !honest:
			w.waitRecord(func(r audit.Record) bool {
				return r.Reason == "sni-mismatch" && r.SNI == second && r.Error == "second-hello"
			})
		}
	}
}

// A WebSocket that the origin accepted after a reload that forbids the host lived on: Load had not seen it yet.
func TestAReloadBeforeThe101EndsTheWebSocket(t *testing.T) {
	spec := baseSpec()
	spec.Hosts = append(spec.Hosts, policy.HostSpec{Pattern: policy.At{Text: webSocketHost}, Inspect: true})
	w := newWorld(t, spec)
	asked, loaded := make(chan bool), make(chan bool)
	w.add(webSocketHost, false).setAnswer(func(_ string, _ io.Reader, to io.Writer) bool {
		asked <- true
		<-loaded
		_, err := io.WriteString(to, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
		for err == nil { // until the gateway cuts it
			_, err = io.WriteString(to, "ping")
			time.Sleep(20 * time.Millisecond)
		}
		return false
	})
	c := w.secure(webSocketHost, "http/1.1")
	_, _ = io.WriteString(c, "GET /s HTTP/1.1\r\nHost: "+webSocketHost+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n")
	<-asked
	e := *w.edition
	e.Number, e.Program = 2, compile(t, baseSpec())
	w.g.Load(&e)
	loaded <- true
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the WebSocket is still open")
	}
}
