package cli

import (
	"path/filepath"

	"github.com/spf13/cobra"

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
