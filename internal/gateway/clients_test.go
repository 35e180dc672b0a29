package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"testing"

	"sekisho/internal/endpoint"
)

func tlsClient(w *world, c net.Conn, name string) *tls.Conn {
	w.t.Helper()
	t := tls.Client(c, &tls.Config{ServerName: name, RootCAs: w.roots})
	if err := t.Handshake(); err != nil {
		w.t.Fatal(err)
	}
	return t
}

// tlsClientNoSNI sends no server name and checks that the certificate is for name.
func tlsClientNoSNI(w *world, c net.Conn, name string) *tls.Conn {
	w.t.Helper()
	t := tls.Client(c, &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error {
		_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: name, Roots: w.roots})
		return err
	}})
	if err := t.Handshake(); err != nil {
		w.t.Fatal(err)
	}
	return t
}

// tlsTry sends a ClientHello for name ("" sends none) and returns what came of it.
func tlsTry(c net.Conn, name string) error {
	t := tls.Client(c, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	return t.Handshake()
}

// tlsRootsOfNobody verifies nothing.
func tlsRootsOfNobody() *x509.CertPool { return x509.NewCertPool() }

func mustPorts(t testing.TB, s string) endpoint.Ports {
	t.Helper()
	p, err := endpoint.ParsePorts(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func hostOf(s string) endpoint.Host { return endpoint.Host(s) }

// quiet writes the log and throws it away, so that it costs what it costs.
func quiet(o *Options) { o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil)) }

// helloBytes is one ClientHello for name, as crypto/tls writes it.
func helloBytes(name string) []byte {
	a, z := net.Pipe()
	go func() {
		_ = tls.Client(a, &tls.Config{ServerName: name}).Handshake()
	}()
	buf := make([]byte, 4096)
	n, _ := z.Read(buf)
	z.Close()
	a.Close()
	return buf[:n]
}

// echo adds an origin without TLS that sends every byte back.
func (w *world) echo(host string) {
	o := w.add(hostOf(host), false)
	o.mu.Lock()
	o.echo = true
	o.mu.Unlock()
}
