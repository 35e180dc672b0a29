package policy

import (
	"encoding/binary"
	"net/netip"

	"sekisho/internal/endpoint"
)

// DecideAddr judges a resolved address of d's host and puts it into the result: the address that was judged is the one
// to dial. It refuses addresses that are not of the public Internet (the IANA special-purpose registries of RFC 6890
// and RFC 8190, multicast, cloud metadata), also when IPv6 hides them (IPv4-mapped, NAT64, 6to4), unless
// Spec.DialAllowed holds them; and every address of the sign-in hosts for the organisation's own hosts and for hosts
// that only a wildcard of a feature opens, because a name that leads there would be a way around the restriction (see
// mayMeetSignIn). An IPv4-mapped address is judged and dialled as IPv4. A d
// that denies stays as it is.
func (p *Program) DecideAddr(d Decision, a netip.Addr) Decision {
	if !d.Allowed() {
		return d.stay()
	}
	if p == nil {
		return d.deny(ReasonInternal, builtin("no program"))
	}
	a = a.Unmap()
	d.Addr = a
	inner, hidden := embedded(a)
	if within(p.signInNets, a) && !p.mayMeetSignIn(&d, a) || hidden && within(p.signInNets, inner) && !p.mayMeetSignIn(&d, inner) {
		return d.deny(ReasonSignInAddress, builtin("addresses"))
	}
	why := special(a)
	if why == "" || within(p.dialAllowed, a) || hidden && within(p.dialAllowed, inner) {
		return d
	}
	return d.deny(why, builtin("addresses"))
}

// mayMeetSignIn reports whether d's host may resolve to a, an address of the sign-in hosts. Those hosts and their aliases
// may, and what a feature names itself. A host that is open only because a wildcard of a feature covers it may when the
// wildcard is written beneath a sign-in name, as that of certificate authentication, or when a claim names the host
// beside that very address: nobody else says who answers under a name that may be anything.
func (p *Program) mayMeetSignIn(d *Decision, a netip.Addr) bool {
	switch {
	case d.Reason == ReasonOwnHost:
		return false
	case d.Reason != ReasonFeature, d.Rule.Pattern.Kind() == endpoint.Exact, p.underSignIn(d.Host) != "":
		return true
	}
	for _, h := range p.snap.AppendHits(nil, d.Host) {
		if h.Pattern.Kind() == endpoint.Exact && within(h.Set.Prefixes, a) {
			return true
		}
	}
	return false
}

// within reports whether one of prefixes holds a. It is linear: these lists are short.
func within(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// special returns why a must not be dialled by default, or "" for an address of the public Internet.
func special(a netip.Addr) Reason {
	a = a.Unmap()
	switch {
	case !a.IsValid(), a.Zone() != "":
		return ReasonSpecial
	case a.Is4():
		return special4(a)
	}
	if inner, ok := embedded(a); ok {
		return special4(inner)
	}
	return special6(a)
}

// special4 follows the IANA IPv4 Special-Purpose Address Registry
// (https://www.iana.org/assignments/iana-ipv4-special-registry, read 2026-11-23) and names beside it the addresses at
// which clouds answer questions about the machine itself.
func special4(a netip.Addr) Reason {
	b := a.As4()
	v := binary.BigEndian.Uint32(b[:])
	in := func(net uint32, bits int) bool { return v>>(32-bits) == net>>(32-bits) }
	switch {
	case v == 0xA9FEA9FE, // 169.254.169.254: AWS, Azure, Google and others
		v == 0xA9FEAA02, // 169.254.170.2: AWS container credentials
		v == 0xA83F8110, // 168.63.129.16: Azure's platform address, "What is IP address 168.63.129.16?"
		v == 0x646464C8, // 100.100.100.200: Alibaba Cloud
		v == 0xC00000C0: // 192.0.0.192: Oracle Cloud
		return ReasonMetadata
	case in(0x0A000000, 8), // 10/8, RFC 1918
		in(0xAC100000, 12), // 172.16/12
		in(0xC0A80000, 16), // 192.168/16
		in(0x64400000, 10), // 100.64/10, shared (carrier NAT), RFC 6598
		in(0x7F000000, 8),  // loopback, RFC 1122
		in(0xA9FE0000, 16): // link-local, RFC 3927
		return ReasonPrivate
	case in(0x00000000, 8), // this network, RFC 791
		in(0xC0000000, 24), // IETF protocol assignments, RFC 6890
		in(0xC0000200, 24), // documentation, RFC 5737
		in(0xC6336400, 24),
		in(0xCB007100, 24),
		in(0xC0586300, 24), // deprecated 6to4 relay anycast, RFC 7526
		in(0xC01FC400, 24), // AS112-v4, RFC 7535
		in(0xC034C100, 24), // AMT, RFC 7450
		in(0xC0AF3000, 24), // direct delegation AS112, RFC 7534
		in(0xC6120000, 15), // benchmarking, RFC 2544
		in(0xE0000000, 4),  // multicast, RFC 5771
		in(0xF0000000, 4):  // reserved and limited broadcast, RFC 1112, RFC 8190
		return ReasonSpecial
	}
	return ""
}

// special6 follows the IANA IPv6 Special-Purpose Address Registry
// (https://www.iana.org/assignments/iana-ipv6-special-registry, read 2026-11-23): outside 2000::/3, which RFC 4291
// gives to global unicast, everything is special.
func special6(a netip.Addr) Reason {
	b := a.As16()
	hi := binary.BigEndian.Uint64(b[:8])
	lo := binary.BigEndian.Uint64(b[8:])
	in := func(net uint64, bits int) bool { return hi>>(64-bits) == net>>(64-bits) }
	switch {
	case hi == 0xFD00_0EC2_0000_0000 && (lo == 0x254 || lo == 0x23), // fd00:ec2::254, fd00:ec2::23: AWS
		hi == 0xFD20_00CE_0000_0000 && lo == 0x254: // fd20:ce::254: Google Cloud
		return ReasonMetadata
	case in(0xFC00<<48, 7), // unique local, RFC 4193
		in(0xFE80<<48, 10), // link-local, RFC 4291
		in(0xFEC0<<48, 10), // site-local, deprecated by RFC 3879
		hi == 0 && lo == 1: // loopback
		return ReasonPrivate
	case !in(0x2000<<48, 3),
		in(0x2001<<48, 23),           // IETF protocol assignments with Teredo, ORCHID and benchmarking, RFC 2928
		in(0x2001_0DB8<<32, 32),      // documentation, RFC 3849
		in(0x2002<<48, 16),           // 6to4 that embedded did not explain
		in(0x2620_004F_8000<<16, 48), // AS112, RFC 7534
		in(0x3FFF<<48, 20):           // documentation, RFC 9637
		return ReasonSpecial
	}
	return ""
}

// embedded returns the IPv4 address that an IPv6 address leads to: 64:ff9b::/96 (NAT64, RFC 6052, section 2.1) and
// 2002::/16 (6to4, RFC 3056, section 2). Other NAT64 prefixes cannot be told from ordinary addresses; the local-use
// one, 64:ff9b:1::/48 (RFC 8215), is refused as special.
func embedded(a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() || a.Is4In6() {
		return netip.Addr{}, false
	}
	b := a.As16()
	switch {
	case binary.BigEndian.Uint64(b[:8]) == 0x0064_FF9B_0000_0000 && binary.BigEndian.Uint32(b[8:12]) == 0:
		return netip.AddrFrom4([4]byte(b[12:16])), true
	case b[0] == 0x20 && b[1] == 0x02:
		return netip.AddrFrom4([4]byte(b[2:6])), true
	}
	return netip.Addr{}, false
}
