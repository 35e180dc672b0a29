package cli

import (
	"slices"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/route"
)

// rt words a text of the room route: id without "route.".
func (a *app) rt(id string, pairs ...string) string {
	args := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		args[pairs[i]] = pairs[i+1]
	}
	return a.printer.Text("route."+id, args)
}

// labelled prints lines behind a label of 15 columns; the label stands on the first.
func (a *app) labelled(label string, lines ...string) {
	for i, line := range lines {
		if i > 0 {
			label = ""
		}
		a.printf("%s %s\n", pad(label, 15), line)
	}
}

// patternColumns is the width of the column of patterns and two blanks (the longest name has 36 columns, in Japanese).
const patternColumns = 38

// mostLines bounds the parts, tags and claims of a screen (chosen: the JSON form has all of them).
const mostLines = 8

// printRoute prints an answer on a screen.
func (a *app) printRoute(x route.Answer) {
	a.labelled(a.rt("label.target"), x.Target+"  ("+a.rt("kind."+x.Kind)+")")
	owner := a.rt("owner." + x.Owner.Code)
	if x.Owner.Name != "" && x.Owner.Name != "Microsoft" {
		owner += "  " + x.Owner.Name
	}
	if x.Owner.AS != 0 {
		owner += "  AS" + itoa(int(x.Owner.AS))
	}
	if x.Owner.Level != 0 {
		owner += "  (" + a.rt("level."+x.Owner.Level.String()) + ")"
	}
	a.labelled(a.rt("label.owner"), owner)
	if x.Region != "" {
		a.labelled(a.rt("label.region"), x.Region)
	}
	if len(x.Communities) > 0 {
		var words []string
		for i, c := range x.Communities {
			if i == mostLines {
				words = append(words, a.rt("parts-cut", "count", itoa(len(x.Communities)-i)))
				break
			}
			text := c.String()
			if k, ok := route.CommunityNamed(c); ok {
				text += " (" + k.Title.In(a.printer.Language()) + ")"
			}
			words = append(words, text)
		}
		a.labelled(a.rt("label.communities"), words...)
	}
	a.labelled(a.rt("label.listed"), a.listed(x.Listed))
	for i, r := range x.Resolved {
		label := ""
		if i == 0 {
			label = a.rt("label.resolved")
		}
		chain := make([]string, 0, len(r.Chain)+1)
		for _, h := range r.Chain {
			chain = append(chain, h.String())
		}
		addrs := make([]string, len(r.Addrs))
		for i, addr := range r.Addrs {
			addrs[i] = addr.String()
		}
		chain = append(chain, strings.Join(addrs, " "))
		a.labelled(label, a.rt("resolved", "name", r.Name.String(), "chain", strings.Join(chain, " -> "), "resolver", r.Resolver, "site", r.Site))
	}
	if x.Mixed {
		a.labelled("", a.rt("mixed", "count", itoa(len(x.Parts)+x.PartsCut)))
	}
	for i, v := range x.Verdicts {
		label := ""
		if i == 0 {
			label = a.rt("label.verdicts")
		}
		a.printVerdict(label, v)
	}
	a.printParts(x)
	if x.Ask != nil {
		a.labelled(a.rt("label.ask"), a.rt("ask."+x.Ask.Whom)+" "+x.Ask.Question.In(a.printer.Language()))
	}
	for i, f := range x.Hints {
		label := ""
		if i == 0 {
			label = a.rt("label.note")
		}
		a.labelled(label, a.printer.Finding(f))
		if hint := a.printer.Hint(f); hint != "" {
			a.labelled("", "  "+hint)
		}
	}
	a.printf("\n")
}

// listed words what the endpoint lists say.
func (a *app) listed(l route.Listed) string {
	said := a.rt("listed." + l.ExpressRoute)
	if len(l.Says) == 0 {
		return said
	}
	var claims []string
	for i, s := range l.Says {
		if i == 3 {
			claims = append(claims, "...")
			break
		}
		claims = append(claims, s.Claim)
	}
	return a.rt("listed", "said", said, "claims", strings.Join(claims, ", "))
}

func (a *app) printVerdict(label string, v route.Verdict) {
	head := pad(a.rt("state."+v.State.String()), 11) + pad(a.rt("pattern."+v.Pattern.String()), patternColumns)
	reason := a.rt("reason."+string(v.Reason)) + " [" + string(v.Reason) + "]"
	if v.Circuit != "" {
		reason += "  " + a.rt("circuit", "name", v.Circuit)
	}
	a.labelled(label, head+reason)
	indent := strings.Repeat(" ", 11)
	if len(v.Needs) > 0 {
		var needs []string
		for i, n := range v.Needs {
			if i == mostLines {
				needs = append(needs, a.rt("parts-cut", "count", itoa(len(v.Needs)-i)))
				break
			}
			needs = append(needs, a.rt("need."+n.Code, "value", n.Value))
		}
		a.labelled("", indent+"+ "+strings.Join(needs, "; "))
	}
	for _, n := range v.Notes {
		value := n.Value
		if n.Code == route.NoteListDiffers {
			value = a.rt("listed." + value)
		}
		a.labelled("", indent+"! "+a.rt("note."+n.Code, "value", value))
	}
	if v.Pattern == route.MicrosoftPeering {
		for i, e := range v.Evidence {
			if i == 3 {
				break
			}
			a.labelled("", indent+"= "+a.rt("level."+e.Level.String())+": "+e.Fact+"  ("+e.From+")")
		}
	}
}

// printParts prints what a mixed answer was made of: the worst first, for Microsoft peering, which tells parts apart.
func (a *app) printParts(x route.Answer) {
	if !x.Mixed {
		return
	}
	parts := slices.Clone(x.Parts)
	state := func(p route.Part) route.Verdict { return p.Verdicts[route.MicrosoftPeering-1] }
	slices.SortStableFunc(parts, func(p, q route.Part) int {
		switch {
		case state(p).State.Worse(state(q).State):
			return -1
		case state(q).State.Worse(state(p).State):
			return 1
		}
		return 0
	})
	for i, p := range parts {
		label := ""
		if i == 0 {
			label = a.rt("label.parts")
		}
		if i == mostLines {
			a.labelled("", a.rt("parts-cut", "count", itoa(len(parts)-i+x.PartsCut)))
			return
		}
		line := pad(a.rt("state."+state(p).State.String()), 11) + p.Target
		for _, extra := range []string{p.Site, p.Region, "[" + string(state(p).Reason) + "]"} {
			if extra != "" {
				line += "  " + extra
			}
		}
		a.labelled(label, line)
	}
}

// textOf is a text of the catalog in the reader's language.
func (a *app) textOf(t catalog.Text) string { return t.In(a.printer.Language()) }
