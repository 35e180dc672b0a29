package catalog

import (
	"cmp"
	"net/netip"
	"slices"

	"go4.org/netipx"

	"sekisho/internal/endpoint"
)

// Loss is how much of one list a new version no longer has.
type Loss struct {
	Source       string `json:"source"`
	Cloud        string `json:"cloud"`
	Hosts        int    `json:"hosts"`         // patterns before
	Prefixes     int    `json:"prefixes"`      // prefixes before
	LostHosts    int    `json:"lost_hosts"`    // of Hosts: no pattern of the list covers them any more
	LostPrefixes int    `json:"lost_prefixes"` // of Prefixes: not within what the list covers now
}

// Percent is the larger of the two shares, 0 to 100, rounded up.
func (l Loss) Percent() int {
	share := func(lost, all int) int {
		if all == 0 {
			return 0
		}
		return (lost*100 + all - 1) / all
	}
	return max(share(l.LostHosts, l.Hosts), share(l.LostPrefixes, l.Prefixes))
}

// Losses says for every list (source and cloud) of a how much of it b no longer has, those that lose nothing left out.
// Addresses count as kept where wider or joined prefixes cover them, hosts where a wildcard of the same list does.
func Losses(a, b *Snapshot) []Loss {
	type list struct{ source, cloud string }
	type held struct {
		hosts    map[endpoint.Pattern]bool
		prefixes map[netip.Prefix]bool
	}
	gather := func(s *Snapshot) map[list]*held {
		out := map[list]*held{}
		for _, set := range s.sets {
			if !set.Withdrawn.IsZero() {
				continue
			}
			k := list{set.ID.Source, set.ID.Cloud}
			h := out[k]
			if h == nil {
				h = &held{map[endpoint.Pattern]bool{}, map[netip.Prefix]bool{}}
				out[k] = h
			}
			for _, p := range hostsOf(set) {
				h.hosts[p] = true
			}
			for _, p := range set.Prefixes {
				h.prefixes[p] = true
			}
		}
		return out
	}
	var out []Loss
	after := gather(b)
	for k, was := range gather(a) {
		l := Loss{Source: k.source, Cloud: k.cloud, Hosts: len(was.hosts), Prefixes: len(was.prefixes)}
		is := after[k]
		if is == nil {
			is = &held{}
		}
		for p := range was.hosts {
			if is.hosts[p] {
				continue
			}
			covered := false
			for q := range is.hosts {
				if covered = q.Covers(p); covered {
					break
				}
			}
			if !covered {
				l.LostHosts++
			}
		}
		var builder netipx.IPSetBuilder
		for p := range is.prefixes {
			builder.AddPrefix(p)
		}
		set, err := builder.IPSet()
		for p := range was.prefixes {
			if err != nil || !set.ContainsPrefix(p) {
				l.LostPrefixes++
			}
		}
		if l.LostHosts > 0 || l.LostPrefixes > 0 {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(x, y Loss) int { return cmp.Or(cmp.Compare(x.Source, y.Source), cmp.Compare(x.Cloud, y.Cloud)) })
	return out
}
