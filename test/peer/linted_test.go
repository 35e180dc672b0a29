//go:build linux

package peer_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sekisho/internal/policy"
	"sekisho/internal/render"
	"sekisho/internal/render/squid"
	"sekisho/internal/render/squid/conf"
	"sekisho/test/peer"
	"sekisho/test/world"
)

// TestLintedSquid starts Squid by configurations in which "render squid --lint" finds something, and sees each of it happen.
func TestLintedSquid(t *testing.T) {
	dir, inside := world.Inside(t, func(*testing.T, string) {})
	if !inside {
		return
	}
	if _, err := exec.LookPath("/usr/sbin/squid"); err != nil {
		t.Skip("not tried: install Debian's squid-openssl")
	}
	if err := world.Settle(dir, addresses); err != nil {
		t.Fatal(err)
	}
	o, s := behind(t, dir)
	o.listen(t, addresses[signIn], addresses[bypassed], addresses[other], addresses[foreign])
	in := render.Input{Program: rendered(t, policy.RingSpec{Name: "all", Profile: policy.At{Text: "staff"}})}

	const port = "http_port 127.0.0.1:PORT ssl-bump tls-cert=DIR/issuer.pem generate-host-certificates=on\nsslcrtd_program /usr/lib/squid/security_file_certgen -s DIR/leaves -M 16MB\nhttp_access allow all\nacl step1 at_step SslBump1\nssl_bump peek step1\n"
	const headers = "request_header_add Restrict-Access-To-Tenants \"" + tenants + "\" HOSTS\nrequest_header_add Restrict-Access-Context " + directory + " HOSTS\n"
	const deny = "request_header_access Restrict-Access-To-Tenants deny all\nrequest_header_access Restrict-Access-Context deny all\nrequest_header_access sec-Restrict-Tenant-Access-Policy deny all\n"
	const hosts = "acl signin dstdomain login.microsoftonline.com login.microsoft.com login.windows.net\nacl consumer dstdomain login.live.com\n"
	next := 3400
	start := func(name, text string, codes ...string) *proxy {
		s := s
		s.Dir = filepath.Join(dir, "linted-"+name)
		next++
		s.Port = next
		text = strings.NewReplacer("DIR", s.Dir, "PORT", strconv.Itoa(s.Port)).Replace(text)
		started, err := peer.SquidWith(s, map[string]string{"sekisho.conf": text})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(started.Stop)
		var found []string
		for _, f := range squid.Lint(in, filepath.Join(s.Dir, "sekisho.conf"), conf.System()) {
			found = append(found, f.Code)
		}
		for _, code := range codes {
			if !slices.Contains(found, code) {
				t.Errorf("%s: %s is not found, only %v", name, code, found)
			}
		}
		return &proxy{Process: started}
	}
	// sent asks for host with a header of the client's own and returns the head that arrived.
	sent := func(p *proxy, connect, sni, host string) string {
		o.taken()
		sess, status := handshake(t, p, connect, sni)
		if sess == nil {
			t.Fatalf("%s CONNECT %s: %s", p.Addr, connect, status)
		}
		defer sess.Close()
		if _, err := sess.Write([]byte("GET / HTTP/1.1\r\nHost: " + host + "\r\nRestrict-Access-To-Tenants: evil.example\r\nConnection: close\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		buffer := make([]byte, 1)
		_, _ = sess.Read(buffer)
		var heads string
		for _, a := range o.taken() {
			heads += a.head
		}
		return strings.ToLower(heads)
	}

	recipe := start("recipe", port+"ssl_bump bump all\n"+strings.ReplaceAll(headers, "HOSTS", "all"), "squid.everywhere", "squid.not-replaced", "squid.inspected")
	if head := sent(recipe, foreign, foreign, foreign); !strings.Contains(head, strings.ToLower(tenants)) {
		t.Errorf("squid.everywhere: another site got %q", head)
	}
	if head := sent(recipe, signIn, signIn, signIn); !strings.Contains(head, "evil.example") || !strings.Contains(head, strings.ToLower(tenants)) {
		t.Errorf("squid.not-replaced: the sign-in host got %q", head)
	}
	if sess, status := handshake(t, recipe, bypassed, bypassed); sess == nil || !strings.Contains(sess.ConnectionState().PeerCertificates[0].Issuer.String(), "Test peers") {
		t.Errorf("squid.inspected: %s is not read: %s", bypassed, status)
	}
	bypass := start("bypass", port+hosts+"acl left ssl::server_name .microsoftonline.com\nssl_bump splice left\nssl_bump bump signin\nssl_bump bump consumer\nssl_bump splice all\n"+deny+strings.ReplaceAll(headers, "HOSTS", "signin"), "squid.spliced")
	if head := sent(bypass, signIn, signIn, signIn); head == "" || strings.Contains(head, strings.ToLower(tenants)) {
		t.Errorf("squid.spliced: the sign-in host got %q", head)
	}
	names := start("server-name", port+"acl names ssl::server_name login.microsoftonline.com login.microsoft.com login.windows.net login.live.com\n"+hosts+"ssl_bump bump names\nssl_bump splice all\n"+deny+strings.ReplaceAll(headers, "HOSTS", "signin"), "squid.server-name")
	if head := sent(names, signIn, bypassed, signIn); head == "" || strings.Contains(head, strings.ToLower(tenants)) {
		t.Errorf("squid.server-name: the sign-in host got %q", head)
	}
	suffix := start("a-suffix", port+strings.ReplaceAll(hosts, "dstdomain login.microsoftonline.com", "dstdomain .login.microsoftonline.com")+"ssl_bump bump signin\nssl_bump bump consumer\nssl_bump splice all\n"+deny+strings.ReplaceAll(headers, "HOSTS", "signin"), "squid.suffix", "squid.inspected")
	if head := sent(suffix, bypassed, bypassed, bypassed); !strings.Contains(head, strings.ToLower(tenants)) || strings.Contains(head, "evil.example") {
		t.Errorf("squid.suffix: %s got %q", bypassed, head)
	}
}
