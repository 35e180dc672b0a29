package node_test

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sekisho/internal/audit"
	"sekisho/internal/node"
)

// TestRecordsGoWhenTheirTimeIsOver starts again within the time and after it, and with a clock that is wrong.
func TestRecordsGoWhenTheirTimeIsOver(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	settings := labConfig(t, "rings:", "audit:\n  retention-days: 2\nrings:")
	rows := func() int {
		t.Helper()
		store, err := node.OpenRecords(t.Context(), data)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		list, err := store.SignIns(t.Context(), audit.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	held := func(n *node.Node) bool { // as /readyz says
		answer, err := http.Get("http://" + n.OperationsAddress() + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Errorf("/readyz: %d %v", answer.StatusCode, err)
		}
		return strings.Contains(string(body), `"node.retention-held"`)
	}
	run := func(at time.Duration, ask bool, want int, wantHeld bool) {
		t.Helper()
		n, err := node.Start(t.Context(), node.Options{Config: settings, Lab: true, Data: data, Now: func() time.Time { return time.Now().Add(at) }})
		if err != nil {
			t.Fatal(err)
		}
		if ask {
			if status, _ := fetch(t, through(t, n), discovery); status != http.StatusOK {
				t.Fatal(status)
			}
		}
		for limit := time.Now().Add(10 * time.Second); rows() != want && time.Now().Before(limit); {
			time.Sleep(20 * time.Millisecond)
		}
		for limit := time.Now().Add(10 * time.Second); held(n) != wantHeld && time.Now().Before(limit); {
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond)
		if held(n) != wantHeld {
			t.Errorf("%v from now: held back is %v", at, !wantHeld)
		}
		if err := n.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := rows(); got != want {
			t.Errorf("%v from now: %d records, want %d", at, got, want)
		}
	}
	run(-62*time.Hour, true, 1, false)
	run(-13*time.Hour, true, 2, true) // nothing was recorded for two days: the clock may be wrong
	run(0, true, 2, false)            // the first is past its time
	run(1000*24*time.Hour, false, 2, true)
	run(-30*24*time.Hour, false, 2, false)
}
