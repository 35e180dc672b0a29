package flow

import (
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/render"
)

// Page is a vendor's page that an output follows.
type Page struct {
	Title, URL string
	Read       string // day, YYYY-MM-DD
}

// String is the page in one line.
func (p Page) String() string { return p.Title + ", " + p.URL + ", read " + p.Read }

// Unverified are the lines that head an output whose syntax nobody here can check. Without pages the output names them beside
// what follows them.
func Unverified(pages ...Page) []string {
	out := []string{"SYNTAX NOT VERIFIED: no reader of this form was at hand. Try it on a device that nobody depends on."}
	if len(pages) > 0 {
		out[0] += " It follows:"
	}
	for _, p := range pages {
		out = append(out, "  "+p.String())
	}
	return out
}

// why words an obstacle for comments in files, which are ASCII and English in every language (see render.Header).
var why = map[Obstacle]string{
	NoAddress:   "this device knows addresses alone, and the row lists none",
	BadPattern:  "this device cannot hold a pattern of this form without opening more",
	BadPort:     "by name this device judges other ports and protocols alone, and the row lists no address",
	ByAddress:   "this device cannot hold the pattern; the addresses that the row lists are open instead",
	NoEnd:       "the row names no other end: traffic between own machines, or to anywhere",
	GatewayOnly: "clients must not reach it past the gateway while sign-ins are restricted",
	NoTarget:    "inbound: say with inbound-to to which of your addresses",
	NoIPv6:      "this device has no rules for IPv6",
	NotRefused:  "STAYS OPEN on this device: a wildcard covers it, the policy refuses it, and the device cannot tell them apart",
}

// Comments says, line by line, for whom the plan is and what is not in it.
func (p *Plan) Comments() []string {
	who := "the gateway"
	if p.Clients {
		who = "clients, which reach everything else through the gateway"
	}
	from := "from any source"
	switch {
	case len(p.Sources) > 0:
		from = "from " + Join(p.Sources, ", ")
	case p.Local:
		from = "on the machine itself"
	}
	out := []string{"For " + who + ", " + from + "."}
	if len(p.Targets) > 0 {
		out = append(out, "Inbound to "+Join(p.Targets, ", ")+".")
	}
	if len(p.Unsaid) == 0 {
		return append(out, "Everything in use is expressed.")
	}
	last := None
	for _, u := range p.Unsaid {
		if u.Why != last {
			last = u.Why
			n := 0
			for _, o := range p.Unsaid {
				if o.Why == last {
					n++
				}
			}
			out = append(out, "Not expressed, "+strconv.Itoa(n)+": "+why[last]+".")
		}
		line := "  " + u.What
		if u.Ports != "" {
			line += " " + u.Ports
		}
		if u.Rule != "" {
			line += " (" + u.Rule + ")"
		}
		out = append(out, render.ASCII(line))
	}
	return out
}

// shown is how many values a finding names (chosen: the file names all).
const shown = 5

// Findings says the same as Comments to who renders: one finding an obstacle.
func (p *Plan) Findings(target string) finding.List {
	var out finding.List
	for _, o := range Obstacles() {
		var values []string
		n := 0
		for _, u := range p.Unsaid {
			if u.Why != o {
				continue
			}
			n++
			if len(values) < shown && !slices.Contains(values, u.What) {
				values = append(values, render.OneLine(u.What))
			}
		}
		if n == 0 {
			continue
		}
		severity := finding.Warning
		if o == NoEnd || o == GatewayOnly || o == ByAddress {
			severity = finding.Info
		}
		more := ""
		if n > len(values) {
			more = strconv.Itoa(n - len(values))
		}
		out = append(out, finding.New("flow.unsaid-"+string(o), severity, finding.Pos{}, "target", target, "count", strconv.Itoa(n), "values", strings.Join(values, ", "), "more", more))
	}
	return out
}

// NotVerified is the finding beside the lines of Unverified.
func NotVerified(target string, pages ...Page) finding.Finding {
	var urls []string
	for _, p := range pages {
		urls = append(urls, p.URL)
	}
	return finding.New("flow.unverified", finding.Info, finding.Pos{}, "target", target, "pages", strings.Join(urls, ", "))
}

// Limit is how much of something a device holds: a setting, because models and versions differ.
type Limit struct {
	Option string // the target's option; 0 there: no limit
	What   string // code of what is counted: "flow.limit-<what>" is its text
	Count  int
}

// Check returns a *finding.Problem when a limit of the options is passed, and a warning from nine tenths on.
func Check(target string, o render.Options, limits ...Limit) (finding.List, error) {
	var out finding.List
	for _, l := range limits {
		most := o.Int(l.Option)
		args := []string{"target", target, "option", l.Option, "count", strconv.Itoa(l.Count), "max", strconv.Itoa(most)}
		switch {
		case most == 0:
		case l.Count > most:
			return nil, finding.Fail("flow.over-limit", nil, args...)
		case l.Count >= most-most/10:
			out = append(out, finding.New("flow.near-limit", finding.Warning, finding.Pos{}, args...))
		}
	}
	return out, nil
}

// Size is the number that an option sets for the size of one thing (a rule, a group); 0 there stands for any size.
func Size(o render.Options, option string) int {
	if n := o.Int(option); n > 0 {
		return n
	}
	return math.MaxInt32
}

// Join prints list with a separator between.
func Join[T interface{ String() string }](list []T, separator string) string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = v.String()
	}
	return strings.Join(words, separator)
}

// Distinct are the prefixes of all flows of the plan and of the other end, counted once each.
func (p *Plan) Distinct() (prefixes []netip.Prefix, names []endpoint.Pattern) {
	for _, f := range p.Flows {
		prefixes = append(prefixes, f.Prefixes()...)
		names = append(names, f.Names...)
	}
	slices.SortFunc(prefixes, netip.Prefix.Compare)
	slices.SortFunc(names, byText)
	return slices.Compact(prefixes), slices.Compact(names)
}
