package cli

import "github.com/spf13/cobra"

func (a *app) reportCommand() *cobra.Command { return a.noun("report", "report") }
