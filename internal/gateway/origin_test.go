package gateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http/httputil"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"sekisho/internal/endpoint"
)

// origin records what reaches its socket, decrypted, head by head.
type origin struct {
	host   endpoint.Host
	l      net.Listener
	answer func(head string, body io.Reader, to io.Writer) (keep bool)
	plain  bool
	echo   bool // no TLS: every byte is sent back
	script func(net.Conn)

	mu    sync.Mutex
	heads []string
	raw   []byte
	conns map[net.Conn]bool
	count atomic.Int64 // connections accepted
	muted atomic.Bool  // what comes is not kept
	wait  sync.WaitGroup
}

func okAnswer(_ string, body io.Reader, to io.Writer) bool {
	_, _ = io.Copy(io.Discard, body)
	_, err := io.WriteString(to, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nAlt-Svc: h3=\":443\"\r\n\r\nhello")
	return err == nil
}

// add starts an origin for host.
func (w *world) add(host endpoint.Host, plain bool) *origin {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	o := &origin{host: host, l: l, answer: okAnswer, plain: plain, conns: map[net.Conn]bool{}}
	w.mu.Lock()
	if plain && w.origins[host] != nil {
		w.origins["plain "+host] = o
	} else {
		w.origins[host] = o
	}
	w.mu.Unlock()
	o.wait.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			o.count.Add(1)
			o.mu.Lock()
			o.conns[c] = true
			o.mu.Unlock()
			o.wait.Go(func() { o.serve(c) })
		}
	})
	w.t.Cleanup(o.close)
	return o
}

func (o *origin) close() {
	o.l.Close()
	o.mu.Lock()
	for c := range o.conns {
		c.Close()
	}
	o.mu.Unlock()
	o.wait.Wait()
}

func (o *origin) serve(c net.Conn) {
	defer c.Close()
	o.mu.Lock()
	echo, script := o.echo, o.script
	o.mu.Unlock()
	if script != nil {
		script(c)
		return
	}
	if echo {
		_, _ = io.CopyBuffer(struct{ io.Writer }{c}, struct{ io.Reader }{c}, make([]byte, 4<<10))
		return
	}
	if !o.plain {
		leaf, err := testCA().Certificate(context.Background(), o.host)
		if err != nil {
			return
		}
		c = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{*leaf}, NextProtos: []string{"http/1.1"}})
	}
	br := bufio.NewReader(io.TeeReader(c, originTap{o}))
	for {
		var head strings.Builder
		for {
			line, err := br.ReadString('\n')
			if err != nil {
				return
			}
			head.WriteString(line)
			if line == "\r\n" {
				break
			}
		}
		text := head.String()
		o.mu.Lock()
		o.heads = append(o.heads, text)
		answer := o.answer
		o.mu.Unlock()
		body := bodyOf(text, br)
		if !answer(text, body, c) {
			return
		}
		_, _ = io.Copy(io.Discard, body)
	}
}

// bodyOf is the body that a head announces.
func bodyOf(head string, br *bufio.Reader) io.Reader {
	for _, line := range strings.Split(head, "\r\n") {
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case strings.EqualFold(name, "Content-Length"):
			n, _ := strconv.ParseInt(value, 10, 64)
			return io.LimitReader(br, n)
		case strings.EqualFold(name, "Transfer-Encoding"):
			return &chunks{Reader: httputil.NewChunkedReader(br), br: br}
		}
	}
	return strings.NewReader("")
}

// chunks reads the trailers behind a chunked body too.
type chunks struct {
	io.Reader
	br   *bufio.Reader
	done bool
}

func (c *chunks) Read(p []byte) (int, error) {
	if c.done {
		return 0, io.EOF
	}
	n, err := c.Reader.Read(p)
	for err == io.EOF && !c.done {
		line, lineErr := c.br.ReadString('\n')
		c.done = lineErr != nil || line == "\r\n"
	}
	return n, err
}

type originTap struct{ o *origin }

func (t originTap) Write(p []byte) (int, error) {
	if t.o.muted.Load() {
		return len(p), nil
	}
	t.o.mu.Lock()
	t.o.raw = append(t.o.raw, p...)
	t.o.mu.Unlock()
	return len(p), nil
}

func (o *origin) setAnswer(f func(head string, body io.Reader, to io.Writer) bool) {
	o.mu.Lock()
	o.answer = f
	o.mu.Unlock()
}

func (o *origin) setScript(f func(net.Conn)) {
	o.mu.Lock()
	o.script = f
	o.mu.Unlock()
}

func (o *origin) seen() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.heads...)
}

func (o *origin) bytes() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.raw)
}
