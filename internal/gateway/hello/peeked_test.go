package hello

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair returns both ends of a TCP connection.
func pair(t testing.TB) (client, server *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

func certificate(t testing.TB, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// An interception begins with the hello that was read: a real client does not notice.
func TestPeekedReplaysToTLSServer(t *testing.T) {
	client, server := pair(t)
	cert, pool := certificate(t, "login.live.com")
	done := make(chan error, 1)
	go func() {
		c := tls.Client(client, &tls.Config{ServerName: "login.live.com", RootCAs: pool})
		_, err := io.WriteString(c, "ping")
		done <- err
	}()
	h, err := Read(server, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	p := NewPeeked(server, h.Raw)
	if p.Buffered() != len(h.Raw) || p.NetConn() != net.Conn(server) {
		t.Errorf("%d buffered", p.Buffered())
	}
	s := tls.Server(p, &tls.Config{Certificates: []tls.Certificate{cert}})
	got := make([]byte, 4)
	if _, err := io.ReadFull(s, got); err != nil || string(got) != "ping" {
		t.Fatalf("%q %v", got, err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if p.Buffered() != 0 || s.ConnectionState().ServerName != "login.live.com" {
		t.Errorf("%d left, name %q", p.Buffered(), s.ConnectionState().ServerName)
	}
}

// A tunnel is byte for byte the client's own, however it is read.
func TestPeekedGivesEveryByteOnce(t *testing.T) {
	const put, sent = "put back", " and sent"
	for name, read := range map[string]func(p *Peeked) ([]byte, error){
		"read":     func(p *Peeked) ([]byte, error) { return io.ReadAll(struct{ io.Reader }{p}) },
		"one byte": func(p *Peeked) ([]byte, error) { return io.ReadAll(oneByte{p}) },
		"write to": func(p *Peeked) ([]byte, error) {
			var b bytes.Buffer
			n, err := io.Copy(&b, p)
			if n != int64(b.Len()) {
				t.Errorf("counted %d of %d", n, b.Len())
			}
			return b.Bytes(), err
		},
		"rest": func(p *Peeked) ([]byte, error) {
			first := make([]byte, 3)
			io.ReadFull(p, first)
			raw, conn := p.Rest()
			if _, ok := conn.(*net.TCPConn); !ok {
				t.Errorf("no TCP connection but %T", conn)
			}
			if again, _ := p.Rest(); again != nil {
				t.Errorf("given twice: %q", again)
			}
			rest, err := io.ReadAll(conn)
			return append(append(first, raw...), rest...), err
		},
	} {
		t.Run(name, func(t *testing.T) {
			client, server := pair(t)
			io.WriteString(client, sent)
			client.CloseWrite()
			got, err := read(NewPeeked(server, []byte(put)))
			if err != nil || string(got) != put+sent {
				t.Errorf("%q %v", got, err)
			}
		})
	}
}

func TestPeekedPassesHalfCloseAndReadFrom(t *testing.T) {
	client, server := pair(t)
	p := NewPeeked(server, nil)
	if n, err := p.ReadFrom(bytes.NewReader(make([]byte, 100<<10))); n != 100<<10 || err != nil {
		t.Fatalf("%d %v", n, err)
	}
	if err := p.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(client)
	if len(got) != 100<<10 || err != nil {
		t.Fatalf("%d %v", len(got), err)
	}
	near, far := net.Pipe() // no half close there: it is a whole one
	defer far.Close()
	if err := NewPeeked(near, nil).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := far.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("%v", err)
	}
}
