package config

import (
	"net/netip"
	"strings"

	"sekisho/internal/finding"
)

// resolver is the address of a DNS server; its port is left out when it is 53.
func resolver() scalar[netip.AddrPort] {
	print := func(a netip.AddrPort) string {
		if a.Port() == 53 {
			return a.Addr().String()
		}
		return a.String()
	}
	return scalar[netip.AddrPort]{
		scalarType: &scalarType{title: text{JA: "IP アドレス、または IP アドレス:ポート", EN: "IP address, or IP address:port"}, json: "string"},
		parse: func(s string) (netip.AddrPort, *finding.Finding) {
			var a netip.AddrPort
			if alone, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
				a = netip.AddrPortFrom(alone, 53)
			} else if a, err = netip.ParseAddrPort(s); err != nil || a.Port() == 0 {
				return no[netip.AddrPort](finding.New("config.not-a-resolver", finding.Error, finding.Pos{}, "value", s))
			}
			if a.Addr().Zone() != "" || a.Addr().IsUnspecified() || a.Addr().IsMulticast() {
				return no[netip.AddrPort](finding.New("config.not-a-resolver", finding.Error, finding.Pos{}, "value", s))
			}
			a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
			if want := print(a); want != s {
				return no[netip.AddrPort](notNormal(s, want))
			}
			return a, nil
		},
		print: print,
	}
}

// address is one IP address.
func address() scalar[netip.Addr] {
	return scalar[netip.Addr]{
		scalarType: &scalarType{title: text{JA: "IP アドレス", EN: "IP address"}, json: "string"},
		parse: func(s string) (netip.Addr, *finding.Finding) {
			a, err := netip.ParseAddr(s)
			if err != nil || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() {
				return no[netip.Addr](finding.New("config.not-an-address", finding.Error, finding.Pos{}, "value", s))
			}
			if want := a.Unmap().String(); want != s {
				return no[netip.Addr](notNormal(s, want))
			}
			return a, nil
		},
		print: netip.Addr.String,
	}
}
