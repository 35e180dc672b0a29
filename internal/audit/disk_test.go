package audit

import (
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// faultyFile refuses writes or flushes while told so, after taking a part of a write, as a full disk does.
type faultyFile struct {
	SegmentFile
	fault func() (write, sync bool)
}

func (f faultyFile) Write(b []byte) (int, error) {
	if w, _ := f.fault(); w {
		n, _ := f.SegmentFile.Write(b[:len(b)/3])
		return n, syscall.ENOSPC
	}
	return f.SegmentFile.Write(b)
}

func (f faultyFile) Sync() error {
	if _, s := f.fault(); s {
		return syscall.EIO
	}
	return f.SegmentFile.Sync()
}

func TestDiskThatRefusesIsFullUntilItTakesAgain(t *testing.T) {
	for rule, fault := range map[string]struct{ write, sync, open bool }{
		"no-space":    {write: true},
		"flush-fails": {sync: true},
		"no-new-file": {open: true},
	} {
		t.Run(rule, func(t *testing.T) {
			var mu sync.Mutex
			broken := false
			is := func() bool { mu.Lock(); defer mu.Unlock(); return broken }
			set := func(b bool) { mu.Lock(); defer mu.Unlock(); broken = b }
			m := &memory{}
			s := openSpool(t, SpoolOptions{Store: m, MaxBytes: 4 << 20, SegmentBytes: 128 << 10,
				OpenFile: func(name string) (SegmentFile, error) {
					if is() && fault.open {
						return nil, syscall.EMFILE
					}
					f, err := createSegment(name)
					if err != nil {
						return nil, err
					}
					return faultyFile{f, func() (bool, bool) { return is() && fault.write, is() && fault.sync }}, nil
				}})
			fill(s, 100)
			if err := s.Flush(within(t, 10*time.Second)); err != nil {
				t.Fatal(err)
			}
			set(true)
			fill(s, 700) // more than one segment
			until(t, "full", s.Full)
			if st := s.Stats(); st.Refusals == 0 || st.Disk == "" {
				t.Errorf("stats %+v", st)
			}
			set(false)
			if err := s.Flush(within(t, 10*time.Second)); err != nil {
				t.Fatal(err)
			}
			until(t, "room again", func() bool { return !s.Full() })
			if got := m.distinct(s.Boot()); !slices.Equal(got, upTo(800)) {
				t.Errorf("%d of 800 stored", len(got))
			}
			if st := s.Stats(); st.Lost != 0 || st.Damaged != 0 {
				t.Errorf("stats %+v", st)
			}
		})
	}
}

func TestRecordsThatTheDiskNeverTookAreCountedAtClose(t *testing.T) {
	s := openSpool(t, SpoolOptions{Store: &memory{}, OpenFile: func(string) (SegmentFile, error) { return nil, syscall.ENOSPC }})
	fill(s, 10)
	if err := s.Close(within(t, 10*time.Second)); problemCode(t, err) != "audit.lost" {
		t.Errorf("close: %v", err)
	}
	if st := s.Stats(); st.Lost != 10 {
		t.Errorf("stats %+v", st)
	}
}

func TestCloseWritesWhatWaitsAtTheBound(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s := openSpool(t, SpoolOptions{Dir: dir, Store: &memory{refuse: down}, MaxBytes: 256 << 10})
	fill(s, 1000)
	until(t, "the bound is reached", func() bool { st := s.Stats(); return st.Full && st.Waiting > 0 && st.Bytes > 240<<10 })
	if err := s.Close(within(t, 300*time.Millisecond)); problemCode(t, err) != "audit.left" {
		t.Errorf("close: %v", err)
	}
	m := &memory{}
	if err := openSpool(t, SpoolOptions{Dir: dir, Store: m}).Close(within(t, 10*time.Second)); err != nil {
		t.Error(err)
	}
	if got := m.distinct(s.Boot()); !slices.Equal(got, upTo(1000)) {
		t.Errorf("%d of 1000 stored", len(got))
	}
}

// A flush takes seconds on a busy disk. Writes waited for it, and records for the writes.
func TestASlowFlushHoldsUpNoWrite(t *testing.T) {
	release := make(chan struct{})
	m := &memory{}
	s := openSpool(t, SpoolOptions{Store: m, MaxBytes: 4 << 20, SegmentBytes: 128 << 10, OpenFile: func(name string) (SegmentFile, error) {
		f, err := createSegment(name)
		return slowFile{f, release}, err
	}})
	for i := range 10 { // across segments
		fill(s, 200)
		until(t, "the disk has them", func() bool { return s.Stats().Waiting == 0 })
		if i == 4 {
			time.Sleep(syncEvery) // a flush is asked for, too
		}
	}
	if s.Full() {
		t.Error("full")
	}
	close(release)
	if err := s.Close(within(t, 10*time.Second)); err != nil {
		t.Error(err)
	}
	if got := m.distinct(s.Boot()); !slices.Equal(got, upTo(2000)) {
		t.Errorf("%d of 2000 stored", len(got))
	}
	if left := files(t, s.o.Dir); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

type slowFile struct {
	SegmentFile
	release <-chan struct{}
}

func (f slowFile) Sync() error {
	<-f.release
	return f.SegmentFile.Sync()
}

// Twenty thousand requests that ended at once lost their records to a queue that was written ten times a second, and
// shut sign-in for everybody, while the disk was idle.
func TestABurstSlowsDownAndLosesNothing(t *testing.T) {
	m := &memory{}
	s := openSpool(t, SpoolOptions{Store: m, Queue: 100})
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() { fill(s, 200) })
	}
	full := make(chan bool)
	go func() { wait.Wait(); close(full) }()
	for done := false; !done; {
		select {
		case <-full:
			done = true
		default:
			if s.Full() {
				t.Error("full")
			}
			time.Sleep(time.Millisecond)
		}
	}
	if err := s.Close(within(t, 10*time.Second)); err != nil {
		t.Error(err)
	}
	if st := s.Stats(); st.Lost != 0 || st.Stored != 4000 {
		t.Errorf("stats %+v", st)
	}
}

func TestRecordWaitsAMomentAtMostForTheDisk(t *testing.T) {
	release := make(chan struct{})
	s := openSpool(t, SpoolOptions{Store: &memory{}, Queue: 50, OpenFile: func(name string) (SegmentFile, error) {
		<-release
		return createSegment(name)
	}})
	done := make(chan struct{})
	go func() { fill(s, 200); close(done) }()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Error("Record waits for a disk that hangs")
	}
	if st := s.Stats(); !s.Full() || st.Waiting != 50 || st.Lost != 150 {
		t.Errorf("full %v, stats %+v", s.Full(), st)
	}
	close(release)
	if err := s.Close(within(t, 10*time.Second)); err != nil {
		t.Error(err)
	}
}
