package gateway

import (
	"errors"
	"time"

	"sekisho/internal/gateway/upstream"
)

// staleAfter is how long a kept connection may have waited and still take a request that must not be sent twice
// (chosen: origins that close sooner than this between two requests are rare).
const staleAfter = 10 * time.Second

// connect gets a connection to the judged address: the client's own bound one, the one dialled before the 200, a kept
// one, or a new one.
func (x *exchange) connect(fresh bool) *fault {
	r, g := x.r, x.r.c.g
	if !fresh {
		if x.own != nil && x.own.bound != nil {
			x.up, x.own.bound = x.own.bound, nil
			if x.fits() {
				x.up.Uses++
				return nil
			}
			x.up.Close()
		}
		if x.up = x.takeSpare(); x.up != nil {
			if x.fits() {
				return x.ready()
			}
			x.up.Close()
		}
		var maxIdle time.Duration
		if !idempotent(x.out.Method) || x.body != nil {
			maxIdle = staleAfter
		}
		if x.up = g.pool.Take(r.key(r.decision.Addr), maxIdle); x.up != nil {
			x.up.Uses++
			return nil
		}
	}
	// The address that was judged when the connection was opened is tried before the name is asked again: where a name
	// has several, requests keep to one and find each other's kept connections.
	if d := &r.decision; d.Addr.IsValid() && r.edition.Network.parentFor(d.Host) == nil {
		g.metrics.Count(EventUpstreamDial)
		if up, err := upstream.Dial(x.client.until(), r.key(d.Addr), r.edition.Network.Dial, g.upstreamLimits()); err == nil {
			x.up = up
			return x.ready()
		}
	}
	up, d, f := r.reach(x.client.until(), r.decision, false)
	if f != nil {
		if err := x.client.until().Err(); err != nil {
			return clientFault(err)
		}
		if f.deny {
			r.decision = d
		}
		return f
	}
	r.decision = d
	if x.reading != nil {
		x.reading.now.Store(&judged{r.edition, d})
	}
	x.up = up
	return x.ready()
}

// fits reports whether a connection that was opened earlier may carry this request: it is quiet, and what it was opened
// under is what the request is judged by. A reload in between may have changed the profile, or who vouches for the origin.
func (x *exchange) fits() bool {
	return x.up.Key == x.r.key(x.r.decision.Addr) && x.up.Usable()
}

// takeSpare returns the connection that was dialled for this request or for the first of its connection; nil: none.
func (x *exchange) takeSpare() *upstream.Conn {
	up := x.spare
	x.spare = nil
	if up == nil && x.reading != nil {
		up = x.reading.takeSpare()
	}
	return up
}

// closeSpare closes what was dialled for this request and not used.
func (x *exchange) closeSpare() {
	if x.spare != nil {
		x.spare.Close()
		x.spare = nil
	}
}

func (x *exchange) ready() *fault {
	g := x.r.c.g
	x.up.Uses++
	x.up.Timed.Alive = x.client.watch()
	x.up.OfferH2 = g.pool.SpeaksH2(x.up.Key)
	if err := x.up.Ready(g.pool.Sessions(x.up.Key), g.upstreamLimits()); err != nil {
		x.up.Close()
		if upstream.WantsH2(err) && !x.up.OfferH2 {
			g.pool.LearnH2(x.up.Key)
			f := upstreamFault(err)
			f.h2 = true
			return f
		}
		if errors.Is(err, upstream.ErrGone) {
			return clientFault(err)
		}
		return upstreamFault(err)
	}
	return nil
}
