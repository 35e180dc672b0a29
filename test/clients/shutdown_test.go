//go:build linux

package clients

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAStopDrains sends SIGTERM while a request to a sign-in host is half sent and a tunnel is open: no new connection is
// taken, the request is finished and answered, the tunnel is cut after a bounded time, the exit code is 0, and both have
// their record.
func TestAStopDrains(t *testing.T) {
	t.Parallel()
	c := up(t)
	roots := c.roots(t)
	const tunnelled, signIn = "graph.microsoft.com", "login.microsoftonline.com"
	tunnel, err := c.secure(roots, "", tunnelled, "http/1.1")
	if err != nil {
		t.Fatal(err)
	}
	defer tunnel.Close()
	request, err := c.secure(roots, "", signIn, "http/1.1")
	if err != nil {
		t.Fatal(err)
	}
	defer request.Close()
	fmt.Fprintf(request, "POST /contoso.com"+tokenPath+" HTTP/1.1\r\nHost: "+signIn+"\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n"+serviceForm[:10], len(serviceForm))
	time.Sleep(300 * time.Millisecond) // the head is with the gateway

	began := time.Now()
	if err := c.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await(t, "the listener to close", func() bool {
		conn, err := c.open("", tunnelled)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	_, _ = io.WriteString(request, serviceForm[10:])
	answer, err := http.ReadResponse(bufio.NewReader(request), nil)
	if err != nil {
		t.Fatal("the request under way was not answered:", err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(body), `"access_token"`) {
		t.Errorf("%d %v %.200q", answer.StatusCode, err, body)
	}
	if early := time.Since(began); early > 12*time.Second { // long before the tunnel is cut, at 15 s
		t.Errorf("the answer took %v", early)
	}
	select {
	case err := <-c.ended:
		if err != nil {
			t.Errorf("up ended with %v, want exit code 0:\n%s", err, c.log.tail(20))
		}
	case <-time.After(stopLimit):
		t.Fatalf("up still runs %v after SIGTERM", stopLimit)
	}
	c.stop.Do(func() {})

	r := c.sekisho(t, "report", "decisions", "-o", "jsonl", "--limit", "0")
	states := map[string]string{}
	for line := range strings.Lines(r.out) {
		var record struct {
			Host  string `json:"host"`
			State string `json:"state"`
		}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		states[record.Host] = record.State
	}
	if states[tunnelled] != "closed" || states[signIn] != "closed" {
		t.Errorf("the records say %v\n%s", states, r.err)
	}
}
