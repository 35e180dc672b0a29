package eval

import (
	"github.com/dop251/goja/ast"
)

// assignments returns the variables that something else gives a value than a statement of its own at the top of the
// function that declares them: under a condition, in a loop, inside an expression, in a function within or beside. What such
// a variable was compared with before says nothing later.
func assignments(tree *ast.Program) map[string]bool {
	a := &assigner{names: map[string]bool{}, seen: map[any]bool{}}
	a.body(tree.Body, nil)
	return a.names
}

type assigner struct {
	names map[string]bool
	seen  map[any]bool
}

// body reads the statements of a function, whose variables and parameters are own, or of the script (nil).
func (a *assigner) body(list []ast.Statement, own map[string]bool) {
	for _, s := range list {
		switch n := s.(type) {
		case *ast.ExpressionStatement:
			if to, ok := n.Expression.(*ast.AssignExpression); ok {
				if id, ok := to.Left.(*ast.Identifier); ok && (own == nil || own[string(id.Name)]) {
					a.visit(to.Right)
					continue
				}
			}
		case *ast.VariableStatement:
			for _, b := range n.List {
				if _, ok := b.Target.(*ast.Identifier); !ok {
					a.target(b.Target)
				}
				a.visit(b.Initializer)
			}
			continue
		}
		a.visit(s)
	}
}

// target notes every name in what is given a value: of a pattern too those that are only read.
func (a *assigner) target(e any) {
	walk(e, map[any]bool{}, func(node any) bool {
		switch n := node.(type) {
		case *ast.Identifier:
			a.names[string(n.Name)] = true
		case *ast.PropertyShort:
			a.names[string(n.Name.Name)] = true
		}
		return true
	})
}

func (a *assigner) visit(x any) {
	walk(x, a.seen, func(node any) bool {
		switch n := node.(type) {
		case *ast.FunctionLiteral:
			if n.Body == nil {
				return true
			}
			own := map[string]bool{}
			if n.ParameterList != nil {
				for _, b := range n.ParameterList.List {
					if id, ok := b.Target.(*ast.Identifier); ok {
						own[string(id.Name)] = true
					}
					a.visit(b.Initializer)
				}
			}
			for _, d := range n.DeclarationList {
				for _, b := range d.List {
					if id, ok := b.Target.(*ast.Identifier); ok {
						own[string(id.Name)] = true
					}
				}
			}
			a.body(n.Body.List, own)
			return false
		case *ast.AssignExpression:
			a.assigned(n.Left)
		case *ast.UnaryExpression: // ++ and -- among them
			a.assigned(n.Operand)
		case *ast.ForIntoExpression:
			a.assigned(n.Expression)
		case *ast.Binding:
			a.target(n.Target)
		}
		return true
	})
}

// assigned notes what an expression on the left of an assignment names; fields and members are no variables.
func (a *assigner) assigned(e ast.Expression) {
	switch e.(type) {
	case *ast.Identifier, *ast.ArrayPattern, *ast.ObjectPattern:
		a.target(e)
	}
}
