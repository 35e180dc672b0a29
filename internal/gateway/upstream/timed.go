package upstream

import (
	"errors"
	"net"
	"os"
	"time"
)

// ErrGone is returned by a read of a Timed whose Alive answered false: nobody waits for the bytes any more.
var ErrGone = errors.New("the other side of the exchange has gone away")

// ErrPaused is returned by a read of a Timed that Pauses. It is temporary to crypto/tls, which can go on after it.
var ErrPaused error = paused{}

type paused struct{}

func (paused) Error() string   { return "nothing came for a while" }
func (paused) Timeout() bool   { return true }
func (paused) Temporary() bool { return true }

// StallError says that a connection moved nothing, or did not finish a phase, for as long as a limit allows.
type StallError struct {
	Op    string        // "read" or "write"
	Limit time.Duration // the limit that passed
}

func (e *StallError) Error() string { return e.Op + " stalled for " + e.Limit.String() }

// Timeout is true: a StallError is a net.Error.
func (e *StallError) Timeout() bool { return true }

// Temporary is false: after a stall the connection is of no use. crypto/tls looks at this.
func (e *StallError) Temporary() bool { return false }

// aliveEvery is how often Alive is asked while a read waits (chosen: an abort must reach the other side within a
// second).
const aliveEvery = 400 * time.Millisecond

// Timed is a connection whose reads and writes obey limits without paying for a deadline at each call: the deadline of
// the runtime is set ahead and moved only when half of it has gone. One goroutine may read and another write; the
// fields that a side reads are changed only while that side is not in a call.
type Timed struct {
	net.Conn

	// ReadStall is how long one Read may wait for a first byte; 0 is no limit.
	ReadStall time.Duration
	// WriteStall is how long one Write may take no byte; 0 is no limit. It is kept to within a half.
	WriteStall time.Duration
	// Pauses makes a read that waited for ReadStall end with ErrPaused, after which the connection can be read on.
	Pauses bool
	// Phase is the moment by which everything being read must have come (a head, a handshake); zero is none.
	Phase time.Time
	// Alive, when set, is asked every 400 ms while a read waits; when it answers false the read ends with ErrGone.
	Alive func() bool

	readSet, writeSet time.Time // the deadlines that the runtime has
}

// NewTimed wraps c.
func NewTimed(c net.Conn, readStall, writeStall time.Duration) *Timed {
	return &Timed{Conn: c, ReadStall: readStall, WriteStall: writeStall}
}

// Read reads under the limits.
func (t *Timed) Read(p []byte) (int, error) {
	now := time.Now()
	start := now
	for {
		if err := t.setRead(now); err != nil {
			return 0, err
		}
		n, err := t.Conn.Read(p)
		if n > 0 || err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		now = time.Now()
		switch {
		case !t.Phase.IsZero() && !now.Before(t.Phase):
			return 0, &StallError{Op: "read", Limit: now.Sub(start)}
		case t.ReadStall > 0 && now.Sub(start) >= t.ReadStall && t.Pauses:
			return 0, ErrPaused
		case t.ReadStall > 0 && now.Sub(start) >= t.ReadStall:
			return 0, &StallError{Op: "read", Limit: t.ReadStall}
		case t.Alive != nil && !t.Alive():
			return 0, ErrGone
		}
	}
}

// setRead sees to it that the runtime wakes a waiting read in time for the nearest limit, at most a half too early.
func (t *Timed) setRead(now time.Time) error {
	wait := t.ReadStall
	if !t.Phase.IsZero() {
		if left := t.Phase.Sub(now); wait == 0 || left < wait {
			wait = max(left, time.Millisecond)
		}
	}
	if t.Alive != nil && (wait == 0 || wait > aliveEvery) {
		wait = aliveEvery
	}
	if wait == 0 {
		if t.readSet.IsZero() {
			return nil
		}
		t.readSet = time.Time{}
		return t.Conn.SetReadDeadline(time.Time{})
	}
	if left := t.readSet.Sub(now); left > wait/2 && left <= wait && !t.readSet.IsZero() {
		return nil
	}
	t.readSet = now.Add(wait)
	return t.Conn.SetReadDeadline(t.readSet)
}

// Write writes under WriteStall.
func (t *Timed) Write(p []byte) (int, error) {
	if t.WriteStall > 0 {
		now := time.Now()
		if left := t.writeSet.Sub(now); left <= t.WriteStall/2 || left > t.WriteStall {
			t.writeSet = now.Add(t.WriteStall)
			if err := t.Conn.SetWriteDeadline(t.writeSet); err != nil {
				return 0, err
			}
		}
	}
	n, err := t.Conn.Write(p)
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		err = &StallError{Op: "write", Limit: t.WriteStall}
	}
	return n, err
}

// CloseWrite half-closes where the connection can.
func (t *Timed) CloseWrite() error {
	if half, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Release returns the connection underneath, for a use that sets deadlines of its own before each wait: those that the
// runtime has are left as they are. t must not be used afterwards.
func (t *Timed) Release() net.Conn {
	t.Alive = nil
	return t.Conn
}
