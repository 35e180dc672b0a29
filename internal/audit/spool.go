package audit

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"sekisho/internal/finding"
	"sekisho/internal/lockfile"
)

const (
	// writeEvery is the least time between two writes to the disk.
	writeEvery = 100 * time.Millisecond
	// syncEvery is how long written records may stay in the page cache, where a power cut loses them. A killed process
	// loses none of them.
	syncEvery = time.Second
	// roomWait is how long a record waits for room in memory when the disk is slower than those who record: chosen, what a
	// busy disk takes to make a file, at the end of a request whose answer has been given. After one wait in vain nobody
	// waits until the disk has taken something.
	roomWait = time.Second
	// shipEvery is the least time between two rounds of shipping: chosen, what a report lags behind.
	shipEvery = 500 * time.Millisecond
	// retryEvery is how often a disk that refused is tried again: chosen.
	retryEvery = time.Second
	// storeLimit bounds one call of the store: chosen, many times what 500 rows take.
	storeLimit = 30 * time.Second
	// queuedBytes is what a record that waits in memory is taken to need on disk: chosen, above most.
	queuedBytes = 1 << 10
	// shipRows is how many records go to the store at once: chosen, so that one commit carries many.
	shipRows = 500
	// backoffFirst and backoffMost bound the pause after a store refused; it doubles between them.
	backoffFirst = 250 * time.Millisecond
	backoffMost  = 30 * time.Second
)

// SpoolOptions say where a spool lies and how large it may grow. Dir, Node and Store are obligatory.
type SpoolOptions struct {
	// Dir is the spool's folder; made with mode 0700 where it is missing. One process at a time works on it.
	Dir string
	// Node is the name of this node, the first part of each record's key.
	Node string
	// Boot is the second part; "" means a random text, which is what everything but a test wants.
	Boot string
	// Store is where records go.
	Store Store
	// MaxBytes bounds the segments on disk together; 0 means 256 MiB. At least 256 KiB.
	MaxBytes int64
	// SegmentBytes is the size at which a segment is closed and the next begun; 0 means a sixteenth of MaxBytes, at
	// most 8 MiB. At least 128 KiB, and half of MaxBytes at most.
	SegmentBytes int64
	// Queue is how many records may wait in memory for the disk; 0 means 8192, some 8 MiB. The ends of records that were
	// opened wait beside them, as many as there are open at once.
	Queue int
	// OpenFile makes a new segment for writing and fails if name exists; nil means the file system, mode 0600.
	OpenFile func(name string) (SegmentFile, error)
	// Log receives what went wrong and when it was over; nil means nowhere.
	Log *slog.Logger
}

// Stats are counts since the spool was opened, and what it holds now. A record that was opened counts once more when it
// is finished, unless it was finished before it went to disk.
type Stats struct {
	Recorded  uint64 `json:"recorded"`  // given to Record, Open or Finish
	Unopened  uint64 `json:"unopened"`  // given to Open without room: recorded only when they are finished
	Recovered uint64 `json:"recovered"` // found on disk at the start
	Stored    uint64 `json:"stored"`    // taken by the store
	Lost      uint64 `json:"lost"`      // given to Record or Finish and dropped, because memory and disk were full or the spool closed
	Damaged   uint64 `json:"damaged"`   // frames on disk that could not be read
	Refusals  uint64 `json:"refusals"`  // times that the disk refused a write or a flush
	Retries   uint64 `json:"retries"`   // times that the store refused

	Waiting  int    `json:"waiting"`   // in memory, not yet on disk
	Unstored uint64 `json:"unstored"`  // recorded or recovered, neither stored nor lost
	Bytes    int64  `json:"bytes"`     // on disk
	MaxBytes int64  `json:"max_bytes"` // the bound
	Full     bool   `json:"full"`      // see Spool.Full
	Disk     string `json:"disk"`      // the disk's last refusal; "" when the last write went well
	Store    string `json:"store"`     // the store's last refusal; "" when the last batch went well
}

// Spool keeps records on disk until a store has them. Obtain it from OpenSpool; safe for concurrent use. Three goroutines
// belong to it, one that writes, one that flushes and one that ships; all end with Close.
type Spool struct {
	o    SpoolOptions
	lock *lockfile.Lock
	full atomic.Bool
	fill atomic.Int32 // see Filled

	mu       sync.Mutex // guards the rest up to the channels
	queue    []Record
	taken    uint64 // records that have left queue: the position of its first, counted from the start
	encoding int    // so many of queue, from its first, are being written
	seq      uint64
	closed   bool
	ended    bool          // what earlier processes left open is ended in the store
	segments []*segment    // oldest first
	current  *segment      // the one being written, also the last of segments; nil: the next write begins one
	number   uint64        // of the newest segment
	blocked  bool          // the bound is reached
	late     bool          // somebody waited for room in vain since the disk last took something
	room     chan struct{} // closed when there may be room; nil when nobody waits for it
	toFlush  []flushing    // in this order
	recent   []recent      // what was written and is kept for the shipper, oldest first
	kept     int           // records in recent
	stats    Stats
	moved    chan struct{} // closed and replaced whenever records were stored or lost

	frames []byte // memory for what is written next; the writer's

	writeNow chan struct{} // capacity 1: there is something to write
	flushNow chan struct{} // capacity 1: there is something to flush
	shipNow  chan struct{} // capacity 1: there is something to ship
	waiting  atomic.Int32  // callers in Flush
	// Each of capacity 1; cut the pause of a loop short because somebody waits in Flush.
	hurryWrite, hurryShip chan struct{}
	stop                  chan struct{} // closed by Close
	written               chan struct{} // closed when the writer has ended
	shipCtx               context.Context
	giveUp                context.CancelFunc
	done                  sync.WaitGroup
	closeErr              error
	finished              chan struct{} // closed when Close has ended
}

// OpenSpool opens the spool in o.Dir and starts to ship what an earlier process left there. A tail that was torn by a
// crash is cut off and counted. It returns a *finding.Problem when the folder cannot be used ("audit.spool-unwritable")
// or another process uses it ("audit.spool-locked").
func OpenSpool(o SpoolOptions) (*Spool, error) {
	if o.Dir == "" || o.Node == "" || o.Store == nil {
		return nil, errors.New("open spool: folder, node and store are obligatory")
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 256 << 20
	}
	o.MaxBytes = max(o.MaxBytes, 256<<10)
	if o.SegmentBytes == 0 {
		o.SegmentBytes = min(o.MaxBytes/16, 8<<20)
	}
	o.SegmentBytes = min(max(o.SegmentBytes, 128<<10), o.MaxBytes/2)
	o.Queue = cmp.Or(max(o.Queue, 0), 8192)
	o.Node = cleanText(o.Node, maxText)
	if o.Boot == "" {
		b := make([]byte, 8)
		rand.Read(b) // never fails
		o.Boot = hex.EncodeToString(b)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.OpenFile == nil {
		o.OpenFile = createSegment
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, finding.Fail("audit.spool-unwritable", err, "folder", o.Dir)
	}
	lock, err := lockfile.Acquire(filepath.Join(o.Dir, ".lock"), 0)
	if errors.Is(err, lockfile.ErrHeld) {
		return nil, finding.Fail("audit.spool-locked", nil, "folder", o.Dir)
	}
	if err != nil {
		return nil, finding.Fail("audit.spool-unwritable", err, "folder", o.Dir)
	}
	s := &Spool{
		o: o, lock: lock,
		moved:    make(chan struct{}),
		writeNow: make(chan struct{}, 1), flushNow: make(chan struct{}, 1), shipNow: make(chan struct{}, 1),
		hurryWrite: make(chan struct{}, 1), hurryShip: make(chan struct{}, 1),
		stop: make(chan struct{}), written: make(chan struct{}), finished: make(chan struct{}),
	}
	if err := s.recover(); err != nil {
		lock.Release()
		return nil, finding.Fail("audit.spool-unwritable", err, "folder", o.Dir)
	}
	s.shipCtx, s.giveUp = context.WithCancel(context.Background())
	s.judge()
	s.done.Go(s.writeLoop)
	s.done.Go(s.flushLoop)
	s.done.Go(s.shipLoop)
	return s, nil
}

// Record takes a record. What the disk has not taken waits in memory. Where memory is full, Record waits for the disk for
// up to a second, which slows down whoever records faster than the disk takes; what finds no room then is dropped and
// counted in Stats.Lost. It does not wait for a disk that refuses, nor for the spool's bound. Node, Boot, Seq and Open are set here; r.Groups must not change
// afterwards.
func (s *Spool) Record(r Record) { s.Finish(Opened{}, r) }

// Opened is a record that was opened and waits for its end. The zero value is none.
type Opened struct {
	Seq   uint64 // of the record's key; 0: none
	place uint64 // in the queue, counted from the start
	kept  bool   // there was room for it
}

// Open takes a record whose end is not known yet, as Record does; whoever calls it calls Finish once. The record has its
// place in the sequence from here on. When there is no room it waits for its end and is counted in Stats.Unopened.
func (s *Spool) Open(r Record) Opened {
	r.clean()
	r.Open = true
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	r.Node, r.Boot, r.Seq = s.o.Node, s.o.Boot, s.seq
	if s.closed || len(s.queue) >= s.o.Queue {
		s.stats.Unopened++
		return Opened{Seq: s.seq}
	}
	return Opened{Seq: s.seq, place: s.put(r), kept: true}
}

// Finish takes the whole of a record that was opened, as Record does; with the zero Opened it is Record. One that was
// opened is never dropped for want of memory. Where its beginning has not gone to disk yet, it takes its place: a
// connection that lasts less than the time between two writes costs one frame.
func (s *Spool) Finish(o Opened, r Record) {
	r.clean()
	r.Open = false
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.Seq == 0 {
		s.seq++
		o.Seq = s.seq
	}
	r.Node, r.Boot, r.Seq = s.o.Node, s.o.Boot, o.Seq
	if o.kept && o.place >= s.taken+uint64(s.encoding) {
		s.queue[o.place-s.taken] = r
		return
	}
	if !o.kept {
		s.awaitRoom()
	}
	if s.closed || !o.kept && len(s.queue) >= s.o.Queue {
		s.stats.Recorded++
		s.stats.Lost++
		return
	}
	s.put(r)
}

// put appends r to the queue and returns its place. The caller holds s.mu.
func (s *Spool) put(r Record) (place uint64) {
	s.stats.Recorded++
	place = s.taken + uint64(len(s.queue))
	s.queue = append(s.queue, r)
	s.gauge()
	nudge(s.writeNow)
	if 2*len(s.queue) >= s.o.Queue {
		nudge(s.hurryWrite)
	}
	return place
}

// awaitRoom waits until there is room in the queue, or it is no use to wait. The caller holds s.mu, which is let go
// meanwhile.
func (s *Spool) awaitRoom() {
	var timeout <-chan time.Time
	for len(s.queue) >= s.o.Queue && !s.closed && !s.late && !s.blocked && s.stats.Disk == "" {
		if timeout == nil {
			timeout = time.After(roomWait)
		}
		if s.room == nil {
			s.room = make(chan struct{})
		}
		room, vain := s.room, false
		s.mu.Unlock()
		select {
		case <-room:
		case <-timeout:
			vain = true
		}
		s.mu.Lock()
		if vain {
			s.late = s.late || len(s.queue) >= s.o.Queue
			s.judge()
			return
		}
	}
}

// stirred wakes whoever waits for room. The caller holds s.mu.
func (s *Spool) stirred() {
	if s.room != nil {
		close(s.room)
		s.room = nil
	}
}

// Full reports that new work should be refused because its record may be lost: the spool is within a sixteenth of its
// bound (kept for the records of what is under way and of the refusals themselves), the disk refuses writes, or it takes
// so little that a record waited for room in memory in vain. It becomes false again by itself when the store takes records or the disk has room. It
// costs one atomic read.
func (s *Spool) Full() bool { return s.full.Load() }

// Filled is how full the spool is in sixteenths of its bound, 16 when the disk takes nothing: whoever causes records that
// can wait slows down before it is Full. It costs one atomic read.
func (s *Spool) Filled() int { return int(s.fill.Load()) }

// gauge sets fill from what is known. The caller holds s.mu, or is alone.
func (s *Spool) gauge() {
	if s.blocked || s.stats.Disk != "" || s.late {
		s.fill.Store(16)
		return
	}
	coming := s.stats.Bytes + int64(len(s.queue))*queuedBytes
	s.fill.Store(int32(16 * min(coming, s.o.MaxBytes) / s.o.MaxBytes))
}

// judge sets full from what is known. The caller holds s.mu, or is alone.
func (s *Spool) judge() {
	full := s.blocked || s.stats.Disk != "" || s.stats.Bytes >= s.o.MaxBytes-s.o.MaxBytes/16 || s.late
	s.gauge()
	if full != s.full.Swap(full) {
		if full {
			s.o.Log.Error("audit spool is full", "waiting", len(s.queue), "bytes", s.stats.Bytes, "max_bytes", s.o.MaxBytes, "disk", s.stats.Disk)
		} else {
			s.o.Log.Info("audit spool has room again", "bytes", s.stats.Bytes)
		}
	}
}

// Stats returns the counts of this moment.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.stats
	t.Waiting, t.MaxBytes, t.Full = len(s.queue), s.o.MaxBytes, s.full.Load()
	t.Unstored = t.Recorded + t.Recovered - t.Stored - t.Lost
	return t
}

// Boot returns the second part of the key of this spool's records.
func (s *Spool) Boot() string { return s.o.Boot }

// Flush waits until every record given to Record, Open or Finish before the call is in the store, or was lost, and until
// what earlier processes left open is ended there. It returns ctx.Err() when the caller gave up. Reports that must show what just happened call it first.
func (s *Spool) Flush(ctx context.Context) error {
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	s.mu.Lock()
	target := s.stats.Recorded + s.stats.Recovered
	s.mu.Unlock()
	for {
		s.mu.Lock()
		settled := s.ended && s.stats.Stored+s.stats.Lost >= target
		moved := s.moved
		s.mu.Unlock()
		if settled {
			return nil
		}
		nudge(s.writeNow)
		nudge(s.hurryWrite)
		nudge(s.shipNow)
		nudge(s.hurryShip)
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.finished:
			return errors.New("spool is closed")
		}
	}
}

// Close writes what waits in memory, flushes it to disk, and ships until everything is stored or ctx ends; records that
// remain are on disk and are shipped by the next process. It returns a *finding.Problem with the code "audit.lost" when
// records waiting in memory could not be written, and "audit.left" when ctx ended with records in the spool. Record after
// Close drops. Later calls wait for the first and return the same.
func (s *Spool) Close(ctx context.Context) error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.stirred()
	s.mu.Unlock()
	if !first {
		select {
		case <-s.finished:
			return s.closeErr
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer close(s.finished)
	close(s.stop)
	after := context.AfterFunc(ctx, s.giveUp)
	s.done.Wait()
	after()
	s.giveUp()
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.queue); n > 0 {
		s.stats.Lost += uint64(n)
		s.queue, s.taken = nil, s.taken+uint64(n)
		s.closeErr = finding.Fail("audit.lost", errors.New(s.stats.Disk), "records", strconv.Itoa(n), "folder", s.o.Dir)
	} else if n := s.stats.Recorded + s.stats.Recovered - s.stats.Stored - s.stats.Lost; n > 0 {
		s.closeErr = finding.Fail("audit.left", ctx.Err(), "records", strconv.FormatUint(n, 10), "folder", s.o.Dir)
	}
	if err := s.lock.Release(); err != nil && s.closeErr == nil {
		s.closeErr = err
	}
	return s.closeErr
}

// announce wakes whoever waits in Flush. The caller holds s.mu.
func (s *Spool) announce() {
	close(s.moved)
	s.moved = make(chan struct{})
}

// nudge puts a token into a channel of capacity 1, if it has none.
func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
