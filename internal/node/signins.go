package node

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"sekisho/internal/config"
	"sekisho/internal/finding"
	"sekisho/internal/lab"
	"sekisho/internal/lab/journal"
	"sekisho/internal/lab/state"
	"sekisho/internal/signinlog"
)

// LabSignIns returns the sign-in log of a tenant of the lab in the data folder, named by id or verified domain, as its
// administrators see it, newest first, also while the lab runs; what is younger than journal.FlushEvery may be missing.
// Since and until bound it as in signinlog.Filter.
func LabSignIns(ctx context.Context, data, tenant string, since, until time.Time) ([]signinlog.Row, error) {
	dir := folders(data).lab()
	db, err := state.OpenReader(ctx, filepath.Join(dir, state.File))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, finding.Fail("node.lab-never-ran", nil, "folder", data)
	}
	if err != nil {
		return nil, err
	}
	defer db.Close()
	id, err := lab.TenantID(ctx, dir, db, tenant)
	if err != nil {
		return nil, err
	}
	kept, err := journal.ReadRows(ctx, db, id, journal.Query{Since: since, Until: until})
	if err != nil {
		return nil, err
	}
	rows := make([]signinlog.Row, len(kept))
	for i, k := range kept {
		rows[i] = k.SignIn()
	}
	return rows, nil
}

// RestrictingTenants are the directory ids that the profiles of a configuration name as the tenant that sets the
// restriction: the context of v1, the policy's tenant of v2. Sorted, each once.
func RestrictingTenants(c *config.Config) []string {
	var ids []string
	for _, p := range c.Profiles {
		if p.Context.V != "" {
			ids = append(ids, p.Context.V)
		}
		if len(p.Policy.V) > 36 { // "directory id:policy id"
			ids = append(ids, p.Policy.V[:36])
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// HasRecords reports whether a checkpoint has ever recorded something in the data folder.
func HasRecords(data string) bool {
	_, err := os.Stat(folders(data).store())
	return err == nil
}
