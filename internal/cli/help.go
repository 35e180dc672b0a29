package cli

import (
	"fmt"
	"io"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpCommand is "sekisho help [command]". The command tree learns of it when a command is run, so that it is given the
// reader's language here.
func (a *app) helpCommand(root *cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use:   "help " + a.t("usage.command"),
		Short: a.t("help.short"),
		RunE: func(_ *cobra.Command, args []string) error {
			c, rest, err := root.Find(args)
			if err != nil || c == nil || len(rest) > 0 {
				return a.usage("unknown-command", "command", strings.Join(args, " "), "meant", "")
			}
			return c.Help()
		},
	}
	a.localise(c)
	return c
}

// printUsage prints how c is used: what cobra's own template prints, in the reader's language, in columns that a Japanese
// text does not move.
func (a *app) printUsage(c *cobra.Command) error {
	w := c.OutOrStderr()
	fmt.Fprintln(w, a.t("heading.usage"))
	if c.Runnable() {
		fmt.Fprintf(w, "  %s\n", a.useLine(c))
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(w, "  %s %s\n", c.CommandPath(), a.t("usage.command"))
	}
	if c.HasExample() {
		fmt.Fprintf(w, "\n%s\n%s\n", a.t("heading.examples"), c.Example)
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\n%s\n", a.t("heading.commands"))
		for _, child := range c.Commands() {
			if child.IsAvailableCommand() || child.Name() == "help" {
				fmt.Fprintf(w, "  %s %s\n", pad(child.Name(), child.NamePadding()), child.Short)
			}
		}
	}
	a.printFlags(w, a.t("heading.flags"), c.LocalFlags())
	a.printFlags(w, a.t("heading.global"), c.InheritedFlags())
	return nil
}

// printFlags prints flags under a heading, those that may be seen; none at all without one.
func (a *app) printFlags(w io.Writer, heading string, flags *pflag.FlagSet) {
	type line struct{ flag, text string }
	var lines []line
	width := 0
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		l := line{"      --" + f.Name, f.Usage}
		if f.Shorthand != "" {
			l.flag = "  -" + f.Shorthand + ", --" + f.Name
		}
		if kind := a.kindOf(f); kind != "" {
			l.flag += " " + kind
		}
		width = max(width, lipgloss.Width(l.flag))
		lines = append(lines, l)
	})
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", heading)
	for _, l := range lines {
		fmt.Fprintf(w, "%s   %s\n", pad(l.flag, width), strings.ReplaceAll(l.text, "\n", "\n"+strings.Repeat(" ", width+3)))
	}
}

// kindOf is what a flag takes, in one word; "" for one that takes nothing.
func (a *app) kindOf(f *pflag.Flag) string {
	switch kind := f.Value.Type(); kind {
	case "bool":
		return ""
	case "stringSlice": // by commas, or again and again
		return a.t("flag.kind.list")
	case "stringArray", "string":
		return a.t("flag.kind.text")
	case "int", "int64", "uint", "uint64":
		return a.t("flag.kind.number")
	case "duration":
		return a.t("flag.kind.duration")
	default:
		return kind
	}
}
