package lockfile_test

import (
	"errors"
	"path/filepath"
	"testing"

	"sekisho/internal/lockfile"
)

func TestSecondHolderIsRefusedUntilRelease(t *testing.T) {
	name := filepath.Join(t.TempDir(), ".lock")
	l, err := lockfile.Acquire(name, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockfile.Acquire(name, 0); !errors.Is(err, lockfile.ErrHeld) {
		t.Errorf("second holder: %v", err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	l, err = lockfile.Acquire(name, 0)
	if err != nil {
		t.Fatalf("after release: %v", err)
	}
	l.Release()
}

func TestFolderThatDoesNotExistIsAnError(t *testing.T) {
	if _, err := lockfile.Acquire(filepath.Join(t.TempDir(), "absent", ".lock"), 0); err == nil {
		t.Error("locked")
	}
}
