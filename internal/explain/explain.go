package explain

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/policy"
)

// Explain answers about t, which must come from endpoint.ParseTarget. The zero target yields an answer of kind "none".
func Explain(t endpoint.Target, c Context) Answer {
	if c.Catalog == nil {
		c.Catalog = catalog.Builtin()
	}
	if c.Now.IsZero() {
		c.Now = c.Catalog.Date()
	}
	a := Answer{
		Target:  t.String(),
		Kind:    t.Kind.String(),
		Host:    string(t.Host),
		Plain:   t.Kind == endpoint.URLTarget && t.Scheme == "http",
		Catalog: CatalogAge{Version: c.Catalog.Version(), AgeDays: days(c.Catalog.Date(), c.Now)},
	}
	switch {
	case t.Kind == endpoint.PrefixTarget:
		a.Prefix = t.Prefix.String()
		a.SignInAddress = slices.ContainsFunc(c.Catalog.SignInPrefixes(), t.Prefix.Overlaps)
	case t.Addr.IsValid():
		a.Address = t.Addr.String()
		a.SignInAddress = contains(c.Catalog.SignInPrefixes(), t.Addr)
	}
	if t.Kind != endpoint.PrefixTarget {
		a.Port = authorityOf(t).Port
	}
	hits := hitsOf(t, c.Catalog)
	a.sets(hits, c)
	a.contradict(hits)
	if t.Host != "" {
		a.classify(t.Host, c)
	}
	a.decide(t, c)
	a.hint()
	return a
}

// hit is a set that covers the target, or a part of it.
type hit struct {
	catalog.Hit
	part bool
}

func hitsOf(t endpoint.Target, s *catalog.Snapshot) []hit {
	var out []hit
	add := func(found []catalog.Hit) {
		for _, h := range found {
			// A set may cover a host by several patterns; the first is the most specific.
			if !slices.ContainsFunc(out, func(o hit) bool { return o.Set == h.Set }) {
				out = append(out, hit{Hit: h})
			}
		}
	}
	switch {
	case t.Kind == endpoint.PrefixTarget:
		for _, set := range s.Sets() {
			if h, ok := prefixHit(set, t.Prefix); ok {
				out = append(out, h)
			}
		}
		slices.SortStableFunc(out, func(x, y hit) int {
			if x.part != y.part {
				if y.part {
					return -1
				}
				return 1
			}
			return y.Prefix.Bits() - x.Prefix.Bits()
		})
	case t.Addr.IsValid():
		add(s.AppendAddrHits(nil, t.Addr.Unmap()))
	case t.Host != "":
		add(s.AppendHits(nil, t.Host))
	}
	return out
}

// prefixHit says whether set covers p whole (the longest such prefix), or a part of it.
func prefixHit(set *catalog.Set, p netip.Prefix) (hit, bool) {
	var best hit
	for _, q := range set.Prefixes {
		switch {
		case !q.Overlaps(p):
		case q.Bits() <= p.Bits():
			if best.Set == nil || best.part || q.Bits() > best.Prefix.Bits() {
				best = hit{Hit: catalog.Hit{Set: set, Prefix: q}}
			}
		case best.Set == nil:
			best = hit{Hit: catalog.Hit{Set: set, Prefix: q}, part: true}
		}
	}
	return best, best.Set != nil
}

func (a *Answer) sets(hits []hit, c Context) {
	var used []catalog.FeatureID
	if c.Program != nil {
		used = c.Program.Features()
	}
	a.Sets = make([]Set, 0, len(hits))
	for _, h := range hits {
		s := Set{
			Claim: h.Set.ID.String(), Title: h.Set.Title, Area: h.Set.Area, Category: h.Set.Category.String(),
			Required: h.Set.Required, Lost: h.Set.LostWithout, Match: h.Pattern.String(), Part: h.part,
			Ports: h.Set.Ports.String(), Direction: h.Set.Direction.String(), ExpressRoute: h.Set.ExpressRoute.String(),
			Features: []Feature{}, Source: sourceOf(h.Set.Source, c.Now),
		}
		if h.Prefix.IsValid() {
			s.Match = h.Prefix.String()
		}
		if !h.Set.Withdrawn.IsZero() {
			s.Withdrawn = h.Set.Withdrawn.Format(time.DateOnly)
		}
		for _, f := range c.Catalog.FeaturesOf(h.Set.ID) {
			s.Features = append(s.Features, Feature{ID: string(f), InUse: slices.Contains(used, f)})
		}
		a.Sets = append(a.Sets, s)
	}
}

// sourceOf never fails: a claim without source is shown without.
func sourceOf(s *catalog.Source, now time.Time) Source {
	if s == nil {
		return Source{}
	}
	out := Source{ID: s.ID, Title: s.Title, URL: s.URL, Date: s.DateText(), Read: s.Read.Format(time.DateOnly)}
	since := s.Date
	if since.IsZero() {
		since = s.Read
	}
	out.AgeDays = days(since, now)
	return out
}

// days are the whole days from since to now, never less than 0.
func days(since, now time.Time) int {
	return max(0, int(now.Sub(since)/(24*time.Hour)))
}

func (a *Answer) classify(h endpoint.Host, c Context) {
	k := c.Catalog.Classify(h)
	a.Class = &Class{Code: k.Class.String(), Pattern: k.Pattern.String(), Why: k.Why}
	if k.Source != nil {
		s := sourceOf(k.Source, c.Now)
		a.Class.Source = &s
	}
	handling := c.Catalog.Handling(h)
	a.Handling = &Handling{
		Inspection: handling.Inspection.String(), ProxyAuthExempt: handling.ProxyAuthExempt,
		ByteRanges: handling.ByteRanges, ClientCertificate: handling.ClientCertificate, WebSocket: handling.WebSocket,
		IdleTimeoutSeconds: int64(handling.IdleTimeout / time.Second), Statements: []Statement{},
	}
	for _, s := range handling.Because {
		a.Handling.Statements = append(a.Handling.Statements, Statement{
			Aspect: s.Aspect, Value: s.Value, Pattern: s.Pattern.String(), Text: s.Text, Source: sourceOf(s.Source, c.Now),
		})
	}
}

func (a *Answer) decide(t endpoint.Target, c Context) {
	if c.Program == nil || t.Host == "" && !t.Addr.IsValid() || t.Kind == endpoint.PrefixTarget {
		return
	}
	authority := authorityOf(t)
	d := c.Program.Decide(policy.Ask{Subject: c.Subject, Authority: authority, Plain: a.Plain})
	out := &Decision{
		User: c.Subject.User, Groups: c.Subject.Groups, Verdict: d.Verdict.String(), Action: d.Action.String(),
		Reason: string(d.Why()), Ring: d.Ring, Profile: d.Profile, Would: string(d.Would),
		Rule: Rule{Text: d.Rule.Text, Pattern: d.Rule.Pattern.String(), Ports: d.Rule.Ports.String()},
		Sets: []Header{}, PolicyHash: c.Program.Hash(),
	}
	if c.Subject.Client.IsValid() {
		out.Client = c.Subject.Client.String()
	}
	if d.Ring != "" {
		out.Mode = d.Mode.String()
	}
	if d.Rule.Pos.Known() {
		out.Rule.Place = d.Rule.Pos.String()
	}
	if d.Rule.Claim != (catalog.ClaimID{}) {
		out.Rule.Claim = d.Rule.Claim.String()
	}
	if d.Plan.Ready() {
		out.Deletes = true
		for _, f := range d.Plan.Set() {
			out.Sets = append(out.Sets, Header{Name: f.Name, Value: f.Value})
		}
	}
	a.Decision = out
}

// contradict compares what claims say of the very same pattern or prefix, the most specific that covers the target. A
// wider row that says something else is no contradiction: it speaks of other hosts too.
func (a *Answer) contradict(hits []hit) {
	a.Contradictions = []Contradiction{}
	compare := func(aspect string, of func(h hit) string) {
		var says []Says
		differ := false
		for _, h := range hits {
			v := of(h)
			if v == "" || !h.Set.Withdrawn.IsZero() || h.Pattern != hits[0].Pattern || h.Prefix != hits[0].Prefix {
				continue
			}
			differ = differ || len(says) > 0 && says[0].Value != v
			says = append(says, Says{Claim: h.Set.ID.String(), Value: v})
		}
		if differ {
			a.Contradictions = append(a.Contradictions, Contradiction{Aspect: aspect, Says: says})
		}
	}
	compare("required", func(h hit) string {
		if h.Set.Required {
			return "yes"
		}
		return "no"
	})
	compare("category", func(h hit) string { return h.Set.Category.String() })
	compare("express-route", func(h hit) string {
		if h.Set.ExpressRoute == catalog.NotStated {
			return ""
		}
		return h.Set.ExpressRoute.String()
	})
	compare("inspection", func(h hit) string {
		if h.Set.Handling.Inspection == catalog.InspectionNotStated {
			return ""
		}
		return h.Set.Handling.Inspection.String()
	})
	compare("ports", func(h hit) string { return h.Set.Ports.String() })
}

// hint says what the reader may do next, where the rest of the answer does not.
func (a *Answer) hint() {
	a.Hints = []finding.Finding{}
	note := func(f finding.Finding) { a.Hints = append(a.Hints, f) }
	ordinary := a.Class == nil || a.Class.Code == catalog.Ordinary.String()
	switch {
	case len(a.Sets) > 0:
	case a.Host == "":
		note(finding.New("explain.address-not-in-catalog", finding.Info, finding.Pos{}, "target", a.Target))
	case ordinary:
		note(finding.New("explain.not-in-catalog", finding.Info, finding.Pos{}, "target", a.Host))
	}
	if a.SignInAddress {
		note(finding.New("explain.sign-in-address", finding.Info, finding.Pos{}))
	}
	if a.Decision == nil {
		if a.Host != "" {
			note(finding.New("explain.no-policy", finding.Info, finding.Pos{}))
		}
		return
	}
	if !ordinary && a.Decision.Client == "" {
		note(finding.New("explain.caller-matters", finding.Info, finding.Pos{}))
	}
	if a.Decision.Reason != string(policy.ReasonNotAllowed) || len(a.Sets) == 0 {
		return
	}
	var features []string
	for _, s := range a.Sets {
		for _, f := range s.Features {
			if !f.InUse && !slices.Contains(features, f.ID) {
				features = append(features, f.ID)
			}
		}
	}
	if len(features) > 0 {
		note(finding.New("explain.feature-not-in-use", finding.Info, finding.Pos{}, "features", strings.Join(features, ", ")))
	}
}
