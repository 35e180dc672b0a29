package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sekisho/internal/finding"
	"sekisho/internal/message"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("SEKISHO_TEST_SPOOL"); dir != "" {
		childRecords(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// memory is a store that can be told to refuse.
type memory struct {
	mu     sync.Mutex
	rows   []Record
	calls  int
	refuse func(call int) error
}

func (m *memory) Store(ctx context.Context, records []Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.refuse != nil {
		if err := m.refuse(m.calls); err != nil {
			return err
		}
	}
	m.rows = append(m.rows, records...)
	return nil
}

// EndOpen ends nothing: this store keeps every frame, so that tests see them.
func (m *memory) EndOpen(context.Context, string, string) (int64, error) { return 0, nil }

func (m *memory) set(refuse func(int) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuse = refuse
}

// distinct returns the sequences stored for a boot, sorted, each once.
func (m *memory) distinct(boot string) []uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []uint64
	for _, r := range m.rows {
		if r.Boot == boot {
			out = append(out, r.Seq)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func down(int) error { return errors.New("the store is down") }

func openSpool(t testing.TB, o SpoolOptions) *Spool {
	t.Helper()
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "spool")
	}
	if o.Node == "" {
		o.Node = "gw1"
	}
	s, err := OpenSpool(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Close(ctx)
	})
	return s
}

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// until waits for a condition that another goroutine brings about; it fails the test after ten seconds.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func files(t testing.TB, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func upTo(n int) []uint64 {
	var out []uint64
	for i := range n {
		out = append(out, uint64(i+1))
	}
	return out
}

func record(i int) Record {
	return Record{Kind: Decision, TimeMicros: int64(i), RequestID: fmt.Sprintf("req-%d", i), Host: "login.live.com",
		Client: "10.1.2.3", User: "alice", Rule: strings.Repeat("r", 200)}
}

func fill(s *Spool, n int) {
	for i := range n {
		s.Record(record(i))
	}
}

func problemCode(t *testing.T, err error) string {
	t.Helper()
	var p *finding.Problem
	if !errors.As(err, &p) {
		t.Fatalf("error %v is no *finding.Problem", err)
	}
	for _, lang := range message.Languages() {
		for _, id := range []string{p.Findings[0].Code, p.Findings[0].Code + ".hint"} {
			if !message.New(lang).Has(id) {
				t.Errorf("no text %q in %s", id, lang)
			}
		}
	}
	return p.Findings[0].Code
}

func TestRecordsReachTheStoreInOrder(t *testing.T) {
	m := &memory{}
	s := openSpool(t, SpoolOptions{Store: m})
	fill(s, 3000)
	if err := s.Flush(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(m.rows, func(a, b Record) int { return int(a.Seq) - int(b.Seq) }) || len(m.rows) != 3000 {
		t.Errorf("%d rows, or not in order", len(m.rows))
	}
	r := m.rows[7]
	if r.Node != "gw1" || r.Boot != s.Boot() || r.Seq != 8 || r.RequestID != "req-7" || len(s.Boot()) < 16 {
		t.Errorf("row %+v", r)
	}
	if err := s.Close(within(t, 10*time.Second)); err != nil {
		t.Errorf("close: %v", err)
	}
	if left := files(t, s.o.Dir); len(left) > 0 {
		t.Errorf("segments left after everything was stored: %v", left)
	}
	if st := s.Stats(); st.Stored != 3000 || st.Unstored != 0 || st.Lost != 0 || st.Bytes != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestStoreThatIsDownLosesNothing(t *testing.T) {
	m := &memory{refuse: down}
	s := openSpool(t, SpoolOptions{Store: m})
	fill(s, 1000)
	until(t, "the store is asked", func() bool { return s.Stats().Retries > 0 })
	if s.Full() {
		t.Error("full, although the disk has room")
	}
	m.set(nil)
	if err := s.Flush(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := m.distinct(s.Boot()); !slices.Equal(got, upTo(1000)) {
		t.Errorf("%d of 1000 stored", len(got))
	}
	if st := s.Stats(); st.Store != "" {
		t.Errorf("still says %q", st.Store)
	}
}

func TestNextProcessShipsWhatRemains(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s := openSpool(t, SpoolOptions{Dir: dir, Store: &memory{refuse: down}})
	fill(s, 100)
	err := s.Close(within(t, 300*time.Millisecond))
	if problemCode(t, err) != "audit.left" {
		t.Errorf("close: %v", err)
	}
	m := &memory{}
	next := openSpool(t, SpoolOptions{Dir: dir, Store: m})
	if got := next.Stats().Recovered; got != 100 {
		t.Errorf("recovered %d", got)
	}
	if err := next.Close(within(t, 10*time.Second)); err != nil {
		t.Error(err)
	}
	if got := m.distinct(s.Boot()); !slices.Equal(got, upTo(100)) {
		t.Errorf("%d of 100 stored", len(got))
	}
}

func TestCloseDrainsAStoreThatComesBack(t *testing.T) {
	m := &memory{refuse: func(call int) error {
		if call < 3 {
			return errors.New("busy")
		}
		return nil
	}}
	s := openSpool(t, SpoolOptions{Store: m})
	fill(s, 10)
	if err := s.Close(within(t, 10*time.Second)); err != nil {
		t.Error(err)
	}
	if got := m.distinct(s.Boot()); len(got) != 10 {
		t.Errorf("%d stored", len(got))
	}
	s.Record(record(1))
	if st := s.Stats(); st.Lost != 1 {
		t.Errorf("a record after Close is not counted: %+v", st)
	}
	if err := s.Close(within(t, time.Second)); err != nil {
		t.Errorf("second close: %v", err)
	}
}

// A crash while a frame was written leaves a part of it, or zeros where the file system had made room.
func TestTornTailIsCutOffAndOnlyThatFrameIsLost(t *testing.T) {
	for rule, tear := range map[string]func([]byte) []byte{
		"a-part-of-the-last-frame":  func(b []byte) []byte { return b[:len(b)-7] },
		"a-part-of-its-header":      func(b []byte) []byte { return append(b, 'S', 'K') },
		"zeros":                     func(b []byte) []byte { return append(b, make([]byte, 4096)...) },
		"garbage":                   func(b []byte) []byte { return append(b, "garbage garbage garbage"...) },
		"a-bit-of-the-last-payload": func(b []byte) []byte { b[len(b)-3] ^= 1; return b },
	} {
		t.Run(rule, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "spool")
			s := openSpool(t, SpoolOptions{Dir: dir, Store: &memory{refuse: down}})
			fill(s, 50)
			s.Close(within(t, 200*time.Millisecond))
			name := files(t, dir)[0]
			data, _ := os.ReadFile(name)
			whole := len(data)
			data = tear(data)
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
			want := 50
			if len(data) <= whole {
				want = 49
			}
			m := &memory{refuse: down}
			next := openSpool(t, SpoolOptions{Dir: dir, Store: m})
			if st := next.Stats(); st.Damaged != 1 || st.Recovered != uint64(want) {
				t.Errorf("stats %+v", st)
			}
			if cut, _ := os.ReadFile(name); len(cut) > whole || len(cut) == len(data) && len(data) == whole {
				t.Errorf("the tail was not cut: %d of %d bytes", len(cut), len(data))
			}
			m.set(nil)
			if err := next.Close(within(t, 10*time.Second)); err != nil {
				t.Error(err)
			}
			if got := m.distinct(s.Boot()); !slices.Equal(got, upTo(want)) {
				t.Errorf("%d stored, want %d", len(got), want)
			}
		})
	}
}

func TestDamageInTheMiddleCostsOneFrame(t *testing.T) {
	for rule, at := range map[string]int{"payload": 40, "length": 5, "magic": 0, "version": 3, "checksum": 9} {
		t.Run(rule, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "spool")
			s := openSpool(t, SpoolOptions{Dir: dir, Store: &memory{refuse: down}})
			fill(s, 50)
			s.Close(within(t, 200*time.Millisecond))
			name := files(t, dir)[0]
			data, _ := os.ReadFile(name)
			_, n, err := nextFrame(data)
			if err != nil {
				t.Fatal(err)
			}
			data[n+at] ^= 0x40 // in the second frame
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
			m := &memory{}
			next := openSpool(t, SpoolOptions{Dir: dir, Store: m})
			if err := next.Close(within(t, 10*time.Second)); err != nil {
				t.Error(err)
			}
			if got := m.distinct(s.Boot()); len(got) != 49 || slices.Contains(got, 2) {
				t.Errorf("stored %v", got)
			}
			if st := next.Stats(); st.Damaged != 1 {
				t.Errorf("stats %+v", st)
			}
		})
	}
}

func TestSegmentsRotateAndAreDeletedWhenStored(t *testing.T) {
	m := &memory{refuse: down}
	s := openSpool(t, SpoolOptions{Store: m, MaxBytes: 4 << 20, SegmentBytes: 128 << 10})
	fill(s, 1000)
	until(t, "everything is on disk", func() bool { return s.Stats().Waiting == 0 })
	found := files(t, s.o.Dir)
	if len(found) < 4 {
		t.Errorf("segments %v", found)
	}
	var total int64
	for _, f := range found {
		info, err := os.Stat(f)
		if err != nil || info.Size() > 128<<10 || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f, info, err)
		}
		total += info.Size()
	}
	if got := s.Stats().Bytes; got != total {
		t.Errorf("counts %d bytes, there are %d", got, total)
	}
	m.set(nil)
	if err := s.Flush(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	// A segment goes once it is stored and the disk has confirmed it; the slower of the two deletes.
	until(t, "only the segment that is written to is left", func() bool { return len(files(t, s.o.Dir)) <= 1 })
}

func TestBoundIsKeptAndFullRecovers(t *testing.T) {
	m := &memory{refuse: down}
	s := openSpool(t, SpoolOptions{Store: m, MaxBytes: 512 << 10, SegmentBytes: 128 << 10, Queue: 200})
	sent := 0
	for !s.Full() {
		s.Record(record(sent))
		if sent++; sent%100 == 0 {
			until(t, "the disk takes them", func() bool { return s.Stats().Waiting < 100 || s.Full() })
		}
	}
	for range 2000 {
		s.Record(record(sent))
		sent++
	}
	until(t, "the bound is reached", func() bool { st := s.Stats(); return st.Waiting == 200 && st.Lost > 0 })
	var onDisk int64
	for _, f := range files(t, s.o.Dir) {
		info, _ := os.Stat(f)
		onDisk += info.Size()
	}
	if onDisk > 512<<10 {
		t.Errorf("%d bytes on disk, the bound is %d", onDisk, 512<<10)
	}
	m.set(nil)
	if err := s.Flush(within(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	until(t, "there is room again", func() bool { return !s.Full() })
	st := s.Stats()
	if got := m.distinct(s.Boot()); uint64(len(got))+st.Lost != uint64(sent) || st.Lost == 0 {
		t.Errorf("%d stored and %d lost of %d", len(got), st.Lost, sent)
	}
	s.Record(record(sent))
	if err := s.Flush(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := m.distinct(s.Boot()); got[len(got)-1] != uint64(sent)+1 || uint64(len(got)) != got[len(got)-1]-st.Lost {
		t.Error("the loss leaves no gap in the sequence")
	}
}

func TestFolderBelongsToOneProcess(t *testing.T) {
	s := openSpool(t, SpoolOptions{Store: &memory{}})
	if _, err := OpenSpool(SpoolOptions{Dir: s.o.Dir, Node: "x", Store: &memory{}}); problemCode(t, err) != "audit.spool-locked" {
		t.Errorf("second: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSpool(SpoolOptions{Dir: file, Node: "x", Store: &memory{}}); problemCode(t, err) != "audit.spool-unwritable" {
		t.Errorf("file: %v", err)
	}
	for _, o := range []SpoolOptions{{}, {Dir: "x", Node: "n"}, {Dir: "x", Store: &memory{}}} {
		if _, err := OpenSpool(o); err == nil {
			t.Errorf("%+v: opened", o)
		}
	}
}

func TestSegmentThatVanishedHoldsNobodyUp(t *testing.T) {
	m := &memory{refuse: down}
	s := openSpool(t, SpoolOptions{Store: m})
	const n = recentKept + 20 // more than are kept in memory beside the disk
	fill(s, n)
	until(t, "they are on disk", func() bool { return s.Stats().Waiting == 0 })
	for _, f := range files(t, s.o.Dir) {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	m.set(nil)
	if err := s.Flush(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Lost == 0 || st.Lost+st.Stored != n || st.Unstored != 0 {
		t.Errorf("stats %+v", st)
	}
}

// TestWhatSeveralWritesLeftIsStoredTogether: each commit costs a flush and the last page of each index.
func TestWhatSeveralWritesLeftIsStoredTogether(t *testing.T) {
	g, other := &segment{shipped: 100}, &segment{}
	several := func(n int) []Record { return make([]Record, n) }
	s := &Spool{kept: 869, recent: []recent{
		{other, 0, 40, several(100)}, {g, 60, 100, several(100)}, // stored already
		{g, 100, 150, several(20)}, {g, 150, 200, several(30)}, {g, 200, 210, several(20)}, {g, 210, 220, several(200)}, {other, 220, 230, several(399)},
	}}
	for _, want := range []struct{ records, used, kept int }{{50, 100, 669}, {20, 10, 619}, {200, 10, 599}, {0, 0, 0}} {
		records, used := s.recall(g)
		if len(records) != want.records || used != want.used || s.kept != want.kept {
			t.Errorf("%d records of %d bytes, %d kept, want %+v", len(records), used, s.kept, want)
		}
		g.shipped += int64(used)
	}
	s = &Spool{recent: []recent{{g, g.shipped, g.shipped + 10, several(shipRows + 1)}}}
	if records, _ := s.recall(g); records != nil { // the store is given no more than shipRows at once
		t.Errorf("%d records", len(records))
	}
	s = &Spool{recent: []recent{{g, g.shipped + 1, g.shipped + 10, several(1)}}}
	if records, _ := s.recall(g); records != nil || len(s.recent) != 1 {
		t.Errorf("%d records from behind a gap, %d kept", len(records), len(s.recent))
	}
}

// While records come fast, storing them waits; when it is calm, and when somebody asks, it does not.
func TestStoringYieldsToTraffic(t *testing.T) {
	m := &memory{}
	s := openSpool(t, SpoolOptions{Store: m})
	s.mu.Lock()
	s.stats.Recorded += 1 << 20
	s.mu.Unlock()
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() { // a flood, in the count only
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				s.mu.Lock()
				s.stats.Recorded += 100
				s.mu.Unlock()
			}
		}
	}()
	start := time.Now()
	s.yield(20 * time.Millisecond)
	if took := time.Since(start); took < 19*20*time.Millisecond {
		t.Errorf("rested %v", took)
	}
	s.waiting.Add(1)
	start = time.Now()
	s.yield(time.Minute)
	s.waiting.Add(-1)
	if took := time.Since(start); took > yieldMost/2 {
		t.Errorf("somebody waited for %v", took)
	}
	close(stop)
	<-done
	start = time.Now()
	s.yield(time.Minute)
	if took := time.Since(start); took > yieldMost/2 {
		t.Errorf("rested %v although it was calm", took)
	}
	s.mu.Lock()
	s.stats.Recorded = 0
	s.mu.Unlock()
}
