//go:build linux

package relay

import (
	"bytes"
	"crypto/rand"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// option reads a socket option of c.
func option(t *testing.T, c *net.TCPConn, level, name int) (value int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) { value, err = unix.GetsockoptInt(int(fd), level, name) }); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestAnOriginIsAskedWhetherItIsThereOnceItIsSilent(t *testing.T) {
	t.Parallel()
	client, inner := pair(t)
	outer, origin := pair(t)
	if err := outer.SetKeepAlive(false); err != nil {
		t.Fatal(err)
	}
	w := NewWatch()
	defer w.Close()
	over := make(chan Totals, 1)
	tunnel := Start(w, inner, outer, Limits{KeepAlive: net.KeepAliveConfig{Enable: true, Idle: 41 * time.Second, Interval: 7 * time.Second, Count: 3}},
		func(t Totals) { over <- t })
	defer func() { tunnel.Cut(); <-over }()
	if _, err := client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(origin, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(20 * time.Second); option(t, outer, unix.SOL_SOCKET, unix.SO_KEEPALIVE) == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("nobody asks the origin of a silent tunnel whether it is there")
		}
	}
	for until := time.Now().Add(20 * time.Second); w.Parked() < 2; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the tunnel is not parked")
		}
	}
	for _, o := range []struct{ name, want int }{{unix.TCP_KEEPIDLE, 41}, {unix.TCP_KEEPINTVL, 7}, {unix.TCP_KEEPCNT, 3}} {
		if got := option(t, outer, unix.IPPROTO_TCP, o.name); got != o.want {
			t.Errorf("option %d is %d, want %d", o.name, got, o.want)
		}
	}
}

// The deadline of a write is moved now and then only: a receiver that is slow all the time, and never for as long as the
// limit, keeps its tunnel.
func TestASlowReceiverKeepsItsTunnelLongerThanTheLimit(t *testing.T) {
	t.Parallel()
	const limit = 2 * time.Second
	down := make([]byte, 48<<20) // more than the buffers of four sockets take
	_, _ = rand.Read(down)       // before the tunnel is there: on a busy machine it takes as long as the limit
	client, origin, totals := join(t, Limits{Idle: limit}, false)
	_ = client.SetDeadline(time.Now().Add(time.Minute))
	_ = origin.SetDeadline(time.Now().Add(time.Minute))
	go func() { _, _ = origin.Write(down); origin.CloseWrite() }()
	var got bytes.Buffer
	for start := time.Now(); time.Since(start) < 3*limit; time.Sleep(limit / 10) {
		if _, err := io.CopyN(&got, client, 512<<10); err != nil {
			t.Fatalf("after %v and %d bytes: %v", time.Since(start), got.Len(), err)
		}
	}
	if _, err := io.Copy(&got, client); err != nil || !bytes.Equal(got.Bytes(), down) {
		t.Errorf("%d bytes of %d, %v", got.Len(), len(down), err)
	}
	client.CloseWrite()
	if got := <-totals; got.End != Finished || got.Down != int64(len(down)) {
		t.Errorf("totals %+v", got)
	}
}

func TestAReceiverThatTakesNothingEndsTheTunnel(t *testing.T) {
	t.Parallel()
	client, origin, totals := join(t, Limits{Idle: time.Second}, false)
	_ = client.SetReadBuffer(4 << 10)
	go func() { _, _ = origin.Write(make([]byte, 64<<20)) }() // ends when the tunnel is cut
	select {
	case got := <-totals:
		if got.End == Finished {
			t.Errorf("end %v", got.End)
		}
	case <-time.After(30 * time.Second):
		t.Error("the tunnel goes on")
	}
}
