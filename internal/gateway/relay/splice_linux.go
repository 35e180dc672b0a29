package relay

import (
	"errors"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// spliceBytes is asked of the kernel at once. The kernel's default pipe holds 64 KiB (pipe(7)); a larger one is asked
// for when a pipe is made, and what was granted does not matter for correctness.
const spliceBytes = 256 << 10

// pipe is the kernel buffer that splice needs between two sockets (splice(2): one end must be a pipe).
type pipe struct{ r, w int }

// pipes keeps pipes that are empty. A pipe is taken when bytes are there and given back as soon as there are none, so
// an idle tunnel holds none; the collector closes what the pool drops.
var pipes = sync.Pool{}

func takePipe() (*pipe, error) {
	if p, ok := pipes.Get().(*pipe); ok && p != nil {
		return p, nil
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	_, _ = unix.FcntlInt(uintptr(fds[0]), unix.F_SETPIPE_SZ, spliceBytes)
	p := &pipe{r: fds[0], w: fds[1]}
	runtime.SetFinalizer(p, (*pipe).close)
	return p, nil
}

func (p *pipe) close() {
	runtime.SetFinalizer(p, nil)
	unix.Close(p.r)
	unix.Close(p.w)
}

// splice is pump between two TCP connections. handled is false when nothing was moved and the kernel cannot do it.
func (d *direction) splice(dst, src *net.TCPConn) (parked, handled bool, err error) {
	in, err := src.SyscallConn()
	if err != nil {
		return false, false, nil
	}
	out, err := dst.SyscallConn()
	if err != nil {
		return false, false, nil
	}
	f := flow{}
	// One closure a direction for as long as it is served: a closure in the loop would be garbage for each round.
	fill, drain := f.fill, f.drain
	defer f.release()
	if err := d.patient(true); err != nil {
		return false, true, err
	}
	for {
		if err := in.Read(fill); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				return false, true, err
			}
			if time.Duration(d.t.now()-d.last) >= parkAfter {
				d.t.keep()
				if d.park() {
					return true, true, nil
				}
			}
			if err := d.patient(true); err != nil {
				return false, true, err
			}
			continue
		}
		if f.err != nil {
			if d.total == 0 && (errors.Is(f.err, unix.EINVAL) || errors.Is(f.err, unix.ENOSYS) || errors.Is(f.err, unix.EMFILE) || errors.Is(f.err, unix.ENFILE)) {
				return false, false, nil // nothing was taken from src: copying through memory loses nothing
			}
			return false, true, f.err
		}
		if f.held == 0 {
			return false, true, nil // src has finished
		}
		d.moved()
		if err := d.willing(false); err != nil {
			return false, true, err
		}
		held := f.held
		err := out.Write(drain)
		for err != nil && d.late(err) {
			err = out.Write(drain)
		}
		d.total += int64(held - f.held)
		switch {
		case err != nil:
			return false, true, notDeadline(err)
		case f.err != nil:
			return false, true, f.err
		case f.waited:
			f.waited = false
			d.moved()
		}
	}
}

// flow is one direction's state between two system calls.
type flow struct {
	p    *pipe
	held int // bytes in the pipe
	err  error

	waited bool // the last drain did
}

// fill takes what the socket has into the pipe. It answers false, holding no pipe, when the socket has nothing.
func (f *flow) fill(fd uintptr) bool {
	if f.p == nil {
		if f.p, f.err = takePipe(); f.err != nil {
			return true
		}
	}
	for {
		n, err := unix.Splice(int(fd), nil, f.p.w, nil, spliceBytes, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			f.giveBack()
			return false
		case err != nil:
			f.err = os.NewSyscallError("splice", err)
			return true
		}
		f.held = int(n)
		if n == 0 {
			f.giveBack()
		}
		return true
	}
}

// drain sends what the pipe holds. It answers false when the socket takes no more.
func (f *flow) drain(fd uintptr) bool {
	for f.held > 0 {
		n, err := unix.Splice(f.p.r, nil, int(fd), nil, f.held, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			f.waited = true
			return false
		case err != nil:
			f.err = os.NewSyscallError("splice", err)
			return true
		}
		f.held -= int(n)
	}
	return true
}

// giveBack returns an empty pipe to the pool.
func (f *flow) giveBack() {
	pipes.Put(f.p)
	f.p = nil
}

// release ends the direction: a pipe with bytes in it is closed, an empty one is given back.
func (f *flow) release() {
	switch {
	case f.p == nil:
	case f.held > 0:
		f.p.close()
		f.p = nil
	default:
		f.giveBack()
	}
}
