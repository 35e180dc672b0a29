package cli

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sekisho/internal/config"
	"sekisho/internal/finding"
	"sekisho/internal/node"
	"sekisho/internal/servicetags"
)

func (a *app) catalogUpdateCommand() *cobra.Command {
	names := strings.Join(config.Lists(), ", ")
	c := &cobra.Command{
		Use:   "update [LIST...]",
		Short: a.t("catalog.update.short"),
		Long:  a.t("catalog.update.long", "lists", names),
		Example: "  sekisho catalog update\n  sekisho catalog update m365-worldwide m365-china\n" +
			"  sekisho catalog update service-tags-public --proxy http://proxy.example.com:3128",
		Args: cobra.ArbitraryArgs,
	}
	base := c.Flags().String("base-url", "", a.t("catalog.update.flag.base-url"))
	proxy := c.Flags().String("proxy", "", a.t("catalog.update.flag.proxy"))
	force := c.Flags().Bool("force", false, a.t("catalog.update.flag.force"))
	o := a.outputFlag(c, "table", "json", "jsonl")
	c.RunE = func(c *cobra.Command, args []string) error {
		for _, name := range args {
			if !slices.Contains(config.Lists(), name) {
				return a.usage("catalog.update.unknown", "list", name, "lists", names)
			}
		}
		settings, err := a.settings()
		if err != nil {
			return err
		}
		for flag, value := range map[string]*string{"base-url": base, "proxy": proxy} {
			if *value != "" && !webAddress(*value, flag == "proxy") {
				return a.usage("flag-value", "value", *value, "flag", "--"+flag)
			}
		}
		options, err := a.updateOptions(settings, *base, *proxy)
		if err != nil {
			return err
		}
		defer options.Transport.(*http.Transport).CloseIdleConnections()
		options.Force = *force
		if len(args) == 0 {
			args = settings.Fetched()
		}
		return a.update(c.Context(), options, args, o.format)
	}
	return c
}

// webAddress reports whether s is scheme and host of a site, or of a proxy.
func webAddress(s string, proxy bool) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https" || proxy && u.Scheme == "socks5")
}

// settings is the configuration that applies, or without one every default.
func (a *app) settings() (*config.Config, error) {
	file, _, err := a.configFile()
	if err != nil {
		return nil, err
	}
	if file == "" {
		return config.Standard(), nil
	}
	settings, problems := config.Load(file, config.Overrides(nil, a.Getenv)...)
	if problems.HasErrors() {
		return nil, &finding.Problem{Findings: problems.Sort()}
	}
	return settings, nil
}

// updateOptions are those of the configuration, with what the flags say over them.
func (a *app) updateOptions(settings *config.Config, base, proxy string) (node.UpdateOptions, error) {
	data, err := a.dataFolder()
	if err != nil {
		return node.UpdateOptions{}, err
	}
	o, err := node.UpdateOptionsOf(settings, data)
	if err != nil {
		return o, err
	}
	if base != "" {
		o.BaseURL, o.ServiceTagsURL = strings.TrimRight(base, "/"), strings.TrimRight(base, "/")
	}
	if proxy != "" {
		via, err := url.Parse(proxy)
		if err != nil {
			return o, err
		}
		o.Transport.(*http.Transport).Proxy = http.ProxyURL(via)
	}
	return o, nil
}

// errNotAll says that a part of what was asked for could not be done, such as one list of several; why has been printed.
var errNotAll = errors.New("not everything was done")

// update updates lists one after the other and prints what became of each. One that fails does not keep the others from
// being tried.
func (a *app) update(ctx context.Context, o node.UpdateOptions, lists []string, format string) error {
	done := []node.Updated{}
	waiting, failed := false, false
	for _, list := range lists {
		u, err := node.Update(ctx, o, list)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		done = append(done, u)
		if err != nil {
			failed = true
			if problem := (*finding.Problem)(nil); errors.As(err, &problem) {
				a.printProblem(problem)
			} else {
				a.notef("%s: %v\n", a.t("error"), err)
			}
		} else {
			a.printFindings(notable(u.Findings))
		}
		waiting = waiting || u.Result == node.UpdateWaiting
		switch format {
		case "jsonl":
			if err := a.printLine(u); err != nil {
				return err
			}
		case "table":
			a.printUpdated(u)
		}
	}
	if format == "json" {
		if err := a.printJSON(done); err != nil {
			return err
		}
	}
	switch {
	case failed:
		return errNotAll
	case waiting:
		return errFound
	}
	return nil
}

// notable leaves out the notes, of which a list may have many.
func notable(list finding.List) finding.List {
	return slices.DeleteFunc(slices.Clone(list), func(f finding.Finding) bool { return f.Severity == finding.Info })
}

func (a *app) printUpdated(u node.Updated) {
	version := u.Version
	if u.Date != "" {
		version += " (" + u.Date + ")"
	}
	line := "catalog.updated." + u.Result
	if u.Result == node.UpdateFailed {
		a.printf("%s\n", a.t(line, "list", u.List))
		return
	}
	a.printf("%s\n", a.t(line, "list", u.List, "version", version, "before", u.Before, "catalog", cmp.Or(u.Catalog, keptAs(u)),
		"entries", strconv.Itoa(u.Entries), "dropped", strconv.Itoa(u.Dropped), "percent", strconv.Itoa(u.Percent),
		"asked", u.Asked.UTC().Format(time.RFC3339)))
}

// keptAs is what "catalog use" calls service tags that are kept and not in use.
func keptAs(u node.Updated) string {
	if u.Result == node.UpdateSetAside {
		return u.Version
	}
	return ""
}

// importTags puts a service tags file into use and tells what was repaired or held.
func (a *app) importTags(data, name string, body []byte, force bool) (imported, error) {
	done, err := servicetags.NewStore(node.CatalogFolder(data), time.Now).Import(name, body, force)
	if err != nil {
		return imported{}, err
	}
	a.printFindings(done.Warnings)
	row := imported{Version: done.Manifest.Version(), Same: done.Same, Entries: done.Manifest.Prefixes, Dropped: done.Dropped}
	if !done.Manifest.Date.IsZero() {
		row.Date = done.Manifest.Date.Format(time.DateOnly)
	}
	if done.Before.Cloud != 0 {
		row.Before = done.Before.Version()
	}
	return row, nil
}
