//go:build linux

package peer_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sekisho/test/peer"
	"sekisho/test/world"
)

// gatewayAlone starts Sekisho in a world with its origins.
func gatewayAlone(t *testing.T, dir string, port int) (*peer.Process, *origin, peer.Setup) {
	if err := world.Settle(dir, addresses); err != nil {
		t.Fatal(err)
	}
	o, s := behind(t, dir)
	o.listen(t, addresses[signIn], addresses[bypassed], addresses[other], addresses[foreign])
	s.Dir, s.Port = filepath.Join(dir, "run-sekisho"), port
	p, err := peer.Sekisho(filepath.Join(dir, "sekisho"), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p, o, s
}

// tool runs a program for at most 30 s and returns what it printed.
func tool(t *testing.T, stdin string, name string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not here", name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	return out.String(), err
}

// TestOpenSSLWithOddParameters shows hellos that no browser sends. Whatever OpenSSL makes of them: what reaches a
// sign-in host carries the headers, and what is not tunnelled as itself does not arrive.
func TestOpenSSLWithOddParameters(t *testing.T) {
	dir, inside := world.Inside(t, buildAll)
	if !inside {
		return
	}
	p, o, _ := gatewayAlone(t, dir, 3400)
	const arrives, refused = true, false
	for _, test := range []struct {
		name    string
		connect string
		args    []string
		want    bool
	}{
		{"plainly", signIn, []string{"-servername", signIn}, arrives},
		{"TLS 1.2", signIn, []string{"-servername", signIn, "-tls1_2"}, arrives},
		{"TLS 1.2, one cipher", signIn, []string{"-servername", signIn, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"}, arrives},
		{"TLS 1.3, ChaCha20", signIn, []string{"-servername", signIn, "-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"}, arrives},
		{"a group that needs a second hello", signIn, []string{"-servername", signIn, "-groups", "P-521:P-384"}, arrives},
		{"old curves first", signIn, []string{"-servername", signIn, "-groups", "X448:P-256"}, arrives},
		{"no tickets", signIn, []string{"-servername", signIn, "-no_ticket"}, arrives},
		{"padding and small records", signIn, []string{"-servername", signIn, "-max_send_frag", "512"}, arrives},
		{"a hello in many records", signIn, []string{"-servername", signIn, "-split_send_frag", "512", "-read_buf", "512"}, arrives},
		{"asks for a status", signIn, []string{"-servername", signIn, "-status"}, arrives},
		{"unknown protocols beside", signIn, []string{"-servername", signIn, "-alpn", "foo,http/1.1,spdy/3"}, arrives},
		{"unknown protocols alone", signIn, []string{"-servername", signIn, "-alpn", "foo"}, refused},
		{"capital server name", signIn, []string{"-servername", "LOGIN.MicrosoftOnline.COM"}, arrives},
		{"no server name", signIn, []string{"-noservername"}, arrives}, // read under its CONNECT name
		{"server name of a host that is not inspected", signIn, []string{"-servername", bypassed}, refused},
		{"server name of nobody", signIn, []string{"-servername", "xn--80ak6aa92e.example"}, refused},
		{"server name with a dot at its end", signIn, []string{"-servername", signIn + "."}, refused}, // RFC 6066, section 3
		{"TLS 1.1", signIn, []string{"-servername", signIn, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"}, refused},
		{"TLS 1.0", signIn, []string{"-servername", signIn, "-tls1", "-cipher", "ALL:@SECLEVEL=0"}, refused},
		{"no forward secrecy", signIn, []string{"-servername", signIn, "-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"}, refused},
		{"a tunnel plainly", bypassed, []string{"-servername", bypassed}, arrives},
		{"a tunnel without server name", bypassed, []string{"-noservername"}, refused},
		{"a tunnel with a sign-in name", bypassed, []string{"-servername", signIn}, refused},
		{"a tunnel with a second hello", bypassed, []string{"-servername", bypassed, "-groups", "P-521:P-384"}, arrives},
	} {
		t.Run(test.name, func(t *testing.T) {
			o.taken()
			args := append([]string{"s_client", "-proxy", p.Addr, "-connect", test.connect + ":443", "-quiet", "-ign_eof"}, test.args...)
			out, _ := tool(t, "GET /common HTTP/1.1\r\nHost: "+test.connect+"\r\nConnection: close\r\n\r\n", "openssl", args...)
			got := o.taken()
			if (len(got) == 1) != test.want || len(got) > 1 {
				t.Fatalf("%d requests arrived, want that to be %v\n%s", len(got), test.want, out)
			}
			for _, a := range got {
				if test.connect == signIn && !a.restricted() || test.connect != signIn && strings.Contains(strings.ToLower(a.head), "restrict-") {
					t.Errorf("arrived: %q", a.head)
				}
				if a.sni != test.connect {
					t.Errorf("the origin saw the server name %q", a.sni)
				}
			}
		})
	}
	t.Run("resumption", func(t *testing.T) {
		// A session made for one name is not one for another.
		o.taken()
		file := filepath.Join(dir, "session.pem")
		for _, version := range []string{"-tls1_2", "-tls1_3"} {
			_, _ = tool(t, "GET /common HTTP/1.1\r\nHost: "+other+"\r\nConnection: close\r\n\r\n", "openssl", "s_client", "-proxy", p.Addr,
				"-connect", other+":443", "-servername", other, "-quiet", "-ign_eof", version, "-sess_out", file)
			if out, _ := tool(t, "", "openssl", "s_client", "-proxy", p.Addr, "-connect", other+":443", "-servername", other, version, "-sess_in", file); !strings.Contains(out, "Reused, ") {
				t.Errorf("%s: the session cannot be resumed at all\n%s", version, out)
			}
			out, _ := tool(t, "GET /common HTTP/1.1\r\nHost: "+signIn+"\r\nConnection: close\r\n\r\n", "openssl", "s_client", "-proxy", p.Addr,
				"-connect", signIn+":443", "-servername", signIn, "-ign_eof", version, "-sess_in", file)
			if strings.Contains(out, "Reused, ") {
				t.Errorf("%s: a session of %s was taken for %s\n%s", version, other, signIn, out)
			}
			for _, a := range o.taken() {
				if a.addr == addresses[signIn] && !a.restricted() {
					t.Errorf("%s: arrived %q", version, a.head)
				}
			}
		}
	})
	t.Run("early data", func(t *testing.T) {
		o.taken()
		file, early := filepath.Join(dir, "session13.pem"), filepath.Join(dir, "early")
		_, _ = tool(t, "GET /common HTTP/1.1\r\nHost: "+signIn+"\r\nConnection: close\r\n\r\n", "openssl", "s_client", "-proxy", p.Addr,
			"-connect", signIn+":443", "-servername", signIn, "-quiet", "-ign_eof", "-tls1_3", "-sess_out", file)
		o.taken()
		if err := os.WriteFile(early, []byte("GET /early HTTP/1.1\r\nHost: "+signIn+"\r\nConnection: close\r\n\r\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		out, _ := tool(t, "", "openssl", "s_client", "-proxy", p.Addr, "-connect", signIn+":443", "-servername", signIn, "-tls1_3",
			"-sess_in", file, "-early_data", early)
		if strings.Contains(out, "Early data was accepted") {
			t.Errorf("early data was accepted:\n%s", out)
		}
		for _, a := range o.taken() {
			if strings.Contains(a.head, "/early") && !a.restricted() {
				t.Errorf("arrived %q", a.head)
			}
		}
	})
}

// TestHTTP2Tools loads a connection that is read with nghttp and h2load. They know no CONNECT, so that a listener of the
// test opens the way for them.
func TestHTTP2Tools(t *testing.T) {
	dir, inside := world.Inside(t, buildAll)
	if !inside {
		return
	}
	p, o, _ := gatewayAlone(t, dir, 3420)
	way := opener(t, p.Addr, signIn+":443")
	out, err := tool(t, "", "nghttp", "-v", "-H", ":authority: "+signIn, "--no-verify-peer", "https://"+way+"/common")
	if err == nil && !strings.Contains(out, ":status: 200") && !strings.Contains(out, ":status: 421") {
		t.Errorf("nghttp: %s", out)
	}
	for _, a := range o.taken() {
		if !a.restricted() {
			t.Errorf("nghttp: arrived %q", a.head)
		}
	}

	const requests = "1000"
	out, err = tool(t, "", "h2load", "-n", requests, "-c", "4", "-m", "20", "--connect-to="+way, "https://"+signIn+"/common")
	if err != nil {
		t.Fatalf("h2load: %v\n%s", err, out)
	}
	if !strings.Contains(out, requests+" succeeded, 0 failed, 0 errored, 0 timeout") || !strings.Contains(out, "Application protocol: h2") {
		t.Errorf("h2load: %s", out)
	}
	got := o.taken()
	if len(got) != 1000 {
		t.Errorf("%d requests arrived, want 1000", len(got))
	}
	for _, a := range got {
		if !a.restricted() {
			t.Fatalf("arrived: %q", a.head)
		}
	}
}

// opener listens and gives each connection a tunnel through a proxy.
func opener(t *testing.T, proxy, target string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				up, err := net.Dial("tcp", proxy)
				if err != nil {
					return
				}
				defer up.Close()
				_, _ = io.WriteString(up, "CONNECT "+target+" HTTP/1.1\r\nHost: "+target+"\r\n\r\n")
				one := make([]byte, 1)
				for head := []byte(nil); !bytes.HasSuffix(head, []byte("\r\n\r\n")); head = append(head, one[0]) {
					if _, err := io.ReadFull(up, one); err != nil {
						return
					}
				}
				go func() { _, _ = io.Copy(up, c); _ = up.(*net.TCPConn).CloseWrite() }()
				_, _ = io.Copy(c, up)
			}()
		}
	}()
	return l.Addr().String()
}
