//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"sekisho/test/peer"
)

// row is one kind of work.
type row struct {
	id, title, unit string
	goal            goal
	task            task
	n               int // operations of one round in a full run
	kind            kind
}

type kind int

const (
	costs kind = iota // processor time per operation
	waits             // latency beside the direct way
	holds             // memory and descriptors of waiting connections
)

// goal is what Sekisho must not exceed: a multiple of another peer's figure, or a figure.
type goal struct {
	times float64
	of    string
	most  float64
}

const (
	relayPeer, reversePeer = "relay", "reverseproxy"
	sekisho, before        = "sekisho", "before"
	idleTunnel             = "idle-tunnel"
)

// peerNames is the order of the columns.
var peerNames = []string{sekisho, before, relayPeer, reversePeer, "goproxy", "squid", "haproxy"}

// can says which peers can do what.
func can(name string, r *row) bool {
	switch name {
	case relayPeer:
		return r.task.Host == tunnelHost && r.task.First < 0
	case reversePeer:
		return r.task.Host != tunnelHost || r.task.First >= 0
	case "haproxy": // knows no CONNECT, and mints no leaves
		return r.task.Host == signInHost
	}
	return true
}

// The goals of h1 and h2 were 39 and 50 µs where ReverseProxy took 60 and 67: as ratios they hold on any machine.
//
// Numbers of operations are chosen so that a round takes some tenths of a second of processor time; connections at once
// (16) so that no proxy on two processors is ever without work.
func rows() []row {
	const gib = 1 << 30
	return []row{
		{id: "tunnel", title: "tunnel set-up", unit: "CPU µs", goal: goal{times: 1.1, of: relayPeer}, n: 3000,
			task: task{Op: "tunnel", Host: tunnelHost, First: -1, Conns: 16}},
		{id: "bulk", title: "tunnel bulk, TLS inside", unit: "CPU s/GiB", goal: goal{times: 1.05, of: relayPeer}, n: 8,
			task: task{Op: "bulk", Host: tunnelHost, First: -1, Conns: 2, Bytes: gib / 8}},
		{id: "h1", title: "intercepted request, kept h1", unit: "CPU µs", goal: goal{times: 0.65, of: reversePeer}, n: 20000,
			task: task{Op: "h1", Host: signInHost, First: -1, Conns: 16}},
		{id: "h2", title: "intercepted request, h2", unit: "CPU µs", goal: goal{times: 0.75, of: reversePeer}, n: 20000,
			task: task{Op: "h2", Host: signInHost, First: -1, Conns: 16}},
		{id: "cached", title: "new intercepted conn., leaf cached", unit: "CPU µs", goal: goal{times: 1.1, of: reversePeer}, n: 1000,
			task: task{Op: "connect", Host: signInHost, First: -1, Conns: 16}},
		{id: "fresh", title: "new intercepted conn., fresh name", unit: "CPU µs", goal: goal{times: 1.0, of: reversePeer}, n: 500,
			task: task{Op: "connect", Host: tunnelHost, First: 0, Conns: 16}},
		{id: "latency", title: "added latency, p50", unit: "ms", goal: goal{most: 0.20}, n: 4000, kind: waits,
			task: task{Op: "h1", Host: signInHost, First: -1, Conns: 1}},
		{id: idleTunnel, title: "idle tunnel", unit: "KiB", goal: goal{most: 8}, n: 1500, kind: holds,
			task: task{Op: "hold", Host: tunnelHost, First: -1, Conns: 16}},
		{id: idleTunnel + "-fds", title: "idle tunnel", unit: "descriptors", goal: goal{most: 2}, kind: holds,
			task: task{Host: tunnelHost, First: -1}},
		{id: "idle-intercepted", title: "idle intercepted connection", unit: "KiB", goal: goal{most: 25}, n: 1500, kind: holds,
			task: task{Op: "hold", Host: signInHost, First: -1, Conns: 16}},
	}
}

func rowIDs() []string {
	var out []string
	for _, r := range rows() {
		out = append(out, r.id)
	}
	return out
}

// cell is what one peer did in one row.
type cell struct {
	Rounds []float64 // a figure for each round
	Note   string    // why there is none, or what it lacks
	Later  float64   // processor time in µs for each operation that came after the rounds, to store the records
}

func (c *cell) min() float64    { return slices.Min(c.Rounds) }
func (c *cell) median() float64 { s := slices.Sorted(slices.Values(c.Rounds)); return s[len(s)/2] }

// run is one whole measurement.
type run struct {
	o       *options
	w       *surroundings
	rows    []row
	running map[string]*running
	cells   map[string]map[string]*cell // row id, peer
	fresh   int                         // names used up
	until   time.Time                   // when the row begins no more rounds, beyond enoughRounds; zero: never
	started int                         // instances, for their folders and ports
	version map[string]string
}

// running is a started peer and what a client must know of it.
type running struct {
	*peer.Process
	roots []string // that vouch for what it shows
	plain bool
}

// inside is the life of the process in the namespace.
func inside(o *options) error {
	if o.Profile != "" {
		if err := os.Setenv("SEKISHO_BENCH_PROFILE", o.Profile); err != nil { // see profiler
			return err
		}
	}
	w, err := surround(o.Dir)
	if err != nil {
		return err
	}
	defer w.close()
	r := &run{o: o, w: w, running: map[string]*running{}, cells: map[string]map[string]*cell{}, version: map[string]string{}}
	for _, one := range rows() {
		// The two rows on idle tunnels are measured together.
		if want := splitList(o.Rows); len(want) == 0 || contains(want, one.id) || one.n == 0 && contains(want, idleTunnel) {
			r.rows = append(r.rows, one)
			r.cells[one.id] = map[string]*cell{}
		}
	}
	for _, name := range peerNames {
		if !r.wanted(name) {
			continue
		}
		p, err := r.start(name)
		if peer.IsMissing(err) {
			o.Missing = append(o.Missing, name+": "+err.Error())
			continue
		}
		if err != nil {
			return err
		}
		defer p.Stop()
		r.running[name] = p
	}
	begun := time.Now()
	for i := range r.rows {
		// What a row does not need is there for the next ones.
		if left := o.Limit - time.Since(begun); o.Limit > 0 {
			r.until = time.Now().Add(left / time.Duration(len(r.rows)-i))
		}
		if err := r.measure(&r.rows[i]); err != nil {
			return err
		}
	}
	return r.print(os.Stdout)
}

func (r *run) wanted(name string) bool {
	if name == before {
		return r.o.Before != ""
	}
	want := splitList(r.o.Peers)
	return len(want) == 0 || contains(want, name)
}

// enoughRounds are done however long they take: one alone shows no spread.
const enoughRounds = 2

// measure does all rounds of one row.
func (r *run) measure(one *row) error {
	if one.kind == holds {
		return r.hold(one)
	}
	n := max(1, one.n/r.share())
	all := map[string]*whole{} // of those that store records
	for _, name := range peerNames {
		if p := r.running[name]; p != nil && can(name, one) {
			r.cells[one.id][name] = &cell{}
			if name == sekisho || name == before {
				start, err := cpu(p.PID())
				if err != nil {
					return err
				}
				all[name] = &whole{start: start}
			}
			spent, answer, err := r.once(p, one, max(1, n/5)) // warm-up
			if err != nil {
				r.cells[one.id][name].Note = err.Error()
			}
			all[name].add(spent, answer.Ops)
		}
	}
	r.profile(r.running[sekisho], one, false)
	defer r.profile(r.running[sekisho], one, true)
	for round := range r.o.Rounds {
		if round >= enoughRounds && !r.until.IsZero() && time.Now().After(r.until) {
			fmt.Fprintf(os.Stderr, "%s: %d rounds of %d, for want of time (-limit)\n", one.id, round, r.o.Rounds)
			break
		}
		var direct time.Duration
		if one.kind == waits {
			t := one.task
			t.N, t.Roots = n, []string{r.w.originCA}
			answer, err := r.w.do(t)
			if err != nil {
				return err
			}
			direct = answer.P50
		}
		// Each round begins with another peer, so that none is always measured after the same one.
		for i := range peerNames {
			name := peerNames[(i+round)%len(peerNames)]
			c := r.cells[one.id][name]
			if c == nil || c.Note != "" {
				continue
			}
			spent, answer, err := r.once(r.running[name], one, n)
			all[name].add(spent, answer.Ops)
			switch {
			case err != nil:
				c.Note = err.Error()
			case answer.Detail != "":
				c.Note = answer.Detail
			case one.kind == waits:
				c.Rounds = append(c.Rounds, (answer.P50-direct).Seconds()*1e3)
			case one.task.Bytes > 0:
				c.Rounds = append(c.Rounds, spent.Seconds()/(float64(one.task.Bytes)*float64(answer.Ops)/(1<<30)))
			default:
				c.Rounds = append(c.Rounds, spent.Seconds()*1e6/float64(answer.Ops))
			}
		}
	}
	return r.settle(one, all)
}

// whole is what a peer did in all rounds of a row.
type whole struct {
	start, spent time.Duration // its clock before the first; what the rounds took
	operations   int
}

func (w *whole) add(spent time.Duration, operations int) {
	if w != nil {
		w.spent, w.operations = w.spent+spent, w.operations+operations
	}
}

// settleLimit is how long settle waits (chosen: many times what a full run's records take).
const settleLimit = 2 * time.Minute

// settle waits until Sekisho has stored every record, which it puts off while it is busy, so that it is not charged to the
// next row, and notes what that cost beside the rounds.
func (r *run) settle(one *row, all map[string]*whole) error {
	for name, w := range all {
		p, c := r.running[name], r.cells[one.id][name]
		for until := time.Now().Add(settleLimit); ; time.Sleep(100 * time.Millisecond) {
			waiting, err := peer.Unstored(p.Process)
			if err != nil {
				return err
			}
			if waiting == 0 {
				break
			}
			if time.Now().After(until) {
				return fmt.Errorf("%s has %d records left to store after %v", name, waiting, settleLimit)
			}
		}
		end, err := cpu(p.PID())
		if err != nil {
			return err
		}
		if w.operations > 0 && one.task.Bytes == 0 {
			c.Later = (end - w.start - w.spent).Seconds() * 1e6 / float64(w.operations)
		}
	}
	return nil
}

// share is the part of a full run's operations that is done.
func (r *run) share() int {
	switch {
	case r.o.Tiny:
		return 100
	case r.o.Quick:
		return 5
	}
	return 1
}

// once has the client work through p and returns what that cost p. What the policy asks for must have arrived: a
// figure of a proxy that sent requests without their headers would say nothing.
func (r *run) once(p *running, one *row, n int) (time.Duration, result, error) {
	t := one.task
	t.Proxy, t.Plain, t.Roots, t.N = p.Addr, p.plain, append(p.roots[:len(p.roots):len(p.roots)], r.w.originCA), n
	t.Conns = min(t.Conns, n)
	if t.First >= 0 {
		t.First = r.fresh
		if r.fresh += n; r.fresh > freshNames {
			return 0, result{}, errors.New("no fresh names are left")
		}
	}
	was, err := r.w.counts()
	if err != nil {
		return 0, result{}, err
	}
	start, err := cpu(p.PID())
	if err != nil {
		return 0, result{}, err
	}
	answer, err := r.w.do(t)
	if err != nil || answer.Detail != "" {
		return 0, answer, err
	}
	if !r.o.Tiny {
		time.Sleep(100 * time.Millisecond) // what ends late counts too
	}
	end, err := cpu(p.PID())
	if err != nil {
		return 0, answer, err
	}
	is, err := r.w.counts()
	if err != nil {
		return 0, answer, err
	}
	if t.Host == signInHost && is.Exact-was.Exact != int64(answer.Ops) {
		return 0, answer, fmt.Errorf("passes %d of %d requests without the headers", int64(answer.Ops)-is.Exact+was.Exact, answer.Ops)
	}
	if is.Leaking != was.Leaking {
		return 0, answer, fmt.Errorf("leaks the headers to %d other requests", is.Leaking-was.Leaking)
	}
	return end - start, answer, nil
}

// hold measures what N waiting connections take, on processes started for it: one that has worked has memory to spare.
// The peers wait together, which costs nobody anything.
func (r *run) hold(one *row) error {
	if one.n == 0 {
		return nil // filled together with the row before
	}
	fds := r.cells[one.id+"-fds"]
	n := max(1, min(one.n/r.share(), connections()))
	settle := 3 * time.Second // above the second after which timers and flushes have run, and pipes were given back
	if r.o.Tiny {
		settle = 200 * time.Millisecond
	}
	type held struct {
		p      *running
		c      *cell
		memory int64
		open   int
	}
	waiting := map[string]*held{}
	var fail error
	// step does the same with each that has not failed.
	step := func(do func(*held) error) {
		for _, name := range peerNames {
			if h := waiting[name]; h != nil && h.c.Note == "" {
				if err := do(h); err != nil {
					h.c.Note = err.Error()
				}
			}
		}
	}
	for _, name := range peerNames {
		if r.running[name] == nil || !can(name, one) {
			continue
		}
		p, err := r.start(name)
		if err != nil {
			return err
		}
		defer p.Stop()
		waiting[name] = &held{p: p, c: &cell{}}
		r.cells[one.id][name] = waiting[name].c
	}
	step(func(h *held) error { // warm-up
		_, _, err := r.once(h.p, one, min(n, 50))
		return err
	})
	if _, fail = r.w.do(task{Op: "drop"}); fail != nil {
		return fail
	}
	time.Sleep(settle)
	step(func(h *held) (err error) {
		h.open = descriptors(h.p.PID())
		h.memory, err = memory(h.p.PID())
		return err
	})
	step(func(h *held) error {
		_, _, err := r.once(h.p, one, n)
		return err
	})
	time.Sleep(settle)
	step(func(h *held) error {
		is, err := memory(h.p.PID())
		h.c.Rounds = []float64{float64(is-h.memory) / 1024 / float64(n)}
		return err
	})
	if h := waiting[sekisho]; h != nil {
		r.profile(h.p, one, false)
		r.profile(h.p, one, true)
	}
	if fds != nil {
		for name, h := range waiting {
			fds[name] = &cell{Note: h.c.Note}
			if h.c.Note == "" {
				fds[name].Rounds = []float64{float64(descriptors(h.p.PID())-h.open) / float64(n)}
			}
		}
	}
	_, fail = r.w.do(task{Op: "drop"})
	return fail
}

// start runs a peer in a folder and on a port of its own.
func (r *run) start(name string) (*running, error) {
	r.started++
	s := peer.Setup{
		Dir: filepath.Join(r.o.Dir, fmt.Sprintf("%s-%d", name, r.started)), Port: 3100 + 2*r.started,
		IssuerCert: r.w.issuerCert, IssuerKey: r.w.issuerKey, Trust: r.w.originCA, Leaf: r.w.leaf,
		Origin: signInAddr + ":443", SignIn: signInHosts, Inspect: []string{freshZone},
		Tenants: tenants, Context: directory,
	}
	p := &running{roots: []string{r.w.issuerCert}}
	var err error
	switch name {
	case sekisho:
		p.Process, err = peer.Sekisho(r.o.Sekisho, s)
	case before:
		p.Process, err = peer.Sekisho(r.o.Before, s)
	case relayPeer, reversePeer:
		p.Process, err = peer.Plain(r.o.Plain, name, s)
	case "goproxy":
		p.Process, err = peer.Goproxy(r.o.Goproxy, s)
	case "squid":
		p.Process, err = peer.Squid(s)
	case "haproxy":
		p.plain = true
		p.Process, err = peer.HAProxy(s)
	}
	if err != nil {
		return nil, err
	}
	if p.Root != "" {
		p.roots = []string{p.Root}
	}
	r.version[name] = p.Version
	return p, nil
}
