package catalog

import (
	"strings"

	"sekisho/internal/endpoint"
)

// specificity says how much of a host a pattern fixes, as endpoint.Index orders by it: exact names first, then more
// fixed text before less. Two different patterns may be equally specific.
type specificity struct {
	exact bool
	fixed int // bytes of fixed text
}

func specificityOf(p endpoint.Pattern) specificity {
	text := p.String()
	return specificity{exact: p.Kind() == endpoint.Exact, fixed: len(text) - strings.Count(text, "*")}
}
