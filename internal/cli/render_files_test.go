package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sekisho/internal/node"
)

// renderNeeds are the options without which a target makes nothing of the lab's policy.
var renderNeeds = map[string][]string{}

// TestEveryTargetIntoFiles: twice the same bytes in files; where a file cannot be written the exit code is 1, what was
// there stays, and nothing half-written is left.
func TestEveryTargetIntoFiles(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	for _, target := range node.RenderTargets() {
		t.Run(target.Name(), func(t *testing.T) {
			t.Parallel()
			render := func(want int, output string) string {
				t.Helper()
				args := append([]string{"render", target.Name(), "--lab", "--data", data, "--lang", "en", "--output", output}, renderNeeds[target.Name()]...)
				code, _, errs := run(t, "", args...)
				if code != want {
					t.Fatalf("%v: exit code %d, not %d\n%s", args, code, want, errs)
				}
				return errs
			}
			first, second := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
			render(0, first+"/")
			render(0, second+"/")
			files, err := os.ReadDir(first)
			if err != nil || len(files) == 0 {
				t.Fatalf("%d files, %v", len(files), err)
			}
			again, _ := os.ReadDir(second)
			if len(again) != len(files) {
				t.Errorf("%d files, then %d", len(files), len(again))
			}
			for _, f := range files {
				a, err1 := os.ReadFile(filepath.Join(first, f.Name()))
				b, err2 := os.ReadFile(filepath.Join(second, f.Name()))
				if err1 != nil || err2 != nil || len(a) == 0 || !bytes.Equal(a, b) {
					t.Errorf("%s: %d and %d bytes (%v, %v)", f.Name(), len(a), len(b), err1, err2)
				}
			}
			// A folder stands where the file is to be: root, who may write anywhere, cannot put a file there either.
			blocked := t.TempDir()
			kept := filepath.Join(blocked, files[0].Name(), "kept")
			if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(kept, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			if errs := render(1, blocked+"/"); !strings.Contains(errs, files[0].Name()) {
				t.Errorf("the file is not named: %s", errs)
			}
			if b, err := os.ReadFile(kept); err != nil || string(b) != "old" {
				t.Errorf("what was there is gone: %q %v", b, err)
			}
			left, _ := os.ReadDir(blocked)
			for _, f := range left {
				if strings.HasPrefix(f.Name(), ".") {
					t.Errorf("%s is left", f.Name())
				}
			}
			// A file stands where the folder is to be.
			if errs := render(1, filepath.Join(kept, "below")+"/"); errs == "" {
				t.Error("nothing is said")
			}
			if b, _ := os.ReadFile(kept); string(b) != "old" {
				t.Errorf("what was there is gone: %q", b)
			}
		})
	}
}
