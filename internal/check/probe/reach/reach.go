// Package reach is the stage "tcp": a connection to each address of a host. Refused, silent and unreachable are three
// different answers, because three different people mend them.
//
//	step, conn := reach.Probe(ctx, dial, answer.Addrs, 443)
//
// Every address is tried, up to a few of each family, so that a firewall that lets one family or one range through does not
// look like an open way.
package reach

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"sekisho/internal/check/verdict"
)

// perFamily bounds the addresses that are tried of each family; chosen (four in all).
const perFamily = 2

// Dial connects to one address.
type Dial func(ctx context.Context, to netip.AddrPort) (net.Conn, error)

// Codes of what a connection came to.
const (
	connected   = "connected"
	Refused     = "refused"
	Timeout     = "timeout"
	Unreachable = "unreachable"
	NoRoute     = "no-route" // this machine has no address of the family, or no route at all
	failed      = "failed"
)

// Classify words the error of a connection as one of the codes above.
func Classify(err error) string {
	var network net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED) || isErrno(err, wsaRefused):
		return Refused
	case errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) || isErrno(err, wsaNoNetwork) || isErrno(err, wsaNoAddress):
		return NoRoute
	case errors.Is(err, syscall.EHOSTUNREACH) || isErrno(err, wsaNoHost):
		return Unreachable
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &network) && network.Timeout():
		return Timeout
	}
	return failed
}

// The numbers under which Windows says the same ("Windows Sockets Error Codes",
// https://learn.microsoft.com/windows/win32/winsock/windows-sockets-error-codes-2).
const (
	wsaNoAddress = syscall.Errno(10049)
	wsaNoNetwork = syscall.Errno(10051)
	wsaRefused   = syscall.Errno(10061)
	wsaNoHost    = syscall.Errno(10065)
)

func isErrno(err error, number syscall.Errno) bool {
	var is syscall.Errno
	return errors.As(err, &is) && is == number
}

// attempt is one address and what came of it.
type attempt struct {
	addr netip.Addr
	conn net.Conn
	code string
}

// Probe connects to addrs at port, all at once. The connection is that of the first address, IPv4 before IPv6, that
// answered; nil when none did. ctx bounds it.
func Probe(ctx context.Context, dial Dial, addrs []netip.Addr, port uint16) (verdict.Step, net.Conn) {
	step := verdict.Step{Stage: verdict.TCP}
	begun := time.Now()
	tries := choose(addrs)
	var running sync.WaitGroup
	for i := range tries {
		running.Go(func() {
			t := &tries[i]
			c, err := dial(ctx, netip.AddrPortFrom(t.addr, port))
			if t.code = connected; err != nil {
				t.code = Classify(err)
				return
			}
			t.conn = c
		})
	}
	running.Wait()
	step.Millis = time.Since(begun).Milliseconds()
	var conn net.Conn
	var seen []string
	count := map[bool]map[string]int{false: {}, true: {}}
	for _, t := range tries {
		seen = append(seen, t.addr.String()+"="+t.code)
		count[t.addr.Is6()][t.code]++
		switch {
		case t.conn == nil:
		case conn == nil:
			conn = t.conn
			step.Note("address", t.addr.String())
		default:
			_ = t.conn.Close()
		}
	}
	step.Note("tried", strings.Join(seen, " "))
	four, six := count[false], count[true]
	switch {
	case conn == nil:
		step.Judge(worst(tries))
	case six[connected] == 0 && len(six) > 0 && six[NoRoute] == 0 && four[connected] > 0:
		step.Judge("tcp.ipv6")
	case slices.ContainsFunc(tries, func(t attempt) bool { return t.code != connected && t.code != NoRoute }):
		step.Judge("tcp.some")
	}
	step.Passed()
	return step, conn
}

// choose takes a few of each family, IPv4 first.
func choose(addrs []netip.Addr) []attempt {
	var out []attempt
	for _, six := range []bool{false, true} {
		n := 0
		for _, a := range addrs {
			if a.Is6() == six && n < perFamily {
				out = append(out, attempt{addr: a})
				n++
			}
		}
	}
	return out
}

// worst is the verdict where no address answered: what most hides comes last.
func worst(tries []attempt) string {
	for _, v := range []struct{ code, id string }{
		{Refused, "tcp.refused"}, {Unreachable, "tcp.unreachable"}, {Timeout, "tcp.timeout"}, {NoRoute, "tcp.unreachable"},
	} {
		if slices.ContainsFunc(tries, func(t attempt) bool { return t.code == v.code }) {
			return v.id
		}
	}
	return "tcp.failed"
}
