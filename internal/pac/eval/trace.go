package eval

import (
	"reflect"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/file"
	"github.com/dop251/goja/unistring"
)

// marker is the name under which a watched script reports what it does. No script can write it: it is no identifier.
const marker = unistring.String("watched by sekisho")

// markKind is what a mark stands at.
type markKind uint8

const (
	returned markKind = iota + 1 // what a function answers
	tested                       // the condition of an if or of ?:
	assigned                     // a value given to a variable
)

// mark is one place that a watched script reports from.
type mark struct {
	kind     markKind
	at       file.Idx
	function int            // number of the function that it stands in; 0: outside of all
	name     string         // of the variable, for assigned
	value    ast.Expression // what is answered, tested or assigned
	around   []branch       // the conditions that it stands under, outermost first, within its function
	seq      int            // when it was last reached; 0: never
	held     bool           // for tested: what came out
}

// branch is one side of a condition.
type branch struct {
	mark int  // number of the condition
	held bool // the side where it holds
}

// watch is what a watched script reported in one call.
type watch struct {
	tree      *ast.Program
	marks     []*mark
	functions map[string]int // numbers of the functions that have a name
	main      int            // FindProxyForURL
	seq       int
}

// attach puts a report around every answer, condition and assignment of a tree, and a listener for them into the engine.
// What is reported is passed on: the script does what it did.
func attach(s *Script, tree *ast.Program) (*watch, error) {
	w := &watch{tree: tree, functions: map[string]int{}}
	v := &visitor{watch: w, seen: map[any]bool{}}
	for _, statement := range tree.Body {
		v.visit(reflect.ValueOf(statement), place{})
	}
	w.main = w.functions["FindProxyForURL"]
	if w.main == 0 {
		w.main = w.functions["FindProxyForURLEx"]
	}
	return w, s.vm.GlobalObject().Set(string(marker), func(c goja.FunctionCall) goja.Value {
		n, value := int(c.Argument(0).ToInteger()), c.Argument(1)
		w.seq++
		m := w.marks[n]
		m.seq, m.held = w.seq, m.kind == tested && value.ToBoolean()
		return value
	})
}

// forget makes ready for the next call.
func (w *watch) forget() {
	w.seq = 0
	for _, m := range w.marks {
		m.seq, m.held = 0, false
	}
}

// place is where the visitor is.
type place struct {
	function int
	around   []branch
}

func (p place) under(mark int, held bool) place {
	p.around = append(p.around[:len(p.around):len(p.around)], branch{mark, held})
	return p
}

// visitor walks a tree. The engine's trees name some declarations twice: seen keeps it from marking them twice.
type visitor struct {
	watch     *watch
	seen      map[any]bool
	functions int
}

// put makes a mark and returns value wrapped in the call that reports it.
func (v *visitor) put(m mark) (int, ast.Expression) {
	n := len(v.watch.marks)
	v.watch.marks = append(v.watch.marks, &m)
	arguments := []ast.Expression{&ast.NumberLiteral{Idx: m.at, Value: int64(n)}}
	if m.value != nil {
		arguments = append(arguments, m.value)
	}
	return n, &ast.CallExpression{Callee: &ast.Identifier{Name: marker, Idx: m.at}, LeftParenthesis: m.at, ArgumentList: arguments, RightParenthesis: m.at}
}

func (v *visitor) visit(x reflect.Value, at place) {
	switch x.Kind() {
	case reflect.Interface:
		if !x.IsNil() {
			v.visit(x.Elem(), at)
		}
	case reflect.Slice:
		for i := range x.Len() {
			v.visit(x.Index(i), at)
		}
	case reflect.Struct:
		for i := range x.NumField() {
			if x.Type().Field(i).IsExported() {
				v.visit(x.Field(i), at)
			}
		}
	case reflect.Pointer:
		if x.IsNil() {
			return
		}
		if p := x.Interface(); !v.seen[p] {
			v.seen[p] = true
			v.node(p, x, at)
		}
	}
}

// node marks what is worth a mark and goes on below. Conditions are numbered before what stands under them.
func (v *visitor) node(p any, x reflect.Value, at place) {
	below := func(n any, at place) { v.visit(reflect.ValueOf(n), at) }
	switch n := p.(type) {
	case *file.File:
	case *ast.FunctionDeclaration:
		below(n.Function, at)
	case *ast.FunctionLiteral:
		inner := v.enter()
		if n.Name != nil {
			v.watch.functions[string(n.Name.Name)] = inner.function
		}
		below(n.ParameterList, inner)
		below(n.Body, inner)
	case *ast.ArrowFunctionLiteral:
		inner := v.enter()
		below(n.ParameterList, inner)
		if body, ok := n.Body.(*ast.ExpressionBody); ok {
			value := body.Expression
			below(value, inner)
			_, body.Expression = v.put(mark{kind: returned, at: value.Idx0(), function: inner.function, value: value})
			return
		}
		below(n.Body, inner)
	case *ast.ReturnStatement:
		value := n.Argument
		if value != nil {
			below(value, at)
		}
		_, n.Argument = v.put(mark{kind: returned, at: n.Return, function: at.function, around: at.around, value: value})
	case *ast.IfStatement:
		test := n.Test
		below(test, at)
		var number int
		number, n.Test = v.put(mark{kind: tested, at: test.Idx0(), function: at.function, around: at.around, value: test})
		below(n.Consequent, at.under(number, true))
		if n.Alternate != nil {
			below(n.Alternate, at.under(number, false))
		}
	case *ast.ConditionalExpression:
		test := n.Test
		below(test, at)
		var number int
		number, n.Test = v.put(mark{kind: tested, at: test.Idx0(), function: at.function, around: at.around, value: test})
		below(n.Consequent, at.under(number, true))
		below(n.Alternate, at.under(number, false))
	case *ast.AssignExpression:
		v.assignment(n, at)
	case *ast.Binding:
		name, ok := n.Target.(*ast.Identifier)
		if !ok || n.Initializer == nil {
			v.fields(x, at)
			return
		}
		v.named(string(name.Name), n.Initializer)
		value := n.Initializer
		below(value, at)
		_, n.Initializer = v.put(mark{kind: assigned, at: name.Idx, function: at.function, around: at.around, name: string(name.Name), value: value})
	default:
		v.fields(x, at)
	}
}

// named gives a function that is the value of a variable the variable's name, where it has none of its own: the engine does
// so too, by the form of the assignment, which the report around the value would hide.
func (v *visitor) named(name string, value ast.Expression) {
	if f, ok := value.(*ast.FunctionLiteral); ok && f.Name == nil {
		v.watch.functions[name] = v.functions + 1 // the number that it is given next
	}
	if _, ok := value.(*ast.ArrowFunctionLiteral); ok {
		v.watch.functions[name] = v.functions + 1
	}
}

func (v *visitor) assignment(n *ast.AssignExpression, at place) {
	name, ok := n.Left.(*ast.Identifier)
	if !ok {
		v.visit(reflect.ValueOf(n.Left), at)
	} else {
		v.named(string(name.Name), n.Right)
	}
	value := n.Right
	v.visit(reflect.ValueOf(value), at)
	if ok {
		_, n.Right = v.put(mark{kind: assigned, at: name.Idx, function: at.function, around: at.around, name: string(name.Name), value: value})
	}
}

func (v *visitor) enter() place {
	v.functions++
	return place{function: v.functions}
}

func (v *visitor) fields(x reflect.Value, at place) {
	if x.Elem().Kind() == reflect.Struct {
		v.visit(x.Elem(), at)
	}
}
