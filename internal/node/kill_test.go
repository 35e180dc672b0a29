package node_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sekisho/internal/audit"
	"sekisho/internal/config"
	"sekisho/internal/node"
)

// childServes is what the killed process does: a checkpoint over the lab in the folder data, until it is killed.
func childServes(data string) {
	c, found := config.Parse("lab.yaml", config.Example("lab.yaml"), config.Overrides(free, noEnvironment)...)
	if found.HasErrors() {
		fmt.Fprintln(os.Stderr, found)
		os.Exit(1)
	}
	n, err := node.Start(context.Background(), node.Options{Config: c, Lab: true, Data: data})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(n.Summary().Gateway)
	fmt.Println(n.Summary().Trust)
	select {}
}

// decisions reads the records of a data folder as a report does, until ok accepts them.
func decisions(t *testing.T, data string, ok func(map[string]audit.Record) bool) map[string]audit.Record {
	t.Helper()
	byHost := map[string]audit.Record{}
	for limit := time.Now().Add(20 * time.Second); time.Now().Before(limit); time.Sleep(50 * time.Millisecond) {
		store, err := node.OpenRecords(t.Context(), data)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := store.Decisions(t.Context(), audit.Filter{})
		store.Close()
		if err != nil {
			t.Fatal(err)
		}
		clear(byHost)
		for _, r := range rows {
			if _, twice := byHost[r.Host]; twice {
				t.Errorf("%s is recorded twice", r.Host)
			}
			byHost[r.Host] = r
		}
		if ok(byHost) {
			return byHost
		}
	}
	t.Fatalf("the records are still %+v", byHost)
	return nil
}

func TestConnectionsOfAKilledProcessAreEndedByTheNext(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SEKISHO_TEST_NODE="+data)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	kill := func() {
		if !killed {
			killed = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // it was killed, so it reports that
		}
	}
	defer kill()
	lines := bufio.NewScanner(out)
	lines.Scan()
	gateway := lines.Text()
	lines.Scan()
	bundle, err := os.ReadFile(lines.Text())
	if err != nil {
		t.Fatalf("the process does not say where it is: %v", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	open := func(host string) net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", gateway)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = io.WriteString(conn, "CONNECT "+host+":443 HTTP/1.1\r\nHost: "+host+":443\r\n\r\n")
		head := make([]byte, len("HTTP/1.1 200 Connection established\r\n\r\n"))
		if _, err := io.ReadFull(conn, head); err != nil || !strings.HasPrefix(string(head), "HTTP/1.1 200") {
			t.Fatalf("CONNECT %s: %q %v", host, head, err)
		}
		secure := tls.Client(conn, &tls.Config{ServerName: host, RootCAs: roots})
		if err := secure.Handshake(); err != nil {
			t.Fatalf("%s: %v", host, err)
		}
		return secure
	}
	const tunnelled, intercepted, closed = "graph.microsoft.com", "login.microsoftonline.com", "manage.microsoft.com"
	open(tunnelled)
	open(intercepted)
	open(closed).Close()
	before := decisions(t, data, func(r map[string]audit.Record) bool {
		return r[tunnelled].Open && r[intercepted].Open && r[closed].State() == audit.StateClosed && r[closed].BytesUp > 0
	})
	kill()

	n := start(t, node.Options{Config: labConfig(t), Lab: true, Data: data})
	if _, err := n.Records(t.Context(), audit.Filter{}); err != nil { // waits until what was left is settled
		t.Fatal(err)
	}
	after := decisions(t, data, func(r map[string]audit.Record) bool { return len(r) == 3 })
	for _, host := range []string{tunnelled, intercepted} {
		b, a := before[host], after[host]
		if a.State() != audit.NotClosed || a.Open || a.Error != audit.NotClosed {
			t.Errorf("%s: state %q, error %q", host, a.State(), a.Error)
		}
		if b.Open = false; a.Verdict != "permit" || a.RequestID != b.RequestID || a.Addr != b.Addr || a.Seq != b.Seq || a.Boot != b.Boot {
			t.Errorf("%s: %+v\nwas %+v", host, a, b)
		}
	}
	if a := after[closed]; a.State() != audit.StateClosed || a.Error != before[closed].Error {
		t.Errorf("what had ended changed: %+v", a)
	}
}
