package flow

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"sekisho/internal/endpoint"
)

func somePorts(r *rand.Rand) endpoint.Ports {
	var list []endpoint.PortRange
	for range r.IntN(4) {
		first := uint16(1 + r.IntN(20))
		list = append(list, endpoint.PortRange{Proto: endpoint.Proto(1 + r.IntN(2)), First: first, Last: first + uint16(r.IntN(6))})
	}
	return endpoint.NewPorts(list...)
}

// TestPortsAreCutExactly port by port.
func TestPortsAreCutExactly(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		p, q := somePorts(r), somePorts(r)
		less, common := without(p, q), both(p, q)
		for _, proto := range []endpoint.Proto{endpoint.TCP, endpoint.UDP} {
			for port := uint16(1); port < 40; port++ {
				inP, inQ := p.Allows(proto, port), q.Allows(proto, port)
				if less.Allows(proto, port) != (inP && !inQ) || common.Allows(proto, port) != (inP && inQ) {
					t.Fatalf("%v, %v: without %v, both %v at %v/%d", p, q, less, common, proto, port)
				}
			}
		}
	}
	if got := without(endpoint.MustPorts("tcp/1-65535"), endpoint.MustPorts("tcp/1,65535")); got.String() != "tcp/2-65534" {
		t.Errorf("%v", got)
	}
}

// TestPrefixesAreJoinedExactly address by address.
func TestPrefixesAreJoinedExactly(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	some := func() (list []netip.Prefix) {
		for range r.IntN(12) {
			list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(r.IntN(256))}), 24+r.IntN(9)).Masked())
		}
		return list
	}
	holds := func(list []netip.Prefix, a netip.Addr) bool {
		for _, p := range list {
			if p.Contains(a) {
				return true
			}
		}
		return false
	}
	for range 500 {
		list := some()
		v4, _ := Aggregate(list)
		wider, _ := Aggregate(some())
		left := uncovered(v4, wider)
		for i := range 256 {
			a := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
			if holds(list, a) != holds(v4, a) {
				t.Fatalf("%v became %v", list, v4)
			}
			if holds(v4, a) && !holds(left, a) && !holds(wider, a) || holds(left, a) && !holds(v4, a) {
				t.Fatalf("%v without what %v holds is %v", v4, wider, left)
			}
		}
		if len(v4) > len(list) {
			t.Fatalf("%v grew to %v", list, v4)
		}
	}
}

// TestNamesOfFlowsAreShort enough for every device, and differ.
func TestNamesOfFlowsAreShort(t *testing.T) {
	r, seen := rand.New(rand.NewPCG(3, 3)), map[string]string{}
	for range 5000 {
		f := Flow{Tier: lastTier, Ports: somePorts(r)}
		if r.IntN(4) == 0 {
			f.Tier = 2 * r.IntN(2)
		}
		name, what := f.Name(), string(rune('0'+f.Tier))+f.Ports.String()
		if len("sekisho-"+name) > 31 {
			t.Errorf("%q", name)
		}
		if other, known := seen[name]; known && other != what {
			t.Errorf("%q is %q and %q", name, other, what)
		}
		seen[name] = what
	}
}
