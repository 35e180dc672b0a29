package peer

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// dieWithParent makes sure that no peer outlives the harness, whatever ends it.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// giveToProxy hands a folder to the user as which Debian's Squid runs when it was started by root.
func giveToProxy(dir string) error {
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("proxy")
	if err != nil {
		return err
	}
	uid, _ := strconv.Atoi(u.Uid) // digits on Linux
	gid, _ := strconv.Atoi(u.Gid)
	return filepath.Walk(dir, func(path string, _ os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, uid, gid)
	})
}
