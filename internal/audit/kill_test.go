package audit

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// childRecords is what the killed process does: it records without end, for a store that is down, and says when it
// recorded what.
func childRecords(dir string) {
	s, err := OpenSpool(SpoolOptions{Dir: dir, Node: "child", Boot: "child", Store: &memory{refuse: down}, MaxBytes: 64 << 20,
		SegmentBytes: 128 << 10})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	out := bufio.NewWriter(os.Stdout)
	for i := 1; ; i++ {
		s.Record(record(i))
		fmt.Fprintln(out, i, time.Now().UnixMicro())
		if i%4 == 0 { // some hundred a second: the test is about the spool, and not about the machine
			out.Flush()
			<-time.After(4 * time.Millisecond)
		}
	}
}

func TestKilledProcessLosesNoRecordOlderThanASecond(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SEKISHO_TEST_SPOOL="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var old uint64 // the last record that was a second old when the process was killed
	times := map[uint64]int64{}
	var last uint64
	lines := bufio.NewScanner(out)
	begin := time.Now()
	for time.Since(begin) < 2500*time.Millisecond && lines.Scan() {
		var at int64
		if _, err := fmt.Sscan(lines.Text(), &last, &at); err != nil {
			t.Fatal(err)
		}
		times[last] = at
	}
	killed := time.Now().UnixMicro()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() // it was killed, so it reports that
	for seq, at := range times {
		if killed-at > 1e6 {
			old = max(old, seq)
		}
	}
	if old < 100 {
		t.Fatalf("the process recorded only %d of %d in time to tell", old, last)
	}
	m := &memory{}
	s := openSpool(t, SpoolOptions{Dir: dir, Store: m})
	if err := s.Close(within(t, 60*time.Second)); err != nil {
		t.Fatal(err)
	}
	got := m.distinct("child")
	if !slices.Equal(got, upTo(len(got))) {
		t.Error("records are missing from the middle")
	}
	if uint64(len(got)) < old {
		t.Errorf("%d records survived, %d were older than a second", len(got), old)
	}
}
