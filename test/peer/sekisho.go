package peer

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Sekisho starts the real program with a real configuration: every feature of the catalog, log, audit and metrics as
// they come. Its operations listener takes the port after s.Port.
func Sekisho(program string, s Setup) (*Process, error) {
	addr, err := s.prepare()
	if err != nil {
		return nil, err
	}
	features, err := features(program)
	if err != nil {
		return nil, err
	}
	operations := fmt.Sprintf("127.0.0.1:%d", s.Port+1)
	var c strings.Builder
	fmt.Fprintf(&c, "version: 1\norganisation: {name: Contoso}\nlisten:\n  gateway: %s\n  operations: %s\n", addr, operations)
	fmt.Fprintf(&c, "tenant:\n  location: AMSUC0101\n  seamless-sso: true\nfeatures: [%s]\n", strings.Join(features, ","))
	for i, name := range s.Inspect {
		if i == 0 {
			c.WriteString("hosts:\n")
		}
		if name[0] == '.' {
			name = "*" + name
		}
		fmt.Fprintf(&c, "  - host: %q\n    handling: inspect\n    plain-http: true\n    ports: tcp/80,443\n    reason: to be compared\n", name)
	}
	fmt.Fprintf(&c, "profiles:\n  - name: contoso-only\n    version: v1\n    permitted-tenants: [%s]\n    context: %s\n    consumer-accounts: block\n", s.Tenants, s.Context)
	c.WriteString("rings:\n  - name: everyone\n    mode: enforce\n    profile: contoso-only\n")
	fmt.Fprintf(&c, "network:\n  trust: %s\n", s.Trust)
	if s.Parent != "" {
		fmt.Fprintf(&c, "  upstream-proxy:\n    address: %s\n", s.Parent)
		if s.Blind {
			c.WriteString("    resolve: false\n")
		}
		if s.User != "" {
			file := filepath.Join(s.Dir, "credentials")
			if err := os.WriteFile(file, []byte(s.User+":"+s.Password+"\n"), 0o600); err != nil {
				return nil, err
			}
			fmt.Fprintf(&c, "    credentials: %s\n", file)
		}
	}
	conf := filepath.Join(s.Dir, "sekisho.yaml")
	if err := os.WriteFile(conf, []byte(c.String()), 0o600); err != nil {
		return nil, err
	}
	p, err := Start("sekisho", s.Dir, addr, program, "up", "--config", conf, "--data", filepath.Join(s.Dir, "data"))
	if err != nil {
		return nil, err
	}
	p.Root = filepath.Join(s.Dir, "root.pem")
	if err := fetch("http://"+operations+"/ca.pem", p.Root); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

// Unstored is how many records a running Sekisho has recorded and not yet stored.
func Unstored(p *Process) (int, error) {
	host, port, err := net.SplitHostPort(p.Addr)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return 0, err
	}
	answer, err := http.Get("http://" + net.JoinHostPort(host, strconv.Itoa(n+1)) + "/metrics")
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "sekisho_audit_unstored "); found {
			f, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return int(f), err
		}
	}
	return 0, fmt.Errorf("%s tells nothing of sekisho_audit_unstored:\n%s", p.Addr, text)
}

func fetch(url, file string) error {
	answer, err := http.Get(url)
	// The operations listener may open a moment after the gateway's, which Start waited for.
	for end := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(end); answer, err = http.Get(url) {
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o600)
}

// features lists every feature that the program's catalog has.
func features(program string) ([]string, error) {
	out, err := exec.Command(program, "catalog", "list", "-o", "json").Output()
	if err != nil {
		return nil, fmt.Errorf("%s catalog list: %w", program, err)
	}
	var list struct {
		Features []struct {
			ID string `json:"id"`
		} `json:"features"`
	}
	if err := json.Unmarshal(out, &list); err != nil || len(list.Features) == 0 {
		return nil, fmt.Errorf("%s catalog list names no features: %v", program, err)
	}
	var ids []string
	for _, f := range list.Features {
		ids = append(ids, f.ID)
	}
	return ids, nil
}
