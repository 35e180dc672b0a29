// Package peer starts the proxies that Sekisho is measured and tried against, each as its makers' documents say, all
// with the same duty: tunnel what is not named, intercept what is, and set the restriction headers on the sign-in hosts.
//
//	p, err := peer.Squid(peer.Setup{Dir: dir, Port: 3103, …})
//	defer p.Stop()
//
// A peer that is not on this machine is a *Missing error, which says what to install. Nothing here is linked into the
// product.
package peer

import (
	"debug/buildinfo"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Setup is what every peer is told.
type Setup struct {
	Dir        string   // a folder for its files; it is made, and readable to everybody because Squid changes its user
	Port       int      // of 127.0.0.1
	IssuerCert string   // signing authority for what it intercepts, PEM file
	IssuerKey  string   // its key, PEM file
	Trust      string   // certificates that vouch for origins, PEM file
	SignIn     []string // names that get the headers; they are intercepted
	Inspect    []string // further names to intercept; a leading dot means every name below
	Tenants    string   // value of Restrict-Access-To-Tenants
	Context    string   // value of Restrict-Access-Context
	Bypass     []string // names that must never be read, for mitmproxy, which reads all others
	// Parent is a proxy through which everything goes, host:port; "" for none. SquidForward and Sekisho know it.
	Parent         string
	Blind          bool   // Sekisho leaves names to the parent
	User, Password string // that SquidForward asks for, and Sekisho gives to its parent; "" for none
	// Leaf is a file with certificate, chain and key for the sign-in names, for HAProxy, which mints none.
	Leaf string
	// Origin is where HAProxy sends what it terminates, host:port; it does not look names up for each request.
	Origin string
}

// Missing says that a peer is not on this machine.
type Missing struct{ What, Install string }

func (m *Missing) Error() string { return fmt.Sprintf("%s is not here; install %s", m.What, m.Install) }

// Process is a running peer.
type Process struct {
	Name    string
	Version string // as it prints itself, "" when it prints none
	Addr    string // where it listens, 127.0.0.1:port
	Log     string // file with what it printed
	Root    string // file with the root of what it shows, where it makes its own; "" for Setup.IssuerCert
	cmd     *exec.Cmd
	gone    chan struct{}
}

// PID is the process id of the peer; its helpers are its descendants.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stop ends the peer and waits for it, at most five seconds before it is killed.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(os.Interrupt)
	select {
	case <-p.gone:
	case <-time.After(5 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.gone
	}
}

// Output is what the peer printed, at most the last 4 KiB.
func (p *Process) Output() string {
	b, _ := os.ReadFile(p.Log)
	return string(b[max(0, len(b)-4096):])
}

// Start runs command in dir and waits until addr accepts, at most 20 s (chosen: Squid makes its folders first).
func Start(name, dir, addr, command string, args ...string) (*Process, error) {
	p := &Process{Name: name, Addr: addr, Log: filepath.Join(dir, "output"), gone: make(chan struct{})}
	out, err := os.Create(p.Log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p.cmd = exec.Command(command, args...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, out, out
	p.cmd.SysProcAttr = dieWithParent()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.gone)
	}()
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return p, nil
		}
		select {
		case <-p.gone:
			return nil, fmt.Errorf("%s ended at once:\n%s", name, p.Output())
		default:
		}
	}
	p.Stop()
	return nil, fmt.Errorf("%s does not listen on %s:\n%s", name, addr, p.Output())
}

func (s *Setup) prepare() (addr string, err error) {
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return "", err
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)), os.Chmod(s.Dir, 0o777)
}

// find looks for a program where Debian puts it, which is not always on the path.
func find(what, install string) (string, error) {
	for _, name := range []string{what, "/usr/sbin/" + what, "/usr/lib/squid/" + what} {
		if p, err := exec.LookPath(name); err == nil {
			return p, nil
		}
	}
	return "", &Missing{What: what, Install: install}
}

// firstLine runs a program for its version.
func firstLine(program string, args ...string) string {
	out, _ := exec.Command(program, args...).CombinedOutput()
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}

// headers are those that every peer sets on requests to the sign-in hosts: "Name: value".
func (s *Setup) headers() []string {
	return []string{"Restrict-Access-To-Tenants: " + s.Tenants, "Restrict-Access-Context: " + s.Context}
}

// intercepted are all names to intercept.
func (s *Setup) intercepted() []string {
	return append(s.SignIn[:len(s.SignIn):len(s.SignIn)], s.Inspect...)
}

func (s *Setup) headerFlags() []string {
	var out []string
	for _, h := range s.headers() {
		out = append(out, "-header", h)
	}
	return out
}

// Plain starts one of the two proxies of the folder plain, which binary holds: "relay" or "reverseproxy".
func Plain(binary, which string, s Setup) (*Process, error) {
	addr, err := s.prepare()
	if err != nil {
		return nil, err
	}
	return Start(which, s.Dir, addr, binary, append([]string{which, "-listen", addr, "-cert", s.IssuerCert,
		"-key", s.IssuerKey, "-trust", s.Trust, "-signin", strings.Join(s.SignIn, ",")}, s.headerFlags()...)...)
}

// Goproxy starts the program of the folder goproxy.
func Goproxy(binary string, s Setup) (*Process, error) {
	if _, err := os.Stat(binary); err != nil {
		return nil, &Missing{What: "goproxy", Install: "the module github.com/elazarl/goproxy (go build in test/peer/goproxy)"}
	}
	addr, err := s.prepare()
	if err != nil {
		return nil, err
	}
	args := []string{"-listen", addr, "-cert", s.IssuerCert, "-key", s.IssuerKey, "-trust", s.Trust,
		"-signin", strings.Join(s.SignIn, ","), "-intercept", strings.Join(s.intercepted(), ",")}
	p, err := Start("goproxy", s.Dir, addr, binary, append(args, s.headerFlags()...)...)
	if err != nil {
		return nil, err
	}
	p.Version = moduleVersion(binary, "github.com/elazarl/goproxy")
	return p, nil
}

// moduleVersion is the version of module that was built into a Go program.
func moduleVersion(program, module string) string {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return ""
	}
	for _, m := range info.Deps {
		if m.Path == module {
			return module + " " + strings.TrimPrefix(m.Version, "v")
		}
	}
	return ""
}

// Build compiles the package in dir, below the module it lies in, to out. Peers carry no cgo, as the product does not.
func Build(dir, out, pkg string) error {
	cmd := exec.Command("go", "build", "-o", out, pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, text)
	}
	return nil
}

// IsMissing reports whether err says that a peer is not on this machine.
func IsMissing(err error) bool {
	var m *Missing
	return errors.As(err, &m)
}
