package route

import (
	"slices"

	"sekisho/internal/catalog"
)

// Requirement is what an organisation asks of its roads.
type Requirement string

// The requirements.
const (
	RequirePrivate   Requirement = "private"   // a closed network: no part of the way is the Internet
	RequireEncrypted Requirement = "encrypted" // encrypted on the way, whatever the application does
	RequireM365      Requirement = "m365"      // Microsoft 365 is among what is carried
)

// Requirements returns the codes above.
func Requirements() []Requirement {
	return []Requirement{RequirePrivate, RequireEncrypted, RequireM365}
}

// Carries says how one pattern does for a choice of features.
type Carries struct {
	Pattern  Pattern             `json:"pattern"`
	Meets    []Requirement       `json:"meets"`
	Lacks    []Requirement       `json:"lacks"`
	Counts   map[string]int      `json:"counts"`    // endpoints by verdict
	LeftOver []string            `json:"left_over"` // endpoints that it does not carry, or of which that is not known
	Features []catalog.FeatureID `json:"features"`  // that LeftOver matters for: one of their required endpoints is in it
	Needs    []Remark            `json:"needs"`
}

// Step is one part of a recommendation.
type Step struct {
	Pattern   Pattern  `json:"pattern"`
	Reason    string   `json:"reason"` // see StepReasons
	Endpoints []string `json:"endpoints"`
	Needs     []Remark `json:"needs"`
	Source    *Source  `json:"source"`
}

// Why a step is recommended.
const (
	StepSimplest     = "simplest"           // everything goes there, and HTTPS protects it
	StepClosed       = "closed"             // what ExpressRoute carries
	StepEncrypted    = "closed-encrypted"   // what an encrypted ExpressRoute carries
	StepTunnel       = "encrypted-tunnel"   // encrypted, over the Internet
	StepOptimised    = "optimised"          // Peering Service makes the way to Microsoft better; not closed
	StepException    = "m365-by-exception"  // Microsoft 365 over Microsoft peering
	StepInternet     = "rest-internet"      // what no closed network carries
	StepThroughAzure = "rest-through-azure" // the same, with the way out in Azure
	StepAsk          = "ask"                // what is not known
)

// StepReasons returns the codes above.
func StepReasons() []string {
	return []string{StepSimplest, StepClosed, StepEncrypted, StepTunnel, StepOptimised, StepException, StepInternet, StepThroughAzure, StepAsk}
}

// Plan is which pattern carries which endpoint, and what is recommended.
type Plan struct {
	Features    []catalog.FeatureID `json:"features"`
	Require     []Requirement       `json:"require"`
	Endpoints   int                 `json:"endpoints"`
	Patterns    []Carries           `json:"patterns"`
	Filter      Filter              `json:"route_filter"`
	Recommended []Step              `json:"recommendation"`
	// Met says whether one pattern alone meets every requirement for every endpoint.
	Met bool `json:"met"`
	// Prices are what the recommendation costs, in words: the needs among approval, premium, direct-port, ....
	Prices []string `json:"prices"`
	// Rows is each endpoint with its verdict by pattern.
	Rows []PlanRow `json:"rows"`
}

// PlanRow is an endpoint and what each pattern does for it.
type PlanRow struct {
	Endpoint string            `json:"endpoint"`
	Required bool              `json:"required"`
	Owner    string            `json:"owner"`
	Kind     Kind              `json:"kind"`
	Verdicts map[string]string `json:"verdicts"` // pattern: state
}

// priced are the needs that cost money or time, in the order in which they are told.
var priced = []string{NeedApproval, NeedPremium, NeedDirect, NeedMACsec, NeedCircuit, NeedVPNGateway, NeedProvider, NeedEgressProxy, NeedGSA}

// Priced returns the needs that have a price, each with a text "route.price.<code>".
func Priced() []string { return slices.Clone(priced) }

// Plan finds which patterns carry features, which come as Snapshot.Expand returns them, under the requirements.
func (b *Book) Plan(features []catalog.FeatureID, require []Requirement, resolved []Resolution) Plan {
	rows := b.Rows(features, resolved)
	p := Plan{Features: features, Require: require, Endpoints: len(rows), Prices: []string{}, Recommended: []Step{}, Rows: []PlanRow{}}
	if p.Require == nil {
		p.Require = []Requirement{}
	}
	for _, pattern := range Patterns() {
		c := b.carries(pattern, rows, require)
		p.Met = p.Met || len(c.Lacks) == 0 && len(c.LeftOver) == 0 && len(rows) > 0
		p.Patterns = append(p.Patterns, c)
	}
	for _, r := range rows {
		row := PlanRow{Endpoint: r.Endpoint, Required: r.Required, Owner: r.Part.Owner.Code, Kind: r.Kind, Verdicts: map[string]string{}}
		for _, v := range r.Part.Verdicts {
			row.Verdicts[v.Pattern.String()] = v.State.String()
		}
		p.Rows = append(p.Rows, row)
	}
	p.Recommended = b.recommend(rows, require)
	p.Filter = b.Filter(rows, b.microsoftCircuit(), slices.Contains(require, RequireM365) && slices.Contains(require, RequirePrivate))
	for _, code := range priced {
		if slices.ContainsFunc(p.Recommended, func(s Step) bool {
			return slices.ContainsFunc(s.Needs, func(n Remark) bool { return n.Code == code })
		}) {
			p.Prices = append(p.Prices, code)
		}
	}
	return p
}

// microsoftCircuit is the first circuit with Microsoft peering; nil when there is none.
func (b *Book) microsoftCircuit() *Circuit {
	for i := range b.spec.Circuits {
		if b.spec.Circuits[i].Microsoft {
			return &b.spec.Circuits[i]
		}
	}
	return nil
}

func (b *Book) carries(p Pattern, rows []*Row, require []Requirement) Carries {
	c := Carries{Pattern: p, Meets: []Requirement{}, Lacks: []Requirement{}, Counts: map[string]int{}, LeftOver: []string{}, Features: []catalog.FeatureID{}, Needs: []Remark{}}
	m365 := true
	for _, r := range rows {
		v := verdictOf(r.Part.Verdicts, p)
		c.Counts[v.State.String()]++
		if v.State == No || v.State == Unknown {
			c.LeftOver = append(c.LeftOver, r.Endpoint)
			m365 = m365 && !r.M365
			if r.Required {
				for _, f := range r.Features {
					if !slices.Contains(c.Features, f) {
						c.Features = append(c.Features, f)
					}
				}
			}
			continue
		}
		c.Needs = append(c.Needs, v.Needs...)
	}
	c.Needs = distinct(c.Needs)
	for _, r := range require {
		met := map[Requirement]bool{RequirePrivate: p.Private(), RequireEncrypted: p.Encrypted(), RequireM365: m365}[r]
		if met {
			c.Meets = append(c.Meets, r)
		} else {
			c.Lacks = append(c.Lacks, r)
		}
	}
	return c
}

// recommend sends each endpoint over the first pattern that carries it under the requirements, and says what remains.
func (b *Book) recommend(rows []*Row, require []Requirement) []Step {
	private, encrypted := slices.Contains(require, RequirePrivate), slices.Contains(require, RequireEncrypted)
	m365 := slices.Contains(require, RequireM365)
	steps := map[string]*Step{}
	var order []string
	put := func(reason string, p Pattern, r *Row) {
		s, ok := steps[reason+p.String()]
		if !ok {
			s = &Step{Pattern: p, Reason: reason, Endpoints: []string{}, Needs: []Remark{}}
			steps[reason+p.String()] = s
			order = append(order, reason+p.String())
		}
		v := verdictOf(r.Part.Verdicts, p)
		s.Endpoints = append(s.Endpoints, r.Endpoint)
		s.Needs = distinct(append(s.Needs, v.Needs...))
		if s.Source == nil {
			s.Source = v.Source
		}
	}
	tries := []Pattern{Internet}
	reason := StepSimplest
	switch {
	case private && encrypted:
		tries, reason = []Pattern{IPsec, MACsec}, StepEncrypted
	case private:
		tries, reason = []Pattern{PrivatePeering, MicrosoftPeering}, StepClosed
	case encrypted:
		tries, reason = []Pattern{VPN, GlobalSecureAccess}, StepTunnel
	}
	for _, r := range rows {
		done := false
		for _, p := range tries {
			switch r.State(p) {
			case Yes, Possible:
				put(reason, p, r)
				done = true
			case Approval:
				if m365 && r.M365 {
					put(StepException, p, r)
					// And still the Internet, for what the approval does not cover.
					done = true
				}
			}
			if done {
				break
			}
		}
		switch {
		case done:
		case r.Closed().State == Unknown && r.State(Internet) != No:
			put(StepAsk, Internet, r)
		case r.State(Internet) != No:
			put(StepInternet, Internet, r)
			if private {
				put(StepThroughAzure, AzureEgress, r)
			}
		default:
			put(StepAsk, PrivatePeering, r)
		}
	}
	if !private && !encrypted {
		for _, r := range rows {
			if s := r.State(PeeringService); s == Yes || s == Possible {
				put(StepOptimised, PeeringService, r)
			}
		}
	}
	list := []Step{}
	for _, reason := range StepReasons() {
		for _, key := range order {
			if s := steps[key]; s.Reason == reason {
				list = append(list, *s)
			}
		}
	}
	return list
}
