//go:build linux

package peer_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sekisho/test/peer"
	"sekisho/test/world"
)

const inward = "inward.example.com" // an own host whose name leads to a private address

// chained is a Sekisho with a Squid before or behind it.
type chained struct {
	proxy
	access string // Squid's log
}

// logged is what Squid wrote down.
func (c *chained) logged() string {
	text, _ := os.ReadFile(c.access)
	return string(text)
}

// TestSquidAsParent has Sekisho go out through Squid, which asks for credentials.
func TestSquidAsParent(t *testing.T) {
	dir, inside := world.Inside(t, buildAll)
	if !inside {
		return
	}
	names := maps.Clone(addresses)
	names[inward] = "10.9.8.7"
	if err := world.Settle(dir, names); err != nil {
		t.Fatal(err)
	}
	o, s := behind(t, dir)
	o.listen(t, addresses[signIn], addresses[bypassed], addresses[other])
	plainOrigin(t, addresses[other])
	s.Inspect = append(s.Inspect, inward)
	s.User, s.Password = "gateway", "p:ss wörd"

	parent := s
	parent.Dir, parent.Port = filepath.Join(dir, "run-squid"), 3300
	squid, err := peer.SquidForward(parent)
	if peer.IsMissing(err) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer squid.Stop()
	start := func(t *testing.T, name string, port int, change func(*peer.Setup)) *chained {
		s := s
		s.Dir, s.Port, s.Parent = filepath.Join(dir, "run-"+name), port, squid.Addr
		change(&s)
		p, err := peer.Sekisho(filepath.Join(dir, "sekisho"), s)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Stop)
		return &chained{proxy{Process: p}, filepath.Join(parent.Dir, "access.log")}
	}

	t.Run("resolving", func(t *testing.T) {
		c := start(t, "resolving", 3310, func(*peer.Setup) {})
		ways(t, c, o)
		// Squid would have dialled it; the rule on addresses is kept here, and Squid is not even asked.
		if _, _, status := connectThrough(t, c.Addr, inward+":443"); status != "403" {
			t.Errorf("CONNECT to a name with a private address: %s, want 403", status)
		}
		if log := c.logged(); strings.Contains(log, inward) {
			t.Errorf("Squid was asked for %s:\n%s", inward, log)
		}
	})
	t.Run("blind", func(t *testing.T) {
		c := start(t, "blind", 3320, func(s *peer.Setup) { s.Blind = true })
		ways(t, c, o)
	})
	t.Run("wrong-password", func(t *testing.T) {
		c := start(t, "wrong", 3330, func(s *peer.Setup) { s.Password = "mistyped" })
		conn, _, status := connectThrough(t, c.Addr, signIn+":443")
		conn.Close()
		if status != "502" {
			t.Errorf("CONNECT: %s, want 502: the client cannot give what Squid asks Sekisho for", status)
		}
		if status := plain(t, c.Addr, other); status != "502" {
			t.Errorf("plain request: %s, want 502", status)
		}
		if got := o.taken(); len(got) > 0 {
			t.Errorf("arrived: %+v", got)
		}
		for until := time.Now().Add(patience); !strings.Contains(c.Output(), "proxy-407"); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(until) {
				t.Fatalf("the log does not say proxy-407:\n%s", c.Output())
			}
		}
		if out := c.Output(); strings.Contains(out, "mistyped") {
			t.Errorf("the log holds a password:\n%s", out)
		}
	})
}

// ways is everything that goes through a parent.
func ways(t *testing.T, c *chained, o *origin) {
	t.Helper()
	o.taken()
	// Read: with the headers, every time, also on a kept connection.
	for range 2 {
		s, status := handshake(t, &c.proxy, signIn, signIn)
		if s == nil {
			t.Fatalf("CONNECT %s: %s\n%s", signIn, status, c.Output())
		}
		if status := request(s, signIn); status != "200" {
			t.Errorf("inside: %s", status)
		}
		got := o.taken()
		if len(got) != 1 || got[0].addr != addresses[signIn] || !got[0].restricted() || !got[0].requestFor(signIn) {
			t.Errorf("arrived: %+v", got)
		}
		if len(got) > 0 && strings.Contains(strings.ToLower(got[0].head), "proxy-") {
			t.Errorf("the origin sees %q", got[0].head)
		}
	}
	// Tunnelled: as it was sent.
	s, status := handshake(t, &c.proxy, bypassed, bypassed)
	if s == nil {
		t.Fatalf("CONNECT %s: %s\n%s", bypassed, status, c.Output())
	}
	request(s, bypassed)
	if got := o.taken(); len(got) != 1 || got[0].head != "GET /common HTTP/1.1\r\nHost: "+bypassed+"\r\nConnection: close\r\n\r\n" {
		t.Errorf("arrived: %+v", got)
	}
	// The server name must agree with CONNECT, whoever resolves.
	if s, _ := handshake(t, &c.proxy, bypassed, signIn); s != nil {
		t.Error("a tunnel with another server name")
	}
	// Plain HTTP goes in absolute form, which Squid takes apart; the credentials stay with it.
	if status := plain(t, c.Addr, other); status != "200" {
		t.Errorf("plain request: %s\n%s", status, c.Output())
	}
	if got := o.taken(); len(got) > 0 {
		t.Errorf("arrived: %+v", got)
	}
	// A dead origin is an error that can be read.
	if got := unreachable(t, &c.proxy, dead); got != readable {
		t.Errorf("a dead origin: %s", got)
	}
	if log := c.logged(); !strings.Contains(log, "gateway") {
		t.Errorf("Squid's log knows no user:\n%s", log)
	}
}

// plainOrigin answers plain HTTP on port 80 and fails the test when it sees what was for a proxy.
func plainOrigin(t *testing.T, addr string) {
	l, err := net.Listen("tcp", addr+":80")
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
			go func() {
				defer c.Close()
				br := bufio.NewReader(c)
				for {
					line, err := br.ReadString('\n')
					if err != nil {
						return
					}
					if strings.HasPrefix(strings.ToLower(line), "proxy-") || strings.Contains(line, "http://") {
						_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
						return
					}
					if line == "\r\n" {
						_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
						return
					}
				}
			}()
		}
	}()
}

// plain sends a plain request through a proxy.
func plain(t *testing.T, proxy, host string) string {
	c, err := net.Dial("tcp", proxy)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "GET http://%s/x HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host, host); err != nil {
		t.Fatal(err)
	}
	return readStatus(bufio.NewReader(c))
}

// TestSquidAsChild puts Squid before Sekisho, as a branch office does.
func TestSquidAsChild(t *testing.T) {
	dir, inside := world.Inside(t, buildAll)
	if !inside {
		return
	}
	if err := world.Settle(dir, addresses); err != nil {
		t.Fatal(err)
	}
	o, s := behind(t, dir)
	o.listen(t, addresses[signIn], addresses[bypassed], addresses[other])
	plainOrigin(t, addresses[other])
	s.Dir, s.Port = filepath.Join(dir, "run-sekisho"), 3340
	gateway, err := peer.Sekisho(filepath.Join(dir, "sekisho"), s)
	if err != nil {
		t.Fatal(err)
	}
	defer gateway.Stop()
	s.Dir, s.Port, s.Parent = filepath.Join(dir, "run-squid"), 3350, gateway.Addr
	squid, err := peer.SquidForward(s)
	if peer.IsMissing(err) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer squid.Stop()

	p := &proxy{Process: squid}
	for range 2 {
		c, status := handshake(t, p, signIn, signIn)
		if c == nil {
			t.Fatalf("CONNECT: %s\n%s", status, gateway.Output())
		}
		issuer := c.ConnectionState().PeerCertificates[0].Issuer.String()
		if !strings.Contains(issuer, "Contoso") {
			t.Errorf("the leaf is by %s", issuer)
		}
		request(c, signIn)
		if got := o.taken(); len(got) != 1 || !got[0].restricted() {
			t.Errorf("arrived: %+v", got)
		}
	}
	if got := tunnelled(t, p, o, bypassed, signIn, signIn); got != held {
		t.Errorf("server name of a sign-in host: %s", got)
	}
	if got := tunnelled(t, p, o, signIn, bypassed, signIn); got != held {
		t.Errorf("server name of a host that is not inspected: %s", got)
	}
	if status := plain(t, squid.Addr, other); status != "200" {
		t.Errorf("plain request: %s\n%s", status, gateway.Output())
	}
	if status := plain(t, squid.Addr, foreign); status != "403" {
		t.Errorf("plain request to a host that is not allowed: %s, want 403", status)
	}
	var c net.Conn
	if c, _, _ = connectThrough(t, squid.Addr, bypassed+":443"); c != nil {
		s := tls.Client(c, &tls.Config{ServerName: bypassed, InsecureSkipVerify: true})
		if err := s.Handshake(); err != nil {
			t.Errorf("tunnel: %v", err)
		}
	}
}
