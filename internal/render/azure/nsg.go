package azure

import (
	"hash/crc32"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/render"
	"sekisho/internal/render/flow"
)

var groupDevice = flow.Device{Tags: true}

// Priorities of security rules: 100 to 4096, one each in a direction ("Network security groups"). Ours begin behind what
// people write by hand and end before a rule that denies the rest.
const firstPriority, lastPriority = 1000, 3999

type securityRule struct {
	Name       string       `json:"name"`
	Properties ruleSettings `json:"properties"`
}

type ruleSettings struct {
	Priority            int      `json:"priority"`
	Direction           string   `json:"direction"`
	Access              string   `json:"access"`
	Protocol            string   `json:"protocol"`
	Source              string   `json:"sourceAddressPrefix,omitempty"`
	Sources             []string `json:"sourceAddressPrefixes,omitempty"`
	SourcePort          string   `json:"sourcePortRange"`
	Destination         string   `json:"destinationAddressPrefix,omitempty"`
	Destinations        []string `json:"destinationAddressPrefixes,omitempty"`
	DestinationPorts    []string `json:"destinationPortRanges"`
	size                int
	sourceOf, targetsOf []string
}

// group makes the security group.
func (w *writer) group() error {
	plan, err := flow.New(w.in, w.m, groupDevice)
	if err != nil {
		return err
	}
	rules := securityRules(plan)
	size, most := 0, map[string]int{}
	for _, r := range rules {
		size += r.Properties.size
		most[r.Properties.Direction]++
	}
	found, err := flow.Check("azure", w.in.Options, flow.Limit{Option: optionRules, Count: max(most["Outbound"], most["Inbound"])}, flow.Limit{Option: optionAddresses, Count: size})
	if err != nil {
		return err
	}
	w.found = append(append(w.found, found...), plan.Findings("azure nsg")...)
	w.found = append(w.found, finding.New("flow.nsg-outbound", finding.Info, finding.Pos{}))
	name := w.in.Options.Text(optionName)
	w.put(resource{"Microsoft.Network/networkSecurityGroups", apiVersion, name, "[parameters('location')]", map[string]any{"securityRules": rules}}, pageNSG, plan)
	for _, r := range rules {
		w.about = append(w.about, render.Line{Text: "nsg " + strings.Join(r.words(), " ")})
	}
	if before := flow.Earlier(w.in, groupDevice); before != nil {
		w.groupChanges(name, securityRules(before), rules)
	}
	return nil
}

// securityRules are the rules of a plan: one for each flow, protocol and family, and one for each service tag, because a
// rule takes one tag. Priorities come from names, so that what is added moves nothing else.
func securityRules(p *flow.Plan) []securityRule {
	var out []securityRule
	for _, f := range p.Flows {
		for _, proto := range []endpoint.Proto{endpoint.TCP, endpoint.UDP} {
			ports := portTexts(f.Ports, proto)
			if ports == nil {
				continue
			}
			name := "sekisho-" + f.Name() + "-" + proto.String()
			for _, tag := range f.Tags {
				for _, v4 := range families(p, f) {
					if r, ok := rule(p, f, proto, ports, []string{tag}, v4); ok {
						r.Name = name + "-" + tag
						if v4 == nil {
							out = append(out, r)
							continue
						}
						r.Name += map[bool]string{true: "-v4", false: "-v6"}[*v4]
						out = append(out, r)
					}
				}
			}
			for _, list := range [][]netip.Prefix{f.V4, f.V6} {
				if len(list) == 0 {
					continue
				}
				v4 := list[0].Addr().Is4()
				if r, ok := rule(p, f, proto, ports, texts(list), &v4); ok {
					r.Name = name + map[bool]string{true: "-v4", false: "-v6"}[v4]
					out = append(out, r)
				}
			}
		}
	}
	byPriority := map[string]map[int]bool{"Outbound": {}, "Inbound": {}}
	sorted := make([]*securityRule, len(out))
	for i := range out {
		sorted[i] = &out[i]
	}
	slices.SortFunc(sorted, func(x, y *securityRule) int { return strings.Compare(x.Name, y.Name) })
	const span = lastPriority - firstPriority + 1
	for _, r := range sorted {
		taken := byPriority[r.Properties.Direction]
		at := int(crc32.ChecksumIEEE([]byte(r.Name)) % span)
		for n := 0; taken[at] && n < span; n++ {
			at = (at + 1) % span
		}
		taken[at] = true
		r.Properties.Priority = firstPriority + at
	}
	return out
}

// families are the families for which a rule of a service tag is made: one rule for both when our end is not told.
func families(p *flow.Plan, f flow.Flow) []*bool {
	if own(p, f) == nil {
		return []*bool{nil}
	}
	yes, no := true, false
	return []*bool{&yes, &no}
}

// own is our end of a flow.
func own(p *flow.Plan, f flow.Flow) []netip.Prefix {
	if f.Direction == catalog.Inbound {
		return p.Targets
	}
	return p.Sources
}

// rule makes one rule; ok is false when our end has nothing of the family.
func rule(p *flow.Plan, f flow.Flow, proto endpoint.Proto, ports, theirs []string, v4 *bool) (r securityRule, ok bool) {
	var ours []string
	for _, o := range own(p, f) {
		if v4 == nil || o.Addr().Is4() == *v4 {
			ours = append(ours, o.String())
		}
	}
	if ours == nil && own(p, f) != nil {
		return r, false
	}
	if ours == nil {
		ours = []string{"*"}
	}
	s := ruleSettings{Direction: "Outbound", Access: "Allow", Protocol: map[endpoint.Proto]string{endpoint.TCP: "Tcp", endpoint.UDP: "Udp"}[proto], SourcePort: "*", DestinationPorts: ports}
	from, to := ours, theirs
	if f.Direction == catalog.Inbound {
		s.Direction, from, to = "Inbound", theirs, ours
	}
	if s.Source = from[0]; len(from) > 1 {
		s.Source, s.Sources = "", from
	}
	if s.Destination = to[0]; len(to) > 1 {
		s.Destination, s.Destinations = "", to
	}
	s.size = len(from) + len(to) + len(ports)
	s.sourceOf, s.targetsOf = from, to
	return securityRule{Properties: s}, true
}

// words are the settings of a rule as the Azure CLI takes them.
func (r securityRule) words() []string {
	s := r.Properties
	return []string{"--name", r.Name, "--priority", strconv.Itoa(s.Priority), "--direction", s.Direction, "--access", s.Access, "--protocol", s.Protocol,
		"--source-address-prefixes", shell(s.sourceOf...), "--source-port-ranges", "'*'",
		"--destination-address-prefixes", shell(s.targetsOf...), "--destination-port-ranges", shell(s.DestinationPorts...)}
}

// groupChanges are the commands between two versions: "az network nsg rule create" puts a rule over one of its name.
func (w *writer) groupChanges(group string, before, after []securityRule) {
	command := `az network nsg rule %s --resource-group "$RESOURCE_GROUP" --nsg-name ` + group + " "
	was, is := map[string]string{}, map[string]bool{}
	for _, r := range before {
		was[r.Name] = strings.Join(r.words(), " ")
	}
	for _, r := range after {
		is[r.Name] = true
	}
	for _, r := range before {
		if !is[r.Name] {
			w.commands = append(w.commands, strings.Replace(command, "%s", "delete", 1)+"--name "+r.Name)
		}
	}
	for _, r := range after {
		if text := strings.Join(r.words(), " "); was[r.Name] != text {
			w.commands = append(w.commands, strings.Replace(command, "%s", "create", 1)+text)
		}
	}
}

func texts(list []netip.Prefix) []string {
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = p.String()
	}
	return out
}

// portTexts prints the ports of one protocol; nil without any.
func portTexts(p endpoint.Ports, proto endpoint.Proto) []string {
	var out []string
	for _, r := range p {
		if r.Proto == proto {
			text := strconv.Itoa(int(r.First))
			if r.Last > r.First {
				text += "-" + strconv.Itoa(int(r.Last))
			}
			out = append(out, text)
		}
	}
	return out
}
