package bgp

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

var (
	// juniperHead is the line above a table: "inet.0: 4 destinations, 5 routes (4 active, 0 holddown, 0 hidden)".
	juniperHead = regexp.MustCompile(`^(\S+): (\d+) destinations, (\d+) routes`)
	// juniperBrief begins a route in the usual form: "13.107.6.152/31    *[BGP/170] 1w2d 03:04:05, localpref 100".
	juniperBrief = regexp.MustCompile(`^(\S+)?\s+([*+-]?)\[(\S+?)/\d+\]`)
	// juniperDetail begins a prefix in the detailed form: "13.107.6.152/31 (1 entry, 1 announced)".
	juniperDetail = regexp.MustCompile(`^(\S+) \((\d+) entr(?:y|ies)`)
	// juniperKind begins one of its routes: "        *BGP    Preference: 170/-101".
	juniperKind = regexp.MustCompile(`^\s+([*+-]?)(\S+)\s+Preference: `)
)

// juniper reads "show route protocol bgp", also with detail or extensive. The head of a table counts all its
// destinations, whatever the protocol, so a dump of BGP alone may hold fewer; the active routes that it names are those of
// the table as well. What tells a cut dump is a route without its path, and in the detailed form a prefix with fewer
// routes than it counts.
func (p *routesParser) juniper(lines []string, begin int) {
	p.dump.Form = "juniper"
	var network netip.Prefix
	var route *Route
	var bgp, pathDue bool
	left := 0 // routes of the prefix that the detailed form still owes
	flush := func() bool {
		if route == nil {
			return true
		}
		if pathDue {
			p.row = route.Line
			p.fail("bgp.half-line", "value", clip(strings.TrimSpace(lines[route.Line-1])))
			return false
		}
		r := *route
		route = nil
		return !bgp || p.add(r)
	}
	owed := func(at int) bool {
		if left > 0 {
			p.row = at
			p.fail("bgp.half-line", "value", network.String()+": "+strconv.Itoa(left))
			return false
		}
		return true
	}
	skip := false // a table of another kind than inet.0 and inet6.0, of VPNs or multicast
	for i := begin; i < len(lines); i++ {
		line := lines[i]
		trimmed := strings.TrimSpace(line)
		p.row = i + 1
		if m := juniperHead.FindStringSubmatch(line); m != nil {
			if !flush() || !owed(i) {
				return
			}
			skip = !strings.HasSuffix(m[1], "inet.0") && !strings.HasSuffix(m[1], "inet6.0")
			continue
		}
		if skip {
			continue
		}
		if m := juniperDetail.FindStringSubmatch(line); m != nil {
			if !flush() || !owed(i) {
				return
			}
			prefix, ok := parsePrefix(m[1])
			if !ok {
				p.fail("bgp.line", "value", clip(line))
				return
			}
			p.dump.Form, p.dump.Communities = "juniper-detail", true
			network = prefix
			left, _ = strconv.Atoi(m[2])
			continue
		}
		if m := juniperKind.FindStringSubmatch(line); m != nil {
			if !flush() {
				return
			}
			left--
			bgp = m[2] == "BGP"
			pathDue = bgp
			route = &Route{Prefix: network, Best: m[1] == "*" || m[1] == "+", Line: i + 1}
			continue
		}
		if m := juniperBrief.FindStringSubmatch(line); m != nil {
			if !flush() {
				return
			}
			if m[1] != "" {
				prefix, ok := parsePrefix(m[1])
				if !ok {
					p.fail("bgp.line", "value", clip(line))
					return
				}
				network = prefix
			}
			if !network.IsValid() {
				p.fail("bgp.line", "value", clip(line))
				return
			}
			bgp = m[3] == "BGP"
			pathDue = bgp
			route = &Route{Prefix: network, Best: m[2] == "*" || m[2] == "+", Line: i + 1}
			continue
		}
		// A network that is too long for its column has a line of its own.
		if prefix, err := netip.ParsePrefix(trimmed); err == nil && !strings.HasPrefix(line, " ") {
			if !flush() {
				return
			}
			network = prefix.Masked()
			continue
		}
		if route == nil {
			continue
		}
		switch {
		case strings.HasPrefix(trimmed, "AS path: "):
			said, _, behind := strings.Cut(strings.TrimPrefix(trimmed, "AS path: "), ",")
			said, _, _ = strings.Cut(said, " (")
			// Every path ends in its origin. The last line of a dump that does not was cut within a number.
			if words := strings.Fields(said); i == len(lines)-1 && !behind && (len(words) == 0 || !strings.Contains("IE?", words[len(words)-1])) {
				p.fail("bgp.half-line", "value", clip(trimmed))
				return
			}
			path, ok := parsePath(strings.Fields(said))
			if !ok {
				p.fail("bgp.line", "value", clip(trimmed))
				return
			}
			route.Path, pathDue = path, false
		case strings.HasPrefix(trimmed, "Communities: "):
			route.Communities = parseCommunities(strings.Fields(trimmed)[1:])
		}
	}
	if flush() {
		p.row = len(lines)
		owed(len(lines))
	}
}
