//go:build unix

// Package clients holds the tests with real clients: curl, OpenSSL, MSAL for Go and for Node, the Azure SDK for Go, go-oidc
// and Chromium, each as it is, against the built program running "up --lab" as a process of its own.
//
// A client that is not there skips its tests, and the skip says which Debian package turns them on.
package clients

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Limits, all chosen: far above what two busy cores with the race detector need, so that only what hangs meets them.
const (
	startLimit  = 60 * time.Second
	stopLimit   = 30 * time.Second
	clientLimit = 60 * time.Second
)

// programs is the folder with the built programs.
var programs string

// measured is the program built without the race detector.
var measured string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sekisho-clients-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	args := []string{"build", "-o", dir}
	if raceEnabled {
		// The checkpoint itself is watched, too: a race ends it with an exit code that is not 0.
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, "sekisho/cmd/sekisho", "sekisho/test/clients/broken", "sekisho/test/clients/msal")...)
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n%s", build, err, out)
		return 1
	}
	programs, measured = dir, filepath.Join(dir, "sekisho")
	if raceEnabled {
		// What memory and patience are measured on is the program as people get it: the race detector multiplies both.
		measured = filepath.Join(dir, "measured", "sekisho")
		if out, err := exec.Command("go", "build", "-o", measured, "sekisho/cmd/sekisho").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "the program without the race detector: %v\n%s", err, out)
			return 1
		}
	}
	return m.Run()
}

// checkpoint is a running "sekisho up --lab" as its users see it: what it printed, nothing else.
type checkpoint struct {
	gateway    string            // host:port
	operations string            // base URL with the slash
	pac        string            // URL
	trust      string            // file with both roots
	data       string            // folder
	try        map[string]string // printed command by the line that explains it
	summary    string            // all that it printed
	expected   string            // what lines of the log hold that are no complaint in this test

	process *exec.Cmd
	ended   chan error
	log     *lockedBuffer
	stop    sync.Once
}

// withoutLab is an argument of up: hosts are reached as the configuration says, and there is no trust bundle for both.
const withoutLab = "--lab=false"

// up starts a checkpoint on free ports with a data folder of its own and waits until it is ready. It is stopped, and
// its end is examined, when the test ends.
func up(t *testing.T, args ...string) *checkpoint {
	t.Helper()
	return start(t, filepath.Join(programs, "sekisho"), args...)
}

// start is up with a program of the caller's choice.
func start(t *testing.T, program string, args ...string) *checkpoint {
	t.Helper()
	home := t.TempDir()
	c := &checkpoint{try: map[string]string{}, log: &lockedBuffer{}, ended: make(chan error, 1)}
	c.process = exec.Command(program, append([]string{
		"up", "--lab", "--lang", "en", "--data", filepath.Join(home, "data folder"),
		"--gateway-listen", "127.0.0.1:0", "--operations-listen", "127.0.0.1:0",
	}, args...)...)
	c.process.Dir = home
	c.process.Env = []string{"HOME=" + home}
	c.process.Stderr = c.log
	c.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := c.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.process.Start(); err != nil {
		t.Fatal(err)
	}
	printed := make(chan struct{})
	go func() {
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			c.read(lines.Text())
			if strings.HasPrefix(lines.Text(), "Press Ctrl-C") {
				close(printed)
				break
			}
		}
		for lines.Scan() {
			fmt.Fprintf(c.log, "after the summary: %s\n", lines.Text())
		}
		c.ended <- c.process.Wait()
	}()
	t.Cleanup(func() { c.end(t) })
	select {
	case <-printed:
	case err := <-c.ended:
		c.ended <- err
		t.Fatalf("up ended before it printed its summary: %v\n%s%s", err, c.summary, c.log)
	case <-time.After(startLimit):
		t.Fatalf("up printed no summary within %v:\n%s", startLimit, c.log)
	}
	if c.gateway == "" || c.operations == "" || c.pac == "" || c.trust == "" && !slices.Contains(args, withoutLab) || c.data == "" {
		t.Fatalf("the summary does not say where everything is:\n%s", c.summary)
	}
	c.awaitReady(t)
	return c
}

// read takes one line of the summary.
func (c *checkpoint) read(line string) {
	last := ""
	if lines := strings.Split(strings.TrimSpace(c.summary), "\n"); len(lines) > 0 {
		last = strings.TrimSpace(lines[len(lines)-1])
	}
	c.summary += line + "\n"
	line = strings.TrimSpace(line)
	if comment, ok := strings.CutPrefix(last, "# "); ok {
		c.try[comment] = line
		return
	}
	for label, field := range map[string]*string{
		"gateway": &c.gateway, "status page": &c.operations, "PAC file": &c.pac, "trust bundle": &c.trust, "data folder": &c.data,
	} {
		if value, ok := strings.CutPrefix(line, label+"  "); ok {
			*field = strings.TrimSpace(value)
		}
	}
}

// awaitReady waits for /readyz to answer 200.
func (c *checkpoint) awaitReady(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.operations+"readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(r)
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the checkpoint is not ready within %v: %v\n%s", startLimit, err, c.log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// end stops the checkpoint as a service manager does and looks at what is left: exit code 0, no process, no listener,
// nothing in the log that wants a human.
func (c *checkpoint) end(t *testing.T) {
	t.Helper()
	c.stop.Do(func() {
		group := -c.process.Process.Pid
		if err := c.process.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("SIGTERM: %v", err)
		}
		select {
		case err := <-c.ended:
			if err != nil {
				t.Errorf("up ended with %v, want exit code 0:\n%s", err, c.log)
			}
		case <-time.After(stopLimit):
			t.Errorf("up still runs %v after SIGTERM:\n%s", stopLimit, c.log)
			_ = syscall.Kill(group, syscall.SIGKILL)
			<-c.ended
		}
		if err := syscall.Kill(group, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("something that up started is left running (%v)", err)
			_ = syscall.Kill(group, syscall.SIGKILL)
		}
		for _, address := range []string{c.gateway, strings.Trim(strings.TrimPrefix(c.operations, "http:"), "/")} {
			if conn, err := net.DialTimeout("tcp", address, time.Second); err == nil {
				conn.Close()
				t.Errorf("%s still answers after the end", address)
			}
		}
		for line := range strings.Lines(c.log.String()) {
			if c.expected != "" && strings.Contains(line, c.expected) {
				continue
			}
			if strings.Contains(line, "level=ERROR") || strings.Contains(line, "panic") || strings.HasPrefix(line, "after the summary") {
				t.Errorf("up wrote: %s", line)
			}
		}
		if t.Failed() {
			t.Logf("the end of the log of up:\n%s", c.log.tail(60))
		}
	})
}

// need returns the first of names that is there, or skips and says which Debian package has it.
func need(t *testing.T, debianPackage string, names ...string) string {
	t.Helper()
	if file := found(names...); file != "" {
		return file
	}
	t.Skipf("%s is not there; the Debian package %s turns this test on", strings.Join(names, " or "), debianPackage)
	return ""
}

// found is the first of names that is there; "": none.
func found(names ...string) string {
	for _, name := range names {
		if file, err := exec.LookPath(name); err == nil {
			return file
		}
	}
	return ""
}

// result is what a client did.
type result struct {
	out, err string
	code     int
}

// client runs a client with exactly env and returns what it did, whatever its exit code.
func client(t *testing.T, env []string, name string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clientLimit)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.Dir = env, &out, &errs, t.TempDir()
	if cmd.Env == nil {
		cmd.Env = []string{} // nil would be this process's environment
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("%s: %v (%v)\n%s%s", cmd, err, ctx.Err(), out.String(), errs.String())
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// lockedBuffer is a buffer that a process may write while a test reads.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// tail returns the last n lines.
func (l *lockedBuffer) tail(n int) string {
	lines := strings.SplitAfter(l.String(), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "")
}

func (c *checkpoint) roots(t *testing.T) *x509.CertPool {
	t.Helper()
	bundle, err := os.ReadFile(c.trust)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(bundle)
	return pool
}
