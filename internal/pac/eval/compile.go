package eval

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/parser"
)

// MaxStack bounds the Go stack that reading a script may take, in bytes, as weigh estimates it. The engine's parser and
// compiler go down one call for each level of nesting, and a Go program whose stack passes 1 GB ends; nobody can catch
// that. 256 MB is half of half, because a stack grows by doubling.
const MaxStack = 256 << 20

// The most that a byte of source can cost, measured with fifty thousand levels of each construct of the language, and
// rounded up: brackets 5 KB (function expressions), operators 1.4 KB (|| and +), further signs of a run 0.4 KB (!!!!).
const (
	bracketCost  = 5 << 10
	operatorCost = 1400
	runCost      = 400
)

// weigh estimates the Go stack that reading src takes if every bracket and operator in it were nested in the one before.
// It looks into comments and texts too: what is a comment to one reader of this language may be code to another.
func weigh(src []byte) int {
	cost, run := 0, false
	for _, c := range src {
		switch {
		case c == '(' || c == '[' || c == '{':
			cost, run = cost+bracketCost, false
		case strings.IndexByte("+*/%&|^=<>?!~-", c) >= 0:
			if run {
				cost += runCost
			} else {
				cost += operatorCost
			}
			run = true
		default:
			run = false
		}
	}
	return cost
}

// parse reads src, which errors call name. A source map that it names is not looked for: that would open whatever file a stranger names.
func parse(src []byte, name string) (*ast.Program, error) {
	if len(src) > MaxSource {
		return nil, &ScriptError{Message: fmt.Sprintf("%d bytes; clients refuse more than %d", len(src), MaxSource)}
	}
	if n := weigh(src); n > MaxStack {
		return nil, &ScriptError{Message: fmt.Sprintf("too many brackets and operators to be read safely (they could take %d MB, the limit is %d)", n>>20, MaxStack>>20)}
	}
	tree, err := parser.ParseFile(nil, name, string(src), 0, parser.WithDisableSourceMaps)
	var list parser.ErrorList
	if errors.As(err, &list) && len(list) > 0 {
		at := list[0].Position // those behind it follow from it
		return nil, &ScriptError{Message: "SyntaxError: " + shortened(list[0].Message), Line: at.Line, Column: at.Column}
	}
	if err != nil {
		return nil, &ScriptError{Message: "SyntaxError: " + shortened(err.Error())}
	}
	return tree, nil
}
