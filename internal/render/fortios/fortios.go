// Package fortios is the target "fortios": address objects, names, groups, policies and exemptions from deep inspection for
// FortiOS, as a script for its command line.
//
// FortiOS resolves names to addresses and lets pass what goes there, on any protocol; a wildcard collects the addresses that
// it sees in DNS answers that pass through the firewall. So it tells hosts that share an address apart by nothing: what the
// policy refuses below a wildcard stays open here, and is said. Single names and "*.example.com" can be held; FortiOS's
// wildcard objects are not documented to match a star elsewhere. Names stand for IPv4 alone; IPv6 is open by address where
// rows list some. Everything is named "sekisho-…", policies have numbers made from their names, and pasting the script
// again puts the same over it.
package fortios

import (
	"regexp"
	"slices"
	"strings"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/render"
	"sekisho/internal/render/flow"
)

var pages = []flow.Page{
	{Title: "Using wildcard FQDN addresses in firewall policies", URL: "https://docs.fortinet.com/document/fortigate/7.0.1/administration-guide/217973/using-wildcard-fqdn-addresses-in-firewall-policies", Read: "2026-11-23"},
	{Title: "config firewall ssl-ssh-profile", URL: "https://docs.fortinet.com/document/fortigate/7.6.0/cli-reference/116695140", Read: "2026-11-23"},
	{Title: "firewall {address | address6}", URL: "https://docs.fortinet.com/document/fortigate/6.0.5/cli-reference/969597/firewall-address-address6", Read: "2026-11-23"},
}

// Target is "fortios".
type Target struct{}

// Name returns "fortios".
func (Target) Name() string { return "fortios" }

// Since says that the target renders changes; see render.Since.
func (Target) Since() {}

// The options.
const (
	optionFrom      = "srcintf" // interfaces or zones of outbound policies; those of inbound ones are the other way round
	optionTo        = "dstintf"
	optionNAT       = "nat"           // source NAT on outbound policies
	optionAddresses = "max-addresses" // objects of either family
	optionMembers   = "max-members"   // of a group; more are spread over several
	optionExempt    = "max-exempt"    // entries of ssl-exempt
)

// Options returns interfaces and limits. How many objects there may be depends on the model ("Maximum Values Table",
// https://docs.fortinet.com/max-value-table); 5000 and 600 are chosen as what small models hold. The numbers of ssl-exempt
// end at 512 ("config firewall ssl-ssh-profile").
func (Target) Options() []render.Option {
	return flow.Options(
		render.Option{Name: optionFrom, Default: "any"},
		render.Option{Name: optionTo, Default: "any"},
		render.Option{Name: optionNAT, Kind: render.Flag},
		render.Option{Name: optionAddresses, Kind: render.Number, Default: "5000"},
		render.Option{Name: optionMembers, Kind: render.Number, Default: "600"},
		render.Option{Name: optionExempt, Kind: render.Number, Default: "512"},
	)
}

var device = flow.Device{Names: func(p endpoint.Pattern, _ endpoint.PortRange) flow.Obstacle {
	if p.Kind() == endpoint.Exact || p.Kind() == endpoint.Suffix {
		return flow.None
	}
	return flow.BadPattern
}}

// port is what a name of an interface may be without quotes.
var port = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,34}$`)

// Render returns sekisho.fortios.txt.
func (t Target) Render(in render.Input, m *render.Model) (render.Output, error) {
	s := script{from: in.Options.Text(optionFrom), to: in.Options.Text(optionTo), members: flow.Size(in.Options, optionMembers), nat: in.Options.Bool(optionNAT)}
	for option, value := range map[string]string{optionFrom: s.from, optionTo: s.to} {
		if !port.MatchString(value) {
			return render.Output{}, finding.Fail("flow.name", nil, "target", t.Name(), "option", option, "value", render.OneLine(value), "form", port.String())
		}
	}
	plan, err := flow.New(in, m, device)
	if err != nil {
		return render.Output{}, err
	}
	objects, err := s.objects(plan)
	if err != nil {
		return render.Output{}, err
	}
	v4, v6, exempt := 0, 0, 0
	for _, o := range objects {
		switch {
		case o.section == sectionAddress:
			v4++
		case o.section == sectionAddress6:
			v6++
		case o.section == sectionProfile:
			exempt = strings.Count(o.Text, "set type ")
		}
	}
	found, err := flow.Check(t.Name(), in.Options, flow.Limit{Option: optionAddresses, Count: max(v4, v6)}, flow.Limit{Option: optionExempt, Count: exempt})
	if err != nil {
		return render.Output{}, err
	}
	w := &strings.Builder{}
	head := append(render.Header(in, t.Name()), flow.Unverified(pages...)...)
	w.WriteString(render.Comment("#", append(head, plan.Comments()...)...))
	w.WriteString(render.Comment("#", "Names are resolved: clients must use the DNS servers of the firewall, in plain DNS that passes through it.",
		"They stand for IPv4 alone. Every host at the addresses of a name is open with it. New policies stand last: move them before those that deny.",
		"Use the SSL/SSH profile \"sekisho\" where you inspect."))
	if before := flow.Earlier(in, device); before != nil {
		old, err := s.objects(before)
		if err != nil {
			return render.Output{}, err
		}
		difference(w, old, objects)
	} else {
		write(w, objects, func(o object) string { return o.Text })
	}
	f := render.File{Name: "sekisho.fortios.txt", Type: "text/plain; charset=utf-8", Body: []byte(w.String()), Comment: "#"}
	findings := append(plan.Findings(t.Name()), found...)
	return render.Output{Files: []render.File{f}, Findings: append(findings, flow.NotVerified(t.Name(), pages...))}, nil
}

// write prints objects section by section.
func write(w *strings.Builder, objects []object, text func(object) string) {
	last := ""
	for _, o := range objects {
		if o.section != last {
			if last != "" {
				w.WriteString("end\n")
			}
			w.WriteString("config " + o.section + "\n")
			last = o.section
		}
		w.WriteString(text(o))
	}
	if last != "" {
		w.WriteString("end\n")
	}
}

// difference writes what turns before into after: new objects, then groups, policies and the profile that changed, then
// what went, last first, because nothing can be deleted that something refers to.
func difference(w *strings.Builder, before, after []object) {
	was, is := map[string]object{}, map[string]bool{}
	for _, o := range before {
		was[o.section+o.ID] = o
	}
	var changed, gone []object
	for _, o := range after {
		is[o.section+o.ID] = true
		old, known := was[o.section+o.ID]
		switch {
		case known && old.Text == o.Text:
		case known && len(o.member) > 0:
			added, removed := flow.Delta(old.member, o.member)
			o.Text = "    edit \"" + o.ID + "\"\n"
			if len(added) > 0 {
				o.Text += "        append member " + quoted(added) + "\n"
			}
			if len(removed) > 0 {
				o.Text += "        unselect member " + quoted(removed) + "\n"
			}
			o.Text += "    next\n"
			changed = append(changed, o)
		default:
			changed = append(changed, o)
		}
	}
	for _, o := range before {
		if !is[o.section+o.ID] {
			gone = append(gone, o)
		}
	}
	slices.Reverse(gone)
	if len(changed)+len(gone) == 0 {
		w.WriteString("# Nothing changed.\n")
		return
	}
	write(w, changed, func(o object) string { return o.Text })
	write(w, gone, func(o object) string { return o.Remove })
}
