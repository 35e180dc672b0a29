//go:build linux

package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
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

// world is what surrounds the proxies: names, certificates, origin and client.
type world struct {
	dir                   string
	originCA, originCert  string // PEM files
	issuerCert, issuerKey string // authority of the peers that intercept
	leaf                  string // for HAProxy
	origin                *exec.Cmd
	client                *exec.Cmd
	ask                   io.WriteCloser
	answers               *bufio.Reader
}

// newWorld makes the namespace liveable: loopback up, the addresses on it, the names in a hosts file that only the
// processes in here see, certificates; then it starts origin and client.
func newWorld(dir string) (*world, error) {
	w := &world{dir: dir}
	// Many connections wait at once, on every side.
	limit := syscall.Rlimit{Cur: 65536, Max: 65536}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		var have syscall.Rlimit
		_ = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &have)
		have.Cur = have.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &have)
	}
	for label, addr := range map[string]string{"lo": "127.0.0.1", "lo:1": signInAddr, "lo:2": tunnelAddr} {
		if err := bringUp(label, addr); err != nil {
			return nil, fmt.Errorf("give %s the address %s: %w", label, addr, err)
		}
	}
	_ = os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("10000 65000"), 0o644) // of this namespace
	if err := w.names(); err != nil {
		return nil, err
	}
	if err := w.certificates(); err != nil {
		return nil, err
	}
	return w, w.start()
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

// names puts a hosts file over the machine's, for this namespace alone.
func (w *world) names() error {
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n")
	for _, h := range signInHosts {
		fmt.Fprintf(&b, "%s %s\n", signInAddr, h)
	}
	fmt.Fprintf(&b, "%s %s\n", tunnelAddr, tunnelHost)
	for i := range freshNames {
		fmt.Fprintf(&b, "%s %s\n", tunnelAddr, freshName(i))
	}
	file := filepath.Join(w.dir, "hosts")
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		return err
	}
	if err := unix.Mount(file, "/etc/hosts", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("put a hosts file over /etc/hosts: %w", err)
	}
	return nil
}

func freshName(i int) string { return fmt.Sprintf("n%d%s", i, freshZone) }

// certificates makes two authorities: one for origins, one for the peers that intercept.
func (w *world) certificates() error {
	w.originCA, w.originCert = filepath.Join(w.dir, "origin-ca.pem"), filepath.Join(w.dir, "origin.pem")
	w.issuerCert, w.issuerKey = filepath.Join(w.dir, "issuer.pem"), filepath.Join(w.dir, "issuer.key")
	w.leaf = filepath.Join(w.dir, "leaf.pem")
	ca, err := newAuthority("Bench origins")
	if err != nil {
		return err
	}
	names := append(signInHosts[:len(signInHosts):len(signInHosts)], tunnelHost, "*"+freshZone)
	if err := ca.leaf(w.originCert, names); err != nil {
		return err
	}
	if err := os.WriteFile(w.originCA, ca.pem, 0o644); err != nil {
		return err
	}
	issuer, err := newAuthority("Bench peers")
	if err != nil {
		return err
	}
	if err := issuer.leaf(w.leaf, signInHosts); err != nil {
		return err
	}
	key, err := x509.MarshalPKCS8PrivateKey(issuer.key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(w.issuerCert, issuer.pem, 0o644); err != nil {
		return err
	}
	return os.WriteFile(w.issuerKey, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o644)
}

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(name string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &authority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}, nil
}

// leaf writes certificate, chain and key for names to one file.
func (a *authority) leaf(file string, names []string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, key.Public(), a.key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	out := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	out = append(out, a.pem...)
	out = append(out, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...)
	return os.WriteFile(file, out, 0o644)
}

// start runs origin and client as processes of their own.
func (w *world) start() error {
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
func (w *world) close() {
	_ = w.ask.Close()
	_ = w.client.Wait()
	_ = w.origin.Process.Kill()
	_ = w.origin.Wait()
}

// do has the client carry out one task.
func (w *world) do(t task) (result, error) {
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
func (w *world) counts() (counts, error) {
	var c counts
	r, err := http.Get("http://" + controlAddr + "/counts")
	if err != nil {
		return c, err
	}
	defer r.Body.Close()
	return c, json.NewDecoder(r.Body).Decode(&c)
}
