package audit

import "errors"

// flushing is a segment whose records should survive a loss of power; last closes it, too.
type flushing struct {
	g    *segment
	last bool
}

// hand gives a segment to the flusher. A disk that is slow to flush must not hold up writes: what is written survives
// the end of the process, what waits in memory does not.
func (s *Spool) hand(g *segment, last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.toFlush); !last && n > 0 && s.toFlush[n-1].g == g {
		return // that flush is yet to come
	}
	s.toFlush = append(s.toFlush, flushing{g, last})
	nudge(s.flushNow)
}

// flushLoop flushes what it is handed, one after the other. It ends after the writer, with everything flushed.
func (s *Spool) flushLoop() {
	for ended := false; !ended; {
		select {
		case <-s.flushNow:
		case <-s.written:
			ended = true
		}
		for s.flushOne() {
		}
	}
}

// flushOne flushes the first that waits, and reports whether there was one.
func (s *Spool) flushOne() bool {
	s.mu.Lock()
	if len(s.toFlush) == 0 {
		s.mu.Unlock()
		return false
	}
	f := s.toFlush[0]
	s.toFlush = s.toFlush[1:]
	s.mu.Unlock()
	g := f.g
	if !g.listed {
		syncFolder(s.o.Dir)
		g.listed = true
	}
	err := g.file.Sync()
	if f.last {
		err = errors.Join(err, g.file.Close())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && !g.doubtful { // of one that is doubtful it was noted before
		g.doubtful = true
		s.noteRefusal(err)
	}
	if f.last {
		g.sealed, g.file = true, nil
		s.discard()
	}
	return true
}
