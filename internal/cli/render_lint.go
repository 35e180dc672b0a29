package cli

import (
	"errors"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sekisho/internal/finding"
	"sekisho/internal/render"
)

// lintFlags are those of a target that judges configurations of others.
type lintFlags struct {
	target       render.Linter // nil: the target does not
	file, format string
}

// lintFlags adds them where t is such a target.
func (a *app) lintFlags(c *cobra.Command, t render.Target) *lintFlags {
	f := &lintFlags{}
	var ok bool
	if f.target, ok = t.(render.Linter); !ok {
		return f
	}
	formats := []string{"table", "json"}
	c.Flags().StringVar(&f.file, "lint", "", a.t("render.flag.lint"))
	c.Flags().StringVar(&f.format, "lint-format", "table", a.t("render.flag.lint-format"))
	_ = c.RegisterFlagCompletionFunc("lint-format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	return f
}

// lint prints what is wrong with a configuration, each finding with its remedy and the page that it rests on. It ends with exit
// code 3 when there is something.
func (a *app) lint(c *cobra.Command, f *lintFlags, lab bool) error {
	if !slices.Contains([]string{"table", "json"}, f.format) {
		return a.usage("flag-value", "value", f.format, "flag", "--lint-format")
	}
	var other string
	c.Flags().Visit(func(given *pflag.Flag) {
		if !slices.Contains([]string{"lint", "lint-format", "lab"}, given.Name) && c.LocalNonPersistentFlags().Lookup(given.Name) != nil {
			other = given.Name
		}
	})
	if other != "" {
		return a.usage("render.lint-alone", "flag", "--"+other)
	}
	in, err := a.renderInput(lab, "")
	if err != nil {
		return err
	}
	if err := plainFile(f.file); err != nil {
		return finding.Fail("cli.render.unreadable", err, "file", f.file, "flag", "--lint")
	}
	found := f.target.Lint(in, f.file)
	if f.format == "json" {
		if err := a.printJSON(struct {
			File     string       `json:"file"`
			Findings finding.List `json:"findings"`
		}{f.file, orEmpty(found)}); err != nil {
			return err
		}
	} else {
		for _, x := range found {
			a.printf("%s  %s\n", pad(status(x.Severity), 4), a.printer.Finding(x))
			if hint := a.printer.Hint(x); hint != "" {
				a.printf("      %s\n", hint)
			}
			if source := x.Args["source"]; source != "" {
				a.printf("      %s (%s)\n", source, x.Code)
			}
		}
		if len(found) == 0 {
			a.printf("OK    %s\n", a.t("pac.lint.clean", "file", f.file))
		}
	}
	if len(found) > 0 {
		return errFound
	}
	return nil
}

// plainFile reports why name cannot be read as a plain file.
func plainFile(name string) error {
	// Not opened before it is known, because opening a named pipe waits for whoever writes.
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return errors.New("not a plain file")
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a plain file")
	}
	return err
}
