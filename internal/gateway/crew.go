package gateway

import (
	"sync"
	"time"
)

// crew lends goroutines to streams of HTTP/2. The server makes a goroutine for each stream, whose stack grows anew, by
// copying, on the way down to TLS and back; those of the crew have grown already. Obtain it from newCrew.
type crew struct {
	jobs chan *job
	over chan struct{} // closed when nobody is to wait for another stream
	once sync.Once
}

func newCrew() *crew { return &crew{jobs: make(chan *job), over: make(chan struct{})} }

// end lets those go who wait. What runs finishes, and do works on.
func (c *crew) end() { c.once.Do(func() { close(c.over) }) }

type job struct {
	do    func()
	abort bool
	done  chan struct{}
}

// crewIdle is how long a goroutine waits for its next stream (chosen: as long as pages take to load).
const crewIdle = 5 * time.Second

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

func (c *crew) work(j *job) {
	idle := time.NewTimer(crewIdle)
	defer idle.Stop()
	for {
		j.run()
		idle.Reset(crewIdle)
		select {
		case j = <-c.jobs:
		case <-idle.C:
			return
		case <-c.over:
			return
		}
	}
}

func (j *job) run() {
	defer close(j.done)
	defer func() { j.abort = recover() != nil }()
	j.do()
}
