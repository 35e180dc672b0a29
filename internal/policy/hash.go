package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"net/netip"
)

// hashOf writes everything that shapes a decision, in the order written and without places, into one SHA-256. Every
// text is quoted and every list counted, so that two different specs never write the same bytes. Restriction values are
// part of it; sixteen digits tell nothing of them.
func hashOf(s Spec, catalogVersion string) string {
	h := sha256.New()
	line(h, "sekisho policy 1", catalogVersion)
	texts(h, "features", s.Features)
	line(h, "hosts", len(s.Hosts))
	for _, x := range s.Hosts {
		line(h, x.Pattern.Text, portsText(x), x.Inspect, x.Plain, x.WebSocket, x.Reason)
	}
	line(h, "aliases", len(s.Aliases))
	for _, x := range s.Aliases {
		line(h, x.Pattern.Text)
		nets(h, x.Clients)
	}
	line(h, "rings", len(s.Rings))
	for _, x := range s.Rings {
		line(h, x.Name, x.Mode.String(), x.Profile.Text, x.Percent)
		nets(h, x.Clients)
		line(h, "users", len(x.Users), fmt.Sprintf("%q", x.Users))
		line(h, "groups", len(x.Groups), fmt.Sprintf("%q", x.Groups))
	}
	line(h, "profiles", len(s.Profiles))
	for _, x := range s.Profiles {
		line(h, x.Name, int(x.Version), x.Context.Text, x.Policy.Text, x.BlockConsumers)
		texts(h, "permitted", x.Permitted)
	}
	texts(h, "pac-direct", s.PACDirect)
	nets(h, s.DialAllowed)
	texts(h, "tunnel-without-sni", s.TunnelWithoutSNI)
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// portsText is the ports of a host, "" for the default.
func portsText(h HostSpec) string {
	if h.Ports == nil {
		return ""
	}
	return h.Ports.String()
}

func line(h hash.Hash, values ...any) {
	for _, v := range values {
		fmt.Fprintf(h, "%q ", fmt.Sprint(v))
	}
	fmt.Fprintln(h)
}

func texts(h hash.Hash, name string, list []At) {
	line(h, name, len(list))
	for _, x := range list {
		line(h, x.Text)
	}
}

func nets(h hash.Hash, list []netip.Prefix) {
	line(h, "networks", len(list))
	for _, x := range list {
		line(h, x.String())
	}
}
