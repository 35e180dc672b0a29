package route

import (
	"fmt"
	"regexp"
	"strings"

	"sekisho/internal/bgp"
)

// FilterForm is a form in which a route filter is handed on.
type FilterForm string

// The forms.
const (
	FormText       FilterForm = "text"       // a community a line
	FormAzureCLI   FilterForm = "az"         // az network route-filter
	FormPowerShell FilterForm = "powershell" // Az.Network
	FormBicep      FilterForm = "bicep"
)

// FilterForms returns the forms.
func FilterForms() []FilterForm {
	return []FilterForm{FormText, FormAzureCLI, FormPowerShell, FormBicep}
}

// FilterNames are the names that a form needs.
type FilterNames struct {
	Filter  string // name of the route filter
	Group   string // resource group
	Region  string // Azure's name of the region in which the filter is kept
	Circuit string // ExpressRoute circuit to attach it to; "": the commands leave that out
}

// nameForm is what Azure allows in names of network resources and resource groups ("Naming rules and restrictions for
// Azure resources", learn.microsoft.com, read 2026-11-23), and what needs no thought in a shell.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._()-]{0,78}[A-Za-z0-9_)]$|^[A-Za-z0-9]$`)

// Valid reports whether every name is one that Azure allows; wrong is the first that is not.
func (n FilterNames) Valid() (wrong string, ok bool) {
	for _, name := range []string{n.Filter, n.Group, n.Region} {
		if !nameForm.MatchString(name) {
			return name, false
		}
	}
	if n.Circuit != "" && !nameForm.MatchString(n.Circuit) {
		return n.Circuit, false
	}
	return "", true
}

// Write prints list in form f, with names that are Valid. The same input gives the same text. Commands as in "Configure
// route filters for Microsoft peering", https://learn.microsoft.com/azure/expressroute/how-to-routefilter-cli and
// how-to-routefilter-powershell, read 2026-11-23.
func (f FilterForm) Write(list []bgp.Community, n FilterNames) string {
	texts := make([]string, len(list))
	for i, c := range list {
		texts[i] = c.String()
	}
	switch f {
	case FormAzureCLI:
		out := fmt.Sprintf("az network route-filter create --resource-group '%s' --name '%s' --location '%s'\n", n.Group, n.Filter, n.Region) +
			fmt.Sprintf("az network route-filter rule create --resource-group '%s' --filter-name '%s' --name allow-communities --access Allow --communities %s\n",
				n.Group, n.Filter, strings.Join(texts, " "))
		if n.Circuit != "" {
			out += fmt.Sprintf("az network express-route peering update --resource-group '%s' --circuit-name '%s' --name MicrosoftPeering --route-filter '%s'\n", n.Group, n.Circuit, n.Filter)
		}
		return out
	case FormPowerShell:
		out := fmt.Sprintf("$rule = New-AzRouteFilterRuleConfig -Name 'allow-communities' -Access Allow -RouteFilterRuleType Community -CommunityList '%s'\n", strings.Join(texts, "', '")) +
			fmt.Sprintf("$filter = New-AzRouteFilter -ResourceGroupName '%s' -Name '%s' -Location '%s' -Rule $rule\n", n.Group, n.Filter, n.Region)
		if n.Circuit != "" {
			out += fmt.Sprintf("$circuit = Get-AzExpressRouteCircuit -ResourceGroupName '%s' -Name '%s'\n", n.Group, n.Circuit) +
				"$peering = Get-AzExpressRouteCircuitPeeringConfig -ExpressRouteCircuit $circuit -Name 'MicrosoftPeering'\n" +
				"$peering.RouteFilter = $filter\nSet-AzExpressRouteCircuit -ExpressRouteCircuit $circuit\n"
		}
		return out
	case FormBicep:
		out := "resource routeFilter 'Microsoft.Network/routeFilters@2023-11-01' = {\n  name: '" + n.Filter + "'\n  location: '" + n.Region +
			"'\n  properties: {\n    rules: [\n      {\n        name: 'allow-communities'\n        properties: {\n          access: 'Allow'\n" +
			"          routeFilterRuleType: 'Community'\n          communities: [\n"
		for _, t := range texts {
			out += "            '" + t + "'\n"
		}
		return out + "          ]\n        }\n      }\n    ]\n  }\n}\n\noutput routeFilterId string = routeFilter.id\n"
	}
	return strings.Join(append(texts, ""), "\n")
}
