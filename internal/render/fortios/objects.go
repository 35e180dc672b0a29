package fortios

import (
	"cmp"
	"hash/crc32"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/render/flow"
)

// The sections, in the order in which they must be made.
const (
	sectionAddress  = "firewall address"
	sectionAddress6 = "firewall address6"
	sectionWildcard = "firewall wildcard-fqdn custom"
	sectionGroup    = "firewall addrgrp"
	sectionGroup6   = "firewall addrgrp6"
	sectionService  = "firewall service custom"
	sectionProfile  = "firewall ssl-ssh-profile"
	sectionPolicy   = "firewall policy"
)

var sections = []string{sectionAddress, sectionAddress6, sectionWildcard, sectionGroup, sectionGroup6, sectionService, sectionProfile, sectionPolicy}

type object struct {
	flow.Object
	section string
	member  []string // of a group
}

// script makes the objects of a plan.
type script struct {
	from, to string
	members  int
	nat      bool

	list  []object
	known map[string]bool
	byID  map[string]string // policy number: name
}

// firstPolicy and policies are the numbers that policies get (chosen: far above those that people give; FortiOS counts to
// 4294967294).
const firstPolicy, policies = 1000000, 1000000

// add keeps an object once. id is a name of ours or a number: nothing in it wants escaping.
func (s *script) add(section, id string, lines ...string) {
	if s.known[section+" "+id] {
		return
	}
	s.known[section+" "+id] = true
	name := `"` + id + `"`
	if section == sectionPolicy {
		name = id
	}
	text := "    edit " + name + "\n"
	for _, l := range lines {
		text += "        " + l + "\n"
	}
	s.list = append(s.list, object{Object: flow.Object{ID: id, Text: text + "    next\n", Remove: "    delete " + name + "\n"}, section: section})
}

// objects are those of p, section by section. The error is that two policies would get the same number.
func (s *script) objects(p *flow.Plan) ([]object, error) {
	s.list, s.known, s.byID = nil, map[string]bool{}, map[string]string{}
	for _, f := range p.Flows {
		if err := s.flow(p, f); err != nil {
			return nil, err
		}
	}
	s.profile(p.Uninspected)
	slices.SortStableFunc(s.list, func(x, y object) int {
		return cmp.Compare(slices.Index(sections, x.section), slices.Index(sections, y.section))
	})
	return s.list, nil
}

func (s *script) flow(p *flow.Plan, f flow.Flow) error {
	name := "sekisho-" + f.Name()
	own, from, to := p.Sources, s.from, s.to
	if f.Direction == catalog.Inbound {
		own, from, to = p.Targets, s.to, s.from
	}
	own4, own6 := s.addresses(own)
	their4, their6 := s.addresses(f.Prefixes())
	for _, n := range f.Names {
		their4 = append(their4, s.name(n))
	}
	ends4, ends6 := s.groups(sectionGroup, name, their4), s.groups(sectionGroup6, name, their6)
	if len(own) == 0 {
		own4, own6 = []string{"all"}, []string{"all"}
	}
	// A family in which either end has nothing is not open.
	if len(own4) == 0 || len(ends4) == 0 {
		own4, ends4 = nil, nil
	}
	if len(own6) == 0 || len(ends6) == 0 {
		own6, ends6 = nil, nil
	}
	if len(ends4)+len(ends6) == 0 {
		return nil
	}
	if f.Direction == catalog.Inbound {
		own4, ends4, own6, ends6 = ends4, own4, ends6, own6
	}
	lines := []string{"set name " + quote(name), "set srcintf " + quote(from), "set dstintf " + quote(to)}
	for _, end := range []struct {
		key  string
		list []string
	}{{"srcaddr", own4}, {"dstaddr", ends4}, {"srcaddr6", own6}, {"dstaddr6", ends6}} {
		if len(end.list) > 0 {
			lines = append(lines, "set "+end.key+" "+quoted(end.list))
		} else {
			lines = append(lines, "unset "+end.key) // an earlier version may have had it
		}
	}
	lines = append(lines, "set action accept", `set schedule "always"`, "set service "+quote(s.service(f.Ports)), "set logtraffic all")
	if s.nat && f.Direction == catalog.Outbound {
		lines = append(lines, "set nat enable")
	}
	number := strconv.FormatUint(firstPolicy+uint64(crc32.ChecksumIEEE([]byte(name)))%policies, 10)
	if other, taken := s.byID[number]; taken {
		return finding.Fail("flow.collision", nil, "target", "fortios", "value", number, "first", other, "second", name)
	}
	s.byID[number] = name
	s.add(sectionPolicy, number, lines...)
	return nil
}

// addresses makes the objects of prefixes and returns their names, by family.
func (s *script) addresses(list []netip.Prefix) (v4, v6 []string) {
	for _, p := range list {
		name := "sekisho-" + strings.ReplaceAll(p.String(), "/", "_")
		if p.Addr().Is4() {
			mask := net.IP(net.CIDRMask(p.Bits(), 32)).String()
			s.add(sectionAddress, name, "set subnet "+p.Addr().String()+" "+mask)
			v4 = append(v4, name)
		} else {
			s.add(sectionAddress6, name, "set ip6 "+p.String())
			v6 = append(v6, name)
		}
	}
	return v4, v6
}

// nameBytes is how long names of objects may be ("firewall {address | address6}": size 63 and, since 6.2, 79).
const nameBytes = 63

// named is the name of the object of a host name, or of "*.suffix": another prefix keeps them apart.
func named(p endpoint.Pattern) string {
	name := "sekisho-" + p.String()
	if suffix, wild := strings.CutPrefix(p.String(), "*."); wild {
		name = "sekishowild-" + suffix
	}
	if len(name) > nameBytes {
		return "sekisho-" + flow.Short(p.String())
	}
	return name
}

func (s *script) name(p endpoint.Pattern) string {
	s.add(sectionAddress, named(p), "set type fqdn", "set fqdn "+quote(p.String()))
	return named(p)
}

// groups puts members into groups of at most s.members and returns their names.
func (s *script) groups(section, name string, members []string) (out []string) {
	i := 0
	for chunk := range slices.Chunk(members, s.members) {
		i++
		id := name
		if i > 1 {
			id += "-" + strconv.Itoa(i)
		}
		s.add(section, id, "set member "+quoted(chunk))
		s.list[len(s.list)-1].member = chunk
		out = append(out, id)
	}
	return out
}

func (s *script) service(p endpoint.Ports) string {
	name := "sekisho-" + flow.PortsName(p)
	lines := []string{"set protocol TCP/UDP/SCTP"}
	for _, proto := range []endpoint.Proto{endpoint.TCP, endpoint.UDP} {
		var words []string
		for _, r := range p {
			if r.Proto == proto {
				word := strconv.Itoa(int(r.First))
				if r.Last > r.First {
					word += "-" + strconv.Itoa(int(r.Last))
				}
				words = append(words, word)
			}
		}
		if words != nil {
			lines = append(lines, "set "+proto.String()+"-portrange "+strings.Join(words, " "))
		}
	}
	s.add(sectionService, name, lines...)
	return name
}

// profile makes the SSL/SSH profile whose exemptions are the names that must not be inspected. Its entries have numbers
// that mean nothing, so that it is emptied first.
func (s *script) profile(names []endpoint.Pattern) {
	var lines []string
	for i, p := range names {
		kind := "address"
		switch p.Kind() {
		case endpoint.Exact:
			s.name(p)
		case endpoint.Suffix:
			kind = "wildcard-fqdn"
			s.add(sectionWildcard, named(p), "set wildcard-fqdn "+quote(p.String()))
		default:
			continue
		}
		lines = append(lines, "    edit "+strconv.Itoa(i+1), "        set type "+kind, "        set "+kind+" "+quote(named(p)), "    next")
	}
	if lines == nil {
		return
	}
	s.add(sectionProfile, "sekisho", slices.Concat([]string{"config ssl-exempt", "    purge"}, lines, []string{"end"})...)
}

// quote puts s between quotes. What is quoted here are our own names and host names, which hold neither quote nor backslash.
func quote(s string) string { return `"` + s + `"` }

func quoted(list []string) string { return `"` + strings.Join(list, `" "`) + `"` }
