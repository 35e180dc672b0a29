package node_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"sekisho/internal/config"
	"sekisho/internal/finding"
	"sekisho/internal/node"
)

// origin is a TLS server on loopback for both names, with a root of its own. It returns its port and the root, PEM.
func origin(t *testing.T, names ...string) (port string, root []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "an organisation's own root"}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("origin " + r.Host))
	})}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(l) }() // ends with the Close below
	t.Cleanup(func() { server.Close(); <-ended })
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// nameserver answers A for one name with 127.0.0.1.
func nameserver(t *testing.T, name string) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started, ended := make(chan struct{}), make(chan struct{})
	s := &dns.Server{PacketConn: c, NotifyStartedFunc: func() { close(started) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Name != name+"." {
			m.Rcode = dns.RcodeNameError
		} else if q.Question[0].Qtype == dns.TypeA {
			m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: name + ".", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: net.IPv4(127, 0, 0, 1)}}
		}
		_ = w.WriteMsg(m)
	})}
	go func() { defer close(ended); _ = s.ActivateAndServe() }() // ends with the Shutdown below
	<-started
	t.Cleanup(func() { _ = s.Shutdown(); <-ended })
	return c.LocalAddr().String()
}

// TestTheOrganisationsOwnNetwork runs without the lab: servers that answer for the organisation's names, a fixed name, its
// own roots, a private range and other ports. Each is a standing warning where it is one.
func TestTheOrganisationsOwnNetwork(t *testing.T) {
	port, root := origin(t, "asked.example.com", "fixed.example.com", "tunnel.example.com")
	file := filepath.Join(t.TempDir(), "origins.pem")
	put(t, file, string(root))
	rows := "hosts:\n"
	for _, name := range []string{"asked", "fixed"} {
		rows += "  - {host: " + name + ".example.com, handling: inspect, ports: tcp/" + port + "}\n"
	}
	rows += "  - {host: gone.example.com}\n"
	network := "network:\n  resolvers: [\"" + nameserver(t, "asked.example.com") + "\"]\n  names:\n" +
		"    - {host: fixed.example.com, addresses: [127.0.0.1]}\n    - {host: login.live.com, addresses: [192.0.2.1]}\n" +
		"  dial-allowed: [127.0.0.1/32]\n  trust: " + file + "\n"
	aliases := "aliases:\n  - {host: sts.windows.net, clients: [10.0.0.0/8]}\n"
	c := labConfig(t, "rings:", rows+aliases+"rings:", "network:\n", network)
	n := start(t, node.Options{Config: c})
	client := through(t, n)
	for _, name := range []string{"asked", "fixed"} {
		if status, body := fetch(t, client, "https://"+name+".example.com:"+port+"/"); status != 200 || !strings.HasPrefix(body, "origin "+name) {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if _, err := client.Get("https://gone.example.com/"); err == nil || !strings.Contains(err.Error(), "Bad Gateway") {
		t.Errorf("a name that the server does not know: %v", err)
	}

	_, ready := fetch(t, http.DefaultClient, "http://"+n.OperationsAddress()+"/readyz")
	_, page := fetch(t, http.DefaultClient, "http://"+n.OperationsAddress()+"/?lang=ja")
	for _, code := range []string{"node.standing-trust", "node.standing-dial-allowed", "node.standing-name", "node.standing-hosts",
		"node.standing-inspect", "node.standing-ports", "node.standing-aliases"} {
		if !strings.Contains(ready, `"`+code+`"`) || !strings.Contains(page, code) {
			t.Errorf("%s does not stand in /readyz and on the status page", code)
		}
	}
}

// TestAPrivateAddressIsNotDialledUnasked: a server of one's own that answers with a private address opens nothing.
func TestAPrivateAddressIsNotDialledUnasked(t *testing.T) {
	port, _ := origin(t, "asked.example.com")
	c := labConfig(t, "rings:", "hosts:\n  - {host: asked.example.com, ports: tcp/"+port+"}\nrings:",
		"network:\n", "network:\n  resolvers: [\""+nameserver(t, "asked.example.com")+"\"]\n")
	n := start(t, node.Options{Config: c})
	if _, err := through(t, n).Get("https://asked.example.com:" + port + "/"); err == nil || !strings.Contains(err.Error(), "Forbidden") {
		t.Errorf("%v", err)
	}
}

// TestLimitsDoNotMove: limits belong to the process; a reload that changes them says so.
func TestLimitsDoNotMove(t *testing.T) {
	settings := labConfig(t)
	load := func() (*config.Config, finding.List) { return settings, nil }
	n := start(t, node.Options{Config: settings, Load: load, Lab: true})
	settings = labConfig(t, "rings:", "limits:\n  connections: 50\nrings:")
	if err := n.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, ready := fetch(t, http.DefaultClient, "http://"+n.OperationsAddress()+"/readyz"); !strings.Contains(ready, "node.limits-unchanged") {
		t.Error("nobody is told that the limits have not moved")
	}
}

// TestLimitsAreTheConfigurations opens one connection too many.
func TestLimitsAreTheConfigurations(t *testing.T) {
	n := start(t, node.Options{Config: labConfig(t, "rings:", "limits:\n  connections: 10\n  connections-per-client: 2\nrings:"), Lab: true})
	proxy := &url.URL{Scheme: "http", Host: n.Summary().Gateway}
	for i := range 3 {
		c, err := net.Dial("tcp", proxy.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		head := make([]byte, 12)
		if i < 2 {
			_, _ = c.Write([]byte("CONNECT manage.microsoft.com:443 HTTP/1.1\r\nHost: manage.microsoft.com\r\n\r\n"))
		}
		if _, err := c.Read(head); err != nil || (string(head) == "HTTP/1.1 503") != (i == 2) {
			t.Errorf("connection %d: %q %v", i, head, err)
		}
	}
}
