package catalog

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

// Build joins parts into the snapshot called version. It refuses, with a finding at each place: a source, claim,
// feature or class pattern that is written twice; a reference to one that does not exist; a feature that requires one
// below it; a set that no feature claims and that is not marked unattached; handling that contradicts itself (required
// and forbidden for the same pattern) or that softens what a wider pattern forbids. The snapshot is nil exactly when
// there are findings.
func Build(version string, parts ...*Part) (*Snapshot, finding.List) {
	return build(version, nil, parts...)
}

func build(version string, values Values, parts ...*Part) (*Snapshot, finding.List) {
	b := &builder{
		Snapshot: &Snapshot{
			version:    version,
			parts:      parts,
			values:     values,
			sourceByID: map[string]*Source{},
			setByID:    map[ClaimID]*Set{},
			featureAt:  map[FeatureID]int{},
			featuresOf: map[ClaimID][]FeatureID{},
		},
		at:     map[any]finding.Pos{},
		voices: map[endpoint.Pattern]*draftVoice{},
	}
	each := func(f func(*Part)) {
		for _, p := range parts {
			f(p)
		}
	}
	each(b.addSources)
	each(b.addSets)
	each(b.renew)
	for _, set := range b.sets {
		b.fit(set)
	}
	each(b.addFeatures)
	b.checkAttached()
	b.sortSets()
	b.addRows()
	each(b.addRules)
	each(b.addCategoryRules)
	b.checkVoices()
	each(b.addClasses)
	each(b.addSignIn)
	if len(b.found) > 0 {
		return nil, b.found.Sort()
	}
	b.index()
	return b.Snapshot, nil
}

type builder struct {
	*Snapshot
	found  finding.List
	drafts []declared[*setDraft]
	at     map[any]finding.Pos // of sources (by string), sets, features and class patterns (by their own types)
	voices map[endpoint.Pattern]*draftVoice
	order  []*draftVoice
	near   []*voice // room of checkVoices
}

// draftVoice is a voice with the places of what it says of inspection.
type draftVoice struct {
	voice
	pos         finding.Pos
	contradicts bool // both required and forbidden
}

func (b *builder) fail(pos finding.Pos, code string, args ...string) {
	b.found = append(b.found, finding.New("catalog."+code, finding.Error, pos, args...))
}

// first reports whether key is new; if not, it says where it was written before.
func (b *builder) first(key any, name string, pos finding.Pos) bool {
	if at, twice := b.at[key]; twice {
		b.fail(pos, "repeated", "value", name, "first", at.String())
		return false
	}
	b.at[key] = pos
	return true
}

func (b *builder) addSources(p *Part) {
	for _, d := range p.sources {
		if !b.first(d.v.ID, d.v.ID, d.pos) {
			continue
		}
		b.sourceByID[d.v.ID] = d.v
		b.sources = append(b.sources, d.v)
		if d.v.Read.After(b.date) {
			b.date = d.v.Read
		}
	}
}

func (b *builder) sourceNamed(n named) *Source {
	s, ok := b.sourceByID[n.v]
	if !ok {
		b.fail(n.pos, "unknown-source", "value", n.v)
	}
	return s
}

func (b *builder) addSets(p *Part) {
	for _, d := range p.sets {
		if !b.first(d.v.ID, d.v.ID.String(), d.pos) {
			continue
		}
		set := d.v.Set // a copy: parts may be built again
		set.Source = b.sourceNamed(d.v.source)
		if set.Seen.IsZero() && set.Source != nil {
			set.Seen = set.Source.Read
		}
		if !set.Withdrawn.IsZero() && set.Withdrawn.Before(set.Seen) {
			b.fail(d.pos, "withdrawn", "seen", set.Seen.Format(time.DateOnly))
		}
		d.v = &setDraft{Set: set, handling: d.v.handling, source: d.v.source}
		b.drafts = append(b.drafts, d)
		b.sets = append(b.sets, &d.v.Set)
		b.setByID[set.ID] = &d.v.Set
	}
}

func (b *builder) addFeatures(p *Part) {
	for _, d := range p.features {
		f := d.v.Feature
		if !b.first(f.ID, string(f.ID), d.pos) {
			continue
		}
		for _, r := range d.v.requires {
			if _, ok := b.featureAt[FeatureID(r.v)]; !ok {
				b.fail(r.pos, "unknown-feature", "value", r.v)
			}
			f.Requires = append(f.Requires, FeatureID(r.v))
		}
		for _, c := range d.v.claims {
			switch _, ok := b.setByID[c.v]; {
			case !ok:
				b.fail(c.pos, "unknown-claim", "value", c.v.String())
			case slices.Contains(f.Claims, c.v):
				b.fail(c.pos, "repeated", "value", c.v.String(), "first", d.pos.String())
			default:
				f.Claims = append(f.Claims, c.v)
				b.featuresOf[c.v] = append(b.featuresOf[c.v], f.ID)
			}
		}
		b.featureAt[f.ID] = len(b.features)
		b.features = append(b.features, &f)
	}
}

// checkAttached: a set that nobody can choose is a mistake unless it says so.
func (b *builder) checkAttached() {
	for _, set := range b.sets {
		switch claimed := len(b.featuresOf[set.ID]) > 0; {
		case !claimed && !set.Unattached:
			b.fail(b.at[set.ID], "unattached", "value", set.ID.String())
		case claimed && set.Unattached:
			b.fail(b.at[set.ID], "attached", "value", set.ID.String())
		}
	}
}

// sortSets orders sets by the first feature that claims them and by their place in it.
func (b *builder) sortSets() {
	place := func(s *Set) (feature, claim int) {
		of := b.featuresOf[s.ID]
		if len(of) == 0 {
			return math.MaxInt, 0
		}
		i := b.featureAt[of[0]]
		return i, slices.Index(b.features[i].Claims, s.ID)
	}
	slices.SortStableFunc(b.sets, func(x, y *Set) int {
		xf, xc := place(x)
		yf, yc := place(y)
		return cmp.Or(cmp.Compare(xf, yf), cmp.Compare(xc, yc))
	})
}

// addRows takes what rows say of all their hosts.
func (b *builder) addRows() {
	for _, d := range b.drafts {
		set := &d.v.Set
		row := draftVoice{} // a withdrawn row still tells what it said, but no longer speaks of hosts
		for _, r := range d.v.handling {
			src := set.Source
			if r.source.v != "" {
				src = b.sourceNamed(r.source)
			}
			row.add(r, endpoint.Pattern{}, src)
			if !set.Withdrawn.IsZero() {
				continue
			}
			for _, p := range hostsOf(set) {
				b.voice(p, d.pos).add(r, p, src)
			}
		}
		set.Handling = merge([]*voice{&row.voice})
	}
}

// hostsOf returns the host patterns of a set, those of its URLs included.
func hostsOf(set *Set) []endpoint.Pattern {
	out := slices.Clone(set.Patterns)
	for _, u := range set.URLs {
		if !slices.Contains(out, u.Host) {
			out = append(out, u.Host)
		}
	}
	return out
}

func (b *builder) addRules(p *Part) {
	for _, d := range p.rules {
		src := b.sourceNamed(d.v.source)
		for _, h := range d.v.hosts {
			b.voice(h.v, h.pos).add(d.v, h.v, src)
		}
	}
}

// addCategoryRules lets rules by category speak of every host of the sets that have it.
func (b *builder) addCategoryRules(p *Part) {
	for _, d := range p.rules {
		for _, set := range b.sets {
			if !slices.Contains(d.v.categories, set.Category) || !set.Withdrawn.IsZero() {
				continue
			}
			for _, h := range hostsOf(set) {
				v := b.voice(h, d.pos)
				if v.general.speaks() {
					continue
				}
				v.general = says{inspection: d.v.inspection, because: []Statement{{
					AspectInspection, d.v.inspection.String(), h, d.v.text, b.sourceByID[d.v.source.v]}}}
			}
		}
	}
}

func (b *builder) voice(p endpoint.Pattern, pos finding.Pos) *draftVoice {
	v, ok := b.voices[p]
	if !ok {
		v = &draftVoice{voice: voice{pattern: p, specificity: specificityOf(p)}, pos: pos}
		b.voices[p] = v
		b.order = append(b.order, v)
	}
	return v
}

// add makes v say what r says. Both of two contradicting statements are kept for checkVoices to find.
func (v *draftVoice) add(r *rule, p endpoint.Pattern, src *Source) {
	put := func(aspect int, name, value string, s says) {
		s.because = []Statement{{name, value, p, r.text, src}}
		if v.says[aspect].speaks() {
			s = stricter(v.says[aspect], s)
			// The stricter holds, but a pattern that is both required and forbidden is a mistake in the data.
			if aspect == inspectionAspect && (r.inspection == InspectionRequired) != (v.says[aspect].inspection == InspectionRequired) &&
				s.inspection == InspectionForbidden {
				v.contradicts = true
			}
		}
		v.says[aspect] = s
	}
	if r.inspection != InspectionNotStated {
		put(inspectionAspect, AspectInspection, r.inspection.String(), says{inspection: r.inspection})
	}
	for aspect, word := range yesWords {
		if r.yes[aspect] {
			put(aspect, word.aspect, word.value, says{yes: true})
		}
	}
	if r.idle > 0 {
		put(idleTimeoutAspect, AspectIdleTimeout, r.idle.String(), says{idle: r.idle})
	}
}

// yesWords names the aspects that are either stated or not.
var yesWords = [aspects]struct{ aspect, value string }{
	proxyAuthAspect:         {AspectProxyAuth, "exempt"},
	byteRangesAspect:        {AspectByteRanges, "needed"},
	clientCertificateAspect: {AspectClientCertificate, "asked"},
	webSocketAspect:         {AspectWebSocket, "used"},
}

// checkVoices refuses contradictions, and fixes the answer for hosts whose matches are known beforehand.
func (b *builder) checkVoices() {
	for _, v := range b.order {
		b.voiceIndex.Add(v.pattern, &v.voice)
	}
	for _, v := range b.order {
		if v.contradicts {
			b.fail(v.pos, "contradiction", "value", v.pattern.String())
		}
		// Whatever covers the pattern covers one host of it, so that the index finds the few to look at.
		b.near = b.voiceIndex.Append(b.near[:0], endpoint.Host(strings.ReplaceAll(v.pattern.String(), "*", "\x00")))
		var covering []*voice
		for _, w := range b.near {
			if !w.pattern.Covers(v.pattern) {
				continue
			}
			covering = append(covering, w)
			own := v.says[inspectionAspect]
			if own.speaks() && own.inspection != InspectionForbidden &&
				w.says[inspectionAspect].inspection == InspectionForbidden {
				b.fail(v.pos, "softened", "value", v.pattern.String(), "by", w.pattern.String())
			}
		}
		v.chain, v.merged = len(covering), merge(covering)
	}
}

func (b *builder) addClasses(p *Part) {
	for _, d := range p.classes {
		src := b.sourceNamed(d.v.source)
		for _, h := range d.v.hosts {
			if !b.first(h.v, h.v.String(), h.pos) {
				continue
			}
			b.classes = append(b.classes, &Classification{d.v.class, h.v, src, d.v.why})
		}
	}
}

func (b *builder) addSignIn(p *Part) {
	for _, d := range p.signIn {
		set, ok := b.setByID[d.v]
		if !ok {
			b.fail(d.pos, "unknown-claim", "value", d.v.String())
			continue
		}
		b.signInPrefixes = append(b.signInPrefixes, set.Prefixes...)
	}
}

// index fills what lookups read.
func (b *builder) index() {
	s := b.Snapshot
	for _, set := range s.sets {
		if !set.Withdrawn.IsZero() {
			continue
		}
		for _, p := range hostsOf(set) {
			s.hostIndex.Add(p, Hit{Set: set, Pattern: p})
		}
		for _, p := range set.Prefixes {
			s.addrIndex.Add(p, Hit{Set: set, Prefix: p})
		}
	}
	for _, c := range s.classes {
		s.classIndex.Add(c.Pattern, c)
	}
}
