package eval

import (
	"slices"
	"strconv"
	"strings"

	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/token"

	"sekisho/internal/finding"
)

// Unreachable reads src, without running it, and reports what it can never come to: statements behind a return, sides of a
// condition that is always true or false, and conditions on the host that an earlier one, which has answered, covers:
//
//	if (dnsDomainIs(host, ".example.com")) { return "PROXY a:1"; }
//	if (host == "www.example.com") { return "DIRECT"; } // never
//
// It knows the comparison of a name with a text, dnsDomainIs and shExpMatch, and says nothing of what it does not know. A
// script that cannot be read has no findings here: Lint says so.
func Unreachable(src []byte) finding.List {
	tree, err := parse(src, "")
	if err != nil {
		return nil
	}
	l := &dead{tree: tree, moving: assignments(tree)}
	l.list(tree.Body, map[string][]rule{})
	return l.found.Sort()
}

type dead struct {
	tree   *ast.Program
	found  finding.List
	moving map[string]bool // variables whose value may be another one from one condition to the next
	work   int             // comparisons so far
}

// mostWork bounds how many comparisons of two conditions a file may take (chosen: a chain of five thousand conditions takes
// twelve million, a third of a second). Of what comes behind it nothing is said.
const mostWork = 20_000_000

// rule is a comparison that was answered before.
type rule struct {
	form string // name, end or glob: host equals text, ends with it, matches it
	text string
	line int
}

func (l *dead) pos(n ast.Node) finding.Pos {
	p := l.tree.File.Position(int(n.Idx0()) - l.tree.File.Base())
	return finding.Pos{Line: p.Line, Column: p.Column}
}

// list reads statements that follow each other. before are, by variable, the comparisons that have been answered.
func (l *dead) list(statements []ast.Statement, before map[string][]rule) {
	ended := false
	for _, s := range statements {
		switch s.(type) {
		case *ast.FunctionDeclaration, *ast.EmptyStatement, *ast.VariableStatement:
			// Declared before anything runs; or nothing.
		default:
			if ended {
				l.found = append(l.found, finding.New("pac.unreachable", finding.Warning, l.pos(s)))
				return
			}
		}
		l.statement(s, before)
		ended = ended || ends(s)
	}
}

func (l *dead) statement(s ast.Statement, before map[string][]rule) {
	switch n := s.(type) {
	case *ast.FunctionDeclaration:
		if n.Function.Body != nil {
			l.list(n.Function.Body.List, map[string][]rule{})
		}
	case *ast.VariableStatement:
		for _, b := range n.List {
			if f, ok := b.Initializer.(*ast.FunctionLiteral); ok && f.Body != nil {
				l.list(f.Body.List, map[string][]rule{})
			}
			if id, ok := b.Target.(*ast.Identifier); ok {
				delete(before, string(id.Name))
			}
		}
	case *ast.ExpressionStatement:
		if a, ok := n.Expression.(*ast.AssignExpression); ok {
			if id, ok := a.Left.(*ast.Identifier); ok {
				delete(before, string(id.Name)) // it is another name now
			}
			if f, ok := a.Right.(*ast.FunctionLiteral); ok && f.Body != nil {
				l.list(f.Body.List, map[string][]rule{})
			}
		}
	case *ast.BlockStatement:
		l.list(n.List, before)
	case *ast.IfStatement:
		l.condition(n, before)
	case *ast.ForStatement:
		l.statement(n.Body, map[string][]rule{})
	case *ast.ForInStatement:
		l.statement(n.Body, map[string][]rule{})
	case *ast.WhileStatement:
		l.statement(n.Body, map[string][]rule{})
	case *ast.DoWhileStatement:
		l.statement(n.Body, map[string][]rule{})
	case *ast.SwitchStatement:
		l.choice(n, before)
	case *ast.LabelledStatement:
		l.statement(n.Statement, map[string][]rule{})
	case *ast.ForOfStatement:
		l.statement(n.Body, map[string][]rule{})
	case *ast.WithStatement:
		l.statement(n.Body, map[string][]rule{})
	case *ast.TryStatement:
		l.list(n.Body.List, map[string][]rule{})
		if n.Catch != nil && n.Catch.Body != nil {
			l.list(n.Catch.Body.List, map[string][]rule{})
		}
		if n.Finally != nil {
			l.list(n.Finally.List, map[string][]rule{})
		}
	}
}

// choice reads a switch: what stands in its cases, and cases of a variable that an earlier condition, or an earlier case
// with the same text, has answered. A "break" behind a return, which many people write, is none.
func (l *dead) choice(n *ast.SwitchStatement, before map[string][]rule) {
	variable := ""
	if id, ok := n.Discriminant.(*ast.Identifier); ok && !l.moving[string(id.Name)] {
		variable = string(id.Name)
	}
	cases := map[rule]int{}
	through := false // the case before goes on into this one
	for _, c := range n.Body {
		text, ok := c.Test.(*ast.StringLiteral)
		if ok {
			r := rule{form: "name", text: string(text.Value)}
			line, earlier := cases[r]
			if !earlier && variable != "" {
				line = l.covered(r, before[variable])
			}
			if line > 0 && !through {
				l.found = append(l.found, finding.New("pac.covered", finding.Warning, l.pos(c), "line", strconv.Itoa(line)))
			}
			if !earlier {
				cases[r] = l.pos(c).Line
			}
		}
		list := c.Consequent
		if k := len(list); k > 1 && ends(list[k-2]) {
			if _, ok := list[k-1].(*ast.BranchStatement); ok {
				list = list[:k-1]
			}
		}
		l.list(list, map[string][]rule{})
		through = !slices.ContainsFunc(list, ends)
	}
}

// condition reads an if and, one after the other, what stands behind its else.
func (l *dead) condition(n *ast.IfStatement, before map[string][]rule) {
	for {
		if b, ok := n.Test.(*ast.BooleanLiteral); ok {
			side := n.Alternate
			if !b.Value {
				side = n.Consequent
			}
			if side != nil {
				l.found = append(l.found, finding.New("pac.unreachable", finding.Warning, l.pos(side)))
			}
		}
		variable, rules := comparisons(n.Test)
		if l.moving[variable] {
			variable, rules = "", nil
		}
		line := 0
		for i := range rules {
			rules[i].line = l.pos(n.Test).Line
		}
		for i := range rules {
			at := l.covered(rules[i], before[variable])
			if at == 0 {
				line = 0
				break
			}
			line = at
		}
		if line > 0 {
			l.found = append(l.found, finding.New("pac.covered", finding.Warning, l.pos(n.Test), "line", strconv.Itoa(line)))
		}
		l.statement(n.Consequent, map[string][]rule{})
		if n.Alternate == nil {
			if ends(n.Consequent) && variable != "" && l.work < mostWork {
				before[variable] = append(before[variable], rules...)
			}
			return
		}
		// On the other side the condition does not hold, whatever this side does.
		after := map[string][]rule{}
		if l.work < mostWork {
			for k, v := range before {
				after[k] = v[:len(v):len(v)]
			}
		}
		l.work += len(after)
		if variable != "" && l.work < mostWork {
			l.work += len(after[variable]) // copied below
			after[variable] = append(after[variable], rules...)
		}
		next, ok := n.Alternate.(*ast.IfStatement)
		if !ok {
			l.statement(n.Alternate, after)
			return
		}
		n, before = next, after
	}
}

// ends reports whether nothing behind s is come to.
func ends(s ast.Statement) bool {
	switch n := s.(type) {
	case *ast.ReturnStatement, *ast.ThrowStatement, *ast.BranchStatement:
		return true
	case *ast.BlockStatement:
		for _, inner := range n.List {
			if ends(inner) {
				return true
			}
		}
	case *ast.IfStatement:
		return n.Alternate != nil && ends(n.Consequent) && ends(n.Alternate)
	}
	return false
}

// comparisons reads a condition that is one comparison, or several joined by "or", of one variable. Of any other it
// returns nothing.
func comparisons(e ast.Expression) (variable string, rules []rule) {
	switch n := e.(type) {
	case *ast.BinaryExpression:
		switch n.Operator {
		case token.LOGICAL_OR:
			a, left := comparisons(n.Left)
			b, right := comparisons(n.Right)
			if a == "" || a != b {
				return "", nil
			}
			return a, append(left, right...)
		case token.EQUAL, token.STRICT_EQUAL:
			left, right := n.Left, n.Right
			if _, ok := left.(*ast.StringLiteral); ok {
				left, right = right, left
			}
			return compared(left, right, "name")
		}
	case *ast.CallExpression:
		name, ok := n.Callee.(*ast.Identifier)
		if !ok || len(n.ArgumentList) != 2 {
			return "", nil
		}
		switch name.Name {
		case "dnsDomainIs":
			return compared(n.ArgumentList[0], n.ArgumentList[1], "end")
		case "shExpMatch":
			return compared(n.ArgumentList[0], n.ArgumentList[1], "glob")
		}
	}
	return "", nil
}

func compared(who, with ast.Expression, form string) (string, []rule) {
	id, ok := who.(*ast.Identifier)
	text, ok2 := with.(*ast.StringLiteral)
	if !ok || !ok2 {
		return "", nil
	}
	r := rule{form: form, text: string(text.Value)}
	if form == "glob" && !strings.ContainsAny(r.text, "*?") {
		r.form = "name"
	}
	if rest, ok := strings.CutPrefix(r.text, "*"); r.form == "glob" && ok && !strings.ContainsAny(rest, "*?") {
		r.form, r.text = "end", rest
	}
	return string(id.Name), []rule{r}
}

// covered returns the line of a rule that takes whatever r takes, 0 when there is none.
func (l *dead) covered(r rule, before []rule) int {
	for _, b := range before {
		if l.work++; l.work > mostWork {
			return 0
		}
		if b.form == "glob" {
			l.work += len(r.text) * len(b.text) / 16
		}
		switch {
		case b == rule{r.form, r.text, b.line},
			b.form == "end" && r.form != "glob" && strings.HasSuffix(r.text, b.text),
			b.form == "glob" && r.form == "name" && shExpMatch(r.text, b.text):
			return b.line
		}
	}
	return 0
}
