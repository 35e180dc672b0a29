// Package answer is the stage "http": one harmless request, and whether the origin answered it or somebody on the way.
//
//	step, a := answer.Probe(ctx, conn, answer.Options{Scheme: "https", Host: "login.live.com", Port: 443})
//
// Any status from the origin is an answer: Microsoft documents no expected one for most endpoints, and a 401, 403 or 404 of
// the origin says that the way is open. What is looked for is the middlebox: a captive portal, a block page, a proxy that
// speaks for itself inside the connection. Redirects are not followed.
package answer

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/check/probe/proxy"
	"sekisho/internal/check/probe/talk"
	"sekisho/internal/check/verdict"
	"sekisho/internal/endpoint"
)

const (
	// DefaultSlow is after how long a head is told as slow (chosen: half of what a stage may take).
	DefaultSlow = 2 * time.Second
	// mostSkew is by how much the clocks may differ: Kerberos allows five minutes (RFC 4120, section 1.6).
	mostSkew = 5 * time.Minute
)

// Options of Probe.
type Options struct {
	Scheme string // http, https
	Host   endpoint.Host
	Port   uint16
	// Proxied asks in absolute form, of a proxy at the other end of the connection.
	Proxied       bool
	Authorization string // of the proxy; "" none
	Exempt        bool   // the host must pass without proxy credentials
	// CertificateAsked says that the origin asked for a client certificate: it may then end the connection.
	CertificateAsked bool
	Slow             time.Duration    // 0: DefaultSlow
	Now              func() time.Time // nil: time.Now
}

// Probe asks for "/" and closes the connection. ctx bounds it.
func Probe(ctx context.Context, c net.Conn, o Options) verdict.Step {
	step := verdict.Step{Stage: verdict.HTTP}
	defer c.Close()
	if until, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(until)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	at := authority(o)
	q := talk.Question{Method: http.MethodGet, Target: "/", Host: at}
	if o.Proxied {
		q.Target, q.ProxyAuthorization = o.Scheme+"://"+at+"/", o.Authorization
	}
	begun := time.Now()
	a, _, err := talk.Ask(c, q)
	step.Millis = time.Since(begun).Milliseconds()
	if err != nil {
		trouble(&step, err, o)
		return step
	}
	step.Note("status", strconv.Itoa(a.Status), "server", a.Header.Get("Server"), "via", a.Header.Get("Via"), "type", a.Header.Get("Content-Type"))
	if o.Proxied && proxy.Speaks(a) {
		step.Stage = verdict.Proxy
		proxy.Judge(&step, a, o.Authorization != "", proxy.Options{Exempt: o.Exempt})
		return step
	}
	judge(&step, a, o)
	step.Passed()
	return step
}

// authority is the host as the request names it: without the scheme's own port.
func authority(o Options) string {
	if o.Port == 443 && o.Scheme == "https" || o.Port == 80 && o.Scheme == "http" {
		return o.Host.String()
	}
	return net.JoinHostPort(o.Host.String(), strconv.Itoa(int(o.Port)))
}

func trouble(step *verdict.Step, err error, o Options) {
	var network net.Error
	switch {
	case errors.Is(err, talk.ErrNotHTTP):
		step.Judge("http.not-http")
	case errors.As(err, &network) && network.Timeout():
		step.Judge("http.timeout")
	case o.CertificateAsked:
		// It was reached, and wants a certificate that this check does not have (RFC 8446, section 4.4.2.4).
		step.State = verdict.NotApplicable
		step.Note("client_certificate", "required")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		step.Judge("http.reset", "problem", "closed")
	default:
		step.Judge("http.reset", "problem", err.Error())
	}
}

func judge(step *verdict.Step, a talk.Answer, o Options) {
	code, detail := proxy.Says(a.Header)
	location := a.Header.Get("Location")
	var network net.Error
	switch {
	case strings.HasPrefix(code, "ERR_ACCESS_DENIED"):
		step.Judge("http.block-page", "error", code)
	case code != "" && (a.Header.Get("X-Squid-Error") != "" || a.Status >= 400):
		step.Judge("http.proxy-error", "error", code, "details", detail)
	case a.Status == http.StatusNetworkAuthenticationRequired:
		step.Judge("http.captive-portal", "location", location) // RFC 6585, section 6
	case a.Status/100 == 3 && portal(location, o):
		step.Judge("http.captive-portal", "location", location)
	case a.Status/100 == 3 && same(location, o):
		step.Judge("http.redirect-loop", "location", location)
	case a.BodyErr != nil && errors.As(a.BodyErr, &network) && network.Timeout():
		step.Judge("http.timeout")
	case errors.Is(a.BodyErr, io.ErrUnexpectedEOF):
		step.Judge("http.truncated")
	case a.BodyErr != nil:
		step.Judge("http.reset", "problem", a.BodyErr.Error())
	case a.Status == http.StatusServiceUnavailable:
		step.Judge("http.unavailable", "retry_after", a.Header.Get("Retry-After"))
	case a.Status == http.StatusTooManyRequests:
		step.Judge("http.throttled", "retry_after", a.Header.Get("Retry-After"))
	default:
		if by, far := skew(a.Header, o); far {
			step.Judge("http.clock", "skew", by.Round(time.Second).String())
		} else if slow := max(o.Slow, 0); a.Took > slow && (slow > 0 || a.Took > DefaultSlow) {
			step.Judge("http.slow", "ms", strconv.FormatInt(a.Took.Milliseconds(), 10))
		}
	}
}

// portal reports whether a redirect leads to a sign-in page of the network: from HTTPS down to plain HTTP at another host,
// which no origin of the catalog does, or to an address that is not public.
func portal(location string, o Options) bool {
	u, err := url.Parse(location)
	if err != nil || u.Host == "" {
		return false
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast()
	}
	return o.Scheme == "https" && u.Scheme == "http" && !strings.EqualFold(u.Hostname(), o.Host.String())
}

// same reports whether a redirect leads to what was asked for.
func same(location string, o Options) bool {
	u, err := url.Parse(location)
	return err == nil && u.Scheme == o.Scheme && strings.EqualFold(u.Host, authority(o)) && (u.Path == "/" || u.Path == "") && u.RawQuery == ""
}

// skew is by how much the origin's clock is ahead of this machine's, and whether that is too far.
func skew(h http.Header, o Options) (time.Duration, bool) {
	at, err := http.ParseTime(h.Get("Date"))
	if err != nil || h.Get("Age") != "" { // from a cache: its date is old
		return 0, false
	}
	now := time.Now
	if o.Now != nil {
		now = o.Now
	}
	by := at.Sub(now())
	return by, by > mostSkew || by < -mostSkew
}
