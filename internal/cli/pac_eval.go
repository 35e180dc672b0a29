package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"sekisho/internal/finding"
	"sekisho/internal/pac"
	"sekisho/internal/pac/eval"
)

// scriptProblem words what a script did wrong. ctx.Err() stays what it is.
func (a *app) scriptProblem(ctx context.Context, name string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	code := "cli.pac.script"
	switch {
	case errors.Is(err, eval.ErrDeadline):
		return finding.Fail("cli.pac.deadline", nil, "file", name)
	case errors.Is(err, eval.ErrMemory):
		return finding.Fail("cli.pac.memory", nil, "file", name)
	}
	return finding.Fail(code, nil, "file", name, "problem", problemText(err))
}

// problemText is what a script itself did wrong, without the prefix that names the package.
func problemText(err error) string {
	var s *eval.ScriptError
	if errors.As(err, &s) {
		if s.Line > 0 {
			return s.Message + " (" + itoa(s.Line) + ":" + itoa(s.Column) + ")"
		}
		return s.Message
	}
	return err.Error()
}

// arguments wants a URL unless a list is given.
func (f *pacFlags) arguments(c *cobra.Command, args []string) error {
	if len(f.lists) > 0 {
		return nil
	}
	return cobra.MinimumNArgs(1)(c, args)
}

// asked is what the flags and arguments of a command that runs one script say: how it is run, what it is asked, and the script.
func (a *app) asked(ctx context.Context, f *pacFlags, args []string) (o eval.Options, questions []eval.Question, from script, err error) {
	if o, err = a.pacOptions(ctx, f); err != nil {
		return o, nil, from, err
	}
	if questions, err = a.questions(args, f.lists); err != nil {
		return o, nil, from, err
	}
	from, err = a.pacSource(ctx, f.file, f.ring, f.lab)
	return named(o, from.name), questions, from, err
}

// evaluated is one answer.
type evaluated struct {
	URL    string `json:"url"`
	Host   string `json:"host"`
	Answer string `json:"answer"`
	Direct bool   `json:"direct"` // whether the client may go past every proxy
	Error  string `json:"error,omitempty"`
}

// pacEvalCommand runs a script for each URL. One that the script does not answer is told, and the exit code is 1.
func (a *app) pacEvalCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "eval URL...", Short: a.t("pac.eval.short"), Long: a.t("pac.eval.long"),
		Example: "  sekisho pac eval https://login.microsoftonline.com/ --lab\n  sekisho pac eval -f hosts.txt --pac http://proxy.example.com/proxy.pac -o csv\n" +
			"  sekisho pac eval www.example.com --pac old.pac --client 10.1.2.3 --resolver 10.0.0.53",
	}
	f := a.pacFlags(c, true)
	o := a.outputFlag(c, "table", "json", "jsonl", "csv")
	c.Args = f.arguments
	c.RunE = func(c *cobra.Command, args []string) error {
		options, questions, from, err := a.asked(c.Context(), f, args)
		if err != nil {
			return err
		}
		s, err := eval.Compile(c.Context(), from.body, options)
		if err != nil {
			return a.scriptProblem(c.Context(), from.name, err)
		}
		answers, failed := []evaluated{}, false
		for _, q := range questions {
			e := evaluated{URL: q.URL, Host: q.Host}
			if e.Answer, err = s.Find(c.Context(), q.URL, q.Host); err != nil {
				if c.Context().Err() != nil {
					return c.Context().Err()
				}
				if errors.Is(err, eval.ErrDeadline) || errors.Is(err, eval.ErrMemory) {
					return a.scriptProblem(c.Context(), from.name, err)
				}
				e.Error, failed = problemText(err), true
			} else {
				e.Direct = eval.GoesDirect(e.Answer)
			}
			answers = append(answers, e)
		}
		if err := a.printEvaluated(answers, o.format); err != nil {
			return err
		}
		a.tellNames(f)
		if failed {
			return errNotAll
		}
		return nil
	}
	return c
}

func (a *app) printEvaluated(answers []evaluated, format string) error {
	switch format {
	case "json":
		return a.printJSON(answers)
	case "jsonl":
		for _, e := range answers {
			if err := a.printLine(e); err != nil {
				return err
			}
		}
		return nil
	}
	r := rows{columns: []column{{"url", "URL"}, {"answer", a.t("pac.eval.answer")}}}
	if format == "csv" {
		r.columns = []column{{"url", ""}, {"host", ""}, {"answer", ""}, {"direct", ""}, {"error", ""}}
	}
	for _, e := range answers {
		switch {
		case format == "csv":
			r.cells = append(r.cells, []string{e.URL, e.Host, e.Answer, boolText(e.Direct && e.Error == ""), e.Error})
		case e.Error != "":
			r.cells = append(r.cells, []string{e.URL, "NG " + oneLine(e.Error)})
		default:
			r.cells = append(r.cells, []string{e.URL, oneLine(e.Answer)})
		}
	}
	if format == "csv" {
		return a.printCSV(r)
	}
	a.printTable(r)
	return nil
}

// oneLine keeps what a stranger's script says from steering the terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '?'
		}
		return r
	}, s)
}

// explained is one answer with the lines that lead to it.
type explained struct {
	URL  string `json:"url"`
	Host string `json:"host"`
	eval.Explanation
	// Rule is what the policy's own file looked up: the host pattern that decided. "" for other files, and where none did.
	Rule string `json:"rule,omitempty"`
}

// pacExplainCommand says which line decides.
func (a *app) pacExplainCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "explain URL...", Short: a.t("pac.explain.short"), Long: a.t("pac.explain.long"),
		Example: "  sekisho pac explain https://login.live.com/ --pac old.pac\n  sekisho pac explain intranet.example.com",
	}
	f := a.pacFlags(c, true)
	o := a.outputFlag(c, "table", "json", "jsonl")
	c.Args = f.arguments
	c.RunE = func(c *cobra.Command, args []string) error {
		options, questions, from, err := a.asked(c.Context(), f, args)
		if err != nil {
			return err
		}
		e, err := eval.NewExplainer(c.Context(), from.body, options)
		if err != nil {
			return a.scriptProblem(c.Context(), from.name, err)
		}
		own := func(string) string { return "" }
		if f.file == "" {
			if own, err = a.ownRule(f.lab); err != nil {
				return err
			}
		}
		answers := []explained{}
		for _, q := range questions {
			x, err := e.Explain(c.Context(), q.URL, q.Host)
			if err != nil {
				return a.scriptProblem(c.Context(), from.name, err)
			}
			answers = append(answers, explained{q.URL, q.Host, x, own(q.Host)})
		}
		switch o.format {
		case "json":
			err = a.printJSON(answers)
		case "jsonl":
			for _, x := range answers {
				if err = a.printLine(x); err != nil {
					break
				}
			}
		default:
			a.tellExplained(from.name, answers)
		}
		a.tellNames(f)
		return err
	}
	return c
}

func (a *app) tellExplained(file string, answers []explained) {
	for i, x := range answers {
		if i > 0 {
			a.printf("\n")
		}
		a.printf("%s  %s\n", x.URL, oneLine(x.Answer))
		width := 0
		for _, s := range x.Steps {
			width = max(width, len(itoa(s.Line)))
		}
		for n, s := range x.Steps {
			if n+1 < len(x.Steps) && x.Steps[n+1].Line == s.Line {
				continue // a condition and its answer on one line are one line
			}
			word := ""
			switch {
			case s.Kind == eval.StepCondition && s.Held:
				word = a.t("pac.explain.held")
			case s.Kind == eval.StepCondition:
				word = a.t("pac.explain.failed")
			case n == len(x.Steps)-1:
				word = a.t("pac.explain.decides")
			}
			a.printf("  %s:%s  %s", oneLine(file), pad(itoa(s.Line), width), oneLine(s.Source))
			if word != "" {
				a.printf("  <- %s", word)
			}
			a.printf("\n")
		}
		if len(x.Steps) == 0 {
			a.printf("  %s\n", a.t("pac.explain.nowhere"))
		}
		if x.Rule != "" {
			a.printf("  %s\n", a.t("pac.explain.rule", "pattern", x.Rule))
		}
	}
}

// ownRule returns what names the pattern that decides in the policy's own file.
func (a *app) ownRule(lab bool) (func(host string) string, error) {
	in, err := a.renderInput(lab, "")
	if err != nil {
		return nil, err
	}
	return func(host string) string {
		return pac.Decides(pac.Input{Program: in.Program, Catalog: in.Program.Catalog(), Own: in.Own}, host)
	}, nil
}
