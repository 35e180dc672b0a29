package azure

import (
	"strings"

	"sekisho/internal/bgp"
	"sekisho/internal/finding"
	"sekisho/internal/render"
)

// filter makes the route filter for Microsoft peering. One without communities would announce nothing, so there is none.
func (w *writer) filter() error {
	communities, err := routes(w.in)
	if err != nil {
		return err
	}
	name := w.in.Options.Text(optionName)
	list := make([]string, len(communities))
	for i, c := range communities {
		list[i] = c.String()
		w.about = append(w.about, render.Line{Text: "route-filter " + list[i]})
	}
	type rule struct {
		Access      string   `json:"access"`
		Type        string   `json:"routeFilterRuleType"`
		Communities []string `json:"communities"`
	}
	w.put(resource{"Microsoft.Network/routeFilters", apiVersion, name, "[parameters('location')]", map[string]any{
		"rules": []any{map[string]any{"name": "allow-communities", "properties": rule{"Allow", "Community", list}}},
	}}, pageFilter, nil)
	if w.in.Before != nil {
		before := *w.in.Before
		before.Options = w.in.Options
		old, err := routes(before)
		if err != nil || bgpTexts(old) != strings.Join(list, " ") {
			// A route filter has one rule; "update" puts its communities anew.
			w.commands = append(w.commands, `az network route-filter rule update --resource-group "$RESOURCE_GROUP" --filter-name `+name+" --name allow-communities --communities "+strings.Join(list, " "))
		}
	}
	return nil
}

// routes are the communities that the features in use need.
func routes(in render.Input) ([]bgp.Community, error) {
	none := finding.Fail("flow.no-communities", nil, "target", "azure")
	if in.Communities == nil {
		return nil, none
	}
	list, err := in.Communities(in.Options.Bool(optionM365))
	if err == nil && len(list) == 0 {
		err = none
	}
	return list, err
}

func bgpTexts(list []bgp.Community) string {
	words := make([]string, len(list))
	for i, c := range list {
		words[i] = c.String()
	}
	return strings.Join(words, " ")
}
