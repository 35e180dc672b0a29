package upstream

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Gone reports whether the peer of c has closed its side or reset the connection. It sees an end that stands behind
// bytes that nobody has read yet (POLLRDHUP, poll(2)). It answers false for what is not a socket.
func Gone(c net.Conn) bool { return polled(c, unix.POLLRDHUP) }

// Reset reports whether both directions of c are closed or the connection was reset: nothing that is sent arrives.
func Reset(c net.Conn) bool { return polled(c, 0) }

// Quiet reports whether c is open and has nothing to read: the state of an idle connection that may be used again.
func Quiet(c net.Conn) bool {
	if _, ok := c.(syscall.Conn); !ok {
		return true
	}
	return !polled(c, unix.POLLRDHUP|unix.POLLIN)
}

func polled(c net.Conn, events int16) bool {
	s, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return true
	}
	var happened bool
	err = raw.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: events}}
		n, err := unix.Poll(fds, 0)
		happened = err == nil && n > 0 && fds[0].Revents&(events|unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0
	})
	return happened || err != nil
}
