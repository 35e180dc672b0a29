package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// SegmentFile is a segment being written. Writes go to its end.
type SegmentFile interface {
	io.Writer
	Sync() error
	Truncate(size int64) error
	Close() error
}

// createSegment makes a segment on the file system.
func createSegment(name string) (SegmentFile, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
}

// segment is one file of whole frames. Its fields are guarded by Spool.mu; file belongs to the writer and the flusher.
type segment struct {
	name     string
	size     int64 // of the frames that are whole; the file may have more where a write failed
	shipped  int64 // up to here the store has it
	frames   int   // whole when written or found, and not yet settled
	sealed   bool  // nothing more is written to it
	old      bool  // left by an earlier process
	doubtful bool  // a write or flush failed: what is in it beyond what is known is not
	listed   bool  // its name is safe in the folder; the flusher's
	file     SegmentFile
}

const segmentSuffix = ".spool"

// segmentName is a name whose order is the order of the numbers.
func (s *Spool) segmentName(number uint64) string {
	return filepath.Join(s.o.Dir, fmt.Sprintf("%020d%s", number, segmentSuffix))
}

// recover finds the segments of earlier processes, cuts off torn tails and counts what is in them.
func (s *Spool) recover() error {
	entries, err := os.ReadDir(s.o.Dir) // sorted by name
	if err != nil {
		return err
	}
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), segmentSuffix)
		number, err := strconv.ParseUint(digits, 10, 64)
		if !ok || err != nil || !e.Type().IsRegular() {
			continue
		}
		s.number = max(s.number, number)
		name := filepath.Join(s.o.Dir, e.Name())
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		frames, end := 0, 0
		_, damaged := eachFrame(data, true, func(_ []byte, e int) bool {
			frames, end = frames+1, e
			return true
		})
		if damaged > 0 {
			// Damage before the last whole frame is met, and counted, again when the segment is shipped.
			_, inside := eachFrame(data[:end], true, func([]byte, int) bool { return true })
			s.stats.Damaged += uint64(damaged - inside)
			s.o.Log.Warn("audit records were damaged on disk", "file", name, "damaged", damaged, "whole", frames)
		}
		if frames == 0 {
			if err := os.Remove(name); err != nil {
				return err
			}
			continue
		}
		if end < len(data) {
			if err := os.Truncate(name, int64(end)); err != nil {
				return err
			}
		}
		s.segments = append(s.segments, &segment{name: name, size: int64(end), frames: frames, sealed: true, old: true})
		s.stats.Bytes += int64(end)
		s.stats.Recovered += uint64(frames)
	}
	return nil
}

// begin makes the next segment. Only the writer calls it.
func (s *Spool) begin() (*segment, error) {
	s.mu.Lock()
	s.number++
	name := s.segmentName(s.number)
	s.mu.Unlock()
	f, err := s.o.OpenFile(name)
	if err != nil {
		return nil, err
	}
	g := &segment{name: name, file: f}
	s.mu.Lock()
	s.segments = append(s.segments, g)
	s.current = g
	s.mu.Unlock()
	return g, nil
}

// seal ends the current segment, and has it flushed and closed. Only the writer calls it.
func (s *Spool) seal() {
	g := s.current
	if g == nil {
		return
	}
	s.mu.Lock()
	s.current = nil
	s.mu.Unlock()
	s.hand(g, true)
}

// discard deletes the segments that are sealed and shipped. The caller holds s.mu.
func (s *Spool) discard() {
	s.segments = slices.DeleteFunc(s.segments, func(g *segment) bool {
		if !g.sealed || g.shipped < g.size {
			return false
		}
		if err := os.Remove(g.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			// Its records are stored; the next start ships them once more, and the store knows them.
			s.o.Log.Warn("spool segment not deleted", "file", g.name, "error", err)
		}
		s.stats.Bytes -= g.size
		if s.blocked {
			nudge(s.writeNow)
		}
		return true
	})
	if s.stats.Bytes < s.o.MaxBytes {
		s.blocked = false
	}
	s.judge()
}
