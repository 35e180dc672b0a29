package node

import (
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/text/unicode/norm"

	"sekisho/internal/catalog"
	"sekisho/internal/config"
	"sekisho/internal/finding"
	"sekisho/internal/gateway"
	"sekisho/internal/policy"
	"sekisho/internal/restrict"
)

// Compile turns a configuration into the policy that it describes, judged against snapshot, and reads the files that it
// names. The program is nil when a finding is an error. "up", "config check" and "policy check" all judge with it.
func Compile(c *config.Config, snapshot *catalog.Snapshot) (*policy.Program, finding.List) {
	found := files(c)
	view, said := snapshot.Fill(tenantValues(c))
	found = append(found, said...)
	if view == nil {
		return nil, found.Sort()
	}
	program, said := policy.Compile(policySpec(c), view)
	if found = append(found, said...).Sort(); found.HasErrors() {
		return nil, found
	}
	return program, append(found, standing(c, view)...).Sort()
}

// tenantValues hands on what the rows of the catalog depend on. A value that nobody gave stays open.
func tenantValues(c *config.Config) catalog.Values {
	v := catalog.Values{}
	put := func(h catalog.Hole, list ...config.Value[string]) {
		for _, given := range list {
			if given.V != "" {
				v[h] = append(v[h], catalog.Given{Text: given.V, Pos: given.Pos})
			}
		}
	}
	t := c.Tenant
	put(catalog.HoleTenantName, t.Name)
	put(catalog.HoleTenantID, t.ID)
	put(catalog.HoleCloud, t.Cloud)
	put(catalog.HoleLocation, t.Location)
	put(catalog.HoleRegion, t.Regions...)
	put(catalog.HoleSTSHost, t.STSHost)
	put(catalog.HoleWorkspace, t.Workspaces...)
	put(catalog.HoleCollectionEndpoint, t.DataCollectionEndpoints...)
	if t.SeamlessSSO.Given() {
		put(catalog.HoleSeamlessSSO, config.Value[string]{V: strconv.FormatBool(t.SeamlessSSO.V), Pos: t.SeamlessSSO.Pos})
	}
	return v
}

// policySpec hands every value on with its place, so that a finding of the policy names a line of the file.
func policySpec(c *config.Config) policy.Spec {
	spec := policy.Spec{
		Features:         texts(c.Features),
		DialAllowed:      values(c.Network.DialAllowed),
		TunnelWithoutSNI: patterns(c.Network.TunnelWithoutSNI),
		PACDirect:        patterns(c.PAC.Direct),
	}
	for _, p := range c.Network.DialAllowed {
		spec.DialAllowedPos = append(spec.DialAllowedPos, p.Pos)
	}
	for _, h := range c.Hosts {
		spec.Hosts = append(spec.Hosts, policy.HostSpec{
			Pattern:   at(h.Host),
			Ports:     h.Ports.V,
			Inspect:   h.Handling.V == "inspect",
			Plain:     h.PlainHTTP.V,
			WebSocket: h.WebSocket.V,
			Reason:    h.Reason.V,
		})
	}
	for _, a := range c.Aliases {
		spec.Aliases = append(spec.Aliases, policy.AliasSpec{Pattern: at(a.Host), Clients: values(a.Clients)})
	}
	for _, r := range c.Rings {
		spec.Rings = append(spec.Rings, policy.RingSpec{
			Name:    r.Name.V,
			Pos:     r.Pos,
			Mode:    mode(r.Mode.V),
			Profile: text(r.Profile),
			Clients: values(r.Clients),
			Users:   names(r.Users),
			Groups:  names(r.Groups),
			Percent: r.Percent.V,
		})
	}
	for _, p := range c.Profiles {
		spec.Profiles = append(spec.Profiles, restrictSpec(p))
	}
	return spec
}

func restrictSpec(p config.Profile) restrict.Spec {
	version := restrict.V1
	if p.Version.V == "v2" {
		version = restrict.V2
	}
	return restrict.Spec{
		Name:           p.Name.V,
		Pos:            p.Pos,
		Version:        version,
		Permitted:      texts(p.PermittedTenants),
		Context:        text(p.Context),
		Policy:         text(p.Policy),
		BlockConsumers: p.ConsumerAccounts.V == "block",
		ConsumersPos:   p.ConsumerAccounts.Pos,
	}
}

// limits are those of the gateway that the configuration sets; the others keep their defaults.
func limits(c config.Limits) gateway.Limits {
	return gateway.Limits{
		Connections: c.Connections.V, PerClient: c.ConnectionsPerClient.V,
		TunnelIdle: time.Duration(c.TunnelIdleMinutes.V) * time.Minute,
	}
}

// mode reads a ring's mode. The configuration admits three words; anything else would be the strict one.
func mode(word string) policy.Mode {
	switch word {
	case "report":
		return policy.Report
	case "off":
		return policy.Off
	}
	return policy.Enforce
}

func text(v config.Value[string]) policy.At { return policy.At{Text: v.V, Pos: v.Pos} }

func at[T interface{ String() string }](v config.Value[T]) policy.At {
	return policy.At{Text: v.V.String(), Pos: v.Pos}
}

func texts(list []config.Value[string]) []policy.At {
	out := make([]policy.At, len(list))
	for i, v := range list {
		out[i] = text(v)
	}
	return out
}

func patterns[T interface{ String() string }](list []config.Value[T]) []policy.At {
	out := make([]policy.At, len(list))
	for i, v := range list {
		out[i] = at(v)
	}
	return out
}

// names are compared with those of package caller, which are in Unicode's normal form C.
func names(list []config.Value[string]) []string {
	out := values(list)
	for i := range out {
		out[i] = norm.NFC.String(out[i])
	}
	return out
}

func values[T string | netip.Prefix | netip.Addr | netip.AddrPort](list []config.Value[T]) []T {
	out := make([]T, len(list))
	for i, v := range list {
		out[i] = v.V
	}
	return out
}
