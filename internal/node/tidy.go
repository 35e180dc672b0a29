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
	// heapRoom is what the heap may grow by between two collections while it is small (chosen: a gateway of some hundred
	// connections lives on 12 MiB, and would collect after each dozen more, a twentieth of what a request costs). A heap
	// above it doubles, as the runtime has it.
	heapRoom = 48 << 20
	// heapMost bounds the percentage that comes of it (chosen).
	heapMost = 400
	// tidyBusy is the rate of allocation, in bytes a second, from which the process counts as busy, and tidyBusyFor how long
	// it does after the last such second (chosen: some thousand requests a second, and a pause of theirs). Only then is the
	// room worth what it costs: what lives on lies further apart.
	tidyBusy    = 16 << 20
	tidyBusyFor = 30 * time.Second
)

// tidy gives memory back to the system when it is calm after work, until ctx ends. The runtime collects when the heap has
// doubled, and a gateway on which thousands of connections wait allocates next to nothing: what opening them left behind
// would stay for minutes. While it is busy, a small heap is given heapRoom, unless the environment says by GOGC what to do.
func tidy(ctx context.Context) {
	percent := debug.SetGCPercent(100) // the only way to read it
	set := percent
	debug.SetGCPercent(percent)
	if percent == 100 {
		defer func() { debug.SetGCPercent(percent) }()
	}
	sample := []measure.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	allocated := func() uint64 {
		measure.Read(sample)
		return sample[0].Value.Uint64()
	}
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	last, done := allocated(), uint64(0)
	var busy time.Time // when it last was
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
		if now-last >= tidyBusy {
			busy = time.Now()
		}
		last = now
		want := 100
		if !busy.IsZero() && time.Since(busy) < tidyBusyFor {
			want = heapPercent(sample[1].Value.Uint64())
		}
		if percent == 100 && (10*want < 9*set || 10*set < 9*want) {
			debug.SetGCPercent(want)
			set = want
		}
	}
}

// heapPercent is by how much a heap of which so many bytes are in use may grow until the next collection.
func heapPercent(live uint64) int {
	if live == 0 { // none yet
		return 100
	}
	return int(min(max(100*heapRoom/live, 100), heapMost))
}
