package cli

import (
	"bytes"
	"time"

	"github.com/spf13/cobra"

	"sekisho/internal/finding"
	"sekisho/internal/route/chart"
)

// routeMapCommand is "route map": the drawing goes to the standard output or, whole, to --out.
func (a *app) routeMapCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "map", Short: a.rt("command.map.short"), Long: a.rt("command.map.long"), Args: cobra.NoArgs,
		Example: "  sekisho route map --features entra.sign-in,intune.core > roads.svg\n  sekisho --lang ja route map --out roads.svg",
	}
	f := a.routeFlags(c)
	named := c.Flags().StringSlice("features", nil, a.rt("command.flag.features"))
	out := c.Flags().String("out", "", a.rt("command.flag.out"))
	c.RunE = func(*cobra.Command, []string) error {
		r, err := a.roads(f, false)
		if err != nil {
			return err
		}
		features, err := a.routeFeatures(r, *named)
		if err != nil {
			return err
		}
		o := chart.Options{Word: func(id string) string { return a.rt(id) }, Lang: a.printer.Language(), Date: time.Now().UTC().Format(time.DateOnly), Catalog: r.Catalog().Version()}
		if r.settings != nil {
			o.Organisation = r.settings.Organisation.Name.V
		}
		var svg bytes.Buffer
		if err := chart.Draw(&svg, r.Book, r.Rows(features, r.resolved), o); err != nil {
			return err
		}
		a.printFindings(r.Advice())
		if *out == "" {
			a.printf("%s", svg.String())
			return nil
		}
		if err := writeWhole(*out, svg.Bytes(), 0o644); err != nil {
			return finding.Fail("cli.unwritable", err, "file", *out)
		}
		a.printf("%s\n", a.t("written", "file", *out))
		return nil
	}
	return c
}
