package azure

import (
	"encoding/json"
	"strconv"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
	"sekisho/internal/render"
	"sekisho/internal/render/flow"
)

var firewallDevice = flow.Device{Refuses: true, NoIPv6: true, Tags: true, Names: firewallNames}

// firewallNames: application rules see HTTP on 80 and TLS on 443 and take "*.example.com", where the asterisk stands for
// anything; at the left of a text without a dot it would match the text itself too, which is more than the row says where
// the text is a name.
// Network rules take single names on any port.
func firewallNames(p endpoint.Pattern, r endpoint.PortRange) flow.Obstacle {
	switch {
	case p.Kind() == endpoint.Exact:
		return flow.None
	case !web(r):
		return flow.BadPort
	case p.Kind() == endpoint.Suffix:
		return flow.None
	case p.Kind() == endpoint.Glued:
		// "*-files.example.com": the text behind the star is no name that anybody could ask for.
		if _, err := endpoint.ParseHost(p.String()[1:]); err != nil {
			return flow.None
		}
	}
	return flow.BadPattern
}

// web reports whether r is a port that application rules see.
func web(r endpoint.PortRange) bool {
	return r.Proto == endpoint.TCP && r.First == r.Last && (r.First == 80 || r.First == 443)
}

type collection struct {
	Type     string       `json:"ruleCollectionType"`
	Name     string       `json:"name"`
	Priority int          `json:"priority"`
	Action   action       `json:"action"`
	Rules    []filterRule `json:"rules"`
}

type action struct {
	Type string `json:"type"`
}

type filterRule struct {
	Type             string     `json:"ruleType"`
	Name             string     `json:"name"`
	Protocols        []protocol `json:"protocols,omitempty"`
	IPProtocols      []string   `json:"ipProtocols,omitempty"`
	Sources          []string   `json:"sourceAddresses"`
	Names            []string   `json:"targetFqdns,omitempty"`
	Destinations     []string   `json:"destinationAddresses,omitempty"`
	DestinationNames []string   `json:"destinationFqdns,omitempty"`
	Ports            []string   `json:"destinationPorts,omitempty"`
}

type protocol struct {
	Type string `json:"protocolType"`
	Port int    `json:"port"`
}

// firewall makes the rule collection group.
func (w *writer) firewall() error {
	plan, err := flow.New(w.in, w.m, firewallDevice)
	if err != nil {
		return err
	}
	collections := ruleCollections(plan)
	pairs := 0
	for _, c := range collections {
		for _, r := range c.Rules {
			if r.Type == "NetworkRule" {
				pairs += len(r.Sources) * (len(r.Destinations) + len(r.DestinationNames))
			}
		}
	}
	size, err := json.Marshal(collections)
	if err != nil {
		return err
	}
	found, err := flow.Check("azure", w.in.Options, flow.Limit{Option: optionDestinations, Count: pairs}, flow.Limit{Option: optionBytes, Count: len(size)})
	if err != nil {
		return err
	}
	w.found = append(append(w.found, found...), plan.Findings("azure firewall")...)
	w.found = append(w.found, finding.New("flow.firewall-dns", finding.Info, finding.Pos{}))
	group, policy := w.in.Options.Text(optionName), w.in.Options.Text(optionPolicy)
	w.put(resource{Type: "Microsoft.Network/firewallPolicies/ruleCollectionGroups", APIVersion: apiVersion, Name: policy + "/" + group,
		Properties: map[string]any{"priority": 1000, "ruleCollections": collections}}, pageFirewall, plan)
	for _, c := range collections {
		for _, r := range c.Rules {
			for _, v := range append(append(append([]string{}, r.Names...), r.Destinations...), r.DestinationNames...) {
				w.about = append(w.about, render.Line{Text: strings.Join([]string{"firewall", c.Action.Type, r.Name, v}, " "), Value: v})
			}
		}
	}
	if before := flow.Earlier(w.in, firewallDevice); before != nil {
		w.firewallChanges(policy, group, ruleCollections(before), collections)
	}
	return nil
}

// ruleCollections are those of a plan: network rules, then application rules tier by tier. All rules of a collection act
// alike; lower priorities come first.
func ruleCollections(p *flow.Plan) []collection {
	var out []collection
	put := func(name string, priority int, verb string, rules []filterRule) {
		if len(rules) > 0 {
			out = append(out, collection{"FirewallPolicyFilterRuleCollection", name, priority, action{verb}, rules})
		}
	}
	var network []filterRule
	application := map[int][]filterRule{}
	for _, f := range p.Flows {
		network = append(network, networkRules(p, f)...)
		application[f.Tier] = append(application[f.Tier], applicationRules(p, f)...)
	}
	put("sekisho-network", 1000, "Allow", network)
	for tier := range 5 {
		verb := "Allow"
		if tier == 1 || tier == 3 {
			verb = "Deny"
		}
		put("sekisho-names-"+strconv.Itoa(tier), 1100+10*tier, verb, application[tier])
	}
	return out
}

// from is our end of a rule.
func from(p *flow.Plan) []string {
	var out []string
	for _, s := range p.Sources {
		if s.Addr().Is4() {
			out = append(out, s.String())
		}
	}
	if p.Sources == nil {
		return []string{"*"}
	}
	return out
}

func networkRules(p *flow.Plan, f flow.Flow) (out []filterRule) {
	sources, targets := from(p), append(append([]string{}, f.Tags...), texts(f.V4)...)
	if f.Direction == catalog.Inbound {
		sources, targets = targets, nil
		for _, t := range p.Targets {
			if t.Addr().Is4() {
				targets = append(targets, t.String())
			}
		}
	}
	if len(sources) == 0 {
		return nil
	}
	for _, proto := range []endpoint.Proto{endpoint.TCP, endpoint.UDP} {
		name, kind := "sekisho-"+f.Name()+"-"+proto.String(), strings.ToUpper(proto.String())
		if ports := portTexts(f.Ports, proto); ports != nil && len(targets) > 0 {
			out = append(out, filterRule{Type: "NetworkRule", Name: name, IPProtocols: []string{kind}, Sources: sources, Destinations: targets, Ports: ports})
		}
		var other endpoint.Ports
		for _, r := range f.Ports {
			if !web(r) {
				other = append(other, r)
			}
		}
		if ports := portTexts(other, proto); ports != nil && len(f.Names) > 0 {
			out = append(out, filterRule{Type: "NetworkRule", Name: name + "-names", IPProtocols: []string{kind}, Sources: sources, DestinationNames: nameTexts(f.Names), Ports: ports})
		}
	}
	return out
}

func applicationRules(p *flow.Plan, f flow.Flow) []filterRule {
	var protocols []protocol
	for _, r := range f.Ports {
		if web(r) {
			protocols = append(protocols, webProtocol(r.First))
		}
	}
	if f.Refuse {
		protocols = []protocol{webProtocol(80), webProtocol(443)}
	}
	sources := from(p)
	if len(f.Names) == 0 || protocols == nil || len(sources) == 0 {
		return nil
	}
	return []filterRule{{Type: "ApplicationRule", Name: "sekisho-" + f.Name(), Protocols: protocols, Sources: sources, Names: nameTexts(f.Names)}}
}

func webProtocol(port uint16) protocol {
	if port == 80 {
		return protocol{"Http", 80}
	}
	return protocol{"Https", int(port)}
}

func nameTexts(list []endpoint.Pattern) []string {
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = p.String()
	}
	return out
}

// firewallChanges are the commands between two versions.
func (w *writer) firewallChanges(policy, group string, before, after []collection) {
	type entry struct {
		collection, kind, verb, text string
		priority                     int
	}
	entries := func(list []collection) (map[string]entry, []string) {
		m := map[string]entry{}
		var order []string
		for _, c := range list {
			for _, r := range c.Rules {
				words := []string{"--rule-type", r.Type, "--source-addresses", shell(r.Sources...)}
				if r.Type == "ApplicationRule" {
					words = append(words, "--protocols")
					for _, p := range r.Protocols {
						words = append(words, p.Type+"="+strconv.Itoa(p.Port))
					}
					words = append(words, "--target-fqdns", shell(r.Names...))
				} else {
					words = append(words, "--ip-protocols", shell(r.IPProtocols...), "--destination-ports", shell(r.Ports...))
					if r.Destinations != nil {
						words = append(words, "--destination-addresses", shell(r.Destinations...))
					} else {
						words = append(words, "--destination-fqdns", shell(r.DestinationNames...))
					}
				}
				key := c.Name + "/" + r.Name
				m[key] = entry{c.Name, r.Type, c.Action.Type, strings.Join(words, " "), c.Priority}
				order = append(order, key)
			}
		}
		return m, order
	}
	was, old := entries(before)
	is, now := entries(after)
	there := map[string]bool{}
	for _, e := range was {
		there[e.collection] = true
	}
	common := ` --resource-group "$RESOURCE_GROUP" --policy-name ` + policy + " --rule-collection-group-name " + group
	for _, key := range old {
		if e := was[key]; is[key].text == "" {
			w.commands = append(w.commands, "az network firewall policy rule-collection-group collection rule remove"+common+" --collection-name "+e.collection+" --name "+strings.TrimPrefix(key, e.collection+"/"))
		}
	}
	for _, key := range now {
		e := is[key]
		if was[key].text == e.text {
			continue
		}
		verb := "add"
		if was[key].text != "" {
			verb = "update"
		}
		if !there[e.collection] {
			there[e.collection] = true
			w.commands = append(w.commands, "az network firewall policy rule-collection-group collection add-filter-collection"+common+" --name "+e.collection+
				" --action "+e.verb+" --collection-priority "+strconv.Itoa(e.priority)+" --rule-name "+strings.TrimPrefix(key, e.collection+"/")+" "+e.text)
			continue
		}
		w.commands = append(w.commands, "az network firewall policy rule-collection-group collection rule "+verb+common+" --collection-name "+e.collection+" --name "+strings.TrimPrefix(key, e.collection+"/")+" "+e.text)
	}
}
