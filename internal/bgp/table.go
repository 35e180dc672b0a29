package bgp

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// isTableHead recognises the line above the columns of "show ip bgp".
func isTableHead(line string) bool {
	f := strings.Fields(line)
	return len(f) >= 4 && f[0] == "Network" && f[1] == "Next" && f[2] == "Hop" && f[len(f)-1] == "Path"
}

// statusOf splits the status codes off a line: "*>i". ok is false when the line does not begin with any.
func statusOf(line string) (status, rest string, ok bool) {
	end := 0
	for end < len(line) && end < 8 && strings.IndexByte(" *>=sdhirSRxcabVIN", line[end]) >= 0 {
		end++
	}
	// The codes stand in the first columns; letters of them that belong to the network are given back.
	status = line[:end]
	if !strings.ContainsAny(status, "*sdhrSR") {
		return "", "", false
	}
	return strings.ReplaceAll(status, " ", ""), line[end:], true
}

// counted finds the number of routes that a table says it has: FRR's and NX-OS's last line.
var counted = regexp.MustCompile(`^(?:Displayed +(\d+) +routes|Total number of prefixes +(\d+))`)

// table reads the table of "show bgp ipv4 unicast" (Cisco IOS, IOS XE, IOS XR, NX-OS and FRR): status, network, next hop,
// metric, local preference, weight, path. A network that is too long for its column has a line of its own; further paths
// of a network leave it out.
func (p *routesParser) table(lines []string, head int, whole bool) {
	p.dump.Form = "table"
	pathColumn := strings.LastIndex(lines[head], "Path")
	var network netip.Prefix
	var pending bool // a network stands alone on the line before
	var status string
	distinct := map[netip.Prefix]bool{}
	for i := head + 1; i < len(lines); i++ {
		line := strings.TrimRight(lines[i], " \t")
		p.row = i + 1
		if m := counted.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1] + m[2])
			if n != len(distinct) {
				p.fail("bgp.count", "says", strconv.Itoa(n), "holds", strconv.Itoa(len(distinct)))
			}
			return
		}
		if isTableHead(line) || line == "" {
			continue
		}
		codes, rest, ok := statusOf(line)
		switch {
		case ok && !pending:
			status = codes
		case pending && strings.HasPrefix(line, "    "):
			rest = line // the rest of a route whose network has a line of its own
		case pending || !isNoise(line):
			p.fail("bgp.line", "value", clip(line))
			return
		default:
			continue // a prompt, a summary
		}
		words := strings.Fields(rest)
		if !pending && len(words) > 0 && !startsIndented(rest) {
			prefix, ok := tableNetwork(words[0])
			if !ok {
				p.fail("bgp.line", "value", clip(line))
				return
			}
			network, words = prefix, words[1:]
			if len(words) == 0 {
				pending = true
				continue
			}
		}
		pending = false
		r := Route{Prefix: network, Best: strings.Contains(status, ">"), Line: i + 1}
		if !network.IsValid() || len(words) == 0 || !isNextHop(words[0]) {
			p.fail("bgp.line", "value", clip(line))
			return
		}
		last := words[len(words)-1]
		if len(last) != 1 || !strings.Contains("ie?", last) {
			// Every route ends in its origin; one that does not is a line of which the end is missing.
			if i == len(lines)-1 || !whole && i >= len(lines)-2 {
				p.fail("bgp.half-line", "value", clip(line))
			} else {
				p.fail("bgp.line", "value", clip(line))
			}
			return
		}
		if r.Path, ok = tablePath(line, words, pathColumn); !ok {
			p.fail("bgp.line", "value", clip(line))
			return
		}
		distinct[network] = true
		if strings.ContainsAny(status, "*") && !p.add(r) {
			return
		}
	}
	if pending {
		p.fail("bgp.half-line", "value", clip(lines[len(lines)-1]))
	}
}

// startsIndented reports whether the network column of a line is empty.
func startsIndented(rest string) bool {
	return strings.HasPrefix(rest, "     ") || isNextHop(firstWord(rest)) && !strings.Contains(firstWord(rest), "/") && len(rest)-len(strings.TrimLeft(rest, " ")) > 1
}

func firstWord(s string) string {
	if f := strings.Fields(s); len(f) > 0 {
		return f[0]
	}
	return ""
}

func isNextHop(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.IsValid()
}

// tableNetwork reads the network column. Cisco leaves out the length of a network of its class: "20.0.0.0" is 20.0.0.0/8
// (the classes of RFC 791, section 3.2); IOS XR and NX-OS print every length.
func tableNetwork(s string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), true
	}
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is4() {
		return netip.Prefix{}, false
	}
	bits := 24
	switch first := a.As4()[0]; {
	case a.IsUnspecified():
		bits = 0
	case first < 128:
		bits = 8
	case first < 192:
		bits = 16
	}
	p := netip.PrefixFrom(a, bits)
	return p, p.Masked() == p
}

// tablePath takes the AS path: what begins at the column of its heading, or, where columns do not stand under their
// headings, what follows the weight.
func tablePath(line string, words []string, column int) ([]uint32, bool) {
	if column > 0 && column < len(line) && line[column-1] == ' ' && line[column] != ' ' {
		if path, ok := parsePath(strings.Fields(line[column:])); ok {
			return path, true
		}
	}
	// Without columns the numbers before the path cannot be told from it; a metric taken for an AS does no harm, because
	// only the presence of Microsoft's edge is asked for.
	return parsePath(words[1:])
}

// isNoise recognises what surrounds a table: prompts, commands, headings.
func isNoise(line string) bool {
	trimmed := strings.TrimSpace(line)
	return strings.ContainsAny(trimmed, "#>") || strings.HasPrefix(trimmed, "Processed ") || strings.HasPrefix(trimmed, "Total") ||
		strings.HasPrefix(trimmed, "Route Distinguisher") || strings.HasPrefix(trimmed, "For address family") || strings.HasPrefix(trimmed, "Displayed")
}

// entries reads what "show bgp ipv4 unicast PREFIX" prints, for one prefix after another:
//
//	BGP routing table entry for 13.107.6.152/31, version 4
//	Paths: (1 available, best #1, table default)
//	  12076
//	    192.0.2.1 from 127.0.0.1 (192.0.2.1)
//	      Origin IGP, metric 0, valid, external, best (First path received)
//	      Community: 12076:5010 12076:5100
func (p *routesParser) entries(lines []string, begin int) {
	p.dump.Form, p.dump.Communities = "entries", true
	var network netip.Prefix
	var route *Route
	announced, held, at := 0, 0, 0
	flush := func() {
		if route != nil {
			p.add(*route)
			route = nil
		}
	}
	check := func() {
		if announced != held {
			p.row = at
			p.fail("bgp.count", "says", strconv.Itoa(announced), "holds", strconv.Itoa(held))
		}
	}
	var path []uint32
	for i := begin; i < len(lines) && len(p.found) < maxFindings; i++ {
		p.row = i + 1
		line := strings.TrimSpace(lines[i])
		words := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "BGP routing table entry for "):
			flush()
			check()
			text := strings.TrimSuffix(strings.Fields(line)[5], ",")
			prefix, ok := parsePrefix(text)
			if !ok {
				p.fail("bgp.line", "value", clip(line))
				return
			}
			network, announced, held, at, path = prefix, 0, 0, i+1, nil
		case strings.HasPrefix(line, "Paths: ("):
			announced, _ = strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(words[1], "("), ","))
		case strings.Contains(line, " from ") && len(words) >= 3 && isNextHop(words[0]):
			flush()
			held++
			route = &Route{Prefix: network, Path: path, Line: i + 1}
		case route != nil && strings.HasPrefix(line, "Origin "):
			route.Best = strings.Contains(line, ", best")
		case route != nil && (strings.HasPrefix(line, "Community: ") || strings.HasPrefix(line, "Communities: ")):
			route.Communities = parseCommunities(words[1:])
		case len(words) > 0:
			// "12076 8075, (received & used)", or "Local".
			if words[0] == "Local" {
				path = nil
			} else if first, _, _ := strings.Cut(line, ", "); looksLikePath(first) {
				path, _ = parsePath(strings.Fields(first))
			}
		}
	}
	flush()
	check()
}

func looksLikePath(s string) bool {
	words := strings.Fields(s)
	if len(words) == 0 {
		return false
	}
	_, ok := parsePath(words)
	return ok
}
