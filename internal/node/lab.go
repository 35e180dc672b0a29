package node

import (
	"context"
	"os"
	"path/filepath"

	"sekisho/internal/lab"
	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/state"
	"sekisho/internal/lab/token"
)

// LabStatus and LabReset are what the lab of a data folder holds, and what a reset of it removes; LabTenant and
// LabApplication are parts of the first.
type (
	LabStatus      = lab.Status
	LabReset       = lab.Reset
	LabTenant      = lab.TenantStatus
	LabApplication = lab.ApplicationStatus
)

// LabUsed reports whether a lab has run on the data folder data.
func LabUsed(data string) bool {
	_, err := os.Stat(filepath.Join(folders(data).lab(), state.File))
	return err == nil
}

// ReadLab reads what the lab in the data folder holds, also while it runs.
func ReadLab(ctx context.Context, data string) (LabStatus, error) {
	return lab.ReadStatus(ctx, folders(data).lab())
}

// PlanLabReset tells what ResetLab would remove.
func PlanLabReset(data string) (LabReset, error) { return lab.PlanReset(folders(data).lab()) }

// ResetLab forgets what the lab in the data folder remembers. It is refused while the lab runs.
func ResetLab(data string) (LabReset, error) { return lab.ResetFolder(folders(data).lab()) }

// LabKey is one of the keys that sign the lab's tokens.
type LabKey = token.Key

// RotateLabKeys makes the lab of the data folder, which may be running, sign with a new key. It returns the published
// keys, the new one last.
func RotateLabKeys(data string) ([]LabKey, error) { return lab.RotateKeys(folders(data).lab()) }

// LabDirectoryFile is the lab.yaml that comes with the binary.
func LabDirectoryFile() []byte { return directory.ShippedFile() }

// CheckLabDirectory reads data as a lab.yaml; name stands in the findings of its error.
func CheckLabDirectory(name string, data []byte) error {
	_, err := directory.Parse(name, data)
	return err
}

// LabDirectoryPath is where the lab of the data folder looks for an own lab.yaml.
func LabDirectoryPath(data string) string {
	return filepath.Join(folders(data).lab(), lab.DirectoryFile)
}
