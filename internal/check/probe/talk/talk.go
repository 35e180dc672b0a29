// Package talk is one bounded HTTP/1.1 question over an open connection, as the stages "proxy" and "http" put it.
//
//	answer, rest, err := talk.Ask(conn, talk.Question{Method: "CONNECT", Target: "login.live.com:443", Host: "login.live.com:443"})
//
// Whoever answers may be anybody: a head is at most 64 KiB, of a body at most 4 KiB are read, redirects are not followed,
// and the caller's deadline on the connection bounds the time. The text of a body is looked at and never kept.
package talk

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	// MaxHead bounds the head of an answer, interim ones included; chosen, twice what servers commonly send at most.
	MaxHead = 64 << 10
	// MaxBody bounds what is read of a body; chosen: enough to see that it is there and whole.
	MaxBody = 4 << 10
	// mostInterim bounds 1xx answers; chosen.
	mostInterim = 5
)

// UserAgent says who asks, for those who find it in their logs.
const UserAgent = "sekisho-check"

// ErrNotHTTP says that what came is no HTTP answer.
var ErrNotHTTP = errors.New("the answer is not HTTP")

// Question is what is asked.
type Question struct {
	Method string
	Target string // origin form, absolute form, or authority form for CONNECT
	Host   string
	// ProxyAuthorization is the value of that field; "": none is sent.
	ProxyAuthorization string
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	// Took is the time until the head was there.
	Took time.Duration
	// BodyErr is what ended the body early; nil when all of it, or MaxBody of it, came.
	BodyErr error
	Body    []byte // at most MaxBody
}

// Ask puts q and reads the answer. Of an answer to CONNECT that opens the way, no body is read, and rest is the connection
// with what has already arrived on it; otherwise rest is nil. The error is ErrNotHTTP or what the network said.
func Ask(c net.Conn, q Question) (a Answer, rest net.Conn, err error) {
	var b strings.Builder
	b.WriteString(q.Method + " " + q.Target + " HTTP/1.1\r\nHost: " + q.Host + "\r\nUser-Agent: " + UserAgent + "\r\n")
	if q.ProxyAuthorization != "" {
		b.WriteString("Proxy-Authorization: " + q.ProxyAuthorization + "\r\n")
	}
	if q.Method != http.MethodConnect {
		b.WriteString("Accept: */*\r\nConnection: close\r\n")
	}
	b.WriteString("\r\n")
	begun := time.Now()
	if _, err := io.WriteString(c, b.String()); err != nil {
		return a, nil, err
	}
	seen := &watched{r: c}
	bounded := &io.LimitedReader{R: seen, N: MaxHead}
	reader := bufio.NewReader(bounded)
	for range mostInterim {
		r, err := http.ReadResponse(reader, &http.Request{Method: q.Method})
		if err != nil {
			return a, nil, trouble(err, seen, bounded)
		}
		if r.StatusCode/100 == 1 && r.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		a = Answer{Status: r.StatusCode, Header: r.Header, Took: time.Since(begun)}
		if q.Method == http.MethodConnect && r.StatusCode/100 == 2 {
			early, _ := reader.Peek(reader.Buffered())
			return a, &joined{Conn: c, early: append([]byte(nil), early...)}, nil
		}
		bounded.N += MaxBody * 2 // chunks have lines of their own
		a.Body, a.BodyErr = io.ReadAll(io.LimitReader(r.Body, MaxBody))
		return a, nil, nil
	}
	return a, nil, ErrNotHTTP
}

// trouble tells an answer that is no HTTP from a network that failed.
func trouble(err error, seen *watched, bounded *io.LimitedReader) error {
	switch {
	case seen.err != nil && seen.n == 0:
		return seen.err // nothing came
	case seen.err != nil && seen.err != io.EOF:
		return seen.err
	case bounded.N <= 0 || seen.n > 0:
		return ErrNotHTTP
	}
	return err
}

// watched remembers how much came and how it ended.
type watched struct {
	r   io.Reader
	n   int64
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if w.n += int64(n); err != nil {
		w.err = err
	}
	return n, err
}

// joined is a connection with bytes that were read ahead.
type joined struct {
	net.Conn
	early []byte
}

func (j *joined) Read(p []byte) (int, error) {
	if len(j.early) > 0 {
		n := copy(p, j.early)
		j.early = j.early[n:]
		return n, nil
	}
	return j.Conn.Read(p)
}
