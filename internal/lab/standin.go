package lab

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"sekisho/internal/endpoint"
	"sekisho/internal/lab/fault"
)

// Limits of the stand-in proxy; chosen.
const (
	standInTunnels = 256
	standInReach   = 30 * time.Second
	standInName    = "proxy.lab.invalid"
)

// standIn is an organisation's proxy as the lab has it: it knows the lab's names, lets everything pass, and goes wrong
// when it is made to.
type standIn struct {
	w        *World
	listener net.Listener
	server   *http.Server
	onward   *httputil.ReverseProxy
	running  sync.WaitGroup
	mu       sync.Mutex
	tunnels  map[net.Conn]struct{}
	closed   bool
}

func openStandIn(w *World) (*standIn, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the lab's proxy: %w", err)
	}
	s := &standIn{w: w, listener: l, tunnels: map[net.Conn]struct{}{}}
	log := slog.NewLogLogger(w.logger.Handler(), slog.LevelDebug)
	s.onward = &httputil.ReverseProxy{
		Rewrite:  func(p *httputil.ProxyRequest) { p.Out.Host = p.In.Host },
		ErrorLog: log,
		Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true, DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return s.reach(ctx, address)
		}},
		ErrorHandler: func(rw http.ResponseWriter, _ *http.Request, err error) { s.unreachable(rw, err) },
	}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: headTime, ReadTimeout: bodyTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHead, ErrorLog: log}
	s.running.Go(func() { s.server.Serve(l) })
	return s, nil
}

// close ends every tunnel and waits for what runs.
func (s *standIn) close() error {
	s.mu.Lock()
	s.closed = true
	for c := range s.tunnels {
		c.Close()
	}
	s.mu.Unlock()
	err := s.server.Close()
	s.running.Wait()
	return err
}

// ProxyURL is where a client of this machine finds the lab's stand-in for an organisation's proxy.
func (w *World) ProxyURL() string { return "http://" + w.proxy.listener.Addr().String() }

// ProxyAddress is the address at which the lab's network has that proxy, on every port: what the name of an
// organisation's own proxy resolves to in the lab.
func (w *World) ProxyAddress() netip.Addr { return w.pooled(standInName) }

// ServeHTTP answers one request to the proxy.
func (s *standIn) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	authority := r.Host
	if r.Method != http.MethodConnect {
		if !r.URL.IsAbs() || r.URL.Scheme != "http" {
			s.say(rw, http.StatusBadRequest, "ERR_INVALID_REQ 0", "this is a proxy: ask with CONNECT or an absolute http URL")
			return
		}
		authority = r.URL.Host
	}
	if !strings.Contains(authority, ":") {
		authority += ":80"
	}
	host, portText, err := net.SplitHostPort(authority)
	port, err2 := strconv.ParseUint(portText, 10, 16)
	if err != nil || err2 != nil {
		s.say(rw, http.StatusBadRequest, "ERR_INVALID_URL 0", "the target has no host and port")
		return
	}
	fits := func(f fault.Fault) bool {
		switch f.Name {
		case "proxy.credentials":
			return !shown(r, f.Word("schemes"))
		case "proxy.port-denied":
			return f.Number("port") == int(port)
		}
		return true
	}
	if f, ok := s.w.strike(hostOf(host), fits, "proxy.credentials", "proxy.denied", "proxy.port-denied", "proxy.dns-failed", "proxy.cut", "proxy.garbage"); ok {
		s.fail(rw, f)
		return
	}
	if r.Method == http.MethodConnect {
		s.tunnel(rw, r, authority)
		return
	}
	s.onward.ServeHTTP(rw, r)
}

// shown reports whether r carries credentials that this proxy takes: any of Basic, where that is offered. The others it
// offers and never takes.
func shown(r *http.Request, schemes string) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Proxy-Authorization"), " ")
	pair, err := base64.StdEncoding.DecodeString(strings.TrimSpace(token))
	return strings.Contains(schemes, "Basic") && strings.EqualFold(scheme, "Basic") && err == nil && strings.Contains(string(pair), ":")
}

// fail answers in the way of a fault.
func (s *standIn) fail(rw http.ResponseWriter, f fault.Fault) {
	status, _ := strconv.Atoi(f.Word("status"))
	rw.Header().Set("X-Sekisho-Lab-Fault", f.Name)
	switch f.Name {
	case "proxy.credentials":
		for scheme := range strings.SplitSeq(f.Word("schemes"), ",") {
			switch scheme {
			case "Basic":
				scheme += ` realm="LAB"`
			case "Digest":
				scheme += ` realm="LAB", nonce="bGFi", qop="auth", algorithm=SHA-256`
			}
			rw.Header().Add("Proxy-Authenticate", scheme)
		}
		s.say(rw, http.StatusProxyAuthRequired, "ERR_CACHE_ACCESS_DENIED 0", "this proxy wants credentials")
	case "proxy.denied":
		s.say(rw, status, "ERR_ACCESS_DENIED 0", "this proxy does not let you there")
	case "proxy.port-denied":
		s.say(rw, http.StatusForbidden, "ERR_ACCESS_DENIED 0", "this proxy does not let you to that port")
	case "proxy.dns-failed":
		s.say(rw, http.StatusServiceUnavailable, "ERR_DNS_FAIL 0", "this proxy cannot find the name")
	default: // cut, garbage
		c, _, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			return
		}
		if text := "HTTP/1.1 200 Connection established\r\n\r\n"; f.Name == "proxy.cut" {
			_, _ = io.WriteString(c, text)
		} else {
			_, _ = io.WriteString(c, "\x00\x01LAB: this is no HTTP\r\n\r\n")
		}
		_ = c.Close()
	}
}

func (s *standIn) say(rw http.ResponseWriter, status int, code, text string) {
	rw.Header().Set("Via", "1.1 "+standInName)
	rw.Header().Set("X-Squid-Error", code)
	http.Error(rw, "LAB: "+text, status)
}

// reach connects to host:port by the lab's network.
func (s *standIn) reach(ctx context.Context, authority string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, standInReach)
	defer cancel()
	host, portText, err := net.SplitHostPort(authority)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, err
	}
	h, err := endpoint.ParseHost(host)
	if err != nil {
		return nil, err
	}
	addrs, err := s.w.Resolve(ctx, h)
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		var c net.Conn
		if c, err = s.w.Dial(ctx, netip.AddrPortFrom(a, uint16(port))); err == nil {
			return c, nil
		}
	}
	return nil, err
}

func (s *standIn) unreachable(rw http.ResponseWriter, err error) {
	code := "ERR_CONNECT_FAIL 111"
	if _, ok := err.(*net.DNSError); ok {
		code = "ERR_DNS_FAIL 0"
	}
	s.say(rw, http.StatusServiceUnavailable, code, "the origin cannot be reached")
}

// tunnel joins a client with what it asked for.
func (s *standIn) tunnel(rw http.ResponseWriter, r *http.Request, authority string) {
	origin, err := s.reach(r.Context(), authority)
	if err != nil {
		s.unreachable(rw, err)
		return
	}
	client, buffered, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		origin.Close()
		return
	}
	s.mu.Lock()
	if s.closed || len(s.tunnels) >= 2*standInTunnels {
		s.mu.Unlock()
		origin.Close()
		client.Close()
		return
	}
	s.tunnels[origin], s.tunnels[client] = struct{}{}, struct{}{}
	s.running.Add(1)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.tunnels, origin)
		delete(s.tunnels, client)
		s.mu.Unlock()
		s.running.Done()
	}()
	_ = client.SetDeadline(time.Time{})
	if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		origin.Close()
		client.Close()
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(origin, buffered)
		half(origin)
	}()
	_, _ = io.Copy(client, origin)
	half(client)
	origin.Close()
	client.Close() // the other direction ends with it
	<-done
}

// half ends one direction.
func half(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.CloseWrite()
	}
}
