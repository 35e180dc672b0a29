//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"sekisho/test/world"
)

// The names and addresses of the world inside. The addresses are of the ranges that Microsoft publishes for sign-in
// and for Exchange Online, because the gateway judges addresses too and must find nothing odd.
const (
	signInAddr = "20.190.128.10"
	tunnelAddr = "52.98.0.10"
	signInHost = "login.microsoftonline.com"
	tunnelHost = "outlook.office365.com"
	freshZone  = ".fresh.example.com" // names that were never asked for: n0.fresh.example.com and so on
	freshNames = 12000

	headerTenants = "Restrict-Access-To-Tenants"
	headerContext = "Restrict-Access-Context"
	tenants       = "contoso.com,3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31"
	directory     = "3c7d9a52-41b8-4e0f-9d26-5f0a8b1c2d31"
)

var signInHosts = []string{signInHost, "login.microsoft.com", "login.windows.net"}

func isSignIn(host string) bool { return contains(signInHosts, host) }

// surroundings are what surrounds the proxies: names, certificates, origin and client.
type surroundings struct {
	dir                   string
	originCA, originCert  string // PEM files
	issuerCert, issuerKey string // authority of the peers that intercept
	leaf                  string // for HAProxy
	origin                *exec.Cmd
	client                *exec.Cmd
	ask                   io.WriteCloser
	answers               *bufio.Reader
}

// connections is how many may wait at once: a relay takes up to six descriptors for each, Sekisho lets one address hold a
// twelfth of what it has, and the origin serves all peers together.
func connections() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 100
	}
	return max(1, (int(min(limit.Cur, 1<<20))-300)/13)
}

// surround makes the namespace liveable and starts origin and client.
func surround(dir string) (*surroundings, error) {
	w := &surroundings{dir: dir}
	// Many connections wait at once, on every side.
	limit := syscall.Rlimit{Cur: 65536, Max: 65536}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		var have syscall.Rlimit
		_ = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &have)
		have.Cur = have.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &have)
	}
	names := map[string]string{tunnelHost: tunnelAddr}
	for _, h := range signInHosts {
		names[h] = signInAddr
	}
	for i := range freshNames {
		names[freshName(i)] = tunnelAddr
	}
	if err := world.Settle(dir, names); err != nil {
		return nil, err
	}
	// Settings of this namespace. A connect searches the ports that linger after a close (TIME_WAIT); with tens of thousands
	// of them that search was nine tenths of the processor time of a tunnel, in whichever peer came later.
	_ = os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("10000 65000"), 0o644)
	_ = os.WriteFile("/proc/sys/net/ipv4/tcp_max_tw_buckets", []byte("16"), 0o644)
	if err := w.certificates(); err != nil {
		return nil, err
	}
	return w, w.start()
}

func freshName(i int) string { return fmt.Sprintf("n%d%s", i, freshZone) }

// certificates makes two authorities: one for origins, one for the peers that intercept.
func (w *surroundings) certificates() error {
	w.originCA, w.originCert = filepath.Join(w.dir, "origin-ca.pem"), filepath.Join(w.dir, "origin.pem")
	w.issuerCert, w.issuerKey = filepath.Join(w.dir, "issuer.pem"), filepath.Join(w.dir, "issuer.key")
	w.leaf = filepath.Join(w.dir, "leaf.pem")
	ca, err := world.NewAuthority("Bench origins")
	if err != nil {
		return err
	}
	issuer, err := world.NewAuthority("Bench peers")
	if err != nil {
		return err
	}
	names := append(signInHosts[:len(signInHosts):len(signInHosts)], tunnelHost, "*"+freshZone)
	return errors.Join(ca.Leaf(w.originCert, names), ca.Write(w.originCA, ""),
		issuer.Leaf(w.leaf, signInHosts), issuer.Write(w.issuerCert, w.issuerKey))
}

// start runs origin and client as processes of their own.
func (w *surroundings) start() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	w.origin = exec.Command(self, "origin", w.originCert)
	w.origin.Stderr = os.Stderr
	w.origin.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := w.origin.Start(); err != nil {
		return err
	}
	for i := 0; ; i++ {
		if _, err = w.counts(); err == nil {
			break
		}
		if i == 200 {
			return fmt.Errorf("the origin does not answer: %w", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	w.client = exec.Command(self, "client")
	w.client.Stderr = os.Stderr
	w.client.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if w.ask, err = w.client.StdinPipe(); err != nil {
		return err
	}
	out, err := w.client.StdoutPipe()
	if err != nil {
		return err
	}
	w.answers = bufio.NewReader(out)
	return w.client.Start()
}

// close ends origin and client.
func (w *surroundings) close() {
	_ = w.ask.Close()
	_ = w.client.Wait()
	_ = w.origin.Process.Kill()
	_ = w.origin.Wait()
}

// do has the client carry out one task.
func (w *surroundings) do(t task) (result, error) {
	var r result
	if err := json.NewEncoder(w.ask).Encode(t); err != nil {
		return r, fmt.Errorf("the client has gone: %w", err)
	}
	line, err := w.answers.ReadBytes('\n')
	if err != nil {
		return r, fmt.Errorf("the client has gone: %w", err)
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return r, err
	}
	if r.Err != "" {
		return r, fmt.Errorf("%s", r.Err)
	}
	return r, nil
}

// counts asks the origin what arrived.
func (w *surroundings) counts() (counts, error) {
	var c counts
	r, err := http.Get("http://" + controlAddr + "/counts")
	if err != nil {
		return c, err
	}
	defer r.Body.Close()
	return c, json.NewDecoder(r.Body).Decode(&c)
}
