//go:build unix

package ca

import (
	"fmt"
	"io/fs"
	"os"
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

// syncFolder makes a rename survive a power cut. Not every file system can; the file's own content is safe already.
func syncFolder(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		d.Close()
	}
}
