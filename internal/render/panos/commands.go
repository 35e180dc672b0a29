package panos

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/render"
	"sekisho/internal/render/flow"
	"sekisho/internal/render/stamp"
)

// commands makes the commands of a plan.
type commands struct {
	base, query string      // of the lists that the target edl has; base "" for objects on the firewall
	from, to    string      // zones
	ring        *stamp.Ring // whose headers are set; nil: none are

	list  []flow.Object
	known map[string]bool
	lists []render.File
}

// add appends a command once; what it makes is removed by remove.
func (c *commands) add(set, remove string) {
	if !c.known[set] {
		c.known[set] = true
		c.list = append(c.list, flow.Object{ID: set, Text: "set " + set + "\n", Remove: "delete " + remove + "\n"})
	}
}

// objects are the commands of p, in the order in which they must be given: what others refer to first.
func (c *commands) objects(p *flow.Plan) ([]flow.Object, []render.File) {
	c.list, c.known, c.lists = nil, map[string]bool{}, nil
	for _, f := range p.Flows {
		for _, proto := range []endpoint.Proto{endpoint.TCP, endpoint.UDP} {
			c.service(f.Ports, proto)
		}
	}
	for _, f := range p.Flows {
		name := "sekisho-" + f.Name()
		if len(f.Names) > 0 && (f.Refuse || only(f.Ports, endpoint.TCP) != nil) {
			c.category(name, f.Names)
		}
		if prefixes := f.Prefixes(); len(prefixes) > 0 {
			c.addresses(name+"-ip", prefixes)
		}
		if len(f.Names) > 0 && only(f.Ports, endpoint.UDP) != nil {
			c.fqdn(name+"-name", f.Names)
		}
	}
	if len(p.Uninspected) > 0 {
		var kept []endpoint.Pattern
		for _, u := range p.Uninspected {
			if _, ok := entry(u); ok {
				kept = append(kept, u)
			}
		}
		c.category("sekisho-no-decrypt", kept)
	}
	if c.ring != nil {
		c.signIn(p, c.ring)
	}
	for _, f := range p.Flows {
		c.rules(p, f)
	}
	if len(p.Uninspected) > 0 {
		rule := "rulebase decryption rules sekisho-no-decrypt"
		c.add(rule+" from "+c.from+" to "+c.to+" source any destination any service any category sekisho-no-decrypt action no-decrypt type ssl-forward-proxy", rule)
	}
	return c.list, c.lists
}

// only returns the ports of one protocol.
func only(p endpoint.Ports, proto endpoint.Proto) (out endpoint.Ports) {
	for _, r := range p {
		if r.Proto == proto {
			out = append(out, r)
		}
	}
	return out
}

// service makes the service of the ports of one protocol and returns its name; "" without any.
func (c *commands) service(p endpoint.Ports, proto endpoint.Proto) string {
	ports := only(p, proto)
	if ports == nil {
		return ""
	}
	name := "sekisho-" + flow.PortsName(ports)
	c.add("service "+name+" protocol "+proto.String()+" port "+strings.TrimPrefix(ports.String(), proto.String()+"/"), "service "+name)
	return name
}

func (c *commands) category(name string, names []endpoint.Pattern) {
	var lines []string
	for _, p := range names {
		if line, ok := entry(p); ok {
			lines = append(lines, line)
		}
	}
	if c.external(name, "url", lines); c.base != "" {
		return
	}
	container := "profiles custom-url-category " + name
	c.add(container+` type "URL List"`, container)
	for _, l := range lines {
		c.add(container+" list "+l, container+" list "+l)
	}
}

// external makes an external dynamic list, and the file that the firewall fetches from the target edl.
func (c *commands) external(name, kind string, lines []string) {
	file := strings.TrimPrefix(name, "sekisho-") + "." + kind + ".txt"
	if c.base != "" {
		container := "external-list " + name
		c.add(container+" type "+kind+` url "`+c.base+"/render/edl/"+file+c.query+`"`, container)
		c.add(container+" type "+kind+" recurring hourly", container)
	}
	var b bytes.Buffer
	for _, l := range lines {
		b.WriteString(l + "\n")
	}
	c.lists = append(c.lists, render.File{Name: file, Type: "text/plain; charset=utf-8", Body: b.Bytes()})
}

func (c *commands) addresses(group string, prefixes []netip.Prefix) {
	var lines []string
	for _, p := range prefixes {
		lines = append(lines, p.String())
	}
	if c.external(group, "ip", lines); c.base != "" {
		return
	}
	for _, p := range prefixes {
		name := "sekisho-" + strings.NewReplacer(":", "-", "/", "_").Replace(p.String())
		c.add("address "+name+" ip-netmask "+p.String(), "address "+name)
		c.add("address-group "+group+" static "+name, "address-group "+group+" static "+name)
	}
}

func (c *commands) fqdn(group string, names []endpoint.Pattern) {
	for _, p := range names {
		name := "sekisho-" + p.String()
		if len(name) > 63 { // of names of objects
			name = "sekisho-" + flow.Short(p.String())
		}
		c.add("address "+name+" fqdn "+p.String(), "address "+name)
		c.add("address-group "+group+" static "+name, "address-group "+group+" static "+name)
	}
}

// rules makes the security rules of a flow.
func (c *commands) rules(p *flow.Plan, f flow.Flow) {
	name := "sekisho-" + f.Name()
	tcp, udp := c.service(f.Ports, endpoint.TCP), c.service(f.Ports, endpoint.UDP)
	services := strings.Trim(tcp+" "+udp, " ")
	if tcp != "" && udp != "" {
		services = "[ " + services + " ]"
	}
	from, to, source := c.from, c.to, addresses(p.Sources)
	rule := func(suffix, source, destination, service, category, action string) {
		container := "rulebase security rules " + name + suffix
		c.add(container+" from "+from+" to "+to+" source "+source+" destination "+destination+" application any service "+service+" category "+category+" action "+action+" log-end yes", container)
	}
	if f.Refuse {
		rule("", source, "any", "any", name, "deny")
		return
	}
	if f.Direction == catalog.Inbound {
		from, to = to, from
		rule("-ip", name+"-ip", addresses(p.Targets), services, "any", "allow")
		return
	}
	if len(f.Names) > 0 && tcp != "" {
		rule("", source, "any", tcp, name, "allow")
	}
	if len(f.Names) > 0 && udp != "" {
		rule("-name", source, name+"-name", udp, "any", "allow")
	}
	if len(f.V4)+len(f.V6) > 0 {
		rule("-ip", source, name+"-ip", services, "any", "allow")
	}
}

// addresses are prefixes as a rule has them; none: any.
func addresses(list []netip.Prefix) string {
	switch len(list) {
	case 0:
		return "any"
	case 1:
		return list[0].String()
	}
	return "[ " + flow.Join(list, " ") + " ]"
}

// difference writes what turns before into after. A rule of which
// something changed is made anew, and new rules are put where they belong.
func (c *commands) difference(w *strings.Builder, before, after []flow.Object) {
	removed, changed := flow.Difference(before, after)
	if len(removed)+len(changed) == 0 {
		w.WriteString("# Nothing changed.\n")
		return
	}
	kept, gone := map[string]bool{}, map[string]bool{}
	for _, o := range after {
		kept[group(o.ID)] = true
	}
	for _, o := range removed {
		command := o.Remove
		if g := group(o.ID); g != "" && !kept[g] {
			command = "delete " + g + "\n" // a group without a member does not commit
		}
		if !gone[command] {
			gone[command] = true
			w.WriteString(command)
		}
	}
	for _, o := range changed {
		w.WriteString(o.Text)
	}
	fresh := map[string]bool{}
	for _, o := range changed {
		fresh[rule(o.ID)] = true
	}
	next := ""
	for _, o := range slices.Backward(after) {
		name := rule(o.ID)
		if name == "" {
			continue
		}
		if next != "" && fresh[name] {
			w.WriteString("move rulebase security rules " + name + " before " + next + "\n")
		}
		next = name
	}
}

// rule is the security rule that a command makes; "" for other commands.
func rule(command string) string {
	rest, ok := strings.CutPrefix(command, "rulebase security rules ")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, " ")
	return name
}

// group is the address group that a command puts a member into; "" for other commands.
func group(command string) string {
	if container, _, ok := strings.Cut(command, " static "); ok && strings.HasPrefix(command, "address-group ") {
		return container
	}
	return ""
}

// Device is what PAN-OS can be told: URL lists see TCP, FQDN objects hold single names.
func Device() flow.Device { return flow.Device{Refuses: true, Names: names} }

// Lists are the lists that the commands for p name as external dynamic lists: entries of URLs for each flow with names, and
// of addresses for each with addresses.
func Lists(p *flow.Plan) []render.File {
	var c commands
	_, lists := c.objects(p)
	return lists
}

// count returns how many entries of URLs and addresses the lists hold, and how many address objects there are.
func count(objects []flow.Object, lists []render.File) (urls, ips, objectsOfAddress int) {
	for _, o := range objects {
		if strings.HasPrefix(o.ID, "address ") {
			objectsOfAddress++
		}
	}
	for _, f := range lists {
		n := bytes.Count(f.Body, []byte("\n"))
		if strings.HasSuffix(f.Name, ".url.txt") {
			urls += n
		} else {
			ips += n
		}
	}
	return urls, ips, objectsOfAddress
}
