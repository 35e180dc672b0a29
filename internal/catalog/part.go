package catalog

import (
	"errors"
	"net/netip"
	"time"

	"github.com/goccy/go-yaml/ast"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

// Part is what one file says, checked by itself. Build joins parts into a Snapshot and checks what they say of each
// other.
type Part struct {
	sources  []declared[*Source]
	sets     []declared[*setDraft]
	features []declared[*featureDraft]
	rules    []declared[*rule]
	classes  []declared[*classDraft]
	signIn   []declared[ClaimID]
	renewals []*Renewal
}

// declared is something with the place where it was written.
type declared[T any] struct {
	v   T
	pos finding.Pos
}

// named is a reference to something that another file may hold.
type named = declared[string]

type setDraft struct {
	Set
	source   named
	handling []*rule
}

type featureDraft struct {
	Feature
	requires []named
	claims   []declared[ClaimID]
}

// rule states something of hosts, of categories, or of the row that it is part of.
type rule struct {
	source     named // empty within a row: the row's
	hosts      []declared[endpoint.Pattern]
	categories []Category
	inspection Inspection
	yes        [aspects]bool
	idle       time.Duration
	text       Text
}

type classDraft struct {
	class  Class
	source named
	hosts  []declared[endpoint.Pattern]
	why    Text
}

// ParsePart reads one file of the catalog in our own YAML form: a mapping of sources, sets, features, handling, classes
// and sign-in-addresses, all optional (builtin/ holds examples of each). file is the name for messages. It reports
// every problem of the file at once, each with line and column; Part is nil exactly when there is one. Data is at most
// 1 MiB.
func ParsePart(file string, data []byte) (*Part, finding.List) {
	r := &reader{file: file}
	p := &Part{}
	if root := r.tree(data); root != nil {
		r.mapping(root, fields{
			"sources":  func(n ast.Node) { r.each(n, func(n ast.Node) { p.sources = append(p.sources, r.source(n)) }) },
			"sets":     func(n ast.Node) { r.each(n, func(n ast.Node) { p.sets = append(p.sets, r.set(n)) }) },
			"features": func(n ast.Node) { r.each(n, func(n ast.Node) { p.features = append(p.features, r.feature(n)) }) },
			"handling": func(n ast.Node) { r.each(n, func(n ast.Node) { p.rules = append(p.rules, r.rule(n, false)) }) },
			"classes":  func(n ast.Node) { r.each(n, func(n ast.Node) { p.classes = append(p.classes, r.class(n)) }) },
			"sign-in-addresses": func(n ast.Node) {
				r.each(n, func(n ast.Node) { p.signIn = append(p.signIn, r.claim(n)) })
			},
		})
	}
	if len(r.found) > 0 {
		return nil, r.found.Sort()
	}
	return p, nil
}

func (r *reader) source(n ast.Node) declared[*Source] {
	s := &Source{}
	pos := r.mapping(n, fields{
		"id!":    func(n ast.Node) { s.ID = r.identifier(n) },
		"title!": func(n ast.Node) { s.Title = r.both(n) },
		"url": func(n ast.Node) {
			s.URL, _ = r.text(n)
			if _, err := endpoint.ParseURL(s.URL); s.URL != "" && err != nil {
				r.fail(r.pos(n), "url", "value", s.URL)
			}
		},
		"date!": func(n ast.Node) { s.Date, s.Precision = r.date(n) },
		"read!": func(n ast.Node) { s.Read = r.day(n) },
	})
	if s.URL == "" && s.ID != "sekisho" {
		r.fail(pos, "missing-key", "key", "url")
	}
	return declared[*Source]{s, pos}
}

// date reads a date of any precision, or the word "unknown".
func (r *reader) date(n ast.Node) (time.Time, Precision) {
	s, ok := r.text(n)
	if !ok || s == "unknown" {
		return time.Time{}, DateUnknown
	}
	for _, form := range []struct {
		layout    string
		precision Precision
	}{{time.DateOnly, DayKnown}, {"2006-01", MonthKnown}, {"2006", YearKnown}} {
		if t, err := time.Parse(form.layout, s); err == nil {
			return t, form.precision
		}
	}
	r.fail(r.pos(n), "date", "value", s)
	return time.Time{}, DateUnknown
}

func (r *reader) set(n ast.Node) declared[*setDraft] {
	s := &setDraft{}
	stated := true
	var lost bool
	pos := r.mapping(n, fields{
		"source!":       func(n ast.Node) { s.source = named{r.identifier(n), r.pos(n)} },
		"cloud!":        func(n ast.Node) { s.ID.Cloud = r.identifier(n) },
		"id!":           func(n ast.Node) { s.ID.ID = r.identifier(n) },
		"area!":         func(n ast.Node) { s.Area, _ = r.text(n) },
		"title!":        func(n ast.Node) { s.Title = r.both(n) },
		"category":      func(n ast.Node) { s.Category = Category(r.word(n, categoryCodes[:])) },
		"required!":     func(n ast.Node) { s.Required = r.boolean(n) },
		"lost-without":  func(n ast.Node) { s.LostWithout, lost = r.both(n), true },
		"hosts":         func(n ast.Node) { s.Patterns = values(r.patterns(n)) },
		"urls":          func(n ast.Node) { s.URLs = r.urls(n) },
		"prefixes":      func(n ast.Node) { s.Prefixes = r.prefixes(n) },
		"anywhere":      func(n ast.Node) { s.Anywhere = r.boolean(n) },
		"ports!":        func(n ast.Node) { s.Ports = r.ports(n) },
		"ports-stated":  func(n ast.Node) { stated = r.boolean(n) },
		"direction":     func(n ast.Node) { s.Direction = Direction(r.word(n, directionCodes[:])) },
		"express-route": func(n ast.Node) { s.ExpressRoute = tri(r.boolean(n)) },
		"condition":     func(n ast.Node) { s.Condition = r.both(n) },
		"note":          func(n ast.Node) { s.Note = r.both(n) },
		"templates":     func(n ast.Node) { s.Templates = values(list(r, n, ParseTemplate)) },
		"service-tags":  func(n ast.Node) { s.Tags = r.names(n) },
		"between":       func(n ast.Node) { s.Between = r.between(n) },
		"when":          func(n ast.Node) { s.When = r.when(n) },
		"scale-units":   func(n ast.Node) { s.ScaleUnits = r.names(n) },
		"storage-names": func(n ast.Node) { s.StorageNames = r.names(n) },
		"handling":      func(n ast.Node) { r.each(n, func(n ast.Node) { s.handling = append(s.handling, r.rule(n, true).v) }) },
		"seen":          func(n ast.Node) { s.Seen = r.day(n) },
		"withdrawn":     func(n ast.Node) { s.Withdrawn = r.day(n) },
		"unattached":    func(n ast.Node) { s.Unattached = r.boolean(n) },
	})
	s.ID.Source, s.PortsInferred = s.source.v, !stated
	if len(s.When.Locations) == 0 {
		s.When.Locations = s.ScaleUnits
	}
	switch targets := len(s.Patterns) + len(s.URLs) + len(s.Prefixes) + len(s.Templates) + len(s.Tags); {
	case len(r.found) > 0: // the rest may be a consequence
	case targets == 0 && !s.Anywhere && s.Between.IsZero():
		r.fail(pos, "no-target")
	case targets > 0 && s.Anywhere:
		r.fail(pos, "anywhere")
	case s.Required && lost:
		r.fail(pos, "required-lost")
	case !s.Required && !lost:
		r.fail(pos, "lost-without")
	case s.PortsInferred && s.Note.IsZero():
		r.fail(pos, "ports-note")
	}
	return declared[*setDraft]{s, pos}
}

func (r *reader) between(n ast.Node) (b Between) {
	r.mapping(n, fields{
		"from!": func(n ast.Node) { b.From = r.both(n) },
		"to!":   func(n ast.Node) { b.To = r.both(n) },
	})
	return b
}

func (r *reader) when(n ast.Node) (w When) {
	r.mapping(n, fields{
		"cloud": func(n ast.Node) {
			r.each(n, func(n ast.Node) { w.Clouds = append(w.Clouds, Clouds()[r.word(n, Clouds())]) })
		},
		"location":     func(n ast.Node) { w.Locations = r.names(n) },
		"seamless-sso": func(n ast.Node) { w.SeamlessSSO = tri(r.boolean(n)) },
	})
	return w
}

func tri(yes bool) Tri {
	if yes {
		return Yes
	}
	return No
}

func values[T any](list []declared[T]) []T {
	out := make([]T, 0, len(list))
	for _, d := range list {
		out = append(out, d.v)
	}
	return out
}

// list reads a list of distinct things, each a text that parse understands.
func list[T comparable](r *reader, n ast.Node, parse func(string) (T, error)) []declared[T] {
	var out []declared[T]
	first := map[T]finding.Pos{}
	r.each(n, func(n ast.Node) {
		s, ok := r.text(n)
		if !ok {
			return
		}
		pos := r.pos(n)
		v, err := parse(s)
		var e *endpoint.ParseError
		switch {
		case errors.As(err, &e):
			r.found = append(r.found, e.Finding(pos))
			return
		case err != nil:
			r.fail(pos, "template", "value", s, "said", err.Error())
			return
		}
		if at, twice := first[v]; twice {
			r.fail(pos, "repeated", "value", s, "first", at.String())
			return
		}
		first[v] = pos
		out = append(out, declared[T]{v, pos})
	})
	return out
}

func (r *reader) patterns(n ast.Node) []declared[endpoint.Pattern] {
	return list(r, n, endpoint.ParsePattern)
}

func (r *reader) prefixes(n ast.Node) []netip.Prefix { return values(list(r, n, endpoint.ParsePrefix)) }

func (r *reader) urls(n ast.Node) []endpoint.URL { return values(list(r, n, endpoint.ParseURL)) }

func (r *reader) names(n ast.Node) []string {
	return values(list(r, n, func(s string) (string, error) { return s, nil }))
}

func (r *reader) ports(n ast.Node) endpoint.Ports {
	s, ok := r.text(n)
	if !ok {
		return nil
	}
	p, err := endpoint.ParsePorts(s)
	if e := (*endpoint.ParseError)(nil); errors.As(err, &e) {
		r.found = append(r.found, e.Finding(r.pos(n)))
	}
	return p
}

func (r *reader) claim(n ast.Node) declared[ClaimID] {
	s, ok := r.text(n)
	id, err := ParseClaimID(s)
	if ok && err != nil {
		r.fail(r.pos(n), "claim", "value", s)
	}
	return declared[ClaimID]{id, r.pos(n)}
}

func (r *reader) feature(n ast.Node) declared[*featureDraft] {
	f := &featureDraft{}
	pos := r.mapping(n, fields{
		"id!":    func(n ast.Node) { f.ID = FeatureID(r.identifier(n)) },
		"title!": func(n ast.Node) { f.Title = r.both(n) },
		"about!": func(n ast.Node) { f.About = r.both(n) },
		"requires": func(n ast.Node) {
			r.each(n, func(n ast.Node) { f.requires = append(f.requires, named{r.identifier(n), r.pos(n)}) })
		},
		"claims!": func(n ast.Node) { r.each(n, func(n ast.Node) { f.claims = append(f.claims, r.claim(n)) }) },
	})
	return declared[*featureDraft]{f, pos}
}

// rule reads a handling rule; within a row it has neither hosts nor categories, and its source may be left out.
func (r *reader) rule(n ast.Node, row bool) declared[*rule] {
	v := &rule{}
	yes := func(aspect int, word string) func(ast.Node) {
		return func(n ast.Node) { r.word(n, []string{word}); v.yes[aspect] = true }
	}
	want := fields{
		"inspection":         func(n ast.Node) { v.inspection = Inspection(r.word(n, inspectionCodes[:])) },
		"proxy-auth":         yes(proxyAuthAspect, "exempt"),
		"byte-ranges":        yes(byteRangesAspect, "needed"),
		"client-certificate": yes(clientCertificateAspect, "asked"),
		"websocket":          yes(webSocketAspect, "used"),
		"idle-timeout": func(n ast.Node) {
			s, ok := r.text(n)
			d, err := time.ParseDuration(s)
			if ok && (err != nil || d <= 0) {
				r.fail(r.pos(n), "duration", "value", s)
			}
			v.idle = d
		},
		"text!": func(n ast.Node) { v.text = r.both(n) },
	}
	source := func(n ast.Node) { v.source = named{r.identifier(n), r.pos(n)} }
	if row {
		want["source"] = source
	} else {
		want["source!"] = source
		want["hosts"] = func(n ast.Node) { v.hosts = r.patterns(n) }
		want["categories"] = func(n ast.Node) {
			r.each(n, func(n ast.Node) { v.categories = append(v.categories, Category(r.word(n, categoryCodes[:]))) })
		}
	}
	before := len(r.found)
	pos := r.mapping(n, want)
	switch {
	case len(r.found) > before:
	case !row && (len(v.hosts) == 0) == (len(v.categories) == 0):
		r.fail(pos, "rule-target")
	case v.inspection == InspectionNotStated && v.yes == [aspects]bool{} && v.idle == 0:
		r.fail(pos, "rule-empty")
	case len(v.categories) > 0 && (v.inspection == InspectionNotStated || v.yes != [aspects]bool{} || v.idle != 0):
		r.fail(pos, "rule-category")
	}
	return declared[*rule]{v, pos}
}

func (r *reader) class(n ast.Node) declared[*classDraft] {
	c := &classDraft{}
	pos := r.mapping(n, fields{
		"class!":  func(n ast.Node) { c.class = Class(r.word(n, classCodes[:])) },
		"source!": func(n ast.Node) { c.source = named{r.identifier(n), r.pos(n)} },
		"hosts!":  func(n ast.Node) { c.hosts = r.patterns(n) },
		"why!":    func(n ast.Node) { c.why = r.both(n) },
	})
	// Restriction headers go to exact names and nowhere else: "*.login.microsoftonline.com" would catch
	// device.login.microsoftonline.com, whose client certificate inspection breaks (page "Use tenant restrictions to
	// manage access to SaaS apps").
	if c.class == SignIn || c.class == SignInConsumer {
		for _, h := range c.hosts {
			if h.v.Kind() != endpoint.Exact {
				r.fail(h.pos, "sign-in-exact", "value", h.v.String())
			}
		}
	}
	return declared[*classDraft]{c, pos}
}
