package audit

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
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
		more, err := s.ship()
		for err == nil && more {
			backoff = backoffFirst // a store that takes some is not down
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
		s.mu.Unlock()
		return false, nil
	}
	name, from, to := g.name, g.shipped, g.size
	s.mu.Unlock()

	records, used, damaged, err := readSegment(name, from, to)
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
