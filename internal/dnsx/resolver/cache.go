package resolver

import (
	"net/netip"
	"sync"
	"time"

	"sekisho/internal/endpoint"
)

const (
	// mostTTL bounds how long addresses are kept, whatever the server says (chosen: an hour; a record that asks for more
	// may still be moved).
	mostTTL = time.Hour
	// mostNegativeTTL bounds how long a name without address is remembered (chosen; RFC 2308, section 5, proposes one to
	// three hours, which is long for somebody who waits for a new name).
	mostNegativeTTL = 5 * time.Minute
	// mostEntries bounds the cache (chosen: every host of the catalog several times over).
	mostEntries = 10_000
)

// keep is how long an answer with that life is kept: 0 is not at all.
func keep(ttl, most time.Duration) time.Duration { return min(max(ttl, 0), most) }

// entry is what is known of a name until a time.
type entry struct {
	addrs []netip.Addr
	err   *NameError
	until time.Time
}

// cache is bounded. The zero value is empty and ready.
type cache struct {
	mu      sync.Mutex
	entries map[endpoint.Host]entry
}

func (c *cache) get(h endpoint.Host, now time.Time) (addrs []netip.Addr, err error, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[h]
	if !ok || !now.Before(e.until) {
		return nil, nil, false
	}
	if e.err != nil {
		return nil, e.err, true
	}
	return e.addrs, nil, true
}

// put keeps e unless it is over already. When the cache is full, what is over goes, else any sixteenth of it: which name
// is asked for next is nobody's guess, and a client that asks for names at random must not decide it.
func (c *cache) put(h endpoint.Host, e entry, now time.Time) {
	if !now.Before(e.until) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil {
		c.entries = map[endpoint.Host]entry{}
	}
	if _, known := c.entries[h]; !known && len(c.entries) >= mostEntries {
		for k, old := range c.entries {
			if !now.Before(old.until) {
				delete(c.entries, k)
			}
		}
		for k := range c.entries {
			if len(c.entries) < mostEntries-mostEntries/16 {
				break
			}
			delete(c.entries, k)
		}
	}
	c.entries[h] = e
}
