//go:build unix

package gateway

//lint:file-ignore SA1019 one HTTP/2 connection over a given net.Conn, without a pool

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"sekisho/internal/audit"
)

// cpu is the processor time of the whole process: gateway, client and origin of the benchmark together.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func reportCPU(b *testing.B, start time.Duration) {
	b.ReportMetric(float64((cpu()-start).Microseconds())/float64(b.N), "cpu-µs/op")
}

// spooled records into a real spool, whose store takes everything at once: what is left out is the database.
func spooled(b *testing.B) func(*Options) {
	s, err := audit.OpenSpool(audit.SpoolOptions{Dir: b.TempDir(), Node: "bench", Store: noStore{}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close(context.Background()) })
	return func(o *Options) { o.Recorder = s }
}

type noStore struct{}

func (noStore) Store(context.Context, []audit.Record) error            { return nil }
func (noStore) EndOpen(context.Context, string, string) (int64, error) { return 0, nil }

// BenchmarkInterceptedRequest is one request over a kept connection, client and origin included.
func BenchmarkInterceptedRequest(b *testing.B) {
	b.Run("http1", func(b *testing.B) {
		w := newWorld(b, baseSpec(), quiet)
		c := w.secure(signInHost, "http/1.1")
		_ = c.SetDeadline(time.Time{})
		br := bufio.NewReader(c)
		one := []byte("GET /common/oauth2/v2.0/authorize?client_id=x HTTP/1.1\r\nHost: " + signInHost + "\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
		b.ReportAllocs()
		b.ResetTimer()
		start := cpu()
		for range b.N {
			if _, err := c.Write(one); err != nil {
				b.Fatal(err)
			}
			discardResponse(b, br)
		}
		reportCPU(b, start)
	})
	b.Run("http2", func(b *testing.B) {
		w := newWorld(b, baseSpec(), quiet)
		tr := &http2.Transport{}
		cc, err := tr.NewClientConn(w.secure(signInHost, "h2"))
		if err != nil {
			b.Fatal(err)
		}
		defer cc.Close()
		req, _ := http.NewRequest("GET", "https://"+signInHost+"/common", nil)
		b.ReportAllocs()
		b.ResetTimer()
		start := cpu()
		for range b.N {
			resp, err := cc.RoundTrip(req)
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		reportCPU(b, start)
	})
}

func discardResponse(b *testing.B, br *bufio.Reader) {
	n := 0
	for {
		line, err := br.ReadSlice('\n')
		if err != nil {
			b.Fatal(err)
		}
		if len(line) > 16 && string(line[:16]) == "Content-Length: " {
			n, _ = strconv.Atoi(string(line[16 : len(line)-2]))
		}
		if len(line) == 2 {
			break
		}
	}
	if _, err := br.Discard(n); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkInterceptedConnection is CONNECT, TLS with a leaf from the cache, one request and the end.
func BenchmarkInterceptedConnection(b *testing.B) {
	w := newWorld(b, baseSpec(), quiet, spooled(b))
	one := []byte("GET / HTTP/1.1\r\nHost: " + signInHost + "\r\nConnection: close\r\n\r\n")
	start := cpu()
	for b.Loop() {
		c := w.secure(signInHost, "http/1.1")
		_, _ = c.Write(one)
		_, _ = io.Copy(io.Discard, c)
		c.Close()
	}
	reportCPU(b, start)
}

// BenchmarkTunnelSetUp is CONNECT, the ClientHello to the origin and its first bytes back.
func BenchmarkTunnelSetUp(b *testing.B) {
	w := newWorld(b, baseSpec(), quiet, spooled(b))
	w.echo("other.example.com")
	first := helloBytes("other.example.com")
	back := make([]byte, len(first))
	start := cpu()
	for b.Loop() {
		c := w.connect("other.example.com:443")
		_, _ = c.Write(first)
		if _, err := io.ReadFull(c, back); err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
	reportCPU(b, start)
}

// BenchmarkTunnelBulk moves b.N times 1 MiB from client to origin and back.
func BenchmarkTunnelBulk(b *testing.B) {
	w := newWorld(b, baseSpec(), quiet)
	w.echo("other.example.com")
	c := w.connect("other.example.com:443")
	_ = c.SetDeadline(time.Time{})
	first := helloBytes("other.example.com")
	_, _ = c.Write(first)
	if _, err := io.ReadFull(c, make([]byte, len(first))); err != nil {
		b.Fatal(err)
	}
	block := make([]byte, 1<<20)
	b.SetBytes(2 << 20)
	start := cpu()
	for b.Loop() {
		go func() { _, _ = c.Write(block) }()
		if _, err := io.CopyN(io.Discard, c, 1<<20); err != nil {
			b.Fatal(err)
		}
	}
	reportCPU(b, start)
}

// BenchmarkIdleTunnel opens tunnels on which nothing moves and reports what each holds: memory of the whole process
// (its share of client and origin taken off by measuring a direct connection first) and descriptors of the gateway.
func BenchmarkIdleTunnel(b *testing.B) {
	const tunnels = 500
	w := newWorld(b, baseSpec(), quiet)
	w.echo("other.example.com")
	first := helloBytes("other.example.com")
	open := func(via func() net.Conn) (bytes, descriptors float64) {
		var conns []net.Conn
		before, fdBefore := inUse(), descriptorsOpen()
		for range tunnels {
			c := via()
			_, _ = c.Write(first)
			if _, err := io.ReadFull(c, make([]byte, len(first))); err != nil {
				b.Fatal(err)
			}
			conns = append(conns, c)
		}
		bytes, descriptors = float64(inUse()-before)/tunnels, float64(descriptorsOpen()-fdBefore)/tunnels
		for _, c := range conns {
			c.Close()
		}
		return bytes, descriptors
	}
	for b.Loop() {
		direct, fdDirect := open(func() net.Conn {
			c, err := net.Dial("tcp", w.origins["other.example.com"].l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			return c
		})
		through, fd := open(func() net.Conn { return w.connect("other.example.com:443") })
		b.ReportMetric((through-direct)/1024, "KiB/tunnel")
		b.ReportMetric(fd-fdDirect, "descriptors/tunnel")
	}
}

func inUse() int64 {
	runtime.GC()
	runtime.GC()
	time.Sleep(50 * time.Millisecond)
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

func descriptorsOpen() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}
