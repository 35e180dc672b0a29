package eval

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/file"

	"sekisho/internal/finding"
)

// The kinds of a Step.
const (
	StepCondition = "condition" // a condition that the answer stands under
	StepAssigned  = "assigned"  // the value was given to a variable here
	StepReturned  = "returned"  // the value was answered here
)

// Step is one line on the way to an answer.
type Step struct {
	Kind   string `json:"kind"`
	Line   int    `json:"line"`   // from 1
	Column int    `json:"column"` // from 1, in characters
	Source string `json:"source"` // the line as written, without the blanks around it, at most 200 characters
	Held   bool   `json:"held"`   // of a condition: whether it held
}

// Explanation says which line of a script decided.
type Explanation struct {
	Answer string `json:"answer"`
	// Line is the line that decided; 0 when it stands nowhere, as when the script answers what a function of the interface
	// returned.
	Line  int    `json:"line"`
	Steps []Step `json:"steps"` // outermost first; the last one decided
}

// Explainer is a script that reports which of its lines decide. It answers what the script answers. Not safe for concurrent
// use.
type Explainer struct {
	script *Script
	watch  *watch
	lines  []string
}

// NewExplainer reads src as Compile does, with the same limits and errors.
func NewExplainer(ctx context.Context, src []byte, opts Options) (*Explainer, error) {
	e := &Explainer{lines: strings.Split(strings.ReplaceAll(string(src), "\r\n", "\n"), "\n")}
	s, err := compile(ctx, src, opts, func(s *Script, tree *ast.Program) (err error) {
		e.watch, err = attach(s, tree)
		return err
	})
	e.script = s
	if err != nil {
		return nil, err
	}
	return e, nil
}

// Explain asks the script about one URL. Errors are those of Script.Find.
func (e *Explainer) Explain(ctx context.Context, url, host string) (Explanation, error) {
	e.watch.forget()
	answer, err := e.script.Find(ctx, url, host)
	if err != nil {
		return Explanation{}, err
	}
	x := Explanation{Answer: answer, Steps: []Step{}}
	e.answerOf(&x, e.watch.main, e.watch.seq+1, 0)
	if n := len(x.Steps); n > 0 {
		x.Line = x.Steps[n-1].Line
	}
	return x, nil
}

// deepest bounds how many functions an answer is followed through (chosen: more than people write).
const deepest = 20

// answerOf adds the steps to the last answer of a function before the report number before.
func (e *Explainer) answerOf(x *Explanation, function, before, depth int) {
	m := e.last(before, func(m *mark) bool { return m.kind == returned && m.function == function })
	if m == nil || depth > deepest {
		return
	}
	e.conditions(x, m)
	e.step(x, m, StepReturned)
	e.follow(x, m, depth)
}

// follow goes on to where the value of a mark comes from: a side of ?:, a function of the script, a variable.
func (e *Explainer) follow(x *Explanation, m *mark, depth int) {
	if depth > deepest {
		return
	}
	value := m.value
	for {
		choice, ok := value.(*ast.ConditionalExpression)
		if !ok {
			break
		}
		test := e.testOf(choice)
		if test == nil || test.seq == 0 {
			return
		}
		e.step(x, test, StepCondition)
		if value = choice.Alternate; test.held {
			value = choice.Consequent
		}
		x.Steps = append(x.Steps, e.stepAt(StepReturned, e.place(value.Idx0()), false))
	}
	switch v := value.(type) {
	case *ast.CallExpression:
		if name, ok := v.Callee.(*ast.Identifier); ok {
			if f, ok := e.watch.functions[string(name.Name)]; ok && f != m.function {
				e.answerOf(x, f, m.seq, depth+1)
			}
		}
	case *ast.Identifier:
		from := e.last(m.seq, func(o *mark) bool { return o.kind == assigned && o.name == string(v.Name) })
		if from == nil {
			return
		}
		e.conditions(x, from)
		e.step(x, from, StepAssigned)
		e.follow(x, from, depth+1)
	}
}

// testOf is the mark of the condition of ?:, whose test is the report around it.
func (e *Explainer) testOf(c *ast.ConditionalExpression) *mark {
	call, ok := c.Test.(*ast.CallExpression)
	if !ok {
		return nil
	}
	for _, m := range e.watch.marks {
		if m.kind == tested && len(call.ArgumentList) == 2 && m.value == call.ArgumentList[1] {
			return m
		}
	}
	return nil
}

// conditions adds those that m stands under, where they hold; of those that failed the nearest is enough.
func (e *Explainer) conditions(x *Explanation, m *mark) {
	for i, b := range m.around {
		if !b.held && i < len(m.around)-1 {
			continue
		}
		test := e.watch.marks[b.mark]
		x.Steps = append(x.Steps, e.stepAt(StepCondition, e.position(test), b.held)) // in a recursion the last outcome may be another's
		if b.held {
			e.within(x, test)
		}
	}
}

// within adds where a function of the script, whose answer is a condition that held, got that answer from.
func (e *Explainer) within(x *Explanation, test *mark) {
	call, ok := test.value.(*ast.CallExpression)
	if !ok {
		return
	}
	name, ok := call.Callee.(*ast.Identifier)
	if !ok {
		return
	}
	f, ok := e.watch.functions[string(name.Name)]
	if !ok || f == test.function {
		return
	}
	answer := e.last(test.seq, func(m *mark) bool { return m.kind == returned && m.function == f })
	if answer == nil {
		return
	}
	for i, b := range answer.around {
		if b.held || i == len(answer.around)-1 {
			x.Steps = append(x.Steps, e.stepAt(StepCondition, e.position(e.watch.marks[b.mark]), b.held))
		}
	}
	e.step(x, answer, StepReturned)
}

// last is the mark that was reached last before a report, among those that fit.
func (e *Explainer) last(before int, fits func(*mark) bool) *mark {
	var best *mark
	for _, m := range e.watch.marks {
		if m.seq > 0 && m.seq < before && fits(m) && (best == nil || m.seq > best.seq) {
			best = m
		}
	}
	return best
}

func (e *Explainer) step(x *Explanation, m *mark, kind string) {
	x.Steps = append(x.Steps, e.stepAt(kind, e.position(m), m.held))
}

func (e *Explainer) position(m *mark) finding.Pos { return e.place(m.at) }

func (e *Explainer) place(at file.Idx) finding.Pos {
	p := e.watch.tree.File.Position(int(at) - e.watch.tree.File.Base())
	return finding.Pos{Line: p.Line, Column: p.Column}
}

func (e *Explainer) stepAt(kind string, at finding.Pos, held bool) Step {
	source := ""
	if at.Line > 0 && at.Line <= len(e.lines) {
		source = strings.TrimSpace(e.lines[at.Line-1])
	}
	if utf8.RuneCountInString(source) > 200 {
		source = string([]rune(source)[:199]) + "…"
	}
	return Step{Kind: kind, Line: at.Line, Column: at.Column, Source: source, Held: held}
}
