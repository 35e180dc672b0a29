package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sekisho/internal/finding"
	"sekisho/internal/lab/directory"
	"sekisho/internal/lab/state"
	"sekisho/internal/lab/token"
	"sekisho/internal/lockfile"
)

// DirectoryFile is the name of the organisation's own lab.yaml in the lab's folder. Without one, the lab begins with the
// shipped file.
const DirectoryFile = "lab.yaml"

const (
	lockName = ".lock"
	// lockWait is how long a lab waits for another one, or for a look at its state, to let go of the folder; chosen, longer
	// than any look takes.
	lockWait = 2 * time.Second
	// maxDirectoryFile bounds what is read of a lab.yaml; the directory says so of a longer one.
	maxDirectoryFile = 2 << 20
)

// lockFolder takes the lab's folder for one lab alone, and makes it where it is missing. The error is a *finding.Problem,
// "lab.in-use" when another lab has it.
func lockFolder(dir string, wait time.Duration) (*lockfile.Lock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, finding.Fail("lab.folder", err, "folder", dir)
	}
	l, err := lockfile.Acquire(filepath.Join(dir, lockName), wait)
	if errors.Is(err, lockfile.ErrHeld) {
		return nil, finding.Fail("lab.in-use", nil, "folder", dir)
	}
	if err != nil {
		return nil, finding.Fail("lab.folder", err, "folder", dir)
	}
	return l, nil
}

// readDirectory opens the directory that db keeps; where there is none yet, the one of the own lab.yaml in dir, or the
// shipped one. edited tells that the own file is not what the kept directory began with.
func readDirectory(ctx context.Context, dir string, db *state.DB) (*directory.Store, error) {
	if dir == "" {
		return directory.OpenShipped(ctx, db)
	}
	name := filepath.Join(dir, DirectoryFile)
	data, err := ownFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return directory.OpenShipped(ctx, db)
	}
	if err != nil {
		return nil, finding.Fail("lab.file-unreadable", err, "file", name)
	}
	return directory.OpenStore(ctx, db, name, data)
}

func ownFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("not a file")
	case info.Size() > maxDirectoryFile:
		return nil, fmt.Errorf("%d bytes, at most %d are read", info.Size(), maxDirectoryFile)
	}
	return os.ReadFile(name)
}

// Reset is what Reset removed, or would remove.
type Reset struct {
	Folder string `json:"folder"`
	// Files are those that go, with their paths; none when there is nothing to reset.
	Files []string `json:"files"`
}

// PlanReset tells what Reset would remove from the lab's folder dir.
func PlanReset(dir string) (Reset, error) {
	r := Reset{Folder: dir, Files: []string{}}
	for _, name := range state.Files() {
		file := filepath.Join(dir, name)
		switch _, err := os.Lstat(file); {
		case err == nil:
			r.Files = append(r.Files, file)
		case !errors.Is(err, fs.ErrNotExist):
			return r, finding.Fail("lab.folder", err, "folder", dir)
		}
	}
	return r, nil
}

// ResetFolder forgets what the lab in dir remembers: changes to its directory, its sign-in log, and whatever else its state
// holds. Its authority, which browsers may trust, and an own lab.yaml stay. It is refused while a lab runs there
// ("lab.reset-in-use").
func ResetFolder(dir string) (Reset, error) {
	r, err := PlanReset(dir)
	if err != nil || len(r.Files) == 0 {
		return r, err
	}
	l, err := lockFolder(dir, 0)
	if err != nil {
		var p *finding.Problem
		if errors.As(err, &p) && p.Findings[0].Code == "lab.in-use" {
			return r, finding.Fail("lab.reset-in-use", nil, "folder", dir)
		}
		return r, err
	}
	defer l.Release()
	// The file itself goes last: a reset that is cut short leaves a state that can be opened.
	for i := len(r.Files) - 1; i >= 0; i-- {
		if err := os.Remove(r.Files[i]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return r, finding.Fail("lab.folder", err, "folder", dir)
		}
	}
	return r, nil
}

// RotateKeys makes the lab in dir sign its tokens with a new key, and returns the published keys, the new one last. A lab
// that runs there follows within a second. It is a *finding.Problem, "lab.no-keys", when no lab has run there yet.
func RotateKeys(dir string) ([]token.Key, error) {
	path := filepath.Join(dir, token.File)
	switch _, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, finding.Fail("lab.no-keys", nil, "folder", dir)
	case err != nil:
		return nil, finding.Fail("lab.folder", err, "folder", dir)
	}
	keys, err := token.Open(path, nil)
	if err != nil {
		return nil, err
	}
	if err := keys.Rotate(); err != nil {
		return nil, err
	}
	return keys.Keys(), nil
}

// TenantID is the directory id of a tenant of the lab in dir, named by id or verified domain; db is the lab's state. A
// *finding.Problem, "lab.unknown-tenant", says that there is none.
func TenantID(ctx context.Context, dir string, db *state.DB, name string) (string, error) {
	store, err := readDirectory(ctx, dir, db)
	if err != nil {
		return "", err
	}
	t, ok := store.Current().Tenant(strings.TrimSpace(name))
	if !ok || t.Kind != directory.Organisation {
		return "", finding.Fail("lab.unknown-tenant", nil, "tenant", clip(name))
	}
	return t.ID, nil
}
