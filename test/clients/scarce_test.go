//go:build linux

package clients

import (
	"encoding/pem"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// limit sets a limit of the running checkpoint and returns how to undo it.
func (c *checkpoint) limit(t *testing.T, resource int, soft uint64) (undo func()) {
	t.Helper()
	pid := c.process.Process.Pid
	var old unix.Rlimit
	if err := unix.Prlimit(pid, resource, nil, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Prlimit(pid, resource, &unix.Rlimit{Cur: soft, Max: old.Max}, nil); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := unix.Prlimit(pid, resource, &old, nil); err != nil {
			t.Error(err)
		}
	}
}

// TestWithoutDescriptorsItWaitsAndGoesOn takes every descriptor from the running program: nothing is let
// through, and it goes on by itself when there are some again.
func TestWithoutDescriptorsItWaitsAndGoesOn(t *testing.T) {
	c := up(t)
	roots := c.roots(t)
	if err := c.asks(roots, ""); err != nil {
		t.Fatal(err)
	}
	undo := c.limit(t, unix.RLIMIT_NOFILE, 3) // what is open stays open
	refused := 0
	for range 5 {
		conn, err := net.DialTimeout("tcp", c.gateway, time.Second) // the kernel accepts; the program cannot
		if err != nil {
			continue
		}
		_ = conn.SetDeadline(time.Now().Add(200 * time.Millisecond))
		_, _ = io.WriteString(conn, "CONNECT "+signIn+":443 HTTP/1.1\r\nHost: x\r\n\r\n")
		if got, _ := io.ReadAll(conn); !strings.HasPrefix(string(got), "HTTP/1.1 200 ") {
			refused++
		}
		conn.Close()
	}
	if refused == 0 {
		t.Error("there were descriptors left: the test shows nothing")
	}
	undo()
	await(t, "an answer with descriptors again", func() bool { return c.asks(roots, "") == nil })
}

// TestAFullDiskStopsSignInAndNothingElse lets no file of the running program grow: records cannot be kept, so sign-in is
// refused and says why, tunnels go on, and everything goes on when there is room again.
func TestAFullDiskStopsSignInAndNothingElse(t *testing.T) {
	c := up(t)
	roots := c.roots(t)
	if err := c.asks(roots, ""); err != nil {
		t.Fatal(err)
	}
	undo := c.limit(t, unix.RLIMIT_FSIZE, 1)
	await(t, "sign-in to be refused", func() bool {
		err := c.asks(roots, "")
		return err != nil && strings.Contains(err.Error(), "403") && c.refusedFor(t, signIn) == "audit-full"
	})
	tunnel, err := c.secure(roots, "", "graph.microsoft.com", "http/1.1")
	if err != nil {
		t.Errorf("a tunnel while the disk is full: %v", err)
	} else {
		tunnel.Close()
	}
	if r := c.direct(t, "-o", "/dev/null", "-w", "%{http_code}", c.operations+"readyz"); r.out != "200" && r.out != "503" {
		t.Errorf("/readyz answered %q", r.out)
	}
	undo()
	await(t, "sign-in with room again", func() bool { return c.asks(roots, "") == nil })
	c.log.mu.Lock()
	text := c.log.b.String()
	c.log.b.Reset() // the fullness was told as an error, as it should be; what comes after it counts
	c.log.mu.Unlock()
	if !strings.Contains(text, "audit spool is full") {
		t.Error("nobody was told that the disk was full")
	}
}

// refusedFor is the reason with which a CONNECT is refused, "" when it is not.
func (c *checkpoint) refusedFor(t *testing.T, host string) string {
	t.Helper()
	conn, err := net.DialTimeout("tcp", c.gateway, time.Second)
	if err != nil {
		return ""
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	_, _ = io.WriteString(conn, "CONNECT "+host+":443 HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n")
	buf := make([]byte, 8<<10)
	n, _ := conn.Read(buf)
	_, rest, _ := strings.Cut(string(buf[:n]), `details="`)
	reason, _, _ := strings.Cut(rest, `"`)
	return reason
}

// TestOddClientsOfOpenSSL drives s_client with parameters that are unusual, to a host that is read and to one that is not.
func TestOddClientsOfOpenSSL(t *testing.T) {
	t.Parallel()
	openssl := need(t, "openssl", "openssl")
	c := up(t)
	root := filepath.Join(t.TempDir(), "root.pem")
	bundle, err := os.ReadFile(c.trust)
	if err != nil {
		t.Fatal(err)
	}
	if block, _ := pem.Decode(bundle); block == nil {
		t.Fatal("no certificate in the trust bundle")
	}
	if err := os.WriteFile(root, bundle, 0o600); err != nil {
		t.Fatal(err)
	}
	const read, tunnelled = signIn, "graph.microsoft.com"
	for _, x := range []struct {
		name, host string
		args       []string
		works      bool
	}{
		{"as usual", read, nil, true},
		{"without a server name", read, []string{"-noservername"}, true},
		{"with the name of another", read, []string{"-servername", tunnelled}, false},
		{"TLS 1.2", read, []string{"-tls1_2"}, true},
		{"TLS 1.1", read, []string{"-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"}, false},
		{"records of 512 bytes", read, []string{"-max_send_frag", "512", "-split_send_frag", "512"}, true},
		{"an odd protocol", read, []string{"-alpn", "odd"}, false},
		{"many protocols", read, []string{"-alpn", "odd,h2,http/1.1"}, true},
		{"one curve", read, []string{"-groups", "P-384"}, true},
		{"as usual", tunnelled, nil, true},
		{"without a server name", tunnelled, []string{"-noservername"}, false},
		{"with the name of a sign-in host", tunnelled, []string{"-servername", read}, false},
		{"TLS 1.2", tunnelled, []string{"-tls1_2"}, true},
		{"one curve, asked for again", tunnelled, []string{"-groups", "P-521:X25519"}, true},
	} {
		args := append([]string{"s_client", "-proxy", c.gateway, "-connect", x.host + ":443", "-CAfile", root, "-verify_return_error", "-verify_hostname", x.host, "-brief"}, x.args...)
		r := client(t, nil, openssl, args...)
		if (r.code == 0) != x.works {
			t.Errorf("%s, %s: exit code %d\n%s%s", x.host, x.name, r.code, r.out, r.err)
		}
	}
}
