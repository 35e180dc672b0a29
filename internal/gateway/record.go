package gateway

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"sekisho/internal/audit"
	"sekisho/internal/policy"
	"sekisho/internal/wire"
)

// request is one request from its head to its record: what was asked, what was decided, what came of it. Every request
// ends in one log line and one count; a CONNECT, a plain request, a sign-in, a refusal and a failure also in an audit
// record, which for what may last is opened at the decision.
type request struct {
	c       *conn
	kind    Kind
	id      string
	start   time.Time // by the gateway's clock, for the record
	began   time.Time // monotonic, for the duration
	edition *Edition  // loaded once: the request keeps it to its end

	method         string
	host           string // asked for: normal form where it has one
	port           uint16
	authority      string // of a request inside a connection that is read
	accept         string // for the refusal page
	acceptLanguage string

	subject  policy.Subject
	ask      policy.Ask
	hello    policy.Hello
	decision policy.Decision
	signIn   *signIn // what was seen of a sign-in; nil elsewhere

	status      int
	up, down    int64
	replayed    bool
	faultCode   policy.Reason
	faultDetail string
	gone        bool         // the fault is that nobody waits any more
	cause       error        // for the log only
	opened      audit.Opened // the record, where it was opened
	done        bool
	paced       bool // its refusal has waited, or need not
}

// begin opens the request whose head was read on the proxy port; head is nil when it could not be read.
func (c *conn) begin(head *wire.RequestHead) *request {
	return c.beginIn(new(request), head)
}

// beginIn is begin in memory that the caller keeps for the next request.
func (c *conn) beginIn(r *request, head *wire.RequestHead) *request {
	*r = request{c: c, kind: KindConnect, id: c.g.newID(), start: c.g.now(), began: time.Now(), edition: c.g.edition.Load()}
	r.subject.Client = c.client
	if head != nil {
		r.method = head.Method
		r.accept, _ = head.Get("Accept")
		r.acceptLanguage, _ = head.Get("Accept-Language")
	}
	return r
}

// begin opens a request inside a connection that is read.
func (v *reading) begin(r *request, head *wire.RequestHead) *request {
	v.c.beginIn(r, head)
	c := v.connect
	r.kind, r.subject, r.ask, r.hello, r.host, r.port = KindIntercepted, c.subject, c.ask, c.hello, c.host, c.port
	r.decision = v.now.Load().decision
	return r
}

// notice keeps what a sign-in's head says: the kind of endpoint, the tenant, the client id. Nothing is kept of requests
// to other hosts.
func (r *request) notice(method, path string, fields []wire.Field) {
	r.method = knownMethod(method)
	if isSignIn(r.decision.Class) {
		r.signIn = newSignIn(path, fields)
		if r.kind == KindIntercepted { // others wait where they are opened
			r.pacePermit()
		}
	}
}

// knownMethod is a method as it may be recorded: HTTP/2 hands on whatever stands in :method, a whole request line with a
// query among it. What is no method is refused later on, by the serialiser.
func knownMethod(m string) string {
	if len(m) > 32 || strings.Trim(m, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
		return "?"
	}
	return m
}

// noticeBody looks for the client id in a form that was read whole.
func (r *request) noticeBody(form []byte) {
	if r.signIn != nil {
		r.signIn.noticeForm(form)
	}
}

// shownHost is what a page may repeat of the host.
func (r *request) shownHost() string {
	if r.decision.Host != "" {
		return string(r.decision.Host)
	}
	return r.host
}

// fault is the code of what went wrong after the decision; "" when the decision itself refused or nothing did.
func (r *request) fault() string {
	switch {
	case r.faultCode == "" || r.decision.Verdict == policy.Deny && r.faultCode == r.decision.Reason:
		return r.faultDetail
	case r.faultDetail != "":
		return string(r.faultCode) + "/" + r.faultDetail
	}
	return string(r.faultCode)
}

// denied reports whether r was refused, or had no decision that permits it.
func (r *request) denied() bool { return r.decision.Verdict != policy.Permit }

// failed reports whether r was refused or came to nothing.
func (r *request) failed() bool { return r.denied() || r.faultCode != "" }

// recorded reports whether r leaves a record of its own when it ends. Inside a connection that is read, what is permitted
// is covered by the record of the connection, and a sign-in by its own; what was refused, or failed while the client still
// waited, is covered by neither.
func (r *request) recorded() bool {
	return r.kind != KindIntercepted || r.denied() || r.signIn == nil && r.failed() && !r.gone
}

// reason is the decision's; a decision without one is an internal fault.
func (r *request) reason() policy.Reason {
	if r.decision.Reason == "" {
		return policy.ReasonInternal
	}
	return r.decision.Reason
}

// open records a permitted request that may last, such as a tunnel: who asks what is open now must see it, and a process
// that is killed must not take it along. A refusal is recorded once, at its end.
func (r *request) open() {
	if r.c.g.rec != nil {
		r.pacePermit()
		r.opened = r.c.g.rec.Open(r.record(audit.Decision, 0))
	}
}

// endAnyway ends the request when a panic passes by: what was opened must not stay open. The panic goes on.
func (r *request) endAnyway(whole *bool) {
	if !*whole {
		r.fail(&fault{reason: policy.ReasonInternal, detail: "panic", deny: r.opened == audit.Opened{}})
	}
	r.end()
}

// end closes the request: record, line, count. It does so once.
func (r *request) end() {
	if r.done {
		return
	}
	r.done = true
	r.pace()
	r.judgeWould()
	took := time.Since(r.began)
	g := r.c.g
	g.metrics.Finished(Outcome{
		Kind: r.kind, Verdict: r.decision.Verdict, Action: r.decision.Action, Reason: r.reason(), Mode: r.decision.Mode,
		Status: r.status, Fault: string(r.faultCode), Duration: took, Up: r.up, Down: r.down,
	})
	if g.rec != nil {
		if r.recorded() {
			r.finish(took)
		}
		if r.signIn != nil && r.decision.Verdict == policy.Permit {
			r.recordSignIn(took)
		}
	}
	r.line(took)
}

// record makes the audit record.
func (r *request) record(kind audit.Kind, took time.Duration) audit.Record {
	d := &r.decision
	a := audit.Record{
		Kind: kind, TimeMicros: r.start.UnixMicro(), RequestID: r.id, Connection: r.c.id,
		User: r.subject.User, Groups: r.subject.Groups,
		Method: r.method, Host: cut(r.host, sniKept), Port: r.port, SNI: printable(r.hello.RawSNI), Authority: printable(r.authority),
		Verdict: verdictText(d.Verdict), Action: actionText(d.Action), Reason: string(r.reason()), Would: string(d.Would),
		Rule: ruleText(d.Rule), Ring: d.Ring, Mode: modeText(d), Profile: d.Profile,
		Status: r.status, BytesUp: r.up, BytesDown: r.down, DurationMicros: took.Microseconds(), Error: r.fault(),
	}
	if r.subject.Client.IsValid() {
		a.Client = r.subject.Client.String()
	}
	if d.Addr.IsValid() {
		a.Addr = d.Addr.String()
	}
	if r.edition != nil && r.edition.Program != nil {
		a.PolicyHash, a.CatalogVersion = r.edition.Program.Hash(), r.edition.Program.CatalogVersion()
	}
	if s := r.signIn; s != nil {
		a.Endpoint, a.Tenant, a.Application, a.AADSTS = s.endpoint, s.tenant, s.application, s.code
		a.CorrelationID, a.UserAgent = s.correlation, s.agent
		a.Outcome = s.outcome(r.status, r.faultCode != "")
	}
	return a
}

// line writes the one log line. It holds no path, no query and no header value.
func (r *request) line(took time.Duration) {
	ctx := context.Background()
	if !r.c.g.log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	d := &r.decision
	kept := lines.Get().(*[]slog.Attr)
	attrs := (*kept)[:0]
	text := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	text("request_id", r.id)
	text("connection_id", r.c.id)
	text("kind", string(r.kind))
	text("verdict", verdictText(d.Verdict))
	text("action", actionText(d.Action))
	text("reason", string(r.reason()))
	text("would", string(d.Would))
	text("rule", ruleText(d.Rule))
	text("ring", d.Ring)
	text("mode", modeText(d))
	text("profile", d.Profile)
	if r.subject.Client.IsValid() {
		text("client", r.subject.Client.String())
	}
	text("user", r.subject.User)
	text("method", r.method)
	text("host", printable(cut(r.host, sniKept)))
	if r.port != 0 {
		attrs = append(attrs, slog.Int("port", int(r.port)))
	}
	text("sni", printable(r.hello.RawSNI))
	text("authority", printable(r.authority))
	if d.Addr.IsValid() {
		text("address", d.Addr.String())
	}
	if s := r.signIn; s != nil {
		text("endpoint", s.endpoint)
		text("tenant", s.tenant)
		text("aadsts", s.code)
	}
	attrs = append(attrs, slog.Int("status", r.status), slog.Int64("duration_ms", took.Milliseconds()),
		slog.Int64("bytes_up", r.up), slog.Int64("bytes_down", r.down))
	if r.replayed {
		attrs = append(attrs, slog.Bool("replayed", true))
	}
	text("error", r.fault())
	if r.cause != nil {
		text("cause", printable(cut(r.cause.Error(), 300)))
	}
	// The logger would look its caller up, whom no handler prints. One group without a name is written as its members
	// (package slog, Attr), and costs no copy of them.
	line := slog.NewRecord(time.Now(), slog.LevelInfo, "request", 0)
	line.AddAttrs(slog.Attr{Value: slog.GroupValue(attrs...)})
	_ = r.c.g.log.Handler().Handle(ctx, line) // as the logger does
	clear(attrs)
	*kept = attrs
	lines.Put(kept)
}

// lines are the attributes of a log line, kept for the next.
var lines = sync.Pool{New: func() any { a := make([]slog.Attr, 0, 32); return &a }}

// printable replaces what is not printable ASCII: a record is read on terminals and in spreadsheets.
func printable(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] > 0x7e {
			return strings.Map(func(c rune) rune {
				if c < 0x20 || c > 0x7e {
					return '?'
				}
				return c
			}, s)
		}
	}
	return s
}

func verdictText(v policy.Verdict) string {
	if v == policy.Permit {
		return "permit"
	}
	return "deny"
}

func actionText(a policy.Action) string {
	switch a {
	case policy.Tunnel:
		return "tunnel"
	case policy.Intercept:
		return "intercept"
	case policy.Forward:
		return "forward"
	default:
		return "refuse"
	}
}

// modeText is the ring's mode; "" where no ring was asked.
func modeText(d *policy.Decision) string {
	if d.Ring == "" {
		return ""
	}
	switch d.Mode {
	case policy.Report:
		return "report"
	case policy.Off:
		return "off"
	default:
		return "enforce"
	}
}

// ruleText is where a rule was written, or what it is.
func ruleText(r policy.Rule) string {
	if r.Pos.Known() {
		return r.Pos.String()
	}
	return r.Text
}
