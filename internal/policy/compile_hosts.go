package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

// hosts turns the organisation's own rows into rules.
func (c *compiler) hosts() {
	first := map[endpoint.Pattern]finding.Pos{}
	var own []Rule
	for i, h := range c.spec.Hosts {
		p, ok := c.pattern(h.Pattern)
		if !ok {
			continue
		}
		if pos, ok := first[p]; ok {
			c.add(finding.New("policy.host-repeated", finding.Error, h.Pattern.Pos,
				"value", p.String(), "first", pos.String()))
			continue
		}
		first[p] = h.Pattern.Pos
		if !c.ownHost(h, p) {
			continue
		}
		ports := tcpOnly(h.Ports)
		if h.Ports == nil {
			ports = endpoint.Ports{{Proto: endpoint.TCP, First: portHTTPS, Last: portHTTPS}}
		}
		if len(ports) == 0 && !h.Plain {
			c.add(finding.New("policy.host-no-tcp", finding.Error, h.Pattern.Pos,
				"value", p.String(), "ports", h.Ports.String()))
			continue
		}
		if ports.Allows(endpoint.TCP, portHTTP) && !h.Plain {
			c.add(finding.New("policy.host-port-80", finding.Warning, h.Pattern.Pos, "value", p.String()))
		}
		rule := Rule{Text: fmt.Sprintf("hosts[%d]", i), Pos: h.Pattern.Pos, Pattern: p, Ports: ports}
		own = append(own, rule)
		c.program.openings = append(c.program.openings, Opening{Rule: rule, Own: true, Inspect: h.Inspect, Plain: h.Plain, Under: c.under(p)})
		c.program.own.Add(p, &allowance{
			rule:    rule,
			inspect: h.Inspect,
			plain:   h.Plain,
			socket:  h.WebSocket,
			exact:   p.Kind() == endpoint.Exact,
			under:   c.under(p),
		})
	}
	c.program.rules = append(own, c.program.rules...)
}

// ownHost checks that an own row takes nothing from a class and inspects nothing that must not be inspected.
func (c *compiler) ownHost(h HostSpec, p endpoint.Pattern) bool {
	if k, ok := c.touched(p, anyClass); ok {
		c.add(finding.New("policy.host-sign-in", finding.Error, h.Pattern.Pos,
			"value", p.String(), "host", k.Pattern.String(), "class", k.Class.String()))
		return false
	}
	if p.Kind() != endpoint.Exact {
		for _, s := range c.program.beneath {
			if p.String() == "*"+s {
				c.add(finding.New("policy.host-sign-in", finding.Error, h.Pattern.Pos,
					"value", p.String(), "host", "*"+s, "class", catalog.SignInAlias.String()))
				return false
			}
		}
	}
	if !h.Inspect {
		return true
	}
	f, ok := c.forbidden(p)
	if !ok {
		return true
	}
	source, date := "", ""
	if f.source != nil {
		source, date = f.source.URL, f.source.DateText()
		if source == "" {
			source = f.source.ID
		}
	}
	c.add(finding.New("policy.inspect-forbidden", finding.Error, h.Pattern.Pos, "value", p.String(),
		"host", f.pattern.String(), "claim", f.claim, "source", source, "date", date))
	return false
}

// prohibition is a statement of the catalog that hosts must not be inspected.
type prohibition struct {
	pattern endpoint.Pattern
	claim   string // "" for a rule that belongs to no claim
	source  *catalog.Source
}

// forbidden returns a host or pattern that p covers, or lies within, and that must not be inspected.
func (c *compiler) forbidden(p endpoint.Pattern) (prohibition, bool) {
	if f, ok := c.forbids(p, ""); ok {
		return f, true
	}
	if p.Kind() == endpoint.Exact {
		return prohibition{}, false
	}
	for _, set := range c.snap.Sets() {
		patterns := slices.Clone(set.Patterns)
		for _, u := range set.URLs {
			patterns = append(patterns, u.Host)
		}
		for _, q := range patterns {
			if !Overlap(p, q) {
				continue
			}
			if f, ok := c.forbids(q, set.ID.String()); ok {
				return f, true
			}
		}
	}
	return prohibition{}, false
}

// forbids asks the catalog about p: about the host itself, or about one that stands for all that a wildcard covers.
func (c *compiler) forbids(p endpoint.Pattern, claim string) (prohibition, bool) {
	h, err := endpoint.ParseHost(strings.ReplaceAll(p.String(), "*", "sekisho-example"))
	if err != nil {
		return prohibition{}, false
	}
	handling := c.snap.Handling(h)
	if handling.Inspection != catalog.InspectionForbidden {
		return prohibition{}, false
	}
	f := prohibition{pattern: p, claim: claim}
	for _, s := range handling.Because {
		if s.Aspect == "inspection" {
			if !s.Pattern.IsZero() {
				f.pattern = s.Pattern
			}
			f.source = s.Source
			break
		}
	}
	return f, true
}

// aliases checks the networks that may reach aliases and other clouds.
func (c *compiler) aliases() {
	for i, a := range c.spec.Aliases {
		p, ok := c.pattern(a.Pattern)
		if !ok {
			continue
		}
		where := fmt.Sprintf("aliases[%d]", i)
		clients := c.prefixes(a.Clients, a.Pattern.Pos, where)
		if k, ok := c.touched(p, isSignIn); ok {
			c.add(finding.New("policy.alias-sign-in", finding.Error, a.Pattern.Pos,
				"value", p.String(), "host", k.Pattern.String()))
			continue
		}
		if k, ok := c.touched(p, func(k catalog.Class) bool { return k == catalog.Retired }); ok {
			c.add(finding.New("policy.alias-retired", finding.Error, a.Pattern.Pos,
				"value", p.String(), "host", k.Pattern.String()))
			continue
		}
		if !c.withinAliases(p) {
			c.add(finding.New("policy.alias-unknown", finding.Error, a.Pattern.Pos, "value", p.String()))
			continue
		}
		if len(a.Clients) == 0 {
			c.add(finding.New("policy.alias-no-network", finding.Error, a.Pattern.Pos, "value", p.String()))
			continue
		}
		if slices.ContainsFunc(clients, func(n netip.Prefix) bool { return n.Bits() == 0 }) {
			c.add(finding.New("policy.alias-everyone", finding.Warning, a.Pattern.Pos, "value", p.String()))
		}
		rule := Rule{Text: where, Pos: a.Pattern.Pos, Pattern: p,
			Ports: endpoint.Ports{{Proto: endpoint.TCP, First: portHTTPS, Last: portHTTPS}}}
		c.program.aliases = append(c.program.aliases, alias{rule: rule, clients: clients})
		c.program.rules = append(c.program.rules, rule)
	}
}

// withinAliases reports whether every host of p is an alias or another cloud's.
func (c *compiler) withinAliases(p endpoint.Pattern) bool {
	open := func(k catalog.Class) bool { return k == catalog.SignInAlias || k == catalog.OtherCloud }
	if p.Kind() == endpoint.Exact {
		return open(c.snap.Classify(endpoint.Host(p.String())).Class)
	}
	return slices.ContainsFunc(c.classes, func(k catalog.Classification) bool {
		return open(k.Class) && k.Pattern.Covers(p)
	})
}

// pacDirect checks the hosts that the PAC file sends past the gateway.
func (c *compiler) pacDirect() {
	for _, at := range c.spec.PACDirect {
		p, ok := c.pattern(at)
		if !ok {
			continue
		}
		if k, ok := c.touched(p, anyClass); ok {
			c.add(finding.New("policy.pac-direct-sign-in", finding.Error, at.Pos,
				"value", p.String(), "host", k.Pattern.String(), "class", k.Class.String()))
			continue
		}
		if under := c.beneathOverlap(p); under != "" {
			c.add(finding.New("policy.pac-direct-beneath", finding.Error, at.Pos, "value", p.String(), "host", under))
			continue
		}
		if !slices.Contains(c.program.pacDirect, p) {
			c.program.pacDirect = append(c.program.pacDirect, p)
		}
	}
}

// beneathOverlap returns the sign-in name beneath which p has a host, or "".
func (c *compiler) beneathOverlap(p endpoint.Pattern) string {
	for _, s := range c.program.beneath {
		if below, err := endpoint.ParsePattern("*" + s); err == nil && Overlap(p, below) {
			return s[1:]
		}
	}
	return ""
}

// tunnelWithoutSNI checks the hosts whose tunnels may come without a server name.
func (c *compiler) tunnelWithoutSNI() {
	for _, at := range c.spec.TunnelWithoutSNI {
		p, ok := c.pattern(at)
		if !ok {
			continue
		}
		if k, ok := c.touched(p, anyClass); ok {
			c.add(finding.New("policy.no-sni-sign-in", finding.Error, at.Pos,
				"value", p.String(), "host", k.Pattern.String(), "class", k.Class.String()))
			continue
		}
		c.program.noSNI = append(c.program.noSNI, p)
	}
}

// dialAllowed checks the special ranges that may be dialled.
func (c *compiler) dialAllowed() {
	for i, written := range c.spec.DialAllowed {
		var pos finding.Pos
		if i < len(c.spec.DialAllowedPos) {
			pos = c.spec.DialAllowedPos[i]
		}
		for _, p := range c.prefixes([]netip.Prefix{written}, pos, "dial-allowed") {
			c.program.dialAllowed = append(c.program.dialAllowed, p)
			if p.Bits() == 0 {
				c.add(finding.New("policy.dial-allowed-everything", finding.Error, pos, "value", p.String()))
				continue
			}
			for _, a := range []string{"169.254.169.254", "168.63.129.16", "fd00:ec2::254", "127.0.0.1", "::1"} {
				if p.Contains(netip.MustParseAddr(a)) {
					c.add(finding.New("policy.dial-allowed-sensitive", finding.Warning, pos,
						"value", p.String(), "address", a))
				}
			}
		}
	}
}
