// Package impact says what a new version of the catalog changes for one organisation: which features in use, which rules
// of its policy, which lines of what is rendered from it, and from when.
//
//	report, err := impact.Compare(impact.Input{Before: a, After: b, Renderers: renderers, Day: today})
//
// It compares values that others have made: two programs compiled from one configuration against two catalogs. It decides
// nothing, reads nothing and knows no clock.
package impact

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/policy"
)

// Renderer makes files from a policy. Each form in which the policy leaves the program has one.
type Renderer interface {
	// Render returns the files that a side gives; its Program is not nil. Lines that differ from one version of the catalog to the next for no other
	// reason than that it is another version (a version, a hash, a date) are left out.
	Render(s Side) ([]File, error)
}

// File is one rendered file.
type File struct {
	Name  string // as the administrator knows it: "proxy.pac", "feeds/intune.core.v4.txt"
	Lines []Line // in any order; one that stands twice counts once
}

// Line is one line of a file.
type Line struct {
	Text  string
	Value string // host pattern or prefix of the catalog that the line is about; "" when it is about none
}

// Side is a catalog and what the configuration becomes with it.
type Side struct {
	Program  *policy.Program // nil: the policy does not load, Findings say why
	Findings finding.List
	Tags     Tags // the service tags beside the catalog; nil: none, or the same on both sides and of no interest
}

// Tags are the Azure service tags that rows of a catalog name.
type Tags interface {
	// Prefixes returns those of a tag in one of the catalog's clouds; ok is false when they are not known.
	Prefixes(cloud, tag string) (prefixes []netip.Prefix, ok bool)
	// Day is the day of the data of that cloud; zero when it is not known.
	Day(cloud string) time.Time
}

// Input is what Compare compares.
type Input struct {
	From, To      string // how the versions are called
	Before, After Side
	Renderers     []Renderer
	// Day is today, UTC: whatever is in force from a later day is marked as future.
	Day time.Time
	// Since returns the day from which value (a host pattern or prefix) is in force in a claim, when its publisher has told
	// it. nil: nobody has.
	Since func(claim catalog.ClaimID, value string) (time.Time, bool)
}

// Report is what changes. Every list is sorted; nothing in it is translated.
type Report struct {
	From     string           `json:"from"`
	To       string           `json:"to"`
	Day      string           `json:"day"`
	Features []FeatureImpact  `json:"features"`
	Rules    []RuleChange     `json:"rules"`
	Handling []HandlingImpact `json:"handling"`
	Lines    []LineChange     `json:"lines"`
	// Loads says whether the policy loads with the new catalog. If not, Rules, Handling and Lines are empty.
	Loads bool `json:"loads"`
	// Appeared are findings that the old catalog does not give, Gone those that the new one no longer gives.
	Appeared finding.List `json:"appeared"`
	Gone     finding.List `json:"gone"`
}

// IsZero reports whether nothing changes.
func (r Report) IsZero() bool {
	return len(r.Features) == 0 && len(r.Rules) == 0 && len(r.Handling) == 0 && len(r.Lines) == 0 && r.Loads &&
		len(r.Appeared) == 0 && len(r.Gone) == 0
}

// FeatureImpact is a feature in use of which something changed.
type FeatureImpact struct {
	ID   catalog.FeatureID   `json:"id"`
	Kind string              `json:"kind"` // added: in use by what another requires; removed; changed
	Sets []catalog.SetChange `json:"sets,omitempty"`
}

// RuleChange is a rule of the policy that came, went, or opens other ports.
type RuleChange struct {
	Kind    string           `json:"kind"` // added, removed, changed (its ports)
	Rule    string           `json:"rule"` // "feature entra.sign-in"
	Pos     finding.Pos      `json:"pos,omitzero"`
	Claim   catalog.ClaimID  `json:"claim"`
	Pattern endpoint.Pattern `json:"pattern"`
	From    string           `json:"from,omitempty"` // ports before
	To      string           `json:"to,omitempty"`   // ports now
	Force   Force            `json:"force"`
	// StillOpen names the claims whose rules open the same hosts and ports, so that nothing changes for clients.
	StillOpen []string `json:"still_open,omitempty"`
}

// HandlingImpact is how hosts that the policy opens are to be treated now.
type HandlingImpact struct {
	catalog.HandlingChange
	Force Force `json:"force"`
}

// LineChange is a rendered line that came or went.
type LineChange struct {
	Kind  string `json:"kind"` // added or removed
	File  string `json:"file"`
	Line  string `json:"line"`
	Force Force  `json:"force"`
	// Tags are the service tags whose prefixes came or went where the line did.
	Tags []string `json:"service_tags,omitempty"`
}

// The bases of a Force.
const (
	Announced = "announced" // the publisher's effective date
	Published = "published" // the day of the list that adds it, which is in force within NoticeDays of that day
	Listed    = "listed"    // the day of the list or page that says otherwise now
	Unknown   = "unknown"   // the source has no date
)

// NoticeDays is how long before they are in force the endpoints web service publishes additions ("Office 365 IP Address
// and URL web service", https://learn.microsoft.com/microsoft-365/enterprise/microsoft-365-ip-web-service, read 2026-11-23).
const NoticeDays = 30

// Force is from when something holds.
type Force struct {
	Date   string `json:"date,omitempty"` // YYYY-MM-DD; "" exactly when Basis is Unknown
	Basis  string `json:"basis"`
	Future bool   `json:"future"` // not in force yet, or perhaps not yet
}

// Compare says what changes from Before to After. An error comes from a renderer.
func Compare(in Input) (Report, error) {
	r := Report{
		From: in.From, To: in.To, Day: in.Day.UTC().Format(time.DateOnly), Loads: in.After.Program != nil,
		Features: []FeatureImpact{}, Rules: []RuleChange{}, Handling: []HandlingImpact{}, Lines: []LineChange{},
		Appeared: finding.List{}, Gone: finding.List{},
	}
	r.Appeared = append(r.Appeared, less(in.After.Findings, in.Before.Findings)...)
	r.Gone = append(r.Gone, less(in.Before.Findings, in.After.Findings)...)
	before, after := in.Before.Program, in.After.Program
	if before == nil || after == nil {
		return r, nil
	}
	c := comparison{in: in, diff: catalog.Diff(before.Catalog(), after.Catalog()), forces: map[string]Force{}, tagged: map[netip.Prefix][]string{}}
	c.inUse(&r)
	c.tags()
	c.rules(&r)
	c.handling(&r)
	return r, c.lines(&r)
}

// less returns the findings of a that b has not; where they stand does not count.
func less(a, b finding.List) finding.List {
	key := func(f finding.Finding) string {
		var args []string
		for k, v := range f.Args {
			args = append(args, k+"="+v)
		}
		slices.Sort(args)
		return f.Code + "\x00" + strings.Join(args, "\x00")
	}
	known := map[string]bool{}
	for _, f := range b {
		known[key(f)] = true
	}
	return slices.DeleteFunc(slices.Clone(a), func(f finding.Finding) bool { return known[key(f)] })
}

type comparison struct {
	in     Input
	diff   catalog.Difference
	forces map[string]Force          // by value: the earliest of the changes that speak of it
	tagged map[netip.Prefix][]string // prefixes of service tags in use that came or went, with the tags
}

// inUse lists the features in use of which something changed, and learns from when each value holds.
func (c *comparison) inUse(r *Report) {
	before, after := c.in.Before.Program.Features(), c.in.After.Program.Features()
	all := slices.Concat(before, after)
	slices.Sort(all)
	for _, id := range slices.Compact(all) {
		f := FeatureImpact{ID: id, Kind: catalog.Changed}
		switch {
		case !slices.Contains(before, id):
			f.Kind = catalog.Added
		case !slices.Contains(after, id):
			f.Kind = catalog.Removed
		}
		for _, s := range c.diff.Sets {
			if !slices.Contains(s.Features, id) || !c.applies(s.ID) {
				continue
			}
			f.Sets = append(f.Sets, s)
			for _, d := range s.Deltas() {
				for _, v := range d.Added {
					c.learn(v, c.force(s.ID, v, true))
				}
				for _, v := range d.Removed {
					c.learn(v, c.force(s.ID, v, false))
				}
			}
		}
		if f.Kind != catalog.Changed || len(f.Sets) > 0 {
			r.Features = append(r.Features, f)
		}
	}
}

// applies reports whether a row is for this organisation, in either catalog.
func (c *comparison) applies(id catalog.ClaimID) bool {
	for _, p := range []*policy.Program{c.in.Before.Program, c.in.After.Program} {
		if s, ok := p.Catalog().Set(id); ok && s.Applies != catalog.No {
			return true
		}
	}
	return false
}

func (c *comparison) learn(value string, f Force) {
	if known, ok := c.forces[value]; !ok || f.Date != "" && (known.Date == "" || f.Date < known.Date) {
		c.forces[value] = f
	}
}

// force says from when a value of a claim came or went.
func (c *comparison) force(id catalog.ClaimID, value string, added bool) Force {
	today := c.in.Day.UTC().Truncate(24 * time.Hour)
	if added && c.in.Since != nil {
		if day, ok := c.in.Since(id, value); ok {
			return Force{Date: day.Format(time.DateOnly), Basis: Announced, Future: day.After(today)}
		}
	}
	set, ok := c.in.After.Program.Catalog().Set(id)
	if !ok {
		return Force{Basis: Unknown}
	}
	day := set.Source.Date
	if !set.Withdrawn.IsZero() {
		day = set.Withdrawn
	}
	if day.IsZero() {
		return Force{Basis: Unknown}
	}
	f := Force{Date: day.Format(time.DateOnly), Basis: Listed, Future: day.After(today)}
	if added && set.Source.Precision == catalog.DayKnown {
		f.Basis, f.Future = Published, day.AddDate(0, 0, NoticeDays).After(today)
	}
	return f
}

// ruleKey is what makes a rule the same rule although its ports changed.
type ruleKey struct {
	text    string
	pattern endpoint.Pattern
	claim   catalog.ClaimID
}

// rules compares what the two programs open.
func (c *comparison) rules(r *Report) {
	before, after := gather(c.in.Before.Program), gather(c.in.After.Program)
	keys := make([]ruleKey, 0, len(before)+len(after))
	for k := range before {
		keys = append(keys, k)
	}
	for k := range after {
		if _, ok := before[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b ruleKey) int {
		return cmp.Or(cmp.Compare(a.text, b.text), cmp.Compare(a.claim.String(), b.claim.String()), cmp.Compare(a.pattern.String(), b.pattern.String()))
	})
	for _, k := range keys {
		was, had := before[k]
		is, has := after[k]
		ch := RuleChange{Kind: catalog.Changed, Rule: k.text, Claim: k.claim, Pattern: k.pattern, Pos: was.Pos}
		switch {
		case !had:
			ch.Kind, ch.Pos = catalog.Added, is.Pos
		case !has:
			ch.Kind = catalog.Removed
		case was.Ports.Equal(is.Ports):
			continue
		}
		if had {
			ch.From = was.Ports.String()
		}
		if has {
			ch.To = is.Ports.String()
		}
		ch.Force = c.force(k.claim, k.pattern.String(), ch.Kind == catalog.Added)
		if ch.Kind == catalog.Removed {
			ch.StillOpen = c.stillOpen(after, was)
		}
		if _, ok := c.forces[k.pattern.String()]; !ok {
			c.forces[k.pattern.String()] = ch.Force // of a host that itself neither came nor went
		}
		r.Rules = append(r.Rules, ch)
	}
}

// gather puts rules that differ in their ports alone together.
func gather(p *policy.Program) map[ruleKey]policy.Rule {
	out := map[ruleKey]policy.Rule{}
	for _, rule := range p.AllowedPatterns() {
		k := ruleKey{rule.Text, rule.Pattern, rule.Claim}
		if known, ok := out[k]; ok {
			rule.Ports = rule.Ports.Union(known.Ports)
		}
		out[k] = rule
	}
	return out
}

// stillOpen names the rules that open all that gone opened. A host with a role in sign-in is opened by its exact name alone.
func (c *comparison) stillOpen(rules map[ruleKey]policy.Rule, gone policy.Rule) []string {
	var out []string
	classified := gone.Pattern.Kind() == endpoint.Exact &&
		c.in.After.Program.Catalog().Classify(endpoint.Host(gone.Pattern.String())).Class != catalog.Ordinary
	for k, rule := range rules {
		if classified && k.pattern != gone.Pattern {
			continue
		}
		if k.pattern.Covers(gone.Pattern) && rule.Ports.Union(gone.Ports).Equal(rule.Ports) {
			name := k.claim.String()
			if k.claim == (catalog.ClaimID{}) {
				name = k.text
			}
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// handling lists what changed for hosts that both programs open: those that come or go are told as rules.
func (c *comparison) handling(r *Report) {
	open := func(p *policy.Program, host endpoint.Pattern) bool {
		return slices.ContainsFunc(p.AllowedPatterns(), func(rule policy.Rule) bool { return rule.Pattern.Covers(host) })
	}
	for _, h := range c.diff.Handling {
		if open(c.in.Before.Program, h.Pattern) && open(c.in.After.Program, h.Pattern) {
			r.Handling = append(r.Handling, HandlingImpact{h, c.handlingForce(h)})
		}
	}
}

// handlingForce is the date of the source that the new handling comes from.
func (c *comparison) handlingForce(h catalog.HandlingChange) Force {
	for _, s := range c.in.After.Program.Catalog().HandlingOf(h.Pattern).Because {
		if s.Aspect == h.Aspect && s.Source != nil && !s.Source.Date.IsZero() {
			return Force{Date: s.Source.Date.Format(time.DateOnly), Basis: Listed, Future: s.Source.Date.After(c.in.Day)}
		}
	}
	return Force{Basis: Unknown}
}

// lines compares what the renderers make.
func (c *comparison) lines(r *Report) error {
	for _, renderer := range c.in.Renderers {
		before, err := rendered(renderer, c.in.Before)
		if err != nil {
			return err
		}
		after, err := rendered(renderer, c.in.After)
		if err != nil {
			return err
		}
		r.Lines = append(r.Lines, c.lineChanges(before, after, catalog.Removed)...)
		r.Lines = append(r.Lines, c.lineChanges(after, before, catalog.Added)...)
	}
	slices.SortStableFunc(r.Lines, func(a, b LineChange) int {
		return cmp.Or(cmp.Compare(a.File, b.File), -cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Line, b.Line))
	})
	return nil
}

// fileLine is a line of a file.
type fileLine struct{ file, line string }

func rendered(r Renderer, s Side) (map[fileLine]string, error) {
	files, err := r.Render(s)
	if err != nil {
		return nil, err
	}
	out := map[fileLine]string{}
	for _, f := range files {
		for _, l := range f.Lines {
			out[fileLine{f.Name, l.Text}] = l.Value
		}
	}
	return out, nil
}

// lineChanges are the lines of a that b has not.
func (c *comparison) lineChanges(a, b map[fileLine]string, kind string) []LineChange {
	var out []LineChange
	for l, value := range a {
		if _, ok := b[l]; !ok {
			out = append(out, LineChange{Kind: kind, File: l.file, Line: l.line, Force: c.lineForce(value), Tags: c.lineTags(value)})
		}
	}
	return out
}

// lineForce is from when what a line is about holds. A joined range holds from the first of its parts.
func (c *comparison) lineForce(value string) Force {
	if f, ok := c.forces[value]; ok {
		return f
	}
	best := Force{Basis: Unknown}
	whole, err := netip.ParsePrefix(value)
	if err != nil {
		return best
	}
	for v, f := range c.forces {
		if p, err := netip.ParsePrefix(v); err == nil && p.Overlaps(whole) && f.Date != "" && (best.Date == "" || f.Date < best.Date) {
			best = f
		}
	}
	return best
}
