package bgp

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/gaissmai/bart"

	"sekisho/internal/finding"
)

// Route is one route as a router holds it.
type Route struct {
	Prefix      netip.Prefix // masked
	Path        []uint32     // AS numbers, the nearest first; sets and confederations flattened
	Communities []Community  // nil: none, or the form of the dump does not print them
	Best        bool         // the router uses it
	Line        int          // of the dump, from 1; 0 in JSON
}

// OverExpressRoute reports whether r came over ExpressRoute: Microsoft's edge is on its path, or marked it.
func (r Route) OverExpressRoute() bool {
	return slices.Contains(r.Path, MicrosoftEdge) || slices.ContainsFunc(r.Communities, Community.Microsoft)
}

// PrivatePeering reports whether r leads into a virtual network: it bears a region of private peering, or its prefix is
// private and no community of Microsoft peering says otherwise.
func (r Route) PrivatePeering() bool {
	if slices.ContainsFunc(r.Communities, Community.Private) {
		return true
	}
	if slices.ContainsFunc(r.Communities, Community.Microsoft) {
		return false
	}
	// A default route is accepted on private peering alone ("ExpressRoute routing requirements").
	return r.Prefix.Bits() == 0 || r.Prefix.Addr().IsPrivate()
}

// Dump is what one router received. Obtain it from ParseRoutes; nil is empty. Read-only, safe for concurrent use.
type Dump struct {
	File   string
	Form   string // frr-json, table, entries, juniper, juniper-detail
	Routes []Route
	// Communities says whether the form prints communities at all.
	Communities bool
	tree        bart.Table[int]
}

// Best returns the route that the router would use for a: the longest prefix that holds it among the routes in use.
func (d *Dump) Best(a netip.Addr) (Route, bool) {
	if d == nil || !a.IsValid() {
		return Route{}, false
	}
	i, ok := d.tree.Lookup(a.Unmap().WithZone(""))
	if !ok {
		return Route{}, false
	}
	return d.Routes[i], true
}

// BestPrefix returns the longest route in use that holds all of p.
func (d *Dump) BestPrefix(p netip.Prefix) (Route, bool) {
	if d == nil || !p.IsValid() {
		return Route{}, false
	}
	i, ok := d.tree.LookupPrefix(p)
	if !ok {
		return Route{}, false
	}
	return d.Routes[i], true
}

// ParseRoutes reads what a router prints of its BGP routes, and tells the form by itself:
//
//	FRR        show bgp ipv4 unicast json [detail], show bgp ipv4 unicast PREFIX json
//	Cisco, FRR show bgp ipv4 unicast, show ip bgp, show bgp ipv4 unicast PREFIX (several after one another)
//	Juniper    show route protocol bgp [detail|extensive]
//
// Errors make the dump unusable, and the result is nil exactly then: another form, a dump that is cut off (JSON that ends
// early, a last line that is half, a table that counts more than it holds, a pager that waits), a line that cannot be read,
// no route at all. Prompts and commands before and behind a table are passed over.
func ParseRoutes(name string, data []byte) (*Dump, finding.List) {
	text, found := readable(name, data)
	if found != nil {
		return nil, found
	}
	p := &routesParser{file: name, text: text, dump: &Dump{File: name}}
	switch {
	case strings.HasPrefix(strings.TrimSpace(text), "{") || strings.HasPrefix(strings.TrimSpace(text), "["):
		p.frr()
	default:
		p.lines()
	}
	if p.found.HasErrors() {
		return nil, p.found
	}
	if len(p.dump.Routes) == 0 {
		return nil, finding.List{finding.New("bgp.no-routes", finding.Error, finding.Pos{File: name})}
	}
	p.index()
	return p.dump, p.found
}

type routesParser struct {
	file  string
	text  string
	dump  *Dump
	found finding.List
	row   int // the line that is read
}

func (p *routesParser) fail(code string, args ...string) {
	if len(p.found) < maxFindings {
		p.found = append(p.found, finding.New(code, finding.Error, finding.Pos{File: p.file, Line: p.row}, args...))
	}
}

// add keeps r; false when there are too many.
func (p *routesParser) add(r Route) bool {
	if len(p.dump.Routes) == maxRoutes {
		p.fail("bgp.too-many", "max", strconv.Itoa(maxRoutes))
		return false
	}
	p.dump.Routes = append(p.dump.Routes, r)
	return true
}

// index puts the routes in use into the tree. Where none of a prefix is marked as best, the first is taken: the form
// prints only what is in use.
func (p *routesParser) index() {
	d := p.dump
	for _, best := range []bool{true, false} {
		for i, r := range d.Routes {
			if r.Best != best {
				continue
			}
			if _, twice := d.tree.Get(r.Prefix); !twice {
				d.tree.Insert(r.Prefix, i)
			}
		}
	}
}

// lines splits text and reads it in the form that its lines show.
func (p *routesParser) lines() {
	lines := strings.Split(strings.ReplaceAll(p.text, "\r\n", "\n"), "\n")
	whole := lines[len(lines)-1] == "" // the last line has its end
	if whole {
		lines = lines[:len(lines)-1]
	}
	for i, line := range lines {
		lines[i] = unpage(line)
	}
	p.row = len(lines)
	if last := lines[len(lines)-1]; strings.Contains(last, "--More--") || strings.Contains(last, "---(more") {
		p.fail("bgp.pager")
		return
	}
	for i, line := range lines {
		p.row = i + 1
		switch {
		case strings.HasPrefix(line, "BGP routing table entry for "):
			p.entries(lines, i)
			return
		case isTableHead(line):
			p.table(lines, i, whole)
			return
		case strings.Contains(line, " destinations, ") && strings.Contains(line, " routes ("):
			p.juniper(lines, i)
			return
		}
	}
	p.row = 1
	p.fail("bgp.unknown-form", "value", clip(strings.TrimSpace(lines[0])))
}

// unpage removes what a pager leaves behind when it goes on: its mark and the backspaces or the carriage return over it.
func unpage(line string) string {
	if !strings.Contains(line, "ore") {
		return line
	}
	for _, mark := range []string{" --More-- ", "--More--"} {
		if after, ok := strings.CutPrefix(line, mark); ok {
			trimmed := strings.TrimLeft(after, "\b\r ")
			if trimmed != "" {
				// The routers pad the first column, which the overprinting blanks took along.
				if len(after)-len(trimmed) > 0 && (trimmed[0] == '*' || trimmed[0] == '>') {
					return " " + trimmed
				}
				return trimmed
			}
		}
	}
	return line
}

// path reads "12076 8075 {64500,64501} i"; ok is false when a word is none of these.
func parsePath(words []string) (path []uint32, ok bool) {
	if n := len(words); n > 0 && len(words[n-1]) == 1 && strings.Contains("ie?IE", words[n-1]) {
		words = words[:n-1]
	}
	for _, w := range words {
		for _, part := range strings.FieldsFunc(w, func(r rune) bool { return strings.ContainsRune("{}(),[]", r) }) {
			n, err := parseAS(part)
			if err != nil {
				return nil, false
			}
			path = append(path, n)
		}
	}
	return path, true
}

// parseAS reads an AS number in plain or in dotted form, RFC 5396.
func parseAS(s string) (uint32, error) {
	if high, low, dotted := strings.Cut(s, "."); dotted {
		h, err := number16(high)
		if err != nil {
			return 0, err
		}
		l, err := number16(low)
		return uint32(h)<<16 | uint32(l), err
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err
}

// parseCommunities reads standard communities; names (no-export) and other kinds (large, extended) are passed over.
func parseCommunities(words []string) (list []Community) {
	for _, w := range words {
		if c, err := ParseCommunity(strings.Trim(w, ",")); err == nil {
			list = append(list, c)
		}
	}
	return list
}
