package node

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"sekisho/internal/audit"
	"sekisho/internal/audit/sqlite"
	"sekisho/internal/finding"
)

// Records returns the decisions and sign-ins that f selects, the newest of each first, after everything recorded so
// far is stored.
func (n *Node) Records(ctx context.Context, f audit.Filter) ([]audit.Record, error) {
	if err := n.spool.Flush(ctx); err != nil {
		return nil, err
	}
	decisions, err := n.store.Decisions(ctx, f)
	if err != nil {
		return nil, err
	}
	signIns, err := n.store.SignIns(ctx, f)
	if err != nil {
		return nil, err
	}
	return append(decisions, signIns...), nil
}

// OpenRecords opens the records of a data folder for reports, also while a checkpoint runs on it.
func OpenRecords(ctx context.Context, data string) (*sqlite.Store, error) {
	file := folders(data).store()
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, finding.Fail("node.no-records", nil, "folder", data)
	}
	return sqlite.OpenReader(ctx, file)
}
