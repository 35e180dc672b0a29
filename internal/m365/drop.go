package m365

import (
	"net/netip"

	"go4.org/netipx"

	"sekisho/internal/endpoint"
)

// Dropped is the share of the hosts, or of the address ranges if that is larger, that before has and after has no more,
// in percent rounded up. A host is there while a pattern covers it, a range while ranges cover all of it, in whichever
// row.
func Dropped(before, after []Row) int {
	var set netipx.IPSetBuilder
	var patterns []endpoint.Pattern
	names := map[string]bool{}
	for _, r := range after {
		for _, u := range r.URLs {
			names[u] = true
			if p, err := endpoint.ParsePattern(u); err == nil {
				patterns = append(patterns, p)
			}
		}
		for _, ip := range r.IPs {
			if p, err := netip.ParsePrefix(ip); err == nil {
				set.AddPrefix(p)
			}
		}
	}
	ranges, err := set.IPSet()
	if err != nil {
		return 100
	}
	hosts, prefixes := map[string]bool{}, map[string]bool{} // each once: true while it is there
	for _, r := range before {
		for _, u := range r.URLs {
			hosts[u] = names[u] || covered(u, patterns)
		}
		for _, ip := range r.IPs {
			p, err := netip.ParsePrefix(ip)
			prefixes[ip] = err == nil && ranges.ContainsPrefix(p)
		}
	}
	return max(share(hosts), share(prefixes))
}

func covered(host string, by []endpoint.Pattern) bool {
	p, err := endpoint.ParsePattern(host)
	if err != nil {
		return false
	}
	for _, q := range by {
		if q.Covers(p) {
			return true
		}
	}
	return false
}

// share is the percentage of those that are not there, rounded up.
func share(there map[string]bool) int {
	gone := 0
	for _, is := range there {
		if !is {
			gone++
		}
	}
	if gone == 0 {
		return 0
	}
	return (100*gone + len(there) - 1) / len(there)
}
