// Package lockfile is a lock that processes take on a file, so that one of them at a time works on a folder.
//
//	l, err := lockfile.Acquire(filepath.Join(dir, ".lock"), 10*time.Second)
//	if errors.Is(err, lockfile.ErrHeld) { … }
//	defer l.Release()
//
// The system lets go of the lock when the process ends, however it ends; a file that is left over locks nothing. Two calls
// exclude each other in one process too. It is no lock on network file systems that ignore locks.
package lockfile

import (
	"errors"
	"os"
	"time"
)

// ErrHeld says that another holder has the lock.
var ErrHeld = errors.New("lock is held by another process")

// retry is the pause between two tries: chosen, not to be felt at a start.
const retry = 20 * time.Millisecond

// Lock is a lock that is held. Obtain it from Acquire.
type Lock struct{ f *os.File }

// Acquire makes the file name where it is missing (mode 0600) and takes its lock, trying for wait at most; 0 tries once.
// It returns ErrHeld when another holder does not let go in time, and the system's error when the file cannot be opened.
func Acquire(name string, wait time.Duration) (*Lock, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(wait); ; {
		ok, err := try(f)
		if err != nil {
			f.Close()
			return nil, err
		}
		if ok {
			return &Lock{f}, nil
		}
		if !time.Now().Before(deadline) {
			f.Close()
			return nil, ErrHeld
		}
		<-time.After(retry)
	}
}

// Release lets go of the lock. The file stays: removing it could remove the one that the next holder has just locked.
func (l *Lock) Release() error { return l.f.Close() }
