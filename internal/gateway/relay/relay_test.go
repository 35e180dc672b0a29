package relay

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair is two ends of one TCP connection.
func pair(t testing.TB) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialled, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialled.Close(); accepted.Close() })
	return dialled.(*net.TCPConn), accepted.(*net.TCPConn)
}

// hidden is a connection that is not seen to be TCP.
type hidden struct{ net.Conn }

func (h hidden) CloseWrite() error { return h.Conn.(*net.TCPConn).CloseWrite() }

// join relays between two pairs and returns the outer ends.
func join(t testing.TB, lim Limits, hide bool) (client, origin *net.TCPConn, totals <-chan Totals) {
	client, inner := pair(t)
	outer, origin := pair(t)
	done := make(chan Totals, 1)
	go func() {
		if hide {
			done <- Join(hidden{inner}, outer, lim)
			return
		}
		done <- Join(inner, outer, lim)
	}()
	deadline := time.Now().Add(10 * time.Second)
	_ = client.SetDeadline(deadline)
	_ = origin.SetDeadline(deadline)
	return client, origin, done
}

func both(t *testing.T, f func(t *testing.T, hide bool)) {
	t.Run("tcp", func(t *testing.T) { f(t, false) })
	t.Run("not-tcp", func(t *testing.T) { f(t, true) })
}

func TestBytesPassUnchangedBothWays(t *testing.T) {
	both(t, func(t *testing.T, hide bool) {
		client, origin, totals := join(t, Limits{}, hide)
		up, down := make([]byte, 3<<20+7), make([]byte, 2<<20+3)
		_, _ = rand.Read(up)
		_, _ = rand.Read(down)
		go func() { _, _ = client.Write(up); client.CloseWrite() }()
		go func() { _, _ = origin.Write(down); origin.CloseWrite() }()
		type result struct {
			b   []byte
			err error
		}
		atOrigin := make(chan result, 1)
		go func() { b, err := io.ReadAll(origin); atOrigin <- result{b, err} }()
		got, err := io.ReadAll(client)
		if err != nil || !bytes.Equal(got, down) {
			t.Errorf("down: %d bytes, %v", len(got), err)
		}
		if r := <-atOrigin; r.err != nil || !bytes.Equal(r.b, up) {
			t.Errorf("up: %d bytes, %v", len(r.b), r.err)
		}
		if got := <-totals; got != (Totals{int64(len(up)), int64(len(down)), Finished}) {
			t.Errorf("totals %+v", got)
		}
	})
}

func TestAHalfCloseIsHandedOn(t *testing.T) {
	both(t, func(t *testing.T, hide bool) {
		client, origin, totals := join(t, Limits{}, hide)
		client.CloseWrite()
		if n, err := origin.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Fatalf("%d %v", n, err)
		}
		if _, err := origin.Write([]byte("late")); err != nil {
			t.Fatal(err)
		}
		origin.CloseWrite()
		if got, err := io.ReadAll(client); string(got) != "late" || err != nil {
			t.Errorf("%q %v", got, err)
		}
		if got := <-totals; got.End != Finished {
			t.Errorf("end %v", got.End)
		}
	})
}

func TestASilentTunnelEndsAndAMovingOneDoesNot(t *testing.T) {
	both(t, func(t *testing.T, hide bool) {
		client, origin, totals := join(t, Limits{Idle: time.Second}, hide)
		start := time.Now()
		one := make([]byte, 1)
		for range 8 { // one direction moves: neither side may be cut
			_, _ = origin.Write(one)
			if _, err := io.ReadFull(client, one); err != nil {
				t.Fatalf("cut after %v: %v", time.Since(start), err)
			}
			time.Sleep(180 * time.Millisecond) // together longer than the limit, each far from it
		}
		if got := <-totals; got.End != Idle || got.Down != 8 {
			t.Errorf("totals %+v", got)
		}
	})
}

func TestAfterAHalfCloseTheShortLimitHolds(t *testing.T) {
	both(t, func(t *testing.T, hide bool) {
		client, _, totals := join(t, Limits{Idle: time.Hour, HalfClosed: 100 * time.Millisecond}, hide)
		client.CloseWrite()
		if got := <-totals; got.End != Idle {
			t.Errorf("end %v", got.End)
		}
	})
}

func TestAResetEndsBothSides(t *testing.T) {
	both(t, func(t *testing.T, hide bool) {
		client, origin, totals := join(t, Limits{}, hide)
		_ = origin.SetLinger(0)
		origin.Close()
		if _, err := io.ReadAll(client); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("the client was not told")
		}
		if got := <-totals; got.End == Idle {
			t.Errorf("end %v", got.End)
		}
	})
}

func TestAnIdleTunnelHoldsNoPipe(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("splice is Linux's; run this on Linux")
	}
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	const tunnels = 20
	before := count()
	for range tunnels {
		client, origin, _ := join(t, Limits{}, false)
		_, _ = client.Write([]byte("x"))
		if _, err := io.ReadFull(origin, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.GC() // the pool lets go of pipes that nobody uses
	time.Sleep(50 * time.Millisecond)
	if n := count() - before; n > 4*tunnels+4 { // two sockets of the tunnel, two of the test
		t.Errorf("%d descriptors for %d idle tunnels", n, tunnels)
	}
}
