// Package cli is the command line: one file a noun, each turns flags into a call and prints what comes back. It wires
// nothing and decides nothing.
//
// Results go to the standard output, everything else to the standard error. Exit codes: 0 done, 1 failed, 2 wrong
// usage or configuration, 3 done and found something, 4 a check could not be decided.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"sekisho/internal/finding"
	"sekisho/internal/message"
	"sekisho/internal/node"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	exitFound  = 3
)

// System is what a command may touch of the process that runs it.
type System struct {
	In      io.Reader
	Out     io.Writer
	Err     io.Writer
	Getenv  func(string) string
	Version string
	// Terminal says that In and Out are a terminal, so that questions may be asked and tables may be coloured.
	Terminal bool
	// Columns is how wide the terminal of Out is; 0: not known, and then texts are laid out for 100.
	Columns int
	// Bend changes what "up" starts a checkpoint with; nil in sekisho. A program of the tests breaks steps of the gateway.
	Bend func(*node.Options)
}

// Run runs the command line args (without the program's name) and returns the exit code.
func Run(ctx context.Context, system System, args []string) int {
	a := &app{System: system, printer: message.New(languageOf(args, system.Getenv))}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(system.In)
	root.SetOut(system.Out)
	root.SetErr(system.Err)
	command, err := root.ExecuteContextC(ctx)
	return a.report(command, err)
}

// app is one run of the command line.
type app struct {
	System
	printer *message.Printer

	data   string // --data
	config string // --config
	lang   string // --lang
	inLab  bool   // --lab, of commands about what a checkpoint left behind
}

// languageOf finds the language before the flags are parsed, because the flags' own help is in that language.
func languageOf(args []string, getenv func(string) string) string {
	for i, arg := range args {
		if value, ok := strings.CutPrefix(arg, "--lang="); ok {
			return value
		}
		if arg == "--lang" && i+1 < len(args) {
			return args[i+1]
		}
		if arg == "--" {
			break
		}
	}
	return message.FromEnvironment(getenv)
}

// t words a text of this room: id without "cli.", then name, value pairs.
func (a *app) t(id string, args ...string) string {
	values := make(map[string]string, len(args)/2)
	for i := 0; i+1 < len(args); i += 2 {
		values[args[i]] = args[i+1]
	}
	return a.printer.Text("cli."+id, values)
}

// printf writes a result line to the standard output.
func (a *app) printf(format string, args ...any) { fmt.Fprintf(a.Out, format, args...) }

// notef writes to the standard error.
func (a *app) notef(format string, args ...any) { fmt.Fprintf(a.Err, format, args...) }

// errFound is the error of a command that did its work and found something: exit code 3, nothing more to print.
var errFound = errors.New("found something")

// usageError is wrong usage: exit code 2.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

// wrongInput is the error of a command that did its work on a list of which a part was wrong: exit code 2, and how to use
// the command is not the question.
type wrongInput struct{ error }

func (w wrongInput) Unwrap() error { return w.error }

// failedWork reports whether p is about work that was asked for rightly and could not be done: every error in it is one of
// a file that cannot be read or written, or of a service that cannot be reached. That is exit code 1. What stands in a file
// is another matter, and so is the configuration itself: exit code 2.
func failedWork(p *finding.Problem) bool {
	some := false
	for _, f := range p.Findings {
		if f.Severity != finding.Error {
			continue
		}
		switch f.Code {
		case "cli.unwritable", "cli.pac.unreadable", "cli.render.unreadable", "cli.render.unwritable", "ca.unwritable", "directory.unreadable",
			"node.unwritable", "route.unreadable", "signin.unreadable", "signinlog.unreadable", "graph.unreachable",
			"graph.busy", "graph.device-time", "signin.graph-time", "signinlog.graph-time",
			"prove.rehearsal-limit", "prove.rehearsal-road":
			some = true
		case "asn.unreadable", "ca.unreadable": // also of what stands in the file
			var system syscall.Errno
			if !errors.As(p.Cause, &system) {
				return false
			}
			some = true
		default:
			if !failedLDAP(f.Code) {
				return false
			}
			some = true
		}
	}
	return some
}

// usage words a usage error of this room.
func (a *app) usage(id string, args ...string) error {
	return usageError{errors.New(a.t(id, args...))}
}

// report prints err, which command ended with, as error: and hint: lines and returns the exit code.
func (a *app) report(command *cobra.Command, err error) int {
	var problem *finding.Problem
	var usage usageError
	var wrong wrongInput
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errFound):
		return exitFound
	case errors.Is(err, errNotAll):
		return exitFailed
	case errors.Is(err, errUndecided):
		return exitUndecided
	case errors.As(err, &problem):
		a.printProblem(problem)
		if failedWork(problem) {
			return exitFailed
		}
		return exitUsage
	case errors.As(err, &usage):
		a.printUsageError(command, usage)
		return exitUsage
	case errors.As(err, &wrong):
		a.notef("%s: %v\n", a.t("error"), err)
		return exitUsage
	case errors.Is(err, context.Canceled):
		a.notef("%s\n", a.t("interrupted"))
		return exitFailed
	default:
		a.notef("%s: %v\n", a.t("error"), err)
		return exitFailed
	}
}

// printProblem writes what stopped a command: the findings, what the system said about the last one, the remedy. What
// needs no action would only stand in the way here.
func (a *app) printProblem(p *finding.Problem) {
	list := slices.DeleteFunc(slices.Clone(p.Findings), func(f finding.Finding) bool { return f.Severity == finding.Info })
	for i, f := range list {
		cause := ""
		if p.Cause != nil && i == len(list)-1 {
			cause = "  " + a.t("cause", "cause", p.Cause.Error()) + "\n"
		}
		a.printFinding(f, cause)
	}
}

// printFindings writes findings to the standard error, one a line, with the remedy below where there is one.
func (a *app) printFindings(list finding.List) {
	for _, f := range list {
		a.printFinding(f, "")
	}
}

func (a *app) printFinding(f finding.Finding, between string) {
	a.notef("%s: %s\n%s", a.t(f.Severity.String()), a.printer.Finding(f), between)
	if hint := a.printer.Hint(f); hint != "" {
		a.notef("%s: %s\n", a.t("hint"), hint)
	}
}

// dataFolder is the folder that holds state: --data, SEKISHO_DATA, or the platform's usual place.
func (a *app) dataFolder() (string, error) {
	if a.data != "" {
		return filepath.Abs(a.data)
	}
	return node.DefaultData(a.Getenv)
}

// configFile is the configuration to read: --config, SEKISHO_CONFIG, ./sekisho.yaml, or sekisho.yaml in the data
// folder. named says that somebody asked for it, so that it must exist; file is "" when there is none.
func (a *app) configFile() (file string, named bool, err error) {
	if a.config != "" {
		return a.config, true, nil
	}
	if file := a.Getenv("SEKISHO_CONFIG"); file != "" {
		return file, true, nil
	}
	data, err := a.dataFolder()
	if err != nil {
		return "", false, err
	}
	for _, file := range []string{"sekisho.yaml", filepath.Join(data, "sekisho.yaml")} {
		if _, err := os.Stat(file); err == nil || !errors.Is(err, os.ErrNotExist) {
			return file, false, nil
		}
	}
	return "", false, nil
}

// root builds the command tree.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:               "sekisho",
		Short:             a.t("short"),
		Long:              a.t("long"),
		SilenceErrors:     true,
		SilenceUsage:      true,
		Args:              cobra.ArbitraryArgs,
		DisableAutoGenTag: true,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return a.unknownCommand(c, args[0])
			}
			return c.Help()
		},
	}
	root.SetUsageFunc(a.printUsage)
	root.SetFlagErrorFunc(a.flagMistake)
	flags := root.PersistentFlags()
	flags.StringVar(&a.data, "data", "", a.t("flag.data"))
	flags.StringVar(&a.config, "config", "", a.t("flag.config"))
	flags.StringVar(&a.lang, "lang", "", a.t("flag.lang"))
	root.AddCommand(
		a.upCommand(), a.reloadCommand(), a.lookupCommand(), a.catalogCommand(), a.routeCommand(), a.checkCommand(), a.signinCommand(), a.policyCommand(), a.renderCommand(), a.pacCommand(), a.reportCommand(), a.caCommand(),
		a.configCommand(), a.labCommand(), a.versionCommand(),
	)
	root.SetHelpCommand(a.helpCommand(root))
	root.InitDefaultCompletionCmd(os.Args...)
	a.localise(root)
	a.localiseCompletion(root)
	a.completeValues(root)
	return root
}

// localise gives every command of the tree what cobra would say in English alone: the help flag, the argument check, the
// defaults of flags.
func (a *app) localise(c *cobra.Command) {
	c.InitDefaultHelpFlag()
	c.DisableFlagsInUseLine = true // the template and useLine say it in the reader's language
	if help := c.Flags().Lookup("help"); help != nil {
		help.Usage = a.t("flag.help")
	}
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return a.usage("arguments", "command", c.CommandPath(), "usage", a.useLine(c))
			}
			return nil
		}
	}
	c.LocalFlags().VisitAll(a.localiseDefault)
	c.LocalNonPersistentFlags().VisitAll(onlyOnce)
	for _, child := range c.Commands() {
		a.localise(child)
	}
}

// noun is a command that only groups others; without a verb it shows them.
func (a *app) noun(use, id string, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: a.t(id + ".short"), Args: cobra.ArbitraryArgs}
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return a.unknownCommand(c, args[0])
		}
		return c.Help()
	}
	c.AddCommand(verbs...)
	return c
}
