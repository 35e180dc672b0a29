package node

import (
	"context"
	"math/rand/v2"
	"net/http"
	"time"

	"sekisho/internal/catalog/library"
	"sekisho/internal/config"
	"sekisho/internal/finding"
)

// The pace of updates.
const (
	// firstUpdate is the longest that the first update after a start waits (chosen: a fleet that restarts at once does
	// not ask in one second, and whoever watches the start sees the update).
	firstUpdate = 5 * time.Second
	// firstRetry is the wait after a first failure; it doubles with each that follows, up to the interval (chosen: a line
	// that comes back is used soon, one that stays away costs little).
	firstRetry = 5 * time.Minute
)

// updateAfter is how long the lists wait for their next update, and which of them are due then. It is pure: attempts are
// what is known of each list, share is a random number from 0 to 1 that moves the wait by up to a tenth.
func updateAfter(lists []string, attempts map[string]library.Attempt, interval time.Duration, now time.Time, share float64) (wait time.Duration, due []string) {
	left := make([]time.Duration, len(lists))
	wait = interval
	for i, list := range lists {
		a, known := attempts[list]
		pause := interval
		if a.Failures > 0 {
			pause = retryAfter(a.Failures, interval)
		}
		// A time in the future was written by a clock that has been set back since.
		if known && !a.Tried.After(now) {
			left[i] = max(0, pause-now.Sub(a.Tried))
		}
		wait = min(wait, left[i])
	}
	for i, list := range lists {
		if left[i] <= wait+interval/10 { // what would be due soon comes along
			due = append(due, list)
		}
	}
	if wait == 0 {
		return time.Duration(share * float64(firstUpdate)), due
	}
	return wait + time.Duration((2*share-1)*float64(wait)/10), due
}

// retryAfter is the wait after so many failures in a row.
func retryAfter(failures int, interval time.Duration) time.Duration {
	wait := firstRetry
	for range failures - 1 {
		if wait *= 2; wait >= interval {
			break
		}
	}
	return min(wait, interval)
}

// keepCurrent updates the lists from time to time, as the configuration in use says, until ctx ends.
func (n *Node) keepCurrent(ctx context.Context) {
	for {
		var after <-chan time.Time
		var due []string
		c := n.current.Load().config
		if c.Catalog.Update.V {
			interval := time.Duration(c.Catalog.IntervalHours.V) * time.Hour
			attempts := Shelf(n.catalogData(), n.options.Now).Attempts()
			var wait time.Duration
			wait, due = updateAfter(c.Fetched(), attempts, interval, n.options.Now(), rand.Float64())
			after = n.options.After(wait)
		}
		select {
		case <-ctx.Done():
			return
		case <-n.reloaded: // the settings may be others
		case <-after:
			n.update(ctx, c, due)
		}
	}
}

// update updates lists, and lets a new version judge.
func (n *Node) update(ctx context.Context, c *config.Config, lists []string) {
	o, err := UpdateOptionsOf(c, n.catalogData())
	if err != nil {
		n.log.Warn("catalog update", "error", err.Error())
		return
	}
	o.Now, o.Sparing = n.options.Now, true
	defer o.Transport.(*http.Transport).CloseIdleConnections()
	fresh := false
	for _, list := range lists {
		u, err := Update(ctx, o, list)
		if ctx.Err() != nil {
			return
		}
		n.metrics.updates.WithLabelValues(list, u.Result).Inc()
		fresh = fresh || u.Result == UpdateNew && u.Catalog != ""
		switch {
		case err != nil:
			n.log.Warn("catalog update", "list", list, "result", u.Result, "version", u.Version, "error", err.Error())
		case u.Result == UpdateWaiting:
			n.log.Warn("catalog update", "list", list, "result", u.Result, "version", u.Version, "catalog_version", u.Catalog, "dropped_percent", u.Percent)
		default:
			n.log.Info("catalog update", "list", list, "result", u.Result, "version", u.Version, "catalog_version", u.Catalog)
		}
	}
	if fresh {
		// At once; the watch on the file that names the version in use would see it a moment later.
		_ = n.reload(ctx, byUpdate) // logged, counted and shown there
	}
}

// updateWarnings tell which lists cannot be fetched, and which version waits for approval.
func (n *Node) updateWarnings(b *built) finding.List {
	var list finding.List
	if b.waiting != "" {
		list = append(list, finding.New("node.update-waiting", finding.Warning, finding.Pos{}, "version", b.waiting))
	}
	if !b.config.Catalog.Update.V {
		return list // somebody who tries by hand sees what comes of it
	}
	attempts := Shelf(n.catalogData(), n.options.Now).Attempts()
	for _, name := range b.config.Fetched() {
		a := attempts[name]
		if a.Failures == 0 {
			continue
		}
		list = append(list, finding.New("node.update-failing", finding.Warning, finding.Pos{}, "list", name,
			"since", a.Failed.UTC().Format(time.RFC3339), "count", itoa(a.Failures)))
		list = append(list, softened(&finding.Problem{Findings: a.Findings})...)
	}
	return list
}

// waitingVersion is the version of the catalog that waits for approval; "" when none does.
func waitingVersion(shelf *library.Library) string {
	versions, err := shelf.History()
	if err != nil {
		return ""
	}
	for _, v := range versions {
		if v.Waiting {
			return v.Name
		}
	}
	return ""
}
