package policy_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/policy"
	"sekisho/internal/restrict"
)

// hosts generates names around everything that the catalog names: the names themselves, names below, beside and above
// them, lookalikes, and names from nowhere.
func hosts(t testing.TB, n int) []endpoint.Host {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	// Classes and rows are drawn equally often, however large the catalog grows.
	var classes, rows []string
	snap := catalog.Builtin()
	for _, k := range snap.Classes() {
		classes = append(classes, k.Pattern.String())
	}
	for _, s := range snap.Sets() {
		for _, p := range s.Patterns {
			rows = append(rows, p.String())
		}
	}
	label := func() string {
		b := make([]byte, 1+r.IntN(8))
		for i := range b {
			b[i] = "abcdefghijklmnopqrstuvwxyz0123456789"[r.IntN(36)]
		}
		return string(b)
	}
	var out []endpoint.Host
	for len(out) < n {
		seeds := [][]string{classes, rows}[r.IntN(2)]
		s := strings.ReplaceAll(seeds[r.IntN(len(seeds))], "*", label())
		switch r.IntN(8) {
		case 0:
			s = label() + "." + s
		case 1:
			s = label() + s
		case 2:
			_, s, _ = strings.Cut(s, ".")
		case 3:
			s += "." + label() + ".jp"
		case 4:
			s = label() + "." + label() + "." + s
		case 5:
			s = fmt.Sprintf("%s.%s.example.com", label(), label())
		}
		if h, err := endpoint.ParseHost(s); err == nil {
			out = append(out, h)
		}
	}
	return out
}

// everything is a policy with every feature of the catalog, the widest that an administrator can choose.
func everything() policy.Spec {
	spec := base()
	spec.Features = nil
	for i, f := range catalog.Builtin().Features() {
		spec.Features = append(spec.Features, at(100+i, string(f.ID)))
	}
	return spec
}

// TestClassesHoldAgainstEveryFeature: whatever features are in use,
//   - in an enforcing ring no host of a class is tunnelled, unless its alias row names the network;
//   - no host but a sign-in host is given headers, and sign-in hosts are given the profile's;
//   - what must not be inspected is never intercepted;
//   - a permission has an action, a rule and, where requests are read, a plan that deletes.
func TestClassesHoldAgainstEveryFeature(t *testing.T) {
	p := compile(t, everything())
	snap := catalog.Builtin()
	permitted, classes := 0, map[catalog.Class]int{}
	ports := []uint16{443, 80, 8443, 5223}
	for i, h := range hosts(t, 20000) {
		for _, client := range []string{enforced, reported, off} {
			for _, plain := range []bool{false, true} {
				a := policy.Ask{Subject: policy.Subject{Client: netip.MustParseAddr(client)}, Plain: plain,
					Authority: endpoint.Authority{Host: h, Port: ports[i%len(ports)]}}
				d := p.Decide(a)
				class := snap.Classify(h).Class
				classes[class]++
				signIn := class == catalog.SignIn || class == catalog.SignInConsumer
				if d.Class != class || d.Rule.Text == "" || d.Reason == "" {
					t.Fatalf("%s: class %v, rule %q, reason %q", h, d.Class, d.Rule.Text, d.Reason)
				}
				if class != catalog.Ordinary && d.Action == policy.Tunnel && (client != off || !signIn) {
					t.Fatalf("%s (%v) is tunnelled for %s by %v", h, class, client, d.Rule)
				}
				if class != catalog.Ordinary && !signIn && d.Allowed() {
					t.Fatalf("%s (%v) is permitted for %s by %v", h, class, client, d.Rule)
				}
				if len(d.Plan.Set()) > 0 && (!signIn || client != enforced) {
					t.Fatalf("%s (%v) is given headers for %s", h, class, client)
				}
				if signIn && client == enforced && d.Allowed() && len(d.Plan.Set()) == 0 {
					t.Fatalf("%s passes an enforcing ring without headers", h)
				}
				if d.Action == policy.Intercept && snap.Handling(h).Inspection == catalog.InspectionForbidden {
					t.Fatalf("%s must not be inspected and is intercepted", h)
				}
				if d.Allowed() != (d.Action != policy.Refuse) || d.Allowed() != (d.Verdict == policy.Permit) {
					t.Fatalf("%s: verdict %v, action %v", h, d.Verdict, d.Action)
				}
				reads := d.Action == policy.Intercept || d.Action == policy.Forward
				if d.Plan.Ready() != reads || reads && !d.Plan.Deletes(restrict.HeaderTenants) {
					t.Fatalf("%s: action %v, plan ready %v", h, d.Action, d.Plan.Ready())
				}
				if plain == (d.Action == policy.Tunnel || d.Action == policy.Intercept) && d.Allowed() {
					t.Fatalf("%s: plain %v gets %v", h, plain, d.Action)
				}
				if d.Allowed() {
					permitted++
				}
			}
		}
	}
	for _, c := range []catalog.Class{catalog.Ordinary, catalog.SignIn, catalog.SignInConsumer, catalog.SignInAlias, catalog.OtherCloud, catalog.Retired} {
		if classes[c] < 100 {
			t.Errorf("only %d questions about class %v: the generator is broken", classes[c], c)
		}
	}
	if permitted < 1000 {
		t.Errorf("only %d permissions: the generator is broken", permitted)
	}
}

// TestOnlyAllowedPatternsPermit: what is permitted is covered by a rule that AllowedPatterns lists.
func TestOnlyAllowedPatternsPermit(t *testing.T) {
	p := compile(t, base())
	rules := p.AllowedPatterns()
	for _, h := range hosts(t, 5000) {
		d := p.Decide(policy.Ask{Subject: from(enforced), Authority: endpoint.Authority{Host: h, Port: 443}})
		if !d.Allowed() {
			continue
		}
		found := false
		for _, r := range rules {
			found = found || r.Pattern.Match(h) && r.Ports.Allows(endpoint.TCP, 443) && r.Text == d.Rule.Text
		}
		if !found {
			t.Errorf("%s is permitted by %v, which is not listed", h, d.Rule)
		}
	}
}

// TestLaterStepsOnlyNarrow: no address, hello or authority turns a denial into a permission or changes an action.
func TestLaterStepsOnlyNarrow(t *testing.T) {
	p := compile(t, everything())
	r := rand.New(rand.NewPCG(3, 4))
	all := hosts(t, 3000)
	for _, h := range all {
		d := p.Decide(policy.Ask{Subject: from(enforced), Authority: endpoint.Authority{Host: h, Port: 443}})
		other := all[r.IntN(len(all))]
		var b [16]byte
		for i := range b {
			b[i] = byte(r.IntN(256))
		}
		a := netip.AddrFrom16(b)
		if r.IntN(2) == 0 {
			a = netip.AddrFrom4([4]byte(b[:4]))
		}
		for _, next := range []policy.Decision{
			p.DecideAddr(d, a),
			p.DecideTLS(d, policy.Hello{TLS: true, HasSNI: true, SNI: other, RawSNI: string(other)}),
			p.DecideTLS(d, policy.Hello{TLS: true}),
			p.DecideRequest(d, string(other)),
		} {
			if next.Allowed() && (!d.Allowed() || next.Action != d.Action || next.Host != d.Host || !next.Plan.Equal(d.Plan)) {
				t.Fatalf("%s: %v became %v", h, d.Action, next.Action)
			}
			if !next.Allowed() && (next.Plan.Ready() || next.Action != policy.Refuse || next.Reason == "") {
				t.Fatalf("%s: a denial keeps what it permitted", h)
			}
		}
		if d.Allowed() && other != h && p.DecideTLS(d, policy.Hello{TLS: true, HasSNI: true, SNI: other}).Allowed() {
			t.Fatalf("%s: server name %s passes", h, other)
		}
	}
}
