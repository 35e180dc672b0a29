package cli

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// unknownCommand says that parent has no command of that name, and which one may have been meant.
func (a *app) unknownCommand(parent *cobra.Command, name string) error {
	parent.SuggestionsMinimumDistance = 2 // cobra's own default, which it sets only where it words the error itself
	meant := ""
	if near := parent.SuggestionsFor(name); len(near) > 0 {
		meant = near[0]
	}
	above := strings.TrimPrefix(parent.CommandPath()+" ", parent.Root().Name()+" ")
	if meant != "" {
		meant = above + meant
	}
	return a.usage("unknown-command", "command", above+name, "meant", meant)
}

// flagMistake words an error of the flag parser, which knows English alone.
func (a *app) flagMistake(err error) error {
	var unknown *pflag.NotExistError
	var bare *pflag.ValueRequiredError
	var value *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		return a.usage("unknown-flag", "flag", written(unknown.GetSpecifiedName(), unknown.GetSpecifiedShortnames()))
	case errors.As(err, &bare):
		return a.usage("flag-without-value", "flag", written(bare.GetSpecifiedName(), bare.GetSpecifiedShortnames()))
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
