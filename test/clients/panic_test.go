//go:build linux

package clients

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAFaultOfOursSendsNothingAndEndsNothing runs the program with steps that panic or fail for some requests, by HTTP/1.1
// and HTTP/2, among others that pass. Nothing of a request that met a fault reaches the origin, each leaves its record, and
// the process goes on.
func TestAFaultOfOursSendsNothingAndEndsNothing(t *testing.T) {
	t.Parallel()
	w := newWitness(t, signIn, "login.windows.net", "login.microsoft.com")
	file := filepath.Join(t.TempDir(), "sekisho.yaml")
	rings := "  - name: everyone\n    mode: enforce\n    profile: one"
	if err := os.WriteFile(file, fmt.Appendf(nil, turning, rings, w.trust, w.address), 0o600); err != nil {
		t.Fatal(err)
	}
	c := start(t, filepath.Join(programs, "broken"), withoutLab, "--config", file)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(get(t, c.operations+"ca.pem")))
	proxy := &url.URL{Scheme: "http", Host: c.gateway}
	faults, passed := 0, 0
	for round := range 3 {
		for _, two := range []bool{false, true} {
			transport := &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: two}
			if !two {
				transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
			}
			client := &http.Client{Transport: transport, Timeout: clientLimit}
			for _, where := range []string{
				signIn + "/passes/1", signIn + "/panics", signIn + "/passes/2", signIn + "/fails", signIn + "/forgets",
				"login.windows.net/common", "login.microsoft.com/common", signIn + "/passes/3",
			} {
				for _, body := range []string{"", "grant_type=x"} {
					resp, err := client.Post("https://"+where, "application/x-www-form-urlencoded", strings.NewReader(body))
					status := 0
					if err == nil {
						_, _ = io.Copy(io.Discard, resp.Body)
						resp.Body.Close()
						status = resp.StatusCode
					}
					switch pass := strings.Contains(where, "/passes"); {
					case pass && status != http.StatusOK:
						t.Errorf("round %d, %s: %d %v", round, where, status, err)
					case pass:
						passed++
					case err == nil && status < 500:
						t.Errorf("round %d, %s: %d", round, where, status)
					default:
						faults++
					}
				}
			}
			transport.CloseIdleConnections()
		}
	}
	w.mu.Lock()
	for _, head := range w.heads {
		if !strings.HasPrefix(head, "POST /passes/") || restrictions(head) != "Restrict-Access-To-Tenants: contoso.com,fabrikam.com\r\nRestrict-Access-Context: 3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31\r\n" {
			t.Errorf("the origin got %q", head)
		}
	}
	if len(w.heads) != passed {
		t.Errorf("the origin got %d requests, %d were answered", len(w.heads), passed)
	}
	w.mu.Unlock()
	if metrics := get(t, c.operations+"metrics"); !strings.Contains(metrics, `sekisho_events_total{event="panic"}`) {
		t.Error("no panic was counted")
	}
	c.expected = "panic" // as it should be
	c.end(t)
	if log := c.log.String(); !strings.Contains(log, "level=ERROR msg=panic") || strings.Contains(log, "grant_type") {
		t.Errorf("the log does not tell of a panic, or of too much: %.2000s", log)
	}
	counted := map[string]int{}
	for _, kind := range []string{"decisions", "signins"} {
		r := c.sekisho(t, "report", kind, "-o", "json", "--limit", "10000")
		var rows []struct{ Host, Verdict, Reason, Error string }
		if err := json.Unmarshal([]byte(r.out), &rows); err != nil {
			t.Fatalf("%s%s: %v", r.out, r.err, err)
		}
		for _, row := range rows {
			if row.Reason == "internal" || row.Reason == "headers-not-set" || row.Reason == "leaf-not-made" || strings.HasPrefix(row.Error, "internal") {
				counted[row.Host]++
			}
		}
	}
	for _, host := range []string{signIn, "login.windows.net", "login.microsoft.com"} {
		if want := faults / 5 * map[bool]int{true: 3, false: 1}[host == signIn]; counted[host] < want {
			t.Errorf("%d records of faults at %s, want %d at least: %v", counted[host], host, want, counted)
		}
	}
	t.Logf("%d faults, %d passed, records %v", faults, passed, counted)
}
