package gateway

import (
	"net/netip"
	"sync"
	"time"

	"sekisho/internal/audit"
)

// How full the spool is, in its sixteenths, from which on a client's records cost it time. Storing yields to traffic until
// the spool is half full, so that much is no sign of trouble. All chosen.
const (
	scarce   = 10 // refusals are slower, and what is permitted is paced, too
	reserved = 12 // what is left is for what is permitted: refusals in numbers are recorded together
	last     = 14 // refusals of all clients share one record, because thousands of clients would fill the rest with one each
)

const (
	// refusalBurst is how many seconds' worth of refusals come at once without delay (chosen: an office that starts its day
	// with software that nobody permitted).
	refusalBurst = 10
	// mostDelay bounds the delay of one refusal (chosen: within what clients wait for an answer). Beyond it a client is
	// slowed by how many connections it may hold.
	mostDelay = 10 * time.Second
	// pacedClients bounds the table of clients that were refused something of late (chosen). Those beyond it share a pace.
	pacedClients = 4_096

	// foldEvery is how long refusals are counted before their one record is written (chosen: a report lags by as much).
	foldEvery = 10 * time.Second
	// foldedClients bounds the counts that are kept at once (chosen). Clients beyond them share a count.
	foldedClients = 256
	// clientRecords and allRecords are how many refusals a second keep a record of their own while the rest of the spool is
	// reserved, of one client and of all; recordBurst is how many seconds' worth come at once (chosen: somebody who tries a
	// page finds it in the report, and a thousand clients need an hour for a 64th of the usual spool).
	clientRecords = 1
	allRecords    = 10
	recordBurst   = 20
)

// pacer slows down whoever causes records faster than they can be kept, so that the spool never fills by the refusals of
// one client, or of many, and sign-in goes on for the others. Nothing of it is felt below Limits.PerClientRefusals.
type pacer struct {
	rate   float64       // Limits.PerClientRefusals
	ending chan struct{} // closed: nobody waits any more

	mu      sync.Mutex
	clients map[netip.Prefix]*pace
	others  pace // of clients that have no place in the table
	swept   time.Time
	records bucket // of all clients
	folding int    // clients of the table with a count
	ended   bool
	writing sync.WaitGroup // records of counts
}

// pace is what one client has caused of late.
type pace struct {
	refusals, traffic, records bucket
	folded                     int
	first                      audit.Record // of those that folded counts
	timer                      *time.Timer
}

func newPacer(lim *Limits) *pacer {
	return &pacer{rate: float64(lim.PerClientRefusals), ending: make(chan struct{}), clients: map[netip.Prefix]*pace{}}
}

// bucket holds tokens that come back with time. The zero value is full.
type bucket struct {
	tokens float64
	at     time.Time // monotonic: a clock that is set changes nothing
}

// take takes a token and returns what is left, less than zero for a debt; a debt does not grow beyond most.
func (b *bucket) take(now time.Time, rate, burst, most float64) float64 {
	if b.at.IsZero() {
		b.tokens = burst
	} else {
		b.tokens = min(burst, b.tokens+rate*now.Sub(b.at).Seconds())
	}
	b.at = now
	if b.tokens-1 < -most {
		return -most
	}
	b.tokens--
	return b.tokens
}

// of returns the pace of client. The caller holds p.mu. Addresses of IPv6 are told apart by their first 64 bits: whoever
// has one of a network has them all (RFC 4291, section 2.5.1).
func (p *pacer) of(client netip.Addr, now time.Time) *pace {
	bits := client.BitLen()
	if client.Is6() {
		bits = 64
	}
	key, _ := client.Prefix(bits)
	if c := p.clients[key]; c != nil {
		return c
	}
	if len(p.clients) >= pacedClients {
		if now.Sub(p.swept) < 100*time.Millisecond { // looking through the table has a price of its own
			return &p.others
		}
		p.swept = now
		for k, c := range p.clients {
			if c.folded == 0 && c.settled(now, p.rate) {
				delete(p.clients, k)
			}
		}
		if len(p.clients) >= pacedClients {
			return &p.others
		}
	}
	c := new(pace)
	p.clients[key] = c
	return c
}

// settled reports whether forgetting c gives its client nothing.
func (c *pace) settled(now time.Time, rate float64) bool {
	full := func(b *bucket, rate, burst float64) bool {
		return b.at.IsZero() || b.tokens+rate*now.Sub(b.at).Seconds() >= burst
	}
	return full(&c.refusals, rate/20, rate*refusalBurst) && full(&c.traffic, rate, rate) &&
		full(&c.records, clientRecords, clientRecords*recordBurst)
}

// refusal is how long the next refusal of client waits for its answer.
func (p *pacer) refusal(client netip.Addr, filled int) time.Duration {
	rate, burst := p.rate, p.rate*refusalBurst
	if filled >= scarce {
		rate, burst = p.rate/20, p.rate/10
	}
	return p.delay(client, rate, burst, func(c *pace) *bucket { return &c.refusals })
}

// permit is how long the next permitted request of client that leaves a record waits. While there is room it is not asked.
func (p *pacer) permit(client netip.Addr, filled int) time.Duration {
	if filled < scarce {
		return 0
	}
	return p.delay(client, p.rate, p.rate, func(c *pace) *bucket { return &c.traffic })
}

func (p *pacer) delay(client netip.Addr, rate, burst float64, which func(*pace) *bucket) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	left := which(p.of(client, now)).take(now, rate, burst, rate*mostDelay.Seconds())
	return time.Duration(max(0, -left) / rate * float64(time.Second))
}

// wait waits for d, or until the gateway ends.
func (p *pacer) wait(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-p.ending:
	}
}

// fold counts a refusal that must not take what is left of the spool; it reports false for one that keeps a record of its
// own. write is called later with the record that stands for all that were counted, the first of them.
func (p *pacer) fold(client netip.Addr, filled int, record func() audit.Record, write func(audit.Record)) bool {
	if filled < reserved {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return false
	}
	now := time.Now()
	c := p.of(client, now)
	if filled >= last && c.folded == 0 {
		c = &p.others
	} else if c.folded == 0 && c.records.take(now, clientRecords, clientRecords*recordBurst, 0) > 0 &&
		p.records.take(now, allRecords, allRecords*recordBurst, 0) > 0 {
		return false
	}
	if c != &p.others && c.folded == 0 {
		if p.folding >= foldedClients {
			c = &p.others
		} else {
			p.folding++
		}
	}
	if c.folded++; c.folded == 1 {
		c.first = record()
		if c == &p.others {
			c.first.Client = "" // they are many
		}
		c.timer = time.AfterFunc(foldEvery, func() { p.unfold(c, write) })
	}
	return true
}

// unfold writes the record of what c counted.
func (p *pacer) unfold(c *pace, write func(audit.Record)) {
	p.mu.Lock()
	if c.folded == 0 || p.ended {
		p.mu.Unlock()
		return
	}
	r := p.counted(c)
	p.writing.Add(1)
	p.mu.Unlock()
	defer p.writing.Done()
	write(r)
}

// counted takes the record of c. The caller holds p.mu.
func (p *pacer) counted(c *pace) audit.Record {
	r := c.first
	r.Error = audit.Folded(c.folded)
	c.folded, c.first = 0, audit.Record{}
	c.timer.Stop()
	if c != &p.others {
		p.folding--
	}
	return r
}

// hurry ends every wait.
func (p *pacer) hurry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.ending:
	default:
		close(p.ending)
	}
}

// end writes the counts that are left. Nobody is refused any more.
func (p *pacer) end(write func(audit.Record)) {
	p.mu.Lock()
	p.ended = true
	var left []audit.Record
	for _, c := range p.clients {
		if c.folded > 0 {
			left = append(left, p.counted(c))
		}
	}
	if p.others.folded > 0 {
		left = append(left, p.counted(&p.others))
	}
	p.mu.Unlock()
	p.writing.Wait()
	for _, r := range left {
		write(r)
	}
}

// pace delays what is refused to a client that is refused much, before it is told: its record takes room that others
// need. It does so once for a request. What was opened has its record.
func (r *request) pace() {
	g := r.c.g
	if r.paced || g.rec == nil || r.opened != (audit.Opened{}) || !r.recorded() {
		return
	}
	r.paced = true
	if !r.failed() { // a document of our own
		r.pacePermit()
		return
	}
	if d := g.pacer.refusal(r.c.client, g.rec.Filled()); d > 0 {
		g.metrics.Count(EventPaced)
		g.pacer.wait(d)
	}
}

// pacePermit delays what is permitted and leaves a record, while there is little room for records.
func (r *request) pacePermit() {
	g := r.c.g
	if g.rec == nil {
		return
	}
	if d := g.pacer.permit(r.c.client, g.rec.Filled()); d > 0 {
		g.metrics.Count(EventPaced)
		g.pacer.wait(d)
	}
}

// finish records the end of r, or counts it.
func (r *request) finish(took time.Duration) {
	g := r.c.g
	if r.opened == (audit.Opened{}) && r.failed() &&
		g.pacer.fold(r.c.client, g.rec.Filled(), func() audit.Record { return r.record(audit.Decision, took) }, g.rec.Record) {
		g.metrics.Count(EventFolded)
		return
	}
	g.rec.Finish(r.opened, r.record(audit.Decision, took))
}
