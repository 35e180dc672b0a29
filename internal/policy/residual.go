package policy

import (
	"strconv"

	"sekisho/internal/finding"
	"sekisho/internal/restrict"
)

// Residual lists, as Info findings, what has to be true outside the gateway for the policy to hold (prerequisites) and
// what no proxy can see (residual risks); the hint of each says what else closes it. The order is that in which an
// administrator would go through them. What does not apply to this policy is left out.
func (p *Program) Residual() finding.List {
	if p == nil {
		return nil
	}
	var out finding.List
	note := func(f finding.Finding) { out = append(out, f) }
	none := finding.Pos{}
	note(finding.New("policy.prerequisite-force-proxy", finding.Info, none))
	note(finding.New("policy.prerequisite-block-udp", finding.Info, none))
	note(finding.New("policy.prerequisite-root", finding.Info, none))
	note(finding.New("policy.prerequisite-modern-authentication", finding.Info, none))
	note(finding.New("policy.prerequisite-licence", finding.Info, none))
	for _, r := range p.rings {
		if r.Mode != Enforce {
			note(finding.New("policy.residual-ring", finding.Info, r.Pos, "ring", r.Name, "mode", r.Mode.String()))
		}
	}
	if len(p.rings) > 0 && !p.rings[len(p.rings)-1].CatchAll() || len(p.rings) == 0 {
		note(finding.New("policy.residual-no-ring", finding.Info, none))
	}
	note(finding.New("policy.residual-device-login", finding.Info, none))
	note(finding.New("policy.residual-ech", finding.Info, none))
	note(finding.New("policy.residual-replayed-token", finding.Info, none))
	note(finding.New("policy.residual-off-network", finding.Info, none))
	note(finding.New("policy.residual-legacy-authentication", finding.Info, none))
	note(finding.New("policy.residual-anonymous-links", finding.Info, none))
	note(finding.New("policy.residual-platform-sso", finding.Info, none))
	if n := len(p.aliases); n > 0 {
		note(finding.New("policy.residual-aliases", finding.Info, p.aliases[0].rule.Pos, "count", strconv.Itoa(n)))
	}
	if n := len(p.pacDirect); n > 0 {
		note(finding.New("policy.residual-pac-direct", finding.Info, none, "count", strconv.Itoa(n)))
	}
	for _, f := range p.profiles {
		if f.Version() == restrict.V2 {
			note(finding.New("policy.residual-v2-report", finding.Info, none, "profile", f.Name()))
		}
	}
	return out
}
