package gateway

import (
	"errors"
	"sync/atomic"
	"time"

	"sekisho/internal/wire"
)

// errPanic stands for a fault of ours while a body was sent.
var errPanic = errors.New("panic while sending a body")

// upload sends a long body while the answer is waited for.
type upload struct {
	done      chan struct{}
	began     time.Time
	doneAfter atomic.Int64 // nanoseconds since began, by the monotonic clock; 0 while the body is sent
	clientErr atomic.Pointer[error]
	finished  atomic.Bool
	n         int64
	stopBody  func()
}

func (x *exchange) startUpload(stall time.Duration) *upload {
	u := &upload{done: make(chan struct{}), began: time.Now(), stopBody: x.client.watchBody()}
	watch, up, body := x.client.watch(), x.up, x.body
	// The origin's silence counts from the end of the body only: a long upload is not a slow origin.
	x.up.Timed.ReadStall = 0
	x.up.Timed.Alive = func() bool {
		after := time.Duration(u.doneAfter.Load())
		return watch() && (after == 0 || time.Since(u.began)-after < stall)
	}
	go func() { // ends with the body, or after stop
		defer close(u.done)
		defer func() {
			u.doneAfter.Store(max(int64(time.Since(u.began)), 1))
			if fault := recover(); fault != nil {
				err := errPanic
				u.clientErr.Store(&err)
				x.r.c.g.metrics.Count(EventPanic)
				up.Close()
			}
		}()
		n, err := wire.WriteBody(up, nil, body, x.out.Framing, x.trail)
		u.n = n
		if err == nil {
			u.finished.Store(true)
			return
		}
		if !wire.AbortedBy(err) {
			u.clientErr.Store(&err)
			up.Close() // half a body must not look like a whole one
		}
	}()
	return u
}

func (u *upload) finishedWithin(d time.Duration) bool {
	select {
	case <-u.done:
		return u.finished.Load()
	case <-time.After(d):
		return false
	}
}

// stop ends the upload and waits for it.
func (u *upload) stop(x *exchange) {
	select {
	case <-u.done:
	default:
		if x.up != nil {
			x.up.Bound = true
			x.spent()
		}
		u.stopBody()
		<-u.done
	}
	x.r.up += u.n
}
