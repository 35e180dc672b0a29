package eval

import (
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/file"
	"github.com/dop251/goja/token"

	"sekisho/internal/finding"
)

// Newer reports the syntax in src that is newer than ES5, by the tree that the engine reads and not by words, which are names
// in one place and syntax in another: each kind once, at its first place. ok is false when src cannot be read so; pac.Lint
// then looks for the words.
func Newer(src []byte) (found finding.List, ok bool) {
	tree, err := parse(src, "")
	if err != nil {
		return nil, false
	}
	first := map[string]bool{}
	add := func(what string, at file.Idx) {
		if first[what] {
			return
		}
		first[what] = true
		p := tree.File.Position(int(at) - tree.File.Base())
		found = append(found, finding.New("pac.newer-syntax", finding.Warning, finding.Pos{Line: p.Line, Column: p.Column}, "what", what))
	}
	walk(tree.Body, map[any]bool{}, func(node any) bool {
		switch n := node.(type) {
		case *ast.LexicalDeclaration:
			add(n.Token.String(), n.Idx)
		case *ast.ArrowFunctionLiteral:
			add("=>", n.Start)
		case *ast.ClassLiteral:
			add("class", n.Class)
		case *ast.TemplateLiteral:
			add("`", n.OpenQuote)
		case *ast.SpreadElement:
			add("...", n.Idx0())
		case *ast.Optional:
			add("?.", n.Idx0())
		case *ast.ForOfStatement:
			add("for (… of …)", n.For)
		case *ast.YieldExpression:
			add("yield", n.Yield)
		case *ast.AwaitExpression:
			add("await", n.Await)
		case *ast.ArrayPattern:
			add("[…] =", n.LeftBracket)
		case *ast.ObjectPattern:
			add("{…} =", n.LeftBrace)
		case *ast.PropertyShort:
			add("{name}", n.Name.Idx)
		case *ast.PropertyKeyed:
			if n.Computed {
				add("{[…]: …}", n.Idx0())
			}
		case *ast.BinaryExpression:
			switch n.Operator {
			case token.EXPONENT:
				add("**", n.Idx0())
			case token.COALESCE:
				add("??", n.Idx0())
			}
		case *ast.FunctionLiteral:
			if n.Async {
				add("async", n.Function)
			}
			if n.Generator {
				add("function*", n.Function)
			}
			parameters(n.ParameterList, add)
		}
		return true
	})
	return found.Sort(), true
}

// parameters reports defaults and the rest of a list of parameters.
func parameters(list *ast.ParameterList, add func(string, file.Idx)) {
	if list == nil {
		return
	}
	for _, b := range list.List {
		if b.Initializer != nil {
			add("function (name = …)", b.Idx0())
		}
	}
	if list.Rest != nil {
		add("...", list.Rest.Idx0())
	}
}
