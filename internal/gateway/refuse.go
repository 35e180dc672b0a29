package gateway

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"strconv"

	"sekisho/internal/gateway/refusal"
	"sekisho/internal/gateway/upstream"
	"sekisho/internal/policy"
	"sekisho/internal/wire"
)

// fault is why a request was not carried out. Functions return it; refuse is the one place that tells it.
type fault struct {
	reason policy.Reason
	status int    // 0: the reason's
	detail string // a further stable code
	err    error  // for the log; never shown
	deny   bool   // the request was refused by us, whatever the decision said
	gone   bool   // there is nobody to tell
	told   bool   // the response had begun and was cut
	stale  bool   // nothing was answered: a kept connection may have been closed
	h2     bool   // the origin speaks HTTP/2 alone, and has taken nothing of the request
}

// denied is the fault of a decision that refuses.
func denied(d policy.Decision) *fault { return &fault{reason: d.Reason, deny: true} }

// badMessage is a request that breaks HTTP, with the status that its error has.
func badMessage(err error) *fault {
	f := &fault{reason: refusal.BadRequest, detail: codeOf(err), err: err, deny: true}
	var bad *wire.Error
	if errors.As(err, &bad) {
		f.status = bad.Status()
	}
	return f
}

// clientFault is a client that went away or stopped sending. A malformed body is told.
func clientFault(err error) *fault {
	var bad *wire.Error
	if errors.As(err, &bad) {
		return &fault{reason: refusal.BadRequest, status: bad.Status(), detail: bad.Code, err: err, deny: true}
	}
	var stall *upstream.StallError
	if errors.As(err, &stall) && stall.Op == "read" {
		return &fault{reason: refusal.RequestTimeout, detail: "body-timeout", err: err}
	}
	return &fault{reason: refusal.RequestTimeout, detail: "client-gone", err: err, gone: true}
}

// upstreamFault names what went wrong on the way to an origin.
func upstreamFault(err error) *fault {
	f := &fault{reason: refusal.UpstreamUnreachable, err: err}
	var e *upstream.Error
	if !errors.As(err, &e) {
		return f
	}
	f.detail = e.Step
	switch {
	case e.Step == upstream.StepParentRefuse:
		f.reason, f.detail = refusal.UpstreamProxy, "proxy-"+strconv.Itoa(e.Status)
	case e.Timeout() && (e.Step == upstream.StepParentDial || e.Step == upstream.StepParentAnswer):
		f.reason, f.status = refusal.UpstreamProxy, 504
	case e.Step == upstream.StepParentDial, e.Step == upstream.StepParentAnswer:
		f.reason = refusal.UpstreamProxy
	case e.Step == "certificate":
		f.reason, f.detail = refusal.UpstreamCertificate, certificateDetail(err)
	case e.Timeout():
		f.reason = refusal.UpstreamTimeout
	case e.Step == "handshake":
		f.reason = refusal.UpstreamHandshake
	}
	return f
}

// certificateDetail says what is wrong with an origin's certificate.
func certificateDetail(err error) string {
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.Is(err, upstream.ErrRevoked):
		return "certificate-revoked"
	case errors.As(err, &name):
		return "certificate-name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired: // or not valid yet
		return "certificate-expired"
	case errors.As(err, &unknown):
		return "certificate-untrusted"
	}
	return "certificate"
}

// resolveFault names what went wrong while a name was looked up.
func resolveFault(err error) *fault {
	f := &fault{reason: refusal.NameNotFound, detail: "no-address", err: err}
	var timeout interface{ Timeout() bool }
	var missing *net.DNSError
	switch late := errors.As(err, &timeout); {
	case errors.Is(err, context.DeadlineExceeded), late && timeout.Timeout():
		f.status, f.detail = 504, "dns-timeout"
	case late && !(errors.As(err, &missing) && missing.IsNotFound): // a server that failed, in time
		f.detail = "dns-failure"
	}
	return f
}

// codeOf is the stable code in err, "" when there is none.
func codeOf(err error) string {
	var bad *wire.Error
	if errors.As(err, &bad) {
		return bad.Code
	}
	return ""
}

// refuse tells f to the client and notes it in the record. After it the connection ends, except after a 407, which
// asks the client to come again.
func (r *request) refuse(to client, f *fault) {
	r.fail(f)
	r.pace()
	if f.gone || f.told || to.hasBegun() {
		return
	}
	page := r.page(f)
	if page.Status != 407 {
		to.willClose()
	}
	h := &wire.ResponseHead{Minor: 1, Status: page.Status, Reason: http.StatusText(page.Status), Fields: page.Fields}
	framing := wire.Framing{Kind: wire.Length, Length: int64(len(page.Body))}
	if r.method == "HEAD" {
		h.Fields = append(h.Fields, wire.Field{Name: "Content-Length", Value: strconv.Itoa(len(page.Body))})
		framing, page.Body = wire.Framing{}, nil
	}
	to.add(page.Own)
	r.status = page.Status
	n, err := to.answer(h, framing, bytes.NewReader(page.Body), nil)
	r.down += n
	if err != nil && r.cause == nil {
		r.cause = err
	}
}

// fail notes f in the record.
func (r *request) fail(f *fault) {
	r.faultCode, r.faultDetail, r.gone, r.cause = f.reason, f.detail, f.gone, f.err
	if f.deny {
		if r.decision.Verdict != policy.Deny || r.decision.Reason == "" {
			r.decision.Verdict, r.decision.Action, r.decision.Reason = policy.Deny, policy.Refuse, f.reason
		}
	}
}

// page makes the response that tells f.
func (r *request) page(f *fault) refusal.Response {
	e := r.edition
	if e == nil {
		e = &Edition{}
	}
	return r.c.g.pages.Make(refusal.Refusal{
		Status: f.status, Reason: f.reason, Detail: f.detail, Host: r.shownHost(), RequestID: r.id, Contact: e.Contact,
	}, refusal.Reader{Accept: r.accept, AcceptLanguage: r.acceptLanguage, Language: e.Language})
}

// refuseHead answers a request whose head could not be read, when there is somebody to answer.
func (c *conn) refuseHead(err error) {
	c.side.refuseHead(err, c.begin(nil))
}

// refuseHead answers a head that could not be read and leaves a record of it, with what can be told of the request.
func (s *side) refuseHead(err error, r *request) {
	status, detail, answerable := headError(err)
	if !answerable {
		return
	}
	s.closing, s.begun, s.head.Minor = true, false, 1
	s.glean(r)
	f := &fault{reason: refusal.BadRequest, status: status, detail: detail, err: err, deny: true}
	switch status {
	case 408:
		f.reason = refusal.RequestTimeout
	case 414, 431:
		f.reason = refusal.HeadTooLarge
	case 503:
		f = crowded("heads")
	}
	r.refuse(s, f)
	r.end()
	s.linger()
}
