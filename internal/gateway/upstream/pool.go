package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"sync"
	"time"
)

// PoolLimits bound a Pool. Zero fields take the defaults.
type PoolLimits struct {
	Idle   time.Duration // how long a connection waits for its next exchange; default 50 s (chosen: below the minute that many load balancers keep)
	PerKey int           // idle connections of one key; default 32 (chosen)
	Total  int           // idle connections in all; default 512 (chosen)
}

func (l PoolLimits) withDefaults() PoolLimits {
	if l.Idle <= 0 {
		l.Idle = 50 * time.Second
	}
	if l.PerKey <= 0 {
		l.PerKey = 32
	}
	if l.Total <= 0 {
		l.Total = 512
	}
	return l
}

// Pool keeps idle connections for the next exchange with the same key. The zero value is not usable; obtain it from
// NewPool and end it with Close. Safe for concurrent use.
type Pool struct {
	lim PoolLimits

	mu       sync.Mutex
	idle     map[Key][]*Conn // newest last
	total    int
	closed   bool
	sweeper  *time.Timer
	sessions map[sessionKey]tls.ClientSessionCache
	h2       map[Key]bool // origins that speak HTTP/2 alone
}

// sessionKey keeps TLS sessions apart by what vouched for the origin: a session made under one set of roots is never
// resumed under another.
type sessionKey struct {
	roots   *x509.CertPool
	profile string
}

// NewPool returns an empty pool.
func NewPool(lim PoolLimits) *Pool {
	return &Pool{lim: lim.withDefaults(), idle: map[Key][]*Conn{}, sessions: map[sessionKey]tls.ClientSessionCache{}}
}

// Take returns an idle connection of key that the origin has not closed, or nil. The connection used last comes
// first, because it is the least likely to have been closed. With maxIdle above 0, connections that have been idle for
// longer are left alone.
func (p *Pool) Take(key Key, maxIdle time.Duration) *Conn {
	for {
		c := p.pop(key, maxIdle)
		if c == nil {
			return nil
		}
		if c.Usable() {
			return c
		}
		c.Close() // closed by the origin, or bytes that nobody asked for
	}
}

func (p *Pool) pop(key Key, maxIdle time.Duration) *Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.idle[key]
	if len(list) == 0 {
		return nil
	}
	c := list[len(list)-1]
	if idle := time.Since(c.since); idle > p.lim.Idle || maxIdle > 0 && idle > maxIdle {
		return nil // the rest is older still; the sweeper closes it
	}
	list[len(list)-1] = nil
	if p.idle[key] = list[:len(list)-1]; len(list) == 1 {
		delete(p.idle, key)
	}
	p.total--
	return c
}

// Has reports whether an idle connection of key waits. It may be gone by the time of Take.
func (p *Pool) Has(key Key) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.idle[key]
	return len(list) > 0 && time.Since(list[len(list)-1].since) < p.lim.Idle/2
}

// Give puts c back after an exchange that was read to its end. A bound connection, or one too many, is closed.
func (p *Pool) Give(c *Conn) {
	c.Timed.Alive = nil
	c.since = time.Now()
	p.mu.Lock()
	list := p.idle[c.Key]
	if p.closed || c.Bound || len(list) >= p.lim.PerKey || p.total >= p.lim.Total {
		p.mu.Unlock()
		c.Close()
		return
	}
	p.idle[c.Key] = append(list, c)
	p.total++
	if p.sweeper == nil {
		p.sweeper = time.AfterFunc(p.lim.Idle, p.sweep)
	}
	p.mu.Unlock()
}

// sweep closes what has been idle for too long, and comes again while anything is idle.
func (p *Pool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweeper = nil
	if p.closed {
		return
	}
	for key, list := range p.idle {
		n := 0
		for n < len(list) && time.Since(list[n].since) > p.lim.Idle {
			list[n].Close()
			n++
		}
		p.total -= n
		if n == len(list) {
			delete(p.idle, key)
		} else if n > 0 {
			p.idle[key] = append([]*Conn(nil), list[n:]...)
		}
	}
	if p.total > 0 {
		p.sweeper = time.AfterFunc(p.lim.Idle/2, p.sweep)
	}
}

// h2Kept bounds what is remembered of origins that speak HTTP/2 alone (chosen: there are few; beyond it the oldest are
// found out again).
const h2Kept = 1024

// LearnH2 remembers that the origin of key does not speak HTTP/1.1.
func (p *Pool) LearnH2(key Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.h2 == nil || len(p.h2) >= h2Kept {
		p.h2 = map[Key]bool{}
	}
	p.h2[key] = true
}

// SpeaksH2 reports whether HTTP/2 is to be offered to the origin of key: it has shown that it speaks nothing else. To
// others HTTP/1.1 alone is offered, which costs a request less here.
func (p *Pool) SpeaksH2(key Key) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.h2[key]
}

// Sessions returns the TLS sessions that connections of key may resume, at most 256 names.
func (p *Pool) Sessions(key Key) tls.ClientSessionCache {
	k := sessionKey{key.Roots, key.Profile}
	p.mu.Lock()
	defer p.mu.Unlock()
	s, ok := p.sessions[k]
	if !ok {
		s = tls.NewLRUClientSessionCache(256)
		p.sessions[k] = s
	}
	return s
}

// Flush closes every idle connection and forgets every session whose key keep refuses; it is called when an edition is
// replaced.
func (p *Pool) Flush(keep func(Key) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, list := range p.idle {
		if keep(key) {
			continue
		}
		for _, c := range list {
			c.Close()
		}
		p.total -= len(list)
		delete(p.idle, key)
	}
	for k := range p.h2 {
		if !keep(k) {
			delete(p.h2, k)
		}
	}
	for k := range p.sessions {
		if !keep(Key{Roots: k.roots, Profile: k.profile}) {
			delete(p.sessions, k)
		}
	}
}

// Idle returns how many connections wait.
func (p *Pool) Idle() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.total
}

// Close closes every idle connection; connections given later are closed at once.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.sweeper != nil {
		p.sweeper.Stop()
	}
	for key, list := range p.idle {
		for _, c := range list {
			c.Close()
		}
		delete(p.idle, key)
	}
	p.total = 0
}
