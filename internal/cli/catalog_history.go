package cli

import (
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sekisho/internal/catalog/library"
	"sekisho/internal/node"
	"sekisho/internal/servicetags"
)

// keptVersion is a version of the lists as "catalog history" prints it.
type keptVersion struct {
	Kind string `json:"kind"` // "lists"
	library.Version
}

// keptTags is a service tags file as "catalog history" prints it.
type keptTags struct {
	Kind         string            `json:"kind"` // "service-tags"
	Name         string            `json:"name"` // what "catalog use" takes: "public-376"
	Made         time.Time         `json:"made"` // when it was imported, UTC
	Current      bool              `json:"current"`
	Waiting      bool              `json:"waiting"` // never: one that drops much is refused
	Cloud        servicetags.Cloud `json:"cloud"`
	ChangeNumber int64             `json:"change_number"`
	Date         string            `json:"date"` // of the data; "" when the file's name had none
	File         string            `json:"file"` // that was imported
	SHA256       string            `json:"sha256"`
	Tags         int               `json:"tags"`
	Prefixes     int               `json:"prefixes"`
}

// keptTagFiles are the service tags files on the shelf. Where two have one change number, each is called by its ID.
func (a *app) keptTagFiles() ([]keptTags, error) {
	store, err := a.tagShelf()
	if err != nil {
		return nil, err
	}
	list, problem := store.Shelf()
	count := map[string]int{}
	for _, v := range list {
		count[v.Version()]++
	}
	var out []keptTags
	for _, v := range list {
		k := keptTags{Kind: "service-tags", Name: v.Version(), Made: v.Imported, Current: v.Current, Cloud: v.Cloud, ChangeNumber: v.ChangeNumber,
			File: v.Name, SHA256: v.SHA256, Tags: v.Tags, Prefixes: v.Prefixes}
		if count[k.Name] > 1 {
			k.Name = v.ID()
		}
		if !v.Date.IsZero() {
			k.Date = v.Date.Format(time.DateOnly)
		}
		out = append(out, k)
	}
	return out, problem
}

func (a *app) catalogHistoryCommand() *cobra.Command {
	c := &cobra.Command{Use: "history", Short: a.t("catalog.history.short"), Args: cobra.NoArgs}
	o := a.outputFlag(c, "table", "json", "csv")
	c.RunE = func(*cobra.Command, []string) error {
		shelf, err := a.shelf()
		if err != nil {
			return err
		}
		versions, err := shelf.History()
		if err != nil {
			return err
		}
		tags, problem := a.keptTagFiles()
		if problem != nil && tags == nil {
			return problem
		}
		a.warnOf(problem)
		switch o.format {
		case "json":
			all := make([]any, 0, len(versions)+len(tags))
			for _, v := range versions {
				all = append(all, keptVersion{"lists", v})
			}
			for _, t := range tags {
				all = append(all, t)
			}
			return a.printJSON(all)
		case "csv":
			return a.printCSV(a.historyRows(versions, tags))
		}
		lists := a.historyRows(versions, nil)
		lists.columns = lists.columns[:4]
		for i := range lists.cells {
			lists.cells[i] = lists.cells[i][:4]
		}
		a.printTable(lists)
		if len(tags) > 0 {
			a.printf("\n%s\n", a.t("catalog.history.tags"))
			a.printTable(a.tagRows(tags))
		}
		for _, v := range versions {
			if v.Waiting {
				a.printWaiting(v)
			}
		}
		return nil
	}
	return c
}

// state words whether a version is in use.
func state(current, waiting bool) string {
	switch {
	case current:
		return "OK"
	case waiting:
		return "WARN"
	}
	return "--"
}

// historyRows are all versions in one table.
func (a *app) historyRows(versions []library.Version, tags []keptTags) rows {
	r := rows{columns: []column{
		{"version", a.t("catalog.history.column.version")}, {"state", a.t("catalog.history.column.state")},
		{"made", a.t("catalog.history.column.made")}, {"sources", a.t("catalog.history.column.sources")},
		{"kind", ""}, {"cloud", ""}, {"change_number", ""}, {"date", ""},
	}}
	for _, v := range versions {
		made := "--"
		if !v.Made.IsZero() {
			made = v.Made.Format(time.RFC3339)
		}
		var sources []string
		for _, s := range v.Sources {
			sources = append(sources, strings.TrimSpace(s.Name+" "+s.Version))
		}
		r.cells = append(r.cells, []string{v.Name, state(v.Current, v.Waiting), made, strings.Join(sources, ", "), "lists", "", "", ""})
	}
	for _, t := range tags {
		r.cells = append(r.cells, []string{t.Name, state(t.Current, false), t.Made.Format(time.RFC3339), t.File, t.Kind, t.Cloud.String(), strconv.FormatInt(t.ChangeNumber, 10), t.Date})
	}
	return r
}

// tagRows are the service tags files as a table for people.
func (a *app) tagRows(tags []keptTags) rows {
	r := rows{columns: []column{
		{"version", a.t("catalog.history.column.version")}, {"state", a.t("catalog.history.column.state")},
		{"cloud", a.t("catalog.column.cloud")}, {"change_number", a.t("catalog.history.column.change-number")},
		{"date", a.t("catalog.bundle.column.date")}, {"made", a.t("catalog.history.column.imported")},
		{"prefixes", a.t("catalog.history.column.prefixes")}, {"file", a.t("catalog.history.column.file")},
	}}
	for _, t := range tags {
		r.cells = append(r.cells, []string{t.Name, state(t.Current, false), t.Cloud.String(), strconv.FormatInt(t.ChangeNumber, 10), orDash(t.Date),
			t.Made.Format(time.RFC3339), itoa(t.Prefixes), t.File})
	}
	return r
}

// printWaiting says what the version that waits would drop, list by list, and what to do.
func (a *app) printWaiting(v library.Version) {
	a.printf("\n%s\n", a.t("catalog.history.waits", "version", v.Name))
	for _, l := range v.Losses {
		a.printf("  %s\n", a.t("catalog.history.loss", "list", l.Source+"/"+l.Cloud, "percent", itoa(l.Percent()), "lost_hosts", itoa(l.LostHosts), "hosts", itoa(l.Hosts),
			"lost_prefixes", itoa(l.LostPrefixes), "prefixes", itoa(l.Prefixes)))
	}
	a.printf("%s\n", a.t("catalog.history.settle", "version", v.Name))
}

func (a *app) catalogUseCommand() *cobra.Command {
	return &cobra.Command{
		Use: "use VERSION", Short: a.t("catalog.use.short"), Long: a.t("catalog.use.long"), Args: cobra.ExactArgs(1),
		Example: "  sekisho catalog use builtin\n  sekisho catalog use public-375",
		RunE: func(_ *cobra.Command, args []string) error {
			shelf, err := a.shelf()
			if err != nil {
				return err
			}
			name := args[0]
			if shelf.Use(name) != nil { // no version's own name, or one that cannot be used
				if name, err = node.VersionNamed(shelf, args[0]); err != nil {
					return a.useTags(args[0], err)
				}
				if err := shelf.Use(name); err != nil {
					return err
				}
			}
			a.printf("%s\n", a.t("catalog.used", "version", name))
			return nil
		},
	}
}

// useTags puts a service tags file of the shelf into use; unknown says that no version of the lists is called so.
func (a *app) useTags(name string, unknown error) error {
	store, err := a.tagShelf()
	if err != nil {
		return err
	}
	v, ok := store.Named(name)
	if !ok {
		return unknown
	}
	before, err := store.Use(v.Manifest)
	if err != nil {
		return err
	}
	was := ""
	if before.Cloud != 0 && before.Body != v.Body {
		was = before.Version()
	}
	a.printf("%s\n", a.t("catalog.used-tags", "version", v.Version(), "cloud", v.Cloud.String(), "before", was))
	return nil
}
