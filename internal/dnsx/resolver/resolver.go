// Package resolver is the gateway's: it finds the addresses of a name, asked of the organisation's own
// servers, with a bounded cache, and names that are fixed by the configuration.
//
//	r := resolver.New(resolver.Options{Servers: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.53:53")}})
//	addrs, err := r.Lookup(ctx, endpoint.MustHost("login.microsoftonline.com"))
//
// A server may be slow, silent, wrong or hostile: every question has a limit of time, of tries and of size, an answer
// counts only when it comes from the server, carries the question's id and repeats the question, and only records that
// the name's own chain of aliases leads to are looked at. What the addresses mean, and whether they may be dialled, is
// judged by others: a lying server gains no more than a refusal or a certificate that does not verify.
//
// Rules: RFC 1035, RFC 2181 section 5.4.1 (what of an answer counts), RFC 2308 (what does not exist), RFC 5452 (forged
// answers), RFC 6891 (EDNS), RFC 7766 (TCP). The message form is read and written by a library.
package resolver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"sekisho/internal/endpoint"
)

const (
	// MaxAddresses is how many addresses of one name are returned (chosen: no host that the catalog lists has more).
	MaxAddresses = 16
	// tryLimit bounds one question to one server; chosen: a resolver on the same network answers from its cache at once,
	// and has asked around the world within two seconds.
	tryLimit = 2 * time.Second
	// rounds is how often each server is asked before a name counts as unanswered (chosen: one lost packet each).
	rounds = 2
	// chainLimit bounds the aliases from a name to its addresses (chosen: Microsoft's longest chains have six).
	chainLimit = 12
	// passOver is for how long a server that did not answer is asked after the others (chosen).
	passOver = 30 * time.Second
	// systemTTL is how long an answer of the system's resolver is kept, which does not tell its life (chosen: a page opens a
	// dozen connections at once, and nobody waits longer for a name that has moved).
	systemTTL = time.Second
	// flights bounds the questions under way; more wait for their turn as long as their caller does (chosen: each holds one
	// socket).
	flights = 256
)

// Static is a name whose addresses are fixed. Nobody is asked for it.
type Static struct {
	Host  endpoint.Host
	Addrs []netip.Addr
}

// Options of New.
type Options struct {
	// Servers are asked in the order given, the next when one does not answer or cannot. Empty: System is asked.
	Servers []netip.AddrPort
	// Static names win over every server.
	Static []Static
	// System answers where there are no servers of one's own; required then.
	System func(ctx context.Context, h endpoint.Host) ([]netip.Addr, error)
	// Dial opens a connection to a server, "udp" or "tcp"; nil is the system's.
	Dial func(ctx context.Context, network string, server netip.AddrPort) (net.Conn, error)
	// Now is the clock of the cache; nil is time.Now.
	Now func() time.Time
	// TryLimit bounds one question to one server; 0 is two seconds.
	TryLimit time.Duration
}

// Resolver answers. Obtain it from New; it is safe for concurrent use and starts no goroutine that outlives a Lookup by
// more than its limits.
type Resolver struct {
	options Options
	static  map[endpoint.Host][]netip.Addr
	cache   cache
	flying  singleflight.Group
	turns   chan struct{}
	passed  []atomic.Int64 // for each server: until when it is asked last, in nanoseconds since begun
	begun   time.Time      // not 1970: the system's clock is set, and then the monotonic reading of this counts
}

// New returns a resolver.
func New(o Options) *Resolver {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.TryLimit <= 0 {
		o.TryLimit = tryLimit
	}
	if o.Dial == nil {
		o.Dial = func(ctx context.Context, network string, server netip.AddrPort) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, server.String())
		}
	}
	r := &Resolver{options: o, static: map[endpoint.Host][]netip.Addr{}, turns: make(chan struct{}, flights),
		passed: make([]atomic.Int64, len(o.Servers)), begun: o.Now()}
	for _, s := range o.Static {
		r.static[s.Host] = s.Addrs
	}
	return r
}

// NameError says that a name has no address: it does not exist, or has none.
type NameError struct {
	Host endpoint.Host
	// Exists says that there is such a name, with other things than addresses.
	Exists bool
}

// Error says which name.
func (e *NameError) Error() string {
	if e.Exists {
		return fmt.Sprintf("%q has no address", e.Host)
	}
	return fmt.Sprintf("%q does not exist", e.Host)
}

// ServerError says that no server gave an answer that counts.
type ServerError struct {
	Host  endpoint.Host
	Cause error // of the last try
}

// Error says which name, and what happened last.
func (e *ServerError) Error() string { return fmt.Sprintf("no answer for %q: %v", e.Host, e.Cause) }

// Unwrap is the cause.
func (e *ServerError) Unwrap() error { return e.Cause }

// Timeout reports whether the last try took too long.
func (e *ServerError) Timeout() bool {
	var t interface{ Timeout() bool }
	return errors.As(e.Cause, &t) && t.Timeout()
}

// Lookup returns the addresses of h, at most MaxAddresses: of a static name as written, of servers of one's own IPv4 and
// IPv6 in turn, beginning with IPv4, else as the system gave them within the last second. It returns *NameError when there are none, *ServerError
// when no server answers, and ctx's error when the caller gives up. The slice belongs to the caller.
func (r *Resolver) Lookup(ctx context.Context, h endpoint.Host) ([]netip.Addr, error) {
	if addrs, ok := r.static[h]; ok {
		return slices.Clone(addrs), nil
	}
	if addrs, err, ok := r.cache.get(h, r.options.Now()); ok {
		return slices.Clone(addrs), err
	}
	if len(r.options.Servers) == 0 {
		addrs, err := r.options.System(ctx, h)
		if err == nil && len(addrs) > 0 {
			now := r.options.Now()
			r.cache.put(h, entry{addrs: slices.Clone(addrs), until: now.Add(systemTTL)}, now)
		}
		return addrs, err
	}
	// One question for all who want the same name now. It goes on when one of them gives up, within its own limits.
	result := r.flying.DoChan(string(h), func() (any, error) {
		return r.ask(context.WithoutCancel(ctx), h)
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case got := <-result:
		if got.Err != nil {
			return nil, got.Err
		}
		return slices.Clone(got.Val.([]netip.Addr)), nil
	}
}

// ask asks the servers for both kinds of address and keeps the answer.
func (r *Resolver) ask(ctx context.Context, h endpoint.Host) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(rounds*len(r.options.Servers)+1)*r.options.TryLimit)
	defer cancel()
	select {
	case r.turns <- struct{}{}:
		defer func() { <-r.turns }()
	case <-ctx.Done():
		return nil, &ServerError{h, ctx.Err()}
	}
	var six answer
	done := make(chan struct{})
	go func() {
		defer close(done)
		six = r.follow(ctx, h, typeAAAA)
	}()
	four := r.follow(ctx, h, typeA)
	<-done
	addrs := inTurn(four.addrs, six.addrs)
	now := r.options.Now()
	switch {
	case len(addrs) > 0:
		// One kind that was not answered is not kept as if it did not exist.
		if four.err == nil && six.err == nil {
			r.cache.put(h, entry{addrs: addrs, until: now.Add(keep(least(four, six), mostTTL))}, now)
		}
		return addrs, nil
	case four.err != nil:
		return nil, &ServerError{h, four.err}
	case six.err != nil:
		return nil, &ServerError{h, six.err}
	}
	err := &NameError{Host: h, Exists: four.exists || six.exists}
	r.cache.put(h, entry{err: err, until: now.Add(keep(min(four.ttl, six.ttl), mostNegativeTTL))}, now)
	return nil, err
}

// least is the shorter life of two answers that hold addresses, or of the one that does.
func least(a, b answer) time.Duration {
	switch {
	case len(a.addrs) == 0:
		return b.ttl
	case len(b.addrs) == 0:
		return a.ttl
	}
	return min(a.ttl, b.ttl)
}

// inTurn joins two lists, one of each in turn, so that a gateway without IPv6 does not spend its tries on it.
func inTurn(four, six []netip.Addr) []netip.Addr {
	var out []netip.Addr
	for i := 0; i < max(len(four), len(six)) && len(out) < MaxAddresses; i++ {
		if i < len(four) {
			out = append(out, four[i])
		}
		if i < len(six) && len(out) < MaxAddresses {
			out = append(out, six[i])
		}
	}
	return out
}
