package check_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/check"
	"sekisho/internal/check/plan"
	"sekisho/internal/check/probe/proxy"
	"sekisho/internal/check/probe/secure"
	"sekisho/internal/check/verdict"
	"sekisho/internal/dnsx"
	"sekisho/internal/endpoint"
	"sekisho/internal/lab"
	"sekisho/internal/lab/fault"
)

// world is a lab that is checked without a gateway: its resolver and its network are the client's. The lab's root stands for
// the public ones.
type world struct {
	*lab.World
	root   *x509.Certificate
	limits check.Limits
	mu     sync.Mutex
	asked  map[endpoint.Host]int
}

func openWorld(t *testing.T) *world {
	t.Helper()
	w, err := lab.Open(t.Context(), lab.Options{Catalog: catalog.Builtin(), Hosts: []endpoint.Pattern{endpoint.MustPattern("*.check.example"), endpoint.MustPattern("*.other.example")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	root := certificate(t, w.RootPEM())
	// A stage may take long on a busy machine; what is struck to be silent is silent for good.
	return &world{World: w, root: root, limits: check.Limits{Stage: 4 * time.Second, SlowName: 1900 * time.Millisecond, SlowHead: 1900 * time.Millisecond}, asked: map[endpoint.Host]int{}}
}

func certificate(t *testing.T, text []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(text)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (w *world) lookup(ctx context.Context, h endpoint.Host) (dnsx.Answer, error) {
	w.mu.Lock()
	w.asked[h]++
	w.mu.Unlock()
	addrs, err := w.Resolve(ctx, h)
	return dnsx.Answer{Name: h, Addrs: addrs, Server: netip.MustParseAddrPort("192.0.2.53:53")}, err
}

// spec is a run over targets, https unless a port is named.
func (w *world) spec(targets ...string) check.Spec {
	roots := x509.NewCertPool()
	roots.AddCert(w.root)
	s := w.targets(targets...)
	s.Path, s.Lookup, s.Dial, s.Roots, s.Public = check.Path{Kind: check.Direct}, w.lookup, w.Dial, roots, secure.NewPublic(w.root)
	return s
}

// targets are those of a run, without a network.
func (w *world) targets(targets ...string) check.Spec {
	s := check.Spec{Catalog: catalog.Builtin(), Limits: w.limits}
	for _, name := range targets {
		a, err := endpoint.ParseAuthority(name, 443)
		if err != nil {
			panic(err)
		}
		s.Plan.Targets = append(s.Plan.Targets, plan.Target{Name: name, Host: a.Host, Port: a.Port, Transport: "tcp", Required: true, From: plan.Listed})
	}
	return s
}

// proxied makes s go through the lab's stand-in for an organisation's proxy.
func (w *world) proxied(s check.Spec) check.Spec {
	at := strings.TrimPrefix(w.ProxyURL(), "http://")
	s.Path = check.Path{Kind: check.ByProxy, Proxy: proxy.Server{Name: "proxy.example:3128", Dial: func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", at)
	}}}
	s.Lookup = func(context.Context, endpoint.Host) (dnsx.Answer, error) {
		panic("a name was looked up beside the proxy")
	}
	return s
}

func (w *world) set(t *testing.T, name, host string, settings ...string) fault.Fault {
	t.Helper()
	f, err := fault.New(name, host, settings...)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Faults().Set(f); err != nil {
		t.Fatal(err)
	}
	return f
}

// matrixCase is one fault and the verdict that it makes.
type matrixCase struct {
	fault    string
	settings []string
	host     string // "": one of its own
	port     string // ":80"; "": 443
	proxied  bool
	want     string // verdict; "": it passes
	state    verdict.State
	// bend changes the run.
	bend func(*testing.T, *world, *check.Spec)
}

func (c matrixCase) String() string {
	text := strings.Join(append([]string{c.fault}, c.settings...), " ") + c.port
	if c.proxied {
		text += " by a proxy"
	}
	if c.host != "" {
		text += " at " + c.host
	}
	return text
}

// trustInspector has the organisation's computers trust whoever inspects, as they do where a proxy does.
func trustInspector(t *testing.T, w *world, s *check.Spec) {
	host := s.Plan.Targets[0].Host
	addrs, err := w.Resolve(t.Context(), host)
	if err != nil {
		t.Fatal(err)
	}
	c, err := w.Dial(t.Context(), netip.AddrPortFrom(addrs[0], 443))
	if err != nil {
		t.Fatal(err)
	}
	_, conn, peer := secure.Probe(t.Context(), c, host, secure.Options{Roots: s.Roots, Public: s.Public})
	if conn != nil || len(peer.Chain) < 2 {
		t.Fatalf("nothing inspects %s: %d certificates", host, len(peer.Chain))
	}
	s.Roots.AddCert(peer.Chain[len(peer.Chain)-1])
}

const (
	pass = verdict.Pass
	warn = verdict.Warn
	fail = verdict.Fail
)

var matrix = []matrixCase{
	{fault: "dns.nxdomain", want: "dns.no-such-name", state: fail},
	{fault: "dns.servfail", want: "dns.failed", state: fail},
	{fault: "dns.timeout", want: "dns.timeout", state: fail},
	{fault: "dns.slow", settings: []string{"wait=2s"}, want: "dns.slow", state: warn},
	{fault: "dns.sinkhole", want: "dns.sinkhole", state: fail},
	{fault: "dns.sinkhole", settings: []string{"address=::"}, want: "dns.sinkhole", state: fail},
	{fault: "dns.sinkhole", settings: []string{"address=127.0.0.1"}, want: "dns.sinkhole", state: fail},
	{fault: "dns.private", want: "dns.private", state: fail}, // nobody answers there
	{fault: "dns.private", settings: []string{"address=fd00::1"}, want: "dns.private", state: fail},
	{fault: "dns.hijack", want: "tls.stranger", state: fail},
	{fault: "dns.v6-only", want: "dns.v6-only", state: warn},
	{fault: "dns.v4-only", state: pass},
	{fault: "tcp.refused", want: "tcp.refused", state: fail},
	{fault: "tcp.refused", settings: []string{"family=6"}, host: "login.microsoftonline.com", want: "tcp.ipv6", state: warn},
	{fault: "tcp.blackhole", settings: []string{"family=6"}, host: "login.microsoft.com", want: "tcp.ipv6", state: warn},
	{fault: "tcp.unreachable", want: "tcp.unreachable", state: fail},
	{fault: "tcp.blackhole", want: "tcp.timeout", state: fail},
	{fault: "tcp.reset", settings: []string{"at=hello"}, want: "tls.reset", state: fail},
	{fault: "tcp.reset", settings: []string{"at=head"}, want: "http.reset", state: fail},
	{fault: "tcp.stall", settings: []string{"at=hello"}, want: "tls.timeout", state: fail},
	{fault: "tcp.stall", settings: []string{"at=head"}, want: "http.timeout", state: fail},
	{fault: "tls.expired", want: "tls.expired", state: fail},
	{fault: "tls.not-yet-valid", want: "tls.not-yet-valid", state: fail},
	{fault: "tls.wrong-name", want: "tls.wrong-name", state: fail},
	{fault: "tls.self-signed", want: "tls.self-signed", state: fail},
	{fault: "tls.untrusted-root", want: "tls.untrusted", state: fail},
	{fault: "tls.missing-intermediate", want: "tls.incomplete", state: fail},
	{fault: "tls.revoked", want: "tls.revoked", state: fail},
	{fault: "tls.revoked", settings: []string{"staple=no"}, state: pass}, // not looked up: only what is stapled is believed
	{fault: "tls.inspected", want: "tls.inspected", state: fail, host: "enterpriseregistration.windows.net", bend: trustInspector},
	{fault: "tls.inspected", state: pass, bend: trustInspector}, // the catalog says nothing of this host
	{fault: "tls.client-certificate-lost", host: "device.login.microsoftonline.com", want: "tls.client-certificate-lost", state: fail},
	{fault: "tls.refused", want: "tls.refused", state: fail},
	{fault: "tls.old-version", want: "tls.old-version", state: fail},
	{fault: "tls.old-version", settings: []string{"version=1.2"}, state: pass},
	{fault: "http.slow", settings: []string{"wait=2s"}, want: "http.slow", state: warn},
	{fault: "http.captive-portal", want: "http.captive-portal", state: fail},
	{fault: "http.captive-portal", settings: []string{"status=511"}, port: ":80", want: "http.captive-portal", state: fail},
	{fault: "http.block-page", want: "http.block-page", state: fail},
	{fault: "http.block-page", settings: []string{"status=200"}, port: ":80", want: "http.block-page", state: fail},
	{fault: "http.service-unavailable", want: "http.unavailable", state: warn},
	{fault: "http.throttled", want: "http.throttled", state: warn},
	{fault: "http.redirect-loop", want: "http.redirect-loop", state: warn},
	{fault: "http.truncated", want: "http.truncated", state: fail},
	{fault: "http.garbage", want: "http.not-http", state: fail},
	{fault: "http.garbage", port: ":80", want: "http.not-http", state: fail},
	{fault: "proxy.credentials", proxied: true, want: "proxy.credentials", state: verdict.NotTested},
	{fault: "proxy.credentials", proxied: true, port: ":80", want: "proxy.credentials", state: verdict.NotTested},
	{fault: "proxy.credentials", proxied: true, host: "graph.microsoft.com", want: "proxy.credentials-exempt", state: fail},
	{fault: "proxy.credentials", settings: []string{"schemes=NTLM"}, proxied: true, want: "proxy.credentials-refused", state: fail, bend: shown},
	{fault: "proxy.credentials", proxied: true, state: pass, bend: shown},
	{fault: "proxy.denied", proxied: true, want: "proxy.denied", state: fail},
	{fault: "proxy.denied", settings: []string{"status=503"}, proxied: true, want: "proxy.denied", state: fail},
	{fault: "proxy.denied", proxied: true, port: ":80", want: "proxy.denied", state: fail},
	{fault: "proxy.port-denied", proxied: true, want: "proxy.port-denied", state: fail},
	{fault: "proxy.dns-failed", proxied: true, want: "proxy.dns-failed", state: fail},
	{fault: "proxy.cut", proxied: true, want: "proxy.cut", state: fail},
	{fault: "proxy.garbage", proxied: true, want: "proxy.not-http", state: fail},
	{fault: "tcp.refused", proxied: true, want: "proxy.upstream", state: fail},
	{fault: "tcp.reset", settings: []string{"at=hello"}, proxied: true, want: "tls.reset", state: fail},
	{fault: "tls.wrong-name", proxied: true, want: "tls.wrong-name", state: fail},
	{fault: "dns.nxdomain", proxied: true, want: "proxy.dns-failed", state: fail},
}

func shown(_ *testing.T, _ *world, s *check.Spec) {
	s.Path.Proxy.Authorization = "Basic dTpw"
}

// waits reports whether c is about silence: such cases cost time and no work.
func (c matrixCase) waits() bool {
	return slices.Contains([]string{"dns.timeout", "dns.slow", "dns.private", "tcp.blackhole", "tcp.stall", "http.slow"}, c.fault)
}

// Every verdict is made by exactly its fault: the same target passes before it and after it.
func TestEveryFaultHasItsVerdict(t *testing.T) {
	w := openWorld(t)
	var waiting sync.WaitGroup
	defer waiting.Wait()
	for i, c := range matrix {
		if c.host == "" {
			c.host = fmt.Sprintf("h%d.check.example", i)
		}
		if c.waits() {
			waiting.Go(func() { drive(t, w, c) })
			continue
		}
		t.Run(strings.NewReplacer(" ", "_", "=", "-", ":", "-").Replace(c.String()), func(t *testing.T) { drive(t, w, c) })
	}
}

// drive checks a target without, with and again without the fault.
func drive(t *testing.T, w *world, c matrixCase) {
	s := w.spec(c.host + c.port)
	if c.proxied {
		s = w.proxied(s)
	}
	if r := check.Run(t.Context(), s); r.Results[0].State != verdict.Pass {
		t.Errorf("%s: before the fault: %s", c, told(r))
		return
	}
	f, err := fault.New(c.fault, c.host, c.settings...)
	if err == nil {
		err = w.Faults().Set(f)
	}
	if err != nil {
		t.Errorf("%s: %v", c, err)
		return
	}
	if c.bend != nil {
		c.bend(t, w, &s)
	}
	r := check.Run(t.Context(), s)
	if got := r.Results[0]; got.ID != c.want || got.State != c.state {
		t.Errorf("%s: want %q, %s; found %s", c, c.want, c.state, told(r))
	}
	if c.want != "" && (len(r.Findings) != 1 || r.Findings[0].ID != c.want || !slices.Equal(r.Findings[0].Targets, []string{r.Results[0].Name()})) {
		t.Errorf("%s: findings: %+v", c, r.Findings)
	}
	if _, err := w.Faults().Clear(c.fault, f.Host); err != nil {
		t.Errorf("%s: %v", c, err)
	}
	if r := check.Run(t.Context(), s); r.Results[0].State != verdict.Pass {
		t.Errorf("%s: after the fault: %s", c, told(r))
	}
}

// A resolver that answers for names that cannot exist, and one issuer for hosts that have nothing to do with each other, are
// seen by looking at more than one name.
func TestWhatOneNameAloneDoesNotTell(t *testing.T) {
	w := openWorld(t)
	w.set(t, "dns.hijack", "*")
	r := check.Run(t.Context(), w.spec("a.check.example", "login.live.com"))
	if len(r.Findings) != 1 || r.Findings[0].ID != "dns.hijack" || len(r.Findings[0].Targets) != 2 || r.Findings[0].Party != verdict.DNSTeam {
		t.Errorf("findings: %+v", r.Findings)
	}
	w.Faults().ClearAll()
	w.set(t, "tls.inspected", "*")
	r = check.Run(t.Context(), w.spec("enterpriseregistration.windows.net", "device.login.microsoftonline.com", "a.check.example"))
	for i, want := range []string{"tls.inspected", "tls.inspected", "tls.untrusted"} {
		if r.Results[i].ID != want {
			t.Errorf("%s is %q, not %q", r.Results[i].Name(), r.Results[i].ID, want)
		}
	}
}

// Who gives up gets what was found so far, and the rest is not tested.
func TestARunThatIsStopped(t *testing.T) {
	w := openWorld(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	s := w.spec("a.check.example", "b.check.example", "c.check.example")
	s.Limits.Concurrent = 1
	s.Progress = func(done, _ int) {
		if done == 1 {
			stop()
		}
	}
	r := check.Run(ctx, s)
	if !r.Stopped || r.Results[0].State != verdict.Pass || r.Results[2].ID != "plan.stopped" || r.Results[2].State != verdict.NotTested || r.Outcome(false) != check.Undecided {
		t.Errorf("stopped %v, %s: %s", r.Stopped, r.Outcome(false), told(r))
	}
}

// told is a result for people who read failures.
func told(r check.Report) string {
	var b strings.Builder
	for _, result := range r.Results {
		fmt.Fprintf(&b, "%s %s %s:", result.Name(), result.State, result.ID)
		for _, s := range result.Steps {
			fmt.Fprintf(&b, "\n  %s %s %s %v", s.Stage, s.State, s.ID, s.Evidence)
		}
		b.WriteString("\n")
	}
	return b.String()
}
