//go:build !linux

// Bench measures Sekisho beside its peers. It needs Linux: network namespaces, and the process clocks of others.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "error: bench needs Linux, where a process can be given a network of its own")
	os.Exit(1)
}
