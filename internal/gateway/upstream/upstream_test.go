package upstream

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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

func TestTimedReadStalls(t *testing.T) {
	a, _ := pair(t)
	c := NewTimed(a, 50*time.Millisecond, 0)
	_, err := c.Read(make([]byte, 1))
	var stall *StallError
	if !errors.As(err, &stall) || stall.Op != "read" || !stall.Timeout() {
		t.Errorf("%v", err)
	}
}

func TestTimedPhaseBoundsTheWholeAndNotEachRead(t *testing.T) {
	a, b := pair(t)
	c := NewTimed(a, time.Hour, 0)
	c.Phase = time.Now().Add(120 * time.Millisecond)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				_, _ = b.Write([]byte("x"))
			}
		}
	}()
	n, err := io.Copy(io.Discard, c)
	close(stop)
	<-done
	var stall *StallError
	if !errors.As(err, &stall) || n == 0 {
		t.Errorf("%d %v", n, err)
	}
	c.Phase = time.Time{}
	if _, err := b.Write([]byte("y")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Errorf("after the phase: %v", err)
	}
}

func TestTimedAsksWhetherAnybodyWaits(t *testing.T) {
	a, _ := pair(t)
	var alive atomic.Bool
	alive.Store(true)
	c := NewTimed(a, time.Hour, 0)
	c.Alive = alive.Load
	time.AfterFunc(100*time.Millisecond, func() { alive.Store(false) })
	start := time.Now()
	_, err := c.Read(make([]byte, 1))
	if took := time.Since(start); !errors.Is(err, ErrGone) || took > time.Second {
		t.Errorf("%v after %v", err, took)
	}
}

func TestTimedWriteStalls(t *testing.T) {
	a, _ := pair(t)
	c := NewTimed(a, 0, 100*time.Millisecond)
	var err error
	for range 1000 {
		if _, err = c.Write(make([]byte, 1<<20)); err != nil {
			break
		}
	}
	var stall *StallError
	if !errors.As(err, &stall) || stall.Op != "write" {
		t.Errorf("%v", err)
	}
}

func TestGoneAndQuiet(t *testing.T) {
	a, b := pair(t)
	if Gone(a) || !Quiet(a) {
		t.Error("an open, silent connection")
	}
	_, _ = b.Write([]byte("x"))
	time.Sleep(20 * time.Millisecond)
	if Gone(a) || Quiet(a) {
		t.Error("a connection with bytes to read")
	}
	b.Close()
	time.Sleep(20 * time.Millisecond)
	if !Gone(a) || Quiet(a) {
		t.Error("an end behind unread bytes was not seen")
	}
}

// idle returns a connection that is ready for HTTP, and the origin's end of it.
func idle(t *testing.T, key Key) (*Conn, *net.TCPConn) {
	a, b := pair(t)
	c := &Conn{Key: key, Timed: NewTimed(a, time.Minute, time.Minute)}
	c.stream = c.Timed
	c.Reader = bufio.NewReader(c.Timed)
	return c, b
}

func TestPoolSharesEqualKeysOnly(t *testing.T) {
	p := NewPool(PoolLimits{})
	defer p.Close()
	key := Key{Road: "direct", Host: "login.microsoftonline.com", To: netip.MustParseAddrPort("20.190.128.1:443"), TLS: true, Profile: "staff"}
	c, _ := idle(t, key)
	p.Give(c)
	for name, other := range map[string]Key{
		"profile": {Road: key.Road, Host: key.Host, To: key.To, TLS: true, Profile: "other"},
		"address": {Road: key.Road, Host: key.Host, To: netip.MustParseAddrPort("20.190.128.2:443"), TLS: true, Profile: "staff"},
		"road":    {Road: "other", Host: key.Host, To: key.To, TLS: true, Profile: "staff"},
		"clear":   {Road: key.Road, Host: key.Host, To: key.To, Profile: "staff"},
	} {
		if p.Take(other, 0) != nil {
			t.Errorf("shared across %s", name)
		}
	}
	if got := p.Take(key, 0); got != c {
		t.Error("not found under its own key")
	}
	if p.Take(key, 0) != nil {
		t.Error("handed out twice")
	}
}

func TestPoolDropsWhatIsNoUse(t *testing.T) {
	key := Key{Host: "a.example.com"}
	p := NewPool(PoolLimits{PerKey: 1, Idle: 50 * time.Millisecond})
	defer p.Close()
	c, far := idle(t, key)
	p.Give(c)
	far.Close()
	time.Sleep(10 * time.Millisecond)
	if p.Take(key, 0) != nil {
		t.Error("a closed connection was handed out")
	}
	c, far = idle(t, key)
	p.Give(c)
	_, _ = far.Write([]byte("HTTP/1.1 408 Request Timeout\r\n\r\n"))
	time.Sleep(10 * time.Millisecond)
	if p.Take(key, 0) != nil {
		t.Error("a connection with an answer that nobody asked for was handed out")
	}
	bound, _ := idle(t, key)
	bound.Bound = true
	p.Give(bound)
	if p.Idle() != 0 {
		t.Error("a bound connection was kept")
	}
	first, _ := idle(t, key)
	second, _ := idle(t, key)
	p.Give(first)
	p.Give(second)
	if p.Idle() != 1 {
		t.Errorf("%d kept, one allowed", p.Idle())
	}
	time.Sleep(20 * time.Millisecond)
	if p.Take(key, time.Millisecond) != nil {
		t.Error("older than asked for")
	}
	time.Sleep(150 * time.Millisecond)
	if p.Idle() != 0 {
		t.Error("the sweeper left it")
	}
	p.Give(first)
	p.Flush(func(Key) bool { return false })
	if p.Idle() != 0 {
		t.Error("Flush left it")
	}
}

func TestDialSaysWhichStepFailed(t *testing.T) {
	lim := Limits{Dial: 50 * time.Millisecond, Handshake: 50 * time.Millisecond, ReadStall: time.Second, WriteStall: time.Second}
	key := Key{Host: "a.example.com", To: netip.MustParseAddrPort("192.0.2.1:443"), TLS: true}
	_, err := Dial(context.Background(), key, func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}, lim)
	var e *Error
	if !errors.As(err, &e) || e.Step != "dial" || !e.Timeout() {
		t.Errorf("%v", err)
	}
	a, _ := pair(t)
	c, err := Dial(context.Background(), key, func(context.Context, netip.AddrPort) (net.Conn, error) { return a, nil }, lim)
	if err != nil {
		t.Fatal(err)
	}
	err = c.Ready(nil, lim)
	if !errors.As(err, &e) || e.Step != "handshake" || !e.Timeout() {
		t.Errorf("%v", err)
	}
}
