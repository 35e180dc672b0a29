//go:build linux

package peer_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// origin is everything behind the proxies: it takes what comes on port 443 of its addresses and remembers the bytes.
type origin struct {
	cert tls.Certificate
	mu   sync.Mutex
	seen []arrival
}

// arrival is one connection that reached an origin.
type arrival struct {
	addr  string // the origin's
	sni   string // of the ClientHello, "" when what came was none
	first []byte // the first bytes as they stood on the wire
	head  string // the request head, after TLS
}

// requestFor reports whether the request was for host.
func (a *arrival) requestFor(host string) bool {
	return strings.Contains(a.head, "\r\nHost: "+host+"\r\n")
}

// restricted reports whether it carries both headers, once each, however their names are spelled.
func (a *arrival) restricted() bool {
	head := strings.ToLower(a.head)
	return strings.Count(head, "\r\nrestrict-access-to-tenants:") == 1 && strings.Count(head, "\r\nrestrict-access-context:") == 1 &&
		strings.Contains(head, "\r\nrestrict-access-to-tenants: "+tenants+"\r\n") &&
		strings.Contains(head, "\r\nrestrict-access-context: "+directory+"\r\n")
}

func (o *origin) listen(t *testing.T, addrs ...string) {
	for _, addr := range addrs {
		l, err := net.Listen("tcp", addr+":443")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go o.take(addr, c)
			}
		}()
	}
}

// take answers one request on a connection, or keeps the bytes of what is no TLS.
func (o *origin) take(addr string, c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	a := arrival{addr: addr}
	br := bufio.NewReader(c)
	if _, err := br.Peek(1); err != nil {
		return // a proxy that dialled and had nothing to say
	}
	a.first, _ = br.Peek(min(br.Buffered(), 5))
	a.first = bytes.Clone(a.first)
	if a.first[0] != 22 {
		_ = c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		rest, _ := io.ReadAll(io.LimitReader(br, 4096))
		a.first = rest
		o.remember(a)
		return
	}
	s := tls.Server(&replayed{c, br}, &tls.Config{Certificates: []tls.Certificate{o.cert}, NextProtos: []string{"http/1.1"}})
	if err := s.Handshake(); err != nil {
		return // a proxy that only looks at the certificate
	}
	a.sni = s.ConnectionState().ServerName
	text := bufio.NewReader(s)
	var head strings.Builder
	for {
		line, err := text.ReadString('\n')
		head.WriteString(line)
		if err != nil || line == "\r\n" {
			break
		}
	}
	if head.Len() == 0 {
		return
	}
	a.head = head.String()
	o.remember(a)
	_, _ = io.WriteString(s, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
	_ = s.Close()
}

func (o *origin) remember(a arrival) {
	o.mu.Lock()
	o.seen = append(o.seen, a)
	o.mu.Unlock()
}

// taken returns what arrived since the last call.
func (o *origin) taken() []arrival {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := o.seen
	o.seen = nil
	return out
}

// replayed is a connection of which the beginning was looked at.
type replayed struct {
	net.Conn
	br *bufio.Reader
}

func (r *replayed) Read(p []byte) (int, error) { return r.br.Read(p) }

// connectThrough asks a proxy for a tunnel and reads what it says.
func connectThrough(t *testing.T, proxy, authority string) (c net.Conn, br *bufio.Reader, status string) {
	c, err := net.Dial("tcp", proxy)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, "CONNECT "+authority+" HTTP/1.1\r\nHost: "+authority+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	br = bufio.NewReader(c)
	return c, br, readStatus(br)
}

// readStatus reads a response head and returns its status code, or how the connection ended.
func readStatus(br *bufio.Reader) string {
	line, err := br.ReadString('\n')
	if err != nil {
		return ending(err)
	}
	for {
		more, err := br.ReadString('\n')
		if err != nil || more == "\r\n" {
			break
		}
	}
	if fields := strings.Fields(line); len(fields) > 1 {
		return fields[1]
	}
	return "what is not HTTP"
}

// ending says how a connection ended.
func ending(err error) string {
	var wait net.Error
	if errors.As(err, &wait) && wait.Timeout() {
		return "silence"
	}
	return "closed"
}
