package route

import (
	"net/netip"
	"slices"

	"sekisho/internal/bgp"
	"sekisho/internal/finding"
)

// SKU is how far an ExpressRoute circuit reaches. The zero value is Standard.
type SKU uint8

const (
	Standard SKU = iota // every region of the geopolitical area of its location
	Local               // the region next to its location
	Premium             // every region of the cloud
)

// String is the stable code: standard, local or premium.
func (s SKU) String() string {
	return [...]string{"standard", "local", "premium"}[min(s, Premium)]
}

// Circuit is one ExpressRoute circuit of the organisation. It is read-only once it is in a Spec.
type Circuit struct {
	Name     string
	Pos      finding.Pos // where it was written
	SKU      SKU
	Location Location // the zero Location: not known
	Direct   bool     // on a pair of ports of its own (ExpressRoute Direct)
	MACsec   bool     // which encrypt; only with Direct
	IPsec    bool     // a VPN gateway encrypts what goes over private peering

	Private   bool // has private peering
	Microsoft bool // has Microsoft peering
	// Filter are the communities that the route filter permits. Without any, Microsoft peering announces nothing.
	Filter []bgp.Community
	// Approved: Microsoft authorised the subscription for the communities of Microsoft 365.
	Approved bool
	// VNets are the ranges of the virtual networks behind private peering.
	VNets []netip.Prefix
	// Received are dumps of what the router at the organisation's end received; nil: none was given.
	Received []*bgp.Dump
}

// permits reports whether the circuit's filter lets c through. A nil circuit permits nothing.
func (c *Circuit) permits(community bgp.Community) bool {
	return c != nil && c.Microsoft && slices.Contains(c.Filter, community)
}

// received returns the longest route in use that holds p, from whichever of the dumps has it.
func (c *Circuit) received(p netip.Prefix) (r bgp.Route, file string, ok bool) {
	if c == nil {
		return bgp.Route{}, "", false
	}
	for _, d := range c.Received {
		if found, has := d.BestPrefix(p); has && (!ok || found.Prefix.Bits() > r.Prefix.Bits()) {
			r, file, ok = found, d.File, true
		}
	}
	return r, file, ok
}

// reach says whether the circuit's SKU reaches region: Yes, Possible (with Premium), No (another cloud), Unknown.
func (c *Circuit) reach(region *Region) State {
	if region.Cloud != c.cloud() {
		return No
	}
	switch c.SKU {
	case Premium:
		return Yes
	case Local:
		switch c.Location.Local {
		case "":
			return Unknown
		case region.Tag:
			return Yes
		}
		return Possible
	}
	switch {
	case c.Location.Area == "" || region.Area == "":
		return Unknown
	case c.Location.Area == region.Area:
		return Yes
	}
	return Possible
}

// beyond reports whether the circuit does not receive community as it is: the region is out of the SKU's reach, or
// not known to be in it, or the community is one of Microsoft 365, which takes Premium. Of a nil circuit only that is known.
func (c *Circuit) beyond(community bgp.Community) bool {
	if region, ok := regionOf(community); ok {
		return c != nil && c.reach(&region) != Yes
	}
	return needsApproval(community) && (c == nil || c.SKU != Premium)
}

// cloud is the cloud that circuits of the location lead to. Locations of the United States serve both clouds, and a
// circuit that permits a community of the government cloud is one of it.
func (c *Circuit) cloud() string {
	for _, f := range c.Filter {
		if k, ok := CommunityNamed(f); ok {
			return k.Cloud
		}
	}
	if c.Location.Area == "China East" || c.Location.Area == "China North" {
		return "china"
	}
	return "public"
}
