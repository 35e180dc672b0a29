package node_test

import (
	"crypto/tls"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"sekisho/internal/audit"
	"sekisho/internal/node"
)

// TestAClockThatJumpsStopsNobody sets the clock of a running checkpoint, and that of its clients, a day forwards and
// backwards. Who comes new verifies the leaf, who was there goes on over the connection or with a session ticket, and every
// request leaves its record, in the order of the times that the clock showed.
func TestAClockThatJumpsStopsNobody(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	n := start(t, node.Options{Config: labConfig(t), Lab: true, Data: data, Now: now})
	client := func() *http.Client {
		c := through(t, n)
		transport := c.Transport.(*http.Transport)
		transport.TLSClientConfig.Time, transport.DisableKeepAlives = now, false
		t.Cleanup(transport.CloseIdleConnections)
		return c
	}
	old, returning := client(), client()
	returning.Transport.(*http.Transport).TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	want := 0
	const day = 24 * time.Hour
	for _, jump := range []time.Duration{0, day, 0, -day, day, -day} {
		ahead.Store(int64(jump))
		for who, c := range map[string]*http.Client{"new": client(), "old": old, "returning": returning} {
			if status, body := fetch(t, c, discovery); status != http.StatusOK {
				t.Errorf("%v, %s client: %d %.300s", jump, who, status, body)
			}
			want++
		}
		returning.CloseIdleConnections()
	}
	if err := n.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	store, err := node.OpenRecords(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	list, err := store.SignIns(t.Context(), audit.Filter{})
	if err != nil || len(list) != want {
		t.Fatalf("%d records, want %d (%v)", len(list), want, err)
	}
	days := map[time.Duration]int{}
	for i, r := range list {
		if i > 0 && r.TimeMicros > list[i-1].TimeMicros {
			t.Errorf("record %d is newer than the one before it", i)
		}
		if r.DurationMicros < 0 || r.DurationMicros > (20*time.Second).Microseconds() {
			t.Errorf("a request took %d µs", r.DurationMicros)
		}
		days[time.Until(time.UnixMicro(r.TimeMicros)).Round(day)]++
	}
	if days[0] != 6 || days[day] != 6 || days[-day] != 6 {
		t.Errorf("records by day: %v", days)
	}
}
