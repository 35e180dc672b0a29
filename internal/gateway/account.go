package gateway

import (
	"sync/atomic"
	"time"

	"sekisho/internal/gateway/refusal"
)

// account is what one client address holds of the gateway, on all its connections together, so that nobody takes what
// others need.
type account struct {
	connections int       // guarded by Gateway.mu
	told        time.Time // when a connection turned away was last recorded; guarded by Gateway.mu
	streams     atomic.Int64
	bodies      atomic.Int64 // bytes
}

// tellEvery bounds the records of connections that are turned away (chosen: a flood of them must not fill the spool).
const tellEvery = time.Second

// tell reports whether a connection that is turned away leaves a record. All of them are counted.
func (a *account) tell() bool {
	if time.Since(a.told) < tellEvery {
		return false
	}
	a.told = time.Now()
	return true
}

// takeStream counts a request by HTTP/2; giveStream follows, whatever it returns.
func (a *account) takeStream(lim *Limits) *fault {
	if a.streams.Add(1) > int64(lim.PerClientStreams) {
		return &fault{reason: refusal.Busy, detail: "streams", deny: true}
	}
	return nil
}

func (a *account) giveStream() { a.streams.Add(-1) }

// takeBody counts n bytes of a body that is held; giveBody gives back what was taken.
func (a *account) takeBody(n int, lim *Limits) *fault {
	if a.bodies.Add(int64(n)) > lim.PerClientBodies {
		a.bodies.Add(int64(-n))
		return &fault{reason: refusal.Busy, detail: "bodies", deny: true}
	}
	return nil
}

func (a *account) giveBody(n int) {
	if n > 0 {
		a.bodies.Add(int64(-n))
	}
}
