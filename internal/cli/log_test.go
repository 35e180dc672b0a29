package cli

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// stuck is a reader of the log that takes nothing until it is let go.
type stuck struct {
	mu   sync.Mutex
	got  bytes.Buffer
	gate chan struct{}
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.gate
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got.Write(p)
}

func text(to io.Writer) slog.Handler { return slog.NewTextHandler(to, nil) }

func (s *stuck) text() string { s.mu.Lock(); defer s.mu.Unlock(); return s.got.String() }

func TestLogLinesKeepTheirOrderAndNoneIsLost(t *testing.T) {
	to := &stuck{gate: make(chan struct{})}
	close(to.gate)
	w, _ := newLogWriter(to, text)
	var want strings.Builder
	for i := range 5000 {
		line := fmt.Sprintf("line %d\n", i)
		want.WriteString(line)
		_, _ = w.Write([]byte(line))
	}
	w.Close()
	if to.text() != want.String() {
		t.Errorf("%d bytes, want %d", len(to.text()), want.Len())
	}
}

func TestAReaderOfTheLogThatDoesNotReadStallsNobody(t *testing.T) {
	to := &stuck{gate: make(chan struct{})}
	w, _ := newLogWriter(to, text)
	line := []byte(strings.Repeat("x", 1023) + "\n")
	start := time.Now()
	for range 3 * logKept / len(line) {
		_, _ = w.Write(line)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("writers waited %v", took)
	}
	close(to.gate)
	w.Close()
	if !strings.Contains(to.text(), "log lines dropped") {
		t.Error("nothing says that lines were dropped")
	}
}
