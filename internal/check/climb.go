package check

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/check/plan"
	"sekisho/internal/check/probe/answer"
	"sekisho/internal/check/probe/name"
	"sekisho/internal/check/probe/proxy"
	"sekisho/internal/check/probe/reach"
	"sekisho/internal/check/probe/road"
	"sekisho/internal/check/probe/secure"
	"sekisho/internal/check/verdict"
	"sekisho/internal/endpoint"
)

// climber takes targets up the ladder. Safe for concurrent use.
type climber struct {
	spec   Spec
	forged []netip.Addr // what the resolver answers for names that cannot exist
}

// ascent is one target on its way.
type ascent struct {
	*climber
	ctx    context.Context
	target plan.Target
	how    catalog.Handling
	want   catalog.Inspection
	result Result

	scheme string        // https, http, or "" where only the connection is tried
	proxy  *proxy.Server // nil: directly
	conn   net.Conn
	peer   secure.Peer
}

// climb checks one target.
func (c *climber) climb(ctx context.Context, t plan.Target) Result {
	a := &ascent{climber: c, ctx: ctx, target: t, result: Result{Target: t, Steps: []verdict.Step{}}}
	switch {
	case t.Untested != "":
		return a.unclimbed(t.Untested)
	case ctx.Err() != nil:
		return a.unclimbed("plan.stopped")
	}
	a.how = c.spec.Catalog.Handling(t.Host)
	if a.want = a.how.Inspection; a.want == catalog.InspectionRequired && !c.spec.Restrictions {
		a.want = catalog.InspectionNotStated
	}
	a.result.Expects, a.result.inspection = a.want.String(), a.want
	switch t.Port {
	case 443:
		a.scheme = "https"
	case 80:
		a.scheme = "http"
	}
	if a.scheme == "" && c.spec.Path.Kind != Direct && !t.Asked {
		return a.unclimbed("plan.direct-only")
	}
	for _, rung := range []func() bool{a.plan, a.pac, a.dns, a.reach, a.open, a.tls, a.http} {
		if !rung() {
			break
		}
	}
	if a.conn != nil {
		_ = a.conn.Close()
	}
	if ctx.Err() != nil { // what was cut short looks like a silent network, and is none
		return a.unclimbed("plan.stopped")
	}
	a.closed()
	a.result.finish()
	return a.result
}

// unclimbed is a target that nobody looks at.
func (a *ascent) unclimbed(id string) Result {
	s := verdict.Step{Stage: verdict.Plan}
	s.Judge(id, "name", a.target.Name, "ports", a.target.Ports)
	a.result.Steps = []verdict.Step{s}
	a.result.finish()
	return a.result
}

// closed looks at the hosts that are to be closed: a sign-in alias, a sign-in host of another cloud, and a retired one go
// past the restriction headers, so that a proxy that refuses them does what it should.
func (a *ascent) closed() {
	class := a.spec.Catalog.Classify(a.target.Host).Class
	alias := a.spec.Restrictions && (class == catalog.SignInAlias || class == catalog.OtherCloud)
	if !alias && class != catalog.Retired {
		return
	}
	last := &a.result.Steps[len(a.result.Steps)-1]
	switch tls := a.result.step(verdict.TLS); {
	case last.ID == "proxy.denied":
		last.Judge("proxy.denied-expected")
	case alias && tls != nil && tls.State == verdict.Pass && !a.peer.Inspected:
		tls.Judge("tls.alias-open")
	}
}

// stage bounds one rung.
func (a *ascent) stage() (context.Context, context.CancelFunc) {
	return context.WithTimeout(a.ctx, a.spec.Limits.Stage)
}

// add keeps a step and reports whether the climb goes on.
func (a *ascent) add(s verdict.Step) bool {
	a.result.Steps = append(a.result.Steps, s)
	return s.State == verdict.Pass || s.State == verdict.Warn || s.State == verdict.NotApplicable
}

// skip says that there is nothing to look at on a rung.
func (a *ascent) skip(stage verdict.Stage, evidence ...string) {
	s := verdict.Step{Stage: stage, State: verdict.NotApplicable}
	s.Note(evidence...)
	a.add(s)
}

func (a *ascent) plan() bool {
	s := verdict.Step{Stage: verdict.Plan, State: verdict.Pass}
	s.Note("from", string(a.target.From), "from_evidence", a.target.Evidence, "pattern", a.target.Pattern)
	return a.add(s)
}

// url is what a browser would ask a PAC file for.
func (a *ascent) url() string {
	h := a.target.Host.String()
	switch a.scheme {
	case "":
		return "https://" + net.JoinHostPort(h, strconv.Itoa(int(a.target.Port))) + "/"
	default:
		return a.scheme + "://" + h + "/"
	}
}

func (a *ascent) pac() bool {
	path := a.spec.Path
	switch path.Kind {
	case ByProxy, Gateway:
		a.proxy = &path.Proxy
	case ByPAC:
		class := a.spec.Catalog.Classify(a.target.Host).Class
		keep := a.spec.Restrictions && (class == catalog.SignIn || class == catalog.SignInConsumer)
		ctx, cancel := a.stage()
		defer cancel()
		step, found, ok := path.PAC.Ask(ctx, a.url(), a.target.Host.String(), keep)
		if ok && found.Proxy != "" {
			server := path.Server(found.Proxy)
			a.proxy = &server
		}
		a.result.Proxy = found.Proxy
		return a.add(step) && ok
	}
	a.skip(verdict.PAC)
	return true
}

func (a *ascent) dns() bool {
	if a.proxy != nil {
		a.result.Proxy = a.proxy.Name
		a.skip(verdict.DNS, "resolver", "proxy")
		a.skip(verdict.Owner)
		return true
	}
	ctx, cancel := a.stage()
	defer cancel()
	step, found := name.Probe(ctx, a.spec.Lookup, a.target.Host, name.Options{Slow: a.spec.Limits.SlowName, False: a.forged})
	if !a.add(step) {
		return false
	}
	a.result.Addresses = found.Addrs
	if a.spec.Roads == nil {
		a.skip(verdict.Owner)
		return true
	}
	return a.add(road.Probe(a.spec.Roads, a.target.Host, found))
}

func (a *ascent) reach() bool {
	if a.proxy != nil {
		a.skip(verdict.TCP)
		return true
	}
	ctx, cancel := a.stage()
	defer cancel()
	step, conn := reach.Probe(ctx, a.spec.Dial, a.result.Addresses, a.target.Port)
	a.conn = conn
	return a.add(step)
}

func (a *ascent) open() bool {
	if a.proxy == nil {
		a.skip(verdict.Proxy)
		return true
	}
	ctx, cancel := a.stage()
	defer cancel()
	if a.scheme == "http" { // the request itself goes to the proxy
		step, conn := proxy.Open(ctx, *a.proxy)
		a.conn = conn
		step.Passed()
		return a.add(step)
	}
	step, conn := proxy.Connect(ctx, *a.proxy, a.target.Host, a.target.Port, proxy.Options{Exempt: a.how.ProxyAuthExempt})
	a.conn = conn
	return a.add(step)
}

func (a *ascent) tls() bool {
	if a.scheme != "https" {
		a.skip(verdict.TLS)
		return true
	}
	ctx, cancel := a.stage()
	defer cancel()
	step, conn, peer := secure.Probe(ctx, a.conn, a.target.Host, secure.Options{
		Roots: a.spec.Roots, Public: a.spec.Public, Inspection: a.want, ClientCertificate: a.how.ClientCertificate && asksAtOnce(a.target.Host), Now: a.spec.Now,
	})
	a.conn, a.peer = conn, peer
	if step.ID == "tls.reset" && a.proxy != nil {
		again, cancel := a.stage()
		defer cancel()
		if proxy.Cut(again, *a.proxy, a.target.Host, a.target.Port) {
			last := &a.result.Steps[len(a.result.Steps)-1]
			last.Judge("proxy.cut", "problem", "closed")
			return false
		}
	}
	return a.add(step) && conn != nil
}

func (a *ascent) http() bool {
	if a.scheme == "" {
		a.skip(verdict.HTTP)
		return true
	}
	o := answer.Options{
		Scheme: a.scheme, Host: a.target.Host, Port: a.target.Port, Exempt: a.how.ProxyAuthExempt, CertificateAsked: a.peer.Asked,
		Slow: a.spec.Limits.SlowHead, Now: a.spec.Now,
	}
	if a.proxy != nil && a.scheme == "http" {
		o.Proxied, o.Authorization = true, a.proxy.Authorization
	}
	ctx, cancel := a.stage()
	defer cancel()
	step := answer.Probe(ctx, a.conn, o)
	a.conn = nil
	if step.Stage == verdict.Proxy { // it was the proxy that spoke
		last := &a.result.Steps[len(a.result.Steps)-1]
		if last.Stage == verdict.TLS { // skipped for plain HTTP
			a.result.Steps = a.result.Steps[:len(a.result.Steps)-1]
			last = &a.result.Steps[len(a.result.Steps)-1]
		}
		*last = step
		last.Note("proxy", a.proxy.Name)
		return false
	}
	return a.add(step)
}

// asksAtOnce reports whether h asks for a client certificate in the first handshake, whatever is asked for: the hosts of
// certificate-based sign-in and of device identification ("Microsoft Entra certificate-based authentication technical deep
// dive", https://learn.microsoft.com/entra/identity/authentication/concept-certificate-based-authentication-technical-deep-dive;
// "Set up tenant restrictions v1"). Others that the catalog names may ask later, so that not being asked tells nothing.
func asksAtOnce(h endpoint.Host) bool {
	labels := strings.SplitN(h.String(), ".", 3)
	return h == "device.login.microsoftonline.com" || labels[0] == "certauth" || len(labels) > 1 && labels[1] == "certauth"
}

// took is how long all of a result's steps took.
func took(steps []verdict.Step) time.Duration {
	var all time.Duration
	for _, s := range steps {
		all += time.Duration(s.Millis) * time.Millisecond
	}
	return all
}
