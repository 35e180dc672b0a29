package policy

import (
	"maps"
	"slices"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

// claimed is one claim of a feature in use.
type claimed struct {
	set     *catalog.Set
	feature catalog.FeatureID
	pos     finding.Pos // where the feature, or the one that brought it, is written
}

// features resolves the features and turns their claims into rules.
func (c *compiler) features() {
	if len(c.spec.Features) == 0 && len(c.spec.Hosts) == 0 {
		c.add(finding.New("policy.nothing-allowed", finding.Warning, finding.Pos{}))
		return
	}
	pos := c.expand()
	seen := map[catalog.ClaimID]bool{}
	for _, id := range c.program.features {
		f, ok := c.snap.Feature(id)
		if !ok {
			continue
		}
		for _, claim := range f.Claims {
			set, ok := c.snap.Set(claim)
			if !ok {
				c.add(finding.New("policy.claim-missing", finding.Warning, pos[id],
					"feature", string(id), "claim", claim.String()))
				continue
			}
			if seen[claim] {
				continue
			}
			seen[claim] = true
			if !set.Withdrawn.IsZero() {
				c.add(finding.New("policy.claim-withdrawn", finding.Info, pos[id], "feature", string(id),
					"claim", claim.String(), "date", set.Withdrawn.Format("2006-01-02")))
				continue
			}
			if set.Applies == catalog.No {
				continue // for another cloud, location or way of working
			}
			c.lacking(set, id, pos[id])
			if set.Direction == catalog.Outbound && set.Applies != catalog.NotStated {
				c.claims = append(c.claims, claimed{set: set, feature: id, pos: pos[id]})
				c.open(set, id, pos[id])
			}
		}
	}
	c.unfilled()
}

// expand checks the names and fills the program's features. It returns where each is written.
func (c *compiler) expand() map[catalog.FeatureID]finding.Pos {
	var all []string
	for _, f := range c.snap.Features() {
		all = append(all, string(f.ID))
	}
	pos := map[catalog.FeatureID]finding.Pos{}
	for _, at := range c.spec.Features {
		id := catalog.FeatureID(at.Text)
		if first, ok := pos[id]; ok {
			c.add(finding.New("policy.feature-repeated", finding.Warning, at.Pos,
				"value", at.Text, "first", first.String()))
			continue
		}
		if _, ok := c.snap.Feature(id); !ok {
			c.add(finding.New("policy.unknown-feature", finding.Error, at.Pos,
				"value", at.Text, "want", finding.Nearest(at.Text, all), "known", strings.Join(all, ", ")))
			continue
		}
		pos[id] = at.Pos
	}
	// Features that come along are shown at the first chosen feature that brings them.
	var chosen []catalog.FeatureID
	for _, at := range c.spec.Features {
		id := catalog.FeatureID(at.Text)
		if _, ok := pos[id]; !ok || slices.Contains(chosen, id) {
			continue
		}
		chosen = append(chosen, id)
		along, _ := c.snap.Expand([]catalog.FeatureID{id})
		for _, other := range along {
			if _, ok := pos[other]; !ok {
				pos[other] = at.Pos
			}
		}
	}
	c.program.features, _ = c.snap.Expand(chosen)
	return pos
}

// open adds the rules of one claim.
func (c *compiler) open(set *catalog.Set, id catalog.FeatureID, pos finding.Pos) {
	rule := Rule{Text: "feature " + string(id), Pos: pos, Claim: set.ID}
	ports := tcpOnly(set.Ports)
	for _, p := range set.Patterns {
		c.allow(rule, p, ports)
	}
	for _, u := range set.URLs {
		port := u.EffectivePort()
		c.allow(rule, u.Host, endpoint.Ports{{Proto: endpoint.TCP, First: port, Last: port}})
	}
}

func (c *compiler) allow(rule Rule, p endpoint.Pattern, ports endpoint.Ports) {
	if p.IsZero() || len(ports) == 0 {
		return
	}
	rule.Pattern, rule.Ports = p, ports
	for _, old := range c.program.rules {
		if old.Pattern == p && old.Claim == rule.Claim && slices.Equal(old.Ports, ports) {
			return // a URL beside its own host
		}
	}
	c.program.rules = append(c.program.rules, rule)
	c.program.openings = append(c.program.openings, Opening{Rule: rule, Plain: ports.Allows(endpoint.TCP, portHTTP), Under: c.under(p)})
	c.program.feature.Add(p, &allowance{
		rule:  rule,
		plain: ports.Allows(endpoint.TCP, portHTTP),
		exact: p.Kind() == endpoint.Exact,
		under: c.under(p),
	})
}

// under returns the sign-in name, with a leading dot, that p is written beneath, or "".
func (c *compiler) under(p endpoint.Pattern) string {
	for _, s := range c.program.beneath {
		if strings.HasSuffix(p.String(), s) && p.String() != "*"+s {
			return s
		}
	}
	return ""
}

// consumerHost warns when login.live.com is not open: more than personal accounts depends on it.
func (c *compiler) consumerHost() {
	if len(c.spec.Features) == 0 && len(c.spec.Hosts) == 0 {
		return // nothing at all is open, which has its own warning
	}
	for _, k := range c.classes {
		if k.Class != catalog.SignInConsumer || k.Pattern.Kind() != endpoint.Exact {
			continue
		}
		var space [room]*allowance
		host := endpoint.Host(k.Pattern.String())
		if a, _ := choose(c.program.feature.Append(space[:0], host), portHTTPS, false, "", true); a == nil {
			c.add(finding.New("policy.consumer-host-denied", finding.Warning, c.firstFeature(), "host", string(host)))
		}
	}
}

func (c *compiler) firstFeature() finding.Pos {
	if len(c.spec.Features) > 0 {
		return c.spec.Features[0].Pos
	}
	return finding.Pos{}
}

// blockedHosts reports what the features in use ask for and a class keeps closed. It is a note and no warning, because
// the sources ask everybody for hosts that nobody but a few servers needs: a warning that cannot be mended teaches
// people to overlook warnings.
func (c *compiler) blockedHosts() {
	for _, k := range c.claims {
		blocked := map[catalog.Class][]string{}
		for _, p := range k.set.Patterns {
			if p.Kind() != endpoint.Exact {
				c.narrowed(k, p)
			} else if class, ok := c.blockedHost(p); ok {
				blocked[class] = append(blocked[class], p.String())
			}
		}
		for _, class := range slices.Sorted(maps.Keys(blocked)) {
			code := "policy.host-blocked"
			if k.set.Required {
				code = "policy.required-host-blocked"
			}
			c.add(finding.New(code, finding.Info, k.pos, "hosts", strings.Join(blocked[class], ", "),
				"claim", k.set.ID.String(), "feature", string(k.feature), "class", class.String()))
		}
	}
}

// blockedHost returns the class that keeps a host closed although a feature in use names it.
func (c *compiler) blockedHost(p endpoint.Pattern) (class catalog.Class, blocked bool) {
	class = c.snap.Classify(endpoint.Host(p.String())).Class
	if class == catalog.Ordinary || isSignIn(class) {
		return class, false
	}
	for _, a := range c.program.aliases {
		if a.rule.Pattern.Covers(p) {
			return class, false // open to the networks that the administrator named
		}
	}
	return class, true
}

// narrowed notes the classified hosts that a wildcard of a feature would have opened.
func (c *compiler) narrowed(k claimed, p endpoint.Pattern) {
	var kept []string
	for _, class := range c.classes {
		if class.Class == catalog.Ordinary || isSignIn(class.Class) || !Overlap(p, class.Pattern) {
			continue
		}
		if !slices.Contains(kept, class.Pattern.String()) {
			kept = append(kept, class.Pattern.String())
		}
	}
	if len(kept) == 0 {
		return
	}
	slices.Sort(kept)
	c.add(finding.New("policy.wildcard-narrowed", finding.Info, k.pos, "pattern", p.String(),
		"claim", k.set.ID.String(), "feature", string(k.feature), "hosts", strings.Join(kept, ", ")))
}

// tcpOnly is the TCP part of ports.
func tcpOnly(ports endpoint.Ports) endpoint.Ports {
	var out endpoint.Ports
	for _, r := range ports {
		if r.Proto == endpoint.TCP {
			out = append(out, r)
		}
	}
	return out
}
