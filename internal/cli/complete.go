package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sekisho/internal/catalog"
	"sekisho/internal/config"
)

// completeValues gives the commands from c down what a shell offers for their arguments and flags. Where nothing is
// said, the shell offers files.
func (a *app) completeValues(c *cobra.Command) {
	switch strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ") {
	case "catalog show", "catalog check":
		c.ValidArgsFunction = a.completeFeatures
	case "catalog update":
		c.ValidArgsFunction = cobra.FixedCompletions(config.Lists(), cobra.ShellCompDirectiveNoFileComp)
	}
	c.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
		if complete := a.flagValues(f.Name); complete != nil {
			// The error is of a flag that is not there, or completed twice.
			_ = c.RegisterFlagCompletionFunc(f.Name, complete)
		}
	})
	for _, child := range c.Commands() {
		a.completeValues(child)
	}
}

// flagValues completes the flag of that name, whichever command has it; nil when its values are not known.
func (a *app) flagValues(name string) cobra.CompletionFunc {
	var values []string
	switch name {
	case "features", "feature":
		return a.completeFeatures
	case "lang":
		values = []string{"en", "ja"}
	case "log-level":
		values = []string{"debug", "info", "warn", "error"}
	case "log-format":
		values = []string{"text", "json"}
	case "mode":
		values = []string{"report", "enforce", "off"}
	case "consumer-accounts":
		values = []string{"block", "allow"}
	case "verdict":
		values = []string{"permit", "deny"}
	case "outcome":
		values = []string{"ok", "blocked", "failed", "not-seen"}
	case "instance":
		values = []string{"Worldwide", "USGovGCCHigh", "USGovDoD", "China"}
	case "area":
		values = []string{"MEM", "Common", "Exchange", "SharePoint", "Skype"}
	case "kind":
		values = []string{"ip", "url", "v4", "v6", "fqdn"}
	default:
		return nil
	}
	return cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
}

// completeFeatures offers the features of the catalog in use with their titles; after a comma, the next one of a list.
func (a *app) completeFeatures(c *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	snapshot, err := a.snapshot()
	if err != nil {
		snapshot = catalog.Builtin()
	}
	before := begun[:strings.LastIndexByte(begun, ',')+1]
	var out []cobra.Completion
	for _, f := range snapshot.Features() {
		out = append(out, cobra.CompletionWithDesc(before+string(f.ID), f.Title.In(a.printer.Language())))
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
