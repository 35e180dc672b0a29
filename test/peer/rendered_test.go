//go:build linux

package peer_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/policy"
	"sekisho/internal/render"
	"sekisho/internal/render/squid"
	"sekisho/internal/restrict"
	"sekisho/test/peer"
	"sekisho/test/world"
)

// rendered is the policy that Squid is given: features with wildcards, own rows read and not, a ring that is off for a network.
func rendered(t *testing.T, ring policy.RingSpec) *policy.Program {
	spec := policy.Spec{
		Features: []policy.At{{Text: "entra.sign-in"}, {Text: "entra.device-registration"}, {Text: "intune.core"}},
		Hosts: []policy.HostSpec{
			{Pattern: policy.At{Text: other}, Inspect: true}, {Pattern: policy.At{Text: "*.own.example"}, Ports: endpoint.MustPorts("tcp/443,8443")},
			{Pattern: policy.At{Text: "*.read.example"}, Inspect: true}, {Pattern: policy.At{Text: "left.read.example"}},
		},
		TunnelWithoutSNI: []policy.At{{Text: "bare.own.example"}},
		Profiles:         []restrict.Spec{{Name: "staff", Version: restrict.V1, Permitted: []restrict.At{{Text: "contoso.com"}, {Text: directory}}, Context: restrict.At{Text: directory}, BlockConsumers: true}},
		Rings:            []policy.RingSpec{{Name: "servers", Mode: policy.Off, Clients: []netip.Prefix{netip.MustParsePrefix("10.200.0.0/16")}}, ring},
	}
	p, found := policy.Compile(spec, catalog.Builtin())
	if p == nil {
		t.Fatalf("%+v", found.Of(finding.Error))
	}
	return p
}

// around are generated hosts at and around every name of the policy and every class.
func around(p *policy.Program, most int) []endpoint.Host {
	seen := map[endpoint.Host]bool{}
	add := func(pattern endpoint.Pattern) {
		for _, star := range []string{"x", "a.b", "zz.login", "m365-2"} {
			text := strings.Replace(pattern.String(), "*", star, 1)
			for _, form := range []string{text, "evil" + text, "sub." + text, "www-" + text, text + ".evil.example", strings.TrimPrefix(pattern.String(), "*.")} {
				if h, err := endpoint.ParseHost(form); err == nil {
					seen[h] = true
				}
			}
		}
	}
	for _, o := range p.Openings() {
		add(o.Pattern)
	}
	for _, k := range p.Catalog().Classes() {
		add(k.Pattern)
	}
	var must, rest []endpoint.Host
	for h := range seen {
		if p.Catalog().Classify(h).Class != catalog.Ordinary || string(h) == other || strings.HasSuffix(string(h), ".own.example") || strings.HasSuffix(string(h), ".read.example") {
			must = append(must, h)
		} else {
			rest = append(rest, h)
		}
	}
	slices.Sort(must)
	slices.Sort(rest)
	random := rand.New(rand.NewPCG(9, 3))
	random.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	return append(must, rest[:max(0, min(len(rest), most-len(must)))]...)
}

// runSquid renders the policy and starts Squid by it.
func runSquid(t *testing.T, dir string, p *policy.Program, s peer.Setup, port int) *proxy {
	t.Helper()
	options, err := render.ParseOptions(squid.Target{}, map[string][]string{"folder": {dir}, "listen": {fmt.Sprintf("127.0.0.1:%d", port)}, "cert": {filepath.Join(dir, "issuer.pem")}, "store": {filepath.Join(dir, "leaves")}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := render.Render(squid.Target{}, render.Input{Program: p}, options)
	if err != nil {
		t.Fatal(err)
	}
	s.Dir, s.Port = dir, port
	files := map[string]string{}
	for _, f := range out.Files {
		files[f.Name] = string(f.Body)
	}
	started, err := peer.SquidWith(s, files)
	if peer.IsMissing(err) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	for _, file := range []string{s.IssuerCert, s.Trust} {
		text, _ := os.ReadFile(file)
		roots.AppendCertsFromPEM(text)
	}
	return &proxy{Process: started, roots: roots}
}

// TestRenderedSquid starts Squid by what "render squid" writes, and has it treat a thousand hosts as the policy does: refused,
// spliced or read, with the headers on the sign-in hosts alone. Then the known holes are tried on it.
func TestRenderedSquid(t *testing.T) {
	dir, inside := world.Inside(t, func(*testing.T, string) {})
	if !inside {
		return
	}
	if _, err := exec.LookPath("/usr/sbin/squid"); err != nil {
		t.Skip("not tried: install Debian's squid-openssl")
	}
	p := rendered(t, policy.RingSpec{Name: "all", Profile: policy.At{Text: "staff"}})
	hosts := around(p, 1000)
	where := map[string]string{signIn: addresses[signIn], bypassed: addresses[bypassed], foreign: addresses[foreign]}
	for _, h := range hosts {
		where[string(h)] = addresses[foreign]
		if p.Catalog().Classify(h).Class != catalog.Ordinary || strings.Contains(string(h), "login.") {
			where[string(h)] = addresses[signIn]
		}
	}
	for _, h := range []string{"a.read.example", "b.read.example", "bare.own.example", "x.own.example"} {
		where[h] = addresses[foreign]
	}
	where[other], where[bypassed] = addresses[other], addresses[bypassed]
	if err := world.Settle(dir, where); err != nil {
		t.Fatal(err)
	}
	o, s := behind(t, dir)
	o.listen(t, addresses[signIn], addresses[bypassed], addresses[other], addresses[foreign])
	ca, err := world.NewAuthority("Test origins")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{other, bypassed, foreign, "login.microsoft.com", "login.windows.net", "login.live.com", signIn}
	for h := range where {
		if strings.HasSuffix(h, ".read.example") {
			names = append(names, h)
		}
	}
	if err := ca.Leaf(filepath.Join(dir, "all.pem"), names); err != nil {
		t.Fatal(err)
	}
	if err := ca.Write(s.Trust, ""); err != nil {
		t.Fatal(err)
	}
	if o.cert, err = tls.LoadX509KeyPair(filepath.Join(dir, "all.pem"), filepath.Join(dir, "all.pem")); err != nil {
		t.Fatal(err)
	}
	squid := runSquid(t, filepath.Join(dir, "squid"), p, s, 3300)
	defer squid.Stop()

	counts, work := map[string]int{}, make(chan endpoint.Host)
	var mu sync.Mutex
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for h := range work {
				to := endpoint.Authority{Host: h, Port: 443}
				d := p.Decide(policy.Ask{Subject: policy.Subject{Client: netip.MustParseAddr("127.0.0.1")}, Authority: to})
				if a := where[string(h)]; d.Allowed() {
					d = p.DecideAddr(d, netip.MustParseAddr(a))
				}
				want, got := "refuse", treated(t, squid, string(h))
				if d.Allowed() {
					want = d.Action.String()
				}
				mu.Lock()
				counts[got]++
				mu.Unlock()
				if got != want {
					t.Errorf("%s: Squid %s, the policy %s (%s)", h, got, want, d.Why())
				}
			}
		})
	}
	for _, h := range hosts {
		work <- h
	}
	close(work)
	wait.Wait()
	t.Logf("%d hosts: %v", len(hosts), counts)
	if len(hosts) < 1000 || counts["refuse"] < 100 || counts["tunnel"] < 50 || counts["intercept"] < 5 {
		t.Errorf("%d hosts: %v", len(hosts), counts)
	}
	marked := map[string]bool{}
	for _, a := range o.taken() {
		_, rest, _ := strings.Cut(a.head, "\r\nHost: ")
		host, _, _ := strings.Cut(rest, "\r\n")
		has := strings.Contains(strings.ToLower(a.head), "restrict-")
		if has {
			marked[host] = true
		}
		class := p.Catalog().Classify(endpoint.Host(host)).Class
		want := class == catalog.SignIn || class == catalog.SignInConsumer
		if has != want || want && class == catalog.SignIn && !a.restricted() {
			t.Errorf("%s got %q", host, a.head)
		}
	}
	if len(marked) != 4 {
		t.Errorf("headers went to %v", marked)
	}
	for _, h := range holes {
		if strings.HasPrefix(h.id, "dead") {
			continue
		}
		o.taken()
		if got := h.try(t, squid, o); got != h.want {
			t.Errorf("%s: %s, want %s", h.id, got, h.want)
		}
	}
	// A tunnel without a server name, and one whose server name nobody may reach.
	for _, sni := range []string{"", foreign, "x" + bypassed} {
		if sess, status := handshake(t, squid, bypassed, sni); sess != nil {
			t.Errorf("a tunnel to %s carried the server name %q: %s", bypassed, sni, status)
			sess.Close()
		}
	}
	for _, c := range []struct{ connect, sni string }{{bypassed, strings.ToUpper(bypassed)}, {"bare.own.example", ""}, {"bare.own.example", "bare.own.example"}} {
		if sess, status := handshake(t, squid, c.connect, c.sni); sess == nil {
			t.Errorf("CONNECT %s with the server name %q: %s", c.connect, c.sni, status)
		}
	}
	if sess, _ := handshake(t, squid, "bare.own.example", "x.own.example"); sess != nil {
		t.Error("a host that may come without a server name came with another one")
	}
	// Below a wildcard that is read one host is not another, neither in the server name nor in the request.
	if sess, _ := handshake(t, squid, "a.read.example", "b.read.example"); sess != nil {
		t.Error("CONNECT a.read.example carried the server name b.read.example")
	}
	if sess, status := handshake(t, squid, "a.read.example", "a.read.example"); sess == nil {
		t.Errorf("a.read.example: %s", status)
	} else if got := request(sess, "b.read.example"); got != "403" {
		t.Errorf("a request for b.read.example inside of a.read.example: %s", got)
	}
	// A request for https: without CONNECT is judged by the same rules.
	o.taken()
	for host, want := range map[string]string{foreign: "403", "x.own.example": "403", "a.read.example": "403", signIn: "200"} {
		if got := absolute(t, squid, "https://"+host+"/"); got != want {
			t.Errorf("GET https://%s/: %s, want %s", host, got, want)
		}
	}
	for _, a := range o.taken() {
		if a.requestFor(signIn) && !a.restricted() {
			t.Errorf("GET https: arrived with %q", a.head)
		}
	}
	if t.Failed() {
		t.Logf("%s", squid.Output())
	}
}

// absolute asks the proxy for a URL without CONNECT and returns the status of its answer.
func absolute(t *testing.T, p *proxy, url string) string {
	c, err := net.Dial("tcp", p.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	host, _, _ := strings.Cut(strings.TrimPrefix(url, "https://"), "/")
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", url, host)
	return readStatus(bufio.NewReader(c))
}

// treated says what the proxy does with a connection to host: refuse, tunnel or intercept.
func treated(t *testing.T, p *proxy, host string) string {
	c, _, status := connectThrough(t, p.Addr, host+":443")
	defer c.Close()
	if status != "200" {
		return "refuse"
	}
	s := tls.Client(c, &tls.Config{ServerName: host, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err := s.Handshake(); err != nil {
		return "refuse"
	}
	fmt.Fprintf(s, "GET /common HTTP/1.1\r\nHost: %s\r\nX-Test: 1\r\nConnection: close\r\n\r\n", host)
	status = readStatus(bufio.NewReader(s))
	if strings.Contains(s.ConnectionState().PeerCertificates[0].Issuer.String(), "Test peers") {
		switch status {
		case "200":
		case "403":
			return "refuse" // Squid says 200 to a CONNECT that it refuses, and shows its page under a certificate of its own
		default:
			return "intercept, then " + status
		}
		return "intercept"
	}
	return "tunnel"
}
