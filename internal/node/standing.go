package node

import (
	"net/netip"
	"slices"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/config"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

// standing are the settings that open something beyond the catalog, or let somebody else vouch for it. They are right
// where they are needed, and nobody should forget that they are there: they warn as long as they stand.
func standing(c *config.Config, view *catalog.Snapshot) finding.List {
	var found finding.List
	warn := func(code string, pos finding.Pos, args ...string) {
		found = append(found, finding.New(code, finding.Warning, pos, args...))
	}
	if t := c.Network.Trust; t.V != "" {
		warn("node.standing-trust", t.Pos, "file", t.V)
	}
	if d := c.Network.DialAllowed; len(d) > 0 {
		warn("node.standing-dial-allowed", d[0].Pos, "list", listed(d, netip.Prefix.String))
	}
	if u := c.Network.UpstreamProxy; u.Enabled() && !u.Resolve.V {
		warn("node.standing-upstream-blind", u.Resolve.Pos, "proxy", u.Address.V.String())
	} else if u.Enabled() {
		found = append(found, finding.New("node.upstream-resolves", finding.Info, u.Address.Pos, "proxy", u.Address.V.String()))
	}
	for _, n := range c.Network.Names {
		if class := view.Classify(endpoint.Host(n.Host.V)).Class; class != catalog.Ordinary {
			warn("node.standing-name", n.Host.Pos, "host", n.Host.V, "class", class.String())
		}
	}
	var tunnelled, inspected, ports []config.Host
	for _, h := range c.Hosts {
		if h.Handling.V == "inspect" {
			inspected = append(inspected, h)
		} else {
			tunnelled = append(tunnelled, h)
		}
		if h.Ports.Given() && !onlyHTTPS(h.Ports.V) {
			ports = append(ports, h)
		}
	}
	of := func(h config.Host) string { return h.Host.V.String() }
	if len(tunnelled) > 0 {
		warn("node.standing-hosts", tunnelled[0].Pos, "count", itoa(len(tunnelled)), "list", few(tunnelled, of))
	}
	if len(inspected) > 0 {
		warn("node.standing-inspect", inspected[0].Pos, "count", itoa(len(inspected)), "list", few(inspected, of))
	}
	if len(ports) > 0 {
		warn("node.standing-ports", ports[0].Ports.Pos, "count", itoa(len(ports)),
			"list", few(ports, func(h config.Host) string { return of(h) + " " + h.Ports.V.String() }))
	}
	if a := c.Aliases; len(a) > 0 {
		warn("node.standing-aliases", a[0].Pos, "count", itoa(len(a)), "list", few(a, func(a config.Alias) string {
			return a.Host.V.String() + " (" + listed(a.Clients, netip.Prefix.String) + ")"
		}))
	}
	return found
}

// onlyHTTPS reports whether p opens TCP port 443 and nothing else.
func onlyHTTPS(p endpoint.Ports) bool {
	return slices.Equal(p, endpoint.Ports{{Proto: endpoint.TCP, First: 443, Last: 443}})
}

func listed[T any](list []config.Value[T], print func(T) string) string {
	return few(list, func(v config.Value[T]) string { return print(v.V) })
}

// few words the first of a list; a warning is read, a list of hundreds is not.
func few[T any](list []T, print func(T) string) string {
	const most = 5 // chosen
	var words []string
	for _, item := range list[:min(len(list), most)] {
		words = append(words, print(item))
	}
	if len(list) > most {
		words = append(words, "…")
	}
	return strings.Join(words, ", ")
}
