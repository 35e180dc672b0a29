//go:build linux

package clients

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to take the store from the checkpoint
)

// TestAFloodOfRefusalsLeavesSignInToOthers takes the store away from the running program, so that every record stays in a
// spool of 4 MiB, and has one client, or thousands of them, be refused as often as they can. Another goes on to sign in, and
// nothing is lost: what has no record of its own is counted in one, and the report counts it.
func TestAFloodOfRefusalsLeavesSignInToOthers(t *testing.T) {
	var next atomic.Uint32
	for name, from := range map[string]func() string{
		"of one client": func() string { return "127.0.0.1" },
		"of thousands": func() string { // each address of Linux's loopback network is one
			n := next.Add(1) % 20_000
			return fmt.Sprintf("127.1.%d.%d", n/250, n%250+1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			floodOfRefusals(t, from)
		})
	}
}

func floodOfRefusals(t *testing.T, from func() string) {
	example, err := os.ReadFile(filepath.Join("..", "..", "internal", "config", "example", "lab.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "sekisho.yaml")
	if err := os.WriteFile(file, append(example, "\naudit:\n  spool-mib: 4\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	c := up(t, "--config", file)
	roots := c.roots(t)
	if err := c.asks(roots, "127.0.0.2"); err != nil {
		t.Fatal(err)
	}
	store, err := sql.Open("sqlite", "file:"+strings.ReplaceAll(filepath.Join(c.data, "audit.db"), " ", "%20")+"?_pragma=busy_timeout(10000)&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	held, err := store.Begin() // nobody else writes
	if err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	var refused atomic.Int64
	var wait sync.WaitGroup
	for range 64 {
		wait.Go(func() {
			for !stop.Load() {
				d := net.Dialer{Timeout: time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from())}}
				conn, err := d.Dial("tcp", c.gateway)
				if err != nil {
					continue
				}
				_ = conn.SetDeadline(time.Now().Add(15 * time.Second))
				_, _ = io.WriteString(conn, "CONNECT files.example.net:443 HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n")
				if got, _ := io.ReadAll(conn); strings.HasPrefix(string(got), "HTTP/1.1 403 ") {
					refused.Add(1)
				}
				conn.Close()
			}
		})
	}
	var longest time.Duration
	asked, folded := 0, 0
	// Until the spool has been short of room for a while; the machine may be slow to fill it.
	for end := time.Now().Add(time.Minute); time.Now().Before(end) && folded < 30; time.Sleep(100 * time.Millisecond) {
		if folded > 0 || asked%10 == 0 && strings.Contains(get(t, c.operations+"metrics"), `sekisho_events_total{event="folded"}`) {
			folded++
		}
		start := time.Now()
		if err := c.asks(roots, "127.0.0.2"); err != nil {
			t.Errorf("another client: %v", err)
			break
		}
		asked++
		longest = max(longest, time.Since(start))
	}
	metrics := get(t, c.operations+"metrics")
	stop.Store(true)
	_ = held.Rollback()
	wait.Wait()
	t.Logf("%d refused, another client signed in %d times and waited %v at most", refused.Load(), asked, longest)
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, "sekisho_audit") || strings.HasPrefix(line, "sekisho_events") {
			t.Log(strings.TrimSpace(line))
		}
	}
	c.log.mu.Lock()
	c.log.b.Reset() // that the store was away was told as an error, as it should be
	c.log.mu.Unlock()
	c.end(t)
	r := c.sekisho(t, "report", "decisions", "--host", "files.example.net", "--limit", "0", "-o", "json")
	var rows []struct {
		Reason string
		Count  int64
	}
	if err := json.Unmarshal([]byte(r.out), &rows); err != nil {
		t.Fatalf("%v\n%.500s%s", err, r.out, r.err)
	}
	var recorded int64
	for _, row := range rows {
		if row.Reason == "not-allowed" {
			recorded += row.Count
		}
	}
	if recorded < refused.Load() {
		t.Errorf("%d rows tell of %d refusals, %d were answered", len(rows), recorded, refused.Load())
	}
	if longest > floodPatience && !raceEnabled {
		t.Errorf("another client waited %v", longest)
	}
	if !strings.Contains(metrics, "sekisho_audit_lost 0\n") || !strings.Contains(metrics, `sekisho_events_total{event="folded"}`) {
		t.Error("records were lost, or the spool was never short of room: the test shows nothing")
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
