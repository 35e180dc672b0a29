package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sekisho/internal/audit"
	"sekisho/internal/catalog"
	"sekisho/internal/config"
	"sekisho/internal/m365"
	"sekisho/internal/policy"
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

// flagValues completes the flag of that name, whichever command has it; nil when its values are not known. They come from
// where the values are judged.
func (a *app) flagValues(name string) cobra.CompletionFunc {
	var values []string
	switch name {
	case "features", "feature":
		return a.completeFeatures
	case "lang":
		values = config.Choices("language")
	case "log-level":
		values = config.Choices("log.level")
	case "log-format":
		values = config.Choices("log.format")
	case "mode":
		values = config.Choices("rings[].mode")
	case "consumer-accounts":
		values = config.Choices("profiles[].consumer-accounts")
	case "verdict":
		values = policy.Verdicts()
	case "outcome":
		values = audit.Outcomes()
	case "instance":
		values = instanceNames()
	case "area":
		return a.completeAreas
	case "kind":
		values = slices.Concat(areaKinds(), featureKinds())
	default:
		return nil
	}
	return cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
}

// completeAreas offers the service areas of the lists in use.
func (a *app) completeAreas(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	snapshot := a.snapshotOrBuiltin()
	var areas []cobra.Completion
	for _, i := range m365.Instances() {
		for _, r := range m365.RowsOf(snapshot, i) {
			if !slices.Contains(areas, r.ServiceArea) {
				areas = append(areas, r.ServiceArea)
			}
		}
	}
	return areas, cobra.ShellCompDirectiveNoFileComp
}

// snapshotOrBuiltin is the catalog in use, or the built-in one where that cannot be read: other commands say why.
func (a *app) snapshotOrBuiltin() *catalog.Snapshot {
	if snapshot, err := a.snapshot(); err == nil {
		return snapshot
	}
	return catalog.Builtin()
}

// completeFeatures offers the features of the catalog in use with their titles; after a comma, the next one of a list.
func (a *app) completeFeatures(c *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	snapshot := a.snapshotOrBuiltin()
	before := begun[:strings.LastIndexByte(begun, ',')+1]
	var out []cobra.Completion
	for _, f := range snapshot.Features() {
		out = append(out, cobra.CompletionWithDesc(before+string(f.ID), f.Title.In(a.printer.Language())))
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
