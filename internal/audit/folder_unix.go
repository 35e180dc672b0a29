//go:build unix

package audit

import "os"

// syncFolder makes a new file's name survive a power cut. Not every file system can.
func syncFolder(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		d.Close()
	}
}
