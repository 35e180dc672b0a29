package node

import (
	"context"
	"math"
	"time"

	"sekisho/internal/audit"
	"sekisho/internal/finding"
)

// What deletes records must not believe a clock too soon: what is deleted is gone, what is kept a day longer is not.
const (
	// retainEvery is how often records past their time are deleted (chosen).
	retainEvery = time.Hour
	// clockSlack is how far the system's clock may run away from the monotonic one between two looks (chosen: more than
	// daylight saving, which moves no clock that counts from 1970, or a slow tick ever makes; less than what matters).
	clockSlack = time.Hour
	// startSlack is how much later than the newest record a start may be (chosen: a restart, a night).
	startSlack = 24 * time.Hour
	// believeAfter is how long nothing is deleted after a jump forwards (chosen: somebody sees the wrong date, or the
	// time service sets it right; the records of a machine that was off for long stay for a day more).
	believeAfter = 24 * time.Hour
)

// doubt compares two clocks. The system's may be set to any time; the run, measured by the monotonic clock, may not.
type doubt struct {
	wall  time.Time     // the system's clock at the last look; at first the time of the newest record
	run   time.Duration // the run at the last look
	slack time.Duration // for the next look
	ahead time.Duration // by how much the system's clock has jumped forwards; 0: it is believed
	until time.Duration // the run at which it is believed all the same
}

// look reports by how much the clock is ahead of what is believed, 0 when nothing is wrong, and whether that is news.
func (d *doubt) look(wall time.Time, run time.Duration) (ahead time.Duration, news bool) {
	jump := wall.Sub(d.wall) - (run - d.run)
	slack := d.slack
	d.wall, d.run, d.slack = wall, run, clockSlack
	switch {
	case jump > slack:
		d.ahead, d.until, news = d.ahead+jump, run+believeAfter, true
	case jump < -slack: // set back: set right, when it is by as much
		d.ahead = max(0, d.ahead+jump)
		if d.ahead <= startSlack {
			d.ahead = 0
		}
	}
	if run >= d.until {
		d.ahead = 0
	}
	return d.ahead, news
}

// held says that retention waits, because the clock has jumped forwards.
type held struct {
	ahead time.Duration // by how much
	until time.Time     // by the monotonic clock: from then on it is believed
}

// warning stands while no record is deleted.
func (h *held) warning() finding.Finding {
	left := max(1, int(math.Ceil(time.Until(h.until).Hours())))
	return finding.New("node.retention-held", finding.Warning, finding.Pos{}, "by", h.ahead.Round(time.Second).String(), "hours", itoa(left))
}

// retain deletes records past their time, at the start and then once an hour, unless the clock has jumped forwards.
func (n *Node) retain(ctx context.Context) {
	tick := time.NewTicker(retainEvery)
	defer tick.Stop()
	began := time.Now()
	d := doubt{wall: n.options.Now().Round(0), slack: startSlack}
	newest, err := n.store.Decisions(ctx, audit.Filter{Limit: 1})
	if err == nil && len(newest) > 0 {
		d.wall = time.UnixMicro(newest[0].TimeMicros)
	}
	for {
		now := n.options.Now().Round(0) // without its monotonic reading
		ahead, news := d.look(now, time.Since(began))
		if news {
			n.log.Warn("retention waits: the clock has jumped forwards, or nothing was recorded for as long; set the clock right if it is wrong",
				"clock", now.UTC().Format(time.RFC3339), "by", ahead.Round(time.Second).String(), "wait", believeAfter.String())
		}
		if ahead != 0 {
			n.held.Store(&held{ahead, began.Add(d.until)})
		}
		if ahead == 0 {
			if n.held.Swap(nil) != nil {
				n.log.Info("retention goes on", "clock", now.UTC().Format(time.RFC3339))
			}
			before := now.Add(-time.Duration(n.retentionDays()) * 24 * time.Hour)
			if _, err := n.store.Retain(ctx, before); err != nil && ctx.Err() == nil {
				n.log.Warn("retention", "error", err.Error())
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (n *Node) retentionDays() int {
	if b := n.current.Load(); b != nil {
		return b.config.Audit.RetentionDays.V
	}
	return n.options.Config.Audit.RetentionDays.V
}
