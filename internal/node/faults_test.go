package node_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"sekisho/internal/audit"
	"sekisho/internal/gateway"
	"sekisho/internal/lab/fault"
	"sekisho/internal/node"
)

// seen is what a client got.
type seen struct {
	refused int // status of the CONNECT that was not 200
	status  int
	header  http.Header
	body    string
	bodyErr error
	err     error
	tls     *tls.ConnectionState
	asked   bool // a client certificate was asked for
	took    time.Duration
}

func (s seen) String() string {
	return fmt.Sprintf("CONNECT %d, status %d, error %v, in the body %v: %.300q", s.refused, s.status, s.err, s.bodyErr, s.body)
}

// faultCase is one fault as a client behind the gateway sees it.
type faultCase struct {
	name     string
	settings []string
	// tunnel drives a host that is tunnelled in place of one that is read.
	tunnel bool
	host   string // "": one of its own
	path   string
	header []string
	// want looks at what the client got.
	want func(seen) bool
	// error is what the gateway's record says went wrong, or one of several; "": nothing.
	error  string
	reason string // of a refusal
}

func told(status int, reason string) func(seen) bool {
	return func(s seen) bool {
		text := s.body
		return (s.status == status || s.refused == status) && strings.Contains(text, reason)
	}
}

func plainly(check func(seen) bool) func(seen) bool {
	return func(s seen) bool { return s.err == nil && s.refused == 0 && check(s) }
}

// faultCases has every kind at least once.
var faultCases = []faultCase{
	{name: "dns.nxdomain", want: told(502, "name-not-found"), error: "name-not-found/no-address"},
	{name: "dns.nodata", want: told(502, "name-not-found"), error: "name-not-found/no-address"},
	{name: "dns.servfail", want: told(502, "name-not-found"), error: "name-not-found/dns-failure"},
	{name: "dns.loop", want: told(502, "name-not-found"), error: "name-not-found/dns-failure"},
	{name: "dns.timeout", want: told(504, "name-not-found"), error: "name-not-found/dns-timeout"},
	{name: "dns.slow", settings: []string{"wait=300ms"}, want: plainly(func(s seen) bool { return s.status == 200 && s.took >= 300*time.Millisecond })},
	{name: "dns.sinkhole", want: told(403, "special-address"), reason: "special-address"},
	{name: "dns.sinkhole", settings: []string{"address=::"}, want: told(403, "special-address"), reason: "special-address"},
	{name: "dns.sinkhole", settings: []string{"address=127.0.0.1"}, want: told(403, "private-address"), reason: "private-address"},
	{name: "dns.private", want: told(403, "private-address"), reason: "private-address"},
	{name: "dns.private", settings: []string{"address=fd00::1"}, want: told(403, "private-address"), reason: "private-address"},
	{name: "dns.hijack", want: told(502, "upstream-certificate"), error: "upstream-certificate/certificate-name"},
	{name: "dns.hijack", tunnel: true, want: func(s seen) bool { return s.err != nil && strings.Contains(s.err.Error(), "captive.lab.invalid") }},
	{name: "dns.v6-only", want: plainly(func(s seen) bool { return s.status == 200 })},
	{name: "dns.v4-only", want: plainly(func(s seen) bool { return s.status == 200 })},
	{name: "tcp.refused", want: told(502, "upstream-unreachable"), error: "upstream-unreachable/dial"},
	{name: "tcp.refused", settings: []string{"family=6"}, want: plainly(func(s seen) bool { return s.status == 200 })},
	{name: "tcp.unreachable", want: told(502, "upstream-unreachable"), error: "upstream-unreachable/dial"},
	{name: "tcp.blackhole", want: told(504, "upstream-timeout"), error: "upstream-timeout/dial"},
	// The reset can be there before the dial ends, or after.
	{name: "tcp.reset", settings: []string{"at=accept"}, want: func(s seen) bool { return told(502, "upstream-handshake")(s) || told(502, "upstream-unreachable")(s) }, error: "upstream-handshake/handshake upstream-unreachable/dial"},
	{name: "tcp.reset", settings: []string{"at=hello"}, want: told(502, "upstream-handshake"), error: "upstream-handshake/handshake"},
	{name: "tcp.reset", settings: []string{"at=hello"}, tunnel: true, want: func(s seen) bool { return s.err != nil }, error: "upstream-broken/origin-hello"},
	{name: "tcp.reset", settings: []string{"at=tls"}, want: told(502, "upstream-broken"), error: "upstream-broken"},
	{name: "tcp.reset", settings: []string{"at=head"}, want: told(502, "upstream-broken"), error: "upstream-broken"},
	{name: "tcp.reset", settings: []string{"at=body"}, path: "/lab/bytes?size=100000", want: plainly(func(s seen) bool { return s.status == 200 && s.bodyErr != nil }), error: "upstream-broken"},
	{name: "tcp.stall", settings: []string{"at=accept"}, want: told(504, "upstream-timeout"), error: "upstream-timeout/handshake"},
	{name: "tcp.stall", settings: []string{"at=hello"}, want: told(504, "upstream-timeout"), error: "upstream-timeout/handshake"},
	{name: "tcp.stall", settings: []string{"at=tls"}, want: told(504, "upstream-timeout"), error: "upstream-timeout"},
	{name: "tcp.stall", settings: []string{"at=head"}, want: told(504, "upstream-timeout"), error: "upstream-timeout"},
	{name: "tcp.stall", settings: []string{"at=body"}, path: "/lab/bytes?size=100000", want: plainly(func(s seen) bool { return s.status == 200 && s.bodyErr != nil }), error: "upstream-timeout"},
	{name: "tcp.idle-cut", settings: []string{"after=200ms"}, path: "/lab/slow?ms=1500", want: told(502, "upstream-broken"), error: "upstream-broken"},
	{name: "tls.expired", want: told(502, "upstream-certificate"), error: "upstream-certificate/certificate-expired"},
	{name: "tls.expired", tunnel: true, want: badCertificate[x509.CertificateInvalidError]},
	{name: "tls.not-yet-valid", want: told(502, "upstream-certificate"), error: "upstream-certificate/certificate-expired"},
	{name: "tls.wrong-name", want: told(502, "upstream-certificate"), error: "upstream-certificate/certificate-name"},
	{name: "tls.wrong-name", tunnel: true, want: badCertificate[x509.HostnameError]},
	{name: "tls.self-signed", want: told(502, "upstream-certificate"), error: "upstream-certificate/certificate-untrusted"},
	{name: "tls.untrusted-root", want: told(502, "upstream-certificate"), error: "upstream-certificate/certificate-untrusted"},
	{name: "tls.missing-intermediate", want: told(502, "upstream-certificate"), error: "upstream-certificate/certificate-untrusted"},
	{name: "tls.inspected", want: told(502, "upstream-certificate"), error: "upstream-certificate/certificate-untrusted"},
	{name: "tls.inspected", tunnel: true, want: badCertificate[x509.UnknownAuthorityError]},
	{name: "tls.revoked", want: told(502, "upstream-certificate"), error: "upstream-certificate/certificate-revoked"},
	{name: "tls.revoked", tunnel: true, want: plainly(func(s seen) bool { return len(s.tls.OCSPResponse) > 0 })},
	{name: "tls.client-certificate-lost", tunnel: true, host: "device.login.microsoftonline.com", want: plainly(func(s seen) bool { return !s.asked })},
	{name: "tls.refused", want: told(502, "upstream-handshake"), error: "upstream-handshake/handshake"},
	{name: "tls.old-version", want: told(502, "upstream-handshake"), error: "upstream-handshake/handshake"},
	{name: "tls.old-version", settings: []string{"version=1.2"}, tunnel: true, want: plainly(func(s seen) bool { return s.tls.Version == tls.VersionTLS12 })},
	{name: "http.slow", settings: []string{"wait=300ms"}, want: plainly(func(s seen) bool { return s.status == 200 && s.took >= 300*time.Millisecond })},
	{name: "http.slow-body", settings: []string{"rate=10000"}, path: "/lab/bytes?size=5000", want: plainly(func(s seen) bool { return len(s.body) == 5000 && s.took >= 300*time.Millisecond })},
	{name: "http.range-stripped", path: "/lab/bytes?size=1000", header: []string{"Range", "bytes=100-199"}, want: plainly(func(s seen) bool {
		return s.status == 200 && len(s.body) == 1000 && s.header.Get("Accept-Ranges") == ""
	})},
	{name: "http.captive-portal", want: plainly(func(s seen) bool {
		return s.status == 302 && strings.Contains(s.header.Get("Location"), "captive.lab.invalid")
	})},
	{name: "http.captive-portal", settings: []string{"status=511"}, want: plainly(func(s seen) bool { return s.status == 511 && strings.Contains(s.body, "LAB") })},
	{name: "http.block-page", want: plainly(func(s seen) bool {
		return s.status == 403 && s.header.Get("X-Squid-Error") != "" && s.header.Get("X-Sekisho-Lab") == "" && strings.Contains(s.body, "LAB")
	})},
	{name: "http.service-unavailable", settings: []string{"retry-after=7"}, want: plainly(func(s seen) bool { return s.status == 503 && s.header.Get("Retry-After") == "7" })},
	{name: "http.throttled", want: plainly(func(s seen) bool { return s.status == 429 && s.header.Get("Retry-After") == "30" })},
	{name: "http.redirect-loop", path: "/a?b=c", want: plainly(func(s seen) bool {
		return s.status == 302 && strings.HasPrefix(s.header.Get("Location"), "https://") && strings.HasSuffix(s.header.Get("Location"), "/a?b=c")
	})},
	{name: "http.truncated", path: "/lab/bytes?size=100000", want: plainly(func(s seen) bool { return s.bodyErr != nil && len(s.body) < 100000 }), error: "upstream-broken"},
	{name: "http.garbage", want: told(502, "upstream-broken"), error: "upstream-broken/status-line"},
	{name: "http.websocket-refused", path: "/lab/websocket", header: []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13",
		"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}, want: plainly(func(s seen) bool { return s.status == 403 })},
	{name: "clock.skew", settings: []string{"by=-3h"}, want: plainly(func(s seen) bool {
		at, err := http.ParseTime(s.header.Get("Date"))
		return err == nil && time.Since(at) > 2*time.Hour
	})},
}

func badCertificate[E error](s seen) bool {
	var wrong E
	return errors.As(s.err, &wrong)
}

// faultNode is a checkpoint whose patience is short, before hosts of the organisation's own: all below read.example are
// read, all below tunnel.example are not.
func faultNode(t *testing.T, replace ...string) *node.Node {
	t.Helper()
	settings := labConfig(t, append([]string{"profiles:\n", `hosts:
  - host: "*.read.example"
    handling: inspect
    websocket: true
    reason: "faults"
  - host: "*.tunnel.example"
    reason: "faults"

profiles:
`}, replace...)...)
	return start(t, node.Options{Config: settings, Lab: true, Limits: func(l *gateway.Limits) {
		l.Resolve, l.Dial, l.OriginHandshake, l.OriginStall, l.Parent = 2*time.Second, 2*time.Second, 2*time.Second, 2*time.Second, 2*time.Second
	}})
}

func drive(t *testing.T, n *node.Node, c faultCase, host string) seen {
	t.Helper()
	var s seen
	pool := x509.NewCertPool()
	for _, root := range bothRoots(n) {
		pool.AppendCertsFromPEM(root)
	}
	transport := &http.Transport{
		Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: n.Summary().Gateway}), DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS10, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			s.asked = true
			return &tls.Certificate{}, nil
		}},
		OnProxyConnectResponse: func(_ context.Context, _ *url.URL, _ *http.Request, r *http.Response) error {
			if r.StatusCode != http.StatusOK {
				body, _ := io.ReadAll(r.Body)
				s.refused, s.body, s.header = r.StatusCode, string(body), r.Header
				return errors.New("refused")
			}
			return nil
		},
	}
	defer transport.CloseIdleConnections()
	begun := time.Now()
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{})
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+c.path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Language", "en")
	for i := 0; i+1 < len(c.header); i += 2 {
		r.Header.Set(c.header[i], c.header[i+1])
	}
	response, err := (&http.Client{Transport: transport, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(r)
	if s.took = time.Since(begun); err != nil {
		s.err = err
		return s
	}
	defer response.Body.Close()
	s.status, s.header, s.tls = response.StatusCode, response.Header, response.TLS
	if response.StatusCode == http.StatusSwitchingProtocols {
		return s // what follows is a stream
	}
	body, err := io.ReadAll(response.Body)
	s.body, s.bodyErr, s.took = string(body), err, time.Since(begun)
	return s
}

func bothRoots(n *node.Node) [][]byte {
	a, b := n.Roots()
	return [][]byte{a, b}
}

// awaitError waits for the record that says what went wrong at host.
func awaitError(t *testing.T, n *node.Node, host string, fits func(audit.Record) bool) {
	t.Helper()
	var last []string
	for limit := time.Now().Add(10 * time.Second); time.Now().Before(limit); time.Sleep(50 * time.Millisecond) {
		records, err := n.Records(t.Context(), audit.Filter{Host: host})
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(records, fits) {
			return
		}
		last = nil
		for _, r := range records {
			last = append(last, fmt.Sprintf("%s %s reason %q error %q status %d", r.Method, r.Verdict, r.Reason, r.Error, r.Status))
		}
	}
	t.Errorf("the records of %s say %q", host, last)
}

// Every fault is seen by a client behind the gateway, the gateway's answer can be read, and its record says why.
func TestEveryFaultIsSeenAndTold(t *testing.T) {
	n := faultNode(t)
	t.Run("each", func(t *testing.T) {
		for i, c := range faultCases {
			name := strings.Join(append([]string{c.name}, c.settings...), "-")
			if c.tunnel {
				name += "-tunnel"
			}
			if c.name == "clock.skew" {
				continue // it strikes everybody: below, alone
			}
			t.Run(strings.NewReplacer("=", "-", ":", "_").Replace(name), func(t *testing.T) {
				t.Parallel()
				host := c.host
				switch {
				case host != "":
				case c.tunnel:
					host = fmt.Sprintf("h%d.tunnel.example", i)
				default:
					host = fmt.Sprintf("h%d.read.example", i)
				}
				driveFault(t, n, c, host)
			})
		}
	})
	for _, c := range faultCases {
		if c.name == "clock.skew" {
			driveFault(t, n, c, "clock.read.example")
		}
	}
}

// driveFault drives host without, with and again without the fault.
func driveFault(t *testing.T, n *node.Node, c faultCase, host string) {
	t.Helper()
	if s := drive(t, n, c, host); s.err != nil || s.bodyErr != nil || c.want(s) && c.name != "dns.v6-only" && c.name != "dns.v4-only" && c.settings == nil {
		t.Fatalf("before the fault: %v", s)
	}
	f, err := fault.New(c.name, host, c.settings...)
	if c.name == "clock.skew" {
		f, err = fault.New(c.name, "", c.settings...)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := n.LabFaults().Set(f); err != nil {
		t.Fatal(err)
	}
	if s := drive(t, n, c, host); !c.want(s) {
		t.Errorf("with the fault: %v", s)
	}
	if c.error != "" || c.reason != "" {
		awaitError(t, n, host, func(r audit.Record) bool {
			if c.reason != "" {
				return r.Verdict == "deny" && r.Reason == c.reason
			}
			return slices.Contains(strings.Fields(c.error), r.Error) || strings.HasSuffix(c.error, "/") && strings.HasPrefix(r.Error, c.error)
		})
	}
	cleared, err := n.LabFaults().Clear(c.name, f.Host)
	if err != nil || len(cleared) != 1 || cleared[0].Struck == 0 && c.name != "clock.skew" && !slices.Contains(c.settings, "family=6") {
		t.Errorf("cleared %v, %v", cleared, err)
	}
	if s := drive(t, n, c, host); s.err != nil || s.bodyErr != nil || s.refused != 0 {
		t.Errorf("after the fault: %v", s)
	}
}

// TestEveryFaultHasACase keeps the table complete.
func TestEveryFaultHasACase(t *testing.T) {
	for _, name := range fault.Names() {
		if !slices.ContainsFunc(append(faultCases, proxyCases...), func(c faultCase) bool { return c.name == name }) {
			t.Errorf("nothing drives %s", name)
		}
	}
}

// proxyCases are driven through a gateway whose way out is the organisation's proxy.
var proxyCases = []faultCase{
	{name: "proxy.credentials", want: told(502, "upstream-proxy"), error: "upstream-proxy/proxy-407"},
	{name: "proxy.denied", want: told(502, "upstream-proxy"), error: "upstream-proxy/proxy-403"},
	{name: "proxy.denied", settings: []string{"status=503"}, want: told(502, "upstream-proxy"), error: "upstream-proxy/proxy-503"},
	{name: "proxy.port-denied", want: told(502, "upstream-proxy"), error: "upstream-proxy/proxy-403"},
	{name: "proxy.dns-failed", want: told(502, "upstream-proxy"), error: "upstream-proxy/proxy-503"},
	{name: "proxy.cut", want: told(502, "upstream-handshake"), error: "upstream-handshake/handshake"},
	{name: "proxy.garbage", want: told(502, "upstream-proxy"), error: "upstream-proxy/proxy-answer"},
}

// The organisation's proxy of a configuration is the lab's stand-in, and its faults are told as what they are.
func TestEveryFaultOfTheProxyIsTold(t *testing.T) {
	for _, address := range []string{"proxy.corp.example:3128", "198.51.100.9:8080"} {
		n := faultNode(t, "network:\n", "network:\n  upstream-proxy:\n    address: \""+address+"\"\n")
		for i, c := range proxyCases {
			driveFault(t, n, c, fmt.Sprintf("p%d.read.example", i))
		}
	}
}

// A client that asks the stand-in itself sees the schemes that it offers, and passes with credentials that it takes.
func TestStandInProxyAsksForCredentials(t *testing.T) {
	n := faultNode(t)
	f, err := fault.New("proxy.credentials", "*.tunnel.example", "schemes=NTLM,Basic")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.LabFaults().Set(f); err != nil {
		t.Fatal(err)
	}
	at := strings.TrimPrefix(n.LabProxyURL(), "http://")
	for credentials, want := range map[string]int{"": 407, "Proxy-Authorization: Basic dTpw\r\n": 200, "Proxy-Authorization: NTLM dTpw\r\n": 407} {
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, "CONNECT a.tunnel.example:443 HTTP/1.1\r\nHost: a.tunnel.example:443\r\n"+credentials+"\r\n")
		r, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: http.MethodConnect})
		if err != nil || r.StatusCode != want || want == 407 && !slices.Equal(r.Header["Proxy-Authenticate"], []string{"NTLM", `Basic realm="LAB"`}) {
			t.Errorf("%q: %v, %v", credentials, r, err)
		}
		c.Close()
	}
}
