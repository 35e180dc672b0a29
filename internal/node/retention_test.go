package node_test

import (
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"sekisho/internal/audit"
	"sekisho/internal/node"
)

// TestRecordsGoWhenTheirTimeIsOver starts again within the time and after it.
func TestRecordsGoWhenTheirTimeIsOver(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	settings := labConfig(t, "rings:", "audit:\n  retention-days: 7\nrings:")
	first, err := node.Start(t.Context(), node.Options{Config: settings, Lab: true, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := fetch(t, through(t, first), discovery); status != http.StatusOK {
		t.Fatal(status)
	}
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
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
	if rows() != 1 {
		t.Fatalf("%d records", rows())
	}
	again := func(days int) {
		t.Helper()
		now := func() time.Time { return time.Now().Add(time.Duration(days) * 24 * time.Hour) }
		n, err := node.Start(t.Context(), node.Options{Config: settings, Lab: true, Data: data, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		want := 1
		if days > 7 {
			want = 0
		}
		limit := time.Now().Add(10 * time.Second)
		for rows() != want && time.Now().Before(limit) {
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond)
		if got := rows(); got != want {
			t.Errorf("after %d days: %d records, want %d", days, got, want)
		}
		if err := n.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	again(6)
	again(8)
}
