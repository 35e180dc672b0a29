package node

import (
	"net"
	"syscall"
)

// listening sets on a listener what Go would set on each connection it accepts, with four system calls: the connections
// of a listener inherit it (net/ipv4/tcp_minisocks.c, tcp_create_openreq_child). The figures are Go's own: after 15 s of
// silence, every 15 s, nine times.
func listening() *net.ListenConfig {
	return &net.ListenConfig{KeepAlive: -1, Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			for _, o := range []struct{ level, name, value int }{
				{syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
				{syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, 15},
				{syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, 15},
				{syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, 9},
			} {
				if failed = syscall.SetsockoptInt(int(fd), o.level, o.name, o.value); failed != nil {
					return
				}
			}
		})
		if err != nil {
			return err
		}
		return failed
	}}
}
