package prove

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Limits of one act. The checkpoint and the lab are on this machine: whatever needs longer hangs.
const (
	actLimit  = 20 * time.Second
	bodyBytes = 1 << 20
)

// scene is a running checkpoint as its clients see it, with the lab behind it.
type scene struct {
	proxy      string        // host:port of the gateway
	user       *url.Userinfo // credentials for it; nil: none
	rollout    *scene        // a second checkpoint, with the rings of a roll-out
	operations string        // base URL of the operations listener
	gateway    *x509.CertPool
	lab        *x509.CertPool
	both       *x509.CertPool
	fetch      http.RoundTripper // for what clients fetch without the proxy
	tenants    string            // the permitted tenants and the context as they must be sent
	context    string
	heads      func() []head // what the lab received so far
	records    func(ctx context.Context) ([]record, error)
	faulty     func(name, host string, settings ...string) error // makes something go wrong in the lab
	sound      func(name string) error                           // ends it
	rotate     func() error                                      // changes the lab's signing key
	publish    func(name, text string) error                     // puts a TXT record into the lab's own DNS
	service    *service                                          // signs in with a certificate
	restart    func(ctx context.Context) error                   // stops the second checkpoint and its lab, and starts them again
}

// head is one request as it reached the lab's socket.
type head struct {
	sni string
	raw string // request line and fields, CRLF between
}

// record is the part of an audit record that promises speak of.
type record struct {
	host, sni, authority, verdict, reason, client string
	whole                                         string // everything, for a search for secrets
}

// answer is one HTTP answer, read to its end.
type answer struct {
	status int
	proto  string
	header http.Header
	body   string
	tls    *tls.ConnectionState
}

// client is a real HTTP client behind the proxy that trusts both roots and follows no redirects.
func (s *scene) client(http2 bool) *http.Client {
	transport := &http.Transport{
		Proxy:                 http.ProxyURL(&url.URL{Scheme: "http", User: s.user, Host: s.proxy}),
		TLSClientConfig:       &tls.Config{RootCAs: s.both, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:     http2,
		DisableKeepAlives:     true,
		TLSHandshakeTimeout:   actLimit,
		ResponseHeaderTimeout: actLimit,
		OnProxyConnectResponse: func(_ context.Context, _ *url.URL, _ *http.Request, r *http.Response) error {
			if r.StatusCode != http.StatusOK {
				body, _ := io.ReadAll(io.LimitReader(r.Body, bodyBytes))
				return &refusedError{answer{status: r.StatusCode, header: r.Header, body: string(body)}}
			}
			return nil
		},
	}
	if !http2 {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(true)
		transport.Protocols = protocols
	}
	return &http.Client{
		Transport:     transport,
		Timeout:       actLimit,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// refusedError is the proxy's answer to CONNECT when it is not 200.
type refusedError struct{ answer }

func (e *refusedError) Error() string { return fmt.Sprintf("CONNECT was answered %d", e.status) }

// send sends one request and reads the answer. A refused CONNECT is an answer too.
func (s *scene) send(ctx context.Context, http2 bool, method, target, body string, header ...string) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Add(header[i], header[i+1])
	}
	if body != "" && request.Header.Get("Content-Type") == "" {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return ask(s.client(http2), request)
}

// ask sends request and reads the answer to its end.
func ask(c *http.Client, request *http.Request) (answer, error) {
	response, err := c.Do(request)
	if err != nil {
		if refused, ok := errors.AsType[*refusedError](err); ok {
			return refused.answer, nil
		}
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, bodyBytes))
	if err != nil {
		return answer{}, err
	}
	return answer{response.StatusCode, response.Proto, response.Header, string(text), response.TLS}, nil
}

// get is send for what has no body.
func (s *scene) get(ctx context.Context, target string, header ...string) (answer, error) {
	return s.send(ctx, false, http.MethodGet, target, "", header...)
}

// connect sends CONNECT for authority and returns the connection behind a 200, or the refusal.
func (s *scene) connect(ctx context.Context, authority string) (net.Conn, answer, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.proxy)
	if err != nil {
		return nil, answer{}, err
	}
	_ = conn.SetDeadline(time.Now().Add(actLimit))
	credentials := ""
	if s.user != nil {
		password, _ := s.user.Password()
		credentials = "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(s.user.Username()+":"+password)) + "\r\n"
	}
	if _, err := fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", authority, authority, credentials); err != nil {
		conn.Close()
		return nil, answer{}, err
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, &http.Request{Method: http.MethodConnect})
	if err != nil {
		conn.Close()
		return nil, answer{}, err
	}
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, bodyBytes))
		conn.Close()
		return nil, answer{status: response.StatusCode, header: response.Header, body: string(text)}, nil
	}
	if reader.Buffered() > 0 {
		conn.Close()
		return nil, answer{}, errors.New("bytes came with the answer to CONNECT")
	}
	return conn, answer{status: http.StatusOK}, nil
}

// handshake opens authority through the proxy and shakes hands as serverName; "" sends no server name.
func (s *scene) handshake(ctx context.Context, authority, serverName string) (*tls.Conn, error) {
	conn, refusal, err := s.connect(ctx, authority)
	if err != nil {
		return nil, err
	}
	if conn == nil {
		return nil, &refusedError{refusal}
	}
	// The chain is judged by the caller, which wants to know whose it is; crypto/tls would stop at a missing name.
	tunnel := tls.Client(conn, &tls.Config{ServerName: serverName, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
	if err := tunnel.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return tunnel, nil
}

// shownBy says whose certificate a connection to host shows: "gateway", "lab", or why it is neither's.
func (s *scene) shownBy(state tls.ConnectionState, host string) string {
	intermediates := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		intermediates.AddCert(c)
	}
	verify := func(roots *x509.CertPool) error {
		_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: intermediates})
		return err
	}
	if verify(s.gateway) == nil {
		return "gateway"
	}
	err := verify(s.lab)
	if err == nil {
		return "lab"
	}
	return fmt.Sprintf("nobody we know (%v)", err)
}

// fields returns the values of the field called name in a head, folding case, in order.
func (h head) fields(name string) []string {
	var out []string
	lines := strings.Split(h.raw, "\r\n")
	for _, line := range lines[1:] {
		if field, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(strings.TrimSpace(field), name) {
			out = append(out, strings.Trim(value, " \t"))
		}
	}
	return out
}

// carrying returns the heads that the lab received with nonce in them. Every act sends a nonce of its own, so that
// promises do not see each other's requests.
func (s *scene) carrying(nonce string) []head {
	var out []head
	for _, h := range s.heads() {
		if strings.Contains(h.raw, nonce) {
			out = append(out, h)
		}
	}
	return out
}
