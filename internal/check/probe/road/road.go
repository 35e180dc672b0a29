// Package road is the stage "owner": whose the addresses are, and whether a road that the organisation has carries them.
//
//	step := road.Probe(book, "outlook.office365.com", answer)
//
// It asks package route, which judges by data alone, and sends nothing. An endpoint that none of the organisation's roads
// carries is a suspicion: a proxy may reach it all the same.
package road

import (
	"strings"

	"sekisho/internal/check/verdict"
	"sekisho/internal/dnsx"
	"sekisho/internal/endpoint"
	"sekisho/internal/route"
)

// Probe judges the addresses of answer. A nil book leaves the stage not tested.
func Probe(book *route.Book, host endpoint.Host, answer dnsx.Answer) verdict.Step {
	step := verdict.Step{Stage: verdict.Owner}
	if book == nil {
		return step
	}
	resolved := []route.Resolution{{Resolver: answer.Server.String(), At: answer.At, Name: host, Chain: answer.Chain, Addrs: answer.Addrs}}
	known := book.Host(host, resolved)
	step.Note("owner", known.Owner.Code, "holder", known.Owner.Name, "owner_evidence", known.Owner.Level.String(), "region", known.Region)
	best, any := route.No, false
	var roads []string
	for _, p := range route.Patterns() {
		if !book.Has(p) {
			continue
		}
		v := known.Verdict(p)
		roads = append(roads, p.String()+"="+v.State.String())
		if any = true; best.Worse(v.State) {
			best = v.State
		}
	}
	step.Note("roads", strings.Join(roads, " "))
	if any && best == route.No {
		step.Judge("owner.not-carried")
	}
	step.Passed()
	return step
}
