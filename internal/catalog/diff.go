package catalog

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"sekisho/internal/endpoint"
)

// Difference is what changed between two snapshots. It is data: kinds and fields are stable codes, every list is
// sorted, the same two snapshots give the same value. The zero value says that nothing changed.
type Difference struct {
	From     string           `json:"from"` // version
	To       string           `json:"to"`
	FromDate time.Time        `json:"from_date,omitzero"`
	ToDate   time.Time        `json:"to_date,omitzero"`
	Sets     []SetChange      `json:"sets,omitempty"`     // by identity
	Hosts    Delta            `json:"hosts,omitzero"`     // of the catalog as a whole: patterns that no set had, or has any more
	Prefixes Delta            `json:"prefixes,omitzero"`  // likewise
	Handling []HandlingChange `json:"handling,omitempty"` // by pattern and aspect
	Features []FeatureChange  `json:"features,omitempty"` // by id
	Classes  []ClassChange    `json:"classes,omitempty"`  // by pattern
}

// IsZero reports whether nothing changed but version and date.
func (d Difference) IsZero() bool {
	return len(d.Sets) == 0 && d.Hosts.IsZero() && d.Prefixes.IsZero() && len(d.Handling) == 0 && len(d.Features) == 0 &&
		len(d.Classes) == 0
}

// Delta is what joined and what left a list, each in the order of the text.
type Delta struct {
	Added   []string `json:"added,omitempty"`
	Removed []string `json:"removed,omitempty"`
}

// IsZero reports whether nothing joined or left.
func (d Delta) IsZero() bool { return len(d.Added) == 0 && len(d.Removed) == 0 }

// The kinds of a change.
const (
	Added     = "added"
	Removed   = "removed"   // the catalog no longer knows it
	Withdrawn = "withdrawn" // the source no longer claims it; the catalog still knows that it did
	Restored  = "restored"  // claimed again
	Changed   = "changed"
)

// SetChange is what changed in one set. An added or restored set lists everything that it has as added, a removed or
// withdrawn one everything that it had as removed.
type SetChange struct {
	ID       ClaimID `json:"id"`
	Kind     string  `json:"kind"`
	Area     string  `json:"area"`
	Title    Text    `json:"title"`
	Hosts    Delta   `json:"hosts,omitzero"`
	URLs     Delta   `json:"urls,omitzero"`
	Prefixes Delta   `json:"prefixes,omitzero"`
	Ports    Delta   `json:"ports,omitzero"` // ranges: "tcp/443"
	// Templates are names that the section "tenant" fills; ServiceTags those whose address ranges belong to the row.
	Templates   Delta         `json:"templates,omitzero"`
	ServiceTags Delta         `json:"service_tags,omitzero"`
	Fields      []FieldChange `json:"fields,omitempty"`   // in the order of the constants
	Features    []FeatureID   `json:"features,omitempty"` // that claim it in either snapshot
}

// The fields that a FieldChange can speak of.
const (
	FieldArea         = "area"
	FieldCategory     = "category"
	FieldRequired     = "required"
	FieldDirection    = "direction"
	FieldExpressRoute = "express-route"
	FieldAnywhere     = "anywhere"
	FieldWhen         = "when" // for whom the row is: cloud, location, scale unit, seamless single sign-on
)

// FieldChange is one value that changed, as codes.
type FieldChange struct {
	Field string `json:"field"`
	From  string `json:"from"`
	To    string `json:"to"`
}

// HandlingChange is how hosts of one pattern are to be treated now. For a wildcard it speaks of the hosts that no
// narrower pattern of either snapshot covers.
type HandlingChange struct {
	Pattern endpoint.Pattern `json:"pattern"`
	Aspect  string           `json:"aspect"` // one of the Aspect constants
	From    string           `json:"from"`   // "" where nothing was stated
	To      string           `json:"to"`
}

// FeatureChange is what changed in a feature: what it requires and which sets it claims.
type FeatureChange struct {
	ID       FeatureID `json:"id"`
	Kind     string    `json:"kind"` // added, removed or changed
	Claims   Delta     `json:"claims,omitzero"`
	Requires Delta     `json:"requires,omitzero"`
}

// ClassChange is a host pattern whose role in sign-in changed; "" where it had or has none of its own.
type ClassChange struct {
	Pattern endpoint.Pattern `json:"pattern"`
	From    string           `json:"from"`
	To      string           `json:"to"`
}

// Diff compares two snapshots. It is pure; nil stands for an empty catalog. Texts are not compared: a better note
// changes nothing that anybody must do.
func Diff(a, b *Snapshot) Difference {
	if a == nil {
		a = &Snapshot{}
	}
	if b == nil {
		b = &Snapshot{}
	}
	d := Difference{From: a.version, To: b.version, FromDate: a.date, ToDate: b.date}
	d.Sets = diffSets(a, b)
	d.Hosts = delta(hostTexts(a), hostTexts(b))
	d.Prefixes = delta(prefixTexts(a), prefixTexts(b))
	d.Handling = diffHandling(a, b)
	d.Features = diffFeatures(a, b)
	d.Classes = diffClasses(a, b)
	return d
}

func diffSets(a, b *Snapshot) []SetChange {
	var out []SetChange
	for _, id := range keys(a.setByID, b.setByID) {
		was, is := a.setByID[id], b.setByID[id]
		shown := is
		c := SetChange{ID: id}
		switch {
		case was == nil:
			c.Kind = Added
		case is == nil:
			c.Kind, shown = Removed, was
		case was.Withdrawn.IsZero() && !is.Withdrawn.IsZero():
			c.Kind = Withdrawn
		case !was.Withdrawn.IsZero() && is.Withdrawn.IsZero():
			c.Kind = Restored
		default:
			c.Kind = Changed
		}
		before, after := content(was), content(is)
		c.Hosts, c.URLs = delta(before.hosts, after.hosts), delta(before.urls, after.urls)
		c.Prefixes, c.Ports = delta(before.prefixes, after.prefixes), delta(before.ports, after.ports)
		c.Templates, c.ServiceTags = delta(before.templates, after.templates), delta(before.tags, after.tags)
		if was != nil && is != nil {
			c.Fields = diffFields(was, is)
		}
		if c.Kind == Changed && len(c.Fields) == 0 && !slices.ContainsFunc(c.Deltas(), func(d PartDelta) bool { return !d.IsZero() }) {
			continue
		}
		c.Area, c.Title = shown.Area, shown.Title
		c.Features = union(a.featuresOf[id], b.featuresOf[id])
		out = append(out, c)
	}
	return out
}

// PartDelta is the Delta of one part of a set.
type PartDelta struct {
	Part string // host, url, prefix, port, template or service-tag
	Delta
}

// Deltas returns what joined and left each part of the set, those without a change too.
func (c SetChange) Deltas() []PartDelta {
	return []PartDelta{{"host", c.Hosts}, {"url", c.URLs}, {"prefix", c.Prefixes}, {"port", c.Ports}, {"template", c.Templates}, {"service-tag", c.ServiceTags}}
}

// contents is what a set opens, as texts.
type contents struct{ hosts, urls, prefixes, ports, templates, tags []string }

// content is empty for a set that is not there or withdrawn.
func content(s *Set) (c contents) {
	if s == nil || !s.Withdrawn.IsZero() {
		return c
	}
	for _, p := range s.Patterns {
		c.hosts = append(c.hosts, p.String())
	}
	for _, u := range s.URLs {
		c.urls = append(c.urls, u.String())
	}
	for _, p := range s.Prefixes {
		c.prefixes = append(c.prefixes, p.String())
	}
	for _, r := range s.Ports {
		c.ports = append(c.ports, endpoint.Ports{r}.String())
	}
	for _, t := range s.Templates {
		c.templates = append(c.templates, t.String())
	}
	c.tags = s.Tags
	return c
}

func diffFields(was, is *Set) []FieldChange {
	var out []FieldChange
	for _, f := range []FieldChange{
		{FieldArea, was.Area, is.Area},
		{FieldCategory, was.Category.String(), is.Category.String()},
		{FieldRequired, yesNo(was.Required), yesNo(is.Required)},
		{FieldDirection, was.Direction.String(), is.Direction.String()},
		{FieldExpressRoute, was.ExpressRoute.String(), is.ExpressRoute.String()},
		{FieldAnywhere, yesNo(was.Anywhere), yesNo(is.Anywhere)},
		{FieldWhen, was.whenText(), is.whenText()},
	} {
		if f.From != f.To {
			out = append(out, f)
		}
	}
	return out
}

// whenText prints for whom a row is, as codes; "" for everybody.
func (s *Set) whenText() string {
	var words []string
	for _, list := range [][]string{s.When.Clouds, s.When.Locations, s.ScaleUnits} {
		if len(list) > 0 {
			words = append(words, strings.Join(distinct(list), "|"))
		}
	}
	if s.When.SeamlessSSO != NotStated {
		words = append(words, "seamless-sso="+s.When.SeamlessSSO.String())
	}
	return strings.Join(words, " ")
}

func yesNo(b bool) string { return tri(b).String() }

// livePatterns are the patterns of sets that are not withdrawn.
func (s *Snapshot) livePatterns() map[endpoint.Pattern]bool {
	out := map[endpoint.Pattern]bool{}
	for _, set := range s.sets {
		if set.Withdrawn.IsZero() {
			for _, p := range hostsOf(set) {
				out[p] = true
			}
		}
	}
	return out
}

func hostTexts(s *Snapshot) []string {
	var out []string
	for p := range s.livePatterns() {
		out = append(out, p.String())
	}
	return out
}

func prefixTexts(s *Snapshot) []string {
	var out []string
	for _, set := range s.sets {
		out = append(out, content(set).prefixes...)
	}
	return out
}

// stand is what takes the star's place when a wildcard is asked for its handling: a label that nobody publishes.
const stand = "x7sekisho7x"

// HandlingOf says how hosts of a pattern are to be treated: of a wildcard, those that no narrower pattern covers.
func (s *Snapshot) HandlingOf(p endpoint.Pattern) Handling {
	for _, word := range []string{stand, "x"} { // the longest patterns have no room for the stand-in
		if host, err := endpoint.ParseHost(strings.ReplaceAll(p.String(), "*", word)); err == nil {
			return s.Handling(host)
		}
	}
	return Handling{}
}

func diffHandling(a, b *Snapshot) []HandlingChange {
	var out []HandlingChange
	before, after := a.livePatterns(), b.livePatterns()
	for _, p := range sortedPatterns(before, after) {
		if !before[p] || !after[p] {
			continue // a host that came or went is told as such
		}
		was, is := aspectValues(a.HandlingOf(p)), aspectValues(b.HandlingOf(p))
		for i, aspect := range aspectOrder {
			if was[i] != is[i] {
				out = append(out, HandlingChange{p, aspect, was[i], is[i]})
			}
		}
	}
	return out
}

// aspectOrder is the order in which aspects are told.
var aspectOrder = [aspects]string{
	AspectInspection, AspectProxyAuth, AspectByteRanges, AspectClientCertificate, AspectWebSocket, AspectIdleTimeout,
}

func aspectValues(h Handling) (out [aspects]string) {
	for _, s := range h.Because {
		out[slices.Index(aspectOrder[:], s.Aspect)] = s.Value
	}
	return out
}

func diffFeatures(a, b *Snapshot) []FeatureChange {
	before, after := map[FeatureID]*Feature{}, map[FeatureID]*Feature{}
	for _, f := range a.features {
		before[f.ID] = f
	}
	for _, f := range b.features {
		after[f.ID] = f
	}
	var out []FeatureChange
	for _, id := range keys(before, after) {
		was, is := before[id], after[id]
		c := FeatureChange{ID: id, Kind: Changed}
		switch {
		case was == nil:
			c.Kind, was = Added, &Feature{}
		case is == nil:
			c.Kind, is = Removed, &Feature{}
		}
		c.Claims = delta(printedAll(was.Claims, ClaimID.String), printedAll(is.Claims, ClaimID.String))
		name := func(f FeatureID) string { return string(f) }
		c.Requires = delta(printedAll(was.Requires, name), printedAll(is.Requires, name))
		if c.Kind != Changed || !c.Claims.IsZero() || !c.Requires.IsZero() {
			out = append(out, c)
		}
	}
	return out
}

func diffClasses(a, b *Snapshot) []ClassChange {
	before, after := map[endpoint.Pattern]bool{}, map[endpoint.Pattern]bool{}
	was, is := map[endpoint.Pattern]string{}, map[endpoint.Pattern]string{}
	for _, c := range a.classes {
		before[c.Pattern], was[c.Pattern] = true, c.Class.String()
	}
	for _, c := range b.classes {
		after[c.Pattern], is[c.Pattern] = true, c.Class.String()
	}
	var out []ClassChange
	for _, p := range sortedPatterns(before, after) {
		if was[p] != is[p] {
			out = append(out, ClassChange{p, was[p], is[p]})
		}
	}
	return out
}

// delta compares two lists as sets.
func delta(a, b []string) (d Delta) {
	a, b = distinct(a), distinct(b)
	for _, s := range b {
		if _, ok := slices.BinarySearch(a, s); !ok {
			d.Added = append(d.Added, s)
		}
	}
	for _, s := range a {
		if _, ok := slices.BinarySearch(b, s); !ok {
			d.Removed = append(d.Removed, s)
		}
	}
	return d
}

func distinct(list []string) []string {
	out := slices.Clone(list)
	slices.Sort(out)
	return slices.Compact(out)
}

func printedAll[T any](list []T, text func(T) string) []string {
	var out []string
	for _, v := range list {
		out = append(out, text(v))
	}
	return out
}

func sortedPatterns(a, b map[endpoint.Pattern]bool) []endpoint.Pattern {
	var out []endpoint.Pattern
	for p := range a {
		out = append(out, p)
	}
	for p := range b {
		if !a[p] {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(x, y endpoint.Pattern) int { return cmp.Compare(x.String(), y.String()) })
	return out
}

// keys returns the keys of both maps, each once, in the order of their text.
func keys[K comparable, V any](a, b map[K]V) []K {
	var out []K
	for k := range a {
		out = append(out, k)
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(x, y K) int { return cmp.Compare(keyText(x), keyText(y)) })
	return out
}

func keyText(k any) string {
	switch k := k.(type) {
	case ClaimID:
		return k.String()
	case FeatureID:
		return string(k)
	}
	return ""
}

func union(a, b []FeatureID) []FeatureID {
	out := slices.Clone(a)
	for _, f := range b {
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	slices.Sort(out)
	return out
}
