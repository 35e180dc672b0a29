package node

import (
	"context"
	"runtime/debug"
	measure "runtime/metrics"
	"time"
)

const (
	tidyEvery = time.Second
	// tidyCalm is the rate of allocation, in bytes a second, below which the process counts as calm (chosen: some dozen
	// requests).
	tidyCalm = 1 << 20
	// tidyWorth is what must have been allocated since the last time (chosen: a collection costs some 20 ms of processor
	// time, and nobody waits for it).
	tidyWorth = 4 << 20
)

// tidy gives memory back to the system when it is calm after work, until ctx ends. The runtime collects when the heap has
// doubled, and a gateway on which thousands of connections wait allocates next to nothing: what opening them left behind
// would stay for minutes.
func tidy(ctx context.Context) {
	sample := []measure.Sample{{Name: "/gc/heap/allocs:bytes"}}
	allocated := func() uint64 {
		measure.Read(sample)
		return sample[0].Value.Uint64()
	}
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	last, done := allocated(), uint64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := allocated()
		if now-last < tidyCalm && now-done >= tidyWorth {
			debug.FreeOSMemory()
			now = allocated()
			done = now
		}
		last = now
	}
}
