package ca

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"sekisho/internal/finding"
	"sekisho/internal/lockfile"
)

const (
	fileLock = ".lock"
	// partPrefix begins the names of files that are still being written.
	partPrefix = ".part-"
	// lockWait is how long Open waits for another process that works on the folder: chosen, many times what making all
	// files takes.
	lockWait = 10 * time.Second
)

// checkFolder refuses a path that is no folder, and a folder in which anyone on the machine may exchange files.
func checkFolder(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return unreadable(dir, err)
	case !info.IsDir():
		return finding.Fail("ca.not-a-folder", nil, "folder", dir)
	}
	if mode, open := writableByOthers(info); open {
		return finding.Fail("ca.folder-open", nil, "folder", dir, "mode", mode)
	}
	return nil
}

// lockFolder makes dir where it is missing and takes its lock, waiting at most wait. Files that a process left
// half-written are removed: whoever holds the lock knows that nobody is writing them.
func lockFolder(dir string, wait time.Duration) (unlock func(), err error) {
	if err := checkFolder(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, unwritable(dir, err)
	}
	l, err := lockfile.Acquire(filepath.Join(dir, fileLock), wait)
	if errors.Is(err, lockfile.ErrHeld) {
		return nil, finding.Fail("ca.locked", nil, "folder", dir)
	}
	if err != nil {
		return nil, unwritable(filepath.Join(dir, fileLock), err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, partPrefix+"*"))
	for _, l := range left {
		os.Remove(l)
	}
	return func() { _ = l.Release() }, nil
}

// save writes a file of the folder while the process runs. It does not wait for another process.
func (a *Authority) save(name string, data []byte) error {
	unlock, err := lockFolder(a.dir, 0)
	if err != nil {
		return err
	}
	defer unlock()
	return writeWhole(a.path(name), data, 0o644)
}

// writeWhole writes beside name, flushes to disk, then renames: name is the old file or the new one, never a part.
func writeWhole(name string, data []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(name), partPrefix+"*") // mode 0600
	if err != nil {
		return unwritable(name, err)
	}
	_, err = f.Write(data)
	if err == nil && mode != 0o600 {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
		return unwritable(name, err)
	}
	syncFolder(filepath.Dir(name))
	return nil
}

func unwritable(name string, err error) error {
	return finding.Fail("ca.unwritable", err, "file", name)
}
