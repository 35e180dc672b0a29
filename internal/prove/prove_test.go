package prove

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"sekisho/internal/catalog"
	"sekisho/internal/config"
	"sekisho/internal/finding"
	"sekisho/internal/gateway"
	"sekisho/internal/gateway/hello"
	"sekisho/internal/lab"
	"sekisho/internal/node"
	"sekisho/internal/policy"
	"sekisho/internal/restrict"
	"sekisho/internal/wire"
)

// run runs every promise once and returns those that were broken, with what was seen.
func run(t *testing.T, o Options) map[string]string {
	t.Helper()
	results, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	want := len(promises)
	if len(o.only) > 0 {
		want = len(o.only)
	}
	if len(results) != want {
		t.Fatalf("%d results for %d promises", len(results), want)
	}
	broken := map[string]string{}
	for _, r := range results {
		if !r.OK {
			broken[r.ID] = r.Detail
		}
	}
	return broken
}

func TestEveryPromiseIsKept(t *testing.T) {
	for id, detail := range run(t, Options{}) {
		t.Errorf("%s: %s", id, detail)
	}
}

// breakage breaks the gateway in one respect.
type breakage struct {
	breaks []string // the promises that must be seen broken
	config func(*config.Config)
	// rollout bends the configuration of the second checkpoint, the one with rings.
	rollout func(*config.Config)
	steps   func(*gateway.Steps)
	scene   func(*testing.T, *scene)
	stopped func(*testing.T, string)
}

// unsealed lets what is broken out of the gateway: its last look would stop it.
func unsealed(s *gateway.Steps) {
	s.Planned = func(policy.Decision, restrict.Plan) bool { return true }
	s.Sealed = func([]byte, policy.Decision, string) bool { return true }
}

var breakages = map[string]breakage{
	"nobody is asked for credentials": {
		breaks:  []string{"credentials"},
		rollout: func(c *config.Config) { c.Authentication, c.Rings = config.Authentication{}, c.Rings[len(c.Rings)-1:] },
	},
	"the rings of users are forgotten": {
		breaks:  []string{"ring-users", "ring-off", "ring-percent"},
		rollout: func(c *config.Config) { c.Rings = c.Rings[len(c.Rings)-1:] },
	},
	"the ring that reports enforces": {
		breaks:  []string{"ring-report"},
		rollout: func(c *config.Config) { c.Rings[1].Mode.V = "enforce" },
	},
	"the ring that is off reports": {
		breaks: []string{"ring-off"},
		rollout: func(c *config.Config) {
			c.Rings[2].Mode.V = "report"
			c.Rings[2].Profile = c.Rings[1].Profile
		},
	},
	"the policy is another one": {
		breaks: []string{"ring-policy"},
		rollout: func(c *config.Config) {
			c.Profiles[len(c.Profiles)-1].Policy.V = lab.ContosoTenant + ":" + lab.ContosoPolicy
		},
	},
	"the record of the domain is not published": {
		breaks: []string{"graph"},
		scene:  func(_ *testing.T, s *scene) { s.publish = func(string, string) error { return nil } },
	},
	"sign-ins are recorded without their correlation id": {
		breaks: []string{"report-masked"},
		scene: func(_ *testing.T, s *scene) {
			s.records = func(context.Context) ([]record, error) { return nil, nil }
		},
	},
	"the certificate is somebody else's": {
		breaks: []string{"certificate-clients"},
		scene: func(t *testing.T, s *scene) {
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				t.Fatal(err)
			}
			s.service.key = key
		},
	},
	"the lab forgets when it is stopped": {
		breaks: []string{"restart"},
		stopped: func(t *testing.T, folder string) {
			if _, err := node.ResetLab(folder); err != nil {
				t.Error(err)
			}
		},
	},
	"the share takes everybody": {
		breaks:  []string{"ring-percent"},
		rollout: func(c *config.Config) { c.Rings[3].Percent.V = 100 },
	},
	"the ring enforces nothing": {
		breaks: []string{"foreign-tenant", "every-sign-in-host", "foreign-page", "code-flow", "foreign-device-code", "grants-of-people", "certificate-clients", "guests", "consent",
			"http2", "consumer", "passes", "exact-headers", "report-masked", "ring-policy"},
		steps: func(s *gateway.Steps) {
			unsealed(s)
			s.Plan = func(policy.Decision) restrict.Plan { return restrict.DeleteOnly() }
		},
	},
	"the permitted tenant is forgotten": {
		breaks: []string{"permitted-tenant"},
		config: func(c *config.Config) {
			c.Profiles[0].PermittedTenants = c.Profiles[0].PermittedTenants[:1]
			c.Profiles[0].PermittedTenants[0].V = "northwindtraders.com"
		},
	},
	"a client's header is let through": {
		breaks: []string{"client-headers-replaced"},
		steps: func(s *gateway.Steps) {
			unsealed(s)
			honest := s.AppendRequest
			s.AppendRequest = func(dst []byte, o *wire.Outgoing, p restrict.Plan) ([]byte, error) {
				head, err := honest(dst, o, p)
				for _, f := range o.Fields {
					if strings.EqualFold(f.Name, restrict.HeaderTenants) && err == nil {
						head = append(bytes.TrimSuffix(head, []byte("\r\n")), f.Name+": "+f.Value+"\r\n\r\n"...)
					}
				}
				return head, err
			}
		},
	},
	"the header leaves for every host": {
		breaks: []string{"no-header-elsewhere"},
		steps: func(s *gateway.Steps) {
			unsealed(s)
			honest := s.AppendRequest
			s.AppendRequest = func(dst []byte, o *wire.Outgoing, p restrict.Plan) ([]byte, error) {
				head, err := honest(dst, o, p)
				if err == nil && !bytes.Contains(head, []byte(restrict.HeaderTenants)) {
					head = append(bytes.TrimSuffix(head, []byte("\r\n")), restrict.HeaderTenants+": contoso.com\r\n\r\n"...)
				}
				return head, err
			}
		},
	},
	"a sign-in host is tunnelled": {
		breaks: []string{"sign-in-inspected", "foreign-tenant", "revocation-list", "sign-in-without-name"},
		steps: func(s *gateway.Steps) {
			honest := s.Decide
			s.Decide = func(p *policy.Program, a policy.Ask) policy.Decision {
				d := honest(p, a)
				if d.Action == policy.Intercept {
					d.Action = policy.Tunnel
				}
				return d
			}
			s.DecideTLS = func(_ *policy.Program, d policy.Decision, _ policy.Hello) policy.Decision { return d }
		},
	},
	"what must not be inspected is inspected": {
		breaks: []string{"device-login-untouched", "manage-untouched"},
		steps: func(s *gateway.Steps) {
			decide, leaf := s.Decide, s.Leaf
			s.Decide = func(p *policy.Program, a policy.Ask) policy.Decision {
				d := decide(p, a)
				if d.Host == deviceHost || d.Host == manageHost {
					d.Action, d.Plan = policy.Intercept, restrict.DeleteOnly()
				}
				return d
			}
			s.Leaf = func(ctx context.Context, e *gateway.Edition, d policy.Decision) (*tls.Certificate, error) {
				if d.Host == deviceHost || d.Host == manageHost {
					d.Host = signInHost // the issuing CA cannot sign for the true name
				}
				return leaf(ctx, e, d)
			}
		},
	},
	"everything is allowed": {
		breaks: []string{"disallowed-host", "alias-host", "other-cloud", "record"},
		steps: func(s *gateway.Steps) {
			honest := s.Decide
			s.Decide = func(p *policy.Program, a policy.Ask) policy.Decision {
				d := honest(p, a)
				if d.Verdict == policy.Deny && a.Authority.Host != "" {
					d.Verdict, d.Action, d.Reason = policy.Permit, policy.Tunnel, "feature"
				}
				return d
			}
		},
	},
	"an address is as good as a name": {
		breaks: []string{"address-literal"},
		steps: func(s *gateway.Steps) {
			honest := s.Decide
			s.Decide = func(p *policy.Program, a policy.Ask) policy.Decision {
				d := honest(p, a)
				if a.Authority.Addr.IsValid() {
					d.Verdict, d.Action, d.Reason, d.Addr = policy.Permit, policy.Tunnel, "feature", a.Authority.Addr
				}
				return d
			}
			s.DecideAddr = func(_ *policy.Program, d policy.Decision, a netip.Addr) policy.Decision { d.Addr = a; return d }
		},
	},
	"the server name is not looked at": {
		breaks: []string{"tunnel-name-mismatch", "sign-in-name-mismatch", "tunnel-without-name"},
		steps: func(s *gateway.Steps) {
			s.DecideTLS = func(_ *policy.Program, d policy.Decision, _ policy.Hello) policy.Decision {
				if d.Host == signInHost {
					d.Action = policy.Tunnel // what a proxy does that trusts the CONNECT name of the bypass list alone
				}
				return d
			}
		},
	},
	"the inner authority is not looked at": {
		breaks: []string{"inner-name-mismatch"},
		steps: func(s *gateway.Steps) {
			unsealed(s)
			s.DecideRequest = func(_ *policy.Program, d policy.Decision, _ string) policy.Decision { return d }
			honest := s.AppendRequest
			s.AppendRequest = func(dst []byte, o *wire.Outgoing, p restrict.Plan) ([]byte, error) {
				// The serialiser would notice the other Host by itself.
				o.Fields = slices.DeleteFunc(o.Fields, func(f wire.Field) bool { return strings.EqualFold(f.Name, "Host") })
				return honest(dst, o, p)
			}
		},
	},
	"a connection without a server name is cut": {
		breaks: []string{"sign-in-without-name"},
		steps: func(s *gateway.Steps) {
			honest := s.DecideTLS
			s.DecideTLS = func(p *policy.Program, d policy.Decision, h policy.Hello) policy.Decision {
				if !h.HasSNI {
					return policy.Decision{Host: d.Host, Port: d.Port}
				}
				return honest(p, d, h)
			}
		},
	},
	"an upgrade is sent on": {
		breaks: []string{"upgrade"},
		steps: func(s *gateway.Steps) {
			unsealed(s)
			honest := s.Decide
			s.Decide = func(p *policy.Program, a policy.Ask) policy.Decision {
				d := honest(p, a)
				if d.Host == signInHost {
					d.Class, d.WebSocket = catalog.Ordinary, true
				}
				return d
			}
			send := s.AppendRequest
			s.AppendRequest = func(dst []byte, o *wire.Outgoing, p restrict.Plan) ([]byte, error) {
				// The serialiser sends no upgrade beside restriction headers.
				upgrade := o.Upgrade
				o.Upgrade = ""
				head, err := send(dst, o, p)
				if upgrade != "" && err == nil {
					head = append(bytes.TrimSuffix(head, []byte("\r\n")), "Upgrade: "+upgrade+"\r\n\r\n"...)
				}
				return head, err
			}
		},
	},
	"bytes that are no TLS are relayed": {
		breaks: []string{"not-tls"},
		steps: func(s *gateway.Steps) {
			honest := s.ReadHello
			s.ReadHello = func(r io.Reader) (*hello.Hello, error) {
				seen := bufio.NewReaderSize(r, 64<<10)
				if first, err := seen.Peek(1); err == nil && first[0] != 22 {
					_, _ = seen.Peek(2)
					raw, _ := seen.Peek(seen.Buffered())
					return &hello.Hello{Raw: raw}, nil
				}
				return honest(seen)
			}
			judge := s.DecideTLS
			s.DecideTLS = func(p *policy.Program, d policy.Decision, h policy.Hello) policy.Decision {
				if !h.HasSNI {
					d.Action = policy.Tunnel
					return d
				}
				return judge(p, d, h)
			}
		},
	},
	"a record holds a query string": {
		breaks: []string{"no-secrets"},
		steps: func(s *gateway.Steps) {
			unsealed(s)
			var path atomic.Value
			send, decide := s.AppendRequest, s.Decide
			s.AppendRequest = func(dst []byte, o *wire.Outgoing, p restrict.Plan) ([]byte, error) {
				path.Store(o.Path)
				return send(dst, o, p)
			}
			s.Decide = func(p *policy.Program, a policy.Ask) policy.Decision {
				d := decide(p, a)
				if query, ok := path.Load().(string); ok {
					d.Rule.Text, d.Rule.Pos = query, finding.Pos{}
				}
				return d
			}
		},
	},
	"a dead upstream is found after the 200": {
		breaks: []string{"dead-upstream"},
		scene: func(t *testing.T, s *scene) {
			s.proxy = prematureProxy(t, s.proxy)
		},
	},
	"what went wrong is not recorded": {
		breaks: []string{"faults-told"},
		scene: func(_ *testing.T, s *scene) {
			honest := s.records
			s.records = func(ctx context.Context) ([]record, error) {
				all, err := honest(ctx)
				return slices.DeleteFunc(all, func(r record) bool { return strings.Contains(r.whole, "upstream-") }), err
			}
		},
	},
	"whatever an origin shows is believed": {
		breaks: []string{"faults-told"},
		scene: func(_ *testing.T, s *scene) {
			honest := s.faulty
			s.faulty = func(name, host string, settings ...string) error {
				if strings.HasPrefix(name, "tls.") {
					return nil
				}
				return honest(name, host, settings...)
			}
		},
	},
	"the signing key stays": {
		breaks: []string{"key-change"},
		scene:  func(_ *testing.T, s *scene) { s.rotate = func() error { return nil } },
	},
	"the PAC file sends sign-in hosts direct": {
		breaks: []string{"pac"},
		scene: func(_ *testing.T, s *scene) {
			s.fetch = answering(s.fetch, "/proxy.pac", `function FindProxyForURL(u, h) { return h == "login.windows.net" ? "DIRECT" : "PROXY `+s.proxy+`"; }`)
		},
	},
	"the revocation list is not there": {
		breaks: []string{"revocation-list"},
		scene: func(_ *testing.T, s *scene) {
			s.fetch = answering(s.fetch, "/crl/issuing.crl", "no list")
		},
	},
}

// answering answers path with body in place of the checkpoint.
func answering(honest http.RoundTripper, path, body string) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path == path {
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		}
		return honest.RoundTrip(r)
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// prematureProxy stands before the gateway and answers every CONNECT 200 before the gateway has.
func prematureProxy(t *testing.T, proxy string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer client.Close()
				reader := bufio.NewReader(client)
				request, err := http.ReadRequest(reader)
				if err != nil {
					return
				}
				behind, err := net.Dial("tcp", proxy)
				if err != nil {
					return
				}
				defer behind.Close()
				if request.Method != http.MethodConnect {
					_ = request.WriteProxy(behind)
					_, _ = io.Copy(client, behind)
					return
				}
				_, _ = io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n")
				_, _ = io.WriteString(behind, "CONNECT "+request.Host+" HTTP/1.1\r\nHost: "+request.Host+"\r\n\r\n")
				answer := bufio.NewReader(behind)
				if response, err := http.ReadResponse(answer, request); err != nil || response.StatusCode != http.StatusOK {
					return
				}
				go func() { _, _ = io.Copy(behind, reader) }()
				_, _ = io.Copy(client, answer)
			}()
		}
	}()
	return l.Addr().String()
}

func TestABrokenGatewayIsSeen(t *testing.T) {
	for name, b := range breakages {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			o := Options{Config: b.config, Steps: b.steps, rollout: b.rollout, only: b.breaks}
			if b.scene != nil {
				o.scene = func(s *scene) { b.scene(t, s) }
			}
			if b.stopped != nil {
				o.stopped = func(folder string) { b.stopped(t, folder) }
			}
			broken := run(t, o)
			for _, id := range b.breaks {
				if broken[id] == "" {
					t.Errorf("%s is said to be kept", id)
				}
			}
		})
	}
}

// TestEveryPromiseCanBeBroken keeps the table above complete: a promise that no breakage breaks may be one that
// cannot fail.
func TestEveryPromiseCanBeBroken(t *testing.T) {
	for _, id := range IDs() {
		found := false
		for _, b := range breakages {
			found = found || slices.Contains(b.breaks, id)
		}
		if !found {
			t.Errorf("nothing breaks %s", id)
		}
	}
	for name, b := range breakages {
		for _, id := range b.breaks {
			if !slices.Contains(IDs(), id) {
				t.Errorf("%s breaks %s, which is no promise", name, id)
			}
		}
	}
}
