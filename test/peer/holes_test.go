//go:build linux

package peer_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sekisho/test/peer"
	"sekisho/test/world"
)

var update = flag.Bool("update", false, "write what the peers did into docs/peers.md and docs/peers.ja.md")

const (
	signIn   = "login.microsoftonline.com"        // restricted
	bypassed = "device.login.microsoftonline.com" // must not be inspected
	other    = "inspected.example.com"            // inspected, no headers
	foreign  = "elsewhere.example.net"            // nobody may reach it
	dead     = "outlook.office365.com"            // does not accept connections
	deadRead = "dead.example.com"                 // the same, inspected

	tenants   = "contoso.com,3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31"
	directory = "3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31"

	// patience is how long a client of the tests waits for an answer (chosen: far above what any peer takes when it does
	// answer; what has said nothing until then is silence to a person).
	patience = 8 * time.Second
)

// addresses of the names; the dead ones have one where nobody listens.
var addresses = map[string]string{
	signIn: "20.190.128.10", bypassed: "20.190.128.20", other: "52.98.0.20", foreign: "52.98.0.30",
	dead: "52.98.0.40", deadRead: "52.98.0.40",
}

// proxy is a peer with what a client of it trusts.
type proxy struct {
	*peer.Process
	roots *x509.CertPool
}

// outcome is what a case comes to: a code of the table, with what the test asserts of Sekisho.
type outcome string

// The outcomes. Their texts in both languages stand in table_test.go.
const (
	held       outcome = "held"        // nothing reached an origin that should not have
	withheader outcome = "with-header" // the request arrived, with the headers
	without    outcome = "without"     // a sign-in host got a request without the headers
	strayed    outcome = "strayed"     // the request reached the host that only its Host field named
	leaks      outcome = "leaks"       // the headers went to another host
	passed     outcome = "passed"      // bytes that are no TLS reached the origin
	readable   outcome = "readable"    // an error that a person can read
	silent     outcome = "silent"      // closed without a word, or nothing for the whole patience
)

// hole is one known way around, tried on every peer.
type hole struct {
	id   string
	want outcome // of Sekisho
	try  func(t *testing.T, p *proxy, o *origin) outcome
}

var holes = []hole{
	{"ordinary", withheader, func(t *testing.T, p *proxy, o *origin) outcome {
		// What every gateway is for, so that the other rows mean something.
		return forged(t, p, o, "Connection: close\r\n")
	}},
	{"sni-of-bypassed", held, func(t *testing.T, p *proxy, o *origin) outcome {
		// The name that the proxy was asked for is restricted; the server name is one that it lets pass.
		return tunnelled(t, p, o, signIn, bypassed, signIn)
	}},
	{"sni-of-sign-in", held, func(t *testing.T, p *proxy, o *origin) outcome {
		// The reverse: asked for what passes, and a server name that is restricted.
		return tunnelled(t, p, o, bypassed, signIn, signIn)
	}},
	{"inner-host", held, func(t *testing.T, p *proxy, o *origin) outcome {
		// Both names agree; the request inside names a third host, which nobody may reach.
		s, status := handshake(t, p, signIn, signIn)
		if s == nil {
			t.Logf("CONNECT and handshake: %s", status)
			return held
		}
		t.Logf("inside: %s", request(s, foreign))
		for _, a := range o.taken() {
			t.Logf("arrived at %s: server name %q, head %q", a.addr, a.sni, a.head)
			if a.addr == addresses[foreign] {
				return strayed
			}
			if a.addr == addresses[signIn] && !a.restricted() {
				return without
			}
		}
		return held
	}},
	{"inner-host-sign-in", held, func(t *testing.T, p *proxy, o *origin) outcome {
		// Read under a name without headers; the request inside names the sign-in host.
		s, status := handshake(t, p, other, other)
		if s == nil {
			t.Logf("CONNECT and handshake: %s", status)
			return held
		}
		t.Logf("inside: %s", request(s, signIn))
		for _, a := range o.taken() {
			t.Logf("arrived at %s: server name %q, head %q", a.addr, a.sni, a.head)
			switch {
			case a.addr == addresses[other] && strings.Contains(strings.ToLower(a.head), "\r\nrestrict-access-"):
				return leaks
			case a.requestFor(signIn) && !a.restricted():
				return without
			case a.addr == addresses[signIn]:
				return strayed
			}
		}
		return held
	}},
	{"connection-option", withheader, func(t *testing.T, p *proxy, o *origin) outcome {
		// The client declares the restriction headers to be of its connection alone, so that a proxy drops them again.
		return forged(t, p, o, "Connection: close, Restrict-Access-To-Tenants, Restrict-Access-Context\r\n")
	}},
	{"own-headers", withheader, func(t *testing.T, p *proxy, o *origin) outcome {
		// The client brings restriction headers of its own, in several spellings.
		return forged(t, p, o, "restrict-access-to-tenants: evil.example\r\nRestrict-Access-To-Tenants: evil.example\r\n"+
			"RESTRICT-ACCESS-CONTEXT: 00000000-0000-0000-0000-000000000000\r\nConnection: close\r\n")
	}},
	{"not-tls", held, func(t *testing.T, p *proxy, o *origin) outcome {
		// After the 200, bytes that are no TLS.
		c, _, status := connectThrough(t, p.Addr, signIn+":443")
		if status == "200" {
			_, _ = io.WriteString(c, "SSH-2.0-client\r\n")
			time.Sleep(700 * time.Millisecond)
		}
		c.Close()
		time.Sleep(400 * time.Millisecond)
		for _, a := range o.taken() {
			t.Logf("arrived at %s: %q", a.addr, a.first)
			if strings.Contains(string(a.first), "SSH-2.0") {
				return passed
			}
		}
		return held
	}},
	{"not-tls-http", held, func(t *testing.T, p *proxy, o *origin) outcome {
		// The same with a request in the clear.
		c, br, status := connectThrough(t, p.Addr, signIn+":443")
		if status == "200" {
			_, _ = io.WriteString(c, "GET /common HTTP/1.1\r\nHost: "+signIn+"\r\n\r\n")
			t.Logf("answered %s", readStatus(br))
		}
		c.Close()
		time.Sleep(400 * time.Millisecond)
		for _, a := range o.taken() {
			t.Logf("arrived at %s: %q, head %q", a.addr, a.first, a.head)
			if a.sni == "" {
				return passed
			}
			if !a.restricted() {
				return without
			}
		}
		return held
	}},
	{"dead-tunnel", readable, func(t *testing.T, p *proxy, o *origin) outcome { return unreachable(t, p, dead) }},
	{"dead-read", readable, func(t *testing.T, p *proxy, o *origin) outcome { return unreachable(t, p, deadRead) }},
}

// forged sends a request to the sign-in host with fields, and wants the proxy's headers at the origin, once each.
func forged(t *testing.T, p *proxy, o *origin, fields string) outcome {
	s, status := handshake(t, p, signIn, signIn)
	if s == nil {
		t.Logf("CONNECT and handshake: %s", status)
		return held
	}
	_, _ = fmt.Fprintf(s, "GET /common HTTP/1.1\r\nHost: %s\r\n%s\r\n", signIn, fields)
	t.Logf("inside: %s", readStatus(bufio.NewReader(s)))
	time.Sleep(50 * time.Millisecond)
	got := held
	for _, a := range o.taken() {
		t.Logf("arrived at %s: server name %q, head %q", a.addr, a.sni, a.head)
		if !a.restricted() {
			return without
		}
		got = withheader
	}
	return got
}

// tunnelled asks for connect, shows sni, and sends a request for host inside.
func tunnelled(t *testing.T, p *proxy, o *origin, connect, sni, host string) outcome {
	s, status := handshake(t, p, connect, sni)
	if s == nil {
		t.Logf("CONNECT and handshake: %s", status)
		o.taken()
		return held
	}
	t.Logf("inside: %s", request(s, host))
	for _, a := range o.taken() {
		t.Logf("arrived at %s: server name %q, head %q", a.addr, a.sni, a.head)
		if a.requestFor(host) && !a.restricted() {
			return without
		}
		if a.requestFor(host) {
			return withheader
		}
	}
	return held
}

// handshake asks for a tunnel to connect and shows sni in it. It trusts the peer and the origins, and takes any name: a
// client that wants to get around does not mind.
func handshake(t *testing.T, p *proxy, connect, sni string) (*tls.Conn, string) {
	c, _, status := connectThrough(t, p.Addr, connect+":443")
	if status != "200" {
		return nil, status
	}
	s := tls.Client(c, &tls.Config{ServerName: sni, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err := s.Handshake(); err != nil {
		return nil, "200, then " + err.Error()
	}
	return s, "200"
}

// request sends a request without any restriction header and returns the status of its answer.
func request(s *tls.Conn, host string) string {
	_, err := fmt.Fprintf(s, "GET /common HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host)
	if err != nil {
		return ending(err)
	}
	status := readStatus(bufio.NewReader(s))
	time.Sleep(50 * time.Millisecond) // the origin writes down what arrived before it answers; a tunnel may be quicker
	return status
}

// unreachable asks for a host that does not accept connections, as a browser would.
func unreachable(t *testing.T, p *proxy, host string) outcome {
	start := time.Now()
	c, _, status := connectThrough(t, p.Addr, host+":443")
	switch status {
	case "200":
	case "silence", "closed":
		t.Logf("CONNECT: %s after %v", status, time.Since(start).Round(time.Millisecond))
		return silent
	default:
		t.Logf("CONNECT: %s", status)
		return readable
	}
	s := tls.Client(c, &tls.Config{ServerName: host, RootCAs: p.roots, NextProtos: []string{"http/1.1"}})
	if err := s.Handshake(); err != nil {
		t.Logf("200, then after %v %v", time.Since(start).Round(time.Millisecond), err)
		return silent
	}
	status = request(s, host)
	t.Logf("200, handshake, then %s", status)
	if strings.HasPrefix(status, "5") {
		return readable
	}
	return silent
}

// columns are the peers of the table, with what starts each.
var columns = []struct {
	name  string
	start func(dir string, s peer.Setup) (*peer.Process, error)
}{
	{"sekisho", func(dir string, s peer.Setup) (*peer.Process, error) {
		return peer.Sekisho(filepath.Join(dir, "sekisho"), s)
	}},
	{"squid", func(_ string, s peer.Setup) (*peer.Process, error) { return peer.Squid(s) }},
	{"mitmproxy", func(_ string, s peer.Setup) (*peer.Process, error) { return peer.Mitmproxy(s) }},
	{"goproxy", func(dir string, s peer.Setup) (*peer.Process, error) {
		return peer.Goproxy(filepath.Join(dir, "goproxy"), s)
	}},
	{"reverseproxy", func(dir string, s peer.Setup) (*peer.Process, error) {
		return peer.Plain(filepath.Join(dir, "plain"), "reverseproxy", s)
	}},
}

// TestHoles tries the known holes of the peers on each of them and on Sekisho, with raw bytes, and looks at what
// arrived at the origin's socket. Sekisho must hold; what the others do is what docs/peers.md says, or the test fails.
func TestHoles(t *testing.T) {
	dir, inside := world.Inside(t, buildAll)
	if !inside {
		return
	}
	if err := world.Settle(dir, addresses); err != nil {
		t.Fatal(err)
	}
	o, s := behind(t, dir)
	o.listen(t, addresses[signIn], addresses[bypassed], addresses[other], addresses[foreign])

	found := map[string]map[string]outcome{}
	versions := map[string]string{}
	var missing []string
	for i, column := range columns {
		s.Dir, s.Port = filepath.Join(dir, "run-"+column.name), 3200+2*i
		started, err := column.start(dir, s)
		if peer.IsMissing(err) {
			missing = append(missing, err.Error())
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		versions[column.name] = started.Version
		p := &proxy{Process: started, roots: x509.NewCertPool()}
		for _, file := range []string{s.IssuerCert, s.Trust, p.Root} {
			text, _ := os.ReadFile(file)
			p.roots.AppendCertsFromPEM(text)
		}
		for _, h := range holes {
			t.Run(column.name+"/"+h.id, func(t *testing.T) {
				o.taken()
				got := h.try(t, p, o)
				t.Logf("outcome: %s", got)
				if found[h.id] == nil {
					found[h.id] = map[string]outcome{}
				}
				found[h.id][column.name] = got
				if h.id == "ordinary" && got != withheader {
					t.Errorf("%s does not do its duty: %s\n%s", column.name, got, p.Output())
				}
				if column.name == "sekisho" && got != h.want {
					t.Errorf("Sekisho: %s, want %s\n%s", got, h.want, p.Output())
				}
			})
		}
		p.Stop()
	}
	if len(missing) > 0 {
		t.Skipf("not tried: %s", strings.Join(missing, "; "))
	}
	compareTable(t, found, versions)
}

// behind makes the authorities and the setup that all peers share.
func behind(t *testing.T, dir string) (*origin, peer.Setup) {
	file := func(name string) string { return filepath.Join(dir, name) }
	ca, err := world.NewAuthority("Test origins")
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := world.NewAuthority("Test peers")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range addresses {
		names = append(names, name)
	}
	for _, err := range []error{ca.Leaf(file("origin.pem"), names), ca.Write(file("origins.pem"), ""), issuer.Write(file("issuer.pem"), file("issuer.key"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	cert, err := tls.LoadX509KeyPair(file("origin.pem"), file("origin.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return &origin{cert: cert}, peer.Setup{
		IssuerCert: file("issuer.pem"), IssuerKey: file("issuer.key"), Trust: file("origins.pem"),
		Bypass: []string{bypassed, dead},
		SignIn: []string{signIn, "login.microsoft.com", "login.windows.net"}, Inspect: []string{other, deadRead},
		Tenants: tenants, Context: directory,
	}
}

// buildAll builds the programs; goproxy is missing where its module cannot be had.
func buildAll(t *testing.T, dir string) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sekisho").Output()
	if err != nil {
		t.Fatal(err)
	}
	root := strings.TrimSpace(string(out))
	if err := peer.Build(root, filepath.Join(dir, "sekisho"), "./cmd/sekisho"); err != nil {
		t.Fatal(err)
	}
	if err := peer.Build(root, filepath.Join(dir, "plain"), "./test/peer/plain"); err != nil {
		t.Fatal(err)
	}
	if err := peer.Build(filepath.Join(root, "test", "peer", "goproxy"), filepath.Join(dir, "goproxy"), "."); err != nil {
		t.Log(err)
	}
}
