//go:build linux

package world

import (
	"bytes"
	"os"
	"os/exec"
	"testing"
)

// folder is the variable by which a test that runs inside knows its folder.
const folder = "SEKISHO_TEST_WORLD"

// Inside has a test run in a network of its own: the test's program runs itself once more for this one test. Outside,
// prepare is called first, with a folder that both see; it may use the network of the machine, to build programs.
// Inside returns that folder and true in the inner run; the outer run reports what the inner one found, and returns
// false. Where no namespace can be had, the test is skipped.
//
//	dir, inside := world.Inside(t, build)
//	if !inside {
//		return
//	}
func Inside(t *testing.T, prepare func(t *testing.T, dir string)) (dir string, inside bool) {
	t.Helper()
	if dir := os.Getenv(folder); dir != "" {
		return dir, true
	}
	dir, err := os.MkdirTemp("", "sekisho-world-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // some peers change their user
		t.Fatal(err)
	}
	prepare(t, dir)
	args := []string{"-test.run=^" + t.Name() + "$", "-test.v"}
	for _, a := range os.Args[1:] {
		if a == "-update" {
			args = append(args, a)
		}
	}
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), folder+"="+dir)
	out, err := os.CreateTemp(dir, "output")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := Start(cmd); err != nil {
		t.Skip(err)
	}
	failed := cmd.Wait()
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", text)
	if failed != nil {
		t.Fatal(failed)
	}
	if bytes.Contains(text, []byte("--- SKIP")) {
		t.Skip("a part was skipped, see above")
	}
	return dir, false
}
