//go:build linux

package clients

import (
	"database/sql"
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
// spool of 4 MiB, and has one client be refused as often as it can. Another goes on to sign in, and nothing is lost: what has no
// record of its own is counted in one.
func TestAFloodOfRefusalsLeavesSignInToOthers(t *testing.T) {
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
				conn, err := net.DialTimeout("tcp", c.gateway, time.Second)
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
	asked := 0
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
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
	rows, err := store.Query("SELECT error, count(*) FROM record WHERE reason = 'not-allowed' AND host = 'files.example.net' GROUP BY error")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var recorded int64
	for rows.Next() {
		var code string
		var n, each int64
		if err := rows.Scan(&code, &n); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscanf(code, "folded-%d", &each); err != nil {
			each = 1
		}
		recorded += n * each
	}
	if err := rows.Err(); err != nil || recorded < refused.Load() {
		t.Errorf("records tell of %d refusals, %d were answered (%v)", recorded, refused.Load(), err)
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
