package flow

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/render"
)

// Obstacle says why something could not be told to a device. Each has a text "flow.why.<code>".
type Obstacle string

// The obstacles.
const (
	None        Obstacle = ""
	NoAddress   Obstacle = "no-address"   // the device knows addresses alone, and the row has none
	BadPattern  Obstacle = "pattern"      // the device cannot hold a pattern of that form
	BadPort     Obstacle = "port"         // by name the device judges other ports or protocols alone
	ByAddress   Obstacle = "by-address"   // the device cannot hold the pattern; the row's addresses are open instead
	NoEnd       Obstacle = "no-end"       // the row names no other end: traffic between own machines, or to anywhere
	GatewayOnly Obstacle = "gateway-only" // clients must not reach it past the gateway
	NoTarget    Obstacle = "no-target"    // inbound, and nobody said to which of our addresses
	NoIPv6      Obstacle = "no-ipv6"      // the device does not filter IPv6
	NotRefused  Obstacle = "not-refused"  // a wildcard opens a host that the policy refuses, and the device cannot tell them apart
)

// Obstacles returns every code but None.
func Obstacles() []Obstacle {
	return []Obstacle{NoAddress, BadPattern, BadPort, ByAddress, NoEnd, GatewayOnly, NoTarget, NoIPv6, NotRefused}
}

// Device is what a device can be told.
type Device struct {
	// Names reports what keeps the device from holding p by name, exactly, on the ports of r; None when it can. nil: it
	// knows addresses alone.
	Names func(p endpoint.Pattern, r endpoint.PortRange) Obstacle
	// Refuses: the device tells hosts apart by the name that was asked for, so that a refusal ahead of a wildcard works. A
	// device that resolves names to addresses cannot.
	Refuses bool
	// Local: the rules are those of the machine that connects, so that its own address need not be told.
	Local bool
	// NoIPv6: it has no rules for IPv6.
	NoIPv6 bool
	// NoSources: what it is told says nothing of where connections come from, such as a list.
	NoSources bool
	// Tags: the device knows Azure service tags by their name. The prefixes of a row's tags are then not used.
	Tags bool
}

// Flow is ends that are open, or refused, alike. It is read-only.
type Flow struct {
	// Tier orders flows by name, first match first: 0 names below a refusal, 1 refusals of single names, 2 wildcards below a
	// refusal, 3 refusals of wildcards, 4 everything else. Flows that no refusal touches are all of tier 4.
	Tier      int
	Refuse    bool // no port of Names is open; only in tiers 1 and 3
	Direction catalog.Direction
	Ports     endpoint.Ports // nil for a refusal: every port
	// Names, V4 and V6 are the other ends: where we connect to, or (Inbound) who connects to us. At least one is not empty,
	// unless Tags has some. All are sorted.
	Names  []endpoint.Pattern
	V4, V6 []netip.Prefix
	Tags   []string
}

// Unsaid is one thing that the device could not be told.
type Unsaid struct {
	What  string // a pattern, a prefix, or the row for one without an end
	Ports string
	Rule  string // claim or own row
	Why   Obstacle
}

// Plan is everything that a device is told. It is read-only.
type Plan struct {
	Flows  []Flow // by tier, then direction and ports
	Unsaid []Unsaid
	// Sources are our networks that outbound flows are for; nil: everyone, in a plan for clients alone, or see Local.
	Sources []netip.Prefix
	// Targets are our addresses that inbound flows lead to. Without any there is no inbound flow.
	Targets []netip.Prefix
	// Uninspected are the names among the flows that must not be inspected, sorted; a child of another is not there.
	Uninspected []endpoint.Pattern
	// Local: the device is the machine that connects.
	Local bool
	// Clients: the plan is for clients, not for the gateway.
	Clients bool
}

// The options that every target of flows has.
const (
	OptionFor     = "for"
	OptionSource  = "source"
	OptionInbound = "inbound-to"
)

// Options are the options that every target of flows has, followed by more.
func Options(more ...render.Option) []render.Option {
	return append([]render.Option{
		{Name: OptionFor, Kind: render.Choice, Default: "gateway", Values: []string{"gateway", "clients"}},
		{Name: OptionSource, Kind: render.List},
		{Name: OptionInbound, Kind: render.List},
	}, more...)
}

// New plans what a device is told. It returns a *finding.Problem when an option does not fit, when nothing is left, and when
// nobody said where the gateway is that the rules are for.
func New(in render.Input, m *render.Model, d Device) (*Plan, error) {
	p := &Plan{Local: d.Local, Clients: in.Options.Text(OptionFor) == "clients"}
	var err error
	if p.Sources, p.Targets, err = Ends(in); err != nil {
		return nil, err
	}
	if p.Local && len(in.Options.List(OptionSource)) == 0 {
		p.Sources = nil
	}
	if len(p.Sources) == 0 && !p.Clients && !p.Local && !d.NoSources {
		return nil, finding.Fail("flow.no-source", nil) // whoever is not the gateway would pass the sign-in hosts
	}
	b := builder{plan: p, device: d, snap: in.Program.Catalog(), inUse: in.Program.Features(), addressed: map[string]bool{}, names: map[nameKey]endpoint.Ports{}, nets: map[netKey]endpoint.Ports{}, tags: map[tagKey]endpoint.Ports{}}
	b.rows(m)
	b.refusals()
	b.flows()
	if !slices.ContainsFunc(p.Flows, func(f Flow) bool { return !f.Refuse }) {
		return nil, finding.Fail("flow.nothing", nil, "left", b.summary())
	}
	b.uninspected()
	slices.SortStableFunc(p.Unsaid, func(x, y Unsaid) int {
		return cmp.Or(cmp.Compare(slices.Index(Obstacles(), x.Why), slices.Index(Obstacles(), y.Why)), cmp.Compare(x.What, y.What), cmp.Compare(x.Ports, y.Ports), cmp.Compare(x.Rule, y.Rule))
	})
	p.Unsaid = joined(p.Unsaid)
	return p, nil
}

// Ends are our own ends as the options say: the networks that connect out, those of the gateways where nobody said others and
// it is for the gateway, and the addresses that connections from the cloud lead to. Both are joined and may be nil.
func Ends(in render.Input) (sources, targets []netip.Prefix, err error) {
	if in.Options.Text(OptionFor) != "clients" {
		sources = in.GatewayNets
	}
	if list := in.Options.List(OptionSource); len(list) > 0 {
		sources = nil
		if err := addresses(OptionSource, list, &sources); err != nil {
			return nil, nil, err
		}
	}
	if err := addresses(OptionInbound, in.Options.List(OptionInbound), &targets); err != nil {
		return nil, nil, err
	}
	return sources, targets, nil
}

// joined makes one of those that differ in their rules alone. list is sorted.
func joined(list []Unsaid) (out []Unsaid) {
	for _, u := range list {
		if n := len(out); n > 0 && out[n-1].Why == u.Why && out[n-1].What == u.What && out[n-1].Ports == u.Ports {
			if out[n-1].Rule != u.Rule && !strings.HasSuffix(out[n-1].Rule, ", "+u.Rule) {
				out[n-1].Rule += ", " + u.Rule
			}
			continue
		}
		out = append(out, u)
	}
	return out
}

// addresses reads addresses and prefixes of an option.
func addresses(option string, list []string, out *[]netip.Prefix) error {
	for _, text := range list {
		prefix, err := endpoint.ParsePrefix(text)
		if a, bad := netip.ParseAddr(text); err != nil && bad == nil && !a.Is4In6() && a.Zone() == "" {
			prefix, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil || prefix.Bits() == 0 {
			return finding.Fail("flow.address", nil, "option", option, "value", render.OneLine(text))
		}
		*out = append(*out, prefix)
	}
	v4, v6 := Aggregate(*out)
	*out = append(v4, v6...)
	// Two halves of everything are everything.
	for _, prefix := range *out {
		if prefix.Bits() == 0 {
			return finding.Fail("flow.address", nil, "option", option, "value", prefix.String())
		}
	}
	if len(*out) == 0 {
		*out = nil
	}
	return nil
}

// Name is a name for f that depends on its direction, tier and ports alone, so that the same flow of another
// version has the same: "out-tcp-80-443", "no1" for a refusal. Letters, digits and hyphens, at most 20.
func (f Flow) Name() string {
	if f.Refuse {
		return "no" + strconv.Itoa(f.Tier)
	}
	first := "out"
	if f.Direction == catalog.Inbound {
		first = "in"
	}
	if f.Tier < lastTier {
		first += strconv.Itoa(f.Tier)
	}
	return first + "-" + PortsName(f.Ports)
}

// portsNameBytes is how long the ports in a name may be before a digest stands for them (chosen: with "sekisho-" before it
// a name has fewer than the 31 bytes that names of PAN-OS's URL categories may have, and 35 of FortiOS's policies).
const portsNameBytes = 15

// PortsName is p as a part of names: "tcp-80-443", "udp-123"; a digest where that would be long.
func PortsName(p endpoint.Ports) string {
	name := strings.NewReplacer("-", "to", "/", "-", ",", "-", " ", "-").Replace(p.String())
	if len(name) > portsNameBytes {
		return "p" + Short(p.String())
	}
	return name
}

// Short stands for a text that is too long for a name: 8 hex digits.
func Short(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:4])
}

// Prefixes are V4 and V6.
func (f Flow) Prefixes() []netip.Prefix { return slices.Concat(f.V4, f.V6) }
