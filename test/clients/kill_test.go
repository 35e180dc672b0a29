//go:build unix

package clients

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestKilledUnderLoadLosesNoRecordOlderThanASecond sends requests from several clients, kills the program without warning
// in the middle of them, and looks for every answered request in the report of the next start.
func TestKilledUnderLoadLosesNoRecordOlderThanASecond(t *testing.T) {
	c := up(t)
	type answered struct {
		host string
		at   time.Time
	}
	var mu sync.Mutex
	var done []answered
	var wait sync.WaitGroup
	stop := make(chan struct{})
	for worker := range 4 {
		wait.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				host := fmt.Sprintf("n%d-%d.example.org", worker, i)
				conn, err := net.Dial("tcp", c.gateway)
				if err != nil {
					return // it is dead
				}
				_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
				_, _ = fmt.Fprintf(conn, "CONNECT %s:443 HTTP/1.1\r\nHost: %s:443\r\n\r\n", host, host)
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err == nil && resp.StatusCode == http.StatusForbidden {
					_, err = io.Copy(io.Discard, resp.Body)
					if err == nil {
						mu.Lock()
						done = append(done, answered{host, time.Now()})
						mu.Unlock()
					}
				}
				conn.Close()
			}
		})
	}
	time.Sleep(4 * time.Second)
	killed := time.Now()
	if err := syscall.Kill(-c.process.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-c.ended
	close(stop)
	wait.Wait()
	c.stop.Do(func() {}) // there is nothing left to stop

	var due []string
	for _, d := range done {
		if d.at.Before(killed.Add(-time.Second)) {
			due = append(due, d.host)
		}
	}
	if len(due) < 20 {
		t.Fatalf("only %d requests were answered in time", len(due))
	}
	again := up(t, "--data", c.data)
	var missing []string
	await(t, "the records", func() bool {
		r := again.sekisho(t, "report", "decisions", "-o", "jsonl", "--limit", "0")
		seen := map[string]bool{}
		for line := range strings.Lines(r.out) {
			var record struct {
				Host   string `json:"host"`
				Reason string `json:"reason"`
			}
			if err := json.Unmarshal([]byte(line), &record); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if seen[record.Host] {
				t.Fatalf("%s is recorded twice", record.Host)
			}
			seen[record.Host] = record.Reason == "not-allowed"
		}
		missing = nil
		for _, host := range due {
			if !seen[host] {
				missing = append(missing, host)
			}
		}
		return len(missing) == 0
	})
	t.Logf("%d requests were answered a second before the end, %d records of them are missing", len(due), len(missing))
	if _, err := os.Stat(filepath.Join(c.data, "control.json")); err != nil {
		t.Error("the file by which commands find the checkpoint is not the new one's:", err)
	}
}

// TestReloadCommand: exit code and text say what came of it; a changed file needs no command.
func TestReloadCommand(t *testing.T) {
	t.Parallel()
	example, err := os.ReadFile(filepath.Join("..", "..", "internal", "config", "example", "lab.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "sekisho.yaml")
	write := func(mode string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(strings.Replace(string(example), "mode: enforce", "mode: "+mode, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("enforce")
	c := up(t, "--config", file)
	if r := c.sekisho(t, "reload"); r.code != 0 || !strings.HasPrefix(r.out, "edition 2 judges now: policy ") {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.err)
	}
	write("strict")
	r := c.sekisho(t, "reload")
	if r.code != 2 || r.out != "" || !strings.Contains(r.err, "error: the configuration was rejected; edition 2 still judges") ||
		!strings.Contains(r.err, file+":") || !strings.Contains(r.err, `"strict" is not one of the choices`) {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.err)
	}
	if r := c.sekisho(t, "reload", "-o", "json"); r.code != 2 || !strings.Contains(r.out, `"reloaded": false`) || !strings.Contains(r.out, `"edition": 2`) {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.err)
	}
	write("report")
	await(t, "the changed file", func() bool {
		r, err := http.Get(c.operations + "readyz")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		body, _ := io.ReadAll(r.Body)
		return strings.Contains(string(body), `"edition": 3`) && !strings.Contains(string(body), "reload-rejected")
	})
	c.end(t)
	if r := c.sekisho(t, "reload"); r.code != 2 || !strings.Contains(r.err, "no checkpoint runs on the data folder") {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.err)
	}
}
