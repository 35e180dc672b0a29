//go:build unix

package ca

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// openToOthers reports whether a private key can be read or changed by people who should not. The group may read it: a
// key mounted from a Kubernetes Secret with fsGroup has mode 0640.
func openToOthers(info fs.FileInfo) (mode string, open bool) {
	m := info.Mode().Perm()
	return fmt.Sprintf("%04o", m), m&0o027 != 0
}

// writableByOthers reports whether anyone may exchange files in a folder. The sticky bit forbids it.
func writableByOthers(info fs.FileInfo) (mode string, open bool) {
	m := info.Mode()
	return fmt.Sprintf("%04o", m.Perm()), m.Perm()&0o002 != 0 && m&fs.ModeSticky == 0
}

// tryLock takes an exclusive lock that ends with the file's closing, even by a crash.
func tryLock(f *os.File) (bool, error) {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, unix.EINTR):
			return false, err
		}
	}
}

// syncFolder makes a rename survive a power cut. Not every file system can; the file's own content is safe already.
func syncFolder(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		d.Close()
	}
}
