package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"sekisho/internal/catalog"
	"sekisho/internal/config"
	"sekisho/internal/finding"
	"sekisho/internal/node"
)

// dirOf is the folder in which a file is written.
func dirOf(file string) string { return filepath.Dir(file) }

func (a *app) configCommand() *cobra.Command {
	return a.noun("config", "config", a.configInitCommand(), a.configCheckCommand(), a.configShowCommand(), a.configSchemaCommand())
}

// configCheckCommand reads the configuration with the loader that "up" uses and compiles its policy.
func (a *app) configCheckCommand() *cobra.Command {
	c := &cobra.Command{Use: "check [FILE]", Short: a.t("config.check.short"), Args: cobra.MaximumNArgs(1)}
	c.RunE = func(_ *cobra.Command, args []string) error {
		if len(args) == 1 {
			a.config = args[0]
		}
		settings, problems := a.loadConfig(false, nil)
		if !problems.HasErrors() {
			snapshot, err := a.snapshot()
			if err != nil {
				return err
			}
			_, found := node.Compile(settings, snapshot)
			problems = append(problems, found...)
		}
		problems.Sort()
		if problems.HasErrors() {
			return &finding.Problem{Findings: problems}
		}
		a.printFindings(problems)
		a.printf("%s\n", a.t("config.check.ok", "file", settings.File))
		return nil
	}
	return c
}

// configShowCommand prints every setting with where its value comes from.
func (a *app) configShowCommand() *cobra.Command {
	c := &cobra.Command{Use: "show", Short: a.t("config.show.short"), Args: cobra.NoArgs}
	lab := c.Flags().Bool("lab", false, a.t("flag.lab-policy"))
	o := a.outputFlag(c, "table", "json", "csv")
	c.RunE = func(*cobra.Command, []string) error {
		settings, problems := a.loadConfig(*lab, nil)
		if problems.HasErrors() {
			return &finding.Problem{Findings: problems.Sort()}
		}
		list := config.Show(settings)
		if o.format == "json" {
			return a.printJSON(list)
		}
		r := rows{columns: []column{
			{"setting", a.t("config.column.setting")}, {"value", a.t("config.column.value")}, {"origin", a.t("config.column.origin")},
		}}
		for _, row := range list {
			origin := a.t("config.origin." + row.Origin.String())
			if row.Pos.Known() {
				origin += " " + row.Pos.String()
			}
			r.cells = append(r.cells, []string{row.Setting, row.Text, origin})
		}
		if o.format == "csv" {
			return a.printCSV(r)
		}
		a.printTable(r)
		return nil
	}
	return c
}

func (a *app) configSchemaCommand() *cobra.Command {
	c := &cobra.Command{Use: "schema", Short: a.t("config.schema.short"), Args: cobra.NoArgs}
	c.RunE = func(*cobra.Command, []string) error {
		_, err := a.Out.Write(config.JSONSchema(a.printer.Language()))
		return err
	}
	return c
}

// configInitCommand writes a commented sekisho.yaml from flags, and from answers at the terminal for what is missing.
func (a *app) configInitCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "init",
		Short: a.t("config.init.short"),
		Long:  a.t("config.init.long"),
		Example: "  sekisho config init --tenant contoso.com --context 3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31 \\\n" +
			"    --features entra.sign-in,intune.core --consumer-accounts block --out sekisho.yaml",
		Args: cobra.NoArgs,
	}
	answers := config.Answers{Language: a.printer.Language()}
	flags := c.Flags()
	flags.StringSliceVar(&answers.Tenants, "tenant", nil, a.t("config.init.flag.tenant"))
	flags.StringVar(&answers.Context, "context", "", a.t("config.init.flag.context"))
	flags.StringSliceVar(&answers.Features, "features", nil, a.t("config.init.flag.features"))
	flags.StringVar(&answers.ConsumerAccounts, "consumer-accounts", "", a.t("config.init.flag.consumer-accounts"))
	flags.StringVar(&answers.Mode, "mode", "report", a.t("config.init.flag.mode"))
	flags.StringVar(&answers.Organisation, "organisation", "", a.t("config.init.flag.organisation"))
	flags.StringVar(&answers.Contact, "contact", "", a.t("config.init.flag.contact"))
	out := flags.String("out", "sekisho.yaml", a.t("config.init.flag.out"))
	force := flags.Bool("force", false, a.t("config.init.flag.force"))
	c.RunE = func(*cobra.Command, []string) error {
		if _, err := os.Lstat(*out); *out != "-" && !*force && !errors.Is(err, fs.ErrNotExist) {
			return finding.Fail("cli.exists", nil, "file", *out)
		}
		if err := a.ask(&answers); err != nil {
			return err
		}
		content, problems := config.Init(answers)
		if problems.HasErrors() {
			return &finding.Problem{Findings: problems}
		}
		// The file is judged as "up" will judge it, before anything is written.
		settings, problems := config.Parse(*out, content)
		if !problems.HasErrors() {
			_, found := node.Compile(settings, catalog.Builtin())
			problems = append(problems, found...)
		}
		if problems.HasErrors() {
			return &finding.Problem{Findings: problems.Sort()}
		}
		if *out == "-" {
			_, err := a.Out.Write(content)
			return err
		}
		if err := writeWhole(*out, content, 0o644); err != nil {
			return finding.Fail("cli.unwritable", err, "file", *out)
		}
		a.printFindings(problems.Sort())
		a.printf("%s\n%s\n", a.t("written", "file", *out), a.t("config.init.next", "file", *out))
		return nil
	}
	return c
}

// question is one answer that must be there.
type question struct {
	id      string // text "config.init.ask.<id>", flag --<id>
	missing bool
	set     func(string)
}

// ask asks at the terminal for what the flags did not say. Without a terminal, what is missing is named at once.
func (a *app) ask(answers *config.Answers) error {
	list := func(s string) []string {
		return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '、' })
	}
	questions := []question{
		{"tenant", len(answers.Tenants) == 0, func(s string) { answers.Tenants = list(s) }},
		{"context", answers.Context == "", func(s string) { answers.Context = s }},
		{"features", len(answers.Features) == 0, func(s string) { answers.Features = list(s) }},
		{"consumer-accounts", answers.ConsumerAccounts == "", func(s string) { answers.ConsumerAccounts = s }},
	}
	var missing []string
	for _, q := range questions {
		if q.missing {
			missing = append(missing, "--"+q.id)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if !a.Terminal {
		return a.usage("config.init.missing", "flags", strings.Join(missing, ", "))
	}
	in := bufio.NewScanner(a.In)
	for _, q := range questions {
		if !q.missing {
			continue
		}
		if q.id == "features" {
			a.notef("%s\n", a.t("config.init.features", "features", strings.Join(featureNames(catalog.Builtin()), ", ")))
		}
		for answer := ""; answer == ""; {
			fmt.Fprintf(a.Err, "%s ", a.t("config.init.ask."+q.id))
			if !in.Scan() {
				return a.usage("config.init.missing", "flags", "--"+q.id)
			}
			if answer = strings.TrimSpace(in.Text()); answer != "" {
				q.set(answer)
			}
		}
	}
	return nil
}
