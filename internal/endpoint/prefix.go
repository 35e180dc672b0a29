package endpoint

import (
	"net/netip"
	"strings"

	"github.com/gaissmai/bart"
)

// ParsePrefix reads "10.1.0.0/16" or "2603:1026::/36". It returns *ParseError when bits after the length are set
// ("10.1.2.3/16"), when the length is missing, for zones and for IPv4 in IPv6 form; Want then holds what to write.
func ParsePrefix(s string) (netip.Prefix, error) { return parsePrefix("prefix", s) }

func parsePrefix(what, s string) (netip.Prefix, error) {
	none := netip.Prefix{}
	address, length, slash := strings.Cut(s, "/")
	a, err := parseAddr(what, s, address, 0)
	if err != nil {
		if err.Reason == "mapped" {
			err.Want = mappedPrefix(a, length, slash)
		}
		return none, err
	}
	if !slash {
		return none, fail(what, s, len(s), "prefix-missing", netip.PrefixFrom(a, a.BitLen()).String())
	}
	bits, ok := number(length, a.BitLen())
	if !ok {
		return none, fail(what, s, len(address)+1, "prefix-length", "")
	}
	p := netip.PrefixFrom(a, bits)
	if p != p.Masked() {
		return none, fail(what, s, 0, "host-bits", p.Masked().String())
	}
	return p, nil
}

// mappedPrefix is the IPv4 prefix that a, an IPv4 address in IPv6 form, and length are meant for; "" when there is none.
func mappedPrefix(a netip.Addr, length string, slash bool) string {
	const v4At = 96 // where the IPv4 address begins in ::ffff:0:0/96 (RFC 4291, section 2.5.5.2)
	bits, ok := number(length, 128)
	switch {
	case !slash:
		bits = 128
	case !ok || bits < v4At:
		return ""
	}
	return netip.PrefixFrom(a.Unmap(), bits-v4At).Masked().String()
}

// parseAddr reads one address without brackets. input is the whole text and at the place of s in it, for errors. With
// the reason "mapped" it returns the address nevertheless.
func parseAddr(what, input, s string, at int) (netip.Addr, *ParseError) {
	if s == "" {
		return netip.Addr{}, fail(what, input, at, "empty", "")
	}
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return netip.Addr{}, fail(what, input, at, "prefix", "")
	case a.Zone() != "":
		return netip.Addr{}, fail(what, input, at+strings.IndexByte(s, '%'), "zone", "")
	case a.Is4In6():
		return a, fail(what, input, at, "mapped", a.Unmap().String())
	}
	return a, nil
}

// number reads a decimal number from 0 to most without sign or leading zero.
func number(s string, most int) (int, bool) {
	if s == "" || len(s) > 5 || len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = 10*n + int(s[i]-'0')
	}
	return n, n <= most
}

// PrefixIndex finds the values of every prefix that covers an address. Build it with Add; then it is read-only and
// safe for concurrent use. The zero value is empty and usable. It must not be copied once it has been used.
type PrefixIndex[T any] struct {
	table bart.Table[*span[T]]
	n     int
}

// span holds the values of one prefix and knows the next wider prefix, so that a lookup is one longest match and a
// walk outwards.
type span[T any] struct {
	bits   int
	wider  *span[T]
	values []T
}

// Add adds v to the values of p. Bits after the length are ignored; a prefix within ::ffff:0:0/96 is read as the IPv4
// prefix that it maps, because addresses are. An invalid prefix covers nothing, so adding to it does nothing.
func (x *PrefixIndex[T]) Add(p netip.Prefix, v T) {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	p = p.Masked()
	if !p.IsValid() {
		return
	}
	x.n++
	if s, ok := x.table.Get(p); ok {
		s.values = append(s.values, v)
		return
	}
	s := &span[T]{bits: p.Bits(), values: []T{v}}
	if wider, ok := x.table.LookupPrefix(p); ok {
		s.wider = wider
	}
	for _, inner := range x.table.Subnets(p) {
		if inner.wider == s.wider {
			inner.wider = s
		}
	}
	x.table.Insert(p, s)
}

// Len is the number of values added.
func (x *PrefixIndex[T]) Len() int { return x.n }

// Append appends the values whose prefixes cover a, longest prefix first and for one prefix in the order added. An
// IPv4 address in IPv6 form counts as the IPv4 address, and a zone is ignored. It does not allocate when dst has room.
func (x *PrefixIndex[T]) Append(dst []T, a netip.Addr) []T {
	for s := x.longest(a); s != nil; s = s.wider {
		dst = append(dst, s.values...)
	}
	return dst
}

// Best returns the first value that Append would give.
func (x *PrefixIndex[T]) Best(a netip.Addr) (T, bool) {
	if s := x.longest(a); s != nil {
		return s.values[0], true
	}
	var none T
	return none, false
}

func (x *PrefixIndex[T]) longest(a netip.Addr) *span[T] {
	if !a.IsValid() {
		return nil
	}
	s, _ := x.table.Lookup(a.Unmap().WithZone(""))
	return s
}

// AppendCovering appends the values of the prefixes that contain p whole, p itself included, longest prefix first and for
// one prefix in the order added. It does not allocate when dst has room.
func (x *PrefixIndex[T]) AppendCovering(dst []T, p netip.Prefix) []T {
	if !p.IsValid() {
		return dst
	}
	s, _ := x.table.LookupPrefix(p.Masked())
	for ; s != nil; s = s.wider {
		dst = append(dst, s.values...)
	}
	return dst
}

// AppendInside appends the values of the prefixes that lie within p and are not p itself, in the order of addresses, a
// wider one before those that it contains.
func (x *PrefixIndex[T]) AppendInside(dst []T, p netip.Prefix) []T {
	if !p.IsValid() {
		return dst
	}
	p = p.Masked()
	for q, s := range x.table.Subnets(p) {
		if q != p {
			dst = append(dst, s.values...)
		}
	}
	return dst
}
