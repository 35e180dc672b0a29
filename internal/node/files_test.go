package node_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sekisho/internal/catalog"
	"sekisho/internal/finding"
	"sekisho/internal/node"
)

// A file that the configuration names and that cannot be used was once found after the ports were taken and a root had
// been made.
func TestAFileThatCannotBeUsedIsFoundBeforeAnythingIsMade(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ instead, section, code string }{
		"trust-missing":    {"network:\n", "network:\n  trust: " + filepath.Join(dir, "none.pem") + "\n", "node.trust-unreadable"},
		"trust-empty":      {"network:\n", "network:\n  trust: " + empty + "\n", "node.trust-empty"},
		"password-missing": {"rings:\n", "authentication:\n  passwords: " + filepath.Join(dir, "none") + "\nrings:\n", "caller.unreadable"},
	} {
		t.Run(name, func(t *testing.T) {
			settings := labConfig(t, c.instead, c.section)
			program, found := node.Compile(settings, catalog.Builtin())
			i := slices.IndexFunc(found, func(f finding.Finding) bool { return f.Code == c.code })
			if program != nil || i < 0 || !found[i].Pos.Known() {
				t.Fatalf("a check finds %+v", found.Of(finding.Error))
			}
			data := filepath.Join(t.TempDir(), "data")
			if _, err := node.Start(t.Context(), node.Options{Config: settings, Lab: true, Data: data}); err == nil {
				t.Error("it started")
			}
			if _, err := os.Stat(data); !errors.Is(err, fs.ErrNotExist) {
				t.Error("the data folder was made")
			}
		})
	}
}

func TestARingOfStrangersIsSaid(t *testing.T) {
	passwords := filepath.Join(t.TempDir(), "users")
	// The hash is of "secret"; nobody signs in with it here.
	if err := os.WriteFile(passwords, []byte("alice:$2y$05$abcdefghijklmnopqrstuuF2MrFs/kDhZuVtGd.GGf/jR8Uu4bGNS\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	settings := labConfig(t, "rings:\n", "authentication:\n  passwords: "+passwords+"\nrings:\n  - name: pilot\n    mode: off\n    users: [alice, bbo]\n")
	_, found := node.Compile(settings, catalog.Builtin())
	var strangers []string
	for _, f := range found {
		if f.Code == "node.ring-user-unknown" {
			strangers = append(strangers, f.Args["user"])
		}
	}
	if !slices.Equal(strangers, []string{"bbo"}) {
		t.Errorf("%v: %+v", strangers, found)
	}
}
