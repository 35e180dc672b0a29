//go:build unix

package clients

import (
	"path/filepath"
	"strings"
	"testing"
)

// Faults as an administrator sets them: by command, seen with curl, cleared by command.
func TestFaultsByCommandSeenWithCurl(t *testing.T) {
	t.Parallel()
	curl := need(t, "curl", "curl")
	c := up(t)
	sekisho := filepath.Join(programs, "sekisho")
	command := func(args ...string) string {
		t.Helper()
		r := client(t, []string{"HOME=" + t.TempDir()}, sekisho, append(append([]string{"lab", "fault"}, args...), "--data", c.data, "--lang", "en")...)
		if r.code != 0 {
			t.Fatalf("%q: %d %s", args, r.code, r.err)
		}
		return r.out
	}
	ask := func(args ...string) result {
		t.Helper()
		return client(t, nil, curl, append([]string{"-sS", "-i", "--max-time", "50", "-x", "http://" + c.gateway, "--cacert", c.trust}, args...)...)
	}
	for _, f := range []struct {
		set, host string
		path      string
		want      string // in the answer or in what curl says
	}{
		{"dns.nxdomain", "graph.microsoft.com", "/", "502"},
		{"http.throttled", "graph.microsoft.com", "/v1.0/me", "etry-After: 30"},
		{"http.service-unavailable", "graph.microsoft.com", "/v1.0/me", "503"},
		{"tls.expired", "graph.microsoft.com", "/", "certificate has expired"},
		{"tls.wrong-name", "graph.microsoft.com", "/", "graph.microsoft.com"},
		{"tls.self-signed", "graph.microsoft.com", "/", "self"},
		{"http.captive-portal", "graph.microsoft.com", "/", "captive.lab.invalid"},
		{"tls.expired", "login.microsoftonline.com", "/common/discovery/keys", "upstream-certificate"},
		{"http.garbage", "login.microsoftonline.com", "/common/discovery/keys", "upstream-broken"},
	} {
		url := "https://" + f.host + f.path
		if r := ask(url); r.code != 0 {
			t.Fatalf("before %s: %s %s", f.set, r.out, r.err)
		}
		if out := command("set", f.set, "--host", f.host); !strings.Contains(out, f.set) {
			t.Errorf("set says %q", out)
		}
		if r := ask(url); !strings.Contains(r.out+r.err, f.want) || f.want == "" {
			t.Errorf("%s at %s: want %q, curl says %d %s %s", f.set, f.host, f.want, r.code, r.out, r.err)
		}
		if out := command("list"); !strings.Contains(out, f.set) {
			t.Errorf("list says %q", out)
		}
		command("clear", f.set)
	}
	if r := ask("https://graph.microsoft.com/"); r.code != 0 {
		t.Errorf("after all: %s %s", r.out, r.err)
	}
}
