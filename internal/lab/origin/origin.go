// Package origin is every other host of the catalog: it answers that it is the lab, and what the request looked like
// when it arrived. A few paths behave as origins do, for proofs: byte ranges, slow and streamed answers, an echo.
//
//	/lab/bytes?size=N   N bytes (default 1 MiB, at most 16 MiB) of a fixed pattern; ranges, If-Range, HEAD
//	/lab/slow?ms=N      the answer comes after N ms (at most 10 s)
//	/lab/events?count=N N server-sent events (at most 20), 100 ms apart
//	/lab/echo           the request's body, at most 1 MiB
//	/lab/websocket      WebSocket: each short frame comes back
//	anything else       JSON, or text for who prefers it: host, method, path, SNI, protocol
package origin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/lab/token"
)

// Limits; chosen so that a proof is quick and nobody can hold the lab busy.
const (
	defaultBytes = 1 << 20
	maxBytes     = 16 << 20
	maxSlow      = 10 * time.Second
	maxEvents    = 20
	eventGap     = 100 * time.Millisecond
	maxEcho      = 1 << 20
)

// Arrival is what an origin tells about a request.
type Arrival struct {
	Lab      bool   `json:"lab"`
	Host     string `json:"host"`
	Method   string `json:"method"`
	Path     string `json:"path"`
	SNI      string `json:"sni"` // "" over plain HTTP
	Protocol string `json:"protocol"`
	TLS      bool   `json:"tls"`
}

// Modified is when every origin's content was made, for conditional requests.
var modified = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// Service answers for every host. SNI tells the server name that the request's connection was opened with; it is
// required. Keys verify the lab's tokens; nil: no token is looked at. Now is the lab's clock; nil: time.Now.
type Service struct {
	SNI  func(*http.Request) (name string, tls bool)
	Keys *token.Ring
	Now  func() time.Time
}

// ServeHTTP answers one request.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.confirm(w, r) {
		return
	}
	q := r.URL.Query()
	switch r.URL.Path {
	case "/lab/bytes":
		size := bounded(q.Get("size"), defaultBytes, maxBytes)
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("ETag", fmt.Sprintf(`"lab-%d"`, size))
		http.ServeContent(w, r, "", modified, io.NewSectionReader(pattern{}, 0, int64(size)))
	case "/lab/slow":
		wait := time.Duration(bounded(q.Get("ms"), 1000, int(maxSlow/time.Millisecond))) * time.Millisecond
		if !sleep(r, wait) {
			return
		}
		s.arrival(w, r)
	case "/lab/events":
		s.events(w, r, bounded(q.Get("count"), 3, maxEvents))
	case "/lab/echo":
		s.echo(w, r)
	case "/lab/websocket":
		s.webSocket(w, r)
	default:
		s.arrival(w, r)
	}
}

func (s *Service) arrival(w http.ResponseWriter, r *http.Request) {
	a := Arrival{Lab: true, Host: r.Host, Method: r.Method, Path: r.URL.Path, Protocol: r.Proto}
	a.SNI, a.TLS = s.SNI(r)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Add("Vary", "Accept")
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "LAB: this is the lab's stand-in for %s, not Microsoft.\nこれはラボの代役です。Microsoft ではありません。\n\nmethod %s\npath %q\nsni %s\nprotocol %s\n",
			a.Host, a.Method, a.Path, a.SNI, a.Protocol)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	data, err := json.Marshal(a)
	if err != nil {
		http.Error(w, "LAB: answer could not be encoded", http.StatusInternalServerError)
		return
	}
	w.Write(append(data, '\n'))
}

func (s *Service) events(w http.ResponseWriter, r *http.Request, count int) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	for i := range count {
		if i > 0 && !sleep(r, eventGap) {
			return
		}
		fmt.Fprintf(w, "id: %d\ndata: lab\n\n", i)
		http.NewResponseController(w).Flush()
	}
}

func (s *Service) echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEcho))
	if err != nil {
		http.Error(w, "LAB: the body is longer than 1 MiB or was cut off", http.StatusRequestEntityTooLarge)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	io.Copy(w, bytes.NewReader(body))
}

// bounded reads a number from 0 to max; anything else gives def.
func bounded(text string, def, max int) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return def
	}
	return min(n, max)
}

func sleep(r *http.Request, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// pattern is content without an end: byte i is i modulo 251, a prime, so that a shifted range shows.
type pattern struct{}

func (pattern) ReadAt(p []byte, off int64) (int, error) {
	for i := range p {
		p[i] = byte((off + int64(i)) % 251)
	}
	return len(p), nil
}
