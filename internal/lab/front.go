package lab

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sekisho/internal/endpoint"
	"sekisho/internal/lab/page"
)

// Limits of a connection; chosen. There is no limit on the time of an answer: slow ones are part of the lab, and each
// bounds itself.
const (
	handshakeTime = 10 * time.Second
	headTime      = 10 * time.Second
	bodyTime      = 60 * time.Second
	idleTime      = 2 * time.Minute
)

// nobody is the name on the certificate that a client without, or with an unknown, server name is shown.
const nobody = "no-such-host.lab.invalid"

// arrival is what the front knows of a connection.
type arrival struct {
	tls         bool
	sni         string // as sent
	certificate bool   // the client showed one
	line        *line  // below TLS
}

type arrivalKey struct{}

// arrivalOf returns what is known of r's connection.
func arrivalOf(r *http.Request) arrival {
	a, _ := r.Context().Value(arrivalKey{}).(arrival)
	return a
}

// front is one listener on loopback and the server behind it.
type front struct {
	w        *World
	tls      bool
	config   *tls.Config
	listener net.Listener
	accepted chan net.Conn // with its TLS handshake done
	server   *http.Server
	done     chan struct{}
	once     sync.Once
	running  sync.WaitGroup
	mu       sync.Mutex
	greeting map[net.Conn]struct{} // in their handshake
}

// openFront listens on a free port of loopback and serves, with TLS when there is a config.
func openFront(w *World, config *tls.Config, handler http.Handler) (*front, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the lab: %w", err)
	}
	f := &front{
		w: w, tls: config != nil, config: config, listener: l, accepted: make(chan net.Conn), done: make(chan struct{}), greeting: map[net.Conn]struct{}{},
	}
	f.server = &http.Server{
		Handler: handler, ReadHeaderTimeout: headTime, ReadTimeout: bodyTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHead,
		ErrorLog: slog.NewLogLogger(w.logger.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			t := c.(*tapped)
			return context.WithValue(ctx, arrivalKey{}, t.arrival)
		},
	}
	f.running.Go(f.accept)
	f.running.Go(func() { f.server.Serve(f) })
	return f, nil
}

// tapped is a connection with what is known of it.
type tapped struct {
	tap
	arrival arrival
}

// accept takes connections until the listener closes, and greets each on its own goroutine.
func (f *front) accept() {
	for {
		c, err := f.listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			// Out of descriptors or the like: wait a little instead of spinning.
			select {
			case <-f.done:
				return
			case <-time.After(20 * time.Millisecond):
			}
			continue
		}
		f.mu.Lock()
		select {
		case <-f.done:
			c.Close()
		default:
			f.greeting[c] = struct{}{}
			f.running.Go(func() { f.greet(c) })
		}
		f.mu.Unlock()
	}
}

// greet does the handshake and hands the connection to the server.
func (f *front) greet(c net.Conn) {
	defer func() {
		f.mu.Lock()
		delete(f.greeting, c)
		f.mu.Unlock()
	}()
	l := &line{Conn: c}
	t := &tapped{tap: tap{Conn: l, heads: &f.w.recorder, now: f.w.now}, arrival: arrival{line: l}}
	t.of.Connection = f.w.connections.Add(1)
	if f.tls {
		tc := tls.Server(l, f.config)
		_ = l.SetDeadline(time.Now().Add(handshakeTime))
		if err := tc.Handshake(); err != nil {
			f.w.logger.Debug("lab handshake", "error", err.Error())
			l.Close()
			return
		}
		_ = l.SetDeadline(time.Time{})
		state := tc.ConnectionState()
		if f.w.cut(l, state.ServerName, "tls") {
			return
		}
		t.Conn = tc
		t.arrival = arrival{tls: true, sni: state.ServerName, certificate: len(state.PeerCertificates) > 0, line: l}
		t.of.TLS, t.of.SNI = true, state.ServerName
	}
	select {
	case f.accepted <- t:
	case <-f.done:
		c.Close()
	}
}

// Accept, Close and Addr make f the server's listener of greeted connections.
func (f *front) Accept() (net.Conn, error) {
	select {
	case c := <-f.accepted:
		return c, nil
	case <-f.done:
		return nil, net.ErrClosed
	}
}

// Close stops accepting; the server calls it, and close.
func (f *front) Close() error {
	var err error
	f.once.Do(func() {
		f.mu.Lock()
		close(f.done)
		f.mu.Unlock()
		err = f.listener.Close()
	})
	return err
}

// Addr is the loopback address.
func (f *front) Addr() net.Addr { return f.listener.Addr() }

// close ends every connection and waits for what ran.
func (f *front) close() error {
	err := f.Close()
	f.mu.Lock()
	for c := range f.greeting {
		c.Close()
	}
	f.mu.Unlock()
	err = errors.Join(err, f.server.Close())
	f.running.Wait()
	return err
}

func (f *front) dial(ctx context.Context) (net.Conn, error) { return connect(ctx, f.listener) }

// connect connects to a listener of the lab.
func connect(ctx context.Context, l net.Listener) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", l.Addr().String())
}

// tlsConfig shows each name its own certificate. It offers HTTP/1.1 alone, so that every request head can be recorded as
// it was sent.
func (w *World) tlsConfig() *tls.Config {
	base := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, Time: w.now}
	base.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		name := strings.ToLower(hello.ServerName)
		if h, err := endpoint.ParseHost(name); err != nil || !w.serves(h) {
			name = nobody
		}
		return w.authority.leaf(name)
	}
	base.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		c, err := w.misgreet(base, hello)
		if c != nil || err != nil || !demandsCertificate(strings.ToLower(hello.ServerName)) {
			return c, err
		}
		return demanding(base), nil
	}
	return base
}

// demanding is a copy of base that asks for a client certificate.
func demanding(base *tls.Config) *tls.Config {
	c := base.Clone()
	c.GetConfigForClient = nil
	c.ClientAuth = tls.RequestClientCert
	c.SessionTicketsDisabled = true // each connection shows its certificate anew
	return c
}

// demandsCertificate names the hosts that authenticate the client in the handshake: device registration and device-based
// access (Microsoft, "Set up tenant restrictions v1": excluded from inspection for that reason), certificate-based
// sign-in ("certificate-based authentication technical deep dive") and its registration counterpart.
func demandsCertificate(name string) bool {
	switch name {
	case "device.login.microsoftonline.com", "certauth.login.microsoftonline.com", "certauth.enterpriseregistration.windows.net":
		return true
	}
	return strings.HasSuffix(name, ".certauth.login.microsoftonline.com")
}

// router sends each request to the service of its host.
type router struct {
	w        *World
	pages    *page.Pages
	services map[string]http.Handler
	origin   http.Handler
}

func (rt *router) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	a := arrivalOf(r)
	host := askedHost(r)
	rw.Header().Set("X-Sekisho-Lab", "1")
	if rt.w.clockSkewed() {
		rw.Header().Set("Date", rt.w.clock().UTC().Format(http.TimeFormat))
	}
	if names := rt.w.activeFaults(); len(names) > 0 {
		rw.Header().Set("X-Sekisho-Lab-Faults", strings.Join(names, ", "))
	}
	rt.w.misanswer(rw, r, host, func(rw http.ResponseWriter, r *http.Request) { rt.answer(rw, r, a, host) })
}

// askedHost is the host of a request, in lower case and without the port of its scheme.
func askedHost(r *http.Request) string {
	port := ":80"
	if arrivalOf(r).tls {
		port = ":443"
	}
	return strings.ToLower(strings.TrimSuffix(r.Host, port))
}

// answer is what the service of the host says.
func (rt *router) answer(rw http.ResponseWriter, r *http.Request, a arrival, host string) {
	switch h, err := endpoint.ParseHost(host); {
	case a.tls && !strings.EqualFold(host, a.sni), err != nil, string(h) != host, !rt.w.serves(h):
		// Whether Microsoft's front refuses a Host that is not the SNI is not known; the lab does, so that fronting shows.
		rt.pages.Write(rw, r, page.Page{
			Status: http.StatusMisdirectedRequest, Title: "lab.misdirected.title", Text: []string{"lab.misdirected.text"},
			Fields: []page.Field{{Label: "lab.misdirected.sni", Value: clip(a.sni)}, {Label: "lab.misdirected.host", Value: clip(r.Host)}},
		})
		return
	}
	if r.Method == http.MethodConnect {
		http.Error(rw, "LAB: this is an origin, not a proxy", http.StatusMethodNotAllowed)
		return
	}
	if a.tls && demandsCertificate(host) && !a.certificate {
		rt.pages.Write(rw, r, page.Page{
			Status: http.StatusForbidden, Title: "lab.certificate.title", Text: []string{"lab.certificate.text"},
			Fields: []page.Field{{Label: "lab.misdirected.host", Value: host}},
		})
		return
	}
	service, ok := rt.services[host]
	switch {
	case !a.tls && rt.w.authority.revocation(rw, r, host):
	case !ok:
		rt.origin.ServeHTTP(rw, r)
	case !a.tls: // sign-in and Graph speak TLS alone
		rw.Header().Set("Location", "https://"+host+r.URL.RequestURI())
		rw.WriteHeader(http.StatusMovedPermanently)
	default:
		service.ServeHTTP(rw, r)
	}
}

func clip(s string) string {
	if len(s) > 255 {
		s = s[:255]
	}
	return strings.ToValidUTF8(s, "?")
}

// connectionCount numbers connections.
type connectionCount = atomic.Uint64

// discard is where the log goes when nobody wants it.
func discard() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }
