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
	// KeepAlive is set on the origin's connection when the tunnel is silent for the first time. Zero leaves it as it is.
	KeepAlive net.KeepAliveConfig
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

// Join relays between client and origin and returns when the tunnel is over; both are closed then.
func Join(client, origin net.Conn, lim Limits) Totals {
	over := make(chan Totals)
	Start(nil, client, origin, lim, func(t Totals) { over <- t })
	return <-over
}

// Start relays between client and origin and returns at once: it is New and Run in goroutines of their own.
func Start(w *Watch, client, origin net.Conn, lim Limits, done func(Totals)) *Tunnel {
	t := New(w, client, origin, lim, done)
	go t.Run(func(f func()) { go f() }) // each ends with its direction, or when it is parked
	return t
}

// New makes the tunnel between client and origin, which Run sets going. When it is over both are closed, and done is
// called in the goroutine of the direction that ended last. Each direction takes a goroutine while it moves bytes or has
// done so lately; with a Watch, a silent one takes none. To cut a tunnel, call Cut, before Run or after it: closing its
// connections does not wake what is parked.
func New(w *Watch, client, origin net.Conn, lim Limits, done func(Totals)) *Tunnel {
	t := &Tunnel{lim: lim.withDefaults(), watch: w, client: client, origin: origin, begun: time.Now(), done: done}
	t.up = direction{t: t, src: client, dst: origin}
	t.down = direction{t: t, src: origin, dst: client}
	return t
}

// Run serves one direction in the calling goroutine, until it has ended or is parked, and has start run the other. Whoever
// has a goroutine to spare spares the tunnel two new ones, whose stacks would grow anew.
func (t *Tunnel) Run(start func(func())) {
	start(t.down.Ready)
	t.up.Ready()
}

// Cut ends the tunnel.
func (t *Tunnel) Cut() {
	t.mu.Lock()
	t.over = true
	t.mu.Unlock()
	t.client.Close()
	t.origin.Close()
	t.watch.Wake(t.up.parked.Load())
	t.watch.Wake(t.down.parked.Load())
}

var (
	errIdle  = errors.New("nothing moved for the idle limit")
	errFault = errors.New("internal fault")
)

// Tunnel is two joined connections. Obtain it from Start.
type Tunnel struct {
	lim            Limits
	watch          *Watch
	client, origin net.Conn
	begun          time.Time
	last           atomic.Int64 // when a byte last moved, nanoseconds since begun
	half           atomic.Bool  // one direction has finished
	done           func(Totals)

	up, down direction

	mu   sync.Mutex
	over bool // cut, or ended by one direction: nothing is parked any more
	kept bool // the system asks the origin whether it is there
	ends int  // directions that have ended
}

// direction is one half of a tunnel. Its fields belong to the one goroutine that serves it, if any does.
type direction struct {
	t        *Tunnel
	src, dst net.Conn
	total    int64
	err      error
	last     int64         // when this direction last moved a byte
	takes    int64         // until when a write may wait: the deadline that dst has
	plain    bool          // splice does not work here
	parked   atomic.Uint64 // as what it was last parked in the Watch
}

// Left is how long the tunnel may still stay silent.
func (d *direction) Left() time.Duration { return d.t.left() }

// Ready serves the direction until it has ended or is parked.
func (d *direction) Ready() {
	t := d.t
	parked := false
	defer func() { // a fault here must not take the process down; it ends this tunnel
		if recover() != nil {
			parked, d.err = false, errFault
		}
		if parked {
			return
		}
		t.mu.Lock()
		t.ends++
		last := t.ends == 2
		t.mu.Unlock()
		if !last {
			t.finish(d)
			return
		}
		t.finished()
	}()
	var err error
	if parked, err = d.pump(); !parked { // otherwise d is another goroutine's already
		d.err = err
	}
}

// finished tells that both directions have ended. Closing says goodbye to whom no half-close has said it.
func (t *Tunnel) finished() {
	t.client.Close()
	t.origin.Close()
	totals := Totals{Up: t.up.total, Down: t.down.total}
	switch err := errors.Join(t.up.err, t.down.err); {
	case err == nil:
		totals.End = Finished
	case errors.Is(err, errIdle):
		totals.End = Idle
	default:
		totals.End = Broken
	}
	t.done(totals)
}

// parkAfter is how long a direction is silent before it is parked (chosen: parking and waking cost some microseconds,
// and a stack of a few KiB for a second is nothing).
const parkAfter = time.Second

// park hands the direction to the Watch. The caller returns when it answers true.
func (d *direction) park() bool {
	t := d.t
	if t.watch == nil || t.left() < 2*parkAfter {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return false
	}
	id := t.watch.Park(d.src, d)
	if id == 0 {
		return false
	}
	d.parked.Store(id)
	return true
}

func (t *Tunnel) now() int64 { return int64(time.Since(t.begun)) }

func (d *direction) moved() {
	d.last = d.t.now()
	d.t.last.Store(d.last)
}

// willing sets the deadline of writes to dst: the idle limit behind the last byte that moved. It is moved when half of it
// has gone, not for each write; a write that meets it too early asks late.
func (d *direction) willing(late bool) error {
	limit := int64(d.t.lim.Idle)
	if !late && d.takes-d.last > limit/2 {
		return nil
	}
	d.takes = d.last + limit
	return d.dst.SetWriteDeadline(d.t.begun.Add(time.Duration(d.takes)))
}

// late reports whether a write that met its deadline may wait on.
func (d *direction) late(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) && d.t.now()-d.last < int64(d.t.lim.Idle) && d.willing(true) == nil
}

// keep has the system ask a silent origin whether it is still there. It takes four system calls, which a tunnel that is
// never silent does without.
func (t *Tunnel) keep() {
	t.mu.Lock()
	kept := t.kept
	t.kept = true
	t.mu.Unlock()
	if c, ok := t.origin.(*net.TCPConn); ok && !kept && t.lim.KeepAlive.Enable {
		_ = c.SetKeepAliveConfig(t.lim.KeepAlive) // on a connection that has ended in the meantime
	}
}

// left is how long the tunnel may still stay silent.
func (t *Tunnel) left() time.Duration {
	limit := t.lim.Idle
	if t.half.Load() {
		limit = min(limit, t.lim.HalfClosed)
	}
	return limit - time.Duration(t.now()-t.last.Load())
}

// finish hands the end of the first direction on: a clean end as a half-close, anything else by ending both.
func (t *Tunnel) finish(d *direction) {
	if d.err == nil {
		t.half.Store(true)
		if half, ok := d.dst.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
			// The other direction may be waiting under the long limit: let it look at the short one.
			_ = d.dst.SetReadDeadline(time.Now().Add(max(t.left(), 0)))
			return
		}
	}
	t.Cut()
}

// pump moves bytes until src has finished (nil error), or until it is parked.
func (d *direction) pump() (parked bool, err error) {
	a, okA := d.src.(*net.TCPConn)
	b, okB := d.dst.(*net.TCPConn)
	if okA && okB && !d.plain {
		parked, handled, err := d.splice(b, a)
		if handled {
			return parked, err
		}
		d.plain = true
	}
	return false, d.copy()
}

// patient sets the next deadline of a wait that begins or goes on: it ends when it is time to park, or when the tunnel
// as a whole has been silent for too long.
func (d *direction) patient(park bool) error {
	left := d.t.left()
	if left <= 0 {
		return errIdle
	}
	if park && d.t.watch != nil {
		left = min(left, parkAfter)
	}
	return d.src.SetReadDeadline(time.Now().Add(left))
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// copy is pump for connections that are not both TCP.
func (d *direction) copy() error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	d.t.keep()
	_ = d.patient(false)
	for {
		n, err := d.src.Read(*buf)
		if n > 0 {
			d.moved()
			if err := d.dst.SetWriteDeadline(time.Now().Add(d.t.lim.Idle)); err != nil {
				return err
			}
			w, werr := d.dst.Write((*buf)[:n])
			d.total += int64(w)
			d.moved()
			if werr != nil {
				return notDeadline(werr)
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			if err := d.patient(false); err != nil {
				return err
			}
		case err != nil:
			return err
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
