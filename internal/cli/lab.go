package cli

import (
	"time"

	"github.com/spf13/cobra"

	"sekisho/internal/prove"
)

func (a *app) labCommand() *cobra.Command {
	return a.noun("lab", "lab", a.labStatusCommand(), a.labResetCommand(), a.labRotateKeysCommand(), a.labInitCommand(), a.labCheckCommand(),
		a.labFaultCommand(), a.labDNSCommand(), a.labProveCommand())
}

// labProveCommand drives real clients through a checkpoint of its own and prints which promises are kept.
func (a *app) labProveCommand() *cobra.Command {
	c := &cobra.Command{Use: "prove", Short: a.t("lab.prove.short"), Long: a.t("lab.prove.long"), Args: cobra.NoArgs}
	o := a.outputFlag(c, "table", "json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		started := time.Now()
		results, err := prove.Run(c.Context(), prove.Options{Version: a.Version})
		if err != nil {
			return err
		}
		broken := 0
		for _, r := range results {
			if !r.OK {
				broken++
			}
		}
		if o.format == "json" {
			if err := a.printJSON(results); err != nil {
				return err
			}
		} else {
			r := rows{columns: []column{{"state", a.t("lab.column.state")}, {"promise", a.t("lab.column.promise")}}}
			for _, result := range results {
				state, text := "OK", a.printer.Text("prove."+result.ID, nil)
				if !result.OK {
					state, text = "NG", text+": "+result.Detail
				}
				r.cells = append(r.cells, []string{state, text})
			}
			a.printTable(r)
			a.notef("%s\n", a.t("lab.prove.summary", "kept", itoa(len(results)-broken), "broken", itoa(broken),
				"time", time.Since(started).Round(100*time.Millisecond).String()))
		}
		if broken > 0 {
			return errFound
		}
		return nil
	}
	return c
}
