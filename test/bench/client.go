//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// task is one order to the client.
type task struct {
	Op    string // "tunnel", "bulk", "h1", "h2", "connect", "hold", "drop"
	Proxy string // host:port; "" goes to the origin without any proxy
	Plain bool   // the proxy knows no CONNECT: speak TLS to it at once
	Roots []string
	Host  string // asked for; with First set, the names from First on, each once
	First int    // number of the first fresh name, -1 for none
	N     int    // operations
	Conns int    // connections at once
	Bytes int64  // of one bulk transfer
}

// result is its answer.
type result struct {
	Ops    int
	P50    time.Duration // of one operation, as the client waits
	P99    time.Duration
	Wall   time.Duration
	Err    string
	Detail string
}

// head is a request of a browser on its way through a sign-in.
const head = "GET /common/oauth2/v2.0/authorize?client_id=4765445b-32c6-49b0-83e6-1d93765276ca&response_type=code&scope=openid%%20profile&state=8c1f HTTP/1.1\r\n" +
	"Host: %s\r\n" +
	"User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n" +
	"Accept-Language: ja,en;q=0.8\r\n" +
	"Accept-Encoding: gzip, deflate, br\r\n" +
	"Sec-Fetch-Mode: navigate\r\n" +
	"Sec-Fetch-Site: cross-site\r\n" +
	"Referer: https://www.example.com/\r\n" +
	"Cookie: buid=0.AAAA; fpc=AqU4b0nYxE5Lr; esctx=PAQABAAEAAAAmoFfGtYxvRrNriQdPKIZ-; x-ms-gateway-slice=estsfd; stsservicecookie=estsfd\r\n\r\n"

// client keeps what tasks share.
type client struct {
	roots map[string]*x509.CertPool
	held  []net.Conn
}

// serveClient reads tasks, one JSON line each, and answers each with one line.
func serveClient(in io.Reader, out io.Writer) error {
	c := &client{roots: map[string]*x509.CertPool{}}
	decoder, encoder := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var t task
		if err := decoder.Decode(&t); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		start := time.Now()
		r, err := c.run(&t)
		r.Wall = time.Since(start)
		if err != nil {
			r.Err = fmt.Sprintf("%s through %q: %v", t.Op, t.Proxy, err)
		}
		if err := encoder.Encode(&r); err != nil {
			return err
		}
	}
}

func (c *client) run(t *task) (result, error) {
	switch t.Op {
	case "tunnel":
		return each(t, func(int) error {
			s, err := c.secure(t, t.Host, "http/1.1")
			if err != nil {
				return err
			}
			return s.Close()
		})
	case "bulk":
		return each(t, func(int) error { return c.bulk(t) })
	case "connect":
		var next atomic.Int64
		return each(t, func(int) error {
			host := t.Host
			if t.First >= 0 {
				host = freshName(t.First + int(next.Add(1)) - 1)
			}
			s, err := c.secure(t, host, "http/1.1")
			if err != nil {
				return err
			}
			defer s.Close()
			return ask(s, bufio.NewReader(s), fmt.Appendf(nil, head, host))
		})
	case "h1":
		return c.kept(t)
	case "h2":
		return c.streams(t)
	case "hold":
		return c.hold(t)
	case "drop":
		for _, one := range c.held {
			one.Close()
		}
		c.held = nil
		return result{}, nil
	}
	return result{}, fmt.Errorf("no task %q", t.Op)
}

// each carries out N operations, Conns at once, and stops at the first error.
func each(t *task, do func(worker int) error) (result, error) {
	var left atomic.Int64
	left.Store(int64(t.N))
	took := make([][]time.Duration, t.Conns)
	errs := make([]error, t.Conns)
	var wait sync.WaitGroup
	for w := range t.Conns {
		wait.Go(func() {
			for left.Add(-1) >= 0 {
				start := time.Now()
				if errs[w] = do(w); errs[w] != nil {
					left.Store(0)
					return
				}
				took[w] = append(took[w], time.Since(start))
			}
		})
	}
	wait.Wait()
	all := slices.Concat(took...)
	slices.Sort(all)
	r := result{Ops: len(all)}
	if len(all) > 0 {
		r.P50, r.P99 = all[len(all)/2], all[len(all)*99/100]
	}
	for _, err := range errs {
		if err != nil {
			return r, err // the others say the same
		}
	}
	return r, nil
}

// dial reaches the proxy, or the origin when there is none, and asks for a tunnel to host.
func (c *client) dial(t *task, host string) (net.Conn, error) {
	if t.Proxy == "" {
		return net.Dial("tcp", host+":443")
	}
	s, err := net.Dial("tcp", t.Proxy)
	if err != nil || t.Plain {
		return s, err
	}
	_ = s.SetDeadline(time.Now().Add(time.Minute))
	if _, err := fmt.Fprintf(s, "CONNECT %s:443 HTTP/1.1\r\nHost: %s:443\r\nUser-Agent: bench\r\nProxy-Connection: keep-alive\r\n\r\n", host, host); err != nil {
		return nil, err
	}
	// Byte by byte would be many system calls; the origin says nothing before the client's hello, so what comes is the
	// answer alone.
	var buf [4096]byte
	n := 0
	for !bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
		m, err := s.Read(buf[n:])
		if err != nil || m == 0 {
			s.Close()
			return nil, fmt.Errorf("answer to CONNECT %q: %w", buf[:n], err)
		}
		n += m
	}
	if !bytes.HasPrefix(buf[9:n], []byte("200")) {
		s.Close()
		return nil, fmt.Errorf("answer to CONNECT %q", buf[:n])
	}
	return s, nil
}

// secure is dial and a full TLS handshake: tickets are not used again.
func (c *client) secure(t *task, host string, protocols ...string) (*tls.Conn, error) {
	raw, err := c.dial(t, host)
	if err != nil {
		return nil, err
	}
	roots, err := c.pool(t.Roots)
	if err != nil {
		return nil, err
	}
	s := tls.Client(raw, &tls.Config{ServerName: host, RootCAs: roots, NextProtos: protocols})
	_ = raw.SetDeadline(time.Now().Add(time.Minute))
	if err := s.Handshake(); err != nil {
		raw.Close()
		return nil, fmt.Errorf("handshake for %s: %w", host, err)
	}
	_ = raw.SetDeadline(time.Time{})
	return s, nil
}

func (c *client) pool(files []string) (*x509.CertPool, error) {
	id := strings.Join(files, ",")
	if p := c.roots[id]; p != nil {
		return p, nil
	}
	p := x509.NewCertPool()
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		p.AppendCertsFromPEM(text)
	}
	c.roots[id] = p
	return p, nil
}

// ask sends one request and reads its answer.
func ask(w io.Writer, br *bufio.Reader, request []byte) error {
	if _, err := w.Write(request); err != nil {
		return err
	}
	status, length, chunked := "", int64(-1), false
	for {
		line, err := br.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("head of the answer: %w", err)
		}
		if status == "" {
			status = string(line)
			continue
		}
		if len(line) <= 2 {
			break
		}
		if len(line) > 16 && bytes.EqualFold(line[:15], []byte("content-length:")) {
			if _, err := fmt.Sscan(string(line[15:]), &length); err != nil {
				return err
			}
		}
		chunked = chunked || bytes.EqualFold(bytes.TrimSpace(line), []byte("transfer-encoding: chunked"))
	}
	switch {
	case !strings.HasPrefix(status, "HTTP/1.1 200"):
		return fmt.Errorf("answered %q", status)
	case chunked: // goproxy frames what it intercepted anew
		if _, err := io.Copy(io.Discard, httputil.NewChunkedReader(br)); err != nil {
			return err
		}
		_, err := br.Discard(2) // no trailers, and the line that ends them
		return err
	case length < 0:
		return fmt.Errorf("answered %q without a length", status)
	}
	_, err := io.CopyN(io.Discard, br, length)
	return err
}

// bulk fetches Bytes in one answer over a new tunnel.
func (c *client) bulk(t *task) error {
	s, err := c.secure(t, t.Host, "http/1.1")
	if err != nil {
		return err
	}
	defer s.Close()
	request := strings.Replace(fmt.Sprintf(head, t.Host), "/common/", fmt.Sprintf("/bulk?bytes=%d&", t.Bytes), 1)
	return ask(s, bufio.NewReaderSize(s, 64<<10), []byte(request))
}

// kept sends requests on Conns kept connections, one at a time on each.
func (c *client) kept(t *task) (result, error) {
	conns := make([]*tls.Conn, t.Conns)
	readers := make([]*bufio.Reader, t.Conns)
	for i := range conns {
		s, err := c.secure(t, t.Host, "http/1.1")
		if err != nil {
			return result{}, err
		}
		defer s.Close()
		conns[i], readers[i] = s, bufio.NewReader(s)
	}
	request := fmt.Appendf(nil, head, t.Host)
	return each(t, func(w int) error { return ask(conns[w], readers[w], request) })
}

// streamsPerConn is how many requests are open on one HTTP/2 connection at once (chosen: a sign-in page loads a
// handful of things).
const streamsPerConn = 4

// streams sends requests on HTTP/2 connections, streamsPerConn at once on each.
func (c *client) streams(t *task) (result, error) {
	n := max(1, t.Conns/streamsPerConn)
	conns := make([]*http.ClientConn, n)
	for i := range conns {
		s, err := c.secure(t, t.Host, "h2")
		if err != nil {
			return result{}, err
		}
		defer s.Close()
		if s.ConnectionState().NegotiatedProtocol != "h2" {
			return result{Detail: "no h2"}, nil
		}
		over := &http.Transport{
			DisableCompression: true, ForceAttemptHTTP2: true,
			DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return s, nil },
		}
		if conns[i], err = over.NewClientConn(context.Background(), "https", t.Host+":443"); err != nil {
			return result{}, err
		}
	}
	request, err := http.ReadRequest(bufio.NewReader(strings.NewReader(fmt.Sprintf(head, t.Host))))
	if err != nil {
		return result{}, err
	}
	request.RequestURI = ""
	request.URL.Scheme, request.URL.Host = "https", t.Host
	return each(t, func(w int) error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		answer, err := conns[w%n].RoundTrip(request.Clone(ctx))
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("answered %s", answer.Status)
		}
		_, err = io.Copy(io.Discard, answer.Body)
		return err
	})
}

// hold opens N connections, has each do one request, and keeps them until "drop".
func (c *client) hold(t *task) (result, error) {
	var mu sync.Mutex
	request := fmt.Appendf(nil, head, t.Host)
	return each(t, func(int) error {
		s, err := c.secure(t, t.Host, "http/1.1")
		if err != nil {
			return err
		}
		mu.Lock()
		c.held = append(c.held, s)
		mu.Unlock()
		return ask(s, bufio.NewReader(s), request)
	})
}
