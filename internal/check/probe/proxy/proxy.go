// Package proxy is the stage "proxy": the organisation's proxy is reached and asked to open the way, and what it says is
// told apart: it wants credentials, it refuses the host, it refuses the port, it cannot find the name, it cannot reach it.
//
//	step, conn := proxy.Connect(ctx, proxy.Server{Name: "proxy.example.jp:8080", Dial: dial}, "login.live.com", 443, proxy.Options{})
//
// It reads what proxies say about themselves: Proxy-Status (RFC 9209), X-Squid-Error (Squid, "errors"), Proxy-Authenticate.
// Credentials are sent only when they were given, and are never evidence.
package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/check/probe/talk"
	"sekisho/internal/check/verdict"
	"sekisho/internal/endpoint"
)

// Server is a proxy.
type Server struct {
	// Name is host:port, as configured. It is evidence and the cause that findings are joined by.
	Name string
	// Dial connects to it. The error is a *Unresolved when its name has no address.
	Dial func(context.Context) (net.Conn, error)
	// Authorization is the value of Proxy-Authorization; "": none is shown.
	Authorization string
}

// Unresolved says that the proxy's own name has no address.
type Unresolved struct{ Cause error }

// Error says why.
func (u *Unresolved) Error() string { return u.Cause.Error() }

// Unwrap is the cause.
func (u *Unresolved) Unwrap() error { return u.Cause }

// Options are what the catalog says of the host.
type Options struct {
	Exempt bool // it must pass without proxy credentials
}

// Open reaches the proxy. The connection is nil exactly when the step has a verdict.
func Open(ctx context.Context, s Server) (verdict.Step, net.Conn) {
	step := verdict.Step{Stage: verdict.Proxy}
	step.Note("proxy", s.Name)
	begun := time.Now()
	c, err := s.Dial(ctx)
	step.Millis = time.Since(begun).Milliseconds()
	var unresolved *Unresolved
	switch {
	case errors.As(err, &unresolved):
		step.Judge("proxy.unresolved", "problem", err.Error())
	case err != nil:
		step.Judge("proxy.unreachable", "problem", err.Error())
	}
	return step, c
}

// Connect has the proxy open a tunnel to host:port. The connection is nil exactly when the step has a verdict.
func Connect(ctx context.Context, s Server, host endpoint.Host, port uint16, o Options) (verdict.Step, net.Conn) {
	step, c := Open(ctx, s)
	if c == nil {
		return step, nil
	}
	begun := time.Now()
	a, tunnel, err := connect(ctx, c, s, host, port)
	step.Millis += time.Since(begun).Milliseconds()
	if err != nil {
		_ = c.Close()
		Trouble(&step, err)
		return step, nil
	}
	if tunnel != nil {
		step.Passed()
		return step, tunnel
	}
	_ = c.Close()
	Judge(&step, a, s.Authorization != "", o)
	if step.ID == "proxy.denied" && portAlone(ctx, s, host, port) {
		step.Judge("proxy.port-denied", "port", strconv.Itoa(int(port)))
	}
	return step, nil
}

func connect(ctx context.Context, c net.Conn, s Server, host endpoint.Host, port uint16) (talk.Answer, net.Conn, error) {
	if until, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(until)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	at := net.JoinHostPort(host.String(), strconv.Itoa(int(port)))
	return talk.Ask(c, talk.Question{Method: http.MethodConnect, Target: at, Host: at, ProxyAuthorization: s.Authorization})
}

// portAlone reports whether the proxy opens another port of a host whose port it refused.
func portAlone(ctx context.Context, s Server, host endpoint.Host, port uint16) bool {
	other := uint16(443)
	if port == other {
		other = 80
	}
	c, err := s.Dial(ctx)
	if err != nil {
		return false
	}
	defer c.Close()
	_, tunnel, err := connect(ctx, c, s, host, other)
	return err == nil && tunnel != nil
}

// Cut reports whether the proxy closes a tunnel to host:port by itself, before anything was sent through it: what looks
// like a broken handshake is then the proxy's doing.
func Cut(ctx context.Context, s Server, host endpoint.Host, port uint16) bool {
	c, err := s.Dial(ctx)
	if err != nil {
		return false
	}
	defer c.Close()
	_, tunnel, err := connect(ctx, c, s, host, port)
	if err != nil || tunnel == nil {
		return false
	}
	_ = tunnel.SetReadDeadline(time.Now().Add(cutWait))
	_, err = tunnel.Read(make([]byte, 1))
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// cutWait is how long a tunnel must stay open without a word; chosen: no server speaks first under TLS.
const cutWait = time.Second

// Trouble words what came in place of an answer.
func Trouble(step *verdict.Step, err error) {
	var network net.Error
	switch {
	case errors.Is(err, talk.ErrNotHTTP):
		step.Judge("proxy.not-http")
	case errors.As(err, &network) && network.Timeout():
		step.Judge("proxy.timeout")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		step.Judge("proxy.cut", "problem", "closed")
	default:
		step.Judge("proxy.cut", "problem", err.Error())
	}
}

// Speaks reports whether an answer to a plain request was given by a proxy and not by the origin behind it.
func Speaks(a talk.Answer) bool {
	return a.Status == http.StatusProxyAuthRequired || a.Header.Get("Proxy-Status") != "" || a.Header.Get("X-Squid-Error") != ""
}

// Judge words the answer of a proxy that does not open the way. shown says that credentials were sent.
func Judge(step *verdict.Step, a talk.Answer, shown bool, o Options) {
	code, detail := Says(a.Header)
	step.Note("status", strconv.Itoa(a.Status), "error", code, "details", detail, "via", a.Header.Get("Via"))
	switch {
	case a.Status == http.StatusProxyAuthRequired:
		id := "proxy.credentials"
		if o.Exempt {
			id = "proxy.credentials-exempt"
		} else if shown {
			id = "proxy.credentials-refused"
		}
		step.Judge(id, "schemes", schemes(a.Header))
	case strings.HasPrefix(code, "dns_") || strings.HasPrefix(code, "ERR_DNS_FAIL") || detail == "name-not-found":
		step.Judge("proxy.dns-failed")
	case code == "http_request_denied" || code == "destination_ip_prohibited" || strings.HasPrefix(code, "ERR_ACCESS_DENIED"):
		step.Judge("proxy.denied")
	case code == "" && a.Status/100 != 5:
		step.Judge("proxy.denied")
	default:
		step.Judge("proxy.upstream")
	}
}

// Says is what a proxy tells of an error: the code of Proxy-Status or of X-Squid-Error, and the details of the former.
func Says(h http.Header) (code, detail string) {
	for part := range strings.SplitSeq(h.Get("Proxy-Status"), ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "error":
			code = value
		case "details":
			detail = strings.Trim(value, `"`)
		}
	}
	if code == "" {
		code, _, _ = strings.Cut(h.Get("X-Squid-Error"), " ")
	}
	return code, detail
}

// schemes are the names of the schemes that are offered, in their order.
func schemes(h http.Header) string {
	var out []string
	for _, v := range h.Values("Proxy-Authenticate") {
		if name, _, _ := strings.Cut(strings.TrimSpace(v), " "); name != "" {
			out = append(out, name)
		}
	}
	return strings.Join(out, " ")
}
