package cli

import (
	"runtime"

	"github.com/spf13/cobra"

	"sekisho/internal/catalog"
)

func (a *app) versionCommand() *cobra.Command {
	c := &cobra.Command{Use: "version", Short: a.t("version.short"), Args: cobra.NoArgs}
	o := a.outputFlag(c, "table", "json")
	c.RunE = func(*cobra.Command, []string) error {
		snapshot := catalog.Builtin()
		if o.format == "json" {
			return a.printJSON(struct {
				Version  string `json:"version"`
				Catalog  string `json:"catalog_version"`
				Go       string `json:"go"`
				Platform string `json:"platform"`
			}{a.Version, snapshot.Version(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH})
		}
		a.printf("sekisho %s (%s, %s %s/%s)\n", a.Version, snapshot.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return nil
	}
	return c
}
