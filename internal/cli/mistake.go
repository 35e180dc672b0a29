package cli

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

// targetMistake makes wrong usage of the error of a target on the command line.
func targetMistake(err error) error { return usageError{err} }

// printUsageError says what is wrong with the use of command and which help tells the right one. A text that cannot be
// read has its own remedy.
func (a *app) printUsageError(command *cobra.Command, err usageError) {
	var parse *endpoint.ParseError
	if errors.As(err, &parse) {
		a.printFinding(parse.Finding(finding.Pos{}), "")
		return
	}
	a.notef("%s: %v\n", a.t("error"), err)
	help := "sekisho help"
	if command != nil && command.HasParent() && command.Name() != "help" {
		help = command.CommandPath() + " --help"
	}
	a.notef("%s: %s\n", a.t("hint"), a.t("usage.hint", "help", help))
}

// useLine is how c is written, in one line.
func (a *app) useLine(c *cobra.Command) string {
	if !c.HasAvailableFlags() {
		return c.UseLine()
	}
	return c.UseLine() + " " + a.t("usage.flags")
}

// localiseDefault moves the default of a flag into its text, because pflag words it in English and printFlags prints
// none. The value stays.
func (a *app) localiseDefault(f *pflag.Flag) {
	var none string // what stands for no default
	switch f.Value.Type() {
	case "string":
		none = ""
	case "int":
		none = "0"
	case "duration":
		none = "0s"
	case "stringSlice", "stringArray":
		none = "[]"
	case "bool":
		none = "false"
	default:
		return
	}
	if f.DefValue == none {
		return
	}
	f.Usage += a.t("flag.default", "value", strings.Trim(f.DefValue, "[]"))
	f.DefValue = none
}

// localiseCompletion gives the commands that write completion scripts their texts.
func (a *app) localiseCompletion(root *cobra.Command) {
	for _, c := range root.Commands() {
		if c.Name() != "completion" {
			continue
		}
		c.Short, c.Long = a.t("completion.short"), a.t("completion.long")
		for _, shell := range c.Commands() {
			shell.Short = a.t("completion.shell.short", "shell", shell.Name())
			shell.Long = a.t("completion." + shell.Name() + ".long")
			if f := shell.Flags().Lookup("no-descriptions"); f != nil {
				f.Usage = a.t("completion.flag.no-descriptions")
			}
		}
	}
}

// unknownCommand says that parent has no command of that name, and which one may have been meant.
func (a *app) unknownCommand(parent *cobra.Command, name string) error {
	var known []string
	for _, c := range parent.Commands() {
		known = append(known, c.Name())
	}
	meant := finding.Nearest(name, known)
	above := strings.TrimPrefix(parent.CommandPath()+" ", parent.Root().Name()+" ")
	if meant != "" {
		meant = above + meant
	}
	return a.usage("unknown-command", "command", above+name, "meant", meant)
}

// errTwice says that a flag of one value was given more than once.
var errTwice = errors.New("given more than once")

// once is the value of a flag that may be given one time.
type once struct {
	pflag.Value
	given bool
}

// Set takes the first value alone.
func (o *once) Set(text string) error {
	if o.given {
		return errTwice
	}
	o.given = true
	return o.Value.Set(text)
}

// onlyOnce has a flag of one value refuse a second one, which pflag would take in place of the first and say nothing: of
// two hosts, or of two people in a filter, one would be left out unseen. -o is spared, because the last of two formats
// loses nothing and scripts add theirs at the end.
func onlyOnce(f *pflag.Flag) {
	switch f.Value.Type() {
	case "string", "int", "duration":
		if f.Name != "output" {
			f.Value = &once{Value: f.Value}
		}
	}
}

// flagMistake words an error of the flag parser, which knows English alone.
func (a *app) flagMistake(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var bare *pflag.ValueRequiredError
	var value *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		meant := ""
		if unknown.GetSpecifiedShortnames() == "" {
			var known []string
			c.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
			if meant = finding.Nearest(unknown.GetSpecifiedName(), known); meant != "" {
				meant = "--" + meant
			}
		}
		return a.usage("unknown-flag", "flag", written(unknown.GetSpecifiedName(), unknown.GetSpecifiedShortnames()), "meant", meant)
	case errors.As(err, &bare):
		return a.usage("flag-without-value", "flag", written(bare.GetSpecifiedName(), bare.GetSpecifiedShortnames()))
	case errors.As(err, &value) && errors.Is(err, errTwice):
		return a.usage("flag-twice", "flag", "--"+value.GetFlag().Name)
	case errors.As(err, &value):
		return a.usage("flag-value", "value", value.GetValue(), "flag", "--"+value.GetFlag().Name)
	}
	return usageError{err}
}

// written is a flag as it was given: -x, or --name.
func written(name, shorthands string) string {
	if shorthands != "" {
		return "-" + name
	}
	return "--" + name
}
