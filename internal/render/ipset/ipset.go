// Package ipset is the target "ipset": sets of addresses with protocol and port for iptables, in the form that
// "ipset restore" reads.
//
// The sets are of the type hash:net,port, so that one rule of iptables asks for address, protocol and port at once and
// ports stay as exact as the rows have them. iptables matches addresses and knows no names; see flow.Device. The sets open
// nothing by themselves: the rules that use them stand in the file as comments. Restoring the file again replaces what it
// restored before. Form: ipset(8), https://ipset.netfilter.org/ipset.man.html, read 2026-11-23; the tests restore it into
// a kernel.
package ipset

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/render"
	"sekisho/internal/render/flow"
)

// Target is "ipset".
type Target struct{}

// Name returns "ipset".
func (Target) Name() string { return "ipset" }

// Since says that the target renders changes; see render.Since.
func (Target) Since() {}

// optionMax is how many elements a set may have; an element is an address range with one protocol and port.
const optionMax = "max-elements"

// Options returns the limit. 65536 is ipset's own default for maxelem (ipset(8), section "hash:net,port").
func (Target) Options() []render.Option {
	return flow.Options(render.Option{Name: optionMax, Kind: render.Number, Default: "65536"})
}

// Render returns sekisho.ipset.
func (t Target) Render(in render.Input, m *render.Model) (render.Output, error) {
	plan, err := flow.New(in, m, flow.Device{})
	if err != nil {
		return render.Output{}, err
	}
	now := sets(plan)
	var limits []flow.Limit
	for _, s := range now {
		limits = append(limits, flow.Limit{Option: optionMax, Count: s.count})
	}
	found, err := flow.Check(t.Name(), in.Options, limits...)
	if err != nil {
		return render.Output{}, err
	}
	most := in.Options.Text(optionMax)
	if most == "0" {
		most = "4294967295" // maxelem has 32 bits
	}
	w := &strings.Builder{}
	w.WriteString(render.Comment("#", append(render.Header(in, t.Name()), plan.Comments()...)...))
	w.WriteString(render.Comment("#", use(plan)...))
	was := map[string]set{}
	before := flow.Earlier(in, flow.Device{})
	if before != nil {
		for _, s := range sets(before) {
			was[s.name] = s
		}
	}
	changed := false
	for _, s := range now {
		old := was[s.name]
		added, removed := flow.Delta(old.lines, s.lines)
		if before == nil || len(old.lines) == 0 && len(s.lines) > 0 {
			w.WriteString("create " + s.name + " hash:net,port family " + s.family + " maxelem " + most + " -exist\nflush " + s.name + "\n")
		}
		write(w, "del", removed)
		write(w, "add", added)
		changed = changed || len(added)+len(removed) > 0
	}
	if before != nil && !changed {
		w.WriteString("# Nothing changed.\n")
	}
	f := render.File{Name: "sekisho.ipset", Type: "text/plain; charset=utf-8", Body: []byte(w.String()), Comment: "#"}
	return render.Output{Files: []render.File{f}, Findings: append(plan.Findings(t.Name()), found...)}, nil
}

func write(w *strings.Builder, verb string, lines []string) {
	for _, l := range lines {
		w.WriteString(verb + " " + l + "\n")
	}
}

// use says how iptables asks for the sets.
func use(p *flow.Plan) []string {
	out := []string{"Use them so, behind your rule for established connections:"}
	rule := func(command, chain, match, own string, list []netip.Prefix, v4 bool) {
		if len(list) == 0 {
			out = append(out, "  "+command+" -A "+chain+" "+match+" -j ACCEPT")
		}
		for _, o := range list {
			if o.Addr().Is4() == v4 {
				out = append(out, "  "+command+" -A "+chain+" "+own+" "+o.String()+" "+match+" -j ACCEPT")
			}
		}
	}
	rule("iptables", "FORWARD", "-m set --match-set sekisho-out4 dst,dst", "-s", p.Sources, true)
	rule("ip6tables", "FORWARD", "-m set --match-set sekisho-out6 dst,dst", "-s", p.Sources, false)
	if len(p.Targets) > 0 {
		rule("iptables", "FORWARD", "-m set --match-set sekisho-in4 src,dst", "-d", p.Targets, true)
		rule("ip6tables", "FORWARD", "-m set --match-set sekisho-in6 src,dst", "-d", p.Targets, false)
	}
	return out
}

// set is one set, with the elements as lines behind "add".
type set struct {
	name, family string
	lines        []string
	count        int // elements: the kernel keeps one for each port of a range
}

// sets are the four sets, by direction and family. One without elements is there too, so that a rule that asks for it loads.
func sets(p *flow.Plan) []set {
	out := []set{{name: "sekisho-out4", family: "inet"}, {name: "sekisho-out6", family: "inet6"}, {name: "sekisho-in4", family: "inet"}, {name: "sekisho-in6", family: "inet6"}}
	// Flows of different ports may come to the same prefix when theirs are joined, and no element may be added twice.
	open := make([]map[netip.Prefix]endpoint.Ports, len(out))
	for _, f := range p.Flows {
		for i, prefixes := range [][]netip.Prefix{f.V4, f.V6} {
			if f.Direction == catalog.Inbound {
				i += 2
			}
			if open[i] == nil {
				open[i] = map[netip.Prefix]endpoint.Ports{}
			}
			for _, prefix := range prefixes {
				open[i][prefix] = open[i][prefix].Union(f.Ports)
			}
		}
	}
	for i := range out {
		s := &out[i]
		for _, prefix := range slices.SortedFunc(maps.Keys(open[i]), netip.Prefix.Compare) {
			for _, r := range open[i][prefix] {
				s.lines = append(s.lines, s.name+" "+prefix.String()+","+port(r))
				s.count += int(r.Last) - int(r.First) + 1
			}
		}
	}
	if len(p.Targets) == 0 {
		out = out[:2]
	}
	return out
}

// port prints one range with its protocol.
func port(r endpoint.PortRange) string {
	text := r.Proto.String() + ":" + strconv.Itoa(int(r.First))
	if r.Last > r.First {
		text += "-" + strconv.Itoa(int(r.Last))
	}
	return text
}
