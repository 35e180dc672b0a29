package node_test

import (
	"net/http"
	"path/filepath"
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
	run := func(at time.Duration, ask bool, want int) {
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
		time.Sleep(100 * time.Millisecond)
		if err := n.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := rows(); got != want {
			t.Errorf("%v from now: %d records, want %d", at, got, want)
		}
	}
	run(-62*time.Hour, true, 1)
	run(-13*time.Hour, true, 2) // nothing was recorded for two days: the clock may be wrong
	run(0, true, 2)             // the first is past its time
	run(1000*24*time.Hour, false, 2)
	run(-30*24*time.Hour, false, 2)
}
