package node

import (
	"net"
	"syscall"
	"testing"
)

// What a listener's connections inherit is what Go sets on each of them.
func TestConnectionsInheritKeepAlive(t *testing.T) {
	t.Parallel()
	read := func(c net.Conn) (values [5]int) {
		raw, err := c.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if err := raw.Control(func(fd uintptr) {
			for i, o := range [...][2]int{{syscall.SOL_SOCKET, syscall.SO_KEEPALIVE}, {syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE},
				{syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL}, {syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT}, {syscall.IPPROTO_TCP, syscall.TCP_NODELAY}} {
				if values[i], err = syscall.GetsockoptInt(int(fd), o[0], o[1]); err != nil {
					t.Error(err)
				}
			}
		}); err != nil {
			t.Fatal(err)
		}
		return values
	}
	accept := func(config *net.ListenConfig) [5]int {
		l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		dialled, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer dialled.Close()
		accepted, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer accepted.Close()
		return read(accepted)
	}
	got, want := accept(listening()), accept(new(net.ListenConfig))
	if got != want || got[0] == 0 {
		t.Errorf("keep-alive, idle, interval, count, no-delay are %v, want %v", got, want)
	}
}
