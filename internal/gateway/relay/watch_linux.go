package relay

import (
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Watch waits for many silent connections at once, so that none of them needs a goroutine: two stacks are most of what
// an idle tunnel would hold. Obtain it from NewWatch and end it with Close. A nil Watch parks nothing. Safe for
// concurrent use. One goroutine belongs to it.
type Watch struct {
	epoll *os.File // read through the runtime's poller, so that waiting takes no thread
	done  chan struct{}

	mu     sync.Mutex
	parked map[uint64]Waiter
	next   uint64
	closed bool
}

// Waiter is what is parked.
type Waiter interface {
	// Ready is called once, in a goroutine of its own: there is something to read, Left has run out, or Wake was called.
	Ready()
	// Left is how long it may stay silent. It is asked once a second, and must not wait.
	Left() time.Duration
}

// lookEvery is how often Left is asked (chosen: limits are minutes).
const lookEvery = time.Second

// NewWatch returns a Watch, or nil where the system has none to give.
func NewWatch() *Watch {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil
	}
	w := &Watch{epoll: os.NewFile(uintptr(fd), "epoll"), done: make(chan struct{}), parked: map[uint64]Waiter{}}
	if err := w.epoll.SetReadDeadline(time.Time{}); err != nil { // not in the runtime's poller: a wait would take a thread
		w.epoll.Close()
		return nil
	}
	go w.run() // ends with Close
	return w
}

// Park hands c over until it has something to read: k.Ready is called then, and the caller must not touch c meanwhile.
// id is for Wake; 0 means that c cannot be parked. Whoever closes a parked connection calls Wake, because a closed
// descriptor tells nobody.
func (w *Watch) Park(c net.Conn, k Waiter) (id uint64) {
	if w == nil {
		return 0
	}
	s, ok := c.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return 0
	}
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return 0
	}
	w.next++
	id = w.next
	w.parked[id] = k
	w.mu.Unlock()
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT, Fd: int32(uint32(id)), Pad: int32(uint32(id >> 32))}
	var failed error
	err = w.control(raw, func(epoll, fd int) {
		// What has come since the last read is told at once: arming looks at the state of the socket.
		if failed = unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &event); failed == unix.EEXIST {
			failed = unix.EpollCtl(epoll, unix.EPOLL_CTL_MOD, fd, &event)
		}
	})
	if err == nil && failed == nil {
		return id
	}
	if w.take(id) == nil {
		return id // woken in the meantime: Ready is on its way, and will find what is wrong
	}
	return 0
}

// control calls f with the descriptors of the Watch and of a connection, neither of which is closed meanwhile.
func (w *Watch) control(raw syscall.RawConn, f func(epoll, fd int)) error {
	own, err := w.epoll.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	err = own.Control(func(epoll uintptr) {
		inner = raw.Control(func(fd uintptr) { f(int(epoll), int(fd)) })
	})
	if err != nil {
		return err
	}
	return inner
}

// Wake ends the wait of id, if it still waits.
func (w *Watch) Wake(id uint64) {
	if w == nil || id == 0 {
		return
	}
	if k := w.take(id); k != nil {
		go k.Ready()
	}
}

func (w *Watch) take(id uint64) Waiter {
	w.mu.Lock()
	defer w.mu.Unlock()
	k := w.parked[id]
	delete(w.parked, id)
	return k
}

// Parked returns how many wait.
func (w *Watch) Parked() int {
	if w == nil {
		return 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.parked)
}

func (w *Watch) run() {
	defer close(w.done)
	raw, err := w.epoll.SyscallConn()
	if err != nil {
		return
	}
	events := make([]unix.EpollEvent, 128)
	n := 0
	wait := func(fd uintptr) bool {
		n, err = unix.EpollWait(int(fd), events, 0)
		return n > 0 || err != nil && err != unix.EINTR
	}
	looked := time.Now()
	for {
		_ = w.epoll.SetReadDeadline(looked.Add(lookEvery))
		n, err = 0, nil
		if failed := raw.Read(wait); failed != nil && !os.IsTimeout(failed) {
			return // closed
		}
		for _, e := range events[:max(n, 0)] {
			w.Wake(uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32)
		}
		if now := time.Now(); now.Sub(looked) >= lookEvery {
			looked = now
			w.look()
		}
	}
}

// look wakes those whose time is over.
func (w *Watch) look() {
	w.mu.Lock()
	var over []uint64
	for id, k := range w.parked {
		if k.Left() <= 0 {
			over = append(over, id)
		}
	}
	w.mu.Unlock()
	for _, id := range over {
		w.Wake(id)
	}
}

// Close ends the Watch and wakes everything that is parked.
func (w *Watch) Close() {
	if w == nil {
		return
	}
	w.mu.Lock()
	w.closed = true
	left := w.parked
	w.parked = map[uint64]Waiter{}
	w.mu.Unlock()
	w.epoll.Close()
	<-w.done
	for _, k := range left {
		go k.Ready()
	}
}
