package audit

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"time"
)

// shipChunk is how much of a segment is read at once: chosen, more than any frame.
const shipChunk = 4 * maxPayload

// shipLoop ships what is on disk, oldest first, until Close; then what remains, until it is stored or Close's ctx ends.
func (s *Spool) shipLoop() {
	backoff := backoffFirst
	stop := s.stop
	closing := false
	nudge(s.shipNow) // what an earlier process left
	for {
		if !closing {
			select {
			case <-s.shipNow:
			case <-stop:
			}
			select {
			case <-s.stop:
				<-s.written
				closing, stop, backoff = true, nil, backoffFirst
			default:
			}
		}
		begun := time.Now()
		more, err := s.ship()
		for err == nil && more {
			backoff = backoffFirst // a store that takes some is not down
			if !closing {
				s.yield(time.Since(begun))
			}
			begun = time.Now()
			more, err = s.ship()
		}
		pause := shipEvery
		if err == nil {
			if closing {
				return
			}
			backoff = backoffFirst
		} else {
			if s.shipCtx.Err() != nil {
				return
			}
			// A fleet whose store comes back should not come back in step.
			pause = backoff/2 + rand.N(backoff)
			backoff = min(2*backoff, backoffMost)
			nudge(s.shipNow)
		}
		var hurry chan struct{}
		if err == nil {
			hurry = s.hurryShip
		}
		select {
		case <-time.After(pause):
		case <-hurry:
		case <-stop:
		case <-s.shipCtx.Done():
			return
		}
	}
}

const (
	// busyRate is how many records a second are so many that storing them waits: chosen, storing as many takes a
	// twentieth of a processor.
	busyRate = 1000
	// yieldShare is how much of its time the shipper rests while records come at busyRate: 19 of 20 parts. Chosen:
	// traffic comes first, and what is on disk is not lost.
	yieldShare = 19
	// yieldMost bounds one rest, after which the shipper looks again how busy it is (chosen).
	yieldMost = time.Second
)

// yield rests after a batch that took so long, while records come faster than busyRate: the processor is the traffic's
// then, and the store is filled up when it is calmer. Somebody who waits in Flush, Close, and a spool that is half full
// are not kept waiting.
func (s *Spool) yield(took time.Duration) {
	rest := min(yieldShare*took, yieldMost)
	for rest > 0 {
		s.mu.Lock()
		recorded, at, half := s.stats.Recorded, time.Now(), s.stats.Bytes >= s.o.MaxBytes/2
		s.mu.Unlock()
		if half || s.waiting.Load() > 0 {
			return
		}
		step := min(rest, writeEvery)
		select {
		case <-time.After(step):
		case <-s.hurryShip:
			return
		case <-s.stop:
			return
		}
		rest -= step
		s.mu.Lock()
		came := s.stats.Recorded - recorded
		s.mu.Unlock()
		if float64(came) < busyRate*time.Since(at).Seconds() {
			return
		}
	}
}

// ship sends one batch of the oldest segment. more says that there may be another.
func (s *Spool) ship() (more bool, err error) {
	s.mu.Lock()
	var g *segment
	for _, c := range s.segments {
		if c.shipped < c.size {
			g = c
			break
		}
	}
	if !s.ended && (g == nil || !g.old) {
		s.mu.Unlock()
		return true, s.endOpen()
	}
	if g == nil {
		s.recent, s.kept = nil, 0 // stored; it may be long until the next
		s.mu.Unlock()
		return false, nil
	}
	name, from, to := g.name, g.shipped, g.size
	records, used := s.recall(g)
	s.mu.Unlock()

	damaged := 0
	if records == nil {
		records, used, damaged, err = readSegment(name, from, to)
	}
	if err == nil && len(records) > 0 {
		ctx, cancel := context.WithTimeout(s.shipCtx, storeLimit)
		err = s.o.Store.Store(ctx, records)
		cancel()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answered(err)
	if err != nil {
		return true, err
	}
	s.stats.Stored += uint64(len(records))
	s.stats.Damaged += uint64(damaged)
	g.shipped = from + int64(used)
	g.frames -= len(records)
	if g.shipped == g.size { // what was written and cannot be read back any more is lost
		s.stats.Lost += uint64(g.frames)
		g.frames = 0
	}
	s.discard()
	s.announce()
	return true, nil
}

// recentKept is how many records that were written are kept in memory for the shipper, which need not read them back
// then: chosen, what comes between two rounds on a busy day; some 2 MiB.
const recentKept = 2048

// recent is what one write put on disk.
type recent struct {
	segment  *segment
	from, to int64
	records  []Record
}

// remember keeps what was written for the shipper, while it keeps up. The caller holds s.mu.
func (s *Spool) remember(g *segment, from int64, records []Record) {
	if s.kept+len(records) > recentKept {
		s.recent, s.kept = nil, 0 // it is behind, and reads them from disk
		return
	}
	s.kept += len(records)
	s.recent = append(s.recent, recent{g, from, g.size, slices.Clone(records)})
}

// togetherRows bounds how many records of several writes go to the store at once (chosen: most of what sharing a commit saves;
// what a batch takes in memory stays with the process, and an idle one is to be small).
const togetherRows = 64

// recall returns the next records of g, at most shipRows, if they are in memory, and how many bytes of it they are. What
// several writes put on disk goes to the store together: each commit changes the last page of each index anew. The caller
// holds s.mu.
func (s *Spool) recall(g *segment) (records []Record, used int) {
	for len(s.recent) > 0 {
		next := s.recent[0]
		if next.segment == g && (next.from > g.shipped || next.from == g.shipped && len(next.records) <= shipRows) {
			break
		}
		s.kept -= len(next.records)
		s.recent = slices.Delete(s.recent, 0, 1)
	}
	for _, next := range s.recent {
		if next.segment != g || next.from != g.shipped+int64(used) || records != nil && len(records)+len(next.records) > togetherRows {
			break // also where the shipper has not come so far
		}
		if records == nil {
			records = slices.Clip(next.records) // kept until they are stored: what follows is appended to a copy
		} else {
			records = append(records, next.records...)
		}
		used += int(next.to - next.from)
	}
	return records, used
}

// endOpen ends, once, what earlier processes of this node left open. It comes after everything that they left on disk
// has been stored: the end of a connection may be among it, and so may its beginning.
func (s *Spool) endOpen() error {
	ctx, cancel := context.WithTimeout(s.shipCtx, storeLimit)
	n, err := s.o.Store.EndOpen(ctx, s.o.Node, s.o.Boot)
	cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answered(err)
	if err != nil {
		return err
	}
	if n > 0 {
		s.o.Log.Warn("an earlier process ended without closing its connections", "records", n)
	}
	s.ended = true
	s.announce()
	return nil
}

// answered notes whether the store took what it was given. The caller holds s.mu.
func (s *Spool) answered(err error) {
	if err == nil {
		if s.stats.Store != "" {
			s.o.Log.Info("the audit store takes records again")
		}
		s.stats.Store = ""
		return
	}
	if s.stats.Store == "" {
		s.o.Log.Error("audit records wait for the store", "error", err)
	}
	s.stats.Retries++
	s.stats.Store = err.Error()
}

// readSegment reads at most shipRows records from the frames between from and to. A segment that somebody deleted has
// none: its bytes count as one damaged frame.
func readSegment(name string, from, to int64) (records []Record, used, damaged int, err error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, int(to - from), 1, nil
	}
	if err != nil {
		return nil, 0, 0, err
	}
	defer f.Close()
	chunk := make([]byte, min(to-from, shipChunk))
	n, err := f.ReadAt(chunk, from)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, 0, err
	}
	last := from+int64(len(chunk)) == to
	unread := 0
	used, damaged = eachFrame(chunk[:n], last || n < len(chunk), func(payload []byte, _ int) bool {
		if len(records) == shipRows {
			return false
		}
		r, err := decodeRecord(payload)
		if err != nil {
			unread++ // a whole frame whose payload is no record: as good as damaged
			return true
		}
		records = append(records, r)
		return true
	})
	if n < len(chunk) { // the file is shorter than what was written to it
		used, damaged = len(chunk), damaged+1
	}
	return records, used, damaged + unread, nil
}
