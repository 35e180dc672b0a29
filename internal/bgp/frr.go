package bgp

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// frr reads FRR's JSON: a table, or one prefix. Forms as FRR 8.4 prints them; the later ones put a list of paths where
// this one has a list whose first member names the prefix.
func (p *routesParser) frr() {
	var root map[string]any
	if p.found = append(p.found, decode(p.file, p.text, &root)...); p.found.HasErrors() {
		return
	}
	p.dump.Form = "frr-json"
	routes, ok := root["routes"].(map[string]any)
	if !ok {
		if _, one := root["paths"]; one {
			text, _ := root["prefix"].(string)
			p.frrPrefix(text, root)
			return
		}
		// A dump of all families has one table in each.
		for _, family := range []string{"ipv4Unicast", "ipv6Unicast"} {
			if inner, has := root[family].(map[string]any); has {
				if inner, has := inner["routes"].(map[string]any); has {
					p.frrTable(inner)
					ok = true
				}
			}
		}
		if !ok {
			p.row = 1
			p.fail("bgp.unknown-form", "value", "JSON")
		}
		return
	}
	p.frrTable(routes)
	// FRR (8.5 and later) counts the prefixes that it printed behind them, bgp_show_table in bgpd/bgp_route.c. totalPaths
	// counts those that were passed over too, and tells nothing.
	if said, has := root["totalRoutes"].(json.Number); has && !p.found.HasErrors() {
		if n, err := said.Int64(); err == nil && n > int64(len(routes)) {
			p.row = 0
			p.fail("bgp.count", "says", said.String(), "holds", strconv.Itoa(len(routes)))
		}
	}
}

func (p *routesParser) frrTable(routes map[string]any) {
	for _, text := range slices.Sorted(maps.Keys(routes)) {
		p.frrPrefix(text, routes[text])
		if len(p.found) >= maxFindings {
			return
		}
	}
}

// frrPrefix reads the paths of one prefix.
func (p *routesParser) frrPrefix(text string, v any) {
	prefix, ok := parsePrefix(text)
	if !ok {
		p.fail("bgp.route", "value", clip(text))
		return
	}
	paths, ok := v.([]any)
	if inner, is := v.(map[string]any); is {
		paths, ok = inner["paths"].([]any)
	}
	if !ok {
		p.fail("bgp.route", "value", clip(text))
		return
	}
	for _, v := range paths {
		one, ok := v.(map[string]any)
		if !ok {
			p.fail("bgp.route", "value", clip(text))
			return
		}
		r := Route{Prefix: prefix}
		switch path := one["path"].(type) {
		case string:
			r.Path, ok = parsePath(strings.Fields(path))
		default:
			aspath, has := one["aspath"].(map[string]any)
			if !has {
				continue // the member of the detailed form that names the prefix
			}
			p.dump.Communities = true
			said, _ := aspath["string"].(string)
			if said == "Local" {
				said = ""
			}
			r.Path, ok = parsePath(strings.Fields(said))
		}
		if !ok {
			p.fail("bgp.route", "value", clip(text))
			return
		}
		if c, has := one["community"].(map[string]any); has {
			p.dump.Communities = true
			said, _ := c["string"].(string)
			r.Communities = parseCommunities(strings.Fields(said))
		}
		switch best := one["bestpath"].(type) {
		case bool:
			r.Best = best
		case map[string]any:
			r.Best, _ = best["overall"].(bool)
		}
		if valid, has := one["valid"].(bool); has && !valid {
			continue
		}
		if !p.add(r) {
			return
		}
	}
}
