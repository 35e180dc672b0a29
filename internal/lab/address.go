package lab

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"os"
	"syscall"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
)

// pool is where hosts without published addresses live: one of Microsoft's own ranges (ARIN, NET-13-64-0-0-1, MSFT), public
// and outside everything that the catalog publishes.
var pool = netip.MustParsePrefix("13.64.0.0/11")

// atlas is what the lab needs of the catalog.
type atlas interface {
	// known reports whether h is a host of the catalog, classified or in a set.
	known(h endpoint.Host) bool
	// prefixes are the address ranges published for h.
	prefixes(h endpoint.Host) []netip.Prefix
	// published reports whether a lies in a range that the catalog publishes for anything.
	published(a netip.Addr) bool
}

type snapshotAtlas struct {
	snap   *catalog.Snapshot
	signIn []netip.Prefix
}

func (m snapshotAtlas) known(h endpoint.Host) bool {
	return len(m.snap.AppendHits(nil, h)) > 0 || m.snap.Classify(h).Class != catalog.Ordinary
}

func (m snapshotAtlas) prefixes(h endpoint.Host) []netip.Prefix {
	if c := m.snap.Classify(h).Class; c == catalog.SignIn {
		return m.signIn
	}
	for _, hit := range m.snap.AppendHits(nil, h) {
		if len(hit.Set.Prefixes) > 0 {
			return hit.Set.Prefixes
		}
	}
	return nil
}

func (m snapshotAtlas) published(a netip.Addr) bool { return len(m.snap.AppendAddrHits(nil, a)) > 0 }

// Resolve answers the addresses of a host of the catalog: up to two IPv4 addresses and one IPv6 address inside the
// ranges that are published for it, or one IPv4 address of Microsoft's where none are. The same host has the same
// addresses always. A host that the catalog does not know is not found (*net.DNSError, IsNotFound).
func (w *World) Resolve(ctx context.Context, h endpoint.Host) ([]netip.Addr, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out, err := w.misresolve(ctx, h)
	if err == nil && out == nil {
		out, err = w.addresses(h)
	}
	if err != nil {
		return nil, err
	}
	w.places.note(h, out)
	return out, nil
}

// addresses are those of h, when nothing is made to go wrong.
func (w *World) addresses(h endpoint.Host) ([]netip.Addr, error) {
	if !w.serves(h) {
		return nil, &net.DNSError{Err: "no such host in the lab", Name: string(h), Server: "lab", IsNotFound: true}
	}
	var four, six []netip.Prefix
	for _, p := range w.atlas.prefixes(h) {
		if p.Addr().Is4() {
			four = append(four, p)
		} else {
			six = append(six, p)
		}
	}
	var out []netip.Addr
	for salt := range min(2, len(four)) {
		out = append(out, inside(four, h, salt))
	}
	if len(six) > 0 {
		out = append(out, inside(six, h, 0))
	}
	if len(out) == 0 {
		out = append(out, w.pooled(h))
	}
	return out, nil
}

// pooled picks an address of the pool that nothing else is published in.
func (w *World) pooled(h endpoint.Host) netip.Addr {
	for salt := 0; ; salt++ {
		a := inside([]netip.Prefix{pool}, h, salt)
		if !w.atlas.published(a) {
			return a
		}
	}
}

// inside picks, by the hash of h and salt, one of prefixes and an address in it that is neither its first nor last.
func inside(prefixes []netip.Prefix, h endpoint.Host, salt int) netip.Addr {
	sum := fnv.New64a()
	fmt.Fprintf(sum, "%s/%d", h, salt)
	n := sum.Sum64()
	p := prefixes[int(n%uint64(len(prefixes)))].Masked()
	n /= 251 // the part that chose the prefix does not choose the address again
	bits := p.Addr().BitLen() - p.Bits()
	if bits == 0 {
		return p.Addr()
	}
	if bits > 1 {
		size := uint64(1)<<min(bits, 48) - 2
		n = n%size + 1
	} else {
		n %= 2
	}
	b := p.Addr().As16()
	low := binary.BigEndian.Uint64(b[8:])
	binary.BigEndian.PutUint64(b[8:], low+n)
	a := netip.AddrFrom16(b)
	if p.Addr().Is4() {
		a = a.Unmap()
	}
	return a
}

// Dial connects to an address that Resolve gives out: port 443 leads to the front that speaks TLS, port 80 to the one
// that does not. Any port of ProxyAddress leads to the stand-in for an organisation's proxy. Any other address or port is
// refused as a host that is not there refuses (ECONNREFUSED).
func (w *World) Dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	a := to.Addr().Unmap()
	if c, err := w.misdial(ctx, netip.AddrPortFrom(a, to.Port())); c != nil || err != nil {
		return c, err
	}
	switch {
	case a == w.ProxyAddress():
		return connect(ctx, w.proxy.listener)
	case a == w.portalAddress() && to.Port() == 443:
		return w.portalTLS.dial(ctx)
	case a == w.portalAddress() && to.Port() == 80:
		return w.portalPlain.dial(ctx)
	case !a.IsValid() || !pool.Contains(a) && !sixPool.Contains(a) && !w.atlas.published(a):
		return nil, refused(to)
	}
	switch to.Port() {
	case 443:
		return w.tls.dial(ctx)
	case 80:
		return w.plain.dial(ctx)
	}
	return nil, refused(to)
}

func refused(to netip.AddrPort) error { return unconnected(to, syscall.ECONNREFUSED) }

func unconnected(to netip.AddrPort, why syscall.Errno) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(to), Err: os.NewSyscallError("connect", why)}
}
