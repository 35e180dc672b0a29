package targets_test

import (
	"encoding/json"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sekisho/internal/render"
)

// The readers below know nothing of the writers: they read a device's words and say what it would let pass.

// span is a protocol with a range of ports; proto "" is every port.
type span struct {
	proto       string
	first, last int
}

func (s span) has(proto string, port int) bool {
	return s.proto == "" || s.proto == proto && s.first <= port && port <= s.last
}

// spans reads "80", "443-445" after a protocol.
func spans(t testing.TB, proto string, list []string) (out []span) {
	t.Helper()
	for _, text := range list {
		first, last, isRange := strings.Cut(text, "-")
		if !isRange {
			last = first
		}
		a, err := strconv.Atoi(first)
		b, wrong := strconv.Atoi(last)
		if err != nil || wrong != nil || a < 1 || b < a || b > 65535 {
			t.Fatalf("ports %q", text)
		}
		out = append(out, span{strings.ToLower(proto), a, b})
	}
	return out
}

// opening is one rule of a device: first match decides.
type opening struct {
	allow    bool
	inbound  bool
	spans    []span
	names    []string // as the device matches them
	prefixes []netip.Prefix
}

// device is the rules of a device and how it matches a name.
type device struct {
	rules []opening
	match func(pattern, host string) bool
}

func (d device) name(host, proto string, port int) bool {
	for _, r := range d.rules {
		if r.inbound || !slices.ContainsFunc(r.spans, func(s span) bool { return s.has(proto, port) }) {
			continue
		}
		if slices.ContainsFunc(r.names, func(p string) bool { return d.match(p, host) }) {
			return r.allow
		}
	}
	return false
}

func (d device) address(inbound bool, a netip.Addr, proto string, port int) bool {
	for _, r := range d.rules {
		if r.allow && r.inbound == inbound && slices.ContainsFunc(r.spans, func(s span) bool { return s.has(proto, port) }) &&
			slices.ContainsFunc(r.prefixes, func(p netip.Prefix) bool { return p.Contains(a) }) {
			return true
		}
	}
	return false
}

// tokens is how PAN-OS matches ("Guidelines for URL Category Exceptions"): an asterisk is one or more labels, a caret one.
func tokens(pattern, host string) bool {
	pattern, ok := strings.CutSuffix(pattern, "/")
	return ok && labels(strings.Split(pattern, "."), strings.Split(host, "."))
}

func labels(pattern, host []string) bool {
	switch {
	case len(pattern) == 0 || len(host) == 0:
		return len(pattern) == len(host)
	case pattern[0] == "*":
		return labels(pattern[1:], host[1:]) || labels(pattern, host[1:])
	case pattern[0] == "^":
		return labels(pattern[1:], host[1:])
	}
	return pattern[0] == host[0] && labels(pattern[1:], host[1:])
}

// leftmost is how Azure Firewall and FortiOS match: an asterisk at the left is anything.
func leftmost(pattern, host string) bool {
	if rest, ok := strings.CutPrefix(pattern, "*"); ok {
		return strings.HasSuffix(host, rest)
	}
	return pattern == host
}

var quotedWords = regexp.MustCompile(`"[^"]*"|\S+`)

func words(line string) []string {
	var out []string
	for _, w := range quotedWords.FindAllString(line, -1) {
		out = append(out, strings.Trim(w, `"`))
	}
	return out
}

func readPANOS(t testing.TB, body string) device {
	t.Helper()
	service, category, address, group, fqdn := map[string][]span{}, map[string][]string{}, map[string]netip.Prefix{}, map[string][]string{}, map[string]string{}
	d := device{match: tokens}
	for line := range strings.Lines(body) {
		w := words(line)
		if len(w) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		switch {
		case w[0] == "set" && w[1] == "service":
			service[w[2]] = spans(t, w[4], strings.Split(w[6], ","))
		case w[1] == "profiles" && w[4] == "list":
			category[w[3]] = append(category[w[3]], w[5])
		case w[1] == "profiles" && w[4] == "type":
		case w[1] == "address" && w[3] == "ip-netmask":
			address[w[2]] = netip.MustParsePrefix(w[4])
		case w[1] == "address" && w[3] == "fqdn":
			fqdn[w[2]] = w[4]
		case w[1] == "address-group":
			group[w[2]] = append(group[w[2]], w[4])
		case w[1] == "rulebase" && w[2] == "security":
			at := map[string][]string{}
			key := ""
			for _, x := range w[5:] {
				switch x {
				case "from", "to", "source", "destination", "application", "service", "category", "action", "log-end":
					key = x
				case "[", "]":
				default:
					at[key] = append(at[key], x)
				}
			}
			r := opening{allow: at["action"][0] == "allow"}
			for _, s := range at["service"] {
				if s == "any" {
					r.spans = append(r.spans, span{})
				}
				r.spans = append(r.spans, service[s]...)
			}
			if c := at["category"][0]; c != "any" {
				if category[c] == nil {
					t.Errorf("no category %q", c)
				}
				r.names = category[c]
			}
			end := at["destination"][0]
			if group[end] == nil {
				if end = at["source"][0]; group[end] != nil {
					r.inbound = true
				}
			}
			for _, m := range group[end] {
				if n, ok := fqdn[m]; ok {
					r.names = append(r.names, n+"/")
				} else if p, ok := address[m]; ok {
					r.prefixes = append(r.prefixes, p)
				} else {
					t.Errorf("no member %q", m)
				}
			}
			if r.names == nil && r.prefixes == nil || r.spans == nil {
				t.Errorf("a rule for everything: %s", line)
			}
			d.rules = append(d.rules, r)
		case w[1] == "rulebase" && w[2] == "decryption":
		default:
			t.Errorf("what is %q", line)
		}
	}
	return d
}

func readFortiOS(t testing.TB, body string) device {
	t.Helper()
	name, prefix, group, service := map[string]string{}, map[string]netip.Prefix{}, map[string][]string{}, map[string][]span{}
	d := device{match: leftmost}
	section, id, depth := "", "", 0
	at := map[string][]string{}
	for line := range strings.Lines(body) {
		w := words(line)
		if len(w) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		switch {
		case w[0] == "config":
			if depth++; depth == 1 {
				section = strings.Join(w[1:], " ")
			}
		case w[0] == "end":
			depth--
		case depth != 1:
		case w[0] == "edit":
			id, at = w[1], map[string][]string{}
		case w[0] == "set":
			at[w[1]] = w[2:]
		case w[0] == "next" && section == "firewall address":
			if at["fqdn"] != nil {
				name[id] = at["fqdn"][0]
				break
			}
			mask := netip.MustParseAddr(at["subnet"][1]).As4()
			bits := 0
			for _, b := range mask {
				for ; b&0x80 != 0; b <<= 1 {
					bits++
				}
			}
			prefix[id] = netip.PrefixFrom(netip.MustParseAddr(at["subnet"][0]), bits)
		case w[0] == "next" && section == "firewall address6":
			prefix["6"+id] = netip.MustParsePrefix(at["ip6"][0])
		case w[0] == "next" && section == "firewall addrgrp":
			group[id] = at["member"]
		case w[0] == "next" && section == "firewall addrgrp6":
			for _, m := range at["member"] {
				group["6"+id] = append(group["6"+id], "6"+m)
			}
		case w[0] == "next" && section == "firewall service custom":
			service[id] = append(spans(t, "tcp", at["tcp-portrange"]), spans(t, "udp", at["udp-portrange"])...)
		case w[0] == "next" && section == "firewall policy":
			ends := func(keys ...string) (out []string) {
				for _, k := range keys {
					for _, g := range at[k] {
						if strings.HasSuffix(k, "6") {
							g = "6" + g
						}
						out = append(out, group[g]...)
					}
				}
				return out
			}
			r := opening{allow: at["action"][0] == "accept", spans: service[at["service"][0]]}
			members := ends("dstaddr", "dstaddr6")
			if members == nil {
				r.inbound, members = true, ends("srcaddr", "srcaddr6")
			}
			for _, m := range members {
				if n, ok := name[m]; ok {
					r.names = append(r.names, n)
				} else if p, ok := prefix[m]; ok {
					r.prefixes = append(r.prefixes, p)
				} else {
					t.Errorf("no member %q", m)
				}
			}
			if members == nil || r.spans == nil {
				t.Errorf("policy %s is for everything", id)
			}
			d.rules = append(d.rules, r)
		}
	}
	if depth != 0 {
		t.Errorf("%d sections stay open", depth)
	}
	return d
}

type arm struct {
	Metadata  map[string][]string
	Resources []struct {
		Type       string
		Properties struct {
			SecurityRules []struct {
				Properties struct {
					Direction, Access, Protocol                       string
					Priority                                          int
					SourceAddressPrefix, DestinationAddressPrefix     string
					SourceAddressPrefixes, DestinationAddressPrefixes []string
					DestinationPortRanges                             []string
				}
			}
			RuleCollections []struct {
				Priority int
				Action   struct{ Type string }
				Rules    []struct {
					RuleType, Name                                                   string
					Protocols                                                        []struct{ Port int }
					IPProtocols, TargetFqdns, DestinationAddresses, DestinationFqdns []string
					SourceAddresses, DestinationPorts                                []string
				}
			}
		}
	}
}

// ranges reads addresses and service tags.
func ranges(t testing.TB, in render.Input, list []string) (out []netip.Prefix) {
	t.Helper()
	for _, text := range list {
		if p, err := netip.ParsePrefix(text); err == nil {
			out = append(out, p)
		} else if tag, ok := in.Tags("worldwide", text); ok {
			out = append(out, tag...)
		} else {
			t.Errorf("%q is neither a prefix nor a tag", text)
		}
	}
	return out
}

// readAzure returns the security group and the firewall of a template.
func readAzure(t testing.TB, in render.Input, body string) (group, firewall device, doc arm) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatal(err)
	}
	group.match, firewall.match = leftmost, leftmost
	for _, res := range doc.Resources {
		taken := map[string]bool{}
		for _, r := range res.Properties.SecurityRules {
			p := r.Properties
			key := p.Direction + strconv.Itoa(p.Priority)
			if taken[key] || p.Priority < 100 || p.Priority > 4096 {
				t.Errorf("priority %s", key)
			}
			taken[key] = true
			ends := append(p.DestinationAddressPrefixes, p.DestinationAddressPrefix)
			if p.Direction == "Inbound" {
				ends = append(p.SourceAddressPrefixes, p.SourceAddressPrefix)
			}
			ends = slices.DeleteFunc(ends, func(s string) bool { return s == "" })
			group.rules = append(group.rules, opening{allow: p.Access == "Allow", inbound: p.Direction == "Inbound", spans: spans(t, p.Protocol, p.DestinationPortRanges), prefixes: ranges(t, in, ends)})
		}
		collections := res.Properties.RuleCollections
		slices.SortFunc(collections, func(x, y struct {
			Priority int
			Action   struct{ Type string }
			Rules    []struct {
				RuleType, Name                                                   string
				Protocols                                                        []struct{ Port int }
				IPProtocols, TargetFqdns, DestinationAddresses, DestinationFqdns []string
				SourceAddresses, DestinationPorts                                []string
			}
		}) int {
			return x.Priority - y.Priority
		})
		for _, c := range collections {
			for _, r := range c.Rules {
				o := opening{allow: c.Action.Type == "Allow", inbound: strings.HasPrefix(r.Name, "sekisho-in-")}
				if r.RuleType == "ApplicationRule" {
					for _, p := range r.Protocols {
						o.spans = append(o.spans, span{"tcp", p.Port, p.Port})
					}
					o.names = r.TargetFqdns
				} else {
					o.spans, o.names = spans(t, r.IPProtocols[0], r.DestinationPorts), r.DestinationFqdns
					ends := r.DestinationAddresses
					if o.inbound {
						ends = r.SourceAddresses
					}
					o.prefixes = ranges(t, in, ends)
				}
				if len(o.names)+len(o.prefixes) == 0 || len(o.spans) == 0 {
					t.Errorf("rule %s is for everything", r.Name)
				}
				firewall.rules = append(firewall.rules, o)
			}
		}
	}
	return group, firewall, doc
}

var psRule = regexp.MustCompile(`^New-NetFirewallRule .*-Direction (\w+) -Action Allow .*-Protocol (\w+) -\w+Port @\(([^)]*)\)(?: -LocalAddress @\([^)]*\))? -RemoteAddress @\(([^)]*)\) \| Out-Null$`)

func readWindows(t testing.TB, body string) (d device) {
	t.Helper()
	list := func(s string) []string { return strings.Split(strings.ReplaceAll(s, "'", ""), ",") }
	for line := range strings.Lines(body) {
		if !strings.HasPrefix(line, "New-") {
			continue
		}
		m := psRule.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			t.Fatalf("what is %q", line)
		}
		r := opening{allow: true, inbound: m[1] == "Inbound", spans: spans(t, m[2], list(m[3]))}
		for _, p := range list(m[4]) {
			r.prefixes = append(r.prefixes, netip.MustParsePrefix(p))
		}
		d.rules = append(d.rules, r)
	}
	return d
}

var (
	nftElements = regexp.MustCompile(`(?s)add element inet filter (\w+) \{\s*([^}]*?)\s*\}`)
	nftRule     = regexp.MustCompile(`add rule inet filter sekisho_(\w+) ip6? [ds]addr @(\w+).* (tcp|udp) dport \{ ([^}]*) \} accept`)
)

func readNFT(t testing.TB, body string) (d device) {
	t.Helper()
	sets := map[string][]netip.Prefix{}
	for _, m := range nftElements.FindAllStringSubmatch(body, -1) {
		for _, p := range strings.FieldsFunc(m[2], func(r rune) bool { return r == ',' || r == '\n' || r == '\t' }) {
			sets[m[1]] = append(sets[m[1]], netip.MustParsePrefix(p))
		}
	}
	for _, m := range nftRule.FindAllStringSubmatch(body, -1) {
		d.rules = append(d.rules, opening{allow: true, inbound: m[1] == "inbound", spans: spans(t, m[3], strings.Split(m[4], ", ")), prefixes: sets[m[2]]})
	}
	return d
}

func readIPSet(t testing.TB, body string) (d device) {
	t.Helper()
	for line := range strings.Lines(body) {
		w := strings.Fields(line)
		if len(w) == 3 && w[0] == "add" {
			prefix, port, _ := strings.Cut(w[2], ",")
			proto, list, _ := strings.Cut(port, ":")
			d.rules = append(d.rules, opening{allow: true, inbound: strings.HasPrefix(w[1], "sekisho-in"), spans: spans(t, proto, []string{list}), prefixes: []netip.Prefix{netip.MustParsePrefix(prefix)}})
		}
	}
	return d
}
