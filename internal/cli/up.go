package cli

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sekisho/internal/config"
	"sekisho/internal/finding"
	"sekisho/internal/node"
)

// shutdownLimit bounds how long a stop waits for requests under way; chosen: longer than any sign-in exchange, shorter
// than the patience of a service manager (systemd waits 90 s).
const shutdownLimit = 20 * time.Second

func (a *app) upCommand() *cobra.Command {
	var lab bool
	c := &cobra.Command{
		Use:     "up",
		Short:   a.t("up.short"),
		Long:    a.t("up.long"),
		Example: "  sekisho up --lab\n  sekisho up --config sekisho.yaml",
		Args:    cobra.NoArgs,
	}
	c.Flags().BoolVar(&lab, "lab", false, a.t("up.flag.lab"))
	o := a.outputFlag(c, "table", "json")
	for _, knob := range config.Knobs() {
		if c.Flags().Lookup(knob.Flag) == nil && knob.Flag != "lang" {
			c.Flags().String(knob.Flag, "", knob.About(a.printer.Language()))
		}
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		given := map[string]string{}
		c.Flags().Visit(func(f *pflag.Flag) { given[f.Name] = f.Value.String() })
		return a.up(c.Context(), lab, given, o.format)
	}
	return c
}

// up runs the checkpoint until ctx ends. SIGHUP reads the configuration again; so does a changed file, and sekisho reload.
func (a *app) up(ctx context.Context, lab bool, flags map[string]string, format string) error {
	load := func() (*config.Config, finding.List) { return a.loadConfig(lab, flags) }
	settings, problems := load()
	if problems.HasErrors() {
		return &finding.Problem{Findings: problems.Sort()}
	}
	a.printFindings(problems.Sort())
	data, err := a.dataFolder()
	if err != nil {
		return err
	}
	catalogData := data
	if lab {
		if data, err = a.labFolder(); err != nil {
			return err
		}
	}
	file, named, err := a.configFile()
	if err != nil {
		return err
	}
	if lab && !named {
		file = "" // the shipped example
	}
	switch {
	case lab && node.Used(data) && !node.LabUsed(data):
		a.notef("%s: %s\n", a.t("warning"), a.t("up.lab-joins-production", "folder", data))
	case !lab && node.LabUsed(data):
		a.notef("%s: %s\n", a.t("warning"), a.t("up.production-joins-lab", "folder", data))
	}
	logger, closeLog := a.logger(settings)
	defer closeLog()
	options := node.Options{
		Config:      settings,
		ConfigFile:  file,
		Load:        load,
		Data:        data,
		CatalogData: catalogData,
		Lab:         lab,
		Version:     a.Version,
		Logger:      logger,
	}
	if a.Bend != nil {
		a.Bend(&options)
	}
	n, err := node.Start(ctx, options)
	if err != nil {
		return err
	}
	if format == "json" {
		if err := a.printLine(n.Summary()); err != nil {
			return err
		}
	} else {
		a.printSummary(n.Summary())
	}

	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	var failed error
	for running := true; running; {
		select {
		case <-hangup:
			// The node keeps what it has when the new configuration is wrong, and logs why.
			_ = n.Reload(ctx)
		case failed = <-n.Failed():
			running = false
		case <-ctx.Done():
			running = false
		}
	}
	a.notef("%s\n", a.t("up.stopping"))
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownLimit)
	defer cancel()
	if err := n.Close(closing); failed == nil {
		failed = err
	}
	return failed
}

// loadConfig reads the configuration that applies: the file, or under the lab without a named one the shipped example.
// flags are those of the command that were given. Of a file with errors it also says what the policy finds wrong with the
// values that are well formed, so that one run shows everything.
func (a *app) loadConfig(lab bool, flags map[string]string) (*config.Config, finding.List) {
	overrides := config.Overrides(flags, a.Getenv)
	file, named, err := a.configFile()
	if err != nil {
		return nil, finding.List{finding.New("node.no-data-folder", finding.Error, finding.Pos{})}
	}
	if lab && !named {
		return config.Lab(overrides...)
	}
	if file == "" {
		return nil, finding.List{finding.New("cli.no-configuration", finding.Error, finding.Pos{})}
	}
	settings, problems := config.Draft(file, overrides...)
	if !problems.HasErrors() {
		return settings, problems
	}
	if snapshot, err := a.snapshot(); err == nil && settings != nil {
		problems = append(problems, node.Preview(settings, problems, snapshot)...).Sort()
	}
	return nil, problems
}

// logger writes to the standard error as the configuration says. close writes what waits.
func (a *app) logger(settings *config.Config) (logger *slog.Logger, close func()) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(settings.Log.Level.V)); err != nil {
		level = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: level}
	w, handler := newLogWriter(a.Err, func(to io.Writer) slog.Handler {
		if settings.Log.Format.V == "json" {
			return slog.NewJSONHandler(to, options)
		}
		return slog.NewTextHandler(to, options)
	})
	return slog.New(handler), w.Close
}

// printSummary says, once, where everything is and what to try.
func (a *app) printSummary(s node.Summary) {
	title := a.t("up.title", "version", a.Version)
	if s.Lab {
		title = a.t("up.title-lab", "version", a.Version)
	}
	a.printf("%s\n\n", title)
	line := func(id, value string) {
		if value != "" {
			a.printf("  %s  %s\n", pad(a.t("up."+id), 16), value)
		}
	}
	line("gateway", s.Gateway)
	line("operations", s.Operations)
	line("pac", s.PAC)
	line("root", s.Root)
	line("trust", s.Trust)
	line("data", s.Data)
	line("policy", a.t("up.policy-value", "hash", s.PolicyHash, "catalog", s.Catalog))
	for _, r := range s.Rings {
		line("ring", a.t("up.ring-value", "name", r.Name, "mode", a.printer.Text("console.mode."+r.Mode, nil), "profile", r.Profile))
	}
	if len(s.Created) > 0 {
		line("created", strings.Join(s.Created, ", "))
	}
	for _, account := range s.Accounts {
		line("account", account.User+"  "+account.Password)
	}
	line("sign-in", s.SignIn)
	line("report", s.Report)
	line("directory", s.Directory)
	if len(s.Try) > 0 {
		a.printf("\n%s\n", a.t("up.try"))
		for _, try := range s.Try {
			a.printf("\n  # %s\n  %s\n", a.t("up.try."+try.ID), try.Command)
		}
	}
	a.printf("\n%s\n", a.t("up.stop"))
}
