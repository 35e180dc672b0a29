// Package name is the stage "dns": the addresses of a name as this client's resolver gives them, and what is wrong with
// them.
//
//	step, answer := name.Probe(ctx, client.Lookup, "login.microsoftonline.com", name.Options{})
//
// Sinkholes (0.0.0.0, ::, loopback) fail; private addresses are a suspicion, because a private endpoint has one as well:
// the ladder makes it the cause when nothing answers there. Control finds resolvers that answer for names that cannot exist.
package name

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/check/verdict"
	"sekisho/internal/dnsx"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

// DefaultSlow is after how long an answer is told as slow (chosen: an answer that is not cached takes some 100 ms).
const DefaultSlow = time.Second

// mostShown bounds the addresses and aliases in the evidence; chosen.
const mostShown = 8

// Lookup asks a resolver.
type Lookup func(ctx context.Context, h endpoint.Host) (dnsx.Answer, error)

// Options of Probe.
type Options struct {
	Slow time.Duration // 0: DefaultSlow
	// False are the addresses that the resolver gives for names that cannot exist.
	False []netip.Addr
}

// Probe looks host up. The answer has addresses exactly when the ladder can go on.
func Probe(ctx context.Context, lookup Lookup, host endpoint.Host, o Options) (verdict.Step, dnsx.Answer) {
	step := verdict.Step{Stage: verdict.DNS}
	begun := time.Now()
	answer, err := lookup(ctx, host)
	took := time.Since(begun)
	step.Millis = took.Milliseconds()
	if err != nil {
		trouble(ctx, &step, host, err)
		return step, dnsx.Answer{}
	}
	if answer.Server.IsValid() {
		step.Note("server", answer.Server.String())
	}
	step.Note("name", host.String(), "addresses", join(answer.Addrs), "chain", join(answer.Chain))
	switch {
	case len(answer.Addrs) == 0:
		step.Judge("dns.no-address")
	case every(answer.Addrs, func(a netip.Addr) bool { return slices.Contains(o.False, a) }):
		step.Judge("dns.hijack")
		return step, dnsx.Answer{}
	case every(answer.Addrs, sinkhole):
		step.Judge("dns.sinkhole")
		return step, dnsx.Answer{}
	case slices.ContainsFunc(answer.Addrs, private):
		step.Judge("dns.private")
	case every(answer.Addrs, netip.Addr.Is6):
		step.Judge("dns.v6-only")
	case took > slow(o.Slow):
		step.Judge("dns.slow", "ms", strconv.FormatInt(step.Millis, 10))
	}
	step.Passed()
	return step, answer
}

// Control asks for a name that cannot exist (RFC 6761, section 6.4: .invalid) and returns the addresses that it got:
// none from a resolver that does not lie. label makes the name one that nobody has cached.
func Control(ctx context.Context, lookup Lookup, label string) []netip.Addr {
	h, err := endpoint.ParseHost(label + ".invalid")
	if err != nil {
		return nil
	}
	answer, err := lookup(ctx, h)
	if err != nil {
		return nil
	}
	return answer.Addrs
}

func slow(d time.Duration) time.Duration {
	if d == 0 {
		return DefaultSlow
	}
	return d
}

// trouble words what a resolver did in place of answering.
func trouble(ctx context.Context, step *verdict.Step, host endpoint.Host, err error) {
	step.Note("name", host.String())
	var problem *finding.Problem
	var system *net.DNSError
	switch {
	case errors.As(err, &problem) && len(problem.Findings) > 0:
		f := problem.Findings[0]
		id, ok := map[string]string{
			"dnsx.no-such-name": "dns.no-such-name", "dnsx.no-address": "dns.no-address", "dnsx.timeout": "dns.timeout",
			"dnsx.alias-loop": "dns.loop", "dnsx.too-many": "dns.loop",
		}[f.Code]
		if !ok {
			id = "dns.failed"
		}
		step.Judge(id, "server", f.Args["server"], "said", f.Args["said"])
	case errors.As(err, &system):
		id := "dns.failed"
		switch {
		case system.IsNotFound:
			id = "dns.no-such-name"
		case system.IsTimeout:
			id = "dns.timeout"
		}
		step.Judge(id, "server", system.Server, "said", system.Err)
	case ctx.Err() != nil:
		step.Judge("dns.timeout")
	default:
		step.Judge("dns.failed", "said", err.Error())
	}
}

// sinkhole reports whether a leads nowhere or to this machine, as filters answer for names that they block.
func sinkhole(a netip.Addr) bool {
	return a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || a.IsLinkLocalUnicast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// shared is RFC 6598.
var shared = netip.MustParsePrefix("100.64.0.0/10")

func private(a netip.Addr) bool { return a.IsPrivate() || shared.Contains(a) }

func every(list []netip.Addr, fits func(netip.Addr) bool) bool {
	return len(list) > 0 && !slices.ContainsFunc(list, func(a netip.Addr) bool { return !fits(a) })
}

func join[T interface{ String() string }](list []T) string {
	var out []string
	for i, v := range list {
		if i == mostShown {
			out = append(out, "+"+strconv.Itoa(len(list)-i))
			break
		}
		out = append(out, v.String())
	}
	return strings.Join(out, " ")
}
