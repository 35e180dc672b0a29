//go:build unix

package clients

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sekisho/internal/lab"
)

// sekisho runs another command of the program.
func (c *checkpoint) sekisho(t *testing.T, args ...string) result {
	t.Helper()
	return client(t, []string{"HOME=" + t.TempDir()}, filepath.Join(programs, "sekisho"), append(args, "--lang", "en", "--data", c.data)...)
}

// granted asks for a token with curl.
func (c *checkpoint) granted(t *testing.T, tenant string) bool {
	t.Helper()
	r := c.curl(t, "-d", serviceForm, "https://login.microsoftonline.com/"+tenant+tokenPath)
	if r.code != 0 {
		t.Fatalf("exit code %d: %s", r.code, r.err)
	}
	return strings.Contains(r.out, `"access_token"`)
}

// await polls until done or the limit.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(startLimit); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, startLimit)
		}
	}
}

// A reload changes the edition for the next request; a wrong configuration changes nothing and stays visible.
func TestReload(t *testing.T) {
	t.Parallel()
	need(t, "curl", "curl")
	example, err := os.ReadFile(filepath.Join("..", "..", "internal", "config", "example", "lab.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "sekisho.yaml")
	write := func(from, to string) {
		t.Helper()
		text := strings.Replace(string(example), from, to, 1)
		if from != to && text == string(example) {
			t.Fatalf("the example has no %q", from)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("", "")
	c := up(t, "--config", file)
	reload := func() {
		t.Helper()
		if err := c.process.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	type readiness struct {
		Edition  int               `json:"edition"`
		Warnings []json.RawMessage `json:"warnings"`
	}
	ready := func() (state readiness, text string) {
		t.Helper()
		r := c.direct(t, c.operations+"readyz")
		if err := json.Unmarshal([]byte(r.out), &state); err != nil {
			t.Fatalf("%q: %v", r.out, err)
		}
		return state, r.out
	}
	if c.granted(t, lab.FabrikamDomain) {
		t.Error("enforce: a foreign tenant got a token")
	}
	first, _ := ready()

	write("mode: enforce", "mode: report")
	reload()
	await(t, "the second edition", func() bool { s, _ := ready(); return s.Edition > first.Edition })
	if !c.granted(t, lab.FabrikamDomain) {
		t.Error("report: a foreign tenant was blocked")
	}
	second, _ := ready()

	write("mode: enforce", "mode: strict")
	reload()
	await(t, "the warning about the rejected configuration", func() bool {
		_, text := ready()
		return strings.Contains(text, "node.reload-rejected")
	})
	if s, _ := ready(); s.Edition != second.Edition {
		t.Errorf("a wrong configuration made edition %d", s.Edition)
	}
	if !c.granted(t, lab.FabrikamDomain) {
		t.Error("a wrong configuration changed what passes")
	}

	write("", "")
	reload()
	await(t, "the end of the warning", func() bool {
		s, text := ready()
		return s.Edition > second.Edition && !strings.Contains(text, "node.reload-rejected")
	})
	if c.granted(t, lab.FabrikamDomain) {
		t.Error("enforce again: a foreign tenant got a token")
	}
}

// A data folder outlives the process: the second start shows clients the same roots, and the reports know the first.
func TestSecondStart(t *testing.T) {
	t.Parallel()
	need(t, "curl", "curl")
	c := up(t)
	if !strings.Contains(c.summary, "root.key") {
		t.Errorf("the first start does not say that it made keys:\n%s", c.summary)
	}
	for _, name := range []string{"root.key", "issuing.key"} {
		if info, err := os.Stat(filepath.Join(c.data, "ca", name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v, want mode 0600", name, info, err)
		}
	}
	if c.granted(t, lab.FabrikamDomain) || !c.granted(t, lab.ContosoDomain) {
		t.Error("the policy is not the example's")
	}
	trust, err := os.ReadFile(c.trust)
	if err != nil {
		t.Fatal(err)
	}

	// While it runs: reports work, and a second checkpoint on the same folder is refused.
	await(t, "the blocked sign-in in the report", func() bool {
		r := c.sekisho(t, "report", "signins", "-o", "json")
		return r.code == 0 && strings.Contains(r.out, "500021")
	})
	r := c.sekisho(t, "up", "--lab", "--gateway-listen", "127.0.0.1:0", "--operations-listen", "127.0.0.1:0")
	if r.code != 2 || !strings.Contains(r.err, "error: ") || !strings.Contains(r.err, "hint: ") || r.out != "" {
		t.Errorf("a second checkpoint on the folder: exit code %d, want 2 with the reason\n%s%s", r.code, r.out, r.err)
	}
	if answer, err := http.Get(c.operations + "readyz"); err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("the first checkpoint suffered: %v %v", answer, err)
	} else {
		answer.Body.Close()
	}
	c.end(t)

	again := up(t, "--data", c.data)
	if again.data != c.data || strings.Contains(again.summary, "root.key") {
		t.Errorf("the second start does not keep the folder:\n%s", again.summary)
	}
	if after, err := os.ReadFile(again.trust); err != nil || string(after) != string(trust) {
		t.Errorf("the roots that clients trust have changed (%v)", err)
	}
	if !again.granted(t, lab.ContosoDomain) {
		t.Error("no token after the second start")
	}
	if r := again.sekisho(t, "report", "signins", "-o", "json"); !strings.Contains(r.out, "500021") {
		t.Errorf("the report has forgotten the first run: %s%s", r.out, r.err)
	}
	if r := again.sekisho(t, "report", "signins", "-o", "csv"); strings.Contains(r.out, lab.ServiceSecret) {
		t.Error("the report shows a secret")
	}
}
