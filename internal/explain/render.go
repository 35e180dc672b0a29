package explain

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/message"
	"sekisho/internal/route"
)

const (
	// DefaultWidth is used when no width is given: columns of a terminal that shows tables well (chosen).
	DefaultWidth = 100
	minWidth     = 60 // chosen: below it nothing lines up any more
	// maxLines is one screen (chosen: a terminal window of 40 lines).
	maxLines = 40
	// maxWrap is how many lines one entry may take before it is cut (chosen: long tenant lists).
	maxWrap = 3
)

// Render prints a as text: at most 40 lines, no line wider than width columns as far as words allow (East Asian
// characters take two; 0 means DefaultWidth, less than 60 means 60). Where that is too little, the least specific sets
// and the ends of long values are left out, and it says so; the JSON form has everything. It returns the error of w.
func Render(w io.Writer, a Answer, p *message.Printer, width int) error {
	if width == 0 {
		width = DefaultWidth
	}
	width = max(width, minWidth)
	var lines []string
	for _, shown := range [][4]int{{6, 6, 4, 12}, {4, 4, 3, 8}, {3, 3, 2, 6}, {2, 2, 1, 4}, {1, 1, 1, 3}, {1, 0, 0, 2}} {
		s := &screen{p: p, width: width}
		s.answer(a, shown[0], shown[1], shown[2], shown[3])
		lines = s.lines
		if len(lines) <= maxLines {
			break
		}
	}
	if len(lines) > maxLines {
		lines = lines[:maxLines]
	}
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}

// screen collects lines under labels of one width.
type screen struct {
	p     *message.Printer
	width int
	lines []string
}

func (s *screen) text(id string, pairs ...string) string {
	args := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		args[pairs[i]] = pairs[i+1]
	}
	return s.p.Text(id, args)
}

// labelColumns is the width of the left column; the longest label of either language fits (a test looks).
const labelColumns = 16

// entry prints a value behind a label; further lines are indented by the label's column.
func (s *screen) entry(label, value string) {
	if label != "" {
		label = s.text("explain.label." + label)
	}
	s.wrapped(label+strings.Repeat(" ", max(1, labelColumns-columns(label))), strings.Repeat(" ", labelColumns), value)
}

// below prints a value one step further in.
func (s *screen) below(value string) {
	in := strings.Repeat(" ", labelColumns+2)
	s.wrapped(in, in, value)
}

func (s *screen) wrapped(first, rest, value string) {
	parts := wrap(clean(value), s.width-labelColumns-2)
	if len(parts) > maxWrap {
		parts = parts[:maxWrap]
		parts[maxWrap-1] += " ..."
	}
	for i, part := range parts {
		if i == 0 {
			s.lines = append(s.lines, strings.TrimRight(first+part, " "))
		} else {
			s.lines = append(s.lines, strings.TrimRight(rest+part, " "))
		}
	}
}

func (s *screen) answer(a Answer, sets, statements, contradictions, tags int) {
	s.entry("target", a.Target+"  ("+s.text("explain.kind."+a.Kind)+")")
	s.entry("catalog", s.text("explain.catalog", "version", a.Catalog.Version, "days", strconv.Itoa(a.Catalog.AgeDays)))
	if d := a.Decision; d != nil {
		s.decision(a, d)
	}
	if a.Class != nil {
		value := s.text("explain.class." + a.Class.Code)
		if a.Class.Code != "ordinary" || !a.Class.Why.IsZero() {
			value += "  " + a.Class.Why.In(s.p.Language())
		}
		s.entry("class", value)
	}
	if a.Handling != nil {
		s.handling(a.Handling, statements)
	}
	s.sets(a, sets)
	if a.Host == "" {
		s.tags(a, tags)
	}
	s.roads(a.Route)
	for i, c := range a.Contradictions {
		if i == contradictions {
			s.more(len(a.Contradictions) - i)
			break
		}
		var says []string
		for _, party := range c.Says {
			says = append(says, party.Claim+" = "+party.Value)
		}
		label := ""
		if i == 0 {
			label = "contradictions"
		}
		s.entry(label, s.text("explain.aspect."+c.Aspect)+": "+strings.Join(says, ", "))
	}
	for i, f := range a.Hints {
		label := ""
		if i == 0 {
			label = "hint"
		}
		s.entry(label, s.p.Finding(f))
		if f.Code == "catalog.lists-stale" { // the screen is short: the one note that a command mends names it
			s.below(s.text("explain.lists-stale"))
		}
	}
}

func (s *screen) decision(a Answer, d *Decision) {
	port := strconv.Itoa(int(a.Port))
	client, user := d.Client, d.User
	if client == "" {
		client = s.text("explain.anybody")
	}
	if user == "" {
		user = s.text("explain.anybody")
	}
	status := "NG"
	if d.Verdict == "permit" {
		status = "OK"
	}
	how := s.text("explain.action." + d.Action)
	s.entry("decision", status+"  "+how+"  "+s.text("explain.asked", "port", port, "client", client, "user", user))
	s.entry("reason", s.text("reason."+d.Reason)+" ["+d.Reason+"]")
	if hint := "reason." + d.Reason + ".hint"; d.Verdict == "deny" && s.p.Has(hint) {
		s.below(s.text(hint))
	}
	var rule []string
	for _, part := range []string{d.Rule.Place, d.Rule.Text, d.Rule.Pattern, d.Rule.Ports, d.Rule.Claim} {
		if part != "" {
			rule = append(rule, part)
		}
	}
	s.entry("rule", strings.Join(rule, "  "))
	if d.Ring != "" {
		ring := d.Ring + " (" + s.text("explain.mode."+d.Mode) + ")"
		if d.Profile != "" {
			ring += "  " + s.text("explain.profile", "profile", d.Profile)
		}
		s.entry("ring", ring)
	}
	for i, h := range d.Sets {
		label := ""
		if i == 0 {
			label = "headers"
		}
		s.entry(label, h.Name+": "+h.Value)
	}
	if d.Deletes && len(d.Sets) == 0 {
		s.entry("headers", s.text("explain.deletes"))
	}
	if d.Would != "" {
		s.entry("would", s.text("reason."+d.Would)+" ["+d.Would+"]")
	}
}

func (s *screen) handling(h *Handling, most int) {
	if len(h.Statements) == 0 {
		s.entry("handling", s.text("explain.handling.none"))
		return
	}
	for i, st := range h.Statements {
		if i == most {
			s.more(len(h.Statements) - i)
			return
		}
		label := ""
		if i == 0 {
			label = "handling"
		}
		s.entry(label, s.text("explain.aspect."+st.Aspect)+": "+s.value(st.Value)+"  "+st.Text.In(s.p.Language())+
			"  ("+s.source(st.Source)+")")
	}
}

// value words the value of a statement; those that are figures stay as they are.
func (s *screen) value(value string) string {
	if id := "explain.value." + value; s.p.Has(id) {
		return s.text(id)
	}
	return value
}

func (s *screen) sets(a Answer, most int) {
	if len(a.Sets) == 0 {
		s.entry("sets", s.text("explain.sets.none"))
		return
	}
	for i, set := range a.Sets {
		if i == most {
			s.more(len(a.Sets) - i)
			return
		}
		label := ""
		if i == 0 {
			label = "sets"
		}
		s.entry(label, set.Claim+"  "+set.Title.In(s.p.Language()))
		facts := []string{set.Match}
		if set.Part {
			facts = append(facts, s.text("explain.part"))
		}
		if set.ServiceTag != "" {
			facts = append(facts, s.text("explain.by-tag", "tag", set.ServiceTag))
		}
		facts = append(facts, set.Ports)
		if set.Direction == catalog.Inbound.String() {
			facts = append(facts, s.text("explain.inbound"))
		}
		if set.Category != "" {
			facts = append(facts, set.Category)
		}
		need := "explain.optional"
		if set.Required {
			need = "explain.required"
		}
		facts = append(facts, s.text(need))
		if set.Withdrawn != "" {
			facts = append(facts, s.text("explain.withdrawn", "date", set.Withdrawn))
		}
		if set.NotForTenant {
			facts = append(facts, s.text("explain.not-for-tenant"))
		}
		for _, h := range set.Lacks {
			facts = append(facts, s.text("explain.lacks", "value", string(h)))
		}
		for _, f := range set.Features {
			mark := f.ID
			if f.InUse {
				mark = s.text("explain.in-use", "feature", f.ID)
			}
			facts = append(facts, mark)
		}
		s.below(strings.Join(facts, "  "))
		s.below(s.source(set.Source))
	}
}

// tags prints which service tags answered, and one line for each that covers the address.
func (s *screen) tags(a Answer, most int) {
	for i, f := range a.ServiceTags {
		label := ""
		if i == 0 {
			label = "tags"
		}
		date := f.Date
		if date == "" {
			date = s.text("explain.tags.undated")
		}
		s.entry(label, s.text("explain.tags", "version", f.Version, "date", date, "days", strconv.Itoa(f.AgeDays)))
	}
	if len(a.ServiceTags) == 0 {
		return // a hint says how to get them
	}
	if len(a.Tags) == 0 {
		s.below(s.text("explain.tags.none"))
	}
	for i, t := range a.Tags {
		if i == most {
			s.more(len(a.Tags) - i)
			return
		}
		facts := []string{t.Tag, t.Match}
		if t.Part {
			facts = append(facts, s.text("explain.part"))
		}
		if t.Region != "" {
			facts = append(facts, s.text("explain.tags.region", "region", t.Region))
		}
		if t.Service != "" {
			facts = append(facts, s.text("explain.tags.service", "service", t.Service))
		}
		s.below(strings.Join(facts, "  "))
	}
}

// roads prints whose the target is and what each road does for it; "route explain" has the reasons.
func (s *screen) roads(r *route.Answer) {
	if r == nil {
		return
	}
	owner := s.text("route.owner." + r.Owner.Code)
	if r.Region != "" {
		owner += "  " + r.Region
	}
	if r.Mixed {
		owner += "  " + s.text("explain.mixed")
	}
	if r.Owner.Level != 0 {
		owner += "  (" + s.text("route.level."+r.Owner.Level.String()) + ")"
	}
	s.entry("owner", owner)
	label := "roads"
	for _, state := range route.States() {
		var names []string
		for _, v := range r.Verdicts {
			if v.State != state {
				continue
			}
			name := s.text("route.pattern." + v.Pattern.String())
			if v.Pattern == route.MicrosoftPeering {
				name += " [" + string(v.Reason) + "]"
			}
			names = append(names, name)
		}
		if len(names) > 0 {
			s.entry(label, s.text("route.state."+state.String())+": "+strings.Join(names, " | "))
			label = ""
		}
	}
}

// source names a source and its age.
func (s *screen) source(src Source) string {
	if src.ID == "" {
		return s.text("explain.source.none")
	}
	title := src.Title.In(s.p.Language())
	if title == "" {
		title = src.ID
	}
	days := strconv.Itoa(src.AgeDays)
	if src.Date == "" {
		return s.text("explain.source.undated", "title", title, "read", src.Read, "days", days)
	}
	return s.text("explain.source", "title", title, "date", src.Date, "days", days)
}

func (s *screen) more(n int) {
	s.below(s.text("explain.more", "count", fmt.Sprint(n)))
}
