//go:build linux

package cli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program builds the program once, as it is given to people: the race detector of the tests would multiply its memory.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sekisho-limits-")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "sekisho")
	if out, err := exec.Command("go", "build", "-o", file, "sekisho/cmd/sekisho").CombinedOutput(); err != nil {
		return file, fmt.Errorf("%w\n%s", err, out)
	}
	return file, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if built, _ := program(); built != "" {
		_ = os.RemoveAll(filepath.Dir(built))
	}
	os.Exit(code)
}

const (
	// mostMemory is what one command may hold at its peak, in KiB, whatever it is given.
	mostMemory = 400 << 10
	// mostTime is how long it may take (chosen: some ten times what it takes on two busy cores).
	mostTime = 60 * time.Second
	gibibyte = 1 << 30
)

// measured runs the program as a process of its own, fails when it takes too much, and returns its exit code and streams.
func measured(t *testing.T, in io.Reader, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout clipped
	code, errs = measuredTo(t, in, &stdout, args...)
	return code, stdout.String(), errs
}

// measuredTo is measured with another place for what is printed.
func measuredTo(t *testing.T, in io.Reader, out io.Writer, args ...string) (code int, errs string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), mostTime)
	defer cancel()
	var stderr clipped
	built, err := program()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(ctx, built, args...)
	c.Env, c.Stdin, c.Stdout, c.Stderr = []string{"HOME=" + t.TempDir()}, in, out, &stderr
	c.WaitDelay = 5 * time.Second
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended, peaked := make(chan struct{}), make(chan int)
	go func() { peaked <- peakOf(c.Process.Pid, ended) }()
	err = c.Wait()
	close(ended)
	peak := <-peaked
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, syscall.EPIPE) || ctx.Err() != nil {
		t.Fatalf("%q: %v\n%s", args, err, stderr.String())
	}
	if peak > mostMemory {
		t.Errorf("%q: %d MiB at the peak, more than %d", args, peak>>10, mostMemory>>10)
	}
	t.Logf("%v: %d MiB, %v", args[:min(2, len(args))], peak>>10, c.ProcessState.UserTime())
	return c.ProcessState.ExitCode(), stderr.String()
}

// peakOf asks again and again, until the process has ended, for the most memory in KiB that it has held. What the system
// tells after the end counts the process that started it, too, which the race detector makes large.
func peakOf(pid int, ended <-chan struct{}) (peak int) {
	for {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if _, rest, ok := strings.Cut(string(status), "VmHWM:"); ok {
			var now int
			if _, err := fmt.Sscanf(rest, "%d kB", &now); err == nil {
				peak = max(peak, now)
			}
		}
		select {
		case <-ended:
			return peak
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// clipped keeps the beginning of what is written to it.
type clipped struct{ bytes.Buffer }

func (c *clipped) Write(p []byte) (int, error) {
	c.Buffer.Write(p[:min(len(p), max(0, 1<<20-c.Len()))])
	return len(p), nil
}

// sparse makes a file of a gibibyte that begins with head and takes no room on the disk.
func sparse(t *testing.T, dir, name, head string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(head), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, gibibyte); err != nil {
		t.Fatal(err)
	}
	return file
}

// endless is a stream of head and then so much of unit that it is as good as endless.
func endless(head, unit string) io.Reader {
	block := []byte(strings.Repeat(unit, max(1, (1<<20)/len(unit))))
	return io.LimitReader(io.MultiReader(strings.NewReader(head), &repeated{block: block}), gibibyte)
}

type repeated struct {
	block []byte
	rest  []byte
}

func (r *repeated) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		r.rest = r.block
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// TestAGibibyteIsRefused by every reader, with the place, in bounded memory and time, and nothing is replaced.
func TestAGibibyteIsRefused(t *testing.T) {
	dir, data := t.TempDir(), filepath.Join(t.TempDir(), "data")
	if code, _, errs := run(t, "", "--data", data, "catalog", "import", write(t, dir, "ServiceTags_Public_20261116.json",
		`{"changeNumber":10,"cloud":"Public","values":[{"name":"Storage","properties":{"addressPrefixes":["20.1.0.0/16"]}}]}`)); code != 0 {
		t.Fatal(errs)
	}
	before := tree(t, data)
	const (
		list = `[{"id":1,"serviceArea":"Exchange","urls":["outlook.office.com"],"tcpPorts":"443"}`
		tags = `{"changeNumber":11,"cloud":"Public","values":[`
		csv  = "id,serviceArea,serviceAreaDisplayName,urls,ips,tcpPorts,udpPorts,expressRoute,category,required,notes\n"
		mark = "SEKISHO CATALOG BUNDLE 1\n"
		one  = `{"name":"Storage","properties":{"addressPrefixes":["20.1.0.0/16"]}},`
	)
	stream := "/dev/stdin"
	for _, c := range []struct {
		rule string
		in   io.Reader
		args []string
		want string
	}{
		{"list", nil, []string{"catalog", "import", sparse(t, dir, "endpoints-worldwide-2027010400.json", list)}, "endpoints-worldwide-2027010400.json"},
		{"changes", nil, []string{"catalog", "import", sparse(t, dir, "changes-worldwide.json", `[{"id":1,"endpointSetId":1,"disposition":"Change","version":"2026112300"`)}, "changes-worldwide.json"},
		{"service-tags", nil, []string{"catalog", "import", sparse(t, dir, "ServiceTags_Public_20261123.json", tags)}, "ServiceTags_Public_20261123.json"},
		{"csv", nil, []string{"catalog", "import", sparse(t, dir, "endpoints-china-2027010400.csv", csv)}, "endpoints-china-2027010400.csv"},
		{"bundle", nil, []string{"catalog", "import", sparse(t, dir, "a.bundle", mark)}, "a.bundle"},
		{"bundle-shown", nil, []string{"catalog", "bundle", "show", sparse(t, dir, "b.bundle", mark)}, "b.bundle"},
		{"compared", nil, []string{"catalog", "diff", sparse(t, dir, "ServiceTags_China_20261123.json", tags)}, "ServiceTags_China_20261123.json"},
		{"list-stream", endless(list, `,{"id":1}`), []string{"catalog", "import", stream}, stream},
		{"tags-stream", endless(tags, one), []string{"catalog", "import", stream}, stream},
		{"csv-stream", endless(csv, "1,Exchange,x,outlook.office.com,,443,,True,Optimize,True,\n"), []string{"catalog", "import", stream}, stream},
		{"bundle-stream", endless(mark, "\x00"), []string{"catalog", "import", stream}, stream},
		{"blank-stream", endless("", " "), []string{"catalog", "import", stream}, stream},
		{"configuration", nil, []string{"config", "check", "--config", sparse(t, dir, "sekisho.yaml", "version: 1\n")}, "sekisho.yaml"},
		{"configuration-stream", endless("version: 1\nfeatures:\n", "  - entra.sign-in\n"), []string{"config", "check", "--config", stream}, stream},
	} {
		t.Run(c.rule, func(t *testing.T) {
			code, out, errs := measured(t, c.in, append([]string{"--lang", "en", "--data", data}, c.args...)...)
			if code != 1 && code != 2 || out != "" || !strings.Contains(errs, c.want) || !strings.Contains(errs, "MiB") || len(errs) > 2000 {
				t.Errorf("exit code %d\n%s%s", code, out, errs)
			}
			if after := tree(t, data); after != before {
				t.Errorf("the data folder changed:\n%s\n%s", before, after)
			}
		})
	}
}

// TestLookUpOfAnEndlessLine: a line without an end is told with its number, and what stands behind it is answered.
func TestLookUpOfAnEndlessLine(t *testing.T) {
	in := io.MultiReader(strings.NewReader("login.live.com\n"), io.LimitReader(&repeated{block: bytes.Repeat([]byte("a"), 1<<20)}, gibibyte), strings.NewReader("\nlogin.live.com\n"))
	code, out, errs := measured(t, in, "--lang", "en", "--data", t.TempDir(), "lookup", "-", "-o", "jsonl")
	if code == 0 || strings.Count(out, `"target":"login.live.com"`) != 2 || !strings.Contains(errs, "stdin:2") || len(errs) > 2000 {
		t.Errorf("exit code %d\n%.2000s\n%s", code, out, errs)
	}
}

// TestLookUpOfAMillionLines answers line by line and keeps none.
func TestLookUpOfAMillionLines(t *testing.T) {
	var in bytes.Buffer
	for range 250_000 {
		in.WriteString("login.microsoftonline.com\n20.190.128.1\nhttps://www.office.com/a/b\nhost.example.net\n")
	}
	nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer nowhere.Close()
	if code, errs := measuredTo(t, &in, nowhere, "--data", t.TempDir(), "lookup", "-", "-o", "jsonl"); code != 0 && code != 3 {
		t.Errorf("exit code %d\n%.300s", code, errs)
	}
}

// TestManyEntriesAreRefused although the file is small enough to be read: a list of wildcards without end.
func TestManyEntriesAreRefused(t *testing.T) {
	var text strings.Builder
	text.WriteString(`[{"id":1,"serviceArea":"Exchange","tcpPorts":"443","urls":["*.example.com"`)
	text.WriteString(strings.Repeat(`,"*.a.example.com"`, 3_000_000) + `]}]`)
	data := t.TempDir()
	file := write(t, t.TempDir(), "worldwide-2027010400.json", text.String())
	code, out, errs := measured(t, nil, "--lang", "en", "--data", data, "catalog", "import", file)
	if code != 2 || out != "" || !strings.Contains(errs, "worldwide-2027010400.json:1:") || tree(t, data) != "" {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// tree is every file below a folder with its content, but for locks.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".lock") {
			return err
		}
		body, err := os.ReadFile(path)
		all.WriteString(path + " " + string(body) + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
