// Package nftables is the target "nftables": sets of addresses and two chains for the Linux packet filter, as commands that
// "nft -f" loads in one transaction.
//
// nftables matches addresses and knows no names; see flow.Device. The chains sekisho_outbound and sekisho_inbound accept
// and drop nothing, and no hook leads to them: the administrator's own chain jumps there, so that loading the file opens
// nothing by itself. Loading it again replaces what it loaded before. Syntax: nft(8), "nftables wiki, Quick reference",
// https://wiki.nftables.org/wiki-nftables/index.php/Quick_reference-nftables_in_10_minutes, read 2026-11-23; the tests load
// it into a kernel.
package nftables

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/render"
	"sekisho/internal/render/flow"
)

// Target is "nftables".
type Target struct{}

// Name returns "nftables".
func (Target) Name() string { return "nftables" }

// Since says that the target renders changes; see render.Since.
func (Target) Since() {}

// The options.
const (
	optionTable = "table"        // the table of family inet that holds sets and chains
	optionMax   = "max-elements" // of all sets together; 0: no limit
)

// Options returns the table and the limit. nftables documents none, so that there is none by default.
func (Target) Options() []render.Option {
	return flow.Options(render.Option{Name: optionTable, Default: "filter"}, render.Option{Name: optionMax, Kind: render.Number})
}

// word is what nft takes as the name of a table without quotes.
var word = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)

// Render returns sekisho.nft.
func (t Target) Render(in render.Input, m *render.Model) (render.Output, error) {
	table := in.Options.Text(optionTable)
	if !word.MatchString(table) {
		return render.Output{}, finding.Fail("flow.name", nil, "target", t.Name(), "option", optionTable, "value", render.OneLine(table), "form", word.String())
	}
	plan, err := flow.New(in, m, flow.Device{})
	if err != nil {
		return render.Output{}, err
	}
	prefixes, _ := plan.Distinct()
	found, err := flow.Check(t.Name(), in.Options, flow.Limit{Option: optionMax, Count: len(prefixes)})
	if err != nil {
		return render.Output{}, err
	}
	w := writer{table: "inet " + table}
	w.b.WriteString(render.Comment("#", append(render.Header(in, t.Name()), plan.Comments()...)...))
	if before := flow.Earlier(in, flow.Device{}); before != nil {
		w.difference(before, plan)
	} else {
		w.whole(plan)
	}
	f := render.File{Name: "sekisho.nft", Type: "text/plain; charset=utf-8", Body: []byte(w.b.String()), Comment: "#"}
	return render.Output{Files: []render.File{f}, Findings: append(plan.Findings(t.Name()), found...)}, nil
}

// Chains, by direction.
var chains = map[catalog.Direction]string{catalog.Outbound: "sekisho_outbound", catalog.Inbound: "sekisho_inbound"}

type writer struct {
	table string
	b     strings.Builder
}

func (w *writer) line(words ...string) { w.b.WriteString(strings.Join(words, " ") + "\n") }

func (w *writer) whole(p *flow.Plan) {
	w.line("# Jump there from your own chains: add rule", w.table, "forward jump", chains[catalog.Outbound])
	w.line("add table", w.table)
	w.chains()
	for i := range p.Flows {
		for _, s := range sets(&p.Flows[i]) {
			w.create(s)
			w.line("flush set", w.table, s.name)
			w.elements("add", s)
		}
	}
	w.rules(p)
}

// chains makes the chains and empties them.
func (w *writer) chains() {
	for _, d := range []catalog.Direction{catalog.Outbound, catalog.Inbound} {
		w.line("add chain", w.table, chains[d])
		w.line("flush chain", w.table, chains[d])
	}
}

// difference takes out what went before it puts in what came: sets of intervals hold nothing that overlaps. Rules are
// written anew, in the same transaction.
func (w *writer) difference(before, after *flow.Plan) {
	changes := flow.Changes(before, after)
	if len(changes) == 0 {
		w.line("# Nothing changed.")
		return
	}
	was, is := map[string]set{}, map[string]set{}
	var order []string
	for _, c := range changes {
		for _, s := range sets(c.Was) {
			was[s.name] = s
			order = append(order, s.name)
		}
		for _, s := range sets(c.Is) {
			is[s.name] = s
			if _, known := was[s.name]; !known {
				order = append(order, s.name)
			}
		}
	}
	w.chains()
	for _, name := range order {
		old, new := was[name], is[name]
		switch {
		case new.name == "":
			w.line("delete set", w.table, name)
			continue
		case old.name == "":
			w.create(new)
		}
		added, removed := flow.Delta(old.prefixes, new.prefixes)
		w.elements("delete", set{name: name, prefixes: removed})
		w.elements("add", set{name: name, prefixes: added})
	}
	w.rules(after)
}

// set is one set of a flow: the addresses of one family.
type set struct {
	name, family string
	prefixes     []netip.Prefix
}

// sets returns those of f; nil has none.
func sets(f *flow.Flow) (out []set) {
	if f == nil {
		return nil
	}
	name := "sekisho_" + strings.ReplaceAll(f.Name(), "-", "_")
	if len(f.V4) > 0 {
		out = append(out, set{name + "_v4", "ipv4_addr", f.V4})
	}
	if len(f.V6) > 0 {
		out = append(out, set{name + "_v6", "ipv6_addr", f.V6})
	}
	return out
}

func (w *writer) create(s set) {
	w.line("add set", w.table, s.name, "{ type", s.family+"; flags interval; }")
}

func (w *writer) elements(verb string, s set) {
	if len(s.prefixes) > 0 {
		w.line(verb, "element", w.table, s.name, "{\n\t"+flow.Join(s.prefixes, ",\n\t")+"\n}")
	}
}

func (w *writer) rules(p *flow.Plan) {
	for i := range p.Flows {
		f := &p.Flows[i]
		for _, s := range sets(f) {
			ip := "ip"
			if s.family == "ipv6_addr" {
				ip = "ip6"
			}
			own, theirs, ours := p.Sources, " daddr @", " saddr "
			if f.Direction == catalog.Inbound {
				own, theirs, ours = p.Targets, " saddr @", " daddr "
			}
			narrow := ""
			if len(own) > 0 {
				same := family(own, ip == "ip")
				if same == "" {
					continue // nothing of ours speaks this family
				}
				narrow = " " + ip + ours + "{ " + same + " }"
			}
			for _, proto := range []endpoint.Proto{endpoint.TCP, endpoint.UDP} {
				if ports := ports(f.Ports, proto); ports != "" {
					w.line("add rule", w.table, chains[f.Direction], ip+theirs+s.name+narrow, proto.String(), "dport {", ports, "} accept")
				}
			}
		}
	}
}

// family prints the prefixes of one family.
func family(list []netip.Prefix, v4 bool) string {
	var words []string
	for _, p := range list {
		if p.Addr().Is4() == v4 {
			words = append(words, p.String())
		}
	}
	return strings.Join(words, ", ")
}

// ports prints the ports of one protocol.
func ports(p endpoint.Ports, proto endpoint.Proto) string {
	var words []string
	for _, r := range p {
		if r.Proto != proto {
			continue
		}
		word := strconv.Itoa(int(r.First))
		if r.Last > r.First {
			word += "-" + strconv.Itoa(int(r.Last))
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}
