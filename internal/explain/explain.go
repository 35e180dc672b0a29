package explain

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/policy"
	"sekisho/internal/route"
)

// Explain answers about t, which must come from endpoint.ParseTarget. The zero target yields an answer of kind "none".
// Whoever asks often makes one Book and asks that.
func Explain(t endpoint.Target, c Context) Answer { return NewBook(c).Explain(t.String(), t) }

// Explain answers about t, which must come from endpoint.ParseTarget of given.
func (b *Book) Explain(given string, t endpoint.Target) Answer {
	c := b.c
	a := Answer{
		Given:       given,
		Target:      t.String(),
		Kind:        t.Kind.String(),
		Host:        string(t.Host),
		Plain:       t.Kind == endpoint.URLTarget && t.Scheme == "http",
		Catalog:     b.CatalogAge(),
		ServiceTags: b.TagFiles(),
		Tags:        []Tag{},
	}
	switch {
	case t.Kind == endpoint.PrefixTarget:
		a.Prefix = t.Prefix.String()
	case t.Addr.IsValid():
		a.Address = t.Addr.String()
	}
	a.SignInAddress = b.signIn(t)
	if t.Kind != endpoint.PrefixTarget {
		a.Port = authorityOf(t).Port
	}
	hits := b.appendSets(nil, t)
	a.Sets = make([]Set, 0, len(hits))
	for _, h := range hits {
		a.Sets = append(a.Sets, b.set(h))
	}
	tags, whole := b.appendTags(nil, t)
	a.TagsCut = !whole
	for _, h := range tags {
		a.Tags = append(a.Tags, tagOf(h))
	}
	a.contradict(b.c.Catalog, hits)
	if t.Host != "" {
		a.classify(t.Host, c)
	}
	a.Decision = b.decide(t, a.Plain)
	a.Route = roadsOf(c.Roads, t)
	a.hint(c, hits)
	return a
}

// roadsOf is the route of t, by lists and names alone: lookup resolves nothing.
func roadsOf(roads *route.Book, t endpoint.Target) *route.Answer {
	var a route.Answer
	switch {
	case roads == nil:
		return nil
	case t.Kind == endpoint.PrefixTarget:
		a = roads.Prefix(t.Prefix)
	case t.Addr.IsValid():
		a = roads.Address(t.Addr)
	case t.Host != "":
		a = roads.Host(t.Host, nil)
	default:
		return nil
	}
	return &a
}

// sourceOf never fails: a claim without source is shown without.
func sourceOf(s *catalog.Source, c *Context) Source {
	if s == nil {
		return Source{}
	}
	age := s.Age(c.Now, int(c.WarnAge/(24*time.Hour)))
	return Source{ID: s.ID, Title: s.Title, URL: s.URL, Date: age.Date, Read: age.Read, AgeDays: age.AgeDays, Stale: age.Stale}
}

// days are the whole days from since to now, never less than 0.
func days(since, now time.Time) int {
	return max(0, int(now.Sub(since)/(24*time.Hour)))
}

func (a *Answer) classify(h endpoint.Host, c Context) {
	k := c.Catalog.Classify(h)
	a.Class = &Class{Code: k.Class.String(), Pattern: k.Pattern.String(), Why: k.Why}
	if k.Source != nil {
		s := sourceOf(k.Source, &c)
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
			Aspect: s.Aspect, Value: s.Value, Pattern: s.Pattern.String(), Text: s.Text, Source: sourceOf(s.Source, &c),
		})
	}
}

// decide asks the policy about t; nil without one, and for prefixes.
func (b *Book) decide(t endpoint.Target, plain bool) *Decision {
	c := b.c
	if c.Program == nil || t.Host == "" && !t.Addr.IsValid() || t.Kind == endpoint.PrefixTarget {
		return nil
	}
	authority := authorityOf(t)
	d := c.Program.Decide(policy.Ask{Subject: c.Subject, Authority: authority, Plain: plain})
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
	return out
}

// contradict compares what different sources say, for one cloud, of the very same pattern or prefix, the most specific
// that covers the target. A wider row that says something else is no contradiction: it speaks of other hosts too. Nor is
// one of another cloud: it speaks of other people; nor the rows of one source for two purposes. The measure is that of
// catalog.Disagreements.
func (a *Answer) contradict(s *catalog.Snapshot, hits []hit) {
	a.Contradictions = []Contradiction{}
	byCloud := map[string][]*catalog.Set{}
	var clouds []string
	first := -1
	for i, h := range hits {
		if h.tag != "" {
			continue // a set that names a service tag says nothing of the tag's single prefixes
		}
		if first < 0 {
			first = i
		}
		if !h.Set.Withdrawn.IsZero() || h.Pattern != hits[first].Pattern || h.Prefix != hits[first].Prefix {
			continue
		}
		cloud := h.Set.ID.Cloud
		if byCloud[cloud] == nil {
			clouds = append(clouds, cloud)
		}
		byCloud[cloud] = append(byCloud[cloud], h.Set)
	}
	for _, cloud := range clouds {
		a.contradictIn(s, byCloud[cloud])
	}
}

func (a *Answer) contradictIn(s *catalog.Snapshot, sets []*catalog.Set) {
	compare := func(aspect string, sets []*catalog.Set, say func(*catalog.Set) string) {
		if !catalog.Differ(sets, say) {
			return
		}
		var says []Says
		for _, set := range sets {
			if v := say(set); v != "" {
				says = append(says, Says{Claim: set.ID.String(), Value: v})
			}
		}
		a.Contradictions = append(a.Contradictions, Contradiction{Aspect: aspect, Says: says})
	}
	compare("required", s.Related(sets), func(set *catalog.Set) string {
		if set.Required {
			return "yes"
		}
		return "no"
	})
	compare("category", sets, func(set *catalog.Set) string { return set.Category.String() })
	compare("express-route", sets, func(set *catalog.Set) string {
		if set.ExpressRoute == catalog.NotStated {
			return ""
		}
		return set.ExpressRoute.String()
	})
	compare("inspection", sets, func(set *catalog.Set) string {
		if set.Handling.Inspection == catalog.InspectionNotStated {
			return ""
		}
		return set.Handling.Inspection.String()
	})
	compare("ports", sets, func(set *catalog.Set) string {
		if set.PortsInferred {
			return ""
		}
		return set.Ports.String()
	})
}

// hint says what the reader may do next, where the rest of the answer does not.
func (a *Answer) hint(c Context, hits []hit) {
	a.Hints = []finding.Finding{}
	note := func(f finding.Finding) { a.Hints = append(a.Hints, f) }
	ordinary := a.Class == nil || a.Class.Code == catalog.Ordinary.String()
	claimed := slices.ContainsFunc(a.Sets, func(s Set) bool { return s.Withdrawn == "" })
	switch {
	case claimed:
	case a.Host == "":
		note(finding.New("explain.address-not-in-catalog", finding.Info, finding.Pos{}, "target", a.Target))
	case ordinary:
		note(finding.New("explain.not-in-catalog", finding.Info, finding.Pos{}, "target", a.Host))
	}
	if a.SignInAddress {
		note(finding.New("explain.sign-in-address", finding.Info, finding.Pos{}))
	}
	a.hintAge(c, hits)
	if a.Decision == nil {
		if a.Host != "" {
			note(finding.New("explain.no-policy", finding.Info, finding.Pos{}))
		}
		return
	}
	if !ordinary && a.Decision.Client == "" {
		note(finding.New("explain.caller-matters", finding.Info, finding.Pos{}))
	}
	if a.Decision.Reason != string(policy.ReasonNotAllowed) || !claimed {
		return
	}
	var features []string
	for _, s := range a.Sets {
		if s.NotForTenant || len(s.Lacks) > 0 || s.Direction != catalog.Outbound.String() {
			continue // naming the feature in the configuration would not open it
		}
		for _, f := range s.Features {
			if s.Withdrawn == "" && !f.InUse && !slices.Contains(features, f.ID) {
				features = append(features, f.ID)
			}
		}
	}
	if len(features) > 0 {
		note(finding.New("explain.feature-not-in-use", finding.Info, finding.Pos{}, "features", strings.Join(features, ", ")))
	}
}

// hintAge says what data is missing or old. Service tags have nothing to say of host names.
func (a *Answer) hintAge(c Context, hits []hit) {
	note := func(f finding.Finding) { a.Hints = append(a.Hints, f) }
	if a.Catalog.Stale {
		note(CatalogStale(a.Catalog))
	}
	sets := make([]*catalog.Set, 0, len(hits))
	for _, h := range hits {
		sets = append(sets, h.Set)
	}
	a.Hints = append(a.Hints, catalog.Stale(catalog.Ages(sets, c.Now, int(c.WarnAge/(24*time.Hour))))...)
	if a.Host != "" {
		return
	}
	if c.Tags == nil && a.Kind != "none" {
		note(finding.New("explain.no-service-tags", finding.Info, finding.Pos{}))
	}
	for _, f := range a.ServiceTags {
		if f.Stale {
			note(TagsStale(f))
		}
	}
}

// CatalogStale warns of the age of the catalog.
func CatalogStale(c CatalogAge) finding.Finding {
	return finding.New("explain.catalog-stale", finding.Warning, finding.Pos{}, "version", c.Version, "days", strconv.Itoa(c.AgeDays))
}

// TagsStale warns of the age of a service tags file.
func TagsStale(f TagFile) finding.Finding {
	return finding.New("explain.tags-stale", finding.Warning, finding.Pos{}, "version", f.Version, "days", strconv.Itoa(f.AgeDays))
}
