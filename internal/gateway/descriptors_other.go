//go:build !unix

package gateway

// Descriptors is how many descriptors the process may have. Outside Unix nothing bounds them but memory.
func Descriptors() int { return 1 << 20 }
