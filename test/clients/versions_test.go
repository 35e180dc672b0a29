//go:build linux

package clients

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// TestCurlSpeaksEveryVersion: the restriction holds in each, whatever headers the client sends.
func TestCurlSpeaksEveryVersion(t *testing.T) {
	t.Parallel()
	need(t, "curl", "curl")
	c := up(t)
	for _, version := range []string{"--http1.0", "--http1.1", "--http2", "--http2-prior-knowledge"} {
		r := c.curl(t, version, "-H", "Restrict-Access-To-Tenants: evil", "-H", "sec-Restrict-Tenant-Access-Policy: evil", "-d", serviceForm,
			"https://login.microsoftonline.com/contoso.com"+tokenPath)
		if r.code != 0 || !strings.Contains(r.out, `"access_token"`) {
			t.Errorf("%s: exit code %d, %s%s", version, r.code, r.out, r.err)
		}
		r = c.curl(t, version, "-H", "Restrict-Access-To-Tenants: fabrikam.com", "-d", serviceForm, "https://login.microsoftonline.com/fabrikam.com"+tokenPath)
		if strings.Contains(r.out, `"access_token"`) {
			t.Errorf("%s: a foreign tenant got a token", version)
		}
	}
}

// way is a listener whose every connection is a CONNECT to host through the checkpoint: for clients that know no proxy.
func (c *checkpoint) way(t *testing.T, host string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer in.Close()
				out, err := c.open("", host)
				if err != nil {
					return
				}
				defer out.Close()
				all.Go(func() { _, _ = io.Copy(out, in); out.Close() })
				_, _ = io.Copy(in, out)
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String()
}

// TestH2loadIsServedInFull sends requests with the client of nghttp2, many at once on each connection.
func TestH2loadIsServedInFull(t *testing.T) {
	h2load := need(t, "nghttp2-client", "h2load")
	c := up(t)
	r := client(t, nil, h2load, "-n", "1000", "-c", "5", "-m", "20", "--connect-to="+c.way(t, signIn), "-H", "Restrict-Access-Context: evil",
		"https://"+signIn+"/contoso.com/v2.0/.well-known/openid-configuration")
	if r.code != 0 || !strings.Contains(r.out, "1000 succeeded, 0 failed, 0 errored") || !strings.Contains(r.out, "1000 2xx") || !strings.Contains(r.out, "Application protocol: h2") {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.err)
	}
	if strings.Contains(c.log.String(), "evil") {
		t.Error("the log holds a header value")
	}
}
