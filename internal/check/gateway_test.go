package check_test

import (
	"context"
	"crypto/x509"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sekisho/internal/check"
	"sekisho/internal/check/probe/proxy"
	"sekisho/internal/check/probe/secure"
	"sekisho/internal/check/verdict"
	"sekisho/internal/config"
	"sekisho/internal/lab/fault"
	"sekisho/internal/node"
)

// checkpoint is a whole one over the lab, and a run through it. Its root is trusted, as on the organisation's computers.
func checkpoint(t *testing.T) (*node.Node, func(targets ...string) check.Spec) {
	t.Helper()
	free := map[string]string{"gateway-listen": "127.0.0.1:0", "operations-listen": "127.0.0.1:0"}
	settings, found := config.Lab(config.Overrides(free, func(string) string { return "" })...)
	if found.HasErrors() {
		t.Fatal(found)
	}
	n, err := node.Start(t.Context(), node.Options{Config: settings, Lab: true, Data: filepath.Join(t.TempDir(), "data")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := n.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	gatewayPEM, labPEM := n.Roots()
	return n, func(targets ...string) check.Spec {
		s := (&world{}).targets(targets...)
		s.Roots = x509.NewCertPool()
		s.Roots.AppendCertsFromPEM(gatewayPEM)
		s.Roots.AppendCertsFromPEM(labPEM)
		s.Public = secure.NewPublic(certificate(t, labPEM))
		s.Restrictions = true
		s.Path = check.Path{Kind: check.Gateway, Proxy: proxy.Server{Name: "gateway.example:3128", Dial: func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", n.Summary().Gateway)
		}}}
		return s
	}
}

// Through the product's own checkpoint: sign-in hosts are opened, as they must be, what must not be opened is not, what goes
// past the restriction is closed, and the header that the inspection is for is really there.
func TestThroughTheCheckpoint(t *testing.T) {
	n, spec := checkpoint(t)
	r := check.Run(t.Context(), spec("login.microsoftonline.com", "login.live.com", "device.login.microsoftonline.com", "enterpriseregistration.windows.net",
		"graph.microsoft.com", "graph.microsoft.com:80", "ccs.login.microsoftonline.com", "accounts.accesscontrol.windows.net"))
	for _, got := range r.Results {
		want, id := verdict.Pass, ""
		if strings.HasPrefix(got.Name(), "ccs.") || strings.HasPrefix(got.Name(), "accounts.") {
			want, id = verdict.NotApplicable, "proxy.denied-expected"
		}
		if got.State != want || got.ID != id {
			t.Errorf("%s is %s %q: %s", got.Name(), got.State, got.ID, told(r))
		}
	}
	if r.Outcome(true) != check.Passed {
		t.Errorf("strictly it is %s", r.Outcome(true))
	}
	headed := false
	for _, h := range n.LabHeads() {
		text := strings.ToLower(string(h.Raw))
		headed = headed || strings.Contains(text, "host: login.microsoftonline.com") && strings.Contains(text, "restrict-access-to-tenants:")
	}
	if !headed {
		t.Error("no request of the check arrived at login.microsoftonline.com with the restriction header")
	}
}

// The same hosts past the inspection: the restriction is not applied, and that is a failure.
func TestARestrictionThatIsNotApplied(t *testing.T) {
	w := openWorld(t)
	s := w.spec("login.microsoftonline.com", "login.live.com", "graph.microsoft.com")
	s.Restrictions = true
	r := check.Run(t.Context(), s)
	for i, want := range []string{"tls.not-inspected", "tls.not-inspected", ""} {
		if r.Results[i].ID != want {
			t.Errorf("%s is %q, not %q", r.Results[i].Name(), r.Results[i].ID, want)
		}
	}
	if len(r.Findings) != 1 || len(r.Findings[0].Targets) != 2 || r.Findings[0].Party != verdict.ProxyTeam || r.Outcome(false) != check.Failed {
		t.Errorf("findings: %+v, %s", r.Findings, r.Outcome(false))
	}
}

// What the gateway itself says inside a connection that it opened is the gateway's, and no answer of the origin.
func TestTheGatewaySpeaksInsideTheConnection(t *testing.T) {
	n, spec := checkpoint(t)
	f, err := fault.New("tls.expired", "login.windows.net")
	if err == nil {
		err = n.LabFaults().Set(f)
	}
	if err != nil {
		t.Fatal(err)
	}
	r := check.Run(t.Context(), spec("login.windows.net"))
	if got := r.Results[0]; got.State != verdict.Fail || !strings.HasPrefix(got.ID, "proxy.") && got.ID != "http.proxy-error" {
		t.Error(told(r))
	}
}
