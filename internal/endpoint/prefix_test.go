package endpoint

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

func TestParsePrefix(t *testing.T) {
	tests := []struct{ name, in, want, reason, wanted string }{
		{"v4", "10.1.0.0/16", "10.1.0.0/16", "", ""},
		{"v4, one address", "10.1.2.3/32", "10.1.2.3/32", "", ""},
		{"v4, everything", "0.0.0.0/0", "0.0.0.0/0", "", ""},
		{"v6", "2603:1026::/36", "2603:1026::/36", "", ""},
		{"v6 in another spelling", "2603:1026:0:0::/36", "2603:1026::/36", "", ""},
		{"host bits", "10.1.2.3/16", "", "host-bits", "10.1.0.0/16"},
		{"host bits, v6", "2001:db8::1/32", "", "host-bits", "2001:db8::/32"},
		{"no length", "10.1.2.3", "", "prefix-missing", "10.1.2.3/32"},
		{"no length, v6", "2001:db8::1", "", "prefix-missing", "2001:db8::1/128"},
		{"empty length", "10.0.0.0/", "", "prefix-length", ""},
		{"too long", "10.0.0.0/33", "", "prefix-length", ""},
		{"leading zero", "10.0.0.0/08", "", "prefix-length", ""},
		{"sign", "10.0.0.0/+8", "", "prefix-length", ""},
		{"mask", "10.0.0.0/255.0.0.0", "", "prefix-length", ""},
		{"empty", "", "", "empty", ""},
		{"host", "example.com/16", "", "prefix", ""},
		{"short v4", "10/8", "", "prefix", ""},
		{"zone", "fe80::%eth0/64", "", "zone", ""},
		{"v4 in v6", "::ffff:10.1.0.0/112", "", "mapped", "10.1.0.0/16"},
		{"v4 in v6, host bits", "::ffff:10.1.2.3/112", "", "mapped", "10.1.0.0/16"},
		{"v4 in v6, wide", "::ffff:0.0.0.0/90", "", "mapped", ""},
		{"v4 in v6, no length", "::ffff:10.1.2.3", "", "mapped", "10.1.2.3/32"},
		{"space", "10.0.0.0/8 ", "", "prefix-length", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParsePrefix(tt.in)
			if reason := reasonOf(t, err); reason != tt.reason {
				t.Fatalf("ParsePrefix(%q) = %v, reason %q; want reason %q", tt.in, got, reason, tt.reason)
			}
			if err != nil {
				if want := err.(*ParseError).Want; want != tt.wanted || got.IsValid() {
					t.Errorf("ParsePrefix(%q) = %v, wants %q written, not %q", tt.in, got, want, tt.wanted)
				}
				return
			}
			if got.String() != tt.want {
				t.Errorf("ParsePrefix(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func naivePrefixes(prefixes []netip.Prefix, a netip.Addr) []int {
	var hits []int
	for i, p := range prefixes {
		if p.Contains(a) {
			hits = append(hits, i)
		}
	}
	slices.SortStableFunc(hits, func(a, b int) int { return cmp.Compare(prefixes[b].Bits(), prefixes[a].Bits()) })
	return hits
}

// TestPrefixIndexAgreesWithContains adds prefixes in random order, nested and repeated, and compares with the naive
// search.
func TestPrefixIndexAgreesWithContains(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	address := func() netip.Addr {
		if rng.IntN(2) == 0 {
			return netip.AddrFrom4([4]byte{10, byte(rng.IntN(3)), byte(rng.IntN(3)), byte(rng.IntN(256))})
		}
		return netip.AddrFrom16([16]byte{0x20, 1, 0, 0, byte(rng.IntN(3)), 15: byte(rng.IntN(256))})
	}
	for range 100 {
		x := new(PrefixIndex[int])
		var prefixes []netip.Prefix
		for i := range 60 {
			a := address()
			p := netip.PrefixFrom(a, rng.IntN(a.BitLen()+1)).Masked()
			prefixes = append(prefixes, p)
			x.Add(p, i)
		}
		if x.Len() != len(prefixes) {
			t.Fatalf("Len is %d", x.Len())
		}
		for range 60 {
			a := address()
			want := naivePrefixes(prefixes, a)
			if got := x.Append(nil, a); !slices.Equal(got, want) {
				t.Fatalf("Append(%v) = %v, want %v of %v", a, got, want, prefixes)
			}
			if best, ok := x.Best(a); ok != (len(want) > 0) || ok && best != want[0] {
				t.Fatalf("Best(%v) = %v, %v; want the first of %v", a, best, ok, want)
			}
		}
	}
}

func TestPrefixIndexNormalForms(t *testing.T) {
	var x PrefixIndex[string]
	if x.Append(nil, netip.MustParseAddr("10.0.0.1")) != nil {
		t.Error("the zero value holds something")
	}
	x.Add(netip.Prefix{}, "invalid")
	x.Add(netip.MustParsePrefix("10.1.2.3/8"), "host bits")
	x.Add(netip.MustParsePrefix("::ffff:192.168.0.0/112"), "mapped")
	x.Add(netip.MustParsePrefix("fe80::/10"), "link-local")
	for a, want := range map[string]string{"10.9.9.9": "host bits", "::ffff:10.9.9.9": "host bits", "192.168.1.1": "mapped",
		"::ffff:192.168.1.1": "mapped", "fe80::1%eth0": "link-local"} {
		if got, ok := x.Best(netip.MustParseAddr(a)); !ok || got != want {
			t.Errorf("%s: %q, %v; want %q", a, got, ok, want)
		}
	}
	if _, ok := x.Best(netip.Addr{}); ok || x.Len() != 3 {
		t.Error("the invalid prefix or address counts")
	}
}

func TestPrefixIndexLookupDoesNotAllocate(t *testing.T) {
	x, a := largePrefixIndex(1000), netip.MustParseAddr("10.1.2.3")
	dst := make([]int, 0, 64)
	if n := testing.AllocsPerRun(100, func() { dst = x.Append(dst[:0], a) }); n != 0 || len(dst) == 0 {
		t.Errorf("%v allocations, %d values", n, len(dst))
	}
}

func largePrefixIndex(n int) *PrefixIndex[int] {
	x := new(PrefixIndex[int])
	for i := range n {
		x.Add(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), byte(i >> 8), 0}), 8+i%17).Masked(), i)
	}
	return x
}

func BenchmarkPrefixIndexLookup(b *testing.B) {
	for _, size := range []int{1000, 100000} {
		x, a := largePrefixIndex(size), netip.MustParseAddr("10.1.2.3")
		dst := make([]int, 0, size)
		b.Run(fmt.Sprintf("prefixes=%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = x.Best(a)
			}
			dst = x.Append(dst[:0], a)
		})
	}
}

func TestPrefixIndexOfPrefixes(t *testing.T) {
	var x PrefixIndex[string]
	for _, p := range []string{"10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.2.0.0/16", "2001:db8::/32"} {
		x.Add(netip.MustParsePrefix(p), p)
	}
	for _, c := range []struct{ p, covering, inside string }{
		{"10.1.0.0/16", "[10.1.0.0/16 10.0.0.0/8]", "[10.1.2.0/24]"},
		{"10.1.2.128/25", "[10.1.2.0/24 10.1.0.0/16 10.0.0.0/8]", "[]"},
		{"10.0.0.0/7", "[]", "[10.0.0.0/8 10.1.0.0/16 10.1.2.0/24 10.2.0.0/16]"},
		{"::/0", "[]", "[2001:db8::/32]"},
		{"192.0.2.0/24", "[]", "[]"},
	} {
		p := netip.MustParsePrefix(c.p)
		if got := fmt.Sprint(x.AppendCovering(nil, p)); got != c.covering {
			t.Errorf("%s is covered by %s, want %s", p, got, c.covering)
		}
		if got := fmt.Sprint(x.AppendInside(nil, p)); got != c.inside {
			t.Errorf("%s contains %s, want %s", p, got, c.inside)
		}
	}
	if x.AppendCovering(nil, netip.Prefix{}) != nil || x.AppendInside(nil, netip.Prefix{}) != nil {
		t.Error("no prefix has values")
	}
}
