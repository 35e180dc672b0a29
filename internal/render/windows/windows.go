// Package windows is the target "windows": rules of the Windows firewall as a PowerShell script.
//
// The Windows firewall matches addresses. It knows names only as "dynamic keywords", which something outside of it has to
// resolve (Microsoft Defender Antivirus with network protection on), so that this target does not use them; see
// flow.Device. Outbound connections are allowed by default on Windows: the rules mean something where the default of the
// profile is Block, which the script does not touch. Running it again replaces what it made before. A rule that cannot be
// made stops the script: what is missing then is closed, never open.
package windows

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

// pages are what the script follows.
var pages = []flow.Page{
	{Title: "New-NetFirewallRule", URL: "https://learn.microsoft.com/powershell/module/netsecurity/new-netfirewallrule", Read: "2026-11-23"},
	{Title: "Firewall dynamic keywords", URL: "https://learn.microsoft.com/windows/win32/ics/firewall-dynamic-keywords", Read: "2026-11-23"},
}

// Target is "windows".
type Target struct{}

// Name returns "windows".
func (Target) Name() string { return "windows" }

// Since says that the target renders changes; see render.Since.
func (Target) Since() {}

// The options.
const (
	optionAddresses = "max-addresses" // of one rule; more are spread over several
	optionRules     = "max-rules"     // 0: no limit
)

// Options returns the limits. Microsoft documents none; 1000 addresses a rule is chosen because a rule stays readable.
func (Target) Options() []render.Option {
	return flow.Options(render.Option{Name: optionAddresses, Kind: render.Number, Default: "1000"}, render.Option{Name: optionRules, Kind: render.Number})
}

var device = flow.Device{Local: true}

// Render returns sekisho-firewall.ps1.
func (t Target) Render(in render.Input, m *render.Model) (render.Output, error) {
	plan, err := flow.New(in, m, device)
	if err != nil {
		return render.Output{}, err
	}
	most := flow.Size(in.Options, optionAddresses)
	now := rules(plan, most)
	found, err := flow.Check(t.Name(), in.Options, flow.Limit{Option: optionRules, Count: len(now)})
	if err != nil {
		return render.Output{}, err
	}
	w := &strings.Builder{}
	head := append(render.Header(in, t.Name()), flow.Unverified(pages...)...)
	w.WriteString(render.Comment("#", append(head, plan.Comments()...)...))
	w.WriteString(render.Comment("#", "The Windows firewall takes no names. Outbound rules mean something where the profile's default is Block:",
		"  Set-NetFirewallProfile -All -DefaultOutboundAction Block"))
	w.WriteString("#Requires -RunAsAdministrator\n#Requires -Modules NetSecurity\n$ErrorActionPreference = 'Stop'\n")
	if before := flow.Earlier(in, device); before != nil {
		removed, changed := flow.Difference(rules(before, most), now)
		for _, o := range slices.Concat(removed, changed) {
			w.WriteString(o.Remove)
		}
		for _, o := range changed {
			w.WriteString(o.Text)
		}
		if len(removed)+len(changed) == 0 {
			w.WriteString("# Nothing changed.\n")
		}
	} else {
		w.WriteString("Get-NetFirewallRule -Group 'Sekisho' -ErrorAction SilentlyContinue | Remove-NetFirewallRule\n")
		for _, o := range now {
			w.WriteString(o.Text)
		}
	}
	f := render.File{Name: "sekisho-firewall.ps1", Type: "text/plain; charset=utf-8", Body: []byte(w.String()), Comment: "#"}
	out := append(plan.Findings(t.Name()), found...)
	out = append(out, finding.New("flow.windows-outbound", finding.Info, finding.Pos{}), flow.NotVerified(t.Name(), pages...))
	return render.Output{Files: []render.File{f}, Findings: out}, nil
}

// rules are the rules of a plan: one for each flow, protocol and at most most addresses. Both families may stand in one.
func rules(p *flow.Plan, most int) []flow.Object {
	var out []flow.Object
	for _, f := range p.Flows {
		for _, proto := range []endpoint.Proto{endpoint.TCP, endpoint.UDP} {
			if ports(f.Ports, proto) == "" {
				continue
			}
			n := 0
			for chunk := range slices.Chunk(f.Prefixes(), most) {
				n++
				out = append(out, rule(p, f, proto, chunk, n))
			}
		}
	}
	return out
}

func rule(p *flow.Plan, f flow.Flow, proto endpoint.Proto, remote []netip.Prefix, n int) flow.Object {
	r := Rule{Name: "sekisho-" + f.Name() + "-" + proto.String() + "-" + strconv.Itoa(n), Group: "Sekisho", Proto: proto, Ports: f.Ports, Local: p.Sources, Remote: remote}
	if f.Direction == catalog.Inbound {
		r.Inbound, r.Local = true, p.Targets
	}
	return flow.Object{ID: r.Name, Text: r.Command(), Remove: "Remove-NetFirewallRule -Name '" + r.Name + "' -ErrorAction SilentlyContinue\n"}
}

// Rule is one rule of the Windows firewall. Its zero value is an outbound rule that allows, and is for nothing.
type Rule struct {
	Name, Group string // neither holds a quote
	// Unnamed leaves it to the system to name the rule, so that it can be made beside an earlier one; Name is only shown.
	Unnamed bool
	Inbound bool
	Block   bool // a rule that blocks goes before every rule that allows
	Proto   endpoint.Proto
	Ports   endpoint.Ports // those of Proto are used: remote ports, of an inbound rule our own
	Local   []netip.Prefix // our own addresses; nil: any
	Remote  []netip.Prefix // at least one
}

// Command is the command that makes the rule, in one line.
func (r Rule) Command() string {
	direction, port, action := "Outbound", "-RemotePort", "Allow"
	if r.Inbound {
		direction, port = "Inbound", "-LocalPort"
	}
	if r.Block {
		action = "Block"
	}
	local := ""
	if len(r.Local) > 0 {
		local = " -LocalAddress " + list(r.Local)
	}
	name := "-Name '" + r.Name + "' "
	if r.Unnamed {
		name = ""
	}
	return "New-NetFirewallRule " + name + "-DisplayName '" + r.Name + "' -Group '" + r.Group + "' -Direction " + direction +
		" -Action " + action + " -Enabled True -Profile Any -Protocol " + strings.ToUpper(r.Proto.String()) + " " + port + " " + ports(r.Ports, r.Proto) + local +
		" -RemoteAddress " + list(r.Remote) + " | Out-Null\n"
}

// list is a PowerShell array of prefixes. They hold nothing that a string in single quotes would have to escape.
func list(prefixes []netip.Prefix) string {
	return "@('" + flow.Join(prefixes, "','") + "')"
}

// ports is a PowerShell array of the ports of one protocol; "" without any.
func ports(p endpoint.Ports, proto endpoint.Proto) string {
	var words []string
	for _, r := range p {
		if r.Proto == proto {
			word := strconv.Itoa(int(r.First))
			if r.Last > r.First {
				word += "-" + strconv.Itoa(int(r.Last))
			}
			words = append(words, "'"+word+"'")
		}
	}
	if words == nil {
		return ""
	}
	return "@(" + strings.Join(words, ",") + ")"
}
