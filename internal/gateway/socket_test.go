package gateway

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"

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
	for _, second := range []string{host, signInHost} {
		w := newWorld(t, baseSpec())
		w.echo(host)
		got := make(chan int, 4)
		w.origin(host).setScript(func(c net.Conn) {
			buf := make([]byte, 8<<10)
			n, _ := c.Read(buf)
			got <- n
			_, _ = c.Write(retry)
			n, _ = c.Read(buf)
			got <- n
		})
		c := w.connect(host + ":443")
		first, next := helloBytes(host), helloBytes(second)
		_, _ = c.Write(first)
		if _, err := io.ReadFull(c, make([]byte, len(retry))); err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write(next)
		if n := <-got; n != len(first) {
			t.Errorf("the origin got %d bytes of the first hello", n)
		}
		n := <-got
		c.Close()
		switch {
		case second == host && n != len(next):
			t.Errorf("the origin got %d bytes of an honest second hello", n)
		case second != host && n != 0:
			t.Errorf("%d bytes of a hello for %s reached %s", n, second, host)
		case second != host:
			w.waitRecord(func(r audit.Record) bool {
				return r.Reason == "sni-mismatch" && r.SNI == second && r.Error == "second-hello"
			})
		}
	}
}
