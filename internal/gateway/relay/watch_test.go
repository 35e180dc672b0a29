//go:build linux

package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// parked starts a tunnel and waits until both of its directions are parked.
func parked(t *testing.T, lim Limits) (tunnel *Tunnel, client, origin *net.TCPConn, totals <-chan Totals) {
	t.Helper()
	w := NewWatch()
	if w == nil {
		t.Fatal("no epoll")
	}
	t.Cleanup(w.Close)
	client, inner := pair(t)
	outer, origin := pair(t)
	done := make(chan Totals, 1)
	tunnel = Start(w, inner, outer, lim, func(t Totals) { done <- t })
	t.Cleanup(tunnel.Cut)
	deadline := time.Now().Add(20 * time.Second)
	_ = client.SetDeadline(deadline)
	_ = origin.SetDeadline(deadline)
	exchange(t, client, origin, "hello")
	settle(t, w, 2)
	return tunnel, client, origin, done
}

// settle waits until n are parked.
func settle(t *testing.T, w *Watch, n int) {
	t.Helper()
	for range 1000 {
		if w.Parked() == n {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%d are parked, want %d", w.Parked(), n)
}

func exchange(t *testing.T, from, to net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(from, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(to, got); err != nil || string(got) != text {
		t.Fatalf("%q %v", got, err)
	}
}

func TestAParkedTunnelHoldsNoGoroutineAndGoesOn(t *testing.T) {
	tunnel, client, origin, totals := parked(t, Limits{})
	stacks := make([]byte, 1<<20)
	if all := string(stacks[:runtime.Stack(stacks, true)]); strings.Contains(all, "direction") {
		t.Errorf("goroutines of a silent tunnel:\n%s", all)
	}
	for range 3 {
		exchange(t, origin, client, "from the origin")
		exchange(t, client, origin, "from the client")
		settle(t, tunnel.watch, 2)
	}
	client.CloseWrite()
	if n, err := origin.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Fatalf("%d %v", n, err)
	}
	exchange(t, origin, client, "late")
	origin.CloseWrite()
	if got := <-totals; got != (Totals{5 + 3*15, 3*15 + 4, Finished}) {
		t.Errorf("%+v", got)
	}
}

func TestAParkedTunnelIsCut(t *testing.T) {
	tunnel, client, _, totals := parked(t, Limits{})
	tunnel.Cut()
	select {
	case got := <-totals:
		if got.End != Broken {
			t.Errorf("%+v", got)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the tunnel does not end")
	}
	if _, err := client.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the client was not told")
	}
}

func TestAResetReachesAParkedTunnel(t *testing.T) {
	_, client, origin, totals := parked(t, Limits{})
	_ = origin.SetLinger(0)
	origin.Close()
	if _, err := client.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the client was not told")
	}
	if got := <-totals; got.End == Idle {
		t.Errorf("%+v", got)
	}
}

func TestTheIdleLimitHoldsForAParkedTunnel(t *testing.T) {
	_, _, _, totals := parked(t, Limits{Idle: 4 * time.Second})
	if got := <-totals; got.End != Idle {
		t.Errorf("%+v", got)
	}
}

func TestAWatchThatEndsWakesEverybody(t *testing.T) {
	tunnel, client, origin, totals := parked(t, Limits{})
	tunnel.watch.Close()
	exchange(t, client, origin, "still")
	tunnel.Cut()
	<-totals
}
