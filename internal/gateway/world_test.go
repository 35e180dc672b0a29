package gateway

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sekisho/internal/audit"
	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/policy"
	"sekisho/internal/restrict"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	signInHost  = "login.microsoftonline.com"
	liveHost    = "login.live.com"
	tunnelHost  = "graph.microsoft.com"
	inspectHost = "payroll.example.com"
	plainHost   = "plain.example.com"
	socketHost  = "socket.example.com"
	tenants     = "contoso.com,5d4c2a1e-7b6f-4c3d-9e8a-1f2b3c4d5e6f"
	tenantID    = "5d4c2a1e-7b6f-4c3d-9e8a-1f2b3c4d5e6f"
)

// world is a gateway between a test and origins that record every byte they get.
type world struct {
	t       testing.TB
	g       *Gateway
	addr    string
	edition *Edition
	roots   *x509.CertPool // what clients trust: the gateway's and the origins' authority
	log     *lockedBuffer

	mu      sync.Mutex
	origins map[endpoint.Host]*origin
	records []audit.Record // whole
	opened  []audit.Record // as they were opened
	open    atomic.Int64   // opened and not finished
	full    atomic.Bool
	filled  atomic.Int32
}

func (w *world) Record(r audit.Record) { w.Finish(audit.Opened{}, r) }
func (w *world) Full() bool            { return w.full.Load() }
func (w *world) Filled() int           { return int(w.filled.Load()) }

func (w *world) Open(r audit.Record) audit.Opened {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opened = append(w.opened, r)
	w.open.Add(1)
	return audit.Opened{Seq: uint64(len(w.opened))}
}

func (w *world) Finish(o audit.Opened, r audit.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if o != (audit.Opened{}) {
		w.open.Add(-1)
	}
	w.records = append(w.records, r)
}

// waitRecord waits for a record that pick accepts.
func (w *world) waitRecord(pick func(audit.Record) bool) audit.Record {
	w.t.Helper()
	var last []audit.Record
	for range 400 {
		w.mu.Lock()
		last = append(last[:0], w.records...)
		w.mu.Unlock()
		for _, r := range last {
			if pick(r) {
				return r
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	w.t.Fatalf("no such record among %+v", last)
	return audit.Record{}
}

func (w *world) waitReason(reason policy.Reason) audit.Record {
	w.t.Helper()
	return w.waitRecord(func(r audit.Record) bool {
		return r.Reason == string(reason) || strings.HasPrefix(r.Error, string(reason))
	})
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}
func (l *lockedBuffer) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

// authorityCA signs whatever name it is asked for; it stands for the gateway's issuer and for the public authorities.
type authorityCA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	mu   sync.Mutex
	made map[string]*tls.Certificate
}

var testCA = sync.OnceValue(func() *authorityCA {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test root"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	cert, _ := x509.ParseCertificate(der)
	return &authorityCA{cert: cert, key: key, made: map[string]*tls.Certificate{}}
})

func (a *authorityCA) Certificate(_ context.Context, h endpoint.Host) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c, ok := a.made[string(h)]; ok {
		return c, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(int64(len(a.made) + 2)), DNSNames: []string{string(h)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	c := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	a.made[string(h)] = c
	return c, nil
}

func (a *authorityCA) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

var errNoName = errors.New("no such host")

// address gives every host an address of its own: sign-in hosts in Entra's published range, others elsewhere.
func (w *world) address(h endpoint.Host) netip.Addr {
	if strings.HasPrefix(string(h), "login.") {
		return netip.AddrFrom4([4]byte{20, 190, 150, sum(h)})
	}
	return netip.AddrFrom4([4]byte{52, 96, 10, sum(h)})
}

// sum tells the hosts of these tests apart in one byte.
func sum(h endpoint.Host) (n byte) {
	for i := range len(h) {
		n = n*7 + h[i]
	}
	return n
}

func (w *world) network() Network {
	return Network{
		Resolve: func(_ context.Context, h endpoint.Host) ([]netip.Addr, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if h == "rebind.example.com" {
				return []netip.Addr{netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("127.0.0.1")}, nil
			}
			if h == "loop.example.com" {
				return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
			}
			if _, ok := w.origins[h]; !ok && h != "dead.example.com" {
				return nil, errNoName
			}
			return []netip.Addr{w.address(h)}, nil
		},
		Dial: func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
			w.mu.Lock()
			var at string
			for _, o := range w.origins {
				if w.address(o.host) == to.Addr() && o.plain == (to.Port() == 80) {
					at = o.l.Addr().String()
				}
			}
			w.mu.Unlock()
			if at == "" {
				at = "127.0.0.1:1" // nobody listens there
			}
			return new(net.Dialer).DialContext(ctx, "tcp", at)
		},
		Roots: testCA().pool(),
	}
}

// baseSpec is a policy with an enforcing ring for everybody.
func baseSpec() policy.Spec {
	at := func(s string) restrict.At { return restrict.At{Text: s} }
	return policy.Spec{
		Features: []policy.At{at("entra.sign-in"), at("intune.core")},
		Hosts: []policy.HostSpec{
			{Pattern: at(inspectHost), Inspect: true},
			{Pattern: at(tunnelHost)},
			{Pattern: at(plainHost), Plain: true},
			{Pattern: at("dead.example.com")},
			{Pattern: at("rebind.example.com")},
			{Pattern: at("nosuch.example.com")},
			{Pattern: at("other.example.com")},
		},
		Profiles: []restrict.Spec{{Name: "staff", Version: restrict.V1, BlockConsumers: true, Context: at(tenantID),
			Permitted: []restrict.At{at("contoso.com"), at(tenantID)}}},
		Rings: []policy.RingSpec{{Name: "everyone", Profile: at("staff")}},
	}
}

func compile(t testing.TB, spec policy.Spec) *policy.Program {
	t.Helper()
	p, found := policy.Compile(spec, catalog.Builtin())
	if p == nil {
		t.Fatalf("policy does not compile: %+v", found)
	}
	return p
}

// newWorld starts a gateway over spec with origins for the usual hosts.
func newWorld(t testing.TB, spec policy.Spec, bend ...func(*Options)) *world {
	t.Helper()
	w := &world{t: t, origins: map[endpoint.Host]*origin{}, roots: testCA().pool(), log: &lockedBuffer{}}
	o := Options{Recorder: w, Logger: slog.New(slog.NewTextHandler(w.log, nil)), Limits: Limits{Linger: 200 * time.Millisecond, PerClientRefusals: 1 << 20}}
	for _, f := range bend {
		f(&o)
	}
	w.g = New(o)
	w.edition = &Edition{Number: 1, Program: compile(t, spec), Catalog: catalog.Builtin(), Issuer: testCA(), Network: w.network(), Contact: "desk <1234>", Language: "ja"}
	w.g.Load(w.edition)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.addr = l.Addr().String()
	var served sync.WaitGroup
	served.Go(func() {
		if err := w.g.Serve(l); err != ErrClosed {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		_ = w.g.Shutdown(ctx)
		served.Wait()
		if n := w.open.Load(); n != 0 {
			t.Errorf("%d records stay open", n)
		}
	})
	for _, h := range []endpoint.Host{signInHost, liveHost, tunnelHost, inspectHost} {
		w.add(h, false)
	}
	w.add(plainHost, true)
	return w
}

func (w *world) origin(h endpoint.Host) *origin {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.origins[h]
}

// dial opens a connection to the gateway.
func (w *world) dial() net.Conn {
	w.t.Helper()
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	w.t.Cleanup(func() { c.Close() })
	return c
}

// raw sends bytes to the proxy port and returns everything that comes back until the gateway closes.
func (w *world) raw(bytes string) string {
	w.t.Helper()
	c := w.dial()
	_, _ = io.WriteString(c, bytes)
	got, _ := io.ReadAll(c)
	return string(got)
}

// connect opens a CONNECT tunnel and returns it after the 200.
func (w *world) connect(authority string) net.Conn {
	w.t.Helper()
	c := w.dial()
	_, _ = io.WriteString(c, "CONNECT "+authority+" HTTP/1.1\r\nHost: "+authority+"\r\n\r\n")
	head := readHead(w.t, c)
	if !strings.HasPrefix(head, "HTTP/1.1 200 ") {
		w.t.Fatalf("CONNECT %s: %q", authority, head)
	}
	return c
}

// readHead reads byte by byte to the end of a head, so that nothing behind it is taken.
func readHead(t testing.TB, c io.Reader) string {
	t.Helper()
	var head []byte
	one := make([]byte, 1)
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		if _, err := io.ReadFull(c, one); err != nil {
			t.Fatalf("head: %v after %q", err, head)
		}
		head = append(head, one[0])
	}
	return string(head)
}

// secure speaks TLS through a CONNECT.
func (w *world) secure(host string, protocols ...string) *tls.Conn {
	w.t.Helper()
	c := tls.Client(w.connect(host+":443"), &tls.Config{ServerName: host, RootCAs: w.roots, NextProtos: protocols})
	if err := c.Handshake(); err != nil {
		w.t.Fatalf("TLS with %s: %v", host, err)
	}
	return c
}

// inside sends bytes inside an intercepted connection and returns everything that comes back.
func (w *world) inside(host, bytes string) string {
	w.t.Helper()
	c := w.secure(host, "http/1.1")
	_, _ = io.WriteString(c, bytes)
	got, _ := io.ReadAll(c)
	return string(got)
}

// client is an HTTP client through the gateway.
func (w *world) client(h2 bool) *http.Client {
	proxy := "http://" + w.addr
	tr := &http.Transport{Proxy: func(r *http.Request) (*urlT, error) { return parseURL(proxy) }, TLSClientConfig: &tls.Config{RootCAs: w.roots}, ForceAttemptHTTP2: h2, DisableCompression: true}
	w.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}
