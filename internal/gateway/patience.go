package gateway

import (
	"sync"
	"sync/atomic"
	"time"
)

// patience bounds a wait that has no deadline of its own: when what was started is not stopped within limit, cut is
// called, once, which makes the wait end. start and stop belong to one goroutine at a time.
type patience struct {
	limit time.Duration
	cut   func()

	timer *time.Timer
	spent atomic.Bool
	mu    sync.Mutex
	over  bool
}

func (p *patience) start() {
	if p.timer == nil {
		p.timer = time.AfterFunc(p.limit, p.expire)
		return
	}
	p.timer.Reset(p.limit)
}

// stop reports whether patience was spent.
func (p *patience) stop() bool {
	p.timer.Stop()
	return p.spent.Load()
}

func (p *patience) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over && !p.spent.Swap(true) {
		p.cut()
	}
}

// end makes sure that cut is not called any more: what it would touch goes away.
func (p *patience) end() {
	if p.timer == nil {
		return
	}
	p.timer.Stop()
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
}
