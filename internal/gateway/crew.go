package gateway

import (
	"sync"
	"sync/atomic"
	"time"
)

// crew lends goroutines to connections and to streams of HTTP/2. A new goroutine's stack grows anew, by copying, on the way
// down to TLS and back; those of the crew have grown already. Obtain it from newCrew.
type crew struct {
	jobs chan *job
	idle atomic.Int64  // who wait
	over chan struct{} // closed when nobody is to wait for another job
	once sync.Once
}

// crewMost is how many goroutines wait at most (chosen: what comes at once on a busy day; their stacks are some MiB).
const crewMost = 256

func newCrew() *crew { return &crew{jobs: make(chan *job), over: make(chan struct{})} }

// end lets those go who wait. What runs finishes, and do works on.
func (c *crew) end() { c.once.Do(func() { close(c.over) }) }

type job struct {
	do    func()
	abort bool
	done  chan struct{} // nil: nobody waits
}

// crewIdle is how long a goroutine waits for its next job (chosen: what is busy asks again within it, as in parkAfter).
const crewIdle = time.Second

// do runs f and reports whether it ended in a panic: the stream has to be reset then.
func (c *crew) do(f func()) (abort bool) {
	j := &job{do: f, done: make(chan struct{})}
	select {
	case c.jobs <- j:
	default:
		go c.work(j) // ends when it has been idle, or with the crew
	}
	<-j.done
	return j.abort
}

// start runs f, which ends in no panic, and does not wait for it.
func (c *crew) start(f func()) {
	j := &job{do: f}
	select {
	case c.jobs <- j:
	default:
		go c.work(j) // ends as in do
	}
}

func (c *crew) work(j *job) {
	idle := time.NewTimer(crewIdle)
	defer idle.Stop()
	for {
		j.run()
		if c.idle.Add(1) > crewMost {
			c.idle.Add(-1)
			return
		}
		idle.Reset(crewIdle)
		ends := false
		select {
		case j = <-c.jobs:
		case <-idle.C:
			ends = true
		case <-c.over:
			ends = true
		}
		c.idle.Add(-1)
		if ends {
			return
		}
	}
}

func (j *job) run() {
	if j.done == nil {
		j.do()
		return
	}
	defer close(j.done)
	defer func() { j.abort = recover() != nil }()
	j.do()
}
