package catalog_test

import (
	"testing"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
)

// benchHosts: exact and wildcard, one set and several, nothing at all.
var benchHosts = []struct {
	name string
	host endpoint.Host
}{
	{"exact", "login.microsoftonline.com"},
	{"exact-below-wildcard", "device.login.microsoftonline.com"},
	{"wildcard", "r.manage.microsoft.com"},
	{"deep", "3.tlu.dl.delivery.mp.microsoft.com"},
	{"none", "www.example.com"},
}

// BenchmarkMatch finds a host in the whole catalog: at most 300 ns and no allocation.
func BenchmarkMatch(b *testing.B) {
	s := catalog.Builtin()
	for _, c := range benchHosts {
		b.Run(c.name, func(b *testing.B) {
			var buf [64]catalog.Hit
			b.ReportAllocs()
			for b.Loop() {
				s.AppendHits(buf[:0], c.host)
			}
		})
	}
}

func BenchmarkHandling(b *testing.B) {
	s := catalog.Builtin()
	for _, c := range benchHosts {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Handling(c.host)
			}
		})
	}
}

func BenchmarkClassify(b *testing.B) {
	s := catalog.Builtin()
	for _, c := range benchHosts {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Classify(c.host)
			}
		})
	}
}

// The figures are for benchmarks; that lookups do not allocate is a promise.
func TestLookupsDoNotAllocate(t *testing.T) {
	s := catalog.Builtin()
	var buf [64]catalog.Hit
	for _, c := range benchHosts {
		if n := testing.AllocsPerRun(100, func() {
			s.AppendHits(buf[:0], c.host)
			s.Handling(c.host)
			s.Classify(c.host)
		}); n != 0 {
			t.Errorf("%s: %v allocations", c.host, n)
		}
	}
}
