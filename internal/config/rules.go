package config

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

// rules checks what no single value can say. It needs no catalog: what a feature or a host means is package policy's to
// judge. A value that was refused on its own is zero here and takes part in no rule.
func (w *walker) rules(c *Config) {
	w.listenRules(c)
	w.profileRules(c)
	w.ringRules(c)
	w.hostRules(c)
	w.nameRules(c)
	w.circuitRules(c)
	if l := c.Limits; l.Connections.V > 0 && l.ConnectionsPerClient.V > l.Connections.V {
		w.add(finding.New("config.limit-above-whole", finding.Error, l.ConnectionsPerClient.Pos,
			"value", strconv.Itoa(l.ConnectionsPerClient.V), "whole", strconv.Itoa(l.Connections.V)))
	}
	for _, p := range c.Network.DialAllowed {
		if p.V.IsValid() && p.V.Bits() == 0 {
			w.add(finding.New("config.dial-allowed-everything", finding.Error, p.Pos, "value", p.V.String()))
		}
	}
	for _, p := range c.Network.SourceAddresses {
		if p.V.IsValid() && p.V.Bits() == 0 {
			w.add(finding.New("config.source-addresses-everything", finding.Error, p.Pos, "value", p.V.String()))
		}
	}
	if u := c.Network.UpstreamProxy; u.Enabled() && u.Address.V != (endpoint.Authority{}) &&
		(u.Address.V == c.URLs.Gateway.V || u.Address.V.Addr.IsValid() && netip.AddrPortFrom(u.Address.V.Addr, u.Address.V.Port) == c.Listen.Gateway.V) {
		w.add(finding.New("config.upstream-proxy-itself", finding.Error, u.Address.Pos, "value", u.Address.V.String()))
	}
	if len(c.Features) == 0 && len(c.Hosts) == 0 && !w.findings.HasErrors() {
		w.add(finding.New("config.nothing-allowed", finding.Warning, finding.Pos{File: w.file}))
	}
}

func (w *walker) listenRules(c *Config) {
	g, o := c.Listen.Gateway, c.Listen.Operations
	// The later of the two is reported; both may be defaults or come from flags.
	if g.V.IsValid() && g.V.Port() != 0 && g.V.Port() == o.V.Port() &&
		(g.V.Addr() == o.V.Addr() || g.V.Addr().IsUnspecified() || o.V.Addr().IsUnspecified()) {
		pos := o.Pos
		if !o.Given() {
			pos = g.Pos
		}
		w.add(finding.New("config.same-listener", finding.Error, pos, "gateway", g.V.String(), "operations", o.V.String()))
	}
	open := func(v Value[netip.AddrPort]) bool { return v.V.IsValid() && !v.V.Addr().IsLoopback() }
	var at Value[netip.AddrPort]
	switch {
	case open(g):
		at = g
	case open(o):
		at = o
	default:
		return
	}
	var missing []string
	for _, u := range []struct {
		key   string
		given bool
	}{{"urls.gateway", c.URLs.Gateway.Given()}, {"urls.pac", c.URLs.PAC.Given()}, {"urls.crl", c.URLs.CRL.Given()}} {
		if !u.given {
			missing = append(missing, u.key)
		}
	}
	if len(missing) > 0 {
		w.add(finding.New("config.urls-needed", finding.Error, at.Pos, "listen", at.V.String(), "missing", strings.Join(missing, ", ")))
	}
	if a := c.URLs.Gateway; a.V.Addr.IsLoopback() || a.V.Host == "localhost" {
		w.add(finding.New("config.url-is-loopback", finding.Warning, a.Pos, "value", a.V.String(), "listen", at.V.String()))
	}
}

// unique reports names that were given before.
func (w *walker) unique(names []Value[string], kind string) {
	first := map[string]Value[string]{}
	for _, n := range names {
		if n.V == "" {
			continue
		}
		if f, twice := first[n.V]; twice {
			if kind == "ring" {
				w.add(finding.New("config.repeated-ring", finding.Error, n.Pos, "name", n.V, "first", strconv.Itoa(f.Pos.Line)))
			} else {
				w.add(finding.New("config.repeated-profile", finding.Error, n.Pos, "name", n.V, "first", strconv.Itoa(f.Pos.Line)))
			}
			continue
		}
		first[n.V] = n
	}
}

func (w *walker) profileRules(c *Config) {
	belongs := map[string]string{"permitted-tenants": "v1", "context": "v1", "consumer-accounts": "v1", "policy": "v2"}
	needs := map[string][]string{"v1": {"permitted-tenants", "context"}, "v2": {"policy"}}
	var names []Value[string]
	for _, p := range c.Profiles {
		names = append(names, p.Name)
		if p.Version.V == "" {
			continue // its own finding says so
		}
		wrote := w.wrote[p.Pos]
		for _, key := range needs[p.Version.V] {
			if _, ok := wrote[key]; !ok {
				w.add(finding.New("config.profile-needs", finding.Error, p.Version.Pos, "version", p.Version.V, "key", key))
			}
		}
		for key, pos := range wrote {
			if v := belongs[key]; v != "" && v != p.Version.V {
				w.add(finding.New("config.profile-excludes", finding.Error, pos, "version", p.Version.V, "key", key))
			}
		}
	}
	w.unique(names, "profile")
}

func (w *walker) ringRules(c *Config) {
	var names []Value[string]
	var profiles []string
	for _, p := range c.Profiles {
		profiles = append(profiles, p.Name.V)
	}
	used := map[string]bool{}
	var everybody Value[string]
	for _, r := range c.Rings {
		names = append(names, r.Name)
		used[r.Profile.V] = true
		switch {
		case r.Profile.V != "" && !slices.Contains(profiles, r.Profile.V):
			w.add(finding.New("config.unknown-profile", finding.Error, r.Profile.Pos,
				"value", r.Profile.V, "want", finding.Nearest(r.Profile.V, profiles), "known", strings.Join(profiles, ", ")))
		case !r.Profile.Given() && (r.Mode.V == "enforce" || r.Mode.V == "report"):
			w.add(finding.New("config.profile-due", finding.Error, r.Mode.Pos, "mode", r.Mode.V, "known", strings.Join(profiles, ", ")))
		}
		if len(r.Users) > 0 && !c.Authentication.Enabled() {
			w.add(finding.New("config.authentication-due", finding.Error, r.Users[0].Pos, "key", "users", "needs", "authentication.passwords"))
		}
		if len(r.Groups) > 0 && !c.Authentication.Groups.Given() {
			w.add(finding.New("config.authentication-due", finding.Error, r.Groups[0].Pos, "key", "groups", "needs", "authentication.groups"))
		}
		if everybody.V != "" {
			w.add(finding.New("config.unreachable-ring", finding.Warning, r.Name.Pos, "name", r.Name.V, "before", everybody.V))
		} else if w.forEverybody(r) {
			everybody = r.Name
		}
	}
	w.unique(names, "ring")
	if len(c.Rings) > 0 && everybody.V == "" && !w.findings.HasErrors() {
		last := c.Rings[len(c.Rings)-1]
		w.add(finding.New("config.no-ring-for-everybody", finding.Warning, last.Name.Pos, "name", last.Name.V))
	}
	for _, p := range c.Profiles {
		if p.Name.V != "" && !used[p.Name.V] && !w.findings.HasErrors() {
			w.add(finding.New("config.unused-profile", finding.Warning, p.Name.Pos, "name", p.Name.V))
		}
	}
}

// forEverybody reports whether r has no selector.
func (w *walker) forEverybody(r Ring) bool {
	for _, key := range []string{"clients", "users", "groups"} {
		if _, ok := w.wrote[r.Pos][key]; ok {
			return false
		}
	}
	return !r.Percent.Given() || r.Percent.V == 100
}

// hostRules refuses two rows for one pattern: which of them applied would depend on their order.
func (w *walker) hostRules(c *Config) {
	first := map[endpoint.Pattern]finding.Pos{}
	check := func(p Value[endpoint.Pattern]) {
		if p.V.IsZero() {
			return
		}
		if f, twice := first[p.V]; twice {
			w.add(finding.New("config.repeated-host", finding.Error, p.Pos, "value", p.V.String(), "first", strconv.Itoa(f.Line)))
			return
		}
		first[p.V] = p.Pos
	}
	for _, h := range c.Hosts {
		check(h.Host)
		if h.WebSocket.V && h.Handling.V == "tunnel" {
			w.add(finding.New("config.websocket-in-tunnel", finding.Warning, h.WebSocket.Pos, "value", h.Host.V.String()))
		}
	}
	for _, a := range c.Aliases {
		check(a.Host)
	}
}

// nameRules refuses two rows for one fixed name.
func (w *walker) nameRules(c *Config) {
	first := map[string]finding.Pos{}
	for _, n := range c.Network.Names {
		if n.Host.V == "" {
			continue
		}
		if f, twice := first[n.Host.V]; twice {
			w.add(finding.New("config.repeated-name", finding.Error, n.Host.Pos, "value", n.Host.V, "first", strconv.Itoa(f.Line)))
			continue
		}
		first[n.Host.V] = n.Host.Pos
	}
}
