package render

import (
	"net/netip"
	"slices"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/policy"
)

// Kind is what a row names.
type Kind uint8

const (
	// HostRow names hosts: Row.Host.
	HostRow Kind = iota + 1
	// URLRow names one URL, or all beneath it: Row.URL, its host is Row.Host.
	URLRow
	// PrefixRow names addresses: Row.Prefix, and Row.Tag where they are those of a service tag.
	PrefixRow
	// OpenRow names ports and no other end that could be written down: traffic between machines of the organisation
	// (Row.Between), or to anywhere.
	OpenRow
)

var kindCodes = [...]string{"", "host", "url", "prefix", "open"}

// String is the stable code: host, url, prefix or open.
func (k Kind) String() string {
	if int(k) < len(kindCodes) {
		return kindCodes[k]
	}
	return ""
}

// MarshalText prints the code.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Road is how the gateway treats traffic to what a row names.
type Road uint8

const (
	// NoRoad: the gateway has nothing to do with it (addresses, UDP alone, inbound, traffic within the organisation).
	NoRoad Road = iota
	// Refused: the gateway refuses it to everybody.
	Refused
	// Tunnelled: bytes are relayed and nothing is read.
	Tunnelled
	// Intercepted: TLS ends at the gateway, which puts restriction headers on each request, or deletes them.
	Intercepted
	// Forwarded: plain HTTP alone is open.
	Forwarded
)

var roadCodes = [...]string{"", "refuse", "tunnel", "intercept", "forward"}

// String is the stable code: refuse, tunnel, intercept, forward, or nothing.
func (r Road) String() string {
	if int(r) < len(roadCodes) {
		return roadCodes[r]
	}
	return ""
}

// MarshalText prints the code.
func (r Road) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Row is one endpoint in use, as one claim of the catalog or one row of the organisation says. It is read-only.
type Row struct {
	Kind     Kind
	Claim    catalog.ClaimID     // zero for the organisation's own rows
	Rule     string              // "feature intune.core", "hosts[2]", "aliases[0]": the first rule that opens it
	Features []catalog.FeatureID // those in use that claim it, in the catalog's order; nil for own rows
	Area     string
	Purpose  catalog.Text // both languages; may be empty for own rows
	// Condition says who needs the row; empty: whoever uses the feature.
	Condition   catalog.Text
	Required    bool
	LostWithout catalog.Text
	Category    catalog.Category
	Source      *catalog.Source // nil for own rows

	Host   endpoint.Pattern
	URL    string
	Prefix netip.Prefix
	Tag    string // service tag that Prefix belongs to; "" for what the row itself lists
	// Between names the ends of an OpenRow where the source does.
	Between catalog.Between

	Ports     endpoint.Ports // TCP and UDP, as the source says
	Inferred  bool           // the source states no ports: these come from elsewhere
	Direction catalog.Direction
	// Clients are the only networks that may reach it; nil: all.
	Clients []netip.Prefix

	Handling catalog.Handling // of Host; zero for other kinds
	Class    catalog.Class    // of Host where it is a single name; Ordinary for other kinds
	Road     Road
	// GatewayOnly marks what clients must not reach past the gateway while restrictions are on: sign-in hosts and their
	// aliases, wildcards that cover one, and addresses that sign-in hosts have. A device between clients and the Internet
	// must not open it for them; one between the gateway and the Internet must, for the gateway.
	GatewayOnly bool
	// Except are patterns with a class of their own within a wildcard: the row does not open them.
	Except []endpoint.Pattern
}

// Feature is the first feature in use that claims the row; "" for own rows.
func (r Row) Feature() catalog.FeatureID {
	if len(r.Features) == 0 {
		return ""
	}
	return r.Features[0]
}

// Value is what the row names, in one text: a pattern, a URL, a prefix, or nothing for an OpenRow.
func (r Row) Value() string {
	switch r.Kind {
	case HostRow:
		return r.Host.String()
	case URLRow:
		return r.URL
	case PrefixRow:
		return r.Prefix.String()
	}
	return ""
}

// Model is the table that every target reads. It is read-only.
type Model struct {
	Rows []Row // own rows first, then the claims of the features in use in the catalog's order, then aliases
	// Restricted says that at least one ring restricts sign-ins.
	Restricted bool
	// MissingTags are the service tags that rows name and whose addresses nobody imported, sorted.
	MissingTags []string
	// Unfilled are the values of the organisation that rows still lack, sorted: what depends on them is not in Rows.
	Unfilled []catalog.Hole
}

// NewModel derives the table. in.Program must not be nil.
func NewModel(in Input) *Model {
	b := builder{in: in, program: in.Program, snap: in.Program.Catalog(), m: &Model{}}
	for _, r := range b.program.Rings() {
		b.m.Restricted = b.m.Restricted || r.Mode != policy.Off
	}
	for _, k := range b.snap.Classes() {
		if k.Class != catalog.Ordinary {
			b.classes = append(b.classes, k.Pattern)
		}
		if h, ok := k.Pattern.Host(); ok && (k.Class == catalog.SignIn || k.Class == catalog.SignInConsumer) {
			b.beneath = append(b.beneath, "."+string(h))
		}
	}
	b.signIn = b.snap.SignInPrefixes()
	b.own()
	for _, set := range b.snap.SetsOf(b.program.Features()...) {
		b.set(set)
	}
	b.aliases()
	slices.Sort(b.m.MissingTags)
	slices.Sort(b.m.Unfilled)
	return b.m
}

type builder struct {
	in      Input
	program *policy.Program
	snap    *catalog.Snapshot
	classes []endpoint.Pattern // of every class but Ordinary
	beneath []string           // sign-in names with a dot before them
	signIn  []netip.Prefix
	m       *Model
}

func (b *builder) own() {
	for _, rule := range b.program.AllowedPatterns() {
		if !strings.HasPrefix(rule.Text, "hosts[") {
			continue
		}
		r := Row{Kind: HostRow, Rule: rule.Text, Required: true, Host: rule.Pattern, Ports: rule.Ports}
		if why := b.in.Reasons[rule.Text]; why != "" {
			r.Purpose = catalog.Text{JA: why, EN: why}
		}
		b.add(r)
	}
}

func (b *builder) aliases() {
	for _, a := range b.program.Aliases() {
		b.add(Row{Kind: HostRow, Rule: a.Rule.Text, Required: true, Host: a.Rule.Pattern, Ports: a.Rule.Ports, Clients: a.Clients})
	}
}

// set adds the rows of one claim, as policy.Compile reads it: what is for others or not known to be for us is left out.
func (b *builder) set(set *catalog.Set) {
	if set.Applies != catalog.No {
		for _, h := range set.Unfilled {
			if !slices.Contains(b.m.Unfilled, h) {
				b.m.Unfilled = append(b.m.Unfilled, h)
			}
		}
	}
	if set.Applies != catalog.Yes {
		return
	}
	r := Row{
		Claim: set.ID, Area: set.Area, Purpose: set.Title, Condition: set.Condition, Required: set.Required, LostWithout: set.LostWithout,
		Category: set.Category, Source: set.Source, Between: set.Between, Ports: set.Ports, Inferred: set.PortsInferred, Direction: set.Direction,
	}
	inUse := b.program.Features()
	for _, f := range b.snap.FeaturesOf(set.ID) {
		if slices.Contains(inUse, f) {
			r.Features = append(r.Features, f)
		}
	}
	r.Rule = "feature " + string(r.Feature())
	if len(set.Patterns)+len(set.URLs)+len(set.Prefixes)+len(set.Tags) == 0 {
		r.Kind = OpenRow
		b.add(r)
		return
	}
	for _, p := range set.Patterns {
		r.Kind, r.Host = HostRow, p
		b.add(r)
	}
	r.Host = endpoint.Pattern{}
	for _, u := range set.URLs {
		row := r
		row.Kind, row.Host, row.URL, row.Inferred = URLRow, u.Host, u.String(), false
		row.Ports = endpoint.NewPorts(endpoint.PortRange{Proto: endpoint.TCP, First: u.EffectivePort(), Last: u.EffectivePort()})
		b.add(row)
	}
	r.Kind = PrefixRow
	for _, p := range set.Prefixes {
		r.Prefix = p
		b.add(r)
	}
	for _, tag := range set.Tags {
		var prefixes []netip.Prefix
		ok := false
		if b.in.Tags != nil {
			prefixes, ok = b.in.Tags(set.ID.Cloud, tag)
		}
		if !ok && !slices.Contains(b.m.MissingTags, tag) {
			b.m.MissingTags = append(b.m.MissingTags, tag)
		}
		r.Tag = tag
		for _, p := range prefixes {
			r.Prefix = p
			b.add(r)
		}
	}
}

// add finishes r and keeps it.
func (b *builder) add(r Row) {
	switch r.Kind {
	case HostRow, URLRow:
		r.Handling = b.snap.HandlingOf(r.Host)
		if h, ok := r.Host.Host(); ok {
			r.Class = b.snap.Classify(h).Class
			r.GatewayOnly = r.Class != catalog.Ordinary
		} else {
			for _, k := range b.classes {
				if r.Host.Covers(k) {
					r.Except = append(r.Except, k)
				}
			}
			r.GatewayOnly = len(r.Except) > 0
		}
		// What lies beneath a sign-in name shares its addresses.
		r.GatewayOnly = r.GatewayOnly || slices.ContainsFunc(b.beneath, func(end string) bool { return strings.HasSuffix(r.Host.String(), end) })
		if r.Direction == catalog.Outbound {
			r.Road = b.road(r)
		}
	case PrefixRow:
		r.GatewayOnly = r.Direction == catalog.Outbound && slices.ContainsFunc(b.signIn, r.Prefix.Overlaps)
	}
	b.m.Rows = append(b.m.Rows, r)
}

// road asks the policy about a host that the row names.
func (b *builder) road(r Row) Road {
	if len(r.Clients) > 0 {
		return Tunnelled // policy: an alias is only ever tunnelled, and for these networks alone
	}
	h, err := endpoint.ParseHost(strings.ReplaceAll(r.Host.String(), "*", "sekisho-example"))
	if err != nil {
		return NoRoad
	}
	tls, plain := uint16(0), false
	for _, p := range r.Ports {
		if p.Proto != endpoint.TCP {
			continue
		}
		plain = plain || p.First <= 80 && 80 <= p.Last
		if tls == 0 {
			if tls = p.First; tls == 80 {
				tls = 0
				if p.Last > 80 {
					tls = 81
				}
			}
		}
	}
	if r.Class == catalog.SignIn || r.Class == catalog.SignInConsumer {
		return b.signInRoad()
	}
	if r.Class == catalog.Ordinary && b.snap.Classify(h).Class != catalog.Ordinary {
		return Refused // the wildcard lies within a class
	}
	ask := func(port uint16, plain bool) policy.Action {
		return b.program.Decide(policy.Ask{Authority: endpoint.Authority{Host: h, Port: port}, Plain: plain}).Action
	}
	if tls != 0 {
		switch ask(tls, false) {
		case policy.Tunnel:
			return Tunnelled
		case policy.Intercept:
			return Intercepted
		}
		return Refused
	}
	switch {
	case plain && ask(80, true) == policy.Forward:
		return Forwarded
	case plain:
		return Refused
	}
	return NoRoad
}

// signInRoad is what the rings make of a sign-in host: intercepted as soon as one of them is not off.
func (b *builder) signInRoad() Road {
	switch {
	case b.m.Restricted:
		return Intercepted
	case len(b.program.Rings()) == 0:
		return Refused
	}
	return Tunnelled
}
