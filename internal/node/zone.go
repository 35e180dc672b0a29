package node

import (
	"context"

	"sekisho/internal/lab/zone"
)

// SetLabRecordHere sets a record of the DNS of this node's own lab, which Start was given. The error is a *finding.Problem.
// SetLabRecord does the same for a lab that another process runs.
func (n *Node) SetLabRecordHere(ctx context.Context, name, typ, value string) error {
	record, err := zone.Parse(name, typ, value)
	if err != nil {
		return err
	}
	return n.world.Zone().Set(ctx, record)
}
