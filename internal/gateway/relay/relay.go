// Package relay joins two connections: whatever one end sends, the other receives, byte for byte, until both have
// finished, until nothing has moved for the idle limit, or until somebody closes one of them.
//
//	totals := relay.Join(client, origin, relay.Limits{Idle: 30 * time.Minute})
//
// It looks at no byte. A half-close is handed on as a half-close, because protocols inside a tunnel may end one
// direction first. Between two TCP connections on Linux the bytes never enter the process (splice), and a tunnel on
// which nothing moves holds two descriptors and no buffer; elsewhere one pooled buffer a direction is held only while
// there is something in it to send.
package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Limits bound a tunnel.
type Limits struct {
	// Idle is how long neither direction may move a byte. 0 means 35 minutes (chosen: push services of the catalog ask
	// that half an hour of silence is survived).
	Idle time.Duration
	// HalfClosed is the idle limit after one end has finished sending. 0 means 2 minutes (chosen: an end that has said
	// goodbye and still waits for the other is served, one that was forgotten is not kept).
	HalfClosed time.Duration
}

func (l Limits) withDefaults() Limits {
	if l.Idle <= 0 {
		l.Idle = 35 * time.Minute
	}
	if l.HalfClosed <= 0 {
		l.HalfClosed = 2 * time.Minute
	}
	return l
}

// End says why a tunnel ended.
type End uint8

// The ends of a tunnel. The zero value never leaves Join.
const (
	// Finished: both ends have finished sending.
	Finished End = iota + 1
	// Idle: nothing moved for the idle limit.
	Idle
	// Broken: an end was reset, or the tunnel was cut from this side by closing a connection.
	Broken
)

// String is the stable code of e.
func (e End) String() string {
	switch e {
	case Finished:
		return "finished"
	case Idle:
		return "idle"
	default:
		return "broken"
	}
}

// Totals is what a tunnel carried.
type Totals struct {
	Up, Down int64 // bytes from client to origin, and from origin to client
	End      End
}

// Join relays between client and origin and returns when the tunnel is over; both are closed then. It takes the
// calling goroutine and one more, which has ended when Join returns. To cut a tunnel, close either connection.
func Join(client, origin net.Conn, lim Limits) Totals {
	t := &tunnel{lim: lim.withDefaults()}
	t.moved()
	var totals Totals
	var wait sync.WaitGroup
	var upErr, downErr error
	wait.Go(func() {
		defer func() { // a fault here must not take the process down; it ends this tunnel
			if recover() != nil {
				upErr = errFault
				client.Close()
				origin.Close()
			}
		}()
		totals.Up, upErr = t.pump(origin, client)
		t.finish(origin, client, upErr)
	})
	totals.Down, downErr = t.pump(client, origin)
	t.finish(client, origin, downErr)
	wait.Wait()
	client.Close()
	origin.Close()
	switch err := errors.Join(upErr, downErr); {
	case err == nil:
		totals.End = Finished
	case errors.Is(err, errIdle):
		totals.End = Idle
	default:
		totals.End = Broken
	}
	return totals
}

var (
	errIdle  = errors.New("nothing moved for the idle limit")
	errFault = errors.New("internal fault")
)

// tunnel is what the two directions share.
type tunnel struct {
	lim    Limits
	last   atomic.Int64 // when a byte last moved, nanoseconds since start
	half   atomic.Bool  // one direction has finished
	origin time.Time
}

func (t *tunnel) now() int64 {
	if t.origin.IsZero() {
		t.origin = time.Now() // the first call comes from Join, before the pumps
	}
	return int64(time.Since(t.origin))
}

func (t *tunnel) moved() { t.last.Store(t.now()) }

// left is how long the tunnel may still stay silent.
func (t *tunnel) left() time.Duration {
	limit := t.lim.Idle
	if t.half.Load() {
		limit = min(limit, t.lim.HalfClosed)
	}
	return limit - time.Duration(t.now()-t.last.Load())
}

// finish hands the end of one direction on: a clean end as a half-close, anything else by ending both.
func (t *tunnel) finish(dst, src net.Conn, err error) {
	if err == nil {
		t.half.Store(true)
		if half, ok := dst.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
			// The other direction may be waiting under the long limit: let it look at the short one.
			_ = dst.SetReadDeadline(time.Now().Add(max(t.left(), 0)))
			return
		}
	}
	dst.Close()
	src.Close()
}

// pump moves bytes from src to dst until src has finished (nil error).
func (t *tunnel) pump(dst, src net.Conn) (int64, error) {
	a, okA := src.(*net.TCPConn)
	b, okB := dst.(*net.TCPConn)
	if okA && okB {
		if n, handled, err := t.splice(b, a); handled {
			return n, err
		}
	}
	return t.copy(dst, src)
}

// stillIdle is called when a read deadline has passed: it answers errIdle when the tunnel as a whole was silent for
// too long, and otherwise sets the next deadline.
func (t *tunnel) stillIdle(src net.Conn) error {
	left := t.left()
	if left <= 0 {
		return errIdle
	}
	return src.SetReadDeadline(time.Now().Add(left))
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// copy is pump for connections that are not both TCP.
func (t *tunnel) copy(dst, src net.Conn) (int64, error) {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	var total int64
	_ = src.SetReadDeadline(time.Now().Add(max(t.left(), 0)))
	for {
		n, err := src.Read(*buf)
		if n > 0 {
			t.moved()
			if err := dst.SetWriteDeadline(time.Now().Add(t.lim.Idle)); err != nil {
				return total, err
			}
			w, werr := dst.Write((*buf)[:n])
			total += int64(w)
			t.moved()
			if werr != nil {
				return total, notDeadline(werr)
			}
		}
		switch {
		case err == io.EOF:
			return total, nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			if err := t.stillIdle(src); err != nil {
				return total, err
			}
		case err != nil:
			return total, err
		}
	}
}

// notDeadline names a write that nobody took for the idle limit.
func notDeadline(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errIdle
	}
	return err
}
