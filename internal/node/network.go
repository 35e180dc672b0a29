package node

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"os"

	"sekisho/internal/config"
	"sekisho/internal/dnsx/resolver"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/gateway"
)

// internet is the gateway's network outside the lab: the organisation's own DNS servers and fixed names where the
// configuration has some, else the system's resolver; TCP; and the system's roots with those that the configuration adds.
// How long a look-up and a dial may take is the gateway's to say (gateway.Limits), which bounds the context.
func internet(c config.Network) (gateway.Network, error) {
	roots, err := originRoots(c.Trust.V)
	if err != nil {
		return gateway.Network{}, err
	}
	way, err := parent(c.UpstreamProxy)
	if err != nil {
		return gateway.Network{}, err
	}
	options := resolver.Options{Servers: values(c.Resolvers), System: resolve}
	for _, n := range c.Names {
		options.Static = append(options.Static, resolver.Static{Host: endpoint.Host(n.Host.V), Addrs: values(n.Addresses)})
	}
	dialer := &net.Dialer{KeepAlive: -1} // the gateway sets it where it is needed
	return gateway.Network{Resolve: resolver.New(options).Lookup, Parent: way, Roots: roots, Dial: func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
		return dialer.DialContext(ctx, "tcp", to.String())
	}}, nil
}

// resolve asks the system's resolver for the addresses of h, in the order received. The root label is added, so that
// no search list turns a name that does not exist into another one that does.
func resolve(ctx context.Context, h endpoint.Host) ([]netip.Addr, error) {
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", h.String()+".")
	if err != nil {
		return nil, err
	}
	if len(addrs) > resolver.MaxAddresses {
		addrs = addrs[:resolver.MaxAddresses]
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, nil
}

// originRoots is the pool that vouches for origins: the system's roots and those in file, if one is named.
func originRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, finding.Fail("node.trust-unreadable", err, "file", file)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, finding.Fail("node.system-roots", err)
	}
	if !pool.AppendCertsFromPEM(content) {
		return nil, finding.Fail("node.trust-empty", nil, "file", file)
	}
	return pool, nil
}
