package cli

import (
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	logEvery = 50 * time.Millisecond // chosen: nobody who reads along notices
	logHurry = 32 << 10              // so much is written at once (chosen: hundreds of lines)
	logKept  = 4 << 20               // what waits for a reader that does not read (chosen: a second of the busiest gateway)
)

// logWriter writes log lines from one goroutine, many at once: a system call for each request is a tenth of what the
// request costs, and a reader of the log that stalls must not stall the gateway. Lines for which there is no room are
// dropped, and how many were is written as soon as there is room again. The audit records are what must not be lost.
type logWriter struct {
	to   io.Writer
	told *slog.Logger // of to, past what waits
	wake chan struct{}
	stop chan struct{}
	done chan struct{}

	mu      sync.Mutex
	lines   []byte
	spare   []byte
	dropped int
}

// newLogWriter returns a writer to to, and the handler over it that form makes of a writer.
func newLogWriter(to io.Writer, form func(io.Writer) slog.Handler) (*logWriter, slog.Handler) {
	w := &logWriter{to: to, told: slog.New(form(to)), wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go w.run() // ends with Close
	return w, form(w)
}

// Write takes one whole line. It never waits and never fails.
func (w *logWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	if len(w.lines)+len(line) > logKept {
		w.dropped++
	} else {
		w.lines = append(w.lines, line...)
	}
	first, hurry := len(w.lines) == len(line), len(w.lines) >= logHurry
	w.mu.Unlock()
	if first || hurry {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
	return len(line), nil
}

func (w *logWriter) run() {
	defer close(w.done)
	pause := time.NewTimer(logEvery)
	for {
		select {
		case <-w.wake:
		case <-w.stop:
			return
		}
		pause.Reset(logEvery)
		select {
		case <-pause.C:
		case <-w.wake: // there is much
		case <-w.stop:
			return
		}
		w.flush()
	}
}

// flush writes what waits. run calls it, and Close after run.
func (w *logWriter) flush() {
	w.mu.Lock()
	lines, dropped := w.lines, w.dropped
	w.lines, w.dropped = w.spare[:0], 0
	w.mu.Unlock()
	if len(lines) > 0 {
		_, _ = w.to.Write(lines)
	}
	if dropped > 0 {
		w.told.Warn("log lines dropped", "lines", dropped)
	}
	if cap(lines) > 4*logHurry {
		lines = nil
	}
	w.mu.Lock()
	w.spare = lines
	w.mu.Unlock()
}

// Close writes what waits and ends the goroutine. What is written later is lost.
func (w *logWriter) Close() {
	close(w.stop)
	<-w.done
	w.flush()
}
