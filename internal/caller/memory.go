package caller

import (
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"
)

// mostRemembered bounds the verified credentials kept (chosen: 4096 people a minute on one gateway).
const mostRemembered = 4096

// memory remembers verified credentials. The zero value is empty and usable.
type memory struct {
	mu      sync.Mutex
	entries map[[sha256.Size]byte]remembered
}

type remembered struct {
	user  *user
	until time.Time
}

// get returns the user that key stands for, or nil.
func (m *memory) get(key [sha256.Size]byte, now time.Time) *user {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.entries[key]
	if !ok || !now.Before(e.until) {
		return nil
	}
	return e.user
}

// put remembers u until then. When the memory is full it forgets what is over, and failing that one entry in sixteen,
// whichever, which costs those people one more check.
func (m *memory) put(key [sha256.Size]byte, u *user, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.entries == nil {
		m.entries = map[[sha256.Size]byte]remembered{}
	}
	if len(m.entries) >= mostRemembered {
		now := until.Add(-rememberFor)
		for k, e := range m.entries {
			if !now.Before(e.until) {
				delete(m.entries, k)
			}
		}
		for k := range m.entries {
			if len(m.entries) <= mostRemembered-mostRemembered/16 {
				break
			}
			delete(m.entries, k)
		}
	}
	m.entries[key] = remembered{u, until}
}

const (
	// freeFailures an address has before it is slowed (chosen: a person mistypes a few times).
	freeFailures = 5
	// firstPause is what the first failure beyond them costs; each further one doubles it up to mostPause.
	firstPause = 200 * time.Millisecond
	mostPause  = 2 * time.Second
	// longestWait bounds the queue of one address: who would have to wait longer is refused without a check.
	longestWait = 5 * time.Second
	// forgetAfter is how long it takes until one failure is forgotten.
	forgetAfter = 10 * time.Second
	// mostFailures bounds what an address must atone for (chosen: ten minutes).
	mostFailures = 60
	// mostPlaces bounds the addresses kept.
	mostPlaces = 4096
)

// throttle slows addresses whose credentials are wrong.
type throttle struct {
	now   func() time.Time
	sleep func(time.Duration)

	mu     sync.Mutex
	places map[netip.Prefix]*failures
}

// failures of one address.
type failures struct {
	count int
	since time.Time // count was right then; one less for every forgetAfter since
	next  time.Time // when the next check may begin
}

// place is what counts as one client: an IPv4 address, or an IPv6 /64, which one machine may walk through at will.
func place(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}

// turn returns how long a check for p has to wait, and reserves that time for it. A place that is slowed already has
// the check counted as failed right away (counted is true), so that those in the queue lengthen it; forgive takes that
// back. A wait longer than longestWait means that the check must be refused; nothing is reserved or counted then.
func (t *throttle) turn(p netip.Prefix) (wait time.Duration, counted bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	f := t.places[p]
	if f == nil {
		return 0, false
	}
	f.decay(now)
	if f.count < freeFailures {
		return 0, false
	}
	start := now
	if f.next.After(now) {
		start = f.next
	}
	if wait = start.Sub(now); wait > longestWait {
		return wait, false
	}
	f.next = start.Add(pause(f.count))
	f.count = min(f.count+1, mostFailures)
	return wait, true
}

// failed counts one wrong password. Nothing but time takes it back: one right password does not buy a hundred guesses
// at another's.
func (t *throttle) failed(p netip.Prefix) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.at(p, t.now())
	f.count = min(f.count+1, mostFailures)
}

// forgive takes back what turn counted for a password that was right.
func (t *throttle) forgive(p netip.Prefix) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f := t.places[p]; f != nil && f.count > 0 {
		f.count--
	}
}

// pause is the time between two checks after count failures.
func pause(count int) time.Duration {
	d := firstPause
	for range count - freeFailures {
		if d *= 2; d >= mostPause {
			return mostPause
		}
	}
	return d
}

// at returns the failures of p as of now.
func (t *throttle) at(p netip.Prefix, now time.Time) *failures {
	if t.places == nil {
		t.places = map[netip.Prefix]*failures{}
	}
	if f := t.places[p]; f != nil {
		f.decay(now)
		return f
	}
	if len(t.places) >= mostPlaces {
		t.makeRoom(now)
	}
	f := &failures{since: now}
	t.places[p] = f
	return f
}

func (f *failures) decay(now time.Time) {
	n := int(now.Sub(f.since) / forgetAfter)
	if n <= 0 {
		return
	}
	f.count = max(f.count-n, 0)
	f.since = f.since.Add(time.Duration(n) * forgetAfter)
}

// makeRoom forgets the places without failures, and failing that those with the fewest.
func (t *throttle) makeRoom(now time.Time) {
	fewest := mostFailures
	for _, f := range t.places {
		f.decay(now)
		fewest = min(fewest, f.count)
	}
	for p, f := range t.places {
		if f.count <= fewest {
			delete(t.places, p)
		}
	}
}
