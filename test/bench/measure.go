//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// family lists pid and its descendants.
func family(pid int) []int {
	out := []int{pid}
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, f := range files {
		text, _ := os.ReadFile(f)
		for _, word := range bytes.Fields(text) {
			if child, err := strconv.Atoi(string(word)); err == nil {
				out = append(out, family(child)...)
			}
		}
	}
	return out
}

// cpu is the processor time that pid and its descendants have used, to the nanosecond: the process clock of
// clock_getcpuclockid(3), which sums what the scheduler gave to every thread, those that ended included. The figures
// of /proc/PID/stat are the same sum in hundredths of a second.
func cpu(pid int) (time.Duration, error) {
	var sum time.Duration
	for _, p := range family(pid) {
		var t unix.Timespec
		if err := unix.ClockGettime(int32(^p<<3|2), &t); err != nil { // CPUCLOCK_SCHED of a process
			if p == pid {
				return 0, fmt.Errorf("read the processor clock of process %d: %w", pid, err)
			}
			continue // a helper that has ended
		}
		sum += time.Duration(t.Nano())
	}
	return sum, nil
}

// memory is what pid and its descendants hold in memory and nobody else does, in bytes.
func memory(pid int) (int64, error) {
	var sum int64
	for _, p := range family(pid) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p))
		if err != nil {
			return 0, err
		}
		for _, line := range bytes.Split(text, []byte("\n")) {
			fields := bytes.Fields(line)
			if len(fields) < 2 || !bytes.HasPrefix(fields[0], []byte("Private_")) {
				continue
			}
			kib, err := strconv.ParseInt(string(fields[1]), 10, 64)
			if err != nil {
				return 0, err
			}
			sum += kib << 10
		}
	}
	return sum, nil
}

// descriptors is how many files, sockets and pipes pid and its descendants hold open.
func descriptors(pid int) int {
	sum := 0
	for _, p := range family(pid) {
		entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p))
		sum += len(entries)
	}
	return sum
}
