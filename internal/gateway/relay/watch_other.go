//go:build !linux

package relay

import (
	"net"
	"time"
)

// Watch parks nothing outside Linux: each silent connection keeps its goroutines.
type Watch struct{}

// Waiter is what would be parked.
type Waiter interface {
	Ready()
	Left() time.Duration
}

// NewWatch returns nil.
func NewWatch() *Watch { return nil }

// Park always answers 0: c cannot be parked.
func (w *Watch) Park(net.Conn, Waiter) (id uint64) { return 0 }

// Wake does nothing.
func (w *Watch) Wake(uint64) {}

// Parked returns 0.
func (w *Watch) Parked() int { return 0 }

// Close does nothing.
func (w *Watch) Close() {}
