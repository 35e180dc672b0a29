//go:build !linux

package node

import "net"

// listening sets keep-alive on each connection: whether it is inherited is not documented everywhere.
func listening() *net.ListenConfig { return new(net.ListenConfig) }
