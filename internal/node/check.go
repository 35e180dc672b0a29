package node

import (
	"context"
	"net/http"
	"os"
	"path/filepath"

	"sekisho/internal/ca"
	"sekisho/internal/console"
	"sekisho/internal/finding"
)

// Checkpoint is a running checkpoint as its clients meet it.
type Checkpoint struct {
	Gateway string // host:port
	Lab     bool
	RootPEM []byte // of the gateway's authority; nil where it has none yet
}

// RunningCheckpoint finds the checkpoint that runs on the data folder. The error is a *finding.Problem when none does.
func RunningCheckpoint(ctx context.Context, data string) (Checkpoint, error) {
	var status console.Status
	code, err := ask(ctx, data, http.MethodGet, "/api/status", nil, &status)
	if err != nil {
		return Checkpoint{}, err
	}
	if code != http.StatusOK || status.Gateway == "" {
		return Checkpoint{}, finding.Fail("node.not-running", nil, "folder", data)
	}
	c := Checkpoint{Gateway: reachable(status.Gateway), Lab: status.Lab}
	if _, root, err := ca.Show(folders(data).ca()); err == nil {
		c.RootPEM = root
	}
	return c, nil
}

// LabRoot reads the root certificate of the lab in the data folder. The error is a *finding.Problem when there is none.
func LabRoot(data string) ([]byte, error) {
	file := filepath.Join(folders(data).lab(), "root.pem")
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, finding.Fail("node.not-running", err, "folder", data)
	}
	return pem, nil
}

// UpstreamCredentials makes the value of Proxy-Authorization from a file with one line "user:password"; "" without a file.
// What stands in the file is told to nobody. The error is a *finding.Problem.
func UpstreamCredentials(file string) (string, error) { return upstreamCredentials(file) }
