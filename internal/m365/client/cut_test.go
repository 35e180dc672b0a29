package client_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"sekisho/internal/m365"
	"sekisho/internal/m365/client"
)

// raw answers every request with what bytes gives, and closes the connection.
func raw(t *testing.T, answer func() []byte) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil && r != nil {
				_, _ = c.Write(answer())
			}
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return "http://" + l.Addr().String()
}

// TestCutOffAtEveryByte: whatever the framing, an answer of which a byte is missing changes nothing, and the whole one
// is taken. Cut behind the last byte that means something, an answer is whole.
func TestCutOffAtEveryByte(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write([]byte(endpoints)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	half := len(endpoints) / 2
	for framing, whole := range map[string]string{
		"length":  head + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(endpoints), endpoints),
		"chunked": head + fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", half, endpoints[:half], len(endpoints)-half, endpoints[half:]),
		"close":   head + "Connection: close\r\n\r\n" + endpoints,
		"gzip":    head + fmt.Sprintf("Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", packed.Len(), packed.String()),
	} {
		t.Run(framing, func(t *testing.T) {
			n := 0
			c := &client.Client{Folder: t.TempDir(), Base: raw(t, func() []byte { return []byte(whole[:n]) }), Transport: &http.Transport{DisableKeepAlives: true}}
			before := ""
			for n = range len(whole) {
				body, err := c.Endpoints(t.Context(), m365.Worldwide, "2026112300")
				if err == nil || body != nil {
					t.Fatalf("cut after %d of %d bytes: taken as %q", n, len(whole), body)
				}
				if n == 0 {
					before = files(t, c.Folder)
				}
			}
			if after := files(t, c.Folder); after != before {
				t.Errorf("kept files changed from %s to %s", before, after)
			}
			n = len(whole)
			if body, err := c.Endpoints(t.Context(), m365.Worldwide, "2026112300"); err != nil || string(body) != endpoints {
				t.Errorf("the whole answer: %q %v", body, err)
			}
		})
	}
}

// TestASmallAnswerThatUnpacksLargeIsRefused.
func TestASmallAnswerThatUnpacksLargeIsRefused(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	for range m365.MaxBody>>20 + 1 {
		if _, err := z.Write(bytes.Repeat([]byte(" "), 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	s := serve(t)
	s.says(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes())
	})
	if _, err := (&client.Client{Folder: t.TempDir(), Base: s.URL}).Endpoints(t.Context(), m365.Worldwide, "2026112300"); code(err) != "too-large" {
		t.Error(err)
	}
}

// TestOverTLS: the service is believed when its certificate is, and never over plain HTTP when HTTPS was asked for.
func TestOverTLS(t *testing.T) {
	down := serve(t)
	var to string
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if to != "" {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		fmt.Fprint(w, versions)
	}))
	defer s.Close()
	s.Config.ErrorLog = nil
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	transport.TLSClientConfig.RootCAs = roots
	defer transport.CloseIdleConnections()
	if _, err := (&client.Client{Folder: t.TempDir(), Base: s.URL}).Versions(t.Context()); code(err) != "unreachable" {
		t.Errorf("a certificate that nobody trusts: %v", err)
	}
	if _, err := (&client.Client{Folder: t.TempDir(), Base: s.URL, Transport: transport}).Versions(t.Context()); err != nil {
		t.Error(err)
	}
	for _, to = range []string{down.URL + "/version", strings.Replace(s.URL, "https:", "http:", 1) + "/version"} {
		if _, err := (&client.Client{Folder: t.TempDir(), Base: s.URL, Transport: transport}).Versions(t.Context()); code(err) != "unreachable" {
			t.Errorf("redirected to %s: %v", to, err)
		}
	}
	if down.count() != 0 {
		t.Error("the other host was asked")
	}
}

func TestByAProxy(t *testing.T) {
	s := serve(t) // answers for every host
	via, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{Proxy: http.ProxyURL(via)}
	defer transport.CloseIdleConnections()
	c := &client.Client{Folder: t.TempDir(), Base: "http://endpoints.invalid", Transport: transport}
	if _, err := c.Versions(t.Context()); err != nil || s.asked[0].Host != "endpoints.invalid" {
		t.Errorf("%v %v", err, s.asked)
	}
}
