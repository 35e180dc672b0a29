package cli

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sekisho/internal/node"
	"sekisho/internal/servicetags"
)

// updater fetches the current version of one published list and puts it into use.
type updater struct {
	// name is what the command line calls the list.
	name   string
	update func(ctx context.Context, o updateOptions) (imported, error)
}

// updateOptions are the settings of one update.
type updateOptions struct {
	data      string
	base      string // where the list is asked for; "": its publisher
	transport http.RoundTripper
	force     bool
}

// updaters are the lists that can be fetched.
func (a *app) updaters() []updater {
	var list []updater
	for _, cloud := range servicetags.Clouds() {
		list = append(list, updater{name: "service-tags-" + cloud.String(), update: func(ctx context.Context, o updateOptions) (imported, error) {
			fetcher := &servicetags.Fetcher{Base: o.base, Transport: o.transport}
			file, err := fetcher.Fetch(ctx, cloud)
			if err != nil {
				return imported{}, err
			}
			row, err := a.importTags(o.data, file.Name, file.Body, o.force)
			row.File, row.Kind = file.URL, "service-tags"
			return row, err
		}})
	}
	return list
}

func (a *app) catalogUpdateCommand() *cobra.Command {
	var names []string
	for _, u := range a.updaters() {
		names = append(names, u.name)
	}
	c := &cobra.Command{
		Use:     "update LIST...",
		Short:   a.t("catalog.update.short"),
		Long:    a.t("catalog.update.long", "lists", strings.Join(names, ", ")),
		Example: "  sekisho catalog update service-tags-public --proxy http://proxy.example.com:3128",
		Args:    cobra.MinimumNArgs(1),
	}
	base := c.Flags().String("base-url", "", a.t("catalog.update.flag.base-url"))
	proxy := c.Flags().String("proxy", "", a.t("catalog.update.flag.proxy"))
	force := c.Flags().Bool("force", false, a.t("catalog.import.flag.force"))
	o := a.outputFlag(c, "table", "json", "jsonl")
	c.RunE = func(c *cobra.Command, args []string) error {
		data, err := a.dataFolder()
		if err != nil {
			return err
		}
		transport := http.DefaultTransport.(*http.Transport).Clone()
		defer transport.CloseIdleConnections()
		if *proxy != "" {
			via, err := url.Parse(*proxy)
			if err != nil || via.Host == "" || !slices.Contains([]string{"http", "https", "socks5"}, via.Scheme) {
				return a.usage("flag-value", "value", *proxy, "flag", "proxy")
			}
			transport.Proxy = http.ProxyURL(via)
		}
		all := a.updaters()
		var chosen []updater
		for _, name := range args {
			i := slices.IndexFunc(all, func(u updater) bool { return u.name == name })
			if i < 0 {
				return a.usage("catalog.update.unknown", "list", name, "lists", strings.Join(names, ", "))
			}
			chosen = append(chosen, all[i])
		}
		return a.importAll(len(chosen), o.format, func(i int) (imported, error) {
			return chosen[i].update(c.Context(), updateOptions{data: data, base: *base, transport: transport, force: *force})
		})
	}
	return c
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
