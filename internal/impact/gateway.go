package impact

import (
	"slices"
	"strings"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
)

// Gateway renders what the gateway itself does with the hosts that the policy opens: a line for each pattern and its
// ports, with how the hosts are reached and treated.
type Gateway struct{}

// Render returns the one file "gateway".
func (Gateway) Render(s Side) ([]File, error) {
	f, p := File{Name: "gateway"}, s.Program
	snapshot := p.Catalog()
	for _, rule := range p.AllowedPatterns() {
		text := rule.Pattern.String()
		words := []string{"allow", text, rule.Ports.String()}
		if rule.Pattern.Kind() == endpoint.Exact {
			if class := snapshot.Classify(endpoint.Host(text)).Class; class != catalog.Ordinary {
				words = append(words, class.String())
			}
		}
		for _, s := range snapshot.HandlingOf(rule.Pattern).Because {
			if word := s.Aspect + "=" + s.Value; !slices.Contains(words, word) { // two sources may say the same
				words = append(words, word)
			}
		}
		f.Lines = append(f.Lines, Line{strings.Join(words, " "), text})
	}
	return []File{f}, nil
}
