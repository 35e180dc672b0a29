package audit

import (
	"io"
	"math"
	"time"
)

// writeLoop writes what is recorded, at most every writeEvery and sooner when the queue is half full, and has it flushed
// every syncEvery. It ends after stop, with everything written that the disk takes.
func (s *Spool) writeLoop() {
	defer close(s.written)
	var dirty <-chan time.Time // fires when written records should be flushed
	for {
		now := s.writeNow
		var retry <-chan time.Time
		if s.diskRefuses() { // new records wait for the next try, too
			now, retry = nil, time.After(retryEvery)
		}
		select {
		case <-now:
		case <-retry:
			s.probe()
		case <-dirty:
			dirty = nil
			s.frames = nil // it may be long until the next write
			if s.current != nil {
				s.hand(s.current, false)
			}
			continue
		case <-s.stop:
			s.write(true)
			s.seal()
			return
		}
		if s.write(false) && dirty == nil {
			dirty = time.After(syncEvery - writeEvery)
		}
		select {
		case <-time.After(writeEvery):
		case <-s.hurryWrite:
		case <-s.stop:
		}
	}
}

// diskRefuses reports whether the last write or flush failed.
func (s *Spool) diskRefuses() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats.Disk != ""
}

// probe tries a disk that refused when there may be nothing to write: without it, a flush that failed once would leave
// the spool full for as long as nobody records.
func (s *Spool) probe() {
	if s.doubtful() {
		s.seal()
	}
	g := s.current
	if g == nil {
		var err error
		if g, err = s.begin(); err != nil {
			s.refused(err)
			return
		}
	}
	if err := g.file.Sync(); err != nil {
		s.refused(err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 { // otherwise the write that follows tells
		s.stats.Disk = ""
		s.judge()
	}
}

// doubtful reports whether the current segment is to be given up: a flush failed.
func (s *Spool) doubtful() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current != nil && s.current.doubtful
}

// write puts the queue on disk, as far as the disk and the bound let it, and reports whether anything was written. The
// last write passes the bound, by no more than the queue holds: the choice is between that and losing the records.
func (s *Spool) write(last bool) (wrote bool) {
	s.mu.Lock()
	batch := s.queue
	s.encoding = len(batch)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.encoding = 0
		s.mu.Unlock()
	}()
	for len(batch) > 0 {
		if s.doubtful() {
			if !last {
				return wrote // probe begins a new one
			}
			s.seal()
		}
		g := s.current
		if g == nil {
			var err error
			if g, err = s.begin(); err != nil {
				s.refused(err)
				return wrote
			}
		}
		s.mu.Lock()
		inSegment, inAll := s.o.SegmentBytes-g.size, s.o.MaxBytes-s.stats.Bytes
		s.mu.Unlock()
		if last {
			inAll = math.MaxInt64
		}
		buf, n, spoiled := encode(s.frames[:0], batch, min(inSegment, inAll))
		if s.frames = buf; cap(buf) > framesKept {
			s.frames = nil
		}
		if n == 0 && inSegment < inAll && g.size > 0 {
			s.seal()
			continue
		}
		if n == 0 {
			s.mu.Lock()
			s.blocked = true
			s.stirred()
			s.judge()
			s.mu.Unlock()
			return wrote
		}
		if len(buf) > 0 {
			m, err := g.file.Write(buf)
			if err == nil && m < len(buf) {
				err = io.ErrShortWrite
			}
			if err != nil {
				// Take back the part of a frame that may stand at the end. Where that fails too, the next start cuts it.
				_ = g.file.Truncate(g.size)
				s.refused(err)
				return wrote
			}
		}
		s.mu.Lock()
		g.size += int64(len(buf))
		g.frames += n - spoiled
		if spoiled == 0 {
			s.remember(g, g.size-int64(len(buf)), batch[:n])
		}
		s.stats.Bytes += int64(len(buf))
		if !g.doubtful {
			s.stats.Disk = ""
		}
		s.stats.Lost += uint64(spoiled)
		s.blocked, s.late = false, false
		rest := copy(s.queue, s.queue[n:])
		clear(s.queue[rest:])
		s.queue = s.queue[:rest]
		s.taken += uint64(n)
		batch = s.queue
		s.encoding = len(batch)
		s.stirred()
		s.judge()
		if spoiled > 0 {
			s.announce()
		}
		s.mu.Unlock()
		wrote = true
		nudge(s.shipNow)
		if s.waiting.Load() > 0 {
			nudge(s.hurryShip)
		}
	}
	return wrote
}

// framesKept is the largest memory for frames that is kept for the next write (chosen: what some thousand records a second
// need in writeEvery).
const framesKept = 512 << 10

// encode appends frames of the first n records of batch to the empty buf, as many as fit into room. A record that has no
// frame is left out and counted in spoiled.
func encode(buf []byte, batch []Record, room int64) (_ []byte, n, spoiled int) {
	for i := range batch {
		start := len(buf)
		next, err := appendFrame(buf, &batch[i])
		if err != nil {
			spoiled++
			n++
			continue
		}
		if int64(len(next)) > room {
			return buf[:start], n, spoiled
		}
		buf = next
		n++
	}
	return buf, n, spoiled
}

// refused notes that the disk took no more. The segment is given up: what was flushed of it, or not, is no longer known
// after such an error, so the next try begins a new one.
func (s *Spool) refused(err error) {
	s.mu.Lock()
	s.noteRefusal(err)
	s.mu.Unlock()
	s.seal()
}

// noteRefusal is the part of refused that any goroutine may do. The caller holds s.mu.
func (s *Spool) noteRefusal(err error) {
	if s.stats.Disk == "" {
		s.o.Log.Error("audit spool: the disk refuses", "error", err)
	}
	s.stats.Refusals++
	s.stats.Disk = err.Error()
	if s.current != nil {
		s.current.doubtful = true
	}
	s.stirred()
	s.judge()
}
