package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"sekisho/internal/finding"
	"sekisho/internal/node"
)

// reloadCommand tells the running checkpoint to read its configuration again. Exit code 0: the new configuration judges;
// 2: it was rejected, or nothing runs.
func (a *app) reloadCommand() *cobra.Command {
	c := &cobra.Command{Use: "reload", Short: a.t("reload.short"), Long: a.t("reload.long"), Args: cobra.NoArgs,
		Example: "  sekisho reload\n  sekisho reload -o json"}
	a.labFlag(c)
	o := a.outputFlag(c, "table", "json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		data, err := a.checkpointFolder()
		if err != nil {
			return err
		}
		answer, err := node.AskReload(c.Context(), data)
		if err != nil {
			return err
		}
		if o.format == "json" {
			if err := a.printJSON(answer); err != nil {
				return err
			}
		}
		if !answer.Reloaded {
			if o.format != "json" {
				a.notef("%s: %s\n", a.t("error"), a.t("reload.rejected", "edition", itoa(int(answer.Edition))))
			}
			problem := &finding.Problem{Findings: answer.Findings}
			if answer.Cause != "" {
				problem.Cause = errors.New(answer.Cause)
			}
			return problem
		}
		if o.format != "json" {
			a.printf("%s\n", a.t("reload.done", "edition", itoa(int(answer.Edition)), "hash", answer.Policy, "catalog", answer.Catalog))
			a.printFindings(answer.Findings)
		}
		return nil
	}
	return c
}
