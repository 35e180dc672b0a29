package policy

import (
	"net/netip"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/restrict"
)

// Ring as compiled. The slices are shared and read-only.
type Ring struct {
	Name          string
	Mode          Mode
	Profile       string // "" for a ring that is off and names none
	Pos           finding.Pos
	Clients       []netip.Prefix
	Users, Groups []string
	Percent       int
}

// CatchAll reports whether everybody matches r.
func (r Ring) CatchAll() bool {
	return len(r.Clients) == 0 && len(r.Users) == 0 && len(r.Groups) == 0 && (r.Percent == 0 || r.Percent == 100)
}

// ring is a Ring made ready to match and to act.
type ring struct {
	Ring
	clients endpoint.PrefixIndex[struct{}]
	users   map[string]bool // lower case
	groups  map[string]bool // lower case
	// plans by class: what happens to a request for a host of that class. Only the sign-in classes have one.
	signIn, consumer restrict.Plan
	// wouldConsumer is what Decision.Would starts with on login.live.com.
	wouldConsumer Reason
}

func (r *ring) matches(s *Subject) bool {
	if len(r.Clients) > 0 {
		if _, ok := r.clients.Best(s.Client); !ok {
			return false
		}
	}
	if len(r.users) > 0 && (s.User == "" || !r.users[lower(s.User)]) {
		return false
	}
	if len(r.groups) > 0 && (s.User == "" || !r.inGroups(s.Groups)) {
		return false
	}
	return r.Percent == 0 || bucket(s) < r.Percent
}

func (r *ring) inGroups(groups []string) bool {
	for _, g := range groups {
		if r.groups[lower(g)] {
			return true
		}
	}
	return false
}

// plan is what the ring does to a request for a host of a sign-in class.
func (r *ring) plan(c catalog.Class) restrict.Plan {
	if c == catalog.SignInConsumer {
		return r.consumer
	}
	return r.signIn
}

// ringOf returns the first ring that matches s, nil when none does.
func (p *Program) ringOf(s *Subject) *ring {
	for _, r := range p.rings {
		if r.matches(s) {
			return r
		}
	}
	return nil
}

// lower folds a user or group name. It does not allocate for names that are lower case already.
func lower(s string) string { return strings.ToLower(s) }

// bucket is the hundredth, 0 to 99, that s falls into: the same for every ring, process and machine. It is FNV-1a
// (http://www.isthe.com/chongo/tech/comp/fnv/) over the user name in lower case, or over the 16 bytes of the client
// address where there is no user, with the finaliser of MurmurHash3 so that neighbouring addresses spread.
func bucket(s *Subject) int {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	if s.User != "" {
		name := lower(s.User)
		for i := range len(name) {
			h = (h ^ uint64(name[i])) * prime
		}
	} else {
		for _, b := range s.Client.As16() {
			h = (h ^ uint64(b)) * prime
		}
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return int(h % 100)
}

// normalClient is the form in which client addresses are compared: no IPv4-mapped form, no zone.
func normalClient(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// covers reports whether every caller that matches b also matches a, as far as the selectors alone tell.
func covers(a, b Ring) bool {
	if len(a.Clients) > 0 && (len(b.Clients) == 0 || !prefixesWithin(b.Clients, a.Clients)) {
		return false
	}
	if len(a.Users) > 0 && (len(b.Users) == 0 || !namesWithin(b.Users, a.Users)) {
		return false
	}
	if len(a.Groups) > 0 && (len(b.Groups) == 0 || !namesWithin(b.Groups, a.Groups)) {
		return false
	}
	return a.Percent == 0 || a.Percent == 100 || b.Percent != 0 && b.Percent <= a.Percent
}

// prefixesWithin reports whether each of inner lies within one of outer.
func prefixesWithin(inner, outer []netip.Prefix) bool {
	for _, in := range inner {
		found := false
		for _, out := range outer {
			if out.Bits() <= in.Bits() && out.Contains(in.Addr()) {
				found = true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

func namesWithin(inner, outer []string) bool {
	for _, in := range inner {
		found := false
		for _, out := range outer {
			if lower(in) == lower(out) {
				found = true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}
