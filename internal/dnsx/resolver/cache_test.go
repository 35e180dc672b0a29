package resolver

import (
	"fmt"
	"testing"
	"time"

	"github.com/miekg/dns"

	"sekisho/internal/endpoint"
)

func TestAFullCacheMakesRoom(t *testing.T) {
	var c cache
	now := time.Unix(0, 0)
	for i := range 3 * mostEntries {
		c.put(endpoint.Host(fmt.Sprint("n", i)), entry{until: now.Add(time.Minute)}, now)
	}
	if len(c.entries) > mostEntries {
		t.Errorf("%d entries", len(c.entries))
	}
	if _, _, ok := c.get(endpoint.Host(fmt.Sprint("n", 3*mostEntries-1)), now); !ok {
		t.Error("the newest is gone")
	}
}

// FuzzRead reads whatever a server may send.
func FuzzRead(f *testing.F) {
	for _, lines := range [][]string{{"a.example. 60 IN A 192.0.2.1"}, {"a.example. 60 IN CNAME b.example.", "b.example. 1 IN A 192.0.2.1"},
		{"a.example. 60 IN CNAME a.example."}, {"a.example. 4294967295 IN AAAA 2001:db8::1"}} {
		m := new(dns.Msg)
		m.SetQuestion("a.example.", dns.TypeA)
		for _, l := range lines {
			r, err := dns.NewRR(l)
			if err != nil {
				f.Fatal(err)
			}
			m.Answer = append(m.Answer, r)
		}
		packed, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		m := new(dns.Msg)
		if m.Unpack(packet) != nil {
			return
		}
		for _, kind := range []uint16{typeA, typeAAAA} {
			got, next, taken := read(m, "a.example.", kind, chainLimit)
			if len(got.addrs) > MaxAddresses || taken > chainLimit+1 || got.ttl < 0 || got.ttl > mostTTL && len(got.addrs) > 0 {
				t.Fatalf("%+v %q %d", got, next, taken)
			}
			for _, a := range got.addrs {
				if !a.IsValid() || a.Is4() != (kind == typeA) {
					t.Fatalf("%v for kind %d", a, kind)
				}
			}
		}
	})
}
