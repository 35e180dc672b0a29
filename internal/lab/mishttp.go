package lab

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/lab/fault"
)

// portalHost is where a captive portal lives. The name does not exist in the lab's DNS, as a portal's does not outside
// its network.
const portalHost = "captive.lab.invalid"

// wholeAnswer bounds an answer that is held back to be cut; what is longer is cut there. The lab's longest is 16 MiB.
const wholeAnswer = 17 << 20

// portalAddress is where hijacked names lead: an address of the pool, and no other host's.
func (w *World) portalAddress() netip.Addr { return w.pooled(portalHost) }

func (w *World) clockSkewed() bool { _, ok := w.faults.Standing("clock.skew"); return ok }

// misanswer answers r, in the way of whatever is made to go wrong, else as honest does.
func (w *World) misanswer(rw http.ResponseWriter, r *http.Request, name string, honest http.HandlerFunc) {
	host, l := hostOf(name), arrivalOf(r).line
	if l == nil {
		honest(rw, r)
		return
	}
	if !arrivalOf(r).tls {
		if f, ok := w.strike(host, nil, "tcp.idle-cut"); ok {
			l.cutWhenIdle(f.Duration("after"))
		}
	}
	if f, ok := w.strike(host, func(f fault.Fault) bool { return f.Word("at") == "head" }, "tcp.reset", "tcp.stall"); ok {
		w.endConnection(rw, r, f)
	}
	if f, ok := w.strike(host, nil, "http.slow"); ok {
		patient(rw)
		if !w.pause(r.Context(), f.Duration("wait")) {
			panic(http.ErrAbortHandler)
		}
	}
	upgrade := func(f fault.Fault) bool {
		return f.Name != "http.websocket-refused" || strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
	}
	if f, ok := w.strike(host, upgrade, "http.captive-portal", "http.block-page", "http.service-unavailable", "http.throttled",
		"http.redirect-loop", "http.garbage", "http.websocket-refused"); ok {
		w.wrongAnswer(rw, r, name, f)
		return
	}
	if f, ok := w.strike(host, func(fault.Fault) bool { return r.Header.Get("Range") != "" }, "http.range-stripped"); ok {
		rw.Header().Set("X-Sekisho-Lab-Fault", f.Name)
		r = r.Clone(r.Context())
		r.Header.Del("Range")
		r.Header.Del("If-Range")
		rw = &rangeless{ResponseWriter: rw}
	}
	f, ok := w.strike(host, func(f fault.Fault) bool { return f.Word("at") == "" || f.Word("at") == "body" },
		"http.truncated", "http.slow-body", "tcp.reset", "tcp.stall")
	switch {
	case !ok:
		honest(rw, r)
	case f.Name == "http.slow-body":
		rw.Header().Set("X-Sekisho-Lab-Fault", f.Name)
		patient(rw)
		honest(&slowly{ResponseWriter: rw, w: w, r: r, rate: f.Number("rate")}, r)
	default:
		w.half(rw, r, honest, f)
	}
}

// endConnection ends the connection of r without an answer.
func (w *World) endConnection(rw http.ResponseWriter, r *http.Request, f fault.Fault) {
	l := arrivalOf(r).line
	if f.Name == "tcp.stall" {
		patient(rw)
		w.pause(r.Context(), fault.MaxWait)
	} else {
		l.reset()
	}
	panic(http.ErrAbortHandler)
}

// patient takes the server's limit on a request away: what waits now has a bound of its own.
func patient(rw http.ResponseWriter) { _ = http.NewResponseController(rw).SetReadDeadline(time.Time{}) }

// half sends the head and half of the body of an honest answer, and then ends the connection as f says.
func (w *World) half(rw http.ResponseWriter, r *http.Request, honest http.HandlerFunc, f fault.Fault) {
	back := &heldBack{header: rw.Header(), status: http.StatusOK}
	honest(back, r)
	body := back.body.Bytes()
	rw.Header().Set("X-Sekisho-Lab-Fault", f.Name)
	rw.Header().Set("Content-Length", strconv.Itoa(max(len(body), 2)))
	rw.WriteHeader(back.status)
	if len(body) < 2 {
		body = []byte("LAB")
	}
	_, _ = rw.Write(body[:len(body)/2])
	_ = http.NewResponseController(rw).Flush()
	if f.Name == "http.truncated" {
		panic(http.ErrAbortHandler) // closes, with what was written
	}
	w.endConnection(rw, r, f)
}

// heldBack keeps an answer back.
type heldBack struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (h *heldBack) Header() http.Header    { return h.header }
func (h *heldBack) WriteHeader(status int) { h.status = status }
func (h *heldBack) Write(p []byte) (int, error) {
	if h.body.Len()+len(p) > wholeAnswer {
		return 0, io.ErrShortWrite
	}
	return h.body.Write(p)
}

// rangeless tells nobody that ranges exist.
type rangeless struct {
	http.ResponseWriter
	told bool
}

func (n *rangeless) WriteHeader(status int) {
	n.told = true
	n.Header().Del("Accept-Ranges")
	n.ResponseWriter.WriteHeader(status)
}

func (n *rangeless) Write(p []byte) (int, error) {
	if !n.told {
		n.WriteHeader(http.StatusOK)
	}
	return n.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (n *rangeless) Unwrap() http.ResponseWriter { return n.ResponseWriter }

// slowly sends a body at rate bytes a second.
type slowly struct {
	http.ResponseWriter
	w    *World
	r    *http.Request
	rate int
	sent time.Duration // for how long, so far
}

// tick is how often a slow body moves; chosen.
const tick = 100 * time.Millisecond

func (s *slowly) Write(p []byte) (int, error) {
	piece, pause := max(s.rate/int(time.Second/tick), 1), tick
	if s.rate < int(time.Second/tick) {
		pause = time.Second / time.Duration(s.rate)
	}
	for done := 0; done < len(p); {
		n, err := s.ResponseWriter.Write(p[done:min(done+piece, len(p))])
		done += n
		if err != nil {
			return done, err
		}
		_ = http.NewResponseController(s.ResponseWriter).Flush()
		if s.sent += pause; s.sent > fault.MaxWait || !s.w.pause(s.r.Context(), pause) {
			panic(http.ErrAbortHandler)
		}
	}
	return len(p), nil
}

// Unwrap is for http.ResponseController.
func (s *slowly) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// wrongAnswer is what somebody else than the service says.
func (w *World) wrongAnswer(rw http.ResponseWriter, r *http.Request, name string, f fault.Fault) {
	h := rw.Header()
	h.Set("X-Sekisho-Lab-Fault", f.Name)
	h.Set("Cache-Control", "no-store")
	status, _ := strconv.Atoi(f.Word("status"))
	switch f.Name {
	case "http.captive-portal":
		h.Del("X-Sekisho-Lab") // what answers here is not the origin
		if status == http.StatusFound {
			h.Set("Location", "http://"+portalHost+"/login")
		}
		portalPage(rw, status, name)
	case "http.block-page":
		h.Del("X-Sekisho-Lab")
		h.Set("Via", "1.1 filter.lab.invalid")
		h.Set("X-Squid-Error", "ERR_ACCESS_DENIED 0")
		middlebox(rw, status, "Access denied by the filter of this network", "このネットワークのフィルターが遮断しました", name)
	case "http.service-unavailable":
		if s := f.Word("retry-after"); s != "0" {
			h.Set("Retry-After", s)
		}
		serviceError(rw, http.StatusServiceUnavailable, "serviceNotAvailable")
	case "http.throttled":
		h.Set("Retry-After", f.Word("retry-after"))
		serviceError(rw, http.StatusTooManyRequests, "TooManyRequests")
	case "http.redirect-loop":
		scheme := "http"
		if arrivalOf(r).tls {
			scheme = "https"
		}
		h.Set("Location", scheme+"://"+name+r.URL.RequestURI())
		rw.WriteHeader(http.StatusFound)
	case "http.websocket-refused":
		http.Error(rw, "LAB: no change of protocol here", status)
	case "http.garbage":
		c, _, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(c, "\x00\x01LAB: this is no HTTP\r\n\r\n")
		_ = c.Close()
	}
}

// serviceError is the body with which Microsoft Graph tells trouble ("Microsoft Graph error responses and resource types").
func serviceError(rw http.ResponseWriter, status int, code string) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	fmt.Fprintf(rw, `{"error":{"code":%q,"message":"LAB: a fault of the lab, set by sekisho lab fault"}}`+"\n", code)
}

// portal answers where hijacked names lead.
func (w *World) portal(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("X-Sekisho-Lab-Fault", "dns.hijack")
	rw.Header().Set("Cache-Control", "no-store")
	portalPage(rw, http.StatusOK, askedHost(r))
}

func portalPage(rw http.ResponseWriter, status int, name string) {
	middlebox(rw, status, "Sign in to this network", "このネットワークにサインインしてください", name)
}

// middlebox is a page of somebody between client and origin.
func middlebox(rw http.ResponseWriter, status int, en, ja, name string) {
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	rw.Header().Set("Content-Security-Policy", "default-src 'none'")
	rw.WriteHeader(status)
	fmt.Fprintf(rw, "<!doctype html>\n<title>LAB: %s</title>\n<h1>LAB: %s</h1>\n<p lang=\"ja\">%s</p>\n<p>%s</p>\n<p>A fault of Sekisho's lab, not a real network. / Sekisho のラボの障害です。実際のネットワークではありません。</p>\n",
		en, en, ja, html.EscapeString(clip(name)))
}
