package cli

import (
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"sekisho/internal/catalog"
	"sekisho/internal/catalog/library"
	"sekisho/internal/finding"
	"sekisho/internal/m365"
	"sekisho/internal/node"
)

// snapshot is the version of the catalog that is in use in the data folder.
func (a *app) snapshot() (*catalog.Snapshot, error) {
	data, err := a.dataFolder()
	if err != nil {
		return nil, err
	}
	return node.Catalog(data)
}

// shelf is the versions of the catalog that are kept in the data folder.
func (a *app) shelf() (*library.Library, error) {
	data, err := a.dataFolder()
	if err != nil {
		return nil, err
	}
	return node.Shelf(data, nil), nil
}

// importList puts a body of the endpoints web service on the shelf and into use.
func (a *app) importList(data, name string, body []byte, force bool) (imported, error) {
	instance, version, ok := m365.FromName(filepath.Base(name))
	if !ok {
		return imported{}, finding.Fail("m365.no-instance", nil, "file", filepath.Base(name))
	}
	// Read here too, so that what is wrong names the file as it was given.
	list, found := m365.ReadEndpoints(name, instance, body)
	if list == nil {
		return imported{}, &finding.Problem{Findings: found.Of(finding.Error)}
	}
	settings, err := a.settings()
	if err != nil {
		return imported{}, err
	}
	limit := settings.Catalog.MaxDropPercent.V
	if force {
		limit = 100
	}
	added, err := node.AddList(node.Shelf(data, nil), limit, false, instance, version, time.Now(), body)
	if err != nil {
		return imported{}, err
	}
	a.printFindings(found)
	row := imported{Version: string(instance) + " " + version, Entries: len(list.Rows), Same: added.Same, Dropped: len(added.Difference.Hosts.Removed) + len(added.Difference.Prefixes.Removed)}
	if row.Waiting = a.warnWaiting(added, limit); row.Waiting {
		return row, errFound
	}
	return row, nil
}

// warnWaiting says what a version drops that waits because of it; false when it does not wait.
func (a *app) warnWaiting(added library.Added, limit int) bool {
	if !added.Version.Waiting {
		return false
	}
	for _, l := range added.Version.Losses {
		if l.Percent() > limit {
			a.notef("%s: %s\n", a.t("warning"), a.t("catalog.waiting", "version", added.Version.Name,
				"percent", strconv.Itoa(l.Percent()), "list", l.Source+"/"+l.Cloud))
		}
	}
	return true
}

// importChanges keeps what the endpoints web service announces: from when additions are in force.
func (a *app) importChanges(data, name string, body []byte) (imported, error) {
	instance, _, ok := m365.FromName(filepath.Base(name))
	if !ok {
		return imported{}, finding.Fail("m365.no-instance", nil, "file", filepath.Base(name))
	}
	shelf := node.Shelf(data, nil)
	source, err := node.ChangesSource(shelf, instance, time.Now(), body)
	if err != nil {
		return imported{}, err
	}
	added, err := shelf.Add(100, source) // announcements take nothing away
	if err != nil {
		return imported{}, err
	}
	row := imported{Version: string(instance) + " " + source.Version, Same: added.Same}
	if list, _ := m365.ReadChanges(name, source.Body); list != nil {
		row.Entries = len(list)
	}
	return row, nil
}

func (a *app) catalogApproveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "approve", Short: a.t("catalog.approve.short"), Long: a.t("catalog.approve.long"), Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.settle((*library.Library).Approve, "catalog.used")
		},
	}
}

func (a *app) catalogRejectCommand() *cobra.Command {
	return &cobra.Command{
		Use: "reject", Short: a.t("catalog.reject.short"), Long: a.t("catalog.reject.long"), Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.settle((*library.Library).Reject, "catalog.rejected")
		},
	}
}

// settle approves or rejects what waits.
func (a *app) settle(how func(*library.Library) (string, error), said string) error {
	shelf, err := a.shelf()
	if err != nil {
		return err
	}
	name, err := how(shelf)
	if err != nil {
		return err
	}
	a.printf("%s\n", a.t(said, "version", name))
	return nil
}
