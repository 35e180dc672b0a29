//go:build unix

package clients

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// labStatus is what of "sekisho lab status -o json" these tests read.
type labStatus struct {
	Running bool
	Kept    bool
	Edited  bool
	Tenants []struct{ Name string }
}

func (c *checkpoint) labStatus(t *testing.T) (s labStatus) {
	t.Helper()
	r := c.sekisho(t, "lab", "status", "-o", "json")
	if err := json.Unmarshal([]byte(r.out), &s); err != nil || r.code != 0 {
		t.Fatalf("lab status: exit code %d, %v\n%s%s", r.code, err, r.out, r.err)
	}
	return s
}

// kill ends the checkpoint without warning, as a loss of power would.
func (c *checkpoint) kill(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(-c.process.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-c.ended
	c.stop.Do(func() {}) // there is nothing left to stop
}

// What the lab began with and what became of it outlives kill -9 and a lab.yaml that says something else by then, until
// it is reset; that is refused while the lab runs.
func TestLabRemembersUntilItIsReset(t *testing.T) {
	t.Parallel()
	need(t, "curl", "curl")
	data := t.TempDir()
	own := filepath.Join(data, "lab", "lab.yaml")
	if err := os.Mkdir(filepath.Dir(own), 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name string) {
		t.Helper()
		text := "version: 1\ntenants:\n  - name: " + name + "\n    domains: [{name: contoso.com, verified: true}]\n" +
			"applications:\n  - {id: 4a8c0e26-3d5f-4b79-8ace-7f1b3d5e9c20, name: Daemon, secret: s, home: contoso.com, principals: [{tenant: contoso.com}]}\n"
		if err := os.WriteFile(own, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("Tailspin")
	c := up(t, "--data", data)
	if s := c.labStatus(t); !s.Running || !s.Kept || s.Edited || len(s.Tenants) != 1 || s.Tenants[0].Name != "Tailspin" {
		t.Errorf("while it runs: %+v", s)
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"4a8c0e26-3d5f-4b79-8ace-7f1b3d5e9c20"},
		"client_secret": {"s"}, "scope": {"https://graph.microsoft.com/.default"}}.Encode()
	if r := c.curl(t, "-d", form, "https://login.microsoftonline.com/contoso.com"+tokenPath); !strings.Contains(r.out, "access_token") {
		t.Errorf("the application of the own lab.yaml gets no token: %s%s", r.out, r.err)
	}
	for _, args := range [][]string{{"lab", "reset", "--yes"}, {"up", "--lab", "--gateway-listen", "127.0.0.1:0", "--operations-listen", "127.0.0.1:0"}} {
		if r := c.sekisho(t, args...); r.code != 2 || !strings.Contains(r.err, "error: ") || !strings.Contains(r.err, "hint: ") {
			t.Errorf("%v while a lab runs: exit code %d\n%s%s", args, r.code, r.out, r.err)
		}
	}
	c.kill(t)
	write("Wingtip")
	if s := c.labStatus(t); s.Running || !s.Kept || !s.Edited || s.Tenants[0].Name != "Tailspin" {
		t.Errorf("after kill -9: %+v", s)
	}
	c = up(t, "--data", data)
	if s := c.labStatus(t); !s.Running || s.Tenants[0].Name != "Tailspin" {
		t.Errorf("after the next start: %+v", s)
	}
	await(t, "the log's word that lab.yaml has changed", func() bool { return strings.Contains(c.log.String(), "lab reset") })
	c.end(t)
	if r := c.sekisho(t, "lab", "reset"); r.code != 2 || !strings.Contains(r.out, "state.db") || !strings.Contains(r.err, "--yes") {
		t.Errorf("a reset that nobody confirmed: exit code %d\n%s%s", r.code, r.out, r.err)
	}
	if r := c.sekisho(t, "lab", "reset", "--yes"); r.code != 0 {
		t.Errorf("reset: exit code %d\n%s%s", r.code, r.out, r.err)
	}
	if s := c.labStatus(t); s.Kept || s.Edited || s.Tenants[0].Name != "Wingtip" {
		t.Errorf("after the reset: %+v", s)
	}
}
