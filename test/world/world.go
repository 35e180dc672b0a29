//go:build linux

// Package world gives a test or a measurement a network of its own: a Linux network namespace in which any name has any
// address and a server of the test answers there. The sign-in hosts keep their names and addresses of the cloud, so the
// program under test is the real one with a real configuration, and its address rules run unchanged; no switch opens
// loopback.
//
//	cmd := exec.Command(self, "inside")
//	world.Unshare(cmd)                     // outside
//	…
//	err := world.Settle(dir, map[string]string{"login.microsoftonline.com": "20.190.128.10"}) // inside
//
// It needs root, or a system that permits user namespaces.
package world

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// NoNamespace begins the error of a system that gives no network namespace.
const NoNamespace = "make a network namespace"

// Unshare has cmd run in a network and a mount namespace of its own, and end with this process.
func Unshare(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Unshareflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET}
	if os.Getuid() != 0 {
		// Without root a user namespace gives the rights over the other two, where the system permits it.
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Pdeathsig:   syscall.SIGKILL,
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
	}
}

// Start starts cmd as Unshare says; its error says what to do where that is not permitted.
func Start(cmd *exec.Cmd) error {
	Unshare(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w; run as root, or where user namespaces are permitted", NoNamespace, err)
	}
	return nil
}

// Settle makes the namespace liveable: loopback up, with the IPv4 addresses of hosts on it, and these names in a hosts
// file in dir that the processes in here see in place of the machine's. Nothing outside can be reached.
func Settle(dir string, hosts map[string]string) error {
	var addrs, lines []string
	for name, addr := range hosts {
		if !slices.Contains(addrs, addr) {
			addrs = append(addrs, addr)
		}
		lines = append(lines, addr+" "+name)
	}
	slices.Sort(addrs)
	slices.Sort(lines)
	for i, addr := range append([]string{"127.0.0.1"}, addrs...) {
		label := "lo"
		if i > 0 {
			label = fmt.Sprintf("lo:%d", i)
		}
		if err := bringUp(label, addr); err != nil {
			return fmt.Errorf("give %s the address %s: %w", label, addr, err)
		}
	}
	file := filepath.Join(dir, "hosts")
	if err := os.WriteFile(file, []byte("127.0.0.1 localhost\n"+strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		return err
	}
	if err := unix.Mount(file, "/etc/hosts", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("put a hosts file over /etc/hosts: %w", err)
	}
	return nil
}

// bringUp gives an alias of the loopback interface an address and switches it on.
func bringUp(label, addr string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	r, err := unix.NewIfreq(label)
	if err != nil {
		return err
	}
	if err := r.SetInet4Addr(net.ParseIP(addr).To4()); err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFADDR, r); err != nil {
		return err
	}
	if r, err = unix.NewIfreq(label); err != nil {
		return err
	}
	r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r)
}
