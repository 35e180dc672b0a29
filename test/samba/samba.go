//go:build linux

package samba

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"sekisho/test/world"
)

// The domain of every controller that is started here.
const (
	Domain        = "corp.example"
	Realm         = "CORP.EXAMPLE"
	Base          = "DC=corp,DC=example"
	Host          = "dc1.corp.example"
	Administrator = "Administrator@CORP.EXAMPLE"
	Password      = "Passw0rd-Adm!n" // of the administrator
	address       = "127.0.0.10"
	patience      = 3 * time.Minute // for a step on a busy machine
)

// DC is a running domain controller.
type DC struct {
	Dir      string // of its files
	Roots    string // file of the certificate that signed its own
	daemon   *exec.Cmd
	settings string
	done     chan error
	log      *os.File
}

// Missing says why no domain controller can be started here; "": it can.
func Missing() string {
	for _, tool := range []string{"samba", "samba-tool", "ldbadd", "ldbmodify", "ldapsearch", "kinit"} {
		if _, err := exec.LookPath(tool); err != nil {
			return tool + " is not installed (test/suite/prerequisites.sh)"
		}
	}
	if os.Getuid() != 0 {
		return "provisioning a domain needs root"
	}
	return ""
}

// Start settles the network that the process runs in, makes a domain in dir with the objects of an LDIF text, and returns
// once LDAP and Kerberos answer. Stop has to be called.
func Start(dir, objects string) (*DC, error) {
	if err := world.Settle(dir, map[string]string{Host: address, Domain: address}); err != nil {
		return nil, err
	}
	dc := &DC{Dir: filepath.Join(dir, "dc"), settings: filepath.Join(dir, "dc", "etc", "smb.conf"), done: make(chan error, 1)}
	if _, err := dc.run("", "samba-tool", "domain", "provision", "--realm="+Realm, "--domain=CORP", "--server-role=dc", "--dns-backend=NONE",
		"--adminpass="+Password, "--targetdir="+dc.Dir, "--host-name=dc1", "--host-ip="+address); err != nil {
		return nil, err
	}
	if err := dc.configure(); err != nil {
		return nil, err
	}
	if err := dc.Load("ldbadd", objects); err != nil {
		return nil, err
	}
	// A service that is not wanted here would do it.
	if err := dc.Load("ldbmodify", "dn: CN=DC1,OU=Domain Controllers,"+Base+"\nchangetype: modify\nadd: servicePrincipalName\nservicePrincipalName: ldap/"+Host+"\n"); err != nil {
		return nil, err
	}
	return dc, dc.start()
}

// configure takes over where the files lie and leaves the rest: one that shares files, prints and maps users is not wanted.
func (dc *DC) configure() error {
	made, err := os.ReadFile(dc.settings)
	if err != nil {
		return err
	}
	out := "[global]\n"
	for line := range strings.Lines(string(made)) {
		key, _, _ := strings.Cut(strings.TrimSpace(line), " = ")
		switch key {
		case "binddns dir", "cache directory", "lock directory", "private dir", "state directory", "netbios name", "realm", "workgroup", "server role":
			out += line
		}
	}
	authority, err := world.NewAuthority("authority of " + Domain)
	if err != nil {
		return err
	}
	dc.Roots = filepath.Join(dc.Dir, "root.pem")
	leaf, key := filepath.Join(dc.Dir, "leaf.pem"), filepath.Join(dc.Dir, "key.pem")
	if err := authority.Write(dc.Roots, ""); err != nil {
		return err
	}
	if err := authority.Leaf(leaf, []string{Host}); err != nil {
		return err
	}
	// Samba wants the key apart, readable by nobody else.
	chain, err := os.ReadFile(leaf)
	if err != nil {
		return err
	}
	for rest := chain; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return errors.New("no key was made")
		} else if block.Type == "PRIVATE KEY" {
			if err := os.WriteFile(key, pem.EncodeToMemory(block), 0o600); err != nil {
				return err
			}
			break
		}
	}
	out += "\tinterfaces = " + address + "/8\n\tbind interfaces only = yes\n\tserver services = ldap, cldap, kdc\n" +
		"\tldap server require strong auth = allow_sasl_over_tls\n\tlog level = 1\n" +
		"\tpid directory = " + dc.Dir + "\n\tncalrpc dir = " + filepath.Join(dc.Dir, "ncalrpc") + "\n" +
		"\ttls enabled = yes\n\ttls certfile = " + leaf + "\n\ttls keyfile = " + key + "\n\ttls cafile = " + dc.Roots + "\n"
	if err := os.WriteFile(dc.settings, []byte(out), 0o600); err != nil {
		return err
	}
	krb5 := "[libdefaults]\n default_realm = " + Realm + "\n dns_lookup_kdc = false\n dns_lookup_realm = false\n rdns = false\n" +
		"[realms]\n " + Realm + " = {\n  kdc = " + address + ":88\n }\n[domain_realm]\n ." + Domain + " = " + Realm + "\n"
	return os.WriteFile(dc.Krb5Conf(), []byte(krb5), 0o644)
}

// Krb5Conf is a file of settings for clients.
func (dc *DC) Krb5Conf() string { return filepath.Join(dc.Dir, "krb5.conf") }

func (dc *DC) start() error {
	log, err := os.Create(filepath.Join(dc.Dir, "samba.log"))
	if err != nil {
		return err
	}
	dc.log = log
	dc.daemon = exec.Command("samba", "-i", "-M", "single", "-s", dc.settings, "--debug-stdout")
	dc.daemon.Stdout, dc.daemon.Stderr = log, log
	dc.daemon.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := dc.daemon.Start(); err != nil {
		return err
	}
	go func() { dc.done <- dc.daemon.Wait() }()
	for _, port := range []string{"389", "636", "88"} {
		if err := dc.await(port); err != nil {
			text, _ := os.ReadFile(log.Name())
			dc.Stop()
			return fmt.Errorf("%w: %s", err, text)
		}
	}
	return nil
}

// await waits until a port answers.
func (dc *DC) await(port string) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if conn, err := net.DialTimeout("tcp", address+":"+port, time.Second); err == nil {
			return conn.Close()
		}
		select {
		case err := <-dc.done:
			dc.done <- err
			return fmt.Errorf("samba ended: %w", err)
		default:
		}
	}
	return fmt.Errorf("port %s does not answer", port)
}

// Stop ends the domain controller and waits for its end.
func (dc *DC) Stop() {
	// Its children are of its group; the number is of a process that was started here and not yet waited for.
	_ = syscall.Kill(-dc.daemon.Process.Pid, syscall.SIGKILL)
	<-dc.done
	dc.log.Close()
}

// Load feeds LDIF to ldbadd or ldbmodify, past all access rights.
func (dc *DC) Load(tool, text string) error {
	if text == "" {
		return nil
	}
	_, err := dc.run(text, tool, "-H", filepath.Join(dc.Dir, "private", "sam.ldb"))
	return err
}

// Tool runs samba-tool.
func (dc *DC) Tool(args ...string) (string, error) {
	return dc.run("", "samba-tool", append(args, "-s", dc.settings)...)
}

// Run runs a client of the domain, such as ldapsearch or kinit, with input.
func (dc *DC) Run(input, name string, args ...string) (string, error) {
	return dc.run(input, name, args...)
}

func (dc *DC) run(input, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "KRB5_CONFIG="+dc.Krb5Conf(), "LDAPTLS_CACERT="+dc.Roots, "LC_ALL=C.UTF-8")
	if _, err := os.Stat(dc.settings); err == nil { // not yet while the domain is made
		cmd.Env = append(cmd.Env, "SMB_CONF_PATH="+dc.settings)
	}
	cmd.Stdin = strings.NewReader(input)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s%s", name, strings.Join(args, " "), err, out.String(), said.String())
	}
	return out.String(), nil
}
