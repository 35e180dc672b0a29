// Package azure is the target "azure": a network security group, rules of Azure Firewall and a route filter for Microsoft
// peering, as one ARM template.
//
// A security group matches addresses and knows service tags by name. Azure Firewall tells names by what the client asks for
// in HTTP and TLS (application rules, where an asterisk at the left stands for anything) and resolves single names on other
// ports (network rules, which want its DNS proxy); what the policy refuses below a wildcard is denied by a collection of
// its own before it. It has no rules for IPv6. The communities of the route filter are those of package route. A template
// states what is, so that what changed since another version comes as commands of the Azure CLI.
package azure

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"

	"sekisho/internal/finding"
	"sekisho/internal/render"
	"sekisho/internal/render/flow"
)

var (
	pageNSG      = flow.Page{Title: "Microsoft.Network networkSecurityGroups", URL: "https://learn.microsoft.com/azure/templates/microsoft.network/networksecuritygroups", Read: "2026-11-23"}
	pageFirewall = flow.Page{Title: "Microsoft.Network firewallPolicies/ruleCollectionGroups", URL: "https://learn.microsoft.com/azure/templates/microsoft.network/firewallpolicies/rulecollectiongroups", Read: "2026-11-23"}
	pageFilter   = flow.Page{Title: "Microsoft.Network routeFilters", URL: "https://learn.microsoft.com/azure/templates/microsoft.network/routefilters", Read: "2026-11-23"}
)

// Target is "azure".
type Target struct{}

// Name returns "azure".
func (Target) Name() string { return "azure" }

// Since says that the target renders changes; see render.Since.
func (Target) Since() {}

// The options.
const (
	optionResource     = "resource" // which of the three
	optionName         = "name"     // of the security group, the rule collection group and the route filter
	optionPolicy       = "policy"   // of Azure Firewall, existing
	optionM365         = "m365"     // communities of Microsoft 365, too
	optionRules        = "max-rules"
	optionAddresses    = "max-addresses"
	optionDestinations = "max-destinations"
	optionBytes        = "max-group-bytes"
)

// The resources.
const (
	nsg         = "nsg"
	firewall    = "firewall"
	routeFilter = "route-filter"
)

// Options returns names and limits. A security group has at most 1000 rules and 4000 addresses and ports, a firewall policy
// 20,000 distinct pairs of source and destination in network rules and 2 MB in a rule collection group ("Azure subscription
// and service limits, quotas, and constraints",
// https://learn.microsoft.com/azure/azure-resource-manager/management/azure-subscription-service-limits, read 2026-11-23).
func (Target) Options() []render.Option {
	return flow.Options(
		render.Option{Name: optionResource, Kind: render.Choice, Default: "all", Values: []string{"all", nsg, firewall, routeFilter}},
		render.Option{Name: optionName, Default: "sekisho"},
		render.Option{Name: optionPolicy, Default: "sekisho-policy"},
		render.Option{Name: optionM365, Kind: render.Flag},
		render.Option{Name: optionRules, Kind: render.Number, Default: "1000"},
		render.Option{Name: optionAddresses, Kind: render.Number, Default: "4000"},
		render.Option{Name: optionDestinations, Kind: render.Number, Default: "20000"},
		render.Option{Name: optionBytes, Kind: render.Number, Default: "2097152"},
	)
}

// word is what Azure allows in names of these resources ("Naming rules and restrictions for Azure resources"), within 60 so
// that a suffix fits.
var word = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,58}[A-Za-z0-9_]$`)

// template is an ARM template.
type template struct {
	Schema         string               `json:"$schema"`
	ContentVersion string               `json:"contentVersion"`
	Metadata       map[string][]string  `json:"metadata"`
	Parameters     map[string]parameter `json:"parameters"`
	Resources      []resource           `json:"resources"`
}

type parameter struct {
	Type    string `json:"type"`
	Default string `json:"defaultValue"`
}

type resource struct {
	Type       string `json:"type"`
	APIVersion string `json:"apiVersion"`
	Name       string `json:"name"`
	Location   string `json:"location,omitempty"`
	Properties any    `json:"properties"`
}

const apiVersion = "2023-11-01"

// Render returns sekisho.azure.json; with Input.Before sekisho.azure.sh.
func (t Target) Render(in render.Input, m *render.Model) (render.Output, error) {
	for _, option := range []string{optionName, optionPolicy} {
		if v := in.Options.Text(option); !word.MatchString(v) {
			return render.Output{}, finding.Fail("flow.name", nil, "target", t.Name(), "option", option, "value", render.OneLine(v), "form", word.String())
		}
	}
	w := writer{in: in, m: m, doc: template{
		Schema: "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", ContentVersion: "1.0.0.0",
		Metadata:   map[string][]string{"sekisho": render.Header(in, t.Name())},
		Parameters: map[string]parameter{"location": {"string", "[resourceGroup().location]"}}, Resources: []resource{},
	}}
	steps := map[string]func() error{nsg: w.group, firewall: w.firewall, routeFilter: w.filter}
	choice := in.Options.Text(optionResource)
	var last error
	for _, name := range []string{nsg, firewall, routeFilter} {
		if choice != "all" && choice != name {
			continue
		}
		err := steps[name]()
		var problem *finding.Problem
		switch {
		case err == nil:
		case choice == "all" && errors.As(err, &problem) && slices.ContainsFunc(problem.Findings, func(f finding.Finding) bool { return f.Code == "flow.nothing" || f.Code == "flow.no-communities" }):
			last = err
			for _, f := range problem.Findings {
				f.Severity = finding.Warning
				w.found = append(w.found, f)
			}
		default:
			return render.Output{}, err
		}
	}
	if len(w.doc.Resources) == 0 {
		return render.Output{}, last
	}
	w.doc.Metadata["syntax"] = flow.Unverified(w.pages...)
	w.found = append(w.found, flow.NotVerified(t.Name(), w.pages...))
	if in.Before != nil {
		return render.Output{Files: []render.File{w.script(t)}, Findings: w.found}, nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(w.doc); err != nil {
		return render.Output{}, err
	}
	return render.Output{Files: []render.File{{Name: "sekisho.azure.json", Type: "application/json; charset=utf-8", Body: b.Bytes(), Lines: w.lines()}}, Findings: w.found}, nil
}

// writer makes the resources one after another.
type writer struct {
	in    render.Input
	m     *render.Model
	doc   template
	found finding.List
	pages []flow.Page

	commands []string      // what changed since Input.Before
	about    []render.Line // rules, for "catalog diff --impact"
}

func (w *writer) put(r resource, page flow.Page, plan *flow.Plan) {
	w.doc.Resources = append(w.doc.Resources, r)
	w.pages = append(w.pages, page)
	if plan != nil {
		w.doc.Metadata[r.Type] = plan.Comments()
	}
}

func (w *writer) script(t Target) render.File {
	var b strings.Builder
	head := append(render.Header(w.in, t.Name()), flow.Unverified(w.pages...)...)
	b.WriteString("#!/bin/sh\n" + render.Comment("#", append(head, "RESOURCE_GROUP names the resource group.")...) + "set -eu\n: \"${RESOURCE_GROUP:?}\"\n")
	for _, c := range w.commands {
		b.WriteString(c + "\n")
	}
	if len(w.commands) == 0 {
		b.WriteString("# Nothing changed.\n")
	}
	return render.File{Name: "sekisho.azure.sh", Type: "text/plain; charset=utf-8", Body: []byte(b.String()), Comment: "#"}
}

func (w *writer) lines() []render.Line {
	if w.about == nil {
		return render.NoLines()
	}
	return w.about
}

// shell is a list of words for a POSIX shell. They are our own names, addresses, ports and host names, of which only the
// asterisk means something there.
func shell(list ...string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = s
		if strings.ContainsAny(s, "*$ ") {
			out[i] = "'" + s + "'"
		}
	}
	return strings.Join(out, " ")
}
