package policy

import (
	"errors"
	"net/netip"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/restrict"
)

// Compile checks spec against the catalog. When a finding is an Error the Program is nil; otherwise it is usable, and
// the findings are warnings and notes. Findings are sorted by place. A nil snap yields a nil Program and an Error.
//
// What is wrong in more than one way is reported in all of them, so that one run shows everything.
func Compile(spec Spec, snap *catalog.Snapshot) (*Program, finding.List) {
	if snap == nil {
		return nil, finding.List{finding.New("policy.no-catalog", finding.Error, finding.Pos{})}
	}
	c := &compiler{
		spec:    spec,
		snap:    snap,
		classes: snap.Classes(),
		program: &Program{snap: snap, hash: hashOf(spec, snap.Version()+snap.Filling())},
	}
	c.signIn()
	c.features()
	c.hosts()
	c.aliases()
	c.consumerHost()
	c.profiles()
	c.rings()
	c.pacDirect()
	c.tunnelWithoutSNI()
	c.dialAllowed()
	c.blockedHosts()
	c.findings.Sort()
	if c.findings.HasErrors() {
		return nil, c.findings
	}
	return c.program, c.findings
}

// compiler carries one Compile from step to step.
type compiler struct {
	spec     Spec
	snap     *catalog.Snapshot
	classes  []catalog.Classification
	program  *Program
	findings finding.List

	claims   []claimed // of the features in use
	lacks    []lack
	compiled map[string]*restrict.Profile
	specs    map[string]restrict.Spec
}

func (c *compiler) add(f ...finding.Finding) { c.findings = append(c.findings, f...) }

// signIn learns the sign-in names and addresses.
func (c *compiler) signIn() {
	for _, k := range c.classes {
		if isSignIn(k.Class) && k.Pattern.Kind() == endpoint.Exact {
			c.program.beneath = append(c.program.beneath, "."+k.Pattern.String())
		}
	}
	for _, p := range c.snap.SignInPrefixes() {
		c.program.signInNets = append(c.program.signInNets, normalPrefix(p))
	}
}

func isSignIn(k catalog.Class) bool { return k == catalog.SignIn || k == catalog.SignInConsumer }

// pattern parses one configured pattern; ok is false after a finding.
func (c *compiler) pattern(at At) (p endpoint.Pattern, ok bool) {
	p, err := endpoint.ParsePattern(at.Text)
	if err == nil {
		return p, true
	}
	var e *endpoint.ParseError
	if errors.As(err, &e) {
		c.add(e.Finding(at.Pos))
	} else {
		c.add(finding.New("policy.pattern", finding.Error, at.Pos, "value", at.Text))
	}
	return p, false
}

// touched returns the first classified pattern, of a class that is wanted, that shares a host with p.
func (c *compiler) touched(p endpoint.Pattern, wanted func(catalog.Class) bool) (catalog.Classification, bool) {
	if p.Kind() == endpoint.Exact {
		k := c.snap.Classify(endpoint.Host(p.String()))
		if k.Class != catalog.Ordinary && wanted(k.Class) {
			if k.Pattern.IsZero() {
				k.Pattern = p
			}
			return k, true
		}
		return k, false
	}
	for _, k := range c.classes {
		if wanted(k.Class) && Overlap(p, k.Pattern) {
			return k, true
		}
	}
	return catalog.Classification{}, false
}

func anyClass(k catalog.Class) bool { return k != catalog.Ordinary }

// normalPrefix is the form in which prefixes are compared: masked, IPv4-mapped ones as IPv4.
func normalPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// prefixes normalises a configured list; a prefix that is none is a finding.
func (c *compiler) prefixes(list []netip.Prefix, pos finding.Pos, where string) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range list {
		if !p.IsValid() {
			c.add(finding.New("policy.prefix", finding.Error, pos, "value", p.String(), "where", where))
			continue
		}
		out = append(out, normalPrefix(p))
	}
	return out
}
