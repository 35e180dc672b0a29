package lab

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"sekisho/internal/lab/fault"
)

// line is a connection as it was accepted, below TLS. It can be cut in the ways in which networks cut.
type line struct {
	net.Conn
	last  atomic.Int64 // when a byte last moved, Unix nanoseconds; kept while guarded
	mu    sync.Mutex
	guard *time.Timer
	shut  bool
}

// Read reads and notes that something moved.
func (l *line) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	l.last.Store(time.Now().UnixNano())
	return n, err
}

// Write writes and notes that something moved.
func (l *line) Write(p []byte) (int, error) {
	n, err := l.Conn.Write(p)
	l.last.Store(time.Now().UnixNano())
	return n, err
}

// Close closes the connection as TCP does.
func (l *line) Close() error {
	l.mu.Lock()
	l.shut = true
	if l.guard != nil {
		l.guard.Stop()
	}
	l.mu.Unlock()
	return l.Conn.Close()
}

// reset closes the connection with a RST: what waits to be sent is dropped.
func (l *line) reset() {
	if c, ok := l.Conn.(interface{ SetLinger(int) error }); ok {
		_ = c.SetLinger(0)
	}
	_ = l.Close()
}

// hold sends nothing more and drops what comes, until the other side ends, the lab closes the connection, or the bound of
// all waits.
func (l *line) hold() {
	_ = l.SetDeadline(time.Now().Add(fault.MaxWait))
	_, _ = io.Copy(io.Discard, l.Conn)
	_ = l.Close()
}

// cutWhenIdle resets the connection when nothing has moved for d, as a firewall drops its entry.
func (l *line) cutWhenIdle(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shut || l.guard != nil {
		return
	}
	l.last.Store(time.Now().UnixNano())
	l.guard = time.AfterFunc(d, func() {
		idle := time.Since(time.Unix(0, l.last.Load()))
		if idle >= d {
			l.reset()
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if !l.shut {
			l.guard.Reset(d - idle)
		}
	})
}

// trap is a listener on loopback behind which nobody answers.
type trap struct {
	listener net.Listener
	do       func(*line)
	running  sync.WaitGroup
	mu       sync.Mutex
	lines    map[*line]struct{}
	closed   bool
}

// openTrap listens on a free port of loopback and does do with every connection.
func openTrap(do func(*line)) (*trap, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &trap{listener: l, do: do, lines: map[*line]struct{}{}}
	t.running.Go(t.accept)
	return t, nil
}

func (t *trap) accept() {
	for {
		c, err := t.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors or the like
			time.Sleep(20 * time.Millisecond)
			continue
		}
		l := &line{Conn: c}
		t.mu.Lock()
		if t.closed {
			t.mu.Unlock()
			c.Close()
			return
		}
		t.lines[l] = struct{}{}
		t.running.Go(func() {
			t.do(l)
			t.mu.Lock()
			delete(t.lines, l)
			t.mu.Unlock()
		})
		t.mu.Unlock()
	}
}

func (t *trap) close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	for l := range t.lines {
		l.Close()
	}
	t.mu.Unlock()
	err := t.listener.Close()
	t.running.Wait()
	return err
}
