package cli

import (
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"sekisho/internal/catalog"
	"sekisho/internal/endpoint"
	"sekisho/internal/explain"
	"sekisho/internal/finding"
	"sekisho/internal/node"
	"sekisho/internal/policy"
)

// subjectFlags are --user, --group and --client: who is asking.
type subjectFlags struct {
	user   string
	groups []string
	client string
}

func (a *app) subjectFlags(c *cobra.Command) *subjectFlags {
	s := &subjectFlags{}
	c.Flags().StringVar(&s.user, "user", "", a.t("flag.user"))
	c.Flags().StringSliceVar(&s.groups, "group", nil, a.t("flag.group"))
	c.Flags().StringVar(&s.client, "client", "127.0.0.1", a.t("flag.client"))
	return s
}

// subject checks the flags and returns who is asking.
func (a *app) subject(s *subjectFlags) (policy.Subject, error) {
	client, err := netip.ParseAddr(s.client)
	if err != nil || client.Zone() != "" {
		return policy.Subject{}, a.usage("client", "value", s.client)
	}
	return policy.Subject{Client: client.Unmap(), User: s.user, Groups: s.groups}, nil
}

// program compiles the policy that applies: the configuration's, or with lab the shipped example's. Without either,
// program is nil and the answer is the catalog's alone.
func (a *app) program(lab bool) (*policy.Program, finding.List, error) {
	file, named, err := a.configFile()
	if err != nil {
		return nil, nil, err
	}
	if file == "" && !lab {
		return nil, nil, nil
	}
	_ = named
	settings, problems := a.loadConfig(lab, nil)
	if problems.HasErrors() {
		return nil, nil, &finding.Problem{Findings: problems.Sort()}
	}
	program, found := node.Compile(settings, catalog.Builtin())
	found = append(problems, found...).Sort()
	if found.HasErrors() {
		return nil, nil, &finding.Problem{Findings: found}
	}
	return program, found, nil
}

func (a *app) lookupCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "lookup TARGET...",
		Short:   a.t("lookup.short"),
		Long:    a.t("lookup.long"),
		Example: "  sekisho lookup manage.microsoft.com\n  sekisho lookup 20.190.128.1 --lab\n  sekisho lookup https://login.microsoftonline.com/ --user alice --client 10.1.2.3 -o json",
		Args:    cobra.MinimumNArgs(1),
	}
	who := a.subjectFlags(c)
	lab := c.Flags().Bool("lab", false, a.t("flag.lab-policy"))
	o := a.outputFlag(c, "table", "json", "jsonl")
	c.RunE = func(_ *cobra.Command, args []string) error {
		subject, err := a.subject(who)
		if err != nil {
			return err
		}
		targets := make([]endpoint.Target, len(args))
		for i, arg := range args {
			if targets[i], err = endpoint.ParseTarget(arg); err != nil {
				return usageError{err}
			}
		}
		program, _, err := a.program(*lab)
		if err != nil {
			return err
		}
		answers := make([]explain.Answer, len(targets))
		for i, target := range targets {
			answers[i] = explain.Explain(target, explain.Context{Subject: subject, Program: program, Catalog: catalog.Builtin(), Now: time.Now()})
		}
		return a.printAnswers(answers, o.format)
	}
	return c
}

// printAnswers prints answers as o asks for; the table form is one screen for each.
func (a *app) printAnswers(answers []explain.Answer, format string) error {
	switch format {
	case "json":
		return a.printJSON(answers)
	case "jsonl":
		for _, answer := range answers {
			if err := a.printLine(answer); err != nil {
				return err
			}
		}
		return nil
	}
	for i, answer := range answers {
		if i > 0 {
			a.printf("\n")
		}
		if err := explain.Render(a.Out, answer, a.printer, 100); err != nil {
			return err
		}
	}
	return nil
}
