package policy

import (
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/finding"
	"sekisho/internal/restrict"
)

// profiles compiles every profile, used or not.
func (c *compiler) profiles() {
	c.compiled = map[string]*restrict.Profile{}
	c.specs = map[string]restrict.Spec{}
	for _, s := range c.spec.Profiles {
		if first, ok := c.specs[s.Name]; ok {
			c.add(finding.New("policy.profile-repeated", finding.Error, s.Pos,
				"value", s.Name, "first", first.Pos.String()))
			continue
		}
		c.specs[s.Name] = s
		p, findings := restrict.Compile(s)
		c.add(findings...)
		if p != nil {
			c.compiled[s.Name] = p
			c.program.profiles = append(c.program.profiles, p)
		} else if !findings.HasErrors() {
			c.add(finding.New("policy.profile-unusable", finding.Error, s.Pos, "value", s.Name))
		}
		if !slices.ContainsFunc(c.spec.Rings, func(r RingSpec) bool { return r.Profile.Text == s.Name }) {
			c.add(finding.New("policy.profile-unused", finding.Warning, s.Pos, "value", s.Name))
		}
	}
}

// rings checks each ring and the order among them.
func (c *compiler) rings() {
	first := map[string]finding.Pos{}
	for _, s := range c.spec.Rings {
		if s.Name == "" {
			c.add(finding.New("policy.ring-name", finding.Error, s.Pos))
		} else if pos, ok := first[s.Name]; ok {
			c.add(finding.New("policy.ring-repeated", finding.Error, s.Pos, "value", s.Name, "first", pos.String()))
		} else {
			first[s.Name] = s.Pos
		}
		c.ring(s)
	}
	c.reachable()
	switch n := len(c.program.rings); {
	case n == 0:
		c.add(finding.New("policy.no-rings", finding.Warning, finding.Pos{}))
	case !c.program.rings[n-1].CatchAll():
		last := c.program.rings[n-1]
		c.add(finding.New("policy.no-last-ring", finding.Warning, last.Pos, "ring", last.Name))
	}
}

func (c *compiler) ring(s RingSpec) {
	r := &ring{Ring: Ring{Name: s.Name, Mode: s.Mode, Profile: s.Profile.Text, Pos: s.Pos, Percent: s.Percent,
		Users: slices.Clone(s.Users), Groups: slices.Clone(s.Groups),
		Clients: c.prefixes(s.Clients, s.Pos, s.Name)}}
	if s.Percent < 0 || s.Percent > 100 {
		c.add(finding.New("policy.ring-percent", finding.Error, s.Pos, "ring", s.Name, "value", strconv.Itoa(s.Percent)))
	}
	if s.Mode > Off {
		c.add(finding.New("policy.ring-mode", finding.Error, s.Pos, "ring", s.Name))
	}
	for _, p := range r.Clients {
		r.clients.Add(p, struct{}{})
	}
	r.users, r.groups = c.names(s, s.Users), c.names(s, s.Groups)
	c.act(r, s)
	c.program.rings = append(c.program.rings, r)
}

// names folds the users or groups of a ring. An empty name matches nobody and is a mistake.
func (c *compiler) names(s RingSpec, list []string) map[string]bool {
	out := make(map[string]bool, len(list))
	for _, n := range list {
		if strings.TrimSpace(n) == "" {
			c.add(finding.New("policy.ring-empty-name", finding.Error, s.Pos, "ring", s.Name))
			continue
		}
		out[lower(n)] = true
	}
	return out
}

// act gives the ring its plans.
func (c *compiler) act(r *ring, s RingSpec) {
	if s.Profile.Text == "" {
		if s.Mode != Off {
			c.add(finding.New("policy.ring-no-profile", finding.Error, s.Pos, "ring", s.Name, "mode", s.Mode.String()))
		}
		return
	}
	if _, ok := c.specs[s.Profile.Text]; !ok {
		var known []string
		for _, p := range c.spec.Profiles {
			known = append(known, p.Name)
		}
		c.add(finding.New("policy.unknown-profile", finding.Error, s.Profile.Pos, "ring", s.Name,
			"value", s.Profile.Text, "want", finding.Nearest(s.Profile.Text, known), "known", strings.Join(known, ", ")))
		return
	}
	p := c.compiled[s.Profile.Text]
	if p == nil || s.Mode == Off {
		return // the profile has its own findings, or is not used yet
	}
	if s.Mode == Report {
		r.signIn, r.consumer = restrict.DeleteOnly(), restrict.DeleteOnly()
	} else {
		r.signIn, r.consumer = p.Plan(catalog.SignIn), p.Plan(catalog.SignInConsumer)
	}
	if p.Version() == restrict.V2 || p.BlocksConsumers() {
		r.wouldConsumer = WouldUnknown
	}
}

// reachable reports rings that never match because an earlier one takes all their people, and among them those that
// would restrict the same people by both versions.
func (c *compiler) reachable() {
	for j, later := range c.program.rings {
		for _, earlier := range c.program.rings[:j] {
			if !covers(earlier.Ring, later.Ring) {
				continue
			}
			a, b := c.compiled[earlier.Profile], c.compiled[later.Profile]
			if a != nil && b != nil && a.Version() != b.Version() && earlier.Mode != Off && later.Mode != Off {
				c.add(finding.New("policy.both-versions", finding.Error, later.Pos, "ring", later.Name,
					"profile", later.Profile, "other", earlier.Name, "other_profile", earlier.Profile,
					"first", earlier.Pos.String()))
			} else {
				c.add(finding.New("policy.ring-unreachable", finding.Warning, later.Pos, "ring", later.Name,
					"other", earlier.Name, "first", earlier.Pos.String()))
			}
			break
		}
	}
}
