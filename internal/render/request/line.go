package request

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/render"
	"sekisho/internal/render/flow"
)

// What a line asks for. Each has a text "request.kind.<code>".
const (
	create = "new"
	change = "change"
	remove = "remove"
)

// kinds are all of them, in the order of a list to choose from.
func kinds() []string { return []string{create, change, remove} }

// line asks for one destination.
type line struct {
	kind      string
	direction catalog.Direction
	// source and destination are texts as the form has them.
	source, destination string
	ports, was          endpoint.Ports
	// needs are what the device has to do beside opening it, by code; a change of them is a change of the line.
	needs []string
	// purposes, bases and remarks are in the order of the rows, each once.
	purposes, bases, remarks []string
}

// note is what cannot be asked for.
type note struct {
	what, ports, rule string
	why               string // code: "request.note.<why>" is its text
}

// Reasons of notes that a plan of flows does not have.
const (
	whyRefused = "refused"
	whyTag     = "no-tag"   // nobody imported the addresses of the service tag
	whyValue   = "no-value" // a value of the organisation is missing
)

// source is where the lines come from.
type source struct {
	title, url, date, read, age string
}

// basis is how a line names the source.
func (s source) basis() string {
	if s.url == "" {
		return s.title
	}
	return s.url
}

// gather makes the lines, and compares them with those of the earlier version where there is one.
func (f *form) gather(in render.Input, m *render.Model) error {
	b := gatherer{f: f, in: in}
	lines, err := b.all(m)
	if err != nil {
		return err
	}
	if b.nowhere {
		f.findings = append(f.findings, finding.New("request.no-source", finding.Warning, finding.Pos{}))
	}
	if in.Before == nil {
		f.lines, f.notes = lines, b.notes
		f.gatherSources(in, m)
		return nil
	}
	before := *in.Before
	before.Options, before.Language = in.Options, in.Language
	old := gatherer{f: f, in: before}
	model := render.NewModel(before)
	was, err := old.all(model)
	if err != nil {
		return err
	}
	f.lines = difference(was, lines)
	f.notes, _ = flow.Delta(old.notes, b.notes)
	f.gatherSources(in, m, model)
	f.sources = slices.DeleteFunc(f.sources, func(s source) bool {
		return !slices.ContainsFunc(f.lines, func(l *line) bool { return slices.Contains(l.bases, s.basis()) })
	})
	return nil
}

// difference keeps what is not the same before and after.
func difference(before, after []*line) (out []*line) {
	known := make(map[string]*line, len(before))
	for _, l := range before {
		known[l.key()] = l
	}
	for _, l := range after {
		old := known[l.key()]
		delete(known, l.key())
		switch {
		case old == nil:
			out = append(out, l)
		case !l.ports.Equal(old.ports) || !slices.Equal(l.needs, old.needs):
			l.kind, l.was = change, old.ports
			out = append(out, l)
		}
	}
	for _, l := range before {
		if known[l.key()] != nil {
			l.kind = remove
			out = append(out, l)
		}
	}
	return out
}

// key is what makes a line the same line in another version.
func (l *line) key() string {
	return l.direction.String() + "\x00" + l.source + "\x00" + l.destination
}

// say tells whoever renders what the notes say; listed: a sheet of the output has them.
func (f *form) say(listed bool) {
	code := "request.left-out"
	if !listed {
		code = "request.left-out-here"
	}
	var order []string
	count := map[string]int{}
	for _, n := range f.notes {
		if n.why == whyTag || n.why == whyValue {
			continue // render.Render says so for every target
		}
		if count[n.why]++; count[n.why] == 1 {
			order = append(order, n.why)
		}
	}
	for _, why := range order {
		severity := finding.Warning
		if why == whyRefused || why == string(flow.GatewayOnly) || why == string(flow.NoEnd) {
			severity = finding.Info
		}
		f.findings = append(f.findings, finding.New(code, severity, finding.Pos{}, "count", strconv.Itoa(count[why]), "why", f.text("note."+why)))
	}
}

// gatherer makes the lines of one version.
type gatherer struct {
	f       *form
	in      render.Input
	clients bool
	source  string // of outbound lines
	targets string // of inbound lines; "": nobody said
	nowhere bool   // nobody said from where
	at      map[string]*line
	lines   []*line
	notes   []note
}

func (b *gatherer) all(m *render.Model) ([]*line, error) {
	sources, targets, err := flow.Ends(b.in)
	if err != nil {
		return nil, err
	}
	b.clients = b.in.Options.Text(flow.OptionFor) == "clients"
	b.at = map[string]*line{}
	b.source, b.targets = prefixes(sources), prefixes(targets)
	if b.source == "" {
		b.nowhere = true
		b.source = b.f.text("source.gateway")
		if b.clients {
			b.source = b.f.text("source.clients")
		}
	}
	for i := range m.Rows {
		b.row(&m.Rows[i])
	}
	for _, tag := range m.MissingTags {
		b.notes = append(b.notes, note{what: visible(tag), why: whyTag})
	}
	for _, h := range m.Unfilled {
		b.notes = append(b.notes, note{what: "tenant." + visible(string(h)), why: whyValue})
	}
	return b.lines, nil
}

func (b *gatherer) row(r *render.Row) {
	switch {
	case r.Kind == render.OpenRow:
		what := b.f.text("anywhere")
		if !r.Between.IsZero() {
			what = b.f.text("between", "from", visible(r.Between.From.In(b.f.p.Language())), "to", visible(r.Between.To.In(b.f.p.Language())))
		}
		b.note(what, r, string(flow.NoEnd))
	case r.Direction == catalog.Inbound && r.Kind != render.PrefixRow:
		b.note(r.Value(), r, string(flow.NoAddress))
	case r.Direction == catalog.Inbound && b.targets == "":
		b.note(address(r.Prefix), r, string(flow.NoTarget))
	case r.Direction == catalog.Inbound:
		b.add(r, address(r.Prefix), b.targets)
	case r.Road == render.Refused:
		b.note(r.Value(), r, whyRefused)
	case b.clients && r.GatewayOnly:
		b.note(r.Value(), r, string(flow.GatewayOnly))
	case r.Kind == render.PrefixRow:
		b.add(r, b.source, address(r.Prefix))
	default:
		b.add(r, b.source, visible(r.Value()))
	}
}

func (b *gatherer) note(what string, r *render.Row, why string) {
	n := note{what: what, ports: ports(r.Ports, " "), rule: origin(r), why: why}
	if !slices.Contains(b.notes[max(0, len(b.notes)-8):], n) { // rows of one claim follow each other
		b.notes = append(b.notes, n)
	}
}

// origin names the claim or own row that r comes from.
func origin(r *render.Row) string {
	if r.Claim == (catalog.ClaimID{}) {
		return visible(r.Rule)
	}
	return r.Claim.String()
}

func (b *gatherer) add(r *render.Row, from, to string) {
	l := &line{kind: create, direction: r.Direction, source: from, destination: to}
	if known := b.at[l.key()]; known != nil {
		l = known
	} else {
		b.at[l.key()] = l
		b.lines = append(b.lines, l)
	}
	lang := b.f.p.Language()
	l.ports = l.ports.Union(r.Ports)
	purpose := visible(r.Purpose.In(lang))
	if purpose == "" {
		purpose = b.f.text("own", "rule", visible(r.Rule))
	}
	l.purposes = once(l.purposes, purpose)
	basis := b.f.text("basis.own", "rule", visible(r.Rule))
	if r.Source != nil {
		basis = source{url: visible(r.Source.URL), title: visible(r.Source.Title.In(lang))}.basis()
	}
	l.bases = once(l.bases, basis)
	for _, need := range b.needs(r) {
		l.needs = once(l.needs, need)
	}
	slices.Sort(l.needs)
	for _, remark := range b.remarks(r) {
		l.remarks = once(l.remarks, remark)
	}
}

// needs are what the device has to do, as texts of the form.
func (b *gatherer) needs(r *render.Row) (out []string) {
	say := func(id string, args ...string) { out = append(out, b.f.text("need."+id, args...)) }
	if r.Direction == catalog.Inbound {
		return nil
	}
	if r.Kind == render.HostRow || r.Kind == render.URLRow {
		if r.Handling.Inspection == catalog.InspectionForbidden || r.Road == render.Intercepted {
			say("no-inspection") // of what the gateway intercepts it is the gateway that inspects, and nobody behind it
		}
		if r.Handling.ProxyAuthExempt {
			say("no-proxy-authentication")
		}
	}
	if r.GatewayOnly && !b.clients {
		say("gateway-only")
	}
	if len(r.Except) > 0 && b.clients {
		var names []string
		for _, p := range r.Except {
			names = append(names, p.String())
		}
		say("except", "names", strings.Join(names, ", "))
	}
	return out
}

func (b *gatherer) remarks(r *render.Row) (out []string) {
	lang := b.f.p.Language()
	say := func(id string, args ...string) { out = append(out, b.f.text("remark."+id, args...)) }
	if r.Tag != "" {
		say("tag", "tag", visible(r.Tag))
	}
	if text := visible(r.Condition.In(lang)); text != "" {
		say("condition", "text", text)
	}
	if text := visible(r.LostWithout.In(lang)); text != "" && !r.Required {
		say("optional", "text", text)
	}
	if r.Inferred {
		say("inferred")
	}
	if len(r.Clients) > 0 {
		say("clients", "networks", prefixes(r.Clients))
	}
	return out
}

func once(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// address prints a prefix; a single address without its length, as forms have it.
func address(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

func prefixes(list []netip.Prefix) string {
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = address(p)
	}
	return strings.Join(words, "\n")
}

// ports prints a list as forms have it, a protocol a line: "TCP 80, 443".
func ports(p endpoint.Ports, separator string) string {
	protocols, numbers := split(p)
	for i := range protocols {
		protocols[i] += " " + numbers[i]
	}
	return strings.Join(protocols, separator)
}

// split parts a list by protocol.
func split(p endpoint.Ports) (protocols, numbers []string) {
	for _, r := range p {
		text := strconv.Itoa(int(r.First))
		if r.Last != r.First {
			text += "-" + strconv.Itoa(int(r.Last))
		}
		name := strings.ToUpper(r.Proto.String())
		if n := len(protocols); n == 0 || protocols[n-1] != name {
			protocols, numbers = append(protocols, name), append(numbers, text)
		} else {
			numbers[n-1] += ", " + text
		}
	}
	return protocols, numbers
}
