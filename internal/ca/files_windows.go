package ca

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// openToOthers: access on Windows is by lists that a mode does not show; the data folder's list is inherited.
func openToOthers(fs.FileInfo) (mode string, open bool) { return "", false }

func writableByOthers(fs.FileInfo) (mode string, open bool) { return "", false }

// tryLock takes an exclusive lock on the first byte, which ends with the file's closing.
func tryLock(f *os.File) (bool, error) {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY,
		0, 1, 0, new(windows.Overlapped))
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}

// syncFolder: a folder cannot be flushed on Windows; NTFS journals the rename.
func syncFolder(string) {}
