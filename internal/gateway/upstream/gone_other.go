//go:build !linux

package upstream

import "net"

// Gone reports whether the peer of c has gone. Outside Linux that cannot be seen behind unread bytes, so it always
// answers false; an abort is then noticed at the next write.
func Gone(net.Conn) bool { return false }

// Reset reports whether nothing that is sent to c arrives. Outside Linux it always answers false, as Gone does.
func Reset(net.Conn) bool { return false }

// Quiet reports whether c may be used again. Outside Linux it always answers true; the rule for replaying covers
// connections that turn out to be stale.
func Quiet(net.Conn) bool { return true }
