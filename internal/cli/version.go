package cli

import (
	"runtime"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"sekisho/internal/explain"
)

func (a *app) versionCommand() *cobra.Command {
	c := &cobra.Command{Use: "version", Short: a.t("version.short"), Args: cobra.NoArgs}
	o := a.outputFlag(c, "table", "json")
	c.RunE = func(*cobra.Command, []string) error {
		snapshot, err := a.snapshot()
		if err != nil {
			return err
		}
		// The program's own version is told whatever the state of the data folder.
		_, files := a.serviceTags(false)
		tags := explain.TagFiles(files, time.Now(), 0)
		if o.format == "json" {
			return a.printJSON(struct {
				Version  string            `json:"version"`
				Catalog  string            `json:"catalog_version"`
				Tags     []explain.TagFile `json:"service_tags"`
				Go       string            `json:"go"`
				Platform string            `json:"platform"`
			}{a.Version, snapshot.Version(), tags, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH})
		}
		a.printf("sekisho %s (%s, %s %s/%s)\n", a.Version, snapshot.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		for _, f := range tags {
			a.printf("%s\n", a.t("version.tags", "version", f.Version, "days", strconv.Itoa(f.AgeDays)))
		}
		return nil
	}
	return c
}
