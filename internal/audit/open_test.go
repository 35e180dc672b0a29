package audit

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

// gate is a disk that can be held: writes wait until it is let go, and say that they wait.
type gate struct {
	SegmentFile
	hold    chan struct{} // a write waits for a token, or for it to be closed
	waiting chan struct{}
}

func (g *gate) Write(b []byte) (int, error) {
	select {
	case g.waiting <- struct{}{}:
	default:
	}
	<-g.hold
	return g.SegmentFile.Write(b)
}

func held(o SpoolOptions) (SpoolOptions, *gate) {
	g := &gate{hold: make(chan struct{}), waiting: make(chan struct{}, 1)}
	o.OpenFile = func(name string) (SegmentFile, error) {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
		return &gate{f, g.hold, g.waiting}, err
	}
	return o, g
}

// frames are what reached the store for one sequence, in order: true for the beginning of a record.
func (m *memory) frames(seq uint64) (open []bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.rows {
		if r.Seq == seq {
			open = append(open, r.Open)
		}
	}
	return open
}

func TestAnOpenedRecordIsThereBeforeItEnds(t *testing.T) {
	m := &memory{}
	s := openSpool(t, SpoolOptions{Store: m})
	s.Record(record(1))
	o := s.Open(record(2))
	s.Record(record(3))
	if err := s.Flush(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := m.frames(2); !slices.Equal(got, []bool{true}) {
		t.Errorf("before its end: %v", got)
	}
	whole := record(2)
	whole.BytesUp = 7
	s.Finish(o, whole)
	s.Record(record(4))
	if err := s.Close(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := m.frames(2); !slices.Equal(got, []bool{true, false}) {
		t.Errorf("after its end: %v", got)
	}
	if got := m.distinct(s.Boot()); !slices.Equal(got, upTo(4)) {
		t.Errorf("sequence %v", got)
	}
	if st := s.Stats(); st.Recorded != 5 || st.Stored != 5 || st.Unstored != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestWhatEndsBeforeItIsWrittenCostsOneFrame(t *testing.T) {
	m := &memory{}
	options, disk := held(SpoolOptions{Store: m})
	s := openSpool(t, options)
	o1 := s.Open(record(1))
	<-disk.waiting // the first is being written
	o2 := s.Open(record(2))
	for _, o := range []Opened{o1, o2} {
		r := record(int(o.Seq))
		r.BytesUp = 7
		s.Finish(o, r)
	}
	o3 := s.Open(record(3))
	close(disk.hold)
	if err := s.Flush(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	s.Finish(o3, record(3))
	if err := s.Close(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	for seq, want := range map[uint64][]bool{1: {true, false}, 2: {false}, 3: {true, false}} {
		if got := m.frames(seq); !slices.Equal(got, want) {
			t.Errorf("record %d: frames %v, want %v", seq, got, want)
		}
	}
	for _, r := range m.rows {
		if !r.Open && r.Seq < 3 && r.BytesUp != 7 {
			t.Errorf("record %d has no totals", r.Seq)
		}
	}
	if st := s.Stats(); st.Recorded != 5 || st.Stored != 5 || st.Lost != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestTheEndOfWhatWasOpenedIsNeverDroppedForWantOfMemory(t *testing.T) {
	m := &memory{}
	options, disk := held(SpoolOptions{Store: m, Queue: 4})
	s := openSpool(t, options)
	kept := s.Open(record(1))
	<-disk.waiting // so its end needs a place of its own
	fill(s, 3)
	late := s.Open(record(5)) // no room
	s.Record(record(6))       // lost, after a wait in vain
	if !s.Full() {
		t.Error("not full")
	}
	s.Finish(kept, record(1))
	lost := s.Open(record(7))
	s.Finish(lost, record(7)) // never had room: lost like any other
	close(disk.hold)
	if err := s.Flush(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	s.Finish(late, record(5)) // there is room again
	if err := s.Close(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := m.distinct(s.Boot()); !slices.Equal(got, []uint64{1, 2, 3, 4, 5}) {
		t.Errorf("stored %v", got)
	}
	if got := m.frames(1); !slices.Equal(got, []bool{true, false}) {
		t.Errorf("frames of the first %v", got)
	}
	if got := m.frames(5); !slices.Equal(got, []bool{false}) {
		t.Errorf("frames of the one without room %v", got)
	}
	if st := s.Stats(); st.Lost != 2 || st.Unopened != 2 || st.Unstored != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestADiskThatRefusesKeepsTheEndAndNotTheBeginning(t *testing.T) {
	m := &memory{}
	var mu sync.Mutex
	refuse := true
	s := openSpool(t, SpoolOptions{Store: m, OpenFile: func(name string) (SegmentFile, error) {
		mu.Lock()
		defer mu.Unlock()
		if refuse {
			return nil, errors.New("no space")
		}
		return createSegment(name)
	}})
	o := s.Open(record(1))
	until(t, "the disk refuses", func() bool { return s.Stats().Refusals > 0 })
	s.Finish(o, record(1))
	if st := s.Stats(); st.Waiting != 1 {
		t.Errorf("%d wait", st.Waiting)
	}
	mu.Lock()
	refuse = false
	mu.Unlock()
	if err := s.Flush(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := m.frames(1); !slices.Equal(got, []bool{false}) {
		t.Errorf("frames %v", got)
	}
}

// Many connections that open and close at any moment, beside records that are not opened: each has one number, every
// number is there, and each beginning that reached the store is followed by its end.
func TestOpenedRecordsLeaveNoGapAndNoneStaysOpen(t *testing.T) {
	m := &memory{refuse: func(call int) error {
		if call%3 == 0 {
			return errors.New("busy")
		}
		return nil
	}}
	s := openSpool(t, SpoolOptions{Store: m, SegmentBytes: 128 << 10, MaxBytes: 32 << 20})
	const workers, each = 8, 300
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range each {
				o := s.Open(record(i))
				switch rand.N(3) {
				case 0:
					time.Sleep(rand.N(3 * time.Millisecond)) // some end while they are being written
				case 1:
					s.Record(record(i))
				}
				whole := record(i)
				whole.BytesUp = 1
				s.Finish(o, whole)
			}
		})
	}
	wg.Wait()
	if err := s.Close(within(t, 30*time.Second)); err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(m.rows, func(a, b Record) int { return cmp.Compare(a.Seq, b.Seq) })
	last := m.rows[len(m.rows)-1].Seq
	if got := m.distinct(s.Boot()); !slices.Equal(got, upTo(int(last))) || last < workers*each {
		t.Errorf("%d of %d numbers", len(got), last)
	}
	for i, r := range m.rows {
		if r.Open && (i+1 == len(m.rows) || m.rows[i+1].Seq != r.Seq || m.rows[i+1].Open) {
			t.Errorf("record %d is not finished once", r.Seq)
		}
	}
	if st := s.Stats(); st.Lost != 0 || st.Stored != st.Recorded {
		t.Errorf("stats %+v", st)
	}
}

// ending is a store that notes when it was told that earlier processes are dead.
type ending struct {
	memory
	refusals int
	told     []int // rows there were each time
	boots    []string
}

func (e *ending) EndOpen(_ context.Context, node, boot string) (int64, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.refusals--; e.refusals >= 0 {
		return 0, errors.New("busy")
	}
	e.told = append(e.told, len(e.rows))
	e.boots = append(e.boots, node+" "+boot)
	return 1, nil
}

func TestWhatAnEarlierProcessLeftOpenIsEndedOnceAfterItsRecords(t *testing.T) {
	dir := t.TempDir()
	s := openSpool(t, SpoolOptions{Dir: dir, Store: &memory{refuse: down}})
	s.Open(record(1))
	fill(s, 1200) // more than goes to the store at once
	s.Close(within(t, 300*time.Millisecond))

	e := &ending{refusals: 2}
	next := openSpool(t, SpoolOptions{Dir: dir, Store: e})
	if err := next.Flush(within(t, 20*time.Second)); err != nil { // nothing of its own: it waits for the ending all the same
		t.Fatal(err)
	}
	fill(next, 10)
	if err := next.Close(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(e.told, []int{1201}) || !slices.Equal(e.boots, []string{"gw1 " + next.Boot()}) {
		t.Errorf("told with %v rows there, as %v", e.told, e.boots)
	}
	if st := next.Stats(); st.Retries != 2 || st.Store != "" {
		t.Errorf("stats %+v", st)
	}
}

// BenchmarkOpened is what a connection costs on the request's path, beside BenchmarkFrame/record for one frame.
func BenchmarkOpened(b *testing.B) {
	for name, between := range map[string]func(s *Spool, done int){
		"short": func(*Spool, int) {},
		"long": func(s *Spool, done int) { // the beginning goes to disk first
			if done%1000 == 0 {
				_ = s.Flush(context.Background())
			}
		},
	} {
		b.Run(name, func(b *testing.B) {
			s := openSpool(b, SpoolOptions{Store: discard{}, Queue: 1 << 20})
			r := record(1)
			b.ReportAllocs()
			open := make([]Opened, 0, 1000)
			for b.Loop() {
				if open = append(open, s.Open(r)); name == "long" && len(open) < cap(open) {
					continue
				}
				between(s, len(open))
				for _, o := range open {
					s.Finish(o, r)
				}
				open = open[:0]
			}
			b.StopTimer()
			_ = s.Flush(context.Background())
			b.ReportMetric(float64(s.Stats().Recorded)/float64(b.N), "frames/op")
		})
	}
}

// discard is a store that is fast.
type discard struct{}

func (discard) Store(context.Context, []Record) error                  { return nil }
func (discard) EndOpen(context.Context, string, string) (int64, error) { return 0, nil }
