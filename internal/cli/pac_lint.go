package cli

import (
	"errors"
	"mime"
	"slices"

	"github.com/spf13/cobra"

	"sekisho/internal/finding"
	"sekisho/internal/pac"
	"sekisho/internal/pac/eval"
)

// pacLintCommand says what is wrong with a script. It ends with exit code 3 when there is something.
func (a *app) pacLintCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "lint [FILE|URL|-]", Short: a.t("pac.lint.short"), Long: a.t("pac.lint.long"), Args: cobra.MaximumNArgs(1),
		Example: "  sekisho pac lint old.pac\n  sekisho pac lint http://wpad.example.com/wpad.dat -o json\n  sekisho pac lint --lab",
	}
	lab := c.Flags().Bool("lab", false, a.t("flag.lab-policy"))
	ring := c.Flags().String("ring", "", a.t("pac.flag.ring"))
	o := a.outputFlag(c, "table", "json")
	c.RunE = func(c *cobra.Command, args []string) error {
		name := ""
		if len(args) > 0 {
			name = args[0]
		}
		from, err := a.pacSource(c.Context(), name, *ring, *lab)
		if err != nil {
			return err
		}
		snapshot, err := a.snapshot()
		if err != nil {
			return err
		}
		found := pac.Lint(from.body)
		if newer, ok := eval.Newer(from.body); ok {
			found = append(slices.DeleteFunc(found, pac.IsWord), newer...)
		}
		found = append(found, eval.Unreachable(from.body)...)
		ran, err := eval.Lint(c.Context(), oneLine(from.name), from.body, snapshot)
		if err != nil {
			return err
		}
		found = append(found, ran...)
		if kind, _, err := mime.ParseMediaType(from.kind); from.kind != "" && (err != nil || kind != pac.MediaType && kind != "application/x-javascript-config") {
			found = append(found, finding.New("pac.media-type", finding.Warning, finding.Pos{}, "value", from.kind, "want", pac.MediaType))
		}
		for i := range found {
			if found[i].Pos.Line > 0 {
				found[i].Pos.File = from.name
			}
		}
		found.Sort()
		if o.format == "json" {
			if err := a.printJSON(struct {
				File     string       `json:"file"`
				Bytes    int          `json:"bytes"`
				Findings finding.List `json:"findings"`
			}{from.name, len(from.body), orEmpty(found)}); err != nil {
				return err
			}
		} else {
			for _, f := range found {
				a.printf("%s  %s\n", pad(status(f.Severity), 4), a.printer.Finding(f))
				if hint := a.printer.Hint(f); hint != "" {
					a.printf("      %s\n", hint)
				}
			}
			if len(found) == 0 {
				a.printf("OK    %s\n", a.t("pac.lint.clean", "file", from.name))
			}
		}
		if len(found) > 0 {
			return errFound
		}
		return nil
	}
	return c
}

// named is o for a script that is called name.
func named(o eval.Options, name string) eval.Options {
	o.Name = oneLine(name)
	return o
}

// pacDiffCommand asks two scripts the same and prints what they answer differently. It ends with exit code 3 when they do.
func (a *app) pacDiffCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "diff A [B]", Short: a.t("pac.diff.short"), Long: a.t("pac.diff.long"), Args: cobra.RangeArgs(1, 2),
		Example: "  sekisho pac diff old.pac new.pac\n  sekisho pac diff http://proxy.example.com/proxy.pac -f hosts.txt -o csv",
	}
	f := a.pacFlags(c, false)
	c.Flags().StringVar(&f.ring, "ring", "", a.t("pac.flag.ring"))
	c.Flags().BoolVar(&f.lab, "lab", false, a.t("flag.lab-policy"))
	bare := c.Flags().Bool("no-catalog", false, a.t("pac.diff.flag.no-catalog"))
	o := a.outputFlag(c, "table", "json", "jsonl", "csv")
	c.RunE = func(c *cobra.Command, args []string) error {
		options, err := a.pacOptions(c.Context(), f)
		if err != nil {
			return err
		}
		questions, err := a.questions(nil, f.lists)
		if err != nil {
			return err
		}
		if !*bare {
			snapshot, err := a.snapshot()
			if err != nil {
				return err
			}
			questions = append(questions, eval.CatalogQuestions(snapshot)...)
		}
		if len(questions) == 0 {
			return a.usage("pac.diff.nothing")
		}
		if len(args) == 1 {
			args = append(args, "") // the policy's own
		}
		var scripts [2]*eval.Script
		var names [2]string
		for i, arg := range args {
			from, err := a.pacSource(c.Context(), arg, f.ring, f.lab)
			if err != nil {
				return err
			}
			names[i] = from.name
			if scripts[i], err = eval.Compile(c.Context(), from.body, named(options, from.name)); err != nil {
				return a.scriptProblem(c.Context(), from.name, err)
			}
		}
		asked, err := eval.Compare(c.Context(), scripts[0], scripts[1], questions)
		if errors.Is(err, eval.ErrDeadline) || errors.Is(err, eval.ErrMemory) {
			return a.scriptProblem(c.Context(), names[0]+", "+names[1], err)
		}
		if err != nil {
			return err
		}
		if err := a.printAsked(names, asked, len(questions), o.format); err != nil {
			return err
		}
		a.tellNames(f)
		return changed(len(asked) == 0)
	}
	return c
}

func (a *app) printAsked(names [2]string, asked []eval.Asked, total int, format string) error {
	type line struct {
		URL    string `json:"url"`
		Host   string `json:"host"`
		A      string `json:"a"`
		B      string `json:"b"`
		ErrorA string `json:"error_a,omitempty"`
		ErrorB string `json:"error_b,omitempty"`
	}
	lines := []line{}
	for _, x := range asked {
		l := line{URL: x.URL, Host: x.Host, A: x.A, B: x.B}
		if x.ErrorA != nil {
			l.ErrorA = problemText(x.ErrorA)
		}
		if x.ErrorB != nil {
			l.ErrorB = problemText(x.ErrorB)
		}
		lines = append(lines, l)
	}
	r := rows{columns: []column{{"url", "URL"}, {"a", oneLine(names[0])}, {"b", oneLine(names[1])}, {"error_a", ""}, {"error_b", ""}}}
	switch format {
	case "json":
		return a.printJSON(struct {
			A         string `json:"a"`
			B         string `json:"b"`
			Asked     int    `json:"asked"`
			Different []line `json:"different"`
		}{names[0], names[1], total, lines})
	case "jsonl":
		for _, l := range lines {
			if err := a.printLine(l); err != nil {
				return err
			}
		}
		return nil
	case "csv":
		for _, l := range lines {
			r.cells = append(r.cells, []string{l.URL, l.A, l.B, l.ErrorA, l.ErrorB})
		}
		return a.printCSV(r)
	}
	if len(lines) == 0 {
		a.printf("%s\n", a.t("pac.diff.same", "a", names[0], "b", names[1], "count", itoa(total)))
		return nil
	}
	a.printf("%s\n\n", a.t("pac.diff.summary", "count", itoa(len(lines)), "total", itoa(total)))
	r.columns = r.columns[:3]
	said := func(answer, problem string) string {
		if problem != "" {
			return "NG " + oneLine(problem)
		}
		return oneLine(answer)
	}
	for _, l := range lines {
		r.cells = append(r.cells, []string{l.URL, said(l.A, l.ErrorA), said(l.B, l.ErrorB)})
	}
	a.printTable(r)
	return nil
}
