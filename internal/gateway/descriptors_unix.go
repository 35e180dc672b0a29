//go:build unix

package gateway

import "golang.org/x/sys/unix"

// Descriptors is how many descriptors the process may have: RLIMIT_NOFILE, which package os has raised to its hard limit
// at the start; at most 1<<20.
func Descriptors() int {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 1024 // the smallest that systems usually give
	}
	return int(min(uint64(l.Cur), 1<<20))
}
